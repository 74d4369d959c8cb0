//! Discovery over HTTP.

use std::time::Duration;

use patchbay_mcpauth::{
    discovery::{CandidateKind, DiscoveryError, DiscoveryErrorKind as Kind, Found, Question, discover},
    limits::METADATA_BODY,
    resource::Fit,
};
use serde_json::json;
use testkit::{
    raw_peer::{Act, RawPeer, whole},
    record::Recorded,
};

use crate::support::{UPSTREAM, egress, json as answer, with_header};

const RESOURCE: &str = "/.well-known/oauth-protected-resource";
const SERVER: &str = "/.well-known/oauth-authorization-server";

fn question(peer: &RawPeer) -> Question {
    Question { server_url: peer.url("/v1/mcp"), ..Question::default() }
}

async fn ask(peer: &RawPeer) -> Result<Found, DiscoveryError> {
    discover(&egress(), question(peer)).await
}

fn base(request: &Recorded) -> String {
    format!("http://{}", request.header("host").unwrap())
}

fn not_found() -> Vec<Act> {
    whole("404 Not Found", "", UPSTREAM)
}

fn metadata_of(base: &str) -> serde_json::Value {
    json!({
        "issuer": base,
        "authorization_endpoint": format!("{base}/authorize"),
        "token_endpoint": format!("{base}/token"),
        "registration_endpoint": format!("{base}/register"),
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": true,
    })
}

/// An honest server that is its own authorization server.
fn honest(request: &Recorded) -> Vec<Act> {
    let base = base(request);
    match request.target.as_str() {
        "/v1/mcp" => with_header(
            "401 Unauthorized",
            &format!(
                "www-authenticate: Basic realm=\"x\"\r\nWWW-Authenticate: bearer scope=\"files:read\", resource_metadata=\"{base}/meta\""
            ),
            UPSTREAM,
        ),
        "/meta" => answer(
            "200 OK",
            &json!({"resource": format!("{base}/v1"), "authorization_servers": [base], "scopes_supported": ["a"]}),
        ),
        SERVER => answer("200 OK", &metadata_of(&base)),
        _ => not_found(),
    }
}

#[tokio::test]
async fn an_honest_server_is_found() {
    let peer = RawPeer::start(honest).await;
    let found = ask(&peer).await.unwrap();
    assert_eq!((found.resource.as_str(), found.resource_fit), (peer.url("/v1").as_str(), Fit::Ancestor));
    assert_eq!(found.resource_metadata_url, Some(peer.url("/meta")));
    assert_eq!(
        (found.issuer.as_str(), found.challenge_scope.as_deref()),
        (peer.url("").as_str(), Some("files:read"))
    );
    assert!(found.metadata.iss_parameter_supported && !found.guessed);
    let [probe, resource, server] = &peer.requests()[..] else { panic!("{:?}", peer.requests()) };
    assert_eq!(probe.method, "POST");
    assert_eq!(probe.json()["method"], "server/discover");
    assert_eq!(probe.json()["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"], "2026-07-28");
    assert_eq!(probe.header("mcp-method"), Some("server/discover"));
    assert_eq!(probe.header("accept"), Some("application/json, text/event-stream"));
    for request in [resource, server] {
        assert_eq!((request.method.as_str(), request.header("accept")), ("GET", Some("application/json")));
    }
    for request in peer.requests() {
        assert_eq!(request.header("mcp-protocol-version"), Some("2026-07-28"));
        assert!(request.header("authorization").is_none() && request.header("cookie").is_none());
    }
}

/// A server of the old transport answers with a stream that does not end: its headers are enough.
#[tokio::test]
async fn the_body_of_the_probe_is_not_waited_for() {
    let peer = RawPeer::start(|request: &Recorded| match request.target.as_str() {
        "/v1/mcp" => vec![
            Act::Send("HTTP/1.1 401 Unauthorized\r\ntransfer-encoding: chunked\r\n\r\n".into()),
            Act::Forever("1\r\n:\r\n".into(), Duration::from_millis(50)),
        ],
        _ => not_found(),
    })
    .await;
    let started = std::time::Instant::now();
    let found = ask(&peer).await.unwrap();
    assert!(found.guessed && started.elapsed() < Duration::from_secs(5));
    assert_eq!(found.metadata.token_endpoint, peer.url("/token"));
    let asked: Vec<_> = peer.requests().into_iter().map(|request| request.target).collect();
    assert_eq!(asked, ["/v1/mcp", &format!("{RESOURCE}/v1/mcp"), RESOURCE, SERVER]);
}

/// Two challenges in two fields, the second of them ours; the issuer's document is behind three redirects, each checked.
#[tokio::test]
async fn three_hops_are_followed_and_a_fourth_is_not() {
    for (hops, works) in [(3, true), (4, false)] {
        let peer = RawPeer::start(move |request: &Recorded| {
            let base = base(request);
            let hop = |n: u32| with_header("302 Found", &format!("location: {base}/hop/{n}"), "");
            match request.target.as_str() {
                SERVER => hop(hops),
                "/hop/1" => answer("200 OK", &metadata_of(&base)),
                target => match target.strip_prefix("/hop/").and_then(|n| n.parse::<u32>().ok()) {
                    Some(n) => hop(n - 1),
                    None => honest(request),
                },
            }
        })
        .await;
        let outcome = ask(&peer).await;
        assert_eq!(outcome.is_ok(), works, "{hops}: {outcome:?}");
        if let Err(error) = outcome {
            assert!(error.detail().contains("too many redirects"), "{}", error.detail());
        }
    }
}

