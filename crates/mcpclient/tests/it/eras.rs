//! Which era a server is of, and how each is spoken to (protocol.md 2, 3, 5, 12).

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use api::messages::ResultContent;
use patchbay_mcpclient::{CallOutcome, McpErrorKind, Revision, Target, Timeouts, Transport, Wire};
use serde_json::{Value, json};
use testkit::axum::{
    body::Body,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use tokio::{sync::mpsc, time::Instant};

use crate::fake::{self, Fake, Seen};

const MODERN: &str = "2026-07-28";

fn discovered() -> Value {
    json!({"resultType": "complete", "supportedVersions": [MODERN], "capabilities": {"tools": {}},
        "instructions": "Be brief.", "ttlMs": 60000, "cacheScope": "private",
        "_meta": {"io.modelcontextprotocol/serverInfo": {"name": "modern", "version": "2"}}})
}

/// An honest stateless server with one tool; `script` first, as in [`fake::start`].
async fn stateless<F>(script: impl Fn(Seen) -> F + Send + Sync + 'static) -> Fake
where
    F: Future<Output = Option<Response>> + Send + 'static,
{
    let script = Arc::new(script);
    fake::start(move |seen| {
        let script = Arc::clone(&script);
        async move {
            if let Some(response) = script(seen.clone()).await {
                return Some(response);
            }
            Some(match seen.method() {
                "server/discover" => seen.result(discovered()),
                "tools/list" => seen.result(json!({"resultType": "complete", "tools": [fake::tool("echo")],
                    "ttlMs": 60000, "cacheScope": "private"})),
                "tools/call" => {
                    let text = seen.body["params"]["arguments"]["text"].clone();
                    seen.result(
                        json!({"resultType": "complete", "content": [{"type": "text", "text": text}]}),
                    )
                }
                _ => seen.error(StatusCode::NOT_FOUND, -32601),
            })
        }
    })
    .await
}

fn unknown(fake: &Fake) -> Target {
    Target { wire: None, ..fake.target() }
}

fn text_of(outcome: &CallOutcome) -> String {
    match outcome {
        CallOutcome::Done { content, .. } => match &content[0] {
            ResultContent::Text { text } => text.clone(),
            other => panic!("{other:?}"),
        },
        CallOutcome::NotExecuted { message } | CallOutcome::Unknown { message } => message.clone(),
        CallOutcome::Cancelled { .. } => String::new(),
    }
}

fn methods(fake: &Fake) -> Vec<String> {
    fake.seen().iter().map(|seen| format!("{} {}", seen.http, seen.method()).trim().to_owned()).collect()
}

#[tokio::test]
async fn a_stateless_server_is_found_and_every_request_says_who_asks() {
    let fake = stateless(|_| async { None }).await;
    let clients = fake::clients();
    let target = unknown(&fake);
    let catalogue = clients.catalogue(&target, fake::in_(5)).await.unwrap();
    assert_eq!(catalogue.revision, Revision::V2026_07_28);
    assert_eq!((catalogue.server_name.as_str(), catalogue.server_version.as_str()), ("modern", "2"));
    assert_eq!(catalogue.instructions.as_deref(), Some("Be brief."));
    assert_eq!(text_of(&clients.call(&target, fake::echo("héllo")).await), "héllo");
    clients.shutdown().await;

    assert_eq!(
        methods(&fake),
        ["POST server/discover", "POST tools/list", "POST tools/call"],
        "and nothing else"
    );
    for seen in fake.seen() {
        assert_eq!(seen.header("mcp-protocol-version"), Some(MODERN));
        assert_eq!(seen.header("mcp-method"), Some(seen.method()));
        assert_eq!(seen.header("mcp-session-id"), None);
        assert_eq!(seen.header("accept"), Some("application/json, text/event-stream"));
        assert_eq!(seen.header("authorization"), Some("Bearer hunter2"));
        let meta = &seen.body["params"]["_meta"];
        assert_eq!(meta["io.modelcontextprotocol/protocolVersion"], MODERN);
        assert_eq!(
            meta["io.modelcontextprotocol/clientInfo"],
            json!({"name": "patchbay", "version": "9.8.7"})
        );
        assert_eq!(meta["io.modelcontextprotocol/clientCapabilities"], json!({}), "nothing is offered yet");
        assert!(meta.get("io.modelcontextprotocol/logLevel").is_none());
    }
    let seen = fake.seen();
    assert_eq!(seen[2].header("mcp-name"), Some("echo"));
    assert_eq!(seen[2].body["params"]["_meta"]["com.coder/tool_call_id"], "call_7");
    assert_eq!(seen[1].header("mcp-name"), None);
}

#[tokio::test]
async fn an_era_is_asked_for_once_and_kept_for_all_users() {
    let fake = fake::honest().await;
    let clients = fake::clients();
    for user in 0..4 {
        let target = Target { user_id: uuid::Uuid::from_u128(user), ..unknown(&fake) };
        clients.catalogue(&target, fake::in_(5)).await.unwrap();
    }
    assert_eq!(fake.count("server/discover"), 1);
    assert_eq!(fake.count("initialize"), 4);
}

#[tokio::test]
async fn older_servers_are_found_whatever_they_say_to_the_new_question() {
    for (status, body) in [
        (
            400,
            r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"Bad Request: Server not initialized"}}"#,
        ),
        (
            400,
            r#"{"jsonrpc":"2.0","id":"server-error","error":{"code":-32600,"message":"Missing session ID"}}"#,
        ),
        (200, r#"{"jsonrpc":"2.0","id":0,"error":{"code":-32601,"message":"Method not found"}}"#),
        (404, "not found"),
        (405, ""),
        (406, r#"{"error":"x"}"#),
        (415, ""),
        (422, r#"{"detail":"x"}"#),
    ] {
        let fake = fake::start(move |seen: Seen| async move {
            (seen.method() == "server/discover").then(|| {
                (StatusCode::from_u16(status).unwrap(), [("content-type", "application/json")], body)
                    .into_response()
            })
        })
        .await;
        let found =
            fake::clients().check(&unknown(&fake)).await.unwrap_or_else(|error| panic!("{status}: {error}"));
        assert_eq!(found.catalogue.revision, Revision::V2025_11_25, "{status}");
        assert_eq!(found.wire, Wire::Streamable);
        assert_eq!(found.trail.0.len(), 2, "{:?}", found.trail);
        assert!(found.trail.0[0].contains(&status.to_string()), "{:?}", found.trail);
        let hello = fake.seen().into_iter().find(|seen| seen.method() == "initialize").unwrap();
        assert_eq!(hello.header("mcp-protocol-version"), None);
        assert_eq!(hello.header("mcp-method"), None);
    }
}

/// Nothing is concluded from trouble that has nothing to do with the era.
#[tokio::test]
async fn trouble_says_nothing_about_the_era() {
    for (status, kind) in [
        (401, McpErrorKind::Unauthorized),
        (403, McpErrorKind::Unauthorized),
        (429, McpErrorKind::Refused),
        (500, McpErrorKind::ServerFault),
        (503, McpErrorKind::ServerFault),
    ] {
        let fake =
            fake::start(move |_| async move { Some(StatusCode::from_u16(status).unwrap().into_response()) })
                .await;
        let error = fake::clients().check(&unknown(&fake)).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{status}");
        assert_eq!(methods(&fake), ["POST server/discover"], "{status}");
    }
}

#[tokio::test]
async fn a_modern_error_is_never_taken_for_an_older_server() {
    let refuse = |code: i64, data: Value| {
        fake::start(move |seen: Seen| {
            let data = data.clone();
            async move {
                let error = json!({"jsonrpc": "2.0", "id": seen.body["id"], "error": {"code": code, "message": "no", "data": data}});
                Some((StatusCode::BAD_REQUEST, testkit::axum::Json(error)).into_response())
            }
        })
    };
    for (fake, word) in [
        (refuse(-32020, Value::Null).await, "proxy"),
        (refuse(-32021, json!({"requiredCapabilities": {"sampling": {}}})).await, "sampling"),
        (refuse(-32022, json!({"supported": ["2027-01-01"]})).await, "2027-01-01"),
    ] {
        let error = fake::clients().check(&unknown(&fake)).await.unwrap_err();
        assert_eq!(error.kind(), McpErrorKind::Protocol, "{error}");
        assert!(error.public_message().contains(word), "{error}");
        assert_eq!(fake.count("initialize"), 0);
    }
    // It names a revision with a handshake, so it gets one.
    let fake = fake::start(|seen: Seen| async move {
        (seen.method() == "server/discover").then(|| {
            let error = json!({"jsonrpc": "2.0", "id": seen.body["id"],
                "error": {"code": -32022, "message": "no", "data": {"supported": ["2025-06-18", "2025-11-25"]}}});
            (StatusCode::BAD_REQUEST, testkit::axum::Json(error)).into_response()
        })
    })
    .await;
    assert_eq!(fake::clients().check(&unknown(&fake)).await.unwrap().wire, Wire::Streamable);
}

#[tokio::test]
async fn a_stateless_server_without_discovery_is_used() {
    let fake = stateless(|seen: Seen| async move {
        (seen.method() == "server/discover").then(|| seen.error(StatusCode::NOT_FOUND, -32601))
    })
    .await;
    let found = fake::clients().check(&unknown(&fake)).await.unwrap();
    assert_eq!((found.wire, found.catalogue.tools.len()), (Wire::Stateless, 1));
    assert_eq!(found.catalogue.server_name, "");
}

/// A server that is replaced by one of another era costs one refused request, once a minute.
#[tokio::test]
async fn a_changed_era_is_noticed_and_the_refused_call_sent_again() {
    let modern = Arc::new(AtomicUsize::new(0));
    let switch = Arc::clone(&modern);
    let fake = fake::start(move |seen: Seen| {
        let modern = switch.load(Ordering::SeqCst) == 1;
        async move {
            match (modern, seen.method()) {
                (true, "server/discover") => Some(seen.result(discovered())),
                (true, "initialize") => Some(seen.error(StatusCode::NOT_FOUND, -32601)),
                // An older server turns away a request without a session.
                (false, "tools/call" | "tools/list") if seen.header("mcp-session-id").is_none() => {
                    Some(StatusCode::BAD_REQUEST.into_response())
                }
                (true, "tools/call" | "tools/list") if seen.header("mcp-method").is_none() => {
                    Some(StatusCode::NOT_FOUND.into_response())
                }
                _ => None,
            }
        }
    })
    .await;
    let timeouts =
        Timeouts { detect_interval: Duration::ZERO, reinit_interval: Duration::ZERO, ..Timeouts::default() };
    let clients = fake::clients_with(timeouts);
    let target = unknown(&fake);
    assert_eq!(text_of(&clients.call(&target, fake::echo("old")).await), "old");
    modern.store(1, Ordering::SeqCst);
    let outcome = clients.call(&target, fake::echo("new")).await;
    assert_eq!(text_of(&outcome), "new", "{:?}", methods(&fake));
    modern.store(0, Ordering::SeqCst);
    let outcome = clients.call(&target, fake::echo("back")).await;
    assert_eq!(text_of(&outcome), "back", "{:?}", methods(&fake));

    // Not more often than that.
    let clients = fake::clients();
    assert_eq!(text_of(&clients.call(&target, fake::echo("old")).await), "old");
    modern.store(1, Ordering::SeqCst);
    let asked = fake.count("server/discover");
    for _ in 0..3 {
        let outcome = clients.call(&target, fake::echo("new")).await;
        assert!(matches!(outcome, CallOutcome::NotExecuted { .. }), "{outcome:?}");
    }
    assert_eq!(fake.count("server/discover"), asked, "asked less than a minute ago");
}

#[tokio::test]
async fn arguments_are_mirrored_and_a_tool_that_cannot_be_is_left_out() {
    let fake = stateless(|seen: Seen| async move {
        (seen.method() == "tools/list").then(|| {
            let mut mirrored = fake::tool("echo");
            mirrored["inputSchema"]["properties"]["text"]["x-mcp-header"] = json!("Text");
            let mut bad = fake::tool("bad");
            bad["inputSchema"]["properties"]["text"]["x-mcp-header"] = json!("a\r\nb");
            seen.result(json!({"tools": [mirrored, bad], "ttlMs": 0, "cacheScope": "public"}))
        })
    })
    .await;
    let clients = fake::clients();
    let target = unknown(&fake);
    // The first call on a fresh connection has them too (#48).
    assert_eq!(text_of(&clients.call(&target, fake::echo(" ö ")).await), " ö ");
    let seen = fake.seen();
    let call = seen.iter().find(|seen| seen.method() == "tools/call").unwrap();
    assert_eq!(call.header("mcp-param-text"), Some("=?base64?IMO2IA==?="));
    let catalogue = clients.catalogue(&target, fake::in_(5)).await.unwrap();
    assert_eq!(catalogue.tools.len(), 1);
    assert!(catalogue.problems[0].detail.contains("header"), "{:?}", catalogue.problems);
    let outcome = clients.call(&target, fake::echo(&"x".repeat(5000))).await;
    assert!(
        matches!(&outcome, CallOutcome::NotExecuted { message } if message.contains("too long")),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn refused_headers_are_built_anew_once() {
    let lists = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&lists);
    let fake = stateless(move |seen: Seen| {
        let counted = Arc::clone(&counted);
        async move {
            match seen.method() {
                "tools/list" => {
                    let mut tool = fake::tool("echo");
                    if counted.fetch_add(1, Ordering::SeqCst) > 0 {
                        tool["inputSchema"]["properties"]["text"]["x-mcp-header"] = json!("Text");
                    }
                    Some(seen.result(json!({"tools": [tool], "ttlMs": 60000, "cacheScope": "private"})))
                }
                "tools/call" if seen.header("mcp-param-text").is_none() => {
                    Some(seen.error(StatusCode::BAD_REQUEST, -32020))
                }
                _ => None,
            }
        }
    })
    .await;
    let clients = fake::clients();
    assert_eq!(text_of(&clients.call(&unknown(&fake), fake::echo("x")).await), "x");
    assert_eq!((fake.count("tools/call"), fake.count("tools/list")), (2, 2));

    let stubborn = stateless(|seen: Seen| async move {
        (seen.method() == "tools/call").then(|| seen.error(StatusCode::BAD_REQUEST, -32020))
    })
    .await;
    let outcome = fake::clients().call(&unknown(&stubborn), fake::echo("x")).await;
    assert!(
        matches!(&outcome, CallOutcome::NotExecuted { message } if message.contains("headers")),
        "{outcome:?}"
    );
    assert_eq!(stubborn.count("tools/call"), 2);
}

#[tokio::test]
async fn a_server_that_wants_to_be_asked_later_is() {
    let rounds = Arc::new(AtomicUsize::new(0));
    let fake = stateless(move |seen: Seen| {
        let round = if seen.method() == "tools/call" { rounds.fetch_add(1, Ordering::SeqCst) } else { 0 };
        async move {
            (seen.method() == "tools/call" && round < 2).then(|| {
                seen.result(
                    json!({"resultType": "input_required", "requestState": format!(" state {round}\u{e9} ")}),
                )
            })
        }
    })
    .await;
    let timeouts = Timeouts { round_wait: Duration::from_millis(10), ..Timeouts::default() };
    let outcome = fake::clients_with(timeouts).call(&unknown(&fake), fake::echo("x")).await;
    assert_eq!(text_of(&outcome), "x");
    let seen = fake.seen();
    let calls: Vec<&Seen> = seen.iter().filter(|seen| seen.method() == "tools/call").collect();
    let states: Vec<&Value> = calls.iter().map(|seen| &seen.body["params"]["requestState"]).collect();
    assert_eq!(states, [&Value::Null, &json!(" state 0é "), &json!(" state 1é ")], "byte for byte");
    let ids: std::collections::HashSet<String> =
        calls.iter().map(|seen| seen.body["id"].to_string()).collect();
    assert_eq!(ids.len(), 3, "a new id each time");
    assert!(calls.iter().all(|seen| seen.body["params"]["arguments"] == json!({"text": "x"})));
}

#[tokio::test]
async fn rounds_have_an_end_and_nothing_undeclared_is_answered() {
    let answers = |result: Value| {
        stateless(move |seen: Seen| {
            let result = result.clone();
            async move { (seen.method() == "tools/call").then(|| seen.result(result)) }
        })
    };
    let timeouts = Timeouts { round_wait: Duration::from_millis(1), ..Timeouts::default() };
    let ask = json!({"q": {"method": "elicitation/create", "params": {"message": "password?"}}});
    for (result, calls, word) in [
        (json!({"resultType": "input_required", "requestState": "s"}), 10, "again and again"),
        (
            json!({"resultType": "input_required", "inputRequests": ask, "requestState": "s"}),
            1,
            "does not offer",
        ),
        (json!({"resultType": "input_required", "requestState": "x".repeat(70_000)}), 1, "more kept"),
        (json!({"resultType": "input_required"}), 1, "without saying which"),
        (json!({"resultType": "task", "content": []}), 1, "not supported"),
    ] {
        let fake = answers(result).await;
        let outcome = fake::clients_with(timeouts).call(&unknown(&fake), fake::echo("x")).await;
        assert!(matches!(outcome, CallOutcome::Done { is_error: true, .. }), "{outcome:?}");
        assert!(text_of(&outcome).contains(word), "{outcome:?}");
        assert_eq!(fake.count("tools/call"), calls, "{word}");
    }
}

/// Closing the stream is the cancellation; nothing is posted (protocol.md C1).
#[tokio::test]
async fn a_stateless_call_is_cancelled_by_closing_its_stream() {
    let (gone, mut closed) = mpsc::channel::<()>(1);
    let fake = stateless(move |seen: Seen| {
        let gone = gone.clone();
        async move {
            (seen.method() == "tools/call").then(|| {
                struct Tell(mpsc::Sender<()>);
                impl Drop for Tell {
                    fn drop(&mut self) {
                        let _ = self.0.try_send(());
                    }
                }
                let tell = Tell(gone);
                let stream = futures::stream::unfold(tell, |tell| async move {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    Some((Ok::<_, std::convert::Infallible>(": still here\n\n".to_owned()), tell))
                });
                ([("content-type", "text/event-stream")], Body::from_stream(stream)).into_response()
            })
        }
    })
    .await;
    let clients = fake::clients();
    let call = fake::echo("x");
    let cancel = call.cancel.clone();
    let running = tokio::spawn({
        let (clients, target) = (clients.clone(), unknown(&fake));
        async move { clients.call(&target, call).await }
    });
    fake::until("the call arrived", || fake.count("tools/call") == 1).await;
    cancel.cancel();
    assert_eq!(running.await.unwrap(), CallOutcome::Cancelled { sure: false });
    tokio::time::timeout(Duration::from_secs(2), closed.recv()).await.expect("the stream was closed");
    assert_eq!(fake.count("notifications/cancelled"), 0);
}

#[tokio::test]
async fn a_stateless_stream_is_never_resumed_and_may_not_ask() {
    let fake = stateless(|seen: Seen| async move {
        (seen.method() == "tools/call").then(|| {
            let broken = seen.body["params"]["arguments"]["text"] == "broken";
            let ask = json!({"jsonrpc": "2.0", "id": 5, "method": "ping"});
            let piece = if broken { "id: 7\ndata:\n\n".to_owned() } else { fake::event(&ask) };
            fake::events(vec![(0, piece)])
        })
    })
    .await;
    let clients = fake::clients();
    let outcome = clients.call(&unknown(&fake), fake::echo("broken")).await;
    assert!(matches!(outcome, CallOutcome::Unknown { .. }), "{outcome:?}");
    let outcome = clients.call(&unknown(&fake), fake::echo("asks")).await;
    assert!(
        matches!(&outcome, CallOutcome::Unknown { message } if message.contains("broke the protocol")),
        "{outcome:?}"
    );
    assert!(
        fake.seen().iter().all(|seen| seen.http == "POST" && !seen.method().is_empty()),
        "{:?}",
        methods(&fake)
    );
    assert_eq!(fake.count("tools/call"), 2);
}

/// A list is kept as long as its server says, within bounds: 5 s at least.
#[tokio::test]
async fn a_list_is_kept_as_long_as_its_server_says() {
    for (ttl, fresh) in [
        (json!(120_000), 120),
        (json!(0), 5),
        (json!(-1), 5),
        (json!(null), 5),
        (json!("soon"), 5),
        (json!(1e300), 3600),
        (json!(u64::MAX), 3600),
    ] {
        let fake = stateless(move |seen: Seen| {
            let ttl = ttl.clone();
            async move {
                (seen.method() == "tools/list").then(|| {
                    let mut page = json!({"tools": [fake::tool("echo")], "cacheScope": "private"});
                    if !ttl.is_null() {
                        page["ttlMs"] = ttl;
                    }
                    seen.result(page)
                })
            }
        })
        .await;
        let found = fake::clients().check(&unknown(&fake)).await.unwrap();
        assert_eq!(found.catalogue.fresh_for, Some(Duration::from_secs(fresh)));
    }
    let public = stateless(|seen: Seen| async move {
        (seen.method() == "tools/list")
            .then(|| seen.result(json!({"tools": [], "ttlMs": 1e300, "cacheScope": "public"})))
    })
    .await;
    let found = fake::clients().check(&unknown(&public)).await.unwrap();
    assert_eq!(found.catalogue.fresh_for, Some(Duration::from_secs(24 * 3600)));
}

/// The two-endpoint transport: answers to POSTs come on the standing stream.
struct Old {
    fake: Fake,
    streams: Arc<Mutex<Vec<mpsc::UnboundedSender<String>>>>,
}

async fn old(endpoint: &'static str) -> Old {
    let streams: Arc<Mutex<Vec<mpsc::UnboundedSender<String>>>> = Arc::default();
    let opened = Arc::clone(&streams);
    let fake = fake::start(move |seen: Seen| {
        let opened = Arc::clone(&opened);
        async move {
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
    let found = clients.check(&unknown(&old.fake)).await.unwrap();
    assert_eq!((found.wire, found.catalogue.revision), (Wire::Sse, Revision::V2024_11_05));
    let target = unknown(&old.fake);
    let (tell, mut told) = mpsc::channel(4);
    let mut call = fake::echo("hello");
    call.progress = Some(tell);
    assert_eq!(text_of(&clients.call(&target, call).await), "hello");
    assert_eq!(told.recv().await.unwrap().progress, 0.5);
    let calls =
        (0..20).map(|number| {
            let (clients, target) = (clients.clone(), target.clone());
            async move {
                text_of(&clients.call(&target, fake::echo(&number.to_string())).await) == number.to_string()
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
    let target = Target { transport: Transport::Sse, ..unknown(&old.fake) };
    fake::clients().catalogue(&target, fake::in_(5)).await.unwrap();
    assert_eq!(methods(&old.fake)[..2], ["GET", "POST initialize"]);
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
        let target = Target { transport: Transport::Sse, ..unknown(&old.fake) };
        let error = fake::clients().catalogue(&target, fake::in_(5)).await.unwrap_err();
        assert_eq!(error.kind(), McpErrorKind::Protocol, "{endpoint}: {error}");
        assert!(!error.public_message().contains("evil"), "{error}");
        assert_eq!(methods(&old.fake), ["GET"], "{endpoint}");
    }
}

#[tokio::test]
async fn a_lost_stream_ends_the_session_and_leaves_its_calls_unknown() {
    let old = old("/messages").await;
    let clients = fake::clients();
    let target = Target { transport: Transport::Sse, ..unknown(&old.fake) };
    let running = tokio::spawn({
        let (clients, target) = (clients.clone(), target.clone());
        async move { clients.call(&target, fake::echo("silence")).await }
    });
    fake::until("the call arrived", || old.fake.count("tools/call") == 1).await;
    old.streams.lock().unwrap().clear();
    let outcome = running.await.unwrap();
    assert!(matches!(outcome, CallOutcome::Unknown { .. }), "{outcome:?}");
    assert_eq!(text_of(&clients.call(&target, fake::echo("again")).await), "again");
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
        let target = Target { transport: Transport::Sse, ..unknown(&fake) };
        let started = Instant::now();
        let error = fake::clients().catalogue(&target, fake::in_(5)).await.unwrap_err();
        assert!(error.public_message().contains(word), "{error} / {word}");
        assert!(started.elapsed() < Duration::from_secs(2));
    }
}
