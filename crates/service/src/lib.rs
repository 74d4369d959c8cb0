//! Use cases, one file per resource: authorise, validate, transaction, audit, notify.
//!
//! REST handlers, server functions and the command line all call these functions and nothing below them; so a rule that holds
//! here holds everywhere. Each takes an [`OpContext`]: who asks, from where.

mod audit;
mod audit_log;
mod change_follower;
mod chat_settings;
mod chats;
mod context;
mod definitions;
mod egress_settings;
mod error;
mod explain;
mod files;
mod fleet;
mod follow;
mod groups;
mod health;
mod keys;
mod maintenance;
mod markdown;
mod mcp_check;
mod mcp_servers;
mod models;
mod oauth;
mod pages;
mod passwords;
mod per_minute;
mod providers;
mod refusals;
mod restore;
mod secrets;
mod server_facts;
mod sessions;
mod setup;
mod sources;
mod standing;
mod tokens;
mod tools;
mod transfer;
mod users;
mod watch;
mod workspaces;

pub use change_follower::ChangeFollower;
pub use chats::ChatListRequest;
pub use context::{Caller, OpContext, RequestInfo};
pub use definitions::Definitions;
pub use egress_settings::{OperatorEgress, egress_allow_of};
pub use error::{Error, Result};
pub use explain::ExplainRequest;
pub use follow::RenderedEvent;
pub use health::HealthKeeper;
pub use keys::{
    KeyStartError, Keys, KeysError, PurgePlan, Replica, Rotated, Rotation, key_revoke, keyring_verify,
    keys_known, keys_purge, keys_purge_plan, keys_status,
};
pub use markdown::render_markdown;
pub use mcp_servers::{AuthTypesError, Revocation, auth_types_verify};
pub use oauth::{CallbackQuery, CallbackRefused, Connected, Refresher};
pub use refusals::Refusals;
pub use restore::{database_backed_up, database_restored};
pub use server_facts::FactKeeper;
pub use sessions::{SESSION_ABSOLUTE_SECONDS, TOKEN_BYTES};
pub use setup::SetupToken;
pub use sources::Sources;
pub use transfer::{ExportFormat, ServerTransfer};

use chatd::ChatDaemon;
use dbcrypt::Keyring;
use domain::clock::{Clock, Entropy};
use egress::Egress;
use mcpclient::McpClients;
use passwords::Passwords;
use per_minute::PerMinute;
use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};
use store::Db;
use url::Url;

/// What the use cases stand on.
pub struct Deps {
    pub db: Db,
    pub keyring: Arc<Keyring>,
    pub egress: Egress,
    /// What owners cannot change about it.
    pub operator_egress: OperatorEgress,
    pub mcp: McpClients,
    pub chatd: ChatDaemon,
    /// Shared with [`Sources`].
    pub definitions: Arc<Definitions>,
    /// Shared with [`Sources`].
    pub refresher: Arc<Refresher>,
    /// Shared with [`FactKeeper`].
    pub health: Arc<HealthKeeper>,
    /// Calls by hand per user and minute; 0 limits nothing.
    pub tool_trials_per_minute: u32,
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
    /// Where people and providers reach us (behaviour 30).
    pub access_url: Url,
    pub build: api::users::BuildInfo,
}

/// The use cases. Clones share everything.
#[derive(Clone)]
pub struct Service(Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) deps: Deps,
    pub(crate) passwords: Passwords,
    pub(crate) checks: PerMinute,
    pub(crate) trials: PerMinute,
    pub(crate) discoveries: PerMinute,
    pub(crate) refusals: Refusals,
    pub(crate) audit_reads: audit_log::AuditReads,
    pub(crate) egress_reload: tokio::sync::Mutex<()>,
    /// Ids of changes that this process has followed already; see [`ChangeFollower`].
    pub(crate) followed: Mutex<BTreeSet<i64>>,
}

impl Service {
    pub fn new(deps: Deps) -> Self {
        let refusals = Refusals::new(deps.db.clone(), deps.clock.clone(), deps.entropy.clone());
        let trials = usize::try_from(deps.tool_trials_per_minute).unwrap_or(usize::MAX);
        Self(Arc::new(Inner {
            deps,
            passwords: Passwords::new(),
            checks: PerMinute::new(mcp_check::CHECKS, "checks"),
            trials: PerMinute::new(trials, "calls by hand"),
            discoveries: PerMinute::new(mcp_check::CHECKS, "discoveries"),
            refusals,
            audit_reads: audit_log::AuditReads::default(),
            egress_reload: tokio::sync::Mutex::default(),
            followed: Mutex::default(),
        }))
    }

    pub(crate) fn deps(&self) -> &Deps {
        &self.0.deps
    }

    pub(crate) fn db(&self) -> &Db {
        &self.0.deps.db
    }

    pub(crate) fn now(&self) -> api::Timestamp {
        self.0.deps.clock.now()
    }

    pub(crate) fn new_id(&self) -> api::Uuid {
        domain::clock::new_id(&*self.0.deps.clock, &*self.0.deps.entropy)
    }

    /// Takes note of refused attempts, for [`RequestInfo::refusals`].
    pub fn refusals(&self) -> Refusals {
        self.0.refusals.clone()
    }

    /// The public address of this deployment.
    pub fn access_url(&self) -> &Url {
        &self.0.deps.access_url
    }

    /// Version, commit, engine (behaviour 30). For everybody.
    pub fn build_info(&self) -> api::users::BuildInfo {
        self.0.deps.build.clone()
    }

    /// True when the database answers (`/readyz`).
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn ready(&self) -> Result<()> {
        let mut session = self.db().read().await?;
        store::clock::database_now(&mut session).await?;
        Ok(())
    }
}
