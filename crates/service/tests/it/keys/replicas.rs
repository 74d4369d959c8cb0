//! The two phases of a new key: all read before any writes (threats 77).

use super::{NEW, OLD, actions, all, id, insert, joined, key, keys, open, provider, service, sorted, states};
use service::{KeyStartError, OpContext, Replica};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};
use testkit::{TestDb, both_engines};

async fn refused(db: &TestDb, bytes: &[u8]) -> KeyStartError {
    let joined = Replica::join(keys(db, bytes), id(), &OpContext::default()).await;
    joined.err().expect("the start is refused")
}

/// A process with a ring, that writes and reads until it is stopped.
struct Node {
    stop: Arc<AtomicBool>,
    work: tokio::task::JoinHandle<()>,
}

impl Node {
    /// `reads` counts values that were opened; a failed one ends the test.
    async fn start(db: &TestDb, bytes: &[u8], reads: Arc<AtomicUsize>) -> Self {
        let (keys, replica) = joined(db, bytes).await;
        let stop = Arc::new(AtomicBool::new(false));
        let (db, stopped) = (db.clone(), stop.clone());
        let work = tokio::spawn(async move {
            while !stopped.load(Ordering::SeqCst) {
                replica.refresh().await.unwrap();
                insert(&db, &provider(&keys.keyring, "secret")).await;
                for record in all(&db).await {
                    assert_eq!(open(&keys.keyring, &record).as_deref(), Ok("secret"), "every value opens");
                    reads.fetch_add(1, Ordering::SeqCst);
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            replica.leave().await.unwrap();
        });
        Self { stop, work }
    }

    async fn end(self) {
        self.stop.store(true, Ordering::SeqCst);
        self.work.await.unwrap();
    }
}

both_engines! {
    async fn where_nobody_else_runs_a_new_key_is_written_with_at_once(db: TestDb) {
        let (old, replica) = joined(&db, &[OLD]).await;
        assert_eq!((old.keyring.primary(), states(&db).await), (&key(OLD), vec![(key(OLD).to_string(), "active")]));
        replica.leave().await.unwrap();
        let (both, _) = joined(&db, &[NEW, OLD]).await;
        assert_eq!(both.keyring.primary(), &key(NEW));
        let active = vec![(key(OLD).to_string(), "active"), (key(NEW).to_string(), "active")];
        assert_eq!(states(&db).await, sorted(active));
        assert_eq!(actions(&db).await, ["keys.created", "keys.created"]);
    }

    async fn a_new_key_waits_until_every_replica_can_read_it(db: TestDb) {
        let (first, one) = joined(&db, &[OLD]).await;
        let (second, two) = joined(&db, &[NEW, OLD]).await;
        for _ in 0..3 {
            two.refresh().await.unwrap();
            one.refresh().await.unwrap();
            assert_eq!((first.keyring.primary(), second.keyring.primary()), (&key(OLD), &key(OLD)));
            assert!(two.is_waiting() && !one.is_waiting());
        }
        let waiting = vec![(key(OLD).to_string(), "active"), (key(NEW).to_string(), "introduced")];
        assert_eq!(states(&db).await, sorted(waiting));
        one.leave().await.unwrap();
        // The other one comes back with the new key, but not in front: it reads it, and writes with what it has first.
        let (first, one) = joined(&db, &[OLD, NEW]).await;
        assert_eq!(first.keyring.primary(), &key(OLD));
        two.refresh().await.unwrap();
        one.refresh().await.unwrap();
        assert_eq!((first.keyring.primary(), second.keyring.primary()), (&key(OLD), &key(NEW)));
        assert!(!two.is_waiting());
    }

    async fn a_replica_that_is_silent_for_30_seconds_holds_nobody_up(db: TestDb) {
        let (_dead, _) = joined(&db, &[OLD]).await;
        let (second, two) = joined(&db, &[NEW, OLD]).await;
        assert_eq!(second.keyring.primary(), &key(OLD));
        db.raw("UPDATE replicas SET seen_at = seen_at - 31000000").await.unwrap();
        two.refresh().await.unwrap();
        assert_eq!(second.keyring.primary(), &key(NEW));
    }

    async fn a_start_that_could_not_read_what_others_write_is_refused_and_writes_nothing(db: TestDb) {
        let (_keys, _replica) = joined(&db, &[NEW, OLD]).await;
        let before = (states(&db).await, db.number("SELECT COUNT(*) FROM replicas").await);
        // No value was written yet: only the running replica says which key it writes with.
        assert!(matches!(refused(&db, &[OLD]).await, KeyStartError::WrittenElsewhere(id) if id == key(NEW).as_str()));
        assert!(matches!(refused(&db, &[9]).await, KeyStartError::Missing(_)));
        assert_eq!((states(&db).await, db.number("SELECT COUNT(*) FROM replicas").await), before);
        assert_eq!(db.number("SELECT COUNT(*) FROM audit_log").await, 2);
    }

    async fn a_key_that_others_lack_is_not_enough_for_a_start(db: TestDb) {
        let (_keys, one) = joined(&db, &[NEW, OLD]).await;
        one.leave().await.unwrap();
        let (_old, _two) = joined(&db, &[OLD]).await;
        // The database knows it, and the other replica cannot read it.
        assert!(matches!(refused(&db, &[NEW]).await, KeyStartError::WrittenElsewhere(id) if id == key(OLD).as_str()));
    }

    async fn one_that_comes_back_blind_says_so(db: TestDb) {
        let (_old, one) = joined(&db, &[OLD]).await;
        db.raw("UPDATE replicas SET seen_at = seen_at - 31000000").await.unwrap();
        let (_both, two) = joined(&db, &[NEW, OLD]).await;
        assert!(one.readable().load(Ordering::SeqCst));
        one.refresh().await.unwrap();
        assert!(!one.readable().load(Ordering::SeqCst), "not ready: another writes what it cannot read");
        two.leave().await.unwrap();
        one.refresh().await.unwrap();
        assert!(one.readable().load(Ordering::SeqCst));
    }

    async fn a_retired_key_that_is_put_first_again_begins_anew(db: TestDb) {
        let (_old, one) = joined(&db, &[OLD]).await;
        one.leave().await.unwrap();
        db.raw("UPDATE encryption_keys SET state = 'retired'").await.unwrap();
        let (old, one) = joined(&db, &[OLD]).await;
        assert_eq!((old.keyring.primary(), states(&db).await[0].1), (&key(OLD), "active"));
        drop(one);
    }

    /// A rolling restart in any order: [new, old] and [old, new] beside those who know the old key only.
    async fn replicas_that_take_up_a_key_in_mixed_order_fail_no_read(db: TestDb) {
        let reads = Arc::new(AtomicUsize::new(0));
        let node = |bytes: &'static [u8]| Node::start(&db, bytes, reads.clone());
        let mut nodes = vec![node(&[OLD]).await, node(&[OLD]).await, node(&[OLD]).await];
        for bytes in [&[NEW, OLD][..], &[OLD, NEW][..], &[NEW, OLD][..], &[NEW, OLD][..]] {
            tokio::time::sleep(Duration::from_millis(60)).await;
            nodes.remove(0).end().await;
            nodes.push(node(bytes).await);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        for node in nodes {
            node.end().await;
        }
        assert!(reads.load(Ordering::SeqCst) > 100, "they worked");
        let written = db.texts("SELECT DISTINCT api_key_key_id FROM llm_providers").await;
        assert!(written.contains(&key(NEW).to_string()) && written.contains(&key(OLD).to_string()), "{written:?}");
    }
}
