//! Rows to begin with.

use api::{
    Timestamp, Uuid,
    chats::ChatStatus,
    models::ProviderType,
    servers::{AuthType, Availability, Transport},
    users::{Role, User, UserStatus},
};
use domain::{
    clock::{ManualClock, SeededEntropy, new_id},
    mcp_server::ServerRecord,
};
pub(crate) use patchbay_store as store;
use std::{collections::BTreeMap, sync::LazyLock};
use store::{
    SealedColumn, StoreError,
    chats::ChatRecord,
    credentials::{CredentialKind, CredentialRecord},
    mcp_servers::{Reader, StoredServer},
    models::ModelRecord,
    providers::ProviderRecord,
    users::UserRecord,
};
use testkit::TestDb;

/// 2026-11-01T00:00:00Z: every test begins here.
pub(crate) const START: Timestamp = Timestamp(1_793_491_200_000_000);

static ENTROPY: LazyLock<SeededEntropy> = LazyLock::new(SeededEntropy::default);

pub(crate) fn id() -> Uuid {
    new_id(&ManualClock::default(), &*ENTROPY)
}

/// Runs `$body` in a transaction and commits.
macro_rules! commit {
    ($db:expr, |$write:ident| $body:expr) => {{
        let mut write = $db.write().await.unwrap();
        let $write = &mut write;
        let result = $body.await.unwrap();
        write.commit().await.unwrap();
        result
    }};
}
pub(crate) use commit;

/// Reads with `$body`.
macro_rules! read {
    ($db:expr, |$session:ident| $body:expr) => {{
        let mut session = $db.read().await.unwrap();
        let $session = &mut session;
        $body.await.unwrap()
    }};
}
pub(crate) use read;

/// Runs `$body` in a transaction that must fail, and gives the error.
macro_rules! refused {
    ($db:expr, |$write:ident| $body:expr) => {{
        let mut write = $db.write().await.unwrap();
        let $write = &mut write;
        $body.await.expect_err("the database takes it")
    }};
}
pub(crate) use refused;

/// The error is a refusal by the constraint whose name contains `name`, and by no other of `others`.
#[track_caller]
pub(crate) fn assert_conflict(error: &StoreError, name: &str) {
    assert!(error.is_conflict_on(name), "no conflict on {name}: {error:?}");
    assert!(!error.is_retryable(), "trying again would not help: {error:?}");
}

pub(crate) fn user(username: &str) -> UserRecord {
    UserRecord {
        user: User {
            id: id(),
            email: format!("{username}@example.org"),
            username: username.to_owned(),
            name: format!("The {username}"),
            roles: vec![Role::Member],
            status: UserStatus::Active,
            created_at: START,
            updated_at: START,
        },
        password_hash: Some("$argon2id$v=19$x".to_owned()),
    }
}

pub(crate) async fn insert_user(db: &TestDb, username: &str) -> UserRecord {
    let record = user(username);
    commit!(db, |write| store::users::user_insert(write, &record));
    record
}

pub(crate) fn credential(owner: Uuid, kind: CredentialKind) -> CredentialRecord {
    CredentialRecord {
        id: id(),
        user_id: owner,
        kind,
        name: "laptop".to_owned(),
        user_agent: "agent/1".to_owned(),
        address: "127.0.0.1".to_owned(),
        created_at: START,
        expires_at: START.plus_seconds(3600),
        last_used_at: None,
    }
}

pub(crate) fn server(slug: &str) -> StoredServer {
    StoredServer::plain(ServerRecord {
        id: id(),
        display_name: format!("Server {slug}"),
        slug: slug.to_owned(),
        description: "what it is for".to_owned(),
        icon_url: "/icon.svg".to_owned(),
        transport: Transport::StreamableHttp,
        url: "https://mcp.example.org/mcp".to_owned(),
        auth_type: AuthType::None,
        api_key_header: String::new(),
        has_api_key: false,
        has_custom_headers: false,
        oauth2: Default::default(),
        has_oauth2_secret: false,
        user_headers: Vec::new(),
        tool_allow_list: vec!["get_*".to_owned(), "list_?".to_owned()],
        tool_deny_list: vec!["delete_*".to_owned()],
        tool_idempotent_list: vec!["get_?".to_owned()],
        tool_approval_list: vec!["create_*".to_owned()],
        availability: Availability::DefaultOff,
        enabled: true,
        model_intent: true,
        allow_in_plan_mode: false,
        forward_coder_headers: false,
        has_signing_secret: false,
        send_trace_context: false,
        use_instructions: false,
        tool_change_policy: api::servers::ToolChangePolicy::Notify,
        allowed_group_ids: Vec::new(),
        created_at: START,
        updated_at: START,
        created_by: None,
        updated_by: None,
        version: 1,
        credential_version: 1,
    })
}

