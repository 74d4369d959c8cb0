//! The live stream (behaviour 19, threats 105 to 107).

use crate::support::{
    CHATS, Person, TestServer, chat, cookie, over, send, server_body, status, text, transcript,
};
use api::users::Role;
use http::Method;
use serde_json::{Value, json};
use std::{collections::BTreeMap, time::Duration};
use testkit::{
    fake_llm::{Call, FakeLlm, Reply},
    fake_mcp::{FakeMcp, FakeTool, ToolAnswer},
    http::Client,
    sse::{SseEvent, SseReader},
};

async fn open(client: &Client, chat_id: &str, query: &str, last_event_id: Option<&str>) -> SseReader {
    let mut ask = client.request(Method::GET, &format!("{CHATS}/{chat_id}/stream{query}"));
    if let Some(id) = last_event_id {
        ask = ask.header("last-event-id", id);
    }
    SseReader::new(ask.open().await)
}

fn is_idle(event: &SseEvent) -> bool {
    event.name == "status" && matches!(event.json()["status"]["status"].as_str(), Some("waiting" | "error"))
}

/// What a reader has on the screen after these events.
#[derive(Debug, Default, PartialEq)]
struct Screen {
    messages: BTreeMap<i64, Value>,
    /// Pieces of the running answer, by attempt.
    live: Vec<(i64, Value)>,
    status: Value,
}

impl Screen {
    fn take(&mut self, event: &SseEvent) {
        let data = event.json();
        assert_eq!(data["type"], json!(event.name), "data and event name agree");
        assert!(data[event.name.as_str()] != Value::Null, "a member named after the type: {data}");
        match event.name.as_str() {
            "message" => {
                let message = data["message"].clone();
                let role = message["role"].clone();
                self.messages.insert(message["id"].as_i64().unwrap(), message);
                // The committed message replaces the pieces of its role.
                self.live.retain(|(_, part)| part["role"] != role);
            }
            "message_part" => {
                let part = data["message_part"].clone();
                let attempt = part["attempt"].as_i64().unwrap();
                self.live.retain(|(other, _)| *other >= attempt);
                self.live.push((attempt, part));
            }
            "preview_reset" => self.live.clear(),
            // Kept where a reload finds it: with the message that began the turn.
            "mcp_status" => {
                let turn = self.messages.values_mut().rev().find(|message| message["role"] == "user");
                // Who begins after a message of the turn has it from elsewhere.
                if let Some(turn) = turn {
                    turn["mcp_status"] = data["mcp_status"].clone();
                }
            }
            "history_reset" => *self = Self::default(),
            "status" => self.status = data["status"]["status"].clone(),
            _ => {}
        }
    }

    fn of<'a>(events: impl IntoIterator<Item = &'a SseEvent>) -> Self {
        let mut screen = Self::default();
        events.into_iter().for_each(|event| screen.take(event));
        screen
    }

    fn transcript(&self) -> Vec<Value> {
        self.messages.values().cloned().collect()
    }
}

/// A turn with text, a call with intent in many deltas, a result and more text; and its whole stream.
struct Played {
    server: TestServer,
    person: Person,
    id: String,
    events: Vec<SseEvent>,
    _fake: FakeMcp,
    _llm: FakeLlm,
}

