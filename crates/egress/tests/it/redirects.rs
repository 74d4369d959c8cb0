//! Threats B 26 and behaviour 11: what a redirect may do, and that no header or body follows it elsewhere.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use http::{HeaderName, HeaderValue, Method};
use patchbay_egress::{BlockClass, EgressError, Redirects, Request, Response};
use url::Url;

use crate::support::{Server, answer, egress, egress_to, ok};

const SECRETS: [&str; 6] =
    ["authorization", "cookie", "x-api-key", "x-coder-owner-id", "mcp-session-id", "x-anything"];
const STATUSES: [&str; 5] = [
    "301 Moved Permanently",
    "302 Found",
    "303 See Other",
    "307 Temporary Redirect",
    "308 Permanent Redirect",
];

fn request(method: Method, url: Url, redirects: Redirects) -> Request {
    let body = if method == Method::POST { "the secret body" } else { "" };
    let mut request = Request::new(method, url, body.into());
    for name in SECRETS {
        request.headers.insert(HeaderName::from_static(name), HeaderValue::from_static("canary"));
    }
    request.headers.insert("accept", HeaderValue::from_static("application/json"));
    request.redirects = redirects;
    // a plain peer that is asked for TLS waits for the rest of what it takes for a request
    request.limits.connect = Duration::from_millis(300);
    request
}

/// Redirects `/start` to the location and answers everything else.
async fn redirector(status: &'static str, location: Arc<OnceLock<String>>) -> Server {
    Server::start(move |seen| match seen.path() {
        "/start" => answer(status, &format!("location: {}\r\n", location.get().unwrap()), ""),
        _ => ok(),
    })
    .await
}

#[tokio::test]
async fn matrix_of_status_mode_and_destination() {
    for status in STATUSES {
        for place in ["home", "port", "host", "scheme"] {
            for (method, mode) in [
                (Method::GET, Redirects::None),
                (Method::POST, Redirects::None),
                (Method::GET, Redirects::SameOrigin),
                (Method::POST, Redirects::SameOrigin),
                (Method::GET, Redirects::Checked(3)),
                (Method::POST, Redirects::Checked(3)),
            ] {
                let case = format!("{status}, {place}, {method} {mode:?}");
                let location = Arc::new(OnceLock::new());
                let home = redirector(status, Arc::clone(&location)).await;
                let elsewhere = Server::start(|_| ok()).await;
                let port = home.addr.port();
                location
                    .set(match place {
                        "home" => "/target".to_owned(),
                        "port" => elsewhere.url("/target").to_string(),
                        "host" => format!("http://localhost:{port}/target"),
                        _ => format!("https://127.0.0.1:{port}/target"),
                    })
                    .unwrap();
                // everything is reachable, so only the redirect rule can stop a hop
                let egress = egress("127.0.0.0/8:*,[::1]:*");
                let outcome = egress.send(request(method.clone(), home.url("/start"), mode)).await;
                let hops: Vec<_> = home
                    .seen()
                    .into_iter()
                    .chain(elsewhere.seen())
                    .filter(|seen| seen.path() == "/target")
                    .collect();
                assert!(home.seen().iter().any(|seen| seen.path() == "/start"), "{case}");

                let same_origin = place == "home" && (status.starts_with("307") || status.starts_with("308"));
                let follows = match mode {
                    Redirects::None => false,
                    Redirects::SameOrigin => same_origin,
                    Redirects::Checked(_) => method == Method::GET,
                };
                if !follows {
                    let error = outcome.expect_err(&case);
                    assert!(matches!(error, EgressError::Redirect { .. }), "{case}: {error:?}");
                    assert!(!error.surely_not_sent(), "{case}");
                    assert!(hops.is_empty(), "{case}: {hops:?}");
                } else if place == "scheme" {
                    // the peer speaks no TLS: the hop fails, but a request had been seen before
                    let error = outcome.expect_err(&case);
                    assert!(matches!(&error, EgressError::AfterRedirect(_)), "{case}: {error:?}");
                    assert!(!error.surely_not_sent(), "{case}");
                    assert!(hops.is_empty(), "{case}: {hops:?}");
                } else {
                    let response = outcome.unwrap_or_else(|error| panic!("{case}: {error}"));
                    assert_eq!(response.url.path(), "/target", "{case}");
                    let [hop] = &hops[..] else { panic!("{case}: {hops:?}") };
                    for name in SECRETS {
                        assert_eq!(hop.header(name).is_some(), place == "home", "{case}: {name}");
                    }
                    assert_eq!(hop.header("accept"), Some("application/json"), "{case}");
                    let resent = method == Method::POST;
                    assert_eq!(hop.body, if resent { &b"the secret body"[..] } else { b"" }, "{case}");
                    assert!(hop.head.starts_with(method.as_str()), "{case}");
                }
            }
        }
    }
}

