//! Who keeps what was found out about servers.

use tokio::time::Duration;
use url::Url;
use uuid::Uuid;

use crate::{
    error::{McpError, McpErrorKind},
    protocol::Revision,
    session::Wire,
    target::Target,
};

/// Called in passing: it must not wait.
pub trait Observer: Send + Sync {
    /// A server was asked what it speaks, and answered.
    fn found(&self, found: Found);

    /// A server was contacted. Lists out of a cache, refusals of our own and full queues are no contact.
    fn contacted(&self, contact: Contact);
}

/// What a server speaks, and how it calls itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The server's row.
    pub server_id: Uuid,
    /// Where it was asked.
    pub url: Url,
    /// How it is spoken to.
    pub wire: Wire,
    /// The revision.
    pub revision: Revision,
    /// Self-reported, one line.
    pub server_name: String,
    /// Self-reported, one line.
    pub server_version: String,
}

/// What came of one contact with a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contact {
    /// The server's row.
    pub server_id: Uuid,
    /// For whom.
    pub user_id: Uuid,
    /// What came of it.
    pub outcome: Contacted,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Contacted {
    /// It was connected to where needed, and listed its tools.
    Listed {
        /// Both together.
        took: Duration,
    },
    /// It answered a call, or said that it wants more permission: it is well, and the credential is good.
    Called,
    /// It did not do what it was asked.
    Failed {
        /// How.
        kind: McpErrorKind,
        /// For people who may know its address, at most 512 bytes.
        message: String,
    },
}

impl Contact {
    pub(crate) fn of(target: &Target, outcome: Contacted) -> Self {
        Self { server_id: target.server_id, user_id: target.user_id, outcome }
    }

    /// What trouble says of the server; `None` for trouble of our own.
    pub(crate) fn after(target: &Target, error: &McpError) -> Option<Self> {
        if error.kind() == McpErrorKind::InsufficientScope {
            return Some(Self::of(target, Contacted::Called));
        }
        let own = matches!(
            error.kind(),
            McpErrorKind::Busy
                | McpErrorKind::Closed
                | McpErrorKind::Paused
                | McpErrorKind::Blocked
                | McpErrorKind::DefinitionChanged
        );
        let outcome = Contacted::Failed { kind: error.kind(), message: error.public_message() };
        (!own).then(|| Self::of(target, outcome))
    }
}
