//! `check` says what is wrong with an address.

use std::time::Duration;

use patchbay_mcpclient::{McpErrorKind, Revision, Timeouts};
use serde_json::json;
use testkit::axum::{http::StatusCode, response::IntoResponse};

use crate::fake::{self, Fake};

async fn kind_of(fake: &Fake) -> (McpErrorKind, String) {
    let error = fake::clients().check(&fake.target()).await.unwrap_err();
    let text = error.public_message();
    assert!(text.len() <= 512 && text.contains("127.0.0.1"), "{text}");
    assert!(!text.contains("hunter2") && !text.contains("/mcp"), "{text}");
    (error.kind(), text)
}

#[tokio::test]
async fn a_good_server_is_described_and_left() {
    let fake = fake::honest().await;
    let found = fake::clients().check(&fake.target()).await.unwrap();
    assert_eq!(found.catalogue.server_name, "fake");
    assert_eq!(found.catalogue.server_version, "0.1");
    assert_eq!(found.catalogue.instructions.as_deref(), Some("Be kind."));
    assert_eq!(found.catalogue.tools.len(), 1);
    assert!(found.connect_ms < 5000 && found.list_ms < 5000);
    fake::until("the session is ended", || fake.deletes() == ["session-1"]).await;
}

#[tokio::test]
async fn every_check_connects_anew() {
    let fake = fake::honest().await;
    let clients = fake::clients();
    clients.check(&fake.target()).await.unwrap();
    clients.check(&fake.target()).await.unwrap();
    assert_eq!(fake.count("initialize"), 2);
}

