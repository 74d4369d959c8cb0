//! What providers gave to users.

use crate::support::{EVERYTHING, START, commit, id, insert_user, read, refused, sealed, server, store};
use api::{Uuid, servers::AuthType};
use domain::mcp_server::TokenFailure;
use std::time::Duration;
use store::{SealedColumn, mcp_servers::*, oauth::*};
use testkit::{TestDb, both_engines};

const KEY: &str = "0123456789abcdef";

pub(crate) fn token(server: Uuid, user: Uuid) -> UserToken {
    UserToken {
        id: id(),
        mcp_server_id: server,
        user_id: user,
        access_token: sealed(b"access", KEY),
        refresh_token: sealed(b"refresh", "fedcba9876543210"),
        token_type: "Bearer".to_owned(),
        expires_at: Some(START.plus_seconds(3600)),
        scopes: "files:read".to_owned(),
        wanted_scopes: String::new(),
        issuer: "https://id.example".to_owned(),
        resource: "https://mcp.example.org/mcp".to_owned(),
        client_id: "client".to_owned(),
        token_url: "https://id.example/token".to_owned(),
        failure: None,
        failure_detail: String::new(),
        failed_at: None,
        version: 0,
        refresh_lease_id: None,
        refresh_lease_until: None,
        refresh_sends: 0,
        refresh_not_before: None,
        refresh_failures: 0,
        connected_at: START,
        updated_at: START.plus_seconds(1),
    }
}

/// An `oauth2` server and a user.
pub(crate) async fn pair(db: &TestDb) -> (Uuid, Uuid) {
    let user = insert_user(db, &format!("u{}", testkit::temp::unique())).await.user.id;
    (insert_server(db, &format!("s{}", testkit::temp::unique())).await, user)
}

async fn insert_server(db: &TestDb, slug: &str) -> Uuid {
    let mut stored = server(slug);
    stored.record.auth_type = AuthType::Oauth2;
    commit!(db, |write| server_insert(write, &stored));
    stored.record.id
}

/// Puts a token and gives it as it is stored.
pub(crate) async fn put(db: &TestDb, token: UserToken) -> UserToken {
    let version = commit!(db, |write| user_token_put(write, &token));
    UserToken { version, ..token }
}

pub(crate) async fn get(db: &TestDb, token: &UserToken) -> Option<UserToken> {
    read!(db, |session| user_token_get(session, token.mcp_server_id, token.user_id))
}

