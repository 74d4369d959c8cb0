//! Reading the audit log (behaviour 27): pages, and an export of everything a filter lets through.

use crate::{Error, OpContext, Result, Service, audit::Act};
use api::audit::{AuditEntry, AuditPage, AuditQuery};
use domain::{
    accounts::{Action, can},
    audit as rules,
};
use futures::Stream;
use std::{sync::Arc, time::Duration};
use store::{Session, audit, credentials, users};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};

/// Entries that an export holds in memory at once.
const EXPORT_PAGE: i64 = 500;
/// Longest export. What is left can be fetched by asking again with `after`.
const EXPORT_TIME: Duration = Duration::from_secs(300);
/// Exports at once.
const EXPORTS: usize = 2;
/// Pages read from the log at once, those of exports among them: half of the readers that SQLite has, so that the others are
/// served meanwhile. Filters with an index are answered at once, but two together may match nothing in a long log.
const READS: usize = 2;
/// How long a page waits for its turn.
const READ_WAIT: Duration = Duration::from_secs(3);

/// What keeps readers of the log from taking the database from everybody else.
pub(crate) struct AuditReads {
    pub(crate) exports: Arc<Semaphore>,
    pub(crate) pages: Arc<Semaphore>,
}

impl Default for AuditReads {
    fn default() -> Self {
        Self { exports: Arc::new(Semaphore::new(EXPORTS)), pages: Arc::new(Semaphore::new(READS)) }
    }
}

impl Service {
    /// A page of the log, newest first.
    ///
    /// # Errors
    /// [`Error::Forbidden`]; [`Error::Invalid`] naming the parameter.
    pub async fn audit_list(&self, ctx: &OpContext, query: &AuditQuery) -> Result<AuditPage> {
        ctx.authorize(Action::AuditRead)?;
        let ask = rules::check_query(query).map_err(Error::invalid)?;
        let turn = tokio::time::timeout(READ_WAIT, self.audit_turn()).await;
        let turn = turn.map_err(|_| Error::RateLimited {
            message: "The audit log is being read by several people. Wait a moment and try again, or narrow the time.".to_owned(),
            retry_after: READ_WAIT,
        })??;
        let after = {
            let mut session = self.db().read().await?;
            place(&mut session, ask.after).await?
        };
        // One more than asked tells whether there is a next page.
        let mut entries = self.audit_entries(turn, ask.filter, after, ask.limit + 1).await?;
        let asked = usize::try_from(ask.limit).unwrap_or(usize::MAX);
        let more = entries.len() > asked;
        entries.truncate(asked);
        let next = entries.last().filter(|_| more).map(|entry| entry.id);
        Ok(AuditPage { entries, next })
    }

