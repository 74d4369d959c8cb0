//! What an export holds: of every server what an import can write, and the names of the secrets it cannot hold.

use super::{GroupNames, SECRET_FIELDS};
use api::{
    servers::{McpServer, ServerWrite},
    transfer::DOCUMENT_VERSION,
};
use serde_json::{Map, Value, json};

/// The document of these servers. `servers` are answers as owners get them: no secret is in them.
pub fn export_document<'a>(servers: impl IntoIterator<Item = &'a McpServer>, groups: &GroupNames) -> Value {
    let servers: Vec<Value> = servers
        .into_iter()
        .map(|server| {
            let mut entry = fields(server, groups);
            let secrets = secrets_of(server);
            if !secrets.is_empty() {
                entry.insert("secrets_needed".to_owned(), json!(secrets));
            }
            Value::Object(entry)
        })
        .collect();
    json!({"patchbay": DOCUMENT_VERSION, "servers": servers})
}

/// The fields of a server that a document has: what a write request takes, without secrets, groups by name. So a field that is
/// added to both is exported and imported without a line here.
pub(super) fn fields(server: &McpServer, groups: &GroupNames) -> Map<String, Value> {
    let Ok(Value::Object(answer)) = serde_json::to_value(server) else { return Map::new() };
    let mut kept = Map::new();
    // First what tells servers apart.
    kept.insert("slug".to_owned(), json!(server.slug));
    for (field, value) in answer {
        if field != "allowed_group_ids" && is_writable(&field, &value) {
            kept.insert(field, value);
        }
    }
    if let Some(ids) = &server.allowed_group_ids {
        let mut names: Vec<String> = ids.iter().map(|id| groups.name(*id)).collect();
        names.sort();
        kept.insert("allowed_groups".to_owned(), json!(names));
    }
    kept
}

fn is_writable(field: &str, value: &Value) -> bool {
    let alone = Value::Object(Map::from_iter([(field.to_owned(), value.clone())]));
    !SECRET_FIELDS.contains(&field) && serde_json::from_value::<ServerWrite>(alone).is_ok()
}

/// The secrets that are stored for a server, by the names under which they are entered.
pub fn secrets_of(server: &McpServer) -> Vec<&'static str> {
    [
        ("api_key_value", server.has_api_key),
        ("custom_headers", server.has_custom_headers),
        ("oauth2_client_secret", server.has_oauth2_secret),
        ("signing_secret", server.has_signing_secret),
    ]
    .into_iter()
    .filter_map(|(field, stored)| stored.then_some(field))
    .collect()
}
