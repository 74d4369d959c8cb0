//! Plan mode over REST (behaviour 17, 21 and 22).

use crate::support::{
    CHATS, SERVERS, TestServer, chat, over, parts, send, server_body, status, text, transcript,
};
use serde_json::{Value, json};
use testkit::{
    fake_llm::{Call, FakeLlm, Reply, offered_names, offered_tools},
    fake_mcp::{FakeMcp, FakeTool},
    http::Client,
    wait::until,
};

const OWN: [&str; 8] = [
    "ask_user_question",
    "list_agents",
    "message_agent",
    "propose_plan",
    "read_plan",
    "spawn_agent",
    "wait_agent",
    "write_plan",
];

fn words(words: &str) -> Value {
    json!({ "content": text(words) })
}

async fn scripted(server: &TestServer) -> FakeLlm {
    let llm = FakeLlm::start().await;
    server.scripted_model(&llm, "sk-x").await;
    llm
}

async fn switched(owner: &Client) -> Vec<(String, Value)> {
    let log = owner.get("/api/v2/audit?action=chat.plan_mode_switched").await.expect(200).json();
    let entries = log.as_array().unwrap().iter().rev();
    entries
        .map(|entry| (entry["resource_id"].as_str().unwrap().to_owned(), entry["changed_fields"].clone()))
        .collect()
}

async fn the_mode_is_kept_and_counts_from_the_next_turn(server: TestServer) {
    let fake = FakeMcp::start(vec![FakeTool::of_text("note", "Writes it down")]).await;
    let llm = scripted(&server).await;
    server.register_fake("fake", &fake).await;
    let owner = server.owner();
    // From the beginning.
    llm.push(Reply::Tools(vec![
        Call::new("w", "write_plan", &json!({"content": "# Steps\n\n1. <b>look</b>"})),
        Call::new("p", "propose_plan", &json!({})),
    ]));
    let made = chat(owner, &over(words("plan it"), json!({"plan_mode": "plan"}))).await;
    let id = made["id"].as_str().unwrap();
    let read = owner.get(&format!("{CHATS}/{id}")).await.expect(200).json();
    assert_eq!((&read["plan_mode"], &read["plan_version"]), (&json!("plan"), &json!(1)));
    assert_eq!(offered_names(&llm.requests()[0]), OWN);
    let messages = transcript(owner, id).await;
    let results = parts(&messages, "tool-result");
    assert_eq!(results[1]["result"], json!([{"type": "text", "text": "# Steps\n\n1. <b>look</b>"}]));
    assert!(results[1].get("html").is_none(), "only where it is asked for");
    let path = format!("{CHATS}/{id}/messages?after_id=0&rendered=true");
    let rendered = owner.get(&path).await.expect(200).json();
    let rendered = rendered["messages"].as_array().unwrap().clone();
    let results = parts(&rendered, "tool-result");
    assert!(results[0].get("html").is_none());
    let html = results[1]["html"].as_str().unwrap();
    assert!(html.contains("<h1>Steps</h1>") && html.contains("&lt;b&gt;look"), "{html}");
    assert!(fake.requests().is_empty(), "a server that sleeps is not contacted");

    // It stays, until a message says otherwise; then it stays off.
    llm.push(Reply::text("more"));
    send(owner, id, &words("go on")).await;
    assert_eq!(offered_names(&llm.requests()[1]), OWN);
    llm.push(Reply::text("doing"));
    send(owner, id, &over(words("start"), json!({"plan_mode": ""}))).await;
    let last = || llm.requests().pop().unwrap();
    let own = ["ask_user_question", "list_agents", "message_agent", "read_plan", "spawn_agent", "wait_agent"];
    assert_eq!(offered_names(&last())[..6], own);
    assert_eq!(offered_names(&last())[6..], ["fake__note"]);
    // A turn that runs keeps its mode; a message that waits brings its own.
    llm.push(Reply::Stall(vec!["Let me".to_owned()]));
    let path = format!("{CHATS}/{id}");
    owner.post(&format!("{path}/messages"), &words("and now")).await.expect(201);
    until("the model to be asked", || async { (llm.requests().len() == 4).then_some(()) }).await;
    assert_eq!(offered_tools(&last()), ["fake__note"]);
    let patched = owner.patch(&path, &json!({"plan_mode": "plan"})).await.expect(200).json();
    assert_eq!((&patched["plan_mode"], &patched["status"]), (&json!("plan"), &json!("running")));
    for (body, reply) in [(words("plans"), "a"), (over(words("acts"), json!({"plan_mode": ""})), "b")] {
        let queued = owner.post(&format!("{path}/messages"), &body).await.expect(201).json();
        assert_eq!(queued["queued"], true);
        assert_eq!(queued["queued_message"].get("plan_mode"), body.get("plan_mode"));
        llm.push(Reply::text(reply));
    }
    owner.post(&format!("{path}/interrupt"), &json!({})).await.expect(200);
    status(owner, id, "waiting").await;
    let offered: Vec<_> = llm.requests()[4..].iter().map(offered_tools).collect();
    assert_eq!(offered, [Vec::<String>::new(), vec!["fake__note".to_owned()]]);
    let facts: Vec<Value> = switched(owner).await.into_iter().map(|(_, facts)| facts).collect();
    let (on, off) = (json!(["plan_mode=plan"]), json!(["plan_mode=off"]));
    assert_eq!(facts, [on.clone(), off.clone(), on, off]);
}

