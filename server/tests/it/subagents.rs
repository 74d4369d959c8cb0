//! Subagents over REST: seen below their chat, bound by it, and stopped, put away and deleted with it (behaviour 17 and 21).

use crate::support::{CHATS, TestServer, chat, over, parts, server_body, status, text, transcript};
use api::users::Role;
use http::Method;
use serde_json::{Value, json};
use std::time::Duration;
use testkit::{
    fake_llm::{Call, FakeLlm, Reply},
    fake_mcp::{FakeMcp, FakeTool},
    http::Client,
    record::Recorded,
    wait::until,
};

/// The messages of a request, oldest first.
fn messages(request: &Recorded) -> Vec<Value> {
    request.json()["messages"].as_array().unwrap().clone()
}

/// What was said last by a person or the chat above, and how many results came since.
fn asked(request: &Recorded) -> (String, usize) {
    let messages = messages(request);
    let at = messages.iter().rposition(|message| message["role"] == "user").unwrap();
    let results = messages[at..].iter().filter(|message| message["role"] == "tool").count();
    (messages[at]["content"].as_str().unwrap().to_owned(), results)
}

fn offered(request: &Recorded) -> Vec<String> {
    let tools = request.json()["tools"].as_array().cloned().unwrap_or_default();
    tools.iter().map(|tool| tool["function"]["name"].as_str().unwrap().to_owned()).collect()
}

/// A chat that starts one subagent of this type and says so; the subagent stands still.
async fn with_subagent(
    server: &TestServer,
    client: &Client,
    kind: &'static str,
) -> (FakeLlm, String, String) {
    let llm = FakeLlm::scripted(move |request| match asked(request) {
        (words, 0) if words == "go" => {
            Reply::call(Call::new("s", "spawn_agent", &json!({"type": kind, "task": "find it"})))
        }
        (words, _) if words == "find it" => Reply::Stall(vec!["Looking".to_owned()]),
        _ => Reply::text("It is at work."),
    })
    .await;
    server.scripted_model(&llm, "sk-x").await;
    let made = chat(client, &json!({"content": text("go")})).await;
    let id = made["id"].as_str().unwrap().to_owned();
    let tree = client.get(&format!("{CHATS}/{id}")).await.expect(200).json();
    let child = tree["children"][0]["id"].as_str().unwrap_or_else(|| panic!("no child: {tree:#}")).to_owned();
    until("the subagent to be asked", || async {
        llm.requests().iter().any(|request| asked(request).0 == "find it").then_some(())
    })
    .await;
    // And its first words to be here.
    tokio::time::sleep(Duration::from_millis(300)).await;
    (llm, id, child)
}

async fn a_subagent_is_seen_below_its_chat(server: TestServer) {
    let owner = server.owner();
    let (_llm, id, child) = with_subagent(&server, owner, "explore").await;
    let seen = owner.get(&format!("{CHATS}/{child}")).await.expect(200).json();
    assert_eq!(
        (&seen["parent_chat_id"], &seen["root_chat_id"], &seen["mode"], &seen["title"], &seen["children"]),
        (&json!(id), &json!(id), &json!("explore"), &json!("find it"), &json!([]))
    );
    let list = owner.get(CHATS).await.expect(200).json();
    assert_eq!(list.as_array().unwrap().len(), 1, "it is in no list of its own: {list:#}");
    assert_eq!((&list[0]["mode"], &list[0]["children"][0]["id"]), (&Value::Null, &json!(child)));
    let said = transcript(owner, &child).await;
    assert_eq!((&said[0]["role"], &said[0]["content"]), (&json!("user"), &text("find it")));
    // Only its chat writes to it.
    for (method, path, body) in [
        (Method::POST, format!("{CHATS}/{child}/messages"), json!({"content": text("hi")})),
        (
            Method::PATCH,
            format!("{CHATS}/{child}/messages/{}", said[0]["id"]),
            json!({"content": text("hi")}),
        ),
        (Method::PATCH, format!("{CHATS}/{child}"), json!({"archived": true})),
        (Method::PATCH, format!("{CHATS}/{child}"), json!({"plan_mode": "plan"})),
    ] {
        let refused = owner.request(method, &path).json(&body).send().await.expect(409);
        assert!(refused.message().contains("subagent"), "{}", refused.body);
    }
    owner.patch(&format!("{CHATS}/{child}"), &json!({"title": "Mine"})).await.expect(200);
    // Nobody else sees it.
    let other = server.user(Role::Member).await;
    other.client.get(&format!("{CHATS}/{child}")).await.expect(404);
    // The person may stop it.
    owner.post(&format!("{CHATS}/{child}/interrupt"), &json!({})).await.expect(200);
    status(owner, &child, "waiting").await;
}

#[tokio::test]
async fn a_subagent_is_seen_below_its_chat_on_sqlite() {
    a_subagent_is_seen_below_its_chat(TestServer::start().await).await;
}

#[tokio::test]
async fn a_subagent_is_seen_below_its_chat_on_postgres() {
    a_subagent_is_seen_below_its_chat(TestServer::on_postgres().await).await;
}

