//! What nobody asks for: expired rows go.

use crate::{Result, Service};
use store::{changes, chats, credentials, login_attempts, replicas};

/// Sign-in windows older than this are of no use, seconds.
const ATTEMPTS_KEPT_SECONDS: i64 = 3600;

/// A repeated request is recognised for this long, seconds.
const IDEMPOTENCY_KEPT_SECONDS: i64 = 24 * 3600;

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
        changes::changes_sweep(&mut write).await?;
        replicas::replicas_sweep(&mut write).await?;
        write.commit().await?;
        Ok(())
    }
}
