//! Import and export on the database: one transaction, its audit entries, a note for other processes, sealed secrets.

use crate::bench::{Bench, service};
use api::{
    servers::ServerWrite,
    transfer::{ImportAction, ImportPlan, ImportRequest},
    users::Role,
};

use service::{Error, ExportFormat, OpContext};
use testkit::both_engines;

const HEADER: &str = "Bearer canary-import-5a";

fn document() -> String {
    format!(
        r#"{{"mcpServers": {{"Linear": {{"url": "https://mcp.example.org/mcp", "headers": {{"Authorization": "{HEADER}"}}}},
        "plain": {{"url": "https://plain.example.org/mcp"}}, "local": {{"command": "npx"}}}}}}"#
    )
}

async fn preview(bench: &Bench, ctx: &OpContext, document: &str) -> ImportPlan {
    let request = ImportRequest { document: document.to_owned(), ..ImportRequest::default() };
    bench.service.server_import(ctx, request).await.unwrap()
}

async fn apply(bench: &Bench, ctx: &OpContext, document: &str, hash: &str) -> Result<ImportPlan, Error> {
    let request = ImportRequest {
        document: document.to_owned(),
        apply: true,
        plan_hash: Some(hash.to_owned()),
        ..ImportRequest::default()
    };
    bench.service.server_import(ctx, request).await
}

fn actions(plan: &ImportPlan) -> Vec<ImportAction> {
    plan.entries.iter().map(|entry| entry.action).collect()
}