/// Every server.
pub(crate) const EVERYTHING: Reader = Reader { user_id: Uuid::nil(), disabled: true, every_group: true };

/// A group with these members.
pub(crate) async fn insert_group(db: &TestDb, name: &str, members: &[Uuid]) -> Uuid {
    let group = id();
    let literal = |id: Uuid| if db.is_postgres() { format!("'{id}'") } else { format!("x'{}'", id.simple()) };
    db.raw(&format!(
        "INSERT INTO groups (id, name, source, created_at, updated_at) VALUES ({}, '{name}', 'admin', 1, 1)",
        literal(group)
    ))
    .await
    .unwrap();
    for member in members {
        db.raw(&format!(
            "INSERT INTO group_members (group_id, user_id, created_at) VALUES ({}, {}, 1)",
            literal(group),
            literal(*member)
        ))
        .await
        .unwrap();
    }
    group
}

pub(crate) fn sealed(ciphertext: &[u8], key_id: &str) -> SealedColumn {
    SealedColumn { ciphertext: Some(ciphertext.to_vec()), key_id: Some(key_id.to_owned()) }
}

pub(crate) fn provider(name: &str) -> ProviderRecord {
    ProviderRecord {
        id: id(),
        name: name.to_owned(),
        provider_type: ProviderType::Openai,
        base_url: "https://models.example.org/v1".to_owned(),
        api_key: SealedColumn::default(),
        enabled: true,
        created_at: START,
        updated_at: START,
    }
}

pub(crate) fn model(provider: &ProviderRecord, name: &str) -> ModelRecord {
    ModelRecord {
        id: id(),
        provider_id: provider.id,
        model: name.to_owned(),
        display_name: format!("Model {name}"),
        context_limit: 128_000,
        max_output_tokens: 32_000,
        compaction_threshold: 0,
        enabled: true,
        is_default: false,
        provider_enabled: provider.enabled,
        created_at: START,
        updated_at: START,
    }
}

pub(crate) async fn insert_provider(db: &TestDb, name: &str) -> ProviderRecord {
    let record = provider(name);
    commit!(db, |write| store::providers::provider_insert(write, &record));
    record
}

pub(crate) fn chat(owner: Uuid, status: ChatStatus) -> ChatRecord {
    ChatRecord {
        plan_mode: api::chats::PlanMode::Off,
        turn_plan_mode: api::chats::PlanMode::Off,
        plan_version: 0,
        id: id(),
        owner_id: owner,
        title: "A chat".to_owned(),
        title_source: "prompt".to_owned(),
        status,
        last_error: None,
        model_config_id: None,
        mcp_server_ids: vec![id(), id()],
        labels: BTreeMap::from([("team".to_owned(), "web".to_owned())]),
        workspace_id: None,
        archived: false,
        parent_chat_id: None,
        mode: None,
        pin_order: 0,
        queued_for_capacity: false,
        queue_length: 0,
        queue_version: 0,
        client_type: "api".to_owned(),
        dynamic_tools: Vec::new(),
        snapshot_version: 1,
        history_version: 1,
        edit_version: 0,
        generation_attempt: 0,
        lease_holder: None,
        lease_epoch: 0,
        lease_expires_at: None,
        created_at: START,
        updated_at: START,
    }
}

pub(crate) async fn insert_chat(db: &TestDb, status: ChatStatus) -> ChatRecord {
    let owner = insert_user(db, &format!("u{}", testkit::temp::unique())).await;
    let record = chat(owner.user.id, status);
    commit!(db, |write| store::chats::chat_insert(write, &record));
    record
}
