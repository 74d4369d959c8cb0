//! Renewal of tokens: one at a time, and nobody undoes what a quicker one did (threats 95, 96).

use crate::{
    oauth_tokens::{get, pair, put, token},
    support::{START, chat, commit, id, insert_user, read, sealed, store},
};
use api::{Timestamp, Uuid, chats::ChatStatus};
use domain::mcp_server::TokenFailure;
use store::{Micros, SealedColumn, clock::database_now, oauth::*};
use testkit::{TestDb, both_engines};

const LEASE: i64 = 30_000_000;

pub(crate) fn renewed(access: &[u8]) -> Renewed {
    Renewed {
        access: sealed(access, "0123456789abcdef"),
        refresh: None,
        token_type: "bearer".to_owned(),
        expires_at: Some(START.plus_seconds(7200)),
        scopes: "files:read files:list".to_owned(),
        rest_micros: 0,
    }
}

async fn claim(db: &TestDb, token: &UserToken, holder: Uuid) -> Claim {
    commit!(db, |write| user_token_refresh_claim(write, token.id, token.version, holder, LEASE))
}

async fn sending(db: &TestDb, token: &UserToken, holder: Uuid) -> bool {
    commit!(db, |write| user_token_refresh_sending(write, token.id, token.version, holder))
}

async fn store_it(db: &TestDb, token: &UserToken, renewed: &Renewed) -> Option<i64> {
    commit!(db, |write| user_token_refresh_store(write, token.id, token.version, renewed))
}

async fn failed(db: &TestDb, token: &UserToken, holder: Uuid, back_off: i64) -> bool {
    commit!(db, |write| user_token_refresh_failed(write, token.id, token.version, holder, back_off))
}

/// Every lease and every back-off is over.
async fn time_passes(db: &TestDb) {
    db.raw(
        "UPDATE mcp_user_tokens SET refresh_lease_until = CASE WHEN refresh_lease_until IS NULL THEN NULL ELSE 1 END, \
         refresh_not_before = NULL",
    )
    .await
    .unwrap();
}

async fn now(db: &TestDb) -> i64 {
    read!(db, |session| database_now(session)).0
}

