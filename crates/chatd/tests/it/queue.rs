//! Messages that wait for the turn before them (behaviour 18).

use crate::support::{OWNER, Say, World, answer, config, roles, text, words};
use api::{
    Uuid,
    chats::ChatStatus,
    messages::{
        ChatMessage,
        MessageRole::{Assistant, User},
        Part,
    },
    stream::StreamPayload,
};
use futures::StreamExt;
use llm::ModelError;
use patchbay_chatd::{Resume, follow};
use std::{sync::Arc, time::Duration};
use store::chats::{
    NewQueued, QueuePlace, QueuedRecord, Transition, chat_get_for_update, chat_transition, queue_insert,
    queue_list,
};
use testkit::{both_engines, fake_mcp::FakeMcp};
use tokio::sync::Notify;

/// What `service` does with a message to a busy chat.
async fn wait(world: &World, chat: Uuid, words: &str) {
    wait_with(world, chat, words, None).await;
}

async fn wait_with(world: &World, chat: Uuid, words: &str, servers: Option<Vec<Uuid>>) {
    let mut write = world.db.write().await.unwrap();
    let before = chat_get_for_update(&mut write, OWNER, chat).await.unwrap().unwrap();
    let step = Transition::stay(&before, before.updated_at).queue(1);
    let record = chat_transition(&mut write, &before.fence(), &step).await.unwrap().unwrap();
    let new = NewQueued {
        plan_mode: None,
        chat_id: chat,
        content: vec![Part::text(words)],
        size: 1,
        model_config_id: None,
        mcp_server_ids: servers,
        created_at: before.updated_at,
    };
    queue_insert(&mut write, QueuePlace::Last, new).await.unwrap();
    let queue = queue_list(&mut write, chat).await.unwrap();
    write.commit().await.unwrap();
    world.daemon.queue_changed(&record, queue.iter().map(QueuedRecord::to_wire).collect());
}

async fn waiting(world: &World, chat: Uuid) -> usize {
    queue_list(&mut world.db.read().await.unwrap(), chat).await.unwrap().len()
}

fn said(messages: &[ChatMessage]) -> Vec<String> {
    messages.iter().map(words).collect()
}

/// How many wait, each time a reader is told, until none does.
fn sizes_until_empty(world: &World, chat: Uuid) -> tokio::task::JoinHandle<Vec<usize>> {
    let stream = follow(world.db.clone(), world.daemon.hub().clone(), chat, Resume::default());
    tokio::spawn(async move {
        let mut stream = Box::pin(stream);
        let mut seen = Vec::new();
        while seen.last() != Some(&0) {
            let next = tokio::time::timeout(Duration::from_secs(20), stream.next());
            let (_, event) = next.await.expect("the queue empties").expect("the stream goes on");
            if let StreamPayload::QueueUpdate { queue_update } = &event.payload {
                seen.push(queue_update.len());
            }
        }
        seen
    })
}

/// A chat whose first turn says "One" when the test lets it.
async fn held(world: &World) -> (Uuid, Arc<Notify>) {
    let gate = Arc::new(Notify::new());
    world.script.then([vec![text("On"), Say::Wait(Arc::clone(&gate))], answer("e")].concat());
    let chat = world.chat().await;
    world.send(chat, "first").await;
    world.until_asked(1).await;
    (chat, gate)
}

