//! Calls of tools that an admin calls safe to run twice (behaviour 15, threats 84): sent again when nobody knows what came of them, and
//! only they.

use crate::{
    crash::{Doomed, die_in_a_call, short_lease},
    servers::Servers,
    support::{Script, World, answer, calls, outcomes, result_text, roles},
    turn::{echo, slow},
};
use api::{
    Uuid,
    chats::ChatStatus,
    messages::{
        MessageRole::{Assistant, Tool, User},
        ToolOutcome::{Ok as Done, Unknown},
    },
    servers::ToolChangePolicy,
};
use patchbay_chatd::StepServer;
use serde_json::{Value, json};
use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};
use store::{Db, tool_calls::ToolCallRecord};
use testkit::{
    TestDb, both_engines,
    fake_mcp::{FakeMcp, FakeTool},
};

const LONG: Duration = Duration::from_secs(60);

fn list(step: &mut [StepServer], patterns: &[&str]) {
    step[0].record.tool_idempotent_list = patterns.iter().map(|text| (*text).to_owned()).collect();
}

/// A new process takes the chat over and ends the turn.
async fn take_over(db: &TestDb, mcp: &FakeMcp, servers: &Arc<Servers>, chat: Uuid) -> World {
    let script = Arc::new(Script::default());
    script.then(answer("So be it."));
    let world = World::start(db, &mcp.authority(), Arc::clone(servers), script, short_lease()).await;
    let record = world.ended(chat).await;
    assert_eq!((record.status, record.last_error), (ChatStatus::Waiting, None));
    world
}

/// How often the effect of the call `id` happened, and with what it was asked for.
fn effects(mcp: &FakeMcp, id: &str) -> Vec<Value> {
    mcp.effects().into_iter().filter(|effect| effect["id"] == id).collect()
}

async fn ledger(world: &World, chat: Uuid) -> Vec<ToolCallRecord> {
    let asked = world.messages(chat).await[1].id;
    store::tool_calls::tool_calls_of(&mut world.db.read().await.unwrap(), chat, asked).await.unwrap()
}

/// The entries of the audit log that a call was sent again.
async fn resent(db: &TestDb) -> i64 {
    db.number(
        "SELECT COUNT(*) FROM audit_log WHERE action = 'tool_call.sent' AND CAST(changed_fields AS TEXT) LIKE '%resent=%'",
    )
    .await
}

