//! Tools in turns: filters at listing and at call, forced servers, servers that fail, results (behaviour 13 to 16).

use crate::support::{
    CHATS, SERVERS, TestServer, answer_text, chat, over, parts, send, server_body, status, text, transcript,
};
use api::users::Role;
use http::Method;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use testkit::{
    fake_llm::{Call, FakeLlm, Reply, offered_tools, tool_results},
    fake_mcp::{FakeMcp, FakeTool, NotMcp, ToolAnswer, closed_port},
    sse::SseReader,
    wait::until,
};

fn note() -> FakeTool {
    FakeTool::of_text("note", "Notes a text")
}

async fn scripted(server: &TestServer) -> FakeLlm {
    let llm = FakeLlm::start().await;
    server.scripted_model(&llm, "sk-x").await;
    llm
}

fn outcomes(messages: &[Value]) -> Vec<(String, String)> {
    let text = |part: &Value| part["result"][0]["text"].as_str().unwrap_or_default().to_owned();
    parts(messages, "tool-result")
        .iter()
        .map(|part| (part["outcome"].as_str().unwrap().to_owned(), text(part)))
        .collect()
}

#[tokio::test]
async fn tools_are_filtered_at_listing_and_deny_always_wins() {
    let tools = ["get_issue", "get_secret", "list_a", "list_ab", "delete_issue", "GET_ISSUE"];
    let fake = FakeMcp::start(tools.iter().map(|name| FakeTool::of_text(name, "x")).collect()).await;
    let server = TestServer::start().await;
    let llm = scripted(&server).await;
    for (n, (allow, deny, expected)) in [
        (
            json!([]),
            json!([]),
            vec!["GET_ISSUE", "delete_issue", "get_issue", "get_secret", "list_a", "list_ab"],
        ),
        (json!(["get_*"]), json!([]), vec!["get_issue", "get_secret"]),
        (json!(["get_*"]), json!(["get_secret"]), vec!["get_issue"]),
        (json!(["list_?"]), json!([]), vec!["list_a"]),
        (json!([]), json!(["*"]), vec![]),
        (json!(["get_issue"]), json!(["get_issue"]), vec![]),
        (json!(["GET_ISSUE"]), json!([]), vec!["GET_ISSUE"]),
    ]
    .into_iter()
    .enumerate()
    {
        let more = json!({"tool_allow_list": allow, "tool_deny_list": deny, "enabled": true});
        let id = server.register(&over(server_body(&format!("s{n}"), &fake.url()), more)).await;
        chat(server.owner(), &json!({"content": text("hi"), "mcp_server_ids": [id]})).await;
        let offered = offered_tools(llm.requests().last().unwrap());
        let expected: Vec<String> = expected.iter().map(|name| format!("s{n}__{name}")).collect();
        assert_eq!(offered, expected);
    }
}

/// The model saw less; the person gets all of it, and nobody else does.
#[tokio::test]
async fn a_result_that_was_cut_is_downloaded_whole_by_its_owner() {
    let whole = "é0123456789".repeat(30_000);
    let answer = whole.clone();
    let long =
        FakeTool::of_text("long", "Answers at length").answering(move |_| ToolAnswer::text(answer.clone()));
    let fake = FakeMcp::start(vec![long]).await;
    let server = TestServer::start().await;
    let llm = scripted(&server).await;
    server.register_fake("fake", &fake).await;
    llm.push(Reply::call(Call::new("call/1 %", "fake__long", &json!({"text": "x"}))));
    let made = chat(server.owner(), &json!({"content": text("hi")})).await;
    let messages = made["messages"].as_array().unwrap();
    let result = &parts(messages, "tool-result")[0];
    assert_eq!(result["truncated"], true);
    assert!(result["total_bytes"].as_u64().unwrap() >= whole.len() as u64, "{}", result["total_bytes"]);
    let path = |call: &str| format!("{CHATS}/{}/tool-results/{call}", made["id"].as_str().unwrap());
    let answer = server.owner().get(&path("call%2F1%20%25")).await.expect(200);
    assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
    assert_eq!(answer.header("content-disposition"), Some("attachment; filename=\"tool-result.txt\""));
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    assert!(answer.body == whole, "{} bytes", answer.body.len());
    for call in ["call", "CALL%2F1%20%25", "%25", "call%2F1%20%25%00", "_"] {
        server.owner().get(&path(call)).await.expect(404);
    }
    let other = server.user(Role::Owner).await.client;
    other.get(&path("call%2F1%20%25")).await.expect(404);
}

