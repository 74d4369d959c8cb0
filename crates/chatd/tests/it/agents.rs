//! Subagents (behaviour 21, and the last row of 16): made once, waited for without holding anybody up, and never with more than their
//! parent has.

use crate::{
    crash::{Doomed, short_lease},
    support::{
        OWNER, Say, Script, World, answer, calls, config, outcomes, record, result_text, roles, served,
        step_server, words,
    },
    turn::{echo, slow},
};
use api::{
    Uuid,
    chats::{ChatMode, ChatStatus, PlanMode},
    messages::{
        MessageRole::{Assistant, User},
        ToolOutcome,
    },
};
use llm::{GenerationRequest, PromptMessage};
use patchbay_chatd::ChatdConfig;
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use store::{
    Db,
    chats::{ChatRecord, chat_children},
};
use testkit::{TestDb, both_engines, fake_mcp::FakeMcp, wait::until};
use tokio::sync::Notify;

const AGENT_TOOLS: [&str; 4] = ["list_agents", "message_agent", "spawn_agent", "wait_agent"];

fn agent_tools(request: &GenerationRequest) -> Vec<&str> {
    let names = request.tools.iter().map(|tool| tool.name.as_str());
    names.filter(|name| AGENT_TOOLS.contains(name)).collect()
}

/// What the person, or the chat above, said last.
fn said(request: &GenerationRequest) -> &str {
    let mut texts = request.messages.iter().rev().filter_map(|message| match message {
        PromptMessage::User { text } => Some(text.as_str()),
        _ => None,
    });
    texts.next().expect("somebody said something")
}

/// The results since then, by the name of their tool.
fn told(request: &GenerationRequest) -> Vec<(&str, &str)> {
    let mut told: Vec<(&str, &str)> = request
        .messages
        .iter()
        .rev()
        .map_while(|message| match message {
            PromptMessage::User { .. } => None,
            PromptMessage::Tool { name, text, .. } => Some(Some((name.as_str(), text.as_str()))),
            PromptMessage::Assistant { .. } => Some(None),
        })
        .flatten()
        .collect();
    told.reverse();
    told
}

/// The id of the subagent started last.
fn agent(request: &GenerationRequest) -> Option<String> {
    let spawned = request.messages.iter().rev().find_map(|message| match message {
        PromptMessage::Tool { name, text, is_error: false, .. } if name == "spawn_agent" => Some(text),
        _ => None,
    })?;
    let spawned: Value = serde_json::from_str(spawned).unwrap();
    Some(spawned["agent_id"].as_str().unwrap().to_owned())
}

fn spawn(kind: &str, task: &str) -> String {
    json!({"type": kind, "task": task}).to_string()
}

fn wait(request: &GenerationRequest) -> String {
    json!({"agent_id": agent(request), "timeout_seconds": 30}).to_string()
}

/// A parent that starts one subagent, waits for it and ends.
fn spawn_and_wait(
    kind: &'static str,
) -> impl Fn(&GenerationRequest) -> Option<Vec<Say>> + Send + Sync + 'static {
    move |request| {
        let done = told(request).len();
        match (said(request).starts_with("go"), done) {
            (true, 0) => Some(calls(&[("s", "spawn_agent", &spawn(kind, "find it"))])),
            (true, 1) => Some(calls(&[("w", "wait_agent", &wait(request))])),
            (true, _) => Some(answer("All done.")),
            _ => None,
        }
    }
}

async fn children(db: &Db, chat: Uuid) -> Vec<ChatRecord> {
    chat_children(&mut db.read().await.unwrap(), chat).await.unwrap()
}