both_engines! {
    async fn a_listed_tool_is_called_again_after_a_crash(db: TestDb) {
        let mcp = FakeMcp::start(vec![echo(), slow(LONG)]).await;
        let (chat, servers) = die_in_a_call(&db, &mcp, false, |step| list(step, &["sl?w"])).await;
        mcp.set_tools(vec![echo(), slow(Duration::ZERO)]);

        let world = take_over(&db, &mcp, &servers, chat).await;
        assert_eq!(roles(&world.messages(chat).await), [User, Assistant, Tool, Assistant]);
        let results = world.results(chat).await;
        assert_eq!(outcomes(&results), [("a", Done), ("b", Done)]);
        assert_eq!(result_text(&results[1]), "slept for \"2\"");
        assert_eq!(world.script.told()[1].1, "slept for \"2\"", "the model is told the result");
        // The same id, so that the server can tell; what had been answered before is not asked for again.
        let again = json!({"id": "b", "tool": "slow", "arguments": {"text": "2"}});
        assert_eq!(effects(&mcp, "b"), [again.clone(), again]);
        assert_eq!(effects(&mcp, "a").len(), 1);
        let rows = ledger(&world, chat).await;
        let lease = world.record(chat).await.lease_epoch;
        assert_eq!((rows[1].attempts, rows[1].intent.lease_epoch, rows[1].outcome), (2, lease, Some(Done)));
        assert_eq!((rows[0].attempts, rows[0].intent.lease_epoch), (1, 1));
        let entries = "SELECT COUNT(*) FROM audit_log WHERE CAST(changed_fields AS TEXT) LIKE '%resent=1%' AND actor_name = 'ada'";
        assert_eq!(db.number(entries).await, 1);
        assert_eq!(resent(&db).await, 1);
    }

    /// Protocol C: the connection breaks while the turn lives on. Once more, with its own row in the ledger before it.
    async fn a_lost_answer_of_a_listed_tool_is_asked_for_once_more(db: TestDb) {
        let mcp = FakeMcp::start(vec![echo()]).await;
        let world = World::new(&db, &mcp).await;
        list(&mut world.servers.step.lock().unwrap(), &["echo"]);
        mcp.lose_answers(1);
        world.script.then(calls(&[("a", "lab__echo", r#"{"text":"1"}"#)]));
        let chat = world.chat().await;
        world.send(chat, "go").await;
        assert_eq!(world.ended(chat).await.status, ChatStatus::Waiting);
        let results = world.results(chat).await;
        assert_eq!((outcomes(&results), result_text(&results[0])), (vec![("a", Done)], "heard \"1\""));
        assert_eq!(effects(&mcp, "a").len(), 2);
        assert_eq!((ledger(&world, chat).await[0].attempts, resent(&db).await), (2, 1));
        assert_eq!(db.number("SELECT COUNT(*) FROM tool_calls").await, 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_list_of_now_counts_and_not_that_of_the_first_sending() {
    for (before, now, sent) in [(&[][..], &["*"][..], 2), (&["*"], &["echo"], 1), (&["*"], &["SLOW"], 1)] {
        let db = TestDb::sqlite().await;
        let mcp = FakeMcp::start(vec![echo(), slow(LONG)]).await;
        let (chat, servers) = die_in_a_call(&db, &mcp, false, |step| list(step, before)).await;
        list(&mut servers.step.lock().unwrap(), now);
        mcp.set_tools(vec![echo(), slow(Duration::ZERO)]);
        let world = take_over(&db, &mcp, &servers, chat).await;
        let expected = if sent == 2 { Done } else { Unknown };
        assert_eq!(world.results(chat).await[1].outcome, expected, "{before:?}, then {now:?}");
        assert_eq!(effects(&mcp, "b").len(), sent, "{before:?}, then {now:?}");
    }
}

/// `idempotentHint` comes from a server that nobody has to trust (threats 7).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_server_says_of_its_tool_decides_nothing() {
    let db = TestDb::sqlite().await;
    let claims = || json!({"idempotentHint": true, "readOnlyHint": true, "destructiveHint": false});
    let mcp = FakeMcp::start(vec![echo(), slow(LONG).annotated(claims())]).await;
    let (chat, servers) = die_in_a_call(&db, &mcp, false, |step| list(step, &["other"])).await;
    mcp.set_tools(vec![echo(), slow(Duration::ZERO).annotated(claims())]);
    let world = take_over(&db, &mcp, &servers, chat).await;
    assert_eq!(world.results(chat).await[1].outcome, Unknown);
    assert_eq!((effects(&mcp, "b").len(), resent(&db).await), (1, 0));

    // Nor does the contrary keep the admin's word from counting.
    let db = TestDb::sqlite().await;
    let claims = || json!({"idempotentHint": false, "destructiveHint": true});
    let mcp = FakeMcp::start(vec![echo(), slow(LONG).annotated(claims())]).await;
    let (chat, servers) = die_in_a_call(&db, &mcp, false, |step| list(step, &["slow"])).await;
    mcp.set_tools(vec![echo(), slow(Duration::ZERO).annotated(claims())]);
    let world = take_over(&db, &mcp, &servers, chat).await;
    assert_eq!((world.results(chat).await[1].outcome, effects(&mcp, "b").len()), (Done, 2));
}

/// The first sending may have happened, so a refusal of now is no `denied`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_rules_refuse_by_now_stays_unknown() {
    type Change = fn(&mut Vec<StepServer>);
    let cases: [(&str, Change); 7] = [
        ("disabled", |step| {
            step[0].record.enabled = false;
            step[0].facts.enabled = false;
        }),
        ("denied", |step| step[0].record.tool_deny_list = vec!["sl*".to_owned()]),
        ("not on the allow list", |step| step[0].record.tool_allow_list = vec!["echo".to_owned()]),
        ("not configured", |step| step[0].facts.configured = false),
        ("not connected", |step| step[0].facts.auth_status = api::servers::AuthStatus::NeedsReconnect),
        ("deselected", |step| step[0].facts.choice = domain::gates::Choice::NotChosen),
        ("gone", Vec::clear),
    ];
    for (what, change) in cases {
        let db = TestDb::sqlite().await;
        let mcp = FakeMcp::start(vec![echo(), slow(LONG)]).await;
        let (chat, servers) = die_in_a_call(&db, &mcp, false, |step| list(step, &["*"])).await;
        change(&mut servers.step.lock().unwrap());
        mcp.set_tools(vec![echo(), slow(Duration::ZERO)]);
        let world = take_over(&db, &mcp, &servers, chat).await;
        let results = world.results(chat).await;
        assert_eq!(outcomes(&results), [("a", Done), ("b", Unknown)], "{what}");
        assert!(result_text(&results[1]).contains("may or may not have happened"), "{what}");
        assert_eq!((effects(&mcp, "b").len(), resent(&db).await), (1, 0), "{what}");
    }
}

/// The rules are asked right before it is sent, and not only when the tools are listed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rule_that_changes_before_it_is_sent_again_leaves_it_unknown() {
    type Change = fn(&mut StepServer);
    let cases: [(&str, Change); 2] = [
        ("denied", |server| server.record.tool_deny_list = vec!["slow".to_owned()]),
        ("held back", |server| {
            server.record.tool_change_policy = ToolChangePolicy::Hold;
            server.facts.change_policy = ToolChangePolicy::Hold;
        }),
    ];
    for (what, change) in cases {
        let db = TestDb::sqlite().await;
        let mcp = FakeMcp::start(vec![echo(), slow(LONG)]).await;
        let (chat, servers) = die_in_a_call(&db, &mcp, false, |step| list(step, &["*"])).await;
        let mut at_call = servers.step.lock().unwrap()[0].clone();
        change(&mut at_call);
        *servers.at_call.lock().unwrap() = Some(Some(at_call));
        servers.withdrawn.store(true, Ordering::SeqCst);
        mcp.set_tools(vec![echo(), slow(Duration::ZERO)]);
        let world = take_over(&db, &mcp, &servers, chat).await;
        assert_eq!(world.results(chat).await[1].outcome, Unknown, "{what}");
        assert_eq!(effects(&mcp, "b").len(), 1, "{what}");
    }
}

/// It must be the same call of the same definition: what was sent is known by its hash only.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_definition_or_other_arguments_are_not_sent_again() {
    let other = || FakeTool::of_text("slow", "Takes its time, and deletes something");
    for what in ["the definition changed", "the arguments are not those that were sent"] {
        let db = TestDb::sqlite().await;
        let mcp = FakeMcp::start(vec![echo(), slow(LONG)]).await;
        let (chat, servers) = die_in_a_call(&db, &mcp, false, |step| list(step, &["*"])).await;
        if what.starts_with("the definition") {
            mcp.set_tools(vec![echo(), other()]);
        } else {
            db.raw("UPDATE tool_calls SET argument_hash = 'another'").await.unwrap();
            mcp.set_tools(vec![echo(), slow(Duration::ZERO)]);
        }
        let world = take_over(&db, &mcp, &servers, chat).await;
        assert_eq!(world.results(chat).await[1].outcome, Unknown, "{what}");
        assert_eq!((effects(&mcp, "b").len(), resent(&db).await), (1, 0), "{what}");
    }
}

/// The stored arguments have the intent in them; the server gets what it got the first time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn arguments_are_unwrapped_again_as_they_were() {
    let db = TestDb::sqlite().await;
    let mcp = FakeMcp::start(vec![slow(Duration::ZERO)]).await;
    let world = World::new(&db, &mcp).await;
    {
        let mut step = world.servers.step.lock().unwrap();
        step[0].record.model_intent = true;
        list(&mut step, &["slow"]);
    }
    mcp.set_tools(vec![slow(LONG)]);
    let wrapped = r#"{"model_intent":"waiting a bit","properties":{"text":"9"}}"#;
    world.script.then(calls(&[("a", "lab__slow", wrapped)]));
    let chat = world.chat().await;
    world.send(chat, "go").await;
    testkit::wait::until("the call to arrive", || async { (mcp.calls().len() == 1).then_some(()) }).await;
    // A shutdown that waits no longer leaves the call as a crash does.
    world.daemon.drain(Duration::from_millis(50)).await;
    mcp.set_tools(vec![slow(Duration::ZERO)]);
    let second = take_over(&db, &mcp, &world.servers, chat).await;
    assert_eq!(outcomes(&second.results(chat).await), [("a", Done)]);
    let again = json!({"id": "a", "tool": "slow", "arguments": {"text": "9"}});
    assert_eq!(effects(&mcp, "a"), [again.clone(), again]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_kills_its_runner_is_not_sent_for_ever() {
    let db = TestDb::sqlite().await;
    let mcp = FakeMcp::start(vec![echo(), slow(LONG)]).await;
    let (chat, servers) = die_in_a_call(&db, &mcp, false, |step| list(step, &["*"])).await;
    let most = 1 + usize::try_from(patchbay_chatd::limits::RESENDS).unwrap();
    for sent in 2..=most {
        let doomed = Doomed::new();
        let (config, allow, servers) = (db.config().clone(), mcp.authority(), Arc::clone(&servers));
        doomed
            .run(async move {
                let db = Db::open(&config).await.unwrap();
                World::start(&db, &allow, servers, Arc::default(), short_lease()).await;
            })
            .await;
        testkit::wait::until("the call to arrive again", || async {
            (effects(&mcp, "b").len() == sent).then_some(())
        })
        .await;
        doomed.kill();
    }
    mcp.set_tools(vec![echo(), slow(Duration::ZERO)]);
    let world = take_over(&db, &mcp, &servers, chat).await;
    assert_eq!(outcomes(&world.results(chat).await), [("a", Done), ("b", Unknown)]);
    assert_eq!((effects(&mcp, "b").len(), effects(&mcp, "a").len()), (most, 1));
    assert_eq!(ledger(&world, chat).await[1].attempts, 1 + patchbay_chatd::limits::RESENDS);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_that_the_crash_cut_sends_nothing_again() {
    let db = TestDb::sqlite().await;
    let mcp = FakeMcp::start(vec![echo(), slow(LONG)]).await;
    let (chat, servers) = die_in_a_call(&db, &mcp, true, |step| list(step, &["*"])).await;
    mcp.set_tools(vec![echo(), slow(Duration::ZERO)]);
    let world =
        World::start(&db, &mcp.authority(), servers, Arc::new(Script::default()), short_lease()).await;
    assert_eq!(world.ended(chat).await.status, ChatStatus::Waiting);
    assert_eq!(outcomes(&world.results(chat).await), [("a", Done), ("b", Unknown)]);
    assert_eq!((effects(&mcp, "b").len(), world.script.requests().len()), (1, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_while_it_runs_again_leaves_it_unknown() {
    let db = TestDb::sqlite().await;
    let mcp = FakeMcp::start(vec![echo(), slow(LONG)]).await;
    let (chat, servers) = die_in_a_call(&db, &mcp, false, |step| list(step, &["*"])).await;
    let world =
        World::start(&db, &mcp.authority(), servers, Arc::new(Script::default()), short_lease()).await;
    testkit::wait::until("the call to arrive again", || async {
        (effects(&mcp, "b").len() == 2).then_some(())
    })
    .await;
    world.stop(chat).await;
    assert_eq!(world.ended(chat).await.status, ChatStatus::Waiting);
    assert_eq!(roles(&world.messages(chat).await), [User, Assistant, Tool]);
    assert_eq!(outcomes(&world.results(chat).await), [("a", Done), ("b", Unknown)]);
    assert_eq!((effects(&mcp, "b").len(), world.script.requests().len()), (2, 0));
}

/// Live: not without the list, not twice, and not when the rules say no by then.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_answer_is_unknown_where_nothing_may_be_repeated_or_it_is_lost_again() {
    for (what, patterns, lost, sent) in
        [("not listed", &["other"][..], 1, 1), ("lost again", &["*"], 2, 2), ("denied since", &["*"], 1, 1)]
    {
        let db = TestDb::sqlite().await;
        let mcp = FakeMcp::start(vec![slow(Duration::from_millis(400))]).await;
        let world = World::new(&db, &mcp).await;
        list(&mut world.servers.step.lock().unwrap(), patterns);
        mcp.lose_answers(lost);
        world.script.then(calls(&[("a", "lab__slow", r#"{"text":"1"}"#)]));
        let chat = world.chat().await;
        world.send(chat, "go").await;
        if what == "denied since" {
            testkit::wait::until("the call to arrive", || async { (mcp.calls().len() == 1).then_some(()) })
                .await;
            world.servers.step.lock().unwrap()[0].record.tool_deny_list = vec!["slow".to_owned()];
        }
        assert_eq!(world.ended(chat).await.status, ChatStatus::Waiting, "{what}");
        let results = world.results(chat).await;
        assert_eq!(outcomes(&results), [("a", Unknown)], "{what}");
        assert!(result_text(&results[0]).contains("may or may not have run"), "{what}: {results:?}");
        assert_eq!(effects(&mcp, "a").len(), sent, "{what}");
    }
}
