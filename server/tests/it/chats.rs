//! Chats over REST: create, select servers, send, edit, stop (issue points 7 and 8, behaviour 16 to 18).

use crate::support::{
    CHATS, SERVERS, TestServer, answer_text, chat, over, parts, send, server_body, status, text, transcript,
};
use api::users::Role;
use http::Method;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use testkit::{
    fake_llm::{FakeLlm, Reply},
    fake_mcp::{FakeMcp, FakeTool, ToolAnswer},
    temp::unique,
    wait::until,
};

const UNKNOWN: &str = "01930000-0000-7000-8000-000000000000";

/// The demo model holds no tool name: of random ones it finds the right one by their descriptions.
async fn the_right_tool_is_called(server: TestServer) {
    let names: Vec<String> = (0..4).map(|_| format!("t{}", unique())).collect();
    let descriptions = [
        "Books a train ticket",
        "Measures the wombat population",
        "Translates old poems",
        "Waters the garden",
    ];
    let tools = names
        .iter()
        .zip(descriptions)
        .map(|(name, description)| {
            let said = format!("answer of {name}");
            FakeTool::of_text(name, description).answering(move |_| ToolAnswer::text(said.clone()))
        })
        .collect();
    let fake = FakeMcp::start(tools).await;
    server.demo_model().await;
    let slug = format!("s{}", &unique()[..8]);
    let id = server.register_fake(&slug, &fake).await;
    let person = server.user(Role::Member).await;
    let made = chat(
        &person.client,
        &json!({"content": text("Please measure the wombat population near the river")}),
    )
    .await;
    assert_eq!(made["status"], "waiting", "{made:#}");
    let calls = fake.calls();
    assert_eq!(calls.len(), 1, "{calls:#?}");
    assert_eq!(calls[0]["params"]["name"], json!(names[1]));
    assert!(calls[0]["params"]["arguments"]["text"].as_str().is_some_and(|text| !text.is_empty()));
    let messages = made["messages"].as_array().unwrap();
    let roles: Vec<&str> = messages.iter().map(|message| message["role"].as_str().unwrap()).collect();
    assert_eq!(roles, ["user", "assistant", "tool", "assistant"]);
    let call = parts(messages, "tool-call")[0];
    assert_eq!(
        (&call["tool_name"], &call["original_name"], &call["mcp_server_config_id"]),
        (&json!(format!("{slug}__{}", names[1])), &json!(names[1]), &json!(id))
    );
    assert_eq!(call["server"]["slug"], json!(slug));
    let result = parts(messages, "tool-result")[0];
    assert_eq!((&result["outcome"], &result["is_error"]), (&json!("ok"), &json!(false)));
    assert_eq!(result["result"], json!([{"type": "text", "text": format!("answer of {}", names[1])}]));
    assert!(answer_text(messages).contains(&format!("answer of {}", names[1])), "{made:#}");
    assert_eq!(made["messages"], json!(transcript(&person.client, made["id"].as_str().unwrap()).await));
    assert_eq!(made["owner_id"], json!(person.id));
}

#[tokio::test]
async fn of_tools_with_random_names_the_demo_model_calls_the_right_one_on_sqlite() {
    the_right_tool_is_called(TestServer::start().await).await;
}

#[tokio::test]
async fn of_tools_with_random_names_the_demo_model_calls_the_right_one_on_postgres() {
    the_right_tool_is_called(TestServer::on_postgres().await).await;
}