#[tokio::test]
async fn what_speaks_no_mcp_is_named() {
    let page = "<!doctype html><title>Shop</title>";
    let table = [
        (fake::always(StatusCode::OK, "text/html", page).await, McpErrorKind::Html, "HTML"),
        (fake::always(StatusCode::OK, "application/json", page).await, McpErrorKind::Html, "HTML"),
        (
            fake::always(StatusCode::OK, "application/json", r#"{"ok":true}"#).await,
            McpErrorKind::NotMcp,
            "JSON-RPC",
        ),
        (fake::always(StatusCode::OK, "text/plain", "hello").await, McpErrorKind::NotMcp, "no MCP"),
        (fake::always(StatusCode::NOT_FOUND, "text/html", page).await, McpErrorKind::NotMcp, "404"),
        (fake::always(StatusCode::METHOD_NOT_ALLOWED, "text/plain", "").await, McpErrorKind::NotMcp, "405"),
        (
            fake::always(StatusCode::UNAUTHORIZED, "text/plain", "hunter2").await,
            McpErrorKind::Unauthorized,
            "401",
        ),
        (fake::always(StatusCode::FORBIDDEN, "text/plain", "").await, McpErrorKind::Unauthorized, "403"),
        (fake::always(StatusCode::BAD_GATEWAY, "text/html", page).await, McpErrorKind::ServerFault, "502"),
        (fake::always(StatusCode::TOO_MANY_REQUESTS, "text/plain", "").await, McpErrorKind::Refused, "429"),
        (fake::always(StatusCode::OK, "text/event-stream", "").await, McpErrorKind::Unreachable, "ended"),
        (
            fake::always(StatusCode::OK, "text/event-stream", "data: x\n\n").await,
            McpErrorKind::Protocol,
            "not JSON",
        ),
    ];
    for (fake, kind, word) in table {
        let (found, text) = kind_of(&fake).await;
        assert_eq!(found, kind, "{text}");
        assert!(text.contains(word), "{text} / {word}");
    }
}

#[tokio::test]
async fn an_error_of_the_handshake_is_quoted() {
    let fake = fake::start(|seen| async move {
        (seen.method() == "initialize").then(|| seen.error(StatusCode::OK, -32603))
    })
    .await;
    let (kind, text) = kind_of(&fake).await;
    assert_eq!(kind, McpErrorKind::Protocol);
    assert!(text.contains("server words") && text.contains("-32603"), "{text}");
}

#[tokio::test]
async fn a_key_echoed_by_the_handshake_is_not_shown() {
    let fake = fake::start(|seen| async move {
        let key = seen.header("authorization").unwrap_or_default().trim_start_matches("Bearer ").to_owned();
        // The second one lies across the cut of what is quoted.
        let said = format!("bad key {key}{}{key}", "x".repeat(275));
        let body =
            json!({"jsonrpc": "2.0", "id": seen.body["id"], "error": {"code": -32001, "message": said}});
        (seen.method() == "initialize").then(|| testkit::axum::Json(body).into_response())
    })
    .await;
    let mut target = fake.target();
    target.headers = vec![("authorization".parse().unwrap(), "Bearer tok-0123456789abcdef".into())];
    let text = fake::clients().check(&target).await.unwrap_err().public_message();
    assert!(text.contains("bad key [redacted]x") && !text.contains("tok-"), "{text}");
}

#[tokio::test]
async fn an_unknown_revision_is_refused_and_its_session_ended() {
    let fake = fake::start(|seen| async move {
        (seen.method() == "initialize")
            .then(|| ([("mcp-session-id", "old")], seen.result(fake::hello("2023-01-01"))).into_response())
    })
    .await;
    let (kind, text) = kind_of(&fake).await;
    assert_eq!(kind, McpErrorKind::Protocol);
    assert!(text.contains("2023-01-01") && text.contains("2025-11-25"), "{text}");
    fake::until("the session is ended", || fake.deletes() == ["old"]).await;
}

#[tokio::test]
async fn a_handshake_without_a_result_is_no_mcp() {
    let fake = fake::start(|seen| async move {
        (seen.method() == "initialize").then(|| seen.result(json!({"hello": "world"})))
    })
    .await;
    assert_eq!(kind_of(&fake).await.0, McpErrorKind::Protocol);
}

#[tokio::test]
async fn a_server_without_tools_is_not_asked_for_them() {
    let fake = fake::start(|seen| async move {
        (seen.method() == "initialize").then(|| {
            seen.result(json!({"protocolVersion": "2025-06-18", "capabilities": {},
                "serverInfo": {"name": "bare", "version": "1"}}))
        })
    })
    .await;
    let found = fake::clients().check(&fake.target()).await.unwrap();
    assert!(found.catalogue.tools.is_empty());
    assert_eq!(found.catalogue.revision, Revision::V2025_06_18);
    assert_eq!(fake.count("tools/list"), 0);
}

#[tokio::test]
async fn nobody_there_and_nobody_answering() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let target = fake::target(&format!("http://{addr}/mcp?key=hunter2"));
    let timeouts = Timeouts { check: Duration::from_millis(400), ..Timeouts::default() };
    let started = tokio::time::Instant::now();
    let error = fake::clients_with(timeouts).check(&target).await.unwrap_err();
    assert!(error.is_timeout() && error.is_retryable(), "{error}");
    assert!(started.elapsed() < Duration::from_secs(2));

    drop(listener);
    let error = fake::clients().check(&target).await.unwrap_err();
    assert_eq!(error.kind(), McpErrorKind::Unreachable, "{error}");
    assert!(!error.public_message().contains("hunter2"), "{error}");
}

#[tokio::test]
async fn a_blocked_address_names_the_setting() {
    let fake = fake::honest().await;
    let clients = fake::clients_allowing("", Timeouts::default());
    let error = clients.check(&fake.target()).await.unwrap_err();
    assert_eq!(error.kind(), McpErrorKind::Blocked);
    let setting = format!("PATCHBAY_EGRESS_ALLOW={}", fake.addr);
    assert!(error.public_message().contains(&setting), "{error}");
    assert!(fake.seen().is_empty());
}

#[tokio::test]
async fn a_redirect_to_another_origin_is_not_followed() {
    let other = fake::honest().await;
    let location = format!("http://localhost:{}/mcp", other.addr.port());
    let fake = fake::start(move |_| {
        let location = location.clone();
        async move { Some((StatusCode::TEMPORARY_REDIRECT, [("location", location)]).into_response()) }
    })
    .await;
    assert_eq!(kind_of(&fake).await.0, McpErrorKind::NotMcp);
    assert!(other.seen().is_empty(), "nothing may arrive there, the header least of all");
}
