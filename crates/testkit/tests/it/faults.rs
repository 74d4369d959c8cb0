//! Faults of an endpoint: late, elsewhere, lost, silent.

use crate::client::{Client, encode, error_of, peer, with};
use patchbay_testkit::fake_oauth::{Canned, Meddle, basic};
use std::time::{Duration, Instant};

/// Long enough to be told from nothing.
const PAUSE: Duration = Duration::from_millis(200);

#[tokio::test]
async fn lost_answers_have_done_their_work() {
    let oauth = peer().await;
    let client = Client::registered(&oauth, "client_secret_basic").await;
    let (_, refresh) = client.connect().await;
    oauth.meddle("/token", Meddle::lose().times(1));
    let form = client.refresh(&refresh);
    let header = basic(&client.id, client.secret.as_deref().unwrap());
    let request = client.http.request(http::Method::POST, "/token").header("authorization", &header);
    let lost = request.body("application/x-www-form-urlencoded", encode(&form)).try_send().await;
    assert!(lost.unwrap_err().status().is_none(), "not a byte of an answer");
    assert_eq!(oauth.families()[0].rotations, 2);
    // A strict server takes the second use of the old token for theft.
    assert_eq!(error_of(&client.token(form).await.expect(400)), "invalid_grant");
    assert_eq!(oauth.revoked_families(), 1);
}

#[tokio::test]
async fn faults_are_met_by_the_requests_they_are_for() {
    let oauth = peer().await;
    let client = Client::registered(&oauth, "none").await;
    let busy = Canned::status(503).header("retry-after", "7");
    oauth.meddle("/token", Meddle::instead(busy).only_with("grant_type=refresh_token").times(1));
    let (_, refresh) = client.connect().await;
    let answer = client.token(client.refresh(&refresh)).await.expect(503);
    assert_eq!(answer.header("retry-after"), Some("7"));
    client.token(client.refresh(&refresh)).await.expect(200);
    assert_eq!(oauth.token_requests("refresh_token").len(), 2);
    assert_eq!(oauth.revoked_families(), 0);
}

#[tokio::test]
async fn every_endpoint_redirects_as_told() {
    let oauth = peer().await;
    let client = Client::registered(&oauth, "none").await;
    for status in [301, 302, 303, 307, 308] {
        for path in ["/token", "/register", "/mcp", "/revoke"] {
            oauth.honest(path);
            oauth.meddle(path, Meddle::redirect(status, "http://127.0.0.1:1/there"));
            let answer = client.send(path, Vec::new()).await.expect(status);
            assert_eq!(answer.header("location"), Some("http://127.0.0.1:1/there"));
        }
    }
}

#[tokio::test]
async fn slow_and_silent_endpoints_are_that() {
    let oauth = peer().await;
    let client = Client::registered(&oauth, "none").await;
    let (_, refresh) = client.connect().await;
    oauth.meddle("/token", Meddle::slow(PAUSE).times(1));
    oauth.meddle("/token", Meddle::late(PAUSE).times(1));
    let start = Instant::now();
    // The first is waited for before, the second after the work.
    let first = client.token(client.refresh(&refresh));
    let second = async {
        tokio::time::sleep(PAUSE / 4).await;
        client.token(with(client.refresh(&refresh), "resource", None)).await
    };
    let (first, second) = tokio::join!(first, second);
    first.expect(200);
    second.expect(400);
    assert!(start.elapsed() >= PAUSE);
    oauth.honest("/token");
    oauth.meddle("/token", Meddle::hang());
    let silent = tokio::time::timeout(PAUSE, client.token(client.refresh(&refresh))).await;
    assert!(silent.is_err() && oauth.families()[0].rotations == 2);
}
