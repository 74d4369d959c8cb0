//! Who issues tokens for a server, and where (behaviour 8; protocol.md 14.1 to 14.4).
//!
//! [`Discovery`] decides: it is given answers and says what to ask next, without input or output of its own. [`discover`] asks.

mod driver;
mod error;
mod machine;

use std::fmt;

use domain::oauth::challenge::Challenge;

use crate::{metadata::ServerMetadata, resource::Fit};

pub use driver::discover;
pub use error::{DiscoveryError, DiscoveryErrorKind};
pub use machine::Discovery;

/// What is to be found out.
#[derive(Debug, Clone, Default)]
pub struct Question {
    /// The MCP server's URL as it was typed.
    pub server_url: String,
    /// The issuer that an admin gave: it wins over what the server publishes, and nothing is guessed.
    pub given_issuer: Option<String>,
    /// The issuer in use: taken among several while the server still lists it.
    pub pinned_issuer: Option<String>,
}

/// What to do next.
#[derive(Debug, Clone)]
pub enum Step {
    /// Send one request without credentials to the server; only status and `WWW-Authenticate` count.
    Probe {
        /// The server's URL.
        url: String,
    },
    /// `GET` a document.
    Fetch {
        /// Its address; it has passed [`crate::urls::check_endpoint`].
        url: String,
        /// What should be there.
        what: CandidateKind,
    },
    /// It is known.
    Done(Box<Found>),
    /// It cannot be known.
    Failed(Box<DiscoveryError>),
}

/// What came of a step.
#[derive(Debug, Clone)]
pub enum Answer {
    /// The server answered the probe.
    Probed {
        /// The HTTP status.
        status: u16,
        /// What `WWW-Authenticate` says to Bearer clients.
        challenge: Option<Challenge>,
    },
    /// There was an answer to a `GET`.
    Fetched {
        /// The HTTP status.
        status: u16,
        /// The body of a `200`; it may be left empty for any other status.
        body: Vec<u8>,
    },
    /// There was no usable answer.
    Failed {
        /// What kind of trouble.
        trouble: Trouble,
        /// One short sentence without anything a peer wrote.
        cause: String,
    },
}

/// Why there is no usable answer. None of these ever counts as "no metadata" (protocol.md 14.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Trouble {
    /// The outbound rules refuse the address.
    Blocked,
    /// No connection, or it broke; 5xx and 429 count as such.
    Unreachable,
    /// A deadline passed.
    Late,
    /// A redirect that is not followed, too many bytes, compressed bytes.
    Unusable,
}

/// What an address was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CandidateKind {
    /// The server itself.
    Probe,
    /// Protected resource metadata (RFC 9728).
    ResourceMetadata,
    /// Authorization server metadata (RFC 8414, OpenID Connect Discovery).
    AuthorizationServer,
}

impl CandidateKind {
    /// As it is shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Probe => "server",
            Self::ResourceMetadata => "resource metadata",
            Self::AuthorizationServer => "authorization server metadata",
        }
    }
}

/// An address that was asked or would have been, for an admin to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The address, with everything that could deceive the eye replaced.
    pub url: String,
    /// What it was asked for.
    pub what: CandidateKind,
    /// The HTTP status, where there was an answer.
    pub status: Option<u16>,
    /// One short sentence; no bodies.
    pub cause: String,
    /// Whether the outcome rests on this answer.
    pub used: bool,
}

impl fmt::Display for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}): ", self.url, self.what.as_str())?;
        match self.status {
            Some(status) => write!(f, "HTTP {status}, {}", self.cause),
            None => f.write_str(&self.cause),
        }
    }
}

/// What a discovery found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The audience of tokens, exactly as published, or the server's URL as typed. Stored and sent unchanged.
    pub resource: String,
    /// How it fits the server.
    pub resource_fit: Fit,
    /// Where the resource metadata was, if there is any.
    pub resource_metadata_url: Option<String>,
    /// The issuer to record, exactly as written.
    pub issuer: String,
    /// All usable issuers of the resource, for an admin to choose from.
    pub all_issuers: Vec<String>,
    /// The issuer's metadata.
    pub metadata: ServerMetadata,
    /// The scopes of the challenge, as written.
    pub challenge_scope: Option<String>,
    /// The scopes that the resource publishes.
    pub published_scopes: Vec<String>,
    /// The endpoints are the defaults of 2025-03-26, and PKCE is not declared (protocol.md 14.4).
    pub guessed: bool,
    /// What was asked, in order.
    pub report: Vec<Candidate>,
}
