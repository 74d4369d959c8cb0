-- Messages that wait for the turn before them (behaviour 18). A row stays after it ended, as long as an Idempotency-Key can ask for it.
CREATE TABLE queued_messages (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    chat_id BLOB NOT NULL REFERENCES chats (id) ON DELETE CASCADE,
    -- ascending is the order; what is put first gets one less than the least
    position INTEGER NOT NULL,
    content TEXT NOT NULL,
    -- bytes of its text
    size INTEGER NOT NULL,
    model_config_id BLOB REFERENCES llm_models (id) ON DELETE SET NULL,
    -- NULL: no change of the chat's servers
    mcp_server_ids TEXT,
    created_at INTEGER NOT NULL,
    ended TEXT CHECK (ended IN ('promoted', 'removed')),
    -- of the message that it became
    message_id INTEGER,
    CHECK (message_id IS NULL OR ended = 'promoted')
);
CREATE INDEX queued_messages_chat_idx ON queued_messages (chat_id, position) WHERE ended IS NULL;
CREATE INDEX queued_messages_ended_idx ON queued_messages (created_at) WHERE ended IS NOT NULL;

-- How many wait, beside the status: the states that a chat can be in are guarded here (domain::chat::ChatState::is_legal).
ALTER TABLE chats ADD COLUMN queue_length INTEGER NOT NULL DEFAULT 0
    CHECK (queue_length BETWEEN 0 AND 100 AND (status <> 'waiting' OR queue_length = 0)
        AND (NOT archived OR status IN ('waiting', 'error')));
-- +1 per change of the queue
ALTER TABLE chats ADD COLUMN queue_version INTEGER NOT NULL DEFAULT 0;
-- Chats pinned to the top of the list, ascending; 0: not pinned
ALTER TABLE chats ADD COLUMN pin_order INTEGER NOT NULL DEFAULT 0 CHECK (pin_order BETWEEN 0 AND 1000000);
CREATE INDEX chats_list_idx ON chats
    (owner_id, archived, (CASE WHEN pin_order = 0 THEN 1000001 ELSE pin_order END), updated_at DESC, id DESC);

-- What a repeated request made when it was queued; message_id is 0 then
ALTER TABLE idempotency_keys ADD COLUMN queued_id INTEGER;
