//! The answer of `POST /{id}/check` (behaviour 4): own status, connect outcome, tools.

use crate::{servers::AuthStatus, tools::ToolState};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// How contacting a server ended (behaviour 13).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ConnectOutcome {
    Connected,
    Timeout,
    Error,
    NoTools,
    Skipped,
}

/// Outcome of one server in a turn; also the entries of the `mcp_status` event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ServerOutcome {
    pub server_id: Uuid,
    /// A server of the chat's workspace; its id changes with the document.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub workspace: bool,
    pub slug: String,
    pub display_name: String,
    pub outcome: ConnectOutcome,
    /// Up to 512 bytes, redacted; empty when all is well.
    #[serde(default)]
    pub error: String,
    pub tool_count: i64,
    /// How the owner's own connection stands; absent where the server needs none. What the owner has to do follows from it: connect,
    /// grant more, sign in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth_status: Option<AuthStatus>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CheckReport {
    pub outcome: ConnectOutcome,
    pub auth_status: AuthStatus,
    /// One sentence of cause and what to do; empty when connected.
    #[serde(default)]
    pub error: String,
    /// Self-reported by the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_version: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol_version: Option<String>,
    /// How it is spoken to: `stateless`, `streamable` (with `initialize`), or `sse` (the transport of 2024-11-05).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wire: Option<String>,
    /// What was asked to find that out, and what came back; admins and auditors only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<String>,
    /// The server's own text on how to use it; admins and auditors only. Untrusted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instructions: Option<String>,
    /// Milliseconds of looking up the host's name; absent for a literal address. Admins and auditors only, as the next two: they are
    /// measured on a connection of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dns_ms: Option<i64>,
    /// Milliseconds until the TCP connection stood.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tcp_ms: Option<i64>,
    /// Milliseconds of the TLS handshake; absent for plain http.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_ms: Option<i64>,
    /// Milliseconds until the handshake was done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connect_ms: Option<i64>,
    /// Milliseconds of the tool listing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub list_ms: Option<i64>,
    /// Admins and auditors see every tool with its verdict, others only the allowed ones.
    pub tools: Vec<CheckedTool>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CheckedTool {
    /// As the server names it.
    pub name: String,
    /// As the model sees it (behaviour 14).
    pub exposed_name: String,
    #[serde(default)]
    pub title: String,
    #[serde(default)]
    pub description: String,
    pub allowed: bool,
    /// Why not allowed; empty otherwise.
    #[serde(default)]
    pub reason: String,
    /// How the definition stands to what was accepted; admins and auditors only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<ToolState>,
    /// Problems of the definition; empty when it is usable as it is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
    /// Which model providers would refuse the tool, or be told less than its schema says; admins and auditors only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lint: Vec<String>,
}
