//! Turns that fail where it hurts: between a call's intent and its result.

use crate::{
    support::{World, answer, calls, config, outcomes, record, result_text, roles, step_server, words},
    turn::{echo, slow},
};
use api::{
    Uuid,
    chats::ChatStatus,
    messages::{
        MessageRole::{Assistant, Tool, User},
        ToolOutcome,
    },
};
use patchbay_chatd::ChatdConfig;
use std::time::{Duration, Instant};
use testkit::{TestDb, fake_mcp::FakeMcp};

const OPEN: &str = "SELECT COUNT(*) FROM tool_calls WHERE outcome IS NULL";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_between_intent_and_results_leaves_no_call_open() {
    let db = TestDb::sqlite().await;
    let mcp = FakeMcp::start(vec![echo()]).await;
    let world = World::new(&db, &mcp).await;
    world.servers.step.lock().unwrap().push(step_server(record(2, "trap"), &mcp.url()));
    // While the second call is checked, after the first has ended.
    *world.servers.panic_at_call.lock().unwrap() = Some(Uuid::from_u128(2));
    world
        .script
        .then(calls(&[("a", "lab__echo", r#"{"text":"1"}"#), ("b", "trap__echo", r#"{"text":"2"}"#)]));
    let chat = world.chat().await;
    world.send(chat, "go").await;
    let record = world.ended(chat).await;

    assert_eq!(record.status, ChatStatus::Error);
    assert_eq!(record.last_error.unwrap().code, "internal");
    assert_eq!((record.lease_holder, db.number(OPEN).await), (None, 0));
    assert_eq!(roles(&world.messages(chat).await), [User, Assistant, Tool]);
    let results = world.results(chat).await;
    assert_eq!(outcomes(&results), [("a", ToolOutcome::Ok), ("b", ToolOutcome::Unknown)]);
    assert_eq!(result_text(&results[0]), "heard \"1\"");

    *world.servers.panic_at_call.lock().unwrap() = None;
    world.script.then(answer("I would have to look."));
    world.send(chat, "Did it work?").await;
    assert_eq!(world.ended(chat).await.status, ChatStatus::Waiting);
    let told = world.script.told();
    assert!(told[1].2 && told[1].1.contains("may or may not have happened"), "{told:?}");
    assert_eq!(mcp.calls().len(), 1, "nothing is sent again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn results_that_the_database_refuses_end_as_unknown() {
    let db = TestDb::sqlite().await;
    let mcp = FakeMcp::start(vec![echo()]).await;
    let world = World::new(&db, &mcp).await;
    db.raw(
        "CREATE TRIGGER refuse BEFORE INSERT ON messages WHEN NEW.role = 'tool' AND NEW.content LIKE '%heard%' \
         BEGIN SELECT RAISE(ABORT, 'refused'); END",
    )
    .await
    .unwrap();
    world.script.then(calls(&[("a", "lab__echo", r#"{"text":"1"}"#)]));
    let chat = world.chat().await;
    world.send(chat, "go").await;
    let record = world.ended(chat).await;
    assert_eq!((record.status, record.last_error.unwrap().code.as_str()), (ChatStatus::Error, "internal"));
    assert_eq!(outcomes(&world.results(chat).await), [("a", ToolOutcome::Unknown)]);
    assert_eq!((db.number(OPEN).await, mcp.calls().len()), (0, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chat_whose_results_can_never_be_stored_does_not_stay_busy() {
    let db = TestDb::sqlite().await;
    let mcp = FakeMcp::start(vec![echo()]).await;
    let world = World::new(&db, &mcp).await;
    db.raw(
        "CREATE TRIGGER refuse BEFORE INSERT ON messages WHEN NEW.role = 'tool' \
         BEGIN SELECT RAISE(ABORT, 'refused'); END",
    )
    .await
    .unwrap();
    world.script.then(calls(&[("a", "lab__echo", r#"{"text":"1"}"#)]));
    let chat = world.chat().await;
    world.send(chat, "go").await;
    assert_eq!(world.ended(chat).await.status, ChatStatus::Error);
    world.script.then(answer("Unclear."));
    world.send(chat, "Did it work?").await;
    assert_eq!(world.ended(chat).await.status, ChatStatus::Waiting);
    let told = world.script.told();
    assert!(told[0].1.contains("may or may not have happened"), "not that it did not run: {told:?}");
    assert_eq!(mcp.calls().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_wall_is_watched_while_a_call_runs() {
    let db = TestDb::sqlite().await;
    let mcp = FakeMcp::start(vec![slow(Duration::from_secs(60))]).await;
    let wall = Duration::from_millis(1500);
    let world = World::with(&db, &mcp, ChatdConfig { wall, ..config() }).await;
    world.script.then(calls(&[("a", "lab__slow", r#"{"text":"1"}"#)]));
    let chat = world.chat().await;
    let began = Instant::now();
    world.send(chat, "go").await;
    let record = world.ended(chat).await;
    assert!(began.elapsed() >= wall && began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    assert_eq!((record.status, record.last_error.unwrap().code.as_str()), (ChatStatus::Error, "step_limit"));
    assert_eq!(outcomes(&world.results(chat).await), [("a", ToolOutcome::Unknown)]);
    assert_eq!((db.number(OPEN).await, world.script.requests().len(), mcp.calls().len()), (0, 1, 1));
    // The next turn has its own time.
    world.script.then(answer("fine"));
    world.send(chat, "again").await;
    assert_eq!(world.ended(chat).await.status, ChatStatus::Waiting);
    assert_eq!(words(world.messages(chat).await.last().unwrap()), "fine");
}