/// The rules as they stand when the call goes out decide, not those of the listing.
#[tokio::test]
async fn a_tool_denied_while_the_model_is_still_writing_is_not_called() {
    let fake = FakeMcp::start(vec![note()]).await;
    let server = TestServer::start().await;
    let llm = scripted(&server).await;
    let id = server.register_fake("fake", &fake).await;
    for (change, back, word) in [
        (json!({"tool_deny_list": ["note"]}), json!({"tool_deny_list": []}), "no longer allowed"),
        (json!({"tool_allow_list": ["other"]}), json!({"tool_allow_list": []}), "no longer allowed"),
        (json!({"enabled": false}), json!({"enabled": true}), "no longer available"),
    ] {
        let slow =
            Call::new("c1", "fake__note", &json!({"text": "a text that takes its time to be written"}));
        llm.push(Reply::call(slow.in_deltas(10, Duration::from_millis(150))));
        let made = server.owner().post(CHATS, &json!({"content": text("hi")})).await.expect(201).json();
        let chat_id = made["id"].as_str().unwrap();
        let ask = server.owner().request(Method::GET, &format!("{CHATS}/{chat_id}/stream"));
        let mut stream = SseReader::new(ask.open().await);
        stream.until(|event| event.name == "message_part").await;
        server.owner().patch(&format!("{SERVERS}/{id}"), &change).await.expect(200);
        status(server.owner(), chat_id, "waiting").await;
        let messages = transcript(server.owner(), chat_id).await;
        let seen = outcomes(&messages);
        assert_eq!((seen.len(), seen[0].0.as_str()), (1, "denied"), "{change}: {messages:#?}");
        assert!(seen[0].1.contains(word), "{change}: {}", seen[0].1);
        assert!(fake.effects().is_empty(), "{change}");
        assert!(tool_results(llm.requests().last().unwrap())[0].1.contains(word), "the model is told");
        server.owner().patch(&format!("{SERVERS}/{id}"), &back).await.expect(200);
    }
}

#[tokio::test]
async fn what_was_not_offered_is_not_called_whatever_the_model_writes() {
    let fake = FakeMcp::start(vec![note(), FakeTool::of_text("hidden", "x")]).await;
    let server = TestServer::start().await;
    let llm = scripted(&server).await;
    let more = json!({"tool_deny_list": ["hidden"], "enabled": true, "availability": "force_on"});
    server.register(&over(server_body("fake", &fake.url()), more)).await;
    for name in ["fake__hidden", "hidden", "fake__note2", "note", "other__note", "", "fake__note\u{0}"] {
        llm.push(Reply::call(Call::new("c1", name, &json!({"text": "x"}))));
        let made = chat(server.owner(), &json!({"content": text("hi")})).await;
        let seen = outcomes(made["messages"].as_array().unwrap());
        assert!(seen.iter().all(|(outcome, _)| outcome == "error"), "{name:?}: {seen:?}");
        assert!(fake.effects().is_empty(), "{name:?}");
    }
}

