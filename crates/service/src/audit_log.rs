//! Reading the audit log (behaviour 27): pages, and an export of everything a filter lets through.

use crate::{Error, OpContext, Result, Service};
use api::audit::{AuditEntry, AuditPage, AuditQuery};
use domain::{
    accounts::{Action, can},
    audit as rules,
};
use futures::Stream;
use std::time::Duration;
use store::{Session, audit, credentials, users};
use tokio::{sync::OwnedSemaphorePermit, time::Instant};

/// Entries that an export holds in memory at once.
const EXPORT_PAGE: i64 = 500;
/// Longest export. What is left can be fetched by asking again with `after`.
const EXPORT_TIME: Duration = Duration::from_secs(300);
/// Exports at once: half of the readers that SQLite has, so that the others are served meanwhile.
pub(crate) const EXPORTS: usize = 2;

impl Service {
    /// A page of the log, newest first.
    ///
    /// # Errors
    /// [`Error::Forbidden`]; [`Error::Invalid`] naming the parameter.
    pub async fn audit_list(&self, ctx: &OpContext, query: &AuditQuery) -> Result<AuditPage> {
        ctx.authorize(Action::AuditRead)?;
        let ask = rules::check_query(query).map_err(Error::invalid)?;
        let mut session = self.db().read().await?;
        let after = place(&mut session, ask.after).await?;
        // One more than asked tells whether there is a next page.
        let mut entries = audit::audit_list(&mut session, &ask.filter, after, ask.limit + 1).await?;
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
        let permit = self.0.exports.clone().try_acquire_owned().map_err(|_| Error::RateLimited {
            message: format!("{EXPORTS} exports run already. Wait until one is done and try again."),
            retry_after: Duration::from_secs(10),
        })?;
        let mut session = self.db().read().await?;
        let after = place(&mut session, ask.after).await?;
        drop(session);
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
        let entries = audit::audit_list(&mut session, &self.filter, self.after, EXPORT_PAGE).await?;
        drop(session);
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
