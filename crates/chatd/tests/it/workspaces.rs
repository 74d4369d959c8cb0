//! The servers of a chat's workspace in a turn (behaviour 23).

use crate::{
    support::{Say, World, answer, call, calls, end, outcomes, record, result_text, step_server},
    turn::echo,
};
use api::{Uuid, messages::ToolOutcome};
use domain::{mcp_server::ServerRecord, workspace::entry_id};
use llm::FinishReason;
use patchbay_chatd::StepServer;
use std::sync::Arc;
use testkit::{TestDb, both_engines, fake_mcp::FakeMcp};
use tokio::sync::Notify;

/// The entry `slug` of a document in this version.
fn entry(slug: &str, version: i64, url: &str) -> StepServer {
    let id = entry_id(Uuid::from_u128(9), slug, version);
    step_server(ServerRecord { id, ..record(1, slug) }, url)
}

both_engines! {
    async fn a_call_that_was_offered_before_an_edit_is_not_sent_after_it(db: TestDb) {
        let mcp = FakeMcp::start(vec![echo()]).await;
        let world = World::new(&db, &mcp).await;
        world.servers.step.lock().unwrap().clear();
        world.servers.workspace.lock().unwrap().push(entry("mine", 1, &mcp.url()));
        let go = Arc::new(Notify::new());
        let mut says = call(0, "a", "mine__echo", r#"{"text":"1"}"#);
        says.push(Say::Wait(Arc::clone(&go)));
        says.push(end(FinishReason::ToolCalls));
        world.script.then(says);
        world.script.then(calls(&[("b", "mine__echo", r#"{"text":"2"}"#)]));
        let chat = world.chat().await;
        world.send(chat, "go").await;
        testkit::wait::until("the model is asked", || async { (!world.script.requests().is_empty()).then_some(()) }).await;
        *world.servers.workspace.lock().unwrap() = vec![entry("mine", 2, &mcp.url())];
        go.notify_one();
        world.ended(chat).await;
        let results = world.results(chat).await;
        assert_eq!(outcomes(&results), [("a", ToolOutcome::Denied), ("b", ToolOutcome::Ok)]);
        assert!(result_text(&results[0]).contains("no longer available"), "{}", result_text(&results[0]));
        assert_eq!(mcp.effects().len(), 1, "what is in the document now can be called");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_tools_with_one_name_the_admins_is_offered() {
    let db = TestDb::sqlite().await;
    let mcp = FakeMcp::start(vec![echo()]).await;
    let world = World::new(&db, &mcp).await;
    // Of the workspace, under the slug of the server of the deployment; and one that sorts before everything.
    let workspace = vec![entry("lab", 1, &mcp.url()), entry("a", 1, &mcp.url())];
    *world.servers.workspace.lock().unwrap() = workspace;
    world.script.then(calls(&[("a", "lab__echo", r#"{"text":"1"}"#)]));
    world.script.then(answer("Done."));
    let chat = world.chat().await;
    world.send(chat, "go").await;
    world.ended(chat).await;
    let offered: Vec<String> =
        world.script.requests()[0].tools.iter().map(|tool| tool.name.clone()).collect();
    let of_servers: Vec<&String> = offered.iter().filter(|name| name.contains("__")).collect();
    assert_eq!(of_servers, ["a__echo", "lab__echo"]);
    let ours = db.number("SELECT COUNT(*) FROM audit_log WHERE resource_type = 'mcp_server'").await;
    let theirs = db.number("SELECT COUNT(*) FROM audit_log WHERE resource_type = 'workspace_server'").await;
    assert_eq!((ours, theirs), (2, 0), "sent and ended, at the server of the deployment");
}
