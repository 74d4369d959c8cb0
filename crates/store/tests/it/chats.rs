//! Chats: rows, lists, fenced transitions, idempotency keys.

use crate::support::{
    START, assert_conflict, chat, commit, id, insert_chat, insert_user, read, refused, store,
};
use api::chats::{ChatStatus, TurnError};
use std::{collections::BTreeMap, time::Duration};
use store::{chats::*, clock::database_now, messages::*};
use testkit::both_engines;

fn turn_error() -> TurnError {
    TurnError { code: "model_auth".to_owned(), message: "The key was refused.".to_owned(), retryable: false }
}

both_engines! {
    async fn a_chat_is_read_back_as_it_was_written(db: TestDb) {
        let owner = insert_user(&db, "ada").await;
        for status in ChatStatus::ALL {
            let mut record = chat(owner.user.id, status);
            record.last_error = (status == ChatStatus::Error).then(turn_error);
            record.labels = BTreeMap::from([("a".to_owned(), "\u{1f600}\"'\\".to_owned())]);
            record.lease_holder = Some(id());
            record.lease_expires_at = Some(START);
            commit!(db, |write| chat_insert(write, &record));
            assert_eq!(read!(db, |session| chat_get(session, owner.user.id, record.id)).unwrap(), record);
            assert_eq!(read!(db, |session| chat_get_any(session, record.id)).unwrap(), record);
            assert_eq!(commit!(db, |write| chat_get_for_update(write, owner.user.id, record.id)).unwrap(), record);
        }
    }

    async fn a_chat_of_somebody_else_is_not_there(db: TestDb) {
        let record = insert_chat(&db, ChatStatus::Waiting).await;
        let other = insert_user(&db, "mallory").await.user.id;
        assert!(read!(db, |session| chat_get(session, other, record.id)).is_none());
        assert!(commit!(db, |write| chat_get_for_update(write, other, record.id)).is_none());
        assert!(!commit!(db, |write| chat_delete(write, other, record.id)));
        assert!(read!(db, |session| chat_list(session, other, ChatFilter::default(), 100, None)).is_empty());
        assert!(read!(db, |session| chat_list(session, other, ChatFilter::default(), 100, Some(record.id))).is_empty());
    }

    async fn a_chat_needs_its_owner_and_its_model(db: TestDb) {
        let orphan = chat(id(), ChatStatus::Waiting);
        assert!(matches!(refused!(db, |write| chat_insert(write, &orphan)), store::StoreError::Conflict { .. }));
        let mut record = insert_chat(&db, ChatStatus::Waiting).await;
        record.model_config_id = Some(id());
        assert!(matches!(refused!(db, |write| chat_update_fields(write, &record)), store::StoreError::Conflict { .. }));
    }

    async fn chats_are_listed_last_changed_first_in_pages_by_archive(db: TestDb) {
        let owner = insert_user(&db, "ada").await.user.id;
        let mut expected = Vec::new();
        for n in 0..7_i64 {
            let mut record = chat(owner, ChatStatus::Waiting);
            // Two of them changed in the same microsecond: the id decides.
            record.updated_at = START.plus_seconds(n / 2);
            record.archived = n == 3;
            commit!(db, |write| chat_insert(write, &record));
            expected.push((record.updated_at, record.id, record.archived));
        }
        expected.sort_by_key(|row| std::cmp::Reverse((row.0, row.1)));
        for archived in [false, true] {
            let mut seen = Vec::new();
            let mut after = None;
            let filter = ChatFilter { archived, label: None };
            loop {
                let page = read!(db, |session| chat_list(session, owner, filter, 2, after));
                let Some(last) = page.last() else { break };
                after = Some(last.id);
                seen.extend(page.iter().map(|record| record.id));
            }
            let expected: Vec<_> =
                expected.iter().filter(|(_, _, is)| *is == archived).map(|(_, id, _)| *id).collect();
            assert_eq!(seen, expected, "{archived}");
        }
    }

    async fn pinned_chats_come_first_in_their_order_and_labels_filter(db: TestDb) {
        let owner = insert_user(&db, "ada").await.user.id;
        let mut ids = Vec::new();
        for (n, pin_order, label) in [(0, 0, Some("web")), (1, 2, None), (2, 1, Some("web")), (3, 0, Some("db")), (4, 1, None)] {
            let mut record = chat(owner, ChatStatus::Waiting);
            record.updated_at = START.plus_seconds(n);
            record.pin_order = pin_order;
            record.labels = label.map(|value| ("team/area".to_owned(), value.to_owned())).into_iter().collect();
            commit!(db, |write| chat_insert(write, &record));
            ids.push(record.id);
        }
        let all = |label: Option<(&'static str, Option<&'static str>)>| {
            let db = db.clone();
            async move {
                let (mut seen, mut after) = (Vec::new(), None);
                loop {
                    let filter = ChatFilter { archived: false, label };
                    let page = read!(db, |session| chat_list(session, owner, filter, 2, after));
                    let Some(last) = page.last() else { break seen };
                    after = Some(last.id);
                    seen.extend(page.iter().map(|record| record.id));
                }
            }
        };
        let expect = |order: &[usize]| order.iter().map(|at| ids[*at]).collect::<Vec<_>>();
        assert_eq!(all(None).await, expect(&[4, 2, 1, 3, 0]));
        assert_eq!(all(Some(("team/area", None))).await, expect(&[2, 3, 0]));
        assert_eq!(all(Some(("team/area", Some("web")))).await, expect(&[2, 0]));
        assert!(all(Some(("team", None))).await.is_empty(), "a key is whole");
    }

    async fn busy_chats_are_those_of_the_user_with_a_turn_under_way(db: TestDb) {
        insert_chat(&db, ChatStatus::Running).await;
        let owner = insert_user(&db, "ada").await.user.id;
        let mut expected = Vec::new();
        for status in ChatStatus::ALL {
            let mut record = chat(owner, status);
            record.last_error = (status == ChatStatus::Error).then(turn_error);
            commit!(db, |write| chat_insert(write, &record));
            if status.is_busy() {
                expected.push(record.id);
            }
        }
        let mut busy = read!(db, |session| chats_busy(session, owner));
        busy.sort();
        expected.sort();
        assert_eq!(busy, expected);
    }

    async fn what_people_set_is_written_and_nothing_else(db: TestDb) {
        let before = insert_chat(&db, ChatStatus::Waiting).await;
        let mut after = before.clone();
        after.title = "Other".to_owned();
        after.pin_order = 3;
        after.title_source = "user".to_owned();
        after.archived = true;
        after.labels = BTreeMap::new();
        after.mcp_server_ids = vec![];
        after.updated_at = START.plus_seconds(4);
        // Not theirs to set:
        after.status = ChatStatus::Running;
        after.history_version = 99;
        after.lease_epoch = 99;
        after.queue_length = 9;
        assert!(commit!(db, |write| chat_update_fields(write, &after)));
        after.status = before.status;
        after.history_version = before.history_version;
        after.lease_epoch = before.lease_epoch;
        after.queue_length = before.queue_length;
        after.snapshot_version = before.snapshot_version + 1;
        assert_eq!(read!(db, |session| chat_get_any(session, before.id)).unwrap(), after);
        after.id = id();
        assert!(!commit!(db, |write| chat_update_fields(write, &after)));
    }

    async fn a_deleted_chat_takes_messages_ledger_and_keys_along(db: TestDb) {
        let record = insert_chat(&db, ChatStatus::Running).await;
        let message = commit!(db, |write| message_insert(write, crate::messages::user_message(record.id, "hi")));
        commit!(db, |write| store::tool_calls::tool_call_intent_insert(
            write,
            &crate::tool_calls::intent(&record, message.id, "c1")
        ));
        let key = IdempotencyRecord {
            request_hash: vec![1], chat_id: record.id, made: Made::Message(message.id), created_at: START,
        };
        commit!(db, |write| idempotency_put(write, record.owner_id, "k", &key));
        assert!(commit!(db, |write| chat_delete(write, record.owner_id, record.id)));
        for table in ["chats", "messages", "tool_calls", "idempotency_keys"] {
            assert_eq!(db.number(&format!("SELECT COUNT(*) FROM {table}")).await, 0, "{table}");
        }
    }

    async fn a_deleted_user_takes_chats_along(db: TestDb) {
        let record = insert_chat(&db, ChatStatus::Waiting).await;
        commit!(db, |write| message_insert(write, crate::messages::user_message(record.id, "hi")));
        commit!(db, |write| store::users::user_delete(write, record.owner_id));
        assert_eq!(db.number("SELECT COUNT(*) FROM chats").await + db.number("SELECT COUNT(*) FROM messages").await, 0);
    }

    async fn a_transition_moves_what_it_names_and_raises_the_versions(db: TestDb) {
        let before = insert_chat(&db, ChatStatus::Waiting).await;
        let at = START.plus_seconds(3);
        let step = Transition::to(ChatStatus::Running, at).history();
        let after = commit!(db, |write| chat_transition(write, &before.fence(), &step)).unwrap();
        let mut expected = before.clone();
        expected.status = ChatStatus::Running;
        expected.updated_at = at;
        expected.history_version += 1;
        expected.snapshot_version += 1;
        assert_eq!(after, expected);
        assert_eq!(read!(db, |session| chat_get_any(session, before.id)).unwrap(), expected);

        let step = Transition::to(ChatStatus::Running, at).attempt(4);
        let after = commit!(db, |write| chat_transition(write, &after.fence(), &step)).unwrap();
        assert_eq!((after.generation_attempt, after.history_version), (4, expected.history_version));

        let step = Transition::to(ChatStatus::Running, at).rewrite();
        let after = commit!(db, |write| chat_transition(write, &after.fence(), &step)).unwrap();
        assert_eq!((after.generation_attempt, after.edit_version), (0, expected.edit_version + 1));
        assert_eq!(after.history_version, expected.history_version + 1);

        let step = Transition::to(ChatStatus::Running, at).error(turn_error());
        let after = commit!(db, |write| chat_transition(write, &after.fence(), &step)).unwrap();
        assert_eq!((after.status, after.last_error.clone()), (ChatStatus::Error, Some(turn_error())));
        let step = Transition::to(ChatStatus::Running, at);
        let after = commit!(db, |write| chat_transition(write, &after.fence(), &step)).unwrap();
        assert_eq!(after.last_error, None);
    }

    async fn a_stale_fence_changes_nothing(db: TestDb) {
        let before = insert_chat(&db, ChatStatus::Running).await;
        let fresh = before.fence();
        for stale in [
            Fence { status: ChatStatus::Waiting, ..fresh },
            Fence { history_version: fresh.history_version - 1, ..fresh },
            Fence { history_version: fresh.history_version + 1, ..fresh },
            Fence { lease_epoch: fresh.lease_epoch + 1, ..fresh },
            Fence { chat_id: id(), ..fresh },
        ] {
            let step = Transition::to(ChatStatus::Waiting, START.plus_seconds(1)).history();
            assert!(commit!(db, |write| chat_transition(write, &stale, &step)).is_none(), "{stale:?}");
        }
        assert_eq!(read!(db, |session| chat_get_any(session, before.id)).unwrap(), before);
    }

    async fn an_error_without_its_text_is_refused_by_the_database(db: TestDb) {
        let before = insert_chat(&db, ChatStatus::Running).await;
        let step = Transition::to(ChatStatus::Error, START);
        let error = refused!(db, |write| chat_transition(write, &before.fence(), &step));
        assert!(matches!(error, store::StoreError::Statement(_)), "{error:?}");
        let mut step = Transition::to(ChatStatus::Waiting, START);
        step.last_error = Some(turn_error());
        let error = refused!(db, |write| chat_transition(write, &before.fence(), &step));
        assert!(matches!(error, store::StoreError::Statement(_)), "{error:?}");
    }

    async fn a_transition_takes_extends_and_releases_the_lease_by_the_database_clock(db: TestDb) {
        let before = insert_chat(&db, ChatStatus::Waiting).await;
        let holder = id();
        let now = read!(db, |session| database_now(session)).0;
        let lasting = Duration::from_secs(10);
        let step = Transition::to(ChatStatus::Running, START).history().lease(LeaseChange::Take { holder, lasting });
        let taken = commit!(db, |write| chat_transition(write, &before.fence(), &step)).unwrap();
        assert_eq!((taken.lease_holder, taken.lease_epoch), (Some(holder), before.lease_epoch + 1));
        let left = taken.lease_expires_at.unwrap().0 - now;
        assert!((10_000_000 - 2_000..20_000_000).contains(&left), "{left}");

        let lasting = Duration::from_secs(100);
        let step = Transition::to(ChatStatus::Running, START).lease(LeaseChange::Extend { lasting });
        let extended = commit!(db, |write| chat_transition(write, &taken.fence(), &step)).unwrap();
        assert_eq!((extended.lease_holder, extended.lease_epoch), (Some(holder), taken.lease_epoch));
        assert!(extended.lease_expires_at.unwrap().0 - now > 90_000_000);

        let step = Transition::to(ChatStatus::Waiting, START).lease(LeaseChange::Release);
        let released = commit!(db, |write| chat_transition(write, &extended.fence(), &step)).unwrap();
        assert_eq!(
            (released.lease_holder, released.lease_expires_at, released.lease_epoch),
            (None, None, extended.lease_epoch)
        );
    }

    async fn of_two_parallel_transitions_from_one_state_one_wins(db: TestDb) {
        for _ in 0..5 {
            let before = insert_chat(&db, ChatStatus::Waiting).await;
            let tasks: Vec<_> = (0..4)
                .map(|_| {
                    let (db, fence) = (db.clone(), before.fence());
                    tokio::spawn(async move {
                        let step = Transition::to(ChatStatus::Running, START).history();
                        commit!(db, |write| chat_transition(write, &fence, &step)).is_some()
                    })
                })
                .collect();
            let mut won = 0;
            for task in tasks {
                won += usize::from(task.await.unwrap());
            }
            assert_eq!(won, 1);
        }
    }

    async fn a_key_finds_what_it_made_for_its_owner_only(db: TestDb) {
        let record = insert_chat(&db, ChatStatus::Waiting).await;
        let other = insert_chat(&db, ChatStatus::Waiting).await;
        let made = IdempotencyRecord {
            request_hash: vec![7; 32], chat_id: record.id, made: Made::Queued(41), created_at: START,
        };
        assert_eq!(read!(db, |session| idempotency_find(session, record.owner_id, "k")), None);
        commit!(db, |write| idempotency_put(write, record.owner_id, "k", &made));
        assert_eq!(read!(db, |session| idempotency_find(session, record.owner_id, "k")), Some(made.clone()));
        assert_eq!(read!(db, |session| idempotency_find(session, other.owner_id, "k")), None);
        assert_eq!(read!(db, |session| idempotency_find(session, record.owner_id, "K")), None);
        let error = refused!(db, |write| idempotency_put(write, record.owner_id, "k", &made));
        assert_conflict(&error, "idempotency_keys");
        commit!(db, |write| idempotency_put(write, other.owner_id, "k", &made));
    }

    async fn old_keys_are_forgotten(db: TestDb) {
        let record = insert_chat(&db, ChatStatus::Waiting).await;
        for (key, seconds) in [("old", 0), ("new", 10)] {
            let made = IdempotencyRecord {
                request_hash: vec![], chat_id: record.id, made: Made::Message(1), created_at: START.plus_seconds(seconds),
            };
            commit!(db, |write| idempotency_put(write, record.owner_id, key, &made));
        }
        assert_eq!(commit!(db, |write| idempotency_prune(write, START.plus_seconds(10))), 1);
        assert_eq!(db.texts("SELECT key FROM idempotency_keys").await, ["new"]);
    }
}