#[tokio::test]
async fn unreadable_arguments_are_an_error_result_and_never_a_failed_turn() {
    let fake = FakeMcp::start(vec![note()]).await;
    let server = TestServer::start().await;
    let llm = scripted(&server).await;
    server.register_fake("fake", &fake).await;
    for arguments in ["{\"text\": ", "nonsense", "[1]", "\"x\"", "null x"] {
        let mut call = Call::new("c1", "fake__note", &Value::Null);
        call.arguments = arguments.to_owned();
        llm.push(Reply::call(call));
        llm.push(Reply::text("sorry"));
        let made = chat(server.owner(), &json!({"content": text("hi")})).await;
        let seen = outcomes(made["messages"].as_array().unwrap());
        assert_eq!(seen[0].0, "error", "{arguments}");
        assert!(seen[0].1.to_lowercase().contains("invalid json"), "{arguments}: {}", seen[0].1);
        assert_eq!(
            (made["status"].as_str(), answer_text(made["messages"].as_array().unwrap()).as_str()),
            (Some("waiting"), "sorry")
        );
    }
    assert!(fake.effects().is_empty());
}

#[tokio::test]
async fn empty_arguments_mean_none() {
    let free = FakeTool::new("ping", "Pings", json!({"type": "object", "properties": {}}));
    let fake = FakeMcp::start(vec![free]).await;
    let server = TestServer::start().await;
    let llm = scripted(&server).await;
    server.register_fake("fake", &fake).await;
    let mut call = Call::new("c1", "fake__ping", &Value::Null);
    call.arguments = String::new();
    llm.push(Reply::call(call));
    chat(server.owner(), &json!({"content": text("hi")})).await;
    assert_eq!(fake.effects().len(), 1);
    assert_eq!(fake.calls()[0]["params"]["arguments"], json!({}));
}

#[tokio::test]
async fn a_tool_that_reports_a_failure_is_an_ok_call_with_is_error() {
    let failing = note().answering(|_| ToolAnswer::error("the disk is full"));
    let fake = FakeMcp::start(vec![failing]).await;
    let server = TestServer::start().await;
    let llm = scripted(&server).await;
    server.register_fake("fake", &fake).await;
    llm.push(Reply::call(Call::new("c1", "fake__note", &json!({"text": "x"}))));
    let made = chat(server.owner(), &json!({"content": text("hi")})).await;
    let result = parts(made["messages"].as_array().unwrap(), "tool-result")[0].clone();
    assert_eq!((&result["outcome"], &result["is_error"]), (&json!("ok"), &json!(true)));
    assert!(tool_results(llm.requests().last().unwrap())[0].1.contains("the disk is full"));
}

