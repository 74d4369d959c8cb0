//! The one error that crosses from server functions to the browser.

use api::ErrorBody;
use leptos::prelude::{FromServerFnError, ServerFnErrorErr};
use leptos::server_fn::codec::JsonEncoding;
use serde::{Deserialize, Serialize};

/// What went wrong, in words for people, with the fields at fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UiError {
    pub kind: UiErrorKind,
    pub body: ErrorBody,
}

/// What the page should do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum UiErrorKind {
    /// Show the messages at their fields.
    Invalid,
    /// Go to the login page.
    Unauthorized,
    Forbidden,
    NotFound,
    /// It is taken or busy.
    Conflict,
    /// Somebody else changed it since it was loaded: show both.
    Stale,
    /// Too many requests: wait.
    RateLimited,
    /// Try again later.
    Unavailable,
    Internal,
}

impl UiError {
    pub fn internal(_cause: &str) -> Self {
        Self {
            kind: UiErrorKind::Internal,
            body: ErrorBody::message(
                "Something went wrong on the server. Try again; if it stays, ask your administrator to read the log.",
            ),
        }
    }

    /// The refusal without what stands at fields that `forgiven` names; None when nothing remains.
    pub fn without(mut self, forgiven: impl Fn(&str) -> bool) -> Option<Self> {
        let refused = self.body.validations.len();
        self.body.validations.retain(|v| !forgiven(&v.field));
        (refused == 0 || !self.body.validations.is_empty()).then_some(self)
    }

    /// The message standing at `field`, if that field was refused.
    pub fn field(&self, field: &str) -> Option<String> {
        self.body.validations.iter().find(|v| v.field == field).map(|v| v.detail.clone())
    }
}

impl std::fmt::Display for UiError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.body.message)
    }
}

impl std::error::Error for UiError {}

impl FromServerFnError for UiError {
    type Encoder = JsonEncoding;

    fn from_server_fn_error(error: ServerFnErrorErr) -> Self {
        match error {
            ServerFnErrorErr::Request(_) => Self {
                kind: UiErrorKind::Unavailable,
                body: ErrorBody::message("Could not reach the server. Check your connection and try again."),
            },
            _ => Self::internal("server function transport"),
        }
    }
}
