//! What a server asks a person during a call (protocol.md 8): taken off the wire here, answered by whoever makes the call.

use domain::{elicitation::Answer, limits::ELICITATION_CARDS};
use serde_json::{Map, Value};
use tokio::sync::oneshot;

use crate::{
    exchange::Exchange,
    protocol::method,
    redact::Secrets,
    wire::{Ask, Channel},
};

/// A question. Dropping it answers `cancel`.
#[derive(Debug)]
pub struct Asked {
    /// The `params` of the request, as the server sent them: nothing in it is checked yet.
    pub params: Value,
    /// Takes the answer as it goes to the server.
    pub answer: oneshot::Sender<Value>,
}

fn cancel() -> Value {
    Answer::cancel().to_wire()
}

/// Puts the question to whoever makes the call, and waits. The call's time stands still meanwhile.
pub(crate) async fn put(exchange: &Exchange, secrets: &Secrets, mut params: Value) -> Value {
    let Some(asker) = exchange.asker() else { return cancel() };
    // What a server was sent to prove who calls it must not come back on somebody's screen.
    secrets.clean_value(&mut params);
    let (answer, answered) = oneshot::channel();
    let _asking = exchange.asking();
    // Whoever has more questions open than anybody answers is not waited for.
    if asker.try_send(Asked { params, answer }).is_err() {
        return cancel();
    }
    answered.await.unwrap_or_else(|_| cancel())
}

/// Answers a request of an initialize-based server (protocol.md L11). Nothing waits for it: the call goes on when the server has the
/// answer. Without a call it could belong to, nobody is asked.
pub(crate) fn answer(channel: &Channel, id: Value, params: Value, ask: Option<&Ask>) {
    let call = ask.map(|ask| (ask.exchange.clone(), ask.stamp.clone()));
    let channel = channel.clone();
    tokio::spawn(async move {
        let (answer, stamp) = match call {
            Some((exchange, stamp)) => (put(&exchange, channel.secrets(), params).await, stamp),
            None => (cancel(), None),
        };
        channel.respond(&id, answer, stamp).await;
    });
}

/// Answers every request of a round of the stateless era, one after the other, under the same keys (protocol.md M1).
///
/// # Errors
/// One of them is nothing that was declared (protocol.md M6).
pub(crate) async fn put_all(
    exchange: &Exchange,
    secrets: &Secrets,
    requests: Map<String, Value>,
) -> Result<Map<String, Value>, &'static str> {
    let declared = |request: &Value| request.get("method").and_then(Value::as_str) == Some(method::ELICIT);
    if !requests.values().all(declared) {
        return Err("The server asked for something that Patchbay does not offer.");
    }
    if requests.len() > ELICITATION_CARDS {
        return Err("The server asked more at once than anybody is asked in one call.");
    }
    let mut answers = Map::new();
    for (key, mut request) in requests {
        let params = request.get_mut("params").map(Value::take).unwrap_or_default();
        answers.insert(key, put(exchange, secrets, params).await);
    }
    Ok(answers)
}