#[tokio::test]
async fn the_mode_is_kept_and_counts_from_the_next_turn_on_sqlite() {
    the_mode_is_kept_and_counts_from_the_next_turn(TestServer::start().await).await;
}

#[tokio::test]
async fn the_mode_is_kept_and_counts_from_the_next_turn_on_postgres() {
    the_mode_is_kept_and_counts_from_the_next_turn(TestServer::on_postgres().await).await;
}

#[tokio::test]
async fn an_edit_switches_the_mode_too() {
    let server = TestServer::start().await;
    let llm = scripted(&server).await;
    let owner = server.owner();
    for reply in ["one", "two"] {
        llm.push(Reply::text(reply));
    }
    let made = chat(owner, &words("first")).await;
    let (id, message) = (made["id"].as_str().unwrap(), made["messages"][0]["id"].as_i64().unwrap());
    let path = format!("{CHATS}/{id}/messages/{message}");
    owner.patch(&path, &over(words("again"), json!({"plan_mode": "plan"}))).await.expect(200);
    status(owner, id, "waiting").await;
    assert_eq!(offered_names(&llm.requests()[1]), OWN);
    assert_eq!(switched(owner).await, [(id.to_owned(), json!(["plan_mode=plan"]))]);
    for wrong in [json!({"plan_mode": "maybe"}), json!({"plan_mode": 1})] {
        let path = format!("{CHATS}/{id}");
        assert_eq!(owner.patch(&path, &wrong).await.expect(400).refused_fields(), ["plan_mode"]);
    }
}

#[tokio::test]
async fn the_flag_of_a_server_is_set_shown_exported_and_imported() {
    let server = TestServer::start().await;
    let owner = server.owner();
    let on = json!({"allow_in_plan_mode": true});
    let id = server.register(&over(server_body("docs", "https://mcp.example.org/mcp"), on.clone())).await;
    let path = format!("{SERVERS}/{id}");
    assert_eq!(owner.get(&path).await.expect(200).json()["allow_in_plan_mode"], true);
    let document = owner.get("/api/experimental/mcp/export").await.expect(200).body;
    assert!(document.contains("allow_in_plan_mode: true"), "{document}");
    let off = owner.patch(&path, &json!({"allow_in_plan_mode": false})).await.expect(200).json();
    assert_eq!(off["allow_in_plan_mode"], false);
    let import = async |more: Value| {
        let body = over(json!({ "document": document.clone() }), more);
        owner.post("/api/experimental/mcp/import", &body).await.expect(200).json()
    };
    let plan = import(json!({})).await;
    import(json!({"apply": true, "plan_hash": plan["plan_hash"]})).await;
    assert_eq!(owner.get(&path).await.expect(200).json()["allow_in_plan_mode"], true);
}

#[tokio::test]
async fn why_says_what_sleeps_as_turns_do() {
    let fake = FakeMcp::start(vec![FakeTool::of_text("note", "Writes it down")]).await;
    let server = TestServer::start().await;
    let llm = scripted(&server).await;
    let owner = server.owner();
    let id = server.register_fake("fake", &fake).await;
    llm.push(Reply::text("planned"));
    let made = chat(owner, &over(words("plan"), json!({"plan_mode": "plan"}))).await;
    let chat_id = made["id"].as_str().unwrap();
    let explain = async |query: &str| {
        let path = format!("{SERVERS}/{id}/explain?chat_id={chat_id}{query}");
        let explained = owner.get(&path).await.expect(200).json();
        (explained["offered"].clone(), explained["failed_gate"].clone())
    };
    let asleep = (json!(false), json!("plan_mode"));
    assert_eq!(explain("").await, asleep);
    assert_eq!(explain("&plan_mode=false").await, (json!(true), Value::Null));
    let status = &made["messages"][0]["mcp_status"];
    assert!(status.is_null() || status[0]["outcome"] == "skipped", "{status}");
    let kept = transcript(owner, chat_id).await[0]["mcp_status"][0].clone();
    assert_eq!((&kept["outcome"], &kept["tool_count"]), (&json!("skipped"), &json!(0)));
    assert!(kept["error"].as_str().unwrap().starts_with("Sleeping in plan mode"), "{kept}");
    owner.patch(&format!("{SERVERS}/{id}"), &json!({"allow_in_plan_mode": true})).await.expect(200);
    assert_eq!(explain("").await, (json!(true), Value::Null));
    llm.push(Reply::text("planned"));
    send(owner, chat_id, &words("on")).await;
    assert_eq!(offered_tools(&llm.requests()[1]), ["fake__note"]);
}
