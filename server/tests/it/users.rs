//! Accounts, managed (behaviour 2 and 30).

use crate::support::{CHATS, OWNER_EMAIL, TestServer, chat, id_of, over, text};
use api::users::Role;
use http::Method;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use testkit::{
    fake_llm::{Call, FakeLlm, Reply},
    fake_mcp::{FakeMcp, FakeTool, ToolAnswer},
    http::{Client, Proof},
    sse::SseReader,
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
async fn users_are_found_by_what_they_are_called_over_all_pages() {
    let server = TestServer::start().await;
    for name in ["ada", "adam", "bob"] {
        server.owner().post(USERS, &new_user(name)).await.expect(201);
    }
    let first = server.owner().get(&format!("{USERS}?q=ADA&limit=1")).await.expect(200);
    assert_eq!(first.json()[0]["username"], "ada");
    let next = first.header("link").unwrap().trim_start_matches('<').split('>').next().unwrap().to_owned();
    let second = server.owner().get(&next).await.expect(200);
    assert_eq!((second.json()[0]["username"].as_str(), second.header("link")), (Some("adam"), None));
    for q in ["bob%40example", "o%62@"] {
        assert_eq!(
            server.owner().get(&format!("{USERS}?q={q}")).await.expect(200).json()[0]["username"],
            "bob"
        );
    }
    assert_eq!(server.owner().get(&format!("{USERS}?q=%25")).await.expect(200).json(), json!([]));
    for wrong in ["limit=0", "limit=-1", "limit=201", "q=%00", &format!("q={}", "a".repeat(129))] {
        server.owner().get(&format!("{USERS}?{wrong}")).await.expect(400);
    }
}

#[tokio::test]
async fn an_admin_sees_and_revokes_the_tokens_of_others_but_not_of_owners() {
    let server = TestServer::start().await;
    let admin = server.user(Role::Admin).await.client;
    let (person, owner) = (server.user(Role::Member).await, server.user(Role::Owner).await);
    let made = |client: &Client| {
        let client = client.clone();
        async move {
            let body = json!({"token_name": "ci", "lifetime_seconds": 3600});
            client.post(&format!("{USERS}/me/keys/tokens"), &body).await.expect(201).json()
        }
    };
    let (token, of_owner) = (made(&person.client).await, made(&owner.client).await);
    let program = server.anonymous().with(Proof::Bearer(token["key"].as_str().unwrap().to_owned()));
    program.get(&format!("{USERS}/me")).await.expect(200);
    let listed = admin.get(&format!("{USERS}/{}/keys/tokens", person.id)).await.expect(200).json();
    assert_eq!((&listed[0]["id"], &listed[0]["token_name"]), (&token["id"], &json!("ci")));
    assert_eq!(listed[0]["expires_at"], token["expires_at"]);
    assert!(listed[0]["last_used"].is_null() && listed[0].get("key").is_none(), "{listed:#}");
    let revoke = |user: &str, token: &Value| format!("{USERS}/{user}/keys/{}", token["id"].as_str().unwrap());
    admin.get(&format!("{USERS}/{}/keys/tokens", owner.id)).await.expect(403);
    admin.delete(&revoke(&owner.id, &of_owner)).await.expect(403);
    // A token is revoked under its user only.
    admin.delete(&revoke(&person.id, &of_owner)).await.expect(404);
    person.client.get(&format!("{USERS}/{}/keys/tokens", owner.id)).await.expect(403);
    admin.delete(&revoke(&person.id, &token)).await.expect(204);
    program.get(&format!("{USERS}/me")).await.expect(401);
    admin.post(&format!("{USERS}/{}/keys/tokens", person.id), &json!({"token_name": "x"})).await.expect(403);
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

/// Behaviour 2: also where the one tool that runs would take a minute.
#[tokio::test]
async fn a_tool_that_runs_for_a_suspended_user_is_given_up_within_five_seconds() {
    let slow = FakeTool::of_text("note", "Notes")
        .answering(|_| ToolAnswer::text("noted").after(Duration::from_secs(60)));
    let fake = FakeMcp::start(vec![slow]).await;
    let llm =
        FakeLlm::scripted(|_| Reply::call(Call::new("c", "fake__note", &json!({"text": "again"})))).await;
    let server = TestServer::start().await;
    server.scripted_model(&llm, "sk-x").await;
    server.register_fake("fake", &fake).await;
    let person = server.user(Role::Member).await;
    let chat = id_of(&person.client.post(CHATS, &json!({"content": text("go")})).await.expect(201));
    until("the call", || async { (!fake.effects().is_empty()).then_some(()) }).await;
    let suspended = Instant::now();
    let path = format!("{USERS}/{}", person.id);
    server.owner().patch(&path, &json!({"status": "suspended"})).await.expect(200);
    person.client.get(&format!("{CHATS}/{chat}")).await.expect(401);
    until("the turn to end", || async {
        let mut session = server.running.db.read().await.unwrap();
        let busy = store::chats::chats_busy(&mut session, person.id.parse().unwrap()).await.unwrap();
        busy.is_empty().then_some(())
    })
    .await;
    assert!(suspended.elapsed() < Duration::from_secs(5), "{:?}", suspended.elapsed());
    // Active again, they find the turn stopped and may go on.
    server.owner().patch(&path, &json!({"status": "active"})).await.expect(200);
    let token = server.login(&person.email, &person.password).await;
    let again = server.anonymous().with(Proof::Bearer(token));
    assert_eq!(again.get(&format!("{CHATS}/{chat}")).await.expect(200).json()["status"], "waiting");
    assert_eq!(fake.effects().len(), 1, "nothing was called again");
}

/// Behaviour 2: a stream shows what the reader's role allows, so it ends when that changes; the reader comes back for the new view.
#[tokio::test]
async fn a_role_that_goes_ends_the_open_stream_within_five_seconds() {
    let server = TestServer::start().await;
    server.demo_model().await;
    let person = server.user(Role::Auditor).await;
    let made = chat(&person.client, &json!({"content": text("hi")})).await;
    let path = format!("{CHATS}/{}/stream", made["id"].as_str().unwrap());
    let mut stream = SseReader::new(person.client.request(Method::GET, &path).open().await);
    stream.next().await.unwrap();
    server.owner().patch(&format!("{USERS}/{}", person.id), &json!({"roles": ["member"]})).await.expect(200);
    assert!(stream.end_within(Duration::from_secs(5)).await.is_some(), "the stream goes on");
    person.client.get(&path.replace("/stream", "")).await.expect(200);
}
