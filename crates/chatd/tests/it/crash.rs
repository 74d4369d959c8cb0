//! What dies in the middle is never done twice (threats 9, part G).

use crate::{
    support::{
        OWNER, Say, Script, Servers, World, answer, calls, config, outcomes, result_text, roles, text, words,
    },
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
use patchbay_chatd::{ChatdConfig, StepServer};
use std::{
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};
use store::{
    Db,
    chats::{LeaseChange, Transition, chat_get_for_update, chat_transition},
};
use testkit::{TestDb, both_engines, fake_mcp::FakeMcp};
use tokio::sync::Notify;

/// A process that dies: its tasks vanish between two instructions, nothing is given back.
pub(crate) struct Doomed(Option<tokio::runtime::Runtime>);

impl Doomed {
    pub(crate) fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        Self(Some(runtime.unwrap()))
    }

    pub(crate) async fn run<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> T {
        self.0.as_ref().unwrap().spawn(work).await.unwrap()
    }

    pub(crate) fn kill(mut self) {
        self.0.take().unwrap().shutdown_background();
    }
}

impl Drop for Doomed {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// Starts a turn in a process that dies when the peer has been called; what is left for the next one.
pub(crate) async fn die_in_a_call(
    db: &TestDb,
    mcp: &FakeMcp,
    stop_first: bool,
    arrange: impl FnOnce(&mut Vec<StepServer>),
) -> (Uuid, Arc<Servers>) {
    let doomed = Doomed::new();
    // The schema and the owner, by somebody who stays.
    let first = World::new(db, mcp).await;
    first.daemon.drain(Duration::ZERO).await;
    let servers = Arc::clone(&first.servers);
    arrange(&mut servers.step.lock().unwrap());
    let (config, allow, theirs) = (db.config().clone(), mcp.authority(), Arc::clone(&servers));
    let chat = doomed.run(async move {
        let db = Db::open(&config).await.unwrap();
        let script = Arc::new(Script::default());
        script.then(calls(&[("a", "lab__echo", r#"{"text":"1"}"#), ("b", "lab__slow", r#"{"text":"2"}"#)]));
        let world = World::start(&db, &allow, theirs, script, short_lease()).await;
        let chat = world.chat().await;
        world.send(chat, "go").await;
        chat
    });
    let chat = chat.await;
    testkit::wait::until("both calls to arrive and one outcome", || async {
        let settled = db.number("SELECT COUNT(*) FROM tool_calls WHERE outcome = 'ok'").await;
        (mcp.calls().len() == 2 && settled == 1).then_some(())
    })
    .await;
    if stop_first {
        let mut write = db.write().await.unwrap();
        let before = chat_get_for_update(&mut write, OWNER, chat).await.unwrap().unwrap();
        let step = Transition::to(ChatStatus::Interrupting, before.updated_at);
        chat_transition(&mut write, &before.fence(), &step).await.unwrap().unwrap();
        write.commit().await.unwrap();
    }
    doomed.kill();
    (chat, servers)
}

pub(crate) fn short_lease() -> ChatdConfig {
    ChatdConfig {
        lease: Duration::from_millis(1500),
        heartbeat: Duration::from_millis(300),
        self_stop: Duration::from_millis(900),
        ..config()
    }
}

both_engines! {
    async fn a_call_in_flight_at_a_crash_is_unknown_and_not_sent_again(db: TestDb) {
        let mcp = FakeMcp::start(vec![echo(), slow(Duration::from_secs(60))]).await;
        let (chat, servers) = die_in_a_call(&db, &mcp, false, |_| ()).await;

        let script = Arc::new(Script::default());
        script.then(answer("I cannot tell."));
        let died = Instant::now();
        let world = World::start(&db, &mcp.authority(), servers, Arc::clone(&script), short_lease()).await;
        let record = world.ended(chat).await;
        assert!(died.elapsed() < Duration::from_secs(10), "{:?}", died.elapsed());
        assert_eq!(record.status, ChatStatus::Waiting);
        let messages = world.messages(chat).await;
        assert_eq!(roles(&messages), [User, Assistant, Tool, Assistant]);
        // What had been heard of counts, what had not is unknown.
        let results = world.results(chat).await;
        assert_eq!(outcomes(&results), [("a", ToolOutcome::Ok), ("b", ToolOutcome::Unknown)]);
        assert_eq!(result_text(&results[0]), "heard \"1\"");
        assert!(result_text(&results[1]).contains("may or may not have happened"));
        assert!(script.told()[1].1.contains("Verify before trying again"), "the model is told the same");
        assert_eq!((mcp.calls().len(), mcp.effects().len()), (2, 2));
        let open = store::tool_calls::tool_calls_open(&mut db.read().await.unwrap(), chat).await.unwrap();
        assert_eq!(open, []);
    }

    async fn a_stop_that_the_crash_cut_is_carried_out(db: TestDb) {
        let mcp = FakeMcp::start(vec![echo(), slow(Duration::from_secs(60))]).await;
        let (chat, servers) = die_in_a_call(&db, &mcp, true, |_| ()).await;
        let script = Arc::new(Script::default());
        let world = World::start(&db, &mcp.authority(), servers, Arc::clone(&script), short_lease()).await;
        let record = world.ended(chat).await;
        testkit::wait::until("the runner to leave", || async { (world.daemon.running() == 0).then_some(()) }).await;
        assert_eq!(record.status, ChatStatus::Waiting);
        assert_eq!(roles(&world.messages(chat).await), [User, Assistant, Tool]);
        // The process may have noticed the stop before it died; either way the call is settled as unknown and nothing more ran.
        assert_eq!(world.results(chat).await[1].outcome, ToolOutcome::Unknown);
        assert_eq!((script.requests().len(), mcp.calls().len()), (0, 2));
    }

    async fn a_runner_that_lost_its_lease_writes_and_sends_nothing(db: TestDb) {
        let mcp = FakeMcp::start(vec![echo()]).await;
        let world = World::new(&db, &mcp).await;
        let go = Arc::new(Notify::new());
        let mut says = vec![text("I am "), Say::Wait(Arc::clone(&go))];
        says.extend(calls(&[("a", "lab__echo", r#"{"text":"1"}"#)]));
        world.script.then(says);
        let chat = world.chat().await;
        world.send(chat, "go").await;
        world.until_asked(1).await;

        // Another replica takes the chat over, and ends the turn.
        let mut write = db.write().await.unwrap();
        let before = chat_get_for_update(&mut write, OWNER, chat).await.unwrap().unwrap();
        let lasting = Duration::from_secs(60);
        let step = Transition::to(ChatStatus::Running, before.updated_at)
            .history()
            .lease(LeaseChange::Take { holder: Uuid::from_u128(9), lasting });
        chat_transition(&mut write, &before.fence(), &step).await.unwrap().unwrap();
        write.commit().await.unwrap();

        go.notify_one();
        testkit::wait::until("the runner to leave", || async { (world.daemon.running() == 0).then_some(()) }).await;
        assert_eq!(roles(&world.messages(chat).await), [User]);
        assert_eq!(mcp.calls().len(), 0);
        let record = world.record(chat).await;
        assert_eq!((record.status, record.lease_holder), (ChatStatus::Running, Some(Uuid::from_u128(9))));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_nobody_was_told_of_is_found_by_the_poll() {
    let db = TestDb::sqlite().await;
    let mcp = FakeMcp::start(vec![]).await;
    let world = World::with(&db, &mcp, ChatdConfig { lease: Duration::from_millis(300), ..config() }).await;
    world.script.then(answer("found"));
    let chat = world.chat().await;
    world.store_message(chat, "psst").await;
    assert_eq!(world.ended(chat).await.status, ChatStatus::Waiting);
    assert_eq!(words(&world.messages(chat).await[1]), "found");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_cut_by_a_crash_is_asked_for_again() {
    let db = TestDb::sqlite().await;
    let mcp = FakeMcp::start(vec![]).await;
    let first = World::new(&db, &mcp).await;
    first.script.then(vec![text("Half"), Say::Hang]);
    let chat = first.chat().await;
    first.send(chat, "go").await;
    first.until_asked(1).await;
    // A shutdown that waits no longer: the lease is given back.
    first.daemon.drain(Duration::from_millis(50)).await;
    let record = first.record(chat).await;
    assert_eq!((record.status, record.lease_holder), (ChatStatus::Running, None));
    assert_eq!(first.script.dropped.load(Ordering::SeqCst), 1);

    let script = Arc::new(Script::default());
    script.then(answer("Whole"));
    let second =
        World::start(&db, &mcp.authority(), Arc::clone(&first.servers), Arc::clone(&script), config()).await;
    assert_eq!(second.ended(chat).await.status, ChatStatus::Waiting);
    let messages = second.messages(chat).await;
    assert_eq!((messages.len(), words(&messages[1]).as_str(), messages[1].interrupted), (2, "Whole", false));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_is_renewed_while_a_call_takes_longer_than_it_lasts() {
    let db = TestDb::sqlite().await;
    let mcp = FakeMcp::start(vec![slow(Duration::from_millis(2500))]).await;
    let world = World::with(&db, &mcp, short_lease()).await;
    world.script.then(calls(&[("a", "lab__slow", r#"{"text":"1"}"#)]));
    let chat = world.chat().await;
    world.send(chat, "go").await;
    let record = world.ended(chat).await;
    assert_eq!((record.status, record.lease_epoch), (ChatStatus::Waiting, 1), "nobody took it over");
    assert_eq!(outcomes(&world.results(chat).await), [("a", ToolOutcome::Ok)]);
    assert_eq!(mcp.calls().len(), 1);
}
