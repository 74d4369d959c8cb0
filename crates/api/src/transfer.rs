//! Import and export of servers: the plan that an import shows before it does anything.

use crate::{Uuid, Validation, servers::CredentialsCleared};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Version of our own document: the value of its member `patchbay`.
pub const DOCUMENT_VERSION: u64 = 1;

/// `POST /api/experimental/mcp/import`. Without `apply` nothing is changed.
#[derive(Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct ImportRequest {
    /// Our own document, or the `mcpServers` JSON of a desktop client, as text.
    pub document: String,
    /// `auto`, `yaml` or `json`; absent is `auto`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    pub apply: bool,
    /// Needed with `apply`: the hash of the plan that was seen. What was stored meanwhile makes it stale.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan_hash: Option<String>,
}

/// The document may hold secrets.
impl std::fmt::Debug for ImportRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ImportRequest")
            .field("document", &format_args!("{} bytes", self.document.len()))
            .field("format", &self.format)
            .field("apply", &self.apply)
            .field("plan_hash", &self.plan_hash)
            .finish()
    }
}

/// What kind of document was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ImportSource {
    /// Our own document.
    Patchbay,
    /// The `mcpServers` (or `servers`) map of a desktop client.
    McpServers,
}

/// What becomes of one entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ImportAction {
    Create,
    Update,
    Unchanged,
    /// Left out, with reasons; the other entries do not depend on it.
    Refused,
}

impl ImportAction {
    pub const ALL: [Self; 4] = [Self::Create, Self::Update, Self::Unchanged, Self::Refused];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Unchanged => "unchanged",
            Self::Refused => "refused",
        }
    }
}

/// What an import does, or did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ImportPlan {
    pub source: ImportSource,
    /// Whether it was carried out.
    pub applied: bool,
    /// Send it with `apply`.
    pub plan_hash: String,
    /// In the order of the document.
    pub entries: Vec<ImportEntry>,
    /// What the document holds besides servers, in words.
    #[serde(default)]
    pub notes: Vec<String>,
}

impl ImportPlan {
    /// How many entries end so.
    pub fn count(&self, action: ImportAction) -> usize {
        self.entries.iter().filter(|entry| entry.action == action).count()
    }

    /// Whether applying changes anything.
    pub fn has_work(&self) -> bool {
        self.entries.iter().any(|entry| matches!(entry.action, ImportAction::Create | ImportAction::Update))
    }
}

/// One entry of the document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ImportEntry {
    /// As the document names it: its slug, or the key of a desktop client.
    pub name: String,
    pub slug: String,
    pub action: ImportAction,
    /// The registered server: the one that is changed, or was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_id: Option<Uuid>,
    #[serde(default)]
    pub changes: Vec<FieldChange>,
    /// What the update wipes or drops beyond what the document says.
    #[serde(default)]
    pub credentials_cleared: CredentialsCleared,
    /// Why it is refused.
    #[serde(default)]
    pub reasons: Vec<Validation>,
    /// What was left out of the entry, and what to do next.
    #[serde(default)]
    pub notes: Vec<String>,
}

/// A field before and after. Of a secret only the word is said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FieldChange {
    pub field: String,
    /// Null when the server is new.
    pub old: Value,
    pub new: Value,
    /// `set`, `changed` or `cleared`: the field is a secret, `old` and `new` are null.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_of_a_request_shows_no_document() {
        let request = ImportRequest { document: "Bearer hunter2-hunter2".to_owned(), ..Default::default() };
        let shown = format!("{request:?}");
        assert!(!shown.contains("hunter2") && shown.contains("22 bytes"), "{shown}");
    }
}
