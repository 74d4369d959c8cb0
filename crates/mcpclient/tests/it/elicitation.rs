//! A server asks a person during a call (protocol.md 5 and 8, threats 49).

use std::time::Duration;

use domain::elicitation::Answer;
use patchbay_mcpclient::{Asked, CallOutcome, Timeouts, ToolCall};
use serde_json::{Value, json};
use testkit::axum::response::IntoResponse;
use tokio::sync::mpsc;

use crate::{
    fake::{self, Seen},
    fake_stateless,
};

/// A call with somebody who gives `answer` to every question after a while, and what was asked.
fn answered(answer: Value, after: Duration) -> (ToolCall, mpsc::UnboundedReceiver<Value>) {
    let (asker, mut asks) = mpsc::channel::<Asked>(4);
    let (tell, told) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Some(asked) = asks.recv().await {
            let _ = tell.send(asked.params.clone());
            tokio::time::sleep(after).await;
            let _ = asked.answer.send(answer.clone());
        }
    });
    (ToolCall { asker: Some(asker), ..fake::echo("x") }, told)
}

/// An initialize-based server that asks, and ends its answer when it has been answered.
async fn asking() -> fake::Fake {
    let (answered, heard) = tokio::sync::watch::channel(None::<Value>);
    fake::start(move |seen: Seen| {
        if seen.body["id"] == json!("e1") && seen.method().is_empty() {
            answered.send_replace(Some(seen.body["result"].clone()));
        }
        let mut heard = heard.clone();
        async move {
            (seen.method() == "tools/call").then(|| {
                let ask = fake::event(&json!({"jsonrpc": "2.0", "id": "e1", "method": "elicitation/create",
                    "params": {"message": "Which?", "requestedSchema": {"type": "object", "properties": {}}}}));
                let stream = async_stream(ask, async move {
                    let answer = heard.wait_for(Option::is_some).await.map(|answer| answer.clone());
                    let text = answer.ok().flatten().unwrap_or_default().to_string();
                    fake::event(&seen.message(json!({"content": [{"type": "text", "text": text}]})))
                });
                ([("content-type", "text/event-stream")], testkit::axum::body::Body::from_stream(stream))
                    .into_response()
            })
        }
    })
    .await
}

fn async_stream(
    first: String,
    last: impl Future<Output = String> + Send + 'static,
) -> impl futures::Stream<Item = Result<String, std::convert::Infallible>> + Send + 'static {
    use futures::StreamExt as _;
    futures::stream::iter([Ok(first)]).chain(futures::stream::once(async move { Ok(last.await) }))
}

#[tokio::test]
async fn a_server_with_sessions_gets_the_answer_and_its_call_waits() {
    let fake = asking().await;
    // Longer than a call may be silent: while a person is asked its time stands still.
    let timeouts = Timeouts { call_idle: Duration::from_millis(150), ..Timeouts::default() };
    let (call, mut told) = answered(json!({"action": "accept", "content": {}}), Duration::from_millis(500));
    let outcome = fake::clients_with(timeouts).call(&fake.target(), call).await;
    assert_eq!(fake::text_of(&outcome), r#"{"action":"accept","content":{}}"#);
    assert_eq!(told.recv().await.unwrap()["message"], "Which?");
}

#[tokio::test]
async fn where_nobody_is_present_the_answer_is_cancel_at_once() {
    let fake = asking().await;
    let outcome = fake::clients().call(&fake.target(), fake::echo("x")).await;
    assert_eq!(fake::text_of(&outcome), r#"{"action":"cancel"}"#);
    assert_eq!(Answer::cancel().to_wire(), json!({"action": "cancel"}));
}

#[tokio::test]
async fn a_stateless_server_is_answered_in_the_next_round_under_the_same_keys() {
    let ask = |text: &str| json!({"method": "elicitation/create", "params": {"message": text}});
    let requests = json!({"a": ask("one"), "b": ask("two")});
    let fake = fake_stateless::start(move |seen: Seen| {
        let requests = requests.clone();
        async move {
            let first = seen.method() == "tools/call" && seen.body["params"]["inputResponses"].is_null();
            first.then(|| {
                seen.result(
                    json!({"resultType": "input_required", "inputRequests": requests, "requestState": " s "}),
                )
            })
        }
    })
    .await;
    let (call, _told) = answered(json!({"action": "decline"}), Duration::ZERO);
    let outcome = fake::clients().call(&fake.unknown(), call).await;
    assert_eq!(fake::text_of(&outcome), "x");
    let seen = fake.seen();
    let calls: Vec<&Seen> = seen.iter().filter(|seen| seen.method() == "tools/call").collect();
    let declared =
        |seen: &Seen| seen.body["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"].clone();
    assert_eq!(declared(calls[0]), json!({"elicitation": {"form": {}, "url": {}}}));
    let params = &calls[1].body["params"];
    assert_eq!(params["inputResponses"], json!({"a": {"action": "decline"}, "b": {"action": "decline"}}));
    assert_eq!((&params["requestState"], &params["arguments"]), (&json!(" s "), &json!({"text": "x"})));
    assert_ne!(calls[0].body["id"], calls[1].body["id"]);
    // A call without a person declares nothing.
    let outcome = fake::clients().call(&fake.unknown(), fake::echo("x")).await;
    assert!(matches!(outcome, CallOutcome::Done { is_error: true, .. }), "{outcome:?}");
    let last = fake.seen().into_iter().rfind(|seen| seen.method() == "tools/call").unwrap();
    assert_eq!(declared(&last), json!({}));
}

#[tokio::test]
async fn what_was_never_declared_ends_the_call() {
    let fake = fake_stateless::start(|seen: Seen| async move {
        (seen.method() == "tools/call").then(|| {
            let requests = json!({"a": {"method": "sampling/createMessage", "params": {}}});
            seen.result(json!({"resultType": "input_required", "inputRequests": requests}))
        })
    })
    .await;
    let (call, mut told) = answered(json!({"action": "accept"}), Duration::ZERO);
    let outcome = fake::clients().call(&fake.unknown(), call).await;
    assert!(fake::text_of(&outcome).contains("does not offer"), "{outcome:?}");
    assert!(told.try_recv().is_err(), "nobody was asked");
}
