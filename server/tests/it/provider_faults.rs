//! The model's side goes wrong: the user's message stays, the chat says what to do, and the turn can be run again
//! (issue "Bad input", behaviour 18, threats 115 to 119).

use crate::support::{CHATS, TestServer, answer_text, chat, parts, send, status, text, transcript};
use http::Method;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use testkit::{
    fake_llm::{Call, FakeLlm, Reply},
    fake_mcp::{FakeMcp, FakeTool, closed_port},
    http::Client,
    sse::SseReader,
};

/// Runs the last user message again, as the Retry button does.
async fn retry(client: &Client, chat_id: &str) -> Value {
    let messages = transcript(client, chat_id).await;
    let last = messages.iter().rfind(|message| message["role"] == "user").unwrap()["id"].as_i64().unwrap();
    client.patch(&format!("{CHATS}/{chat_id}/messages/{last}"), &json!({})).await.expect(200);
    status(client, chat_id, "waiting").await
}

#[tokio::test]
async fn faults_that_nobody_mends_by_waiting_end_the_turn_with_their_words() {
    for (reply, code, word) in [
        (Reply::status(401, "bad key sk-canary"), "model_auth", "key"),
        (Reply::status(403, "forbidden"), "model_auth", "key"),
        (Reply::status(404, "no such model"), "", ""),
        (Reply::status(400, "broken request"), "model_refused", "rejected"),
        (Reply::Html, "model_unavailable", "web page"),
    ] {
        let llm = FakeLlm::start().await;
        let server = TestServer::start().await;
        server.scripted_model(&llm, "sk-canary-key").await;
        llm.push(reply.clone());
        let made = chat(server.owner(), &json!({"content": text("keep me")})).await;
        assert_eq!(made["status"], "error", "{reply:?}: {made}");
        let error = &made["last_error"];
        if !code.is_empty() {
            assert_eq!(error["code"], code, "{reply:?}: {error}");
        }
        let message = error["message"].as_str().unwrap();
        assert!(message.to_lowercase().contains(word), "{reply:?}: {message}");
        assert!(!made.to_string().contains("canary"), "neither the key nor the provider's own words: {made}");
        let id = made["id"].as_str().unwrap();
        let kept = transcript(server.owner(), id).await;
        assert_eq!((kept.len(), &kept[0]["content"]), (1, &text("keep me")));
        assert_eq!(llm.requests().len(), 1, "asked once");
        let after = retry(server.owner(), id).await;
        assert_eq!(after["last_error"], Value::Null);
        assert_eq!(answer_text(&transcript(server.owner(), id).await), "done");
    }
}

#[tokio::test]
async fn passing_faults_are_tried_again_and_shown() {
    let llm = FakeLlm::start().await;
    let server = TestServer::start().await;
    server.scripted_model(&llm, "sk-x").await;
    llm.push(Reply::status(500, "down"));
    llm.push(Reply::Status {
        status: 429,
        headers: vec![("retry-after", "1".to_owned())],
        message: "slow down".to_owned(),
    });
    llm.push(Reply::status(529, "overloaded"));
    llm.push(Reply::text("finally"));
    let made = server.owner().post(CHATS, &json!({"content": text("hi")})).await.expect(201).json();
    let id = made["id"].as_str().unwrap();
    let ask = server.owner().request(Method::GET, &format!("{CHATS}/{id}/stream"));
    let mut stream = SseReader::new(ask.open().await);
    let events =
        stream.until(|event| event.name == "status" && event.json()["status"]["status"] == "waiting").await;
    let retries: Vec<Value> = events
        .iter()
        .filter(|event| event.name == "retry")
        .map(|event| event.json()["retry"].clone())
        .collect();
    assert!(!retries.is_empty(), "{events:#?}");
    for retry in &retries {
        assert!(
            retry["attempt"].as_i64().unwrap() >= 1 && retry["delay_ms"].as_i64().unwrap() > 0,
            "{retry}"
        );
        assert!(!retry["cause"].as_str().unwrap().is_empty());
    }
    assert_eq!(llm.requests().len(), 4);
    assert_eq!(answer_text(&transcript(server.owner(), id).await), "finally");
}

