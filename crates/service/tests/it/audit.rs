//! The audit log: one entry per action, in the transaction of the action, without secrets (behaviour 27).

use crate::bench::{Bench, PASSWORD, info, service};
use api::{
    PageQuery,
    audit::AuditQuery,
    models::{ModelCreate, ProviderCreate, ProviderUpdate},
    servers::ServerWrite,
    users::{FirstUserCreate, LoginRequest, PasswordChange, Role, TokenCreate, UserCreate, UserUpdate},
};
use futures::StreamExt as _;
use service::{Error, OpContext, RequestInfo, SetupToken};
use std::{sync::LazyLock, time::Duration};
use testkit::{TestDb, both_engines};

fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn server(slug: &str) -> ServerWrite {
    ServerWrite {
        display_name: text("Linear"),
        slug: text(slug),
        transport: text("streamable_http"),
        url: text("https://mcp.example.org/mcp"),
        auth_type: text("api_key"),
        api_key_value: text("canary-secret-one"),
        availability: text("default_off"),
        ..ServerWrite::default()
    }
}

static INFO: LazyLock<RequestInfo> =
    LazyLock::new(|| RequestInfo { target: "POST /logout".to_owned(), ..info() });

/// The actions of the log in the order of their writing.
async fn actions(bench: &Bench) -> Vec<String> {
    bench.db.texts("SELECT action FROM audit_log ORDER BY id").await
}

