//! What is on the wire, what is reused, and which failures leave the outcome open.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use http::{HeaderValue, Method};
use patchbay_egress::{EgressError, Phase, Request, Reuse};
use url::Url;

use crate::support::{Act, Server, egress, egress_to, get, ok};

#[tokio::test]
async fn headers_that_frame_the_message_are_ours() {
    let server = Server::start(|_| ok()).await;
    let egress = egress_to(&[&server]);
    let mut request = Request::post(server.url("/mcp?q=1"), "hello");
    for (name, value) in [
        ("host", "evil.example"),
        ("content-length", "999"),
        ("transfer-encoding", "chunked"),
        ("connection", "upgrade, x-keep"),
        ("upgrade", "websocket"),
        ("te", "trailers"),
        ("expect", "100-continue"),
        ("accept-encoding", "gzip"),
        ("proxy-authorization", "Basic eDp5"),
        ("x-keep", "kept"),
        ("authorization", "Bearer abc"),
    ] {
        request.headers.insert(name, HeaderValue::from_static(value));
    }
    let response = egress.send(request).await.unwrap();
    assert_eq!(response.status, 200);
    let seen = server.seen().pop().unwrap();
    assert!(seen.head.starts_with("POST /mcp?q=1 HTTP/1.1\r\n"), "{}", seen.head);
    assert_eq!(seen.header("host"), Some(server.addr.to_string().as_str()));
    assert_eq!(seen.header("content-length"), Some("5"));
    assert_eq!(seen.header("user-agent"), Some("patchbay/test"));
    assert_eq!(seen.header("x-keep"), Some("kept"));
    assert_eq!(seen.header("authorization"), Some("Bearer abc"));
    for name in [
        "transfer-encoding",
        "connection",
        "upgrade",
        "te",
        "expect",
        "accept-encoding",
        "proxy-authorization",
        "cookie",
        "referer",
    ] {
        assert_eq!(seen.header(name), None, "{name}");
    }
    assert_eq!(seen.body, b"hello");
}

