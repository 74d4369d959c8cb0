//! Rows in setup (behaviour 5): nobody finds them, and their slug is taken.

use crate::support::{
    EVERYTHING, START, assert_conflict, commit, insert_group, insert_user, read, refused, sealed, server,
    store,
};
use api::{Timestamp, Uuid, fleet::HealthState, servers::Availability};
use store::{groups::group_servers, mcp_servers::*, oauth::user_tokens_due};
use testkit::{TestDb, both_engines};

const MINUTES: i64 = 600_000_000;

/// A server that everything would find if it were real: enabled, forced, due for a check, limited to a group.
async fn insert(db: &TestDb, slug: &str, group: Uuid) -> StoredServer {
    let mut stored = server(slug);
    stored.record.availability = Availability::ForceOn;
    stored.record.allowed_group_ids = vec![group];
    commit!(db, |write| server_insert_in_setup(write, &stored, MINUTES));
    stored
}

async fn out_of_time(db: &TestDb) {
    db.raw("UPDATE mcp_servers SET setup_until = 1 WHERE setup_until IS NOT NULL").await.unwrap();
}

/// Every public function that reads servers, by name, and whether it finds this one. A read that is new belongs in here.
async fn found_by(db: &TestDb, stored: &StoredServer, group: Uuid, user: Uuid) -> Vec<(&'static str, bool)> {
    let (own, slug) = (stored.record.id, stored.record.slug.as_str());
    let has = |found: &[FoundServer]| found.iter().any(|found| found.stored.record.id == own);
    let mut seen = Vec::new();
    for reader in [EVERYTHING, Reader { user_id: user, disabled: false, every_group: false }] {
        let listed = read!(db, |session| server_list(session, reader, None, None));
        seen.push(("list", has(&listed)));
        let page = read!(db, |session| server_list(session, reader, None, Some(50)));
        seen.push(("page", has(&page)));
        let wanted = Wanted { q: slug, enabled: None };
        seen.push(("search", has(&read!(db, |session| server_search(session, reader, wanted, None, 50)))));
        seen.push(("get", read!(db, |session| server_get(session, reader, own)).is_some()));
        seen.push(("cursor", read!(db, |session| server_cursor(session, reader, own)).is_some()));
        for which in [Candidates::Forced, Candidates::Defaults] {
            let found = read!(db, |session| server_candidates(session, reader, which, &[]));
            seen.push(("candidates", has(&found)));
            let found = read!(db, |session| server_candidates(session, reader, which, &[own]));
            seen.push(("chosen", has(&found)));
        }
    }
    let ids = FleetFilter { ids: Some(vec![own]), ..FleetFilter::default() };
    for filter in [FleetFilter::default(), ids] {
        let (fleet, total) = read!(db, |session| fleet_list(session, &filter, &[], 50));
        seen.push(("fleet", fleet.iter().any(|row| row.id == own)));
        seen.push(("fleet total", total > 1 || fleet.iter().any(|row| row.id == own)));
    }
    let counts = read!(db, |session| fleet_counts(session, START));
    seen.push(("counts", counts.iter().map(|count| count.servers).sum::<i64>() > 1));
    seen.push(("slug", read!(db, |session| server_slug(session, own)).is_some()));
    seen.push(("id by slug", read!(db, |session| server_id_by_slug(session, slug)).is_some()));
    seen.push(("url", read!(db, |session| server_url(session, own)).is_some()));
    seen.push((
        "group",
        read!(db, |session| group_servers(session, group)).iter().any(|found| found.id == own),
    ));
    seen.push(("for update", commit!(db, |write| server_get_for_update(write, own)).is_some()));
    seen.push(("definitions", commit!(db, |write| definitions_lock(write, own)).is_some()));
    let far = Timestamp(START.0 + 1_000_000_000_000);
    let claimed = commit!(db, |write| health_check_claim(write, far, far, 50));
    seen.push(("health claim", claimed.contains(&own)));
    let health = HealthRecord {
        state: HealthState::Ok,
        since: START,
        last_error: String::new(),
        last_error_at: None,
        last_ok_at: Some(far),
        latency_ms: None,
        next_check_at: far,
    };
    seen.push(("health", commit!(db, |write| health_put(write, own, &health))));
    let facts = ServerFacts {
        wire: "stateless".to_owned(),
        revision: "2026-07-28".to_owned(),
        server_name: String::new(),
        server_version: String::new(),
        found_at: START,
    };
    let url = stored.record.url.as_str();
    seen.push(("facts", commit!(db, |write| server_facts_put(write, own, url, &facts))));
    seen
}

