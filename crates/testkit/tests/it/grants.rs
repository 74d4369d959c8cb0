//! Codes and refresh tokens: what an honest client gets, and that each dishonest one gets nothing.

use crate::client::{Client, REDIRECT, STATE, VERIFIER, encode, error_of, pair_of, peer, peer_with, with};
use patchbay_testkit::{
    fake_oauth::{Elsewhere, Iss, Knobs, approve, basic, browser},
    http::Client as Http,
};
use serde_json::json;
use std::time::Duration;

#[tokio::test]
async fn honest_clients_of_each_method_connect_and_refresh() {
    let oauth = peer().await;
    for method in ["client_secret_basic", "none"] {
        let client = Client::registered(&oauth, method).await;
        let (access, refresh) = client.connect().await;
        assert!(oauth.is_live(&access));
        let (next, rotated) = pair_of(&client.token(client.refresh(&refresh)).await.expect(200));
        assert!(next != access && rotated != refresh);
        client.token(client.refresh(&rotated)).await.expect(200);
    }
    let client = Client { secret: None, ..Client::registered(&oauth, "client_secret_post").await };
    let secret = oauth.clients().iter().find(|known| known.id == client.id).unwrap().secret.clone();
    let form = with(client.exchange(&client.code().await), "client_secret", secret.as_deref());
    client.token(form).await.expect(200);
    assert_eq!((oauth.live_families(), oauth.revoked_families()), (3, 0));
    assert_eq!(oauth.token_requests("refresh_token").len(), 4);
}

#[tokio::test]
async fn answers_of_the_authorization_endpoint_carry_state_and_iss() {
    let oauth = peer().await;
    let client = Client::registered(&oauth, "none").await;
    let url = client.authorize_url(&client.authorization());
    let callback = approve(&url).await;
    assert!(callback.starts_with(&format!("{REDIRECT}?")), "{callback}");
    let said = browser::parameters(&callback);
    assert_eq!((said["state"].as_str(), said["iss"].as_str()), (STATE, oauth.origin().as_str()));

    oauth.change(|knobs| {
        knobs.iss = Iss::Absent;
        knobs.deny = Some(("access_denied".to_owned(), "<b>no</b>".to_owned()));
    });
    let said = browser::parameters(&approve(&url).await);
    assert_eq!((said["error"].as_str(), said["error_description"].as_str()), ("access_denied", "<b>no</b>"));
    assert!(!said.contains_key("iss") && !said.contains_key("code"));
}

#[tokio::test]
async fn login_page_comes_first_when_told() {
    let oauth = peer_with(Knobs { login_page: true, redirect_status: 303, ..Knobs::default() }).await;
    let client = Client::registered(&oauth, "none").await;
    let url = client.authorize_url(&client.authorization());
    assert!(browser::open(&url).await.expect(200).body.contains("Sign in"));
    assert!(browser::parameters(&approve(&url).await).contains_key("code"));
    assert_eq!(browser::parameters(&browser::refuse(&url).await)["error"], "access_denied");
}

#[tokio::test]
async fn spoiled_authorization_requests_get_no_code() {
    let oauth = peer().await;
    let client = Client::registered(&oauth, "none").await;
    let good = client.authorization();
    // Nothing is sent to an address that is not the client's.
    for spoiled in [
        with(good.clone(), "redirect_uri", Some("http://127.0.0.1:1/callback/")),
        with(good.clone(), "redirect_uri", None),
        with(good.clone(), "client_id", Some("somebody")),
    ] {
        let answer = browser::open(&client.authorize_url(&spoiled)).await.expect(400);
        assert_eq!(answer.header("location"), None);
    }
    for (name, value, error) in [
        ("response_type", Some("token"), "unsupported_response_type"),
        ("code_challenge", None, "invalid_request"),
        ("code_challenge_method", Some("plain"), "invalid_request"),
        ("code_challenge_method", None, "invalid_request"),
        ("resource", None, "invalid_target"),
        ("resource", Some("http://127.0.0.1:1/mcp"), "invalid_target"),
        ("state", None, "invalid_request"),
    ] {
        let callback = approve(&client.authorize_url(&with(good.clone(), name, value))).await;
        assert_eq!(browser::parameters(&callback)["error"], error, "{name} {value:?}");
    }
}

#[tokio::test]
async fn spoiled_exchanges_get_no_token_and_leave_the_code() {
    let oauth = peer().await;
    let client = Client::registered(&oauth, "client_secret_basic").await;
    let code = client.code().await;
    let good = client.exchange(&code);
    for (name, value, error) in [
        ("code_verifier", Some("another-verifier-of-at-least-43-characters-000"), "invalid_grant"),
        ("code_verifier", None, "invalid_grant"),
        ("redirect_uri", Some("http://127.0.0.1:1/other"), "invalid_grant"),
        ("redirect_uri", None, "invalid_grant"),
        ("resource", None, "invalid_target"),
        ("resource", Some("http://127.0.0.1:1/mcp"), "invalid_target"),
        ("code", Some("code-of-nobody"), "invalid_grant"),
        ("grant_type", Some("client_credentials"), "unsupported_grant_type"),
    ] {
        let answer = client.token(with(good.clone(), name, value)).await.expect(400);
        assert_eq!(error_of(&answer), error, "{name} {value:?}");
    }
    let mut twice = good.clone();
    twice.push(("code_verifier".to_owned(), VERIFIER.to_owned()));
    assert_eq!(error_of(&client.token(twice).await.expect(400)), "invalid_request");
    let other = Client::registered(&oauth, "none").await;
    assert_eq!(error_of(&other.token(good.clone()).await.expect(400)), "invalid_grant");
    assert_eq!(oauth.families().len(), 0);
    client.token(good).await.expect(200);
}

