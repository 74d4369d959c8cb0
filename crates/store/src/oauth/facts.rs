//! What discovery found for a server and what registration got there (protocol.md 14.3, 14.5): one row per server.

use crate::{Micros, Result, SealedColumn, Session, Write, clock::now_sql};
use api::{Timestamp, Uuid};
use sqlx::types::Json;

/// Most characters of what is said of a drift.
const DRIFT_CHARS: usize = 600;

/// Holds while the server's issuer and token URL are these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OAuthFacts {
    /// The ciphertext is bound to it.
    pub id: Uuid,
    pub mcp_server_id: Uuid,
    pub issuer: String,
    /// As the server wrote it.
    pub resource: String,
    pub token_url: String,
    /// The provider says that every answer names it.
    pub iss_required: bool,
    /// The provider lists `offline_access`.
    pub offline_access: bool,
    pub scopes: String,
    /// `challenge`, `published`, or empty when nobody named scopes.
    pub scopes_source: String,
    /// Nobody published anything: the endpoints are those of the fallback.
    pub guessed: bool,
    /// The list that the provider publishes, if it does.
    pub auth_methods: Option<Vec<String>>,
    /// `client_secret_basic`, `client_secret_post` or `none`.
    pub auth_method: String,
    pub registration_endpoint: String,
    /// Where the registration can be deleted, with the token below.
    pub registration_uri: String,
    pub registration_token: SealedColumn,
    /// `None`: never.
    pub secret_expires_at: Option<Timestamp>,
    pub found_at: Timestamp,
    pub registered_at: Option<Timestamp>,
    /// Where the provider said that grants are given back; empty where it did not.
    pub revocation_found: String,
    /// What has moved since, in a sentence for admins, at most 600 characters; empty while nothing has.
    pub drift: String,
}

/// Joined to a server: all there, or nothing.
#[derive(sqlx::FromRow)]
pub(crate) struct OAuthFactsRow {
    oauth_id: Option<Uuid>,
    oauth_server_id: Option<Uuid>,
    oauth_issuer: Option<String>,
    oauth_resource: Option<String>,
    oauth_token_url: Option<String>,
    oauth_iss_required: Option<bool>,
    oauth_offline_access: Option<bool>,
    oauth_facts_scopes: Option<String>,
    oauth_scopes_source: Option<String>,
    oauth_guessed: Option<bool>,
    oauth_auth_methods: Option<Json<Vec<String>>>,
    oauth_auth_method: Option<String>,
    oauth_registration_endpoint: Option<String>,
    oauth_registration_uri: Option<String>,
    oauth_registration_token: Option<Vec<u8>>,
    oauth_registration_token_key_id: Option<String>,
    oauth_secret_expires_at: Option<Micros>,
    oauth_found_at: Option<Micros>,
    oauth_registered_at: Option<Micros>,
    oauth_drift: Option<String>,
    oauth_revocation_found: Option<String>,
}

impl OAuthFactsRow {
    /// The columns of the alias `o`.
    pub(crate) const SELECTED: &'static str = "o.id AS oauth_id, o.mcp_server_id AS oauth_server_id, o.issuer AS oauth_issuer, \
         o.resource AS oauth_resource, o.token_url AS oauth_token_url, o.iss_required AS oauth_iss_required, \
         o.offline_access AS oauth_offline_access, o.scopes AS oauth_facts_scopes, o.scopes_source AS oauth_scopes_source, \
         o.guessed AS oauth_guessed, o.auth_methods AS oauth_auth_methods, o.auth_method AS oauth_auth_method, \
         o.registration_endpoint AS oauth_registration_endpoint, o.registration_uri AS oauth_registration_uri, \
         o.registration_token AS oauth_registration_token, o.registration_token_key_id AS oauth_registration_token_key_id, \
         o.secret_expires_at AS oauth_secret_expires_at, o.found_at AS oauth_found_at, o.registered_at AS oauth_registered_at, \
         o.drift AS oauth_drift, o.revocation_found AS oauth_revocation_found";

