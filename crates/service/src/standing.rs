//! What is known of a user and a server when the gates are asked: for a step, for a call, and for "Why this tool?".

use crate::sources::access_target;
use api::{Uuid, servers::AuthStatus};
use chatd::Unusable;
use dbcrypt::Keyring;
use domain::{
    gates::{Choice, GroupAccess, ServerFacts},
    mcp_server::auth_status,
};
use mcpclient::Target;
use store::{Session, StoreError, mcp_servers::StoredServer, users};

/// A user, as far as servers are concerned.
#[derive(Debug, Clone)]
pub(crate) struct Standing {
    user: Uuid,
    pub(crate) account_active: bool,
}

impl Standing {
    pub(crate) async fn load(session: &mut Session, user: Uuid) -> Result<Self, StoreError> {
        Ok(Self { user, account_active: users::user_is_active(session, user).await? })
    }

    /// The facts about a server, and how it is dialled or why it is not. Nothing is dialled here.
    pub(crate) fn assess(
        &self,
        keyring: &Keyring,
        stored: &StoredServer,
        choice: Choice,
    ) -> (ServerFacts, Result<Target, Unusable>) {
        let record = &stored.record;
        let (auth_status, _) = auth_status(record);
        let access = access_target(keyring, self.user, stored);
        let usable = matches!(
            auth_status,
            AuthStatus::NotRequired | AuthStatus::Connected | AuthStatus::ExpiredRefreshable
        );
        let facts = ServerFacts {
            account_active: self.account_active,
            enabled: record.enabled,
            group: GroupAccess::Everybody,
            availability: record.availability,
            choice,
            // A complete configuration whose secret cannot be read is none.
            configured: auth_status != AuthStatus::Misconfigured && (access.is_ok() || !usable),
            auth_status,
        };
        (facts, access)
    }
}
