//! Messages that wait for the turn before them, and what people set of a chat, over REST (behaviour 17 and 18).

use crate::support::{CHATS, TestServer, parts, send, status, text, transcript};
use api::users::Role;
use http::Method;
use serde_json::{Value, json};
use std::time::Duration;
use testkit::{
    fake_llm::{Call, FakeLlm, Reply},
    fake_mcp::{FakeMcp, FakeTool, ToolAnswer},
    http::Client,
    wait::until,
};

const UNKNOWN: &str = "01930000-0000-7000-8000-000000000000";

fn words(words: &str) -> Value {
    json!({ "content": text(words) })
}

/// A chat whose first turn stands still; everything after it is answered "ok".
async fn stalled(server: &TestServer, llm: &FakeLlm) -> String {
    llm.push(Reply::Stall(vec!["Let me".to_owned()]));
    let made = server.owner().post(CHATS, &words("first")).await.expect(201).json();
    until("the model to be asked", || async { (!llm.requests().is_empty()).then_some(()) }).await;
    made["id"].as_str().unwrap().to_owned()
}

async fn post(client: &Client, id: &str, body: &Value) -> Value {
    client.post(&format!("{CHATS}/{id}/messages"), body).await.expect(201).json()
}

async fn waiting(client: &Client, id: &str) -> Vec<String> {
    let page = client.get(&format!("{CHATS}/{id}/messages")).await.expect(200).json();
    let queue = page["queued_messages"].as_array().unwrap();
    queue.iter().map(|queued| queued["content"][0]["text"].as_str().unwrap().to_owned()).collect()
}

async fn said(client: &Client, id: &str) -> Vec<String> {
    transcript(client, id).await.iter().map(text_of).collect()
}

fn text_of(message: &Value) -> String {
    parts(std::slice::from_ref(message), "text").iter().filter_map(|part| part["text"].as_str()).collect()
}

async fn stop(client: &Client, id: &str) {
    client.post(&format!("{CHATS}/{id}/interrupt"), &json!({})).await.expect(200);
}

#[tokio::test]
async fn a_message_waits_behind_the_turn_that_runs() {
    let server = TestServer::start().await;
    let llm = FakeLlm::start().await;
    server.scripted_model(&llm, "sk-x").await;
    let owner = server.owner();
    let id = stalled(&server, &llm).await;
    let second = post(owner, &id, &words("second")).await;
    assert_eq!(
        (&second["queued"], &second["message"], &second["status"]),
        (&json!(true), &Value::Null, &json!("running"))
    );
    assert_eq!(second["queued_message"]["content"][0]["text"], "second");
    post(owner, &id, &words("third")).await;
    assert_eq!(waiting(owner, &id).await, ["second", "third"]);
    assert_eq!(said(owner, &id).await, ["first"]);
    for reply in ["two", "three"] {
        llm.push(Reply::text(reply));
    }
    // Whoever waits for a message that waits gets its turn.
    let ask = owner.request(Method::POST, &format!("{CHATS}/{id}/messages")).header("prefer", "wait=60");
    let asked = tokio::spawn(ask.json(&words("fourth")).send());
    until("three to wait", || async { (waiting(owner, &id).await.len() == 3).then_some(()) }).await;
    llm.push(Reply::text("four"));
    stop(owner, &id).await;
    let fourth = asked.await.unwrap().expect(201).json();
    status(owner, &id, "waiting").await;
    assert_eq!(
        said(owner, &id).await,
        ["first", "Let me", "second", "two", "third", "three", "fourth", "four"]
    );
    let turn: Vec<String> = fourth["messages"].as_array().unwrap().iter().map(text_of).collect();
    assert_eq!(turn, ["fourth", "four"]);
    assert!(waiting(owner, &id).await.is_empty());
}

#[tokio::test]
async fn interrupt_puts_a_message_first_and_stops_the_turn() {
    let server = TestServer::start().await;
    let llm = FakeLlm::start().await;
    server.scripted_model(&llm, "sk-x").await;
    let owner = server.owner();
    let id = stalled(&server, &llm).await;
    post(owner, &id, &words("second")).await;
    for reply in ["now", "two"] {
        llm.push(Reply::text(reply));
    }
    let mut body = words("at once");
    body["busy_behavior"] = json!("interrupt");
    let sent = post(owner, &id, &body).await;
    assert_eq!((&sent["queued"], &sent["status"]), (&json!(true), &json!("interrupting")));
    status(owner, &id, "waiting").await;
    assert_eq!(said(owner, &id).await, ["first", "Let me", "at once", "now", "second", "two"]);
    body["busy_behavior"] = json!("push in");
    owner.post(&format!("{CHATS}/{id}/messages"), &body).await.expect(400);
}

