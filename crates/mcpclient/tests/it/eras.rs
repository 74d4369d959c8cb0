//! Which era a server is of, found by asking it and kept (protocol.md 2).

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use patchbay_mcpclient::{CallOutcome, McpErrorKind, Revision, Target, Timeouts, Wire};
use serde_json::{Value, json};
use testkit::axum::{http::StatusCode, response::IntoResponse};

use crate::{
    fake::{self, Seen},
    fake_stateless,
};

#[tokio::test]
async fn an_era_is_asked_for_once_and_kept_for_all_users() {
    let fake = fake::honest().await;
    let clients = fake::clients();
    for user in 0..4 {
        let target = Target { user_id: uuid::Uuid::from_u128(user), ..fake.unknown() };
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
            fake::clients().check(&fake.unknown()).await.unwrap_or_else(|error| panic!("{status}: {error}"));
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
        let error = fake::clients().check(&fake.unknown()).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{status}");
        assert_eq!(fake.methods(), ["POST server/discover"], "{status}");
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
        let error = fake::clients().check(&fake.unknown()).await.unwrap_err();
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
    assert_eq!(fake::clients().check(&fake.unknown()).await.unwrap().wire, Wire::Streamable);
}

#[tokio::test]
async fn a_stateless_server_without_discovery_is_used() {
    let fake = fake_stateless::start(|seen: Seen| async move {
        (seen.method() == "server/discover").then(|| seen.error(StatusCode::NOT_FOUND, -32601))
    })
    .await;
    let found = fake::clients().check(&fake.unknown()).await.unwrap();
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
                (true, "server/discover") => Some(seen.result(fake_stateless::discovered())),
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
    let target = fake.unknown();
    assert_eq!(fake::text_of(&clients.call(&target, fake::echo("old")).await), "old");
    modern.store(1, Ordering::SeqCst);
    let outcome = clients.call(&target, fake::echo("new")).await;
    assert_eq!(fake::text_of(&outcome), "new", "{:?}", fake.methods());
    modern.store(0, Ordering::SeqCst);
    let outcome = clients.call(&target, fake::echo("back")).await;
    assert_eq!(fake::text_of(&outcome), "back", "{:?}", fake.methods());

    // Not more often than that.
    let clients = fake::clients();
    assert_eq!(fake::text_of(&clients.call(&target, fake::echo("old")).await), "old");
    modern.store(1, Ordering::SeqCst);
    let asked = fake.count("server/discover");
    for _ in 0..3 {
        let outcome = clients.call(&target, fake::echo("new")).await;
        assert!(matches!(outcome, CallOutcome::NotExecuted { .. }), "{outcome:?}");
    }
    assert_eq!(fake.count("server/discover"), asked, "asked less than a minute ago");
}

/// One that answers the question and refuses everything else is not asked again and again.
#[tokio::test]
async fn a_server_that_contradicts_itself_is_asked_once_a_minute() {
    let fake = fake::start(|seen: Seen| async move {
        Some(match seen.method() {
            "server/discover" => seen.result(fake_stateless::discovered()),
            _ => StatusCode::BAD_REQUEST.into_response(),
        })
    })
    .await;
    let clients = fake::clients();
    for _ in 0..5 {
        clients.catalogue(&fake.unknown(), fake::in_(5)).await.unwrap_err();
        clients.call(&fake.unknown(), fake::echo("x")).await;
    }
    // Each opening begins with the question in this era; what must not happen is another era being tried each time.
    assert!(fake.count("initialize") <= 1, "{:?}", fake.methods());
}

/// Whoever tests a server that is down, or without the right credentials, must not cost the others what is known of it.
#[tokio::test]
async fn a_failed_question_loses_nothing() {
    let down = Arc::new(AtomicUsize::new(0));
    let switch = Arc::clone(&down);
    let fake = fake::start(move |_| {
        let status = match switch.load(Ordering::SeqCst) {
            1 => Some(StatusCode::SERVICE_UNAVAILABLE),
            2 => Some(StatusCode::UNAUTHORIZED),
            _ => None,
        };
        async move { status.map(IntoResponse::into_response) }
    })
    .await;
    let clients = fake::clients();
    for trouble in [1, 2] {
        down.store(trouble, Ordering::SeqCst);
        clients.check(&fake.target()).await.unwrap_err();
    }
    down.store(0, Ordering::SeqCst);
    let asked = fake.count("server/discover");
    let outcome = clients.call(&fake.target(), fake::echo("x")).await;
    assert_eq!(fake::text_of(&outcome), "x");
    assert_eq!(fake.count("server/discover"), asked, "the era was known: {:?}", fake.methods());
}

/// Many users who come at once ask one question.
#[tokio::test]
async fn one_question_at_a_time() {
    let fake = fake::start(|seen: Seen| async move {
        if seen.method() == "server/discover" {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        None
    })
    .await;
    let clients = fake::clients();
    let lists = (0..4).map(|user| {
        let target = Target { user_id: uuid::Uuid::from_u128(user), ..fake.unknown() };
        let clients = clients.clone();
        async move { clients.catalogue(&target, fake::in_(5)).await.unwrap() }
    });
    futures::future::join_all(lists).await;
    assert_eq!((fake.count("server/discover"), fake.count("initialize")), (1, 4));
}

/// A server without sessions is replaced by a stateless one under an open connection.
#[tokio::test]
async fn an_open_connection_notices_that_the_era_changed() {
    for (status, code) in [(400, -32602), (400, -32020), (400, -32022), (404, -32601)] {
        let modern = Arc::new(AtomicUsize::new(0));
        let switch = Arc::clone(&modern);
        let fake = fake::start(move |seen: Seen| {
            let modern = switch.load(Ordering::SeqCst) == 1;
            async move {
                match (modern, seen.method()) {
                    (false, "initialize") => Some(seen.result(fake::hello("2025-11-25"))),
                    (true, "server/discover") => Some(seen.result(fake_stateless::discovered())),
                    (true, method) if method.starts_with("tools/") && seen.header("mcp-method").is_none() => {
                        Some(seen.error(StatusCode::from_u16(status).unwrap(), code))
                    }
                    _ => None,
                }
            }
        })
        .await;
        let timeouts = Timeouts { catalogue_fresh: Duration::ZERO, ..Timeouts::default() };
        let clients = fake::clients_with(timeouts);
        let target = fake.target();
        clients.catalogue(&target, fake::in_(5)).await.unwrap();
        modern.store(1, Ordering::SeqCst);
        let listed = clients.catalogue(&target, fake::in_(5)).await;
        let listed = listed.unwrap_or_else(|error| panic!("{status} {code}: {error}"));
        assert_eq!(listed.revision, Revision::V2026_07_28, "{status} {code}");
    }
}

#[tokio::test]
async fn a_server_remembered_for_the_old_transport_is_asked_again() {
    for kind in ["text/html", "application/json"] {
        let fake = fake::start(move |seen: Seen| async move {
            (seen.http == "GET").then(|| ([("content-type", kind)], "{}").into_response())
        })
        .await;
        let target = Target { wire: Some(Wire::Sse), ..fake.target() };
        let listed = fake::clients().catalogue(&target, fake::in_(5)).await.unwrap();
        assert_eq!(listed.revision, Revision::V2025_11_25, "{kind}");
    }
}
