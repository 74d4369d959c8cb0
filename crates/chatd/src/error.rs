//! What ends a turn early, and the texts its owner sees.

use api::chats::TurnError;
use store::StoreError;

/// Why a turn does not simply go on.
#[derive(Debug)]
pub(crate) enum Exit {
    /// Its owner pressed Stop.
    Stopped,
    /// The lease or a fence is lost: somebody else moved the chat on. Nothing more is written or sent.
    Lost,
    /// The process shuts down.
    Halted,
    /// The turn fails and says why.
    Failed(TurnError),
    Database(StoreError),
}

impl From<StoreError> for Exit {
    fn from(error: StoreError) -> Self {
        Self::Database(error)
    }
}

pub(crate) fn turn_error(code: &str, message: impl Into<String>, retryable: bool) -> TurnError {
    TurnError { code: code.to_owned(), message: message.into(), retryable }
}

/// A failed generation as a failed turn. After an outage or a broken stream the same turn may well succeed.
pub(crate) fn model_error(error: &llm::ModelError) -> TurnError {
    let retryable = error.is_retryable() || matches!(error, llm::ModelError::Interrupted(_));
    turn_error(error.code(), error.public_message(), retryable)
}

pub(crate) fn servers_unavailable() -> TurnError {
    turn_error(
        "servers_unavailable",
        "The servers of this chat could not be loaded, so the turn was not run without them. Retry it in a minute.",
        true,
    )
}

/// Of a turn that ended while messages wait whose owner may not act any more.
pub(crate) fn account_suspended() -> TurnError {
    turn_error(
        "account_suspended",
        "The account was suspended, so the messages that wait were not answered. They are kept.",
        true,
    )
}

pub(crate) fn step_limit(what: &str) -> TurnError {
    turn_error(
        "step_limit",
        format!("The turn was stopped after {what}. Send a message to go on from here."),
        false,
    )
}

pub(crate) fn internal() -> TurnError {
    turn_error(
        "internal",
        "Something went wrong inside Patchbay and the turn was stopped. Retry it; an admin finds the cause in the log.",
        true,
    )
}
