//! Registration over HTTP.

use std::time::Duration;

use patchbay_mcpauth::{
    auth_method::AuthMethod,
    metadata::ServerMetadata,
    registration::{
        Registered, Registration, RegistrationError, RegistrationErrorKind as Kind, delete_client, register,
    },
};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;
use testkit::{
    raw_peer::{Act, RawPeer, whole},
    record::Recorded,
};

use crate::support::{SECRET, UPSTREAM, always, assert_clean, egress, json as answer, with_header};

pub(crate) fn metadata(peer: &RawPeer, methods: Option<&[&str]>) -> ServerMetadata {
    let mut document = json!({
        "issuer": peer.url(""),
        "authorization_endpoint": peer.url("/authorize"),
        "token_endpoint": peer.url("/token"),
        "registration_endpoint": peer.url("/register"),
    });
    if let Some(methods) = methods {
        document["token_endpoint_auth_methods"] = json!(methods);
    }
    serde_json::from_value(document).unwrap()
}

pub(crate) async fn try_register(
    peer: &RawPeer,
    methods: Option<&[&str]>,
) -> Result<Registered, RegistrationError> {
    let registration = Registration {
        client_name: None,
        client_uri: "https://patchbay.example.com".into(),
        redirect_uri: "https://patchbay.example.com/oauth2/callback".into(),
        scope: None,
    };
    register(&egress(), &metadata(peer, methods), registration).await
}

#[tokio::test]
async fn a_confidential_client_is_registered() {
    for status in ["201 Created", "200 OK"] {
        let peer = always(answer(
            status,
            &json!({"client_id": "c", "client_secret": SECRET, "client_secret_expires_at": 0}),
        ))
        .await;
        let client = try_register(&peer, Some(&["none", "client_secret_post"])).await.unwrap();
        assert_eq!((client.client_id.as_str(), client.auth_method), ("c", AuthMethod::Post));
        assert_eq!(client.client_secret.as_ref().unwrap().expose_secret(), SECRET);
        let [request] = &peer.requests()[..] else { panic!("one request") };
        assert_eq!((request.method.as_str(), request.target.as_str()), ("POST", "/register"));
        assert_eq!(request.header("content-type"), Some("application/json"));
        assert_eq!(request.json()["token_endpoint_auth_method"], "client_secret_post");
        assert_eq!(request.json()["application_type"], "web");
        assert_clean(&format!("{client:?}"));
    }
}

#[tokio::test]
async fn a_refusal_is_answered_once() {
    for (code, accepts, asked) in [
        ("invalid_client_metadata", ("token_endpoint_auth_method", "none"), 2),
        ("invalid_redirect_uri", ("application_type", "native"), 2),
        ("invalid_client_metadata", ("application_type", "never"), 2),
        ("access_denied", ("application_type", "never"), 1),
    ] {
        let peer = RawPeer::start(move |request: &Recorded| {
            if request.json()[accepts.0] == accepts.1 {
                answer("201 Created", &json!({"client_id": "c"}))
            } else {
                answer("400 Bad Request", &json!({"error": code, "error_description": UPSTREAM}))
            }
        })
        .await;
        let outcome = try_register(&peer, None).await;
        assert_eq!(peer.requests().len(), asked, "{code}");
        match outcome {
            Ok(client) => assert_eq!(client.auth_method, AuthMethod::None),
            Err(error) => {
                assert_eq!(error.kind, Kind::Refused { status: 400, code: Some(code.into()) });
                assert!(error.public_message().contains(code));
                assert_clean(&error.public_message());
            }
        }
    }
}

/// Threat 14: only `private_key_jwt` is offered. The error names it, and nothing is sent.
#[tokio::test]
async fn no_login_in_common() {
    let peer = always(answer("201 Created", &json!({"client_id": "c"}))).await;
    let error = try_register(&peer, Some(&["private_key_jwt"])).await.unwrap_err();
    assert_eq!(error.kind, Kind::NoCommonMethod);
    assert!(error.public_message().contains("private_key_jwt"), "{error}");
    assert_eq!(peer.connections(), 0);
}

#[tokio::test]
async fn answers_that_are_no_client() {
    for (bad, expected) in [
        (whole("201 Created", "content-type: text/html\r\n", format!("<html>{UPSTREAM}")), Kind::Malformed),
        (
            answer("200 OK", &json!({"error": "invalid_client_metadata", "error_description": UPSTREAM})),
            Kind::Malformed,
        ),
        (whole("401 Unauthorized", "", UPSTREAM), Kind::Refused { status: 401, code: None }),
        (
            answer("400 Bad Request", &json!({"error": UPSTREAM.repeat(100)})),
            Kind::Refused { status: 400, code: None },
        ),
        (
            with_header("429 Too Many Requests", "retry-after: 7", UPSTREAM),
            Kind::Transient { retry_after: Some(Duration::from_secs(7)) },
        ),
        (whole("503 Service Unavailable", "", UPSTREAM), Kind::Transient { retry_after: None }),
        (whole("201 Created", "content-encoding: gzip\r\n", "x"), Kind::Unreachable),
        (whole("201 Created", "", " ".repeat(300_000)), Kind::Unreachable),
        (vec![Act::Close], Kind::Transient { retry_after: None }),
    ] {
        let error = try_register(&always(bad).await, None).await.unwrap_err();
        assert_eq!(error.kind, expected, "{error}");
        assert_clean(&error.public_message());
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_server_is_left() {
    let peer = always(Vec::new()).await;
    let started = tokio::time::Instant::now();
    let error = try_register(&peer, None).await.unwrap_err();
    assert_eq!(error.kind, Kind::Transient { retry_after: None });
    assert!(started.elapsed() <= Duration::from_secs(16), "{:?}", started.elapsed());
    assert_eq!(peer.requests().len(), 1);
}

#[tokio::test]
async fn a_client_is_deleted() {
    for (status, gone) in [
        ("204 No Content", true),
        ("200 OK", true),
        ("404 Not Found", true),
        ("401 Unauthorized", false),
        ("503 Service Unavailable", false),
    ] {
        let peer = always(whole(status, "", "")).await;
        let token = SecretString::from(SECRET);
        let outcome = delete_client(&egress(), &peer.url("/register/c"), &token).await;
        assert_eq!(outcome.is_ok(), gone, "{status}");
        let request = &peer.requests()[0];
        assert_eq!(
            (request.method.as_str(), request.header("authorization")),
            ("DELETE", Some("Bearer hunter2"))
        );
    }
}
