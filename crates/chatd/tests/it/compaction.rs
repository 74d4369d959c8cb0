//! Summaries (behaviour 24): where the model's view begins, what it is told instead, and what a failure leaves as it was.

use crate::support::{OWNER, Say, World, answer, calls, end, result_text, roles, text};
use api::{
    Uuid,
    chats::ChatStatus,
    messages::{
        MessageRole::{Assistant, Tool, User},
        Part, Usage,
    },
};
use domain::clock::Clock as _;
use llm::{FinishReason, ModelError, ModelEvent, PromptMessage};
use store::chats::{
    Transition, boundary_newest, chat_get_for_update, chat_transition, compaction_request_get,
    compaction_request_put, own_threshold_put,
};
use testkit::{TestDb, both_engines, fake_mcp::FakeMcp};

/// What `service` does with the wish for a summary.
async fn wish(world: &World, chat: Uuid, resume: bool) {
    let mut write = world.db.write().await.unwrap();
    let before = chat_get_for_update(&mut write, OWNER, chat).await.unwrap().unwrap();
    let step = Transition::to(ChatStatus::Running, world.clock.now()).lease(world.daemon.lease_on_send());
    let record =
        chat_transition(&mut write, &before.fence(), &step).await.unwrap().expect("nobody else writes");
    compaction_request_put(&mut write, chat, resume, world.clock.now()).await.unwrap();
    write.commit().await.unwrap();
    world.daemon.chat_changed(&record);
    world.daemon.wake_chat(&record);
}

async fn said_once(world: &World) -> Uuid {
    world.script.then(answer("Hello Ada."));
    let chat = world.chat().await;
    world.send(chat, "My name is Ada").await;
    assert_eq!(world.ended(chat).await.status, ChatStatus::Waiting);
    chat
}

fn users(messages: &[PromptMessage]) -> Vec<&str> {
    messages
        .iter()
        .map(|message| match message {
            PromptMessage::User { text } => text.as_str(),
            other => panic!("not a user's: {other:?}"),
        })
        .collect()
}

fn full(tokens: i64) -> Vec<Say> {
    let usage = Usage { total_tokens: tokens, ..Usage::default() };
    vec![text("Noted."), Say::Event(ModelEvent::Usage(usage)), end(FinishReason::Stop)]
}

async fn boundary(world: &World, chat: Uuid) -> Option<store::chats::Boundary> {
    boundary_newest(&mut world.db.read().await.unwrap(), chat).await.unwrap()
}

async fn wished(world: &World, chat: Uuid) -> Option<bool> {
    compaction_request_get(&mut world.db.read().await.unwrap(), chat).await.unwrap()
}

async fn world(db: &TestDb) -> World {
    World::new(db, &FakeMcp::start(vec![crate::turn::echo()]).await).await
}