#[tokio::test]
async fn model_intent_is_stored_and_shown_and_never_sent() {
    let fake = FakeMcp::start(vec![FakeTool::of_text("find", "Finds wombats")]).await;
    let server = TestServer::start().await;
    server.demo_model().await;
    let body = over(
        server_body("zoo", &fake.url()),
        json!({"enabled": true, "availability": "force_on", "model_intent": true}),
    );
    server.register(&body).await;
    let made = chat(server.owner(), &json!({"content": text("find wombats")})).await;
    let call = parts(made["messages"].as_array().unwrap(), "tool-call")[0].clone();
    assert_eq!(call["model_intent"], true);
    let intent = call["args"]["model_intent"].as_str().unwrap();
    assert!(!intent.is_empty() && intent.len() < 100, "{intent}");
    let calls = fake.calls();
    assert_eq!(calls.len(), 1);
    assert_eq!(calls[0]["params"]["arguments"], call["args"]["properties"]);
    for request in fake.requests() {
        assert!(!request.whole().contains("model_intent"), "{}", request.whole());
        assert!(!request.whole().contains(intent), "{}", request.whole());
    }
}

#[tokio::test]
async fn without_prefer_the_answer_comes_at_once_and_the_turn_goes_on_alone() {
    let llm = FakeLlm::start().await;
    let server = TestServer::start().await;
    server.scripted_model(&llm, "sk-x").await;
    llm.push(Reply::Slow(vec!["slow".to_owned()], Duration::from_millis(1500)));
    let begun = Instant::now();
    let answer = server.owner().post(CHATS, &json!({"content": text("hi")})).await.expect(201);
    assert!(begun.elapsed() < Duration::from_millis(1400));
    assert!(answer.header("preference-applied").is_none());
    let made = answer.json();
    assert_eq!((&made["status"], made["messages"].as_array().unwrap().len()), (&json!("running"), 1));
    status(server.owner(), made["id"].as_str().unwrap(), "waiting").await;
    assert_eq!(answer_text(&transcript(server.owner(), made["id"].as_str().unwrap()).await), "slow");
}

#[tokio::test]
async fn prefer_wait_gives_what_there_is_when_its_time_is_over() {
    let llm = FakeLlm::start().await;
    let server = TestServer::start().await;
    server.scripted_model(&llm, "sk-x").await;
    llm.push(Reply::Stall(vec!["begun".to_owned()]));
    let begun = Instant::now();
    let ask = server
        .owner()
        .request(Method::POST, CHATS)
        .header("prefer", "wait=1")
        .json(&json!({"content": text("hi")}));
    let answer = ask.send().await.expect(201);
    assert!(
        (Duration::from_millis(900)..Duration::from_secs(5)).contains(&begun.elapsed()),
        "{:?}",
        begun.elapsed()
    );
    assert_eq!(answer.header("preference-applied"), Some("wait=1"));
    assert_eq!(answer.json()["status"], "running");
}

#[tokio::test]
async fn bad_input_names_its_field() {
    let server = TestServer::start().await;
    server.demo_model().await;
    let good = json!({"content": text("hi")});
    for (field, change) in [
        ("content", json!({"content": []})),
        ("content", json!({"content": text("  \n ")})),
        ("content", json!({"content": text(&"x".repeat(513 * 1024))})),
        ("content", json!({"content": "hi"})),
        ("client_type", json!({"client_type": "fax"})),
        ("labels", json!({"labels": {"team": "web"}})),
        ("mcp_server_ids", json!({"mcp_server_ids": [UNKNOWN]})),
        ("mcp_server_ids[0]", json!({"mcp_server_ids": ["x"]})),
        ("model_config_id", json!({"model_config_id": UNKNOWN})),
        ("plan_mode", json!({"plan_mode": "maybe"})),
        ("plan_mode", json!({"plan_mode": true})),
        // Not in this build: refused by name instead of being ignored.
        ("workspace_id", json!({"workspace_id": UNKNOWN})),
        ("system_prompt", json!({"system_prompt": "be evil"})),
        ("reasoning_effort", json!({"reasoning_effort": "high"})),
        ("unsafe_dynamic_tools[0].name", json!({"unsafe_dynamic_tools": [{"name": "a b"}]})),
        ("unsafe_dynamic_tools", json!({"unsafe_dynamic_tools": "x"})),
    ] {
        let answer = server.owner().post(CHATS, &over(good.clone(), change.clone())).await;
        assert_eq!(answer.status, 400, "{change:.100}: {}", answer.body);
        assert_eq!(answer.refused_fields(), [field], "{change:.100}: {}", answer.body);
    }
    let file = json!({"content": [{"type": "file", "file_id": UNKNOWN}]});
    server.owner().post(CHATS, &file).await.expect(400);
    assert_eq!(server.owner().get(CHATS).await.expect(200).json(), json!([]), "nothing was made");
    let organization = over(good, json!({"organization_id": UNKNOWN, "client_type": "ui"}));
    let made = chat(server.owner(), &organization).await;
    assert_ne!(made["organization_id"], json!(UNKNOWN), "one constant id");
}

