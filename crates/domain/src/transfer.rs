//! Import and export of servers: what a document means, what its import would do, what an export holds.
//!
//! Pure: documents come in as JSON values, already parsed, and the stored servers as records. Two kinds of document are read.
//! Our own has a version and every field but the secrets. The `mcpServers` map of desktop clients says little: what it does
//! not say keeps its value, and what it makes is switched off.

mod clients;
mod export;
mod own;
mod plan;
mod read;

#[cfg(test)]
mod tests;

pub use export::{export_document, secrets_of};
pub use plan::{Planned, Step, plan_entry, plan_hash};
pub use read::read_document;

use api::{
    Uuid, Validation,
    servers::ServerWrite,
    transfer::{ImportEntry, ImportSource},
};
use std::collections::BTreeMap;

/// Secrets of a write request: never exported, compared only by who can open what is stored.
pub const SECRET_FIELDS: &[&str] =
    &["api_key_value", "custom_headers", "oauth2_client_secret", "signing_secret"];

/// A document that was understood as a whole; single entries may still be refused.
pub struct Document {
    pub source: ImportSource,
    pub entries: Vec<Entry>,
    /// What else the document holds.
    pub notes: Vec<String>,
}

/// One server of a document. It has no `Debug`: it may hold secrets.
#[derive(Clone, Default)]
pub struct Entry {
    /// As the document names it.
    pub name: String,
    /// Finds the registered server, whatever its case. Empty when the document gives none.
    pub slug: String,
    /// What the document says.
    pub write: ServerWrite,
    /// What a new server gets where the document says nothing.
    pub defaults: ServerWrite,
    /// Names of groups; absent keeps.
    pub groups: Option<Vec<String>>,
    /// What was left out.
    pub notes: Vec<String>,
    /// Why nothing can be done with it; empty for a good entry.
    pub reasons: Vec<Validation>,
}

impl Entry {
    /// The same entry, refused for one more reason.
    #[must_use]
    pub fn refused(mut self, field: &str, detail: impl Into<String>) -> Self {
        self.reasons.push(Validation::new(field, detail));
        self
    }

    fn answer(&self, action: api::transfer::ImportAction) -> ImportEntry {
        ImportEntry {
            name: crate::text::quote(&self.name, crate::limits::DISPLAY_NAME_CHARS),
            slug: crate::text::quote(&self.slug, crate::limits::SLUG_CHARS),
            action,
            server_id: None,
            changes: Vec::new(),
            credentials_cleared: api::servers::CredentialsCleared::default(),
            reasons: Vec::new(),
            notes: self.notes.clone(),
        }
    }
}

/// The groups of this deployment, by id and by name: documents name groups, ids mean nothing elsewhere.
#[derive(Debug, Clone, Default)]
pub struct GroupNames {
    names: BTreeMap<Uuid, String>,
    ids: BTreeMap<String, Uuid>,
}

impl GroupNames {
    pub fn new(groups: impl IntoIterator<Item = (Uuid, String)>) -> Self {
        let names: BTreeMap<Uuid, String> = groups.into_iter().collect();
        let ids = names.iter().map(|(id, name)| (name.to_lowercase(), *id)).collect();
        Self { names, ids }
    }

    /// The name of a group; its id when it is gone meanwhile.
    fn name(&self, id: Uuid) -> String {
        self.names.get(&id).cloned().unwrap_or_else(|| id.to_string())
    }

    fn id(&self, name: &str) -> Option<Uuid> {
        self.ids.get(&name.trim().to_lowercase()).copied()
    }
}
