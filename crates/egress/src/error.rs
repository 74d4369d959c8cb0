//! What can go wrong on the way out, and what the caller may do about it.

use std::time::Duration;

use crate::{policy::Refusal, target::Target};

type Source = Box<dyn std::error::Error + Send + Sync>;

/// The part of an exchange that took too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Phase {
    /// Name lookup, TCP connect or TLS handshake.
    Connect,
    /// Waiting for the response headers.
    FirstByte,
    /// Between two chunks of the body.
    Idle,
    /// The whole exchange.
    Total,
}

/// A failed request. Its `Display` is fit for people (no user info, path, query, body); the cause is in `source()`, for
/// logs only.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EgressError {
    /// The URL cannot be used at all.
    #[error("the URL cannot be used: {0}")]
    InvalidUrl(&'static str),
    /// The request asks for something this client does not do.
    #[error("the request cannot be sent: {0}")]
    InvalidRequest(&'static str),
    /// The destination is refused before anything is dialled.
    #[error("{target}: {refusal}")]
    Blocked {
        /// Where the request was to go.
        target: Target,
        /// Why not, and what opens it.
        #[source]
        refusal: Refusal,
    },
    /// The name does not exist.
    #[error("could not connect to {target}: name not found")]
    NameNotFound {
        /// Where the request was to go.
        target: Target,
    },
    /// No name server could say.
    #[error("could not connect to {target}: name lookup failed")]
    NameLookup {
        /// Where the request was to go.
        target: Target,
        /// The resolver's own words.
        #[source]
        source: Source,
    },
    /// No TCP connection.
    #[error("could not connect to {target}: {reason}")]
    Connect {
        /// Where the request was to go.
        target: Target,
        /// One of a fixed set of texts.
        reason: &'static str,
        /// The cause, for logs.
        #[source]
        source: Source,
    },
    /// No TLS session.
    #[error("could not connect to {target} securely: {reason}")]
    Tls {
        /// Where the request was to go.
        target: Target,
        /// One of a fixed set of texts.
        reason: &'static str,
        /// The cause, for logs.
        #[source]
        source: Source,
    },
    /// A deadline passed.
    #[error("{}", timeout_text(.target, *.phase, *.after))]
    Timeout {
        /// Where the request went.
        target: Target,
        /// What took too long.
        phase: Phase,
        /// The deadline that passed.
        after: Duration,
    },
    /// An answer with a redirect that must not be followed.
    #[error(
        "{target} answered with a redirect ({status}) to {location}, which is not followed here: {reason}"
    )]
    Redirect {
        /// Who sent the redirect.
        target: Target,
        /// Its status code.
        status: u16,
        /// Origin of the place it points to, or a word for an unreadable one.
        location: String,
        /// One of a fixed set of texts.
        reason: &'static str,
    },
    /// A later hop failed; the first server has already seen a request.
    #[error("after a redirect: {0}")]
    AfterRedirect(#[source] Box<EgressError>),
    /// The response headers are over the cap.
    #[error("{target} sent response headers of more than {} KiB", limit / 1024)]
    HeadersTooLarge {
        /// Who answered.
        target: Target,
        /// The cap in bytes.
        limit: usize,
    },
    /// The response body is over the cap.
    #[error("{target} sent more than {}", size_text(*limit))]
    BodyTooLarge {
        /// Who answered.
        target: Target,
        /// The cap in bytes.
        limit: u64,
    },
    /// The body came compressed although nobody asked for it.
    #[error("{target} sent a compressed body that was not asked for")]
    Encoded {
        /// Who answered.
        target: Target,
    },
    /// The connection broke after the request may have been sent. The effect of the request is unknown.
    #[error("the connection to {target} broke before the answer was complete")]
    Interrupted {
        /// Who was asked.
        target: Target,
        /// The cause, for logs.
        #[source]
        source: Source,
    },
    /// The client itself cannot be built.
    #[error("the outbound client cannot start: {reason}")]
    Setup {
        /// What to do about it.
        reason: &'static str,
        /// The cause, for logs.
        #[source]
        source: Option<Source>,
    },
}

impl EgressError {
    /// A deadline passed, in this hop or a later one.
    pub fn is_timeout(&self) -> bool {
        match self {
            Self::Timeout { .. } => true,
            Self::AfterRedirect(inner) => inner.is_timeout(),
            _ => false,
        }
    }

    /// The same request may succeed later without anybody changing anything. Whether it may be *sent* again is another
    /// question: see [`Self::surely_not_sent`].
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::NameLookup { .. }
            | Self::Connect { .. }
            | Self::Timeout { .. }
            | Self::Interrupted { .. } => true,
            Self::AfterRedirect(inner) => inner.is_retryable(),
            Self::InvalidUrl(_)
            | Self::InvalidRequest(_)
            | Self::Blocked { .. }
            | Self::NameNotFound { .. }
            | Self::Tls { .. }
            | Self::Redirect { .. }
            | Self::HeadersTooLarge { .. }
            | Self::BodyTooLarge { .. }
            | Self::Encoded { .. }
            | Self::Setup { .. } => false,
        }
    }

    /// True only when the request cannot have reached the peer's application: refused, not resolved, not connected. A
    /// call that failed in any other way may have had its effect and must not be repeated blindly.
    pub fn surely_not_sent(&self) -> bool {
        match self {
            Self::InvalidUrl(_)
            | Self::InvalidRequest(_)
            | Self::Blocked { .. }
            | Self::NameNotFound { .. }
            | Self::NameLookup { .. }
            | Self::Connect { .. }
            | Self::Tls { .. }
            | Self::Timeout { phase: Phase::Connect, .. }
            | Self::Setup { .. } => true,
            Self::Timeout { .. }
            | Self::Redirect { .. }
            | Self::AfterRedirect(_)
            | Self::HeadersTooLarge { .. }
            | Self::BodyTooLarge { .. }
            | Self::Encoded { .. }
            | Self::Interrupted { .. } => false,
        }
    }

    /// The refusal, when policy stopped the request.
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Blocked { refusal, .. } => Some(refusal),
            Self::AfterRedirect(inner) => inner.refusal(),
            _ => None,
        }
    }

    /// Text for people: what happened and, where something can be done, what. Never user info, path, query, fragment
    /// or anything the peer wrote.
    pub fn public_message(&self) -> String {
        self.to_string()
    }
}

fn timeout_text(target: &Target, phase: Phase, after: Duration) -> String {
    let after = duration_text(after);
    match phase {
        Phase::Connect => format!("could not connect to {target} within {after}"),
        Phase::FirstByte => format!("no answer from {target} within {after}"),
        Phase::Idle => format!("{target} sent nothing for {after}"),
        Phase::Total => format!("{target} did not finish within {after}"),
    }
}

fn duration_text(duration: Duration) -> String {
    if duration.subsec_millis() == 0 {
        format!("{} s", duration.as_secs())
    } else {
        format!("{} ms", duration.as_millis())
    }
}

fn size_text(bytes: u64) -> String {
    const KIB: u64 = 1024;
    const MIB: u64 = 1024 * KIB;
    if bytes >= MIB && bytes.is_multiple_of(MIB) {
        format!("{} MiB", bytes / MIB)
    } else if bytes >= KIB && bytes.is_multiple_of(KIB) {
        format!("{} KiB", bytes / KIB)
    } else {
        format!("{bytes} bytes")
    }
}
