//! Messages.

use crate::support::{START, commit, id, insert_chat, read, refused, store};
use api::{
    Uuid,
    chats::ChatStatus,
    check::{ConnectOutcome, ServerOutcome},
    messages::{MessageRole, Part, ResultContent, ToolCallPart, ToolOutcome, ToolResultPart, Usage},
};
use serde_json::json;
use store::messages::*;
use testkit::{TestDb, both_engines};

pub(crate) fn user_message(chat_id: Uuid, text: &str) -> NewMessage {
    NewMessage {
        chat_id,
        role: MessageRole::User,
        content: vec![Part::text(text)],
        model_config_id: None,
        usage: None,
        interrupted: false,
        created_at: START,
    }
}

async fn fill(db: &TestDb, chat: Uuid, count: usize) -> Vec<i64> {
    let mut ids = Vec::new();
    for n in 0..count {
        ids.push(commit!(db, |write| message_insert(write, user_message(chat, &n.to_string()))).id);
    }
    ids
}

both_engines! {
    async fn the_outcomes_of_a_turn_stay_with_its_message_until_it_is_edited(db: TestDb) {
        let chat = insert_chat(&db, ChatStatus::Running).await;
        let outcome = |error: &str| ServerOutcome {
            server_id: id(),
            workspace: false,
            slug: "sentry".to_owned(),
            display_name: "Sentry \u{1f600}".to_owned(),
            outcome: ConnectOutcome::Error,
            error: error.to_owned(),
            tool_count: 0,
            auth_status: None,
        };
        let ids = fill(&db, chat.id, 2).await;
        assert_eq!(read!(db, |session| turn_servers(session, chat.id)), None);
        let (first, second) = (vec![outcome("refused")], vec![outcome("late"), outcome("")]);
        commit!(db, |write| message_servers_set(write, chat.id, ids[0], &first));
        assert_eq!(read!(db, |session| turn_servers(session, chat.id)), None, "that of the newest turn");
        commit!(db, |write| message_servers_set(write, chat.id, ids[1], &second));
        assert_eq!(read!(db, |session| turn_servers(session, chat.id)), Some(second.clone()));
        let kept = |n: usize| {
            let (db, ids) = (&db, &ids);
            async move { read!(db, |session| message_get(session, chat.id, ids[n])).unwrap() }
        };
        assert_eq!((kept(0).await.mcp_status, kept(0).await.revision), (Some(first), 1));
        assert_eq!(kept(1).await.mcp_status, Some(second));
        // An edit begins another turn from the message.
        commit!(db, |write| message_replace(write, chat.id, ids[1], vec![Part::text("anew")]));
        assert_eq!((kept(1).await.mcp_status, kept(1).await.revision), (None, 2));
        commit!(db, |write| messages_hide_after(write, chat.id, ids[0]));
        assert!(read!(db, |session| turn_servers(session, chat.id)).is_some(), "the hidden turn is no turn");
    }

    /// PostgreSQL's other kind of JSON would sort the members: what was shown and hashed before a restart would be something else after.
    async fn members_stay_in_the_order_in_which_they_were_written(db: TestDb) {
        let chat = insert_chat(&db, ChatStatus::Running).await;
        let args = json!({"zebra": 1, "a": {"second": 2, "first": [1]}});
        let call = ToolCallPart { args: Some(args.clone()), ..ToolCallPart::default() };
        let new = NewMessage { content: vec![Part::ToolCall(call)], ..user_message(chat.id, "") };
        let made = commit!(db, |write| message_insert(write, new.clone()));
        let kept = read!(db, |session| message_get(session, chat.id, made.id)).unwrap();
        let Some(Part::ToolCall(call)) = kept.content.first() else { panic!("{kept:?}") };
        assert_eq!(call.args.as_ref().unwrap().to_string(), args.to_string());
        assert!(read!(db, |session| message_between(session, chat.id, 0, made.id + 1)));
        assert!(!read!(db, |session| message_between(session, chat.id, made.id, made.id + 9)));
    }

    async fn a_message_is_read_back_as_the_insert_said(db: TestDb) {
        let chat = insert_chat(&db, ChatStatus::Running).await;
        for role in [MessageRole::System, MessageRole::User, MessageRole::Assistant, MessageRole::Tool] {
            let new = NewMessage {
                chat_id: chat.id,
                role,
                content: vec![
                    Part::text("Gr\u{fc}\u{df}e \u{1f600}\n\t\"'"),
                    Part::reasoning("because"),
                    Part::ToolCall(ToolCallPart {
                        tool_call_id: "c1".to_owned(),
                        tool_name: "s__t".to_owned(),
                        args: Some(json!({"z": 1, "a": [null, 1.5, "x"], "m": {"deep": true}})),
                        created_at: Some(START),
                        ..ToolCallPart::default()
                    }),
                    Part::ToolResult(ToolResultPart {
                        tool_call_id: "c1".to_owned(),
                        tool_name: "s__t".to_owned(),
                        mcp_server_config_id: Some(id()),
                        result: vec![ResultContent::Text { text: "42".to_owned() }],
                        is_error: false,
                        is_media: false,
                        provider_executed: false,
                        outcome: ToolOutcome::Ok,
                        truncated: true,
                        total_bytes: Some(2),
                        needs: None,
                        html: None,
                        created_at: START,
                    }),
                    Part::Other(json!({"type": "hologram", "depth": 3})),
                ],
                model_config_id: Some(id()),
                usage: Some(Usage { input_tokens: 1, output_tokens: 2, total_tokens: 3, ..Usage::default() }),
                interrupted: true,
                created_at: START,
            };
            let inserted = commit!(db, |write| message_insert(write, new.clone()));
            assert_eq!(inserted.content, new.content);
            assert_eq!(read!(db, |session| message_get(session, chat.id, inserted.id)).unwrap(), inserted);
        }
    }

    async fn a_nul_in_a_text_does_not_cost_the_message(db: TestDb) {
        let chat = insert_chat(&db, ChatStatus::Running).await;
        let inserted = commit!(db, |write| message_insert(write, user_message(chat.id, "a\0b")));
        assert_eq!(inserted.content, [Part::text("a\u{fffd}b")]);
        assert_eq!(read!(db, |session| message_get(session, chat.id, inserted.id)).unwrap(), inserted);
    }

    async fn a_message_needs_its_chat(db: TestDb) {
        let error = refused!(db, |write| message_insert(write, user_message(id(), "hi")));
        assert!(matches!(error, store::StoreError::Conflict { .. }), "{error:?}");
    }

    async fn a_message_is_found_in_its_own_chat_only(db: TestDb) {
        let (one, two) = (insert_chat(&db, ChatStatus::Running).await, insert_chat(&db, ChatStatus::Running).await);
        let message = commit!(db, |write| message_insert(write, user_message(one.id, "hi")));
        assert!(read!(db, |session| message_get(session, two.id, message.id)).is_none());
        assert!(commit!(db, |write| message_replace(write, two.id, message.id, vec![Part::text("x")])).is_none());
        assert_eq!(commit!(db, |write| messages_hide_after(write, two.id, 0)), 0);
        assert_eq!(read!(db, |session| message_last_id(session, two.id)), 0);
    }

    async fn pages_go_back_from_the_newest_or_forward_after_an_id(db: TestDb) {
        let chat = insert_chat(&db, ChatStatus::Running).await;
        let other = insert_chat(&db, ChatStatus::Running).await;
        fill(&db, other.id, 2).await;
        let ids = fill(&db, chat.id, 5).await;
        fill(&db, other.id, 2).await;
        assert!(ids.is_sorted());
        for (before, after, limit, expected, more) in [
            (None, None, 2, vec![4, 3], true),
            (None, None, 5, vec![4, 3, 2, 1, 0], false),
            (Some(3), None, 2, vec![2, 1], true),
            (Some(1), None, 2, vec![0], false),
            (None, Some(1), 2, vec![2, 3], true),
            (None, Some(2), 2, vec![3, 4], false),
            (None, Some(4), 2, vec![], false),
            // Both: newest first between the two.
            (Some(4), Some(0), 2, vec![3, 2], true),
            (Some(4), Some(1), 2, vec![3, 2], false),
        ] {
            let page = PageRequest { before_id: before.map(|n: usize| ids[n]), after_id: after.map(|n: usize| ids[n]), limit };
            let (messages, has_more) = read!(db, |session| message_page(session, chat.id, page));
            let seen: Vec<i64> = messages.iter().map(|message| message.id).collect();
            let expected: Vec<i64> = expected.into_iter().map(|n: usize| ids[n]).collect();
            assert_eq!((seen, has_more), (expected, more), "{page:?}");
        }
    }

    async fn a_turn_starts_from_the_newest_messages_oldest_first(db: TestDb) {
        let chat = insert_chat(&db, ChatStatus::Running).await;
        let ids = fill(&db, chat.id, 4).await;
        let messages = read!(db, |session| messages_for_turn(session, chat.id, 3));
        assert_eq!(messages.iter().map(|message| message.id).collect::<Vec<_>>(), ids[1..]);
        assert_eq!(read!(db, |session| message_last_id(session, chat.id)), ids[3]);
    }

    async fn an_edit_replaces_a_users_text_and_hides_what_follows(db: TestDb) {
        let chat = insert_chat(&db, ChatStatus::Running).await;
        let ids = fill(&db, chat.id, 3).await;
        let mut answer = user_message(chat.id, "answer");
        answer.role = MessageRole::Assistant;
        let answer = commit!(db, |write| message_insert(write, answer)).id;
        assert!(
            commit!(db, |write| message_replace(write, chat.id, answer, vec![Part::text("x")])).is_none(),
            "only a user's message can be edited"
        );
        let edited = commit!(db, |write| message_replace(write, chat.id, ids[1], vec![Part::text("new")])).unwrap();
        assert_eq!((edited.content.as_slice(), edited.revision), (&[Part::text("new")][..], 2));
        assert_eq!(commit!(db, |write| messages_hide_after(write, chat.id, ids[1])), 2);
        assert_eq!(commit!(db, |write| messages_hide_after(write, chat.id, ids[1])), 0);
        assert_eq!(read!(db, |session| message_last_id(session, chat.id)), ids[1]);
        assert!(read!(db, |session| message_get(session, chat.id, ids[2])).is_none());
        assert!(commit!(db, |write| message_replace(write, chat.id, ids[2], vec![Part::text("x")])).is_none());
        let visible = read!(db, |session| messages_for_turn(session, chat.id, 50));
        assert_eq!(visible.iter().map(|message| message.id).collect::<Vec<_>>(), ids[..2]);
        let next = commit!(db, |write| message_insert(write, user_message(chat.id, "next"))).id;
        assert!(next > answer, "ids of hidden messages are not used again");
    }
}
