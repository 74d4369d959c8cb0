//! A transcript after any cut is the uncut one (behaviour 19, threats 9 part H).

use crate::{
    support::{OWNER, World, answer, calls, config, text},
    turn::{echo, slow},
};
use api::{
    Uuid,
    chats::ChatStatus,
    messages::{ChatMessage, MessageRole, Part},
    stream::{StreamEvent, StreamPayload},
};
use futures::{Stream, StreamExt};
use patchbay_chatd::{EventId, Hub, Resume, follow};
use std::{collections::BTreeMap, pin::Pin, sync::Arc, time::Duration};
use store::{
    Db,
    chats::{Transition, chat_get_for_update, chat_transition},
    messages::{message_replace, messages_hide_after},
};
use testkit::{TestDb, both_engines, fake_mcp::FakeMcp};

type Events = Pin<Box<dyn Stream<Item = (EventId, Arc<StreamEvent>)> + Send>>;

/// What a browser makes of the events.
#[derive(Debug, Clone, Default, PartialEq)]
struct Screen {
    messages: BTreeMap<i64, ChatMessage>,
    live: Vec<Part>,
    status: Option<ChatStatus>,
}

impl Screen {
    fn take(&mut self, event: &StreamEvent) {
        match &event.payload {
            StreamPayload::Message { message } => {
                assert!(
                    self.messages.insert(message.id, message.clone()).is_none(),
                    "message {} is shown twice",
                    message.id
                );
                self.live.clear();
            }
            StreamPayload::MessagePart { message_part } => self.live.push(message_part.part.clone()),
            StreamPayload::PreviewReset { .. } => self.live.clear(),
            // Kept where a reload finds it: with the message that began the turn.
            StreamPayload::McpStatus { mcp_status } => {
                let turn = self.messages.values_mut().rev().find(|message| message.role == MessageRole::User);
                if let Some(turn) = turn {
                    turn.mcp_status = Some(mcp_status.clone());
                }
            }
            StreamPayload::HistoryReset { .. } => {
                self.messages.clear();
                self.live.clear();
            }
            StreamPayload::Status { status } => self.status = Some(status.status),
            _ => {}
        }
    }

    fn is_over(&self) -> bool {
        self.status == Some(ChatStatus::Waiting) && self.messages.len() >= 4
    }
}

fn open(db: &Db, hub: &Hub, chat: Uuid, last: Option<&str>) -> Events {
    let resume = Resume { last_event_id: last.map(str::to_owned), after_id: None };
    Box::pin(follow(db.clone(), hub.clone(), chat, resume))
}

async fn next(events: &mut Events) -> (EventId, Arc<StreamEvent>) {
    tokio::time::timeout(Duration::from_secs(15), events.next())
        .await
        .expect("an event in time")
        .expect("no end")
}

/// Reads until the turn is over; the events with their ids.
async fn read_all(events: &mut Events, screen: &mut Screen) -> Vec<(String, Arc<StreamEvent>)> {
    let mut all = Vec::new();
    while !screen.is_over() {
        let (id, event) = next(events).await;
        screen.take(&event);
        all.push((id.to_string(), event));
    }
    all
}

