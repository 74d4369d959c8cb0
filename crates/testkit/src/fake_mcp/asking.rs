//! Tools that ask the person something before they answer (protocol.md 8): an event stream with the question, then the result.

use super::{Shared, rpc};
use axum::{
    body::Body,
    response::{IntoResponse as _, Response},
};
use futures::{StreamExt as _, stream};
use http::StatusCode;
use serde_json::{Value, json};
use std::convert::Infallible;

/// What the called tool asks, if it does.
pub(super) fn question_of(shared: &Shared, message: &Value) -> Option<Value> {
    if message["method"] != "tools/call" {
        return None;
    }
    let name = message["params"]["name"].as_str()?;
    shared.manners().tools.into_iter().find(|tool| tool.name == name)?.question
}

/// Asks, waits for the answer, and gives it as the result.
pub(super) fn ask(shared: &Shared, message: &Value, question: Value) -> Response {
    let event = |message: &Value| format!("data: {message}\n\n");
    let (id, asked) = (message["id"].clone(), crate::temp::unique());
    let first =
        event(&json!({"jsonrpc": "2.0", "id": asked, "method": "elicitation/create", "params": question}));
    let (shared, params) = (shared.clone(), message["params"].clone());
    let last = async move {
        let mut answers = shared.answers.subscribe();
        let answer = answers.wait_for(|answers| answers.contains_key(&asked)).await;
        let answer = answer.ok().and_then(|answers| answers.get(&asked).cloned()).unwrap_or_default();
        let mut result = rpc::call(&shared, &params).await.unwrap_or_default();
        result["content"] = json!([{"type": "text", "text": answer.to_string()}]);
        event(&json!({"jsonrpc": "2.0", "id": id, "result": result}))
    };
    let events = stream::iter([first]).chain(stream::once(last)).map(Ok::<_, Infallible>);
    ([("content-type", "text/event-stream")], Body::from_stream(events)).into_response()
}

/// Takes an answer in.
pub(super) fn answered(shared: &Shared, id: &Value, message: &Value) -> Response {
    let id = id.as_str().unwrap_or_default().to_owned();
    let answer = message["result"].clone();
    shared.answers.send_modify(|answers| {
        answers.insert(id, answer);
    });
    StatusCode::ACCEPTED.into_response()
}
