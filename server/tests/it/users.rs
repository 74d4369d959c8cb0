//! Accounts, managed (behaviour 2 and 30).

use crate::support::{CHATS, OWNER_EMAIL, TestServer, over, text};
use api::users::Role;
use serde_json::{Value, json};
use std::time::Duration;
use testkit::{
    fake_llm::{Call, FakeLlm, Reply},
    fake_mcp::{FakeMcp, FakeTool, ToolAnswer},
    wait::until,
};

const USERS: &str = "/api/v2/users";

fn new_user(name: &str) -> Value {
    json!({"email": format!("{name}@example.org"), "username": name, "password": "a long enough phrase"})
}

#[tokio::test]
async fn an_admin_makes_reads_changes_and_removes_users() {
    let server = TestServer::start().await;
    let admin = server.user(Role::Admin).await.client;
    let made = admin.post(USERS, &over(new_user("ada"), json!({"name": "Ada L."}))).await.expect(201).json();
    assert_eq!(
        (&made["roles"], &made["status"], &made["name"]),
        (&json!(["member"]), &json!("active"), &json!("Ada L."))
    );
    assert!(made.get("password").is_none() && made.get("password_hash").is_none());
    let path = format!("{USERS}/{}", made["id"].as_str().unwrap());
    assert_eq!(admin.get(&path).await.expect(200).json(), made);
    let changed =
        admin.patch(&path, &json!({"name": "", "roles": ["auditor", "member"]})).await.expect(200).json();
    assert_eq!(
        (&changed["name"], &changed["roles"], &changed["email"]),
        (&json!(""), &json!(["auditor", "member"]), &made["email"])
    );
    admin.delete(&path).await.expect(204);
    admin.get(&path).await.expect(404);
    admin.delete(&path).await.expect(404);
}

#[tokio::test]
async fn every_mistake_is_named_at_once() {
    let server = TestServer::start().await;
    let wrong = json!({"email": "a@", "username": "two words", "name": "x\ny", "password": "123456789012", "roles": ["king"]});
    let answer = server.owner().post(USERS, &wrong).await.expect(400);
    assert_eq!(answer.refused_fields(), ["email", "name", "password", "roles", "username"]);
    assert_eq!(
        server.owner().post(USERS, &json!({})).await.expect(400).refused_fields(),
        ["email", "password", "username"]
    );
}

#[tokio::test]
async fn email_and_username_conflicts_name_their_field() {
    let server = TestServer::start().await;
    let taken = over(new_user("ada"), json!({"email": OWNER_EMAIL.to_uppercase()}));
    assert_eq!(server.owner().post(USERS, &taken).await.expect(409).refused_fields(), ["email"]);
    let taken = over(new_user("ada"), json!({"username": "OWNER"}));
    assert_eq!(server.owner().post(USERS, &taken).await.expect(409).refused_fields(), ["username"]);
}

#[tokio::test]
async fn only_an_owner_changes_owners() {
    let server = TestServer::start().await;
    let admin = server.user(Role::Admin).await.client;
    let owner = server.user(Role::Owner).await;
    let path = format!("{USERS}/{}", owner.id);
    admin.post(USERS, &over(new_user("evil"), json!({"roles": ["owner"]}))).await.expect(403);
    for change in [
        json!({"roles": ["member"]}),
        json!({"password": "a new long password"}),
        json!({"status": "suspended"}),
    ] {
        admin.patch(&path, &change).await.expect(403);
    }
    admin.delete(&path).await.expect(403);
    admin.put(&format!("{path}/password"), &json!({"password": "a new long password"})).await.expect(403);
    let member = server.user(Role::Member).await;
    admin.patch(&format!("{USERS}/{}", member.id), &json!({"roles": ["owner"]})).await.expect(403);
    server.owner().patch(&path, &json!({"roles": ["member"]})).await.expect(200);
}

