//! How tokens are renewed and how they fail (behaviour 10, protocol.md R4 to R8): one token request per row at a time in the whole cluster,
//! by a lease; every write compares the version it read, so that nobody undoes what a quicker one did, and a row that was removed
//! stays away.

use crate::{Micros, Result, SealedColumn, Session, Write, clock::now_sql};
use api::{Timestamp, Uuid};
use domain::mcp_server::TokenFailure;

/// Most characters of the reason of a failure.
const DETAIL_CHARS: usize = 400;

/// What became of an attempt to take the lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    Claimed {
        /// Token requests that went out with this refresh token before, without an answer that was stored: it may be spent.
        sends: i64,
    },
    /// Somebody else is at it. In the past when they have just ended: try again.
    Held {
        until: Micros,
    },
    /// It did not work a short while ago.
    BackOff {
        until: Micros,
    },
    /// It is another credential than that of the version, or one that cannot be renewed: read it again.
    Changed,
    Gone,
}

/// What a provider answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Renewed {
    pub access: SealedColumn,
    /// `None` keeps the old one (protocol.md R7).
    pub refresh: Option<SealedColumn>,
    pub token_type: String,
    /// `None`: never.
    pub expires_at: Option<Timestamp>,
    pub scopes: String,
    /// For so long from now it is not renewed again.
    pub rest_micros: i64,
}

/// Takes the lease on the renewal of a token of this version.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn user_token_refresh_claim(
    write: &mut Write,
    id: Uuid,
    version: i64,
    holder: Uuid,
    lease_micros: i64,
) -> Result<Claim> {
    let now = now_sql(write);
    let sql = sqlx::AssertSqlSafe(format!(
        "UPDATE mcp_user_tokens SET refresh_lease_id = $3, refresh_lease_until = {now} + $4 \
         WHERE id = $1 AND version = $2 AND refresh_token IS NOT NULL \
         AND (refresh_lease_until IS NULL OR refresh_lease_until <= {now}) \
         AND (refresh_not_before IS NULL OR refresh_not_before <= {now}) RETURNING refresh_sends"
    ));
    if let Some((sends,)) = fetch_optional!(write, (i64,), sql, id, version, holder, lease_micros)? {
        return Ok(Claim::Claimed { sends });
    }
    user_token_refresh_look(write, id, version).await
}

/// Why nobody can take the lease now, without asking for it; [`Claim::Held`] with a time that is over when somebody could.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn user_token_refresh_look(session: &mut Session, id: Uuid, version: i64) -> Result<Claim> {
    let now = now_sql(session);
    let sql = sqlx::AssertSqlSafe(format!(
        "SELECT version, refresh_token IS NOT NULL, refresh_lease_until, refresh_not_before, {now} FROM mcp_user_tokens WHERE id = $1"
    ));
    type Row = (i64, bool, Option<Micros>, Option<Micros>, Micros);
    let Some((stored, renewable, held, rest, now)) = fetch_optional!(session, Row, sql, id)? else {
        return Ok(Claim::Gone);
    };
    Ok(match (held, rest) {
        _ if stored != version || !renewable => Claim::Changed,
        (Some(until), _) if until > now => Claim::Held { until },
        (_, Some(until)) if until > now => Claim::BackOff { until },
        // It ended between the two statements.
        _ => Claim::Held { until: now },
    })
}

/// Notes that a token request goes out now, before it does: after a crash the next holder knows that the refresh token may be spent. False
/// when the lease is lost or the token another one; then nothing may be sent.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn user_token_refresh_sending(
    write: &mut Write,
    id: Uuid,
    version: i64,
    holder: Uuid,
) -> Result<bool> {
    let now = now_sql(write);
    let sql = sqlx::AssertSqlSafe(format!(
        "UPDATE mcp_user_tokens SET refresh_sends = refresh_sends + 1 \
         WHERE id = $1 AND version = $2 AND refresh_lease_id = $3 AND refresh_lease_until > {now}"
    ));
    Ok(execute!(write, sql, id, version, holder)? > 0)
}

