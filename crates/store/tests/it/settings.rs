//! Settings.

use crate::support::{commit, read, store};
use store::settings::*;
use testkit::both_engines;

both_engines! {
    async fn a_setting_is_put_replaced_and_removed(db: TestDb) {
        assert_eq!(read!(db, |session| setting_get(session, "colour")), None);
        for value in ["red", "", "blue \u{1f499}"] {
            commit!(db, |write| setting_put(write, "colour", value));
            assert_eq!(read!(db, |session| setting_get(session, "colour")).as_deref(), Some(value));
        }
        assert_eq!(read!(db, |session| setting_get(session, "Colour")), None);
        assert!(commit!(db, |write| setting_delete(write, "colour")));
        assert!(!commit!(db, |write| setting_delete(write, "colour")));
    }

    /// The second waits for the first, also for a setting that was not there: neither is lost.
    async fn a_setting_read_for_an_edit_is_nobody_else_s_until_the_end(db: TestDb) {
        let edit = |letter: &'static str| {
            let db = db.clone();
            async move {
                let mut write = db.write().await.unwrap();
                let value = setting_get_for_update(&mut write, "letters", "").await.unwrap();
                tokio::task::yield_now().await;
                setting_put(&mut write, "letters", &format!("{value}{letter}")).await.unwrap();
                write.commit().await.unwrap();
            }
        };
        tokio::join!(edit("a"), edit("b"), edit("c"), edit("d"));
        let mut letters: Vec<char> = read!(db, |session| setting_get(session, "letters")).unwrap().chars().collect();
        letters.sort_unstable();
        assert_eq!(letters, ['a', 'b', 'c', 'd']);
    }
}
