//! Login, logout, the three carriers, tokens, sessions (behaviour 2 and 30).

use crate::support::{COOKIE, OWNER_EMAIL, OWNER_PASSWORD, SERVERS, TestServer, cookie};
use api::users::Role;
use http::Method;
use serde_json::{Value, json};
use testkit::http::{Answer, Proof};

const LOGIN: &str = "/api/v2/users/login";
const ME: &str = "/api/v2/users/me";

async fn login(server: &TestServer, email: &str, password: &str) -> Answer {
    server.anonymous().post(LOGIN, &json!({"email": email, "password": password})).await
}

/// The answer without what differs from request to request.
fn comparable(answer: &Answer) -> String {
    let mut headers = answer.headers.clone();
    headers.remove("x-request-id");
    headers.remove("date");
    format!("{} {headers:?} {}", answer.status, answer.body)
}

#[tokio::test]
async fn unknown_wrong_and_suspended_are_one_answer() {
    let server = TestServer::start().await;
    let person = server.user(Role::Member).await;
    let suspended = server.user(Role::Member).await;
    let path = format!("/api/v2/users/{}", suspended.id);
    server.owner().patch(&path, &json!({"status": "suspended"})).await.expect(200);
    let wrong = login(&server, &person.email, "not the password").await.expect(401);
    let unknown = login(&server, "nobody@example.org", "not the password").await;
    let right_but_suspended = login(&server, &suspended.email, &suspended.password).await;
    assert_eq!(comparable(&wrong), comparable(&unknown));
    assert_eq!(comparable(&wrong), comparable(&right_but_suspended));
    assert!(wrong.body.contains("wrong"), "{}", wrong.body);
    login(&server, &person.email, &person.password).await.expect(201);
}

#[tokio::test]
async fn an_unknown_account_costs_as_much_as_a_wrong_password() {
    let server = TestServer::start().await;
    let person = server.user(Role::Member).await;
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..4 {
        for (n, email) in [person.email.as_str(), "nobody@example.org"].into_iter().enumerate() {
            let begun = std::time::Instant::now();
            login(&server, email, "not the password").await.expect(401);
            times[n].push(begun.elapsed());
        }
    }
    let best = times.map(|times| times.into_iter().min().unwrap());
    // A shortcut would be a hundred times faster than hashing; noise is far below a factor of three.
    assert!(best[1] * 3 > best[0] && best[0] * 3 > best[1], "{best:?}");
}

#[tokio::test]
async fn after_ten_attempts_an_account_waits_also_with_the_right_password() {
    let server = TestServer::start().await;
    for _ in 0..10 {
        login(&server, OWNER_EMAIL, "not the password").await.expect(401);
    }
    let answer = login(&server, OWNER_EMAIL, OWNER_PASSWORD).await.expect(429);
    let seconds: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=300).contains(&seconds), "{seconds}");
    assert!(!answer.message().is_empty());
    // Whatever its case: the account is the same.
    login(&server, &OWNER_EMAIL.to_uppercase(), OWNER_PASSWORD).await.expect(429);
}

#[tokio::test]
async fn a_forged_forwarding_header_gets_no_new_attempts() {
    let server = TestServer::start().await;
    let mut last = 0;
    for n in 0..11 {
        let body = json!({"email": format!("nobody{n}@example.org"), "password": "not the password"});
        let ask =
            server.anonymous().request(Method::POST, LOGIN).header("x-forwarded-for", &format!("10.1.1.{n}"));
        last = ask.json(&body).send().await.status;
    }
    assert_eq!(last, 429, "attempts are counted by the peer's own address");
}

#[tokio::test]
async fn a_trusted_proxy_names_the_address_that_counts() {
    let server = TestServer::with(|settings| settings.trusted_proxies = Some("127.0.0.1".to_owned()))
        .await
        .owned()
        .await;
    for n in 0..11 {
        let body = json!({"email": format!("nobody{n}@example.org"), "password": "not the password"});
        let ask =
            server.anonymous().request(Method::POST, LOGIN).header("x-forwarded-for", &format!("10.1.1.{n}"));
        ask.json(&body).send().await.expect(401);
    }
    let agent =
        server.anonymous().request(Method::POST, LOGIN).header("x-forwarded-for", "9.9.9.9, 10.7.7.7");
    let body = json!({"email": OWNER_EMAIL, "password": OWNER_PASSWORD});
    let token =
        agent.json(&body).send().await.expect(201).json()["session_token"].as_str().unwrap().to_owned();
    let sessions = server
        .anonymous()
        .with(Proof::Bearer(token))
        .get("/api/v2/users/me/sessions")
        .await
        .expect(200)
        .json();
    let current =
        sessions.as_array().unwrap().iter().find(|session| session["current"] == true).unwrap().clone();
    assert_eq!(current["address"], "10.7.7.7", "read from the right, the last untrusted one");
}

