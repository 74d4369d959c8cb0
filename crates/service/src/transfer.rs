//! Import and export of servers (issue 2/9, part 9). The plan is made by `domain`, with the validation and the merge of REST; here are
//! the text, the stored servers, and the one transaction that carries a plan out.

mod apply;
mod parse;

use crate::{
    Error, OpContext, Result, Service,
    mcp_servers::{same_secrets, url_policy, user_values_at_stake},
    oauth::tokens_at_stake,
};
use api::{
    Uuid,
    transfer::{ImportAction, ImportPlan, ImportRequest},
};
use dbcrypt::Keyring;
use domain::{
    accounts::Action,
    clock::{Clock, Entropy},
    mcp_server::{Access, Viewer, etag, to_wire},
    transfer::{Document, GroupNames, Planned, Step, export_document, plan_entry, plan_hash, read_document},
};
use egress::AllowList;
use serde_json::Value;
use std::{collections::BTreeMap, sync::Arc};
use store::{
    Db, Session,
    groups::group_list,
    mcp_servers::{Reader, StoredServer, server_list},
};

/// How an export is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExportFormat {
    Yaml,
    Json,
}

impl ExportFormat {
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "yaml" => Some(Self::Yaml),
            "json" => Some(Self::Json),
            _ => None,
        }
    }
}

/// Import and export on a database alone: the command line has neither chats nor connections to look after. It authorises nobody;
/// [`Service`] does that before it comes here.
pub struct ServerTransfer {
    pub db: Db,
    pub keyring: Arc<Keyring>,
    pub allow: AllowList,
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
}

/// Registered servers by slug in lower case.
type BySlug = BTreeMap<String, StoredServer>;

impl ServerTransfer {
    /// Every server without its secrets.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn export(&self, format: ExportFormat) -> Result<String> {
        let mut session = self.db.read().await?;
        let groups = group_names(&mut session).await?;
        let stored = all_servers(&mut session).await?;
        drop(session);
        // Whether a stored secret can still be opened does not matter: it is not in the document either way.
        let answers: Vec<_> = stored
            .iter()
            .map(|server| to_wire(&server.record, Viewer { unredacted: true }, &Access::default()))
            .collect();
        write_out(&export_document(&answers, &groups), format)
    }

    /// What the document would do; nothing is changed.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the document as a whole cannot be read.
    pub async fn preview(&self, request: &ImportRequest) -> Result<ImportPlan> {
        let document = read(request).await?;
        let mut session = self.db.read().await?;
        let groups = group_names(&mut session).await?;
        let stored = by_slug(all_servers(&mut session).await?);
        let plan = self.plan(&mut session, &document, &stored, &groups).await?;
        Ok(answer(request, &document, &stored, &plan))
    }

    async fn plan(
        &self,
        session: &mut Session,
        document: &Document,
        stored: &BySlug,
        groups: &GroupNames,
    ) -> Result<Vec<Planned>> {
        let policy = url_policy(self.allow.clone());
        let mut plan = Vec::with_capacity(document.entries.len());
        for entry in &document.entries {
            let current = stored.get(&entry.slug.to_ascii_lowercase());
            let same =
                current.map_or_else(Vec::new, |current| same_secrets(&self.keyring, current, &entry.write));
            let record = current.map(|server| &server.record);
            let mut planned = plan_entry(entry, record, &same, groups, &policy);
            if let (Step::Update(change), Some(record)) = (&planned.step, record) {
                planned.entry.credentials_cleared.user_header_values =
                    user_values_at_stake(session, record.id, &change.user_values).await?;
                planned.entry.credentials_cleared.user_tokens =
                    tokens_at_stake(session, record.id, change.user_tokens, &change.merged.url).await?;
            }
            plan.push(planned);
        }
        Ok(plan)
    }
}

async fn read(request: &ImportRequest) -> Result<Document> {
    let (text, format) = (request.document.clone(), request.format.clone());
    let parsed = tokio::task::spawn_blocking(move || parse::parse(&text, format.as_deref())).await;
    let value = parsed.map_err(|error| Error::internal("reading a document", error))??;
    read_document(&value).map_err(Error::invalid)
}

async fn group_names(session: &mut Session) -> Result<GroupNames> {
    let groups = group_list(session, "", i64::MAX).await?;
    Ok(GroupNames::new(groups.into_iter().map(|group| (group.id, group.name))))
}

async fn all_servers(session: &mut Session) -> Result<Vec<StoredServer>> {
    // Nobody's own values are looked at.
    let found = server_list(session, Reader::of_everything(Uuid::nil()), None, None).await?;
    Ok(found.into_iter().map(|found| found.stored).collect())
}

fn by_slug(stored: Vec<StoredServer>) -> BySlug {
    stored.into_iter().map(|server| (server.record.slug.to_ascii_lowercase(), server)).collect()
}

fn answer(request: &ImportRequest, document: &Document, stored: &BySlug, plan: &[Planned]) -> ImportPlan {
    let entries: Vec<_> = plan.iter().map(|planned| planned.entry.clone()).collect();
    let version = |slug: &String| stored.get(&slug.to_ascii_lowercase()).map(|server| etag(&server.record));
    let versions: Vec<_> = document.entries.iter().map(|entry| version(&entry.slug)).collect();
    ImportPlan {
        source: document.source,
        applied: false,
        plan_hash: plan_hash(&request.document, &entries, &versions),
        entries,
        notes: document.notes.clone(),
    }
}

fn write_out(document: &Value, format: ExportFormat) -> Result<String> {
    match format {
        ExportFormat::Yaml => {
            serde_saphyr::to_string(document).map_err(|error| Error::internal("writing YAML", error))
        }
        ExportFormat::Json => {
            let text = serde_json::to_string_pretty(document);
            text.map(|text| text + "\n").map_err(|error| Error::internal("writing JSON", error))
        }
    }
}

impl Service {
    fn transfer(&self) -> ServerTransfer {
        let deps = self.deps();
        ServerTransfer {
            db: deps.db.clone(),
            keyring: deps.keyring.clone(),
            allow: deps.egress.allow(),
            clock: deps.clock.clone(),
            entropy: deps.entropy.clone(),
        }
    }

    /// Every server without its secrets, as a document.
    ///
    /// # Errors
    /// [`Error::Forbidden`].
    pub async fn server_export(&self, ctx: &OpContext, format: ExportFormat) -> Result<String> {
        ctx.authorize(Action::ServersReadAll)?;
        self.transfer().export(format).await
    }

    /// Shows what a document would do or, with `apply` and the hash of the plan that was seen, does it.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::Invalid`], [`Error::Stale`] when the servers changed since the plan was seen.
    pub async fn server_import(&self, ctx: &OpContext, request: ImportRequest) -> Result<ImportPlan> {
        ctx.authorize(Action::ServersWrite)?;
        let transfer = self.transfer();
        if !request.apply {
            return transfer.preview(&request).await;
        }
        if request.plan_hash.as_deref().unwrap_or_default().is_empty() {
            let detail = "Preview the document first and send the `plan_hash` of its plan.";
            return Err(Error::invalid_field("plan_hash", detail));
        }
        let plan = transfer.apply(ctx, &request).await?;
        for entry in plan.entries.iter().filter(|entry| entry.action == ImportAction::Update) {
            entry.server_id.into_iter().for_each(|id| self.deps().mcp.close_server(id));
        }
        Ok(plan)
    }
}
