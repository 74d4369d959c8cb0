//! What providers gave to users (behaviour 10): one row per server and user. [`mod@super::refresh`] renews it.

use crate::{Micros, Result, SealedColumn, Session, StoreError, Write, clock::now_sql};
use api::{Timestamp, Uuid};
use domain::mcp_server::TokenFailure;

/// The tokens of one user for one server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserToken {
    /// The ciphertexts are bound to it.
    pub id: Uuid,
    pub mcp_server_id: Uuid,
    pub user_id: Uuid,
    /// Empty only after a failure.
    pub access_token: SealedColumn,
    pub refresh_token: SealedColumn,
    pub token_type: String,
    /// Of the access token; `None`: never.
    pub expires_at: Option<Timestamp>,
    /// What was granted.
    pub scopes: String,
    /// What the server asked for since, and nobody has granted; empty when nothing is missing.
    pub wanted_scopes: String,
    /// Whom it was issued by, for what, to which client, and where it is renewed.
    pub issuer: String,
    pub resource: String,
    pub client_id: String,
    pub token_url: String,
    /// Why it is of no use any more.
    pub failure: Option<TokenFailure>,
    /// For admins, at most 400 characters.
    pub failure_detail: String,
    pub failed_at: Option<Timestamp>,
    /// Rises with every write of the credential, also over a removal in between.
    pub version: i64,
    /// Who may send the refresh token, and until when by the database's clock.
    pub refresh_lease_id: Option<Uuid>,
    pub refresh_lease_until: Option<Timestamp>,
    /// Token requests with the present refresh token whose answer was never stored.
    pub refresh_sends: i64,
    /// By the database's clock.
    pub refresh_not_before: Option<Timestamp>,
    /// In a row.
    pub refresh_failures: i64,
    pub connected_at: Timestamp,
    pub updated_at: Timestamp,
}

/// Joined to a server: all there, or nothing.
#[derive(sqlx::FromRow)]
pub(crate) struct TokenRow {
    token_id: Option<Uuid>,
    token_server_id: Option<Uuid>,
    token_user_id: Option<Uuid>,
    token_access: Option<Vec<u8>>,
    token_access_key_id: Option<String>,
    token_refresh: Option<Vec<u8>>,
    token_refresh_key_id: Option<String>,
    token_type: Option<String>,
    token_expires_at: Option<Micros>,
    token_scopes: Option<String>,
    token_wanted_scopes: Option<String>,
    token_issuer: Option<String>,
    token_resource: Option<String>,
    token_client_id: Option<String>,
    token_token_url: Option<String>,
    token_failure: Option<String>,
    token_failure_detail: Option<String>,
    token_failed_at: Option<Micros>,
    token_version: Option<i64>,
    token_lease_id: Option<Uuid>,
    token_lease_until: Option<Micros>,
    token_sends: Option<i64>,
    token_not_before: Option<Micros>,
    token_failures: Option<i64>,
    token_connected_at: Option<Micros>,
    token_updated_at: Option<Micros>,
}

/// The columns of the table, and what they are called in a [`TokenRow`].
const COLUMNS: [(&str, &str); 26] = [
    ("id", "token_id"),
    ("mcp_server_id", "token_server_id"),
    ("user_id", "token_user_id"),
    ("access_token", "token_access"),
    ("access_token_key_id", "token_access_key_id"),
    ("refresh_token", "token_refresh"),
    ("refresh_token_key_id", "token_refresh_key_id"),
    ("token_type", "token_type"),
    ("expires_at", "token_expires_at"),
    ("scopes", "token_scopes"),
    ("wanted_scopes", "token_wanted_scopes"),
    ("issuer", "token_issuer"),
    ("resource", "token_resource"),
    ("client_id", "token_client_id"),
    ("token_url", "token_token_url"),
    ("failure", "token_failure"),
    ("failure_detail", "token_failure_detail"),
    ("failed_at", "token_failed_at"),
    ("version", "token_version"),
    ("refresh_lease_id", "token_lease_id"),
    ("refresh_lease_until", "token_lease_until"),
    ("refresh_sends", "token_sends"),
    ("refresh_not_before", "token_not_before"),
    ("refresh_failures", "token_failures"),
    ("connected_at", "token_connected_at"),
    ("updated_at", "token_updated_at"),
];

impl TokenRow {
    /// The columns, each behind `of`: the alias with its dot; nothing after `RETURNING`, where SQLite knows no alias.
    pub(crate) fn selected(of: &str) -> String {
        COLUMNS.map(|(column, name)| format!("{of}{column} AS {name}")).join(", ")
    }

