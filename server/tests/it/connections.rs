//! Own values of a user for a `user_header` server: entered, sent, seen by admins, removed (behaviour 4, 7 and 10).

use crate::support::{SERVERS, TestServer, chat, over, server_body, text};
use api::users::Role;
use http::Method;
use serde_json::{Value, json};
use testkit::{
    fake_llm::{FakeLlm, offered_tools},
    fake_mcp::{FakeMcp, FakeTool},
};

const UNKNOWN: &str = "01930000-0000-7000-8000-000000000000";

fn asking(slug: &str, url: &str) -> Value {
    let more = json!({
        "auth_type": "user_header", "enabled": true,
        "user_headers": [
            {"name": "X-Token", "description": "Make one under Settings", "value_prefix": "Bearer "},
            {"name": "X-Team"},
        ],
    });
    over(server_body(slug, url), more)
}

fn mine() -> Value {
    json!({"values": {"x-token": "canary-of-mine", "X-Team": "blue"}})
}

fn state(server: &Value) -> (&str, bool) {
    (server["auth_status"].as_str().unwrap(), server["auth_connected"].as_bool().unwrap())
}

#[tokio::test]
async fn own_values_go_on_every_request_the_first_included_and_are_never_returned() {
    let fake = FakeMcp::start(vec![FakeTool::of_text("note", "x")]).await;
    fake.require_header("x-token", "Bearer canary-of-mine");
    let server = TestServer::start().await;
    let path = format!("{SERVERS}/{}", server.register(&asking("notes", &fake.url())).await);
    let ada = server.user(Role::Member).await.client;
    let before = ada.get(&path).await.expect(200).json();
    assert_eq!(state(&before), ("not_connected", false));
    assert_eq!(before["user_headers"][0]["description"], "Make one under Settings");
    let report = ada.post(&format!("{path}/check"), &json!({})).await.expect(200).json();
    assert_eq!((&report["outcome"], &report["auth_status"]), (&json!("skipped"), &json!("not_connected")));
    assert!(fake.requests().is_empty(), "not dialled without values");

    ada.put(&format!("{path}/user_headers"), &mine()).await.expect(204);
    let after = ada.get(&path).await.expect(200);
    assert_eq!(state(&after.json()), ("connected", true));
    let list = ada.get(SERVERS).await.expect(200);
    assert_eq!(list.json()[0], after.json());
    let report = ada.post(&format!("{path}/check"), &json!({})).await.expect(200).json();
    assert_eq!((&report["outcome"], &report["auth_status"]), (&json!("connected"), &json!("connected")));
    let sent = fake.requests();
    assert!(!sent.is_empty());
    for request in &sent {
        assert_eq!(request.header("x-token"), Some("Bearer canary-of-mine"), "{}", request.whole());
        assert_eq!(request.header("x-team"), Some("blue"));
    }
    // Nobody else is connected by it, and nobody reads it.
    let others = [server.user(Role::Member).await.client, server.user(Role::Auditor).await.client];
    for other in others.iter().chain([server.owner()]) {
        let seen = other.get(&path).await.expect(200);
        assert_eq!(state(&seen.json()), ("not_connected", false));
        assert!(!seen.whole().contains("canary"));
    }
    assert!(!after.whole().contains("canary") && !list.whole().contains("canary"));

    ada.delete(&format!("{path}/user_headers")).await.expect(204);
    assert_eq!(state(&ada.get(&path).await.expect(200).json()), ("not_connected", false));
}