struct Menu {
    forced: String,
    default: String,
    optional: String,
    disabled: String,
}

async fn menu(server: &TestServer) -> Menu {
    let register = async |slug: &str, availability: &str, enabled: bool| {
        let more = json!({"availability": availability, "enabled": enabled});
        server.register(&over(server_body(slug, "https://mcp.example.org/mcp"), more)).await
    };
    Menu {
        forced: register("forced", "force_on", true).await,
        default: register("default", "default_on", true).await,
        optional: register("optional", "default_off", true).await,
        disabled: register("disabled", "force_on", false).await,
    }
}

fn ids(chat: &Value) -> Vec<String> {
    let mut ids: Vec<String> =
        chat["mcp_server_ids"].as_array().unwrap().iter().map(|id| id.as_str().unwrap().to_owned()).collect();
    ids.sort();
    ids
}

fn sorted(ids: &[&String]) -> Vec<String> {
    let mut ids: Vec<String> = ids.iter().map(|id| (*id).clone()).collect();
    ids.sort();
    ids
}

#[tokio::test]
async fn servers_of_a_new_chat_follow_the_table() {
    let server = TestServer::start().await;
    let menu = menu(&server).await;
    let person = server.user(Role::Member).await.client;
    for (requested, expected) in [
        (Value::Null, sorted(&[&menu.forced, &menu.default])),
        (json!([]), sorted(&[&menu.forced])),
        (json!([menu.optional]), sorted(&[&menu.forced, &menu.optional])),
        (json!([menu.optional, menu.optional, menu.forced]), sorted(&[&menu.forced, &menu.optional])),
    ] {
        let body = json!({"content": text("hi"), "mcp_server_ids": requested});
        let made = person.post(CHATS, &body).await.expect(201).json();
        assert_eq!(ids(&made), expected, "{requested}");
        let stored =
            person.get(&format!("{CHATS}/{}", made["id"].as_str().unwrap())).await.expect(200).json();
        assert_eq!(ids(&stored), expected);
    }
    let omitted = person.post(CHATS, &json!({"content": text("hi")})).await.expect(201).json();
    assert_eq!(ids(&omitted), sorted(&[&menu.forced, &menu.default]));
}

#[tokio::test]
async fn unknown_and_disabled_ids_are_one_answer_for_members() {
    let server = TestServer::start().await;
    let menu = menu(&server).await;
    let person = server.user(Role::Member).await.client;
    let mut seen = Vec::new();
    for id in [menu.disabled.as_str(), UNKNOWN] {
        let answer =
            person.post(CHATS, &json!({"content": text("hi"), "mcp_server_ids": [id]})).await.expect(400);
        assert_eq!(answer.refused_fields(), ["mcp_server_ids"]);
        seen.push(answer.body.replace(id, "ID"));
    }
    assert_eq!(seen[0], seen[1]);
}

