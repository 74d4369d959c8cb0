//! A server asks the owner of the chat during a call (behaviour 15, threats 49).

use crate::{
    parked::{actions, decide, until},
    support::{World, answer, calls, config, outcomes, result_text},
    turn::echo,
};
use api::{
    Uuid,
    actions::{ActionKind, ActionState},
    chats::ChatStatus,
    messages::ToolOutcome::Ok as Done,
};
use patchbay_chatd::ChatdConfig;
use serde_json::{Value, json};
use std::time::Duration;
use testkit::{both_engines, fake_mcp::FakeMcp};

fn form(properties: &Value) -> Value {
    json!({"message": "Which seat?", "requestedSchema": {"type": "object", "properties": properties}})
}

/// A chat whose turn calls a tool that asks.
async fn called(world: &World) -> Uuid {
    world.script.then(calls(&[("c1", "lab__echo", r#"{"text":"hi"}"#)]));
    world.script.then(answer("So be it."));
    let chat = world.chat().await;
    world.send(chat, "go").await;
    chat
}

both_engines! {
    async fn the_call_stays_open_until_its_owner_has_answered(db: TestDb) {
        let asking = echo().asking_with(form(&json!({"row": {"type": "integer"}})));
        let mcp = FakeMcp::start(vec![asking]).await;
        let world = World::new(&db, &mcp).await;
        let chat = called(&world).await;
        until(&world, chat, ChatStatus::RequiresAction).await;
        let record = world.record(chat).await;
        assert!(record.lease_holder.is_some(), "the runner waits with its lease");
        let open = actions(&world, chat).await;
        assert_eq!((open[0].kind, open[0].tool_call_id.as_str()), (ActionKind::Elicitation, "c1"));
        let shown = open[0].to_wire();
        assert_eq!((shown.arguments, shown.server_name.as_str()), (Value::Null, "LAB"));
        assert_eq!(shown.question.unwrap().fields[0].name, "row");
        let given = json!({"action": "accept", "content": {"row": 3}});
        assert!(decide(&world, chat, open[0].id, ActionState::Answered, Some(given)).await);
        world.ended(chat).await;
        let results = world.results(chat).await;
        assert_eq!(outcomes(&results), [("c1", Done)]);
        assert_eq!(result_text(&results[0]), r#"{"action":"accept","content":{"row":3}}"#);
        // It was for the server only.
        assert_eq!(actions(&world, chat).await[0].answer, None);
    }

    async fn a_question_that_nobody_answers_is_cancelled_and_the_call_ends(db: TestDb) {
        let mcp = FakeMcp::start(vec![echo().asking("Sure?")]).await;
        let world = World::with(&db, &mcp, ChatdConfig { parked: Duration::from_millis(300), ..config() }).await;
        let chat = called(&world).await;
        world.ended(chat).await;
        let results = world.results(chat).await;
        assert_eq!(result_text(&results[0]), r#"{"action":"cancel"}"#);
        assert_eq!(actions(&world, chat).await[0].state, ActionState::Expired);
    }

    async fn a_form_that_asks_for_a_secret_is_declined_with_words(db: TestDb) {
        let asking = echo().asking_with(form(&json!({"password": {"type": "string"}})));
        let mcp = FakeMcp::start(vec![asking]).await;
        let world = World::new(&db, &mcp).await;
        let chat = called(&world).await;
        world.ended(chat).await;
        let results = world.results(chat).await;
        assert_eq!(result_text(&results[0]), r#"{"action":"decline"}"#);
        let told = format!("{:?}", results[0].result);
        assert!(told.contains("Patchbay declined a question of LAB"), "{told}");
        assert!(actions(&world, chat).await.is_empty(), "nobody was asked");
    }

    async fn stop_ends_a_question(db: TestDb) {
        let mcp = FakeMcp::start(vec![echo().asking("Sure?")]).await;
        let world = World::new(&db, &mcp).await;
        let chat = called(&world).await;
        until(&world, chat, ChatStatus::RequiresAction).await;
        world.stop(chat).await;
        assert_eq!(world.ended(chat).await.status, ChatStatus::Waiting);
        assert_eq!(actions(&world, chat).await[0].state, ActionState::Cancelled);
    }

    async fn a_program_without_a_stream_is_not_asked(db: TestDb) {
        let mcp = FakeMcp::start(vec![echo().asking("Sure?")]).await;
        let world = World::new(&db, &mcp).await;
        world.script.then(calls(&[("c1", "lab__echo", r#"{"text":"hi"}"#)]));
        let chat = world.chat_of("api", Vec::new()).await;
        world.send(chat, "go").await;
        world.ended(chat).await;
        assert_eq!(result_text(&world.results(chat).await[0]), r#"{"action":"cancel"}"#);
        assert!(actions(&world, chat).await.is_empty());
    }
}
