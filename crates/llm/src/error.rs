//! What can go wrong with a model, and what the caller may do about it.

use egress::EgressError;
use std::time::Duration;

/// A failed generation. `Display` is for logs, [`Self::public_message`] for people; neither ever carries a key or
/// anything that the provider wrote, apart from an error code of lower-case letters.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ModelError {
    /// The provider refused the key. An admin replaces it.
    #[error("the provider refused the key (HTTP {status})")]
    Auth { status: u16 },
    /// The provider does not know the model. An admin corrects the name.
    #[error("the provider does not know the model {model}")]
    ModelUnknown { model: String },
    /// The provider's account has no credit left. An admin pays or switches.
    #[error("the provider account is out of credit")]
    Quota,
    /// Too many requests. Ask again after [`Self::retry_after`].
    #[error("the provider limits the rate of requests")]
    RateLimited { retry_after: Option<Duration> },
    /// The provider could not be reached or is overloaded.
    #[error("the provider is unavailable: {outage}")]
    Unavailable { outage: Outage, retry_after: Option<Duration> },
    /// The conversation is longer than the model takes.
    #[error("the conversation does not fit into the model's context")]
    ContextOverflow,
    /// The provider's content filter refused the request.
    #[error("the provider's content filter refused the request")]
    ContentFilter,
    /// Our own egress policy refused the destination; the text names the setting that opens it.
    #[error("refused by the egress policy: {reason}")]
    RefusedByPolicy { reason: String },
    /// The provider refused the request for a reason that none of the other kinds covers.
    #[error("the provider rejected the request (HTTP {status}, code {})", .code.as_deref().unwrap_or("none"))]
    Rejected { status: u16, code: Option<String> },
    /// The answer is no answer of this dialect.
    #[error("{0}")]
    Protocol(ProtocolFault),
    /// The answer began and did not end in order.
    #[error("the answer was interrupted: {0}")]
    Interrupted(Interruption),
    /// The caller cancelled.
    #[error("cancelled")]
    Cancelled,
}

/// Why a provider is unavailable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Outage {
    /// An error status.
    #[error("HTTP {status}")]
    Status { status: u16 },
    /// No connection, or it broke before the first event. The text is `egress`' own, fit for people.
    #[error("{reason}")]
    Network {
        reason: String,
        retryable: bool,
        /// The provider may have seen the request.
        sent: bool,
    },
    /// Connected, but no event in time.
    #[error("no event within {} s", .after.as_secs_f64())]
    FirstEvent { after: Duration },
    /// It said so in an answer with HTTP 200, before anything else.
    #[error("error inside the answer")]
    Announced,
    /// It was not asked: it keeps failing and is left alone until `retry_after` has passed.
    #[error("left alone after failures")]
    Paused,
}

/// How an answer is not of this dialect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProtocolFault {
    /// A web page.
    #[error("the provider answered with a web page")]
    WebPage,
    /// Nothing lives at this address.
    #[error("nothing answers at the provider's address (HTTP {status})")]
    NotFound { status: u16 },
    /// The base URL leads elsewhere.
    #[error("the provider answered with a redirect")]
    Redirect,
    /// An answer, but no stream of events.
    #[error("the provider did not answer with a stream of events")]
    NoStream,
    /// An event that is no JSON object of this dialect.
    #[error("the provider sent an event that cannot be read")]
    BadEvent,
    /// More than a cap of `limits` allows.
    #[error("the provider sent more than {what} allow")]
    TooLarge {
        /// Names the cap.
        what: &'static str,
    },
}

/// How an answer broke off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Interruption {
    /// The stream ended without its end marker.
    #[error("the stream ended without an end marker")]
    NoEndMarker,
    /// The provider reported an error in the middle of it.
    #[error("the provider reported an error")]
    ErrorEvent,
    /// The connection broke.
    #[error("the connection broke")]
    Connection,
    /// Nothing came for too long.
    #[error("nothing came for {} s", .after.as_secs_f64())]
    Idle { after: Duration },
    /// The generation took longer than one may.
    #[error("it took longer than {} s", .after.as_secs_f64())]
    TooLong { after: Duration },
}

