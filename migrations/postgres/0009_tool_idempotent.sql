-- Tools that an admin calls safe to run twice (behaviour 15): patterns of original names. Only their calls are sent again when it is
-- unknown what came of them.
ALTER TABLE mcp_servers ADD COLUMN tool_idempotent_list JSON NOT NULL DEFAULT '[]';
-- how often a call was handed to its server; counted before it is sent
ALTER TABLE tool_calls ADD COLUMN attempts BIGINT NOT NULL DEFAULT 1 CHECK (attempts > 0);
