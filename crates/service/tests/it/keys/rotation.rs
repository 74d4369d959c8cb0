//! Rotation, revocation, purge.

use super::{
    NEW, OLD, actions, all, insert, joined, key, keys, open, provider, ring, seal, service, sorted, states,
};
use dbcrypt::Keyring;
use service::{
    KeyStartError, KeysError, OpContext, Rotation, key_revoke, keyring_verify, keys_purge, keys_purge_plan,
    keys_status,
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};
use testkit::{TestDb, both_engines};

async fn rotate(db: &TestDb, bytes: &[u8]) -> Result<service::Rotated, KeysError> {
    Rotation::begin(keys(db, bytes), OpContext::default()).await?.run().await
}

async fn on_another_key(db: &TestDb, byte: u8) -> i64 {
    let sql = format!("SELECT COUNT(*) FROM llm_providers WHERE api_key_key_id <> '{}'", key(byte));
    db.number(&sql).await
}

/// Writes and reads until `stop`; the number of reads.
async fn work(db: TestDb, keyring: Arc<Keyring>, stop: Arc<AtomicBool>, turn: Arc<AtomicUsize>) -> usize {
    let mut reads = 0_usize;
    while !stop.load(Ordering::SeqCst) {
        for record in all(&db).await {
            assert!(open(&keyring, &record).is_ok(), "no read fails");
            reads += 1;
            if turn.fetch_add(1, Ordering::SeqCst).is_multiple_of(17) {
                // As the use case does: read under a lock, kept or sealed anew, written back.
                let mut write = db.write().await.unwrap();
                let mut own =
                    store::providers::provider_get_for_update(&mut write, record.id).await.unwrap().unwrap();
                if reads.is_multiple_of(2) {
                    own.api_key = seal(&keyring, own.id, "written meanwhile");
                }
                store::providers::provider_update(&mut write, &own).await.unwrap();
                write.commit().await.unwrap();
            }
        }
        insert(&db, &provider(&keyring, "made meanwhile")).await;
    }
    reads
}

