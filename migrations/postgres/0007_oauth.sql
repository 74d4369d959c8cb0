-- OAuth (behaviour 5, 8, 9, 10): servers in setup, what discovery found, tokens of users, flows under way, step-ups, and grants that
-- the provider has yet to be told about.

-- Until then the row is in setup: its slug is taken, and nobody but the request that made it finds it. NULL: it is real.
ALTER TABLE mcp_servers ADD COLUMN setup_until BIGINT;
CREATE INDEX mcp_servers_setup_idx ON mcp_servers (setup_until) WHERE setup_until IS NOT NULL;

-- What discovery found and registration got. It holds while the server's issuer and token URL are these.
CREATE TABLE mcp_oauth_facts (
    id UUID PRIMARY KEY,
    mcp_server_id UUID NOT NULL UNIQUE REFERENCES mcp_servers (id) ON DELETE CASCADE,
    issuer TEXT NOT NULL DEFAULT '',
    -- as the server wrote it: compared and sent byte for byte
    resource TEXT NOT NULL DEFAULT '',
    token_url TEXT NOT NULL DEFAULT '',
    iss_required BOOLEAN NOT NULL DEFAULT FALSE,
    offline_access BOOLEAN NOT NULL DEFAULT FALSE,
    scopes TEXT NOT NULL DEFAULT '',
    scopes_source TEXT NOT NULL DEFAULT '' CHECK (scopes_source IN ('', 'challenge', 'published')),
    -- nobody published anything: the endpoints are those of the fallback
    guessed BOOLEAN NOT NULL DEFAULT FALSE,
    -- the list that the provider publishes
    auth_methods JSON,
    auth_method TEXT NOT NULL DEFAULT 'none' CHECK (auth_method IN ('client_secret_basic', 'client_secret_post', 'none')),
    registration_endpoint TEXT NOT NULL DEFAULT '',
    registration_uri TEXT NOT NULL DEFAULT '',
    registration_token BYTEA,
    registration_token_key_id TEXT,
    secret_expires_at BIGINT,
    -- NULL: nothing was found yet, and the row is there for the lease alone
    found_at BIGINT,
    registered_at BIGINT,
    -- one registration at a time: database clock
    registering_by UUID,
    registering_until BIGINT,
    CHECK ((registration_token IS NULL) = (registration_token_key_id IS NULL)),
    CHECK ((registering_by IS NULL) = (registering_until IS NULL))
);

CREATE TABLE mcp_user_tokens (
    id UUID PRIMARY KEY,
    mcp_server_id UUID NOT NULL REFERENCES mcp_servers (id) ON DELETE CASCADE,
    user_id UUID NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    access_token BYTEA,
    access_token_key_id TEXT,
    refresh_token BYTEA,
    refresh_token_key_id TEXT,
    token_type TEXT NOT NULL DEFAULT 'Bearer',
    -- NULL: never
    expires_at BIGINT,
    scopes TEXT NOT NULL DEFAULT '',
    -- step-up: what the server asked for beyond the scopes above
    wanted_scopes TEXT NOT NULL DEFAULT '',
    -- whom it was issued by, for what, and to which client
    issuer TEXT NOT NULL,
    resource TEXT NOT NULL,
    client_id TEXT NOT NULL,
    token_url TEXT NOT NULL,
    failure TEXT NOT NULL DEFAULT ''
        CHECK (failure IN ('', 'refresh_rejected', 'expired_no_refresh_token', 'rejected_by_server', 'client_changed')),
    failure_detail TEXT NOT NULL DEFAULT '' CHECK (length(failure_detail) <= 400),
    failed_at BIGINT,
    -- rises with every write of the credential: what nobody may fall behind
    version BIGINT NOT NULL,
    -- who may send the refresh token now, and until when: database clock
    refresh_lease_id UUID,
    refresh_lease_until BIGINT,
    -- token requests with the present refresh token whose answer was never stored: more than none, and it may be spent
    refresh_sends BIGINT NOT NULL DEFAULT 0 CHECK (refresh_sends >= 0),
    refresh_not_before BIGINT,
    refresh_failures BIGINT NOT NULL DEFAULT 0 CHECK (refresh_failures >= 0),
    connected_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    UNIQUE (mcp_server_id, user_id),
    CHECK ((access_token IS NULL) = (access_token_key_id IS NULL)),
    CHECK ((refresh_token IS NULL) = (refresh_token_key_id IS NULL)),
    CHECK ((failure = '') = (failed_at IS NULL)),
    -- what has failed for good keeps no secret
    CHECK (failure = '' OR (access_token IS NULL AND refresh_token IS NULL)),
    CHECK ((refresh_lease_id IS NULL) = (refresh_lease_until IS NULL))
);
CREATE INDEX mcp_user_tokens_user_idx ON mcp_user_tokens (user_id);
CREATE INDEX mcp_user_tokens_expires_idx ON mcp_user_tokens (expires_at) WHERE refresh_token IS NOT NULL;

