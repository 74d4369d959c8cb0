-- The definitions of tools that were listed (behaviour 13, protocol.md T6). Several of one tool may be accepted: servers differ by user,
-- and what was accepted once may come back. Of those that are not, the last one is kept.
CREATE TABLE mcp_tool_definitions (
    mcp_server_id BLOB NOT NULL REFERENCES mcp_servers (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    hash TEXT NOT NULL CHECK (length(hash) = 64),
    first_seen_at INTEGER NOT NULL,
    -- The definition of a name that was listed last has the highest.
    listed_at INTEGER NOT NULL,
    accepted_at INTEGER,
    accepted_by BLOB REFERENCES users (id) ON DELETE SET NULL,
    gone_since INTEGER,
    -- Last: it is long, and what is read most stands before it.
    definition TEXT NOT NULL,
    PRIMARY KEY (mcp_server_id, name, hash)
);
CREATE INDEX mcp_tool_definitions_listed_idx
    ON mcp_tool_definitions (mcp_server_id, name, listed_at, hash, accepted_at, gone_since);
CREATE INDEX mcp_tool_definitions_accepted_by_idx ON mcp_tool_definitions (accepted_by);

-- When a server was listed first: what it had then is accepted.
CREATE TABLE mcp_tool_lists (
    mcp_server_id BLOB PRIMARY KEY REFERENCES mcp_servers (id) ON DELETE CASCADE,
    first_listed_at INTEGER NOT NULL
);

-- How servers are doing, from real use and from a light check in the background.
CREATE TABLE mcp_server_health (
    mcp_server_id BLOB PRIMARY KEY REFERENCES mcp_servers (id) ON DELETE CASCADE,
    state TEXT NOT NULL CHECK (state IN ('unknown', 'ok', 'slow', 'failing', 'auth_trouble')),
    since INTEGER NOT NULL,
    last_error TEXT NOT NULL DEFAULT '',
    last_error_at INTEGER,
    last_ok_at INTEGER,
    latency_ms INTEGER,
    -- Real use puts the next check off.
    next_check_at INTEGER NOT NULL
);
CREATE INDEX mcp_server_health_next_check_idx ON mcp_server_health (next_check_at);

-- A kind of change more: tools.
CREATE TABLE changes_next (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL CHECK (kind IN ('servers', 'users', 'groups', 'keys', 'models', 'settings', 'tools')),
    subject TEXT NOT NULL DEFAULT '',
    at INTEGER NOT NULL
);
INSERT INTO changes_next (id, kind, subject, at) SELECT id, kind, subject, at FROM changes;
DROP TABLE changes;
ALTER TABLE changes_next RENAME TO changes;