fn script(world: &World) {
    let two = [("a", "lab__echo", r#"{"text":"one"}"#), ("b", "lab__slow", r#"{"text":"two"}"#)];
    world.script.then([vec![text("Let me "), text("look. ")], calls(&two)].concat());
    world.script.then(answer("Both of them have answered."));
}

both_engines! {
    async fn every_cut_of_a_finished_turn_gives_the_same_transcript(db: TestDb) {
        let mcp = FakeMcp::start(vec![echo(), slow(Duration::from_millis(50))]).await;
        let world = World::new(&db, &mcp).await;
        script(&world);
        let chat = world.chat().await;
        let hub = world.daemon.hub().clone();
        let mut events = open(&db, &hub, chat, None);
        let mut whole = Screen::default();
        let (_, first) = next(&mut events).await;
        whole.take(&first);
        world.send(chat, "go").await;
        let all = read_all(&mut events, &mut whole).await;
        assert!(all.len() > 25, "{} events", all.len());
        assert_eq!(whole.live, []);
        let stored: Vec<ChatMessage> = world.messages(chat).await;
        assert_eq!(whole.messages.values().cloned().collect::<Vec<_>>(), stored);

        // The same process, whose log still has it all; another process; the same, but it has forgotten.
        let elsewhere = Hub::new(&domain::clock::SeededEntropy::new(5));
        for hub in [hub, elsewhere] {
            for cut in 0..all.len() {
                let mut screen = Screen::default();
                screen.take(&first);
                // The status of the empty chat would end the reading below at the last message, before what follows it.
                screen.status = None;
                for (_, event) in &all[..=cut] {
                    screen.take(event);
                }
                let mut events = open(&db, &hub, chat, Some(&all[cut].0));
                if screen.is_over() {
                    continue;
                }
                let _ = read_all(&mut events, &mut screen).await;
                assert_eq!(screen, whole, "cut after event {cut}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_is_cut_after_every_event_of_a_running_turn_misses_nothing() {
    let db = TestDb::sqlite().await;
    let mcp = FakeMcp::start(vec![echo(), slow(Duration::from_millis(50))]).await;
    let world = World::new(&db, &mcp).await;
    let hub = world.daemon.hub().clone();
    for round in 1..=10 {
        script(&world);
        let chat = world.chat().await;
        let mut screen = Screen::default();
        let mut last: Option<String> = None;
        world.send(chat, "go").await;
        while !screen.is_over() {
            let mut events = open(&db, &hub, chat, last.as_deref());
            // More and more events between two cuts.
            for _ in 0..round {
                let (id, event) = next(&mut events).await;
                screen.take(&event);
                last = Some(id.to_string());
                if screen.is_over() {
                    break;
                }
            }
        }
        assert_eq!(screen.messages.values().cloned().collect::<Vec<_>>(), world.messages(chat).await);
        assert_eq!(screen.live, []);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_who_join_a_running_turn_see_what_was_said_so_far() {
    let db = TestDb::sqlite().await;
    let mcp = FakeMcp::start(vec![]).await;
    let world = World::new(&db, &mcp).await;
    let go = Arc::new(tokio::sync::Notify::new());
    let wait = crate::support::Say::Wait(Arc::clone(&go));
    world.script.then([vec![text("So "), text("far "), wait], answer("so good")].concat());
    let chat = world.chat().await;
    world.send(chat, "go").await;
    let hub = world.daemon.hub().clone();
    testkit::wait::until("the words so far", || async {
        let mut events = open(&db, &hub, chat, None);
        let mut seen = Vec::new();
        for _ in 0..5 {
            let Ok(Some((_, event))) = tokio::time::timeout(Duration::from_millis(200), events.next()).await
            else {
                break;
            };
            seen.push(event.payload.event_name());
        }
        (seen == ["message", "status", "mcp_status", "message_part", "message_part"]).then_some(())
    })
    .await;
    go.notify_one();
    world.ended(chat).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ids_that_are_not_ours_get_a_snapshot_and_never_others_data() {
    let db = TestDb::sqlite().await;
    let mcp = FakeMcp::start(vec![]).await;
    let world = World::new(&db, &mcp).await;
    let hub = world.daemon.hub().clone();
    let (mine, other) = (world.chat().await, world.chat().await);
    for chat in [mine, other] {
        world.script.then(answer("words"));
        world.send(chat, "go").await;
        world.ended(chat).await;
    }
    let mut events = open(&db, &hub, other, None);
    let (foreign, _) = next(&mut events).await;
    let long = "a".repeat(4000);
    let mut bad = vec![foreign.to_string(), String::new(), "garbage".to_owned(), long, "0".repeat(72)];
    // An id of a process that has seen more than this one, and one with messages nobody has.
    let (own, _) = next(&mut open(&db, &hub, mine, None)).await;
    bad.push(own.to_string().replace(&own.to_string()[8..24], "7fffffffffffffff"));
    for id in bad {
        let mut events = open(&db, &hub, mine, Some(&id));
        let mut names = Vec::new();
        while names.last() != Some(&"status") {
            let (_, event) = next(&mut events).await;
            assert_eq!(event.chat_id, mine);
            names.push(event.payload.event_name());
        }
        assert_eq!(names, ["history_reset", "message", "message", "mcp_status", "status"], "{id}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edit_resets_every_reader() {
    let db = TestDb::sqlite().await;
    let mcp = FakeMcp::start(vec![]).await;
    let world = World::with(&db, &mcp, config()).await;
    let hub = world.daemon.hub().clone();
    let chat = world.chat().await;
    world.script.then(answer("first answer"));
    let question = world.send(chat, "frist question").await;
    world.ended(chat).await;
    let mut live = open(&db, &hub, chat, None);
    let mut screen = Screen::default();
    let mut last = String::new();
    while screen.status.is_none() {
        let (id, event) = next(&mut live).await;
        screen.take(&event);
        last = id.to_string();
    }
    assert_eq!((screen.messages.len(), screen.status), (2, Some(ChatStatus::Waiting)));

    world.script.then(answer("second answer"));
    let mut write = db.write().await.unwrap();
    let before = chat_get_for_update(&mut write, OWNER, chat).await.unwrap().unwrap();
    let step =
        Transition::to(ChatStatus::Running, before.updated_at).rewrite().lease(world.daemon.lease_on_send());
    let record = chat_transition(&mut write, &before.fence(), &step).await.unwrap().unwrap();
    messages_hide_after(&mut write, chat, question.id).await.unwrap();
    let edited = message_replace(&mut write, chat, question.id, vec![Part::text("first question")])
        .await
        .unwrap()
        .unwrap();
    write.commit().await.unwrap();
    world.daemon.turn_begun(&record, &edited);
    world.ended(chat).await;

    let expected = world.messages(chat).await;
    let cut = screen.clone();
    for (mut events, mut screen) in [(live, screen), (open(&db, &hub, chat, Some(&last)), cut)] {
        let mut reset = false;
        while !(screen.status == Some(ChatStatus::Waiting) && reset && screen.messages.len() == 2) {
            let (_, event) = next(&mut events).await;
            reset |= matches!(event.payload, StreamPayload::HistoryReset { .. });
            screen.take(&event);
        }
        assert_eq!(screen.messages.values().cloned().collect::<Vec<_>>(), expected);
    }
    assert_eq!(crate::support::words(&expected[1]), "second answer");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_may_begin_after_a_message_it_has() {
    let db = TestDb::sqlite().await;
    let mcp = FakeMcp::start(vec![]).await;
    let world = World::new(&db, &mcp).await;
    let hub = world.daemon.hub().clone();
    let chat = world.chat().await;
    world.script.then(answer("words"));
    let question = world.send(chat, "go").await;
    world.ended(chat).await;
    let names = |after_id| {
        let resume = Resume { last_event_id: None, after_id: Some(after_id) };
        let mut events: Events = Box::pin(follow(db.db().clone(), hub.clone(), chat, resume));
        async move {
            let mut names = Vec::new();
            while names.last() != Some(&"status") {
                names.push(next(&mut events).await.1.payload.event_name());
            }
            names
        }
    };
    // How the servers of the last turn answered is told in any case: the message that keeps it may be one the reader has.
    assert_eq!(names(0).await, ["message", "message", "mcp_status", "status"]);
    assert_eq!(names(question.id).await, ["message", "mcp_status", "status"]);
    assert_eq!(names(question.id + 1).await, ["mcp_status", "status"]);
    assert_eq!(
        names(question.id + 999).await,
        ["history_reset", "message", "message", "mcp_status", "status"]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_on_another_replica_misses_nothing_however_it_moves() {
    let db = TestDb::postgres().await;
    let mcp = FakeMcp::start(vec![echo(), slow(Duration::from_millis(50))]).await;
    let world = World::new(&db, &mcp).await;
    let replicas = [world.daemon.hub().clone(), Hub::new(&domain::clock::SeededEntropy::new(6))];
    let there = db.reopen().await;
    for stay in [usize::MAX, 7, 2] {
        script(&world);
        let chat = world.chat().await;
        let mut screen = Screen::default();
        let mut last: Option<String> = None;
        let mut at = 1;
        world.send(chat, "go").await;
        while !screen.is_over() {
            let mut events = open(&there, &replicas[at % 2], chat, last.as_deref());
            for _ in 0..stay {
                let (id, event) = next(&mut events).await;
                screen.take(&event);
                last = Some(id.to_string());
                if screen.is_over() {
                    break;
                }
            }
            at += 1;
        }
        assert_eq!(screen.messages.values().cloned().collect::<Vec<_>>(), world.messages(chat).await);
        assert_eq!(screen.live, []);
    }
}
