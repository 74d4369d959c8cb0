//! Calls: order, checks at the last moment, nonsense from models.

use crate::{
    support::{World, answer, calls, outcomes, record, result_text, served, step_server, unusable},
    turn::{echo, slow},
};
use api::{chats::ChatStatus, messages::ToolOutcome, servers::ToolChangePolicy};
use domain::mcp_server::ServerRecord;
use patchbay_chatd::StepServer;
use std::time::Duration;
use testkit::{
    TestDb,
    fake_mcp::{FakeMcp, FakeTool, ToolAnswer},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parallel_calls_are_answered_once_each_in_call_order() {
    let db = TestDb::sqlite().await;
    let mcp = FakeMcp::start(vec![slow(Duration::from_millis(400)), echo()]).await;
    let world = World::new(&db, &mcp).await;
    world.script.then(calls(&[
        ("a", "lab__slow", r#"{"text":"1"}"#),
        ("b", "lab__echo", r#"{"text":"2"}"#),
        ("c", "lab__echo", r#"{"text":"3"}"#),
    ]));
    let chat = world.chat().await;
    world.send(chat, "go").await;
    // The quick ones are in the ledger while the slow one works.
    testkit::wait::until("two outcomes", || async {
        (db.number("SELECT COUNT(*) FROM tool_calls WHERE outcome IS NOT NULL").await == 2).then_some(())
    })
    .await;
    assert_eq!(world.record(chat).await.status, ChatStatus::Running);
    world.ended(chat).await;
    let results = world.results(chat).await;
    assert_eq!(outcomes(&results), [("a", ToolOutcome::Ok), ("b", ToolOutcome::Ok), ("c", ToolOutcome::Ok)]);
    let told: Vec<_> = world.script.told().into_iter().map(|(id, text, _)| (id, text)).collect();
    assert_eq!(told[0], ("a".to_owned(), "slept for \"1\"".to_owned()));
    assert_eq!(told[2], ("c".to_owned(), "heard \"3\"".to_owned()));
    assert_eq!(mcp.effects().len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_calls_with_doubled_ids_are_each_answered_once() {
    let db = TestDb::sqlite().await;
    let mcp = FakeMcp::start(vec![echo()]).await;
    let world = World::new(&db, &mcp).await;
    let texts: Vec<String> = (0..50).map(|n| format!("{{\"text\":\"{n}\"}}")).collect();
    let many: Vec<_> = texts.iter().map(|args| ("same", "lab__echo", args.as_str())).collect();
    world.script.then(calls(&many));
    let chat = world.chat().await;
    world.send(chat, "go").await;
    assert_eq!(world.ended(chat).await.status, ChatStatus::Waiting);
    let results = world.results(chat).await;
    assert_eq!(results.len(), 50);
    for (n, result) in results.iter().enumerate() {
        assert_eq!(result_text(result), format!("heard \"{n}\""));
    }
    let ids: std::collections::BTreeSet<_> = results.iter().map(|result| &result.tool_call_id).collect();
    assert_eq!(ids.len(), 50);
    assert_eq!((mcp.calls().len(), world.script.told().len()), (50, 50));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nonsense_from_the_model_becomes_error_results() {
    let db = TestDb::sqlite().await;
    let mcp = FakeMcp::start(vec![echo()]).await;
    let world = World::new(&db, &mcp).await;
    world.script.then(calls(&[
        ("a", "lab__nothing", "{}"),
        ("b", "lab__echo", r#"{"text":"#),
        ("c", "echo", r#"{"text":"x"}"#),
        ("d", "lab__echo", "[1]"),
        ("e", "lab__echo", r#"{"text":"fine"}"#),
    ]));
    let chat = world.chat().await;
    world.send(chat, "go").await;
    assert_eq!(world.ended(chat).await.status, ChatStatus::Waiting);
    let results = world.results(chat).await;
    let (error, ok) = (ToolOutcome::Error, ToolOutcome::Ok);
    assert_eq!(outcomes(&results), [("a", error), ("b", error), ("c", error), ("d", error), ("e", ok)]);
    assert!(result_text(&results[1]).contains("invalid JSON input"));
    assert_eq!(mcp.calls().len(), 1);
    // What was no JSON is what the model sees again.
    let requests = world.script.requests();
    let again = format!("{:?}", requests[1].messages);
    assert!(again.contains(r#"{\"text\":"#), "{again}");
}

async fn called_when(now: Option<StepServer>) -> (ToolOutcome, String, usize) {
    let db = TestDb::sqlite().await;
    let mcp = FakeMcp::start(vec![echo()]).await;
    let world = World::new(&db, &mcp).await;
    world.script.then(calls(&[("a", "lab__echo", r#"{"text":"x"}"#)]));
    *world.servers.at_call.lock().unwrap() = Some(now);
    let chat = world.chat().await;
    world.send(chat, "go").await;
    assert_eq!(world.ended(chat).await.status, ChatStatus::Waiting, "a refused call fails no turn");
    let results = world.results(chat).await;
    (results[0].outcome, result_text(&results[0]).to_owned(), mcp.calls().len())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_forbidden_meanwhile_is_not_sent() {
    let lab = || record(1, "lab");
    let at = |record| step_server(record, "http://127.0.0.1:9/mcp");
    let denied = at(domain::mcp_server::ServerRecord { tool_deny_list: vec!["ec*".to_owned()], ..lab() });
    let (outcome, text, sent) = called_when(Some(denied)).await;
    assert_eq!((outcome, sent), (ToolOutcome::Denied, 0));
    assert!(text.contains("no longer allowed") && text.contains("ec*"), "{text}");

    let other = at(domain::mcp_server::ServerRecord { tool_allow_list: vec!["x".to_owned()], ..lab() });
    assert_eq!(called_when(Some(other)).await.0, ToolOutcome::Denied);

    let off = at(domain::mcp_server::ServerRecord { enabled: false, ..lab() });
    let (outcome, text, sent) = called_when(Some(off)).await;
    assert_eq!((outcome, sent), (ToolOutcome::Denied, 0));
    assert!(text.contains("no longer available"), "{text}");

    let (outcome, _, sent) = called_when(None).await;
    assert_eq!((outcome, sent), (ToolOutcome::Denied, 0));

    let (outcome, text, sent) = called_when(Some(unusable(lab(), "the key is gone"))).await;
    assert_eq!((outcome, sent), (ToolOutcome::Error, 0));
    assert!(text.contains("the key is gone"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn filters_hide_tools_and_secrets_do_not_come_back() {
    let db = TestDb::sqlite().await;
    let leak = FakeTool::of_text("leak", "Says what it knows")
        .answering(|_| ToolAnswer::text("the key is tok-123456789, keep it"));
    let mcp = FakeMcp::start(vec![echo(), leak, slow(Duration::ZERO)]).await;
    mcp.require_header("authorization", "Bearer tok-123456789");
    let world = World::new(&db, &mcp).await;
    {
        let mut servers = world.servers.step.lock().unwrap();
        servers[0].record.tool_deny_list = vec!["slow".to_owned()];
        let target = servers[0].access.as_mut().unwrap();
        target.headers =
            vec![("authorization".parse().unwrap(), secrecy::SecretString::from("Bearer tok-123456789"))];
    }
    world.script.then(calls(&[("a", "lab__leak", r#"{"text":"x"}"#), ("b", "lab__slow", r#"{"text":"x"}"#)]));
    world.script.then(answer("done"));
    let chat = world.chat().await;
    world.send(chat, "go").await;
    world.ended(chat).await;
    let names = served(&world.script.requests()[0]);
    assert_eq!(names, ["lab__echo", "lab__leak"]);
    let results = world.results(chat).await;
    assert_eq!(result_text(&results[0]), "the key is [redacted], keep it");
    assert_eq!(results[1].outcome, ToolOutcome::Error);
    assert_eq!(mcp.calls().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failure_of_the_tool_itself_is_kept_apart_from_ours() {
    let db = TestDb::sqlite().await;
    let broken = FakeTool::of_text("broken", "Fails").answering(|_| ToolAnswer::error("no such page"));
    let mcp = FakeMcp::start(vec![broken]).await;
    let world = World::new(&db, &mcp).await;
    world.script.then(calls(&[("a", "lab__broken", r#"{"text":"x"}"#)]));
    let chat = world.chat().await;
    world.send(chat, "go").await;
    world.ended(chat).await;
    let results = world.results(chat).await;
    assert_eq!((results[0].outcome, results[0].is_error), (ToolOutcome::Ok, true));
    assert_eq!(world.script.told(), [("a".to_owned(), "no such page".to_owned(), true)]);
}

/// A server that holds changes back: what nobody accepted is not offered, and not called either when that is found out late.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_definition_that_nobody_accepted_is_neither_offered_nor_called() {
    let db = TestDb::sqlite().await;
    let mcp = FakeMcp::start(vec![slow(Duration::ZERO), echo()]).await;
    let world = World::new(&db, &mcp).await;
    let holding = ServerRecord { tool_change_policy: ToolChangePolicy::Hold, ..record(1, "lab") };
    *world.servers.step.lock().unwrap() = vec![step_server(holding, &mcp.url())];
    *world.servers.unaccepted.lock().unwrap() = vec!["slow"];
    world.script.then(calls(&[("a", "lab__slow", r#"{"text":"1"}"#), ("b", "lab__echo", r#"{"text":"2"}"#)]));
    let chat = world.chat().await;
    world.send(chat, "go").await;
    world.ended(chat).await;
    let results = world.results(chat).await;
    assert_eq!(outcomes(&results), [("a", ToolOutcome::Error), ("b", ToolOutcome::Ok)]);
    let offered = served(&world.script.requests()[0]);
    assert_eq!(offered, ["lab__echo"]);

    world.servers.withdrawn.store(true, std::sync::atomic::Ordering::SeqCst);
    world.script.then(calls(&[("c", "lab__echo", r#"{"text":"3"}"#)]));
    world.send(chat, "again").await;
    world.ended(chat).await;
    let results = world.results(chat).await;
    let last = results.last().unwrap();
    assert_eq!(last.outcome, ToolOutcome::Denied, "{last:?}");
    assert!(result_text(last).contains("An admin has to accept it first"), "{last:?}");
    assert_eq!(mcp.calls().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_accepted_cannot_be_read_costs_only_servers_that_hold_changes() {
    let db = TestDb::sqlite().await;
    let mcp = FakeMcp::start(vec![echo()]).await;
    let world = World::new(&db, &mcp).await;
    let holding = ServerRecord { tool_change_policy: ToolChangePolicy::Hold, ..record(2, "strict") };
    *world.servers.step.lock().unwrap() =
        vec![step_server(record(1, "lab"), &mcp.url()), step_server(holding, &mcp.url())];
    world.servers.unreadable.store(true, std::sync::atomic::Ordering::SeqCst);
    world.script.then(answer("done"));
    let chat = world.chat().await;
    world.send(chat, "go").await;
    world.ended(chat).await;
    let offered = served(&world.script.requests()[0]);
    assert_eq!(offered, ["lab__echo"]);
}