both_engines! {
    async fn every_write_leaves_one_entry_and_no_secret(db: TestDb) {
        let bench = Bench::new(db).await;
        let (owner, _) = bench.signed_in("owner", Role::Owner).await;
        let before = actions(&bench).await;
        assert_eq!(before, ["user.create", "session.login"]);
        let service = &bench.service;
        let (made, _) = service.server_create(&owner, server("linear")).await.unwrap();
        let change = ServerWrite { api_key_value: text("canary-secret-two"), enabled: Some(true), ..ServerWrite::default() };
        bench.pass(1);
        service.server_update(&owner, made.id, change, None).await.unwrap();
        bench.pass(1);
        service.server_delete(&owner, made.id, None).await.unwrap();
        bench.pass(1);
        let provider = ProviderCreate {
            name: "P".to_owned(),
            provider_type: "openai".to_owned(),
            base_url: "https://models.example.org/v1".to_owned(),
            api_key: text("canary-secret-three"),
            enabled: None,
        };
        let provider = service.provider_create(&owner, provider).await.unwrap();
        bench.pass(1);
        let change = ProviderUpdate { api_key: text(""), ..ProviderUpdate::default() };
        service.provider_update(&owner, provider.id, change).await.unwrap();
        bench.pass(1);
        let model = ModelCreate {
            provider_id: Some(provider.id), model: "m".to_owned(), display_name: "M".to_owned(), ..ModelCreate::default()
        };
        let model = service.model_create(&owner, model).await.unwrap();
        bench.pass(1);
        service.model_delete(&owner, model.id).await.unwrap();
        bench.pass(1);
        service.provider_delete(&owner, provider.id).await.unwrap();
        bench.pass(1);
        let user = UserCreate {
            email: "ada@example.org".to_owned(), username: "ada".to_owned(), password: "canary-secret-four".to_owned(),
            ..UserCreate::default()
        };
        let user = service.user_create(&owner, user).await.unwrap();
        bench.pass(1);
        let change = UserUpdate { roles: Some(vec!["admin".to_owned()]), ..UserUpdate::default() };
        service.user_update(&owner, &user.id.to_string(), change).await.unwrap();
        bench.pass(1);
        service.user_delete(&owner, &user.id.to_string()).await.unwrap();
        bench.pass(1);
        let token = TokenCreate { token_name: "laptop".to_owned(), lifetime_seconds: 0 };
        let token = service.token_create(&owner, "me", token).await.unwrap();
        bench.pass(1);
        service.token_delete(&owner, "me", token.id).await.unwrap();
        bench.pass(1);
        let change = PasswordChange { old_password: PASSWORD.to_owned(), password: "canary-secret-five".to_owned() };
        service.password_change(&owner, "me", change).await.unwrap();
        bench.pass(1);
        service.session_logout(&owner).await.unwrap();
        let after = actions(&bench).await;
        assert_eq!(after[before.len()..], [
            "server.create", "server.update", "server.delete", "provider.create", "provider.update", "model.create",
            "model.delete", "provider.delete", "user.create", "user.update", "user.delete", "token.create", "token.delete",
            "user.password", "session.logout",
        ]);
        let everything = bench
            .db
            .texts(
                "SELECT actor_name || ' ' || address || ' ' || user_agent || ' ' || request_id || ' ' || action || ' ' || \
                 resource_type || ' ' || resource_id || ' ' || resource_name || ' ' || outcome || ' ' || \
                 CAST(changed_fields AS TEXT) FROM audit_log ORDER BY id",
            )
            .await;
        for entry in &everything {
            assert!(!entry.contains("canary") && !entry.contains(&token.key), "{entry}");
        }
        let update = everything.iter().find(|entry| entry.contains("server.update")).unwrap();
        for part in ["owner 10.0.0.7 agent/1 req-1", "linear", "api_key_value", "enabled", " ok "] {
            assert!(update.contains(part), "{part} is missing in {update}");
        }
    }

    async fn what_was_refused_or_failed_leaves_nothing_done(db: TestDb) {
        let bench = Bench::new(db).await;
        let (owner, _) = bench.signed_in("owner", Role::Owner).await;
        let (member, _) = bench.signed_in("member", Role::Member).await;
        bench.service.server_create(&owner, server("linear")).await.unwrap();
        let before = (actions(&bench).await.len(), bench.db.number("SELECT COUNT(*) FROM mcp_servers").await);
        assert!(matches!(bench.service.server_create(&owner, server("LINEAR")).await, Err(Error::Conflict { .. })));
        assert!(matches!(bench.service.server_create(&owner, ServerWrite::default()).await, Err(Error::Invalid { .. })));
        assert!(matches!(bench.service.server_create(&member, server("x")).await, Err(Error::Forbidden(_))));
        assert!(matches!(bench.service.server_create(&OpContext::default(), server("x")).await, Err(Error::Unauthorized)));
        let ok = "SELECT COUNT(*) FROM audit_log WHERE outcome = 'ok'";
        let entries = usize::try_from(bench.db.number(ok).await).unwrap();
        assert_eq!((entries, bench.db.number("SELECT COUNT(*) FROM mcp_servers").await), before);
    }

    async fn rights_are_logged_with_what_they_were_and_are_secrets_as_a_word(db: TestDb) {
        let bench = Bench::new(db).await;
        let (owner, _) = bench.signed_in("owner", Role::Owner).await;
        bench.signed_in("ada", Role::Member).await;
        let ada = bench.service.user_list(&owner, &PageQuery::default()).await.unwrap().rows.into_iter().find(|u| u.username == "ada").unwrap();
        for change in [
            UserUpdate { roles: Some(vec!["auditor".to_owned(), "admin".to_owned()]), ..UserUpdate::default() },
            UserUpdate { status: text("suspended"), email: text("eve@example.org"), ..UserUpdate::default() },
            UserUpdate { password: text("canary-secret-six"), ..UserUpdate::default() },
        ] {
            bench.pass(1);
            bench.service.user_update(&owner, &ada.id.to_string(), change).await.unwrap();
        }
        let updates = AuditQuery { action: "user.update".to_owned(), ..AuditQuery::default() };
        let entries = bench.service.audit_list(&owner, &updates).await.unwrap().entries;
        let changed: Vec<Vec<String>> = entries.into_iter().rev().map(|entry| entry.changed_fields).collect();
        assert_eq!(changed, [
            vec!["roles=member -> admin,auditor"],
            vec!["email", "status=active -> suspended"],
            vec!["password changed"],
        ]);
    }

    async fn refused_logins_name_the_account_that_exists_and_never_what_was_typed(db: TestDb) {
        let bench = Bench::new(db).await;
        let (owner, _) = bench.signed_in("owner", Role::Owner).await;
        for email in ["owner@example.org", "canary-typed-here@example.org"] {
            bench.pass(1);
            let request = LoginRequest { email: email.to_owned(), password: "canary-wrong".to_owned() };
            assert!(matches!(bench.service.session_login(&info(), request).await, Err(Error::BadCredentials)));
        }
        let denied = AuditQuery { outcome: "denied".to_owned(), ..AuditQuery::default() };
        let entries = bench.service.audit_list(&owner, &denied).await.unwrap().entries;
        let names: Vec<&str> = entries.iter().map(|entry| entry.resource_name.as_str()).collect();
        assert_eq!(names, ["", "owner"], "newest first");
        assert!(entries.iter().all(|entry| entry.actor_id.is_none() && entry.address == "10.0.0.7"));
        assert!(!format!("{entries:?}").contains("canary"));
    }

    async fn a_wrong_setup_token_is_logged(db: TestDb) {
        let bench = Bench::new(db).await;
        bench.service.setup_token_store(&SetupToken("a-right-setup-token".to_owned())).await.unwrap();
        let anybody = OpContext { caller: None, request: info() };
        let first = |token: &str| FirstUserCreate {
            email: "owner@example.org".to_owned(), username: "owner".to_owned(), password: PASSWORD.to_owned(),
            setup_token: token.to_owned(), ..FirstUserCreate::default()
        };
        let wrong = bench.service.first_user_create(&anybody, first("a-wrong-setup-token")).await;
        assert!(matches!(wrong, Err(Error::Forbidden(_))));
        bench.pass(1);
        bench.service.first_user_create(&anybody, first("a-right-setup-token")).await.unwrap();
        let log = "SELECT action || ' ' || outcome || ' ' || CAST(changed_fields AS TEXT) FROM audit_log ORDER BY id";
        assert_eq!(bench.db.texts(log).await, ["user.first denied []", "user.first ok [\"roles=owner\"]"]);
    }

    /// Twenty entries a minute and account, and one that counts the rest: nobody can flood the log.
    async fn refused_attempts_are_logged_up_to_a_limit_and_then_counted(db: TestDb) {
        let bench = Bench::new(db).await;
        let (member, _) = bench.signed_in("member", Role::Member).await;
        let (other, _) = bench.signed_in("other", Role::Member).await;
        for _ in 0..500 {
            assert!(matches!(bench.service.server_create(&member, server("x")).await, Err(Error::Forbidden(_))));
        }
        assert!(matches!(bench.service.model_delete(&other, api::Uuid::nil()).await, Err(Error::Forbidden(_))));
        bench.service.maintenance_sweep().await.unwrap();
        let denied = "SELECT actor_name || ' ' || action || ' ' || CAST(COUNT(*) AS TEXT) FROM audit_log \
                      WHERE outcome = 'denied' GROUP BY actor_name, action ORDER BY 1";
        assert_eq!(bench.db.texts(denied).await, ["member server.write 20", "other model.write 1"]);

        bench.pass(61);
        bench.service.maintenance_sweep().await.unwrap();
        assert_eq!(bench.db.texts(denied).await, ["member access.refused 1", "member server.write 20", "other model.write 1"]);
        let count = "SELECT CAST(changed_fields AS TEXT) FROM audit_log WHERE action = 'access.refused'";
        assert_eq!(bench.db.texts(count).await, ["[\"further_attempts=480\"]"]);

        assert!(bench.service.server_create(&member, server("x")).await.is_err());
        bench.service.audit_flush().await.unwrap();
        assert_eq!(bench.db.texts(denied).await[1], "member server.write 21", "a new minute begins anew");
    }

    /// The refusal does not wait for the database: it is answered while the one writer of the database is taken.
    async fn a_refusal_does_not_wait_for_the_log(db: TestDb) {
        let bench = Bench::new(db).await;
        let (member, _) = bench.signed_in("member", Role::Member).await;
        let mut taken = bench.db.write().await.unwrap();
        store::settings::setting_put(&mut taken, "x", "y").await.unwrap();
        let refused = tokio::time::timeout(Duration::from_secs(2), bench.service.server_create(&member, server("x")));
        assert!(matches!(refused.await, Ok(Err(Error::Forbidden(_)))));
        taken.commit().await.unwrap();
        bench.service.audit_flush().await.unwrap();
        assert_eq!(bench.db.number("SELECT COUNT(*) FROM audit_log WHERE action = 'server.write'").await, 1);
    }

    async fn retention_deletes_what_is_past_its_days_and_says_so(db: TestDb) {
        let bench = Bench::new(db).await;
        let (owner, _) = bench.signed_in("owner", Role::Owner).await;
        let day = 24 * 3600;
        bench.pass(10 * day);
        let (owner_later, _) = bench.login("owner@example.org").await;
        assert_eq!(bench.service.audit_retention(0).await.unwrap(), 0, "0 keeps everything");
        assert_eq!(bench.service.audit_retention(11).await.unwrap(), 0);
        assert_eq!(actions(&bench).await, ["user.create", "session.login", "session.login"]);
        bench.pass(1);
        assert_eq!(bench.service.audit_retention(10).await.unwrap(), 2);
        assert_eq!(actions(&bench).await, ["session.login", "audit.retention"]);
        let entries = bench.service.audit_list(&owner_later, &AuditQuery::default()).await.unwrap().entries;
        assert_eq!(entries[0].changed_fields, ["deleted=2", "before=2026-11-01T00:00:01Z"]);
        assert_eq!((entries[0].actor_id, entries[0].actor_name.as_str()), (None, ""));
        assert_eq!(bench.service.audit_retention(10).await.unwrap(), 0);
        assert_eq!(actions(&bench).await.len(), 2, "nothing deleted, nothing said");
        drop(owner);
    }

    async fn the_log_is_for_owners_admins_and_auditors(db: TestDb) {
        let bench = Bench::new(db).await;
        for (name, role, may) in [("o", Role::Owner, true), ("a", Role::Admin, true), ("u", Role::Auditor, true), ("m", Role::Member, false)] {
            let (ctx, _) = bench.signed_in(name, role).await;
            assert_eq!(bench.service.audit_list(&ctx, &AuditQuery::default()).await.is_ok(), may, "{name}");
            assert_eq!(bench.service.audit_export(&ctx, &AuditQuery::default()).await.is_ok(), may, "{name}");
        }
        let nobody = OpContext::default();
        assert!(matches!(bench.service.audit_list(&nobody, &AuditQuery::default()).await, Err(Error::Unauthorized)));
    }

    async fn exports_are_few_at_once_and_free_their_place(db: TestDb) {
        let bench = Bench::new(db).await;
        let (owner, _) = bench.signed_in("owner", Role::Owner).await;
        let all = AuditQuery::default();
        let mut open = Vec::new();
        for _ in 0..2 {
            open.push(bench.service.audit_export(&owner, &all).await.unwrap());
        }
        assert!(matches!(bench.service.audit_export(&owner, &all).await, Err(Error::RateLimited { .. })));
        open.pop();
        let pages: Vec<_> = bench.service.audit_export(&owner, &all).await.unwrap().collect().await;
        let actions: Vec<String> = pages.into_iter().flat_map(Result::unwrap).map(|entry| entry.action).collect();
        let (exports, before): (Vec<_>, Vec<_>) = actions.into_iter().partition(|action| action == "audit.export");
        assert_eq!((exports.len(), before), (3, vec!["session.login".to_owned(), "user.create".to_owned()]));
    }

    /// Who took which part of the log away. What was refused took nothing.
    async fn an_export_is_in_the_log_itself(db: TestDb) {
        let bench = Bench::new(db).await;
        let (auditor, _) = bench.signed_in("auditor", Role::Auditor).await;
        let query = AuditQuery {
            actor: " Ada ".to_owned(), action: "user.".to_owned(), from: "2026-01-01T00:00:00Z".to_owned(), limit: "3".to_owned(),
            ..AuditQuery::default()
        };
        bench.service.audit_list(&auditor, &query).await.unwrap();
        let wrong = AuditQuery { outcome: "perhaps".to_owned(), ..query.clone() };
        assert!(matches!(bench.service.audit_export(&auditor, &wrong).await, Err(Error::Invalid { .. })));
        for asked in [&query, &AuditQuery::default()] {
            bench.pass(1);
            drop(bench.service.audit_export(&auditor, asked).await.unwrap());
        }
        let exports = "SELECT actor_name || ' ' || resource_type || ' ' || outcome || ' ' || CAST(changed_fields AS TEXT) \
                       FROM audit_log WHERE action = 'audit.export' ORDER BY id";
        let exports: Vec<String> = bench.db.texts(exports).await.iter().map(|line| line.replace(", ", ",")).collect();
        assert_eq!(exports, [
            r#"auditor audit_log ok ["from=2026-01-01T00:00:00Z","actor=Ada","action=user."]"#,
            "auditor audit_log ok []",
        ]);
    }

    /// Requests from pages of others: under the account whose browser was abused, else under nobody's; bounded like the rest.
    async fn foreign_requests_are_logged_up_to_a_limit_and_keep_no_session_alive(db: TestDb) {
        let bench = Bench::new(db).await;
        let (_, token) = bench.signed_in("ada", Role::Member).await;
        let refused = |token| bench.service.foreign_request_refused(token, &INFO, Some("https://evil.example"));
        let token = token.as_str();
        bench.pass(600);
        let used = "SELECT COALESCE(MAX(last_used_at), 0) FROM credentials";
        let before = bench.db.number(used).await;
        for token in [Some(token), None, Some("not a token")] {
            for _ in 0..30 {
                refused(token).await;
            }
        }
        bench.service.audit_flush().await.unwrap();
        let entries = "SELECT actor_name || '/' || action || '/' || outcome || '/' || CAST(COUNT(*) AS TEXT) FROM audit_log \
                       WHERE outcome = 'denied' GROUP BY actor_name, action, outcome ORDER BY 1";
        assert_eq!(bench.db.texts(entries).await, [
            "/access.cross_site/denied/20", "/access.refused/denied/1", "ada/access.cross_site/denied/20", "ada/access.refused/denied/1",
        ]);
        let counts = "SELECT CAST(changed_fields AS TEXT) FROM audit_log WHERE action = 'access.refused' ORDER BY 1";
        assert_eq!(bench.db.texts(counts).await, ["[\"further_attempts=10\"]", "[\"further_attempts=40\"]"]);
        let facts = "SELECT DISTINCT CAST(changed_fields AS TEXT) FROM audit_log WHERE action = 'access.cross_site'";
        let facts: Vec<String> = bench.db.texts(facts).await.iter().map(|line| line.replace(", ", ",")).collect();
        assert_eq!(facts, ["[\"request=POST /logout\",\"origin=https://evil.example\"]"]);
        assert_eq!(bench.db.number(used).await, before);
        refused(Some(token)).await;
        bench.pass(13 * 3600);
        refused(Some(token)).await;
        bench.service.audit_flush().await.unwrap();
        assert_eq!(bench.db.texts(entries).await[..3], [
            "/access.cross_site/denied/21", "/access.refused/denied/1", "ada/access.cross_site/denied/21",
        ], "an ended session is nobody's");
    }
}

