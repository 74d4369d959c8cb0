-- The first living version. Instants are microseconds since the epoch; ids are UUIDv7.
-- CHECK lists hold every value of the contract from here on (behaviour 3), also those whose feature comes later.

CREATE TABLE settings (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
);

-- Behaviour 26: a start without every key in use is refused; the canary proves that a key is the right one.
CREATE TABLE encryption_keys (
    id TEXT PRIMARY KEY CHECK (length(id) = 16),
    state TEXT NOT NULL CHECK (state IN ('active', 'retired', 'revoked')),
    canary BYTEA NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE users (
    id UUID PRIMARY KEY,
    email TEXT NOT NULL,
    username TEXT NOT NULL,
    name TEXT NOT NULL DEFAULT '',
    password_hash TEXT,
    -- bits: 1 owner, 2 admin, 4 auditor, 8 member
    role_bits BIGINT NOT NULL CHECK (role_bits BETWEEN 1 AND 15),
    status TEXT NOT NULL CHECK (status IN ('active', 'suspended')),
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX users_email_key ON users (lower(email));
CREATE UNIQUE INDEX users_username_key ON users (lower(username));

-- Web sessions and API tokens: the same kind of secret, stored as SHA-256 only.
CREATE TABLE credentials (
    id UUID PRIMARY KEY,
    user_id UUID NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    kind TEXT NOT NULL CHECK (kind IN ('session', 'token')),
    name TEXT NOT NULL DEFAULT '',
    secret_hash BYTEA NOT NULL UNIQUE,
    user_agent TEXT NOT NULL DEFAULT '',
    address TEXT NOT NULL DEFAULT '',
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    last_used_at BIGINT
);
CREATE INDEX credentials_user_id_idx ON credentials (user_id, kind);

-- Sign-in attempts per account and per address (threats 5, Inbound).
CREATE TABLE login_attempts (
    key TEXT PRIMARY KEY,
    window_started_at BIGINT NOT NULL,
    attempts BIGINT NOT NULL
);

CREATE TABLE mcp_servers (
    id UUID PRIMARY KEY,
    display_name TEXT NOT NULL,
    slug TEXT NOT NULL,
    description TEXT NOT NULL DEFAULT '',
    icon_url TEXT NOT NULL DEFAULT '',
    transport TEXT NOT NULL CHECK (transport IN ('streamable_http', 'sse')),
    url TEXT NOT NULL,
    auth_type TEXT NOT NULL CHECK (auth_type IN ('none', 'oauth2', 'api_key', 'custom_headers', 'user_oidc', 'user_header')),
    api_key_header TEXT NOT NULL DEFAULT '',
    api_key_value BYTEA,
    api_key_value_key_id TEXT,
    custom_headers BYTEA,
    custom_headers_key_id TEXT,
    tool_allow_list JSON NOT NULL,
    tool_deny_list JSON NOT NULL,
    tool_change_policy TEXT NOT NULL DEFAULT 'notify' CHECK (tool_change_policy IN ('accept', 'notify', 'hold')),
    availability TEXT NOT NULL CHECK (availability IN ('force_on', 'default_on', 'default_off')),
    enabled BOOLEAN NOT NULL,
    model_intent BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    created_by UUID REFERENCES users (id) ON DELETE SET NULL,
    updated_by UUID REFERENCES users (id) ON DELETE SET NULL,
    -- counts every change; credential_version only those after which an open connection must not be used
    version BIGINT NOT NULL,
    credential_version BIGINT NOT NULL,
    CHECK ((api_key_value IS NULL) = (api_key_value_key_id IS NULL)),
    CHECK ((custom_headers IS NULL) = (custom_headers_key_id IS NULL))
);
CREATE UNIQUE INDEX mcp_servers_slug_key ON mcp_servers (lower(slug));

CREATE TABLE llm_providers (
    id UUID PRIMARY KEY,
    name TEXT NOT NULL,
    type TEXT NOT NULL CHECK (type IN ('openai', 'anthropic', 'demo')),
    base_url TEXT NOT NULL DEFAULT '',
    api_key BYTEA,
    api_key_key_id TEXT,
    enabled BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    CHECK ((api_key IS NULL) = (api_key_key_id IS NULL))
);
CREATE UNIQUE INDEX llm_providers_name_key ON llm_providers (lower(name));

CREATE TABLE llm_models (
    id UUID PRIMARY KEY,
    provider_id UUID NOT NULL REFERENCES llm_providers (id) ON DELETE CASCADE,
    model TEXT NOT NULL,
    display_name TEXT NOT NULL,
    context_limit BIGINT NOT NULL CHECK (context_limit > 0),
    max_output_tokens BIGINT NOT NULL CHECK (max_output_tokens > 0),
    enabled BOOLEAN NOT NULL,
    is_default BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    UNIQUE (provider_id, model)
);
CREATE UNIQUE INDEX llm_models_default_key ON llm_models (is_default) WHERE is_default;

CREATE TABLE chats (
    id UUID PRIMARY KEY,
    owner_id UUID NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    title TEXT NOT NULL,
    title_source TEXT NOT NULL CHECK (title_source IN ('prompt', 'generated', 'user')),
    status TEXT NOT NULL CHECK (status IN ('waiting', 'running', 'interrupting', 'requires_action', 'error')),
    last_error JSON,
    model_config_id UUID REFERENCES llm_models (id) ON DELETE SET NULL,
    mcp_server_ids JSON NOT NULL,
    labels JSON NOT NULL,
    archived BOOLEAN NOT NULL,
    client_type TEXT NOT NULL CHECK (client_type IN ('ui', 'api')),
    -- +1 per transaction; per committed change of the history; per rewrite of the history (edit); per try of a generation
    snapshot_version BIGINT NOT NULL,
    history_version BIGINT NOT NULL,
    edit_version BIGINT NOT NULL,
    generation_attempt BIGINT NOT NULL,
    -- the runner that may write and dispatch: database clock, epoch grows with every claim
    lease_holder UUID,
    lease_epoch BIGINT NOT NULL,
    lease_expires_at BIGINT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    CHECK ((status = 'error') = (last_error IS NOT NULL))
);
CREATE INDEX chats_owner_idx ON chats (owner_id, archived, updated_at);
CREATE INDEX chats_due_idx ON chats (lease_expires_at) WHERE status IN ('running', 'interrupting');

CREATE TABLE messages (
    id BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    chat_id UUID NOT NULL REFERENCES chats (id) ON DELETE CASCADE,
    role TEXT NOT NULL CHECK (role IN ('system', 'user', 'assistant', 'tool')),
    content JSON NOT NULL,
    model_config_id UUID,
    usage JSON,
    interrupted BOOLEAN NOT NULL,
    -- hidden by an edit of an earlier message
    hidden BOOLEAN NOT NULL,
    revision BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX messages_chat_idx ON messages (chat_id, id);

-- Behaviour 17, Idempotency-Key: a repeated POST finds what the first one made.
CREATE TABLE idempotency_keys (
    owner_id UUID NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    key TEXT NOT NULL,
    request_hash BYTEA NOT NULL,
    chat_id UUID NOT NULL REFERENCES chats (id) ON DELETE CASCADE,
    message_id BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (owner_id, key)
);

-- The ledger (behaviour 15): a row is committed before a call is sent; outcome NULL after a crash means "unknown".
CREATE TABLE tool_calls (
    id UUID PRIMARY KEY,
    chat_id UUID NOT NULL REFERENCES chats (id) ON DELETE CASCADE,
    message_id BIGINT NOT NULL REFERENCES messages (id) ON DELETE CASCADE,
    tool_call_id TEXT NOT NULL,
    position BIGINT NOT NULL,
    mcp_server_id UUID NOT NULL,
    exposed_name TEXT NOT NULL,
    original_name TEXT NOT NULL,
    definition_hash TEXT NOT NULL,
    argument_hash TEXT NOT NULL,
    credential_version BIGINT NOT NULL,
    lease_epoch BIGINT NOT NULL,
    outcome TEXT CHECK (outcome IN ('ok', 'error', 'cancelled', 'denied', 'unknown')),
    result JSON,
    intent_at BIGINT NOT NULL,
    outcome_at BIGINT,
    CHECK ((outcome IS NULL) = (outcome_at IS NULL)),
    UNIQUE (message_id, tool_call_id)
);
CREATE INDEX tool_calls_open_idx ON tool_calls (chat_id) WHERE outcome IS NULL;

-- Behaviour 27. Written in the transaction of the action; no arguments, no results, no secrets.
CREATE TABLE audit_log (
    id UUID PRIMARY KEY,
    at BIGINT NOT NULL,
    actor_id UUID,
    actor_name TEXT NOT NULL,
    credential_id UUID,
    address TEXT NOT NULL,
    user_agent TEXT NOT NULL,
    request_id TEXT NOT NULL,
    action TEXT NOT NULL,
    resource_type TEXT NOT NULL,
    resource_id TEXT NOT NULL,
    resource_name TEXT NOT NULL,
    outcome TEXT NOT NULL CHECK (outcome IN ('ok', 'denied', 'failed')),
    changed_fields JSON NOT NULL
);
CREATE INDEX audit_log_at_idx ON audit_log (at);
