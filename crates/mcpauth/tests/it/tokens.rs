//! Codes and refresh tokens over HTTP.

use std::time::Duration;

use patchbay_mcpauth::{
    auth_method::AuthMethod,
    token::{Grant, TokenError, TokenErrorKind as Kind, exchange, refresh},
};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use testkit::raw_peer::{Act, RawPeer, whole};

use crate::support::{
    SECRET, UPSTREAM, always, assert_clean, client, egress, form, json as answer, value, with_header,
};

const REDIRECT: &str = "https://patchbay.example.com/oauth2/callback";

pub(crate) async fn exchange_at(peer: &RawPeer, method: AuthMethod) -> Result<Grant, TokenError> {
    let verifier = SecretString::from("hunter2-verifier-hunter2-verifier-hunter2-verif");
    exchange(&egress(), &client(peer, method), "hunter2-code", &verifier, REDIRECT).await
}

pub(crate) async fn refresh_at(peer: &RawPeer, method: AuthMethod) -> Result<Grant, TokenError> {
    refresh(&egress(), &client(peer, method), &SecretString::from("hunter2-refresh"), None).await
}

fn tokens() -> Value {
    json!({"access_token": "hunter2-access", "refresh_token": "hunter2-next", "token_type": "bearer", "expires_in": 3600, "scope": "a b"})
}

/// Threat 10: the raw resource in every request. One login, the one that was chosen.
#[tokio::test]
async fn what_is_sent() {
    for method in [AuthMethod::Basic, AuthMethod::Post, AuthMethod::None] {
        let peer = always(answer("200 OK", &tokens())).await;
        let grant = exchange_at(&peer, method).await.unwrap();
        assert_eq!(
            (grant.access_token.expose_secret(), grant.token_type.as_str()),
            ("hunter2-access", "Bearer")
        );
        assert_eq!(grant.refresh_token.as_ref().unwrap().expose_secret(), "hunter2-next");
        assert_eq!(
            (grant.expires_in, grant.scope.as_deref()),
            (Some(Duration::from_secs(3600)), Some("a b"))
        );
        assert_clean(&format!("{grant:?}"));
        refresh_at(&peer, method).await.unwrap();
        let [code, renewal] = &peer.requests()[..] else { panic!("two requests") };
        for request in [code, renewal] {
            assert_eq!((request.method.as_str(), request.target.as_str()), ("POST", "/token?tenant=1"));
            assert_eq!(request.header("content-type"), Some("application/x-www-form-urlencoded"));
            assert_eq!(request.header("accept"), Some("application/json"));
            let pairs = form(request);
            assert_eq!(value(&pairs, "resource"), Some("https://MCP.example.com"));
            assert_eq!(request.header("authorization").is_some(), method == AuthMethod::Basic);
            assert_eq!(value(&pairs, "client_secret").is_some(), method == AuthMethod::Post);
            assert_eq!(value(&pairs, "client_id").is_some(), method != AuthMethod::Basic);
            assert_eq!(value(&pairs, "scope"), None);
        }
        let pairs = form(code);
        assert_eq!(value(&pairs, "grant_type"), Some("authorization_code"));
        assert_eq!(value(&pairs, "code"), Some("hunter2-code"));
        assert_eq!(value(&pairs, "redirect_uri"), Some(REDIRECT));
        // Threat 8: no exchange goes without its verifier.
        assert!(
            value(&pairs, "code_verifier").is_some_and(|verifier| verifier.starts_with("hunter2-verifier"))
        );
        assert_eq!(value(&form(renewal), "grant_type"), Some("refresh_token"));
    }
}

/// Protocol 14.6: which of our logins the provider did not take, in words of ours.
#[tokio::test]
async fn a_refused_login_says_which_it_was() {
    let error = json!({"error": "invalid_client", "error_description": UPSTREAM});
    let login = [
        (AuthMethod::Basic, "client_secret_basic"),
        (AuthMethod::Post, "client_secret_post"),
        (AuthMethod::None, "none"),
    ];
    for (method, name) in login {
        let peer = always(answer("401 Unauthorized", &error)).await;
        for error in
            [exchange_at(&peer, method).await, refresh_at(&peer, method).await].map(Result::unwrap_err)
        {
            assert_eq!(error.kind, Kind::InvalidClient);
            let said = format!("the provider refused our client login (method {name})");
            assert_eq!((error.public_message(), error.to_string()), (said.clone(), said));
        }
    }
}

