//! One tool call on an open connection: sent at most once, ended in exactly one way (behaviour 15).

use std::sync::Arc;

use api::messages::ResultContent;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde_json::{Map, Value};
use tokio::{
    sync::mpsc,
    time::{Duration, Instant, sleep, sleep_until},
};
use tokio_util::sync::CancellationToken;

use crate::{
    catalogue::Tool,
    elicit::{self, Asked},
    error::{McpError, McpErrorKind, RpcError, seconds},
    exchange::{Exchange, Failure},
    identity::Stamp,
    limits::{REQUEST_STATE, ROUNDS, Timeouts},
    param_header,
    protocol::{code, meta, method},
    refused::Refused,
    result,
    session::{Asking, Session},
    wire::Answer,
};

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
    /// `traceparent` (W3C Trace Context), for servers whose admin wants traces to go on there.
    pub traceparent: Option<String>,
    /// Cancels the call.
    pub cancel: CancellationToken,
    /// Where progress goes, at most four times a second. A full channel loses reports, never the call.
    pub progress: Option<mpsc::Sender<Progress>>,
    /// Where the server's questions go; `None` where nobody could answer.
    pub asker: Option<mpsc::Sender<Asked>>,
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
        /// Set where another credential or more permission would change it.
        refused: Option<Box<Refused>>,
    },
    /// Sent, and no answer came or one that leaves it open. It must not be sent again by itself.
    Unknown {
        /// A sentence for model and user.
        message: String,
        /// No answer came because the connection broke; not because a deadline passed or the server said something.
        lost: bool,
    },
    /// Cancelled through [`ToolCall::cancel`].
    Cancelled {
        /// Nothing of the call had left; otherwise it may have had its effect.
        sure: bool,
    },
}

impl CallOutcome {
    /// What is said of a call without a result.
    pub(crate) fn message(&self) -> Option<&str> {
        match self {
            Self::NotExecuted { message, .. } | Self::Unknown { message, .. } => Some(message),
            Self::Done { .. } | Self::Cancelled { .. } => None,
        }
    }

    pub(crate) fn not_executed(error: &McpError, host: &str) -> Self {
        Self::NotExecuted { message: error.call_message(host), refused: error.refused().map(Box::new) }
    }
}

/// An outcome, or a case in which the same call may go out once more.
pub(crate) enum Attempt {
    Ended(CallOutcome),
    /// The server refused it because its session is over (protocol.md L5), or because it is of another era (E5).
    Refused(McpErrorKind),
    /// The server refused it because its headers do not fit the definition it has now (protocol.md X5).
    HeadersRefused,
    /// Ended, and the connection is of no more use: the credential was refused, or its session seems to be over.
    EndedForGood(CallOutcome),
}

impl Attempt {
    /// An earlier round has reached the tool, so nothing is sure any more, and nothing starts from the beginning.
    fn after_a_round(self) -> Self {
        let unsure = |outcome| match outcome {
            CallOutcome::NotExecuted { message, .. } => {
                CallOutcome::Unknown { message: format!("{message} {MAYBE}"), lost: false }
            }
            CallOutcome::Cancelled { .. } => CallOutcome::Cancelled { sure: false },
            other => other,
        };
        match self {
            Self::Ended(outcome) => Self::Ended(unsure(outcome)),
            Self::EndedForGood(outcome) => Self::EndedForGood(unsure(outcome)),
            Self::Refused(_) | Self::HeadersRefused => Self::EndedForGood(CallOutcome::Unknown {
                message: format!("The server refused to go on with the call. {MAYBE}"),
                lost: false,
            }),
        }
    }
}

