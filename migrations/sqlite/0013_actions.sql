-- Tools whose calls wait for the owner of the chat (behaviour 15): patterns of original names.
ALTER TABLE mcp_servers ADD COLUMN tool_approval_list TEXT NOT NULL DEFAULT '[]';
-- Tools that the client of a chat brings and runs itself (behaviour 17).
ALTER TABLE chats ADD COLUMN dynamic_tools TEXT NOT NULL DEFAULT '[]';

-- What a turn waits for: an approval, a tool that the client runs, an answer to a server. An approval binds owner, tool, server and the
-- hash of the arguments, and serves for one sending: it becomes 'used' in the transaction of the intent.
CREATE TABLE chat_actions (
    id BLOB PRIMARY KEY,
    chat_id BLOB NOT NULL REFERENCES chats (id) ON DELETE CASCADE,
    message_id INTEGER NOT NULL REFERENCES messages (id) ON DELETE CASCADE,
    tool_call_id TEXT NOT NULL,
    position INTEGER NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('approval', 'client_tool', 'elicitation')),
    state TEXT NOT NULL CHECK (state IN ('open', 'approved', 'denied', 'answered', 'expired', 'cancelled', 'used')),
    -- only this user may decide
    owner_id BLOB NOT NULL,
    -- NULL: the client brought the tool
    mcp_server_id BLOB,
    server_name TEXT NOT NULL,
    tool_name TEXT NOT NULL,
    original_name TEXT NOT NULL,
    definition_hash TEXT NOT NULL,
    argument_hash TEXT NOT NULL,
    -- as they will be sent
    arguments TEXT NOT NULL,
    -- what a server asks
    question TEXT,
    -- what the client or the person gave
    answer TEXT,
    -- by the database's clock
    asked_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    decided_at INTEGER,
    CHECK ((state = 'open') = (decided_at IS NULL))
);
CREATE INDEX chat_actions_message_idx ON chat_actions (chat_id, message_id);
CREATE INDEX chat_actions_open_idx ON chat_actions (chat_id, expires_at) WHERE state = 'open';
-- A call is approved or answered once.
CREATE UNIQUE INDEX chat_actions_call_idx ON chat_actions (message_id, tool_call_id) WHERE kind <> 'elicitation';
CREATE INDEX chats_parked_idx ON chats (lease_expires_at) WHERE status = 'requires_action';