/// Readers of the log take half of SQLite's readers at most, however many ask, and also those who no longer wait; here on
/// PostgreSQL, where a lock can hold them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_of_the_log_are_read_two_at_once() {
    let bench = Bench::new(TestDb::postgres().await).await;
    let (owner, _) = bench.signed_in("owner", Role::Owner).await;
    bench.db.raw("INSERT INTO settings (key, value) VALUES ('gate', '')").await.unwrap();
    let mut gate = bench.db.write().await.unwrap();
    store::settings::setting_put(&mut gate, "gate", "closed").await.unwrap();
    let db = bench.db.clone();
    let holder = tokio::spawn(async move {
        db.raw(
            "BEGIN; LOCK TABLE audit_log IN ACCESS EXCLUSIVE MODE; UPDATE settings SET value = '' WHERE key = 'gate'; COMMIT",
        )
        .await
    });
    let locks = |granted: bool| {
        let sql = format!(
            "SELECT COUNT(*) FROM pg_locks WHERE relation = 'audit_log'::regclass AND granted = {granted} \
             AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        );
        let db = bench.db.clone();
        async move { db.number(&sql).await }
    };
    let wait_for = |what: &'static str, granted: bool, count: i64| {
        let locks = &locks;
        async move { testkit::wait::until(what, || async { (locks(granted).await == count).then_some(()) }).await }
    };
    wait_for("the log to be locked", true, 1).await;
    let ask = || {
        let (service, owner) = (bench.service.clone(), owner.clone());
        tokio::spawn(async move { service.audit_list(&owner, &AuditQuery::default()).await })
    };
    let (gone, mut asked) = (ask(), vec![ask()]);
    wait_for("two readers", false, 2).await;
    // One of the two goes away while the engine is still busy for it.
    gone.abort();
    asked.extend((0..4).map(|_| ask()));
    for _ in 0..20 {
        bench.service.user_list(&owner, &PageQuery::default()).await.unwrap();
        assert_eq!(locks(false).await, 2);
    }
    gate.commit().await.unwrap();
    holder.await.unwrap().unwrap();
    for answer in asked {
        assert_eq!(answer.await.unwrap().unwrap().entries.len(), 2);
    }
}

