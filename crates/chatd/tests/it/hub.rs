//! Bounds of the hub: slow readers, large answers, the end of everything.

use crate::support::{Say, World, answer, end, text};
use api::stream::StreamPayload;
use futures::StreamExt;
use llm::{FinishReason, ModelEvent};
use patchbay_chatd::{Resume, follow};
use std::{sync::Arc, time::Duration};
use testkit::{TestDb, fake_mcp::FakeMcp};
use tokio::sync::Notify;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_beyond_the_buffer_is_reset_and_comes_as_a_message() {
    let db = TestDb::sqlite().await;
    let mcp = FakeMcp::start(vec![]).await;
    let world = World::new(&db, &mcp).await;
    let go = Arc::new(Notify::new());
    let piece = "x".repeat(100_000);
    let mut says: Vec<Say> = Vec::new();
    for _ in 0..15 {
        says.extend([text(&piece), Say::Wait(Arc::clone(&go))]);
    }
    says.push(end(FinishReason::Stop));
    world.script.then(says);
    let chat = world.chat().await;
    let mut events = Box::pin(follow(db.db().clone(), world.daemon.hub().clone(), chat, Resume::default()));
    world.send(chat, "go").await;
    let (mut parts, mut resets, mut length) = (0, 0, 0);
    while length == 0 {
        let (_, event) = tokio::time::timeout(Duration::from_secs(20), async {
            loop {
                tokio::select! {
                    biased;
                    event = events.next() => return event.expect("no end"),
                    () = tokio::time::sleep(Duration::from_millis(30)) => go.notify_one(),
                }
            }
        })
        .await
        .unwrap();
        match &event.payload {
            StreamPayload::MessagePart { .. } => parts += 1,
            StreamPayload::PreviewReset { .. } => resets += 1,
            StreamPayload::Message { message } if message.role == api::messages::MessageRole::Assistant => {
                length = crate::support::words(message).len();
            }
            _ => {}
        }
    }
    assert_eq!((parts, resets, length), (10, 1, 1_500_000));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_far_behind_is_cut_and_resumes() {
    let db = TestDb::sqlite().await;
    let mcp = FakeMcp::start(vec![]).await;
    let world = World::new(&db, &mcp).await;
    let chat = world.chat().await;
    let hub = world.daemon.hub().clone();
    let mut events = Box::pin(follow(db.db().clone(), hub.clone(), chat, Resume::default()));
    // The empty snapshot; then this reader takes nothing while a lot happens.
    let (id, _) = events.next().await.unwrap();
    let words = "y".repeat(1000);
    let mut says: Vec<Say> = (0..3000).map(|_| Say::Event(ModelEvent::Text(words.clone()))).collect();
    says.push(end(FinishReason::Stop));
    world.script.then(says);
    world.send(chat, "go").await;
    world.ended(chat).await;
    assert!(events.next().await.is_none(), "it is cut");
    let resume = Resume { last_event_id: Some(id.to_string()), after_id: None };
    let mut events = Box::pin(follow(db.db().clone(), hub, chat, resume));
    let mut names = Vec::new();
    while names.last() != Some(&"status") {
        names.push(events.next().await.unwrap().1.payload.event_name());
    }
    // It had been shown nothing live, so there is nothing to drop.
    assert_eq!(names, ["message", "message", "mcp_status", "status"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_end_with_their_chat_and_with_the_hub() {
    let db = TestDb::sqlite().await;
    let mcp = FakeMcp::start(vec![]).await;
    let world = World::new(&db, &mcp).await;
    let hub = world.daemon.hub().clone();
    let (one, two) = (world.chat().await, world.chat().await);
    let mut first = Box::pin(follow(db.db().clone(), hub.clone(), one, Resume::default()));
    let mut second = Box::pin(follow(db.db().clone(), hub.clone(), two, Resume::default()));
    assert!(first.next().await.is_some() && second.next().await.is_some());
    world.daemon.chat_gone(one);
    assert!(first.next().await.is_none());
    world.script.then(answer("still here"));
    world.send(two, "go").await;
    assert!(second.next().await.is_some());
    world.ended(two).await;
    world.daemon.drain(Duration::from_secs(5)).await;
    while let Some((_, event)) = second.next().await {
        assert_eq!(event.chat_id, two);
    }
    let nobody = follow(db.db().clone(), hub, api::Uuid::from_u128(4), Resume::default());
    assert!(Box::pin(nobody).next().await.is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_status_never_has_the_last_word() {
    let db = TestDb::sqlite().await;
    let mcp = FakeMcp::start(vec![]).await;
    let world = World::new(&db, &mcp).await;
    let chat = world.chat().await;
    world.script.then(answer("words"));
    let (running, message) = world.store_message(chat, "go").await;
    world.daemon.turn_begun(&running, &message);
    let waiting = world.ended(chat).await;
    assert!(waiting.snapshot_version > running.snapshot_version);
    let mut events = Box::pin(follow(db.db().clone(), world.daemon.hub().clone(), chat, Resume::default()));
    for name in ["message", "message", "mcp_status", "status"] {
        assert_eq!(events.next().await.unwrap().1.payload.event_name(), name);
    }
    // Somebody was slow to say what he had committed.
    world.daemon.chat_changed(&running);
    let renamed = store::chats::ChatRecord { title: "New title".to_owned(), ..waiting };
    world.daemon.chat_changed(&renamed);
    let (_, event) = tokio::time::timeout(Duration::from_secs(5), events.next()).await.unwrap().unwrap();
    let StreamPayload::Status { status } = &event.payload else { panic!("{event:?}") };
    assert_eq!((status.status, status.title.as_str()), (api::chats::ChatStatus::Waiting, "New title"));
}