/// What an answer means. Only the server's own word about the grant ends it.
#[tokio::test]
async fn what_answers_mean() {
    let error = |code: &str| json!({"error": code, "error_description": UPSTREAM, "error_uri": UPSTREAM});
    let refused = |code: Option<&str>| Kind::Refused { code: code.map(str::to_owned) };
    let later = |seconds: Option<u64>| Kind::Transient { retry_after: seconds.map(Duration::from_secs) };
    let mut wrong_type = tokens();
    wrong_type["token_type"] = json!("DPoP");
    let mut no_type = tokens();
    no_type["token_type"] = json!(null);
    for (bad, kind) in [
        (answer("400 Bad Request", &error("invalid_grant")), Kind::InvalidGrant),
        (answer("401 Unauthorized", &error("invalid_grant")), Kind::InvalidGrant),
        (answer("200 OK", &error("bad_refresh_token")), Kind::InvalidGrant),
        (answer("200 OK", &error("invalid_grant")), Kind::InvalidGrant),
        (answer("401 Unauthorized", &error("invalid_client")), Kind::InvalidClient),
        (answer("400 Bad Request", &error("invalid_client")), Kind::InvalidClient),
        (answer("400 Bad Request", &error("invalid_target")), refused(Some("invalid_target"))),
        (answer("400 Bad Request", &error(&format!("{UPSTREAM} <b>"))), refused(None)),
        (answer("400 Bad Request", &json!({"error": {"message": UPSTREAM}})), refused(None)),
        (whole("403 Forbidden", "content-type: text/html\r\n", format!("<html>{UPSTREAM}")), refused(None)),
        (answer("400 Bad Request", &error("temporarily_unavailable")), later(None)),
        (with_header("429 Too Many Requests", "retry-after: 30", UPSTREAM), later(Some(30))),
        (with_header("503 Service Unavailable", "retry-after: 999999", UPSTREAM), later(Some(3600))),
        // a proxy may repeat any code
        (answer("502 Bad Gateway", &error("invalid_grant")), later(None)),
        (answer("200 OK", &wrong_type), Kind::NotBearer),
        (answer("200 OK", &no_type), Kind::NotBearer),
        (answer("200 OK", &json!({"token_type": "Bearer"})), Kind::Malformed),
        (
            answer("200 OK", &json!({"access_token": UPSTREAM.repeat(2000), "token_type": "Bearer"})),
            Kind::Malformed,
        ),
        (whole("200 OK", "content-type: text/html\r\n", format!("<html>{UPSTREAM}")), Kind::Malformed),
        (whole("200 OK", "", ""), Kind::Malformed),
        (whole("200 OK", "content-encoding: gzip\r\n", "x"), Kind::Unsure),
        (whole("200 OK", "", " ".repeat(300_000)), Kind::Unsure),
        (vec![Act::Send("HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{".into()), Act::Close], Kind::Unsure),
        (vec![Act::Close], Kind::Unsure),
    ] {
        let peer = always(bad).await;
        for outcome in
            [refresh_at(&peer, AuthMethod::Basic).await, exchange_at(&peer, AuthMethod::Post).await]
        {
            let error = outcome.unwrap_err();
            assert_eq!(error.kind, kind, "{error}");
            assert_eq!(error.is_permanent_for_refresh(), kind == Kind::InvalidGrant);
            assert!(!error.surely_not_sent());
            assert_clean(&error.public_message());
            assert_clean(&format!("{error:?}").chars().take(400).collect::<String>());
        }
        assert_eq!(peer.requests().len(), 2, "nothing is repeated");
    }
}

#[tokio::test]
async fn an_error_that_is_empty_is_none() {
    let mut document = tokens();
    document["error"] = json!("");
    document["expires_in"] = json!("7200");
    let grant = refresh_at(&always(answer("200 OK", &document)).await, AuthMethod::None).await.unwrap();
    assert_eq!(grant.expires_in, Some(Duration::from_secs(7200)));
}

#[tokio::test]
async fn what_was_surely_not_sent() {
    let peer = always(answer("200 OK", &tokens())).await;
    let mut client = client(&peer, AuthMethod::Basic);
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    for url in [
        format!("http://127.0.0.1:{port}/token"),
        "https://10.0.0.1/token".to_owned(),
        "javascript:alert(1)".to_owned(),
        "http://auth.example.com/token".to_owned(),
    ] {
        client.token_url = url;
        let error = refresh(&egress(), &client, &SECRET.into(), None).await.unwrap_err();
        assert!(matches!(error.kind, Kind::Transient { .. }), "{error:?}");
        assert!(error.surely_not_sent() && !error.is_permanent_for_refresh(), "{error:?}");
        assert_clean(&error.public_message());
    }
    assert_eq!(peer.connections(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_silent_server_is_left() {
    let peer = always(Vec::new()).await;
    let started = tokio::time::Instant::now();
    let error = refresh_at(&peer, AuthMethod::None).await.unwrap_err();
    assert_eq!((error.kind.clone(), error.surely_not_sent()), (Kind::Unsure, false));
    assert!(error.public_message().contains("within 10 s"), "{error}");
    assert!(started.elapsed() <= Duration::from_secs(11));
    let started = tokio::time::Instant::now();
    let error = exchange_at(&peer, AuthMethod::None).await.unwrap_err();
    assert!(error.public_message().contains("within 20 s"), "{error}");
    assert!(started.elapsed() <= Duration::from_secs(21));
    assert_eq!(peer.requests().len(), 2);
}
