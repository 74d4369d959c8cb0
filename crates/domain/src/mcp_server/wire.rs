//! Who sees what of a server (behaviour 1 and 3).

use super::{Access, ServerRecord, auth_connected, auth_status, config_problems, remarks};
use api::{
    Timestamp, Uuid,
    servers::{Detected, McpServer},
};

/// How much the reader may see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Viewer {
    /// Owners, admins and auditors: every field but the secrets. Members get the fields marked R redacted.
    pub unredacted: bool,
}

/// The server as answered to this reader, whose `access` it is. Secrets have no way into it: the record holds none.
pub fn to_wire(server: &ServerRecord, viewer: Viewer, access: &Access) -> McpServer {
    let (status, reason) = auth_status(server, access);
    let open = |text: &str| if viewer.unredacted { text.to_owned() } else { String::new() };
    let given = |text: &str| Some(open(text)).filter(|text| !text.is_empty());
    let oauth2 = &server.oauth2;
    McpServer {
        id: server.id,
        display_name: server.display_name.clone(),
        slug: server.slug.clone(),
        description: server.description.clone(),
        icon_url: server.icon_url.clone(),
        transport: open(server.transport.as_str()),
        url: open(&server.url),
        auth_type: server.auth_type,
        has_oauth2_secret: server.has_oauth2_secret,
        has_api_key: server.has_api_key,
        has_custom_headers: server.has_custom_headers,
        has_signing_secret: server.has_signing_secret,
        oauth2_client_id: given(&oauth2.client_id),
        oauth2_auth_url: given(&oauth2.auth_url),
        oauth2_token_url: given(&oauth2.token_url),
        oauth2_revocation_url: given(&oauth2.revocation_url),
        oauth2_scopes: given(&oauth2.scopes),
        oauth2_registration: oauth2.registration.and_then(|registration| given(registration.as_str())),
        oauth2_issuer: given(&oauth2.issuer),
        api_key_header: given(&server.api_key_header),
        user_headers: server.user_headers.clone(),
        tool_allow_list: server.tool_allow_list.clone(),
        tool_deny_list: server.tool_deny_list.clone(),
        tool_idempotent_list: server.tool_idempotent_list.clone(),
        tool_approval_list: server.tool_approval_list.clone(),
        tool_change_policy: server.tool_change_policy,
        send_trace_context: server.send_trace_context,
        use_instructions: server.use_instructions,
        availability: server.availability,
        enabled: server.enabled,
        model_intent: server.model_intent,
        allow_in_plan_mode: server.allow_in_plan_mode,
        forward_coder_headers: server.forward_coder_headers,
        allowed_group_ids: viewer.unredacted.then(|| server.allowed_group_ids.clone()),
        auth_connected: auth_connected(server.auth_type, status),
        auth_status: status,
        auth_status_reason: reason.to_owned(),
        config_problems: viewer.unredacted.then(|| {
            let mut problems = config_problems(server, access);
            problems.extend(remarks(server, access));
            problems
        }),
        detected: access.spoken.clone().filter(|_| viewer.unredacted).map(|spoken| Detected {
            wire: spoken.wire,
            protocol_version: spoken.revision,
            server_name: spoken.server_name,
            server_version: spoken.server_version,
            detected_at: spoken.found_at,
        }),
        // Whoever knows the public address and what discovery found adds it.
        oauth2_client: None,
        connection: None,
        created_at: server.created_at,
        updated_at: server.updated_at,
        created_by: server.created_by.filter(|_| viewer.unredacted),
        updated_by: server.updated_by.filter(|_| viewer.unredacted),
        credentials_cleared: None,
    }
}

/// The ETag of a server, quotes included: `"{id}-{updated_at in microseconds}"`.
pub fn etag(server: &ServerRecord) -> String {
    etag_from(server.id, server.updated_at)
}

/// The same ETag from an answer, for the form: what it sends as `If-Match`.
pub fn etag_of_answer(server: &McpServer) -> String {
    etag_from(server.id, server.updated_at)
}

fn etag_from(id: Uuid, updated_at: Timestamp) -> String {
    format!("\"{id}-{}\"", updated_at.0)
}
