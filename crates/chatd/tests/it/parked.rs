//! Turns that wait for an approval or for the client that runs a tool (behaviour 15 and 18, threats 56 and 57).

use crate::{
    crash::{Doomed, short_lease},
    support::{OWNER, Script, World, answer, calls, config, outcomes, result_text, roles},
    turn::{echo, slow},
};
use api::{
    Uuid,
    actions::{ActionKind, ActionState, DynamicTool},
    chats::ChatStatus,
    messages::{
        MessageRole::{Assistant, Tool, User},
        Part,
        ToolOutcome::{Cancelled, Denied, Ok as Done, Unknown},
    },
    stream::StreamPayload,
};
use futures::StreamExt;
use patchbay_chatd::{ChatdConfig, Resume, StepServer, follow};
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use store::{
    Db,
    actions::{ActionRecord, action_decide, actions_of, actions_open},
    chats::{Transition, chat_get_for_update, chat_transition},
};
use testkit::{TestDb, both_engines, fake_mcp::FakeMcp};

const ECHO: &[(&str, &str, &str)] = &[("c1", "lab__echo", r#"{"text":"hi"}"#)];

fn needs_approval(step: &mut [StepServer], patterns: &[&str]) {
    step[0].record.tool_approval_list = patterns.iter().map(|text| (*text).to_owned()).collect();
}

/// A chat whose turn waits for the approval of what `script` calls.
async fn parked(world: &World, script: &[(&str, &str, &str)]) -> Uuid {
    needs_approval(&mut world.servers.step.lock().unwrap(), &["echo"]);
    world.script.then(calls(script));
    world.script.then(answer("So be it."));
    let chat = world.chat().await;
    world.send(chat, "go").await;
    until(world, chat, ChatStatus::RequiresAction).await;
    chat
}

pub(crate) async fn until(world: &World, chat: Uuid, status: ChatStatus) {
    testkit::wait::until("the status", || async {
        (world.record(chat).await.status == status).then_some(())
    })
    .await;
}

pub(crate) async fn actions(world: &World, chat: Uuid) -> Vec<ActionRecord> {
    let asked = world.messages(chat).await[1].id;
    actions_of(&mut world.db.read().await.unwrap(), chat, asked).await.unwrap()
}

/// What `service` does with a decision. Whether it was taken.
pub(crate) async fn decide(
    world: &World,
    chat: Uuid,
    id: Uuid,
    state: ActionState,
    answer: Option<Value>,
) -> bool {
    let mut write = world.db.write().await.unwrap();
    let before = chat_get_for_update(&mut write, OWNER, chat).await.unwrap().unwrap();
    let usable = Duration::from_secs(300);
    if action_decide(&mut write, id, state, answer, usable).await.unwrap().is_none() {
        return false;
    }
    let runs = before.lease_holder.is_some();
    let step = match actions_open(&mut write, chat).await.unwrap() {
        // The runner of a call that asks goes on by itself.
        0 if !runs => {
            Transition::to(ChatStatus::Running, before.updated_at).lease(world.daemon.lease_on_send())
        }
        _ => Transition::stay(&before, before.updated_at),
    };
    let record = chat_transition(&mut write, &before.fence(), &step).await.unwrap().unwrap();
    write.commit().await.unwrap();
    world.daemon.chat_changed(&record);
    world.daemon.wake_chat(&record);
    true
}

fn states(actions: &[ActionRecord]) -> Vec<(&str, ActionState)> {
    actions.iter().map(|action| (action.tool_call_id.as_str(), action.state)).collect()
}

async fn audited(db: &TestDb, action: &str) -> i64 {
    db.number(&format!("SELECT COUNT(*) FROM audit_log WHERE action = '{action}'")).await
}

fn impatient() -> ChatdConfig {
    ChatdConfig { parked: Duration::from_millis(300), ..config() }
}

both_engines! {
    async fn a_listed_call_waits_and_goes_out_once_exactly_as_it_was_shown(db: TestDb) {
        let mcp = FakeMcp::start(vec![echo()]).await;
        let world = World::new(&db, &mcp).await;
        let chat = parked(&world, ECHO).await;

        // Nothing of ours runs while it waits, and nothing was sent or is about to be.
        let record = world.record(chat).await;
        assert_eq!((record.lease_holder, record.lease_expires_at), (None, None));
        assert_eq!((mcp.calls().len(), db.number("SELECT COUNT(*) FROM tool_calls").await), (0, 0));
        let waiting = actions(&world, chat).await;
        assert_eq!(states(&waiting), [("c1", ActionState::Open)]);
        let action = &waiting[0];
        assert_eq!((action.kind, action.owner_id), (ActionKind::Approval, OWNER));
        assert_eq!((action.original_name.as_str(), &action.arguments), ("echo", &json!({"text": "hi"})));
        let message = &world.messages(chat).await[1];
        let named = message.content.iter().find_map(|part| match part {
            Part::ToolCall(call) => call.approval_id,
            _ => None,
        });
        assert_eq!(named, Some(action.id), "the part names the approval");

        assert!(decide(&world, chat, action.id, ActionState::Approved, None).await);
        assert_eq!(world.ended(chat).await.status, ChatStatus::Waiting);
        assert_eq!(roles(&world.messages(chat).await), [User, Assistant, Tool, Assistant]);
        assert_eq!(outcomes(&world.results(chat).await), [("c1", Done)]);
        assert_eq!(mcp.effects().len(), 1);
        // What was sent is what was shown, and the approval serves for nothing else.
        assert_eq!(mcp.effects()[0]["arguments"], action.arguments);
        let sent = "SELECT COUNT(*) FROM tool_calls t JOIN chat_actions a ON a.tool_call_id = t.tool_call_id AND a.argument_hash = t.argument_hash";
        assert_eq!(db.number(sent).await, 1);
        assert_eq!(states(&actions(&world, chat).await), [("c1", ActionState::Used)]);
        assert!(!decide(&world, chat, action.id, ActionState::Approved, None).await);
        assert_eq!(audited(&db, "approval.asked").await, 1);
    }

    async fn a_denied_call_is_not_sent_and_the_model_is_told(db: TestDb) {
        let mcp = FakeMcp::start(vec![echo()]).await;
        let world = World::new(&db, &mcp).await;
        let chat = parked(&world, ECHO).await;
        let id = actions(&world, chat).await[0].id;
        assert!(decide(&world, chat, id, ActionState::Denied, None).await);
        world.ended(chat).await;
        let results = world.results(chat).await;
        assert_eq!(outcomes(&results), [("c1", Denied)]);
        assert!(world.script.told()[0].1.contains("the user denied it"));
        assert_eq!(mcp.calls().len(), 0);
    }

    async fn what_nobody_decides_in_time_counts_as_denied_and_the_poll_alone_finds_it(db: TestDb) {
        let mcp = FakeMcp::start(vec![echo()]).await;
        let world = World::with(&db, &mcp, impatient()).await;
        let chat = parked(&world, ECHO).await;
        world.ended(chat).await;
        let results = world.results(chat).await;
        assert_eq!(outcomes(&results), [("c1", Denied)]);
        assert!(result_text(&results[0]).contains("was not approved within 5 minutes"));
        let ended = actions(&world, chat).await;
        assert_eq!(states(&ended), [("c1", ActionState::Expired)]);
        assert!(!decide(&world, chat, ended[0].id, ActionState::Approved, None).await, "too late");
        assert_eq!((mcp.calls().len(), audited(&db, "approval.expired").await), (0, 1));
    }

    async fn all_calls_of_a_step_wait_for_the_one_that_has_to(db: TestDb) {
        let mcp = FakeMcp::start(vec![echo(), slow(Duration::ZERO)]).await;
        let world = World::new(&db, &mcp).await;
        let script = [
            ("a", "lab__echo", r#"{"text":"1"}"#), ("b", "lab__slow", r#"{"text":"2"}"#), ("c", "lab__echo", r#"{"text":"3"}"#),
        ];
        let chat = parked(&world, &script).await;
        let waiting = actions(&world, chat).await;
        assert_eq!(states(&waiting), [("a", ActionState::Open), ("c", ActionState::Open)]);
        assert!(decide(&world, chat, waiting[0].id, ActionState::Denied, None).await);
        assert_eq!(world.record(chat).await.status, ChatStatus::RequiresAction, "one is still open");
        assert!(decide(&world, chat, waiting[1].id, ActionState::Approved, None).await);
        world.ended(chat).await;
        assert_eq!(outcomes(&world.results(chat).await), [("a", Denied), ("b", Done), ("c", Done)]);
        assert_eq!(mcp.effects().len(), 2);
    }

    async fn stop_ends_the_wait_and_nothing_is_sent_any_more(db: TestDb) {
        let mcp = FakeMcp::start(vec![echo(), slow(Duration::ZERO)]).await;
        let world = World::new(&db, &mcp).await;
        let script = [("c1", "lab__echo", r#"{"text":"1"}"#), ("c2", "lab__slow", r#"{"text":"2"}"#)];
        let chat = parked(&world, &script).await;
        let id = actions(&world, chat).await[0].id;
        world.stop(chat).await;
        assert_eq!(world.ended(chat).await.status, ChatStatus::Waiting);
        let results = world.results(chat).await;
        assert_eq!(outcomes(&results), [("c1", Cancelled), ("c2", Cancelled)]);
        assert!(results.iter().all(|result| result_text(result).contains("the turn was stopped")), "{results:?}");
        assert_eq!(states(&actions(&world, chat).await), [("c1", ActionState::Cancelled)]);
        assert!(!decide(&world, chat, id, ActionState::Approved, None).await);
        assert_eq!(mcp.calls().len(), 0);
    }

    async fn an_approval_is_for_the_definition_that_was_shown(db: TestDb) {
        let mcp = FakeMcp::start(vec![echo()]).await;
        let world = World::new(&db, &mcp).await;
        let chat = parked(&world, ECHO).await;
        mcp.set_tools(vec![echo().title("Another echo")]);
        // The next listing is another process's, which has no list of before.
        world.daemon.drain(Duration::ZERO).await;
        let script = Arc::new(Script::default());
        script.then(answer("So be it."));
        let next = World::start(&db, &mcp.authority(), Arc::clone(&world.servers), script, config()).await;
        let id = actions(&next, chat).await[0].id;
        assert!(decide(&next, chat, id, ActionState::Approved, None).await);
        next.ended(chat).await;
        let results = next.results(chat).await;
        assert_eq!(outcomes(&results), [("c1", Denied)]);
        assert!(result_text(&results[0]).contains("no longer what was approved"));
        assert_eq!(mcp.effects().len(), 0);
        assert_eq!(states(&actions(&next, chat).await), [("c1", ActionState::Cancelled)], "it serves for nothing else");
    }

    async fn the_gates_are_asked_again_after_the_approval(db: TestDb) {
        let mcp = FakeMcp::start(vec![echo()]).await;
        let world = World::new(&db, &mcp).await;
        let chat = parked(&world, ECHO).await;
        let mut server = world.servers.step.lock().unwrap()[0].clone();
        server.record.tool_deny_list = vec!["echo".to_owned()];
        *world.servers.at_call.lock().unwrap() = Some(Some(server));
        let id = actions(&world, chat).await[0].id;
        assert!(decide(&world, chat, id, ActionState::Approved, None).await);
        world.ended(chat).await;
        assert_eq!(outcomes(&world.results(chat).await), [("c1", Denied)]);
        assert_eq!(mcp.calls().len(), 0);
    }

    async fn a_tool_that_got_on_the_list_after_the_call_was_planned_is_not_sent_unasked(db: TestDb) {
        let mcp = FakeMcp::start(vec![echo()]).await;
        let world = World::new(&db, &mcp).await;
        let mut server = world.servers.step.lock().unwrap()[0].clone();
        server.record.tool_approval_list = vec!["*".to_owned()];
        *world.servers.at_call.lock().unwrap() = Some(Some(server));
        world.script.then(calls(ECHO));
        let chat = world.chat().await;
        world.send(chat, "go").await;
        world.ended(chat).await;
        let results = world.results(chat).await;
        assert_eq!(outcomes(&results), [("c1", Denied)]);
        assert!(result_text(&results[0]).contains("needs the user's approval now"));
        assert_eq!(mcp.calls().len(), 0);
    }

    async fn after_a_crash_an_approved_call_is_unknown_and_its_approval_is_spent(db: TestDb) {
        let mcp = FakeMcp::start(vec![echo(), slow(Duration::from_secs(60))]).await;
        let first = World::new(&db, &mcp).await;
        first.daemon.drain(Duration::ZERO).await;
        let servers = Arc::clone(&first.servers);
        {
            let mut step = servers.step.lock().unwrap();
            needs_approval(&mut step, &["slow"]);
            // Also then: an approval is for one sending.
            step[0].record.tool_idempotent_list = vec!["*".to_owned()];
        }
        let doomed = Doomed::new();
        let (config, allow, theirs) = (db.config().clone(), mcp.authority(), Arc::clone(&servers));
        let chat = doomed
            .run(async move {
                let db = Db::open(&config).await.unwrap();
                let script = Arc::new(Script::default());
                script.then(calls(&[("b", "lab__slow", r#"{"text":"2"}"#)]));
                let world = World::start(&db, &allow, theirs, script, short_lease()).await;
                let chat = world.chat().await;
                world.send(chat, "go").await;
                until(&world, chat, ChatStatus::RequiresAction).await;
                let id = actions(&world, chat).await[0].id;
                assert!(decide(&world, chat, id, ActionState::Approved, None).await);
                chat
            })
            .await;
        testkit::wait::until("the call to arrive", || async { (!mcp.calls().is_empty()).then_some(()) }).await;
        doomed.kill();
        let script = Arc::new(Script::default());
        script.then(answer("So be it."));
        let next = World::start(&db, &mcp.authority(), servers, script, short_lease()).await;
        next.ended(chat).await;
        assert_eq!(outcomes(&next.results(chat).await), [("b", Unknown)]);
        assert_eq!(mcp.calls().len(), 1, "never sent again");
        assert_eq!(states(&actions(&next, chat).await), [("b", ActionState::Used)]);
    }

    async fn readers_who_come_later_are_told_what_is_waited_for(db: TestDb) {
        let mcp = FakeMcp::start(vec![echo()]).await;
        let world = World::new(&db, &mcp).await;
        let chat = parked(&world, ECHO).await;
        let stream = follow(world.db.clone(), world.daemon.hub().clone(), chat, Resume::default());
        let mut stream = Box::pin(stream);
        let mut told = Vec::new();
        while told.last() != Some(&"requires_action".to_owned()) {
            let (_, event) = tokio::time::timeout(Duration::from_secs(10), stream.next()).await.unwrap().unwrap();
            match &event.payload {
                StreamPayload::ActionRequired { action_required } => {
                    told.push(format!("{} open", action_required.len()));
                }
                StreamPayload::Status { status } => told.push(status.status.as_str().to_owned()),
                _ => {}
            }
        }
        assert_eq!(told, ["1 open", "requires_action"]);
    }

    async fn a_tool_of_the_client_waits_for_its_result(db: TestDb) {
        let mcp = FakeMcp::start(vec![echo()]).await;
        let world = World::new(&db, &mcp).await;
        for (state, brought, outcome, text) in [
            (ActionState::Answered, Some(json!({"output": "opened", "is_error": false})), Done, "opened"),
            (ActionState::Denied, None, Cancelled, "cancelled by the client"),
        ] {
            world.script.then(calls(&[("d", "open_file", r#"{"path":"/a"}"#)]));
            let chat = client_chat(&world).await;
            world.send(chat, "go").await;
            until(&world, chat, ChatStatus::RequiresAction).await;
            let waiting = actions(&world, chat).await;
            assert_eq!((waiting[0].kind, &waiting[0].arguments), (ActionKind::ClientTool, &json!({"path": "/a"})));
            assert!(decide(&world, chat, waiting[0].id, state, brought).await);
            world.ended(chat).await;
            let results = world.results(chat).await;
            assert_eq!(outcomes(&results), [("d", outcome)]);
            assert!(result_text(&results[0]).contains(text), "{results:?}");
        }
        let offered = &world.script.requests()[0].tools;
        assert_eq!(offered.last().map(|tool| tool.name.as_str()), Some("open_file"), "behind those of servers");
        assert_eq!(mcp.calls().len(), 0);
    }

    async fn a_client_that_gives_no_result_in_time_gets_a_cancelled_call(db: TestDb) {
        let mcp = FakeMcp::start(vec![echo()]).await;
        let world = World::with(&db, &mcp, impatient()).await;
        world.script.then(calls(&[("d", "open_file", "{}")]));
        let chat = client_chat(&world).await;
        world.send(chat, "go").await;
        until(&world, chat, ChatStatus::RequiresAction).await;
        world.ended(chat).await;
        let results = world.results(chat).await;
        assert_eq!(outcomes(&results), [("d", Cancelled)]);
        assert!(result_text(&results[0]).contains("gave no result within 5 minutes"));
    }
}

/// An idle chat whose client brings a tool.
async fn client_chat(world: &World) -> Uuid {
    let tool = DynamicTool { name: "open_file".to_owned(), ..DynamicTool::default() };
    world.chat_with(vec![tool]).await
}
