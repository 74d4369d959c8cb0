//! Full-text search over one's own chats: what is found on both engines, and what is not any more.

use crate::support::{START, chat, commit, insert_user, read, store};
use api::{
    chats::ChatStatus,
    messages::{MessageRole, Part, ToolCallPart},
};
use store::{chats::*, messages::*};
use testkit::both_engines;

fn words(text: &str) -> Vec<String> {
    text.split(' ').map(str::to_owned).collect()
}

macro_rules! found {
    ($db:expr, $owner:expr, $text:expr) => {{
        let words = words($text);
        let hits = read!($db, |session| chats_search(session, $owner, &words, None, 50));
        hits.into_iter().map(|hit| hit.body).collect::<Vec<_>>()
    }};
}

both_engines! {
    async fn own_titles_and_visible_texts_are_found_and_nothing_else(db: TestDb) {
        let (ada, mallory) = (insert_user(&db, "ada").await.user.id, insert_user(&db, "mallory").await.user.id);
        let mut record = chat(ada, ChatStatus::Waiting);
        record.title = "About Trains".to_owned();
        commit!(db, |write| chat_insert(write, &record));
        let message = |role, content| NewMessage {
            chat_id: record.id,
            role,
            content,
            model_config_id: None,
            usage: None,
            interrupted: false,
            created_at: START,
        };
        let asked = vec![Part::text("Where is the LEASE-epoch of example.com/path_one?")];
        let asked = commit!(db, |write| message_insert(write, message(MessageRole::User, asked)));
        let call = Part::ToolCall(ToolCallPart { tool_name: "secretword".to_owned(), ..ToolCallPart::default() });
        let said = vec![Part::reasoning("thoughtword"), Part::text("In the r\u{e9}sum\u{e9}"), call];
        commit!(db, |write| message_insert(write, message(MessageRole::Assistant, said)));
        commit!(db, |write| message_insert(write, message(MessageRole::Tool, vec![Part::text("toolword")])));

        assert_eq!(found!(db, ada, "train"), ["About Trains"]);
        for text in ["lease", "epoch lease", "example", "com", "path one", "leas"] {
            assert_eq!(found!(db, ada, text).len(), 1, "{text}");
        }
        assert_eq!(found!(db, ada, "r\u{e9}sum\u{e9}"), ["In the r\u{e9}sum\u{e9}"]);
        for text in ["poch", "lease train", "secretword", "thoughtword", "toolword", "a!b", "lease OR", "\"", "*", ""] {
            assert!(found!(db, ada, text).is_empty(), "{text}");
        }
        assert!(found!(db, mallory, "lease").is_empty(), "somebody else's chats are theirs");

        // A title that changes, a message that is edited, one that is hidden.
        record.title = "About Planes".to_owned();
        commit!(db, |write| chat_update_fields(write, &record));
        assert!(found!(db, ada, "trains").is_empty());
        assert_eq!(found!(db, ada, "planes"), ["About Planes"]);
        commit!(db, |write| message_replace(write, record.id, asked.id, vec![Part::text("Something new")]));
        assert!(found!(db, ada, "lease").is_empty());
        assert_eq!(found!(db, ada, "new"), ["Something new"]);
        commit!(db, |write| messages_hide_after(write, record.id, asked.id));
        assert!(found!(db, ada, "r\u{e9}sum\u{e9}").is_empty());
        // What is deleted is gone from the index too.
        assert!(commit!(db, |write| chat_delete(write, ada, record.id)));
        assert!(found!(db, ada, "new").is_empty());
        assert_eq!(db.number("SELECT COUNT(*) FROM search_entries").await, 0);
    }

    async fn hits_come_newest_first_in_pages(db: TestDb) {
        let ada = insert_user(&db, "ada").await.user.id;
        for n in 0..5 {
            let mut record = chat(ada, ChatStatus::Waiting);
            record.title = format!("wombat {n}");
            commit!(db, |write| chat_insert(write, &record));
        }
        let looked_for = words("wombat");
        let first = read!(db, |session| chats_search(session, ada, &looked_for, None, 3));
        let last = first.last().unwrap().id;
        let rest = read!(db, |session| chats_search(session, ada, &looked_for, Some(last), 3));
        let titles: Vec<String> = first.into_iter().chain(rest).map(|hit| hit.title).collect();
        assert_eq!(titles, ["wombat 4", "wombat 3", "wombat 2", "wombat 1", "wombat 0"]);
    }

    async fn a_very_long_text_of_many_words_is_stored_and_found(db: TestDb) {
        let ada = insert_user(&db, "ada").await.user.id;
        let record = chat(ada, ChatStatus::Waiting);
        commit!(db, |write| chat_insert(write, &record));
        let text: String = (0..120_000).map(|n| format!("w{n} ")).collect();
        let long = NewMessage {
            chat_id: record.id,
            role: MessageRole::User,
            content: vec![Part::text(format!("beginning {text}")), Part::text("x".repeat(5000))],
            model_config_id: None,
            usage: None,
            interrupted: false,
            created_at: START,
        };
        commit!(db, |write| message_insert(write, long));
        assert_eq!(found!(db, ada, "beginning").len(), 1);
        assert!(found!(db, ada, "w119999").is_empty(), "the end of a very long text is not looked at");
    }
}
