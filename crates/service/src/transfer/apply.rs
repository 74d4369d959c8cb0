//! Carries a plan out: locks, plans again, compares, writes.

use super::{BySlug, ServerTransfer, answer, by_slug, group_names, read};
use crate::{
    Error, OpContext, Result,
    audit::{Act, entry_of},
    mcp_servers::{api_key_place, custom_headers_place, seal_api_key, seal_headers},
    secrets::{Place, open},
};
use api::{
    Uuid,
    servers::ServerWrite,
    transfer::{FieldChange, ImportAction, ImportPlan, ImportRequest},
};
use domain::{
    clock::new_id,
    mcp_server::{ServerChange, ServerDraft},
    transfer::{Document, Step},
};
use secrecy::{ExposeSecret as _, SecretString};
use std::collections::BTreeMap;
use store::{
    SealedColumn, StoreError, Write,
    audit::audit_append,
    changes::{ChangeKind, change_note},
    mcp_servers::{StoredServer, server_get_for_update, server_insert, server_list, server_update},
};
use subtle::ConstantTimeEq as _;

/// Who acts when there is no caller.
const COMMAND_LINE: &str = "command line";

impl ServerTransfer {
    /// Carries the plan out in one transaction, all of it or nothing; refused entries are left out.
    ///
    /// # Errors
    /// [`Error::Invalid`]; [`Error::Stale`] when the plan is no longer the one that `plan_hash` names.
    pub async fn apply(&self, ctx: &OpContext, request: &ImportRequest) -> Result<ImportPlan> {
        let document = read(request).await?;
        let mut write = self.db.write().await?;
        let groups = group_names(&mut write).await?;
        let mut stored = locked(&mut write, &document).await?;
        let steps = self.plan(&document, &stored, &groups);
        let mut plan = answer(request, &document, &stored, &steps);
        if request.plan_hash.as_ref().is_some_and(|seen| *seen != plan.plan_hash) {
            return Err(Error::Stale);
        }
        let mut touched = Vec::new();
        for (step, entry) in steps.into_iter().zip(&mut plan.entries) {
            let slug = entry.slug.to_ascii_lowercase();
            let id = match step.step {
                Step::Nothing => continue,
                Step::Create(draft) => self.create(&mut write, ctx, *draft).await?,
                Step::Update(change) => {
                    // Planned from this very map, a moment ago.
                    let Some(current) = stored.remove(&slug) else { return Err(Error::Stale) };
                    self.update(&mut write, ctx, current, *change, &entry.changes).await?
                }
            };
            entry.server_id = Some(id);
            touched.push(id);
        }
        plan.applied = true;
        if !touched.is_empty() {
            self.log(&mut write, ctx, summary(&plan)).await?;
            let subject = match touched.as_slice() {
                [one] => one.to_string(),
                _ => String::new(),
            };
            change_note(&mut write, ChangeKind::Servers, &subject).await?;
        }
        write.commit().await?;
        Ok(plan)
    }

    async fn create(&self, write: &mut Write, ctx: &OpContext, draft: ServerDraft) -> Result<Uuid> {
        let id = new_id(&*self.clock, &*self.entropy);
        let record = draft.record(id, self.clock.now(), author(ctx));
        let api_key = seal_api_key(&self.keyring, id, SealedColumn::default(), draft.api_key)?;
        let custom_headers = seal_headers(&self.keyring, id, SealedColumn::default(), draft.custom_headers)?;
        let stored = StoredServer { record, api_key, custom_headers };
        server_insert(write, &stored).await.map_err(taken_meanwhile)?;
        self.log(write, ctx, Act::on("server.create", "mcp_server", id, &stored.record.slug)).await?;
        Ok(id)
    }

