//! Why a request is declined without being shown.

use crate::{
    limits::{
        ELICITATION_CARDS, ELICITATION_FIELDS, ELICITATION_MESSAGE_BYTES, ELICITATION_OPTIONS, URL_BYTES,
    },
    text::human_bytes,
};

/// The server gets `decline`; the person sees this sentence on the card (I3, I5, I7, threats 5). The names in it are quoted and short.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("This server asked in a way that Patchbay cannot read: the request {what}. Patchbay declined.")]
    Malformed { what: &'static str },
    #[error(
        "This server asked for input of the kind \"{mode}\", which Patchbay does not offer. Patchbay declined."
    )]
    UnknownMode { mode: String },
    #[error("This server sent \"{method}\" where only questions to you are possible. Patchbay declined.")]
    UnknownMethod { method: String },
    #[error(
        "This server asked {asked} questions in one call; at most {ELICITATION_CARDS} are possible. Patchbay declined."
    )]
    TooManyCards { asked: usize },
    #[error("This server sent a message of {}; at most {} are possible. Patchbay declined.",
        human_bytes(*.bytes), human_bytes(ELICITATION_MESSAGE_BYTES))]
    MessageTooLong { bytes: usize },
    #[error(
        "This server asked for {count} fields; at most {ELICITATION_FIELDS} are possible. Patchbay declined."
    )]
    TooManyFields { count: usize },
    #[error(
        "The field \"{field}\" is a form within the form. Servers may only ask for single values. Patchbay declined."
    )]
    NestedField { field: String },
    #[error("The field \"{field}\" {why}. Patchbay declined.")]
    UnusableField { field: String, why: &'static str },
    #[error(
        "The field \"{field}\" offers {count} options; at most {ELICITATION_OPTIONS} are possible. Patchbay declined."
    )]
    TooManyOptions { field: String, count: usize },
    #[error(
        "This server asked for a secret in a form: the field \"{field}\". Patchbay refused, because what is typed into a form \
         reaches the server as readable text. If the server needs it, ask the administrator of the server how to sign in."
    )]
    Secret { field: String },
    #[error(
        "This server sent an address of {bytes} bytes; at most {URL_BYTES} are possible. Patchbay declined."
    )]
    UrlTooLong { bytes: usize },
    #[error("This server sent an address that is none. Patchbay declined.")]
    UrlUnreadable,
    #[error(
        "This server sent an address that holds blanks, control characters or backslashes. Patchbay declined."
    )]
    UrlHidden,
    #[error("This server sent an address that is not https. Patchbay declined.")]
    UrlNotHttps,
    #[error("This server sent an address with a user name or password in it. Patchbay declined.")]
    UrlUserInfo,
}
