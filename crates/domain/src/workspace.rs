//! Workspaces (behaviour 23): what may be stored, what a change keeps, and the servers of a workspace as a turn sees them.

mod document;
mod entry;

#[cfg(test)]
mod tests;

pub(crate) use document::check_document;
pub use document::concealed;
pub use entry::{entry_id, is_entry_id, server_record};

use crate::{
    limits::{DESCRIPTION_CHARS, WORKSPACE_NAME_CHARS},
    url_rules::UrlPolicy,
    validation::{Problems, optional_lines, required_line},
};
use api::{
    Validation,
    workspaces::{McpDocument, WorkspaceCreate, WorkspaceUpdate},
};

/// The field of the document.
pub(crate) const DOCUMENT: &str = "mcp_json";
const FIELD_ORDER: &[&str] = &["name", "description", DOCUMENT];

/// A workspace as it is to be stored, its secrets included.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WorkspaceDraft {
    pub name: String,
    pub description: String,
    pub document: McpDocument,
}

/// What an edit makes of a workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkspaceChange {
    pub draft: WorkspaceDraft,
    pub document_changed: bool,
    /// For the audit log: fields, and entries by name; never a value.
    pub changed: Vec<String>,
}

/// Checks a new workspace.
///
/// # Errors
/// Every problem of the request, one entry per field.
pub fn validate_create(
    create: &WorkspaceCreate,
    policy: &UrlPolicy,
) -> Result<WorkspaceDraft, Vec<Validation>> {
    let update = WorkspaceUpdate {
        name: Some(create.name.clone()),
        description: Some(create.description.clone()),
        mcp_json: create.mcp_json.clone(),
    };
    validate_update(&WorkspaceDraft::default(), &update, policy).map(|change| change.draft)
}

/// Checks an edit: omitted keeps, present replaces.
///
/// # Errors
/// Every problem of the request, one entry per field.
pub fn validate_update(
    current: &WorkspaceDraft,
    update: &WorkspaceUpdate,
    policy: &UrlPolicy,
) -> Result<WorkspaceChange, Vec<Validation>> {
    let mut problems = Problems::default();
    let mut draft = current.clone();
    if let Some(name) = &update.name
        && let Some(name) =
            problems.take("name", required_line(name, "a name for the workspace", WORKSPACE_NAME_CHARS))
    {
        draft.name = name;
    }
    if let Some(text) = &update.description
        && let Some(text) = problems.take("description", optional_lines(text, DESCRIPTION_CHARS))
    {
        draft.description = text;
    }
    if let Some(document) = &update.mcp_json
        && let Some(document) = check_document(document, &current.document, policy, &mut problems)
    {
        draft.document = document;
    }
    problems.finish(FIELD_ORDER)?;
    let mut changed = Vec::new();
    if draft.name != current.name {
        changed.push("name".to_owned());
    }
    if draft.description != current.description {
        changed.push("description".to_owned());
    }
    let document_changed = draft.document != current.document;
    changed.extend(document::changes(&current.document, &draft.document));
    Ok(WorkspaceChange { draft, document_changed, changed })
}
