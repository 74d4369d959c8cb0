//! The first owner (issue point 1, behaviour 30).

use crate::support::{OWNER_EMAIL, OWNER_PASSWORD, SETUP_TOKEN, TestServer, first_user, over};
use serde_json::json;

const FIRST: &str = "/api/v2/users/first";

#[tokio::test]
async fn the_first_owner_is_made_once() {
    let server = TestServer::bare().await;
    let anyone = server.anonymous();
    anyone.get(FIRST).await.expect(404);
    let made = anyone.post(FIRST, &first_user()).await.expect(201).json();
    assert_eq!(
        (&made["email"], &made["roles"], &made["status"]),
        (&json!(OWNER_EMAIL), &json!(["owner"]), &json!("active"))
    );
    anyone.get(FIRST).await.expect(200);
    let second = over(first_user(), json!({"email": "second@example.org", "username": "second"}));
    anyone.post(FIRST, &second).await.expect(409);
    server.login(OWNER_EMAIL, OWNER_PASSWORD).await;
}

#[tokio::test]
async fn a_wrong_setup_token_is_refused_and_leaves_set_up_open() {
    let server = TestServer::bare().await;
    let anyone = server.anonymous();
    for token in ["", "wrong", "a-setup-token-for-test", &SETUP_TOKEN.to_uppercase()] {
        anyone.post(FIRST, &over(first_user(), json!({"setup_token": token}))).await.expect(403);
    }
    anyone.get(FIRST).await.expect(404);
    anyone.post(FIRST, &first_user()).await.expect(201);
}

#[tokio::test]
async fn guessing_the_setup_token_is_limited() {
    let server = TestServer::bare().await;
    let anyone = server.anonymous();
    let mut refused = Vec::new();
    for n in 0..12 {
        let guess = over(first_user(), json!({"setup_token": format!("guess-{n}")}));
        let answer = anyone.post(FIRST, &guess).await;
        assert!(answer.status != 429 || answer.header("retry-after").is_some());
        refused.push(answer.status);
    }
    assert_eq!(refused, [vec![403; 10], vec![429; 2]].concat());
    anyone.post(FIRST, &first_user()).await.expect(429);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_parallel_set_ups_one_wins() {
    let server = TestServer::bare().await;
    let attempts: Vec<_> = (0..6)
        .map(|n| {
            let anyone = server.anonymous();
            let names = json!({"email": format!("o{n}@example.org"), "username": format!("owner{n}")});
            tokio::spawn(async move { anyone.post(FIRST, &over(first_user(), names)).await.status })
        })
        .collect();
    let mut seen = Vec::new();
    for attempt in attempts {
        seen.push(attempt.await.unwrap());
    }
    seen.sort_unstable();
    assert_eq!(seen[0], 201);
    assert!(seen[1..].iter().all(|status| matches!(status, 403 | 409)), "{seen:?}");
}

#[tokio::test]
async fn every_mistake_in_the_form_is_named_at_once() {
    let server = TestServer::bare().await;
    let wrong = json!({"email": "nonsense", "username": "", "password": "short", "setup_token": SETUP_TOKEN});
    let answer = server.anonymous().post(FIRST, &wrong).await.expect(400);
    assert_eq!(answer.refused_fields(), ["email", "password", "username"]);
    let unknown = over(first_user(), json!({"roles": ["owner"]}));
    let answer = server.anonymous().post(FIRST, &unknown).await.expect(400);
    assert_eq!(answer.refused_fields(), ["roles"]);
    server.anonymous().get(FIRST).await.expect(404);
}

#[tokio::test]
async fn the_setup_token_is_stored_as_a_hash_only() {
    let server = TestServer::bare().await;
    for entry in std::fs::read_dir(server.data.path()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        let found = bytes.windows(SETUP_TOKEN.len()).any(|window| window == SETUP_TOKEN.as_bytes());
        assert!(!found, "the token lies in the data directory");
    }
}
