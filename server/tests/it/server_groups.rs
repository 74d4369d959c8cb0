//! Servers that are limited to groups (behaviour 2): to everybody outside they do not exist.

use crate::support::{CHATS, Person, SERVERS, TestServer, chat, id_of, over, send, server_body, text};
use api::users::Role;
use http::Method;
use serde_json::{Value, json};
use testkit::{
    fake_llm::{FakeLlm, offered_tools},
    fake_mcp::{FakeMcp, FakeTool},
    http::{Answer, Client},
};

const UNKNOWN: &str = "01930000-0000-7000-8000-000000000000";
const GROUP: &str = "01930000-0000-7000-8000-0000000000aa";

/// A group past the API: its routes have tests of their own.
async fn group(server: &TestServer, members: &[&Person]) {
    let literal = |id: &str| format!("x'{}'", id.replace('-', ""));
    raw(
        server,
        &format!(
            "INSERT INTO groups (id, name, source, created_at, updated_at) VALUES ({}, 'team', 'admin', 1, 1)",
            literal(GROUP)
        ),
    )
    .await;
    for member in members {
        let sql = format!(
            "INSERT INTO group_members (group_id, user_id, created_at) VALUES ({}, {}, 1)",
            literal(GROUP),
            literal(&member.id)
        );
        raw(server, &sql).await;
    }
}

async fn raw(server: &TestServer, sql: &str) {
    testkit::raw_sql(&server.running.db, sql).await.unwrap();
}

fn limited(slug: &str, url: &str, more: Value) -> Value {
    let body = over(server_body(slug, url), json!({"enabled": true, "allowed_group_ids": [GROUP]}));
    over(body, more)
}

/// Everything of an answer but what differs by chance.
fn bytes(mut answer: Answer) -> String {
    answer.headers.remove("x-request-id");
    answer.headers.remove("date");
    answer.whole()
}

/// GET by id for every role, of every kind of server.
#[tokio::test]
async fn every_role_finds_what_the_table_says() {
    let server = TestServer::start().await;
    let inside = server.user(Role::Member).await;
    group(&server, &[&inside]).await;
    let url = "https://mcp.example.org/mcp";
    let open = server.register(&over(server_body("open", url), json!({"enabled": true}))).await;
    let disabled = server.register(&server_body("off", url)).await;
    let mine = server.register(&limited("limited", url, json!({}))).await;
    let off_mine = server.register(&limited("off-limited", url, json!({"enabled": false}))).await;
    let mut callers = vec![("inside".to_owned(), inside.client.clone(), [200, 404, 200, 404, 404])];
    for (role, expected) in [
        (Role::Owner, [200, 200, 200, 200, 404]),
        (Role::Admin, [200, 200, 200, 200, 404]),
        (Role::Auditor, [200, 200, 200, 200, 404]),
        (Role::Member, [200, 404, 404, 404, 404]),
    ] {
        callers.push((role.as_str().to_owned(), server.user(role).await.client, expected));
    }
    for (name, client, expected) in callers {
        let listed = client.get(SERVERS).await.expect(200).json();
        for (id, status) in
            [&open, &disabled, &mine, &off_mine, &UNKNOWN.to_owned()].into_iter().zip(expected)
        {
            let answer = client.get(&format!("{SERVERS}/{id}")).await;
            assert_eq!(answer.status, status, "{name} {id}");
            let is_listed = listed.as_array().unwrap().iter().any(|server| server["id"] == json!(id));
            assert_eq!(is_listed, status == 200, "{name} {id}");
            if status == 200 {
                let groups = answer.json().get("allowed_group_ids").cloned();
                let unredacted = !matches!(name.as_str(), "inside" | "member");
                assert_eq!(groups.is_some(), unredacted, "{name}");
            }
        }
    }
    let anonymous = server.anonymous();
    for id in [open.as_str(), UNKNOWN] {
        anonymous.get(&format!("{SERVERS}/{id}")).await.expect(401);
    }
}

#[tokio::test]
async fn outside_the_group_every_answer_is_that_of_an_unknown_id() {
    let server = TestServer::start().await;
    group(&server, &[]).await;
    let asks = json!({"auth_type": "user_header", "user_headers": [{"name": "X-Token"}]});
    let concealed = server.register(&limited("secret", "https://mcp.example.org/mcp", asks)).await;
    let outside = server.user(Role::Member).await.client;
    let values = json!({"values": {"X-Token": "t"}});
    for (method, tail, body) in [
        (Method::GET, "", None),
        (Method::POST, "/check", Some(json!({}))),
        (Method::PUT, "/user_headers", Some(values)),
        (Method::DELETE, "/user_headers", None),
        (Method::DELETE, "/oauth2/disconnect", None),
        (Method::GET, "/connections", None),
        (Method::PATCH, "", Some(json!({"enabled": false}))),
        (Method::DELETE, "", None),
    ] {
        let mut seen = Vec::new();
        for id in [concealed.as_str(), UNKNOWN] {
            let ask = outside.request(method.clone(), &format!("{SERVERS}/{id}{tail}"));
            let ask = match &body {
                Some(body) => ask.json(body),
                None => ask,
            };
            seen.push(bytes(ask.send().await));
        }
        assert_eq!(seen[0], seen[1], "{method} {tail}");
        assert!(!seen[0].contains("secret"), "{}", seen[0]);
    }
    // Neither as a place to go on from.
    let page =
        async |after: &str| bytes(outside.get(&format!("{SERVERS}?limit=2&after={after}")).await.expect(400));
    assert_eq!(page(&concealed).await, page(UNKNOWN).await);
    // Nor in a chat.
    server.demo_model().await;
    let refused = async |id: &str| {
        let body = json!({"content": text("hi"), "mcp_server_ids": [id]});
        bytes(outside.post(CHATS, &body).await.expect(400)).replace(id, "ID")
    };
    assert_eq!(refused(&concealed).await, refused(UNKNOWN).await);
}

