//! Why there is no client.

use std::time::Duration;

use domain::text::cut_chars;
use egress::EgressError;

use crate::{auth_method::NoCommonMethod, limits::ERROR_CHARS, send::Reply};

/// A failed registration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct RegistrationError {
    /// What it means.
    pub kind: RegistrationErrorKind,
    message: String,
}

/// What a failed registration means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RegistrationErrorKind {
    /// The server registers nobody.
    NotOffered,
    /// There is no client login that both sides can do.
    NoCommonMethod,
    /// The server refuses.
    Refused {
        /// The HTTP status.
        status: u16,
        /// The server's error code (RFC 7591, 3.2.2), checked: a short word.
        code: Option<String>,
    },
    /// It may work later. If there was no answer, the server may have made a client that nobody knows.
    Transient {
        /// The pause that the server asks for, bounded.
        retry_after: Option<Duration>,
    },
    /// The address cannot be used or asked.
    Unreachable,
    /// A success without a usable client.
    Malformed,
}

impl RegistrationError {
    fn new(kind: RegistrationErrorKind, message: impl AsRef<str>) -> Self {
        Self { kind, message: cut_chars(message.as_ref(), ERROR_CHARS).into_owned() }
    }

    pub(super) fn not_offered() -> Self {
        let message =
            "the authorization server registers no clients; make one there by hand and enter its id";
        Self::new(RegistrationErrorKind::NotOffered, message)
    }

    pub(super) fn no_common_method(refused: &NoCommonMethod) -> Self {
        Self::new(RegistrationErrorKind::NoCommonMethod, refused.to_string())
    }

    pub(super) fn malformed(message: &str) -> Self {
        Self::new(RegistrationErrorKind::Malformed, message)
    }

    pub(super) fn refused(status: u16, code: Option<String>) -> Self {
        let message = match (status, &code) {
            (401 | 403, _) => {
                "the authorization server registers only clients it knows; make one there by hand and enter its id".to_owned()
            }
            (_, Some(code)) => format!("the authorization server refused to register a client ({code})"),
            (status, None) => format!("the authorization server refused to register a client (HTTP {status})"),
        };
        Self::new(RegistrationErrorKind::Refused { status, code }, message)
    }

    pub(super) fn of_reply(reply: &Reply) -> Self {
        if reply.is_transient() {
            let message =
                format!("the authorization server cannot register a client now (HTTP {})", reply.status);
            return Self::new(RegistrationErrorKind::Transient { retry_after: reply.retry_after }, message);
        }
        Self::refused(reply.status, reply.error_code())
    }

    pub(super) fn of_egress(error: &EgressError) -> Self {
        let kind = if error.is_retryable() {
            RegistrationErrorKind::Transient { retry_after: None }
        } else {
            RegistrationErrorKind::Unreachable
        };
        Self::new(kind, error.public_message())
    }

    /// One sentence for people, at most [`ERROR_CHARS`] characters: nothing of the server but a checked error code and host.
    pub fn public_message(&self) -> String {
        self.message.clone()
    }
}
