//! Bytes, not only rows: what a long chat costs in memory.

use crate::support::{World, answer, user_message, words};
use api::{Uuid, chats::ChatStatus, stream::StreamPayload};
use futures::StreamExt;
use llm::PromptMessage;
use patchbay_chatd::{Resume, follow, limits};
use std::time::Duration;
use store::messages::message_insert;
use testkit::{TestDb, fake_mcp::FakeMcp};

const MIB: usize = 1024 * 1024;

/// A chat with `count` messages of a mebibyte each, each beginning with its number; the ids.
async fn large_chat(world: &World, count: usize) -> (Uuid, Vec<i64>) {
    let chat = world.chat().await;
    let mut ids = Vec::new();
    let mut write = world.db.write().await.unwrap();
    for number in 0..count {
        let words = format!("{number:04} {}", "x".repeat(MIB - 5));
        let message = user_message(chat, &words, domain::clock::Clock::now(&*world.clock));
        ids.push(message_insert(&mut write, message).await.unwrap().id);
    }
    write.commit().await.unwrap();
    (chat, ids)
}

/// The ids of the messages up to the first status, and whether the history was reset before.
async fn opening(world: &World, chat: Uuid, resume: Resume) -> (Vec<i64>, bool) {
    let mut events = Box::pin(follow(world.db.clone(), world.daemon.hub().clone(), chat, resume));
    let (mut ids, mut reset) = (Vec::new(), false);
    loop {
        let (_, event) =
            tokio::time::timeout(Duration::from_secs(20), events.next()).await.unwrap().expect("no end");
        match &event.payload {
            StreamPayload::Message { message } => ids.push(message.id),
            StreamPayload::HistoryReset { .. } => reset = true,
            StreamPayload::Status { .. } => return (ids, reset),
            _ => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_begins_with_at_most_its_bytes() {
    let db = TestDb::sqlite().await;
    let mcp = FakeMcp::start(vec![]).await;
    let world = World::new(&db, &mcp).await;
    let fit = limits::SNAPSHOT_BYTES / MIB;
    let (chat, ids) = large_chat(&world, fit + 4).await;
    assert_eq!(opening(&world, chat, Resume::default()).await, (ids[4..].to_vec(), false));
    // Not far behind: it goes on. Too far: it begins anew with the newest.
    let after = |at: usize| Resume { last_event_id: None, after_id: Some(ids[at]) };
    assert_eq!(opening(&world, chat, after(5)).await, (ids[6..].to_vec(), false));
    assert_eq!(opening(&world, chat, after(1)).await, (ids[4..].to_vec(), true));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_turn_starts_from_at_most_its_bytes_and_from_the_newest_message() {
    let db = TestDb::sqlite().await;
    let mcp = FakeMcp::start(vec![]).await;
    let world = World::new(&db, &mcp).await;
    let fit = limits::HISTORY_BYTES / MIB;
    let (chat, _) = large_chat(&world, fit + 4).await;
    world.script.then(answer("read"));
    world.send(chat, "And now?").await;
    assert_eq!(world.ended(chat).await.status, ChatStatus::Waiting);
    let requests = world.script.requests();
    let starts: Vec<String> = requests[0]
        .messages
        .iter()
        .map(|message| match message {
            PromptMessage::User { text } => text.chars().take(8).collect(),
            other => panic!("only the user has spoken: {other:?}"),
        })
        .collect();
    assert_eq!(starts.last().unwrap(), "And now?");
    // The last message takes a few bytes of the budget, so one less fits.
    assert_eq!(starts.len(), fit);
    assert!(starts[0].starts_with(&format!("{:04}", 5)), "{starts:?}");
    assert_eq!(words(world.messages(chat).await.last().unwrap()), "read");
}
