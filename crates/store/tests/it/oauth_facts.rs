//! What discovery found, and the one registration per server (threats 13).

use crate::support::{EVERYTHING, START, commit, id, read, refused, sealed, server, store};
use api::{Uuid, servers::AuthType};
use store::{SealedColumn, mcp_servers::*, oauth::*};
use testkit::{TestDb, both_engines};

const LEASE: i64 = 30_000_000;

pub(crate) fn facts(server: Uuid) -> OAuthFacts {
    OAuthFacts {
        id: id(),
        mcp_server_id: server,
        issuer: "https://id.example".to_owned(),
        resource: "https://mcp.example.org/mcp".to_owned(),
        token_url: "https://id.example/token".to_owned(),
        iss_required: true,
        offline_access: true,
        scopes: "files:read".to_owned(),
        scopes_source: "challenge".to_owned(),
        guessed: false,
        auth_methods: Some(vec!["client_secret_basic".to_owned(), "none".to_owned()]),
        auth_method: "client_secret_basic".to_owned(),
        registration_endpoint: "https://id.example/register".to_owned(),
        registration_uri: "https://id.example/register/1".to_owned(),
        registration_token: sealed(b"token", "0123456789abcdef"),
        secret_expires_at: Some(START.plus_seconds(1000)),
        found_at: START,
        registered_at: Some(START.plus_seconds(1)),
        drift: "moved".to_owned(),
        revocation_found: "https://id.example/revoke".to_owned(),
    }
}

/// A server with the issuer and token URL of [`facts`].
fn of_provider(slug: &str) -> StoredServer {
    let mut stored = server(slug);
    stored.record.auth_type = AuthType::Oauth2;
    stored.record.oauth2.issuer = "https://id.example".to_owned();
    stored.record.oauth2.token_url = "https://id.example/token".to_owned();
    stored
}

async fn insert(db: &TestDb, slug: &str) -> Uuid {
    let stored = of_provider(slug);
    commit!(db, |write| server_insert(write, &stored));
    stored.record.id
}

async fn claim(db: &TestDb, server: Uuid, holder: Uuid) -> bool {
    commit!(db, |write| oauth_registration_claim(write, server, holder, LEASE))
}

async fn release(db: &TestDb, server: Uuid, holder: Uuid) -> bool {
    commit!(db, |write| oauth_registration_release(write, server, holder))
}

