//! Workspaces (behaviour 23): a project of one user, with a document of MCP servers that is sealed as a whole. Somebody else's is not
//! found.

mod switch;
mod turn;

pub(crate) use turn::step_servers;

use crate::{
    Error, OpContext, Result, Service,
    audit::Act,
    mcp_servers::unseal,
    secrets::{Place, seal},
};
use api::{
    Uuid, Validation,
    workspaces::{McpDocument, Workspace, WorkspaceCreate, WorkspaceUpdate},
};
use dbcrypt::Keyring;
use domain::{
    limits::WORKSPACES,
    workspace::{WorkspaceDraft, concealed, validate_create, validate_update},
};
use secrecy::{ExposeSecret as _, SecretString};
use store::{
    SealedColumn, Session,
    workspaces::{self, WorkspaceRecord},
};

/// The stored document does not open, or is none.
#[derive(Debug)]
pub(crate) struct Unreadable;

fn document_place(record: &WorkspaceRecord) -> Place {
    Place { table: "workspaces", column: "mcp_json", row: record.id, owner: Some(record.owner_id) }
}

/// The document with its secrets; nothing stored is one without servers.
fn document_of(keyring: &Keyring, record: &WorkspaceRecord) -> std::result::Result<McpDocument, Unreadable> {
    let text = unseal(keyring, &document_place(record), &record.mcp_json).map_err(|_| Unreadable)?;
    let Some(text) = text else { return Ok(McpDocument::default()) };
    serde_json::from_str(text.expose_secret()).map_err(|_| Unreadable)
}

impl Service {
    fn workspace_wire(&self, record: &WorkspaceRecord) -> Workspace {
        let document = document_of(&self.deps().keyring, record);
        Workspace {
            id: record.id,
            name: record.name.clone(),
            description: record.description.clone(),
            unreadable: document.is_err(),
            mcp_json: concealed(&document.unwrap_or_default()),
            created_at: record.created_at,
            updated_at: record.updated_at,
        }
    }

    fn seal_document(&self, record: &WorkspaceRecord, document: &McpDocument) -> Result<SealedColumn> {
        // Empty values stay empty (behaviour 26).
        if document.mcp_servers.is_empty() {
            return Ok(SealedColumn::default());
        }
        let text = serde_json::to_string(document).map_err(|e| Error::internal("writing a workspace", e))?;
        seal(&self.deps().keyring, &document_place(record), &SecretString::from(text))
    }

    /// An address that the guarded client would refuse is refused here already, at its field.
    fn workspace_addresses_check(&self, document: &McpDocument) -> Result<()> {
        let mut wrong = Vec::new();
        for (name, entry) in &document.mcp_servers {
            let Ok(url) = entry.url.parse() else { continue };
            if let Err(refused) = self.deps().egress.check_url(&url) {
                let field = format!("mcp_json.mcpServers.{name}.url");
                wrong.push(Validation::new(field, refused.public_message()));
            }
        }
        if wrong.is_empty() { Ok(()) } else { Err(Error::invalid(wrong)) }
    }

    /// Whether a chat of the caller may be bound to it.
    pub(crate) async fn workspace_check(
        &self,
        session: &mut Session,
        owner: Uuid,
        id: Uuid,
        wrong: &mut Vec<Validation>,
    ) -> Result<()> {
        if workspaces::workspace_get(session, owner, id).await?.is_none() {
            wrong.push(Validation::new("workspace_id", "You have no such workspace."));
        }
        Ok(())
    }

    /// The caller's own workspaces by name.
    ///
    /// # Errors
    /// [`Error::Unauthorized`].
    pub async fn workspace_list(&self, ctx: &OpContext) -> Result<Vec<Workspace>> {
        let owner = ctx.require()?.user.id;
        let mut session = self.db().read().await?;
        let records = workspaces::workspace_list(&mut session, owner).await?;
        Ok(records.iter().map(|record| self.workspace_wire(record)).collect())
    }