#[tokio::test]
async fn what_does_not_fit_is_named() {
    let server = TestServer::start().await;
    let path = format!(
        "{SERVERS}/{}/user_headers",
        server.register(&asking("s", "https://mcp.example.org/mcp")).await
    );
    for (values, fields) in [
        (json!({}), vec!["values.X-Team", "values.X-Token"]),
        (json!({"X-Token": "t"}), vec!["values.X-Team"]),
        (json!({"X-Token": "t", "X-Team": ""}), vec!["values.X-Team"]),
        (json!({"X-Token": "t", "X-Team": "a", "X-More": "b"}), vec!["values.X-More"]),
        (json!({"X-Token": "a\r\nb", "X-Team": "a\u{0}"}), vec!["values.X-Team", "values.X-Token"]),
        (json!({"X-Token": "t", "X-Team": 1}), vec!["values.X-Team"]),
    ] {
        let answer = server.owner().put(&path, &json!({"values": values})).await.expect(400);
        assert_eq!(answer.refused_fields(), fields, "{}", answer.body);
    }
    let twice = r#"{"values": {"X-Token": "a", "X-Team": "b", "X-Token": "c"}}"#;
    let answer =
        server.owner().request(Method::PUT, &path).body("application/json", twice).send().await.expect(400);
    assert_eq!(answer.refused_fields(), ["values.X-Token"]);
    server.owner().put(&path, &json!({"values": {}, "more": 1})).await.expect(400);
    let plain = server.register(&server_body("plain", "https://mcp.example.org/mcp")).await;
    let answer = server.owner().put(&format!("{SERVERS}/{plain}/user_headers"), &mine()).await.expect(400);
    assert!(answer.message().contains("`none`"), "{}", answer.message());
    for id in [UNKNOWN, "x"] {
        let status = if id == "x" { 400 } else { 404 };
        server.owner().put(&format!("{SERVERS}/{id}/user_headers"), &mine()).await.expect(status);
    }
}

/// Users can always take back what they entered, and the answer does not tell what exists.
#[tokio::test]
async fn disconnect_and_delete_answer_204_for_every_well_formed_id() {
    let server = TestServer::start().await;
    let id = server.register(&asking("s", "https://mcp.example.org/mcp")).await;
    let ada = server.user(Role::Member).await.client;
    for tail in ["user_headers", "oauth2/disconnect"] {
        ada.put(&format!("{SERVERS}/{id}/user_headers"), &mine()).await.expect(204);
        // Out of sight by now; the values are still theirs.
        server.owner().patch(&format!("{SERVERS}/{id}"), &json!({"enabled": false})).await.expect(200);
        ada.get(&format!("{SERVERS}/{id}")).await.expect(404);
        ada.put(&format!("{SERVERS}/{id}/user_headers"), &mine()).await.expect(404);
        for target in [id.as_str(), id.as_str(), UNKNOWN] {
            let answer = ada.delete(&format!("{SERVERS}/{target}/{tail}")).await.expect(204);
            assert_eq!(answer.body, "");
            let revoked = (tail == "oauth2/disconnect").then_some("none");
            assert_eq!(answer.header("patchbay-token-revoked"), revoked);
        }
        ada.delete(&format!("{SERVERS}/no-uuid/{tail}")).await.expect(400);
        server.owner().patch(&format!("{SERVERS}/{id}"), &json!({"enabled": true})).await.expect(200);
        assert_eq!(
            state(&ada.get(&format!("{SERVERS}/{id}")).await.expect(200).json()),
            ("not_connected", false)
        );
    }
}

#[tokio::test]
async fn connections_are_seen_by_admins_and_auditors_and_ended_by_admins() {
    let server = TestServer::start().await;
    let path = format!("{SERVERS}/{}", server.register(&asking("s", "https://mcp.example.org/mcp")).await);
    let (ada, bob) = (server.user(Role::Member).await, server.user(Role::Member).await);
    for person in [&ada, &bob] {
        person.client.put(&format!("{path}/user_headers"), &mine()).await.expect(204);
    }
    let all = format!("{path}/connections");
    for role in [Role::Owner, Role::Admin, Role::Auditor] {
        let listed = server.user(role).await.client.get(&all).await.expect(200);
        let seen = listed.json();
        assert_eq!(seen.as_array().unwrap().len(), 2);
        let of_ada = seen.as_array().unwrap().iter().find(|entry| entry["user_id"] == json!(ada.id)).unwrap();
        assert_eq!((&of_ada["auth_status"], &of_ada["last_error"]), (&json!("connected"), &json!("")));
        assert!(of_ada["since"].is_string() && !listed.whole().contains("canary"));
    }
    ada.client.get(&all).await.expect(403);
    let auditor = server.user(Role::Auditor).await.client;
    auditor.delete(&all).await.expect(403);
    auditor.delete(&format!("{all}/{}", ada.id)).await.expect(403);
    for _ in 0..2 {
        server.owner().delete(&format!("{all}/{}", ada.id)).await.expect(204);
    }
    assert_eq!(state(&ada.client.get(&path).await.expect(200).json()), ("not_connected", false));
    assert_eq!(state(&bob.client.get(&path).await.expect(200).json()), ("connected", true));
    server.owner().delete(&all).await.expect(204);
    assert_eq!(server.owner().get(&all).await.expect(200).json(), json!([]));
    for (method, tail, status) in
        [(Method::GET, "", 404), (Method::DELETE, "", 404), (Method::DELETE, "/x", 400)]
    {
        let address = format!("{SERVERS}/{UNKNOWN}/connections{tail}");
        server.owner().request(method, &address).send().await.expect(status);
    }
}

