//! Messages that wait, and the states that the table admits.

use crate::support::{START, chat, commit, id, insert_chat, insert_user, read, refused, store};
use api::{Uuid, chats::ChatStatus, messages::Part};
use domain::chat::ChatState;
use store::{
    chats::*,
    messages::{NewMessage, message_insert},
};
use testkit::{TestDb, both_engines};

fn new(chat_id: Uuid, text: &str) -> NewQueued {
    NewQueued {
        plan_mode: None,
        chat_id,
        content: vec![Part::text(text)],
        size: i64::try_from(text.len()).unwrap(),
        model_config_id: None,
        mcp_server_ids: None,
        created_at: START,
    }
}

async fn wait(db: &TestDb, chat: &ChatRecord, place: QueuePlace, text: &str) -> (ChatRecord, QueuedRecord) {
    let step = Transition::stay(chat, START).queue(1);
    let after =
        commit!(db, |write| chat_transition(write, &chat.fence(), &step)).expect("nobody else writes");
    let queued = commit!(db, |write| queue_insert(write, place, new(chat.id, text)));
    (after, queued)
}

async fn texts(db: &TestDb, chat: Uuid) -> Vec<String> {
    let queue = read!(db, |session| queue_list(session, chat));
    let text = |queued: QueuedRecord| match &queued.content[0] {
        Part::Text(text) => text.text.clone(),
        other => panic!("{other:?}"),
    };
    queue.into_iter().map(text).collect()
}

both_engines! {
    async fn the_table_admits_exactly_the_legal_states(db: TestDb) {
        let owner = insert_user(&db, "ada").await.user.id;
        let mut admitted = 0;
        for status in ChatStatus::ALL {
            for queued in [-1, 0, 1, 100, 101] {
                for archived in [false, true] {
                    let mut record = chat(owner, status);
                    record.last_error = (status == ChatStatus::Error).then(|| api::chats::TurnError { code: "internal".to_owned(), message: "It broke.".to_owned(), retryable: true });
                    record.queue_length = queued;
                    record.archived = archived;
                    let mut write = db.write().await.unwrap();
                    let stored = chat_insert(&mut write, &record).await;
                    let legal = ChatState { status, queued, archived }.is_legal();
                    assert_eq!(stored.is_ok(), legal, "{status:?} {queued} {archived}: {stored:?}");
                    admitted += u32::from(legal);
                }
            }
        }
        // waiting 2, the three busy ones 3 each, error 6.
        assert_eq!(admitted, 17);
    }

    async fn messages_wait_in_order_and_the_first_is_first(db: TestDb) {
        let chat = insert_chat(&db, ChatStatus::Running).await;
        let (chat, _) = wait(&db, &chat, QueuePlace::Last, "one").await;
        let (chat, two) = wait(&db, &chat, QueuePlace::Last, "two").await;
        let (chat, _) = wait(&db, &chat, QueuePlace::First, "zero").await;
        assert_eq!((chat.queue_length, chat.queue_version, chat.status), (3, 3, ChatStatus::Running));
        assert_eq!(texts(&db, chat.id).await, ["zero", "one", "two"]);
        assert_eq!(read!(db, |session| queue_size(session, chat.id)), 10);
        assert!(commit!(db, |write| queue_first(write, chat.id, two.id)));
        assert_eq!(texts(&db, chat.id).await, ["two", "zero", "one"]);
        let head = commit!(db, |write| queue_head_for_update(write, chat.id)).unwrap();
        assert_eq!(head.id, two.id);
        let other = insert_chat(&db, ChatStatus::Running).await;
        assert!(!commit!(db, |write| queue_first(write, other.id, two.id)), "of another chat");
        assert!(read!(db, |session| queue_get(session, other.id, two.id)).is_none());
        assert!(commit!(db, |write| queue_head_for_update(write, other.id)).is_none());
    }

    async fn what_ended_is_found_by_repeated_requests_only(db: TestDb) {
        let chat = insert_chat(&db, ChatStatus::Running).await;
        let (chat, one) = wait(&db, &chat, QueuePlace::Last, "one").await;
        let (chat, two) = wait(&db, &chat, QueuePlace::Last, "two").await;
        let message = NewMessage {
            chat_id: chat.id, role: api::messages::MessageRole::User, content: one.content.clone(), model_config_id: None,
            usage: None, interrupted: false, created_at: START,
        };
        let message = commit!(db, |write| message_insert(write, message));
        commit!(db, |write| queue_promoted(write, chat.id, one.id, message.id));
        assert!(commit!(db, |write| queue_remove(write, chat.id, two.id)));
        assert!(!commit!(db, |write| queue_remove(write, chat.id, two.id)), "once");
        assert!(!commit!(db, |write| queue_remove(write, chat.id, one.id)), "it is no longer a waiting one");
        assert!(read!(db, |session| queue_get(session, chat.id, one.id)).is_none());
        let found = read!(db, |session| queue_find(session, chat.id, one.id)).unwrap();
        assert_eq!((found.message_id, found.content), (Some(message.id), one.content));
        assert_eq!(read!(db, |session| queue_find(session, chat.id, two.id)).unwrap().message_id, None);
        assert!(read!(db, |session| queue_find(session, id(), two.id)).is_none());
        assert_eq!(commit!(db, |write| queue_prune(write, START.plus_seconds(1))), 2);
        assert!(read!(db, |session| queue_find(session, chat.id, one.id)).is_none());
    }

    async fn a_count_without_its_message_is_an_error_and_no_idle_chat(db: TestDb) {
        let mut broken = chat(insert_user(&db, "ada").await.user.id, ChatStatus::Running);
        broken.queue_length = 1;
        commit!(db, |write| chat_insert(write, &broken));
        let error = refused!(db, |write| queue_head_for_update(write, broken.id));
        assert!(matches!(error, store::StoreError::Inconsistent { column: "queue_length", .. }), "{error:?}");
    }

    async fn clearing_takes_back_whatever_waits(db: TestDb) {
        let chat = insert_chat(&db, ChatStatus::Running).await;
        let (chat, _) = wait(&db, &chat, QueuePlace::Last, "one").await;
        let (chat, _) = wait(&db, &chat, QueuePlace::Last, "two").await;
        assert_eq!(commit!(db, |write| queue_clear(write, chat.id)), 2);
        assert!(texts(&db, chat.id).await.is_empty());
    }
}
