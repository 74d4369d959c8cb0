//! What a transaction promises.

use crate::support::{commit, insert_user, read, store, user};
use std::time::Duration;
use store::{settings::*, users::*};
use testkit::both_engines;

both_engines! {
    async fn a_transaction_dropped_without_commit_did_nothing(db: TestDb) {
        let mut write = db.write().await.unwrap();
        user_insert(&mut write, &user("ada")).await.unwrap();
        assert!(users_exist(&mut write).await.unwrap(), "a transaction sees its own writes");
        drop(write);
        assert!(!read!(db, |session| users_exist(session)));
        insert_user(&db, "bob").await;
    }

    async fn what_is_not_committed_is_not_seen_by_others(db: TestDb) {
        let mut write = db.write().await.unwrap();
        setting_put(&mut write, "k", "v").await.unwrap();
        assert_eq!(read!(db, |session| setting_get(session, "k")), None);
        write.commit().await.unwrap();
        assert_eq!(read!(db, |session| setting_get(session, "k")).as_deref(), Some("v"));
    }

    async fn fifty_writers_at_once_all_get_their_turn(db: TestDb) {
        let tasks: Vec<_> = (0..50)
            .map(|n| {
                let db = db.clone();
                tokio::spawn(async move {
                    let mut write = db.write().await?;
                    setting_put(&mut write, &format!("k{n}"), "v").await?;
                    write.commit().await
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap().expect("no writer meets a busy database");
        }
        assert_eq!(db.number("SELECT COUNT(*) FROM settings").await, 50);
    }

    async fn a_second_writer_waits_for_the_first(db: TestDb) {
        commit!(db, |write| setting_put(write, "n", "0"));
        let mut first = db.write().await.unwrap();
        setting_put(&mut first, "n", "1").await.unwrap();
        let other = db.clone();
        let second = tokio::spawn(async move { commit!(other, |write| setting_put(write, "n", "2")) });
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(!second.is_finished());
        first.commit().await.unwrap();
        second.await.unwrap();
        assert_eq!(read!(db, |session| setting_get(session, "n")).as_deref(), Some("2"));
    }

    /// The short commands of the command line open the same file beside a server.
    async fn two_processes_worth_of_connections_write_the_same_database(db: TestDb) {
        let beside = db.reopen().await;
        let tasks: Vec<_> = (0..20)
            .map(|n| {
                let db = if n % 2 == 0 { db.db().clone() } else { beside.clone() };
                tokio::spawn(async move {
                    let mut write = db.write().await?;
                    setting_put(&mut write, &format!("k{n}"), "v").await?;
                    write.commit().await
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap().unwrap();
        }
        assert_eq!(db.number("SELECT COUNT(*) FROM settings").await, 20);
        beside.close().await;
    }

    /// A caller that goes away while the commit runs must not leave the outcome open.
    async fn a_commit_outlives_the_caller_that_asked_for_it(db: TestDb) {
        for n in 0..20 {
            let mut write = db.write().await.unwrap();
            setting_put(&mut write, &format!("k{n}"), "v").await.unwrap();
            let mut commit = Box::pin(write.commit());
            // One poll starts it; then the caller is gone.
            let _ = futures_poll_once(&mut commit).await;
            drop(commit);
        }
        testkit::wait::until("all commits", || async {
            (db.number("SELECT COUNT(*) FROM settings").await == 20).then_some(())
        })
        .await;
    }
}

async fn futures_poll_once<F: std::future::Future + Unpin>(future: &mut F) -> Option<F::Output> {
    std::future::poll_fn(|context| {
        std::task::Poll::Ready(match std::pin::Pin::new(&mut *future).poll(context) {
            std::task::Poll::Ready(output) => Some(output),
            std::task::Poll::Pending => None,
        })
    })
    .await
}

#[tokio::test]
async fn a_reader_of_sqlite_cannot_write() {
    let db = testkit::TestDb::sqlite().await;
    let store::Db::Sqlite { readers, .. } = db.db() else { unreachable!("it was opened as SQLite") };
    let refused = sqlx::query("INSERT INTO settings (key, value) VALUES ('k', 'v')").execute(readers).await;
    let error = refused.unwrap_err().to_string();
    assert!(error.contains("readonly"), "{error}");
}

#[tokio::test]
async fn sqlite_is_durable_and_checks_references() {
    let db = testkit::TestDb::sqlite().await;
    assert_eq!(db.texts("PRAGMA journal_mode").await, ["wal"]);
    // 2 = FULL: an acknowledged message survives a power cut.
    assert_eq!(db.number("PRAGMA synchronous").await, 2);
    assert_eq!(db.number("PRAGMA foreign_keys").await, 1);
}

#[tokio::test]
async fn a_database_that_cannot_be_opened_is_an_error_that_may_pass() {
    let folder = testkit::temp::TempDir::new();
    let config = store::DbConfig::Sqlite { path: folder.path().join("no/such/folder/x.sqlite") };
    assert!(store::Db::open(&config).await.unwrap_err().is_retryable());
    let closed = testkit::fake_mcp::closed_port();
    let config = store::DbConfig::Postgres { url: format!("postgres://nobody@{closed}/x") };
    let error = store::Db::open(&config).await.unwrap_err();
    assert!(error.is_retryable(), "{error:?}");
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused_and_left_as_it_is() {
    let folder = testkit::temp::TempDir::new();
    let path = folder.path().join("x.sqlite");
    std::fs::write(&path, "Dear diary, today I was not a database. ".repeat(100)).unwrap();
    let before = std::fs::read(&path).unwrap();
    assert!(store::Db::open(&store::DbConfig::Sqlite { path: path.clone() }).await.is_err());
    assert_eq!(std::fs::read(&path).unwrap(), before);
}