both_engines! {
    async fn a_dry_run_changes_nothing_an_import_all_of_it_and_a_second_one_nothing(db: TestDb) {
        use ImportAction::{Create, Refused, Unchanged};
        let bench = Bench::new(db).await;
        let (owner, _) = bench.signed_in("owner", Role::Owner).await;
        let seen = preview(&bench, &owner, &document()).await;
        assert_eq!(actions(&seen), [Create, Create, Refused]);
        assert!(bench.db.texts("SELECT slug FROM mcp_servers").await.is_empty(), "a dry run");

        let done = apply(&bench, &owner, &document(), &seen.plan_hash).await.unwrap();
        assert!(done.applied && done.entries[0].server_id.is_some());
        assert_eq!(bench.db.texts("SELECT slug FROM mcp_servers ORDER BY slug").await, ["linear", "plain"]);
        let log = bench.db.texts("SELECT action FROM audit_log ORDER BY id").await;
        let written = log.iter().filter(|action| action.starts_with("server.")).cloned().collect::<Vec<_>>();
        assert_eq!(written.len(), 3, "{log:?}");
        assert_eq!(written.iter().filter(|action| *action == "server.create").count(), 2);
        assert!(written.iter().any(|action| action == "server.import"));
        assert_eq!(bench.db.texts("SELECT kind FROM changes").await, ["servers"]);
        let told = bench.db.texts("SELECT CAST(changed_fields AS TEXT) FROM audit_log WHERE action = 'server.import'").await;
        assert!(told[0].contains("create 2") && told[0].contains("refused 1"), "{told:?}");
        assert!(!format!("{done:?} {told:?}").contains("canary"), "no secret in plan and log");

        // The stored header is opened and compared, so a document with secrets is idempotent too.
        let again = preview(&bench, &owner, &document()).await;
        assert_eq!(actions(&again), [Unchanged, Unchanged, Refused]);
        apply(&bench, &owner, &document(), &again.plan_hash).await.unwrap();
        assert_eq!(bench.db.texts("SELECT action FROM audit_log").await.len(), log.len(), "nothing is logged");
        let moved = document().replace("5a", "6b");
        let changed = preview(&bench, &owner, &moved).await;
        assert_eq!(changed.entries[0].changes[0].secret.as_deref(), Some("changed"));
    }

    async fn an_export_comes_back_unchanged_and_holds_no_secret(db: TestDb) {
        let bench = Bench::new(db).await;
        let (owner, _) = bench.signed_in("owner", Role::Owner).await;
        let write = |slug: &str, text: &str| ServerWrite {
            display_name: Some(text.to_owned()),
            slug: Some(slug.to_owned()),
            description: Some(text.to_owned()),
            transport: Some("streamable_http".to_owned()),
            url: Some("https://mcp.example.org/mcp".to_owned()),
            auth_type: Some("api_key".to_owned()),
            api_key_value: Some("canary-key-7c".to_owned()),
            availability: Some("default_on".to_owned()),
            enabled: Some(true),
            tool_deny_list: Some(vec![text.to_owned(), "delete_*".to_owned()]),
            tool_idempotent_list: Some(vec!["get_*".to_owned(), text.to_owned()]),
            ..ServerWrite::default()
        };
        // What YAML reads as something else when it is not quoted.
        for (number, text) in ["no", "~", "1e3", "0x10", "- a", "a: b", "#x", "&a", "*a", "<<", "'", "\"\\", "日本 ä", "null", "2026-01-01"]
            .iter()
            .enumerate()
        {
            bench.service.server_create(&owner, write(&format!("s{number}"), text)).await.unwrap();
        }
        for format in [ExportFormat::Yaml, ExportFormat::Json] {
            let document = bench.service.server_export(&owner, format).await.unwrap();
            assert!(!document.contains("canary"), "{document}");
            assert!(document.contains("api_key_value"), "secrets_needed names it: {document}");
            let plan = preview(&bench, &owner, &document).await;
            assert_eq!(plan.entries.len(), 15);
            assert_eq!(plan.count(ImportAction::Unchanged), 15, "{:?}", plan.entries);
        }
    }

    /// Behaviour 15: the list is a field like the others, in the row, the log and a document.
    async fn what_may_run_twice_is_stored_told_to_the_log_and_moved(db: TestDb) {
        let bench = Bench::new(db).await;
        let (owner, _) = bench.signed_in("owner", Role::Owner).await;
        let new = ServerWrite {
            display_name: Some("Lab".to_owned()),
            slug: Some("lab".to_owned()),
            transport: Some("streamable_http".to_owned()),
            url: Some("https://mcp.example.org/mcp".to_owned()),
            auth_type: Some("none".to_owned()),
            availability: Some("default_on".to_owned()),
            tool_idempotent_list: Some(vec![" get_? ".to_owned(), String::new(), "*".to_owned()]),
            ..ServerWrite::default()
        };
        let (made, _) = bench.service.server_create(&owner, new).await.unwrap();
        assert_eq!(made.tool_idempotent_list, ["get_?", "*"]);
        let stored = "SELECT REPLACE(CAST(tool_idempotent_list AS TEXT), ' ', '') FROM mcp_servers";
        assert_eq!(bench.db.texts(stored).await, ["[\"get_?\",\"*\"]"]);

        let document = "patchbay: 1\nservers:\n  - slug: lab\n    tool_idempotent_list: [read]\n";
        let seen = preview(&bench, &owner, document).await;
        assert_eq!(seen.entries[0].changes.iter().map(|change| change.field.as_str()).collect::<Vec<_>>(), [
            "tool_idempotent_list"
        ]);
        apply(&bench, &owner, document, &seen.plan_hash).await.unwrap();
        assert_eq!(bench.db.texts(stored).await, ["[\"read\"]"]);
        let exported = bench.service.server_export(&owner, ExportFormat::Json).await.unwrap();
        let exported: serde_json::Value = serde_json::from_str(&exported).unwrap();
        assert_eq!(exported["servers"][0]["tool_idempotent_list"], serde_json::json!(["read"]));

        bench.pass(1);
        let edit = ServerWrite { tool_idempotent_list: Some(Vec::new()), ..ServerWrite::default() };
        let (edited, _) = bench.service.server_update(&owner, made.id, edit, None).await.unwrap();
        assert!(edited.tool_idempotent_list.is_empty());
        let log = "SELECT CAST(changed_fields AS TEXT) FROM audit_log WHERE action = 'server.update' ORDER BY id";
        assert_eq!(bench.db.texts(log).await, ["[\"tool_idempotent_list\"]"; 2]);
        let refused = ServerWrite { tool_idempotent_list: Some(vec!["x".repeat(257)]), ..ServerWrite::default() };
        let refused = bench.service.server_update(&owner, made.id, refused, None).await.unwrap_err();
        assert!(format!("{refused:?}").contains("tool_idempotent_list"), "{refused:?}");
    }

    async fn a_plan_that_was_overtaken_is_refused_as_a_whole(db: TestDb) {
        let bench = Bench::new(db).await;
        let (owner, _) = bench.signed_in("owner", Role::Owner).await;
        let first = preview(&bench, &owner, &document()).await;
        apply(&bench, &owner, &document(), &first.plan_hash).await.unwrap();
        let document = "patchbay: 1\nservers:\n  - slug: linear\n    description: New\n  - slug: plain\n    description: New\n";
        let seen = preview(&bench, &owner, document).await;
        assert_eq!(seen.count(ImportAction::Update), 2);
        let id = seen.entries[0].server_id.unwrap();
        bench.pass(1);
        let edit = ServerWrite { enabled: Some(true), ..ServerWrite::default() };
        bench.service.server_update(&owner, id, edit, None).await.unwrap();
        let refused = apply(&bench, &owner, document, &seen.plan_hash).await;
        assert!(matches!(refused, Err(Error::Stale)), "{refused:?}");
        assert!(bench.db.texts("SELECT slug FROM mcp_servers WHERE description = 'New'").await.is_empty());
        // Another document under the hash of this one, too.
        let fresh = preview(&bench, &owner, document).await;
        let other = apply(&bench, &owner, &document.replace("New", "Other"), &fresh.plan_hash).await;
        assert!(matches!(other, Err(Error::Stale)), "{other:?}");
        let done = apply(&bench, &owner, document, &fresh.plan_hash).await.unwrap();
        assert!(done.applied);
        assert_eq!(bench.db.texts("SELECT slug FROM mcp_servers WHERE description = 'New'").await.len(), 2);
    }
}