/// Behaviour 6, point 5 and 6: what an edit takes from users, and that it says so.
#[tokio::test]
async fn an_edit_wipes_what_was_not_meant_for_the_new_server_and_counts_it() {
    let server = TestServer::start().await;
    let path = format!("{SERVERS}/{}", server.register(&asking("s", "https://mcp.example.org/mcp")).await);
    let (ada, bob) = (server.user(Role::Member).await.client, server.user(Role::Member).await.client);
    let connect = async || {
        for person in [&ada, &bob] {
            person.put(&format!("{path}/user_headers"), &mine()).await.expect(204);
        }
    };
    let headers = |names: &[&str]| json!({"user_headers": names.iter().map(|name| json!({"name": name})).collect::<Vec<_>>()});
    for (what, change, wiped, status) in [
        ("a flag", json!({"model_intent": true}), 0, "connected"),
        ("the path", json!({"url": "https://mcp.example.org/other"}), 0, "connected"),
        ("spelling", headers(&["x-token", "X-TEAM"]), 0, "connected"),
        ("a further name", headers(&["X-Token", "X-Team", "X-More"]), 0, "not_connected"),
        ("a name less", headers(&["X-Token"]), 2, "connected"),
        ("all names", headers(&["X-Other"]), 2, "not_connected"),
        ("the origin", json!({"url": "https://evil.example.org/mcp"}), 2, "not_connected"),
        ("the type", json!({"auth_type": "none"}), 2, "not_required"),
    ] {
        let whole = asking("s", "https://mcp.example.org/mcp");
        server.owner().patch(&path, &whole).await.expect(200);
        connect().await;
        let answer = server.owner().patch(&path, &change).await.expect(200).json();
        assert_eq!(answer["credentials_cleared"]["user_header_values"], json!(wiped), "{what}");
        assert_eq!(answer["credentials_cleared"]["user_tokens"], json!(0), "{what}");
        for person in [&ada, &bob] {
            assert_eq!(state(&person.get(&path).await.expect(200).json()).0, status, "{what}");
        }
    }
    // What is gone stays gone when the name comes back.
    server.owner().patch(&path, &asking("s", "https://mcp.example.org/mcp")).await.expect(200);
    connect().await;
    server.owner().patch(&path, &headers(&["X-Token"])).await.expect(200);
    server.owner().patch(&path, &headers(&["X-Token", "X-Team"])).await.expect(200);
    assert_eq!(state(&ada.get(&path).await.expect(200).json()), ("not_connected", false));
}

