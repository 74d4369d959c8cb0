-- Plan mode (behaviour 22): of the turns to come, and of the turn that runs, which keeps what it began with
ALTER TABLE chats ADD COLUMN plan_mode TEXT NOT NULL DEFAULT '' CHECK (plan_mode IN ('', 'plan'));
ALTER TABLE chats ADD COLUMN turn_plan_mode TEXT NOT NULL DEFAULT '' CHECK (turn_plan_mode IN ('', 'plan'));
-- of the newest row of chat_plans; 0: none
ALTER TABLE chats ADD COLUMN plan_version BIGINT NOT NULL DEFAULT 0 CHECK (plan_version >= 0);
-- NULL: no change of the chat's mode
ALTER TABLE queued_messages ADD COLUMN plan_mode TEXT CHECK (plan_mode IN ('', 'plan'));
ALTER TABLE mcp_servers ADD COLUMN allow_in_plan_mode BOOLEAN NOT NULL DEFAULT FALSE;

-- The plan of a chat, every version (behaviour 21). Which call wrote it makes writing it again after a crash a look-up.
CREATE TABLE chat_plans (
    chat_id UUID NOT NULL REFERENCES chats (id) ON DELETE CASCADE,
    version BIGINT NOT NULL CHECK (version > 0),
    content TEXT NOT NULL,
    message_id BIGINT NOT NULL,
    tool_call_id TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (chat_id, version),
    UNIQUE (chat_id, message_id, tool_call_id)
);
