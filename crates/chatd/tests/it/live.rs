//! Live events between replicas on one PostgreSQL (behaviour 19, threats 106).

use crate::{
    support::{OWNER, Say, World, answer, config, text},
    turn::echo,
};
use api::{
    chats::ChatStatus,
    messages::{ChatMessage, MessageRole, Part},
    stream::{StreamEvent, StreamPayload},
};
use futures::{Stream, StreamExt};
use patchbay_chatd::{EventId, Resume, follow};
use std::{
    pin::Pin,
    sync::Arc,
    time::{Duration, Instant},
};
use store::chats::{Transition, chat_get_for_update, chat_transition};
use testkit::{TestDb, fake_mcp::FakeMcp};
use tokio::sync::Notify;

type Events = Pin<Box<dyn Stream<Item = (EventId, Arc<StreamEvent>)> + Send>>;

/// Two replicas on one database; the second has none of the turns.
async fn two(db: &TestDb, mcp: &FakeMcp) -> (World, World) {
    let first = World::new(db, mcp).await;
    let (servers, script) = (Arc::clone(&first.servers), Arc::clone(&first.script));
    let second = World::start(&db.reopen().await, &mcp.authority(), servers, script, config()).await;
    (first, second)
}

fn open(world: &World, chat: api::Uuid, last: Option<&str>) -> Events {
    let resume = Resume { last_event_id: last.map(str::to_owned), after_id: None };
    Box::pin(follow(world.db.clone(), world.daemon.hub().clone(), chat, resume))
}

async fn next(events: &mut Events) -> (String, StreamPayload) {
    let (id, event) = tokio::time::timeout(Duration::from_secs(15), events.next())
        .await
        .expect("an event in time")
        .expect("no end");
    (id.to_string(), event.payload.clone())
}

fn part_text(payload: &StreamPayload) -> Option<&str> {
    match payload {
        StreamPayload::MessagePart { message_part } => match &message_part.part {
            Part::Text(part) => Some(&part.text),
            _ => None,
        },
        _ => None,
    }
}

/// Reads parts until `count` came; what they say, and the id of the last.
async fn parts(events: &mut Events, count: usize) -> (String, String) {
    let (mut said, mut last, mut left) = (String::new(), String::new(), count);
    while left > 0 {
        let (id, payload) = next(events).await;
        if let Some(text) = part_text(&payload) {
            said.push_str(text);
            last = id;
            left -= 1;
        }
    }
    (said, last)
}

