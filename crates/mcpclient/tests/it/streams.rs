//! Event streams: what comes before the answer, and streams that break.

use std::time::Duration;

use patchbay_mcpclient::{CallOutcome, Timeouts};
use serde_json::{Value, json};
use testkit::axum::{http::StatusCode, response::IntoResponse};
use tokio::{sync::mpsc, time::Instant};

use crate::fake::{self, Seen};

fn done(seen: &Seen) -> String {
    fake::event(&seen.message(json!({"content": [{"type": "text", "text": "done"}]})))
}

#[tokio::test]
async fn a_server_that_asks_is_answered() {
    let fake = fake::start(|seen: Seen| async move {
        (seen.method() == "tools/call").then(|| {
            let ask = |id: Value, method: &str, params: Value| {
                fake::event(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}))
            };
            fake::events(vec![
                (0, ask(json!("p"), "ping", json!({}))),
                (0, ask(json!(1), "sampling/createMessage", json!({"messages": [], "maxTokens": 5}))),
                (0, ask(json!(2), "roots/list", json!({}))),
                (
                    0,
                    ask(
                        json!(3),
                        "elicitation/create",
                        json!({"message": "password?", "requestedSchema": {}}),
                    ),
                ),
                (500, done(&seen)),
            ])
        })
    })
    .await;
    let outcome = fake::clients().call(&fake.target(), fake::echo("x")).await;
    assert!(matches!(outcome, CallOutcome::Done { .. }), "{outcome:?}");
    let replies: Vec<Value> =
        fake.seen().into_iter().filter(|seen| seen.method().is_empty()).map(|seen| seen.body).collect();
    assert_eq!(replies.len(), 4, "{replies:?}");
    let reply = |id: Value| replies.iter().find(|reply| reply["id"] == id).unwrap();
    assert_eq!(reply(json!("p"))["result"], json!({}));
    for id in 1..=2 {
        assert_eq!(reply(json!(id))["error"]["code"], -32601);
    }
    // Nobody is present in this call.
    assert_eq!(reply(json!(3))["result"], json!({"action": "cancel"}));
}

#[tokio::test]
async fn a_flood_is_thinned_out_and_the_answer_still_found() {
    let fake = fake::start(|seen: Seen| async move {
        (seen.method() == "tools/call").then(|| {
            let note = fake::event(
                &json!({"jsonrpc": "2.0", "method": "notifications/message", "params": {"data": "x"}}),
            );
            let ping = fake::event(&json!({"jsonrpc": "2.0", "id": 5, "method": "ping"}));
            fake::events(vec![(0, note.repeat(4000)), (0, ping.repeat(4000)), (0, done(&seen))])
        })
    })
    .await;
    let outcome = fake::clients().call(&fake.target(), fake::echo("x")).await;
    assert!(matches!(outcome, CallOutcome::Done { .. }), "{outcome:?}");
    assert!(fake.seen().len() < 120, "{} requests", fake.seen().len());
}

#[tokio::test]
async fn too_many_events_end_the_call() {
    let fake = fake::start(|seen: Seen| async move {
        (seen.method() == "tools/call").then(|| {
            let note =
                fake::event(&json!({"jsonrpc": "2.0", "method": "notifications/message", "params": {}}));
            fake::events((0..30).map(|_| (0, note.repeat(1000))).collect())
        })
    })
    .await;
    let outcome = fake::clients().call(&fake.target(), fake::echo("x")).await;
    assert!(matches!(outcome, CallOutcome::Unknown { .. }), "{outcome:?}");
}

#[tokio::test]
async fn answers_to_others_are_ignored() {
    let fake = fake::start(|seen: Seen| async move {
        (seen.method() == "tools/call").then(|| {
            let mut foreign = seen.message(json!({"content": [{"type": "text", "text": "foreign"}]}));
            foreign["id"] = json!(999);
            let anonymous = json!({"jsonrpc": "2.0", "id": null, "error": {"code": -32700, "message": "?"}});
            let as_text =
                json!({"jsonrpc": "2.0", "id": seen.body["id"].to_string(), "result": {"content": []}});
            fake::events(vec![
                (0, fake::event(&foreign)),
                (0, fake::event(&anonymous)),
                (0, fake::event(&as_text)),
            ])
        })
    })
    .await;
    let outcome = fake::clients().call(&fake.target(), fake::echo("x")).await;
    assert_eq!(outcome, CallOutcome::Done { content: vec![], is_error: false, total_bytes: 2 });
}

