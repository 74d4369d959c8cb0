//! The audit log.

use crate::support::{START, commit, id, store};
use store::audit::*;
use testkit::both_engines;

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
}