#[tokio::test]
async fn cookie_bearer_and_header_carry_the_same_token_with_the_same_rights() {
    let server = TestServer::start().await;
    for role in [Role::Admin, Role::Auditor, Role::Member] {
        let person = server.user(role).await;
        let token = person.token.clone();
        let clients = [Proof::Bearer(token.clone()), Proof::Header(token.clone()), cookie(&token)]
            .map(|proof| server.anonymous().with(proof));
        for path in
            [ME, SERVERS, "/api/v2/users", "/api/v2/providers", "/api/v2/models", "/api/experimental/chats"]
        {
            let mut answers = Vec::new();
            for client in &clients {
                answers.push(comparable(&client.get(path).await));
            }
            assert!(answers.iter().all(|answer| *answer == answers[0]), "{role:?} {path}: {answers:#?}");
        }
        let mut writes = Vec::new();
        for client in &clients {
            writes.push(client.post(SERVERS, &json!({})).await.status);
        }
        assert_eq!(writes, if role == Role::Admin { [400; 3] } else { [403; 3] });
    }
}

#[tokio::test]
async fn a_token_in_the_address_is_never_read() {
    let server = TestServer::start().await;
    let token = server.login(OWNER_EMAIL, OWNER_PASSWORD).await;
    for name in
        ["token", "access_token", "session_token", "coder_session_token", "Coder-Session-Token", COOKIE]
    {
        server.anonymous().get(&format!("{ME}?{name}={token}")).await.expect(401);
    }
}

#[tokio::test]
async fn a_dead_or_garbled_token_is_unauthorized_everywhere() {
    let server = TestServer::start().await;
    for token in ["x", "Bearer", &"a".repeat(43), &"a".repeat(5000)] {
        for proof in [Proof::Bearer(token.to_owned()), Proof::Header(token.to_owned()), cookie(token)] {
            let answer = server.anonymous().with(proof).get(ME).await.expect(401);
            assert!(answer.header("www-authenticate").is_some());
            assert!(!answer.message().is_empty());
        }
    }
}

#[tokio::test]
async fn logout_ends_this_session_and_no_other() {
    let server = TestServer::start().await;
    let (one, two) =
        (server.login(OWNER_EMAIL, OWNER_PASSWORD).await, server.login(OWNER_EMAIL, OWNER_PASSWORD).await);
    let (one, two) =
        (server.anonymous().with(Proof::Bearer(one)), server.anonymous().with(Proof::Bearer(two)));
    let answer = one.post("/api/v2/users/logout", &json!({})).await.expect(200);
    assert!(answer.header("set-cookie").unwrap().contains("Max-Age=0"));
    one.get(ME).await.expect(401);
    two.get(ME).await.expect(200);
    server.anonymous().post("/api/v2/users/logout", &json!({})).await.expect(401);
}

#[tokio::test]
async fn an_api_token_is_shown_once_works_is_listed_and_can_be_removed() {
    let server = TestServer::start().await;
    let person = server.user(Role::Member).await;
    let path = "/api/v2/users/me/keys/tokens";
    let made = person
        .client
        .post(path, &json!({"token_name": "laptop", "lifetime_seconds": 3600}))
        .await
        .expect(201)
        .json();
    let key = made["key"].as_str().unwrap().to_owned();
    assert!(key.len() >= 43, "256 bits: {key}");
    let by_token = server.anonymous().with(Proof::Bearer(key.clone()));
    assert_eq!(by_token.get(ME).await.expect(200).json()["id"], json!(person.id));
    let listed = person.client.get(path).await.expect(200);
    assert!(!listed.body.contains(&key), "a token is readable once");
    assert_eq!((&listed.json()[0]["token_name"], &listed.json()[0]["id"]), (&json!("laptop"), &made["id"]));
    let other = server.user(Role::Member).await;
    let own = format!("/api/v2/users/me/keys/{}", made["id"].as_str().unwrap());
    other.client.delete(&own).await.expect(404);
    other.client.delete(&own.replace("me", &person.id)).await.expect(403);
    other.client.get(&path.replace("/me/", &format!("/{}/", person.id))).await.expect(403);
    server.owner().delete(&own.replace("me", &person.id)).await.expect(204);
    by_token.get(ME).await.expect(401);
}

#[tokio::test]
async fn token_names_and_lifetimes_are_bounded() {
    let server = TestServer::start().await;
    for body in [
        json!({"token_name": "x".repeat(65)}),
        json!({"token_name": "t", "lifetime_seconds": -1}),
        json!({"token_name": "t", "lifetime_seconds": 366 * 24 * 3600}),
        json!({"token_name": "t", "scope": "all"}),
    ] {
        let answer = server.owner().post("/api/v2/users/me/keys/tokens", &body).await.expect(400);
        assert_eq!(answer.refused_fields().len(), 1, "{}", answer.body);
    }
}