both_engines! {
    async fn each_waiting_message_gets_its_turn_in_order(db: TestDb) {
        let mcp = FakeMcp::start(vec![]).await;
        let world = World::new(&db, &mcp).await;
        let (chat, gate) = held(&world).await;
        world.script.then(answer("Two"));
        world.script.then(answer("Three"));
        wait(&world, chat, "second").await;
        let other = vec![Uuid::from_u128(77)];
        wait_with(&world, chat, "third", Some(other.clone())).await;
        assert_eq!(world.messages(chat).await.len(), 1, "what waits is not in the history");
        gate.notify_one();
        let record = world.ended(chat).await;
        assert_eq!((record.status, record.queue_length), (ChatStatus::Waiting, 0));
        assert_eq!(record.mcp_server_ids, other, "the selection of the message that brought it");
        let messages = world.messages(chat).await;
        assert_eq!(roles(&messages), [User, Assistant, User, Assistant, User, Assistant]);
        assert_eq!(said(&messages), ["first", "One", "second", "Two", "third", "Three"]);
        assert_eq!(waiting(&world, chat).await, 0);
        // Each turn saw what came before it, and nothing that waited.
        let sizes: Vec<usize> = world.script.requests().iter().map(|request| request.messages.len()).collect();
        assert_eq!(sizes, [1, 3, 5]);
    }

    async fn stop_keeps_what_was_said_and_goes_on_with_the_next(db: TestDb) {
        let mcp = FakeMcp::start(vec![]).await;
        let world = World::new(&db, &mcp).await;
        let (chat, _gate) = held(&world).await;
        wait(&world, chat, "second").await;
        world.script.then(answer("Two"));
        world.stop(chat).await;
        let record = world.ended(chat).await;
        assert_eq!(record.status, ChatStatus::Waiting);
        let messages = world.messages(chat).await;
        assert_eq!(said(&messages), ["first", "On", "second", "Two"]);
        assert!(messages[1].interrupted && !messages[3].interrupted);
    }

    async fn after_a_failure_it_waits_on(db: TestDb) {
        let mcp = FakeMcp::start(vec![]).await;
        let world = World::new(&db, &mcp).await;
        let gate = Arc::new(Notify::new());
        world.script.then(vec![Say::Wait(Arc::clone(&gate)), Say::Error(ModelError::ContentFilter)]);
        let chat = world.chat().await;
        world.send(chat, "first").await;
        world.until_asked(1).await;
        wait(&world, chat, "second").await;
        gate.notify_one();
        let record = world.ended(chat).await;
        assert_eq!((record.status, record.queue_length), (ChatStatus::Error, 1));
        assert_eq!(said(&world.messages(chat).await), ["first"]);
        assert_eq!(world.script.requests().len(), 1, "nothing was tried with the next one");
    }

    async fn what_waits_is_not_answered_for_a_suspended_owner(db: TestDb) {
        let mcp = FakeMcp::start(vec![]).await;
        let world = World::new(&db, &mcp).await;
        let (chat, gate) = held(&world).await;
        wait(&world, chat, "second").await;
        db.raw("UPDATE users SET status = 'suspended'").await.unwrap();
        gate.notify_one();
        let record = world.ended(chat).await;
        assert_eq!((record.status, record.queue_length), (ChatStatus::Error, 1), "it is kept");
        assert_eq!(record.last_error.unwrap().code, "account_suspended");
        assert_eq!(world.script.requests().len(), 1);
    }

    async fn readers_are_told_the_whole_queue(db: TestDb) {
        let mcp = FakeMcp::start(vec![]).await;
        let world = World::new(&db, &mcp).await;
        let (chat, gate) = held(&world).await;
        let before = sizes_until_empty(&world, chat);
        tokio::time::sleep(Duration::from_millis(100)).await;
        wait(&world, chat, "second").await;
        wait(&world, chat, "third").await;
        // Whoever comes later hears of it too.
        let after = sizes_until_empty(&world, chat);
        tokio::time::sleep(Duration::from_millis(100)).await;
        gate.notify_one();
        world.ended(chat).await;
        assert_eq!(before.await.unwrap(), [1, 2, 1, 0]);
        assert_eq!(after.await.unwrap(), [2, 1, 0]);
    }

    async fn a_next_turn_that_its_process_does_not_live_to_run_is_taken_over(db: TestDb) {
        let mcp = FakeMcp::start(vec![]).await;
        let world = World::new(&db, &mcp).await;
        let (chat, gate) = held(&world).await;
        wait(&world, chat, "second").await;
        let draining = {
            let daemon = world.daemon.clone();
            tokio::spawn(async move { daemon.drain(Duration::from_secs(10)).await })
        };
        // The running turn may end; the next one is for somebody else.
        tokio::time::sleep(Duration::from_millis(50)).await;
        gate.notify_one();
        draining.await.unwrap();
        assert_eq!(said(&world.messages(chat).await), ["first", "One", "second"]);
        assert_eq!(world.record(chat).await.lease_holder, None);
        let (servers, script) = (Arc::clone(&world.servers), Arc::clone(&world.script));
        let other = World::start(&db, &mcp.authority(), servers, script, config()).await;
        let record = other.ended(chat).await;
        assert_eq!(record.status, ChatStatus::Waiting);
        assert_eq!(said(&other.messages(chat).await), ["first", "One", "second", "Done."]);
    }
}
