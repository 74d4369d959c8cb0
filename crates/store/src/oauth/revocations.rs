//! Grants that are gone here, and of which the provider is told in the background (protocol.md 14.13): written in the transaction that
//! removes them, so none is forgotten. Server and user may be gone too.

use crate::{Micros, Result, SealedColumn, Write, clock::now_sql};
use api::{Timestamp, Uuid};

/// All that is needed to tell the provider. The secrets belong to nobody: they are sealed anew for this row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revocation {
    /// The ciphertexts are bound to it.
    pub id: Uuid,
    pub mcp_server_id: Uuid,
    pub user_id: Uuid,
    pub revocation_url: String,
    pub client_id: String,
    /// `client_secret_basic`, `client_secret_post` or `none`.
    pub auth_method: String,
    pub client_secret: SealedColumn,
    pub refresh_token: SealedColumn,
    pub access_token: SealedColumn,
    pub resource: String,
    /// This one among them; whoever removes the grant and tries at once begins with one.
    pub tries: i64,
    /// By the database's clock; not read by [`revocation_put`], as the one below.
    pub next_try_at: Timestamp,
    pub created_at: Timestamp,
}

#[derive(sqlx::FromRow)]
struct RevocationRow {
    id: Uuid,
    mcp_server_id: Uuid,
    user_id: Uuid,
    revocation_url: String,
    client_id: String,
    auth_method: String,
    client_secret: Option<Vec<u8>>,
    client_secret_key_id: Option<String>,
    refresh_token: Option<Vec<u8>>,
    refresh_token_key_id: Option<String>,
    access_token: Option<Vec<u8>>,
    access_token_key_id: Option<String>,
    resource: String,
    tries: i64,
    next_try_at: Micros,
    created_at: Micros,
}

impl From<RevocationRow> for Revocation {
    fn from(row: RevocationRow) -> Self {
        Self {
            id: row.id,
            mcp_server_id: row.mcp_server_id,
            user_id: row.user_id,
            revocation_url: row.revocation_url,
            client_id: row.client_id,
            auth_method: row.auth_method,
            client_secret: SealedColumn { ciphertext: row.client_secret, key_id: row.client_secret_key_id },
            refresh_token: SealedColumn { ciphertext: row.refresh_token, key_id: row.refresh_token_key_id },
            access_token: SealedColumn { ciphertext: row.access_token, key_id: row.access_token_key_id },
            resource: row.resource,
            tries: row.tries,
            next_try_at: row.next_try_at.into(),
            created_at: row.created_at.into(),
        }
    }
}

/// Leaves a grant to be revoked, in so long at the earliest: whoever removes it may try at once, and undisturbed.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn revocation_put(write: &mut Write, revocation: &Revocation, after_micros: i64) -> Result<()> {
    let now = now_sql(write);
    let sql = sqlx::AssertSqlSafe(format!(
        "INSERT INTO mcp_revocations (id, mcp_server_id, user_id, revocation_url, client_id, auth_method, client_secret, \
         client_secret_key_id, refresh_token, refresh_token_key_id, access_token, access_token_key_id, resource, tries, next_try_at, \
         created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, {now} + $15, {now})"
    ));
    execute!(
        write,
        sql,
        revocation.id,
        revocation.mcp_server_id,
        revocation.user_id,
        &revocation.revocation_url,
        &revocation.client_id,
        &revocation.auth_method,
        revocation.client_secret.ciphertext.as_deref(),
        revocation.client_secret.key_id.as_deref(),
        revocation.refresh_token.ciphertext.as_deref(),
        revocation.refresh_token.key_id.as_deref(),
        revocation.access_token.ciphertext.as_deref(),
        revocation.access_token.key_id.as_deref(),
        &revocation.resource,
        revocation.tries,
        after_micros,
    )
    .map(|_| ())
}

/// Takes the grant that is due longest and was tried less than `most_tries` times; no other replica takes it for `lease_micros`. The try
/// counts from here: one that ends with the process is one too.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn revocation_claim(
    write: &mut Write,
    lease_micros: i64,
    most_tries: i64,
) -> Result<Option<Revocation>> {
    let now = now_sql(write);
    // SKIP LOCKED: one that another replica is just taking need not be waited for.
    let lock = if write.is_postgres() { " FOR UPDATE SKIP LOCKED" } else { "" };
    let sql = sqlx::AssertSqlSafe(format!(
        "UPDATE mcp_revocations SET tries = tries + 1, next_try_at = {now} + $1 WHERE id = (SELECT r.id FROM mcp_revocations r \
         WHERE r.next_try_at <= {now} AND r.tries < $2 ORDER BY r.next_try_at, r.id LIMIT 1{lock}) \
         RETURNING id, mcp_server_id, user_id, revocation_url, client_id, auth_method, client_secret, client_secret_key_id, \
         refresh_token, refresh_token_key_id, access_token, access_token_key_id, resource, tries, next_try_at, created_at"
    ));
    Ok(fetch_optional!(write, RevocationRow, sql, lease_micros, most_tries)?.map(Into::into))
}

/// The provider knows, or will never: nothing is left to do. True when it was there.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn revocation_done(write: &mut Write, id: Uuid) -> Result<bool> {
    Ok(execute!(write, "DELETE FROM mcp_revocations WHERE id = $1", id)? > 0)
}

/// The provider could not be told; in so long it is tried again. True when it was there.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn revocation_retry(write: &mut Write, id: Uuid, after_micros: i64) -> Result<bool> {
    let now = now_sql(write);
    let sql =
        sqlx::AssertSqlSafe(format!("UPDATE mcp_revocations SET next_try_at = {now} + $2 WHERE id = $1"));
    Ok(execute!(write, sql, id, after_micros)? > 0)
}

/// Gives up what was left longer ago than this; how many.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn revocations_sweep(write: &mut Write, kept_micros: i64) -> Result<u64> {
    let now = now_sql(write);
    let sql = sqlx::AssertSqlSafe(format!("DELETE FROM mcp_revocations WHERE created_at < {now} - $1"));
    execute!(write, sql, kept_micros)
}