both_engines! {
    async fn a_token_is_read_back_as_it_was_written(db: TestDb) {
        let (server, user) = pair(&db).await;
        let full = put(&db, UserToken { wanted_scopes: "files:write".to_owned(), ..token(server, user) }).await;
        assert_eq!(get(&db, &full).await.unwrap(), full);
        let plain = UserToken { expires_at: None, refresh_token: SealedColumn::default(), ..token(server, user) };
        let plain = put(&db, plain).await;
        assert_eq!(get(&db, &plain).await.unwrap(), plain);
        assert_eq!(read!(db, |session| user_token_get(session, server, id())), None);
        assert_eq!(read!(db, |session| user_token_get(session, id(), user)), None);
    }

    async fn a_token_is_found_with_its_server_by_its_owner_only(db: TestDb) {
        let (server, ada) = pair(&db).await;
        let bob = insert_user(&db, "bob").await.user.id;
        let entry = put(&db, token(server, ada)).await;
        for (user, expected) in [(ada, Some(&entry)), (bob, None)] {
            let reader = Reader { user_id: user, ..EVERYTHING };
            let found = read!(db, |session| server_get(session, reader, server)).unwrap();
            assert_eq!(found.token.as_ref(), expected);
            let listed = read!(db, |session| server_list(session, reader, None, None));
            assert_eq!(listed[0].token.as_ref(), expected);
            let searched = read!(db, |session| server_search(session, reader, Wanted::default(), None, 10));
            assert_eq!(searched[0].token.as_ref(), expected);
            let chosen = read!(db, |session| server_candidates(session, reader, Candidates::Forced, &[server]));
            assert_eq!(chosen[0].token.as_ref(), expected);
        }
    }

    async fn a_new_grant_replaces_the_old_one_and_all_its_history(db: TestDb) {
        let (server, user) = pair(&db).await;
        let first = put(&db, token(server, user)).await;
        let holder = id();
        commit!(db, |write| user_token_refresh_claim(write, first.id, first.version, holder, 1_000_000));
        commit!(db, |write| user_token_refresh_sending(write, first.id, first.version, holder));
        assert!(commit!(db, |write| user_token_refresh_failed(write, first.id, first.version, holder, 60_000_000)));
        assert!(commit!(db, |write| user_token_want(write, server, user, "files:write")));
        assert!(commit!(db, |write| user_token_fail(write, first.id, first.version, TokenFailure::RefreshRejected, "x")));
        let failed = get(&db, &first).await.unwrap();
        assert_eq!((failed.failure, failed.wanted_scopes.as_str()), (Some(TokenFailure::RefreshRejected), "files:write"));
        let second = put(&db, token(server, user)).await;
        assert!(second.version > failed.version, "{} {}", second.version, failed.version);
        assert_eq!(get(&db, &second).await.unwrap(), second);
        assert_eq!(read!(db, |session| user_tokens_count(session, server)), 1);
    }

    async fn the_version_rises_though_the_clock_stands_still_or_goes_back(db: TestDb) {
        let (server, user) = pair(&db).await;
        let first = put(&db, token(server, user)).await;
        db.raw("UPDATE mcp_user_tokens SET version = version + 1000000000000").await.unwrap();
        let ahead = first.version + 1_000_000_000_000;
        assert_eq!(put(&db, token(server, user)).await.version, ahead + 1);
        assert_eq!(put(&db, token(server, user)).await.version, ahead + 2);
    }

    async fn the_version_does_not_fall_over_a_removal(db: TestDb) {
        let (server, user) = pair(&db).await;
        let mut last = 0;
        for _ in 0..5 {
            let now = put(&db, token(server, user)).await;
            assert!(now.version > last, "{} {last}", now.version);
            // Writes without a removal in between count on from there.
            let holder = id();
            commit!(db, |write| user_token_refresh_claim(write, now.id, now.version, holder, 1_000_000));
            let renewed = crate::oauth_refresh::renewed(b"next");
            last = commit!(db, |write| user_token_refresh_store(write, now.id, now.version, &renewed)).unwrap();
            let removed = commit!(db, |write| user_token_delete(write, server, user)).unwrap();
            assert_eq!(removed.version, last);
            // Longer than the database's clock takes for a step.
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
    }

    async fn a_removal_gives_back_what_the_provider_must_be_told(db: TestDb) {
        let (server, user) = pair(&db).await;
        let entry = put(&db, token(server, user)).await;
        let other = put(&db, token(server, insert_user(&db, "bob").await.user.id)).await;
        assert_eq!(commit!(db, |write| user_token_delete(write, server, user)), Some(entry));
        assert_eq!(commit!(db, |write| user_token_delete(write, server, user)), None);
        assert_eq!(get(&db, &other).await, Some(other));
    }

    async fn wanted_scopes_are_noted_without_a_new_version(db: TestDb) {
        let (server, user) = pair(&db).await;
        let entry = put(&db, token(server, user)).await;
        assert!(commit!(db, |write| user_token_want(write, server, user, "a b")));
        assert_eq!(get(&db, &entry).await.unwrap(), UserToken { wanted_scopes: "a b".to_owned(), ..entry.clone() });
        assert!(commit!(db, |write| user_token_want(write, server, user, "")));
        assert_eq!(get(&db, &entry).await.unwrap(), entry);
        assert!(!commit!(db, |write| user_token_want(write, server, id(), "a")));
    }

    async fn tokens_of_a_server_are_listed_and_removed_in_pages(db: TestDb) {
        let server = insert_server(&db, "s").await;
        let elsewhere = insert_server(&db, "t").await;
        let mut all = Vec::new();
        for name in ["Cy", "ada", "bob", "dan"] {
            let user = insert_user(&db, name).await.user.id;
            all.push(put(&db, token(server, user)).await);
            put(&db, token(elsewhere, user)).await;
        }
        assert_eq!(read!(db, |session| user_tokens_count(session, server)), 4);
        let first = read!(db, |session| user_tokens_page(session, server, "", 3));
        assert_eq!(first.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["ada", "bob", "Cy"]);
        assert_eq!(first[2].1, all[0]);
        let rest = read!(db, |session| user_tokens_page(session, server, "CY", 3));
        assert_eq!(rest.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["dan"]);
        let mut removed = Vec::new();
        for expected in [3, 1, 0] {
            let page = commit!(db, |write| user_tokens_delete_page(write, server, 3));
            assert_eq!(page.len(), expected);
            removed.extend(page);
        }
        removed.sort_by_key(|token| token.id);
        all.sort_by_key(|token| token.id);
        assert_eq!(removed, all);
        assert_eq!(read!(db, |session| user_tokens_count(session, elsewhere)), 4);
    }

    async fn tokens_for_another_resource_can_be_removed_alone(db: TestDb) {
        let server = insert_server(&db, "s").await;
        let with = |user: Uuid, resource: &str| UserToken { resource: resource.to_owned(), ..token(server, user) };
        for (name, resource) in [("ada", "https://x/a"), ("bob", "https://x/A"), ("cy", "https://x/a"), ("dan", "https://x/a/")] {
            let user = insert_user(&db, name).await.user.id;
            put(&db, with(user, resource)).await;
        }
        let mut resources = read!(db, |session| user_tokens_resources(session, server));
        resources.sort();
        assert_eq!(resources, ["https://x/A", "https://x/a", "https://x/a/"]);
        assert_eq!(commit!(db, |write| user_tokens_delete_of_resource(write, server, "https://x/a", 1)).len(), 1);
        let page = commit!(db, |write| user_tokens_delete_of_resource(write, server, "https://x/a", 10));
        assert_eq!(page.iter().map(|token| token.resource.as_str()).collect::<Vec<_>>(), ["https://x/a"]);
        assert!(commit!(db, |write| user_tokens_delete_of_resource(write, server, "https://x/a", 10)).is_empty());
        assert_eq!(read!(db, |session| user_tokens_count(session, server)), 2);
    }

    async fn tokens_go_with_their_owner_and_their_server(db: TestDb) {
        let (server, ada) = pair(&db).await;
        let (other, bob) = pair(&db).await;
        for (server, user) in [(server, ada), (server, bob), (other, ada), (other, bob)] {
            put(&db, token(server, user)).await;
        }
        commit!(db, |write| store::users::user_delete(write, ada));
        assert_eq!(read!(db, |session| user_tokens_count(session, server)), 1);
        commit!(db, |write| server_delete(write, server));
        assert_eq!(db.number("SELECT COUNT(*) FROM mcp_user_tokens").await, 1);
        let error = refused!(db, |write| user_token_put(write, &token(server, bob)));
        assert!(matches!(error, store::StoreError::Conflict { .. }), "{error:?}");
    }

    /// The fleet counts who has a credential, and whose does not work any more.
    async fn the_fleet_counts_tokens(db: TestDb) {
        let server = insert_server(&db, "s").await;
        let mut users = Vec::new();
        for name in ["ada", "bob", "cy", "dan", "eve"] {
            users.push(insert_user(&db, name).await.user.id);
        }
        let ever = UserToken { expires_at: None, refresh_token: SealedColumn::default(), ..token(server, users[0]) };
        put(&db, ever.clone()).await;
        put(&db, UserToken { expires_at: Some(api::Timestamp(1)), ..token(server, users[1]) }).await;
        put(&db, UserToken { expires_at: Some(api::Timestamp(1)), id: id(), user_id: users[2], ..ever }).await;
        let failed = put(&db, token(server, users[3])).await;
        commit!(db, |write| user_token_fail(write, failed.id, failed.version, TokenFailure::RejectedByServer, ""));
        put(&db, UserToken { access_token: sealed(b"x", "ffffffffffffffff"), ..token(server, users[4]) }).await;
        let keys = [KEY.to_owned(), "fedcba9876543210".to_owned()];
        let (fleet, _) = read!(db, |session| fleet_list(session, &FleetFilter::default(), &keys, 10));
        // Expired without a way on, failed, unreadable.
        assert_eq!((fleet[0].connected_users, fleet[0].expired_users), (5, 3));
    }

    async fn a_failure_is_one_of_four_words_and_keeps_no_secret(db: TestDb) {
        let (server, user) = pair(&db).await;
        put(&db, token(server, user)).await;
        let gone = "access_token = NULL, access_token_key_id = NULL, refresh_token = NULL, refresh_token_key_id = NULL";
        for wrong in [
            "failure = 'telepathy', failed_at = 1".to_owned(),
            "failure = 'undecryptable', failed_at = 1".to_owned(),
            "failure = 'CLIENT_CHANGED', failed_at = 1".to_owned(),
            format!("failure = 'client_changed', {gone}"),
            "failed_at = 1".to_owned(),
            "failure = 'client_changed', failed_at = 1".to_owned(),
            format!("failure_detail = '{}'", "x".repeat(401)),
            "refresh_sends = -1".to_owned(),
            "refresh_lease_until = 1".to_owned(),
        ] {
            crate::schema::assert_refused(&db, &format!("UPDATE mcp_user_tokens SET {wrong}")).await;
        }
        for failure in TokenFailure::ALL {
            let entry = put(&db, token(server, user)).await;
            assert!(commit!(db, |write| user_token_fail(write, entry.id, entry.version, failure, "")));
            assert_eq!(get(&db, &entry).await.unwrap().failure, Some(failure));
        }
    }
}
