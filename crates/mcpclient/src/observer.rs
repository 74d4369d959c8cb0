//! Who keeps what was found out about servers.

use url::Url;
use uuid::Uuid;

use crate::{protocol::Revision, session::Wire};

/// Called in passing: it must not wait.
pub trait Observer: Send + Sync {
    /// A server was asked what it speaks, and answered.
    fn found(&self, found: Found);
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