-- A sign-in at a provider that is under way (protocol.md 14.8, A3). The callback removes the row: that is what makes it good for one use.
CREATE TABLE mcp_oauth_flows (
    id UUID PRIMARY KEY,
    -- SHA-256 of the state
    state_hash BYTEA NOT NULL UNIQUE CHECK (length(state_hash) = 32),
    mcp_server_id UUID NOT NULL REFERENCES mcp_servers (id) ON DELETE CASCADE,
    user_id UUID NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    -- the web session or token that began it must end it
    credential_id UUID NOT NULL REFERENCES credentials (id) ON DELETE CASCADE,
    verifier BYTEA NOT NULL,
    verifier_key_id TEXT NOT NULL,
    issuer TEXT NOT NULL,
    iss_required BOOLEAN NOT NULL,
    resource TEXT NOT NULL,
    redirect_uri TEXT NOT NULL,
    token_url TEXT NOT NULL,
    client_id TEXT NOT NULL,
    scopes TEXT NOT NULL,
    -- a path of ours to come back to; empty: a window that closes
    return_to TEXT NOT NULL,
    -- of the server, when it began
    credential_version BIGINT NOT NULL,
    -- database clock
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX mcp_oauth_flows_server_idx ON mcp_oauth_flows (mcp_server_id);
CREATE INDEX mcp_oauth_flows_user_idx ON mcp_oauth_flows (user_id, expires_at);
CREATE INDEX mcp_oauth_flows_credential_idx ON mcp_oauth_flows (credential_id);
CREATE INDEX mcp_oauth_flows_expires_idx ON mcp_oauth_flows (expires_at);

-- How often a tool made a user be asked for more permission, and what the user said (protocol.md 14.10).
CREATE TABLE mcp_step_ups (
    mcp_server_id UUID NOT NULL REFERENCES mcp_servers (id) ON DELETE CASCADE,
    user_id UUID NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    tool TEXT NOT NULL,
    -- those that were asked for last
    scopes TEXT NOT NULL,
    prompts BIGINT NOT NULL,
    -- database clock
    window_started_at BIGINT NOT NULL,
    declined_at BIGINT,
    PRIMARY KEY (mcp_server_id, user_id, tool)
);
CREATE INDEX mcp_step_ups_user_idx ON mcp_step_ups (user_id);

-- Grants that are gone here and have yet to be revoked at the provider (protocol.md 14.13). Server and user may be gone too, so
-- nothing is referenced.
CREATE TABLE mcp_revocations (
    id UUID PRIMARY KEY,
    mcp_server_id UUID NOT NULL,
    user_id UUID NOT NULL,
    revocation_url TEXT NOT NULL,
    client_id TEXT NOT NULL,
    auth_method TEXT NOT NULL CHECK (auth_method IN ('client_secret_basic', 'client_secret_post', 'none')),
    client_secret BYTEA,
    client_secret_key_id TEXT,
    refresh_token BYTEA,
    refresh_token_key_id TEXT,
    access_token BYTEA,
    access_token_key_id TEXT,
    resource TEXT NOT NULL,
    tries BIGINT NOT NULL DEFAULT 0 CHECK (tries >= 0),
    -- database clock
    next_try_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    CHECK ((client_secret IS NULL) = (client_secret_key_id IS NULL)),
    CHECK ((refresh_token IS NULL) = (refresh_token_key_id IS NULL)),
    CHECK ((access_token IS NULL) = (access_token_key_id IS NULL))
);
CREATE INDEX mcp_revocations_next_try_idx ON mcp_revocations (next_try_at);
