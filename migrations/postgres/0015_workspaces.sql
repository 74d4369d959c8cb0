-- Workspaces: a project of one user with servers of its own (behaviour 23).
CREATE TABLE workspaces (
    id UUID PRIMARY KEY,
    owner_id UUID NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    -- the whole document, sealed; NULL: no servers
    mcp_json BYTEA,
    mcp_json_key_id TEXT,
    -- +1 per change of the document: what was offered before is not called after
    document_version BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    CHECK ((mcp_json IS NULL) = (mcp_json_key_id IS NULL))
);
CREATE INDEX workspaces_owner_idx ON workspaces (owner_id);

-- The workspace whose servers a chat uses
ALTER TABLE chats ADD COLUMN workspace_id UUID REFERENCES workspaces (id) ON DELETE SET NULL;
CREATE INDEX chats_workspace_idx ON chats (workspace_id) WHERE workspace_id IS NOT NULL;
