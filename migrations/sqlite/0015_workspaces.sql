-- Workspaces: a project of one user with servers of its own (behaviour 23).
CREATE TABLE workspaces (
    id BLOB PRIMARY KEY,
    owner_id BLOB NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    -- the whole document, sealed; NULL: no servers
    mcp_json BLOB,
    mcp_json_key_id TEXT,
    -- +1 per change of the document: what was offered before is not called after
    document_version INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    CHECK ((mcp_json IS NULL) = (mcp_json_key_id IS NULL))
);
CREATE INDEX workspaces_owner_idx ON workspaces (owner_id);

-- The workspace whose servers a chat uses
ALTER TABLE chats ADD COLUMN workspace_id BLOB REFERENCES workspaces (id) ON DELETE SET NULL;
CREATE INDEX chats_workspace_idx ON chats (workspace_id) WHERE workspace_id IS NOT NULL;
