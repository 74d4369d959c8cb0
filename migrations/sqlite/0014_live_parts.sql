-- For the same schema on both engines. One process serves a file of SQLite, and nothing is ever written here.
CREATE TABLE live_parts (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    chat_id BLOB NOT NULL,
    holder BLOB NOT NULL,
    edit_version INTEGER NOT NULL,
    events TEXT NOT NULL,
    at INTEGER NOT NULL
);
CREATE INDEX live_parts_chat_idx ON live_parts (chat_id, id);
CREATE INDEX live_parts_at_idx ON live_parts (at);
