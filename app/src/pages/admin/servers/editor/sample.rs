//! Servers and connections for the tests of the editor.

use api::servers::{McpServer, ServerConnection};
use serde_json::{Value, json};

/// A stored server; `over` replaces fields.
pub(super) fn server(auth_type: &str, over: Value) -> McpServer {
    let mut server = json!({
        "id": "01900000-0000-7000-8000-000000000001", "display_name": "Linear", "slug": "linear", "description": "", "icon_url": "",
        "transport": "streamable_http", "url": "https://mcp.example.com/mcp", "auth_type": auth_type, "has_oauth2_secret": false,
        "has_api_key": false, "has_custom_headers": false, "has_signing_secret": false, "user_headers": [],
        "tool_allow_list": [], "tool_deny_list": [], "tool_idempotent_list": [], "tool_approval_list": [],
        "tool_change_policy": "notify", "send_trace_context": false, "use_instructions": false,
        "availability": "default_on", "enabled": false, "model_intent": true, "allow_in_plan_mode": false,
        "forward_coder_headers": false, "allowed_group_ids": [], "auth_connected": true, "auth_status": "not_required",
        "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z"
    });
    for (field, value) in over.as_object().cloned().unwrap_or_default() {
        server[field] = value;
    }
    serde_json::from_value(server).unwrap()
}

/// Somebody who entered values.
pub(super) fn connection(username: &str) -> ServerConnection {
    serde_json::from_value(json!({
        "user_id": "01900000-0000-7000-8000-000000000002", "username": username, "auth_status": "connected",
        "auth_status_reason": "", "since": "2026-01-01T00:00:00Z", "last_error": "",
    }))
    .unwrap()
}