    pub(crate) fn token(self) -> Result<Option<UserToken>> {
        let (Some(id), Some(word)) = (self.token_id, self.token_failure.as_deref()) else { return Ok(None) };
        let failure = match word {
            "" => None,
            word => Some(TokenFailure::parse(word).ok_or_else(|| StoreError::Inconsistent {
                table: "mcp_user_tokens",
                column: "failure",
                row: id.to_string(),
            })?),
        };
        Ok(self.with(id, failure))
    }

    fn with(self, id: Uuid, failure: Option<TokenFailure>) -> Option<UserToken> {
        Some(UserToken {
            id,
            mcp_server_id: self.token_server_id?,
            user_id: self.token_user_id?,
            access_token: SealedColumn { ciphertext: self.token_access, key_id: self.token_access_key_id },
            refresh_token: SealedColumn { ciphertext: self.token_refresh, key_id: self.token_refresh_key_id },
            token_type: self.token_type?,
            expires_at: self.token_expires_at.map(Into::into),
            scopes: self.token_scopes?,
            wanted_scopes: self.token_wanted_scopes?,
            issuer: self.token_issuer?,
            resource: self.token_resource?,
            client_id: self.token_client_id?,
            token_url: self.token_token_url?,
            failure,
            failure_detail: self.token_failure_detail?,
            failed_at: self.token_failed_at.map(Into::into),
            version: self.token_version?,
            refresh_lease_id: self.token_lease_id,
            refresh_lease_until: self.token_lease_until.map(Into::into),
            refresh_sends: self.token_sends?,
            refresh_not_before: self.token_not_before.map(Into::into),
            refresh_failures: self.token_failures?,
            connected_at: self.token_connected_at?.into(),
            updated_at: self.token_updated_at?.into(),
        })
    }
}

fn tokens(rows: Vec<TokenRow>) -> Result<Vec<UserToken>> {
    rows.into_iter().filter_map(|row| row.token().transpose()).collect()
}

/// The tokens of one user for a server.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn user_token_get(session: &mut Session, server: Uuid, user: Uuid) -> Result<Option<UserToken>> {
    let sql = sqlx::AssertSqlSafe(format!(
        "SELECT {} FROM mcp_user_tokens t WHERE t.mcp_server_id = $1 AND t.user_id = $2",
        TokenRow::selected("t.")
    ));
    fetch_optional!(session, TokenRow, sql, server, user)?.map_or(Ok(None), TokenRow::token)
}

/// Stores what a provider gave, over what was there; its version. Failure, lease, back-off and version of `token` are not read: a new grant
/// begins without a history. The version is the database's clock, or one more than the old one where that stands still.
///
/// # Errors
/// A conflict when the server or the user is gone.
pub async fn user_token_put(write: &mut Write, token: &UserToken) -> Result<i64> {
    let now = now_sql(write);
    // The id goes along: the ciphertexts are bound to it.
    let sql = sqlx::AssertSqlSafe(format!(
        "INSERT INTO mcp_user_tokens (id, mcp_server_id, user_id, access_token, access_token_key_id, refresh_token, \
         refresh_token_key_id, token_type, expires_at, scopes, wanted_scopes, issuer, resource, client_id, token_url, connected_at, \
         updated_at, version) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, {now}) \
         ON CONFLICT (mcp_server_id, user_id) DO UPDATE SET id = excluded.id, access_token = excluded.access_token, \
         access_token_key_id = excluded.access_token_key_id, refresh_token = excluded.refresh_token, \
         refresh_token_key_id = excluded.refresh_token_key_id, token_type = excluded.token_type, expires_at = excluded.expires_at, \
         scopes = excluded.scopes, wanted_scopes = excluded.wanted_scopes, issuer = excluded.issuer, resource = excluded.resource, \
         client_id = excluded.client_id, token_url = excluded.token_url, failure = '', failure_detail = '', failed_at = NULL, \
         version = CASE WHEN mcp_user_tokens.version >= excluded.version THEN mcp_user_tokens.version + 1 ELSE excluded.version END, \
         refresh_lease_id = NULL, refresh_lease_until = NULL, refresh_sends = 0, refresh_not_before = NULL, refresh_failures = 0, \
         connected_at = excluded.connected_at, updated_at = excluded.updated_at RETURNING version"
    ));
    let (version,): (i64,) = fetch_one!(
        write,
        (i64,),
        sql,
        token.id,
        token.mcp_server_id,
        token.user_id,
        token.access_token.ciphertext.as_deref(),
        token.access_token.key_id.as_deref(),
        token.refresh_token.ciphertext.as_deref(),
        token.refresh_token.key_id.as_deref(),
        &token.token_type,
        token.expires_at.map(Micros::from),
        &token.scopes,
        &token.wanted_scopes,
        &token.issuer,
        &token.resource,
        &token.client_id,
        &token.token_url,
        Micros::from(token.connected_at),
        Micros::from(token.updated_at),
    )?;
    Ok(version)
}