    /// One own workspace.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn workspace_get(&self, ctx: &OpContext, id: Uuid) -> Result<Workspace> {
        let owner = ctx.require()?.user.id;
        let mut session = self.db().read().await?;
        let record = workspaces::workspace_get(&mut session, owner, id).await?.ok_or(Error::NotFound)?;
        Ok(self.workspace_wire(&record))
    }

    /// A new workspace.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming each field and entry; [`Error::Conflict`] when the caller has as many as possible.
    pub async fn workspace_create(&self, ctx: &OpContext, request: WorkspaceCreate) -> Result<Workspace> {
        let owner = ctx.require()?.user.id;
        let draft = validate_create(&request, &self.url_policy()).map_err(Error::invalid)?;
        self.workspace_addresses_check(&draft.document)?;
        let now = self.now();
        let mut record = WorkspaceRecord {
            id: self.new_id(),
            owner_id: owner,
            name: draft.name,
            description: draft.description,
            mcp_json: SealedColumn::default(),
            document_version: 1,
            created_at: now,
            updated_at: now,
        };
        record.mcp_json = self.seal_document(&record, &draft.document)?;
        let mut write = self.db().write().await?;
        let held = workspaces::workspace_count(&mut write, owner).await?;
        if usize::try_from(held).unwrap_or(usize::MAX) >= WORKSPACES {
            return Err(Error::conflict(format!(
                "You have {WORKSPACES} workspaces, which is as many as possible. Delete one first."
            )));
        }
        workspaces::workspace_insert(&mut write, &record).await?;
        let fields = draft.document.mcp_servers.keys().map(|name| format!("mcp_json added {name}")).collect();
        let act = Act::on("workspace.create", "workspace", record.id, &record.name).fields(fields);
        self.audit(&mut write, ctx, act).await?;
        write.commit().await?;
        Ok(self.workspace_wire(&record))
    }

    /// Changes a workspace: omitted keeps, present replaces. A running turn that was offered a tool of the old document does not call it
    /// any more.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Invalid`] naming each field and entry.
    pub async fn workspace_update(
        &self,
        ctx: &OpContext,
        id: Uuid,
        request: WorkspaceUpdate,
    ) -> Result<Workspace> {
        let owner = ctx.require()?.user.id;
        let mut write = self.db().write().await?;
        let mut record =
            workspaces::workspace_get_for_update(&mut write, owner, id).await?.ok_or(Error::NotFound)?;
        let document = document_of(&self.deps().keyring, &record);
        let unreadable = document.is_err();
        let current = WorkspaceDraft {
            name: record.name.clone(),
            description: record.description.clone(),
            document: document.unwrap_or_default(),
        };
        let change = validate_update(&current, &request, &self.url_policy()).map_err(Error::invalid)?;
        // What cannot be read any more is replaced by whatever comes, and kept while nothing does.
        let replaces = change.document_changed || (unreadable && request.mcp_json.is_some());
        if change.document_changed {
            self.workspace_addresses_check(&change.draft.document)?;
        }
        let mut changed = change.changed;
        if replaces {
            record.mcp_json = self.seal_document(&record, &change.draft.document)?;
            record.document_version += 1;
            if changed.is_empty() {
                changed.push("mcp_json cleared".to_owned());
            }
        }
        if !changed.is_empty() {
            record.name = change.draft.name;
            record.description = change.draft.description;
            record.updated_at = self.now();
            workspaces::workspace_update(&mut write, &record).await?;
            let act = Act::on("workspace.update", "workspace", record.id, &record.name).fields(changed);
            self.audit(&mut write, ctx, act).await?;
        }
        write.commit().await?;
        Ok(self.workspace_wire(&record))
    }

    /// Removes a workspace. Its chats stay, without it.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn workspace_delete(&self, ctx: &OpContext, id: Uuid) -> Result<()> {
        let owner = ctx.require()?.user.id;
        let mut write = self.db().write().await?;
        let record = workspaces::workspace_get(&mut write, owner, id).await?.ok_or(Error::NotFound)?;
        workspaces::workspace_delete(&mut write, owner, id).await?;
        self.audit(&mut write, ctx, Act::on("workspace.delete", "workspace", id, &record.name)).await?;
        write.commit().await?;
        Ok(())
    }
}