/// Sends the call and waits. `tool` is its definition, where it is known; `trouble` is what went wrong below MCP, if anything did.
pub(crate) async fn call(
    session: &Session,
    call: &ToolCall,
    tool: Option<&Tool>,
    stamp: Option<Arc<Stamp>>,
    timeouts: Timeouts,
    trouble: &mut Option<McpErrorKind>,
) -> Attempt {
    let total = Instant::now() + timeouts.call_total;
    let mirrored = match tool.map(|tool| param_header::of_call(&tool.mirrored, &call.arguments)).transpose() {
        Ok(headers) => headers.unwrap_or_default(),
        Err(message) => return Attempt::Ended(CallOutcome::NotExecuted { message, refused: None }),
    };
    let mut exchange = Exchange::new(total, call.progress.clone()).answered_by(call.asker.clone());
    let (mut state, mut answers): (Option<String>, Option<Map<String, Value>>) = (None, None);
    for round in 0..ROUNDS {
        let asking = Asking {
            method: method::TOOLS_CALL,
            params: params(call, state.as_deref(), answers.take()),
            headers: trace_headers(call),
            mirrored: mirrored.clone(),
            stamp: stamp.clone(),
            reports_progress: true,
            elicits: call.asker.is_some(),
        };
        let attempt = match send(session, call, asking, &exchange, timeouts, trouble).await {
            Ok(answer) => match next_round(session, &answer, call.asker.is_some()) {
                Some(Round::Later(next)) => {
                    state = Some(next);
                    None
                }
                Some(Round::Asks(requests, next)) => {
                    state = next;
                    tokio::select! {
                        biased;
                        () = call.cancel.cancelled() => {
                            return Attempt::Ended(CallOutcome::Cancelled { sure: false });
                        }
                        given = elicit::put_all(&exchange, session.channel.secrets(), requests) => match given {
                            Ok(given) => {
                                answers = Some(given);
                                None
                            }
                            Err(why) => Some(Attempt::Ended(result::failed(why.to_owned()))),
                        },
                    }
                }
                Some(Round::Impossible(why)) => Some(Attempt::Ended(result::failed(why.to_owned()))),
                None => Some(Attempt::Ended(ended(session, tool, answer))),
            },
            Err(attempt) => Some(attempt),
        };
        match attempt {
            Some(attempt) if round == 0 => return attempt,
            Some(attempt) => return attempt.after_a_round(),
            None => {}
        }
        // The server has let the request go and wants it again (protocol.md M2, M4).
        let wait = timeouts.round_wait.saturating_mul(1 << round.min(6));
        if Instant::now() + wait >= exchange.total() {
            break;
        }
        // Who has been answered waits for it.
        if answers.is_none() {
            tokio::select! {
                biased;
                () = call.cancel.cancelled() => return Attempt::Ended(CallOutcome::Cancelled { sure: false }),
                () = sleep(wait) => {}
            }
        }
        exchange = exchange.again();
    }
    Attempt::Ended(result::failed(
        "The server asked again and again to be called later, and gave no result.".to_owned(),
    ))
}

fn trace_headers(call: &ToolCall) -> HeaderMap {
    let value = call.traceparent.as_deref().and_then(|text| HeaderValue::from_str(text).ok());
    value.map(|value| (HeaderName::from_static("traceparent"), value)).into_iter().collect()
}

fn params(call: &ToolCall, state: Option<&str>, answers: Option<Map<String, Value>>) -> Map<String, Value> {
    let mut meta = Map::new();
    meta.insert(meta::CALL_ID.to_owned(), Value::String(call.tool_call_id.clone()));
    if let Some(traceparent) = &call.traceparent {
        meta.insert(meta::TRACEPARENT.to_owned(), Value::String(traceparent.clone()));
    }
    let mut params = Map::new();
    params.insert("name".to_owned(), Value::String(call.tool.clone()));
    params.insert("arguments".to_owned(), Value::Object(call.arguments.clone()));
    params.insert("_meta".to_owned(), Value::Object(meta));
    if let Some(answers) = answers {
        params.insert("inputResponses".to_owned(), Value::Object(answers));
    }
    if let Some(state) = state {
        // Byte for byte, and only where one was sent (protocol.md M3).
        params.insert("requestState".to_owned(), Value::String(state.to_owned()));
    }
    params
}

