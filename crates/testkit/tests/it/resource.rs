//! The protected half: who gets through and how the others are told what to do.

use crate::client::{Client, error_of, pair_of, peer, peer_with, with};
use patchbay_testkit::fake_oauth::{Knobs, browser};

const METADATA: &str = "/.well-known/oauth-protected-resource/mcp";

#[tokio::test]
async fn only_live_tokens_get_through() {
    let oauth = peer().await;
    let client = Client::registered(&oauth, "none").await;
    let (access, refresh) = client.connect().await;
    client.call(Some(&access), "echo").await.expect(200);
    let challenge = format!("Bearer resource_metadata=\"{}\", scope=\"mcp:tools\"", oauth.at(METADATA));
    let nothing = client.call(None, "echo").await.expect(401);
    assert_eq!(nothing.header("www-authenticate"), Some(challenge.as_str()));
    for wrong in ["made up", refresh.as_str()] {
        let answer = client.call(Some(wrong), "echo").await.expect(401);
        assert!(answer.header("www-authenticate").unwrap().contains("error=\"invalid_token\""));
    }
    oauth.expire_access_tokens();
    client.call(Some(&access), "echo").await.expect(401);
    let (renewed, _) = pair_of(&client.token(client.refresh(&refresh)).await.expect(200));
    client.call(Some(&renewed), "echo").await.expect(200);
    oauth.revoke_family(0);
    client.call(Some(&renewed), "echo").await.expect(401);
    assert_eq!((oauth.calls().len(), oauth.effects().len()), (2, 2));
}

#[tokio::test]
async fn tokens_for_another_resource_do_not_fit() {
    let oauth = peer().await;
    let client = Client::registered(&oauth, "none").await;
    let (access, _) = client.connect().await;
    oauth.change(|knobs| knobs.resource = Some("http://127.0.0.1:1/mcp".to_owned()));
    client.call(Some(&access), "echo").await.expect(401);
    // A peer that has never heard of `resource` issues tokens for nothing in particular and takes them.
    oauth.change(|knobs| knobs.demand_resource = false);
    let code = browser::parameters(
        &browser::approve(&client.authorize_url(&with(client.authorization(), "resource", None))).await,
    );
    let form = with(client.exchange(&code["code"]), "resource", None);
    let (access, _) = pair_of(&client.token(form).await.expect(200));
    client.call(Some(&access), "echo").await.expect(200);
}

#[tokio::test]
async fn more_scope_is_asked_for_where_a_tool_needs_it() {
    let tool_scopes = [("write".to_owned(), "files:write".to_owned())].into();
    let oauth = peer_with(Knobs { tool_scopes, ..Knobs::default() }).await;
    let client = Client::registered(&oauth, "none").await;
    let (access, _) = client.connect().await;
    client.call(Some(&access), "echo").await.expect(200);
    let refused = client.call(Some(&access), "write").await.expect(403);
    let challenge = refused.header("www-authenticate").unwrap();
    assert!(
        challenge.starts_with("Bearer error=\"insufficient_scope\", scope=\"files:write\""),
        "{challenge}"
    );
    let more = with(client.authorization(), "scope", Some("mcp:tools files:write"));
    let said = browser::parameters(&browser::approve(&client.authorize_url(&more)).await);
    let (access, _) = pair_of(&client.token(client.exchange(&said["code"])).await.expect(200));
    client.call(Some(&access), "write").await.expect(200);
    oauth.change(|knobs| knobs.insufficient_scope = Some("more:and:more".to_owned()));
    client.call(Some(&access), "echo").await.expect(403);
}

#[tokio::test]
async fn challenges_say_what_a_test_wants() {
    let oauth = peer().await;
    let client = Client::registered(&oauth, "none").await;
    let (access, _) = client.connect().await;
    oauth.change(|knobs| {
        knobs.reject_tokens = true;
        knobs.challenge_metadata = Some("http://127.0.0.1:1/evil".to_owned());
        knobs.challenge_scope = None;
    });
    let answer = client.call(Some(&access), "echo").await.expect(401);
    let expected = "Bearer resource_metadata=\"http://127.0.0.1:1/evil\", error=\"invalid_token\"";
    assert_eq!(answer.header("www-authenticate"), Some(expected));
    oauth.change(|knobs| knobs.challenge = Some(vec!["Basic realm=\"x\"".to_owned(), "Bearer".to_owned()]));
    let answer = client.call(None, "echo").await.expect(401);
    assert_eq!(answer.headers.get_all("www-authenticate").iter().count(), 2);
    oauth.change(|knobs| knobs.challenge = Some(Vec::new()));
    assert_eq!(client.call(None, "echo").await.expect(401).header("www-authenticate"), None);
}

#[tokio::test]
async fn revoked_tokens_are_gone() {
    let oauth = peer().await;
    let client = Client::registered(&oauth, "client_secret_basic").await;
    let (access, refresh) = client.connect().await;
    let token = |token: &str| vec![("token".to_owned(), token.to_owned())];
    let stranger = Client::registered(&oauth, "none").await;
    stranger.send("/revoke", token(&refresh)).await.expect(400);
    client.send("/revoke", token("made up")).await.expect(200);
    oauth.change(|knobs| knobs.revokes_access_tokens = false);
    let refused = client.send("/revoke", token(&access)).await.expect(400);
    assert_eq!(error_of(&refused), "unsupported_token_type");
    assert!(oauth.is_live(&access));
    client.send("/revoke", token(&refresh)).await.expect(200);
    assert!(!oauth.is_live(&access));
    assert_eq!(oauth.live_families(), 0);
}
