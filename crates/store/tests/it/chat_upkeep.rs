//! Boundaries of a model's view, titles made by a model, chats that are archived by themselves (behaviour 24).

use crate::support::{START, chat, commit, insert_chat, insert_user, read, store};
use api::{
    Timestamp,
    chats::{ChatMode, ChatStatus, TurnError},
    messages::{MessageRole, Part},
};
use domain::{boundary, chat_settings::ChatSettings};
use store::{chats::*, messages::*, settings};
use testkit::both_engines;

fn said(chat: &ChatRecord, role: MessageRole, words: &str) -> NewMessage {
    NewMessage {
        chat_id: chat.id,
        role,
        content: vec![Part::text(words)],
        model_config_id: None,
        usage: None,
        interrupted: false,
        created_at: START,
    }
}

fn drawn(chat: &ChatRecord, summary: Option<&str>, replay_from: Option<i64>) -> NewBoundary {
    let shown = match summary {
        Some(summary) => boundary::shown_summary("1", summary, boundary::Cause::Asked, START, START),
        None => boundary::shown_clear("2", START),
    };
    NewBoundary {
        chat_id: chat.id,
        summary: summary.map(str::to_owned),
        model_config_id: None,
        replay_from,
        steps: 2,
        calls: 3,
        shown,
        created_at: START,
    }
}

