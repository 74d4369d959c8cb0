//! Instants and clocks.

use crate::support::{START, commit, credential, insert_user, read, store};
use api::Timestamp;
use store::{clock::database_now, credentials::*};
use testkit::both_engines;

both_engines! {
    /// Text times sort wrongly on SQLite (.123 before .12 before .5 before the whole second): integers do not.
    async fn instants_sort_by_time_whatever_their_fraction(db: TestDb) {
        let ada = insert_user(&db, "ada").await;
        let in_order = [0, 120_000, 123_000, 123_456, 500_000, 1_000_000, 1_500_000, 2_000_000];
        for (n, micros) in [4, 0, 6, 2, 7, 1, 5, 3].into_iter().map(|n| (n, in_order[n])) {
            let mut record = credential(ada.user.id, CredentialKind::Token);
            record.created_at = Timestamp(START.0 + micros);
            record.name = n.to_string();
            commit!(db, |write| credential_insert(write, &record, &[n as u8]));
        }
        let listed = read!(db, |session| credential_list(session, ada.user.id, CredentialKind::Token));
        let times: Vec<i64> = listed.iter().rev().map(|record| record.created_at.0 - START.0).collect();
        assert_eq!(times, in_order);
        let after = db.number(&format!("SELECT COUNT(*) FROM credentials WHERE created_at > {}", START.0 + 500_000)).await;
        assert_eq!(after, 3);
    }

    async fn the_database_clock_counts_microseconds_since_the_epoch(db: TestDb) {
        #[expect(clippy::disallowed_methods, reason = "the database's clock is compared with this machine's")]
        let ours = || std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_micros() as i64;
        let before = ours();
        let first = read!(db, |session| database_now(session)).0;
        let second = read!(db, |session| database_now(session)).0;
        let after = ours();
        // SQLite gives milliseconds.
        assert!(before - 1_000 <= first && first <= second && second <= after, "{before} {first} {second} {after}");
    }

    async fn the_database_clock_moves_within_a_transaction(db: TestDb) {
        let mut write = db.write().await.unwrap();
        let first = database_now(&mut write).await.unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        let second = database_now(&mut write).await.unwrap();
        assert!(second.0 - first.0 >= 15_000, "{first:?} {second:?}");
    }
}