#[tokio::test]
async fn a_provider_that_is_down_keeps_the_message_shows_the_cause_and_lets_go() {
    let server = TestServer::start().await;
    let provider =
        json!({"name": "Down", "type": "openai", "base_url": format!("http://{}/v1", closed_port())});
    let provider = server.owner().post("/api/v2/providers", &provider).await.expect(201).json();
    let model = json!({"provider_id": provider["id"], "model": "m", "display_name": "M"});
    server.owner().post("/api/v2/models", &model).await.expect(201);
    let made = server.owner().post(CHATS, &json!({"content": text("keep me")})).await.expect(201).json();
    let id = made["id"].as_str().unwrap().to_owned();
    let mut stream =
        SseReader::new(server.owner().request(Method::GET, &format!("{CHATS}/{id}/stream")).open().await);
    let seen = stream.until(|event| event.name == "retry" || event.name == "error").await;
    let told = seen.last().unwrap().data.clone();
    assert!(told.contains("cannot be reached"), "{told}");
    server.owner().post(&format!("{CHATS}/{id}/interrupt"), &json!({})).await;
    let ended = testkit::wait::until("the turn to end", || async {
        let chat = server.owner().get(&format!("{CHATS}/{id}")).await.json();
        matches!(chat["status"].as_str(), Some("waiting" | "error")).then_some(chat)
    })
    .await;
    assert!(ended["status"] == "waiting" || ended["last_error"]["message"].is_string());
    let kept = transcript(server.owner(), &id).await;
    assert_eq!((kept.len(), &kept[0]["content"]), (1, &text("keep me")));
    // Mended: the same message runs.
    let llm = FakeLlm::start().await;
    let path = format!("/api/v2/providers/{}", provider["id"].as_str().unwrap());
    server.owner().patch(&path, &json!({"base_url": llm.base_url()})).await.expect(200);
    retry(server.owner(), &id).await;
    assert_eq!(answer_text(&transcript(server.owner(), &id).await), "done");
}

#[tokio::test]
async fn a_key_replaced_by_the_admin_is_used_by_the_next_try() {
    let llm = FakeLlm::scripted(|request| match request.header("authorization") {
        Some("Bearer sk-right") => Reply::text("welcome"),
        _ => Reply::status(401, "no"),
    })
    .await;
    let server = TestServer::start().await;
    server.scripted_model(&llm, "sk-wrong").await;
    let made = chat(server.owner(), &json!({"content": text("hi")})).await;
    assert_eq!(made["last_error"]["code"], "model_auth");
    let providers = server.owner().get("/api/v2/providers").await.expect(200).json();
    let path = format!("/api/v2/providers/{}", providers[0]["id"].as_str().unwrap());
    server.owner().patch(&path, &json!({"api_key": "sk-right"})).await.expect(200);
    let id = made["id"].as_str().unwrap();
    retry(server.owner(), id).await;
    assert_eq!(answer_text(&transcript(server.owner(), id).await), "welcome");
}

#[tokio::test]
async fn a_stream_without_its_end_is_never_a_complete_answer() {
    for reply in [
        Reply::NoEndMarker(vec!["half an ".to_owned(), "answer".to_owned()]),
        Reply::MidStreamError(vec!["half an ".to_owned(), "answer".to_owned()]),
    ] {
        let llm = FakeLlm::start().await;
        let server = TestServer::start().await;
        server.scripted_model(&llm, "sk-x").await;
        llm.push(reply.clone());
        let made = chat(server.owner(), &json!({"content": text("hi")})).await;
        assert_eq!(made["status"], "error", "{reply:?}: {made}");
        assert_eq!(
            (&made["last_error"]["code"], &made["last_error"]["retryable"]),
            (&json!("interrupted_stream"), &json!(true))
        );
        let id = made["id"].as_str().unwrap();
        let messages = transcript(server.owner(), id).await;
        assert_eq!(answer_text(&messages), "half an answer", "what somebody has read stays");
        assert_eq!(messages.last().unwrap()["interrupted"], true);
        retry(server.owner(), id).await;
        let messages = transcript(server.owner(), id).await;
        assert_eq!((messages.len(), answer_text(&messages).as_str()), (2, "done"));
    }
}

