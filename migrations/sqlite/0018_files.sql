-- Files that people attach to messages (behaviour 17). One that no message names yet has no chat, and goes after a day.
CREATE TABLE chat_files (
    id BLOB PRIMARY KEY,
    owner_id BLOB NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    chat_id BLOB REFERENCES chats (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    media_type TEXT NOT NULL,
    size INTEGER NOT NULL,
    data BLOB NOT NULL,
    created_at INTEGER NOT NULL
);
CREATE INDEX chat_files_chat_idx ON chat_files (chat_id, created_at) WHERE chat_id IS NOT NULL;
CREATE INDEX chat_files_loose_idx ON chat_files (owner_id, created_at) WHERE chat_id IS NULL;
