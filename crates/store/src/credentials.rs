//! Web sessions and API tokens. Only the SHA-256 of a secret is stored.

use crate::{Micros, Result, Session, Write, users::roles_from_bits};
use api::{
    Timestamp, Uuid,
    users::{User, UserStatus},
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CredentialKind {
    Session,
    Token,
}

impl CredentialKind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Token => "token",
        }
    }
}

/// A credential without its secret.
#[derive(Debug, Clone)]
pub struct CredentialRecord {
    pub id: Uuid,
    pub user_id: Uuid,
    pub kind: CredentialKind,
    pub name: String,
    pub user_agent: String,
    pub address: String,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
    pub last_used_at: Option<Timestamp>,
}

#[derive(sqlx::FromRow)]
struct CredentialRow {
    id: Uuid,
    user_id: Uuid,
    kind: String,
    name: String,
    user_agent: String,
    address: String,
    created_at: Micros,
    expires_at: Micros,
    last_used_at: Option<Micros>,
}

impl From<CredentialRow> for CredentialRecord {
    fn from(row: CredentialRow) -> Self {
        Self {
            id: row.id,
            user_id: row.user_id,
            kind: if row.kind == "session" { CredentialKind::Session } else { CredentialKind::Token },
            name: row.name,
            user_agent: row.user_agent,
            address: row.address,
            created_at: row.created_at.into(),
            expires_at: row.expires_at.into(),
            last_used_at: row.last_used_at.map(Into::into),
        }
    }
}

/// A live credential and whose it is.
#[derive(Debug, Clone)]
pub struct Authenticated {
    pub credential: CredentialRecord,
    pub user: User,
}

#[derive(sqlx::FromRow)]
struct AuthenticatedRow {
    #[sqlx(flatten)]
    credential: CredentialRow,
    email: String,
    username: String,
    user_name: String,
    role_bits: i64,
    status: String,
    user_created_at: Micros,
    user_updated_at: Micros,
}

/// A new credential.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn credential_insert(
    write: &mut Write,
    record: &CredentialRecord,
    secret_hash: &[u8],
) -> Result<()> {
    let sql = "INSERT INTO credentials (id, user_id, kind, name, secret_hash, user_agent, address, created_at, expires_at) \
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    execute!(
        write,
        sql,
        record.id,
        record.user_id,
        record.kind.as_str(),
        &record.name,
        secret_hash,
        &record.user_agent,
        &record.address,
        Micros::from(record.created_at),
        Micros::from(record.expires_at),
    )
    .map(|_| ())
}

/// The credential with this hash and its user, whether live or not: the caller judges expiry and status.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn credential_by_hash(session: &mut Session, secret_hash: &[u8]) -> Result<Option<Authenticated>> {
    let sql = "SELECT c.id, c.user_id, c.kind, c.name, c.user_agent, c.address, c.created_at, c.expires_at, c.last_used_at, \
               u.email, u.username, u.name AS user_name, u.role_bits, u.status, u.created_at AS user_created_at, \
               u.updated_at AS user_updated_at FROM credentials c JOIN users u ON u.id = c.user_id WHERE c.secret_hash = $1";
    Ok(fetch_optional!(session, AuthenticatedRow, sql, secret_hash)?.map(|row| Authenticated {
        user: User {
            id: row.credential.user_id,
            email: row.email,
            username: row.username,
            name: row.user_name,
            roles: roles_from_bits(row.role_bits),
            status: if row.status == "active" { UserStatus::Active } else { UserStatus::Suspended },
            created_at: row.user_created_at.into(),
            updated_at: row.user_updated_at.into(),
        },
        credential: row.credential.into(),
    }))
}

/// Notes the last use; callers do it at most once a minute.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn credential_touch(
    write: &mut Write,
    id: Uuid,
    at: Timestamp,
    expires_at: Timestamp,
) -> Result<()> {
    let sql = "UPDATE credentials SET last_used_at = $2, expires_at = $3 WHERE id = $1";
    execute!(write, sql, id, Micros::from(at), Micros::from(expires_at)).map(|_| ())
}

/// A user's credentials of one kind, newest first.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn credential_list(
    session: &mut Session,
    user_id: Uuid,
    kind: CredentialKind,
) -> Result<Vec<CredentialRecord>> {
    let sql = "SELECT id, user_id, kind, name, user_agent, address, created_at, expires_at, last_used_at FROM credentials \
               WHERE user_id = $1 AND kind = $2 ORDER BY created_at DESC, id DESC LIMIT 500";
    Ok(fetch_all!(session, CredentialRow, sql, user_id, kind.as_str())?.into_iter().map(Into::into).collect())
}

/// Removes one credential of a user; true when it was there.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn credential_delete(
    write: &mut Write,
    user_id: Uuid,
    kind: CredentialKind,
    id: Uuid,
) -> Result<bool> {
    let sql = "DELETE FROM credentials WHERE id = $1 AND user_id = $2 AND kind = $3";
    Ok(execute!(write, sql, id, user_id, kind.as_str())? > 0)
}

/// Ends every web session of a user but `keep`: after a change of password.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn sessions_delete_others(write: &mut Write, user_id: Uuid, keep: Option<Uuid>) -> Result<u64> {
    let sql = "DELETE FROM credentials WHERE user_id = $1 AND kind = 'session' AND id <> $2";
    execute!(write, sql, user_id, keep.unwrap_or(Uuid::nil()))
}

/// Removes what expired before `now`.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn credentials_sweep(write: &mut Write, now: Timestamp) -> Result<u64> {
    execute!(write, "DELETE FROM credentials WHERE expires_at < $1", Micros::from(now))
}

/// Whether a credential can still be used: there, not expired, its user active.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn credential_alive(session: &mut Session, id: Uuid, now: Timestamp) -> Result<bool> {
    let sql = "SELECT CAST(1 AS BIGINT) FROM credentials c JOIN users u ON u.id = c.user_id \
               WHERE c.id = $1 AND c.expires_at > $2 AND u.status = 'active'";
    let row: Option<(i64,)> = fetch_optional!(session, (i64,), sql, id, Micros::from(now))?;
    Ok(row.is_some())
}
