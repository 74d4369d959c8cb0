-- What a provider or a server says by now of who issues tokens, where it is not what was stored (protocol.md 14.3, 14.11). A sentence for
-- admins; empty while nothing has moved. It is never followed.
ALTER TABLE mcp_oauth_facts ADD COLUMN drift TEXT NOT NULL DEFAULT '' CHECK (length(drift) <= 600);
-- when somebody last looked: database clock
ALTER TABLE mcp_oauth_facts ADD COLUMN looked_at INTEGER;
