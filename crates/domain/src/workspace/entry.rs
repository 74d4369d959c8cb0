//! An entry of a document as a server of a turn. It has no row of its own: the gates, the names and the ledger know it by an id that is
//! made from workspace, entry and state of the document, so that a call which was offered before an edit finds nobody after it.

use crate::mcp_server::{ServerRecord, blank_record};
use api::{
    Uuid,
    servers::{AuthType, Availability, ToolChangePolicy, Transport},
    workspaces::{McpEntry, McpTransport},
};
use sha2::{Digest, Sha256};

/// The id of an entry while the document is as it is. Of version 8 (RFC 9562, 5.8), where every row of ours has version 7: nothing can
/// be both. Only public facts go in, so that whoever reads an id learns nothing of addresses or secrets.
pub fn entry_id(workspace: Uuid, entry: &str, document_version: i64) -> Uuid {
    let mut hash = Sha256::new();
    hash.update(b"patchbay workspace entry");
    hash.update(workspace.as_bytes());
    hash.update(document_version.to_be_bytes());
    hash.update(entry.as_bytes());
    let digest = hash.finalize();
    let mut bytes = [0_u8; 16];
    bytes.copy_from_slice(&digest[..16]);
    bytes[6] = (bytes[6] & 0x0f) | 0x80;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    Uuid::from_bytes(bytes)
}

/// Whether the id of a server names an entry of a workspace.
pub fn is_entry_id(server: Uuid) -> bool {
    server.get_version_num() == 8
}

/// The record of an entry, for those who only look at records. What an admin would have to vouch for is off: instructions of the server,
/// identities, trace context, calls that may be repeated.
pub fn server_record(id: Uuid, name: &str, entry: &McpEntry, document_version: i64) -> ServerRecord {
    ServerRecord {
        id,
        display_name: format!("{name} (workspace)"),
        slug: name.to_owned(),
        transport: match entry.transport {
            McpTransport::Http => Transport::StreamableHttp,
            McpTransport::Sse => Transport::Sse,
        },
        url: entry.url.clone(),
        auth_type: if entry.headers.is_empty() { AuthType::None } else { AuthType::CustomHeaders },
        has_custom_headers: !entry.headers.is_empty(),
        availability: Availability::DefaultOn,
        enabled: true,
        // Nobody accepts definitions of servers that only their user knows.
        tool_change_policy: ToolChangePolicy::Accept,
        version: document_version,
        credential_version: document_version,
        ..blank_record()
    }
}
