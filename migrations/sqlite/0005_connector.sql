-- What a server is told of who asks (behaviour 12), traces and instructions (behaviour 3).
ALTER TABLE mcp_servers ADD COLUMN forward_coder_headers BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE mcp_servers ADD COLUMN signing_secret BLOB;
ALTER TABLE mcp_servers ADD COLUMN signing_secret_key_id TEXT
    CHECK ((signing_secret IS NULL) = (signing_secret_key_id IS NULL));
ALTER TABLE mcp_servers ADD COLUMN send_trace_context BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE mcp_servers ADD COLUMN use_instructions BOOLEAN NOT NULL DEFAULT FALSE;

-- What a server was found to speak; holds while address and transport are those it was found under.
CREATE TABLE mcp_server_facts (
    mcp_server_id BLOB PRIMARY KEY REFERENCES mcp_servers (id) ON DELETE CASCADE,
    url TEXT NOT NULL,
    transport TEXT NOT NULL CHECK (transport IN ('streamable_http', 'sse')),
    wire TEXT NOT NULL CHECK (wire IN ('stateless', 'streamable', 'sse')),
    revision TEXT NOT NULL,
    server_name TEXT NOT NULL,
    server_version TEXT NOT NULL,
    found_at INTEGER NOT NULL
);
