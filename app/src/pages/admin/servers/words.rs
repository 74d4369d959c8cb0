//! How the panel names contract values, in one place.

use api::servers::{AuthStatus, AuthType, Availability, McpServer, ToolChangePolicy, Transport};

/// Label of an authentication type.
pub(super) fn auth_label(auth_type: AuthType) -> &'static str {
    match auth_type {
        AuthType::None => "None",
        AuthType::Oauth2 => "OAuth 2",
        AuthType::ApiKey => "API key",
        AuthType::CustomHeaders => "Custom headers",
        AuthType::UserOidc => "User identity (OIDC)",
        AuthType::UserHeader => "Personal headers",
    }
}

/// The types that this build has, in the order of the dropdown.
pub(super) const AUTH_TYPES: [AuthType; 5] =
    [AuthType::None, AuthType::ApiKey, AuthType::CustomHeaders, AuthType::UserHeader, AuthType::Oauth2];

/// Label of a transport.
pub(super) fn transport_label(transport: Transport) -> &'static str {
    match transport {
        Transport::StreamableHttp => "Streamable HTTP",
        Transport::Sse => "HTTP+SSE (old)",
    }
}

/// Whether what is wrong with a server keeps it from being used; otherwise it is only worth knowing.
pub(super) fn is_unusable(server: &McpServer) -> bool {
    server.auth_status == AuthStatus::Misconfigured
}

/// How a server came to its client at the provider; `None` while it has none.
pub(super) fn registration_label(registration: &str) -> Option<&'static str> {
    match registration {
        "dcr" => Some("Registered automatically"),
        "cimd" => Some("Identified by URL"),
        "manual" => Some("Using your client"),
        _ => None,
    }
}

/// Where scopes come from, to stand behind them.
pub(super) fn scopes_source_label(source: &str) -> Option<&'static str> {
    match source {
        "given" => Some("set by you"),
        "challenge" => Some("asked by the server"),
        "published" => Some("published by the server"),
        _ => None,
    }
}

/// Label of an availability.
pub(super) fn availability_label(availability: Availability) -> &'static str {
    match availability {
        Availability::ForceOn => "Always on",
        Availability::DefaultOn => "On by default",
        Availability::DefaultOff => "Off by default",
    }
}

/// What the panel calls a field of a server; names that it does not know stay as they are.
pub(super) fn field_label(field: &str) -> &str {
    match field {
        "display_name" => "Display name",
        "slug" => "Slug",
        "description" => "Description",
        "icon_url" => "Icon path",
        "url" => "URL",
        "transport" => "Transport",
        "auth_type" => "Authentication",
        "api_key_header" => "API key header",
        "api_key_value" => "API key",
        "custom_headers" => "Custom headers",
        "user_headers" => "Personal headers",
        "oauth2_client_id" => "Client ID",
        "oauth2_client_secret" => "Client secret",
        "oauth2_auth_url" => "Authorization URL",
        "oauth2_token_url" => "Token URL",
        "oauth2_revocation_url" => "Revocation URL",
        "oauth2_scopes" => "Scopes",
        "oauth2_issuer" => "Issuer",
        "oauth2_registration" => "Client",
        "oauth2_resource" | "resource" => "Token audience",
        "oauth2_auth_method" | "auth_method" => "Client login",
        "availability" => "Availability",
        "model_intent" => "Model intent",
        "allow_in_plan_mode" => "All tools in root plan mode",
        "tool_allow_list" => "Allowed tools",
        "tool_deny_list" => "Denied tools",
        "tool_idempotent_list" => "Idempotent tools",
        "tool_approval_list" => "Tools to approve",
        "tool_change_policy" => "When a tool changes",
        "allowed_group_ids" | "allowed_groups" => "Groups",
        "enabled" => "Enabled",
        "forward_coder_headers" => "Tell the server who asks",
        "signing_secret" => "Signing secret",
        "send_trace_context" => "Trace context",
        "use_instructions" => "Use the server's instructions",
        // Fields of a document that the editor does not have yet.
        "oidc_trusted_origin" => "Trusted origin",
        other => other,
    }
}

/// What an availability means, in one line.
pub(super) fn availability_meaning(availability: Availability) -> &'static str {
    match availability {
        Availability::ForceOn => "In every chat; nobody can switch it off.",
        Availability::DefaultOn => "Preselected in new chats; people can switch it off.",
        Availability::DefaultOff => "Not selected; people switch it on when they need it.",
    }
}

/// Label of a change policy.
pub(super) fn change_policy_label(policy: ToolChangePolicy) -> &'static str {
    match policy {
        ToolChangePolicy::Accept => "Accept",
        ToolChangePolicy::Notify => "Notify",
        ToolChangePolicy::Hold => "Hold back",
    }
}

/// What a change policy means, in one line.
pub(super) fn change_policy_meaning(policy: ToolChangePolicy) -> &'static str {
    match policy {
        ToolChangePolicy::Accept => "Accept changes silently.",
        ToolChangePolicy::Notify => "Notify: changed tools stay offered and are marked.",
        ToolChangePolicy::Hold => "Hold back changed and new tools until somebody accepts them.",
    }
}

/// Host and port of a server's address; empty for addresses without one.
pub(super) fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or("", |(_, rest)| rest);
    rest.split(['/', '?', '#']).next().unwrap_or_default()
}

/// Scheme, host and port: what stored secrets are bound to.
pub(crate) fn origin(url: &str) -> String {
    let scheme = url.trim().split_once("://").map_or("", |(scheme, _)| scheme).to_ascii_lowercase();
    let host = host(url.trim()).to_ascii_lowercase();
    let default_port = if scheme == "https" { ":443" } else { ":80" };
    format!("{scheme}://{}", host.strip_suffix(default_port).unwrap_or(&host))
}

/// The version of a server as the form was loaded with it, for `If-Match`.
pub(super) fn etag(server: &McpServer) -> String {
    format!("\"{}-{}\"", server.id, server.updated_at.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_compare_like_the_contract() {
        assert_eq!(host("https://mcp.linear.app/mcp?x=1"), "mcp.linear.app");
        assert_eq!(host("no address"), "");
        assert_eq!(origin("HTTPS://MCP.Linear.app:443/mcp"), origin("https://mcp.linear.app/other"));
        assert_ne!(origin("https://mcp.linear.app:8443/"), origin("https://mcp.linear.app/"));
        assert_ne!(origin("http://mcp.linear.app/"), origin("https://mcp.linear.app/"));
    }
}
