//! Sign-ins at a provider that are under way (behaviour 9, protocol.md A3 and A4). A flow is used once: the callback removes its row.

use crate::{Micros, Result, SealedColumn, Session, StoreError, Write, clock::now_sql};
use api::{Timestamp, Uuid};

/// Flows of one user that may be open at once; the oldest give way.
const OPEN_PER_USER: i64 = 20;

/// What the callback must find as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OAuthFlow {
    /// The ciphertext is bound to it.
    pub id: Uuid,
    /// SHA-256 of the state.
    pub state_hash: [u8; 32],
    pub mcp_server_id: Uuid,
    pub user_id: Uuid,
    /// The web session or token that began it, and that must end it.
    pub credential_id: Uuid,
    pub verifier: SealedColumn,
    pub issuer: String,
    /// An answer without `iss` is none of this issuer's.
    pub iss_required: bool,
    pub resource: String,
    pub redirect_uri: String,
    pub token_url: String,
    pub client_id: String,
    pub scopes: String,
    /// A path of ours to come back to; empty: a window that closes.
    pub return_to: String,
    /// Of the server, when it began.
    pub credential_version: i64,
    /// By the database's clock, as the two below; not read by [`oauth_flow_insert`].
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
    pub is_live: bool,
}

#[derive(sqlx::FromRow)]
struct FlowRow {
    id: Uuid,
    state_hash: Vec<u8>,
    mcp_server_id: Uuid,
    user_id: Uuid,
    credential_id: Uuid,
    verifier: Vec<u8>,
    verifier_key_id: String,
    issuer: String,
    iss_required: bool,
    resource: String,
    redirect_uri: String,
    token_url: String,
    client_id: String,
    scopes: String,
    return_to: String,
    credential_version: i64,
    created_at: Micros,
    expires_at: Micros,
    is_live: bool,
}

impl TryFrom<FlowRow> for OAuthFlow {
    type Error = StoreError;

    fn try_from(row: FlowRow) -> Result<Self> {
        let state_hash = row.state_hash.try_into().map_err(|_| StoreError::Inconsistent {
            table: "mcp_oauth_flows",
            column: "state_hash",
            row: row.id.to_string(),
        })?;
        Ok(Self {
            id: row.id,
            state_hash,
            mcp_server_id: row.mcp_server_id,
            user_id: row.user_id,
            credential_id: row.credential_id,
            verifier: SealedColumn { ciphertext: Some(row.verifier), key_id: Some(row.verifier_key_id) },
            issuer: row.issuer,
            iss_required: row.iss_required,
            resource: row.resource,
            redirect_uri: row.redirect_uri,
            token_url: row.token_url,
            client_id: row.client_id,
            scopes: row.scopes,
            return_to: row.return_to,
            credential_version: row.credential_version,
            created_at: row.created_at.into(),
            expires_at: row.expires_at.into(),
            is_live: row.is_live,
        })
    }
}

/// A new flow that lives so long. Of the user's open ones the last 20 stay.
///
/// # Errors
/// A conflict when the server, the user or the credential is gone.
pub async fn oauth_flow_insert(write: &mut Write, flow: &OAuthFlow, life_micros: i64) -> Result<()> {
    let now = now_sql(write);
    let sql = sqlx::AssertSqlSafe(format!(
        "INSERT INTO mcp_oauth_flows (id, state_hash, mcp_server_id, user_id, credential_id, verifier, verifier_key_id, issuer, \
         iss_required, resource, redirect_uri, token_url, client_id, scopes, return_to, credential_version, created_at, expires_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, {now}, {now} + $17)"
    ));
    execute!(
        write,
        sql,
        flow.id,
        flow.state_hash.as_slice(),
        flow.mcp_server_id,
        flow.user_id,
        flow.credential_id,
        flow.verifier.ciphertext.as_deref(),
        flow.verifier.key_id.as_deref(),
        &flow.issuer,
        flow.iss_required,
        &flow.resource,
        &flow.redirect_uri,
        &flow.token_url,
        &flow.client_id,
        &flow.scopes,
        &flow.return_to,
        flow.credential_version,
        life_micros,
    )?;
    // One at a time of a user, or two would each leave the other's out of the count.
    if write.is_postgres() {
        execute!(write, "SELECT 1 FROM users WHERE id = $1 FOR NO KEY UPDATE", flow.user_id)?;
    }
    let sql = "DELETE FROM mcp_oauth_flows WHERE user_id = $1 AND id <> $2 AND id NOT IN (SELECT f.id FROM mcp_oauth_flows f \
               WHERE f.user_id = $1 AND f.id <> $2 ORDER BY f.expires_at DESC, f.id DESC LIMIT $3)";
    execute!(write, sql, flow.user_id, flow.id, OPEN_PER_USER - 1).map(|_| ())
}

/// The flow with this hash, live or not.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn oauth_flow_get(session: &mut Session, state_hash: &[u8; 32]) -> Result<Option<OAuthFlow>> {
    let now = now_sql(session);
    let sql = sqlx::AssertSqlSafe(format!(
        "SELECT id, state_hash, mcp_server_id, user_id, credential_id, verifier, verifier_key_id, issuer, iss_required, resource, \
         redirect_uri, token_url, client_id, scopes, return_to, credential_version, created_at, expires_at, expires_at > {now} AS is_live \
         FROM mcp_oauth_flows WHERE state_hash = $1"
    ));
    fetch_optional!(session, FlowRow, sql, state_hash.as_slice())?.map(TryInto::try_into).transpose()
}

/// Uses a live flow up: true for one caller, however many there are.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn oauth_flow_consume(write: &mut Write, id: Uuid) -> Result<bool> {
    let now = now_sql(write);
    let sql =
        sqlx::AssertSqlSafe(format!("DELETE FROM mcp_oauth_flows WHERE id = $1 AND expires_at > {now}"));
    Ok(execute!(write, sql, id)? > 0)
}

/// Removes flows that nobody ended in time; how many.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn oauth_flows_sweep(write: &mut Write) -> Result<u64> {
    let now = now_sql(write);
    execute!(write, sqlx::AssertSqlSafe(format!("DELETE FROM mcp_oauth_flows WHERE expires_at <= {now}")))
}
