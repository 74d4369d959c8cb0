-- Where the view of a model begins (behaviour 24): behind the newest row of the chat. What is before stays for people.
CREATE TABLE chat_boundaries (
    -- the hidden message with the summary; of a cleared context the visible one that says so
    message_id INTEGER PRIMARY KEY REFERENCES messages (id) ON DELETE CASCADE,
    chat_id BLOB NOT NULL REFERENCES chats (id) ON DELETE CASCADE,
    kind TEXT NOT NULL CHECK (kind IN ('summary', 'clear')),
    -- the last of the messages that show it to people
    through_id INTEGER NOT NULL,
    -- user messages from this one on are said again as they are; NULL: none
    replay_from INTEGER,
    -- of the turn that goes on behind it: its caps count on
    steps INTEGER NOT NULL,
    calls INTEGER NOT NULL
);
CREATE INDEX chat_boundaries_chat_idx ON chat_boundaries (chat_id, message_id);

-- A chat that shall be summarised by its next runner
CREATE TABLE chat_compaction_requests (
    chat_id BLOB PRIMARY KEY REFERENCES chats (id) ON DELETE CASCADE,
    -- the last turn had failed: it goes on behind the summary
    resume BOOLEAN NOT NULL,
    created_at INTEGER NOT NULL
);

-- Percent of the context from which a chat is summarised; 0: as the deployment says, 100: never by itself
ALTER TABLE llm_models ADD COLUMN compaction_threshold INTEGER NOT NULL DEFAULT 0 CHECK (compaction_threshold BETWEEN 0 AND 100);

-- What people set for their own chats; 0: as the model says
CREATE TABLE user_chat_settings (
    user_id BLOB PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    compaction_threshold INTEGER NOT NULL CHECK (compaction_threshold BETWEEN 0 AND 100)
);

-- Chats that may be archived by themselves
CREATE INDEX chats_archive_idx ON chats (updated_at)
    WHERE NOT archived AND pin_order = 0 AND queue_length = 0 AND status IN ('waiting', 'error');
