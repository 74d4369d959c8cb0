//! Carries a plan out: locks, plans again, compares, writes.

use super::{BySlug, ServerTransfer, all_servers, answer, by_slug, group_names, read};
use crate::{Error, OpContext, Result, audit::Act, mcp_servers::ServerWriter};
use api::{
    Uuid,
    transfer::{ImportAction, ImportPlan, ImportRequest},
};
use domain::transfer::{Document, Step};
use store::{
    Write,
    changes::{ChangeKind, change_note},
    mcp_servers::server_get_for_update,
};

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
        let steps = self.plan(&mut write, &document, &stored, &groups).await?;
        let mut plan = answer(request, &document, &stored, &steps);
        if request.plan_hash.as_ref().is_some_and(|seen| *seen != plan.plan_hash) {
            return Err(Error::Stale);
        }
        let writer = ServerWriter { keyring: &self.keyring, clock: &*self.clock, entropy: &*self.entropy };
        let mut touched = Vec::new();
        for (step, entry) in steps.into_iter().zip(&mut plan.entries) {
            let id = match step.step {
                Step::Nothing => continue,
                Step::Create(draft) => {
                    let made = writer.insert(&mut write, ctx, *draft).await.map_err(overtaken)?;
                    made.record.id
                }
                Step::Update(change) => {
                    // Planned from this very map, a moment ago.
                    let current = stored.remove(&entry.slug.to_ascii_lowercase()).ok_or(Error::Stale)?;
                    let id = current.record.id;
                    let done = writer.update(&mut write, ctx, current, *change).await;
                    entry.credentials_cleared = done.map_err(overtaken)?;
                    id
                }
            };
            entry.server_id = Some(id);
            touched.push(id);
        }
        plan.applied = true;
        if !touched.is_empty() {
            let act = Act::on_any("server.import", "mcp_server").fields(counts(&plan));
            writer.log(&mut write, ctx, act).await?;
            let subject = match touched.as_slice() {
                [one] => one.to_string(),
                _ => String::new(),
            };
            change_note(&mut write, ChangeKind::Servers, &subject).await?;
        }
        write.commit().await?;
        Ok(plan)
    }
}

/// A slug that was free in the plan and is taken now: somebody else was quicker.
fn overtaken(error: Error) -> Error {
    if matches!(error, Error::Conflict { .. }) { Error::Stale } else { error }
}

/// `create 2`, `refused 1`, for the audit log.
fn counts(plan: &ImportPlan) -> Vec<String> {
    let counts = ImportAction::ALL.into_iter().map(|action| (action, plan.count(action)));
    counts
        .filter(|(_, count)| *count > 0)
        .map(|(action, count)| format!("{} {count}", action.as_str()))
        .collect()
}

/// The registered servers of the document, each locked, in one order for everybody: two imports must not wait for each other.
async fn locked(write: &mut Write, document: &Document) -> Result<BySlug> {
    let known = by_slug(all_servers(write).await?);
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