#[tokio::test]
async fn a_call_cut_in_its_arguments_is_not_run() {
    let fake = FakeMcp::start(vec![FakeTool::of_text("note", "Notes a text")]).await;
    let llm = FakeLlm::start().await;
    let server = TestServer::start().await;
    server.scripted_model(&llm, "sk-x").await;
    server.register_fake("fake", &fake).await;
    let call = Call::new("c1", "fake__note", &json!({"text": "a rather long text to be cut in the middle"}));
    llm.push(Reply::CutInCall(call.in_deltas(8, Duration::ZERO)));
    llm.push(Reply::text("second try"));
    let made = chat(server.owner(), &json!({"content": text("hi")})).await;
    assert!(fake.effects().is_empty(), "{:?}", fake.effects());
    assert_eq!(answer_text(made["messages"].as_array().unwrap()), "second try", "{made:#}");
    assert_eq!(llm.requests().len(), 2);
}

/// Threat 120: the second generation of a turn fails after a tool has run.
#[tokio::test]
async fn a_repeated_generation_does_not_run_finished_tools_again() {
    let fake = FakeMcp::start(vec![FakeTool::of_text("note", "Notes a text")]).await;
    let llm = FakeLlm::start().await;
    let server = TestServer::start().await;
    server.scripted_model(&llm, "sk-x").await;
    server.register_fake("fake", &fake).await;
    llm.push(Reply::call(Call::new("c1", "fake__note", &json!({"text": "once"}))));
    llm.push(Reply::status(503, "down"));
    llm.push(Reply::NoEndMarker(vec![]));
    llm.push(Reply::text("all done"));
    let made = chat(server.owner(), &json!({"content": text("hi")})).await;
    assert_eq!(answer_text(made["messages"].as_array().unwrap()), "all done", "{made:#}");
    assert_eq!(fake.effects().len(), 1);
    assert_eq!(llm.requests().len(), 4);
}

#[tokio::test]
async fn stop_reaches_a_model_that_says_nothing_within_half_a_second() {
    let llm = FakeLlm::start().await;
    let server = TestServer::start().await;
    server.scripted_model(&llm, "sk-x").await;
    llm.push(Reply::Stall(vec!["I begin".to_owned()]));
    let made = server.owner().post(CHATS, &json!({"content": text("hi")})).await.expect(201).json();
    let id = made["id"].as_str().unwrap().to_owned();
    let mut stream =
        SseReader::new(server.owner().request(Method::GET, &format!("{CHATS}/{id}/stream")).open().await);
    stream.until(|event| event.name == "message_part").await;
    let begun = Instant::now();
    server.owner().post(&format!("{CHATS}/{id}/interrupt"), &json!({})).await.expect(200);
    stream.until(|event| event.name == "status" && event.json()["status"]["status"] == "waiting").await;
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    let messages = transcript(server.owner(), &id).await;
    assert_eq!((answer_text(&messages).as_str(), &messages[1]["interrupted"]), ("I begin", &json!(true)));
    let next = send(server.owner(), &id, &json!({"content": text("go on")})).await;
    assert_eq!(
        (next["status"].as_str(), answer_text(next["messages"].as_array().unwrap()).as_str()),
        (Some("waiting"), "done")
    );
}

#[tokio::test]
async fn an_empty_answer_is_no_success() {
    let llm = FakeLlm::start().await;
    let server = TestServer::start().await;
    server.scripted_model(&llm, "sk-x").await;
    llm.push(Reply::Text(vec![]));
    let made = chat(server.owner(), &json!({"content": text("hi")})).await;
    assert_eq!(made["status"], "error", "{made}");
    assert!(!made["last_error"]["message"].as_str().unwrap().is_empty());
    assert_eq!(parts(made["messages"].as_array().unwrap(), "text").len(), 1, "the question only");
}

#[tokio::test]
async fn usage_and_reasoning_of_the_provider_are_kept_with_the_message() {
    let llm = FakeLlm::start().await;
    let server = TestServer::start().await;
    server.scripted_model(&llm, "sk-x").await;
    let made = chat(server.owner(), &json!({"content": text("hi")})).await;
    let answer = &made["messages"][1];
    assert_eq!(
        (&answer["usage"]["input_tokens"], &answer["usage"]["output_tokens"]),
        (&json!(7), &json!(5)),
        "{answer}"
    );
    assert!(answer["usage"]["context_limit"].as_i64().unwrap() > 0);
}