#[tokio::test]
async fn a_waiting_message_is_taken_back_or_made_the_next() {
    let server = TestServer::start().await;
    let llm = FakeLlm::start().await;
    server.scripted_model(&llm, "sk-x").await;
    let owner = server.owner();
    let id = stalled(&server, &llm).await;
    let mut ids = Vec::new();
    for n in ["a", "b", "c"] {
        ids.push(post(owner, &id, &words(n)).await["queued_message"]["id"].as_i64().unwrap());
    }
    let path = |queued: i64| format!("{CHATS}/{id}/queue/{queued}");
    let stranger = server.user(Role::Admin).await.client;
    for client in [&stranger] {
        client.delete(&path(ids[0])).await.expect(404);
        client.post(&format!("{}/promote", path(ids[0])), &json!({})).await.expect(404);
    }
    owner.delete(&path(ids[0])).await.expect(204);
    owner.delete(&path(ids[0])).await.expect(404);
    owner.delete(&format!("{CHATS}/{id}/queue/x")).await.expect(400);
    owner.delete(&format!("{CHATS}/{UNKNOWN}/queue/1")).await.expect(404);
    for reply in ["see", "bee"] {
        llm.push(Reply::text(reply));
    }
    let promoted = owner.post(&format!("{}/promote", path(ids[2])), &json!({})).await.expect(200).json();
    assert_eq!(promoted["status"], "interrupting");
    status(owner, &id, "waiting").await;
    assert_eq!(said(owner, &id).await, ["first", "Let me", "c", "see", "b", "bee"]);
    owner.post(&format!("{}/promote", path(ids[2])), &json!({})).await.expect(404);
}

#[tokio::test]
async fn after_a_failed_turn_the_queue_goes_on_when_it_is_told_to() {
    let server = TestServer::start().await;
    let llm = FakeLlm::start().await;
    server.scripted_model(&llm, "sk-x").await;
    let owner = server.owner();
    let failed = async |llm: &FakeLlm| {
        let id = stalled(&server, llm).await;
        post(owner, &id, &words("second")).await;
        llm.push(Reply::status(401, "bad key"));
        stop(owner, &id).await;
        status(owner, &id, "error").await;
        id
    };
    // The stop ended the first turn; the second failed.
    let id = failed(&llm).await;
    assert!(waiting(owner, &id).await.is_empty());
    let before = said(owner, &id).await;
    // A message to a failed chat with nothing waiting begins a turn, and one that waits behind it is next.
    llm.push(Reply::Stall(vec![]));
    let count = llm.requests().len();
    assert_eq!(post(owner, &id, &words("third")).await["queued"], false);
    until("the model to be asked", || async { (llm.requests().len() > count).then_some(()) }).await;
    post(owner, &id, &words("fourth")).await;
    post(owner, &id, &words("fifth")).await;
    llm.push(Reply::status(401, "bad key"));
    stop(owner, &id).await;
    status(owner, &id, "error").await;
    assert_eq!(waiting(owner, &id).await, ["fifth"], "a failure holds the queue");
    // Appended, and the head promoted.
    for reply in ["five", "six"] {
        llm.push(Reply::text(reply));
    }
    let sent = post(owner, &id, &words("sixth")).await;
    assert_eq!((&sent["queued"], &sent["status"]), (&json!(true), &json!("running")));
    status(owner, &id, "waiting").await;
    let after = said(owner, &id).await;
    assert_eq!(after[before.len()..], ["third", "fourth", "fifth", "five", "sixth", "six"]);

    // An edit empties the queue; a retry does not.
    llm.push(Reply::Stall(vec![]));
    let count = llm.requests().len();
    post(owner, &id, &words("seventh")).await;
    until("the model to be asked", || async { (llm.requests().len() > count).then_some(()) }).await;
    for n in ["eighth", "ninth", "tenth"] {
        post(owner, &id, &words(n)).await;
    }
    llm.push(Reply::status(401, "bad key"));
    stop(owner, &id).await;
    status(owner, &id, "error").await;
    let newest = transcript(owner, &id).await.last().unwrap()["id"].as_i64().unwrap();
    let edit = format!("{CHATS}/{id}/messages/{newest}");
    llm.push(Reply::status(401, "bad key"));
    owner.patch(&edit, &json!({})).await.expect(200);
    status(owner, &id, "error").await;
    assert_eq!(waiting(owner, &id).await, ["ninth", "tenth"], "what waits is not touched by a retry");
    llm.push(Reply::text("done"));
    owner.patch(&edit, &words("eighth, better")).await.expect(200);
    status(owner, &id, "waiting").await;
    assert!(waiting(owner, &id).await.is_empty());
    assert_eq!(said(owner, &id).await.last().unwrap(), "done");
}