/// What came too late is no part of the answer, and the answer does not look whole; asking again goes on behind it.
#[tokio::test]
async fn an_export_ends_when_its_time_is_over() {
    let bench = Bench::new(TestDb::sqlite().await).await;
    let (owner, _) = bench.signed_in("owner", Role::Owner).await;
    for _ in 0..300 {
        bench.pass(1);
        let made = bench.service.server_create(&owner, server("linear")).await.unwrap().0;
        bench.service.server_delete(&owner, made.id, None).await.unwrap();
    }
    let mut export = Box::pin(bench.service.audit_export(&owner, &AuditQuery::default()).await.unwrap());
    let page = export.next().await.unwrap().unwrap();
    assert_eq!(page.len(), 500);
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(301)).await;
    tokio::time::resume();
    assert!(matches!(export.next().await, Some(Err(Error::Internal { .. }))));
    assert!(export.next().await.is_none());
    let rest = AuditQuery { after: page[499].id.to_string(), ..AuditQuery::default() };
    let rest: Vec<_> = bench.service.audit_export(&owner, &rest).await.unwrap().collect().await;
    let rest: usize = rest.into_iter().map(|page| page.unwrap().len()).sum();
    assert_eq!(500 + rest, 2 + 2 * 300 + 1, "with the entry of the first export");
}
