//! Subagents as rows: below their chat, found by the call that made them, gone with their chat.

use crate::support::{START, chat, commit, insert_chat, insert_user, read, refused, store};
use api::chats::{ChatMode, ChatStatus};
use store::chats::*;
use testkit::both_engines;

fn below(parent: &ChatRecord, seconds: i64) -> ChatRecord {
    ChatRecord {
        parent_chat_id: Some(parent.id),
        mode: Some(ChatMode::General),
        created_at: START.plus_seconds(seconds),
        ..chat(parent.owner_id, ChatStatus::Waiting)
    }
}

fn by(message_id: i64, tool_call_id: &str) -> SpawnedBy<'_> {
    SpawnedBy { message_id, tool_call_id }
}

both_engines! {
    async fn a_call_makes_one_subagent_and_finds_it_again(db: TestDb) {
        let parent = insert_chat(&db, ChatStatus::Waiting).await;
        let (first, second) = (below(&parent, 2), below(&parent, 1));
        assert_eq!(read!(db, |session| child_spawned(session, parent.id, by(7, "a"))), None);
        commit!(db, |write| child_insert(write, &first, by(7, "a")));
        commit!(db, |write| child_insert(write, &second, by(7, "b")));
        assert_eq!(read!(db, |session| child_spawned(session, parent.id, by(7, "a"))), Some(first.clone()));
        let third = below(&parent, 3);
        refused!(db, |write| child_insert(write, &third, by(7, "a")));
        // The same call id in another message is another call.
        commit!(db, |write| child_insert(write, &third, by(8, "a")));
        let children = read!(db, |session| chat_children(session, parent.id));
        assert_eq!(children.iter().map(|child| child.id).collect::<Vec<_>>(), [second.id, first.id, third.id]);
        assert_eq!(commit!(db, |write| chat_children_for_update(write, parent.id)), children);
        let other = insert_chat(&db, ChatStatus::Waiting).await;
        let of_both = read!(db, |session| chats_children(session, &[other.id, parent.id]));
        assert_eq!(of_both, children);
        assert_eq!(read!(db, |session| chats_children(session, &[])), []);
    }

    async fn subagents_are_in_no_list_and_go_with_their_chat(db: TestDb) {
        let parent = insert_chat(&db, ChatStatus::Waiting).await;
        let child = below(&parent, 1);
        commit!(db, |write| child_insert(write, &child, by(1, "a")));
        let list = read!(db, |session| chat_list(session, parent.owner_id, ChatFilter::default(), 10, None));
        assert_eq!(list.iter().map(|chat| chat.id).collect::<Vec<_>>(), [parent.id]);
        let watched = read!(db, |session| chats_watched(session, parent.owner_id, 10));
        assert_eq!(watched.len(), 2, "who watches is told of them");
        let mut running = below(&parent, 2);
        running.status = ChatStatus::Running;
        commit!(db, |write| child_insert(write, &running, by(1, "b")));
        assert_eq!(read!(db, |session| chats_due(session, 10)), [(running.id, true)]);
        assert!(commit!(db, |write| chat_delete(write, parent.owner_id, parent.id)));
        for id in [child.id, running.id] {
            assert_eq!(read!(db, |session| chat_get_any(session, id)), None);
        }
    }

    async fn every_change_of_the_list_moves_its_mark(db: TestDb) {
        let owner = insert_user(&db, "ada").await.user.id;
        let mut record = chat(owner, ChatStatus::Waiting);
        let mut marks = vec![read!(db, |session| chats_mark(session, owner))];
        commit!(db, |write| chat_insert(write, &record));
        marks.push(read!(db, |session| chats_mark(session, owner)));
        record.title = "Another".to_owned();
        commit!(db, |write| chat_update_fields(write, &record));
        marks.push(read!(db, |session| chats_mark(session, owner)));
        assert_eq!(read!(db, |session| chats_mark(session, owner)), marks[2], "a look changes nothing");
        commit!(db, |write| chat_delete(write, owner, record.id));
        marks.push(read!(db, |session| chats_mark(session, owner)));
        assert_eq!((marks[0].count, marks[3]), (0, marks[0]), "as before there was one");
        assert!(marks[0] != marks[1] && marks[1] != marks[2] && marks[2] != marks[3]);
    }
}