both_engines! {
    async fn facts_are_read_back_as_they_were_written_and_replaced(db: TestDb) {
        let server = insert(&db, "s").await;
        assert_eq!(read!(db, |session| oauth_facts_get(session, server)), None);
        let first = facts(server);
        commit!(db, |write| oauth_facts_put(write, &first));
        assert_eq!(read!(db, |session| oauth_facts_get(session, server)), Some(first));
        let second = OAuthFacts {
            iss_required: false,
            offline_access: false,
            scopes_source: String::new(),
            guessed: true,
            auth_methods: None,
            auth_method: "none".to_owned(),
            registration_token: SealedColumn::default(),
            secret_expires_at: None,
            registered_at: None,
            drift: String::new(),
            revocation_found: String::new(),
            ..facts(server)
        };
        commit!(db, |write| oauth_facts_put(write, &second));
        assert_eq!(read!(db, |session| oauth_facts_get(session, server)), Some(second));
        assert!(commit!(db, |write| oauth_facts_delete(write, server)));
        assert!(!commit!(db, |write| oauth_facts_delete(write, server)), "once");
        let error = refused!(db, |write| oauth_facts_put(write, &facts(id())));
        assert!(matches!(error, store::StoreError::Conflict { .. }), "{error:?}");
    }

    /// Protocol 14.3: one look at a provider in a time for all processes, and what it says belongs to what was found.
    async fn a_look_at_a_provider_is_taken_once_and_kept_with_what_was_found(db: TestDb) {
        const DAY: i64 = 86_400_000_000;
        let server = insert(&db, "s").await;
        commit!(db, |write| oauth_registration_claim(write, server, id(), LEASE));
        let due = async || read!(db, |session| oauth_looks_due(session, DAY, 10));
        let take = async || commit!(db, |write| oauth_look_claim(write, server, DAY));
        assert_eq!((due().await, take().await), (vec![], false), "a lease is nothing to look at");
        let seen = facts(server);
        commit!(db, |write| oauth_facts_put(write, &seen));
        assert_eq!((due().await, take().await), (vec![], false), "it was found just now");
        db.raw("UPDATE mcp_oauth_facts SET looked_at = 1").await.unwrap();
        assert_eq!(due().await, [server]);
        assert_eq!((take().await, take().await, due().await), (true, false, vec![]));
        db.raw("UPDATE mcp_oauth_facts SET looked_at = NULL").await.unwrap();
        for (off, on) in [
            ("UPDATE mcp_servers SET enabled = FALSE", "UPDATE mcp_servers SET enabled = TRUE"),
            ("UPDATE mcp_servers SET auth_type = 'none'", "UPDATE mcp_servers SET auth_type = 'oauth2'"),
        ] {
            db.raw(off).await.unwrap();
            assert!(due().await.is_empty(), "{off}");
            db.raw(on).await.unwrap();
            assert_eq!(due().await, [server]);
        }
        let put = async |seen: &OAuthFacts, drift: &str| commit!(db, |write| oauth_drift_put(write, seen, drift));
        assert!(put(&seen, "elsewhere").await);
        assert!(!put(&seen, "elsewhere").await, "known");
        assert_eq!(read!(db, |session| oauth_facts_get(session, server)).unwrap().drift, "elsewhere");
        assert!(!put(&OAuthFacts { token_url: "https://id.example/2".to_owned(), ..seen.clone() }, "").await, "of another provider");
        assert!(put(&seen, &"ä\0".repeat(700)).await, "cut to what fits");
        assert_eq!(read!(db, |session| oauth_facts_get(session, server)).unwrap().drift.chars().count(), 600);
        assert!(put(&seen, "").await);
    }

    async fn a_server_is_found_with_facts_that_hold_for_it(db: TestDb) {
        let mut stored = of_provider("s");
        commit!(db, |write| server_insert(write, &stored));
        let own = stored.record.id;
        let found = facts(own);
        commit!(db, |write| oauth_facts_put(write, &found));
        let seen = async || {
            let listed = read!(db, |session| server_list(session, EVERYTHING, None, None)).remove(0).oauth;
            assert_eq!(read!(db, |session| server_get(session, EVERYTHING, own)).unwrap().oauth, listed);
            listed
        };
        assert_eq!(seen().await.as_ref(), Some(&found));
        for (issuer, token_url) in [("https://id.example/", "https://id.example/token"), ("https://id.example", "https://id.example/t"), ("", "")] {
            stored.record.oauth2.issuer = issuer.to_owned();
            stored.record.oauth2.token_url = token_url.to_owned();
            commit!(db, |write| server_update(write, &stored));
            assert_eq!(seen().await, None, "{issuer} {token_url}");
            // Whoever changes it must know what there was.
            assert_eq!(read!(db, |session| oauth_facts_get(session, own)).as_ref(), Some(&found));
        }
        // A row for the lease alone is no fact, also where the server has no provider yet.
        commit!(db, |write| oauth_facts_delete(write, own));
        assert!(claim(&db, own, id()).await);
        assert_eq!(seen().await, None);
        assert_eq!(read!(db, |session| oauth_facts_get(session, own)), None);
        commit!(db, |write| server_delete(write, own));
        assert_eq!(db.number("SELECT COUNT(*) FROM mcp_oauth_facts").await, 0);
    }

    async fn of_200_registrations_at_once_one_goes_ahead(db: TestDb) {
        for known in [false, true] {
            let server = insert(&db, if known { "known" } else { "new" }).await;
            if known {
                commit!(db, |write| oauth_facts_put(write, &facts(server)));
            }
            let tasks: Vec<_> = (0..200)
                .map(|_| {
                    let db = db.clone();
                    tokio::spawn(async move { claim(&db, server, id()).await })
                })
                .collect();
            let mut won = 0;
            for task in tasks {
                won += usize::from(task.await.unwrap());
            }
            assert_eq!(won, 1, "{known}");
        }
    }

    async fn a_registration_is_given_back_by_its_holder_in_time_only(db: TestDb) {
        let server = insert(&db, "s").await;
        let (one, two) = (id(), id());
        assert!(!release(&db, server, one).await);
        assert!(claim(&db, server, one).await);
        assert!(!claim(&db, server, one).await, "each attempt is one of its own");
        assert!(!release(&db, server, two).await);
        assert!(release(&db, server, one).await);
        assert!(!release(&db, server, one).await);
        assert!(claim(&db, server, two).await);
        db.raw("UPDATE mcp_oauth_facts SET registering_until = 1").await.unwrap();
        assert!(!release(&db, server, two).await, "it took too long: what it got must not be stored");
        assert!(claim(&db, server, one).await);
        // Facts that are stored or forgotten: the lease stays, and goes.
        commit!(db, |write| oauth_facts_put(write, &facts(server)));
        assert!(!claim(&db, server, two).await);
        commit!(db, |write| oauth_facts_delete(write, server));
        assert!(!release(&db, server, one).await);
        assert!(claim(&db, server, two).await);
        assert!(!claim(&db, id(), two).await, "no such server");
    }

    async fn a_server_in_setup_is_discovered_and_registered(db: TestDb) {
        let stored = of_provider("s");
        let own = stored.record.id;
        commit!(db, |write| server_insert_in_setup(write, &stored, LEASE));
        assert!(claim(&db, own, id()).await);
        let found = facts(own);
        commit!(db, |write| oauth_facts_put(write, &found));
        assert_eq!(read!(db, |session| oauth_facts_get(session, own)).as_ref(), Some(&found));
        assert!(commit!(db, |write| server_setup_finish(write, own)));
        assert_eq!(read!(db, |session| server_get(session, EVERYTHING, own)).unwrap().oauth, Some(found));
    }
}