    /// `None` also for a row that is there for its lease alone.
    pub(crate) fn facts(self) -> Option<OAuthFacts> {
        Some(OAuthFacts {
            id: self.oauth_id?,
            mcp_server_id: self.oauth_server_id?,
            issuer: self.oauth_issuer?,
            resource: self.oauth_resource?,
            token_url: self.oauth_token_url?,
            iss_required: self.oauth_iss_required?,
            offline_access: self.oauth_offline_access?,
            scopes: self.oauth_facts_scopes?,
            scopes_source: self.oauth_scopes_source?,
            guessed: self.oauth_guessed?,
            auth_methods: self.oauth_auth_methods.map(|methods| methods.0),
            auth_method: self.oauth_auth_method?,
            registration_endpoint: self.oauth_registration_endpoint?,
            registration_uri: self.oauth_registration_uri?,
            registration_token: SealedColumn {
                ciphertext: self.oauth_registration_token,
                key_id: self.oauth_registration_token_key_id,
            },
            secret_expires_at: self.oauth_secret_expires_at.map(Into::into),
            found_at: self.oauth_found_at?.into(),
            registered_at: self.oauth_registered_at.map(Into::into),
            revocation_found: self.oauth_revocation_found?,
            drift: self.oauth_drift?,
        })
    }
}

/// What was found for a server, in setup or real, whether it still holds or not: who changes it must see what was there.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn oauth_facts_get(session: &mut Session, server: Uuid) -> Result<Option<OAuthFacts>> {
    let sql = sqlx::AssertSqlSafe(format!(
        "SELECT {} FROM mcp_oauth_facts o WHERE o.mcp_server_id = $1",
        OAuthFactsRow::SELECTED
    ));
    Ok(fetch_optional!(session, OAuthFactsRow, sql, server)?.and_then(OAuthFactsRow::facts))
}

/// Stores what was found, over what was there. A lease on the registration stays with its holder.
///
/// # Errors
/// A conflict when there is no such server.
pub async fn oauth_facts_put(write: &mut Write, facts: &OAuthFacts) -> Result<()> {
    // The id goes along: the ciphertext is bound to it.
    let now = now_sql(write);
    let sql = sqlx::AssertSqlSafe(format!(
        "INSERT INTO mcp_oauth_facts (id, mcp_server_id, issuer, resource, token_url, iss_required, offline_access, scopes, \
               scopes_source, guessed, auth_methods, auth_method, registration_endpoint, registration_uri, registration_token, \
               registration_token_key_id, secret_expires_at, found_at, registered_at, drift, revocation_found, looked_at) \
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, {now}) \
               ON CONFLICT (mcp_server_id) DO UPDATE SET id = excluded.id, issuer = excluded.issuer, resource = excluded.resource, \
               token_url = excluded.token_url, iss_required = excluded.iss_required, offline_access = excluded.offline_access, \
               scopes = excluded.scopes, scopes_source = excluded.scopes_source, guessed = excluded.guessed, \
               auth_methods = excluded.auth_methods, auth_method = excluded.auth_method, \
               registration_endpoint = excluded.registration_endpoint, registration_uri = excluded.registration_uri, \
               registration_token = excluded.registration_token, registration_token_key_id = excluded.registration_token_key_id, \
               secret_expires_at = excluded.secret_expires_at, found_at = excluded.found_at, registered_at = excluded.registered_at, \
               drift = excluded.drift, revocation_found = excluded.revocation_found, looked_at = excluded.looked_at"
    ));
    execute!(
        write,
        sql,
        facts.id,
        facts.mcp_server_id,
        &facts.issuer,
        &facts.resource,
        &facts.token_url,
        facts.iss_required,
        facts.offline_access,
        &facts.scopes,
        &facts.scopes_source,
        facts.guessed,
        facts.auth_methods.as_ref().map(Json),
        &facts.auth_method,
        &facts.registration_endpoint,
        &facts.registration_uri,
        facts.registration_token.ciphertext.as_deref(),
        facts.registration_token.key_id.as_deref(),
        facts.secret_expires_at.map(Micros::from),
        Micros::from(facts.found_at),
        facts.registered_at.map(Micros::from),
        &facts.drift,
        &facts.revocation_found,
    )
    .map(|_| ())
}

