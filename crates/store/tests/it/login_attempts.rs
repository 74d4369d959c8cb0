//! Counters of sign-in attempts.

use crate::support::{START, commit, store};
use store::login_attempts::*;
use testkit::both_engines;

const WINDOW: i64 = 300;

both_engines! {
    async fn attempts_are_counted_per_key_and_begin_anew_after_the_window(db: TestDb) {
        for n in 1..=12_i64 {
            let counted = commit!(db, |write| login_attempt_count(write, "a", START.plus_seconds(n), WINDOW));
            assert_eq!(counted, (n, START.plus_seconds(1)));
        }
        assert_eq!(commit!(db, |write| login_attempt_count(write, "b", START.plus_seconds(20), WINDOW)).0, 1);
        // The window began at second 1: its last moment still counts, the one after it does not.
        let at_the_end = START.plus_seconds(1 + WINDOW);
        assert_eq!(commit!(db, |write| login_attempt_count(write, "a", at_the_end, WINDOW)), (13, START.plus_seconds(1)));
        let after = at_the_end.plus_seconds(1);
        assert_eq!(commit!(db, |write| login_attempt_count(write, "a", after, WINDOW)), (1, after));
    }

    async fn a_success_forgets_the_attempts_of_its_key_only(db: TestDb) {
        for key in ["a", "a", "b"] {
            commit!(db, |write| login_attempt_count(write, key, START, WINDOW));
        }
        commit!(db, |write| login_attempts_clear(write, "a"));
        assert_eq!(commit!(db, |write| login_attempt_count(write, "a", START, WINDOW)).0, 1);
        assert_eq!(commit!(db, |write| login_attempt_count(write, "b", START, WINDOW)).0, 2);
    }

    async fn a_refund_gives_back_one_attempt_and_never_more(db: TestDb) {
        for _ in 0..3 {
            commit!(db, |write| login_attempt_count(write, "a", START, WINDOW));
        }
        commit!(db, |write| login_attempt_count(write, "b", START, WINDOW));
        commit!(db, |write| login_attempt_refund(write, "a"));
        assert_eq!(commit!(db, |write| login_attempt_count(write, "a", START, WINDOW)), (3, START));
        for _ in 0..5 {
            commit!(db, |write| login_attempt_refund(write, "b"));
        }
        assert_eq!(commit!(db, |write| login_attempt_count(write, "b", START, WINDOW)).0, 1, "never below nothing");
        commit!(db, |write| login_attempt_refund(write, "unknown"));
        assert_eq!(commit!(db, |write| login_attempt_count(write, "unknown", START, WINDOW)).0, 1);
    }

    async fn old_windows_are_swept(db: TestDb) {
        commit!(db, |write| login_attempt_count(write, "old", START, WINDOW));
        commit!(db, |write| login_attempt_count(write, "new", START.plus_seconds(10), WINDOW));
        assert_eq!(commit!(db, |write| login_attempts_sweep(write, START.plus_seconds(10))), 1);
        assert_eq!(db.texts("SELECT key FROM login_attempts").await, ["new"]);
    }

    async fn parallel_attempts_are_all_counted(db: TestDb) {
        let tasks: Vec<_> = (0..20)
            .map(|_| {
                let db = db.clone();
                tokio::spawn(async move { commit!(db, |write| login_attempt_count(write, "a", START, WINDOW)).0 })
            })
            .collect();
        let mut counts = Vec::new();
        for task in tasks {
            counts.push(task.await.unwrap());
        }
        counts.sort_unstable();
        assert_eq!(counts, (1..=20).collect::<Vec<i64>>());
    }
}