#[tokio::test]
async fn a_message_changes_the_servers_as_the_table_says() {
    let server = TestServer::start().await;
    let menu = menu(&server).await;
    let id = chat(server.owner(), &json!({"content": text("hi")})).await["id"].as_str().unwrap().to_owned();
    for (requested, expected) in [
        (Value::Null, sorted(&[&menu.forced, &menu.default])),
        (json!([menu.optional]), sorted(&[&menu.forced, &menu.optional])),
        (Value::Null, sorted(&[&menu.forced, &menu.optional])),
        (json!([]), sorted(&[&menu.forced])),
    ] {
        send(server.owner(), &id, &json!({"content": text("more"), "mcp_server_ids": requested})).await;
        let chat = server.owner().get(&format!("{CHATS}/{id}")).await.expect(200).json();
        assert_eq!(ids(&chat), expected, "{requested}");
    }
    // What the chat carried and has vanished is dropped with a warning; what is new and unknown is refused.
    send(server.owner(), &id, &json!({"content": text("more"), "mcp_server_ids": [menu.optional]})).await;
    server.owner().delete(&format!("{SERVERS}/{}", menu.optional)).await.expect(204);
    let body = json!({"content": text("more"), "mcp_server_ids": [menu.optional, menu.default]});
    let sent = send(server.owner(), &id, &body).await;
    assert_eq!(sent["warnings"].as_array().unwrap().len(), 1, "{sent}");
    let chat = server.owner().get(&format!("{CHATS}/{id}")).await.expect(200).json();
    assert_eq!(ids(&chat), sorted(&[&menu.forced, &menu.default]));
    let body = json!({"content": text("more"), "mcp_server_ids": [UNKNOWN]});
    server.owner().post(&format!("{CHATS}/{id}/messages"), &body).await.expect(400);
}