    /// Everything that the filter lets through, newest first, page by page: memory stays bounded however long the log is.
    ///
    /// # Errors
    /// [`Error::Forbidden`]; [`Error::Invalid`] naming the parameter; [`Error::RateLimited`]. Within the stream
    /// [`Error::Unavailable`], and [`Error::Internal`] after [`EXPORT_TIME`].
    pub async fn audit_export(
        &self,
        ctx: &OpContext,
        query: &AuditQuery,
    ) -> Result<impl Stream<Item = Result<Vec<AuditEntry>>> + Send + 'static> {
        ctx.authorize(Action::AuditRead)?;
        let ask = rules::check_query(query).map_err(Error::invalid)?;
        let permit =
            self.0.audit_reads.exports.clone().try_acquire_owned().map_err(|_| Error::RateLimited {
                message: format!("{EXPORTS} exports run already. Wait until one is done and try again."),
                retry_after: Duration::from_secs(10),
            })?;
        let mut session = self.db().read().await?;
        let after = place(&mut session, ask.after).await?;
        drop(session);
        self.audit_export_log(ctx, query).await?;
        let start = Export {
            service: self.clone(),
            ctx: ctx.clone(),
            filter: ask.filter,
            after,
            until: Instant::now() + EXPORT_TIME,
            done: false,
            _permit: permit,
        };
        Ok(futures::stream::try_unfold(start, Export::next))
    }

    /// Who takes a part of the log away, and which.
    async fn audit_export_log(&self, ctx: &OpContext, query: &AuditQuery) -> Result<()> {
        let asked = query
            .pairs(false)
            .into_iter()
            .filter(|(name, value)| *name != "limit" && !value.trim().is_empty());
        let asked = asked.map(|(name, value)| format!("{name}={}", value.trim())).collect();
        let mut write = self.db().write().await?;
        self.audit(&mut write, ctx, Act::on_any("audit.export", "audit_log").fields(asked)).await?;
        write.commit().await?;
        Ok(())
    }

    async fn audit_turn(&self) -> Result<OwnedSemaphorePermit> {
        let turn = self.0.audit_reads.pages.clone().acquire_owned().await;
        turn.map_err(|error| Error::internal("turn of the audit log", error))
    }

    /// Reads in a task of its own: an asker that goes away must not free the turn while the engine is still busy.
    async fn audit_entries(
        &self,
        turn: OwnedSemaphorePermit,
        filter: rules::AuditFilter,
        after: Option<audit::AuditPlace>,
        limit: i64,
    ) -> Result<Vec<AuditEntry>> {
        let db = self.db().clone();
        let read = tokio::spawn(async move {
            let _turn = turn;
            let mut session = db.read().await?;
            audit::audit_list(&mut session, &filter, after, limit).await
        });
        Ok(read.await.map_err(|error| Error::internal("reading the audit log", error))??)
    }
}

struct Export {
    service: Service,
    ctx: OpContext,
    filter: rules::AuditFilter,
    after: Option<audit::AuditPlace>,
    until: Instant,
    done: bool,
    _permit: OwnedSemaphorePermit,
}

impl Export {
    async fn next(mut self) -> Result<Option<(Vec<AuditEntry>, Self)>> {
        if self.done {
            return Ok(None);
        }
        // An error cuts the answer short, so that nobody takes a part for the whole.
        if Instant::now() >= self.until {
            return Err(Error::Internal { context: "the export took too long", source: None });
        }
        let mut session = self.service.db().read().await?;
        // A right that was lost ends the export at its next page (behaviour 2).
        if !still_reads(&self.service, &self.ctx, &mut session).await? {
            return Err(Error::Forbidden(
                "The right to read the audit log was lost during the export.".to_owned(),
            ));
        }
        drop(session);
        let turn = tokio::time::timeout_at(self.until, self.service.audit_turn()).await;
        let turn = turn.map_err(|error| Error::internal("the export took too long", error))??;
        let entries = self.service.audit_entries(turn, self.filter.clone(), self.after, EXPORT_PAGE).await?;
        self.done = i64::try_from(entries.len()).unwrap_or(i64::MAX) < EXPORT_PAGE;
        match entries.last() {
            None => Ok(None),
            Some(last) => {
                self.after = Some((last.time, last.id));
                Ok(Some((entries, self)))
            }
        }
    }
}

/// Whether the credential lives and its user, as stored now, may read the log.
async fn still_reads(service: &Service, ctx: &OpContext, session: &mut Session) -> Result<bool> {
    let caller = ctx.require()?;
    if !credentials::credential_alive(session, caller.credential_id, service.now()).await? {
        return Ok(false);
    }
    let stored = users::user_get(session, caller.user.id).await?;
    Ok(stored.is_some_and(|stored| can(&stored.user.roles, Action::AuditRead)))
}

/// Where the page begins. An entry that retention has deleted meanwhile is unknown.
async fn place(session: &mut Session, after: Option<api::Uuid>) -> Result<Option<audit::AuditPlace>> {
    let Some(id) = after else { return Ok(None) };
    let place = audit::audit_place(session, id).await?;
    let unknown = || Error::invalid_field("after", "There is no such entry. Begin again without `after`.");
    place.ok_or_else(unknown).map(Some)
}
