//! The live list of chats (behaviour 17 and 19, `/watch`).

use crate::support::{CHATS, Person, TestServer, chat, cookie, text};
use api::users::Role;
use http::Method;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use testkit::{
    fake_llm::{FakeLlm, Reply},
    http::Client,
    sse::{SseEvent, SseReader},
};

const WATCH: &str = "/api/experimental/chats/watch";

async fn watch(client: &Client, last_event_id: Option<&str>) -> SseReader {
    let mut ask = client.request(Method::GET, WATCH);
    if let Some(id) = last_event_id {
        ask = ask.header("last-event-id", id);
    }
    SseReader::new(ask.open().await)
}

/// A stream that has said that it begins anew.
async fn begun(client: &Client) -> (SseReader, String) {
    let mut reader = watch(client, None).await;
    let first = reader.next().await.unwrap();
    assert_eq!((first.name.as_str(), first.json()), ("reset", json!({"kind": "reset"})));
    (reader, first.id)
}

fn told(event: &SseEvent) -> (String, Value) {
    let data = event.json();
    assert_eq!(data["kind"], json!(event.name), "data and event name agree");
    assert_eq!(event.id.len(), 32, "{event:?}");
    assert!(event.id.chars().all(|c| c.is_ascii_hexdigit()), "{event:?}");
    (event.name.clone(), data["chat"].clone())
}

/// The next event, which must be of this kind and about this chat.
async fn next(reader: &mut SseReader, kind: &str, id: &str) -> Value {
    let (told_kind, chat) = told(&reader.next().await.unwrap());
    assert_eq!((told_kind.as_str(), chat["id"].as_str()), (kind, Some(id)), "{chat:#}");
    chat
}

async fn silent(reader: &mut SseReader) {
    assert_eq!(reader.next_within(Duration::from_millis(1500)).await, None);
}

/// What `acting` does is told to who watches at `reading`.
async fn changes_are_told(acting: &TestServer, reading: &TestServer) {
    let llm = FakeLlm::start().await;
    acting.scripted_model(&llm, "sk-x").await;
    let person = acting.user(Role::Member).await;
    let other = acting.user(Role::Member).await;
    let (mut reader, _) = begun(&reading.anonymous().with(cookie(&person.token))).await;
    let (mut nobody, _) = begun(&reading.anonymous().with(cookie(&other.token))).await;

    llm.push(Reply::Slow(vec!["one ".to_owned(), "two".to_owned()], Duration::from_millis(700)));
    let began = Instant::now();
    let made = person.client.post(CHATS, &json!({"content": text("hi")})).await.expect(201).json();
    let id = made["id"].as_str().unwrap().to_owned();
    let told = next(&mut reader, "created", &id).await;
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    assert_eq!((&told["title"], &told["status"]), (&json!("hi"), &json!("running")));
    assert_eq!(next(&mut reader, "status_change", &id).await["status"], "waiting");

    let path = format!("{CHATS}/{id}");
    person.client.patch(&path, &json!({"title": "Renamed"})).await.expect(200);
    assert_eq!(next(&mut reader, "title_change", &id).await["title"], "Renamed");
    person.client.patch(&path, &json!({"pin_order": 4})).await.expect(200);
    assert_eq!(next(&mut reader, "status_change", &id).await["pin_order"], 4);
    person.client.patch(&path, &json!({"archived": true})).await.expect(200);
    assert_eq!(next(&mut reader, "status_change", &id).await["archived"], true);
    person.client.delete(&path).await.expect(204);
    assert_eq!(next(&mut reader, "deleted", &id).await["title"], "Renamed");
    silent(&mut reader).await;
    assert_eq!(nobody.next_within(Duration::ZERO).await, None, "what others do is not told");
}

#[tokio::test]
async fn what_happens_to_the_list_is_told_on_sqlite() {
    let server = TestServer::start().await;
    changes_are_told(&server, &server).await;
}

#[tokio::test]
async fn what_happens_to_the_list_is_told_on_postgres() {
    let server = TestServer::on_postgres().await;
    changes_are_told(&server, &server).await;
}

#[tokio::test]
async fn what_another_replica_does_is_told_within_a_moment() {
    let server = TestServer::on_postgres().await;
    let other = server.beside().await;
    changes_are_told(&server, &other).await;
}

#[tokio::test]
async fn who_comes_back_goes_on_or_is_told_to_read_anew() {
    let server = TestServer::start().await;
    server.demo_model().await;
    let person = server.user(Role::Member).await;
    let made = chat(&person.client, &json!({"content": text("hi")})).await;
    let path = format!("{CHATS}/{}", made["id"].as_str().unwrap());
    let (reader, id) = begun(&person.client).await;
    drop(reader);
    // Nothing was missed.
    let mut reader = watch(&person.client, Some(&id)).await;
    silent(&mut reader).await;
    person.client.patch(&path, &json!({"title": "Renamed"})).await.expect(200);
    let renamed = reader.next().await.unwrap();
    assert_eq!(renamed.name, "title_change");
    drop(reader);
    let mut reader = watch(&person.client, Some(&renamed.id)).await;
    silent(&mut reader).await;
    drop(reader);
    // Something was, and what is no id of this list.
    let other = server.user(Role::Member).await;
    let (_open, foreign) = begun(&other.client).await;
    for stale in [id.as_str(), foreign.as_str(), "x", "0", &"9".repeat(500), "' OR 1=1 --"] {
        let mut reader = watch(&person.client, Some(stale)).await;
        assert_eq!(reader.next().await.unwrap().name, "reset", "{stale}");
        silent(&mut reader).await;
    }
}

#[tokio::test]
async fn losing_access_ends_the_list_within_five_seconds() {
    let server = TestServer::start().await;
    let mut open: Vec<(&str, Person, SseReader)> = Vec::new();
    for way in ["suspended", "logged out", "untouched"] {
        let person = server.user(Role::Member).await;
        let (reader, _) = begun(&server.anonymous().with(cookie(&person.token))).await;
        open.push((way, person, reader));
    }
    let path = format!("/api/v2/users/{}", open[0].1.id);
    server.owner().patch(&path, &json!({"status": "suspended"})).await.expect(200);
    open[1].1.client.post("/api/v2/users/logout", &json!({})).await.expect(200);
    let acted = Instant::now();
    for (way, _, mut reader) in open {
        let patience = Duration::from_millis(5500).saturating_sub(acted.elapsed());
        assert_eq!(reader.end_within(patience).await.is_some(), way != "untouched", "{way}");
    }
}

#[tokio::test]
async fn lists_and_chats_share_the_twenty_streams_and_end_with_the_process() {
    let server = TestServer::start().await;
    server.demo_model().await;
    let id = chat(server.owner(), &json!({"content": text("hi")})).await["id"].as_str().unwrap().to_owned();
    let of_chat = format!("{CHATS}/{id}/stream");
    let mut open = Vec::new();
    for at in 0..20 {
        let path = if at % 2 == 0 { WATCH } else { &of_chat };
        open.push(SseReader::new(server.owner().request(Method::GET, path).open().await));
    }
    for path in [WATCH, &of_chat] {
        server.owner().get(path).await.expect(429);
    }
    let mut list = open.swap_remove(0);
    assert_eq!(list.next().await.unwrap().name, "reset");
    assert_eq!(list.retry, Some(Duration::from_secs(2)), "how to come back is said at the beginning");
    server.running.chatd.drain(Duration::from_secs(1)).await;
    assert!(list.end_within(Duration::from_secs(2)).await.is_some());
}