both_engines! {
    async fn a_boundary_is_hidden_shown_by_two_messages_and_gone_with_an_edit_before_it(db: TestDb) {
        let record = insert_chat(&db, ChatStatus::Waiting).await;
        assert_eq!(read!(db, |session| boundary_newest(session, record.id)), None);
        assert!(!read!(db, |session| boundary_is_worthwhile(session, record.id)));
        assert!(!read!(db, |session| context_is_worth_clearing(session, record.id)));
        let first = commit!(db, |write| message_insert(write, said(&record, MessageRole::User, "one")));
        commit!(db, |write| message_insert(write, said(&record, MessageRole::Assistant, "two")));
        assert!(read!(db, |session| boundary_is_worthwhile(session, record.id)));
        let open = commit!(db, |write| message_insert(write, said(&record, MessageRole::User, "three")));
        let (call, result) = commit!(db, |write| boundary_insert(write, drawn(&record, Some("one, two"), Some(open.id))));
        let newest = read!(db, |session| boundary_newest(session, record.id)).unwrap();
        assert_eq!(newest.summary.as_deref(), Some("one, two"));
        assert_eq!((newest.through_id, newest.replay_from, newest.steps, newest.calls), (result.id, Some(open.id), 2, 3));
        assert!(open.id < newest.message_id && newest.message_id < call.id, "{newest:?}");
        assert!(!read!(db, |session| boundary_is_worthwhile(session, record.id)));
        assert!(read!(db, |session| context_is_worth_clearing(session, record.id)), "a summary is something said");
        let visible = read!(db, |session| messages_for_turn(session, record.id, 100));
        assert_eq!(visible.iter().map(|message| message.id).collect::<Vec<_>>(), [first.id, first.id + 1, open.id, call.id, result.id]);
        let again = read!(db, |session| user_messages_between(session, record.id, open.id, newest.message_id, 10));
        assert_eq!(again.iter().map(|message| message.id).collect::<Vec<_>>(), [open.id]);

        commit!(db, |write| boundary_insert(write, drawn(&record, None, None)));
        let cleared = read!(db, |session| boundary_newest(session, record.id)).unwrap();
        assert_eq!((cleared.summary, cleared.replay_from), (None, None));
        assert!(read!(db, |session| boundary_is_cleared_after(session, record.id, open.id)));
        assert!(!read!(db, |session| context_is_worth_clearing(session, record.id)));
        // Back to behind the summary, then to before it.
        commit!(db, |write| messages_hide_after(write, record.id, result.id));
        assert_eq!(read!(db, |session| boundary_newest(session, record.id)), Some(newest));
        commit!(db, |write| messages_hide_after(write, record.id, first.id));
        assert_eq!(read!(db, |session| boundary_newest(session, record.id)), None);
        let owner = record.owner_id;
        assert!(commit!(db, |write| chat_delete(write, owner, record.id)));
        assert_eq!(db.number("SELECT COUNT(*) FROM messages").await, 0);
    }

    async fn kinds_and_percentages_are_guarded(db: TestDb) {
        let record = insert_chat(&db, ChatStatus::Waiting).await;
        commit!(db, |write| boundary_insert(write, drawn(&record, None, None)));
        assert!(db.raw("UPDATE chat_boundaries SET kind = 'other'").await.is_err());
        commit!(db, |write| own_threshold_put(write, record.owner_id, 70));
        assert!(db.raw("UPDATE user_chat_settings SET compaction_threshold = 101").await.is_err());
        assert_eq!(read!(db, |session| own_threshold_get(session, record.owner_id)), 70);
        assert_eq!(read!(db, |session| compaction_thresholds(session, record.owner_id, record.id)), (70, 0));
        commit!(db, |write| own_threshold_put(write, record.owner_id, 0));
        assert_eq!(read!(db, |session| own_threshold_get(session, record.owner_id)), 0);
    }

    async fn a_wish_for_a_summary_is_kept_until_it_is_taken_away(db: TestDb) {
        let record = insert_chat(&db, ChatStatus::Waiting).await;
        assert_eq!(read!(db, |session| compaction_request_get(session, record.id)), None);
        for resume in [false, true] {
            commit!(db, |write| compaction_request_put(write, record.id, resume, START));
            assert_eq!(read!(db, |session| compaction_request_get(session, record.id)), Some(resume));
        }
        commit!(db, |write| compaction_request_delete(write, record.id));
        assert_eq!(read!(db, |session| compaction_request_get(session, record.id)), None);
    }

    async fn a_title_made_by_a_model_never_replaces_another(db: TestDb) {
        let record = insert_chat(&db, ChatStatus::Waiting).await;
        let as_read = (record.title.as_str(), record.title_source.as_str());
        let titled = commit!(db, |write| chat_title_generated(write, record.id, as_read, "Better")).unwrap();
        assert_eq!((titled.title.as_str(), titled.title_source.as_str()), ("Better", "generated"));
        assert_eq!((titled.updated_at, titled.snapshot_version), (record.updated_at, record.snapshot_version + 1));
        let mut own = titled;
        own.title_source = "user".to_owned();
        commit!(db, |write| chat_update_fields(write, &own));
        assert!(commit!(db, |write| chat_title_generated(write, record.id, ("Better", "generated"), "Worse")).is_none());
        assert_eq!(read!(db, |session| chat_get_any(session, record.id)).unwrap().title, "Better");
    }

    async fn old_chats_are_archived_unless_pinned_busy_or_waited_for(db: TestDb) {
        let owner = insert_user(&db, "ada").await.user.id;
        let error = TurnError { code: "internal".to_owned(), message: "It broke.".to_owned(), retryable: true };
        let mut expected = Vec::new();
        for (status, pinned, queued, age, goes) in [
            (ChatStatus::Waiting, 0, 0, 10, true),
            (ChatStatus::Error, 0, 0, 9, true),
            (ChatStatus::Error, 0, 1, 9, false),
            (ChatStatus::Waiting, 1, 0, 10, false),
            (ChatStatus::Running, 0, 0, 10, false),
            (ChatStatus::RequiresAction, 0, 0, 10, false),
            (ChatStatus::Waiting, 0, 0, 0, false),
        ] {
            let mut record = chat(owner, status);
            record.last_error = (status == ChatStatus::Error).then(|| error.clone());
            (record.pin_order, record.queue_length) = (pinned, queued);
            record.updated_at = START.plus_seconds(-age);
            commit!(db, |write| chat_insert(write, &record));
            if goes {
                expected.push(record.id);
            }
        }
        let before: Timestamp = START.plus_seconds(-5);
        let first = commit!(db, |write| chats_auto_archive(write, before, 1));
        assert_eq!(first.len(), 1);
        assert!(first[0].archived && first[0].id == expected[0], "the oldest first");
        let second = commit!(db, |write| chats_auto_archive(write, before, 10));
        assert_eq!(second.iter().map(|record| record.id).collect::<Vec<_>>(), expected[1..]);
        assert!(commit!(db, |write| chats_auto_archive(write, before, 10)).is_empty());
    }

    async fn a_chat_is_archived_with_its_subagents_and_not_while_one_works(db: TestDb) {
        let owner = insert_user(&db, "owner").await.user.id;
        let at = |seconds: i64, parent: Option<&ChatRecord>, status: ChatStatus| ChatRecord {
            parent_chat_id: parent.map(|parent| parent.id),
            mode: parent.map(|_| ChatMode::General),
            updated_at: START.plus_seconds(seconds),
            ..chat(owner, status)
        };
        let (idle, waits_for, recent) =
            (at(-10, None, ChatStatus::Waiting), at(-10, None, ChatStatus::Waiting), at(0, None, ChatStatus::Waiting));
        let below = [
            at(0, Some(&idle), ChatStatus::Waiting),
            at(-10, Some(&waits_for), ChatStatus::Running),
            at(-10, Some(&recent), ChatStatus::Waiting),
        ];
        for record in [&idle, &waits_for, &recent].into_iter().chain(&below) {
            commit!(db, |write| chat_insert(write, record));
        }
        let archived = commit!(db, |write| chats_auto_archive(write, START.plus_seconds(-5), 10));
        let ids: Vec<_> = archived.iter().map(|record| record.id).collect();
        assert_eq!(ids, [idle.id, below[0].id], "neither one whose subagent works, nor a subagent alone");
    }

    async fn settings_of_chats_are_read_together(db: TestDb) {
        assert_eq!(read!(db, |session| settings::chat_settings(session)), ChatSettings::default());
        commit!(db, |write| settings::setting_put(write, "chat.auto-archive-days", "30"));
        commit!(db, |write| settings::setting_put(write, "chatter", "1"));
        let found = read!(db, |session| settings::chat_settings(session));
        assert_eq!(found, ChatSettings { auto_archive_days: 30, ..ChatSettings::default() });
    }
}