/// Stores what a provider answered; the new version. `None` when the token is gone or another one: the answer is thrown away. The lease does
/// not count here: who answers late, after it ran out, has spent the old refresh token all the same, and holds the only good one.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn user_token_refresh_store(
    write: &mut Write,
    id: Uuid,
    version: i64,
    renewed: &Renewed,
) -> Result<Option<i64>> {
    let now = now_sql(write);
    let refresh = renewed.refresh.as_ref();
    let sql = sqlx::AssertSqlSafe(format!(
        "UPDATE mcp_user_tokens SET access_token = $3, access_token_key_id = $4, \
         refresh_token = CASE WHEN $5 THEN $6 ELSE refresh_token END, \
         refresh_token_key_id = CASE WHEN $5 THEN $7 ELSE refresh_token_key_id END, \
         token_type = $8, expires_at = $9, scopes = $10, failure = '', failure_detail = '', failed_at = NULL, version = version + 1, \
         refresh_lease_id = NULL, refresh_lease_until = NULL, refresh_sends = 0, refresh_failures = 0, \
         refresh_not_before = {now} + $11, updated_at = {now} WHERE id = $1 AND version = $2 RETURNING version"
    ));
    let stored = fetch_optional!(
        write,
        (i64,),
        sql,
        id,
        version,
        renewed.access.ciphertext.as_deref(),
        renewed.access.key_id.as_deref(),
        refresh.is_some(),
        refresh.and_then(|refresh| refresh.ciphertext.as_deref()),
        refresh.and_then(|refresh| refresh.key_id.as_deref()),
        &renewed.token_type,
        renewed.expires_at.map(Micros::from),
        &renewed.scopes,
        renewed.rest_micros,
    )?;
    Ok(stored.map(|(version,)| version))
}

/// Ends a lease without a new token, and lets nobody try again for `back_off_micros`. Who lives to note a failure is not one that was lost:
/// the count of those begins anew. False when the lease is lost or the token another one.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn user_token_refresh_failed(
    write: &mut Write,
    id: Uuid,
    version: i64,
    holder: Uuid,
    back_off_micros: i64,
) -> Result<bool> {
    let now = now_sql(write);
    let sql = sqlx::AssertSqlSafe(format!(
        "UPDATE mcp_user_tokens SET refresh_lease_id = NULL, refresh_lease_until = NULL, refresh_failures = refresh_failures + 1, \
         refresh_not_before = {now} + $4, refresh_sends = 0 \
         WHERE id = $1 AND version = $2 AND refresh_lease_id = $3"
    ));
    Ok(execute!(write, sql, id, version, holder, back_off_micros)? > 0)
}

/// What becomes of a token that is of no use any more: `$1` is the reason and `$2` its text.
fn failing(now: &str) -> String {
    format!(
        "UPDATE mcp_user_tokens SET access_token = NULL, access_token_key_id = NULL, refresh_token = NULL, refresh_token_key_id = NULL, \
         expires_at = NULL, failure = $1, failure_detail = $2, failed_at = {now}, version = version + 1, refresh_lease_id = NULL, \
         refresh_lease_until = NULL, refresh_sends = 0, refresh_not_before = NULL, refresh_failures = 0, updated_at = {now}"
    )
}

/// A text that fits; PostgreSQL has no NUL in text.
fn shortened(detail: &str) -> String {
    detail.chars().filter(|c| *c != '\0').take(DETAIL_CHARS).collect()
}

/// A token of this version has failed for good. False when it is gone or another one: nobody marks a newer one.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn user_token_fail(
    write: &mut Write,
    id: Uuid,
    version: i64,
    reason: TokenFailure,
    detail: &str,
) -> Result<bool> {
    let failing = failing(now_sql(write));
    let sql = sqlx::AssertSqlSafe(format!("{failing} WHERE id = $3 AND version = $4"));
    Ok(execute!(write, sql, reason.as_str(), shortened(detail), id, version)? > 0)
}

