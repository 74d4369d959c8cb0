//! What models do wrong (threats 9, part I).

use crate::{
    support::{Say, World, answer, call, end, roles, text, words},
    turn::echo,
};
use api::{
    chats::ChatStatus,
    messages::MessageRole::{Assistant, User},
    stream::StreamPayload,
};
use futures::StreamExt;
use llm::{FinishReason, Interruption, ModelError, Outage};
use patchbay_chatd::{Resume, follow};
use std::time::Duration;
use testkit::{TestDb, fake_mcp::FakeMcp};

fn broken() -> ModelError {
    ModelError::Interrupted(Interruption::NoEndMarker)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_key_fails_the_turn_at_once_and_keeps_the_message() {
    let db = TestDb::sqlite().await;
    let mcp = FakeMcp::start(vec![]).await;
    let world = World::new(&db, &mcp).await;
    world.script.then(vec![Say::Error(ModelError::Auth { status: 401 })]);
    let chat = world.chat().await;
    world.send(chat, "are you there").await;
    let record = world.ended(chat).await;
    assert_eq!(record.status, ChatStatus::Error);
    let error = record.last_error.unwrap();
    assert_eq!((error.code.as_str(), error.retryable), ("model_auth", false));
    assert!(error.message.contains("admin"), "{}", error.message);
    assert_eq!(roles(&world.messages(chat).await), [User]);
    assert_eq!(world.script.requests().len(), 1);
    // The key was replaced: the next message runs.
    world.script.then(answer("yes"));
    world.send(chat, "and now").await;
    let record = world.ended(chat).await;
    assert_eq!((record.status, record.last_error), (ChatStatus::Waiting, None));
    assert_eq!(roles(&world.messages(chat).await), [User, User, Assistant]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn outages_are_retried_and_each_retry_is_shown() {
    let db = TestDb::sqlite().await;
    let mcp = FakeMcp::start(vec![]).await;
    let world = World::new(&db, &mcp).await;
    world.script.then(vec![Say::Error(ModelError::RateLimited { retry_after: None })]);
    let down = ModelError::Unavailable { outage: Outage::Status { status: 503 }, retry_after: None };
    world.script.then(vec![Say::Error(down)]);
    world.script.then(answer("at last"));
    let chat = world.chat().await;
    let mut stream = Box::pin(follow(db.db().clone(), world.daemon.hub().clone(), chat, Resume::default()));
    // The snapshot first, so that nothing of the turn is missed.
    assert!(matches!(stream.next().await.unwrap().1.payload, StreamPayload::Status { .. }));
    world.send(chat, "hello").await;
    let mut retries = Vec::new();
    loop {
        let (_, event) = tokio::time::timeout(Duration::from_secs(10), stream.next()).await.unwrap().unwrap();
        match &event.payload {
            StreamPayload::Retry { retry } => retries.push((retry.attempt, retry.cause.clone())),
            StreamPayload::Status { status } if status.status == ChatStatus::Waiting => break,
            _ => {}
        }
    }
    assert_eq!(retries.iter().map(|(attempt, _)| *attempt).collect::<Vec<_>>(), [1, 2]);
    assert!(retries[1].1.contains("503"), "{retries:?}");
    let messages = world.messages(chat).await;
    assert_eq!((messages.len(), words(&messages[1])), (2, "at last".to_owned()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn retries_end() {
    let db = TestDb::sqlite().await;
    let mcp = FakeMcp::start(vec![]).await;
    let world = World::new(&db, &mcp).await;
    for _ in 0..10 {
        world.script.then(vec![Say::Error(ModelError::RateLimited { retry_after: None })]);
    }
    let chat = world.chat().await;
    world.send(chat, "hello").await;
    let error = world.ended(chat).await.last_error.unwrap();
    assert_eq!((error.code.as_str(), error.retryable), ("model_unavailable", true));
    assert_eq!(world.script.requests().len(), 4, "the first and three more");
}

/// The breaker of the provider is open (threat 121): the turn says so and waits, whatever the number of its retries.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn waiting_for_a_provider_that_is_left_alone_is_shown_and_uses_up_no_retry() {
    let db = TestDb::sqlite().await;
    let mcp = FakeMcp::start(vec![]).await;
    let world = World::new(&db, &mcp).await;
    let wait = Some(Duration::from_millis(1));
    let paused = ModelError::Unavailable { outage: Outage::Paused, retry_after: wait };
    for _ in 0..4 {
        world.script.then(vec![Say::Error(paused.clone())]);
    }
    world.script.then(answer("at last"));
    let chat = world.chat().await;
    let mut stream = Box::pin(follow(db.db().clone(), world.daemon.hub().clone(), chat, Resume::default()));
    assert!(matches!(stream.next().await.unwrap().1.payload, StreamPayload::Status { .. }));
    world.send(chat, "hello").await;
    let mut retries = Vec::new();
    loop {
        let (_, event) = tokio::time::timeout(Duration::from_secs(20), stream.next()).await.unwrap().unwrap();
        match &event.payload {
            StreamPayload::Retry { retry } => retries.push((retry.attempt, retry.cause.clone())),
            StreamPayload::Status { status } if status.status == ChatStatus::Waiting => break,
            _ => {}
        }
    }
    // One more than the three retries of these tests.
    assert_eq!(retries.len(), 4);
    assert!(
        retries.iter().all(|(attempt, cause)| *attempt == 1 && cause.contains("left alone")),
        "{retries:?}"
    );
    assert_eq!(words(&world.messages(chat).await[1]), "at last");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_stream_is_interrupted_never_complete() {
    let db = TestDb::sqlite().await;
    let mcp = FakeMcp::start(vec![echo()]).await;
    let world = World::new(&db, &mcp).await;
    // With words on the screen: kept, marked, and the turn fails. Its calls are dropped, even whole ones.
    let mut says = vec![text("The answer is ")];
    says.extend(call(0, "c", "lab__echo", r#"{"text":"x"}"#));
    says.push(Say::Error(broken()));
    world.script.then(says);
    let chat = world.chat().await;
    world.send(chat, "go").await;
    let error = world.ended(chat).await.last_error.unwrap();
    assert_eq!((error.code.as_str(), error.retryable), ("interrupted_stream", true));
    let messages = world.messages(chat).await;
    assert_eq!(roles(&messages), [User, Assistant]);
    assert!(messages[1].interrupted && messages[1].content.len() == 1);
    assert_eq!(world.script.requests().len(), 1);

    // Without: asked again.
    let chat = world.chat().await;
    let mut says = call(0, "c", "lab__echo", r#"{"te"#);
    says.push(Say::Error(broken()));
    world.script.then(says);
    world.script.then(answer("whole"));
    world.send(chat, "go").await;
    assert_eq!(world.ended(chat).await.status, ChatStatus::Waiting);
    assert_eq!(words(&world.messages(chat).await[1]), "whole");
    assert_eq!(mcp.calls().len(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_just_ends_is_broken_too() {
    let db = TestDb::sqlite().await;
    let mcp = FakeMcp::start(vec![]).await;
    let world = World::new(&db, &mcp).await;
    world.script.then(vec![text("to be continued")]);
    let chat = world.chat().await;
    world.send(chat, "go").await;
    assert_eq!(world.ended(chat).await.last_error.unwrap().code, "interrupted_stream");
    assert!(world.messages(chat).await[1].interrupted);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_cut_by_the_output_limit_is_not_run() {
    let db = TestDb::sqlite().await;
    let mcp = FakeMcp::start(vec![echo()]).await;
    let world = World::new(&db, &mcp).await;
    let mut says = vec![text("I will ")];
    says.extend(call(0, "c", "lab__echo", r#"{"text":"x"}"#));
    says.pop();
    says.push(end(FinishReason::Length));
    world.script.then(says);
    let chat = world.chat().await;
    world.send(chat, "go").await;
    assert_eq!(world.ended(chat).await.status, ChatStatus::Waiting);
    let messages = world.messages(chat).await;
    assert_eq!((words(&messages[1]).as_str(), messages[1].content.len()), ("I will ", 1));
    assert_eq!(mcp.calls().len(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_answer_is_an_error_and_nul_costs_nothing() {
    let db = TestDb::sqlite().await;
    let mcp = FakeMcp::start(vec![]).await;
    let world = World::new(&db, &mcp).await;
    world.script.then(vec![end(FinishReason::Stop)]);
    let chat = world.chat().await;
    world.send(chat, "go").await;
    assert_eq!(world.ended(chat).await.last_error.unwrap().code, "model_refused");
    world.script.then(vec![text("a\0b"), end(FinishReason::Stop)]);
    world.send(chat, "go").await;
    assert_eq!(world.ended(chat).await.status, ChatStatus::Waiting);
    assert_eq!(words(world.messages(chat).await.last().unwrap()), "a\u{fffd}b");
}
