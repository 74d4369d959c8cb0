//! The MCP server object (behaviour 3 to 6).

use crate::{
    Timestamp,
    oauth::{OAuthClientFacts, OwnConnection},
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use uuid::Uuid;

macro_rules! text_enum {
    // `tt`, not `literal`: the schema's macro reads the attribute's tokens and does not see through a captured expression.
    ($(#[$meta:meta])* $name:ident { $($variant:ident = $text:tt),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        pub enum $name { $(#[serde(rename = $text)] $variant),+ }

        impl $name {
            pub const ALL: &'static [$name] = &[$($name::$variant),+];

            pub fn as_str(self) -> &'static str {
                match self { $($name::$variant => $text),+ }
            }

            pub fn parse(text: &str) -> Option<Self> {
                match text { $($text => Some($name::$variant),)+ _ => None }
            }
        }
    };
}

text_enum! {
    /// How requests to the server prove who asks (behaviour 7).
    AuthType {
        None = "none",
        Oauth2 = "oauth2",
        ApiKey = "api_key",
        CustomHeaders = "custom_headers",
        UserOidc = "user_oidc",
        UserHeader = "user_header",
    }
}

text_enum! {
    /// Streamable HTTP, or legacy HTTP+SSE.
    Transport { StreamableHttp = "streamable_http", Sse = "sse" }
}

text_enum! {
    /// How Patchbay came to its client at the provider (behaviour 3, 8): by hand, by a client document, by registration.
    OAuth2Registration { Manual = "manual", Cimd = "cimd", Dcr = "dcr" }
}

text_enum! {
    /// Who gets the server in a chat (behaviour 16).
    Availability { ForceOn = "force_on", DefaultOn = "default_on", DefaultOff = "default_off" }
}

text_enum! {
    /// What happens when a tool's definition changes after it was first seen (behaviour 3).
    ToolChangePolicy { Accept = "accept", Notify = "notify", Hold = "hold" }
}

text_enum! {
    /// Whether the caller can use the server's credential now (behaviour 10).
    AuthStatus {
        NotRequired = "not_required",
        Connected = "connected",
        ExpiredRefreshable = "expired_refreshable",
        NotConnected = "not_connected",
        NeedsReconnect = "needs_reconnect",
        NeedsPermission = "needs_permission",
        NeedsOidcLogin = "needs_oidc_login",
        UntrustedOrigin = "untrusted_origin",
        Misconfigured = "misconfigured",
    }
}

/// A server as answered. Fields marked R in behaviour 3 are absent for members; `url` and `transport` are empty for them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct McpServer {
    pub id: Uuid,
    pub display_name: String,
    pub slug: String,
    pub description: String,
    pub icon_url: String,
    /// `streamable_http`, `sse`, or empty for members.
    pub transport: String,
    /// Empty for members.
    pub url: String,
    pub auth_type: AuthType,
    pub has_oauth2_secret: bool,
    pub has_api_key: bool,
    pub has_custom_headers: bool,
    pub has_signing_secret: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oauth2_client_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oauth2_auth_url: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oauth2_token_url: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oauth2_revocation_url: Option<String>,
    /// One space-separated string.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oauth2_scopes: Option<String>,
    /// Read-only: `manual`, `cimd` or `dcr`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oauth2_registration: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oauth2_issuer: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_key_header: Option<String>,
    pub user_headers: Vec<UserHeader>,
    pub tool_allow_list: Vec<String>,
    pub tool_deny_list: Vec<String>,
    pub tool_idempotent_list: Vec<String>,
    pub tool_approval_list: Vec<String>,
    pub tool_change_policy: ToolChangePolicy,
    pub send_trace_context: bool,
    pub use_instructions: bool,
    pub availability: Availability,
    pub enabled: bool,
    pub model_intent: bool,
    pub allow_in_plan_mode: bool,
    pub forward_coder_headers: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_group_ids: Option<Vec<Uuid>>,
    pub auth_connected: bool,
    pub auth_status: AuthStatus,
    #[serde(default)]
    pub auth_status_reason: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_problems: Option<Vec<ConfigProblem>>,
    /// What the server was found to speak; absent until it was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detected: Option<Detected>,
    /// How the client at the provider stands; of other types the redirect address alone says something. Admins and auditors only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oauth2_client: Option<OAuthClientFacts>,
    /// What the caller's own sign-in is good for, while there is one that works (`oauth2`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection: Option<OwnConnection>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    /// Creator and last editor: admins and auditors only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_by: Option<Uuid>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated_by: Option<Uuid>,
    /// Only in the answer to PATCH (behaviour 6, point 6).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials_cleared: Option<CredentialsCleared>,
}

/// A header that every user fills in for themselves (`user_header`, behaviour 7).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct UserHeader {
    pub name: String,
    /// Shown to the user: where to create a personal access token, for instance.
    #[serde(default)]
    pub description: String,
    /// Sent before the user's value, blanks at its end included: `Bearer ` mostly.
    #[serde(default)]
    pub value_prefix: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ConfigProblem {
    pub field: String,
    pub detail: String,
}

/// What a server was found to speak (protocol 2.1). Admins and auditors only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Detected {
    /// `stateless`, `streamable` (with a handshake) or `sse` (the transport of 2024-11-05).
    pub wire: String,
    pub protocol_version: String,
    /// Self-reported; may be empty.
    pub server_name: String,
    /// Self-reported; may be empty.
    pub server_version: String,
    pub detected_at: Timestamp,
}

/// What an edit wiped.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CredentialsCleared {
    pub fields: Vec<String>,
    pub user_tokens: i64,
    pub user_header_values: i64,
}

/// Body of POST and PATCH. Omitted (or null) keeps on PATCH and takes the default on POST; `""` clears a text or secret.
///
/// Enumerations arrive as text so that every mistake of a request is reported in one answer. The last block holds contract
/// fields whose feature is not in this build: anything but the default is refused with the field's name.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct ServerWrite {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slug: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub icon_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transport: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_key_header: Option<String>,
    /// Write-only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_key_value: Option<String>,
    /// Write-only; the whole map is replaced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub custom_headers: Option<BTreeMap<String, String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_allow_list: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_deny_list: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub availability: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model_intent: Option<bool>,

    #[serde(skip_serializing_if = "Option::is_none")]
    pub oauth2_client_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oauth2_client_secret: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oauth2_auth_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oauth2_token_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oauth2_revocation_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oauth2_scopes: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oauth2_issuer: Option<String>,
    /// Write-only; at least 16 bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signing_secret: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oidc_trusted_origin: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_headers: Option<Vec<UserHeader>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_idempotent_list: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_approval_list: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_change_policy: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub send_trace_context: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub use_instructions: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow_in_plan_mode: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forward_coder_headers: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_group_ids: Option<Vec<Uuid>>,
}

/// Body of `PUT …/{id}/user_headers` (behaviour 7): a value for every name the server asks for. Never returned.
#[derive(Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct UserHeaderValues {
    pub values: BTreeMap<String, String>,
}

impl std::fmt::Debug for UserHeaderValues {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UserHeaderValues").field("names", &self.values.keys().collect::<Vec<_>>()).finish()
    }
}

/// One user's connection to a server, as admins and auditors see it (behaviour 4, `connections`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ServerConnection {
    pub user_id: Uuid,
    pub username: String,
    pub auth_status: AuthStatus,
    #[serde(default)]
    pub auth_status_reason: String,
    /// When the user connected, or entered the values last.
    pub since: Timestamp,
    /// Empty while nothing went wrong.
    pub last_error: String,
}
