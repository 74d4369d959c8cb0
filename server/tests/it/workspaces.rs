//! Workspaces over REST and in turns (behaviour 23).

use crate::support::{CHATS, TestServer, answer_text, chat, id_of, over, parts, send, server_body, text};
use api::users::Role;
use serde_json::{Value, json};
use testkit::{
    fake_mcp::{FakeMcp, FakeTool, ToolAnswer},
    http::Client,
};

const WORKSPACES: &str = "/api/v2/workspaces";
const SWITCH: &str = "/api/v2/settings/workspace-servers";
const HEADER: &str = "canary-workspace-9c41";
const ASK: &str = "Get the issue \"login page\"";

fn get_issue() -> FakeTool {
    FakeTool::of_text("get_issue", "Reads an issue")
}

fn document(fake: &FakeMcp) -> Value {
    json!({"mcpServers": {"lab": {"type": "http", "url": fake.url(), "headers": {"X-Token": HEADER}}}})
}

async fn workspace(client: &Client, fake: &FakeMcp) -> String {
    id_of(&client.post(WORKSPACES, &json!({"name": "Project", "mcp_json": document(fake)})).await.expect(201))
}

#[tokio::test]
async fn a_workspace_lives_with_its_owner_alone() {
    let fake = FakeMcp::start(vec![get_issue()]).await;
    let server = TestServer::start().await;
    let (ada, bob) = (server.user(Role::Member).await.client, server.user(Role::Admin).await.client);
    let body = json!({"name": " Project ", "description": "Mine", "mcp_json": document(&fake)});
    let made = ada.post(WORKSPACES, &body).await.expect(201).json();
    let path = format!("{WORKSPACES}/{}", made["id"].as_str().unwrap());
    let shown = json!({"lab": {"type": "http", "url": fake.url(), "headers": {"X-Token": "<stored>"}}});
    assert_eq!((&made["name"], &made["unreadable"]), (&json!("Project"), &json!(false)));
    assert_eq!(made["mcp_json"]["mcpServers"], shown);
    assert_eq!(ada.get(&path).await.expect(200).json(), made);
    assert_eq!(ada.get(WORKSPACES).await.expect(200).json(), json!([made]));
    for client in [&bob, server.owner()] {
        assert_eq!(client.get(WORKSPACES).await.expect(200).json(), json!([]));
        let missing =
            client.get(&format!("{WORKSPACES}/01930000-0000-7000-8000-000000000000")).await.expect(404);
        assert_eq!(
            client.get(&path).await.expect(404).body,
            missing.body,
            "foreign and unknown are the same"
        );
        client.patch(&path, &json!({"name": "Taken"})).await.expect(404);
        client.delete(&path).await.expect(404);
        let body = json!({"content": text("hello"), "workspace_id": made["id"]});
        assert_eq!(client.post(CHATS, &body).await.expect(400).refused_fields(), ["workspace_id"]);
    }
    let changed =
        ada.patch(&path, &json!({"name": "Other", "mcp_json": made["mcp_json"]})).await.expect(200).json();
    assert_eq!(changed["name"], "Other");
    assert_eq!(changed["mcp_json"], made["mcp_json"]);
    ada.delete(&path).await.expect(204);
    ada.get(&path).await.expect(404);
    let log = server.owner().get("/api/v2/audit?action=workspace.").await.expect(200).json();
    let actions: Vec<&str> =
        log.as_array().unwrap().iter().map(|entry| entry["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["workspace.delete", "workspace.update", "workspace.create"]);
    assert!(!log.to_string().contains(HEADER));
}

#[tokio::test]
async fn what_starts_a_command_or_waits_for_a_value_is_refused_by_name() {
    let server = TestServer::start().await;
    for (entry, field, words) in [
        (json!({"command": "npx", "args": ["-y", "x"]}), "mcp_json.mcpServers.lab", "only HTTP and SSE"),
        (json!({"url": "https://${HOST}/mcp"}), "mcp_json.mcpServers.lab.url", "placeholder"),
        (json!({"url": "http://mcp.example.com/mcp"}), "mcp_json.mcpServers.lab.url", "https"),
        (json!({"url": "https://169.254.169.254/mcp"}), "mcp_json.mcpServers.lab.url", "169.254"),
        (
            json!({"url": "https://a.example.com", "headers": {"X-A": "<stored>"}}),
            "mcp_json.mcpServers.lab.headers.X-A",
            "no stored value",
        ),
    ] {
        let body = json!({"name": "P", "mcp_json": {"mcpServers": {"lab": entry}}});
        let answer = server.owner().post(WORKSPACES, &body).await.expect(400);
        assert_eq!(answer.refused_fields(), [field], "{}", answer.body);
        assert!(answer.body.contains(words), "{}", answer.body);
    }
}

#[tokio::test]
async fn a_chat_uses_the_servers_of_its_workspace_and_shows_neither_address_nor_headers() {
    let fake = FakeMcp::start(vec![
        get_issue().answering(|_| ToolAnswer::text(format!("I am at /mcp, and you sent {HEADER}."))),
    ])
    .await;
    let server = TestServer::start().await;
    server.demo_model().await;
    let ada = server.user(Role::Member).await.client;
    let id = workspace(&ada, &fake).await;
    let made = chat(&ada, &json!({"content": text(ASK), "workspace_id": id})).await;
    let messages = made["messages"].as_array().unwrap();
    let call = &parts(messages, "tool-call")[0];
    assert_eq!((&call["tool_name"], &call["original_name"]), (&json!("lab__get_issue"), &json!("get_issue")));
    assert_eq!(call["server"]["display_name"], "lab (workspace)");
    assert!(call["mcp_server_config_id"].is_null(), "no server of the deployment");
    let result = &parts(messages, "tool-result")[0];
    assert_eq!(result["outcome"], "ok");
    assert_eq!(result["result"][0]["text"], "I am at /mcp, and you sent [redacted].");
    let status = &messages[0]["mcp_status"][0];
    assert_eq!(
        (&status["slug"], &status["workspace"], &status["outcome"]),
        (&json!("lab"), &json!(true), &json!("connected"))
    );
    assert_eq!(fake.requests().last().unwrap().header("x-token"), Some(HEADER));
    assert!(fake.requests().iter().all(|request| request.header("x-coder-owner-id").is_none()));
    assert!(!answer_text(messages).contains(HEADER));
    let log = server.owner().get("/api/v2/audit?resource_type=workspace_server").await.expect(200).json();
    assert_eq!(log[0]["action"], "tool_call.ended");
    assert_eq!(log[0]["resource_name"], "lab/get_issue");
    let health = server.owner().get("/api/experimental/mcp/fleet").await.expect(200).json();
    assert_eq!(health["servers"], json!([]), "{health}");

    // Out of the workspace, and into it again.
    let path = format!("{CHATS}/{}", made["id"].as_str().unwrap());
    assert!(
        ada.patch(&path, &json!({"workspace_id": null})).await.expect(200).json()["workspace_id"].is_null()
    );
    let calls = fake.calls().len();
    send(&ada, made["id"].as_str().unwrap(), &json!({"content": text(ASK)})).await;
    assert_eq!(fake.calls().len(), calls);
    let bound = ada.patch(&path, &json!({"workspace_id": id})).await.expect(200).json();
    assert_eq!(bound["workspace_id"], id.as_str());
    send(&ada, made["id"].as_str().unwrap(), &json!({"content": text(ASK)})).await;
    assert_eq!(fake.calls().len(), calls + 1);
    ada.delete(&format!("{WORKSPACES}/{id}")).await.expect(204);
    assert!(ada.get(&path).await.expect(200).json()["workspace_id"].is_null(), "its chats stay");
}

#[tokio::test]
async fn a_kept_header_is_still_sent_and_an_admins_tool_wins_a_name() {
    let (mine, theirs) = (FakeMcp::start(vec![get_issue()]).await, FakeMcp::start(vec![get_issue()]).await);
    let server = TestServer::start().await;
    server.demo_model().await;
    let ada = server.user(Role::Member).await.client;
    let id = workspace(&ada, &mine).await;
    let path = format!("{WORKSPACES}/{id}");
    let mut shown = ada.get(&path).await.expect(200).json()["mcp_json"].clone();
    shown["mcpServers"]["lab"]["headers"]["X-More"] = json!("more");
    ada.patch(&path, &json!({"mcp_json": shown})).await.expect(200);
    chat(&ada, &json!({"content": text(ASK), "workspace_id": id})).await;
    let last = mine.requests().pop().unwrap();
    assert_eq!((last.header("x-token"), last.header("x-more")), (Some(HEADER), Some("more")));

    let on = json!({"enabled": true, "availability": "force_on"});
    server.register(&over(server_body("lab", &theirs.url()), on)).await;
    let calls = mine.calls().len();
    chat(&ada, &json!({"content": text(ASK), "workspace_id": id})).await;
    assert_eq!((theirs.calls().len(), mine.calls().len()), (1, calls));
}

#[tokio::test]
async fn an_admin_switches_the_servers_of_workspaces_off_for_everybody() {
    let fake = FakeMcp::start(vec![get_issue()]).await;
    let server = TestServer::start().await;
    server.demo_model().await;
    let ada = server.user(Role::Member).await.client;
    let id = workspace(&ada, &fake).await;
    assert_eq!(ada.get(SWITCH).await.expect(200).json(), json!({"enabled": true}));
    ada.put(SWITCH, &json!({"enabled": false})).await.expect(403);
    server.owner().put(SWITCH, &json!({"enabled": false})).await.expect(200);
    let before = fake.requests().len();
    let made = chat(&ada, &json!({"content": text(ASK), "workspace_id": id})).await;
    let status = &made["messages"][0]["mcp_status"][0];
    assert_eq!(status["outcome"], "skipped");
    assert!(status["error"].as_str().unwrap().contains("switched off"), "{status}");
    assert_eq!(fake.requests().len(), before, "nothing is dialled");
    server.owner().put(SWITCH, &json!({"enabled": true})).await.expect(200);
    send(&ada, made["id"].as_str().unwrap(), &json!({"content": text(ASK)})).await;
    assert_eq!(fake.calls().len(), 1);
    let log = server.owner().get("/api/v2/audit?resource_id=workspace-servers").await.expect(200).json();
    let said: Vec<&Value> = log.as_array().unwrap().iter().map(|entry| &entry["changed_fields"]).collect();
    assert_eq!(said, [&json!(["switched on"]), &json!(["switched off"])]);
}

#[tokio::test]
async fn more_than_a_workspace_server_may_say_is_not_taken() {
    let many: Vec<FakeTool> = (0..70).map(|n| FakeTool::of_text(&format!("tool_{n:02}"), "Does")).collect();
    let (many, fat, long) = (
        FakeMcp::start(many).await,
        FakeMcp::start((0..8).map(|n| FakeTool::of_text(&format!("fat_{n}"), &"x".repeat(40_000))).collect())
            .await,
        FakeMcp::start(vec![get_issue().answering(|_| ToolAnswer::text("y".repeat(300 * 1024)))]).await,
    );
    let server = TestServer::start().await;
    server.demo_model().await;
    let ada = server.user(Role::Member).await.client;
    let servers = json!({"mcpServers": {"many": {"url": many.url()}, "fat": {"url": fat.url()}, "long": {"url": long.url()}}});
    let id = id_of(&ada.post(WORKSPACES, &json!({"name": "Much", "mcp_json": servers})).await.expect(201));
    let made = chat(&ada, &json!({"content": text(ASK), "workspace_id": id})).await;
    let messages = made["messages"].as_array().unwrap();
    let outcomes = messages[0]["mcp_status"].as_array().unwrap();
    let of = |slug: &str| outcomes.iter().find(|one| one["slug"] == slug).unwrap();
    assert_eq!((&of("many")["outcome"], &of("many")["tool_count"]), (&json!("connected"), &json!(64)));
    assert_eq!(of("fat")["outcome"], "skipped");
    assert!(of("fat")["error"].as_str().unwrap().contains("256 KiB"), "{}", of("fat"));
    let result = &parts(messages, "tool-result")[0];
    assert_eq!(result["is_error"], true);
    assert!(result["result"][0]["text"].as_str().unwrap().contains("256 KiB"), "{result}");
}

#[tokio::test]
async fn the_document_is_encrypted_as_a_whole() {
    let fake = FakeMcp::start(vec![get_issue()]).await;
    let server = TestServer::start().await;
    workspace(server.owner(), &fake).await;
    let host = fake.authority();
    for entry in std::fs::read_dir(server.data.path()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        for secret in [HEADER, host.as_str()] {
            assert!(!bytes.windows(secret.len()).any(|part| part == secret.as_bytes()), "{secret}");
        }
    }
}