#[tokio::test]
async fn a_repeated_request_finds_the_message_that_waits_and_the_one_it_became() {
    let server = TestServer::start().await;
    let llm = FakeLlm::start().await;
    server.scripted_model(&llm, "sk-x").await;
    let owner = server.owner();
    let id = stalled(&server, &llm).await;
    let path = format!("{CHATS}/{id}/messages");
    let ask = async || {
        let ask = owner.request(Method::POST, &path).header("idempotency-key", "once");
        ask.json(&words("second")).send().await.expect(201).json()
    };
    let first = ask().await;
    let again = ask().await;
    assert_eq!(first, again);
    assert_eq!(waiting(owner, &id).await, ["second"]);
    llm.push(Reply::text("two"));
    stop(owner, &id).await;
    status(owner, &id, "waiting").await;
    let late = ask().await;
    assert_eq!((&late["queued_message"], &late["queued"]), (&first["queued_message"], &json!(true)));
    assert_eq!(said(owner, &id).await, ["first", "Let me", "second", "two"]);
}

#[tokio::test]
async fn a_full_queue_refuses_and_loses_nothing() {
    let server = TestServer::start().await;
    let llm = FakeLlm::start().await;
    server.scripted_model(&llm, "sk-x").await;
    let owner = server.owner();
    let id = stalled(&server, &llm).await;
    let path = format!("{CHATS}/{id}/messages");
    let big = words(&"x".repeat(300 * 1024));
    owner.post(&path, &big).await.expect(201);
    let refused = owner.post(&path, &big).await.expect(409);
    assert!(refused.message().contains("512 KiB"), "{}", refused.message());
    for n in 0..99 {
        owner.post(&path, &words(&format!("m{n}"))).await.expect(201);
    }
    let refused = owner.post(&path, &words("one more")).await.expect(409);
    assert!(refused.message().contains("100 messages wait"), "{}", refused.message());
    let queue = waiting(owner, &id).await;
    assert_eq!((queue.len(), queue.last().unwrap().as_str()), (100, "m98"));
    owner.delete(&format!("{CHATS}/{id}")).await.expect(204);
}

#[tokio::test]
async fn chats_are_put_away_pinned_and_labelled() {
    let server = TestServer::start().await;
    server.demo_model().await;
    let person = server.user(Role::Member).await.client;
    let mut ids = Vec::new();
    for n in 0..3 {
        let made = crate::support::chat(&person, &words(&format!("chat {n}"))).await;
        ids.push(made["id"].as_str().unwrap().to_owned());
    }
    let list = async |query: &str| {
        let chats = person.get(&format!("{CHATS}{query}")).await.expect(200).json();
        let ids = chats.as_array().unwrap().iter().map(|chat| chat["id"].as_str().unwrap().to_owned());
        ids.collect::<Vec<_>>()
    };
    assert_eq!(list("").await, [ids[2].clone(), ids[1].clone(), ids[0].clone()]);
    let patch = async |id: &str, body: Value| person.patch(&format!("{CHATS}/{id}"), &body).await;
    let pinned = patch(&ids[0], json!({"pin_order": 1, "labels": {"team": "web"}})).await.expect(200).json();
    assert_eq!((&pinned["pin_order"], &pinned["labels"]["team"]), (&json!(1), &json!("web")));
    assert_eq!(list("").await, [ids[0].clone(), ids[2].clone(), ids[1].clone()]);
    assert_eq!(list(&format!("?limit=1&after={}", ids[0])).await, [ids[2].clone()]);
    assert_eq!(list("?label=team").await, [ids[0].clone()]);
    assert_eq!(list("?label=team:web").await, [ids[0].clone()]);
    assert!(list("?label=team:db").await.is_empty());
    person.get(&format!("{CHATS}?label=%22%27")).await.expect(400);

    patch(&ids[2], json!({"archived": true})).await.expect(200);
    assert_eq!(list("").await, [ids[0].clone(), ids[1].clone()]);
    assert_eq!(list("?archived=true").await, [ids[2].clone()]);
    let refused = person.post(&format!("{CHATS}/{}/messages", ids[2]), &words("more")).await.expect(409);
    assert!(refused.message().contains("archived"), "{}", refused.message());
    patch(&ids[2], json!({"archived": false})).await.expect(200);
    send(&person, &ids[2], &words("more")).await;

    let too_many: serde_json::Map<String, Value> = (0..51).map(|n| (format!("k{n}"), json!("v"))).collect();
    for (body, field) in [
        (json!({"labels": too_many}), "labels"),
        (json!({"labels": {"a b": "c"}}), "labels"),
        (json!({"labels": {"": "c"}}), "labels"),
        (json!({"labels": {"a": "two\nlines"}}), "labels"),
        (json!({"pin_order": -1}), "pin_order"),
        (json!({"pin_order": 1_000_001}), "pin_order"),
    ] {
        assert_eq!(patch(&ids[0], body).await.expect(400).refused_fields(), [field]);
    }
}