both_engines! {
    async fn a_wished_summary_is_what_the_model_is_told_from_then_on(db: TestDb) {
        let world = world(&db).await;
        let chat = said_once(&world).await;
        world.script.then(answer("The user is called Ada."));
        wish(&world, chat, false).await;
        let record = world.ended(chat).await;
        assert_eq!((record.status, record.last_error), (ChatStatus::Waiting, None));
        assert_eq!(wished(&world, chat).await, None);
        let asked = &world.script.requests()[1];
        assert!(asked.tools.is_empty(), "a summary has no tools");
        assert!(users(&asked.messages)[0].contains("User: My name is Ada\nAssistant: Hello Ada."));
        // People see all of it, and where the line is.
        let messages = world.messages(chat).await;
        assert_eq!(roles(&messages), [User, Assistant, Assistant, Tool]);
        let Part::ToolCall(call) = &messages[2].content[0] else { panic!("no call") };
        assert_eq!((call.tool_name.as_str(), &call.args.as_ref().unwrap()["cause"]), ("chat_summarized", &"asked".into()));
        assert_eq!(result_text(&world.results(chat).await[0]), "The user is called Ada.");

        world.script.then(answer("You are Ada."));
        world.send(chat, "Who am I?").await;
        world.ended(chat).await;
        let requests = world.script.requests();
        let told = users(&requests[2].messages);
        assert!(told.len() == 2 && told[0].ends_with("The user is called Ada.") && told[1] == "Who am I?", "{told:?}");

        // An edit before the line takes the line away.
        let mut write = world.db.write().await.unwrap();
        store::messages::messages_hide_after(&mut write, chat, messages[0].id).await.unwrap();
        write.commit().await.unwrap();
        assert_eq!(boundary(&world, chat).await, None);
    }

    async fn a_failed_summary_says_so_and_changes_nothing(db: TestDb) {
        let world = world(&db).await;
        let chat = said_once(&world).await;
        let before = world.messages(chat).await;
        for answer in [vec![Say::Error(ModelError::ContentFilter)], vec![text("  "), end(FinishReason::Stop)]] {
            world.script.then(answer);
            wish(&world, chat, false).await;
            let record = world.ended(chat).await;
            let error = record.last_error.expect("it failed");
            assert_eq!((record.status, error.code.as_str()), (ChatStatus::Error, "compaction_failed"));
            assert!(error.message.contains("nothing in it was changed"), "{}", error.message);
            assert_eq!(world.messages(chat).await, before);
            assert_eq!((boundary(&world, chat).await, wished(&world, chat).await), (None, None));
        }
    }

    async fn stop_ends_a_summary_and_changes_nothing(db: TestDb) {
        let world = world(&db).await;
        let chat = said_once(&world).await;
        world.script.then(vec![text("The us"), Say::Hang]);
        wish(&world, chat, false).await;
        world.until_asked(2).await;
        world.stop(chat).await;
        assert_eq!(world.ended(chat).await.status, ChatStatus::Waiting);
        assert_eq!((boundary(&world, chat).await, wished(&world, chat).await), (None, None));
        assert_eq!(world.messages(chat).await.len(), 2);
    }

    async fn a_full_chat_is_summarised_and_the_open_question_said_again(db: TestDb) {
        let world = world(&db).await;
        world.script.then(full(20_000));
        let chat = world.chat().await;
        world.send(chat, "A long story").await;
        world.ended(chat).await;
        // 2 % of the context: the owner's own threshold is passed, the deployment's is not.
        let mut write = world.db.write().await.unwrap();
        own_threshold_put(&mut write, OWNER, 1).await.unwrap();
        write.commit().await.unwrap();
        world.script.then(answer("A story was told."));
        world.script.then(answer("It ended well."));
        world.send(chat, "How did it end?").await;
        assert_eq!(world.ended(chat).await.status, ChatStatus::Waiting);
        let requests = world.script.requests();
        assert_eq!(requests.len(), 3);
        assert!(!users(&requests[1].messages)[0].contains("How did it end?"), "what is open is not summarised");
        let told = users(&requests[2].messages);
        assert!(told.len() == 2 && told[0].ends_with("A story was told.") && told[1] == "How did it end?", "{told:?}");
        assert_eq!(roles(&world.messages(chat).await), [User, Assistant, User, Assistant, Tool, Assistant]);
    }

    async fn below_its_threshold_a_chat_is_left_alone(db: TestDb) {
        let world = world(&db).await;
        world.script.then(full(700_000));
        let chat = world.chat().await;
        world.send(chat, "A long story").await;
        world.ended(chat).await;
        world.send(chat, "How did it end?").await;
        world.ended(chat).await;
        assert_eq!((world.script.requests().len(), boundary(&world, chat).await), (2, None));
        // 100: never by itself, whatever is used.
        let mut write = world.db.write().await.unwrap();
        own_threshold_put(&mut write, OWNER, 100).await.unwrap();
        write.commit().await.unwrap();
        world.script.then(full(990_000));
        for words in ["And then?", "And now?"] {
            world.send(chat, words).await;
            world.ended(chat).await;
        }
        assert_eq!((world.script.requests().len(), boundary(&world, chat).await), (4, None));
    }

    async fn an_overflow_is_summarised_once_in_the_middle_of_a_turn_too(db: TestDb) {
        let world = world(&db).await;
        let overflow = || vec![Say::Error(ModelError::ContextOverflow)];
        world.script.then(calls(&[("c1", "lab__echo", r#"{"text":"hi"}"#)]));
        world.script.then(overflow());
        world.script.then(answer("The echo said hi."));
        world.script.then(answer("Done with it."));
        let chat = world.chat().await;
        world.send(chat, "Echo hi, then sum up").await;
        assert_eq!(world.ended(chat).await.status, ChatStatus::Waiting);
        let requests = world.script.requests();
        let told = users(&requests[3].messages);
        assert!(told[0].ends_with("The echo said hi.") && told[1] == "Echo hi, then sum up", "{told:?}");
        let drawn = boundary(&world, chat).await.unwrap();
        assert_eq!((drawn.steps, drawn.calls), (1, 1), "the caps of the turn count on");

        // Twice in one turn does not help: then the error stands.
        world.script.then(overflow());
        world.script.then(answer("Shorter."));
        world.script.then(overflow());
        world.send(chat, "More").await;
        let record = world.ended(chat).await;
        assert_eq!(record.last_error.unwrap().code, "context_overflow");
        // Its owner may wish another, and the turn goes on behind it. Nothing was said since, so it only goes on.
        world.script.then(answer("More it is."));
        wish(&world, chat, true).await;
        assert_eq!(world.ended(chat).await.status, ChatStatus::Waiting);
        assert_eq!(roles(&world.messages(chat).await).last(), Some(&Assistant));
    }
}
