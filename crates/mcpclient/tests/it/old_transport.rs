//! The transport of 2024-11-05 (protocol.md 12).

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use patchbay_mcpclient::{CallOutcome, McpErrorKind, Revision, Target, Transport, Wire};
use serde_json::json;
use testkit::axum::{
    body::Body,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use tokio::{sync::mpsc, time::Instant};

use crate::fake::{self, Fake, Seen};

/// The two-endpoint transport: answers to POSTs come on the standing stream.
pub(crate) struct Old {
    pub(crate) fake: Fake,
    streams: Arc<Mutex<Vec<mpsc::UnboundedSender<String>>>>,
}

async fn old(endpoint: &'static str) -> Old {
    old_with(endpoint, StatusCode::ACCEPTED).await
}

/// The same, whose POSTs of calls end a moment after the answer, with this status.
async fn old_with(endpoint: &'static str, of_calls: StatusCode) -> Old {
    old_made(endpoint, of_calls, Arc::new(|_| None)).await
}

/// The same, which turns away what `refuse` says.
pub(crate) async fn old_refusing(refuse: Refuse) -> Old {
    old_made("/messages", StatusCode::ACCEPTED, refuse).await
}

/// What a server turns away, and how.
pub(crate) type Refuse = Arc<dyn Fn(&Seen) -> Option<Response> + Send + Sync>;

async fn old_made(endpoint: &'static str, of_calls: StatusCode, refuse: Refuse) -> Old {
    let streams: Arc<Mutex<Vec<mpsc::UnboundedSender<String>>>> = Arc::default();
    let opened = Arc::clone(&streams);
    let fake = fake::start(move |seen: Seen| {
        let (opened, refused) = (Arc::clone(&opened), refuse(&seen));
        async move {
            if refused.is_some() {
                return refused;
            }
            if seen.http == "GET" {
                let (tell, told) = mpsc::unbounded_channel::<String>();
                tell.send(format!("event: endpoint\ndata: {endpoint}\n\n")).unwrap();
                opened.lock().unwrap().push(tell);
                let stream = futures::stream::unfold(told, |mut told| async move {
                    let piece = told.recv().await?;
                    Some((Ok::<_, std::convert::Infallible>(piece), told))
                });
                return Some(
                    ([("content-type", "text/event-stream")], Body::from_stream(stream)).into_response(),
                );
            }
            if seen.method() == "server/discover" || opened.lock().unwrap().is_empty() {
                return Some(StatusCode::METHOD_NOT_ALLOWED.into_response());
            }
            let answer = match seen.method() {
                "initialize" => Some(fake::hello("2024-11-05")),
                "tools/list" => Some(json!({"tools": [fake::tool("echo")]})),
                "tools/call" if seen.body["params"]["arguments"]["text"] == "silence" => None,
                "tools/call" => Some(json!({"content": [{"type": "text",
                    "text": seen.body["params"]["arguments"]["text"].clone()}]})),
                _ => None,
            };
            if let Some(answer) = answer {
                let stream = opened.lock().unwrap().last().cloned().unwrap();
                if seen.method() == "tools/call" {
                    let _ = stream.send(fake::event(&seen.progress(0.5)));
                    let _ = stream.send(fake::event(&json!({"jsonrpc": "2.0", "id": 9999, "result": {}})));
                }
                let _ = stream.send(format!("event: message\n{}", fake::event(&seen.message(answer))));
            }
            if seen.method() == "tools/call" && !of_calls.is_success() {
                tokio::time::sleep(Duration::from_millis(200)).await;
                return Some(of_calls.into_response());
            }
            Some(StatusCode::ACCEPTED.into_response())
        }
    })
    .await;
    Old { fake, streams }
}

#[tokio::test]
async fn the_old_transport_is_found_and_used() {
    let old = old("/messages?session=1").await;
    let clients = fake::clients();
    let found = clients.check(&old.fake.unknown()).await.unwrap();
    assert_eq!((found.wire, found.catalogue.revision), (Wire::Sse, Revision::V2024_11_05));
    let target = old.fake.unknown();
    let (tell, mut told) = mpsc::channel(4);
    let mut call = fake::echo("hello");
    call.progress = Some(tell);
    assert_eq!(fake::text_of(&clients.call(&target, call).await), "hello");
    assert_eq!(told.recv().await.unwrap().progress, 0.5);
    let calls = (0..20).map(|number| {
        let (clients, target) = (clients.clone(), target.clone());
        async move {
            fake::text_of(&clients.call(&target, fake::echo(&number.to_string())).await) == number.to_string()
        }
    });
    assert!(futures::future::join_all(calls).await.into_iter().all(|own| own), "each gets its own answer");
    for seen in old.fake.seen() {
        assert_eq!(seen.header("authorization"), Some("Bearer hunter2"));
    }
    assert_eq!(old.fake.deletes(), Vec::<String>::new());
}

#[tokio::test]
async fn a_server_set_to_sse_is_asked_nothing_else() {
    let old = old("/messages").await;
    let target = Target { transport: Transport::Sse, ..old.fake.unknown() };
    fake::clients().catalogue(&target, fake::in_(5)).await.unwrap();
    assert_eq!(old.fake.methods()[..2], ["GET", "POST initialize"]);
}

/// The credentials would go wherever the server points (protocol.md 12, step 2).
#[tokio::test]
async fn messages_never_go_to_another_origin() {
    for endpoint in [
        "https://evil.example/messages",
        "//evil.example/m",
        "http://127.0.0.1:1/m",
        "http://u:p@127.0.0.1/m",
    ] {
        let old = old(endpoint).await;
        let target = Target { transport: Transport::Sse, ..old.fake.unknown() };
        let error = fake::clients().catalogue(&target, fake::in_(5)).await.unwrap_err();
        assert_eq!(error.kind(), McpErrorKind::Protocol, "{endpoint}: {error}");
        assert!(!error.public_message().contains("evil"), "{error}");
        assert_eq!(old.fake.methods(), ["GET"], "{endpoint}");
    }
}

#[tokio::test]
async fn a_lost_stream_ends_the_session_and_leaves_its_calls_unknown() {
    let old = old("/messages").await;
    let clients = fake::clients();
    let target = Target { transport: Transport::Sse, ..old.fake.unknown() };
    let running = tokio::spawn({
        let (clients, target) = (clients.clone(), target.clone());
        async move { clients.call(&target, fake::echo("silence")).await }
    });
    fake::until("the call arrived", || old.fake.count("tools/call") == 1).await;
    old.streams.lock().unwrap().clear();
    let outcome = running.await.unwrap();
    assert!(matches!(outcome, CallOutcome::Unknown { .. }), "{outcome:?}");
    assert_eq!(fake::text_of(&clients.call(&target, fake::echo("again")).await), "again");
    assert_eq!(old.fake.count("initialize"), 2);
    assert_eq!(old.fake.count("tools/call"), 2, "nothing is sent twice");
}

#[tokio::test]
async fn a_stream_that_is_none_of_ours_is_named() {
    for (first, word) in [
        ("event: message\ndata: {}\n\n", "names no address"),
        ("event: endpoint\ndata: \n\n", "ended"),
        ("event: endpoint\ndata: http://[\n\n", "names no address"),
        (": nothing\n\n", "ended"),
    ] {
        let fake = fake::start(move |_| async move {
            Some(([("content-type", "text/event-stream")], first).into_response())
        })
        .await;
        let target = Target { transport: Transport::Sse, ..fake.unknown() };
        let started = Instant::now();
        let error = fake::clients().catalogue(&target, fake::in_(5)).await.unwrap_err();
        assert!(error.public_message().contains(word), "{error} / {word}");
        assert!(started.elapsed() < Duration::from_secs(2));
    }
}

/// A message over the cap need not be the answer to anything: nobody is told that a tool ran.
#[tokio::test]
async fn an_oversized_message_ends_the_session_and_claims_nothing() {
    let old = old("/messages").await;
    let clients = fake::clients();
    let target = Target { transport: Transport::Sse, ..old.fake.unknown() };
    let running = tokio::spawn({
        let (clients, target) = (clients.clone(), target.clone());
        async move { clients.call(&target, fake::echo("silence")).await }
    });
    fake::until("the call arrived", || old.fake.count("tools/call") == 1).await;
    let stream = old.streams.lock().unwrap().last().cloned().unwrap();
    for _ in 0..14 {
        stream.send(format!("data: {}\n", "x".repeat(1024 * 1024))).unwrap();
    }
    let outcome = running.await.unwrap();
    assert!(matches!(outcome, CallOutcome::Unknown { .. }), "{outcome:?}");
}

/// What a server sends unasked has an end.
#[tokio::test]
async fn a_stream_of_nothing_but_noise_is_closed() {
    let old = old("/messages").await;
    let clients = fake::clients();
    let target = Target { transport: Transport::Sse, ..old.fake.unknown() };
    let running = tokio::spawn({
        let (clients, target) = (clients.clone(), target.clone());
        async move { clients.call(&target, fake::echo("silence")).await }
    });
    fake::until("the call arrived", || old.fake.count("tools/call") == 1).await;
    let stream = old.streams.lock().unwrap().last().cloned().unwrap();
    let foreign = fake::event(&json!({"jsonrpc": "2.0", "id": 9999, "result": {}}));
    for _ in 0..11 {
        stream.send(foreign.repeat(1000)).unwrap();
    }
    let outcome = running.await.unwrap();
    assert!(
        matches!(&outcome, CallOutcome::Unknown { message, .. } if message.contains("more messages")),
        "{outcome:?}"
    );
}

/// The answer is on the stream before the POST breaks.
#[tokio::test]
async fn an_answer_counts_whatever_becomes_of_its_post() {
    let old = old_with("/messages", StatusCode::INTERNAL_SERVER_ERROR).await;
    let clients = fake::clients();
    let target = Target { transport: Transport::Sse, ..old.fake.unknown() };
    assert_eq!(fake::text_of(&clients.call(&target, fake::echo("late refusal")).await), "late refusal");
}
