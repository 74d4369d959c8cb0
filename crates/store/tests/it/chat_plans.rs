//! Plans of chats: versions, once per call, gone with their chat.

use crate::support::{START, commit, id, insert_chat, read, store};
use api::chats::ChatStatus;
use store::{
    chat_plans::{PlanWrite, plan_get, plan_write},
    chats::{chat_delete, chat_get_any, lease_stands_for_update},
};
use testkit::both_engines;

both_engines! {
    async fn each_call_writes_one_version(db: TestDb) {
        let chat = insert_chat(&db, ChatStatus::Running).await;
        let other = insert_chat(&db, ChatStatus::Running).await;
        let plan = |content: &'static str, message_id: i64, tool_call_id: &'static str| PlanWrite {
            chat_id: chat.id, content, message_id, tool_call_id, at: START, keep: 2,
        };
        assert_eq!(read!(db, |session| plan_get(session, chat.id)), None);
        for (content, message, call, version) in
            [("one", 1, "a", 1), ("two", 1, "b", 2), ("one again", 1, "a", 1), ("nul \0", 2, "a", 3), ("x", 1, "b", 2)]
        {
            let written = commit!(db, |write| plan_write(write, plan(content, message, call)));
            assert_eq!(written, version, "{content}");
        }
        let newest = read!(db, |session| plan_get(session, chat.id)).unwrap();
        assert_eq!((newest.version, newest.content.as_str()), (3, "nul \u{fffd}"));
        assert_eq!(read!(db, |session| chat_get_any(session, chat.id)).unwrap().plan_version, 3);
        assert_eq!(db.number("SELECT COUNT(*) FROM chat_plans").await, 2, "older ones are forgotten");
        assert_eq!(read!(db, |session| plan_get(session, other.id)), None);
        assert!(commit!(db, |write| chat_delete(write, chat.owner_id, chat.id)));
        assert_eq!(db.number("SELECT COUNT(*) FROM chat_plans").await, 0);
    }

    async fn only_who_has_the_lease_writes(db: TestDb) {
        let chat = insert_chat(&db, ChatStatus::Running).await;
        let holder = id();
        let claimed = commit!(db, |write| store::chats::lease_claim(write, chat.id, holder, std::time::Duration::from_secs(9)))
            .unwrap();
        let stands = |who, epoch| (who, epoch);
        for ((who, epoch), wanted) in [
            (stands(holder, claimed.lease_epoch), true),
            (stands(holder, claimed.lease_epoch - 1), false),
            (stands(id(), claimed.lease_epoch), false),
        ] {
            assert_eq!(commit!(db, |write| lease_stands_for_update(write, chat.id, who, epoch)), wanted);
        }
    }
}