/// Threats 24 and 26: a server names addresses of the inside, directly and behind a redirect. None is dialled.
#[tokio::test]
async fn the_inside_is_not_reached() {
    let canary = RawPeer::start_at(([127, 0, 0, 3], 0).into(), |_| whole("200 OK", "", "{}")).await;
    let port = canary.addr().port();
    for inside in [
        format!("http://127.0.0.3:{port}/x"),
        "https://169.254.169.254/latest/meta-data/".to_owned(),
        "https://[fd00:ec2::254]/".to_owned(),
        "https://10.0.0.1/".to_owned(),
    ] {
        for place in 0..3 {
            let inside = inside.clone();
            let peer = RawPeer::start(move |request: &Recorded| {
                let base = base(request);
                match (request.target.as_str(), place) {
                    ("/v1/mcp", 0) => with_header(
                        "401 Unauthorized",
                        &format!("www-authenticate: Bearer resource_metadata=\"{inside}\""),
                        "",
                    ),
                    ("/meta", 1) => {
                        answer("200 OK", &json!({"resource": base, "authorization_servers": [inside]}))
                    }
                    (SERVER, 2) => with_header("307 Temporary Redirect", &format!("location: {inside}"), ""),
                    ("/v1/mcp" | "/meta", _) => honest(request),
                    _ => not_found(),
                }
            })
            .await;
            let error = ask(&peer).await.unwrap_err();
            assert!(matches!(error.kind, Kind::Unsafe { .. }), "{place}: {error:?}");
            assert!(error.detail().contains("blocked address"), "{}", error.detail());
        }
    }
    assert_eq!(canary.connections(), 0);
}

/// Bodies that no document has: pages, compressed ones, endless ones, deep ones. Each is passed over, none is quoted.
#[tokio::test]
async fn bodies_that_are_no_documents() {
    let huge = " ".repeat(usize::try_from(METADATA_BODY).unwrap() + 1);
    let gzip = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3];
    for (name, bad, says) in [
        (
            "page",
            with_header("200 OK", "content-type: text/html", &format!("<html>{UPSTREAM}")),
            "it is no JSON",
        ),
        ("gzip", whole("200 OK", "content-encoding: gzip\r\n", gzip), "compressed"),
        ("huge", whole("200 OK", "", &huge), "more than 1 MiB"),
        ("deep", whole("200 OK", "", "[".repeat(100_000)), "it is no JSON"),
        ("error", answer("200 OK", &json!({"error": UPSTREAM})), "neither issuer nor endpoints"),
        (
            "broken",
            vec![Act::Send("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n{".into()), Act::Close],
            "broke",
        ),
        ("fault", whole("500 Internal Server Error", "", UPSTREAM), "HTTP 500"),
    ] {
        let peer = RawPeer::start(move |request: &Recorded| match request.target.as_str() {
            SERVER => bad.clone(),
            _ => honest(request),
        })
        .await;
        let error = ask(&peer).await.unwrap_err();
        let detail = error.detail();
        assert!(detail.contains(says), "{name}: {detail}");
        assert!(!detail.contains(UPSTREAM), "{name}: {detail}");
        let last = error.report.last().unwrap();
        assert_eq!(last.what, CandidateKind::AuthorizationServer);
    }
}

/// A candidate that is silent costs 10 s, and a discovery 30 s, whatever the number of candidates.
#[tokio::test(start_paused = true)]
async fn silence_ends() {
    let peer = RawPeer::start(|request: &Recorded| match request.target.as_str() {
        "/v1/mcp" => whole("401 Unauthorized", "", ""),
        _ => Vec::new(),
    })
    .await;
    let started = tokio::time::Instant::now();
    let error = ask(&peer).await.unwrap_err();
    assert_eq!(error.kind, Kind::TooSlow);
    assert!(started.elapsed() <= Duration::from_secs(21), "{:?}", started.elapsed());
    let issuers: Vec<_> = (0..8).map(|n| format!("{}/{n}", peer.url(""))).collect();
    let many = RawPeer::start(move |request: &Recorded| match request.target.as_str() {
        "/v1/mcp" => whole("401 Unauthorized", "", ""),
        path if path.starts_with(RESOURCE) => {
            answer("200 OK", &json!({"resource": base(request), "authorization_servers": issuers}))
        }
        _ => Vec::new(),
    })
    .await;
    let started = tokio::time::Instant::now();
    let error = ask(&many).await.unwrap_err();
    assert_eq!(error.kind, Kind::TooSlow);
    let took = started.elapsed();
    assert!(took >= Duration::from_secs(29) && took <= Duration::from_secs(31), "{took:?}");
    // A body that drips is silence too.
    let drip = RawPeer::start(|request: &Recorded| match request.target.as_str() {
        SERVER => vec![
            Act::Send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".into()),
            Act::Forever("1\r\n \r\n".into(), Duration::from_secs(1)),
        ],
        _ => honest(request),
    })
    .await;
    let started = tokio::time::Instant::now();
    assert_eq!(ask(&drip).await.unwrap_err().kind, Kind::TooSlow);
    assert!(started.elapsed() <= Duration::from_secs(11), "{:?}", started.elapsed());
}

#[tokio::test]
async fn nobody_there() {
    let port = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let server_url = format!("http://127.0.0.1:{port}/mcp");
    let error = discover(&egress(), Question { server_url, ..Question::default() }).await.unwrap_err();
    assert!(matches!(error.kind, Kind::Unreachable { .. }), "{error:?}");
    assert_eq!(error.report.len(), 1);
}