#[tokio::test]
async fn credentials_do_not_come_back_after_a_detour() {
    let location = Arc::new(OnceLock::new());
    let home = redirector("302 Found", Arc::clone(&location)).await;
    let back = home.url("/back").to_string();
    let detour = Server::start(move |_| answer("302 Found", &format!("location: {back}\r\n"), "")).await;
    location.set(detour.url("/").to_string()).unwrap();
    let egress = egress_to(&[&home, &detour]);
    egress.send(request(Method::GET, home.url("/start"), Redirects::Checked(3))).await.unwrap();
    let back = home.seen().pop().unwrap();
    assert_eq!(back.path(), "/back");
    assert!(SECRETS.iter().all(|name| back.header(name).is_none()), "{}", back.head);
}

#[tokio::test]
async fn every_hop_is_vetted() {
    let inside = Server::start(|_| ok()).await;
    let port = inside.addr.port();
    for (location, class) in [
        (format!("http://127.0.0.1:{port}/"), BlockClass::Loopback),
        (format!("http://2130706433:{port}/"), BlockClass::Loopback),
        (format!("http://[::ffff:7f00:1]:{port}/"), BlockClass::Loopback),
        (format!("http://localhost:{port}/"), BlockClass::Loopback),
        ("http://169.254.169.254/latest/".into(), BlockClass::Metadata),
        ("http://[fd00:ec2::254]/".into(), BlockClass::Metadata),
    ] {
        let hop = location.clone();
        let server = Server::start(move |seen| match seen.path() {
            "/1" => answer("302 Found", "location: /2\r\n", ""),
            _ => answer("302 Found", &format!("location: {hop}\r\n"), ""),
        })
        .await;
        let egress = egress_to(&[&server]);
        let error =
            egress.send(request(Method::GET, server.url("/1"), Redirects::Checked(3))).await.unwrap_err();
        assert!(matches!(error, EgressError::AfterRedirect(_)), "{location}: {error:?}");
        assert_eq!(error.refusal().map(|r| r.class()), Some(class), "{location}: {error}");
    }
    assert_eq!(inside.connections(), 0);
}

#[tokio::test]
async fn user_info_in_a_location_is_refused() {
    let server = Server::start(|seen| {
        let host = seen.header("host").unwrap();
        answer("302 Found", &format!("location: http://user:pass@{host}/x\r\n"), "")
    })
    .await;
    let egress = egress_to(&[&server]);
    let error = egress.send(request(Method::GET, server.url("/1"), Redirects::Checked(3))).await.unwrap_err();
    assert!(!error.public_message().contains("pass@"), "{error}");
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn loops_end() {
    for (mode, method, status, requests) in [
        (Redirects::SameOrigin, Method::POST, "307 Temporary Redirect", 4),
        (Redirects::Checked(3), Method::GET, "302 Found", 4),
        (Redirects::Checked(1), Method::GET, "302 Found", 2),
        (Redirects::Checked(255), Method::GET, "302 Found", 4),
    ] {
        let server = Server::start(move |_| answer(status, "location: /again\r\n", "")).await;
        let egress = egress_to(&[&server]);
        let error = egress.send(request(method, server.url("/"), mode)).await.unwrap_err();
        assert!(error.to_string().contains("too many redirects"), "{mode:?}: {error}");
        assert_eq!(server.seen().len(), requests, "{mode:?}");
    }
}

#[tokio::test]
async fn other_3xx_and_redirects_without_a_location_are_answers() {
    for status in ["300 Multiple Choices", "304 Not Modified", "305 Use Proxy", "302 Found"] {
        let headers = if status.starts_with("302") { "" } else { "location: /x\r\n" };
        let server = Server::start(move |_| answer(status, headers, "")).await;
        let egress = egress_to(&[&server]);
        let response: Response =
            egress.send(request(Method::GET, server.url("/"), Redirects::Checked(3))).await.unwrap();
        assert_eq!(response.status.as_str(), &status[..3]);
        assert_eq!(server.seen().len(), 1);
    }
}
