//! Subagents as rows: chats below another chat (behaviour 21).
//!
//! Locks are taken from the parent to its children, never the other way round.

use super::{COLUMNS, ChatRecord, ChatRow, chat_insert};
use crate::{Result, Session, Write, session::Engine};
use api::Uuid;
use sqlx::{Database, Encode, QueryBuilder, Type};

/// Which call made a subagent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpawnedBy<'a> {
    pub message_id: i64,
    pub tool_call_id: &'a str,
}

/// A new subagent, in the transaction that holds the row lock of its parent and has found nothing by [`child_spawned`].
///
/// # Errors
/// A conflict on an unknown parent, or when this call has made one already.
pub async fn child_insert(write: &mut Write, child: &ChatRecord, by: SpawnedBy<'_>) -> Result<()> {
    chat_insert(write, child).await?;
    let sql = "UPDATE chats SET spawn_message_id = $2, spawn_call_id = $3 WHERE id = $1";
    execute!(write, sql, child.id, by.message_id, by.tool_call_id).map(|_| ())
}

/// What a call has made already.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn child_spawned(
    session: &mut Session,
    parent: Uuid,
    by: SpawnedBy<'_>,
) -> Result<Option<ChatRecord>> {
    let sql = sqlx::AssertSqlSafe(format!(
        "SELECT {COLUMNS} FROM chats WHERE parent_chat_id = $1 AND spawn_message_id = $2 AND spawn_call_id = $3"
    ));
    fetch_optional!(session, ChatRow, sql, parent, by.message_id, by.tool_call_id)?
        .map(TryInto::try_into)
        .transpose()
}

/// The subagents of a chat, the oldest first.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn chat_children(session: &mut Session, parent: Uuid) -> Result<Vec<ChatRecord>> {
    let sql = sqlx::AssertSqlSafe(format!(
        "SELECT {COLUMNS} FROM chats WHERE parent_chat_id = $1 ORDER BY created_at, id"
    ));
    fetch_all!(session, ChatRow, sql, parent)?.into_iter().map(TryInto::try_into).collect()
}

/// The same, locked until the end of the transaction, always in the same order.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn chat_children_for_update(write: &mut Write, parent: Uuid) -> Result<Vec<ChatRecord>> {
    let lock = if write.is_postgres() { " FOR UPDATE" } else { "" };
    let sql = sqlx::AssertSqlSafe(format!(
        "SELECT {COLUMNS} FROM chats WHERE parent_chat_id = $1 ORDER BY created_at, id{lock}"
    ));
    fetch_all!(write, ChatRow, sql, parent)?.into_iter().map(TryInto::try_into).collect()
}

/// The subagents of several chats, the oldest first.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn chats_children(session: &mut Session, parents: &[Uuid]) -> Result<Vec<ChatRecord>> {
    if parents.is_empty() {
        return Ok(Vec::new());
    }
    let rows: Vec<ChatRow> = match session.engine() {
        Engine::Sqlite(c) => below(parents).build_query_as().fetch_all(c).await,
        Engine::Postgres(c) => below(parents).build_query_as().fetch_all(c).await,
    }?;
    rows.into_iter().map(TryInto::try_into).collect()
}

fn below<DB>(parents: &[Uuid]) -> QueryBuilder<DB>
where
    DB: Database,
    Uuid: for<'q> Encode<'q, DB> + Type<DB>,
{
    let mut query = QueryBuilder::new("SELECT ");
    query.push(COLUMNS).push(" FROM chats WHERE parent_chat_id IN (");
    let mut ids = query.separated(", ");
    for parent in parents {
        ids.push_bind(*parent);
    }
    query.push(") ORDER BY created_at, id");
    query
}