#[tokio::test]
async fn calls_of_one_answer_run_together_and_are_answered_in_order() {
    let slow = FakeTool::of_text("slow", "x")
        .answering(|_| ToolAnswer::text("slow done").after(Duration::from_millis(1200)));
    let quick = FakeTool::of_text("quick", "x").answering(|_| ToolAnswer::text("quick done"));
    let fake = FakeMcp::start(vec![slow, quick]).await;
    let server = TestServer::start().await;
    let llm = scripted(&server).await;
    server.register_fake("fake", &fake).await;
    let calls = ["slow", "quick", "slow", "quick"].into_iter().enumerate();
    let calls = calls
        .map(|(n, tool)| Call::new(&format!("c{n}"), &format!("fake__{tool}"), &json!({"text": "x"})))
        .collect();
    llm.push(Reply::Tools(calls));
    let begun = Instant::now();
    let made = chat(server.owner(), &json!({"content": text("hi")})).await;
    assert!(begun.elapsed() < Duration::from_millis(2300), "one after the other: {:?}", begun.elapsed());
    let messages = made["messages"].as_array().unwrap();
    let ids: Vec<&str> =
        parts(messages, "tool-result").iter().map(|part| part["tool_call_id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["c0", "c1", "c2", "c3"]);
    let told: Vec<String> =
        tool_results(llm.requests().last().unwrap()).into_iter().map(|(id, _)| id).collect();
    assert_eq!(told, ["c0", "c1", "c2", "c3"]);
    let sent: Vec<String> =
        fake.effects().iter().map(|effect| effect["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(sent.len(), 4);
    assert!(
        ["c0", "c1", "c2", "c3"].iter().all(|id| sent.contains(&(*id).to_owned())),
        "the call's id goes along: {sent:?}"
    );
}

#[tokio::test]
async fn calls_with_one_id_are_each_answered() {
    let fake = FakeMcp::start(vec![note()]).await;
    let server = TestServer::start().await;
    let llm = scripted(&server).await;
    server.register_fake("fake", &fake).await;
    let calls = ["one", "two"].map(|said| Call::new("same", "fake__note", &json!({"text": said}))).to_vec();
    llm.push(Reply::Tools(calls));
    let made = chat(server.owner(), &json!({"content": text("hi")})).await;
    assert_eq!(made["status"], "waiting", "{made:#}");
    let messages = made["messages"].as_array().unwrap();
    assert_eq!(parts(messages, "tool-call").len(), parts(messages, "tool-result").len(), "{made:#}");
    let said: Vec<&Value> = parts(messages, "tool-call").iter().map(|part| &part["tool_call_id"]).collect();
    assert_eq!(said.len(), 2);
    assert_ne!(said[0], said[1], "ids are made unique before anything is sent");
}

/// Old chats too: a server that became `force_on` takes part from the next step.
#[tokio::test]
async fn a_forced_server_takes_part_in_chats_that_never_chose_it() {
    let fake = FakeMcp::start(vec![note()]).await;
    let server = TestServer::start().await;
    let llm = scripted(&server).await;
    let id = server.register(&over(server_body("fake", &fake.url()), json!({"enabled": true}))).await;
    let person = server.user(Role::Member).await.client;
    let made = chat(&person, &json!({"content": text("hi"), "mcp_server_ids": []})).await;
    assert!(offered_tools(&llm.requests()[0]).is_empty());
    server.owner().patch(&format!("{SERVERS}/{id}"), &json!({"availability": "force_on"})).await.expect(200);
    send(&person, made["id"].as_str().unwrap(), &json!({"content": text("more")})).await;
    assert_eq!(offered_tools(&llm.requests()[1]), ["fake__note"]);
    server.owner().patch(&format!("{SERVERS}/{id}"), &json!({"enabled": false})).await.expect(200);
    send(&person, made["id"].as_str().unwrap(), &json!({"content": text("more")})).await;
    assert!(offered_tools(&llm.requests()[2]).is_empty(), "disabled is off, forced or not");
}

#[tokio::test]
async fn a_server_that_is_no_use_is_reported_and_the_turn_goes_on_without_it() {
    let good = FakeMcp::start(vec![note()]).await;
    let html = NotMcp::html().await;
    let server = TestServer::start().await;
    let llm = scripted(&server).await;
    let forced = json!({"enabled": true, "availability": "force_on"});
    server.register(&over(server_body("good", &good.url()), forced.clone())).await;
    let down_url = format!("http://{}/mcp", closed_port());
    server.register(&over(server_body("down", &down_url), forced.clone())).await;
    server.register(&over(server_body("html", &html.url()), forced)).await;
    let made = server.owner().post(CHATS, &json!({"content": text("hi")})).await.expect(201).json();
    let id = made["id"].as_str().unwrap();
    let ask = server.owner().request(Method::GET, &format!("{CHATS}/{id}/stream"));
    let mut stream = SseReader::new(ask.open().await);
    let events =
        stream.until(|event| event.name == "status" && event.json()["status"]["status"] == "waiting").await;
    let report = events
        .iter()
        .find(|event| event.name == "mcp_status")
        .unwrap_or_else(|| panic!("{events:#?}"))
        .json();
    let of = |slug: &str| {
        report["mcp_status"].as_array().unwrap().iter().find(|row| row["slug"] == slug).unwrap().clone()
    };
    assert_eq!((&of("good")["outcome"], &of("good")["tool_count"]), (&json!("connected"), &json!(1)));
    assert_eq!((&of("down")["outcome"], &of("html")["outcome"]), (&json!("error"), &json!("error")));
    assert!(of("html")["error"].as_str().unwrap().contains("web page"), "{report}");
    assert!(!of("down")["error"].as_str().unwrap().is_empty());
    let request = &llm.requests()[0];
    assert_eq!(offered_tools(request), ["good__note"]);
    assert!(
        request.body.contains("Server down") && request.body.contains("Server html"),
        "the model is told: {}",
        request.body
    );
    let messages = transcript(server.owner(), id).await;
    assert_eq!(answer_text(&messages), "done");
    // A reload has what the stream told, and so has a stream opened after the turn.
    assert_eq!(messages[0]["mcp_status"], report["mcp_status"]);
    assert!(messages[1].get("mcp_status").is_none());
    let ask =
        server.owner().request(Method::GET, &format!("{CHATS}/{id}/stream?after_id={}", messages[1]["id"]));
    let late = SseReader::new(ask.open().await).until(|event| event.name == "status").await;
    assert_eq!(late[0].json()["mcp_status"], report["mcp_status"], "{late:#?}");
}

/// What became of the servers of a turn is kept as it was, and told to members without where the servers are, however they read it.
#[tokio::test]
async fn outcomes_of_a_turn_outlive_it_and_hide_from_members_where_servers_are() {
    let server = TestServer::start().await;
    let _llm = scripted(&server).await;
    let address = closed_port().to_string();
    let forced = json!({"enabled": true, "availability": "force_on"});
    let down = server.register(&over(server_body("down", &format!("http://{address}/mcp")), forced)).await;
    let person = server.user(Role::Member).await;
    let made = chat(&person.client, &json!({"content": text("hi")})).await;
    let id = made["id"].as_str().unwrap();
    // The turn is over; what an admin does later does not change what is told of it.
    server.owner().patch(&format!("{SERVERS}/{down}"), &json!({"enabled": false})).await.expect(200);
    let words = "Server down could not be reached.";
    let page = person.client.get(&format!("{CHATS}/{id}/messages")).await.expect(200);
    let whole = person.client.request(Method::GET, &format!("{CHATS}/{id}/stream")).open().await;
    let events = SseReader::new(whole).until(|event| event.name == "status").await;
    let streamed: Vec<String> = events.iter().map(|event| event.json().to_string()).collect();
    let html = person.by_cookie().get(&format!("/chats/{id}")).await.expect(200);
    for (place, told) in [
        ("create with wait", made.to_string()),
        ("messages", page.body),
        ("stream", streamed.join("\n")),
        ("page", html.body.clone()),
    ] {
        assert!(told.contains(words), "{place}: {told}");
        assert!(!told.contains(&address), "{place}: {told}");
    }
    assert!(html.body.contains("is not reachable; continuing without it."), "{}", html.body);
    let events: Vec<&str> = events.iter().map(|event| event.name.as_str()).collect();
    assert_eq!(events, ["message", "message", "mcp_status", "status"]);
    // The next turn has no such server: its line is its own, and the old one stays.
    send(&person.client, id, &json!({"content": text("more")})).await;
    let messages = transcript(&person.client, id).await;
    assert_eq!(messages[0]["mcp_status"][0]["error"], words);
    assert!(messages[2].get("mcp_status").is_none(), "{messages:#?}");
}

#[tokio::test]
async fn a_slow_server_costs_a_turn_ten_seconds_once() {
    let slow = FakeMcp::start(vec![note()]).await;
    slow.slow_down(Duration::from_secs(60));
    let server = TestServer::start().await;
    let llm = scripted(&server).await;
    server
        .register(&over(
            server_body("slow", &slow.url()),
            json!({"enabled": true, "availability": "force_on"}),
        ))
        .await;
    let begun = Instant::now();
    let made = chat(server.owner(), &json!({"content": text("hi")})).await;
    let first = begun.elapsed();
    assert!((Duration::from_secs(5)..Duration::from_secs(14)).contains(&first), "{first:?}");
    assert_eq!(made["status"], "waiting");
    let begun = Instant::now();
    send(server.owner(), made["id"].as_str().unwrap(), &json!({"content": text("more")})).await;
    assert!(begun.elapsed() < Duration::from_secs(4), "a timeout is remembered: {:?}", begun.elapsed());
    assert_eq!(llm.requests().len(), 2);
}

#[tokio::test]
async fn a_server_that_dies_during_a_call_leaves_it_unknown_and_is_not_asked_again() {
    let slow = note().answering(|_| ToolAnswer::text("too late").after(Duration::from_secs(60)));
    let fake = FakeMcp::start(vec![slow]).await;
    let server = TestServer::start().await;
    let llm = scripted(&server).await;
    server.register_fake("fake", &fake).await;
    llm.push(Reply::call(Call::new("c1", "fake__note", &json!({"text": "once"}))));
    let made = server.owner().post(CHATS, &json!({"content": text("hi")})).await.expect(201).json();
    let id = made["id"].as_str().unwrap();
    until("the call to arrive", || async { (!fake.effects().is_empty()).then_some(()) }).await;
    fake.stop();
    status(server.owner(), id, "waiting").await;
    let seen = outcomes(&transcript(server.owner(), id).await);
    assert_eq!(seen[0].0, "unknown", "{seen:?}");
    assert!(seen[0].1.contains("may or may not have run"), "{seen:?}");
    assert_eq!(fake.effects().len(), 1);
    assert!(
        tool_results(llm.requests().last().unwrap())[0].1.ends_with(&seen[0].1),
        "the model is told the same"
    );
}

#[tokio::test]
async fn stop_during_a_call_cancels_it_and_starts_no_further_one() {
    let slow = note().answering(|_| ToolAnswer::text("too late").after(Duration::from_secs(60)));
    let fake = FakeMcp::start(vec![slow]).await;
    let server = TestServer::start().await;
    let llm = scripted(&server).await;
    server.register_fake("fake", &fake).await;
    let calls = (0..12).map(|n| Call::new(&format!("c{n}"), "fake__note", &json!({"text": "x"}))).collect();
    llm.push(Reply::Tools(calls));
    let made = server.owner().post(CHATS, &json!({"content": text("hi")})).await.expect(201).json();
    let id = made["id"].as_str().unwrap();
    until("the calls to arrive", || async { (fake.effects().len() >= 8).then_some(()) }).await;
    let begun = Instant::now();
    server.owner().post(&format!("{CHATS}/{id}/interrupt"), &json!({})).await.expect(200);
    status(server.owner(), id, "waiting").await;
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    let seen = outcomes(&transcript(server.owner(), id).await);
    assert_eq!(seen.len(), 12, "each is answered");
    for (n, (outcome, said)) in seen.iter().enumerate() {
        let wanted = if n < 8 { "unknown" } else { "cancelled" };
        assert_eq!(outcome, wanted, "{n}: {said}");
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(fake.effects().len(), 8, "eight at once, and no further one after the stop");
    assert_eq!(llm.requests().len(), 1);
}

#[tokio::test]
async fn a_large_result_is_whole_for_the_user_and_cut_with_a_marker_for_the_model() {
    let big = note().answering(|_| ToolAnswer::text("\u{e4}".repeat(300 * 1024)));
    let fake = FakeMcp::start(vec![big]).await;
    let server = TestServer::start().await;
    let llm = scripted(&server).await;
    server.register_fake("fake", &fake).await;
    llm.push(Reply::call(Call::new("c1", "fake__note", &json!({"text": "x"}))));
    let made = chat(server.owner(), &json!({"content": text("hi")})).await;
    let result = parts(made["messages"].as_array().unwrap(), "tool-result")[0].clone();
    assert_eq!(result["truncated"], true);
    // Bytes as received: the text and its JSON around it.
    let total = result["total_bytes"].as_i64().unwrap();
    assert!((600 * 1024..600 * 1024 + 100).contains(&total), "{total}");
    assert_eq!(result["result"][0]["text"].as_str().unwrap().len(), 600 * 1024);
    let told = tool_results(llm.requests().last().unwrap())[0].1.clone();
    assert!(told.len() <= 257 * 1024 && told.len() > 250 * 1024, "{}", told.len());
    let marker: String = told.chars().filter(|c| *c != '\u{e4}').collect();
    assert!(
        marker.contains("600") && marker.contains("256"),
        "the marker names what is shown and the total: {marker}"
    );
}

#[tokio::test]
async fn all_parts_of_a_result_are_kept_in_order() {
    let many = note().answering(|_| ToolAnswer {
        content: json!([
            {"type": "text", "text": "first"},
            {"type": "image", "data": "iVBORw0KGgo=", "mimeType": "image/png"},
            {"type": "resource_link", "uri": "https://x.example/doc", "name": "doc"},
            {"type": "resource", "resource": {"uri": "file:///a.txt", "mimeType": "text/plain", "text": "inside"}},
            {"type": "text", "text": "last \u{1b}[31m\u{0}red"},
        ]),
        is_error: false,
        delay: Duration::ZERO,
    });
    let fake = FakeMcp::start(vec![many]).await;
    let server = TestServer::start().await;
    let llm = scripted(&server).await;
    server.register_fake("fake", &fake).await;
    llm.push(Reply::call(Call::new("c1", "fake__note", &json!({"text": "x"}))));
    let made = chat(server.owner(), &json!({"content": text("hi")})).await;
    let result = parts(made["messages"].as_array().unwrap(), "tool-result")[0].clone();
    let kinds: Vec<&str> =
        result["result"].as_array().unwrap().iter().map(|part| part["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["text", "image", "resource_link", "resource", "text"], "{result}");
    assert_eq!(result["is_media"], true);
    let told = tool_results(llm.requests().last().unwrap())[0].1.clone();
    for word in ["first", "image/png", "https://x.example/doc", "inside", "last"] {
        assert!(told.contains(word), "{word}: {told}");
    }
    assert!(!told.contains('\u{1b}') && !told.contains('\0'), "control characters are neutralised: {told:?}");
}

#[tokio::test]
async fn the_connection_is_reused_within_a_user_and_never_shared_between_users() {
    let fake = FakeMcp::start(vec![note()]).await;
    let server = TestServer::start().await;
    let _llm = scripted(&server).await;
    server.register_fake("fake", &fake).await;
    let (one, two) = (server.user(Role::Member).await.client, server.user(Role::Member).await.client);
    let made = chat(&one, &json!({"content": text("hi")})).await;
    let handshakes =
        || fake.requests().iter().filter(|request| request.json()["method"] == "initialize").count();
    // The registration is a change, and what follows changes closes connections of its server within a second: perhaps the first.
    let mut before = handshakes();
    let id = made["id"].as_str().unwrap();
    send(&one, id, &json!({"content": text("more")})).await;
    if handshakes() > before {
        before = handshakes();
        send(&one, id, &json!({"content": text("more")})).await;
    }
    assert_eq!(handshakes(), before, "one connection for turn after turn");
    chat(&two, &json!({"content": text("hi")})).await;
    assert_eq!(handshakes(), before + 1);
}

#[tokio::test]
async fn a_deleted_server_is_named_in_old_messages_and_used_no_more() {
    let fake = FakeMcp::start(vec![note()]).await;
    let server = TestServer::start().await;
    let llm = scripted(&server).await;
    let id = server.register_fake("fake", &fake).await;
    llm.push(Reply::call(Call::new("c1", "fake__note", &json!({"text": "x"}))));
    let made = chat(server.owner(), &json!({"content": text("hi")})).await;
    server.owner().delete(&format!("{SERVERS}/{id}")).await.expect(204);
    let chat_id = made["id"].as_str().unwrap();
    let sent = send(server.owner(), chat_id, &json!({"content": text("more")})).await;
    assert_eq!(sent["status"], "waiting", "{sent}");
    assert!(offered_tools(llm.requests().last().unwrap()).is_empty());
    let messages = transcript(server.owner(), chat_id).await;
    assert_eq!(parts(&messages, "tool-call")[0]["server"]["display_name"], "Server fake");
    let stored = server.owner().get(&format!("{CHATS}/{chat_id}")).await.expect(200).json();
    assert_eq!(stored["mcp_server_ids"], json!([id]), "the dangling id stays");
}
