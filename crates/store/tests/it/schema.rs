//! The two migrations: the same tables, and CHECK lists that hold every value of the contract and nothing else.

use crate::support::{
    START, chat, commit, credential, insert_chat, insert_provider, insert_user, model, server, store,
};
use api::{
    chats::ChatStatus,
    keys::KeyState,
    messages::{MessageRole, ToolOutcome},
    models::ProviderType,
    servers::{AuthType, Availability, Transport},
};
use store::{
    changes::{ChangeKind, change_note},
    chats::chat_insert,
    credentials::*,
    mcp_servers::server_insert,
    messages::message_insert,
    models::model_insert,
};
use testkit::{TestDb, both_engines};

#[tokio::test]
async fn both_engines_have_the_same_tables_and_columns() {
    let (sqlite, postgres) = (TestDb::sqlite().await, TestDb::postgres().await);
    let columns = sqlite.columns().await;
    assert_eq!(columns, postgres.columns().await);
    assert!(columns.len() > 100, "{columns:?}");
    for table in [
        "users",
        "credentials",
        "mcp_servers",
        "llm_providers",
        "llm_models",
        "chats",
        "messages",
        "tool_calls",
        "audit_log",
    ] {
        assert!(columns.iter().any(|column| column.starts_with(&format!("{table}."))), "{table}");
    }
}

#[tokio::test]
async fn both_engines_have_the_same_named_indexes() {
    let (sqlite, postgres) = (TestDb::sqlite().await, TestDb::postgres().await);
    let mut ours =
        sqlite.texts("SELECT name FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL").await;
    // The full-text index is a table of its own in SQLite.
    let theirs = "SELECT indexname FROM pg_indexes WHERE schemaname = 'public' AND indexname NOT LIKE '%\\_pkey' \
                  AND indexname NOT IN (SELECT conname FROM pg_constraint) \
                  AND indexname <> 'search_entries_words_idx'";
    let mut theirs = postgres.texts(theirs).await;
    ours.sort();
    theirs.sort();
    assert_eq!(ours, theirs);
}

/// One row in every table that a CHECK guards.
async fn fill(db: &TestDb) {
    let ada = insert_user(db, "ada").await;
    let session = credential(ada.user.id, CredentialKind::Session);
    commit!(db, |write| credential_insert(write, &session, b"h"));
    let kept = server("s");
    commit!(db, |write| server_insert(write, &kept));
    let values = crate::user_header_values::values(kept.record.id, ada.user.id, 1);
    commit!(db, |write| store::user_header_values::user_values_put(write, &values));
    let (of, by) = (kept.record.id, ada.user.id);
    commit!(db, |write| store::oauth::oauth_facts_put(write, &crate::oauth_facts::facts(of)));
    commit!(db, |write| store::oauth::user_token_put(write, &crate::oauth_tokens::token(of, by)));
    let flow = crate::oauth_flows::flow(of, by, session.id);
    commit!(db, |write| store::oauth::oauth_flow_insert(write, &flow, 1));
    commit!(db, |write| store::oauth::revocation_put(write, &crate::oauth_revocations::revocation(), 0));
    let provider = insert_provider(db, "P").await;
    commit!(db, |write| model_insert(write, &model(&provider, "m")));
    commit!(db, |write| store::workspaces::workspace_insert(
        write,
        &crate::workspaces::workspace(ada.user.id)
    ));
    let record = chat(ada.user.id, ChatStatus::Waiting);
    commit!(db, |write| chat_insert(write, &record));
    let message = commit!(db, |write| message_insert(write, crate::messages::user_message(record.id, "hi")));
    let intent = crate::tool_calls::intent(&record, message.id, "c1");
    commit!(db, |write| store::tool_calls::tool_call_intent_insert(write, &intent));
    commit!(db, |write| store::audit::audit_append(write, &crate::audit::entry()));
    commit!(db, |write| change_note(write, ChangeKind::Keys, ""));
    commit!(db, |write| store::encryption_keys::encryption_key_insert(
        write,
        "0123456789abcdef",
        b"c",
        START
    ));
}

pub(crate) async fn assert_refused(db: &TestDb, sql: &str) {
    let error = db.raw(sql).await.expect_err(sql).to_string().to_lowercase();
    // Where there is always a value, NOT NULL says so.
    let refused =
        error.contains("check constraint") || error.contains("not null") || error.contains("not-null");
    assert!(refused, "{sql}: {error}");
}