both_engines! {
    async fn of_200_claims_at_once_one_gets_the_lease(db: TestDb) {
        let (server, user) = pair(&db).await;
        let entry = put(&db, token(server, user)).await;
        let tasks: Vec<_> = (0..200)
            .map(|_| {
                let (db, entry) = (db.clone(), entry.clone());
                tokio::spawn(async move { claim(&db, &entry, id()).await })
            })
            .collect();
        let (mut won, mut held) = (0, 0);
        for task in tasks {
            match task.await.unwrap() {
                Claim::Claimed { sends } => {
                    assert_eq!(sends, 0);
                    won += 1;
                }
                Claim::Held { .. } => held += 1,
                other => panic!("{other:?}"),
            }
        }
        assert_eq!((won, held), (1, 199));
    }

    async fn a_claim_says_why_it_is_not_given(db: TestDb) {
        let (server, user) = pair(&db).await;
        let entry = put(&db, token(server, user)).await;
        let (one, two) = (id(), id());
        let before = now(&db).await;
        assert_eq!(claim(&db, &entry, one).await, Claim::Claimed { sends: 0 });
        for holder in [one, two] {
            let Claim::Held { until: Micros(until) } = claim(&db, &entry, holder).await else { panic!("held") };
            assert!((before + LEASE..before + LEASE + 20_000_000).contains(&until), "{until} {before}");
        }
        assert!(failed(&db, &entry, one, 60_000_000).await);
        let Claim::BackOff { until: Micros(until) } = claim(&db, &entry, two).await else { panic!("backs off") };
        assert!((before + 60_000_000..before + 80_000_000).contains(&until), "{until} {before}");
        time_passes(&db).await;
        assert_eq!(claim(&db, &entry, two).await, Claim::Claimed { sends: 0 });
        // Whatever else holds, another version comes first.
        let older = UserToken { version: entry.version - 1, ..entry.clone() };
        assert_eq!(claim(&db, &older, one).await, Claim::Changed);
        let alone = UserToken { refresh_token: SealedColumn::default(), ..token(server, user) };
        let alone = put(&db, alone).await;
        assert_eq!(claim(&db, &alone, one).await, Claim::Changed, "it cannot be renewed");
        assert_eq!(claim(&db, &entry, one).await, Claim::Gone, "the row has another id now");
        commit!(db, |write| user_token_delete(write, server, user));
        assert_eq!(claim(&db, &alone, one).await, Claim::Gone);
    }

    async fn a_lease_that_ran_out_is_taken_by_the_next_who_sees_what_was_sent(db: TestDb) {
        let (server, user) = pair(&db).await;
        let entry = put(&db, token(server, user)).await;
        let (dead, next, last) = (id(), id(), id());
        claim(&db, &entry, dead).await;
        assert!(!sending(&db, &entry, next).await, "not the holder");
        assert!(sending(&db, &entry, dead).await);
        time_passes(&db).await;
        assert!(!sending(&db, &entry, dead).await, "out of time");
        assert_eq!(claim(&db, &entry, next).await, Claim::Claimed { sends: 1 });
        assert!(!sending(&db, &entry, dead).await, "somebody else's by now");
        assert!(sending(&db, &entry, next).await);
        time_passes(&db).await;
        assert_eq!(claim(&db, &entry, last).await, Claim::Claimed { sends: 2 }, "two that nobody heard of again");
        assert!(failed(&db, &entry, last, 0).await);
        assert!(!failed(&db, &entry, last, 0).await, "once");
        assert_eq!(claim(&db, &entry, last).await, Claim::Claimed { sends: 0 });
        assert_eq!(get(&db, &entry).await.unwrap().refresh_failures, 1);
    }

    async fn a_renewal_is_stored_with_a_new_version_and_ends_the_lease(db: TestDb) {
        let (server, user) = pair(&db).await;
        let entry = put(&db, UserToken { wanted_scopes: "files:write".to_owned(), ..token(server, user) }).await;
        let holder = id();
        claim(&db, &entry, holder).await;
        failed(&db, &entry, holder, 0).await;
        claim(&db, &entry, holder).await;
        sending(&db, &entry, holder).await;
        let before = now(&db).await;
        let kept = renewed(b"second");
        let version = store_it(&db, &entry, &kept).await.unwrap();
        assert!(version > entry.version);
        let found = get(&db, &entry).await.unwrap();
        assert!(found.updated_at.0 >= before && found.refresh_not_before.unwrap().0 >= before);
        let expected = UserToken {
            access_token: kept.access.clone(),
            token_type: kept.token_type.clone(),
            expires_at: kept.expires_at,
            scopes: kept.scopes.clone(),
            version,
            updated_at: found.updated_at,
            refresh_not_before: found.refresh_not_before,
            ..entry.clone()
        };
        assert_eq!(found, expected);
        // A new refresh token takes the place of the old one, in the same statement.
        let rotated = Renewed { refresh: Some(sealed(b"rotated", "1111111111111111")), expires_at: None, ..renewed(b"third") };
        let last = store_it(&db, &found, &rotated).await.unwrap();
        let after = get(&db, &entry).await.unwrap();
        assert_eq!((Some(&after.refresh_token), after.expires_at, after.version), (rotated.refresh.as_ref(), None, last));
    }

    async fn whoever_has_renewed_a_token_may_let_it_rest(db: TestDb) {
        let (server, user) = pair(&db).await;
        let entry = put(&db, token(server, user)).await;
        let version = store_it(&db, &entry, &Renewed { rest_micros: 60_000_000, ..renewed(b"next") }).await.unwrap();
        let entry = UserToken { version, ..entry };
        assert!(matches!(claim(&db, &entry, id()).await, Claim::BackOff { .. }));
        time_passes(&db).await;
        assert!(matches!(claim(&db, &entry, id()).await, Claim::Claimed { .. }));
    }

    async fn the_loser_changes_nothing(db: TestDb) {
        let (server, user) = pair(&db).await;
        let entry = put(&db, token(server, user)).await;
        let (late, winner) = (id(), id());
        claim(&db, &entry, late).await;
        time_passes(&db).await;
        claim(&db, &entry, winner).await;
        store_it(&db, &entry, &renewed(b"winner")).await.unwrap();
        let stored = get(&db, &entry).await.unwrap();
        assert_eq!(store_it(&db, &entry, &renewed(b"loser")).await, None);
        assert!(!sending(&db, &entry, late).await);
        assert!(!failed(&db, &entry, late, LEASE).await);
        assert!(!failed(&db, &stored, late, LEASE).await, "of the new version, without a lease");
        assert!(!commit!(db, |write| user_token_fail(write, entry.id, entry.version, TokenFailure::RefreshRejected, "reuse")));
        assert!(!commit!(db, |write| user_token_reject(write, entry.id, entry.version, "401")));
        assert_eq!(get(&db, &entry).await.unwrap(), stored);
    }

    /// Whose lease ran out while the provider took its time has spent the old refresh token all the same.
    async fn an_answer_that_comes_late_is_kept_when_nobody_was_quicker(db: TestDb) {
        let (server, user) = pair(&db).await;
        let entry = put(&db, token(server, user)).await;
        let next = id();
        claim(&db, &entry, id()).await;
        time_passes(&db).await;
        claim(&db, &entry, next).await;
        let version = store_it(&db, &entry, &renewed(b"late")).await.unwrap();
        assert!(!sending(&db, &entry, next).await, "what it would send is spent");
        let found = get(&db, &entry).await.unwrap();
        assert_eq!((found.version, found.refresh_lease_id), (version, None));
    }

    async fn a_row_that_was_removed_is_not_made_again(db: TestDb) {
        let (server, user) = pair(&db).await;
        let entry = put(&db, token(server, user)).await;
        let holder = id();
        claim(&db, &entry, holder).await;
        commit!(db, |write| user_token_delete(write, server, user));
        assert!(!sending(&db, &entry, holder).await);
        assert_eq!(store_it(&db, &entry, &renewed(b"late")).await, None);
        assert!(!failed(&db, &entry, holder, 0).await);
        assert!(!commit!(db, |write| user_token_fail(write, entry.id, entry.version, TokenFailure::RefreshRejected, "")));
        assert_eq!(get(&db, &entry).await, None);
        // Nor does the answer get into the grant that was made since.
        let again = put(&db, token(server, user)).await;
        assert_eq!(store_it(&db, &entry, &renewed(b"late")).await, None);
        assert_eq!(get(&db, &entry).await, Some(again));
    }

    async fn answers_at_once_are_stored_once(db: TestDb) {
        let (server, user) = pair(&db).await;
        let entry = put(&db, token(server, user)).await;
        let tasks: Vec<_> = (0..50_u8)
            .map(|n| {
                let (db, entry) = (db.clone(), entry.clone());
                tokio::spawn(async move { store_it(&db, &entry, &renewed(&[n])).await.map(|version| (n, version)) })
            })
            .collect();
        let mut won = Vec::new();
        for task in tasks {
            won.extend(task.await.unwrap());
        }
        let found = get(&db, &entry).await.unwrap();
        assert_eq!(won, [(found.access_token.ciphertext.unwrap()[0], found.version)]);
    }

    async fn a_failure_for_good_clears_what_is_of_no_use(db: TestDb) {
        let (server, user) = pair(&db).await;
        let entry = put(&db, token(server, user)).await;
        let holder = id();
        claim(&db, &entry, holder).await;
        sending(&db, &entry, holder).await;
        let detail = format!("\0{}", "ü".repeat(500));
        let before = now(&db).await;
        assert!(commit!(db, |write| user_token_fail(write, entry.id, entry.version, TokenFailure::RefreshRejected, &detail)));
        let found = get(&db, &entry).await.unwrap();
        assert!(found.failed_at.unwrap().0 >= before);
        let expected = UserToken {
            access_token: SealedColumn::default(),
            refresh_token: SealedColumn::default(),
            expires_at: None,
            failure: Some(TokenFailure::RefreshRejected),
            failure_detail: "ü".repeat(400),
            failed_at: found.failed_at,
            updated_at: found.updated_at,
            version: entry.version + 1,
            ..entry.clone()
        };
        assert_eq!(found, expected);
        assert_eq!(claim(&db, &found, holder).await, Claim::Changed, "there is nothing to renew");
    }

    async fn a_token_is_not_rejected_while_somebody_renews_it(db: TestDb) {
        let (server, user) = pair(&db).await;
        let entry = put(&db, token(server, user)).await;
        let holder = id();
        claim(&db, &entry, holder).await;
        assert!(!commit!(db, |write| user_token_reject(write, entry.id, entry.version, "401")));
        let version = store_it(&db, &entry, &renewed(b"next")).await.unwrap();
        assert!(commit!(db, |write| user_token_reject(write, entry.id, version, "401")));
        let found = get(&db, &entry).await.unwrap();
        assert_eq!((found.failure, found.failure_detail.as_str()), (Some(TokenFailure::RejectedByServer), "401"));
    }

    async fn what_a_server_refused_counts_as_expired_and_can_still_be_renewed(db: TestDb) {
        let (server, user) = pair(&db).await;
        let entry = put(&db, token(server, user)).await;
        assert!(!commit!(db, |write| user_token_expire(write, entry.id, entry.version - 1, 0)), "another one by now");
        assert!(commit!(db, |write| user_token_expire(write, entry.id, entry.version, 0)));
        assert_eq!(get(&db, &entry).await.unwrap(), UserToken { expires_at: Some(Timestamp(0)), ..entry.clone() });
        // With a pause nobody renews it at once.
        assert!(commit!(db, |write| user_token_expire(write, entry.id, entry.version, LEASE)));
        assert!(matches!(claim(&db, &entry, id()).await, Claim::BackOff { .. }));
        db.raw("UPDATE mcp_user_tokens SET refresh_not_before = 0").await.unwrap();
        assert_eq!(claim(&db, &entry, id()).await, Claim::Claimed { sends: 0 });
        let version = store_it(&db, &entry, &renewed(b"next")).await.unwrap();
        assert_eq!(get(&db, &entry).await.unwrap().expires_at, renewed(b"next").expires_at);
        commit!(db, |write| user_token_fail(write, entry.id, version, TokenFailure::RefreshRejected, ""));
        assert!(!commit!(db, |write| user_token_expire(write, entry.id, version + 1, 0)), "it has failed for good");
        assert_eq!(get(&db, &entry).await.unwrap().expires_at, None);
    }

    async fn a_new_client_ends_every_token_that_still_worked(db: TestDb) {
        let (server, ada) = pair(&db).await;
        let (other, bob) = pair(&db).await;
        let dead = put(&db, token(server, ada)).await;
        commit!(db, |write| user_token_fail(write, dead.id, dead.version, TokenFailure::RefreshRejected, "no"));
        let good = put(&db, token(server, bob)).await;
        let elsewhere = put(&db, token(other, bob)).await;
        assert_eq!(commit!(db, |write| user_tokens_fail_all(write, server, TokenFailure::ClientChanged)), 1);
        assert_eq!(get(&db, &dead).await.unwrap().failure, Some(TokenFailure::RefreshRejected));
        let ended = get(&db, &good).await.unwrap();
        assert_eq!((ended.failure, ended.version), (Some(TokenFailure::ClientChanged), good.version + 1));
        assert!(!ended.access_token.is_set() && !ended.refresh_token.is_set());
        assert_eq!(get(&db, &elsewhere).await, Some(elsewhere));
        assert_eq!(commit!(db, |write| user_tokens_fail_all(write, server, TokenFailure::ClientChanged)), 0);
    }

    async fn tokens_to_renew_ahead_are_those_that_can_be_and_matter(db: TestDb) {
        let entry = |server, user, seconds| UserToken { expires_at: Some(START.plus_seconds(seconds)), ..token(server, user) };
        let active = async || {
            let (server, user) = pair(&db).await;
            commit!(db, |write| store::chats::chat_insert(write, &chat(user, ChatStatus::Waiting)));
            (server, user)
        };
        let (server, user) = active().await;
        let later = put(&db, entry(server, user, 20)).await;
        let (first_server, first_user) = active().await;
        let first = put(&db, entry(first_server, first_user, 10)).await;
        let due = async |before: Timestamp, since: Timestamp, limit| {
            let due = read!(db, |session| user_tokens_due(session, before.into(), since, limit));
            let known = [&first, &later].map(|token| (token.mcp_server_id, token.user_id, token.id, token.version));
            assert!(due.iter().all(|found| known.contains(found)), "{due:?}");
            due.into_iter().map(|(_, _, id, _)| id).collect::<Vec<_>>()
        };
        let soon = START.plus_seconds(30);
        assert_eq!(due(soon, START, 10).await, [first.id, later.id], "those that end first");
        assert_eq!(due(soon, START, 1).await, [first.id]);
        assert_eq!(due(START.plus_seconds(20), START, 10).await, [first.id]);
        assert!(due(soon, START.plus_seconds(1), 10).await.is_empty(), "no chat since");
        let put_back = "UPDATE mcp_user_tokens SET expires_at = expires_at";
        for (away, back) in [
            (format!("UPDATE mcp_servers SET enabled = FALSE WHERE id = {}", literal(&db, server)), "UPDATE mcp_servers SET enabled = TRUE"),
            (format!("UPDATE mcp_servers SET auth_type = 'none' WHERE id = {}", literal(&db, server)), "UPDATE mcp_servers SET auth_type = 'oauth2'"),
            (format!("UPDATE users SET status = 'suspended' WHERE id = {}", literal(&db, user)), "UPDATE users SET status = 'active'"),
            (format!("UPDATE mcp_user_tokens SET refresh_not_before = 9000000000000000 WHERE user_id = {}", literal(&db, user)), "UPDATE mcp_user_tokens SET refresh_not_before = 1"),
            (format!("UPDATE chats SET owner_id = {} WHERE owner_id = {}", literal(&db, first_user), literal(&db, user)), put_back),
        ] {
            assert_eq!(db.raw(&away).await.unwrap(), 1, "{away}");
            assert_eq!(due(soon, START, 10).await, [first.id], "{away}");
            db.raw(back).await.unwrap();
        }
        claim(&db, &first, id()).await;
        assert!(due(soon, START, 10).await.is_empty(), "somebody is at it");
        time_passes(&db).await;
        commit!(db, |write| user_token_fail(write, first.id, first.version, TokenFailure::RefreshRejected, ""));
        assert!(due(soon, START, 10).await.is_empty());
        let idle = insert_user(&db, "idle").await.user.id;
        put(&db, entry(server, idle, 1)).await;
        put(&db, UserToken { expires_at: None, ..entry(server, first_user, 1) }).await;
        put(&db, UserToken { refresh_token: SealedColumn::default(), ..entry(first_server, first_user, 1) }).await;
        assert!(due(soon, START, 10).await.is_empty(), "no chat at all, no end, no refresh token");
    }

    /// Threat 97 and behaviour 10: a provider with many tokens that are due does not come before one with few.
    async fn servers_take_turns_at_renewals_ahead(db: TestDb) {
        let (many, _) = pair(&db).await;
        let (few, _) = pair(&db).await;
        let mut expected = Vec::new();
        for number in 0..6 {
            let user = insert_user(&db, &format!("u{number}")).await.user.id;
            commit!(db, |write| store::chats::chat_insert(write, &chat(user, ChatStatus::Waiting)));
            let server = if number < 4 { many } else { few };
            put(&db, UserToken { expires_at: Some(START.plus_seconds(number)), ..token(server, user) }).await;
            expected.push((server, user));
        }
        let found = read!(db, |session| user_tokens_due(session, START.plus_seconds(60).into(), START, 3));
        let found: Vec<_> = found.into_iter().map(|(server, user, _, _)| (server, user)).collect();
        assert_eq!(found, [expected[0], expected[4], expected[1]]);
    }
}

fn literal(db: &TestDb, id: Uuid) -> String {
    if db.is_postgres() { format!("'{id}'") } else { format!("x'{}'", id.simple()) }
}
