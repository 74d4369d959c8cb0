-- Subagents (behaviour 21): chats below another chat. They go with it.
ALTER TABLE chats ADD COLUMN parent_chat_id BLOB REFERENCES chats (id) ON DELETE CASCADE;
-- '': an ordinary chat
ALTER TABLE chats ADD COLUMN mode TEXT NOT NULL DEFAULT '' CHECK (mode IN ('', 'general', 'explore'));
-- The call that made it: after a crash the same call finds what it made.
ALTER TABLE chats ADD COLUMN spawn_message_id INTEGER;
ALTER TABLE chats ADD COLUMN spawn_call_id TEXT CHECK (spawn_call_id IS NULL OR (parent_chat_id IS NOT NULL AND mode <> ''));
CREATE UNIQUE INDEX chats_spawn_idx ON chats (parent_chat_id, spawn_message_id, spawn_call_id) WHERE parent_chat_id IS NOT NULL;

-- The list shows what is below no other chat.
DROP INDEX chats_list_idx;
CREATE INDEX chats_list_idx ON chats
    (owner_id, archived, (CASE WHEN pin_order = 0 THEN 1000001 ELSE pin_order END), updated_at DESC, id DESC)
    WHERE parent_chat_id IS NULL;
CREATE INDEX chats_changed_idx ON chats (owner_id, updated_at DESC, id DESC);