#[tokio::test]
async fn a_broken_stream_with_event_ids_is_resumed() {
    let fake = fake::start(|seen: Seen| async move {
        match (seen.http.as_str(), seen.method()) {
            ("POST", "tools/call") => {
                let first = fake::event(&seen.progress(1.0));
                Some(fake::events(vec![(0, format!("id: e1\nretry: 1\ndata:\n\nid: e2\n{first}"))]))
            }
            ("GET", _) => {
                assert_eq!(seen.header("last-event-id"), Some("e2"));
                assert_eq!(seen.header("accept"), Some("text/event-stream"));
                assert_eq!(seen.header("mcp-session-id"), Some("session-1"));
                assert_eq!(seen.header("authorization"), Some("Bearer hunter2"));
                let answer = json!({"jsonrpc": "2.0", "id": 1, "result": {"content": [{"type": "text", "text": "resumed"}]}});
                Some(fake::events(vec![(0, format!("id: e3\n{}", fake::event(&answer)))]))
            }
            _ => None,
        }
    })
    .await;
    let clients = fake::clients();
    let started = Instant::now();
    let (tell, mut told) = mpsc::channel(4);
    let mut call = fake::echo("x");
    call.progress = Some(tell);
    let outcome = clients.call(&fake.target(), call).await;
    assert!(matches!(outcome, CallOutcome::Done { .. }), "{outcome:?}");
    assert!(started.elapsed() >= Duration::from_millis(500), "a retry of 1 ms has a floor");
    assert_eq!(told.recv().await.unwrap().progress, 1.0);
    assert_eq!(fake.count("tools/call"), 1);
}

#[tokio::test]
async fn a_stream_that_cannot_be_resumed_is_unknown() {
    let fake = fake::start(|seen: Seen| async move {
        match (seen.http.as_str(), seen.method()) {
            ("POST", "tools/call") => Some(fake::events(vec![(0, "id: e1\ndata:\n\n".into())])),
            ("GET", _) => Some(StatusCode::METHOD_NOT_ALLOWED.into_response()),
            _ => None,
        }
    })
    .await;
    let outcome = fake::clients().call(&fake.target(), fake::echo("x")).await;
    assert!(matches!(outcome, CallOutcome::Unknown { .. }), "{outcome:?}");
    assert_eq!(fake.seen().iter().filter(|seen| seen.http == "GET").count(), 1);
}

#[tokio::test]
async fn resumes_without_anything_new_are_counted() {
    let fake = fake::start(|seen: Seen| async move {
        match (seen.http.as_str(), seen.method()) {
            ("POST", "tools/call") => Some(fake::events(vec![(0, "id: e1\nretry: 0\ndata:\n\n".into())])),
            ("GET", _) => Some(fake::events(vec![])),
            _ => None,
        }
    })
    .await;
    let started = Instant::now();
    let outcome = fake::clients().call(&fake.target(), fake::echo("x")).await;
    assert!(matches!(outcome, CallOutcome::Unknown { .. }), "{outcome:?}");
    assert_eq!(fake.seen().iter().filter(|seen| seen.http == "GET").count(), 5);
    assert!(started.elapsed() >= Duration::from_millis(2500));
}

#[tokio::test]
async fn a_wait_longer_than_the_call_is_not_waited() {
    let fake = fake::start(|seen: Seen| async move {
        (seen.method() == "tools/call")
            .then(|| fake::events(vec![(0, "id: e1\nretry: 99999999\ndata:\n\n".into())]))
    })
    .await;
    let clients = fake::clients_with(Timeouts { call_total: Duration::from_secs(20), ..Timeouts::default() });
    let started = Instant::now();
    let outcome = clients.call(&fake.target(), fake::echo("x")).await;
    assert!(matches!(outcome, CallOutcome::Unknown { .. }), "{outcome:?}");
    assert!(started.elapsed() < Duration::from_secs(2));
}

#[tokio::test]
async fn initialize_and_lists_may_come_as_streams() {
    let fake = fake::start(|seen: Seen| async move {
        let result = match seen.method() {
            "initialize" => fake::hello("2025-03-26"),
            "tools/list" => json!({"tools": [fake::tool("streamed")]}),
            _ => return None,
        };
        Some(fake::events(vec![(0, "id: 1\ndata:\n\n".into()), (0, fake::event(&seen.message(result)))]))
    })
    .await;
    let catalogue = fake::clients().catalogue(&fake.target(), fake::in_(5)).await.unwrap();
    assert_eq!(catalogue.tools[0].name, "streamed");
    assert_eq!(catalogue.revision.as_str(), "2025-03-26");
}
