-- The connect outcomes of a turn (behaviour 13), kept with the user's message that began it: the line above the answer survives a
-- reload. NULL: the turn has asked no server yet, or the message is no user's.
ALTER TABLE messages ADD COLUMN mcp_status JSON;
