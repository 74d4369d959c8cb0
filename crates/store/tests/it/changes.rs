//! The table of changes.

use crate::support::{commit, read, store};
use store::changes::*;
use testkit::both_engines;

both_engines! {
    async fn changes_are_read_in_order_behind_the_last_one_seen(db: TestDb) {
        assert_eq!(read!(db, |session| change_last(session)), 0);
        for (n, kind) in ChangeKind::ALL.into_iter().enumerate() {
            commit!(db, |write| change_note(write, kind, &n.to_string()));
        }
        let all = read!(db, |session| changes_after(session, 0, 100));
        let seen: Vec<_> = all.iter().map(|change| (change.kind, change.subject.as_str())).collect();
        let expected = ["0", "1", "2", "3", "4", "5", "6"];
        assert_eq!(seen, ChangeKind::ALL.into_iter().zip(expected).collect::<Vec<_>>());
        assert!(all.windows(2).all(|pair| pair[0].id < pair[1].id));
        assert_eq!(read!(db, |session| changes_after(session, all[3].id, 100)), all[4..]);
        assert_eq!(read!(db, |session| changes_after(session, all[0].id, 2)), all[1..3]);
        assert_eq!(read!(db, |session| change_last(session)), all[6].id);
    }

    async fn a_change_that_was_not_committed_is_none(db: TestDb) {
        let mut write = db.write().await.unwrap();
        change_note(&mut write, ChangeKind::Servers, "x").await.unwrap();
        drop(write);
        commit!(db, |write| change_note(write, ChangeKind::Servers, "y"));
        let all = read!(db, |session| changes_after(session, 0, 9));
        assert_eq!(all.iter().map(|change| change.subject.as_str()).collect::<Vec<_>>(), ["y"]);
    }

    /// A reader must never see a later id first: it would not look for the earlier one again.
    async fn ids_become_visible_in_their_order(db: TestDb) {
        let writers: Vec<_> = (0..8)
            .map(|n: u64| {
                let db = db.clone();
                tokio::spawn(async move {
                    for _ in 0..10 {
                        let mut write = db.write().await.unwrap();
                        change_note(&mut write, ChangeKind::Users, "").await.unwrap();
                        // Those that began later are ready to commit earlier.
                        tokio::time::sleep(std::time::Duration::from_millis(n % 3)).await;
                        write.commit().await.unwrap();
                    }
                })
            })
            .collect();
        let (mut last, mut seen) = (0, 0);
        while seen < 80 {
            let found = read!(db, |session| changes_after(session, last, 500));
            seen += found.len();
            last = found.last().map_or(last, |change| change.id);
            if writers.iter().all(tokio::task::JoinHandle::is_finished) && found.is_empty() {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
        for writer in writers {
            writer.await.unwrap();
        }
        seen += read!(db, |session| changes_after(session, last, 500)).len();
        assert_eq!(seen, 80);
    }

    async fn old_changes_are_swept(db: TestDb) {
        commit!(db, |write| change_note(write, ChangeKind::Keys, "old"));
        db.raw(&format!("UPDATE changes SET at = at - {}", CHANGES_KEPT_MICROS + 1)).await.unwrap();
        commit!(db, |write| change_note(write, ChangeKind::Keys, "new"));
        let last = read!(db, |session| change_last(session));
        assert_eq!(commit!(db, |write| changes_sweep(write)), 1);
        assert_eq!(read!(db, |session| changes_after(session, 0, 9)).len(), 1);
        assert_eq!(read!(db, |session| change_last(session)), last);
    }
}