/// As [`user_token_fail`]: the server does not take it. False, too, while somebody renews it: what comes of that is another token, and must
/// not be lost.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn user_token_reject(write: &mut Write, id: Uuid, version: i64, detail: &str) -> Result<bool> {
    let now = now_sql(write);
    let failing = failing(now);
    let sql = sqlx::AssertSqlSafe(format!(
        "{failing} WHERE id = $3 AND version = $4 AND (refresh_lease_until IS NULL OR refresh_lease_until <= {now})"
    ));
    let reason = TokenFailure::RejectedByServer;
    Ok(execute!(write, sql, reason.as_str(), shortened(detail), id, version)? > 0)
}

/// Every token of a server that has not failed yet has now; how many.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn user_tokens_fail_all(write: &mut Write, server: Uuid, reason: TokenFailure) -> Result<u64> {
    let failing = failing(now_sql(write));
    let sql = sqlx::AssertSqlSafe(format!("{failing} WHERE mcp_server_id = $3 AND failure = ''"));
    execute!(write, sql, reason.as_str(), "", server)
}

/// Tokens to renew ahead: those that end before `before`, can be renewed now, and are of an enabled server and an active user with a chat
/// that changed since `active_since`. Server, user, id and version, at most `limit`: of each server the one that ends first, then of each the
/// second, so that a provider that is slow for many holds up nobody else's.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn user_tokens_due(
    session: &mut Session,
    before: Micros,
    active_since: Timestamp,
    limit: i64,
) -> Result<Vec<(Uuid, Uuid, Uuid, i64)>> {
    let now = now_sql(session);
    let sql = sqlx::AssertSqlSafe(format!(
        "SELECT t.mcp_server_id, t.user_id, t.id, t.version, \
         ROW_NUMBER() OVER (PARTITION BY t.mcp_server_id ORDER BY t.expires_at, t.id) AS turn FROM mcp_user_tokens t \
         JOIN mcp_servers s ON s.id = t.mcp_server_id JOIN users u ON u.id = t.user_id \
         WHERE t.expires_at < $1 AND t.refresh_token IS NOT NULL AND t.failure = '' \
         AND (t.refresh_lease_until IS NULL OR t.refresh_lease_until <= {now}) \
         AND (t.refresh_not_before IS NULL OR t.refresh_not_before <= {now}) \
         AND s.enabled AND s.setup_until IS NULL AND s.auth_type = 'oauth2' AND u.status = 'active' \
         AND EXISTS (SELECT 1 FROM chats c WHERE c.owner_id = t.user_id AND c.updated_at >= $2) \
         ORDER BY turn, t.expires_at, t.id LIMIT $3"
    ));
    let due =
        fetch_all!(session, (Uuid, Uuid, Uuid, i64, i64), sql, before, Micros::from(active_since), limit)?;
    Ok(due.into_iter().map(|(server, user, id, version, _)| (server, user, id, version)).collect())
}

/// What a server refused counts as expired until it is renewed: nothing calls it connected meanwhile. The version stays, as the credential
/// does. It is not renewed before `pause_micros` are over. False when it is another one by now.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn user_token_expire(write: &mut Write, id: Uuid, version: i64, pause_micros: i64) -> Result<bool> {
    let now = now_sql(write);
    let sql = sqlx::AssertSqlSafe(format!(
        "UPDATE mcp_user_tokens SET expires_at = 0, \
         refresh_not_before = CASE WHEN $3 > 0 THEN {now} + $3 ELSE refresh_not_before END, \
         refresh_failures = CASE WHEN $3 > 0 THEN refresh_failures + 1 ELSE refresh_failures END \
         WHERE id = $1 AND version = $2 AND failure = ''"
    ));
    Ok(execute!(write, sql, id, version, pause_micros)? > 0)
}
