//! Files of chats: whose they are, which chat has them, and when they go.

use crate::support::{START, commit, id, insert_chat, insert_user, read, store};
use api::{Uuid, chats::ChatStatus};
use store::files::*;
use testkit::both_engines;

fn file(owner: Uuid, seconds: i64) -> FileRecord {
    FileRecord {
        id: id(),
        owner_id: owner,
        chat_id: None,
        name: "notes \u{1f600}.txt".to_owned(),
        media_type: "text/plain".to_owned(),
        size: 3,
        created_at: START.plus_seconds(seconds),
    }
}

both_engines! {
    async fn a_file_belongs_to_one_chat_and_goes_with_it(db: TestDb) {
        let (chat, other) = (insert_chat(&db, ChatStatus::Waiting).await, insert_chat(&db, ChatStatus::Waiting).await);
        let (owner, stranger) = (chat.owner_id, insert_user(&db, "bob").await.user.id);
        let kept = file(owner, 0);
        commit!(db, |write| file_insert(write, &kept, &[0, 1, 255]));
        assert_eq!(read!(db, |session| file_get(session, owner, kept.id)), Some(kept.clone()));
        assert_eq!(read!(db, |session| file_get(session, stranger, kept.id)), None);
        assert!(!commit!(db, |write| file_attach(write, stranger, chat.id, kept.id)));
        assert!(commit!(db, |write| file_attach(write, owner, chat.id, kept.id)));
        assert!(commit!(db, |write| file_attach(write, owner, chat.id, kept.id)), "named again, in an edit");
        assert!(!commit!(db, |write| file_attach(write, owner, other.id, kept.id)), "it has a chat");
        assert_eq!(read!(db, |session| file_data_in_chat(session, chat.id, kept.id)), Some(vec![0, 1, 255]));
        assert_eq!(read!(db, |session| file_data_in_chat(session, other.id, kept.id)), None);
        assert!(commit!(db, |write| store::chats::chat_delete(write, owner, chat.id)));
        assert_eq!(read!(db, |session| file_data(session, kept.id)), None);
    }

    async fn the_oldest_make_room_and_what_nobody_names_goes(db: TestDb) {
        let chat = insert_chat(&db, ChatStatus::Waiting).await;
        let files: Vec<FileRecord> = (0..4).map(|n| file(chat.owner_id, n)).collect();
        for one in &files {
            commit!(db, |write| file_insert(write, one, b"abc"));
        }
        for one in &files[..3] {
            commit!(db, |write| file_attach(write, chat.owner_id, chat.id, one.id));
        }
        assert_eq!(commit!(db, |write| files_evict(write, chat.id, 2)), 1);
        assert_eq!(read!(db, |session| file_data(session, files[0].id)), None, "the oldest");
        assert!(read!(db, |session| file_data(session, files[3].id)).is_some(), "another's room");
        assert_eq!(commit!(db, |write| files_loose_evict(write, chat.owner_id, 1)), 0);
        assert_eq!(commit!(db, |write| files_loose_sweep(write, START.plus_seconds(3))), 0);
        assert_eq!(commit!(db, |write| files_loose_sweep(write, START.plus_seconds(4))), 1);
        assert!(read!(db, |session| file_data(session, files[1].id)).is_some(), "it is in a chat");
    }
}
