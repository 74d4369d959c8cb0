//! Why a discovery failed, and what an admin can do about it.

use domain::text::quote;

use crate::{discovery::Candidate, metadata::Refusal, metadata::ServerMetadata};

/// A failed discovery.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.public_message())]
pub struct DiscoveryError {
    /// Why.
    pub kind: DiscoveryErrorKind,
    /// What was asked, in order.
    pub report: Vec<Candidate>,
    /// Whom the resource's own metadata names; empty when none was found.
    pub issuers: Vec<String>,
}

/// Why a discovery failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DiscoveryErrorKind {
    /// Somebody who had to answer did not, or with 5xx or 429. It may work later.
    Unreachable {
        /// One short sentence without anything a peer wrote.
        cause: String,
    },
    /// The server takes requests without credentials and publishes nothing.
    NoAuthNeeded,
    /// Nothing usable is published.
    NoMetadata,
    /// The authorization server's document is of another issuer (RFC 8414, 3.3).
    IssuerMismatch {
        /// The issuer that was asked for.
        expected: String,
        /// The issuer that the document names, unchecked; empty when it names none.
        published: String,
        /// The document, to begin a manual setup with.
        metadata: Option<Box<ServerMetadata>>,
    },
    /// The authorization server does not declare PKCE with S256.
    NoPkce,
    /// The resource metadata is of another resource (RFC 9728, 3.3).
    ResourceMismatch {
        /// The server's URL.
        server_url: String,
        /// The resource that the document names, unchecked; empty when it names none.
        resource: String,
    },
    /// Something is wanted that Patchbay does not do.
    NotSupported {
        /// What that is.
        what: String,
    },
    /// A document lacks what it must have.
    Malformed {
        /// The member.
        field: &'static str,
    },
    /// An address that must not be used, or that the outbound rules refuse.
    Unsafe {
        /// Which address, and what to do.
        what: String,
    },
    /// It took too long.
    TooSlow,
}

/// What is left when discovery cannot work.
const BY_HAND: &str = "Or enter client id, URLs and issuer by hand";

impl DiscoveryError {
    /// What happened and what to do, in one or two sentences. Of what servers wrote it quotes at most the two identifiers that differ.
    pub fn public_message(&self) -> String {
        match &self.kind {
            DiscoveryErrorKind::Unreachable { cause } => format!("Discovery failed: {cause}. Try again. {BY_HAND}."),
            DiscoveryErrorKind::NoAuthNeeded => {
                "The server takes requests without credentials and publishes no metadata. Choose the authentication type it needs, \
                 perhaps none."
                    .into()
            }
            DiscoveryErrorKind::NoMetadata => format!(
                "The server publishes no OAuth metadata that can be used. Ask its operator for protected resource metadata (RFC \
                 9728). {BY_HAND}."
            ),
            DiscoveryErrorKind::IssuerMismatch { expected, published, .. } => format!(
                "The authorization server metadata names the issuer \"{}\" where exactly \"{}\" is needed. Ask the operator to \
                 correct it. {BY_HAND}.",
                quote(published, 200),
                quote(expected, 200)
            ),
            DiscoveryErrorKind::NoPkce => format!(
                "The authorization server does not declare PKCE (S256). Ask its operator for code_challenge_methods_supported. \
                 {BY_HAND}: S256 is sent all the same."
            ),
            DiscoveryErrorKind::ResourceMismatch { server_url, resource } => format!(
                "The server's metadata is for \"{}\", which is neither \"{}\" nor a parent path of it. Correct the server's URL, or \
                 ask its operator to correct the metadata. {BY_HAND}.",
                quote(resource, 200),
                quote(server_url, 200)
            ),
            DiscoveryErrorKind::NotSupported { what } => {
                format!("This needs {what}, which Patchbay does not do. Ask the operator for another way. {BY_HAND}.")
            }
            DiscoveryErrorKind::Malformed { field } => {
                format!("The metadata cannot be used: {field} is missing or unreadable. Ask the operator to correct it. {BY_HAND}.")
            }
            DiscoveryErrorKind::Unsafe { what } => format!("Discovery stopped at an address: {what}. {BY_HAND}."),
            DiscoveryErrorKind::TooSlow => {
                format!("Discovery took too long. Try again. {BY_HAND}.")
            }
        }
    }

    /// [`Self::public_message`] and a line for each candidate.
    pub fn detail(&self) -> String {
        let lines = self.report.iter().map(ToString::to_string);
        std::iter::once(self.public_message()).chain(lines).collect::<Vec<_>>().join("\n")
    }
}

impl DiscoveryErrorKind {
    /// What a refused document means for the whole.
    pub(super) fn of(refusal: Refusal, server_url: &str) -> Self {
        match refusal {
            Refusal::NotADocument(_) => Self::NoMetadata,
            Refusal::ResourceMismatch { resource } => {
                Self::ResourceMismatch { server_url: server_url.to_owned(), resource }
            }
            Refusal::IssuerMismatch { expected, published, metadata } => {
                Self::IssuerMismatch { expected, published, metadata }
            }
            Refusal::NoPkce => Self::NoPkce,
            Refusal::NotSupported { what } => Self::NotSupported { what },
            Refusal::Unsafe { field, advice } => Self::Unsafe { what: format!("{field}: {advice}") },
            Refusal::Malformed { field } => Self::Malformed { field },
        }
    }
}
