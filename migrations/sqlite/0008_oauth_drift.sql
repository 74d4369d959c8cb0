-- What a provider or a server says by now of who issues tokens, where it is not what was stored (protocol.md 14.3, 14.11). A sentence for
-- admins; empty while nothing has moved. It is never followed.
ALTER TABLE mcp_oauth_facts ADD COLUMN drift TEXT NOT NULL DEFAULT '' CHECK (length(drift) <= 600);
-- when somebody last looked: database clock
ALTER TABLE mcp_oauth_facts ADD COLUMN looked_at INTEGER;
-- what the provider published then: an address in the server's row that differs from it was given by an admin, and stays
ALTER TABLE mcp_oauth_facts ADD COLUMN revocation_found TEXT NOT NULL DEFAULT '';
UPDATE mcp_oauth_facts SET revocation_found =
    (SELECT s.oauth2_revocation_url FROM mcp_servers s WHERE s.id = mcp_oauth_facts.mcp_server_id);