async fn play(server: TestServer) -> Played {
    let tool = FakeTool::of_text("note", "Notes a text")
        .answering(|_| ToolAnswer::text("noted").after(Duration::from_millis(100)));
    let fake = FakeMcp::start(vec![tool]).await;
    let llm = FakeLlm::start().await;
    server.scripted_model(&llm, "sk-x").await;
    let more = json!({"enabled": true, "availability": "force_on", "model_intent": true});
    server.register(&over(server_body("fake", &fake.url()), more)).await;
    let arguments =
        json!({"model_intent": "listing open issues in acme/web", "properties": {"text": "hello"}});
    llm.push(Reply::call(Call::new("c1", "fake__note", &arguments).in_deltas(20, Duration::from_millis(8))));
    llm.push(Reply::Slow(
        ["All ", "done", "\r\nwith ", "a\u{2028}break", " and \u{1f600}"].map(str::to_owned).to_vec(),
        Duration::from_millis(10),
    ));
    let person = server.user(Role::Member).await;
    let made = person.client.post(CHATS, &json!({"content": text("go")})).await.expect(201).json();
    let id = made["id"].as_str().unwrap().to_owned();
    let mut stream = open(&person.client, &id, "", None).await;
    let events = stream.until(is_idle).await;
    Played { server, person, id, events, _fake: fake, _llm: llm }
}

