//! Titles, summaries, cleared contexts and what admins set of them, over REST (behaviour 17 and 24).

use crate::support::{CHATS, TestServer, chat, parts, send, status, text, transcript};
use api::users::Role;
use http::Method;
use serde_json::{Value, json};
use std::time::Duration;
use testkit::{
    fake_llm::{FakeLlm, Reply},
    wait::until,
};

const CONFIG: &str = "/api/experimental/chats/config";

async fn titles(server: &TestServer, model: &str) {
    server.owner().put(&format!("{CONFIG}/title-model"), &json!({"title_model": model})).await.expect(200);
}

async fn title(server: &TestServer, id: &str) -> String {
    let chat = server.owner().get(&format!("{CHATS}/{id}")).await.expect(200).json();
    chat["title"].as_str().unwrap().to_owned()
}

/// The newest request.
fn newest(llm: &FakeLlm) -> Value {
    serde_json::from_str(&llm.requests().last().unwrap().body).unwrap()
}

/// Its messages, apart from the system prompt.
fn told(llm: &FakeLlm) -> Vec<String> {
    let messages = newest(llm)["messages"].as_array().unwrap().clone();
    let said = messages.iter().filter(|message| message["role"] != "system");
    said.map(|message| message["content"].to_string()).collect()
}

#[tokio::test]
async fn a_model_names_a_chat_and_never_over_a_name_that_a_person_gave() {
    let server = TestServer::start().await;
    server.demo_model().await;
    titles(&server, "chat").await;
    let made = chat(server.owner(), &json!({"content": text("please tell me about lease epochs.")})).await;
    let id = made["id"].as_str().unwrap().to_owned();
    until("the title to be made", || async {
        (title(&server, &id).await == "Tell me about lease epochs").then_some(())
    })
    .await;
    let path = format!("{CHATS}/{id}");
    server.owner().patch(&path, &json!({"title": "Mine"})).await.expect(200);
    server.running.chatd.title_begin(id.parse().unwrap());
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(title(&server, &id).await, "Mine");
    // Asked for, it is made anew.
    let again = server.owner().post(&format!("{path}/title/regenerate"), &json!({})).await.expect(200).json();
    assert_eq!(again["title"], "Tell me about lease epochs");
    titles(&server, "off").await;
    let refused = server.owner().post(&format!("{path}/title/regenerate"), &json!({})).await.expect(409);
    assert!(refused.message().contains("switched generated titles off"), "{}", refused.message());
}

#[tokio::test]
async fn a_title_is_one_try_without_tools_and_its_failure_leaves_the_prompt() {
    let server = TestServer::start().await;
    let llm = FakeLlm::start().await;
    server.scripted_model(&llm, "sk-x").await;
    let made = chat(server.owner(), &json!({"content": text("Name me")})).await;
    let id = made["id"].as_str().unwrap().to_owned();
    titles(&server, "chat").await;
    let path = format!("{CHATS}/{id}/title/regenerate");
    let before = llm.requests().len();
    llm.push(Reply::status(500, "down"));
    let refused = server.owner().post(&path, &json!({})).await.expect(409);
    assert!(!refused.message().is_empty());
    assert_eq!(llm.requests().len(), before + 1, "one try");
    assert_eq!(title(&server, &id).await, "Name me");
    let body = newest(&llm);
    assert!(body.get("tools").is_none_or(|tools| tools.as_array().is_some_and(Vec::is_empty)), "{body}");
}

