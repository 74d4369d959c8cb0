//! What nobody asks for: expired rows go.

use crate::{OpContext, Result, Service, audit::Act, files::LOOSE_KEPT_SECONDS};
use store::{audit, changes, chats, credentials, files, login_attempts, replicas};

/// Sign-in windows older than this are of no use, seconds.
const ATTEMPTS_KEPT_SECONDS: i64 = 3600;

/// A repeated request is recognised for this long, seconds.
const IDEMPOTENCY_KEPT_SECONDS: i64 = DAY_SECONDS;

const DAY_SECONDS: i64 = 24 * 3600;

/// Audit entries deleted in one transaction, and transactions of one run; what is left waits for the next.
const AUDIT_BATCH: i64 = 5_000;
const AUDIT_BATCHES: usize = 40;

impl Service {
    /// Removes expired credentials, old sign-in counters and what followers have long seen; the caller runs it every few minutes.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
    pub async fn maintenance_sweep(&self) -> Result<()> {
        let now = self.now();
        let mut write = self.db().write().await?;
        credentials::credentials_sweep(&mut write, now).await?;
        login_attempts::login_attempts_sweep(&mut write, now.plus_seconds(-ATTEMPTS_KEPT_SECONDS)).await?;
        chats::idempotency_prune(&mut write, now.plus_seconds(-IDEMPOTENCY_KEPT_SECONDS)).await?;
        chats::queue_prune(&mut write, now.plus_seconds(-IDEMPOTENCY_KEPT_SECONDS)).await?;
        files::files_loose_sweep(&mut write, now.plus_seconds(-LOOSE_KEPT_SECONDS)).await?;
        changes::changes_sweep(&mut write).await?;
        replicas::replicas_sweep(&mut write).await?;
        write.commit().await?;
        if let Err(error) = self.chats_auto_archive().await {
            tracing::warn!(%error, "chats could not be archived; the next sweep tries again");
        }
        self.0.refusals.flush(false).await
    }

    /// Writes the audit entries that still wait; before the process ends.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
    pub async fn audit_flush(&self) -> Result<()> {
        self.0.refusals.flush(true).await
    }

    /// Deletes audit entries older than `days`; 0 keeps all of them. Each batch leaves an entry with its count, in its own
    /// transaction. How many went.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
    pub async fn audit_retention(&self, days: u32) -> Result<u64> {
        if days == 0 {
            return Ok(0);
        }
        let cutoff = self.now().plus_seconds(-i64::from(days) * DAY_SECONDS);
        let mut total = 0;
        for _ in 0..AUDIT_BATCHES {
            let mut write = self.db().write().await?;
            let deleted = audit::audit_prune(&mut write, cutoff, AUDIT_BATCH).await?;
            if deleted > 0 {
                let facts = vec![format!("deleted={deleted}"), format!("before={cutoff}")];
                let act = Act::on_any("audit.retention", "audit_log").fields(facts);
                self.audit(&mut write, &OpContext::default(), act).await?;
            }
            write.commit().await?;
            total += deleted;
            if deleted < AUDIT_BATCH.unsigned_abs() {
                break;
            }
        }
        Ok(total)
    }
}
