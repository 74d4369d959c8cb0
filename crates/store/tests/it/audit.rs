//! The audit log.

use crate::support::{START, commit, id, insert_user, read, store};
use api::{Timestamp, Uuid, audit as wire};
use domain::audit::{ActionFilter, ActorFilter, AuditFilter};
use store::audit::*;
use testkit::{TestDb, both_engines};

pub(crate) fn entry() -> AuditEntry {
    AuditEntry {
        id: id(),
        at: START,
        actor_id: Some(id()),
        actor_name: "ada".to_owned(),
        credential_id: None,
        address: "127.0.0.1".to_owned(),
        user_agent: "agent".to_owned(),
        request_id: "r".to_owned(),
        action: "server.create",
        resource_type: "mcp_server",
        resource_id: id().to_string(),
        resource_name: "GitHub".to_owned(),
        outcome: "ok",
        changed_fields: vec!["slug".to_owned(), "api_key_value set".to_owned()],
    }
}

fn id_literal(db: &TestDb, id: Uuid) -> String {
    if db.is_postgres() { format!("'{id}'") } else { format!("x'{}'", id.simple()) }
}

/// An entry by hand, past the store.
pub(crate) fn insert_sql(db: &TestDb, outcome: &str) -> String {
    format!(
        "INSERT INTO audit_log (id, at, actor_name, address, user_agent, request_id, action, resource_type, resource_id, \
         resource_name, outcome, changed_fields) VALUES ({}, 1, '', '', '', '', 'a', '', '', '', '{outcome}', '[]')",
        id_literal(db, id())
    )
}

async fn append(db: &TestDb, entry: &AuditEntry) {
    commit!(db, |write| audit_append(write, entry));
}

async fn list(db: &TestDb, filter: &AuditFilter) -> Vec<wire::AuditEntry> {
    read!(db, |session| audit_list(session, filter, None, 1000))
}

async fn ids(db: &TestDb, filter: &AuditFilter) -> Vec<Uuid> {
    list(db, filter).await.into_iter().map(|entry| entry.id).collect()
}

async fn assert_kept(db: &TestDb, sql: &str) {
    let error = db.raw(sql).await.expect_err(sql).to_string();
    assert!(error.contains("the audit log cannot be changed"), "{sql}: {error}");
}

