//! Workspaces: whose they are, and which chats use them.

use crate::support::{START, commit, id, insert_chat, insert_user, read, sealed, store};
use api::{Uuid, chats::ChatStatus};
use store::{
    chats::{chat_get, chat_update_fields},
    workspaces::*,
};
use testkit::both_engines;

pub(crate) fn workspace(owner: Uuid) -> WorkspaceRecord {
    WorkspaceRecord {
        id: id(),
        owner_id: owner,
        name: "Project".to_owned(),
        description: String::new(),
        mcp_json: sealed(b"document", "1111111111111111"),
        document_version: 1,
        created_at: START,
        updated_at: START,
    }
}

both_engines! {
    async fn a_workspace_is_its_owners_alone_and_serves_the_chats_that_are_bound_to_it(db: TestDb) {
        let mut chat = insert_chat(&db, ChatStatus::Waiting).await;
        let (mine, other) = (workspace(chat.owner_id), insert_user(&db, "bob").await.user.id);
        commit!(db, |write| workspace_insert(write, &mine));
        assert!(read!(db, |session| workspace_get(session, chat.owner_id, mine.id)).is_some());
        assert!(read!(db, |session| workspace_get(session, other, mine.id)).is_none());
        assert!(read!(db, |session| workspace_list(session, other)).is_empty());
        assert_eq!(read!(db, |session| workspace_count(session, chat.owner_id)), 1);
        assert!(read!(db, |session| workspace_of_chat(session, chat.id)).is_none());
        chat.workspace_id = Some(mine.id);
        commit!(db, |write| chat_update_fields(write, &chat));
        let found = read!(db, |session| workspace_of_chat(session, chat.id)).unwrap();
        assert_eq!((found.id, found.mcp_json.ciphertext), (mine.id, mine.mcp_json.ciphertext.clone()));
        let changed = WorkspaceRecord { name: "Other".to_owned(), document_version: 2, ..mine.clone() };
        commit!(db, |write| workspace_update(write, &changed));
        let locked = commit!(db, |write| workspace_get_for_update(write, chat.owner_id, mine.id)).unwrap();
        assert_eq!((locked.name.as_str(), locked.document_version), ("Other", 2));
        // A binding that is not the owner's is none, however it came about.
        let foreign = workspace(other);
        commit!(db, |write| workspace_insert(write, &foreign));
        chat.workspace_id = Some(foreign.id);
        commit!(db, |write| chat_update_fields(write, &chat));
        assert!(read!(db, |session| workspace_of_chat(session, chat.id)).is_none());
        assert!(!commit!(db, |write| workspace_delete(write, chat.owner_id, foreign.id)));
        assert!(commit!(db, |write| workspace_delete(write, other, foreign.id)));
        let kept = read!(db, |session| chat_get(session, chat.owner_id, chat.id)).unwrap();
        assert_eq!(kept.workspace_id, None, "its chats stay");
    }
}