async fn subagents_end_with_their_chat(server: TestServer) {
    let owner = server.owner();
    let (llm, id, child) = with_subagent(&server, owner, "general").await;
    let path = format!("{CHATS}/{id}");
    // Stop, also while the chat itself is idle.
    owner.post(&format!("{path}/interrupt"), &json!({})).await.expect(200);
    let stopped = status(owner, &child, "waiting").await;
    assert_eq!(stopped["archived"], false);
    assert_eq!(transcript(owner, &child).await[1]["interrupted"], true, "what it had said stays");

    // Put away and taken back.
    let again = owner.post(&format!("{path}/messages"), &json!({"content": text("go")})).await.expect(201);
    assert_eq!(again.json()["queued"], false);
    status(owner, &id, "waiting").await;
    let tree = owner.get(&path).await.expect(200).json();
    let second = tree["children"][1]["id"].as_str().unwrap().to_owned();
    until("the second to be asked", || async {
        let of_child = llm.requests().iter().filter(|request| asked(request).0 == "find it").count();
        (of_child == 2).then_some(())
    })
    .await;
    owner.patch(&path, &json!({"archived": true})).await.expect(200);
    for id in [&child, &second] {
        let away = owner.get(&format!("{CHATS}/{id}")).await.expect(200).json();
        assert_eq!((&away["archived"], &away["status"]), (&json!(true), &json!("waiting")));
    }
    until("its turn to be given up", || async { (server.running.chatd.running() == 0).then_some(()) }).await;
    assert_eq!(transcript(owner, &second).await.len(), 1, "a turn that was given up writes nothing");
    owner.patch(&path, &json!({"archived": false})).await.expect(200);
    let back = owner.get(&path).await.expect(200).json();
    assert!(back["children"].as_array().unwrap().iter().all(|child| child["archived"] == false));

    owner.delete(&path).await.expect(204);
    for id in [&child, &second] {
        owner.get(&format!("{CHATS}/{id}")).await.expect(404);
    }
}

#[tokio::test]
async fn subagents_end_with_their_chat_on_sqlite() {
    subagents_end_with_their_chat(TestServer::start().await).await;
}

#[tokio::test]
async fn subagents_end_with_their_chat_on_postgres() {
    subagents_end_with_their_chat(TestServer::on_postgres().await).await;
}

/// A general subagent that calls the tool in each of three steps; between them the test changes its parent.
#[tokio::test]
async fn what_its_chat_may_not_use_by_now_a_subagent_may_not_either() {
    let fake = FakeMcp::start(vec![FakeTool::of_text("echo", "Says it back")]).await;
    let server = TestServer::start().await;
    let owner = server.owner();
    let id = server
        .register(&over(
            server_body("lab", &fake.url()),
            json!({"enabled": true, "availability": "default_on"}),
        ))
        .await;
    let (steps, step) = tokio::sync::watch::channel(0_usize);
    let steps = std::sync::Arc::new(steps);
    let counted = steps.clone();
    let llm = FakeLlm::scripted(move |request| match asked(request) {
        (words, 0) if words == "go" => {
            Reply::call(Call::new("s", "spawn_agent", &json!({"type": "general", "task": "find it"})))
        }
        (words, done) if words == "find it" && done < 3 => {
            counted.send_replace(done + 1);
            // Slow enough for the test to change something before the call goes out.
            let call = Call::new(&format!("c{done}"), "lab__echo", &json!({"text": "1"}));
            Reply::call(call.in_deltas(12, Duration::from_millis(60)))
        }
        _ => Reply::text("done"),
    })
    .await;
    server.scripted_model(&llm, "sk-x").await;
    let made = chat(owner, &json!({"content": text("go")})).await;
    let parent = made["id"].as_str().unwrap().to_owned();
    let tree = owner.get(&format!("{CHATS}/{parent}")).await.expect(200).json();
    assert_eq!(tree["children"][0]["mcp_server_ids"], json!([id]));
    let child = tree["children"][0]["id"].as_str().unwrap().to_owned();
    until("its second step", || async { (*step.borrow() >= 2).then_some(()) }).await;
    // The second call is being written: its chat loses the server meanwhile.
    owner
        .post(
            &format!("{CHATS}/{parent}/messages"),
            &json!({"content": text("never mind"), "mcp_server_ids": []}),
        )
        .await
        .expect(201);
    status(owner, &child, "waiting").await;
    let messages = transcript(owner, &child).await;
    let outcomes: Vec<&str> =
        parts(&messages, "tool-result").iter().map(|part| part["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, ["ok", "denied", "error"], "{messages:#?}");
    assert_eq!(fake.calls().len(), 1);
    let of_child: Vec<_> =
        llm.requests().into_iter().filter(|request| asked(request).0 == "find it").collect();
    assert!(offered(&of_child[1]).contains(&"lab__echo".to_owned()));
    assert!(!offered(&of_child[2]).contains(&"lab__echo".to_owned()), "nor is it offered any more");
    let _ = steps;
}