    async fn update(
        &self,
        write: &mut Write,
        ctx: &OpContext,
        current: StoredServer,
        change: ServerChange,
        shown: &[FieldChange],
    ) -> Result<Uuid> {
        let id = current.record.id;
        let record = change.record(self.clock.now(), author(ctx));
        let api_key = seal_api_key(&self.keyring, id, current.api_key, change.api_key)?;
        let custom_headers = seal_headers(&self.keyring, id, current.custom_headers, change.custom_headers)?;
        let stored = StoredServer { record, api_key, custom_headers };
        server_update(write, &stored).await.map_err(taken_meanwhile)?;
        let fields = shown.iter().map(|change| match &change.secret {
            Some(word) => format!("{} {word}", change.field),
            None => change.field.clone(),
        });
        let act = Act::on("server.update", "mcp_server", id, &stored.record.slug).fields(fields.collect());
        self.log(write, ctx, act).await?;
        Ok(id)
    }

    async fn log(&self, write: &mut Write, ctx: &OpContext, act: Act<'_>) -> Result<()> {
        let id = new_id(&*self.clock, &*self.entropy);
        let mut entry = entry_of(id, self.clock.now(), ctx, act, "ok");
        if ctx.caller.is_none() {
            entry.actor_name = COMMAND_LINE.to_owned();
        }
        Ok(audit_append(write, &entry).await?)
    }

    /// The secrets of a document that equal what is stored. What cannot be opened equals nothing.
    pub(super) fn same_secrets(&self, stored: &StoredServer, write: &ServerWrite) -> Vec<&'static str> {
        let id = stored.record.id;
        let opened = |place: Place, column: &SealedColumn| open(&self.keyring, &place, column).ok().flatten();
        let mut same = Vec::new();
        if let Some(given) = &write.api_key_value
            && let Some(known) = opened(api_key_place(id), &stored.api_key)
            && equal(&known, given.trim())
        {
            same.push("api_key_value");
        }
        if let Some(given) = &write.custom_headers
            && let Some(known) = opened(custom_headers_place(id), &stored.custom_headers)
            && same_headers(&known, given)
        {
            same.push("custom_headers");
        }
        same
    }
}

fn equal(known: &SecretString, given: &str) -> bool {
    known.expose_secret().as_bytes().ct_eq(given.as_bytes()).into()
}

fn same_headers(known: &SecretString, given: &BTreeMap<String, String>) -> bool {
    // As they would be stored: trimmed, in the order of the map.
    domain::header::check_map(given)
        .ok()
        .and_then(|given| serde_json::to_string(&given).ok())
        .is_some_and(|given| equal(known, &given))
}

fn author(ctx: &OpContext) -> Option<Uuid> {
    ctx.caller.as_ref().map(|caller| caller.user.id)
}

/// A slug that was free in the plan and is taken now: somebody else was quicker.
fn taken_meanwhile(error: StoreError) -> Error {
    if error.is_conflict_on("slug") { Error::Stale } else { error.into() }
}

fn summary(plan: &ImportPlan) -> Act<'static> {
    let counts = ImportAction::ALL.into_iter().map(|action| (action, plan.count(action)));
    let told =
        counts.filter(|(_, count)| *count > 0).map(|(action, count)| format!("{} {count}", action.as_str()));
    Act {
        action: "server.import",
        resource_type: "mcp_server",
        resource_id: String::new(),
        resource_name: "",
        changed_fields: told.collect(),
    }
}

/// The registered servers of the document, each locked, in one order for everybody: two imports must not wait for each other.
async fn locked(write: &mut Write, document: &Document) -> Result<BySlug> {
    let known = by_slug(server_list(write, false).await?);
    let mut ids: Vec<Uuid> = document
        .entries
        .iter()
        .filter_map(|entry| known.get(&entry.slug.to_ascii_lowercase()))
        .map(|server| server.record.id)
        .collect();
    ids.sort_unstable();
    ids.dedup();
    let mut servers = Vec::with_capacity(ids.len());
    for id in ids {
        servers.extend(server_get_for_update(write, id).await?);
    }
    Ok(by_slug(servers))
}