/// The picker and the turn say the same of a server (behaviour 10).
#[tokio::test]
async fn a_turn_uses_the_owners_values_and_goes_on_without_a_server_that_lacks_them() {
    let fake = FakeMcp::start(vec![FakeTool::of_text("note", "x")]).await;
    let server = TestServer::start().await;
    let llm = FakeLlm::start().await;
    server.scripted_model(&llm, "sk-x").await;
    let body = over(asking("notes", &fake.url()), json!({"availability": "force_on"}));
    let id = server.register(&body).await;
    let ada = server.user(Role::Member).await.client;
    let first = chat(&ada, &json!({"content": text("hi")})).await;
    assert_eq!((&first["status"], &first["mcp_server_ids"]), (&json!("waiting"), &json!([id])));
    assert_eq!(first["auth_required"][0]["server_id"], json!(id));
    assert_eq!(first["auth_required"][0]["auth_status"], "not_connected");
    assert!(offered_tools(llm.requests().last().unwrap()).is_empty() && fake.requests().is_empty());

    ada.put(&format!("{SERVERS}/{id}/user_headers"), &mine()).await.expect(204);
    let second = chat(&ada, &json!({"content": text("hi")})).await;
    assert_eq!(second["auth_required"], json!([]));
    assert_eq!(offered_tools(llm.requests().last().unwrap()), ["notes__note"]);
    assert!(fake.requests().iter().all(|request| request.header("x-token") == Some("Bearer canary-of-mine")));

    // Other values: the connection of the old ones is not used any more.
    let used = fake.requests().len();
    let changed = json!({"values": {"X-Token": "second", "X-Team": "red"}});
    ada.put(&format!("{SERVERS}/{id}/user_headers"), &changed).await.expect(204);
    chat(&ada, &json!({"content": text("hi")})).await;
    let later: Vec<_> =
        fake.requests().split_off(used).into_iter().filter(|r| r.method == Method::POST).collect();
    assert!(!later.is_empty());
    assert!(later.iter().all(|request| request.header("x-token") == Some("Bearer second")));

    ada.delete(&format!("{SERVERS}/{id}/oauth2/disconnect")).await.expect(204);
    chat(&ada, &json!({"content": text("hi")})).await;
    assert!(offered_tools(llm.requests().last().unwrap()).is_empty());
}

/// An `oauth2` server is stored, shown and not dialled: connecting is not in this build.
#[tokio::test]
async fn an_oauth2_server_by_hand_is_kept_and_not_dialled() {
    let fake = FakeMcp::start(vec![FakeTool::of_text("note", "x")]).await;
    let server = TestServer::start().await;
    let oauth2 = json!({
        "auth_type": "oauth2", "enabled": true, "oauth2_client_id": "client-7", "oauth2_client_secret": "canary-secret",
        "oauth2_auth_url": "https://id.example.org/authorize", "oauth2_token_url": "https://id.example.org/token",
        "oauth2_scopes": " read  write ",
    });
    let body = over(server_body("linear", &fake.url()), oauth2);
    let made = server.owner().post(SERVERS, &body).await.expect(201);
    let seen = made.json();
    assert_eq!(state(&seen), ("not_connected", false));
    assert_eq!(
        (&seen["oauth2_scopes"], &seen["oauth2_registration"]),
        (&json!("read write"), &json!("manual"))
    );
    assert_eq!((&seen["has_oauth2_secret"], &seen["config_problems"]), (&json!(true), &json!([])));
    assert!(!made.whole().contains("canary"));
    let path = format!("{SERVERS}/{}", seen["id"].as_str().unwrap());
    assert_eq!(server.owner().get(&path).await.expect(200).json(), seen);
    let member = server.user(Role::Member).await.client.get(&path).await.expect(200);
    assert!(!member.whole().contains("id.example.org") && !member.whole().contains("client-7"));
    let report = server.owner().post(&format!("{path}/check"), &json!({})).await.expect(200).json();
    assert_eq!((&report["outcome"], &report["auth_status"]), (&json!("skipped"), &json!("not_connected")));
    assert!(fake.requests().is_empty());
    // A wiped secret is missed until somebody says what is true.
    let moved = json!({"oauth2_token_url": "https://evil.example.org/token"});
    let answer = server.owner().patch(&path, &moved).await.expect(200).json();
    assert_eq!(answer["credentials_cleared"]["fields"], json!(["oauth2_client_secret"]));
    assert_eq!(
        (state(&answer).0, &answer["config_problems"][0]["field"]),
        ("misconfigured", &json!("oauth2_client_secret"))
    );
    let answer = server.owner().patch(&path, &json!({"oauth2_client_secret": ""})).await.expect(200).json();
    assert_eq!((state(&answer).0, &answer["has_oauth2_secret"]), ("not_connected", &json!(false)));
}
