-- Governance: OAuth endpoints and personal headers of a server, groups, values of users, an audit log that only grows,
-- keys that are introduced before anyone writes with them.

ALTER TABLE mcp_servers ADD COLUMN oauth2_client_id TEXT NOT NULL DEFAULT '';
ALTER TABLE mcp_servers ADD COLUMN oauth2_client_secret BLOB;
ALTER TABLE mcp_servers ADD COLUMN oauth2_client_secret_key_id TEXT
    CHECK ((oauth2_client_secret IS NULL) = (oauth2_client_secret_key_id IS NULL));
ALTER TABLE mcp_servers ADD COLUMN oauth2_auth_url TEXT NOT NULL DEFAULT '';
ALTER TABLE mcp_servers ADD COLUMN oauth2_token_url TEXT NOT NULL DEFAULT '';
ALTER TABLE mcp_servers ADD COLUMN oauth2_revocation_url TEXT NOT NULL DEFAULT '';
ALTER TABLE mcp_servers ADD COLUMN oauth2_scopes TEXT NOT NULL DEFAULT '';
ALTER TABLE mcp_servers ADD COLUMN oauth2_issuer TEXT NOT NULL DEFAULT '';
ALTER TABLE mcp_servers ADD COLUMN oauth2_registration TEXT NOT NULL DEFAULT ''
    CHECK (oauth2_registration IN ('', 'manual', 'cimd', 'dcr'));
-- An edit wiped the client secret and nobody has said since whether there is one: the server is not complete.
ALTER TABLE mcp_servers ADD COLUMN oauth2_secret_wiped BOOLEAN NOT NULL DEFAULT FALSE;
-- What a user has to enter for user_header: a list of name, description, value_prefix.
ALTER TABLE mcp_servers ADD COLUMN user_headers TEXT NOT NULL DEFAULT '[]';
-- Lists are read in this order, page by page.
CREATE INDEX mcp_servers_name_idx ON mcp_servers (lower(display_name), id);
-- Every step asks for the forced ones.
CREATE INDEX mcp_servers_availability_idx ON mcp_servers (availability);

CREATE TABLE groups (
    id BLOB PRIMARY KEY,
    name TEXT NOT NULL,
    display_name TEXT NOT NULL DEFAULT '',
    -- made by an admin, or by a claim of the identity provider
    source TEXT NOT NULL CHECK (source IN ('admin', 'oidc')),
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
);
CREATE UNIQUE INDEX groups_name_key ON groups (lower(name));

CREATE TABLE group_members (
    group_id BLOB NOT NULL REFERENCES groups (id) ON DELETE CASCADE,
    user_id BLOB NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (group_id, user_id)
);
CREATE INDEX group_members_user_idx ON group_members (user_id);

-- No row: the server is open to everybody. So a group that limits a server cannot be deleted: the last row going would open it.
CREATE TABLE mcp_server_groups (
    mcp_server_id BLOB NOT NULL REFERENCES mcp_servers (id) ON DELETE CASCADE,
    group_id BLOB NOT NULL REFERENCES groups (id) ON DELETE RESTRICT,
    PRIMARY KEY (mcp_server_id, group_id)
);
CREATE INDEX mcp_server_groups_group_idx ON mcp_server_groups (group_id);

-- What a user entered for a user_header server: the map name -> value as one sealed JSON text, and the names beside it.
CREATE TABLE user_header_values (
    id BLOB PRIMARY KEY,
    mcp_server_id BLOB NOT NULL REFERENCES mcp_servers (id) ON DELETE CASCADE,
    user_id BLOB NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    header_values BLOB NOT NULL,
    header_values_key_id TEXT NOT NULL,
    names TEXT NOT NULL,
    version INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    UNIQUE (mcp_server_id, user_id)
);
CREATE INDEX user_header_values_user_idx ON user_header_values (user_id);

-- introduced: every replica can read with it, none writes with it yet.
CREATE TABLE encryption_keys_next (
    id TEXT PRIMARY KEY CHECK (length(id) = 16),
    state TEXT NOT NULL CHECK (state IN ('introduced', 'active', 'retired', 'revoked')),
    canary BLOB NOT NULL,
    created_at INTEGER NOT NULL
);
INSERT INTO encryption_keys_next (id, state, canary, created_at) SELECT id, state, canary, created_at FROM encryption_keys;
DROP TABLE encryption_keys;
ALTER TABLE encryption_keys_next RENAME TO encryption_keys;

-- Who serves now, and which keys each can read: a key is written with only after all of these have it.
CREATE TABLE replicas (
    id BLOB PRIMARY KEY,
    key_ids TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    seen_at INTEGER NOT NULL
);

-- What a short command beside the server (or another replica) changed: polled, so that caches follow.
CREATE TABLE changes (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL CHECK (kind IN ('servers', 'users', 'groups', 'keys', 'models', 'settings')),
    subject TEXT NOT NULL DEFAULT '',
    at INTEGER NOT NULL
);

-- The log only grows (behaviour 27). The retention job names its limit in `settings` for the time of its transaction.
CREATE INDEX audit_log_actor_idx ON audit_log (actor_id, at);
CREATE INDEX audit_log_action_idx ON audit_log (action, at);
CREATE INDEX audit_log_resource_idx ON audit_log (resource_type, resource_id, at);

CREATE TRIGGER audit_log_no_update BEFORE UPDATE ON audit_log
BEGIN
    SELECT RAISE(ABORT, 'the audit log cannot be changed');
END;

CREATE TRIGGER audit_log_no_delete BEFORE DELETE ON audit_log
WHEN NOT EXISTS (SELECT 1 FROM settings WHERE key = 'audit.retention_running' AND OLD.at < CAST(value AS INTEGER))
BEGIN
    SELECT RAISE(ABORT, 'the audit log cannot be changed');
END;

-- REPLACE deletes without firing the trigger above.
CREATE TRIGGER audit_log_no_replace BEFORE INSERT ON audit_log
WHEN EXISTS (SELECT 1 FROM audit_log WHERE id = NEW.id)
BEGIN
    SELECT RAISE(ABORT, 'the audit log cannot be changed');
END;
