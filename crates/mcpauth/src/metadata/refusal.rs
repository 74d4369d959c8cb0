//! Why a document is not used.

use crate::metadata::ServerMetadata;

/// Why a document is not used. `Display` is a short cause for the list of candidates; of what the document says it quotes at most names
/// of methods.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It is another kind of answer, such as a web page: nothing is published here.
    #[error("no metadata: {0}")]
    NotADocument(&'static str),
    /// It describes another resource (RFC 9728, 3.3).
    #[error("its resource is neither this server nor a parent path of it")]
    ResourceMismatch {
        /// What it says, at most as long as an address may be; empty when it says nothing.
        resource: String,
    },
    /// It describes another issuer (RFC 8414, 3.3).
    #[error("its issuer is not exactly the one that was asked for")]
    IssuerMismatch {
        /// What it should say.
        expected: String,
        /// What it says, unchecked; empty when it says nothing.
        published: String,
        /// The document, if it were of that issuer: what a manual setup may begin with. `None` when nothing else is right either.
        metadata: Option<Box<ServerMetadata>>,
    },
    /// It does not declare PKCE with S256 (protocol.md 14.3).
    #[error("it does not declare PKCE (S256)")]
    NoPkce,
    /// It wants what Patchbay does not do.
    #[error("it needs {what}, which Patchbay does not do")]
    NotSupported {
        /// What that is.
        what: String,
    },
    /// It names an address that must not be used (S3).
    #[error("its {field} cannot be used: {advice}")]
    Unsafe {
        /// The member with the address.
        field: &'static str,
        /// What the address should be like.
        advice: &'static str,
    },
    /// A member is missing or of the wrong type.
    #[error("its {field} is missing or unreadable")]
    Malformed {
        /// The member.
        field: &'static str,
    },
}
