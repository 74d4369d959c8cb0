//! Who may run, and how a daemon ends.

use crate::support::{Say, World, answer, config, text};
use api::chats::ChatStatus;
use patchbay_chatd::ChatdConfig;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use testkit::{TestDb, fake_mcp::FakeMcp};
use tokio::sync::Notify;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_runs_three_turns_at_once_and_the_fourth_waits() {
    let db = TestDb::sqlite().await;
    let mcp = FakeMcp::start(vec![]).await;
    // Without the poll: a free place must be enough.
    let world = World::with(
        &db,
        &mcp,
        ChatdConfig {
            poll: Duration::from_secs(3600),
            capacity_shown: Duration::from_millis(50),
            ..config()
        },
    )
    .await;
    let go = Arc::new(Notify::new());
    let mut chats = Vec::new();
    for _ in 0..4 {
        world.script.then([vec![text("a "), Say::Wait(Arc::clone(&go))], answer("b")].concat());
        let chat = world.chat().await;
        world.send(chat, "go").await;
        chats.push(chat);
    }
    world.until_asked(3).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(world.script.requests().len(), 3);
    assert_eq!(world.daemon.running(), 3);
    let waiting = |flag: bool| {
        let world = &world;
        let fourth = chats[3];
        move || async move { (world.record(fourth).await.queued_for_capacity == flag).then_some(()) }
    };
    testkit::wait::until("the fourth to say that it waits", waiting(true)).await;
    assert!(!world.record(chats[0]).await.queued_for_capacity);
    go.notify_one();
    world.until_asked(4).await;
    testkit::wait::until("the fourth to say that it has its place", waiting(false)).await;
    for _ in 0..4 {
        go.notify_one();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    for chat in chats {
        go.notify_one();
        assert_eq!(world.ended(chat).await.status, ChatStatus::Waiting);
    }
    testkit::wait::until("the places to be free", || async { (world.daemon.running() == 0).then_some(()) })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn draining_lets_turns_end_and_starts_none() {
    let db = TestDb::sqlite().await;
    let mcp = FakeMcp::start(vec![]).await;
    let world = World::new(&db, &mcp).await;
    let go = Arc::new(Notify::new());
    world.script.then([vec![Say::Wait(Arc::clone(&go))], answer("ended well")].concat());
    let (running, late) = (world.chat().await, world.chat().await);
    world.send(running, "go").await;
    world.until_asked(1).await;
    let daemon = world.daemon.clone();
    let draining = tokio::spawn(async move { daemon.drain(Duration::from_secs(10)).await });
    tokio::time::sleep(Duration::from_millis(50)).await;
    world.send(late, "too late").await;
    go.notify_one();
    let began = Instant::now();
    draining.await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(3));
    assert_eq!(world.record(running).await.status, ChatStatus::Waiting);
    assert_eq!(world.record(late).await.status, ChatStatus::Running, "the next process finds it");
    assert_eq!(world.script.requests().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn waiting_for_a_turn_has_a_deadline_of_its_own() {
    let db = TestDb::sqlite().await;
    let mcp = FakeMcp::start(vec![]).await;
    let world = World::new(&db, &mcp).await;
    world.script.then(vec![Say::Hang]);
    let chat = world.chat().await;
    world.send(chat, "go").await;
    let began = Instant::now();
    let record = world.daemon.wait_idle(chat, Duration::from_millis(300)).await.unwrap().unwrap();
    assert!(began.elapsed() >= Duration::from_millis(300) && began.elapsed() < Duration::from_secs(3));
    assert_eq!(record.status, ChatStatus::Running);
    assert_eq!(world.daemon.wait_idle(api::Uuid::from_u128(1), Duration::from_secs(9)).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_reaches_a_chat_that_waits_for_a_place() {
    // The whole house full, then only its owner's share of it.
    for (turns, turns_per_user) in [(1, 9), (9, 1)] {
        let db = TestDb::sqlite().await;
        let mcp = FakeMcp::start(vec![]).await;
        let poll = Duration::from_secs(3600);
        let world = World::with(&db, &mcp, ChatdConfig { turns, turns_per_user, poll, ..config() }).await;
        world.script.then(vec![Say::Hang]);
        let (busy, waits) = (world.chat().await, world.chat().await);
        world.send(busy, "go").await;
        world.until_asked(1).await;
        world.send(waits, "me too").await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert_eq!(world.record(waits).await.status, ChatStatus::Running);

        let began = Instant::now();
        world.stop(waits).await;
        assert_eq!(world.ended(waits).await.status, ChatStatus::Waiting);
        // By the wake-up, not by the poll of an hour; how fast it is on an idle machine is a figure of a bench.
        assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
        assert_eq!(world.record(busy).await.status, ChatStatus::Running, "the others go on");
        assert_eq!(world.script.requests().len(), 1, "nothing was run for it");
        // Its next message waits like any other.
        world.send(waits, "now?").await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert_eq!(world.script.requests().len(), 1);
        world.stop(busy).await;
        assert_eq!(world.ended(waits).await.status, ChatStatus::Waiting);
        assert_eq!(world.script.requests().len(), 2);
    }
}
