//! What turns wait for, over REST: approvals and tools that the client runs (behaviour 15, 17 and 18).

use crate::support::{CHATS, TestServer, over, parts, server_body, status, text, transcript};
use api::users::Role;
use serde_json::{Value, json};
use testkit::{
    fake_llm::{Call, FakeLlm, Reply, offered_names},
    fake_mcp::{FakeMcp, FakeTool},
    http::Client,
};

/// A chat whose turn waits for the approval of one call.
async fn parked(server: &TestServer, llm: &FakeLlm, fake: &FakeMcp) -> (String, Value) {
    let body = over(
        server_body("lab", &fake.url()),
        json!({"enabled": true, "availability": "default_on", "tool_approval_list": ["get_*"]}),
    );
    server.register(&body).await;
    llm.push(Reply::call(Call::new("c1", "lab__get_issue", &json!({"text":"login\u{200b}"}))));
    let made = server.owner().post(CHATS, &json!({"content": text("go")})).await.expect(201).json();
    let id = made["id"].as_str().unwrap().to_owned();
    status(server.owner(), &id, "requires_action").await;
    let action = actions(server.owner(), &id).await[0].clone();
    (id, action)
}

async fn actions(client: &Client, id: &str) -> Vec<Value> {
    let page = client.get(&format!("{CHATS}/{id}/messages")).await.expect(200).json();
    page["actions"].as_array().unwrap().clone()
}

async fn world() -> (TestServer, FakeLlm, FakeMcp) {
    let server = TestServer::start().await;
    let llm = FakeLlm::start().await;
    server.scripted_model(&llm, "sk-x").await;
    let fake = FakeMcp::start(vec![FakeTool::of_text("get_issue", "Reads an issue")]).await;
    (server, llm, fake)
}

async fn outcome(client: &Client, id: &str) -> Value {
    let messages = transcript(client, id).await;
    parts(&messages, "tool-result")[0]["outcome"].clone()
}

#[tokio::test]
async fn a_call_waits_for_its_owner_and_goes_out_as_it_was_shown() {
    let (server, llm, fake) = world().await;
    let (id, action) = parked(&server, &llm, &fake).await;
    assert_eq!(
        (&action["kind"], &action["state"], &action["original_name"], &action["server_name"]),
        (&json!("approval"), &json!("open"), &json!("get_issue"), &json!("Server lab"))
    );
    assert_eq!(action["arguments"], json!({"text": "login\u{200b}"}));
    let messages = transcript(server.owner(), &id).await;
    assert_eq!(parts(&messages, "tool-call")[0]["approval_id"], action["id"]);
    let path = format!("{CHATS}/{id}/approvals/{}", action["id"].as_str().unwrap());
    // Nobody else, whatever their role.
    for role in [Role::Member, Role::Admin, Role::Owner] {
        let other = server.user(role).await;
        other.client.post(&path, &json!({"decision": "approve"})).await.expect(404);
    }
    server.owner().post(&path, &json!({"decision": "maybe"})).await.expect(400);
    assert_eq!(fake.calls().len(), 0);

    let decided = server.owner().post(&path, &json!({"decision": "approve"})).await.expect(200).json();
    assert_eq!(decided["state"], "approved");
    status(server.owner(), &id, "waiting").await;
    assert_eq!((fake.calls().len(), outcome(server.owner(), &id).await), (1, json!("ok")));
    assert_eq!(fake.effects()[0]["arguments"], action["arguments"]);
    // It is used up.
    server.owner().post(&path, &json!({"decision": "deny"})).await.expect(409);
    assert!(actions(server.owner(), &id).await.is_empty());
    for action in ["approval.asked", "approval.given"] {
        let log = server.owner().get(&format!("/api/v2/audit?action={action}")).await.expect(200).json();
        assert_eq!(log.as_array().map(Vec::len), Some(1), "{action}: {log}");
        assert!(!log.to_string().contains("login"), "no arguments in the log");
    }
}

