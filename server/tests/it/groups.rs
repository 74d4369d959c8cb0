//! Groups and their members (behaviour 2 and 30).

use crate::support::{CHATS, SERVERS, TestServer, id_of, server_body, text};
use api::users::Role;
use serde_json::{Value, json};
use std::time::Duration;
use testkit::{
    fake_llm::{Call, FakeLlm, Reply},
    fake_mcp::{FakeMcp, FakeTool, ToolAnswer},
    wait::until,
};

const GROUPS: &str = "/api/v2/groups";
const UNKNOWN: &str = "01930000-0000-7000-8000-000000000000";

async fn group(server: &TestServer, name: &str) -> String {
    id_of(&server.owner().post(GROUPS, &json!({"name": name})).await.expect(201))
}

fn members(group: &Value) -> Vec<&str> {
    group["members"].as_array().unwrap().iter().map(|member| member["id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn an_admin_makes_renames_fills_and_removes_a_group() {
    let server = TestServer::start().await;
    let admin = server.user(Role::Admin).await.client;
    let (ada, bob) = (server.user(Role::Member).await, server.user(Role::Member).await);
    let body = json!({"name": " web-team ", "display_name": "The web team"});
    let made = admin.post(GROUPS, &body).await.expect(201).json();
    assert_eq!(
        (&made["name"], &made["display_name"], &made["source"], &made["members"], &made["servers"]),
        (&json!("web-team"), &json!("The web team"), &json!("admin"), &json!([]), &json!([]))
    );
    let path = format!("{GROUPS}/{}", made["id"].as_str().unwrap());
    assert_eq!(admin.get(&path).await.expect(200).json(), made);
    let joined = admin.patch(&path, &json!({"add_users": [ada.id, bob.id, ada.id]})).await.expect(200).json();
    let mut both = [ada.id.as_str(), bob.id.as_str()];
    both.sort_unstable();
    let mut found = members(&joined);
    found.sort_unstable();
    assert_eq!(found, both);
    // Once more changes nothing.
    admin.patch(&path, &json!({"add_users": [ada.id]})).await.expect(200);
    let change = json!({"name": "web", "remove_users": [bob.id, UNKNOWN], "add_users": []});
    let left = admin.patch(&path, &change).await.expect(200).json();
    assert_eq!((&left["name"], &left["display_name"]), (&json!("web"), &json!("The web team")));
    assert_eq!(members(&left), [ada.id.as_str()]);
    let listed = admin.get(GROUPS).await.expect(200).json();
    assert_eq!(
        (&listed[0]["name"], &listed[0]["member_count"], &listed[0]["server_count"]),
        (&json!("web"), &json!(1), &json!(0))
    );
    // A deleted user is in no group.
    server.owner().delete(&format!("/api/v2/users/{}", ada.id)).await.expect(204);
    assert!(members(&admin.get(&path).await.expect(200).json()).is_empty());
    admin.delete(&path).await.expect(204);
    admin.get(&path).await.expect(404);
    admin.delete(&path).await.expect(404);
    admin.patch(&path, &json!({})).await.expect(404);
}

#[tokio::test]
async fn every_mistake_in_a_group_is_named() {
    let server = TestServer::start().await;
    let owner = server.owner();
    for (body, fields) in [
        (json!({}), vec!["name"]),
        (json!({"name": "two words", "display_name": "a\nb"}), vec!["display_name", "name"]),
        (json!({"name": "x", "colour": 1}), vec!["colour"]),
        (json!({"name": "a".repeat(65)}), vec!["name"]),
    ] {
        assert_eq!(owner.post(GROUPS, &body).await.expect(400).refused_fields(), fields, "{body}");
    }
    let path = format!("{GROUPS}/{}", group(&server, "web").await);
    group(&server, "ops").await;
    let me = owner.get("/api/v2/users/me").await.expect(200).json()["id"].clone();
    for (body, fields) in [
        (json!({"name": ""}), vec!["name"]),
        (json!({"add_users": [me, UNKNOWN]}), vec!["add_users[1]"]),
        (json!({"add_users": [me], "remove_users": [me]}), vec!["remove_users"]),
        (json!({"add_users": vec![UNKNOWN; 513]}), vec!["add_users"]),
        (json!({"add_users": ["x"]}), vec!["add_users[0]"]),
    ] {
        assert_eq!(owner.patch(&path, &body).await.expect(400).refused_fields(), fields, "{body}");
    }
    // All or nothing: the known user of the refused request is not in it.
    assert_eq!(owner.get(&path).await.expect(200).json()["members"], json!([]));
    assert_eq!(owner.post(GROUPS, &json!({"name": "WEB"})).await.expect(409).refused_fields(), ["name"]);
    assert_eq!(owner.patch(&path, &json!({"name": "Ops"})).await.expect(409).refused_fields(), ["name"]);
    owner.patch(&path, &json!({"name": "WEB"})).await.expect(200);
    owner.get(&format!("{GROUPS}/x")).await.expect(400);
}

#[tokio::test]
async fn groups_are_listed_in_pages_with_a_link_to_the_next() {
    let server = TestServer::start().await;
    for name in ["Charlie", "alpha", "Bravo"] {
        group(&server, name).await;
    }
    let mut seen = Vec::new();
    let mut path = format!("{GROUPS}?limit=2");
    loop {
        let answer = server.owner().get(&path).await.expect(200);
        let page = answer.json();
        seen.extend(page.as_array().unwrap().iter().map(|group| group["name"].as_str().unwrap().to_owned()));
        let Some(link) = answer.header("link") else { break };
        path = link.trim_start_matches('<').split('>').next().unwrap().to_owned();
        assert!(link.ends_with("; rel=\"next\"") && path.contains("limit=2"), "{link}");
    }
    assert_eq!(seen, ["alpha", "Bravo", "Charlie"]);
    for limit in ["0", "-1", "201", "x", "99999999999999999999"] {
        server.owner().get(&format!("{GROUPS}?limit={limit}")).await.expect(400);
    }
}

#[tokio::test]
async fn members_learn_nothing_of_groups_and_auditors_read_them() {
    let server = TestServer::start().await;
    let (member, auditor) = (server.user(Role::Member).await, server.user(Role::Auditor).await.client);
    let id = group(&server, "web").await;
    let path = format!("{GROUPS}/{id}");
    server.owner().patch(&path, &json!({"add_users": [member.id]})).await.expect(200);
    let known = member.client.get(&path).await.expect(403);
    let unknown = member.client.get(&format!("{GROUPS}/{UNKNOWN}")).await.expect(403);
    assert_eq!(known.body, unknown.body);
    member.client.get(GROUPS).await.expect(403);
    assert_eq!(members(&auditor.get(&path).await.expect(200).json()), [member.id.as_str()]);
    auditor.get(&format!("{GROUPS}/{UNKNOWN}")).await.expect(404);
    for client in [&member.client, &auditor] {
        client.post(GROUPS, &json!({"name": "mine"})).await.expect(403);
        client.patch(&path, &json!({"remove_users": [member.id]})).await.expect(403);
        client.delete(&path).await.expect(403);
    }
}

/// Without its last group a server is open to everybody, so a group that limits one stays.
#[tokio::test]
async fn a_group_that_limits_a_server_is_not_deleted_and_the_servers_are_named() {
    let server = TestServer::start().await;
    let id = group(&server, "web").await;
    let path = format!("{GROUPS}/{id}");
    let mut servers = Vec::new();
    for slug in ["linear", "sentry"] {
        let server_id = server.register(&server_body(slug, "https://mcp.example.org/mcp")).await;
        server
            .owner()
            .patch(&format!("{SERVERS}/{server_id}"), &json!({"allowed_group_ids": [id]}))
            .await
            .expect(200);
        servers.push(server_id);
    }
    let refused = server.owner().delete(&path).await.expect(409);
    let message = refused.json()["message"].as_str().unwrap().to_owned();
    assert!(
        message.contains("Server linear and Server sentry") && message.contains("open to everybody"),
        "{message}"
    );
    let shown = server.owner().get(&path).await.expect(200).json();
    assert_eq!(shown["servers"][0], json!({"id": servers[0], "display_name": "Server linear"}));
    for server_id in &servers {
        server.owner().delete(&format!("{SERVERS}/{server_id}")).await.expect(204);
    }
    server.owner().delete(&path).await.expect(204);
}

/// Behaviour 2: whoever leaves a group loses its servers in a running turn too, before the next call.
#[tokio::test]
async fn a_user_who_leaves_the_group_in_the_middle_of_a_turn_calls_its_server_no_more() {
    let slow = FakeTool::of_text("note", "Notes")
        .answering(|_| ToolAnswer::text("noted").after(Duration::from_millis(300)));
    let fake = FakeMcp::start(vec![slow]).await;
    // It would call the tool for ever.
    let llm =
        FakeLlm::scripted(|_| Reply::call(Call::new("c", "fake__note", &json!({"text": "again"})))).await;
    let server = TestServer::start().await;
    server.scripted_model(&llm, "sk-x").await;
    let server_id = server.register_fake("fake", &fake).await;
    let path = format!("{GROUPS}/{}", group(&server, "web").await);
    let group_id = path.rsplit('/').next().unwrap();
    let limit = json!({"allowed_group_ids": [group_id], "availability": "force_on"});
    server.owner().patch(&format!("{SERVERS}/{server_id}"), &limit).await.expect(200);
    let (inside, outside) = (server.user(Role::Member).await, server.user(Role::Member).await);
    server.owner().patch(&path, &json!({"add_users": [inside.id]})).await.expect(200);
    inside.client.get(&format!("{SERVERS}/{server_id}")).await.expect(200);
    outside.client.get(&format!("{SERVERS}/{server_id}")).await.expect(404);
    let chat_id = id_of(&inside.client.post(CHATS, &json!({"content": text("go")})).await.expect(201));
    until("the second call", || async { (fake.effects().len() >= 2).then_some(()) }).await;
    server.owner().patch(&path, &json!({"remove_users": [inside.id]})).await.expect(200);
    // A call that is under way ends as it would; no other is sent.
    let calls = fake.effects().len();
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(fake.effects().len() <= calls + 1, "{} calls instead of {calls}", fake.effects().len());
    inside.client.get(&format!("{SERVERS}/{server_id}")).await.expect(404);
    assert_eq!(inside.client.get(SERVERS).await.expect(200).json(), json!([]));
    inside.client.post(&format!("{CHATS}/{chat_id}/interrupt"), &json!({})).await;
    // Back in the group, it is there again.
    server.owner().patch(&path, &json!({"add_users": [inside.id]})).await.expect(200);
    inside.client.get(&format!("{SERVERS}/{server_id}")).await.expect(200);
}