both_engines! {
    async fn no_read_finds_a_row_in_setup_and_every_one_finds_it_afterwards(db: TestDb) {
        let user = insert_user(&db, "ada").await.user.id;
        let group = insert_group(&db, "mine", &[user]).await;
        commit!(db, |write| server_insert(write, &server("other")));
        let stored = insert(&db, "linear", group).await;
        let found = found_by(&db, &stored, group, user).await;
        assert!(found.len() > 25, "{found:?}");
        let by: Vec<_> = found.into_iter().filter(|(_, found)| *found).collect();
        assert!(by.is_empty(), "{by:?}");
        // Out of time and not yet swept it is no more real.
        out_of_time(&db).await;
        let by: Vec<_> = found_by(&db, &stored, group, user).await.into_iter().filter(|(_, found)| *found).collect();
        assert!(by.is_empty(), "{by:?}");
        assert!(!commit!(db, |write| server_delete(write, stored.record.id)), "only its own request removes it");
        db.raw("UPDATE mcp_servers SET setup_until = NULL").await.unwrap();
        let missed: Vec<_> = found_by(&db, &stored, group, user).await.into_iter().filter(|(_, found)| !*found).collect();
        assert!(missed.is_empty(), "{missed:?}");
    }

    async fn its_slug_is_taken(db: TestDb) {
        commit!(db, |write| server_insert_in_setup(write, &server("Linear"), MINUTES));
        assert_conflict(&refused!(db, |write| server_insert(write, &server("linear"))), "slug");
        assert_conflict(&refused!(db, |write| server_insert_in_setup(write, &server("LINEAR"), MINUTES)), "slug");
    }

    async fn the_request_that_made_it_completes_it_in_one_transaction(db: TestDb) {
        let group = insert_group(&db, "mine", &[]).await;
        let own = insert(&db, "s", group).await.record.id;
        let mut write = db.write().await.unwrap();
        let mut stored = server_setup_get_for_update(&mut write, own).await.unwrap().unwrap();
        assert_eq!((stored.record.slug.as_str(), &stored.record.allowed_group_ids[..]), ("s", &[group][..]));
        stored.record.oauth2.client_id = "client".to_owned();
        stored.oauth2_client_secret = sealed(b"secret", "0123456789abcdef");
        server_update(&mut write, &stored).await.unwrap();
        assert!(server_setup_finish(&mut write, own).await.unwrap());
        write.commit().await.unwrap();
        let found = read!(db, |session| server_get(session, EVERYTHING, own)).unwrap().stored;
        assert_eq!((found.record.oauth2.client_id.as_str(), found.record.has_oauth2_secret), ("client", true));
        // It is real, and no longer a matter of the setup.
        assert!(!commit!(db, |write| server_setup_finish(write, own)));
        assert!(!commit!(db, |write| server_setup_remove(write, own)));
        assert!(commit!(db, |write| server_setup_get_for_update(write, own)).is_none());
        assert_eq!(commit!(db, |write| servers_setup_sweep(write)), 0);
        assert!(commit!(db, |write| server_delete(write, own)));
    }

    async fn a_setup_that_failed_leaves_nothing(db: TestDb) {
        let group = insert_group(&db, "mine", &[]).await;
        let own = insert(&db, "s", group).await.record.id;
        assert!(commit!(db, |write| server_setup_remove(write, own)));
        assert!(!commit!(db, |write| server_setup_remove(write, own)), "once");
        assert!(!commit!(db, |write| server_setup_finish(write, own)), "gone is gone");
        assert_eq!(db.number("SELECT COUNT(*) FROM mcp_servers").await, 0);
        insert(&db, "s", group).await;
    }

    async fn what_a_killed_process_left_is_swept_and_cannot_become_real(db: TestDb) {
        let group = insert_group(&db, "mine", &[]).await;
        let late = insert(&db, "late", group).await.record.id;
        out_of_time(&db).await;
        let busy = insert(&db, "busy", group).await.record.id;
        commit!(db, |write| server_insert(write, &server("real")));
        assert!(commit!(db, |write| server_setup_get_for_update(write, late)).is_none());
        assert!(!commit!(db, |write| server_setup_finish(write, late)));
        assert_eq!(commit!(db, |write| servers_setup_sweep(write)), 1);
        assert_eq!(db.texts("SELECT slug FROM mcp_servers ORDER BY slug").await, ["busy", "real"]);
        assert!(commit!(db, |write| server_setup_finish(write, busy)));
    }

    /// The groups of a page are read beside it: both must be the same stretch of the list.
    async fn a_row_in_setup_takes_no_place_in_a_page(db: TestDb) {
        let group = insert_group(&db, "mine", &[]).await;
        insert(&db, "a", group).await;
        let mut stored = server("b");
        stored.record.allowed_group_ids = vec![group];
        commit!(db, |write| server_insert(write, &stored));
        let page = read!(db, |session| server_list(session, EVERYTHING, None, Some(1)));
        assert_eq!(page.len(), 1);
        assert_eq!(page[0].stored.record, stored.record);
    }

    async fn its_tokens_are_not_renewed(db: TestDb) {
        let record = crate::support::insert_chat(&db, api::chats::ChatStatus::Waiting).await;
        let mut stored = server("s");
        stored.record.auth_type = api::servers::AuthType::Oauth2;
        commit!(db, |write| server_insert_in_setup(write, &stored, MINUTES));
        let token = crate::oauth_tokens::token(stored.record.id, record.owner_id);
        commit!(db, |write| store::oauth::user_token_put(write, &token));
        let far = store::Micros(i64::MAX);
        assert!(read!(db, |session| user_tokens_due(session, far, Timestamp(0), 10)).is_empty());
        assert!(commit!(db, |write| server_setup_finish(write, stored.record.id)));
        assert_eq!(read!(db, |session| user_tokens_due(session, far, Timestamp(0), 10)).len(), 1);
    }

    async fn a_group_that_limits_it_stays(db: TestDb) {
        let group = insert_group(&db, "mine", &[]).await;
        insert(&db, "s", group).await;
        let error = refused!(db, |write| store::groups::group_delete(write, group));
        assert!(matches!(error, store::StoreError::Conflict { .. }), "{error:?}");
    }
}
