//! The tools of one server for those who manage it (behaviour 4): what was listed, what changed, and a call by hand.

use crate::{
    Timestamp,
    messages::{ResultContent, ToolOutcome},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

/// How the definition that the server lists now stands to what was accepted (behaviour 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ToolState {
    /// It was there at the first listing, or somebody said yes to it.
    Accepted,
    /// The tool came after the first listing. It is offered.
    New,
    /// The definition is another than the accepted one. It is offered.
    Changed,
    /// New or changed, and not offered until somebody says yes to it.
    Held,
}

/// One tool of a server, as it was listed last. Nothing here contacts the server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ServerTool {
    /// As the server names it.
    pub name: String,
    /// As the model sees it (behaviour 14).
    pub exposed_name: String,
    #[serde(default)]
    pub title: String,
    /// At most 8 KiB of it.
    #[serde(default)]
    pub description: String,
    /// Hex SHA-256 over name, title, description, schemas and annotations.
    pub definition_hash: String,
    pub state: ToolState,
    /// Allowed by the server's lists.
    pub allowed: bool,
    /// Why not allowed; empty otherwise.
    #[serde(default)]
    pub reason: String,
    /// When this definition was listed first.
    pub first_seen_at: Timestamp,
    /// When it was accepted; absent: it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted_at: Option<Timestamp>,
    /// Who accepted it; absent: nobody had to, or the account is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted_by: Option<Uuid>,
    /// Since when a full listing no longer has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gone_since: Option<Timestamp>,
    /// The schema of the arguments, whole.
    pub input_schema: Value,
    /// What the server claims; never decides anything.
    #[serde(default)]
    pub claims: ToolClaims,
    /// Which model providers would refuse the tool, or be told less than its schema says.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lint: Vec<String>,
    /// Against the definition accepted last; absent unless an accepted tool changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub diff: Option<DefinitionDiff>,
}

/// The annotations of a tool: untrusted (protocol.md T3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ToolClaims {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_only: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destructive: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotent: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open_world: Option<bool>,
}

/// What changed between two definitions, the worst first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DefinitionDiff {
    /// At most a hundred.
    pub changes: Vec<DefinitionChange>,
    /// How many more there are.
    #[serde(default)]
    pub more: i64,
}

/// How much a change matters to whoever must accept it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ChangeSeverity {
    /// Neither what the model reads nor what a call may do.
    Minor,
    /// What the model reads, or what it may send.
    Notable,
    /// More can happen than before, or something hides.
    Serious,
}

/// One change of a definition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DefinitionChange {
    /// JSON pointer into the definition (RFC 6901).
    pub path: String,
    /// The same for people: "argument `repo`, description".
    pub place: String,
    /// The part of a text that differs, or JSON; everything in it is visible. Absent: it was not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// Absent: it is not there any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    pub severity: ChangeSeverity,
    /// Why it has that severity; a sentence.
    pub why: String,
}

/// Body of `POST …/tools/{tool}/accept`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct ToolAccept {
    /// The definition that was looked at: another one by now is refused with 409. Absent: whatever is listed now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub definition_hash: Option<String>,
}

/// Body of `POST …/tools/{tool}/call`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct ToolTry {
    /// By the tool's own schema, without `model_intent`.
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub arguments: Map<String, Value>,
    /// The definition that the arguments were written for: with another one by now nothing is sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub definition_hash: Option<String>,
}

/// What came of a call by hand. It has an audit entry; arguments and results are not kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ToolTried {
    pub outcome: ToolOutcome,
    /// The tool itself (`outcome` ok) or Patchbay reported a failure.
    pub is_error: bool,
    /// In the order the server sent them.
    pub result: Vec<ResultContent>,
    /// Milliseconds from the decision to call to the result.
    pub duration_ms: i64,
}
