-- Full-text search over one's own chats. One row for each title and for each visible message of a person or a model that has text;
-- triggers keep it in the transaction of the write, whoever writes.
CREATE TABLE search_entries (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    chat_id BLOB NOT NULL REFERENCES chats (id) ON DELETE CASCADE,
    -- NULL: the title
    message_id INTEGER REFERENCES messages (id) ON DELETE CASCADE,
    -- the first 100 000 characters
    body TEXT NOT NULL
);
CREATE INDEX search_entries_chat_idx ON search_entries (chat_id);
CREATE INDEX search_entries_message_idx ON search_entries (message_id) WHERE message_id IS NOT NULL;

-- The words; the text itself stands in search_entries
CREATE VIRTUAL TABLE search_words USING fts5 (body, content = 'search_entries', content_rowid = 'id', tokenize = 'unicode61 remove_diacritics 0');
CREATE TRIGGER search_entries_inserted AFTER INSERT ON search_entries BEGIN
    INSERT INTO search_words (rowid, body) VALUES (NEW.id, NEW.body);
END;
CREATE TRIGGER search_entries_deleted AFTER DELETE ON search_entries BEGIN
    INSERT INTO search_words (search_words, rowid, body) VALUES ('delete', OLD.id, OLD.body);
END;

CREATE TRIGGER search_chats_inserted AFTER INSERT ON chats BEGIN
    INSERT INTO search_entries (chat_id, message_id, body) VALUES (NEW.id, NULL, NEW.title);
END;
CREATE TRIGGER search_chats_updated AFTER UPDATE OF title ON chats WHEN NEW.title <> OLD.title BEGIN
    DELETE FROM search_entries WHERE chat_id = NEW.id AND message_id IS NULL;
    INSERT INTO search_entries (chat_id, message_id, body) VALUES (NEW.id, NULL, NEW.title);
END;

CREATE TRIGGER search_messages_inserted AFTER INSERT ON messages
WHEN NEW.role IN ('user', 'assistant') AND NOT NEW.hidden BEGIN
    INSERT INTO search_entries (chat_id, message_id, body)
    SELECT NEW.chat_id, NEW.id, substr(said.words, 1, 100000) FROM (
        SELECT group_concat(json_extract(part.value, '$.text'), char(10)) AS words FROM json_each(NEW.content) part
        WHERE json_extract(part.value, '$.type') = 'text'
    ) said WHERE said.words IS NOT NULL AND said.words <> '';
END;
CREATE TRIGGER search_messages_updated AFTER UPDATE OF content, hidden ON messages
WHEN NEW.role IN ('user', 'assistant') BEGIN
    DELETE FROM search_entries WHERE message_id = NEW.id;
    INSERT INTO search_entries (chat_id, message_id, body)
    SELECT NEW.chat_id, NEW.id, substr(said.words, 1, 100000) FROM (
        SELECT group_concat(json_extract(part.value, '$.text'), char(10)) AS words FROM json_each(NEW.content) part
        WHERE json_extract(part.value, '$.type') = 'text'
    ) said WHERE NOT NEW.hidden AND said.words IS NOT NULL AND said.words <> '';
END;

-- What was there before
INSERT INTO search_entries (chat_id, message_id, body) SELECT id, NULL, title FROM chats ORDER BY updated_at;
INSERT INTO search_entries (chat_id, message_id, body)
SELECT m.chat_id, m.id, substr(m.words, 1, 100000) FROM (
    SELECT n.id, n.chat_id, (
        SELECT group_concat(json_extract(part.value, '$.text'), char(10)) FROM json_each(n.content) part
        WHERE json_extract(part.value, '$.type') = 'text'
    ) AS words FROM messages n WHERE n.role IN ('user', 'assistant') AND NOT n.hidden
) m WHERE m.words IS NOT NULL AND m.words <> '' ORDER BY m.id;
