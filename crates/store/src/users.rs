//! Accounts.

use crate::{Micros, Result, Session, Write, search::contains_pattern};
use api::{
    Uuid,
    users::{Role, User, UserStatus},
};

/// An account as stored.
#[derive(Debug, Clone)]
pub struct UserRecord {
    pub user: User,
    /// PHC string; `None` when the account has no password.
    pub password_hash: Option<String>,
}

#[derive(sqlx::FromRow)]
pub(crate) struct UserRow {
    id: Uuid,
    email: String,
    username: String,
    name: String,
    password_hash: Option<String>,
    role_bits: i64,
    status: String,
    created_at: Micros,
    updated_at: Micros,
}

const COLUMNS: &str = "id, email, username, name, password_hash, role_bits, status, created_at, updated_at";

fn role_bit(role: Role) -> i64 {
    match role {
        Role::Owner => 1,
        Role::Admin => 2,
        Role::Auditor => 4,
        Role::Member => 8,
    }
}

pub(crate) fn roles_to_bits(roles: &[Role]) -> i64 {
    roles.iter().fold(0, |bits, role| bits | role_bit(*role))
}

pub(crate) fn roles_from_bits(bits: i64) -> Vec<Role> {
    Role::ALL.into_iter().filter(|role| bits & role_bit(*role) != 0).collect()
}

impl From<UserRow> for UserRecord {
    fn from(row: UserRow) -> Self {
        Self {
            user: User {
                id: row.id,
                email: row.email,
                username: row.username,
                name: row.name,
                roles: roles_from_bits(row.role_bits),
                status: if row.status == "active" { UserStatus::Active } else { UserStatus::Suspended },
                created_at: row.created_at.into(),
                updated_at: row.updated_at.into(),
            },
            password_hash: row.password_hash,
        }
    }
}

/// True while somebody has an account.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn users_exist(session: &mut Session) -> Result<bool> {
    let row: Option<(i64,)> =
        fetch_optional!(session, (i64,), "SELECT CAST(1 AS BIGINT) FROM users LIMIT 1")?;
    Ok(row.is_some())
}

/// Takes the lock under which the first owner is made: two set-ups at once must not both pass.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn users_lock(write: &mut Write) -> Result<()> {
    if write.is_postgres() {
        execute!(write, "LOCK TABLE users IN EXCLUSIVE MODE")?;
    }
    Ok(())
}

/// A new account.
///
/// # Errors
/// A conflict on `email` or `username`.
pub async fn user_insert(write: &mut Write, record: &UserRecord) -> Result<()> {
    let user = &record.user;
    let sql = "INSERT INTO users (id, email, username, name, password_hash, role_bits, status, created_at, updated_at) \
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    execute!(
        write,
        sql,
        user.id,
        &user.email,
        &user.username,
        &user.name,
        record.password_hash.as_deref(),
        roles_to_bits(&user.roles),
        user.status.as_str(),
        Micros::from(user.created_at),
        Micros::from(user.updated_at),
    )
    .map(|_| ())
}

/// Writes every field of an existing account.
///
/// # Errors
/// A conflict on `email` or `username`.
pub async fn user_update(write: &mut Write, record: &UserRecord) -> Result<()> {
    let user = &record.user;
    let sql = "UPDATE users SET email = $2, username = $3, name = $4, password_hash = $5, role_bits = $6, status = $7, \
               updated_at = $8 WHERE id = $1";
    execute!(
        write,
        sql,
        user.id,
        &user.email,
        &user.username,
        &user.name,
        record.password_hash.as_deref(),
        roles_to_bits(&user.roles),
        user.status.as_str(),
        Micros::from(user.updated_at),
    )
    .map(|_| ())
}

/// Removes an account with all it owns; true when it was there.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn user_delete(write: &mut Write, id: Uuid) -> Result<bool> {
    Ok(execute!(write, "DELETE FROM users WHERE id = $1", id)? > 0)
}

/// One account.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn user_get(session: &mut Session, id: Uuid) -> Result<Option<UserRecord>> {
    let sql = sqlx::AssertSqlSafe(format!("SELECT {COLUMNS} FROM users WHERE id = $1"));
    Ok(fetch_optional!(session, UserRow, sql, id)?.map(Into::into))
}

/// One account, locked until the end of the transaction.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn user_get_for_update(write: &mut Write, id: Uuid) -> Result<Option<UserRecord>> {
    let lock = if write.is_postgres() { " FOR UPDATE" } else { "" };
    let sql = sqlx::AssertSqlSafe(format!("SELECT {COLUMNS} FROM users WHERE id = $1{lock}"));
    Ok(fetch_optional!(write, UserRow, sql, id)?.map(Into::into))
}

/// The account with this e-mail address, whatever its case.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn user_by_email(session: &mut Session, email: &str) -> Result<Option<UserRecord>> {
    let sql = sqlx::AssertSqlSafe(format!("SELECT {COLUMNS} FROM users WHERE lower(email) = lower($1)"));
    Ok(fetch_optional!(session, UserRow, sql, email)?.map(Into::into))
}

/// Accounts by user name; pages of `limit` after the name `after`. `q`: only those whose user name, name or email contains it,
/// whatever its case; empty: all.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn user_list(session: &mut Session, q: &str, after: &str, limit: i64) -> Result<Vec<UserRecord>> {
    let sql = sqlx::AssertSqlSafe(format!(
        "SELECT {COLUMNS} FROM users WHERE lower(username) > lower($1) AND ($3 = '%%' OR lower(username) LIKE $3 ESCAPE '!' \
         OR lower(email) LIKE $3 ESCAPE '!' OR lower(name) LIKE $3 ESCAPE '!') ORDER BY lower(username) LIMIT $2"
    ));
    let rows = fetch_all!(session, UserRow, sql, after, limit, contains_pattern(q))?;
    Ok(rows.into_iter().map(Into::into).collect())
}

/// How many active owners there are: the last one must stay.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn owners_count(session: &mut Session) -> Result<i64> {
    let sql = "SELECT COUNT(*) FROM users WHERE status = 'active' AND role_bits % 2 = 1";
    let (count,): (i64,) = fetch_one!(session, (i64,), sql)?;
    Ok(count)
}

/// Whether a user may act: there and active.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn user_is_active(session: &mut Session, id: Uuid) -> Result<bool> {
    let sql = "SELECT CAST(1 AS BIGINT) FROM users WHERE id = $1 AND status = 'active'";
    let row: Option<(i64,)> = fetch_optional!(session, (i64,), sql, id)?;
    Ok(row.is_some())
}
