//! The two places where several requests come at once.

use super::{Elicitation, Refusal};
use crate::{limits::ELICITATION_CARDS, text::quote};
use serde_json::{Map, Value};

/// The key under which the answer goes back (M1), and what came under it.
pub type Requested = (String, Result<Elicitation, Refusal>);

/// The `inputRequests` of the stateless era (protocol.md 5). `shown` is how many cards this call had before: the cap is
/// per call, not per round, else a server could ask for ever.
///
/// # Errors
/// When there are too many, or one of them is something that was never declared (M6): then the call fails, nothing is shown.
pub fn input_requests(
    requests: &Map<String, Value>,
    shown: usize,
    http_on_loopback: bool,
) -> Result<Vec<Requested>, Refusal> {
    counted(shown.saturating_add(requests.len()))?;
    requests
        .iter()
        .map(|(key, request)| {
            match request.get("method").and_then(Value::as_str) {
                Some("elicitation/create") => {}
                other => {
                    return Err(Refusal::UnknownMethod { method: quote(other.unwrap_or("nothing"), 60) });
                }
            }
            let params = request.get("params").unwrap_or(&Value::Null);
            Ok((key.clone(), Elicitation::parse(params, http_on_loopback)))
        })
        .collect()
}

/// The `data` of error `-32042` of 2025-11-25: pages to visit before the call is tried again (I9).
///
/// # Errors
/// When there are too many, none, or one of them is no usable URL request: a retry would end in the same error.
pub fn required_urls(
    data: &Value,
    shown: usize,
    http_on_loopback: bool,
) -> Result<Vec<Elicitation>, Refusal> {
    let listed = data
        .get("elicitations")
        .and_then(Value::as_array)
        .filter(|listed| !listed.is_empty())
        .ok_or(Refusal::Malformed { what: "names no page to visit" })?;
    counted(shown.saturating_add(listed.len()))?;
    listed
        .iter()
        .map(|params| match Elicitation::parse(params, http_on_loopback)? {
            Elicitation::Form { .. } => {
                Err(Refusal::Malformed { what: "asks for a form where a page is due" })
            }
            url @ Elicitation::Url { .. } => Ok(url),
        })
        .collect()
}

fn counted(asked: usize) -> Result<(), Refusal> {
    if asked > ELICITATION_CARDS { Err(Refusal::TooManyCards { asked }) } else { Ok(()) }
}
