//! Counters of sign-in attempts, shared by all replicas.

use crate::{Micros, Result, Write};
use api::Timestamp;

/// Counts one attempt for `key` and answers how many there were in the current window, and when that window began.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn login_attempt_count(
    write: &mut Write,
    key: &str,
    now: Timestamp,
    window_seconds: i64,
) -> Result<(i64, Timestamp)> {
    let oldest = now.plus_seconds(-window_seconds);
    let sql = "INSERT INTO login_attempts (key, window_started_at, attempts) VALUES ($1, $2, 1) ON CONFLICT (key) DO UPDATE SET \
               attempts = CASE WHEN login_attempts.window_started_at < $3 THEN 1 ELSE login_attempts.attempts + 1 END, \
               window_started_at = CASE WHEN login_attempts.window_started_at < $3 THEN $2 ELSE login_attempts.window_started_at END \
               RETURNING attempts, window_started_at";
    let (attempts, started): (i64, Micros) =
        fetch_one!(write, (i64, Micros), sql, key, Micros::from(now), Micros::from(oldest))?;
    Ok((attempts, started.into()))
}

/// Forgets the attempts for `key`: after a success.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn login_attempts_clear(write: &mut Write, key: &str) -> Result<()> {
    execute!(write, "DELETE FROM login_attempts WHERE key = $1", key).map(|_| ())
}

/// Gives one attempt for `key` back: it was no guess.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn login_attempt_refund(write: &mut Write, key: &str) -> Result<()> {
    execute!(write, "UPDATE login_attempts SET attempts = attempts - 1 WHERE key = $1 AND attempts > 0", key)
        .map(|_| ())
}

/// Removes windows that began before `before`.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn login_attempts_sweep(write: &mut Write, before: Timestamp) -> Result<u64> {
    execute!(write, "DELETE FROM login_attempts WHERE window_started_at < $1", Micros::from(before))
}
