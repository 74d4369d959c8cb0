//! What changed (DESIGN, Storage): a short command beside the server, and every other replica, leave a row here in the transaction of
//! the change; each server polls it and lets its caches follow.

use crate::{Micros, Result, Session, Write, clock::database_now};

/// Rows older than this are swept, microseconds. A follower that was away for longer treats everything as changed.
pub const CHANGES_KEPT_MICROS: i64 = 3_600_000_000;
/// One transaction at a time hands out ids, or a reader could see a later id first and never look for the earlier one.
const ORDER_LOCK: i64 = 0x7061_7463_6862_6179;

/// What kind of thing changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeKind {
    Servers,
    Users,
    Groups,
    Keys,
    Models,
    Settings,
    /// The known definitions of a server's tools.
    Tools,
}

impl ChangeKind {
    pub const ALL: [ChangeKind; 7] =
        [Self::Servers, Self::Users, Self::Groups, Self::Keys, Self::Models, Self::Settings, Self::Tools];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Servers => "servers",
            Self::Users => "users",
            Self::Groups => "groups",
            Self::Keys => "keys",
            Self::Models => "models",
            Self::Settings => "settings",
            Self::Tools => "tools",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    pub id: i64,
    pub kind: ChangeKind,
    /// The id of what changed; empty for all of the kind.
    pub subject: String,
}

#[derive(sqlx::FromRow)]
struct ChangeRow {
    id: i64,
    kind: String,
    subject: String,
}

/// Leaves a note of a change; its id. The last statement before the commit: on PostgreSQL it waits for others who do the same.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn change_note(write: &mut Write, kind: ChangeKind, subject: &str) -> Result<i64> {
    if write.is_postgres() {
        execute!(write, "SELECT pg_advisory_xact_lock($1)", ORDER_LOCK)?;
    }
    let now = database_now(write).await?;
    let sql = "INSERT INTO changes (kind, subject, at) VALUES ($1, $2, $3) RETURNING id";
    let (id,): (i64,) = fetch_one!(write, (i64,), sql, kind.as_str(), subject, now)?;
    Ok(id)
}

/// The changes behind `last`, oldest first, at most `limit`. Kinds of a newer build are left out: nobody here follows them.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn changes_after(session: &mut Session, last: i64, limit: i64) -> Result<Vec<Change>> {
    let sql = "SELECT id, kind, subject FROM changes WHERE id > $1 ORDER BY id LIMIT $2";
    let rows = fetch_all!(session, ChangeRow, sql, last, limit)?;
    Ok(rows
        .into_iter()
        .filter_map(|row| {
            Some(Change { id: row.id, kind: ChangeKind::parse(&row.kind)?, subject: row.subject })
        })
        .collect())
}

/// Where a follower begins: the id of the last change.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn change_last(session: &mut Session) -> Result<i64> {
    let (last,): (i64,) = fetch_one!(session, (i64,), "SELECT COALESCE(MAX(id), 0) FROM changes")?;
    Ok(last)
}

/// Removes old changes.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn changes_sweep(write: &mut Write) -> Result<u64> {
    let Micros(now) = database_now(write).await?;
    let sql = "DELETE FROM changes WHERE at < $1";
    execute!(write, sql, Micros(now - CHANGES_KEPT_MICROS))
}