#[tokio::test]
async fn an_edit_gives_up_the_turn_that_runs_and_what_waits() {
    let llm = FakeLlm::start().await;
    let server = TestServer::start().await;
    server.scripted_model(&llm, "sk-x").await;
    let owner = server.owner();
    let id = stalled(&server, &llm).await;
    post(owner, &id, &words("second")).await;
    let first = transcript(owner, &id).await[0]["id"].as_i64().unwrap();
    llm.push(Reply::text("better"));
    let path = format!("{CHATS}/{id}/messages/{first}");
    let edited = owner.patch(&path, &words("first, again")).await.expect(200).json();
    assert_eq!((&edited["status"], &edited["message"]["id"]), (&json!("running"), &json!(first)));
    status(owner, &id, "waiting").await;
    assert_eq!(said(owner, &id).await, ["first, again", "better"]);
    assert!(waiting(owner, &id).await.is_empty());
    assert_eq!(llm.requests().len(), 2, "nobody asks for what was given up");
}

#[tokio::test]
async fn a_wait_is_for_its_own_turn_and_brings_no_other() {
    let llm = FakeLlm::start().await;
    let server = TestServer::start().await;
    server.scripted_model(&llm, "sk-x").await;
    let owner = server.owner();
    let id = stalled(&server, &llm).await;
    let ask = owner.request(Method::POST, &format!("{CHATS}/{id}/messages")).header("prefer", "wait=60");
    let asked = tokio::spawn(ask.json(&words("second")).send());
    until("one to wait", || async { (waiting(owner, &id).await.len() == 1).then_some(()) }).await;
    post(owner, &id, &words("third")).await;
    llm.push(Reply::text("two"));
    // The turn behind it stands still: an answer that waited for it would not come.
    llm.push(Reply::Stall(vec!["never".to_owned()]));
    stop(owner, &id).await;
    let second = asked.await.unwrap().expect(201).json();
    let turn: Vec<String> = second["messages"].as_array().unwrap().iter().map(text_of).collect();
    assert_eq!(turn, ["second", "two"]);
    owner.delete(&format!("{CHATS}/{id}")).await.expect(204);
}

#[tokio::test]
async fn a_waiting_message_outlives_the_model_it_names() {
    let llm = FakeLlm::start().await;
    let server = TestServer::start().await;
    let first = server.scripted_model(&llm, "sk-x").await;
    let owner = server.owner();
    let models = owner.get("/api/v2/models").await.expect(200).json();
    let provider = models.as_array().unwrap().iter().find(|model| model["id"] == first.as_str()).unwrap();
    let other = json!({"provider_id": provider["provider_id"], "model": "other", "display_name": "Other"});
    let other = owner.post("/api/v2/models", &other).await.expect(201).json()["id"].clone();
    let id = stalled(&server, &llm).await;
    let mut body = words("second");
    body["model_config_id"] = other.clone();
    post(owner, &id, &body).await;
    owner.delete(&format!("/api/v2/models/{}", other.as_str().unwrap())).await.expect(204);
    llm.push(Reply::text("two"));
    stop(owner, &id).await;
    status(owner, &id, "waiting").await;
    assert_eq!(said(owner, &id).await, ["first", "Let me", "second", "two"], "by the default model");
}

#[tokio::test]
async fn calls_under_way_at_an_edit_end_as_unknown_in_the_log() {
    let slow = FakeTool::of_text("note", "Notes")
        .answering(|_| ToolAnswer::text("late").after(Duration::from_secs(60)));
    let fake = FakeMcp::start(vec![slow]).await;
    let llm = FakeLlm::start().await;
    let server = TestServer::start().await;
    server.scripted_model(&llm, "sk-x").await;
    server.register_fake("fake", &fake).await;
    let owner = server.owner();
    llm.push(Reply::call(Call::new("c1", "fake__note", &json!({"text": "x"}))));
    let made = owner.post(CHATS, &words("first")).await.expect(201).json();
    let (id, first) = (made["id"].as_str().unwrap(), made["messages"][0]["id"].as_i64().unwrap());
    until("the call to arrive", || async { (!fake.effects().is_empty()).then_some(()) }).await;
    llm.push(Reply::text("better"));
    owner.patch(&format!("{CHATS}/{id}/messages/{first}"), &words("again")).await.expect(200);
    status(owner, id, "waiting").await;
    assert_eq!(said(owner, id).await, ["again", "better"]);
    let log = owner.get("/api/v2/audit?action=tool_call.").await.expect(200).json();
    let told: Vec<(&str, &str)> = log
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| (entry["action"].as_str().unwrap(), entry["outcome"].as_str().unwrap()))
        .collect();
    assert_eq!(told, [("tool_call.ended", "failed"), ("tool_call.sent", "ok")]);
    assert_eq!(fake.effects().len(), 1);
}
