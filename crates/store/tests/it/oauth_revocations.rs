//! Grants of which the provider is yet to be told.

use crate::support::{START, commit, id, sealed, store};
use store::{SealedColumn, encryption_keys::*, oauth::*};
use testkit::{TestDb, both_engines};

const KEY: &str = "0123456789abcdef";
const LEASE: i64 = 30_000_000;

pub(crate) fn revocation() -> Revocation {
    Revocation {
        id: id(),
        mcp_server_id: id(),
        user_id: id(),
        revocation_url: "https://id.example/revoke".to_owned(),
        client_id: "client".to_owned(),
        auth_method: "client_secret_post".to_owned(),
        client_secret: sealed(b"secret", KEY),
        refresh_token: sealed(b"refresh", KEY),
        access_token: sealed(b"access", KEY),
        resource: "https://mcp.example.org/mcp".to_owned(),
        tries: 0,
        next_try_at: START,
        created_at: START,
    }
}

async fn put(db: &TestDb, after: i64) -> Revocation {
    let entry = revocation();
    commit!(db, |write| revocation_put(write, &entry, after));
    entry
}

async fn claim(db: &TestDb) -> Option<Revocation> {
    commit!(db, |write| revocation_claim(write, LEASE, 3))
}

async fn time_passes(db: &TestDb) {
    db.raw("UPDATE mcp_revocations SET next_try_at = 1").await.unwrap();
}

both_engines! {
    async fn a_grant_is_taken_once_with_all_that_is_needed(db: TestDb) {
        assert_eq!(claim(&db).await, None);
        let entry = put(&db, 0).await;
        let taken = claim(&db).await.unwrap();
        assert!(taken.next_try_at.0 - taken.created_at.0 >= LEASE);
        let expected =
            Revocation { tries: 1, next_try_at: taken.next_try_at, created_at: taken.created_at, ..entry.clone() };
        assert_eq!(taken, expected);
        assert_eq!(claim(&db).await, None, "somebody is at it");
        assert!(commit!(db, |write| revocation_done(write, entry.id)));
        assert!(!commit!(db, |write| revocation_done(write, entry.id)), "once");
        let public = Revocation {
            auth_method: "none".to_owned(),
            client_secret: SealedColumn::default(),
            access_token: SealedColumn::default(),
            ..revocation()
        };
        commit!(db, |write| revocation_put(write, &public, 0));
        let taken = claim(&db).await.unwrap();
        assert_eq!((taken.client_secret, taken.access_token), Default::default());
    }

    async fn whoever_removes_a_grant_tries_first_and_the_longest_due_comes_next(db: TestDb) {
        put(&db, 60_000_000).await;
        assert_eq!(claim(&db).await, None, "not yet");
        let (one, two) = (put(&db, -2_000_000).await, put(&db, -3_000_000).await);
        assert_eq!(claim(&db).await.unwrap().id, two.id);
        assert_eq!(claim(&db).await.unwrap().id, one.id);
        assert_eq!(claim(&db).await, None);
    }

    async fn it_is_tried_three_times_also_by_processes_that_end(db: TestDb) {
        let entry = put(&db, 0).await;
        for tries in 1..=3 {
            assert_eq!(claim(&db).await.unwrap().tries, tries);
            if tries == 1 {
                assert!(commit!(db, |write| revocation_retry(write, entry.id, 60_000_000)));
                assert_eq!(claim(&db).await, None, "it waits");
            }
            time_passes(&db).await;
        }
        assert_eq!(claim(&db).await, None);
        assert!(!commit!(db, |write| revocation_retry(write, id(), 0)));
        assert_eq!(commit!(db, |write| revocations_sweep(write, 3_600_000_000)), 0);
        put(&db, 0).await;
        db.raw("UPDATE mcp_revocations SET created_at = created_at - 3700000000 WHERE tries = 3").await.unwrap();
        assert_eq!(commit!(db, |write| revocations_sweep(write, 3_600_000_000)), 1);
        assert!(claim(&db).await.is_some());
    }

    async fn claims_at_once_give_each_grant_to_one(db: TestDb) {
        let mut all = Vec::new();
        for _ in 0..20 {
            all.push(put(&db, 0).await.id);
        }
        let tasks: Vec<_> = (0..60)
            .map(|_| {
                let db = db.clone();
                tokio::spawn(async move { claim(&db).await.map(|taken| taken.id) })
            })
            .collect();
        let mut taken = Vec::new();
        for task in tasks {
            taken.extend(task.await.unwrap());
        }
        taken.sort();
        all.sort();
        assert_eq!(taken, all);
    }

    /// A row has several values: giving up one takes the others with it, and the next column finds nothing.
    async fn a_lost_key_takes_rows_of_several_values_as_a_whole(db: TestDb) {
        let (server, user) = crate::oauth_tokens::pair(&db).await;
        let entry = crate::oauth_tokens::token(server, user);
        let both = UserToken { refresh_token: sealed(b"refresh", KEY), ..entry };
        commit!(db, |write| user_token_put(write, &both));
        put(&db, 0).await;
        let facts = crate::oauth_facts::facts(server);
        commit!(db, |write| oauth_facts_put(write, &facts));
        let mut write = db.write().await.unwrap();
        let mut gone = Vec::new();
        for field in SEALED_COLUMNS {
            let count = sealed_values_purge(&mut write, field, KEY, START).await.unwrap();
            if count > 0 {
                gone.push((field.name(), count));
            }
        }
        write.commit().await.unwrap();
        let expected = ["mcp_oauth_facts.registration_token", "mcp_user_tokens.access_token", "mcp_revocations.client_secret"];
        assert_eq!(gone, expected.map(|name| (name.to_owned(), 1)));
        let mut session = db.read().await.unwrap();
        let left = oauth_facts_get(&mut session, server).await.unwrap().unwrap();
        assert_eq!(left, OAuthFacts { registration_token: SealedColumn::default(), registration_uri: String::new(), ..facts });
        assert_eq!(user_tokens_count(&mut session, server).await.unwrap(), 0);
    }
}