/// Servers whose provider nobody has looked at for `age_micros`, at most `limit`: enabled ones of type `oauth2` for which it was found.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn oauth_looks_due(session: &mut Session, age_micros: i64, limit: i64) -> Result<Vec<Uuid>> {
    let now = now_sql(session);
    let sql = sqlx::AssertSqlSafe(format!(
        "SELECT o.mcp_server_id FROM mcp_oauth_facts o JOIN mcp_servers s ON s.id = o.mcp_server_id \
         WHERE o.found_at IS NOT NULL AND (o.looked_at IS NULL OR o.looked_at <= {now} - $1) \
         AND s.enabled AND s.setup_until IS NULL AND s.auth_type = 'oauth2' ORDER BY o.looked_at, o.id LIMIT $2"
    ));
    Ok(fetch_all!(session, (Uuid,), sql, age_micros, limit)?.into_iter().map(|(server,)| server).collect())
}

/// Takes a look at a server's provider, unless somebody has within `age_micros`: one look for all replicas.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn oauth_look_claim(write: &mut Write, server: Uuid, age_micros: i64) -> Result<bool> {
    let now = now_sql(write);
    let sql = sqlx::AssertSqlSafe(format!(
        "UPDATE mcp_oauth_facts SET looked_at = {now} WHERE mcp_server_id = $1 AND found_at IS NOT NULL \
         AND (looked_at IS NULL OR looked_at <= {now} - $2)"
    ));
    Ok(execute!(write, sql, server, age_micros)? > 0)
}

/// Notes what has moved since `seen` was found; empty: nothing has. False when that is known already, or something else was found
/// meanwhile.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn oauth_drift_put(write: &mut Write, seen: &OAuthFacts, drift: &str) -> Result<bool> {
    let sql = "UPDATE mcp_oauth_facts SET drift = $2 WHERE id = $1 AND drift <> $2 AND issuer = $3 AND token_url = $4";
    let drift: String = drift.chars().filter(|c| *c != '\0').take(DRIFT_CHARS).collect();
    Ok(execute!(write, sql, seen.id, drift, &seen.issuer, &seen.token_url)? > 0)
}

/// Forgets what was found for a server, and any lease on its registration: whoever holds it has lost it. True when there was something.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn oauth_facts_delete(write: &mut Write, server: Uuid) -> Result<bool> {
    Ok(execute!(write, "DELETE FROM mcp_oauth_facts WHERE mcp_server_id = $1", server)? > 0)
}

/// Takes the lease on a server's registration, unless somebody has it: there is one registration per server in the whole cluster.
/// False, too, when there is no such server.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn oauth_registration_claim(
    write: &mut Write,
    server: Uuid,
    holder: Uuid,
    lease_micros: i64,
) -> Result<bool> {
    // Without facts a row for the lease alone. Its id is the server's, which no other row here can have.
    let sql = "INSERT INTO mcp_oauth_facts (id, mcp_server_id) SELECT s.id, s.id FROM mcp_servers s WHERE s.id = $1 \
               ON CONFLICT DO NOTHING";
    execute!(write, sql, server)?;
    let now = now_sql(write);
    let sql = sqlx::AssertSqlSafe(format!(
        "UPDATE mcp_oauth_facts SET registering_by = $2, registering_until = {now} + $3 \
         WHERE mcp_server_id = $1 AND (registering_until IS NULL OR registering_until <= {now})"
    ));
    Ok(execute!(write, sql, server, holder, lease_micros)? > 0)
}

/// Gives the lease on a registration back. False when it ran out or somebody else has it: what `holder` found must not be stored, so this
/// comes first in the transaction that stores it.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn oauth_registration_release(write: &mut Write, server: Uuid, holder: Uuid) -> Result<bool> {
    let now = now_sql(write);
    let sql = sqlx::AssertSqlSafe(format!(
        "UPDATE mcp_oauth_facts SET registering_by = NULL, registering_until = NULL \
         WHERE mcp_server_id = $1 AND registering_by = $2 AND registering_until > {now}"
    ));
    Ok(execute!(write, sql, server, holder)? > 0)
}
