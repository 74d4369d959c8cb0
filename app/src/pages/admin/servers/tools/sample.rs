//! Tools for the tests of the page.

use api::tools::ServerTool;
use serde_json::{Value, json};

/// A tool as the API answers it; `over` replaces members.
pub(super) fn tool(name: &str, over: Value) -> ServerTool {
    let mut tool = json!({
        "name": name, "exposed_name": format!("sample__{name}"), "title": "", "description": "", "definition_hash": "ab".repeat(32),
        "state": "accepted", "allowed": true, "first_seen_at": "2026-01-01T00:00:00Z", "input_schema": {"type": "object"},
    });
    for (member, value) in over.as_object().cloned().unwrap_or_default() {
        tool[member] = value;
    }
    serde_json::from_value(tool).unwrap()
}
