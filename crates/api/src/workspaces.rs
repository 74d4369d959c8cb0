//! Workspaces (behaviour 23): a project of one user with MCP servers of its own.

use crate::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{collections::BTreeMap, fmt};
use uuid::Uuid;

/// Stands in answers where a header has a value. Sent again in its place, the stored value is kept.
pub const STORED_HEADER: &str = "<stored>";

/// How a server of a workspace is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum McpTransport {
    /// One address.
    #[default]
    Http,
    /// The two-endpoint transport of 2024-11-05.
    Sse,
}

impl McpTransport {
    pub const ALL: [McpTransport; 2] = [Self::Http, Self::Sse];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Sse => "sse",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|transport| transport.as_str() == text)
    }
}

/// A server of a workspace.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct McpEntry {
    #[serde(rename = "type", default)]
    pub transport: McpTransport,
    pub url: String,
    /// By name. In answers each value is `<stored>`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
}

impl fmt::Debug for McpEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A URL can carry a secret too.
        f.debug_struct("McpEntry").field("transport", &self.transport).finish_non_exhaustive()
    }
}

/// The document that other clients keep as `.mcp.json`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct McpDocument {
    /// By the name of the entry.
    #[serde(rename = "mcpServers", default)]
    pub mcp_servers: BTreeMap<String, McpEntry>,
}

/// A workspace of the caller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Workspace {
    pub id: Uuid,
    pub name: String,
    pub description: String,
    pub mcp_json: McpDocument,
    /// The stored document cannot be opened any more: `mcp_json` is empty, and has to be entered again.
    pub unreadable: bool,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// `POST /api/v2/workspaces`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct WorkspaceCreate {
    pub name: String,
    pub description: String,
    /// `{"mcpServers": {"name": {"type": "http", "url": "https://…", "headers": {}}}}`; omitted: no servers.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<McpDocument>))]
    pub mcp_json: Option<Value>,
}

/// `PATCH /api/v2/workspaces/{id}`: what is omitted stays.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct WorkspaceUpdate {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Replaces the document. A header whose value is `<stored>` keeps the value it has.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<McpDocument>))]
    pub mcp_json: Option<Value>,
}

/// `GET` and `PUT /api/v2/settings/workspace-servers`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct WorkspaceServers {
    /// Whether chats use the servers of their workspaces, on this deployment.
    pub enabled: bool,
}