async fn offered(client: &Client, llm: &FakeLlm, body: &Value) -> (Value, Vec<String>) {
    let made = chat(client, body).await;
    (made["mcp_server_ids"].clone(), offered_tools(llm.requests().last().unwrap()))
}

/// Not dialled, and not injected even when `force_on`; who joins gets it at the next step, who leaves loses it at once.
#[tokio::test]
async fn a_forced_server_takes_part_in_the_chats_of_its_group_only() {
    let fake = FakeMcp::start(vec![FakeTool::of_text("note", "x")]).await;
    let server = TestServer::start().await;
    let llm = FakeLlm::start().await;
    server.scripted_model(&llm, "sk-x").await;
    let (inside, outside) = (server.user(Role::Member).await, server.user(Role::Member).await);
    let auditor = server.user(Role::Auditor).await;
    group(&server, &[&inside]).await;
    let id = server.register(&limited("team", &fake.url(), json!({"availability": "force_on"}))).await;
    let body = json!({"content": text("hi")});
    assert_eq!(offered(&outside.client, &llm, &body).await, (json!([]), vec![]));
    // An auditor reads it, and uses servers as a member.
    assert_eq!(offered(&auditor.client, &llm, &body).await, (json!([]), vec![]));
    auditor.client.post(&format!("{SERVERS}/{id}/check"), &json!({})).await.expect(404);
    assert!(fake.requests().is_empty(), "not dialled");
    let tools = vec!["team__note".to_owned()];
    assert_eq!(offered(&inside.client, &llm, &body).await, (json!([id]), tools.clone()));
    // The role of an owner or admin opens every server.
    assert_eq!(offered(server.owner(), &llm, &body).await, (json!([id]), tools.clone()));

    let theirs = chat(&inside.client, &body).await;
    let chat_id = theirs["id"].as_str().unwrap();
    raw(&server, "DELETE FROM group_members").await;
    let dialled = fake.requests().len();
    send(&inside.client, chat_id, &body).await;
    assert_eq!(offered_tools(llm.requests().last().unwrap()), Vec::<String>::new(), "left the group");
    assert_eq!(fake.requests()[dialled..].iter().filter(|request| request.method == Method::POST).count(), 0);
    // The id that the chat carried has vanished for them: dropped with a word, not refused.
    let again = json!({"content": text("hi"), "mcp_server_ids": [id]});
    let sent = send(&inside.client, chat_id, &again).await;
    assert!(sent["warnings"][0].as_str().unwrap().contains(&id), "{sent}");
    // Open to everybody: an old chat has it at its next step.
    server.owner().patch(&format!("{SERVERS}/{id}"), &json!({"allowed_group_ids": []})).await.expect(200);
    send(&inside.client, chat_id, &body).await;
    assert_eq!(offered_tools(llm.requests().last().unwrap()), tools);
}

#[tokio::test]
async fn groups_of_a_server_are_checked_and_replaced_whole() {
    let server = TestServer::start().await;
    group(&server, &[]).await;
    let url = "https://mcp.example.org/mcp";
    let wrong = over(server_body("s", url), json!({"allowed_group_ids": [GROUP, UNKNOWN]}));
    let answer = server.owner().post(SERVERS, &wrong).await.expect(400);
    assert_eq!(answer.refused_fields(), ["allowed_group_ids"]);
    assert!(answer.body.contains(UNKNOWN) && !answer.body.contains(GROUP), "{}", answer.body);
    let made =
        server.owner().post(SERVERS, &limited("s", url, json!({"allowed_group_ids": [GROUP, GROUP]}))).await;
    let path = format!("{SERVERS}/{}", id_of(&made.expect(201)));
    let seen = async || server.owner().get(&path).await.expect(200).json()["allowed_group_ids"].clone();
    assert_eq!(seen().await, json!([GROUP]));
    let before = server.owner().get(&path).await.expect(200);
    let wrong = json!({"allowed_group_ids": [UNKNOWN], "display_name": "Other"});
    server.owner().patch(&path, &wrong).await.expect(400);
    let after = server.owner().get(&path).await.expect(200);
    assert_eq!((after.json(), after.header("etag")), (before.json(), before.header("etag")));
    server.owner().patch(&path, &json!({"allowed_group_ids": null})).await.expect(200);
    assert_eq!(seen().await, json!([GROUP]), "null keeps");
    let answer = server.owner().patch(&path, &json!({"allowed_group_ids": []})).await.expect(200);
    assert_eq!((seen().await, &answer.json()["allowed_group_ids"]), (json!([]), &json!([])));
    let many: Vec<String> = (0..100_000).map(|n| format!("01930000-0000-7000-8000-{n:012x}")).collect();
    let many = json!({"allowed_group_ids": many[..20_000]});
    assert_eq!(server.owner().patch(&path, &many).await.expect(400).refused_fields(), ["allowed_group_ids"]);
    let nonsense = json!({"allowed_group_ids": ["x"]});
    assert_eq!(
        server.owner().patch(&path, &nonsense).await.expect(400).refused_fields(),
        ["allowed_group_ids[0]"]
    );
}