both_engines! {
    async fn rotation_beside_writers_leaves_no_value_on_the_old_key_and_fails_no_read(db: TestDb) {
        let (old, before) = joined(&db, &[OLD]).await;
        for n in 0..150 {
            insert(&db, &provider(&old.keyring, &format!("secret {n}"))).await;
        }
        before.leave().await.unwrap();
        let (server, replica) = joined(&db, &[NEW, OLD]).await;
        let (stop, turn) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let worker = tokio::spawn(work(db.clone(), server.keyring.clone(), stop.clone(), turn));
        tokio::time::sleep(Duration::from_millis(50)).await;
        let done = rotate(&db, &[NEW, OLD]).await.unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
        stop.store(true, Ordering::SeqCst);
        assert!(worker.await.unwrap() > 150);
        assert_eq!(on_another_key(&db, NEW).await, 0);
        assert!(done.failed.is_empty());
        assert!(done.moved["llm_providers.api_key"] > 100, "{:?}", done.moved);
        assert_eq!(done.retired, [key(OLD).to_string()]);
        let expected = vec![(key(OLD).to_string(), "retired"), (key(NEW).to_string(), "active")];
        assert_eq!(states(&db).await, sorted(expected));
        for record in all(&db).await {
            assert!(open(&ring(&[NEW]), &record).is_ok(), "the new key is enough");
        }
        assert_eq!(actions(&db).await.iter().filter(|action| *action == "keys.rotated").count(), 1);
        // Again: nothing to do, nothing to say.
        let again = rotate(&db, &[NEW, OLD]).await.unwrap();
        assert!(again.moved.is_empty() && again.retired.is_empty());
        assert_eq!(actions(&db).await.iter().filter(|action| *action == "keys.rotated").count(), 1);
        replica.refresh().await.unwrap();
        assert_eq!(db.number("SELECT COUNT(*) FROM replicas").await, 1, "the rotation has left");
    }

    async fn rotation_is_refused_while_a_replica_cannot_read_the_new_key_or_writes_with_the_old_one(db: TestDb) {
        let (server, replica) = joined(&db, &[OLD]).await;
        insert(&db, &provider(&server.keyring, "secret")).await;
        let error = rotate(&db, &[NEW, OLD]).await.unwrap_err().to_string();
        assert!(error.contains("not active yet") && error.contains("1 of 1"), "{error}");
        assert_eq!(on_another_key(&db, OLD).await, 0, "nothing was moved");
        assert_eq!(db.number("SELECT COUNT(*) FROM replicas").await, 1);
        replica.refresh().await.unwrap();
        assert_eq!(server.keyring.primary(), &key(OLD));
    }

    async fn rotation_with_the_wrong_key_changes_nothing(db: TestDb) {
        let (server, replica) = joined(&db, &[OLD]).await;
        replica.leave().await.unwrap();
        insert(&db, &provider(&server.keyring, "secret")).await;
        let before = (states(&db).await, actions(&db).await, all(&db).await[0].api_key.clone());
        for bytes in [&[NEW][..], &[9, NEW][..]] {
            let error = rotate(&db, bytes).await.unwrap_err();
            assert!(matches!(error, KeysError::Start(KeyStartError::Missing(_))), "{error:?}");
            assert!(keyring_verify(db.db(), &ring(bytes)).await.is_err());
        }
        assert_eq!((states(&db).await, actions(&db).await, all(&db).await[0].api_key.clone()), before);
    }

    async fn a_value_that_does_not_open_stays_is_named_and_keeps_its_key_alive(db: TestDb) {
        let (server, replica) = joined(&db, &[OLD]).await;
        replica.leave().await.unwrap();
        let (mut bad, good) = (provider(&server.keyring, "bad"), provider(&server.keyring, "good"));
        bad.api_key = good.api_key.clone();
        insert(&db, &bad).await;
        insert(&db, &good).await;
        let done = rotate(&db, &[NEW, OLD]).await.unwrap();
        assert_eq!(done.moved["llm_providers.api_key"], 1);
        assert_eq!((done.failed.len(), done.failed[0].row.as_str()), (1, bad.id.to_string().as_str()));
        assert!(done.retired.is_empty(), "a value is under it still");
        assert!(actions(&db).await.contains(&"keys.decryption_failed".to_owned()));
    }

    async fn a_key_in_use_is_not_revoked_and_a_revoked_one_stops_the_start(db: TestDb) {
        let (server, replica) = joined(&db, &[OLD]).await;
        insert(&db, &provider(&server.keyring, "secret")).await;
        let ctx = OpContext::default();
        let both = keys(&db, &[NEW, OLD]);
        let error = key_revoke(&both, &ctx, &key(OLD)).await.unwrap_err().to_string();
        assert!(error.contains("llm_providers.api_key (1 values)") && error.contains("keys rotate"), "{error}");
        let error = key_revoke(&both, &ctx, &key(9)).await.unwrap_err().to_string();
        assert!(error.contains("knows no key"), "{error}");
        replica.leave().await.unwrap();
        rotate(&db, &[NEW, OLD]).await.unwrap();
        let error = key_revoke(&both, &ctx, &key(NEW)).await.unwrap_err().to_string();
        assert!(error.contains("is needed by"), "{error}");
        let (_, old_writer) = joined(&db, &[OLD, NEW]).await;
        let error = key_revoke(&both, &ctx, &key(OLD)).await.unwrap_err().to_string();
        assert!(error.contains("running replica writes with"), "{error}");
        old_writer.leave().await.unwrap();
        let error = key_revoke(&keys(&db, &[OLD, NEW]), &ctx, &key(OLD)).await.unwrap_err().to_string();
        assert!(error.contains("first one configured"), "{error}");
        for _ in 0..2 {
            key_revoke(&both, &ctx, &key(OLD)).await.unwrap();
        }
        assert_eq!(actions(&db).await.iter().filter(|action| *action == "keys.revoked").count(), 1, "once");
        let refused = keyring_verify(db.db(), &both.keyring).await.unwrap_err();
        assert!(matches!(refused, KeyStartError::Revoked(id) if id == key(OLD).as_str()));
        keyring_verify(db.db(), &ring(&[NEW])).await.unwrap();
    }

    async fn a_purge_gives_up_the_values_of_lost_keys_only_and_lets_the_system_start(db: TestDb) {
        let (server, replica) = joined(&db, &[OLD]).await;
        let lost = provider(&server.keyring, "lost");
        insert(&db, &lost).await;
        let fresh = keys(&db, &[NEW]);
        assert!(keyring_verify(db.db(), &fresh.keyring).await.is_err());
        let plan = keys_purge_plan(&fresh).await.unwrap();
        assert_eq!((plan.values.len(), plan.values[0].values, plan.keys.clone()), (1, 1, vec![key(OLD).to_string()]));
        assert!(all(&db).await[0].api_key.is_set(), "a plan deletes nothing");
        let error = keys_purge(&fresh, &OpContext::default()).await.unwrap_err().to_string();
        assert!(error.contains("not lost"), "a running replica has the key: {error}");
        replica.leave().await.unwrap();
        keys_purge(&fresh, &OpContext::default()).await.unwrap();
        let after = all(&db).await;
        assert!(!after[0].api_key.is_set());
        assert_eq!(after[0].name, lost.name, "the rest of the row stays");
        assert!(actions(&db).await.contains(&"keys.purged".to_owned()));
        let (started, _replica) = joined(&db, &[NEW]).await;
        assert_eq!(started.keyring.primary(), &key(NEW));
        let again = keys_purge(&fresh, &OpContext::default()).await.unwrap();
        assert!(again.is_empty());
    }

    async fn the_status_tells_states_replicas_and_values(db: TestDb) {
        let (server, _replica) = joined(&db, &[OLD]).await;
        insert(&db, &provider(&server.keyring, "secret")).await;
        let told = keys_status(db.db(), Some(&ring(&[NEW, OLD]))).await.unwrap();
        let brief: Vec<_> = told
            .iter()
            .map(|key| (key.id.as_str(), key.state.map(api::keys::KeyState::as_str), key.configured, key.writes, key.values()))
            .collect();
        let (old, new) = (key(OLD), key(NEW));
        assert_eq!(brief, [(old.as_str(), Some("active"), true, false, 1), (new.as_str(), None, true, true, 0)]);
        assert_eq!((told[0].readable_by, told[0].replicas, told[1].readable_by), (1, 1, 0));
        assert_eq!(told[0].usage[0].table, "llm_providers");
        let blind = keys_status(db.db(), None).await.unwrap();
        assert!(blind[0].is_lost());
    }
}