#[tokio::test]
async fn code_used_twice_ends_what_came_of_it() {
    let oauth = peer().await;
    let client = Client::registered(&oauth, "none").await;
    let exchange = client.exchange(&client.code().await);
    let (access, refresh) = pair_of(&client.token(exchange.clone()).await.expect(200));
    assert_eq!(error_of(&client.token(exchange).await.expect(400)), "invalid_grant");
    assert!(!oauth.is_live(&access));
    assert_eq!(error_of(&client.token(client.refresh(&refresh)).await.expect(400)), "invalid_grant");
    assert_eq!(oauth.revoked_families(), 1);
}

#[tokio::test]
async fn refresh_token_used_twice_ends_the_family_and_no_other() {
    let oauth = peer().await;
    let client = Client::registered(&oauth, "none").await;
    let (_, stolen) = client.connect().await;
    let (other, _) = client.connect().await;
    let (access, current) = pair_of(&client.token(client.refresh(&stolen)).await.expect(200));
    assert_eq!(oauth.families()[0].rotations, 2);
    assert_eq!(error_of(&client.token(client.refresh(&stolen)).await.expect(400)), "invalid_grant");
    assert!(!oauth.is_live(&access) && oauth.is_live(&other));
    assert_eq!(error_of(&client.token(client.refresh(&current)).await.expect(400)), "invalid_grant");
    assert_eq!((oauth.live_families(), oauth.revoked_families()), (1, 1));
}

#[tokio::test]
async fn spoiled_refreshes_get_nothing_and_end_nothing() {
    let oauth = peer().await;
    let client = Client::registered(&oauth, "none").await;
    let (_, refresh) = client.connect().await;
    let good = client.refresh(&refresh);
    let without_resource = client.token(with(good.clone(), "resource", None)).await.expect(400);
    assert_eq!(error_of(&without_resource), "invalid_target");
    let more = client.token(with(good.clone(), "scope", Some("mcp:tools admin"))).await.expect(400);
    assert_eq!(error_of(&more), "invalid_scope");
    let thief = Client::registered(&oauth, "none").await;
    assert_eq!(error_of(&thief.token(good.clone()).await.expect(400)), "invalid_grant");
    client.token(good).await.expect(200);
    assert_eq!(oauth.revoked_families(), 0);
}

#[tokio::test]
async fn servers_without_rotation_or_refresh_tokens_are_possible() {
    let knobs = Knobs { rotate: false, access_lifetime: Duration::from_secs(7), ..Knobs::default() };
    let oauth = peer_with(knobs).await;
    let client = Client::registered(&oauth, "none").await;
    let (_, refresh) = client.connect().await;
    for _ in 0..2 {
        let answer = client.token(client.refresh(&refresh)).await.expect(200).json();
        assert_eq!((&answer["expires_in"], answer.get("refresh_token")), (&json!(7), None));
    }
    oauth.change(|knobs| {
        knobs.refresh_tokens = false;
        knobs.token_answer = json!({"token_type": "DPoP", "expires_in": null});
    });
    let answer = client.token(client.exchange(&client.code().await)).await.expect(200).json();
    assert_eq!((&answer["token_type"], answer.get("expires_in")), (&json!("DPoP"), None));
    assert_eq!(answer.get("refresh_token"), None);
}

#[tokio::test]
async fn clients_come_by_their_own_method_with_their_own_secret() {
    let oauth = peer().await;
    let client = Client::registered(&oauth, "client_secret_basic").await;
    let (id, secret) = (client.id.clone(), client.secret.clone().unwrap());
    let form = encode(&client.exchange(&client.code().await));
    let http = Http::new(&oauth.origin());
    let send = |authorization: Option<String>, form: String| {
        let request = http.request(http::Method::POST, "/token");
        let request = match &authorization {
            Some(value) => request.header("authorization", value),
            None => request,
        };
        request.body("application/x-www-form-urlencoded", form).send()
    };
    let in_body = format!("{form}&client_id={id}&client_secret=x");
    assert_eq!(error_of(&send(Some(basic(&id, "wrong")), form.clone()).await.expect(401)), "invalid_client");
    assert_eq!(error_of(&send(None, format!("{form}&client_id={id}")).await.expect(401)), "invalid_client");
    assert_eq!(error_of(&send(None, in_body.clone()).await.expect(401)), "invalid_client");
    assert_eq!(error_of(&send(Some(basic(&id, &secret)), in_body).await.expect(400)), "invalid_request");
    // The secret has signs that must be form-encoded before they go into the header.
    let raw = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, format!("{id}:{secret}"));
    assert_eq!(
        error_of(&send(Some(format!("Basic {raw}")), form.clone()).await.expect(401)),
        "invalid_client"
    );
    assert!(!oauth.saw(&secret).is_empty(), "it is found inside the header");
    oauth.forget_clients();
    assert_eq!(error_of(&send(Some(basic(&id, &secret)), form).await.expect(401)), "invalid_client");
}

#[tokio::test]
async fn browser_can_be_sent_to_another_server_in_the_middle() {
    let (evil, honest) = (peer().await, peer().await);
    let client = Client::registered(&evil, "none").await;
    let there = Client::registered(&honest, "none").await;
    evil.change(|knobs| {
        let replaced = [("client_id", &there.id), ("resource", &there.resource)];
        knobs.authorize_elsewhere = Some(Elsewhere {
            url: honest.at("/authorize"),
            replaced: replaced.map(|(name, value)| (name.to_owned(), value.clone())).into(),
        });
    });
    let onward = approve(&client.authorize_url(&client.authorization())).await;
    let said = browser::parameters(&approve(&onward).await);
    assert_eq!((said["iss"].as_str(), said["state"].as_str()), (honest.origin().as_str(), STATE));
}
