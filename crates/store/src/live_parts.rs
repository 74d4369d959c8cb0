//! Events of running turns on their way to other replicas (behaviour 19). PostgreSQL alone: one process serves a file of SQLite, and
//! there every function here has nothing to do.
//!
//! Rows are a courtesy to readers. What is committed finds them anyway, so nothing here is durable and nothing waits for the disk.

use crate::{Db, Result, clock::POSTGRES_NOW};
use api::Uuid;
use sqlx::{
    AssertSqlSafe, PgPool,
    postgres::{PgListener, PgPoolOptions},
};

/// One writer at a time hands out ids, or a reader could see a later id first and never look for the earlier one.
const ORDER_LOCK: i64 = 0x6c69_7665_5f70_7473;
const CHANNEL: &str = "patchbay_live";

/// Events of a chat to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LivePut {
    pub chat_id: Uuid,
    pub edit_version: i64,
    /// JSON, a list.
    pub events: String,
}

/// A row as another replica reads it.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct LiveRow {
    pub id: i64,
    pub chat_id: Uuid,
    pub edit_version: i64,
    pub events: String,
}

fn pool(db: &Db) -> Option<&PgPool> {
    match db {
        Db::Sqlite { .. } => None,
        Db::Postgres(pool) => Some(pool),
    }
}

/// Writes rows of one process and tells who listens; the id of the first one.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn live_put(db: &Db, holder: Uuid, rows: Vec<LivePut>) -> Result<i64> {
    let Some(pool) = pool(db) else { return Ok(0) };
    let (mut chats, mut versions, mut events) = (Vec::new(), Vec::new(), Vec::new());
    for row in rows {
        chats.push(row.chat_id);
        versions.push(row.edit_version);
        events.push(row.events);
    }
    // One statement and so one round trip: a process that is stopped in the middle keeps the lock from nobody.
    let sql = format!(
        "WITH locked AS MATERIALIZED (SELECT pg_advisory_xact_lock($1)), \
         added AS (INSERT INTO live_parts (chat_id, holder, edit_version, events, at) \
         SELECT r.chat_id, $2, r.edit_version, r.events, {POSTGRES_NOW} \
         FROM locked, UNNEST($3::uuid[], $4::bigint[], $5::text[]) AS r(chat_id, edit_version, events) RETURNING id) \
         SELECT COALESCE(MIN(id), 0), pg_notify('{CHANNEL}', '') FROM added"
    );
    let (first,): (i64,) = sqlx::query_as(AssertSqlSafe(sql))
        .bind(ORDER_LOCK)
        .bind(holder)
        .bind(chats)
        .bind(versions)
        .bind(events)
        .fetch_one(pool)
        .await?;
    Ok(first)
}

/// The id of the newest row, 0 for none.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn live_head(db: &Db) -> Result<i64> {
    let Some(pool) = pool(db) else { return Ok(0) };
    let (head,): (i64,) =
        sqlx::query_as("SELECT COALESCE(MAX(id), 0) FROM live_parts").fetch_one(pool).await?;
    Ok(head)
}

/// The rows of other processes for these chats behind `after` and up to `head`, oldest first, at most `limit`.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn live_after(
    db: &Db,
    holder: Uuid,
    chats: &[Uuid],
    (after, head): (i64, i64),
    limit: i64,
) -> Result<Vec<LiveRow>> {
    let Some(pool) = pool(db) else { return Ok(Vec::new()) };
    let sql = "SELECT id, chat_id, edit_version, events FROM live_parts \
               WHERE id > $1 AND id <= $2 AND holder <> $3 AND chat_id = ANY($4) ORDER BY id LIMIT $5";
    let rows =
        sqlx::query_as(sql).bind(after).bind(head).bind(holder).bind(chats).bind(limit).fetch_all(pool);
    Ok(rows.await?)
}

/// Removes the rows that a process wrote for each chat before a row, once what they tell is committed and everybody has looked.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn live_remove(db: &Db, holder: Uuid, before: &[(Uuid, i64)]) -> Result<u64> {
    let Some(pool) = pool(db) else { return Ok(0) };
    let (chats, ids): (Vec<Uuid>, Vec<i64>) = before.iter().copied().unzip();
    let sql = "DELETE FROM live_parts l USING UNNEST($1::uuid[], $2::bigint[]) AS r(chat_id, before) \
               WHERE l.chat_id = r.chat_id AND l.id < r.before AND l.holder = $3";
    let done = sqlx::query(sql).bind(chats).bind(ids).bind(holder).execute(pool).await?;
    Ok(done.rows_affected())
}

/// Removes the rows of a chat that is no more, whoever wrote them.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn live_forget(db: &Db, chat: Uuid) -> Result<()> {
    let Some(pool) = pool(db) else { return Ok(()) };
    sqlx::query("DELETE FROM live_parts WHERE chat_id = $1").bind(chat).execute(pool).await?;
    Ok(())
}

/// Removes what processes that are no more have left; how many rows.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn live_sweep(db: &Db, older: std::time::Duration) -> Result<u64> {
    let Some(pool) = pool(db) else { return Ok(0) };
    let sql = format!("DELETE FROM live_parts WHERE at < {POSTGRES_NOW} - $1");
    let micros = i64::try_from(older.as_micros()).unwrap_or(i64::MAX / 4);
    let done = sqlx::query(AssertSqlSafe(sql)).bind(micros).execute(pool).await?;
    Ok(done.rows_affected())
}

/// Hears when another process has written rows. A hint: whoever listens looks by itself too.
pub struct LiveListener(PgListener);

impl std::fmt::Debug for LiveListener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LiveListener").finish_non_exhaustive()
    }
}

impl LiveListener {
    /// Listens on a connection of its own; `None` on SQLite.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`].
    pub async fn connect(db: &Db) -> Result<Option<Self>> {
        let Some(pool) = pool(db) else { return Ok(None) };
        // Not one of those that requests wait for.
        let own = PgPoolOptions::new().max_connections(1).max_lifetime(None).idle_timeout(None);
        let own = own.connect_with((*pool.connect_options()).clone()).await?;
        let mut listener = PgListener::connect_with(&own).await?;
        listener.listen(CHANNEL).await?;
        Ok(Some(Self(listener)))
    }

    /// Waits for the next hint; those that have come meanwhile are taken with it.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`] when the connection is gone; listen anew.
    pub async fn hint(&mut self) -> Result<()> {
        // `None`: the connection broke and stands again. What was missed is looked for.
        self.0.try_recv().await?;
        while self.0.next_buffered().is_some() {}
        Ok(())
    }
}