both_engines! {
    async fn an_entry_is_appended_with_all_it_says(db: TestDb) {
        for outcome in ["ok", "denied", "failed"] {
            let entry = AuditEntry { outcome, ..entry() };
            commit!(db, |write| audit_append(write, &entry));
        }
        assert_eq!(db.texts("SELECT outcome FROM audit_log ORDER BY outcome").await, ["denied", "failed", "ok"]);
        let fields = db.texts("SELECT CAST(changed_fields AS TEXT) FROM audit_log LIMIT 1").await;
        assert_eq!(fields[0].replace(' ', ""), r#"["slug","api_key_valueset"]"#);
        assert_eq!(db.texts("SELECT DISTINCT actor_name || '/' || action || '/' || resource_name FROM audit_log").await, [
            "ada/server.create/GitHub"
        ]);
        assert_eq!(db.number("SELECT MIN(at) FROM audit_log").await, START.0);
    }

    async fn an_entry_of_a_transaction_that_fails_is_gone_with_it(db: TestDb) {
        let mut write = db.write().await.unwrap();
        audit_append(&mut write, &entry()).await.unwrap();
        drop(write);
        assert_eq!(db.number("SELECT COUNT(*) FROM audit_log").await, 0);
    }

    async fn an_entry_is_read_as_it_was_written(db: TestDb) {
        let written = AuditEntry { credential_id: Some(id()), outcome: "failed", ..entry() };
        append(&db, &written).await;
        let read = list(&db, &AuditFilter::default()).await.remove(0);
        assert_eq!((read.id, read.time, read.actor_id, read.credential_id), (written.id, START, written.actor_id, written.credential_id));
        assert_eq!((read.actor_name, read.address, read.user_agent), ("ada".to_owned(), "127.0.0.1".to_owned(), "agent".to_owned()));
        assert_eq!((read.request_id.as_str(), read.action.as_str(), read.outcome), ("r", "server.create", wire::AuditOutcome::Failed));
        assert_eq!((read.resource_type, read.resource_id), ("mcp_server".to_owned(), written.resource_id));
        assert_eq!((read.resource_name, read.changed_fields), ("GitHub".to_owned(), written.changed_fields));
    }

    async fn every_filter_finds_its_entries_and_no_other(db: TestDb) {
        let first = entry();
        let later = AuditEntry { at: START.plus_seconds(60), action: "server.update", actor_name: "Bob".to_owned(), ..entry() };
        let denied = AuditEntry {
            at: START.plus_seconds(120), action: "session.login", resource_type: "user", outcome: "denied", actor_id: None,
            actor_name: String::new(), ..entry()
        };
        let near = AuditEntry { at: START.plus_seconds(180), action: "serverless.create", resource_type: "user", ..entry() };
        for entry in [&first, &later, &denied, &near] {
            append(&db, entry).await;
        }
        let all = AuditFilter::default();
        assert_eq!(ids(&db, &all).await, [near.id, denied.id, later.id, first.id], "newest first");
        for (filter, found) in [
            (AuditFilter { from: Some(later.at), ..all.clone() }, vec![near.id, denied.id, later.id]),
            (AuditFilter { to: Some(later.at), ..all.clone() }, vec![first.id]),
            (AuditFilter { from: Some(later.at), to: Some(denied.at), ..all.clone() }, vec![later.id]),
            (AuditFilter { actor: later.actor_id.map(ActorFilter::Id), ..all.clone() }, vec![later.id]),
            (AuditFilter { actor: Some(ActorFilter::Name("bob".to_owned())), ..all.clone() }, vec![later.id]),
            (AuditFilter { action: Some(ActionFilter::Exact("server.create".to_owned())), ..all.clone() }, vec![first.id]),
            (AuditFilter { action: Some(ActionFilter::Exact("server".to_owned())), ..all.clone() }, vec![]),
            (AuditFilter { action: Some(ActionFilter::Prefix("server.".to_owned())), ..all.clone() }, vec![later.id, first.id]),
            (AuditFilter { action: Some(ActionFilter::Prefix("key.".to_owned())), ..all.clone() }, vec![]),
            (
                AuditFilter {
                    action: Some(ActionFilter::Prefix("server.".to_owned())), to: Some(later.at), ..all.clone()
                },
                vec![first.id],
            ),
            (AuditFilter { resource_type: Some("user".to_owned()), ..all.clone() }, vec![near.id, denied.id]),
            (
                AuditFilter {
                    resource_type: Some("user".to_owned()), resource_id: Some(near.resource_id.clone()), ..all.clone()
                },
                vec![near.id],
            ),
            (AuditFilter { resource_id: Some(first.resource_id.clone()), ..all.clone() }, vec![first.id]),
            (AuditFilter { outcome: Some(wire::AuditOutcome::Denied), ..all.clone() }, vec![denied.id]),
            (
                AuditFilter {
                    outcome: Some(wire::AuditOutcome::Ok), resource_type: Some("user".to_owned()), from: Some(START), ..all.clone()
                },
                vec![near.id],
            ),
        ] {
            assert_eq!(ids(&db, &filter).await, found, "{filter:?}");
        }
    }

    async fn pages_meet_without_gap_or_overlap_also_at_equal_times(db: TestDb) {
        let actions = ["server.create", "server.update", "server.delete"].into_iter().cycle();
        for (at, action) in [0, 0, 0, 0, 0, 1, 1, 2, 2, 2].into_iter().zip(actions) {
            append(&db, &AuditEntry { at: START.plus_seconds(at), action, ..entry() }).await;
        }
        // Of several actions the pages are put together, of all of them they are read.
        let some = AuditFilter { action: Some(ActionFilter::Prefix("server.".to_owned())), ..AuditFilter::default() };
        let mut after = None;
        let mut paged = Vec::new();
        while let Some(last) = {
            let page = read!(db, |session| audit_list(session, &some, after, 3));
            paged.extend(page.iter().map(|entry| entry.id));
            page.last().map(|last| (last.time, last.id))
        } {
            after = Some(last);
        }
        assert_eq!(paged, ids(&db, &AuditFilter::default()).await);
        let all = AuditFilter::default();
        let whole = ids(&db, &all).await;
        assert_eq!(whole.len(), 10);
        for size in [1, 3, 4, 10] {
            let (mut paged, mut after) = (Vec::new(), None);
            loop {
                let page = read!(db, |session| audit_list(session, &all, after, size));
                let Some(last) = page.last() else { break };
                after = read!(db, |session| audit_place(session, last.id));
                assert!(after.is_some());
                paged.extend(page.iter().map(|entry| entry.id));
                // What comes meanwhile is newer and moves no page.
                if size == 10 {
                    append(&db, &AuditEntry { at: START.plus_seconds(9), ..entry() }).await;
                }
            }
            assert_eq!(paged, whole, "pages of {size}");
        }
        assert!(read!(db, |session| audit_place(session, id())).is_none());
    }

    /// A place above the filter's end is the beginning of the filter.
    async fn a_page_behind_an_entry_outside_the_filter_is_whole(db: TestDb) {
        for at in [0, 0, 5] {
            append(&db, &AuditEntry { at: START.plus_seconds(at), ..entry() }).await;
        }
        let filter = AuditFilter { to: Some(Timestamp(START.0 + 1)), ..AuditFilter::default() };
        let newest = list(&db, &AuditFilter::default()).await.remove(0);
        let page = read!(db, |session| audit_list(session, &filter, Some((newest.time, Uuid::nil())), 10));
        assert_eq!(page.len(), 2);
    }

    async fn nothing_in_the_log_can_be_changed_or_removed(db: TestDb) {
        let written = entry();
        append(&db, &written).await;
        assert_kept(&db, "UPDATE audit_log SET outcome = 'failed'").await;
        assert_kept(&db, "UPDATE audit_log SET at = 0").await;
        assert_kept(&db, "DELETE FROM audit_log").await;
        if db.is_postgres() {
            assert_kept(&db, "TRUNCATE audit_log").await;
            assert_kept(&db, "TRUNCATE audit_log, users CASCADE").await;
        } else {
            let again = insert_sql(&db, "ok").replacen("INSERT", "INSERT OR REPLACE", 1);
            assert_eq!(db.raw(&again).await.unwrap(), 1);
            assert_kept(&db, &again).await;
        }
        let kept = list(&db, &AuditFilter::default()).await.remove(0);
        assert_eq!((kept.id, kept.time, kept.outcome), (written.id, START, wire::AuditOutcome::Ok));
    }

    async fn the_log_outlives_its_users(db: TestDb) {
        let ada = insert_user(&db, "ada").await;
        append(&db, &AuditEntry { actor_id: Some(ada.user.id), ..entry() }).await;
        commit!(db, |write| store::users::user_delete(write, ada.user.id));
        let kept = list(&db, &AuditFilter::default()).await.remove(0);
        assert_eq!((kept.actor_id, kept.actor_name.as_str()), (Some(ada.user.id), "ada"));
    }

    async fn only_entries_past_the_limit_are_pruned_the_oldest_first(db: TestDb) {
        for at in [-30, -20, -10, 0, 10] {
            append(&db, &AuditEntry { at: START.plus_seconds(at), ..entry() }).await;
        }
        let left = || async { list(&db, &AuditFilter::default()).await.iter().map(|e| (e.time.0 - START.0) / 1_000_000).collect::<Vec<_>>() };
        assert_eq!(commit!(db, |write| audit_prune(write, START, 2)), 2);
        assert_eq!(left().await, [10, 0, -10]);
        assert_eq!(commit!(db, |write| audit_prune(write, START, 2)), 1);
        assert_eq!(commit!(db, |write| audit_prune(write, START, 2)), 0);
        assert_eq!(left().await, [10, 0], "the limit itself is kept");
        assert_eq!(db.number("SELECT COUNT(*) FROM settings").await, 0, "the permission went with its transaction");
        assert_kept(&db, "DELETE FROM audit_log").await;
    }

    /// The triggers read the limit, not the wish of the statement: while retention runs nothing younger can go.
    async fn while_retention_runs_nothing_younger_goes(db: TestDb) {
        for at in [-10, 0, 10] {
            append(&db, &AuditEntry { at: START.plus_seconds(at), ..entry() }).await;
        }
        let limit = format!("INSERT INTO settings (key, value) VALUES ('audit.retention_running', '{}')", START.0);
        db.raw(&limit).await.unwrap();
        assert_kept(&db, "DELETE FROM audit_log").await;
        assert_kept(&db, &format!("DELETE FROM audit_log WHERE at >= {}", START.0)).await;
        assert_kept(&db, "UPDATE audit_log SET at = 0").await;
        if db.is_postgres() {
            assert_kept(&db, "TRUNCATE audit_log").await;
        }
        assert_eq!(list(&db, &AuditFilter::default()).await.len(), 3);
        assert_eq!(db.raw(&format!("DELETE FROM audit_log WHERE at < {}", START.0)).await.unwrap(), 1);
    }
}
