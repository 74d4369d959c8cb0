-- The turn is due and waits for a free place (behaviour 18).
ALTER TABLE chats ADD COLUMN queued_for_capacity BOOLEAN NOT NULL DEFAULT FALSE
    CHECK (NOT queued_for_capacity OR status IN ('running', 'interrupting'));

-- A message that shall be next goes before those that only wait, and behind those that were to be next before it.
ALTER TABLE queued_messages ADD COLUMN urgent BOOLEAN NOT NULL DEFAULT FALSE;
DROP INDEX queued_messages_chat_idx;
CREATE INDEX queued_messages_chat_idx ON queued_messages (chat_id, urgent DESC, position) WHERE ended IS NULL;