#[tokio::test]
async fn sessions_are_listed_with_the_current_one_marked_and_can_be_revoked() {
    let server = TestServer::start().await;
    let person = server.user(Role::Member).await;
    let other = server.anonymous().with(Proof::Bearer(server.login(&person.email, &person.password).await));
    let list = person.client.get("/api/v2/users/me/sessions").await.expect(200).json();
    let sessions = list.as_array().unwrap();
    assert_eq!(sessions.len(), 2);
    let current: Vec<&Value> = sessions.iter().filter(|session| session["current"] == true).collect();
    assert_eq!(current.len(), 1);
    assert_eq!(current[0]["address"], "127.0.0.1");
    let foreign =
        sessions.iter().find(|session| session["current"] == false).unwrap()["id"].as_str().unwrap();
    let path = format!("/api/v2/users/me/sessions/{foreign}");
    server.owner().delete(&path).await.expect(404);
    person.client.delete(&path).await.expect(204);
    other.get(ME).await.expect(401);
    person.client.delete(&path).await.expect(404);
    person.client.get(ME).await.expect(200);
}

#[tokio::test]
async fn suspension_and_deletion_end_every_credential_at_once() {
    let server = TestServer::start().await;
    let person = server.user(Role::Member).await;
    let key = person
        .client
        .post("/api/v2/users/me/keys/tokens", &json!({"token_name": "t"}))
        .await
        .expect(201)
        .json();
    let by_key = server.anonymous().with(Proof::Bearer(key["key"].as_str().unwrap().to_owned()));
    let path = format!("/api/v2/users/{}", person.id);
    server.owner().patch(&path, &json!({"status": "suspended"})).await.expect(200);
    person.client.get(ME).await.expect(401);
    by_key.get(ME).await.expect(401);
    server.owner().patch(&path, &json!({"status": "active"})).await.expect(200);
    by_key.get(ME).await.expect(200);
    server.owner().delete(&path).await.expect(204);
    by_key.get(ME).await.expect(401);
}

#[tokio::test]
async fn a_change_of_password_ends_the_other_sessions() {
    let server = TestServer::start().await;
    let person = server.user(Role::Member).await;
    let other = server.anonymous().with(Proof::Bearer(server.login(&person.email, &person.password).await));
    let path = "/api/v2/users/me/password";
    let wrong = json!({"old_password": "not the password", "password": "another long password"});
    assert_eq!(person.client.put(path, &wrong).await.expect(400).refused_fields(), ["old_password"]);
    let short = json!({"old_password": person.password, "password": "short"});
    assert_eq!(person.client.put(path, &short).await.expect(400).refused_fields(), ["password"]);
    other.get(ME).await.expect(200);
    let right = json!({"old_password": person.password, "password": "another long password"});
    person.client.put(path, &right).await.expect(204);
    person.client.get(ME).await.expect(200);
    other.get(ME).await.expect(401);
    login(&server, &person.email, &person.password).await.expect(401);
    login(&server, &person.email, "another long password").await.expect(201);
}

#[tokio::test]
async fn behind_https_the_cookie_has_the_host_prefix_and_is_secure() {
    let https = |settings: &mut patchbay_server::config::Settings| {
        settings.access_url = Some("https://patchbay.example.org".to_owned());
    };
    let server = TestServer::with(https).await.owned().await;
    let form = format!("email={OWNER_EMAIL}&password={}", OWNER_PASSWORD.replace(' ', "+"));
    let ask =
        server.anonymous().request(Method::POST, "/login").header("origin", "https://patchbay.example.org");
    let answer = ask.body("application/x-www-form-urlencoded", form).send().await.expect(303);
    let cookie = answer.header("set-cookie").unwrap();
    for part in ["__Host-patchbay_session=", "; Secure", "; HttpOnly", "; SameSite=Lax", "; Path=/"] {
        assert!(cookie.contains(part), "{part} is missing in {cookie}");
    }
    assert!(!cookie.contains("Domain"), "{cookie}");
    assert!(answer.header("strict-transport-security").is_some());
    let token = cookie.split(['=', ';']).nth(1).unwrap();
    let plain = server.anonymous().with(Proof::Cookie { name: COOKIE.to_owned(), token: token.to_owned() });
    plain.get(ME).await.expect(401);
    let prefixed =
        server.anonymous().with(Proof::Cookie { name: format!("__Host-{COOKIE}"), token: token.to_owned() });
    prefixed.get(ME).await.expect(200);
}
