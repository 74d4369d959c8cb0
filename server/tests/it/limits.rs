//! What every answer carries, and what the edge of the server bounds.

use crate::support::{SERVERS, TestServer};
use http::Method;
use patchbay_server::listen::serve_connections;
use serde_json::json;
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

#[tokio::test]
async fn every_answer_carries_the_security_headers_and_a_request_id() {
    let server = TestServer::start().await;
    for (client, path) in [
        (server.owner(), SERVERS),
        (server.owner(), "/api/v2/nothing"),
        (&server.anonymous(), "/api/v2/users/me"),
        (&server.anonymous(), "/healthz"),
        (&server.anonymous(), "/login"),
        (server.owner(), "/"),
    ] {
        let answer = client.request(Method::GET, path).header("x-request-id", "forged").send().await;
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(answer.header("x-frame-options"), Some("DENY"), "{path}");
        // Not `no-referrer`: browsers would then send `Origin: null` with our own forms, which the CSRF layer refuses.
        assert_eq!(answer.header("referrer-policy"), Some("same-origin"), "{path}");
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{path}");
        assert!(answer.header("content-security-policy").unwrap().contains("default-src 'none'"), "{path}");
        let id = answer.header("x-request-id").unwrap();
        assert!(id.len() == 16 && id != "forged", "{path}: {id}");
        assert!(answer.header("strict-transport-security").is_none(), "only over https: {path}");
        assert!(answer.header("server").is_none() && answer.header("x-powered-by").is_none());
        assert!(answer.header("access-control-allow-origin").is_none(), "{path}");
    }
}

#[tokio::test]
async fn a_wrong_method_is_405_in_the_envelope() {
    let server = TestServer::start().await;
    let answer = server.owner().put(SERVERS, &json!({})).await.expect(405);
    assert!(!answer.message().is_empty());
    assert!(answer.header("allow").unwrap().contains("GET"));
}

#[tokio::test]
async fn an_unknown_address_of_the_api_is_404_in_the_envelope_for_every_method() {
    let server = TestServer::start().await;
    for method in [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
        for path in [
            "/api/v2/nothing",
            "/api/nothing",
            "/api/experimental/mcp/nothing",
            "/api/experimental/mcp/servers/x/y/z",
        ] {
            let answer = server.owner().request(method.clone(), path).send().await.expect(404);
            assert!(!answer.message().is_empty(), "{method} {path}");
        }
    }
}

#[tokio::test]
async fn headers_beyond_the_cap_are_refused_and_the_server_goes_on() {
    let server = TestServer::start().await;
    let answer =
        server.owner().request(Method::GET, SERVERS).header("x-big", &"x".repeat(64 * 1024)).try_send().await;
    assert!(answer.is_err() || matches!(answer.unwrap().status, 400 | 431));
    server.owner().get(SERVERS).await.expect(200);
}

/// A server with one route, and how long it takes until it ends a connection that says `said` and then one byte `every` few
/// seconds; with what it answered. The clock is not the wall's.
async fn held_open(said: &str, every: u64) -> (u64, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = axum::Router::new().route("/", axum::routing::post(async |_: bytes::Bytes| "read"));
    let stop = CancellationToken::new();
    tokio::spawn(serve_connections(listener, router, stop.clone(), Duration::ZERO));
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(said.as_bytes()).await.unwrap();
    let (mut reader, mut writer) = stream.into_split();
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_secs(every)).await;
            if writer.write_all(b"x").await.is_err() {
                break;
            }
        }
    });
    let begun = Instant::now();
    let mut answer = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(600), reader.read_to_end(&mut answer)).await;
    // A reset is an end too.
    let _ = read.expect("the connection is ended");
    stop.cancel();
    (begun.elapsed().as_secs(), String::from_utf8_lossy(&answer).into_owned())
}

/// Threats 71: headers have 10 s in all, and a body no silence of 30 s.
#[tokio::test(start_paused = true)]
async fn slow_requests_are_cut() {
    let head = "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n";
    for every in [3, 1000] {
        let (seconds, answer) = held_open(head, every).await;
        assert!((10..13).contains(&seconds), "{seconds} s, {answer}");
        assert!(!answer.contains("200 OK"), "{answer}");
    }
    let (seconds, answer) = held_open(&format!("{head}\r\nsome of it"), 1000).await;
    assert!((30..42).contains(&seconds), "{seconds} s, {answer}");
    assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
}

#[tokio::test]
async fn buildinfo_names_version_engine_and_address() {
    let server = TestServer::start().await;
    let info = server.anonymous().get("/api/v2/buildinfo").await.expect(200).json();
    assert_eq!(info["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(info["database"], "sqlite");
    assert!(info["dashboard_url"].as_str().unwrap().starts_with(&server.origin));
}

#[tokio::test]
async fn readiness_ends_while_draining_and_liveness_does_not() {
    let server = TestServer::start().await;
    server.anonymous().get("/readyz").await.expect(200);
    server.running.draining.store(true, std::sync::atomic::Ordering::SeqCst);
    server.anonymous().get("/readyz").await.expect(503);
    server.anonymous().get("/healthz").await.expect(200);
}

#[tokio::test]
async fn without_the_database_the_answer_is_503_and_never_anonymous() {
    let server = TestServer::start().await;
    server.running.db.close().await;
    let answer = server.owner().get("/api/v2/users/me").await.expect(503);
    assert!(answer.header("retry-after").is_some());
    assert!(!answer.message().is_empty());
    server.owner().get(SERVERS).await.expect(503);
    server.anonymous().get("/readyz").await.expect(503);
    server.anonymous().get("/healthz").await.expect(200);
}