#[tokio::test]
async fn an_empty_post_says_so_and_a_delete_passes() {
    let server = Server::start(|_| ok()).await;
    let egress = egress_to(&[&server]);
    egress.send(Request::post(server.url("/"), "")).await.unwrap().bytes().await.unwrap();
    assert_eq!(server.seen()[0].header("content-length"), Some("0"));
    let delete = Request::new(Method::DELETE, server.url("/s"), bytes::Bytes::new());
    egress.send(delete).await.unwrap().bytes().await.unwrap();
    assert!(server.seen()[1].head.starts_with("DELETE /s "));
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn cookies_are_not_kept() {
    let server = Server::start(|_| crate::support::answer("200 OK", "set-cookie: a=b\r\n", "")).await;
    let egress = egress_to(&[&server]);
    for _ in 0..2 {
        let response = egress.send(get(server.url("/"))).await.unwrap();
        assert_eq!(response.headers["set-cookie"], "a=b");
        response.bytes().await.unwrap();
    }
    assert_eq!(server.seen()[1].header("cookie"), None);
}

#[tokio::test]
async fn clones_share_connections() {
    let server = Server::start(|_| ok()).await;
    let egress = egress_to(&[&server]);
    for _ in 0..10 {
        egress.clone().send(get(server.url("/"))).await.unwrap().bytes().await.unwrap();
    }
    assert_eq!((server.connections(), server.seen().len()), (1, 10));
}

#[tokio::test]
async fn what_must_not_be_lost_meets_no_connection_that_the_peer_may_be_closing() {
    let server = Server::start(|_| ok()).await;
    let egress = egress_to(&[&server]);
    let send = async |reuse| {
        let request = Request { reuse, ..get(server.url("/")) };
        egress.send(request).await.unwrap().bytes().await.unwrap();
        server.connections()
    };
    assert_eq!((send(Reuse::Long).await, send(Reuse::Long).await), (1, 1));
    assert_eq!(
        (send(Reuse::Never).await, send(Reuse::Never).await),
        (2, 3),
        "each on its own, though one stands idle"
    );
    assert_eq!((send(Reuse::Brief).await, send(Reuse::Brief).await), (4, 4));
    tokio::time::sleep(patchbay_egress::limits::IDLE_BRIEFLY + Duration::from_millis(100)).await;
    assert_eq!(
        (send(Reuse::Brief).await, send(Reuse::Long).await),
        (5, 5),
        "idle for too long for the one only"
    );
}

#[tokio::test]
async fn a_request_that_was_read_is_not_sent_again() {
    // The second request on the kept connection is read, then the peer hangs up: its effect is unknown.
    for method in [Method::GET, Method::POST, Method::PUT] {
        let count = AtomicUsize::new(0);
        let server = Server::start(move |_| match count.fetch_add(1, Ordering::SeqCst) {
            0 => ok(),
            _ => vec![Act::Close],
        })
        .await;
        let egress = egress_to(&[&server]);
        egress.send(get(server.url("/"))).await.unwrap().bytes().await.unwrap();
        let error = egress.send(Request::new(method.clone(), server.url("/"), "x".into())).await.unwrap_err();
        assert!(matches!(error, EgressError::Interrupted { .. }), "{method}: {error:?}");
        assert!(!error.surely_not_sent(), "{method}");
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(server.seen().len(), 2, "{method}: sent again");
    }
}

#[tokio::test]
async fn a_refused_connection_was_surely_not_sent() {
    let port = {
        let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        socket.local_addr().unwrap().port()
    };
    let egress = egress(&format!("127.0.0.1:{port}"));
    let url = Url::parse(&format!("http://127.0.0.1:{port}/p?token=secret")).unwrap();
    let error = egress.send(get(url)).await.unwrap_err();
    assert_eq!(error.public_message(), format!("could not connect to 127.0.0.1:{port}: connection refused"));
    assert!(error.surely_not_sent() && error.is_retryable() && !error.is_timeout());
    assert!(!format!("{error:?}").contains("secret"), "{error:?}");
}

#[tokio::test]
async fn tls_failures_were_surely_not_sent() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let egress = egress(&format!("127.0.0.1:{port}"));
    // one peer answers the ClientHello with text, one hangs up, one says nothing
    let peer = tokio::spawn(async move {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let mut kept = Vec::new();
        for turn in 0..3 {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut hello = [0u8; 16];
            socket.read_exact(&mut hello).await.unwrap();
            match turn {
                0 => socket.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap(),
                1 => drop(socket.into_std()),
                _ => kept.push(socket),
            }
        }
        tokio::time::sleep(Duration::from_secs(20)).await;
    });
    let url = Url::parse(&format!("https://127.0.0.1:{port}/p?token=secret")).unwrap();
    for turn in 0..3 {
        let mut request = Request::post(url.clone(), "secret");
        request.limits.connect = Duration::from_millis(400);
        let error = egress.send(request).await.unwrap_err();
        match turn {
            0 => assert_eq!(
                error.public_message(),
                format!("could not connect to 127.0.0.1:{port} securely: there is no TLS on this port")
            ),
            1 => assert!(matches!(error, EgressError::Tls { .. } | EgressError::Connect { .. }), "{error:?}"),
            _ => assert!(matches!(error, EgressError::Timeout { phase: Phase::Connect, .. }), "{error:?}"),
        }
        assert!(error.surely_not_sent(), "{error:?}");
        assert!(!format!("{error:?}").contains("secret"), "{error:?}");
    }
    peer.abort();
}

#[tokio::test]
async fn garbage_is_an_interruption() {
    for text in ["SSH-2.0-OpenSSH\r\n", "HTTP/1.1 2x0 what\r\n\r\n", "\0\0\0\0", ""] {
        let server = Server::start(move |_| vec![Act::Send(text.as_bytes().to_vec()), Act::Close]).await;
        let egress = egress_to(&[&server]);
        let error = egress.send(get(server.url("/"))).await.unwrap_err();
        assert!(matches!(error, EgressError::Interrupted { .. }), "{text:?}: {error:?}");
        assert!(!error.surely_not_sent());
        assert_eq!(
            error.public_message(),
            format!("the connection to {} broke before the answer was complete", server.addr)
        );
    }
}

#[tokio::test]
async fn debug_shows_no_secret() {
    let mut request = Request::post(Url::parse("https://mcp.test/path?code=canary").unwrap(), "canary");
    request.headers.insert("authorization", HeaderValue::from_static("Bearer canary"));
    let text = format!("{request:?}");
    assert!(!text.contains("canary") && text.contains("authorization"), "{text}");
    let server = Server::start(|_| crate::support::answer("200 OK", "x-secret: canary\r\n", "canary")).await;
    let egress = egress_to(&[&server]);
    let response = egress.send(get(server.url("/?code=canary"))).await.unwrap();
    assert!(!format!("{response:?}{egress:?}").contains("canary"));
}

#[tokio::test]
async fn a_bad_user_agent_is_told_at_once() {
    let mut config = crate::support::config("");
    config.user_agent = "a\nb".into();
    let error = patchbay_egress::Egress::new(config).unwrap_err();
    assert!(matches!(error, EgressError::Setup { .. }));
}