#[tokio::test]
async fn a_cleared_context_is_shown_to_people_and_to_no_model() {
    let server = TestServer::start().await;
    let llm = FakeLlm::start().await;
    server.scripted_model(&llm, "sk-x").await;
    let owner = server.owner();
    let made = chat(owner, &json!({"content": text("My number is 4711")})).await;
    let id = made["id"].as_str().unwrap().to_owned();
    let clear = format!("{CHATS}/{id}/clear");
    owner.post(&clear, &json!({})).await.expect(200);
    owner.post(&clear, &json!({})).await.expect(409);
    let asked = llm.requests().len();
    send(owner, &id, &json!({"content": text("What is my number?")})).await;
    assert_eq!(llm.requests().len(), asked + 1, "clearing asks no model");
    let told = told(&llm);
    assert!(told.len() == 1 && told[0].contains("What is my number?"), "{told:?}");
    let messages = transcript(owner, &id).await;
    assert_eq!(parts(&messages, "tool-call")[0]["tool_name"], "chat_cleared");
    assert!(messages.iter().any(|message| message.to_string().contains("4711")), "people still see it");
    // An edit before the line takes the line away, and what is said then is told again.
    let first = messages[0]["id"].as_i64().unwrap();
    let edit = json!({"content": text("My number is 4712")});
    owner.patch(&format!("{CHATS}/{id}/messages/{first}"), &edit).await.expect(200);
    status(owner, &id, "waiting").await;
    send(owner, &id, &json!({"content": text("And now?")})).await;
    assert!(self::told(&llm)[0].contains("4712"));
}

#[tokio::test]
async fn a_busy_or_archived_chat_is_neither_cleared_nor_summarised() {
    let server = TestServer::start().await;
    let llm = FakeLlm::start().await;
    server.scripted_model(&llm, "sk-x").await;
    let owner = server.owner();
    llm.push(Reply::Stall(vec!["Let me".to_owned()]));
    let made = owner.post(CHATS, &json!({"content": text("first")})).await.expect(201).json();
    let id = made["id"].as_str().unwrap().to_owned();
    for what in ["clear", "compact"] {
        let refused = owner.post(&format!("{CHATS}/{id}/{what}"), &json!({})).await.expect(409);
        assert!(refused.message().contains("A turn is running"), "{what}: {}", refused.message());
    }
    owner.post(&format!("{CHATS}/{id}/interrupt"), &json!({})).await.expect(200);
    status(owner, &id, "waiting").await;
    owner.patch(&format!("{CHATS}/{id}"), &json!({"archived": true})).await.expect(200);
    for what in ["clear", "compact"] {
        let refused = owner.post(&format!("{CHATS}/{id}/{what}"), &json!({})).await.expect(409);
        assert!(refused.message().contains("archived"), "{what}: {}", refused.message());
    }
}

async fn a_chat_is_summarised(server: TestServer) {
    let llm = FakeLlm::start().await;
    server.scripted_model(&llm, "sk-x").await;
    let owner = server.owner();
    let made = chat(owner, &json!({"content": text("My number is 4711")})).await;
    let id = made["id"].as_str().unwrap().to_owned();
    llm.push(Reply::text("The number is 4711."));
    let running = owner.post(&format!("{CHATS}/{id}/compact"), &json!({})).await.expect(200).json();
    assert_eq!(running["status"], "running");
    status(owner, &id, "waiting").await;
    let messages = transcript(owner, &id).await;
    let result = parts(&messages, "tool-result")[0];
    assert_eq!(
        (&result["tool_name"], &result["result"][0]["text"]),
        (&json!("chat_summarized"), &json!("The number is 4711."))
    );
    let refused = owner.post(&format!("{CHATS}/{id}/compact"), &json!({})).await.expect(409);
    assert!(refused.message().contains("nothing to summarise"), "{}", refused.message());
    send(owner, &id, &json!({"content": text("What is my number?")})).await;
    let told = told(&llm);
    assert!(
        told.len() == 2 && told[0].contains("The number is 4711.") && told[1].contains("What is"),
        "{told:?}"
    );
    // What the summary is called for the model is no answer of REST.
    assert!(messages.iter().all(|message| message["role"] != "system"));
}

#[tokio::test]
async fn a_chat_is_summarised_on_sqlite() {
    a_chat_is_summarised(TestServer::start().await).await;
}

#[tokio::test]
async fn a_chat_is_summarised_on_postgres() {
    a_chat_is_summarised(TestServer::on_postgres().await).await;
}