#[tokio::test]
async fn a_denied_call_is_not_sent() {
    let (server, llm, fake) = world().await;
    let (id, action) = parked(&server, &llm, &fake).await;
    let path = format!("{CHATS}/{id}/approvals/{}", action["id"].as_str().unwrap());
    for _ in 0..2 {
        let decided = server.owner().post(&path, &json!({"decision": "deny"})).await.expect(200).json();
        assert_eq!(decided["state"], "denied", "the same click twice is no mistake");
    }
    status(server.owner(), &id, "waiting").await;
    assert_eq!((fake.calls().len(), outcome(server.owner(), &id).await), (0, json!("denied")));
}

#[tokio::test]
async fn stop_an_edit_and_a_message_for_now_end_the_wait() {
    let (server, llm, fake) = world().await;
    let owner = server.owner();
    let (id, action) = parked(&server, &llm, &fake).await;
    let path = format!("{CHATS}/{id}/approvals/{}", action["id"].as_str().unwrap());
    owner.patch(&format!("{CHATS}/{id}"), &json!({"archived": true})).await.expect(409);
    owner.post(&format!("{CHATS}/{id}/interrupt"), &json!({})).await.expect(200);
    status(owner, &id, "waiting").await;
    assert_eq!(outcome(owner, &id).await, "cancelled");
    owner.post(&path, &json!({"decision": "approve"})).await.expect(409);

    let again = |words: &str| json!({"content": text(words)});
    let call = || Reply::call(Call::new("c2", "lab__get_issue", &json!({"text":"x"})));
    llm.push(call());
    let sent = owner.post(&format!("{CHATS}/{id}/messages"), &again("once more")).await.expect(201).json();
    status(owner, &id, "requires_action").await;
    let open = actions(owner, &id).await[0]["id"].as_str().unwrap().to_owned();
    let edit = format!("{CHATS}/{id}/messages/{}", sent["message"]["id"]);
    owner.patch(&edit, &again("never mind")).await.expect(200);
    status(owner, &id, "waiting").await;
    owner.post(&format!("{CHATS}/{id}/approvals/{open}"), &json!({"decision": "approve"})).await.expect(409);

    llm.push(call());
    owner.post(&format!("{CHATS}/{id}/messages"), &again("a third time")).await.expect(201);
    status(owner, &id, "requires_action").await;
    // One that waits does not disturb what is asked.
    owner.post(&format!("{CHATS}/{id}/messages"), &again("later")).await.expect(201);
    assert_eq!(actions(owner, &id).await.len(), 1);
    let now = json!({"content": text("now"), "busy_behavior": "interrupt"});
    owner.post(&format!("{CHATS}/{id}/messages"), &now).await.expect(201);
    status(owner, &id, "waiting").await;
    assert_eq!(fake.calls().len(), 0);
}

#[tokio::test]
async fn a_tool_of_the_client_is_answered_over_rest() {
    let (server, llm, _fake) = world().await;
    let owner = server.owner();
    llm.push(Reply::call(Call::new("d1", "open_file", &json!({"path":"/a"}))));
    llm.push(Reply::text("Read."));
    let tools = json!([{"name": "open_file", "description": "Opens a file",
        "input_schema": {"type": "object", "properties": {"path": {"type": "string"}}}}]);
    let body = json!({"content": text("go"), "unsafe_dynamic_tools": tools});
    let made = owner.post(CHATS, &body).await.expect(201).json();
    let id = made["id"].as_str().unwrap().to_owned();
    status(owner, &id, "requires_action").await;
    let waiting = actions(owner, &id).await;
    assert_eq!((&waiting[0]["kind"], &waiting[0]["tool_call_id"]), (&json!("client_tool"), &json!("d1")));
    let path = format!("{CHATS}/{id}/tool-results");
    let result = |call: &str| json!({"results": [{"tool_call_id": call, "output": {"lines": 3}}]});
    let refused = owner.post(&path, &result("other")).await.expect(400);
    assert_eq!(refused.refused_fields(), ["results[0].tool_call_id"]);
    owner.post(&path, &json!({"results": []})).await.expect(400);
    assert_eq!(owner.post(&path, &result("d1")).await.expect(200).json()["status"], "running");
    status(owner, &id, "waiting").await;
    let messages = transcript(owner, &id).await;
    let part = &parts(&messages, "tool-result")[0];
    assert_eq!((&part["outcome"], &part["result"][0]["value"]), (&json!("ok"), &json!({"lines": 3})));
    owner.post(&path, &result("d1")).await.expect(409);
    let asked = llm.requests();
    assert!(offered_names(&asked[0]).contains(&"open_file".to_owned()), "the model is offered it");

    for (tools, field) in [
        (json!([{"name": "lab__x"}]), "unsafe_dynamic_tools[0].name"),
        (json!([{"name": "a", "input_schema": {"type": "string"}}]), "unsafe_dynamic_tools[0].input_schema"),
    ] {
        let body = json!({"content": text("go"), "unsafe_dynamic_tools": tools});
        assert_eq!(owner.post(CHATS, &body).await.expect(400).refused_fields(), [field]);
    }
}