/// Reads to the end of the turn; messages and whether anything of the answer was shown after it.
async fn rest(events: &mut Events) -> Vec<ChatMessage> {
    let mut messages = Vec::new();
    loop {
        match next(events).await.1 {
            StreamPayload::Message { message } => messages.push(message),
            StreamPayload::Status { status } if status.status == ChatStatus::Waiting => return messages,
            _ => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_elsewhere_sees_the_answer_as_it_comes_and_goes_on_anywhere() {
    let db = TestDb::postgres().await;
    let mcp = FakeMcp::start(vec![echo()]).await;
    let (first, second) = two(&db, &mcp).await;
    let (one, two) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let says = vec![text("So "), text("far "), Say::Wait(one.clone()), text("so "), Say::Wait(two.clone())];
    first.script.then([says, answer("good.")].concat());
    let chat = first.chat().await;
    let mut elsewhere = open(&second, chat, None);
    next(&mut elsewhere).await;
    first.send(chat, "go").await;
    let (said, last) = parts(&mut elsewhere, 2).await;
    assert_eq!(said, "So far ");
    // Cut here and on at the other replica, which runs the turn, and back: what was said so far is shown anew, and what follows once.
    let mut here = open(&first, chat, Some(&last));
    let (said, last) = parts(&mut here, 2).await;
    assert_eq!(said, "So far ");
    drop(here);
    one.notify_one();
    assert_eq!(parts(&mut elsewhere, 1).await.0, "so ");
    let mut back = open(&second, chat, Some(&last));
    assert_eq!(parts(&mut back, 3).await.0, "So far so ");
    // And one that was never here, of a replica whose log begins now.
    let third = {
        let (servers, script) = (Arc::clone(&first.servers), Arc::clone(&first.script));
        World::start(&db.reopen().await, &mcp.authority(), servers, script, config()).await
    };
    let mut late = open(&third, chat, None);
    assert_eq!(parts(&mut late, 3).await.0, "So far so ");
    two.notify_one();
    for events in [&mut elsewhere, &mut back, &mut late] {
        let messages = rest(events).await;
        assert_eq!(messages.last().map(|message| message.role), Some(MessageRole::Assistant));
    }
    assert_eq!(first.messages(chat).await.len(), 2);
}

/// A message of which no word came is shown before the one of which it did.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_nobody_told_of_is_not_left_out() {
    let db = TestDb::postgres().await;
    let mcp = FakeMcp::start(vec![echo()]).await;
    let (first, second) = two(&db, &mcp).await;
    let chat = first.chat().await;
    first.script.then(answer("One."));
    first.send(chat, "one").await;
    first.ended(chat).await;
    let mut events = open(&second, chat, None);
    let shown = rest(&mut events).await;
    assert_eq!(shown.len(), 2);
    // Committed by a process that died before it said so.
    let (_, silent) = first.store_message(chat, "two").await;
    let (_, told) = {
        let mut write = db.write().await.unwrap();
        let record = chat_get_for_update(&mut write, OWNER, chat).await.unwrap().unwrap();
        let step = Transition::to(ChatStatus::Waiting, record.updated_at);
        let record = chat_transition(&mut write, &record.fence(), &step).await.unwrap().unwrap();
        write.commit().await.unwrap();
        (record, second.store_message(chat, "three").await.1)
    };
    second.daemon.hub().publisher(chat, 0).message(&told);
    let mut ids = Vec::new();
    while ids.len() < 2 {
        if let (_, StreamPayload::Message { message }) = next(&mut events).await {
            ids.push(message.id);
        }
    }
    assert_eq!(ids, [silent.id, told.id]);
}

/// Stop reaches a runner on another replica without waiting for its heartbeat.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_asked_for_elsewhere_comes_at_once() {
    let db = TestDb::postgres().await;
    let mcp = FakeMcp::start(vec![echo()]).await;
    let mut slow = config();
    slow.heartbeat = Duration::from_secs(60);
    slow.lease = Duration::from_secs(300);
    slow.self_stop = Duration::from_secs(200);
    let first = World::with(&db, &mcp, slow).await;
    let (servers, script) = (Arc::clone(&first.servers), Arc::clone(&first.script));
    let second = World::start(&db.reopen().await, &mcp.authority(), servers, script, slow).await;
    first.script.then(vec![text("On and "), Say::Hang]);
    let chat = first.chat().await;
    let mut events = open(&second, chat, None);
    first.send(chat, "go").await;
    parts(&mut events, 1).await;
    let began = Instant::now();
    // What the second replica does for its caller: the row, then word of it.
    let mut write = db.write().await.unwrap();
    let record = chat_get_for_update(&mut write, OWNER, chat).await.unwrap().unwrap();
    let step = Transition::to(ChatStatus::Interrupting, record.updated_at);
    let record = chat_transition(&mut write, &record.fence(), &step).await.unwrap().unwrap();
    write.commit().await.unwrap();
    second.daemon.chat_changed(&record);
    assert_eq!(first.ended(chat).await.status, ChatStatus::Waiting);
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    assert!(first.messages(chat).await[1].interrupted);
}

/// Nothing is kept for readers once everybody has seen what was committed, and SQLite never writes any of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_process_on_a_file_tells_nobody() {
    let db = TestDb::sqlite().await;
    let mcp = FakeMcp::start(vec![echo()]).await;
    let world = World::new(&db, &mcp).await;
    world.script.then(answer("Done and said."));
    let chat = world.chat().await;
    world.send(chat, "go").await;
    world.ended(chat).await;
    assert_eq!(db.number("SELECT COUNT(*) FROM live_parts").await, 0);
}