enum Round {
    /// Again, with this state.
    Later(String),
    /// Again, with answers to these requests and this state.
    Asks(Map<String, Value>, Option<String>),
    Impossible(&'static str),
}

/// Whether a result asks for another round (protocol.md 5). Only stateless servers have rounds.
fn next_round(session: &Session, answer: &Answer, elicits: bool) -> Option<Round> {
    let Ok(Value::Object(result)) = answer else { return None };
    let asks_again = result.get("resultType").and_then(Value::as_str) == Some("input_required");
    if !asks_again || !session.channel.is_stateless() {
        return None;
    }
    let asks =
        result.get("inputRequests").is_some_and(|asked| asked.as_object().is_none_or(|map| !map.is_empty()));
    let requests = result.get("inputRequests").and_then(Value::as_object);
    Some(match result.get("requestState") {
        Some(Value::String(state)) if state.len() > REQUEST_STATE => {
            Round::Impossible("The server wants more kept between two rounds than is accepted.")
        }
        state if asks && elicits => match (requests, state) {
            (Some(requests), None) => Round::Asks(requests.clone(), None),
            (Some(requests), Some(Value::String(state))) => {
                Round::Asks(requests.clone(), Some(state.clone()))
            }
            _ => Round::Impossible("The server asked for another round without saying which."),
        },
        // Nothing was declared that a server may ask for (protocol.md M6).
        _ if asks => Round::Impossible("The server asked for something that Patchbay does not offer."),
        Some(Value::String(state)) => Round::Later(state.clone()),
        _ => Round::Impossible("The server asked for another round without saying which."),
    })
}

fn ended(session: &Session, tool: Option<&Tool>, answer: Answer) -> CallOutcome {
    match answer {
        Ok(value) => {
            let output = tool.and_then(|tool| tool.output.as_deref());
            result::outcome(value, session.channel.secrets(), output, session.channel.bounds().result)
        }
        Err(error) => {
            tracing::info!(
                host = session.channel.host(),
                code = error.code,
                said = %domain::text::quote(&error.message, 300),
                "the MCP server answered a call with an error"
            );
            if error.surely_not_executed() {
                CallOutcome::NotExecuted { message: error.fixed_text(), refused: None }
            } else {
                CallOutcome::Unknown { message: format!("{} {MAYBE}", error.fixed_text()), lost: false }
            }
        }
    }
}

/// One request of the call. Dropping the future, too, tells the server to stop (protocol.md C1, C2).
async fn send(
    session: &Session,
    call: &ToolCall,
    asking: Asking,
    exchange: &Exchange,
    timeouts: Timeouts,
    trouble: &mut Option<McpErrorKind>,
) -> Result<Answer, Attempt> {
    let _in_flight = InFlight { session, exchange, stamp: asking.stamp.clone() };
    let host = session.channel.host();
    let mut asked = std::pin::pin!(session.ask(asking, exchange));
    let stop = loop {
        let (idle, total) = (exchange.last_sign() + timeouts.call_idle, exchange.total());
        tokio::select! {
            biased;
            // First: an answer that arrived together with the stop is an answer.
            answer = &mut asked => return match answer {
                Ok(Err(error)) if headers_refused(session, &error) => Err(Attempt::HeadersRefused),
                Ok(answer) => Ok(answer),
                Err(failure) => {
                    *trouble = Some(failure.error.kind());
                    Err(failed(session, failure, call))
                }
            },
            () = call.cancel.cancelled() => break Stop::Cancelled,
            () = sleep_until(total.min(idle)) => {
                // It moves on while a person is asked.
                if Instant::now() >= exchange.total() {
                    break Stop::Late(timeouts.call_total);
                }
                // Progress may have moved the idle deadline in the meantime (protocol.md C5).
                if exchange.last_sign() + timeouts.call_idle <= Instant::now() {
                    break Stop::Late(timeouts.call_idle);
                }
            }
        }
    };
    if matches!(stop, Stop::Late(_)) {
        *trouble = Some(McpErrorKind::Timeout);
    }
    let withdrawn = exchange.withdraw();
    Err(Attempt::Ended(match stop {
        Stop::Cancelled => CallOutcome::Cancelled { sure: withdrawn },
        Stop::Late(limit) if withdrawn => {
            CallOutcome::not_executed(&McpError::late(host, "take the call", limit), host)
        }
        Stop::Late(limit) => CallOutcome::Unknown {
            message: format!("No answer from the server in {}. {MAYBE}", seconds(limit)),
            lost: false,
        },
    }))
}

/// The code means this in the stateless revisions only, and only before anything ran (protocol.md 3).
fn headers_refused(session: &Session, error: &RpcError) -> bool {
    session.channel.is_stateless()
        && error.code == code::HEADER_MISMATCH
        && error.status == Some(StatusCode::BAD_REQUEST)
}

enum Stop {
    Cancelled,
    Late(Duration),
}

fn failed(session: &Session, Failure { error, surely_not_executed }: Failure, call: &ToolCall) -> Attempt {
    let host = session.channel.host();
    if !surely_not_executed {
        if error.kind() == McpErrorKind::TooLarge {
            return Attempt::Ended(result::too_large(None, session.channel.bounds().result));
        }
        if error.kind() == McpErrorKind::Closed && call.cancel.is_cancelled() {
            return Attempt::Ended(CallOutcome::Cancelled { sure: false });
        }
        // Without its full stop, to be followed by another sentence.
        let said = error.call_message(host);
        let outcome = CallOutcome::Unknown {
            message: format!("{}. {MAYBE}", said.trim_end_matches('.')),
            lost: error.kind() == McpErrorKind::Unreachable,
        };
        return match error.kind() {
            McpErrorKind::SessionEnded | McpErrorKind::EraChanged => Attempt::EndedForGood(outcome),
            _ => Attempt::Ended(outcome),
        };
    }
    match error.kind() {
        kind @ (McpErrorKind::SessionEnded | McpErrorKind::EraChanged) => Attempt::Refused(kind),
        McpErrorKind::Unauthorized => Attempt::EndedForGood(CallOutcome::not_executed(&error, host)),
        _ => Attempt::Ended(CallOutcome::not_executed(&error, host)),
    }
}

/// Tells the server to stop when the call is left early, whatever the way. What has ended is left alone. Declared before
/// the request's future, it is dropped after it: closing the stream comes first.
struct InFlight<'a> {
    session: &'a Session,
    exchange: &'a Exchange,
    stamp: Option<Arc<Stamp>>,
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.session.cancel(self.exchange, self.stamp.take());
    }
}
