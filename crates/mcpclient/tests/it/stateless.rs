//! How servers of the stateless revision are spoken to (protocol.md 3 to 7).

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use patchbay_mcpclient::{CallOutcome, Revision, Timeouts};
use serde_json::{Value, json};
use testkit::axum::{body::Body, http::StatusCode, response::IntoResponse};
use tokio::sync::mpsc;

use crate::{
    fake::{self, Seen},
    fake_stateless,
};

#[tokio::test]
async fn a_stateless_server_is_found_and_every_request_says_who_asks() {
    let fake = fake_stateless::start(|_| async { None }).await;
    let clients = fake::clients();
    let target = fake.unknown();
    let catalogue = clients.catalogue(&target, fake::in_(5)).await.unwrap();
    assert_eq!(catalogue.revision, Revision::V2026_07_28);
    assert_eq!((catalogue.server_name.as_str(), catalogue.server_version.as_str()), ("modern", "2"));
    assert_eq!(catalogue.instructions.as_deref(), Some("Be brief."));
    assert_eq!(fake::text_of(&clients.call(&target, fake::echo("héllo")).await), "héllo");
    clients.shutdown().await;

    assert_eq!(
        fake.methods(),
        ["POST server/discover", "POST tools/list", "POST tools/call"],
        "and nothing else"
    );
    for seen in fake.seen() {
        assert_eq!(seen.header("mcp-protocol-version"), Some(fake_stateless::REVISION));
        assert_eq!(seen.header("mcp-method"), Some(seen.method()));
        assert_eq!(seen.header("mcp-session-id"), None);
        assert_eq!(seen.header("accept"), Some("application/json, text/event-stream"));
        assert_eq!(seen.header("authorization"), Some("Bearer hunter2"));
        let meta = &seen.body["params"]["_meta"];
        assert_eq!(meta["io.modelcontextprotocol/protocolVersion"], fake_stateless::REVISION);
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
async fn arguments_are_mirrored_and_a_tool_that_cannot_be_is_left_out() {
    let fake = fake_stateless::start(|seen: Seen| async move {
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
    let target = fake.unknown();
    // The first call on a fresh connection has them too (#48).
    assert_eq!(fake::text_of(&clients.call(&target, fake::echo(" ö ")).await), " ö ");
    let seen = fake.seen();
    let call = seen.iter().find(|seen| seen.method() == "tools/call").unwrap();
    assert_eq!(call.header("mcp-param-text"), Some("=?base64?IMO2IA==?="));
    let catalogue = clients.catalogue(&target, fake::in_(5)).await.unwrap();
    assert_eq!(catalogue.tools.len(), 1);
    assert!(catalogue.problems[0].detail.contains("header"), "{:?}", catalogue.problems);
    let outcome = clients.call(&target, fake::echo(&"x".repeat(5000))).await;
    assert!(
        matches!(&outcome, CallOutcome::NotExecuted { message, .. } if message.contains("too long")),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn refused_headers_are_built_anew_once() {
    let lists = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&lists);
    let fake = fake_stateless::start(move |seen: Seen| {
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
    assert_eq!(fake::text_of(&clients.call(&fake.unknown(), fake::echo("x")).await), "x");
    assert_eq!((fake.count("tools/call"), fake.count("tools/list")), (2, 2));

    let stubborn = fake_stateless::start(|seen: Seen| async move {
        (seen.method() == "tools/call").then(|| seen.error(StatusCode::BAD_REQUEST, -32020))
    })
    .await;
    let outcome = fake::clients().call(&stubborn.unknown(), fake::echo("x")).await;
    assert!(
        matches!(&outcome, CallOutcome::NotExecuted { message, .. } if message.contains("headers")),
        "{outcome:?}"
    );
    assert_eq!(stubborn.count("tools/call"), 2);
}

#[tokio::test]
async fn a_server_that_wants_to_be_asked_later_is() {
    let rounds = Arc::new(AtomicUsize::new(0));
    let fake = fake_stateless::start(move |seen: Seen| {
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
    let outcome = fake::clients_with(timeouts).call(&fake.unknown(), fake::echo("x")).await;
    assert_eq!(fake::text_of(&outcome), "x");
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
        fake_stateless::start(move |seen: Seen| {
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
        let outcome = fake::clients_with(timeouts).call(&fake.unknown(), fake::echo("x")).await;
        assert!(matches!(outcome, CallOutcome::Done { is_error: true, .. }), "{outcome:?}");
        assert!(fake::text_of(&outcome).contains(word), "{outcome:?}");
        assert_eq!(fake.count("tools/call"), calls, "{word}");
    }
}

/// Closing the stream is the cancellation; nothing is posted (protocol.md C1).
#[tokio::test]
async fn a_stateless_call_is_cancelled_by_closing_its_stream() {
    let (gone, mut closed) = mpsc::channel::<()>(1);
    let fake = fake_stateless::start(move |seen: Seen| {
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
        let (clients, target) = (clients.clone(), fake.unknown());
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
    let fake = fake_stateless::start(|seen: Seen| async move {
        (seen.method() == "tools/call").then(|| {
            let broken = seen.body["params"]["arguments"]["text"] == "broken";
            let ask = json!({"jsonrpc": "2.0", "id": 5, "method": "ping"});
            let piece = if broken { "id: 7\ndata:\n\n".to_owned() } else { fake::event(&ask) };
            fake::events(vec![(0, piece)])
        })
    })
    .await;
    let clients = fake::clients();
    let outcome = clients.call(&fake.unknown(), fake::echo("broken")).await;
    assert!(matches!(outcome, CallOutcome::Unknown { .. }), "{outcome:?}");
    let outcome = clients.call(&fake.unknown(), fake::echo("asks")).await;
    assert!(
        matches!(&outcome, CallOutcome::Unknown { message, .. } if message.contains("broke the protocol")),
        "{outcome:?}"
    );
    assert!(
        fake.seen().iter().all(|seen| seen.http == "POST" && !seen.method().is_empty()),
        "{:?}",
        fake.methods()
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
        let fake = fake_stateless::start(move |seen: Seen| {
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
        let found = fake::clients().check(&fake.unknown()).await.unwrap();
        assert_eq!(found.catalogue.fresh_for, Some(Duration::from_secs(fresh)));
    }
    let public = fake_stateless::start(|seen: Seen| async move {
        (seen.method() == "tools/list")
            .then(|| seen.result(json!({"tools": [], "ttlMs": 1e300, "cacheScope": "public"})))
    })
    .await;
    let found = fake::clients().check(&public.unknown()).await.unwrap();
    assert_eq!(found.catalogue.fresh_for, Some(Duration::from_secs(24 * 3600)));
}

/// Once a round has reached the tool nothing is sure any more, and nothing starts from the beginning.
#[tokio::test]
async fn trouble_in_a_later_round_is_unknown_and_not_repeated() {
    for trouble in ["404", "header", "version", "params", "closed"] {
        let rounds = Arc::new(AtomicUsize::new(0));
        let fake = fake_stateless::start(move |seen: Seen| {
            let round = if seen.method() == "tools/call" { rounds.fetch_add(1, Ordering::SeqCst) } else { 0 };
            async move {
                if seen.method() != "tools/call" {
                    return None;
                }
                if round == 0 {
                    return Some(seen.result(json!({"resultType": "input_required", "requestState": "s"})));
                }
                Some(match trouble {
                    "404" => StatusCode::NOT_FOUND.into_response(),
                    "header" => seen.error(StatusCode::BAD_REQUEST, -32020),
                    "version" => seen.error(StatusCode::BAD_REQUEST, -32022),
                    "params" => seen.error(StatusCode::OK, -32602),
                    _ => fake::events(vec![]),
                })
            }
        })
        .await;
        let timeouts = Timeouts { round_wait: Duration::from_millis(1), ..Timeouts::default() };
        let outcome = fake::clients_with(timeouts).call(&fake.unknown(), fake::echo("x")).await;
        assert!(matches!(outcome, CallOutcome::Unknown { .. }), "{trouble}: {outcome:?}");
        assert!(fake::text_of(&outcome).contains("may or may not have run"), "{trouble}: {outcome:?}");
        assert_eq!(fake.count("tools/call"), 2, "{trouble}");
    }
}
