//! Revocation over HTTP.

use std::time::Duration;

use patchbay_mcpauth::{
    auth_method::AuthMethod,
    revocation::{Revoked, revoke},
};
use secrecy::SecretString;
use serde_json::json;
use testkit::{
    raw_peer::{Act, RawPeer, whole},
    record::Recorded,
};

use crate::support::{
    UPSTREAM, always, assert_clean, client, egress, form, json as answer, value, with_header,
};

pub(crate) async fn revoke_at(peer: &RawPeer, method: AuthMethod, with_refresh: bool) -> Revoked {
    let refresh = with_refresh.then(|| SecretString::from("hunter2-refresh"));
    let url = peer.url("/revoke");
    revoke(&egress(), &url, &client(peer, method), refresh.as_ref(), &SecretString::from("hunter2-access"))
        .await
}

#[tokio::test]
async fn the_refresh_token_is_revoked() {
    for status in ["200 OK", "204 No Content"] {
        for method in [AuthMethod::Basic, AuthMethod::Post, AuthMethod::None] {
            let peer = always(whole(status, "", "")).await;
            assert_eq!(revoke_at(&peer, method, true).await, Revoked::Done);
            let [request] = &peer.requests()[..] else { panic!("one request") };
            let pairs = form(request);
            assert_eq!((request.method.as_str(), request.target.as_str()), ("POST", "/revoke"));
            assert_eq!(value(&pairs, "token"), Some("hunter2-refresh"));
            assert_eq!(value(&pairs, "token_type_hint"), Some("refresh_token"));
            assert_eq!(request.header("authorization").is_some(), method == AuthMethod::Basic);
            assert_eq!(value(&pairs, "client_secret").is_some(), method == AuthMethod::Post);
            assert_eq!(value(&pairs, "client_id").is_some(), method != AuthMethod::Basic);
        }
    }
}

#[tokio::test]
async fn the_access_token_only_where_there_is_no_other_way() {
    let peer = always(whole("200 OK", "", "")).await;
    assert_eq!(revoke_at(&peer, AuthMethod::None, false).await, Revoked::Done);
    let peers = RawPeer::start(|request: &Recorded| {
        if request.body.contains("hunter2-refresh") {
            answer("400 Bad Request", &json!({"error": "unsupported_token_type"}))
        } else {
            whole("200 OK", "", "")
        }
    })
    .await;
    assert_eq!(revoke_at(&peers, AuthMethod::Basic, true).await, Revoked::Done);
    let sent: Vec<_> = [peer.requests(), peers.requests()].concat();
    let sent: Vec<_> =
        sent.iter().map(|request| value(&form(request), "token").unwrap().to_owned()).collect();
    assert_eq!(sent, ["hunter2-access", "hunter2-refresh", "hunter2-access"]);
}

/// Threat 20: the endpoint is down or refuses.
#[tokio::test]
async fn what_answers_mean() {
    let error = |code: &str| json!({"error": code, "error_description": UPSTREAM});
    for (bad, later) in [
        (with_header("503 Service Unavailable", "retry-after: 60", ""), Some(Some(60))),
        (whole("500 Internal Server Error", "", UPSTREAM), Some(None)),
        (whole("429 Too Many Requests", "", UPSTREAM), Some(None)),
        (vec![Act::Close], Some(None)),
        (answer("401 Unauthorized", &error("invalid_client")), None),
        (answer("400 Bad Request", &error("invalid_request")), None),
        (whole("404 Not Found", "", UPSTREAM), None),
        (whole("202 Accepted", "", UPSTREAM), None),
    ] {
        let peer = always(bad).await;
        match revoke_at(&peer, AuthMethod::Post, true).await {
            Revoked::Later { after } => assert_eq!(later, Some(after.map(|after| after.as_secs()))),
            Revoked::Refused { cause } => {
                assert_eq!(later, None, "{cause}");
                assert_clean(&cause);
            }
            Revoked::Done => panic!("not done"),
        }
        assert_eq!(peer.requests().len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_server_is_left() {
    let peer = always(Vec::new()).await;
    let started = tokio::time::Instant::now();
    assert_eq!(revoke_at(&peer, AuthMethod::None, true).await, Revoked::Later { after: None });
    assert!(started.elapsed() <= Duration::from_secs(11), "{:?}", started.elapsed());
}
