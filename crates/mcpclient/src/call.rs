//! One tool call on an open connection: sent at most once, ended in exactly one way (behaviour 15).

use api::messages::ResultContent;
use rmcp::{
    model::{
        CallToolRequest, CallToolRequestParams, ClientRequest, GetExtensions, MetaObject, RequestMetaObject,
    },
    service::{PeerRequestOptions, RequestHandle, RoleClient},
};
use serde_json::{Map, Value};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{
    error::{McpError, McpErrorKind, seconds},
    exchange::{Exchange, Failure, State},
    initialize::Session,
    limits::{CONTROL, Timeouts},
    result,
};

/// Key of `_meta` with the model's call id, for servers which deduplicate (behaviour 15).
const CALL_ID_KEY: &str = "com.coder/tool_call_id";
const MAYBE: &str = "The tool may or may not have run: check before you call it again.";

/// What to call.
#[derive(Debug, Clone)]
pub struct ToolCall {
    /// The original name.
    pub tool: String,
    /// As the server shall see them; at most 1 MiB as JSON.
    pub arguments: Map<String, Value>,
    /// The model's id of the call.
    pub tool_call_id: String,
    /// [`crate::Tool::hash`] of the definition the model saw. A server that has changed it since gets no call.
    pub definition_hash: Option<String>,
    /// Cancels the call.
    pub cancel: CancellationToken,
    /// Where progress goes, at most four times a second. A full channel loses reports, never the call.
    pub progress: Option<mpsc::Sender<Progress>>,
}

/// How far a running call is.
#[derive(Debug, Clone, PartialEq)]
pub struct Progress {
    /// Grows; a count or a fraction.
    pub progress: f64,
    /// What it grows to, if the server knows.
    pub total: Option<f64>,
    /// One line of the server's text.
    pub message: Option<String>,
}

/// How a call ended.
#[derive(Debug, Clone, PartialEq)]
pub enum CallOutcome {
    /// The server answered.
    Done {
        /// In the server's order.
        content: Vec<ResultContent>,
        /// The tool reports a failure, or its result was too large to keep.
        is_error: bool,
        /// Size of the result as it came.
        total_bytes: u64,
    },
    /// Surely no effect: it was not sent, was refused, or was answered with an error that says it was not understood.
    NotExecuted {
        /// A sentence for model and user.
        message: String,
    },
    /// Sent, and no answer came or one that leaves it open. It must not be sent again by itself.
    Unknown {
        /// A sentence for model and user.
        message: String,
    },
    /// Cancelled through [`ToolCall::cancel`].
    Cancelled {
        /// Nothing of the call had left; otherwise it may have had its effect.
        sure: bool,
    },
}

impl CallOutcome {
    pub(crate) fn not_executed(error: &McpError) -> Self {
        Self::NotExecuted { message: error.call_message().to_owned() }
    }
}

/// An outcome, or the one case in which the same call may go out once more.
pub(crate) enum Attempt {
    Ended(CallOutcome),
    /// The server refused it because its session is over (protocol.md L5).
    SessionEnded,
    /// Ended, and the connection is of no more use: the credential was refused, or its session seems to be over.
    EndedForGood(CallOutcome),
}

