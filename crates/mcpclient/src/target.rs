//! Which server, for which user, with which credential.

use std::fmt;

use http::{HeaderMap, HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use url::Url;
use uuid::Uuid;

use crate::{error::McpError, identity::Forwarding, limits::Bounds, session::Wire};

/// The transport of a server's configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Transport {
    /// One address. Which era it is of is found out (protocol.md 2).
    #[default]
    StreamableHttp,
    /// The two-endpoint transport of 2024-11-05, and nothing else.
    Sse,
}

/// Everything a connection needs. User, server and credential version are the key of the pool: nothing is shared
/// between two users, or between two versions of a credential (protocol.md L4).
#[derive(Clone)]
pub struct Target {
    /// The server's row, or an entry of a workspace (behaviour 23): [`domain::workspace::is_entry_id`] tells them apart.
    pub server_id: Uuid,
    /// Whose chat it is.
    pub user_id: Uuid,
    /// For logs.
    pub slug: String,
    /// The MCP endpoint.
    pub url: Url,
    /// As the admin set it.
    pub transport: Transport,
    /// What the server was found to speak, from where that is kept; asked anew where it is missing or wrong.
    pub wire: Option<Wire>,
    /// Sent with every request, the first included.
    pub headers: Vec<(HeaderName, SecretString)>,
    /// What the server is told of who asks, if its admin wants that. Of one request: the connection may serve other chats
    /// of the same user.
    pub forwarding: Option<Forwarding>,
    /// Rises whenever the credential changes.
    pub credential_version: i64,
}

impl Target {
    /// Host and port, the only part of the URL that is shown.
    pub(crate) fn host(&self) -> String {
        egress::Target::of(&self.url).map_or_else(|| "the server".to_owned(), |target| target.to_string())
    }

    /// Only its user has vouched for the server (behaviour 23): less is taken from it, and its address is not shown.
    pub(crate) fn is_of_workspace(&self) -> bool {
        domain::workspace::is_entry_id(self.server_id)
    }

    pub(crate) fn bounds(&self) -> Bounds {
        if self.is_of_workspace() { Bounds::WORKSPACE } else { Bounds::REGISTERED }
    }

    pub(crate) fn header_map(&self) -> Result<HeaderMap, McpError> {
        let mut map = HeaderMap::new();
        for (name, value) in &self.headers {
            let mut value = HeaderValue::from_str(value.expose_secret()).map_err(|_| {
                McpError::protocol(format!(
                    "the stored value of the header {name} has characters no header may have"
                ))
            })?;
            value.set_sensitive(true);
            map.append(name, value);
        }
        Ok(map)
    }

    /// Tells a changed address or header apart even where nobody raised the version.
    pub(crate) fn fingerprint(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        let mut part = |bytes: &[u8]| {
            hash.update((bytes.len() as u64).to_be_bytes());
            hash.update(bytes);
        };
        part(self.url.as_str().as_bytes());
        part(&[u8::from(self.transport == Transport::Sse)]);
        for (name, value) in &self.headers {
            part(name.as_str().as_bytes());
            part(value.expose_secret().as_bytes());
        }
        hash.finalize().into()
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Header values are secrets, and a URL can carry one in its query.
        f.debug_struct("Target")
            .field("server_id", &self.server_id)
            .field("user_id", &self.user_id)
            .field("slug", &self.slug)
            .field("host", &self.host())
            .field("headers", &self.headers.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>())
            .field("credential_version", &self.credential_version)
            .finish()
    }
}