async fn an_uncut_stream_is_the_transcript(server: TestServer) {
    let played = play(server).await;
    let screen = Screen::of(&played.events);
    assert_eq!(screen.transcript(), transcript(&played.person.client, &played.id).await);
    assert_eq!((screen.live.len(), &screen.status), (0, &json!("waiting")), "{screen:#?}");
    let deltas: String = played
        .events
        .iter()
        .filter(|event| event.name == "message_part")
        .filter_map(|event| event.json()["message_part"]["part"]["args_delta"].as_str().map(str::to_owned))
        .collect();
    let messages = screen.transcript();
    let call = &crate::support::parts(&messages, "tool-call")[0]["args"];
    assert_eq!(serde_json::from_str::<Value>(&deltas).unwrap(), *call, "the pieces are the whole");
    let named: Vec<&SseEvent> = played.events.iter().filter(|event| event.name == "mcp_status").collect();
    assert!(!named.is_empty());
    for event in &played.events {
        assert!(!event.id.is_empty() && event.id.len() <= 128, "{event:?}");
        assert!(event.id.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-'), "{event:?}");
        assert_eq!(event.json()["chat_id"], json!(played.id));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_uncut_stream_is_the_transcript_on_sqlite() {
    an_uncut_stream_is_the_transcript(TestServer::start().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_uncut_stream_is_the_transcript_on_postgres() {
    an_uncut_stream_is_the_transcript(TestServer::on_postgres().await).await;
}

/// Everything that comes within a moment.
async fn drain(stream: &mut SseReader) -> Vec<SseEvent> {
    let mut events = Vec::new();
    while let Some(event) = stream.next_within(Duration::from_millis(400)).await {
        events.push(event);
    }
    events
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn resumed_at_every_event_the_screen_is_the_same() {
    let played = play(TestServer::start().await).await;
    let whole = Screen::of(&played.events);
    assert!(played.events.len() > 25, "{}", played.events.len());
    for part in (0..played.events.len()).collect::<Vec<_>>().chunks(12) {
        let mut readers = Vec::new();
        for at in part {
            let id = played.events[*at].id.clone();
            readers.push((*at, open(&played.person.client, &played.id, "", Some(&id)).await));
        }
        for (at, mut reader) in readers {
            let rest = drain(&mut reader).await;
            let seen = Screen::of(played.events[..=at].iter().chain(&rest));
            assert_eq!(seen.transcript(), whole.transcript(), "cut after {at}: {:#?}", played.events[at]);
            assert_eq!((seen.live.len(), &seen.status), (0, &whole.status), "cut after {at}");
        }
    }
}

/// The reader goes away again and again while the turn runs, each time after a few events.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_is_cut_all_the_time_misses_nothing() {
    let server = TestServer::start().await;
    let llm = FakeLlm::start().await;
    server.scripted_model(&llm, "sk-x").await;
    let words: Vec<String> = (0..60).map(|n| format!("word{n} ")).collect();
    llm.push(Reply::Slow(words, Duration::from_millis(15)));
    let made = server.owner().post(CHATS, &json!({"content": text("go")})).await.expect(201).json();
    let id = made["id"].as_str().unwrap();
    let (mut screen, mut last, mut cuts) = (Screen::default(), None::<String>, 0);
    'turn: loop {
        let mut reader = open(server.owner(), id, "", last.as_deref()).await;
        for _ in 0..(1 + cuts % 4) {
            let event = reader.next().await.unwrap();
            screen.take(&event);
            last = Some(event.id.clone());
            if is_idle(&event) {
                break 'turn;
            }
        }
        cuts += 1;
    }
    assert!(cuts > 10, "{cuts}");
    assert_eq!(screen.transcript(), transcript(server.owner(), id).await);
}

#[tokio::test]
async fn ids_that_are_foreign_future_or_broken_give_a_snapshot_and_nobodys_data() {
    let played = play(TestServer::start().await).await;
    let other = played.server.user(Role::Member).await;
    let theirs = chat(&other.client, &json!({"content": text("a different secret")})).await;
    let mut reader = open(&other.client, theirs["id"].as_str().unwrap(), "", None).await;
    let foreign = reader.until(is_idle).await.last().unwrap().id.clone();
    let own = &played.events[3].id;
    let wanted = Screen::of(&played.events).transcript();
    for id in [
        foreign.as_str(),
        "x",
        "0",
        "-1",
        "%00",
        "99999999999999999999",
        &format!("{own}9"),
        &own[..own.len() / 2],
        &"9".repeat(500),
        "../../etc/passwd",
        "' OR 1=1 --",
    ] {
        let mut reader = open(&played.person.client, &played.id, "", Some(id)).await;
        let events = drain(&mut reader).await;
        let screen = Screen::of(&events);
        assert_eq!(screen.transcript(), wanted, "{id}: {events:#?}");
        assert!(!events.iter().any(|event| event.data.contains("different secret")), "{id}");
    }
}

#[tokio::test]
async fn after_id_selects_the_history_to_begin_with() {
    let played = play(TestServer::start().await).await;
    let all = transcript(&played.person.client, &played.id).await;
    let id_of = |n: usize| all[n]["id"].as_i64().unwrap();
    for (after, expected) in [(0, &all[..]), (id_of(0), &all[1..]), (id_of(3), &all[4..])] {
        let mut reader = open(&played.person.client, &played.id, &format!("?after_id={after}"), None).await;
        assert_eq!(Screen::of(&drain(&mut reader).await).transcript(), expected, "{after}");
    }
    let mut reader = open(&played.person.client, &played.id, "?after_id=999999999", None).await;
    let events = drain(&mut reader).await;
    assert_eq!(events[0].name, "history_reset", "a message that is not there: everything anew");
    assert_eq!(Screen::of(&events).transcript(), all);
    let answer = played.person.client.get(&format!("{CHATS}/{}/stream?after_id=x", played.id)).await;
    assert_eq!(answer.status, 400);
}

#[tokio::test]
async fn an_edit_resets_what_readers_see() {
    let played = play(TestServer::start().await).await;
    let mut reader = open(&played.person.client, &played.id, "", None).await;
    let mut screen = Screen::of(&reader.until(is_idle).await);
    let first = *screen.messages.keys().next().unwrap();
    let path = format!("{CHATS}/{}/messages/{first}", played.id);
    played.person.client.patch(&path, &json!({"content": text("anew")})).await.expect(200);
    let mut reset = false;
    loop {
        let event = reader.next().await.unwrap();
        reset |= event.name == "history_reset";
        screen.take(&event);
        if reset && is_idle(&event) {
            break;
        }
    }
    let now = transcript(&played.person.client, &played.id).await;
    assert_eq!(screen.transcript(), now);
    assert_eq!((now.len(), &now[0]["content"]), (2, &text("anew")));
    // And for who was away meanwhile.
    let old = &played.events.last().unwrap().id;
    let mut reader = open(&played.person.client, &played.id, "", Some(old)).await;
    let rest = drain(&mut reader).await;
    assert_eq!(Screen::of(played.events.iter().chain(&rest)).transcript(), now);
}

#[tokio::test]
async fn the_stream_says_how_to_come_back_and_is_not_buffered() {
    let played = play(TestServer::start().await).await;
    let ask = played.person.client.request(Method::GET, &format!("{CHATS}/{}/stream", played.id));
    let response = ask.open().await;
    assert_eq!(response.headers()["x-accel-buffering"], "no");
    assert_eq!(response.headers()["cache-control"], "no-store");
    let mut reader = SseReader::new(response);
    reader.next().await.unwrap();
    assert_eq!(reader.retry, Some(Duration::from_secs(2)));
}

#[tokio::test]
async fn rendered_streams_and_pages_carry_sanitised_markup_of_the_model_only() {
    let llm = FakeLlm::start().await;
    let server = TestServer::start().await;
    server.scripted_model(&llm, "sk-x").await;
    let evil = "**bold** <script>alert(1)</script> ![x](https://evil.example/p.png) [l](javascript:alert(1)) <img src=x onerror=alert(1)>";
    llm.push(Reply::text(evil));
    let made = chat(server.owner(), &json!({"content": text(evil)})).await;
    let id = made["id"].as_str().unwrap();
    let page = server.owner().get(&format!("{CHATS}/{id}/messages?rendered=true")).await.expect(200).json();
    let mut reader = open(server.owner(), id, "?rendered=true", None).await;
    let streamed = Screen::of(&reader.until(is_idle).await).transcript();
    for answer in [&page["messages"][0], &streamed[1]] {
        let html = answer["content"][0]["html"].as_str().unwrap();
        assert!(html.contains("<strong>bold</strong>"), "{html}");
        // What the model wrote as markup stays visible as text; an image becomes a link that a person may follow.
        for bad in ["<script", "<img", "=\"javascript:", "src=\"https:"] {
            assert!(!html.contains(bad), "{bad} in {html}");
        }
        assert!(html.contains("&lt;img src=x"), "{html}");
        assert_eq!(answer["content"][0]["text"], evil, "the text itself stays as it was");
    }
    assert!(page["messages"][1]["content"][0].get("html").is_none(), "what people wrote stays plain");
    assert!(!made.to_string().contains("<strong>"), "only who asks for it");
}

#[tokio::test]
async fn losing_access_closes_the_stream_within_five_seconds() {
    let server = TestServer::start().await;
    lost_access_ends_streams(&server, &server).await;
}

/// Behaviour 2: on all replicas.
#[tokio::test]
async fn losing_access_closes_the_stream_on_another_replica_within_five_seconds() {
    let server = TestServer::on_postgres().await;
    let other = server.beside().await;
    lost_access_ends_streams(&server, &other).await;
}

/// Access is taken at `server`; the streams are open at `reading`.
async fn lost_access_ends_streams(server: &TestServer, reading: &TestServer) {
    let llm = FakeLlm::start().await;
    server.scripted_model(&llm, "sk-x").await;
    let mut streams = Vec::new();
    for way in ["suspended", "deleted", "session revoked", "logged out", "untouched"] {
        let person = server.user(Role::Member).await;
        let made = chat(&person.client, &json!({"content": text("hi")})).await;
        let id = made["id"].as_str().unwrap().to_owned();
        let mut reader = open(&reading.anonymous().with(cookie(&person.token)), &id, "", None).await;
        reader.until(is_idle).await;
        streams.push((way, person, reader));
    }
    let begun = std::time::Instant::now();
    for (way, person, _) in &streams {
        let path = format!("/api/v2/users/{}", person.id);
        match *way {
            "suspended" => {
                drop(server.owner().patch(&path, &json!({"status": "suspended"})).await.expect(200))
            }
            "deleted" => drop(server.owner().delete(&path).await.expect(204)),
            "session revoked" => {
                let other = server.login(&person.email, &person.password).await;
                let other = server.anonymous().with(testkit::http::Proof::Bearer(other));
                let sessions = other.get("/api/v2/users/me/sessions").await.expect(200).json();
                let old = sessions
                    .as_array()
                    .unwrap()
                    .iter()
                    .find(|session| session["current"] == false)
                    .unwrap()
                    .clone();
                other
                    .delete(&format!("/api/v2/users/me/sessions/{}", old["id"].as_str().unwrap()))
                    .await
                    .expect(204);
            }
            "logged out" => drop(person.client.post("/api/v2/users/logout", &json!({})).await.expect(200)),
            _ => {}
        }
    }
    let acted = begun.elapsed();
    for (way, _, mut reader) in streams {
        let patience = Duration::from_millis(5500).saturating_sub(begun.elapsed() - acted);
        let ended = reader.end_within(patience).await.is_some();
        assert_eq!(ended, way != "untouched", "{way} after {:?}", begun.elapsed());
    }
}

#[tokio::test]
async fn a_user_has_twenty_streams() {
    let server = TestServer::start().await;
    server.demo_model().await;
    let id = chat(server.owner(), &json!({"content": text("hi")})).await["id"].as_str().unwrap().to_owned();
    let mut open_streams = Vec::new();
    for _ in 0..20 {
        open_streams.push(open(server.owner(), &id, "", None).await);
    }
    let refused = server.owner().get(&format!("{CHATS}/{id}/stream")).await.expect(429);
    assert!(!refused.message().is_empty());
    open_streams.pop();
    testkit::wait::until("a free place", || async {
        let response = server.owner().request(Method::GET, &format!("{CHATS}/{id}/stream")).open().await;
        (response.status().as_u16() == 200).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_closed_stream_never_stops_the_turn() {
    let server = TestServer::start().await;
    let llm = FakeLlm::start().await;
    server.scripted_model(&llm, "sk-x").await;
    llm.push(Reply::Slow(vec!["one ".to_owned(), "two".to_owned()], Duration::from_millis(400)));
    let made = server.owner().post(CHATS, &json!({"content": text("hi")})).await.expect(201).json();
    let id = made["id"].as_str().unwrap();
    let mut reader = open(server.owner(), id, "", None).await;
    reader.until(|event| event.name == "message_part").await;
    drop(reader);
    status(server.owner(), id, "waiting").await;
    assert_eq!(crate::support::answer_text(&transcript(server.owner(), id).await), "one two");
    let next = send(server.owner(), id, &json!({"content": text("more")})).await;
    assert_eq!(next["status"], "waiting");
}

/// Line breaks of a peer must not become fields of the stream.
#[tokio::test]
async fn text_of_peers_cannot_forge_events() {
    let forged = "x\n\nevent: status\ndata: {\"type\":\"status\"}\n\r\rid: 1\n";
    let tool = FakeTool::of_text("note", "Notes").title(forged).answering(move |_| ToolAnswer::text(forged));
    let fake = FakeMcp::start(vec![tool]).await;
    let server = TestServer::start().await;
    let llm = FakeLlm::start().await;
    server.scripted_model(&llm, "sk-x").await;
    server.register_fake("fake", &fake).await;
    llm.push(Reply::call(Call::new("c1\n\nevent: evil", "fake__note", &json!({"text": forged}))));
    llm.push(Reply::text(forged));
    let made = server.owner().post(CHATS, &json!({"content": text(forged)})).await.expect(201).json();
    let id = made["id"].as_str().unwrap();
    let mut reader = open(server.owner(), id, "", None).await;
    let events = reader.until(is_idle).await;
    assert!(events.iter().all(|event| event.json()["chat_id"] == json!(id)), "{events:#?}");
    assert!(events.iter().all(|event| event.name != "evil"));
    assert_eq!(Screen::of(&events).transcript(), transcript(server.owner(), id).await);
}