both_engines! {
    async fn check_lists_hold_every_value_of_the_contract_and_refuse_all_others(db: TestDb) {
        fill(&db).await;
        fn texts<T: Copy>(all: &[T], text: fn(T) -> &'static str) -> Vec<&'static str> {
            all.iter().map(|value| text(*value)).collect()
        }
        let roles = [MessageRole::System, MessageRole::User, MessageRole::Assistant, MessageRole::Tool];
        let providers = [ProviderType::Openai, ProviderType::Anthropic, ProviderType::Demo];
        let kinds = [CredentialKind::Session, CredentialKind::Token];
        for (table, column, values) in [
            ("users", "status", vec!["active", "suspended"]),
            ("credentials", "kind", texts(&kinds, CredentialKind::as_str)),
            ("mcp_servers", "transport", texts(Transport::ALL, Transport::as_str)),
            ("mcp_servers", "auth_type", texts(AuthType::ALL, AuthType::as_str)),
            ("mcp_servers", "availability", texts(Availability::ALL, Availability::as_str)),
            ("mcp_servers", "oauth2_registration", vec!["", "manual", "cimd", "dcr"]),
            ("mcp_servers", "tool_change_policy", vec!["accept", "notify", "hold"]),
            ("mcp_oauth_facts", "scopes_source", vec!["", "challenge", "published"]),
            ("mcp_oauth_facts", "auth_method", vec!["client_secret_basic", "client_secret_post", "none"]),
            ("mcp_revocations", "auth_method", vec!["client_secret_basic", "client_secret_post", "none"]),
            ("llm_providers", "type", texts(&providers, ProviderType::as_str)),
            ("chats", "title_source", vec!["prompt", "generated", "user"]),
            ("chats", "client_type", vec!["ui", "api"]),
            ("messages", "role", texts(&roles, MessageRole::as_str)),
            ("encryption_keys", "state", texts(&KeyState::ALL, KeyState::as_str)),
            ("changes", "kind", texts(&ChangeKind::ALL, ChangeKind::as_str)),
        ] {
            for value in &values {
                let sql = format!("UPDATE {table} SET {column} = '{value}'");
                assert_eq!(db.raw(&sql).await.unwrap_or_else(|error| panic!("{sql}: {error}")), 1, "{sql}");
            }
            let shouted = values.iter().find(|value| !value.is_empty()).unwrap().to_uppercase();
            for wrong in ["", "telepathy", &shouted].into_iter().filter(|wrong| !values.contains(wrong)) {
                assert_refused(&db, &format!("UPDATE {table} SET {column} = '{wrong}'")).await;
            }
        }
    }

    /// The log takes no UPDATE, so its list is tried by inserts.
    async fn an_audit_entry_has_one_of_three_outcomes(db: TestDb) {
        for outcome in ["ok", "denied", "failed"] {
            assert_eq!(db.raw(&crate::audit::insert_sql(&db, outcome)).await.unwrap(), 1, "{outcome}");
        }
        for wrong in ["", "telepathy", "OK"] {
            assert_refused(&db, &crate::audit::insert_sql(&db, wrong)).await;
        }
    }

    async fn chat_statuses_are_those_of_the_contract_and_an_error_has_its_text(db: TestDb) {
        insert_chat(&db, ChatStatus::Waiting).await;
        for status in ChatStatus::ALL {
            let error = if status == ChatStatus::Error { "'{}'" } else { "NULL" };
            let sql = format!("UPDATE chats SET status = '{}', last_error = {error}", status.as_str());
            assert_eq!(db.raw(&sql).await.unwrap(), 1, "{sql}");
            let error = if status == ChatStatus::Error { "NULL" } else { "'{}'" };
            assert_refused(&db, &format!("UPDATE chats SET status = '{}', last_error = {error}", status.as_str())).await;
        }
        assert_refused(&db, "UPDATE chats SET status = 'pending', last_error = NULL").await;
    }

    async fn an_outcome_has_its_instant_and_is_one_of_five(db: TestDb) {
        fill(&db).await;
        use ToolOutcome::{Cancelled, Denied, Error, Ok, Unknown};
        for outcome in [Ok, Error, Cancelled, Denied, Unknown] {
            let text = outcome.as_str();
            assert_eq!(db.raw(&format!("UPDATE tool_calls SET outcome = '{text}', outcome_at = 1")).await.unwrap(), 1);
            assert_refused(&db, &format!("UPDATE tool_calls SET outcome = '{text}', outcome_at = NULL")).await;
        }
        assert_refused(&db, "UPDATE tool_calls SET outcome = NULL, outcome_at = 1").await;
        assert_refused(&db, "UPDATE tool_calls SET outcome = 'maybe', outcome_at = 1").await;
    }

    async fn a_sealed_value_and_its_key_id_come_together(db: TestDb) {
        fill(&db).await;
        for field in store::encryption_keys::SEALED_COLUMNS {
            // A row of `user_header_values` has its value always: both columns are NOT NULL.
            if field.table == "user_header_values" {
                continue;
            }
            let (table, value, key) = (field.table, field.column, field.key_column);
            let bytes = if db.is_postgres() { "'\\x00'" } else { "x'00'" };
            assert_refused(&db, &format!("UPDATE {table} SET {value} = {bytes}, {key} = NULL")).await;
            assert_refused(&db, &format!("UPDATE {table} SET {value} = NULL, {key} = 'k'")).await;
            assert_eq!(db.raw(&format!("UPDATE {table} SET {value} = {bytes}, {key} = 'k'")).await.unwrap(), 1);
        }
    }

    async fn numbers_stay_within_their_bounds(db: TestDb) {
        fill(&db).await;
        for sql in [
            "UPDATE users SET role_bits = 0",
            "UPDATE users SET role_bits = 16",
            "UPDATE llm_models SET context_limit = 0",
            "UPDATE llm_models SET max_output_tokens = -1",
            "UPDATE encryption_keys SET id = 'short'",
            "UPDATE mcp_revocations SET tries = -1",
            if db.is_postgres() {
                "UPDATE mcp_oauth_flows SET state_hash = '\\x00'"
            } else {
                "UPDATE mcp_oauth_flows SET state_hash = x'00'"
            },
        ] {
            assert_refused(&db, sql).await;
        }
    }

    async fn a_schema_is_brought_up_once_and_opened_again_as_it_is(db: TestDb) {
        fill(&db).await;
        let before = db.columns().await;
        let again = db.reopen().await;
        let mut session = again.read().await.unwrap();
        assert_eq!(store::mcp_servers::server_list(&mut session, crate::support::EVERYTHING, None, None).await.unwrap().len(), 1);
        drop(session);
        again.close().await;
        assert_eq!(db.columns().await, before);
    }

    async fn a_schema_of_a_newer_build_is_refused(db: TestDb) {
        testkit::newer_schema(&db).await.unwrap();
        let error = store::Db::open(db.config()).await.unwrap_err();
        assert!(matches!(error, store::StoreError::Migration(_)), "{error:?}");
        assert!(!error.is_retryable());
    }

    async fn pending_migrations_are_named_and_a_newer_schema_is_none_of_ours(db: TestDb) {
        assert!(db.migrations_pending().await.unwrap().is_empty());
        db.raw("DELETE FROM _sqlx_migrations WHERE version > 1").await.unwrap();
        let pending = db.migrations_pending().await.unwrap();
        assert!(!pending.is_empty() && pending[0].starts_with("0002 "), "{pending:?}");
        db.raw("DROP TABLE _sqlx_migrations").await.unwrap();
        assert_eq!(db.migrations_pending().await.unwrap().len(), pending.len() + 1, "an empty database lacks all");
        let newer = TestDb::sqlite().await;
        testkit::newer_schema(&newer).await.unwrap();
        let error = newer.migrations_pending().await.unwrap_err();
        assert!(matches!(&error, store::StoreError::Migration(why) if why.contains("newer")), "{error:?}");
    }

    /// A start that will be refused must write nothing (behaviour 26).
    async fn a_connection_alone_leaves_the_schema_as_it_is(db: TestDb) {
        let sql = "DELETE FROM _sqlx_migrations";
        db.raw(sql).await.unwrap();
        let again = store::Db::connect(db.config()).await.unwrap();
        let mut session = again.read().await.unwrap();
        store::clock::database_now(&mut session).await.unwrap();
        drop(session);
        assert_eq!(db.number("SELECT COUNT(*) FROM _sqlx_migrations").await, 0, "nothing was brought up");
        assert!(again.migrate().await.is_err(), "the tables are there already");
        again.close().await;
    }
}
