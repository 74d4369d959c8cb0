-- Events of running turns on their way to the other replicas (behaviour 19), for seconds. Unlogged: a crash of the database empties the
-- table, and nothing is lost with it, since readers are shown what is committed. Ids ascend in the order of the commits, over crashes too:
-- the sequence is an ordinary one.
CREATE SEQUENCE live_parts_id;
CREATE UNLOGGED TABLE live_parts (
    id BIGINT NOT NULL DEFAULT nextval('live_parts_id') PRIMARY KEY,
    -- no reference: this must not lock rows of chats
    chat_id UUID NOT NULL,
    -- the start of the process that wrote it
    holder UUID NOT NULL,
    edit_version BIGINT NOT NULL,
    -- a list, in order
    events TEXT NOT NULL,
    at BIGINT NOT NULL
);
CREATE INDEX live_parts_chat_idx ON live_parts (chat_id, id);
CREATE INDEX live_parts_at_idx ON live_parts (at);
