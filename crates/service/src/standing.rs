//! What is known of a user and a server when the gates are asked: for a step, for a call, and for "Why this tool?".

use crate::mcp_servers::{access_of, access_target};
use api::{Timestamp, Uuid, servers::AuthStatus, users::UserStatus};
use chatd::Unusable;
use dbcrypt::Keyring;
use domain::{
    accounts::{Action, can},
    gates::{Choice, GroupAccess, ServerFacts},
    mcp_server::auth_status,
    plan_mode::TurnMode,
};
use mcpclient::Target;
use store::{
    Session, StoreError,
    mcp_servers::{FoundServer, Reader},
    users,
};

/// A user, by their role and account as they are now (behaviour 2 and 16).
#[derive(Debug, Clone)]
pub(crate) struct Standing {
    /// What the user's chats find: enabled servers that are open to them.
    pub(crate) reader: Reader,
    pub(crate) account_active: bool,
}

impl Standing {
    /// `None`: there is no such user.
    pub(crate) async fn load(session: &mut Session, user: Uuid) -> Result<Option<Self>, StoreError> {
        let account = users::user_get(session, user).await?;
        Ok(account.map(|account| Self {
            reader: Reader {
                user_id: user,
                disabled: false,
                every_group: can(&account.user.roles, Action::ServersWrite),
            },
            account_active: account.user.status == UserStatus::Active,
        }))
    }

    /// The facts about a server that was found with the user's own values, and how it is dialled or why it is not. `open`: the
    /// user's groups or role find it. Nothing is dialled here.
    pub(crate) fn assess(
        &self,
        keyring: &Keyring,
        found: &FoundServer,
        open: bool,
        choice: Choice,
        mode: TurnMode,
        now: Timestamp,
    ) -> (ServerFacts, Result<Target, Unusable>) {
        let record = &found.stored.record;
        let (auth_status, _) = auth_status(record, &access_of(keyring, found, now));
        let access = access_target(keyring, self.reader.user_id, found, now);
        let usable = matches!(
            auth_status,
            AuthStatus::NotRequired
                | AuthStatus::Connected
                | AuthStatus::ExpiredRefreshable
                | AuthStatus::NeedsPermission
        );
        let facts = ServerFacts {
            account_active: self.account_active,
            enabled: record.enabled,
            group: match (open, record.allowed_group_ids.is_empty()) {
                (false, _) => GroupAccess::Outside,
                (true, true) => GroupAccess::Everybody,
                (true, false) if self.reader.every_group => GroupAccess::ByRole,
                (true, false) => GroupAccess::Member,
            },
            availability: record.availability,
            choice,
            // A stored address or header that cannot be used is no complete configuration either.
            configured: auth_status != AuthStatus::Misconfigured && (access.is_ok() || !usable),
            auth_status,
            change_policy: record.tool_change_policy,
            mode,
            allow_in_plan_mode: record.allow_in_plan_mode,
        };
        (facts, access)
    }
}