/// Notes which scopes a server asks for beyond those that were granted; empty: none any more. The credential is the same, so its version
/// is too. False when there is no token.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn user_token_want(write: &mut Write, server: Uuid, user: Uuid, scopes: &str) -> Result<bool> {
    let sql = "UPDATE mcp_user_tokens SET wanted_scopes = $3 WHERE mcp_server_id = $1 AND user_id = $2";
    Ok(execute!(write, sql, server, user, scopes)? > 0)
}

/// Removes one user's tokens; what there was, for the provider to be told.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn user_token_delete(write: &mut Write, server: Uuid, user: Uuid) -> Result<Option<UserToken>> {
    let sql = sqlx::AssertSqlSafe(format!(
        "DELETE FROM mcp_user_tokens WHERE mcp_server_id = $1 AND user_id = $2 RETURNING {}",
        TokenRow::selected("")
    ));
    fetch_optional!(write, TokenRow, sql, server, user)?.map_or(Ok(None), TokenRow::token)
}

/// Removes the tokens of one user, of every server; what there was.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn user_tokens_delete_of_user(write: &mut Write, user: Uuid) -> Result<Vec<UserToken>> {
    let sql = sqlx::AssertSqlSafe(format!(
        "DELETE FROM mcp_user_tokens WHERE user_id = $1 RETURNING {}",
        TokenRow::selected("")
    ));
    tokens(fetch_all!(write, TokenRow, sql, user)?)
}

/// Removes the tokens of up to `limit` users of a server; what there was. Empty: none is left.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn user_tokens_delete_page(write: &mut Write, server: Uuid, limit: i64) -> Result<Vec<UserToken>> {
    let sql = sqlx::AssertSqlSafe(format!(
        "DELETE FROM mcp_user_tokens WHERE id IN (SELECT d.id FROM mcp_user_tokens d WHERE d.mcp_server_id = $1 \
         ORDER BY d.user_id LIMIT $2) RETURNING {}",
        TokenRow::selected("")
    ));
    tokens(fetch_all!(write, TokenRow, sql, server, limit)?)
}

/// The resources for which tokens of a server were issued, each once.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn user_tokens_resources(session: &mut Session, server: Uuid) -> Result<Vec<String>> {
    let sql = "SELECT DISTINCT resource FROM mcp_user_tokens WHERE mcp_server_id = $1 ORDER BY resource";
    Ok(fetch_all!(session, (String,), sql, server)?.into_iter().map(|(resource,)| resource).collect())
}

/// As [`user_tokens_delete_page`], only what was issued for this resource.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn user_tokens_delete_of_resource(
    write: &mut Write,
    server: Uuid,
    resource: &str,
    limit: i64,
) -> Result<Vec<UserToken>> {
    let sql = sqlx::AssertSqlSafe(format!(
        "DELETE FROM mcp_user_tokens WHERE id IN (SELECT d.id FROM mcp_user_tokens d WHERE d.mcp_server_id = $1 \
         AND d.resource = $2 ORDER BY d.user_id LIMIT $3) RETURNING {}",
        TokenRow::selected("")
    ));
    tokens(fetch_all!(write, TokenRow, sql, server, resource, limit)?)
}

/// How many users have tokens for a server, those that failed among them.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn user_tokens_count(session: &mut Session, server: Uuid) -> Result<i64> {
    let sql = "SELECT COUNT(*) FROM mcp_user_tokens WHERE mcp_server_id = $1";
    let (count,): (i64,) = fetch_one!(session, (i64,), sql, server)?;
    Ok(count)
}

#[derive(sqlx::FromRow)]
struct OfUserRow {
    username: String,
    #[sqlx(flatten)]
    token: TokenRow,
}

/// The tokens of all users for a server with their names, by user name; at most `limit`, those after the name `after`.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn user_tokens_page(
    session: &mut Session,
    server: Uuid,
    after: &str,
    limit: i64,
) -> Result<Vec<(String, UserToken)>> {
    let sql = sqlx::AssertSqlSafe(format!(
        "SELECT u.username, {} FROM mcp_user_tokens t JOIN users u ON u.id = t.user_id \
         WHERE t.mcp_server_id = $1 AND lower(u.username) > lower($2) ORDER BY lower(u.username) LIMIT $3",
        TokenRow::selected("t.")
    ));
    fetch_all!(session, OfUserRow, sql, server, after, limit)?
        .into_iter()
        .filter_map(|row| row.token.token().transpose().map(|token| Ok((row.username, token?))))
        .collect()
}