both_engines! {
    async fn a_subagent_is_started_and_its_answer_waited_for(db: TestDb) {
        let mcp = FakeMcp::start(vec![echo()]).await;
        let world = World::new(&db, &mcp).await;
        world.script.reply(spawn_and_wait("general"));
        world.script.then(answer("It is in the drawer."));
        let chat = world.chat().await;
        world.send(chat, "go").await;
        assert_eq!(world.ended(chat).await.status, ChatStatus::Waiting);
        let results = world.results(chat).await;
        assert_eq!(outcomes(&results), [("s", ToolOutcome::Ok), ("w", ToolOutcome::Ok)]);
        let waited: Value = serde_json::from_str(result_text(&results[1])).unwrap();
        assert_eq!((&waited["answer"], &waited["status"]), (&json!("It is in the drawer."), &json!("finished")));
        let children = children(&db, chat).await;
        let [child] = children.as_slice() else { panic!("{children:?}") };
        assert_eq!((child.mode, child.owner_id, child.title.as_str()), (Some(ChatMode::General), OWNER, "find it"));
        let messages = world.messages(child.id).await;
        assert_eq!((roles(&messages), words(&messages[0])), (vec![User, Assistant], "find it".to_owned()));
        let requests = world.script.requests();
        let (of_child, of_parent): (Vec<_>, Vec<_>) = requests.iter().partition(|request| said(request) == "find it");
        assert_eq!(agent_tools(of_parent[0]), AGENT_TOOLS);
        assert_eq!((agent_tools(of_child[0]), served(of_child[0])), (Vec::new(), vec!["lab__echo".to_owned()]));
        assert!(of_child[0].system.as_ref().unwrap().contains("You are a subagent"));
    }

    async fn a_subagent_cannot_start_one_whatever_it_writes(db: TestDb) {
        let mcp = FakeMcp::start(vec![]).await;
        let world = World::new(&db, &mcp).await;
        world.script.reply(|request| match (said(request), told(request).len()) {
            ("find it", 0) => Some(calls(&[("x", "spawn_agent", &spawn("explore", "deeper"))])),
            ("find it", _) => Some(answer("I could not.")),
            _ => spawn_and_wait("general")(request),
        });
        let chat = world.chat().await;
        world.send(chat, "go").await;
        world.ended(chat).await;
        let child = children(&db, chat).await.remove(0);
        let results = world.results(child.id).await;
        assert_eq!(outcomes(&results), [("x", ToolOutcome::Error)]);
        assert!(result_text(&results[0]).contains("There is no tool named"), "{}", result_text(&results[0]));
        assert_eq!(db.number("SELECT COUNT(*) FROM chats").await, 2);
    }

    async fn a_call_after_a_crash_finds_the_subagent_that_it_has_made(db: TestDb) {
        let mcp = FakeMcp::start(vec![echo(), slow(Duration::from_secs(60))]).await;
        let doomed = Doomed::new();
        let first = World::new(&db, &mcp).await;
        first.daemon.drain(Duration::ZERO).await;
        let (config, allow, servers) = (db.config().clone(), mcp.authority(), Arc::clone(&first.servers));
        let chat = doomed.run(async move {
            let db = Db::open(&config).await.unwrap();
            let script = Arc::new(Script::default());
            script.reply(|request| {
                (said(request) == "go").then(|| {
                    calls(&[("s", "spawn_agent", &spawn("general", "find it")), ("b", "lab__slow", r#"{"text":"2"}"#)])
                })
            });
            script.then(answer("Found."));
            let world = World::start(&db, &allow, servers, script, short_lease()).await;
            let chat = world.chat().await;
            world.send(chat, "go").await;
            chat
        });
        let chat = chat.await;
        until("the other call to be out and the subagent to be there", || async {
            (mcp.calls().len() == 1 && !children(&db, chat).await.is_empty()).then_some(())
        })
        .await;
        doomed.kill();
        let script = Arc::new(Script::default());
        let world =
            World::start(&db, &mcp.authority(), Arc::clone(&first.servers), script, short_lease()).await;
        assert_eq!(world.ended(chat).await.status, ChatStatus::Waiting);
        let results = world.results(chat).await;
        assert_eq!(outcomes(&results), [("s", ToolOutcome::Ok), ("b", ToolOutcome::Unknown)]);
        let children = children(&db, chat).await;
        assert_eq!(children.len(), 1);
        assert!(result_text(&results[0]).contains(&children[0].id.to_string()));
        world.ended(children[0].id).await;
    }

    async fn a_wait_that_a_crash_cut_goes_on(db: TestDb) {
        let mcp = FakeMcp::start(vec![]).await;
        let doomed = Doomed::new();
        let first = World::new(&db, &mcp).await;
        first.daemon.drain(Duration::ZERO).await;
        let (config, allow, servers) = (db.config().clone(), mcp.authority(), Arc::clone(&first.servers));
        let chat = doomed.run(async move {
            let db = Db::open(&config).await.unwrap();
            let script = Arc::new(Script::default());
            script.reply(spawn_and_wait("general"));
            script.then(vec![Say::Hang]);
            let world = World::start(&db, &allow, servers, script, short_lease()).await;
            let chat = world.chat().await;
            world.send(chat, "go").await;
            chat
        });
        let chat = chat.await;
        let waiting = "SELECT COUNT(*) FROM messages WHERE chat_id = (SELECT parent_chat_id FROM chats WHERE parent_chat_id IS NOT NULL)";
        until("the parent to wait", || async { (db.number(waiting).await >= 4).then_some(()) }).await;
        doomed.kill();
        let script = Arc::new(Script::default());
        script.reply(spawn_and_wait("general"));
        script.then(answer("Found after all."));
        let world = World::start(&db, &mcp.authority(), Arc::clone(&first.servers), script, short_lease()).await;
        assert_eq!(world.ended(chat).await.status, ChatStatus::Waiting);
        let results = world.results(chat).await;
        assert_eq!(outcomes(&results), [("s", ToolOutcome::Ok), ("w", ToolOutcome::Ok)]);
        assert!(result_text(&results[1]).contains("Found after all."), "{}", result_text(&results[1]));
        assert_eq!(children(&db, chat).await.len(), 1);
    }

    async fn an_exploring_subagent_keeps_what_was_there_and_in_plan_mode_has_nothing(db: TestDb) {
        let mcp = FakeMcp::start(vec![echo()]).await;
        let world = World::new(&db, &mcp).await;
        let (go, url) = (Arc::new(Notify::new()), mcp.url());
        let hold = Arc::clone(&go);
        world.script.reply(move |request| match (said(request), told(request).len()) {
            // Its first step ends when the test says so; the second shows what it has then.
            ("find it", 0) => {
                let mut says = vec![Say::Wait(Arc::clone(&hold))];
                says.extend(calls(&[("e", "lab__echo", r#"{"text":"1"}"#)]));
                Some(says)
            }
            _ => spawn_and_wait("explore")(request),
        });
        let chat = world.chat().await;
        world.send(chat, "go").await;
        until("the subagent to be asked", || async {
            world.script.requests().iter().any(|request| said(request) == "find it").then_some(())
        })
        .await;
        // Another server since, which an admin may even have forced.
        world.servers.step.lock().unwrap().push(step_server(record(2, "late"), &url));
        go.notify_one();
        world.ended(chat).await;
        let requests = world.script.requests();
        let of_child: Vec<_> = requests.iter().filter(|request| said(request) == "find it").collect();
        assert_eq!(of_child.iter().map(|request| served(request)).collect::<Vec<_>>(), [["lab__echo"], ["lab__echo"]]);
        assert!(requests.iter().any(|request| served(request).contains(&"late__echo".to_owned())), "its parent has it");
        assert!(of_child[0].system.as_ref().unwrap().contains("Change nothing outside"));

        // In plan mode research only, and without anything external, also where an admin let it into plan mode.
        for server in world.servers.step.lock().unwrap().iter_mut() {
            server.record.allow_in_plan_mode = true;
        }
        let planning = world.chat().await;
        world.plan(planning, PlanMode::Plan).await;
        world.script.reply(move |request| match (said(request), told(request).len()) {
            ("go on", 0) => Some(calls(&[("g", "spawn_agent", &spawn("general", "do it"))])),
            ("go on", 1) => Some(calls(&[("s", "spawn_agent", &spawn("explore", "look it up"))])),
            ("go on", 2) => Some(calls(&[("w", "wait_agent", &wait(request))])),
            ("go on", _) => Some(answer("Done.")),
            _ => None,
        });
        world.send(planning, "go on").await;
        world.ended(planning).await;
        let results = world.results(planning).await;
        assert_eq!(outcomes(&results), [("g", ToolOutcome::Error), ("s", ToolOutcome::Ok), ("w", ToolOutcome::Ok)]);
        assert!(result_text(&results[0]).contains("Use the type explore"), "{}", result_text(&results[0]));
        let requests = world.script.requests();
        let of_child = requests.iter().find(|request| said(request) == "look it up").unwrap();
        assert_eq!(served(of_child), Vec::<String>::new());
    }

    async fn a_subagent_is_told_more_at_once_or_when_it_is_free(db: TestDb) {
        let mcp = FakeMcp::start(vec![]).await;
        let world = World::new(&db, &mcp).await;
        let go = Arc::new(Notify::new());
        let hold = Arc::clone(&go);
        let message = |request: &GenerationRequest, words: &str| {
            json!({"agent_id": agent(request), "message": words}).to_string()
        };
        world.script.reply(move |request| match (said(request), told(request).len()) {
            ("go", 0) => Some(calls(&[("s", "spawn_agent", &spawn("general", "first"))])),
            ("go", 1) => Some(calls(&[("m", "message_agent", &message(request, "second"))])),
            ("go", 2) => Some(calls(&[("w", "wait_agent", &wait(request))])),
            ("go", 3) => Some(calls(&[("n", "message_agent", &message(request, "third"))])),
            ("go", 4) => Some(calls(&[("v", "wait_agent", &wait(request)), ("l", "list_agents", "{}")])),
            ("go", _) => Some(answer("Done.")),
            ("first", _) => Some([vec![Say::Wait(Arc::clone(&hold))], answer("one")].concat()),
            (other, _) => Some(answer(&format!("answer to {other}"))),
        });
        let chat = world.chat().await;
        world.send(chat, "go").await;
        until("the second message to wait", || async {
            let waiting = "SELECT COUNT(*) FROM queued_messages WHERE ended IS NULL";
            (db.number(waiting).await == 1).then_some(())
        })
        .await;
        go.notify_one();
        assert_eq!(world.ended(chat).await.status, ChatStatus::Waiting);
        let results = world.results(chat).await;
        assert!(results.iter().all(|result| result.outcome == ToolOutcome::Ok), "{results:#?}");
        assert!(result_text(&results[4]).contains("answer to third"), "{}", result_text(&results[4]));
        let child = children(&db, chat).await.remove(0);
        let said: Vec<String> = world.messages(child.id).await.iter().map(words).collect();
        assert_eq!(said, ["first", "one", "second", "answer to second", "third", "answer to third"]);
        // That of another chat is nobody's here.
        let stranger = world.chat().await;
        let args = json!({"agent_id": child.id, "message": "hey"}).to_string();
        world.script.reply(move |request| {
            (told(request).is_empty()).then(|| calls(&[("m", "message_agent", &args)]))
        });
        world.send(stranger, "go").await;
        world.ended(stranger).await;
        assert_eq!(outcomes(&world.results(stranger).await), [("m", ToolOutcome::Error)]);
    }
}

/// Chats that wait hold no place that their subagents need, nor one that another chat could use.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chats_that_wait_for_subagents_hold_nobody_up() {
    let db = TestDb::sqlite().await;
    let mcp = FakeMcp::start(vec![]).await;
    let small = ChatdConfig {
        turns: 1,
        turns_per_user: 1,
        subagents: 1,
        subagents_per_user: 1,
        // Without the poll: a free place must be enough.
        poll: Duration::from_secs(3600),
        ..config()
    };
    let world = World::with(&db, &mcp, small).await;
    let go = Arc::new(Notify::new());
    let hold = Arc::clone(&go);
    world.script.reply(move |request| match said(request) {
        "find it" => Some([vec![Say::Wait(Arc::clone(&hold))], answer("Found.")].concat()),
        "alone" => Some(answer("I was not held up.")),
        _ => spawn_and_wait("general")(request),
    });
    let (first, second, third) = (world.chat().await, world.chat().await, world.chat().await);
    world.send(first, "go").await;
    until("the first to wait", || async { (world.script.requests().len() >= 3).then_some(()) }).await;
    // It has the only place, and gives it to who can use it.
    world.send(third, "alone").await;
    assert_eq!(world.ended(third).await.status, ChatStatus::Waiting);
    world.send(second, "go on").await;
    for _ in 0..200 {
        go.notify_one();
        tokio::time::sleep(Duration::from_millis(20)).await;
        if !world.record(first).await.status.is_busy() && !world.record(second).await.status.is_busy() {
            break;
        }
    }
    for chat in [first, second] {
        assert_eq!(world.record(chat).await.status, ChatStatus::Waiting);
        assert_eq!(children(&db, chat).await.len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stop_ends_a_wait_at_once_and_a_chat_has_so_many_subagents() {
    let db = TestDb::sqlite().await;
    let mcp = FakeMcp::start(vec![]).await;
    let world = World::new(&db, &mcp).await;
    world.script.reply(|request| match said(request) {
        "find it" => Some(vec![Say::Hang]),
        "many" => told(request).is_empty().then(|| {
            let spawn = spawn("explore", "look");
            let ids: Vec<String> = (0..=domain::subagents::CHILDREN).map(|n| format!("c{n}")).collect();
            let many: Vec<(&str, &str, &str)> =
                ids.iter().map(|id| (id.as_str(), "spawn_agent", spawn.as_str())).collect();
            calls(&many)
        }),
        "look" => Some(answer("Nothing.")),
        _ => spawn_and_wait("general")(request),
    });
    let chat = world.chat().await;
    world.send(chat, "go").await;
    until("the chat to wait", || async { (world.script.requests().len() >= 3).then_some(()) }).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let began = std::time::Instant::now();
    world.stop(chat).await;
    assert_eq!(world.ended(chat).await.status, ChatStatus::Waiting);
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    assert_eq!(outcomes(&world.results(chat).await)[1], ("w", ToolOutcome::Cancelled));

    let many = world.chat().await;
    world.send(many, "many").await;
    world.ended(many).await;
    let results = world.results(many).await;
    let refused: Vec<_> = results.iter().filter(|result| result.outcome == ToolOutcome::Error).collect();
    assert_eq!((results.len(), refused.len()), (domain::subagents::CHILDREN + 1, 1));
    assert!(result_text(refused[0]).contains("as many as it can have"));
    assert_eq!(children(&db, many).await.len(), domain::subagents::CHILDREN);
}
