//! What can go wrong with a token request, and what it means for the tokens one has.

use std::time::Duration;

use domain::text::cut_chars;
use egress::EgressError;

use crate::limits::ERROR_CHARS;

/// A token request without tokens.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct TokenError {
    /// What it means.
    pub kind: TokenErrorKind,
    message: String,
    sent: bool,
}

/// What a failed token request means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenErrorKind {
    /// The code or refresh token is not accepted: `invalid_grant`, `bad_refresh_token`, under any status.
    InvalidGrant,
    /// The client's login is not accepted.
    InvalidClient,
    /// Another refusal.
    Refused {
        /// The provider's error code, checked: a short word.
        code: Option<String>,
    },
    /// It may work later: 429, 5xx, no connection.
    Transient {
        /// The pause that the provider asks for, bounded.
        retry_after: Option<Duration>,
    },
    /// Tokens of another type than Bearer.
    NotBearer,
    /// A success without a usable token.
    Malformed,
    /// It was sent, and there is no answer that can be read. The provider may have used up the code or refresh token.
    Unsure,
}

impl TokenError {
    /// An answer. `message` may hold a checked error code, and nothing else of the provider.
    pub(super) fn answered(kind: TokenErrorKind, message: impl AsRef<str>) -> Self {
        Self { kind, message: cut_chars(message.as_ref(), ERROR_CHARS).into_owned(), sent: true }
    }

    pub(super) fn not_encodable() -> Self {
        Self {
            kind: TokenErrorKind::Refused { code: None },
            message: "the redirect URI is no URL: check the access URL of this deployment".into(),
            sent: false,
        }
    }

    pub(super) fn of_egress(error: &EgressError) -> Self {
        let sent = !error.surely_not_sent();
        let kind = match error {
            EgressError::Redirect { .. } => TokenErrorKind::Refused { code: None },
            _ if sent => TokenErrorKind::Unsure,
            _ => TokenErrorKind::Transient { retry_after: None },
        };
        let message = cut_chars(&error.public_message(), ERROR_CHARS).into_owned();
        Self { kind, message, sent }
    }

    /// One sentence for people, at most [`ERROR_CHARS`] characters: nothing of the provider but a checked error code and host.
    pub fn public_message(&self) -> String {
        self.message.clone()
    }

    /// The refresh token is dead, if it is still the one that was sent (protocol.md R8). Everything else is transient.
    pub fn is_permanent_for_refresh(&self) -> bool {
        self.kind == TokenErrorKind::InvalidGrant
    }

    /// The provider has surely not seen the request, so it may be sent again.
    pub fn surely_not_sent(&self) -> bool {
        !self.sent
    }
}