/// Sends the call and waits.
pub(crate) async fn call(session: &Session, call: &ToolCall, timeouts: Timeouts) -> Attempt {
    let total = Instant::now() + timeouts.call_total;
    let exchange = Exchange::new(total, call.progress.clone());
    let params = CallToolRequestParams::new(call.tool.clone()).with_arguments(call.arguments.clone());
    let mut request = ClientRequest::CallToolRequest(CallToolRequest::new(params));
    request.extensions_mut().insert(exchange.clone());
    let mut meta = MetaObject::default();
    meta.insert(CALL_ID_KEY.to_owned(), Value::String(call.tool_call_id.clone()));
    let options = PeerRequestOptions::no_options().with_meta(RequestMetaObject(meta));

    let handle = tokio::select! {
        biased;
        () = call.cancel.cancelled() => None,
        handle = session.peer.send_request_with_option(request, options) => handle.ok(),
    };
    let mut in_flight = InFlight { handle };
    let stop = match &mut in_flight.handle {
        Some(handle) => wait(handle, &exchange, &call.cancel, total, timeouts).await,
        None => None,
    };
    if stop.is_none() {
        in_flight.handle = None;
    }
    // Decided by what is known now: an answer that arrived together with the stop is an answer.
    let withdrawn = exchange.withdraw();
    match exchange.finish() {
        State::Answered(Ok(value)) => {
            in_flight.handle = None;
            Attempt::Ended(result::outcome(value, session.channel.host(), session.channel.secrets()))
        }
        State::Answered(Err(error)) => {
            in_flight.handle = None;
            tracing::info!(
                host = session.channel.host(),
                code = error.code,
                said = %domain::text::quote(&error.message, 300),
                "the MCP server answered a call with an error"
            );
            Attempt::Ended(if error.surely_not_executed() {
                CallOutcome::NotExecuted { message: error.fixed_text() }
            } else {
                CallOutcome::Unknown { message: format!("{} {MAYBE}", error.fixed_text()) }
            })
        }
        State::Failed(failure) => failed(failure),
        State::Queued | State::Withdrawn | State::Sent => {
            let host = session.channel.host();
            Attempt::Ended(match stop {
                Some(Stop::Cancelled) => CallOutcome::Cancelled { sure: withdrawn },
                Some(Stop::Late(limit)) if withdrawn => {
                    CallOutcome::not_executed(&McpError::late(host, "take the call", limit))
                }
                Some(Stop::Late(limit)) => CallOutcome::Unknown {
                    message: format!("No answer from {host} in {}. {MAYBE}", seconds(limit)),
                },
                None if call.cancel.is_cancelled() => CallOutcome::Cancelled { sure: withdrawn },
                None if withdrawn => CallOutcome::not_executed(&McpError::closed()),
                None => CallOutcome::Unknown {
                    message: format!("The connection to {host} was closed before the answer came. {MAYBE}"),
                },
            })
        }
    }
}

fn failed(Failure { error, surely_not_executed }: Failure) -> Attempt {
    if !surely_not_executed {
        if error.kind() == McpErrorKind::TooLarge {
            return Attempt::Ended(result::too_large(None));
        }
        let outcome = CallOutcome::Unknown { message: format!("{}. {MAYBE}", sentence(&error)) };
        return match error.kind() {
            McpErrorKind::SessionEnded => Attempt::EndedForGood(outcome),
            _ => Attempt::Ended(outcome),
        };
    }
    match error.kind() {
        McpErrorKind::SessionEnded => Attempt::SessionEnded,
        McpErrorKind::Unauthorized => Attempt::EndedForGood(CallOutcome::not_executed(&error)),
        _ => Attempt::Ended(CallOutcome::not_executed(&error)),
    }
}

/// Without its full stop, to be followed by another sentence.
fn sentence(error: &McpError) -> &str {
    error.call_message().trim_end_matches('.')
}

enum Stop {
    Cancelled,
    Late(std::time::Duration),
}

/// Waits for the end of the request; `None` when it came by itself.
async fn wait(
    handle: &mut RequestHandle<RoleClient>,
    exchange: &Exchange,
    cancel: &CancellationToken,
    total: Instant,
    timeouts: Timeouts,
) -> Option<Stop> {
    loop {
        let idle = exchange.last_sign() + timeouts.call_idle;
        tokio::select! {
            biased;
            _ = &mut handle.rx => return None,
            () = cancel.cancelled() => return Some(Stop::Cancelled),
            () = sleep_until(total.min(idle)) => {
                if Instant::now() >= total {
                    return Some(Stop::Late(timeouts.call_total));
                }
                // Progress may have moved the idle deadline in the meantime (protocol.md C5).
                if exchange.last_sign() + timeouts.call_idle <= Instant::now() {
                    return Some(Stop::Late(timeouts.call_idle));
                }
            }
        }
    }
}

/// Tells the server to stop when the call is left early, whatever the way (protocol.md C2).
struct InFlight {
    handle: Option<RequestHandle<RoleClient>>,
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let Some(handle) = self.handle.take() else { return };
        // The stop is immediate for the caller; the server learns of it beside.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(timeout(CONTROL, handle.cancel(Some("the call was stopped".to_owned()))));
        }
    }
}