#[tokio::test]
async fn the_last_owner_stays() {
    let server = TestServer::start().await;
    let me = server.owner().get(&format!("{USERS}/me")).await.expect(200).json();
    let path = format!("{USERS}/{}", me["id"].as_str().unwrap());
    server.owner().patch(&path, &json!({"roles": ["admin"]})).await.expect(409);
    server.owner().delete(&path).await.expect(409);
    server.owner().patch(&path, &json!({"status": "suspended"})).await.expect(400);
    assert_eq!(server.owner().get(&path).await.expect(200).json()["roles"], json!(["owner"]));
    let other = server.user(Role::Owner).await;
    other.client.patch(&path, &json!({"roles": ["admin"]})).await.expect(200);
}

#[tokio::test]
async fn members_see_and_rename_themselves_and_nobody_else() {
    let server = TestServer::start().await;
    let (me, other) = (server.user(Role::Member).await, server.user(Role::Member).await);
    let own = format!("{USERS}/me");
    assert_eq!(me.client.get(&own).await.expect(200).json()["id"], json!(me.id));
    assert_eq!(
        me.client.patch(&own, &json!({"name": "New Name"})).await.expect(200).json()["name"],
        "New Name"
    );
    for change in
        [json!({"roles": ["owner"]}), json!({"status": "active"}), json!({"password": "a new long password"})]
    {
        me.client.patch(&own, &change).await.expect(403);
    }
    me.client.get(USERS).await.expect(403);
    let theirs = me.client.get(&format!("{USERS}/{}", other.id)).await;
    let unknown = me.client.get(&format!("{USERS}/01930000-0000-7000-8000-000000000000")).await;
    assert_eq!((theirs.status, unknown.status), (403, 403));
    assert_eq!(theirs.body, unknown.body);
    me.client.patch(&format!("{USERS}/{}", other.id), &json!({"name": "x"})).await.expect(403);
    me.client.delete(&format!("{USERS}/{}", other.id)).await.expect(403);
}

#[tokio::test]
async fn users_are_listed_by_name_in_pages() {
    let server = TestServer::start().await;
    for name in ["Charlie", "alpha", "Bravo"] {
        server.owner().post(USERS, &new_user(name)).await.expect(201);
    }
    let mut seen = Vec::new();
    let mut after = String::new();
    loop {
        let page = server.owner().get(&format!("{USERS}?limit=2&after={after}")).await.expect(200).json();
        let page = page.as_array().unwrap();
        let Some(last) = page.last() else { break };
        assert!(page.len() <= 2);
        after = last["username"].as_str().unwrap().to_owned();
        seen.extend(page.iter().map(|user| user["username"].as_str().unwrap().to_owned()));
    }
    assert_eq!(seen, ["alpha", "Bravo", "Charlie", "owner"]);
}

#[tokio::test]
async fn a_lost_role_counts_from_the_next_request() {
    let server = TestServer::start().await;
    let admin = server.user(Role::Admin).await;
    admin.client.get(USERS).await.expect(200);
    server.owner().patch(&format!("{USERS}/{}", admin.id), &json!({"roles": ["member"]})).await.expect(200);
    admin.client.get(USERS).await.expect(403);
}

/// Behaviour 2: account changes reach running turns within five seconds.
#[tokio::test]
async fn the_turn_of_a_suspended_user_stops_and_calls_no_further_tool() {
    let slow = FakeTool::of_text("note", "Notes")
        .answering(|_| ToolAnswer::text("noted").after(Duration::from_millis(500)));
    let fake = FakeMcp::start(vec![slow]).await;
    // It would call the tool for ever.
    let llm =
        FakeLlm::scripted(|_| Reply::call(Call::new("c", "fake__note", &json!({"text": "again"})))).await;
    let server = TestServer::start().await;
    server.scripted_model(&llm, "sk-x").await;
    server.register_fake("fake", &fake).await;
    let person = server.user(Role::Member).await;
    person.client.post(CHATS, &json!({"content": text("go")})).await.expect(201);
    until("the second call", || async { (fake.effects().len() >= 2).then_some(()) }).await;
    server
        .owner()
        .patch(&format!("{USERS}/{}", person.id), &json!({"status": "suspended"}))
        .await
        .expect(200);
    tokio::time::sleep(Duration::from_secs(5)).await;
    let calls = fake.effects().len();
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(fake.effects().len(), calls, "no further call after five seconds");
    assert!(calls < 8, "it stopped early: {calls}");
}