#[tokio::test]
async fn what_admins_set_reaches_every_model_and_the_audit_log() {
    let server = TestServer::start().await;
    let llm = FakeLlm::start().await;
    server.scripted_model(&llm, "sk-x").await;
    let owner = server.owner();
    let prompt = "Always answer in the voice of a pirate 8143.";
    owner.put(&format!("{CONFIG}/system-prompt"), &json!({"system_prompt": prompt})).await.expect(200);
    let member = server.user(Role::Member).await;
    chat(&member.client, &json!({"content": text("hello")})).await;
    let body = newest(&llm);
    let system = body["messages"][0].clone();
    assert!(system["role"] == "system" && system["content"].to_string().contains(prompt), "{system}");
    member.client.get(&format!("{CONFIG}/system-prompt")).await.expect(403);
    let days = member.client.get(&format!("{CONFIG}/auto-archive-days")).await.expect(200).json();
    assert_eq!(days, json!({"auto_archive_days": 0}));
    for wrong in
        [json!({}), json!({"auto_archive_days": 1}), json!({"system_prompt": "x", "auto_archive_days": 1})]
    {
        owner.put(&format!("{CONFIG}/system-prompt"), &wrong).await.expect(400);
    }
    let unknown = json!({"title_model": "01930000-0000-7000-8000-000000000000"});
    let refused = owner.put(&format!("{CONFIG}/title-model"), &unknown).await.expect(400);
    assert_eq!(refused.refused_fields(), ["title_model"]);
    let log = owner.get("/api/v2/audit?action=settings.update").await.expect(200).json();
    let entry = &log[0];
    assert_eq!(
        (&entry["resource_id"], &entry["changed_fields"]),
        (&json!("chat-system-prompt"), &json!(["system_prompt (44 characters)"]))
    );
    assert!(!log.to_string().contains("pirate"), "the log has no texts");
}

#[tokio::test]
async fn chats_that_nobody_touched_are_archived_by_themselves() {
    let server = TestServer::start().await;
    server.demo_model().await;
    let owner = server.owner();
    let mut ids: Vec<String> = Vec::new();
    for words in ["old", "pinned", "new"] {
        let made = chat(owner, &json!({"content": text(words)})).await;
        ids.push(made["id"].as_str().unwrap().to_owned());
    }
    owner.patch(&format!("{CHATS}/{}", ids[1]), &json!({"pin_order": 1})).await.expect(200);
    owner.put(&format!("{CONFIG}/auto-archive-days"), &json!({"auto_archive_days": 30})).await.expect(200);
    assert_eq!(server.running.service.chats_auto_archive().await.unwrap(), 0);
    let old = "UPDATE chats SET updated_at = updated_at - 2678400000000 WHERE title <> 'new'";
    testkit::raw_sql(&server.running.db, old).await.unwrap();
    assert_eq!(server.running.service.chats_auto_archive().await.unwrap(), 1);
    let archived = owner.get(&format!("{CHATS}?archived=true")).await.expect(200).json();
    let found: Vec<&Value> = archived.as_array().unwrap().iter().map(|chat| &chat["id"]).collect();
    assert_eq!(found, [&json!(ids[0])]);
}

#[tokio::test]
async fn people_have_a_threshold_of_their_own() {
    let server = TestServer::start().await;
    let person = server.user(Role::Member).await;
    let own = format!("{CONFIG}/own");
    assert_eq!(person.client.get(&own).await.expect(200).json(), json!({"compaction_threshold": 0}));
    person.client.put(&own, &json!({"compaction_threshold": 60})).await.expect(200);
    assert_eq!(person.client.get(&own).await.expect(200).json(), json!({"compaction_threshold": 60}));
    let refused =
        person.client.request(Method::PUT, &own).json(&json!({"compaction_threshold": 101})).send().await;
    assert_eq!(refused.expect(400).refused_fields(), ["compaction_threshold"]);
    assert_eq!(server.owner().get(&own).await.expect(200).json(), json!({"compaction_threshold": 0}));
}