impl ModelError {
    /// The same request may succeed later without anybody changing anything. Whether it may be repeated once events have
    /// been shown is the caller's decision: for [`Self::Interrupted`] the partial answer has to be dropped first.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::RateLimited { .. } => true,
            Self::Unavailable { outage, .. } => match outage {
                Outage::Status { status } => crate::retry::STATUSES.contains(status),
                Outage::Network { retryable, .. } => *retryable,
                Outage::FirstEvent { .. } | Outage::Announced | Outage::Paused => true,
            },
            // Another quarter of an hour would most likely end the same way.
            Self::Interrupted(interruption) => !matches!(interruption, Interruption::TooLong { .. }),
            Self::Auth { .. }
            | Self::ModelUnknown { .. }
            | Self::Quota
            | Self::ContextOverflow
            | Self::ContentFilter
            | Self::RefusedByPolicy { .. }
            | Self::Rejected { .. }
            | Self::Protocol(_)
            | Self::Cancelled => false,
        }
    }

    /// How long the provider asks to be left alone.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::RateLimited { retry_after } | Self::Unavailable { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// How long nobody may ask, where that is why nothing was sent: such a wait is no retry.
    pub fn paused(&self) -> Option<Duration> {
        match self {
            Self::Unavailable { outage: Outage::Paused, retry_after } => *retry_after,
            _ => None,
        }
    }

    /// The stable code of `api::chats::TurnError`. A cancelled generation is no failed turn; its code is never shown.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Auth { .. } => "model_auth",
            Self::ModelUnknown { .. } => "model_missing",
            Self::RateLimited { .. }
            | Self::Unavailable { .. }
            | Self::RefusedByPolicy { .. }
            | Self::Protocol(_) => "model_unavailable",
            Self::Quota | Self::ContentFilter | Self::Rejected { .. } => "model_refused",
            Self::ContextOverflow => "context_overflow",
            Self::Interrupted(_) => "interrupted_stream",
            Self::Cancelled => "internal",
        }
    }

    /// Text for people: what happened, why, what to do.
    pub fn public_message(&self) -> String {
        match self {
            Self::Auth { .. } => "The provider refused the key. An admin can replace it under Models.".to_owned(),
            Self::ModelUnknown { model } => format!(
                "The provider does not know the model \u{201c}{model}\u{201d}. Choose another model, or an admin can correct its name under Models."
            ),
            Self::Quota => {
                "The provider account is out of credit. An admin can top it up, or choose another model.".to_owned()
            }
            Self::RateLimited { retry_after } => match retry_after {
                Some(wait) => format!("The provider limits requests. Try again in {}.", duration_text(*wait)),
                None => "The provider limits requests. Try again in a minute.".to_owned(),
            },
            Self::Unavailable { outage, .. } => match outage {
                // Shown while it waits, beside the time of the next try.
                Outage::Paused => "The provider keeps failing and is left alone for a moment.".to_owned(),
                Outage::Status { status } => format!(
                    "The provider is overloaded or down (HTTP {status}). Try again in a minute, or choose another model."
                ),
                Outage::Announced => {
                    "The provider reported an error of its own. Try again in a minute, or choose another model."
                        .to_owned()
                }
                Outage::Network { reason, sent: true, .. } => format!(
                    "The provider did not answer: {reason}. Try again, or choose another model."
                ),
                Outage::Network { reason, sent: false, .. } => format!(
                    "The provider cannot be reached: {reason}. An admin can check its base URL under Models."
                ),
                Outage::FirstEvent { after } => format!(
                    "The provider did not begin an answer within {}. Try again, or choose another model.",
                    duration_text(*after)
                ),
            },
            Self::ContextOverflow => {
                "This chat is longer than the model can read. Start a new chat, or choose a model with a larger context."
                    .to_owned()
            }
            Self::ContentFilter => {
                "The provider's content filter refused this request. Rephrase it, or choose another model.".to_owned()
            }
            Self::RefusedByPolicy { reason } => format!("The provider may not be called: {reason}."),
            Self::Rejected { status, code } => match code {
                Some(code) => format!(
                    "The provider rejected the request (HTTP {status}, {code}). Choose another model, or an admin can check it under Models."
                ),
                None => format!(
                    "The provider rejected the request (HTTP {status}). Choose another model, or an admin can check it under Models."
                ),
            },
            Self::Protocol(fault) => {
                let what = match fault {
                    ProtocolFault::WebPage => "The provider's base URL answers with a web page, not with a model.",
                    ProtocolFault::NotFound { .. } => "Nothing answers at the provider's base URL.",
                    ProtocolFault::Redirect => "The provider's base URL answers with a redirect, which is not followed.",
                    ProtocolFault::NoStream | ProtocolFault::BadEvent => {
                        "The provider does not answer in the streaming format of its type."
                    }
                    ProtocolFault::TooLarge { .. } => {
                        return "The provider's answer is larger than Patchbay accepts. Ask for less, or choose another model.".to_owned();
                    }
                };
                format!(
                    "{what} An admin can check its type and base URL under Models; the address of the API is appended to the base URL, so it mostly ends in /v1."
                )
            }
            Self::Interrupted(Interruption::TooLong { after }) => format!(
                "The answer took longer than {} and was stopped. Ask for less, or choose another model.",
                duration_text(*after)
            ),
            Self::Interrupted(_) => "The answer broke off before it was complete. Retry the turn.".to_owned(),
            Self::Cancelled => "Stopped.".to_owned(),
        }
    }

    /// An exchange that failed before its first event.
    pub(crate) fn before_events(error: &EgressError) -> Self {
        if error.refusal().is_some() {
            return Self::RefusedByPolicy { reason: error.public_message() };
        }
        match error {
            EgressError::Redirect { .. } | EgressError::AfterRedirect(_) => {
                Self::Protocol(ProtocolFault::Redirect)
            }
            EgressError::Encoded { .. } => Self::Protocol(ProtocolFault::NoStream),
            EgressError::BodyTooLarge { .. } | EgressError::HeadersTooLarge { .. } => {
                Self::Protocol(ProtocolFault::TooLarge { what: "the caps of an answer" })
            }
            other => Self::Unavailable {
                outage: Outage::Network {
                    reason: other.public_message(),
                    retryable: other.is_retryable(),
                    sent: !other.surely_not_sent(),
                },
                retry_after: None,
            },
        }
    }

    /// An exchange that failed after its first event.
    pub(crate) fn amid_events(error: &EgressError, idle: Duration, total: Duration) -> Self {
        match error {
            EgressError::Timeout { phase: egress::Phase::Total, .. } => {
                Self::Interrupted(Interruption::TooLong { after: total })
            }
            EgressError::Timeout { .. } => Self::Interrupted(Interruption::Idle { after: idle }),
            EgressError::BodyTooLarge { .. } => {
                Self::Protocol(ProtocolFault::TooLarge { what: "the caps of an answer" })
            }
            _ => Self::Interrupted(Interruption::Connection),
        }
    }
}

fn duration_text(duration: Duration) -> String {
    match duration.as_secs() {
        0 => format!("{} ms", duration.as_millis()),
        secs @ 1..=119 => format!("{secs} s"),
        secs => format!("{} min", secs.div_ceil(60)),
    }
}