#[tokio::test]
async fn a_busy_chat_is_neither_retried_nor_put_away() {
    let llm = FakeLlm::start().await;
    let server = TestServer::start().await;
    server.scripted_model(&llm, "sk-x").await;
    llm.push(Reply::Stall(vec![]));
    let made = server.owner().post(CHATS, &json!({"content": text("hi")})).await.expect(201).json();
    let (id, first) = (made["id"].as_str().unwrap(), made["messages"][0]["id"].as_i64().unwrap());
    // Stopped earlier, the stall would be left for the next turn.
    until("the model to be asked", || async { (!llm.requests().is_empty()).then_some(()) }).await;
    let refused =
        server.owner().patch(&format!("{CHATS}/{id}/messages/{first}"), &json!({})).await.expect(409);
    assert!(refused.message().contains("stop"), "{}", refused.message());
    server.owner().patch(&format!("{CHATS}/{id}"), &json!({"archived": true})).await.expect(409);
    server.owner().patch(&format!("{CHATS}/{id}"), &json!({"title": "A title meanwhile"})).await.expect(200);
    server.owner().post(&format!("{CHATS}/{id}/interrupt"), &json!({})).await.expect(200);
    status(server.owner(), id, "waiting").await;
    assert_eq!(transcript(server.owner(), id).await.len(), 1, "the refused retry left nothing");
    // Too late is no mistake.
    server.owner().post(&format!("{CHATS}/{id}/interrupt"), &json!({})).await.expect(200);
    let sent = send(server.owner(), id, &json!({"content": text("more")})).await;
    assert_eq!(sent["status"], "waiting");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_parallel_messages_each_gets_its_turn() {
    let server = TestServer::start().await;
    server.demo_model().await;
    let id = chat(server.owner(), &json!({"content": text("hi")})).await["id"].as_str().unwrap().to_owned();
    let tasks: Vec<_> = (0..6)
        .map(|n| {
            let (owner, path) = (server.owner().clone(), format!("{CHATS}/{id}/messages"));
            tokio::spawn(async move {
                owner.post(&path, &json!({"content": text(&format!("m{n}"))})).await.status
            })
        })
        .collect();
    for task in tasks {
        assert_eq!(task.await.unwrap(), 201);
    }
    status(server.owner(), &id, "waiting").await;
    let messages = transcript(server.owner(), &id).await;
    let roles: Vec<_> = messages.iter().map(|message| message["role"].as_str().unwrap()).collect();
    assert_eq!(roles, ["user", "assistant"].repeat(7), "one turn after the other");
}

#[tokio::test]
async fn an_edit_hides_what_follows_and_runs_again() {
    let llm = FakeLlm::scripted(|request| {
        let body = request.json();
        let asked: Vec<String> = body["messages"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|message| message["role"] == "user")
            .map(|message| message["content"].as_str().unwrap_or_default().to_owned())
            .collect();
        Reply::text(&format!("heard {}", asked.join("+")))
    })
    .await;
    let server = TestServer::start().await;
    server.scripted_model(&llm, "sk-x").await;
    let made = chat(server.owner(), &json!({"content": text("one")})).await;
    let id = made["id"].as_str().unwrap();
    send(server.owner(), id, &json!({"content": text("two")})).await;
    let messages = transcript(server.owner(), id).await;
    assert_eq!(answer_text(&messages[3..]), "heard one+two");
    let first = messages[0]["id"].as_i64().unwrap();
    let edited = server
        .owner()
        .patch(&format!("{CHATS}/{id}/messages/{first}"), &json!({"content": text("uno")}))
        .await
        .expect(200)
        .json();
    assert_eq!((&edited["message"]["id"], &edited["message"]["revision"]), (&json!(first), &json!(2)));
    status(server.owner(), id, "waiting").await;
    let messages = transcript(server.owner(), id).await;
    assert_eq!((messages.len(), answer_text(&messages).as_str()), (2, "heard uno"));
    // Without content the same text runs again.
    server.owner().patch(&format!("{CHATS}/{id}/messages/{first}"), &json!({})).await.expect(200);
    status(server.owner(), id, "waiting").await;
    assert_eq!(answer_text(&transcript(server.owner(), id).await), "heard uno");
    let answer = messages[1]["id"].as_i64().unwrap();
    for (path, wanted) in [(format!("{answer}"), 404), ("999999".to_owned(), 404), ("x".to_owned(), 400)] {
        server.owner().patch(&format!("{CHATS}/{id}/messages/{path}"), &json!({})).await.expect(wanted);
    }
    let current = transcript(server.owner(), id).await[1]["id"].as_i64().unwrap();
    server
        .owner()
        .patch(&format!("{CHATS}/{id}/messages/{current}"), &json!({"content": text("x")}))
        .await
        .expect(400);
}

#[tokio::test]
async fn an_idempotency_key_makes_one_chat_and_one_message() {
    let server = TestServer::start().await;
    server.demo_model().await;
    let create = |key: &str, said: &str| {
        let ask = server
            .owner()
            .request(Method::POST, CHATS)
            .header("idempotency-key", key)
            .json(&json!({"content": text(said)}));
        async move { ask.send().await }
    };
    let first = create("k1", "hi").await.expect(201).json();
    let again = create("k1", "hi").await.expect(201).json();
    assert_eq!((&first["id"], &first["messages"][0]["id"]), (&again["id"], &again["messages"][0]["id"]));
    create("k1", "something else").await.expect(409);
    let other = create("k2", "hi").await.expect(201).json();
    assert_ne!(first["id"], other["id"]);
    assert_eq!(server.owner().get(CHATS).await.expect(200).json().as_array().unwrap().len(), 2);
    let id = first["id"].as_str().unwrap();
    status(server.owner(), id, "waiting").await;
    let path = format!("{CHATS}/{id}/messages");
    let message = |key: &str| {
        let ask = server
            .owner()
            .request(Method::POST, &path)
            .header("idempotency-key", key)
            .json(&json!({"content": text("more")}));
        async move { ask.send().await }
    };
    let one = message("m1").await.expect(201).json();
    let two = message("m1").await.expect(201).json();
    assert_eq!(one["message"]["id"], two["message"]["id"]);
    status(server.owner(), id, "waiting").await;
    let three = message("m1").await.expect(201).json();
    assert_eq!(one["message"]["id"], three["message"]["id"], "also after the turn");
    let asked =
        transcript(server.owner(), id).await.iter().filter(|message| message["role"] == "user").count();
    assert_eq!(asked, 2);
    for key in ["", &"x".repeat(256)] {
        message(key).await.expect(400);
    }
    // Keys belong to their user.
    let person = server.user(Role::Member).await.client;
    let ask = person
        .request(Method::POST, CHATS)
        .header("idempotency-key", "k1")
        .json(&json!({"content": text("hi")}));
    assert_ne!(ask.send().await.expect(201).json()["id"], first["id"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parallel_requests_with_one_key_make_one_chat() {
    let server = TestServer::start().await;
    server.demo_model().await;
    let tasks: Vec<_> = (0..6)
        .map(|_| {
            let ask = server.owner().request(Method::POST, CHATS).header("idempotency-key", "same");
            let ask = ask.json(&json!({"content": text("hi")}));
            tokio::spawn(async move { ask.send().await })
        })
        .collect();
    let mut seen = Vec::new();
    for task in tasks {
        let answer = task.await.unwrap();
        assert!(matches!(answer.status, 201 | 409), "{}", answer.body);
        if answer.status == 201 {
            seen.push(answer.json()["id"].clone());
        }
    }
    assert!(!seen.is_empty() && seen.iter().all(|id| *id == seen[0]), "{seen:?}");
    assert_eq!(server.owner().get(CHATS).await.expect(200).json().as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_chat_of_somebody_else_is_404_whatever_the_role() {
    let server = TestServer::start().await;
    server.demo_model().await;
    let person = server.user(Role::Member).await.client;
    let made = chat(&person, &json!({"content": text("my secret plan")})).await;
    let (id, message) = (made["id"].as_str().unwrap(), made["messages"][0]["id"].as_i64().unwrap());
    for client in
        [server.owner(), &server.user(Role::Auditor).await.client, &server.user(Role::Member).await.client]
    {
        for (method, tail, body) in [
            (Method::GET, String::new(), None),
            (Method::PATCH, String::new(), Some(json!({"title": "mine"}))),
            (Method::DELETE, String::new(), None),
            (Method::GET, "/messages".to_owned(), None),
            (Method::POST, "/messages".to_owned(), Some(json!({"content": text("x")}))),
            (Method::PATCH, format!("/messages/{message}"), Some(json!({"content": text("x")}))),
            (Method::POST, "/interrupt".to_owned(), Some(json!({}))),
            (Method::GET, "/stream".to_owned(), None),
        ] {
            let mut bodies = Vec::new();
            for chat_id in [id, UNKNOWN] {
                let mut ask = client.request(method.clone(), &format!("{CHATS}/{chat_id}{tail}"));
                if let Some(body) = &body {
                    ask = ask.json(body);
                }
                bodies.push(ask.send().await.expect(404).body);
            }
            assert_eq!(bodies[0], bodies[1], "{method} {tail}");
        }
        assert_eq!(client.get(CHATS).await.expect(200).json(), json!([]));
        assert_eq!(client.get(&format!("{CHATS}?after={id}")).await.expect(200).json(), json!([]));
    }
    assert_eq!(transcript(&person, id).await.len(), made["messages"].as_array().unwrap().len());
}

#[tokio::test]
async fn the_title_can_be_changed_and_a_chat_deleted() {
    let server = TestServer::start().await;
    server.demo_model().await;
    let made =
        chat(server.owner(), &json!({"content": text("  A first line that names it \nand more")})).await;
    assert_eq!(made["title"], "A first line that names it");
    let path = format!("{CHATS}/{}", made["id"].as_str().unwrap());
    let changed = server.owner().patch(&path, &json!({"title": " New "})).await.expect(200).json();
    assert_eq!(changed["title"], "New");
    for title in ["", "  ", "a\nb", &"x".repeat(201)] {
        let answer = server.owner().patch(&path, &json!({"title": title})).await.expect(400);
        assert_eq!(answer.refused_fields(), ["title"]);
    }
    // Not in this build: refused by name instead of being ignored.
    for field in ["mode", "colour"] {
        let answer = server.owner().patch(&path, &json!({ field: null })).await.expect(400);
        assert_eq!(answer.refused_fields(), [field]);
    }
    assert_eq!(server.owner().get(&path).await.expect(200).json()["title"], "New");
    server.owner().delete(&path).await.expect(204);
    server.owner().get(&path).await.expect(404);
    server.owner().delete(&path).await.expect(404);
}

#[tokio::test]
async fn deleting_a_chat_stops_its_turn_and_its_stream() {
    let llm = FakeLlm::start().await;
    let server = TestServer::start().await;
    server.scripted_model(&llm, "sk-x").await;
    llm.push(Reply::Stall(vec!["begun".to_owned()]));
    let made = server.owner().post(CHATS, &json!({"content": text("hi")})).await.expect(201).json();
    let path = format!("{CHATS}/{}", made["id"].as_str().unwrap());
    let ask = server.owner().request(Method::GET, &format!("{path}/stream"));
    let mut stream = testkit::sse::SseReader::new(ask.open().await);
    stream.until(|event| event.name == "message_part").await;
    server.owner().delete(&path).await.expect(204);
    assert!(stream.end_within(Duration::from_secs(10)).await.is_some(), "the stream is closed");
    let other = chat(server.owner(), &json!({"content": text("hi")})).await;
    assert_eq!(other["status"], "waiting", "the server works on");
}

#[tokio::test]
async fn messages_come_in_pages_in_both_directions() {
    let server = TestServer::start().await;
    server.demo_model().await;
    let made = chat(server.owner(), &json!({"content": text("one")})).await;
    let id = made["id"].as_str().unwrap();
    for said in ["two", "three"] {
        send(server.owner(), id, &json!({"content": text(said)})).await;
    }
    let ids: Vec<i64> =
        transcript(server.owner(), id).await.iter().map(|message| message["id"].as_i64().unwrap()).collect();
    assert_eq!(ids.len(), 6);
    let owner = server.owner();
    let page = |query: String| {
        let path = format!("{CHATS}/{id}/messages?{query}");
        async move {
            let page = owner.get(&path).await.expect(200).json();
            assert_eq!(page["queued_messages"], json!([]));
            let seen: Vec<i64> = page["messages"]
                .as_array()
                .unwrap()
                .iter()
                .map(|message| message["id"].as_i64().unwrap())
                .collect();
            (seen, page["has_more"].as_bool().unwrap())
        }
    };
    assert_eq!(page("limit=2".to_owned()).await, (vec![ids[5], ids[4]], true));
    assert_eq!(
        page(format!("limit=4&before_id={}", ids[4])).await,
        (vec![ids[3], ids[2], ids[1], ids[0]], false)
    );
    assert_eq!(page(format!("limit=2&after_id={}", ids[1])).await, (vec![ids[2], ids[3]], true));
    for wrong in ["limit=0", "limit=201", "limit=x", "before_id=x"] {
        server.owner().get(&format!("{CHATS}/{id}/messages?{wrong}")).await.expect(400);
    }
}

#[tokio::test]
async fn a_chat_may_go_on_after_a_reload_from_another_client() {
    let server = TestServer::start().await;
    server.demo_model().await;
    let person = server.user(Role::Member).await;
    let made = chat(&person.client, &json!({"content": text("hi")})).await;
    let id = made["id"].as_str().unwrap();
    let sent = send(&person.by_cookie(), id, &json!({"content": text("from the browser")})).await;
    assert_eq!(sent["status"], "waiting");
    let chats = person.client.get(CHATS).await.expect(200).json();
    assert_eq!((chats.as_array().unwrap().len(), &chats[0]["id"]), (1, &json!(id)));
}