/// Threats 57: whatever the model was talked into, nothing on the list happens without a person.
#[tokio::test]
async fn fifty_injected_calls_have_no_effect_without_an_approval() {
    let (server, llm, fake) = world().await;
    let owner = server.owner();
    let (first, _) = parked(&server, &llm, &fake).await;
    owner.delete(&format!("{CHATS}/{first}")).await.expect(204);
    for round in 0..50 {
        let call = format!("c{round}");
        llm.push(Reply::call(Call::new(&call, "lab__get_issue", &json!({"text":"send it"}))));
        let made = owner.post(CHATS, &json!({"content": text("read this page")})).await.expect(201).json();
        let id = made["id"].as_str().unwrap().to_owned();
        status(owner, &id, "requires_action").await;
        if round % 2 == 0 {
            owner.post(&format!("{CHATS}/{id}/interrupt"), &json!({})).await.expect(200);
            status(owner, &id, "waiting").await;
        } else {
            owner.delete(&format!("{CHATS}/{id}")).await.expect(204);
        }
    }
    assert_eq!(fake.calls().len(), 0);
}

#[tokio::test]
async fn a_question_of_a_server_is_answered_over_rest_field_by_field() {
    let (server, llm, _fake) = world().await;
    let owner = server.owner();
    let asked = json!({"message": "Which seat?", "requestedSchema": {"type": "object", "required": ["row"],
        "properties": {"row": {"type": "integer", "maximum": 30}}}});
    let fake = FakeMcp::start(vec![FakeTool::of_text("book", "Books a seat").asking_with(asked)]).await;
    server.register_fake("seats", &fake).await;
    llm.push(Reply::call(Call::new("c1", "seats__book", &json!({"text": "x"}))));
    llm.push(Reply::text("Booked."));
    let body = json!({"content": text("go"), "client_type": "ui"});
    let made = owner.post(CHATS, &body).await.expect(201).json();
    let id = made["id"].as_str().unwrap().to_owned();
    status(owner, &id, "requires_action").await;
    let action = actions(owner, &id).await[0].clone();
    assert_eq!(
        (&action["kind"], &action["question"]["fields"][0]["kind"]),
        (&json!("elicitation"), &json!("integer"))
    );
    let path = format!("{CHATS}/{id}/elicitations/{}", action["id"].as_str().unwrap());
    let other = server.user(Role::Admin).await;
    other.client.post(&path, &json!({"action": "cancel"})).await.expect(404);
    for (answer, field) in [
        (json!({"action": "accept", "content": {}}), "content.row"),
        (json!({"action": "accept", "content": {"row": 31}}), "content.row"),
        (json!({"action": "decline", "content": {"row": 1}}), "content"),
        (json!({"action": "maybe"}), "action"),
    ] {
        assert_eq!(owner.post(&path, &answer).await.expect(400).refused_fields(), [field]);
    }
    let accept = json!({"action": "accept", "content": {"row": 7}});
    owner.post(&path, &accept).await.expect(200);
    status(owner, &id, "waiting").await;
    owner.post(&path, &accept).await.expect(409);
    let messages = transcript(owner, &id).await;
    assert!(parts(&messages, "tool-result")[0]["result"][0]["text"].as_str().unwrap().contains("\"row\":7"));
    let log = owner.get("/api/v2/audit?action=elicitation.answered").await.expect(200).json();
    let entry = log[0].to_string();
    assert!(entry.contains("action=accept") && !entry.contains("row"), "{entry}");
}
