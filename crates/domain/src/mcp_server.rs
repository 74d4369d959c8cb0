//! The registered MCP server: what may be stored, what an edit does, who sees what of it (behaviour 3, 5 and 6).

mod credentials;
mod fields;
mod later;
mod oauth2;
mod status;
mod user_headers;
mod wire;
mod write;

#[cfg(test)]
pub(crate) mod tests;

pub use credentials::{UserTokensWipe, UserValuesWipe, poses_as_identity};
pub use oauth2::OAuth2Settings;
pub use status::{
    Access, OwnCredential, Spoken, TokenFailure, TokenState, auth_connected, auth_status, config_problems,
    remarks,
};
pub use user_headers::{check_user_values, lower_names};
pub use wire::{Viewer, etag, etag_of_answer, to_wire};
pub(crate) use write::blank_record;
pub use write::{ServerChange, ServerDraft, merge_update, validate_create};

use crate::limits::SLUG_CHARS;
use api::{
    Timestamp, Uuid,
    servers::{AuthType, Availability, ToolChangePolicy, Transport, UserHeader},
};

/// Header of an API key unless the admin names another.
pub const DEFAULT_API_KEY_HEADER: &str = "Authorization";

/// A server as stored, without its secrets: of those it only knows whether they exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerRecord {
    pub id: Uuid,
    pub display_name: String,
    /// Unique without regard to case.
    pub slug: String,
    pub description: String,
    /// Empty, or a path on this deployment.
    pub icon_url: String,
    pub transport: Transport,
    pub url: String,
    pub auth_type: AuthType,
    /// Empty unless `auth_type` is `api_key`.
    pub api_key_header: String,
    pub has_api_key: bool,
    pub has_custom_headers: bool,
    /// Empty unless `auth_type` is `oauth2`.
    pub oauth2: OAuth2Settings,
    pub has_oauth2_secret: bool,
    /// What every user fills in; empty unless `auth_type` is `user_header`.
    pub user_headers: Vec<UserHeader>,
    /// Patterns; empty allows every tool.
    pub tool_allow_list: Vec<String>,
    /// Patterns; always win.
    pub tool_deny_list: Vec<String>,
    /// Patterns of tools that are safe to run twice: only their calls are sent again when it is unknown what came of them.
    pub tool_idempotent_list: Vec<String>,
    /// Patterns of tools whose calls wait for the owner of the chat (behaviour 15).
    pub tool_approval_list: Vec<String>,
    pub availability: Availability,
    pub enabled: bool,
    pub model_intent: bool,
    /// All of its tools that the other rules admit work in plan mode too (behaviour 22).
    pub allow_in_plan_mode: bool,
    /// Who asks is told to the server in headers (behaviour 12).
    pub forward_coder_headers: bool,
    /// With it those headers are signed.
    pub has_signing_secret: bool,
    /// Calls carry a W3C `traceparent`.
    pub send_trace_context: bool,
    /// What happens when a tool's definition changes.
    pub tool_change_policy: ToolChangePolicy,
    /// The server's own `instructions` go into the prompt, marked as coming from it.
    pub use_instructions: bool,
    /// Ascending; empty opens the server to everybody.
    pub allowed_group_ids: Vec<Uuid>,
    pub created_at: Timestamp,
    /// Ascends with every change, also when the clock stands still: the ETag rests on it.
    pub updated_at: Timestamp,
    pub created_by: Option<Uuid>,
    pub updated_by: Option<Uuid>,
    /// Counts every change of the row.
    pub version: i64,
    /// Counts the changes after which an open connection must not be used: URL, transport, authentication, secrets.
    pub credential_version: i64,
}

/// A slug for a display name, for the form: letters and digits in lower case, the rest as single hyphens. Empty when the
/// name has no ASCII letter or digit; then the person chooses.
pub fn slug_from_name(name: &str) -> String {
    let mut slug = String::new();
    for c in name.chars() {
        if c.is_ascii_alphanumeric() {
            slug.push(c.to_ascii_lowercase());
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    // Only ASCII was pushed, so bytes are characters.
    slug.truncate(SLUG_CHARS);
    slug.trim_end_matches('-').to_owned()
}
