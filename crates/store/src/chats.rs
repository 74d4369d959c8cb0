//! Chats (behaviour 17 and 18): the row, its fenced transitions; leases and idempotency keys lie beside it.
//!
//! Order inside a transaction that changes a chat: [`chat_transition`] first, then messages and ledger rows. The transition takes
//! the chat's row lock, so message ids ascend in the order of the commits on PostgreSQL too.

mod idempotency;
mod lease;
mod list;
mod queue;

pub use idempotency::{IdempotencyRecord, Made, idempotency_find, idempotency_prune, idempotency_put};
pub use lease::{
    chats_due, lease_claim, lease_release, lease_renew, lease_seconds_left, lease_stands,
    lease_stands_for_update, leases_forget,
};
pub use list::{ChatFilter, chat_list};
pub use queue::{
    NewQueued, QueuePlace, QueuedRecord, queue_clear, queue_find, queue_first, queue_get,
    queue_head_for_update, queue_insert, queue_list, queue_promote, queue_promoted, queue_prune,
    queue_remove, queue_size,
};

use crate::{Micros, Result, Session, StoreError, Write, clock::now_sql};
use api::{
    ORGANIZATION_ID, Timestamp, Uuid,
    chats::{Chat, ChatStatus, PlanMode, TurnError},
};
use sqlx::types::Json;
use std::{collections::BTreeMap, time::Duration};

/// A chat as stored.
#[derive(Debug, Clone, PartialEq)]
pub struct ChatRecord {
    pub id: Uuid,
    pub owner_id: Uuid,
    pub title: String,
    /// `prompt`, `generated` or `user`.
    pub title_source: String,
    pub status: ChatStatus,
    pub last_error: Option<TurnError>,
    pub model_config_id: Option<Uuid>,
    /// The completed selection (behaviour 16); ids of deleted servers may linger.
    pub mcp_server_ids: Vec<Uuid>,
    pub labels: BTreeMap<String, String>,
    pub archived: bool,
    /// Of the turns to come.
    pub plan_mode: PlanMode,
    /// Of the turn that runs or ran last: it keeps what it began with.
    pub turn_plan_mode: PlanMode,
    /// Of the newest plan; 0: there is none. Changes by [`crate::chat_plans::plan_write`] only.
    pub plan_version: i64,
    /// Place among the pinned chats of the list; 0: not pinned.
    pub pin_order: i64,
    /// `ui` or `api`.
    pub client_type: String,
    /// +1 per transaction.
    pub snapshot_version: i64,
    /// +1 per committed change of the history.
    pub history_version: i64,
    /// +1 per rewrite of the history (edit).
    pub edit_version: i64,
    /// Messages that wait for the turn before them; changes by [`chat_transition`] only.
    pub queue_length: i64,
    /// +1 per change of the queue.
    pub queue_version: i64,
    /// +1 per try of a generation; 0 again when the history changes.
    pub generation_attempt: i64,
    /// The process whose runner may write and dispatch.
    pub lease_holder: Option<Uuid>,
    /// Grows with every change of hands.
    pub lease_epoch: i64,
    /// By the database's clock.
    pub lease_expires_at: Option<Timestamp>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

impl ChatRecord {
    /// The chat as REST shows it.
    pub fn to_wire(&self) -> Chat {
        Chat {
            id: self.id,
            organization_id: ORGANIZATION_ID,
            owner_id: self.owner_id,
            workspace_id: None,
            parent_chat_id: None,
            root_chat_id: None,
            last_model_config_id: self.model_config_id,
            title: self.title.clone(),
            status: self.status,
            last_error: self.last_error.clone(),
            archived: self.archived,
            plan_mode: self.plan_mode,
            plan_version: self.plan_version,
            mcp_server_ids: self.mcp_server_ids.clone(),
            labels: self.labels.clone(),
            pin_order: self.pin_order,
            created_at: self.created_at,
            updated_at: self.updated_at,
        }
    }

    /// The state that a following write is fenced on.
    pub fn fence(&self) -> Fence {
        Fence {
            chat_id: self.id,
            status: self.status,
            history_version: self.history_version,
            lease_epoch: self.lease_epoch,
        }
    }
}

#[derive(sqlx::FromRow)]
struct ChatRow {
    id: Uuid,
    owner_id: Uuid,
    title: String,
    title_source: String,
    status: String,
    last_error: Option<Json<TurnError>>,
    model_config_id: Option<Uuid>,
    mcp_server_ids: Json<Vec<Uuid>>,
    labels: Json<BTreeMap<String, String>>,
    archived: bool,
    plan_mode: String,
    turn_plan_mode: String,
    plan_version: i64,
    pin_order: i64,
    client_type: String,
    snapshot_version: i64,
    history_version: i64,
    edit_version: i64,
    queue_length: i64,
    queue_version: i64,
    generation_attempt: i64,
    lease_holder: Option<Uuid>,
    lease_epoch: i64,
    lease_expires_at: Option<Micros>,
    created_at: Micros,
    updated_at: Micros,
}

const COLUMNS: &str = "id, owner_id, title, title_source, status, last_error, model_config_id, mcp_server_ids, labels, archived, \
     client_type, snapshot_version, history_version, edit_version, generation_attempt, lease_holder, lease_epoch, \
     lease_expires_at, created_at, updated_at, pin_order, queue_length, queue_version, plan_mode, turn_plan_mode, plan_version";

impl TryFrom<ChatRow> for ChatRecord {
    type Error = StoreError;

    fn try_from(row: ChatRow) -> Result<Self> {
        let impossible =
            |column| StoreError::Inconsistent { table: "chats", column, row: row.id.to_string() };
        let status = ChatStatus::parse(&row.status).ok_or_else(|| impossible("status"))?;
        let plan_mode = PlanMode::parse(&row.plan_mode).ok_or_else(|| impossible("plan_mode"))?;
        let turn_plan_mode =
            PlanMode::parse(&row.turn_plan_mode).ok_or_else(|| impossible("turn_plan_mode"))?;
        Ok(Self {
            id: row.id,
            owner_id: row.owner_id,
            title: row.title,
            title_source: row.title_source,
            status,
            last_error: row.last_error.map(|error| error.0),
            model_config_id: row.model_config_id,
            mcp_server_ids: row.mcp_server_ids.0,
            labels: row.labels.0,
            archived: row.archived,
            plan_mode,
            turn_plan_mode,
            plan_version: row.plan_version,
            pin_order: row.pin_order,
            client_type: row.client_type,
            snapshot_version: row.snapshot_version,
            history_version: row.history_version,
            edit_version: row.edit_version,
            queue_length: row.queue_length,
            queue_version: row.queue_version,
            generation_attempt: row.generation_attempt,
            lease_holder: row.lease_holder,
            lease_epoch: row.lease_epoch,
            lease_expires_at: row.lease_expires_at.map(Into::into),
            created_at: row.created_at.into(),
            updated_at: row.updated_at.into(),
        })
    }
}

/// A new chat.
///
/// # Errors
/// A conflict on an unknown owner or model.
pub async fn chat_insert(write: &mut Write, chat: &ChatRecord) -> Result<()> {
    let sql = sqlx::AssertSqlSafe(format!(
        "INSERT INTO chats ({COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, \
         $19, $20, $21, $22, $23, $24, $25, $26)"
    ));
    execute!(
        write,
        sql,
        chat.id,
        chat.owner_id,
        &chat.title,
        &chat.title_source,
        chat.status.as_str(),
        chat.last_error.as_ref().map(Json),
        chat.model_config_id,
        Json(&chat.mcp_server_ids),
        Json(&chat.labels),
        chat.archived,
        &chat.client_type,
        chat.snapshot_version,
        chat.history_version,
        chat.edit_version,
        chat.generation_attempt,
        chat.lease_holder,
        chat.lease_epoch,
        chat.lease_expires_at.map(Micros::from),
        Micros::from(chat.created_at),
        Micros::from(chat.updated_at),
        chat.pin_order,
        chat.queue_length,
        chat.queue_version,
        chat.plan_mode.as_str(),
        chat.turn_plan_mode.as_str(),
        chat.plan_version,
    )
    .map(|_| ())
}

/// A chat of `owner`; somebody else's is `None` (404, behaviour 17).
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn chat_get(session: &mut Session, owner: Uuid, id: Uuid) -> Result<Option<ChatRecord>> {
    let sql = sqlx::AssertSqlSafe(format!("SELECT {COLUMNS} FROM chats WHERE id = $1 AND owner_id = $2"));
    fetch_optional!(session, ChatRow, sql, id, owner)?.map(TryInto::try_into).transpose()
}

/// A chat of anybody, for the daemon.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn chat_get_any(session: &mut Session, id: Uuid) -> Result<Option<ChatRecord>> {
    let sql = sqlx::AssertSqlSafe(format!("SELECT {COLUMNS} FROM chats WHERE id = $1"));
    fetch_optional!(session, ChatRow, sql, id)?.map(TryInto::try_into).transpose()
}

/// A chat of `owner`, locked until the end of the transaction.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn chat_get_for_update(write: &mut Write, owner: Uuid, id: Uuid) -> Result<Option<ChatRecord>> {
    let lock = if write.is_postgres() { " FOR UPDATE" } else { "" };
    let sql =
        sqlx::AssertSqlSafe(format!("SELECT {COLUMNS} FROM chats WHERE id = $1 AND owner_id = $2{lock}"));
    fetch_optional!(write, ChatRow, sql, id, owner)?.map(TryInto::try_into).transpose()
}

/// Writes what people set: title and its source, archived, labels, pin, model, servers, plan mode, `updated_at`. Status, versions and lease
/// belong to [`chat_transition`] and the lease functions; only `snapshot_version` rises here. True when the chat was there.
///
/// # Errors
/// A conflict on an unknown model.
pub async fn chat_update_fields(write: &mut Write, chat: &ChatRecord) -> Result<bool> {
    let sql = "UPDATE chats SET title = $2, title_source = $3, archived = $4, labels = $5, model_config_id = $6, \
               mcp_server_ids = $7, updated_at = $8, pin_order = $9, plan_mode = $10, turn_plan_mode = $11, snapshot_version = snapshot_version + 1 \
               WHERE id = $1";
    let rows = execute!(
        write,
        sql,
        chat.id,
        &chat.title,
        &chat.title_source,
        chat.archived,
        Json(&chat.labels),
        chat.model_config_id,
        Json(&chat.mcp_server_ids),
        Micros::from(chat.updated_at),
        chat.pin_order,
        chat.plan_mode.as_str(),
        chat.turn_plan_mode.as_str(),
    )?;
    Ok(rows > 0)
}

/// Removes a chat of `owner` with its messages and its ledger; true when it was there.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn chat_delete(write: &mut Write, owner: Uuid, id: Uuid) -> Result<bool> {
    Ok(execute!(write, "DELETE FROM chats WHERE id = $1 AND owner_id = $2", id, owner)? > 0)
}

/// The chats of a user in which a turn is under way: to be stopped when the user may no longer act.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn chats_busy(session: &mut Session, owner: Uuid) -> Result<Vec<Uuid>> {
    let sql = "SELECT id FROM chats WHERE owner_id = $1 AND status IN ('running', 'interrupting', 'requires_action')";
    let rows: Vec<(Uuid,)> = fetch_all!(session, (Uuid,), sql, owner)?;
    Ok(rows.into_iter().map(|(id,)| id).collect())
}

/// What must still hold when a write arrives (behaviour 18): nothing of it is locked while a model or a tool works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fence {
    pub chat_id: Uuid,
    pub status: ChatStatus,
    pub history_version: i64,
    pub lease_epoch: i64,
}

/// What becomes of the lease in a transition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeaseChange {
    Keep,
    /// Nobody holds it; the epoch stays, so that the former holder's fence still fails on status or history.
    Release,
    /// `holder` gets it for `lasting`, under a new epoch.
    Take {
        holder: Uuid,
        lasting: Duration,
    },
    /// The present holder gets it for `lasting` from now.
    Extend {
        lasting: Duration,
    },
}

/// A step of a chat from the state of a [`Fence`] to another.
#[derive(Debug, Clone)]
pub struct Transition {
    pub to: ChatStatus,
    /// Must be set exactly when `to` is `error`.
    pub last_error: Option<TurnError>,
    /// The history changes: `history_version` +1, `generation_attempt` 0.
    pub history: bool,
    /// The history is rewritten: `edit_version` +1.
    pub rewrite: bool,
    /// Another try of the same generation; ignored when `history` is set.
    pub attempt: Option<i64>,
    /// So many more messages wait. Anything but 0 raises `queue_version`.
    pub queue: i64,
    /// The order of what waits changed, though not how many.
    pub reorder: bool,
    pub lease: LeaseChange,
    pub at: Timestamp,
}

impl Transition {
    /// To `to`, with everything else as it is.
    pub fn to(to: ChatStatus, at: Timestamp) -> Self {
        Self {
            to,
            last_error: None,
            history: false,
            rewrite: false,
            attempt: None,
            queue: 0,
            reorder: false,
            lease: LeaseChange::Keep,
            at,
        }
    }

    /// With status and error as they are: only the queue changes.
    pub fn stay(chat: &ChatRecord, at: Timestamp) -> Self {
        Self { last_error: chat.last_error.clone(), ..Self::to(chat.status, at) }
    }

    /// So many more wait, or fewer.
    #[must_use]
    pub fn queue(mut self, change: i64) -> Self {
        self.queue = change;
        self
    }

    /// What waits is in another order.
    #[must_use]
    pub fn reorder(mut self) -> Self {
        self.reorder = true;
        self
    }

    #[must_use]
    pub fn history(mut self) -> Self {
        self.history = true;
        self
    }

    #[must_use]
    pub fn rewrite(mut self) -> Self {
        self.rewrite = true;
        self.history()
    }

    #[must_use]
    pub fn attempt(mut self, attempt: i64) -> Self {
        self.attempt = Some(attempt);
        self
    }

    #[must_use]
    pub fn error(mut self, error: TurnError) -> Self {
        self.to = ChatStatus::Error;
        self.last_error = Some(error);
        self
    }

    #[must_use]
    pub fn lease(mut self, lease: LeaseChange) -> Self {
        self.lease = lease;
        self
    }
}

/// Makes the step and returns the chat after it, or `None` when the fence no longer holds: somebody else moved the chat on, and
/// the caller must read it again before it does anything.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn chat_transition(
    write: &mut Write,
    fence: &Fence,
    step: &Transition,
) -> Result<Option<ChatRecord>> {
    let now = now_sql(write);
    // One text per kind of lease change; $10 is its length in microseconds, $11 its holder.
    let lease = match step.lease {
        LeaseChange::Keep => "lease_epoch = lease_epoch".to_owned(),
        LeaseChange::Release => "lease_holder = NULL, lease_expires_at = NULL".to_owned(),
        LeaseChange::Take { .. } => {
            format!("lease_holder = $11, lease_epoch = lease_epoch + 1, lease_expires_at = {now} + $10")
        }
        LeaseChange::Extend { .. } => format!("lease_expires_at = {now} + $10"),
    };
    // The last condition names both so that every text has the same parameters.
    let sql = sqlx::AssertSqlSafe(format!(
        "UPDATE chats SET status = $2, last_error = $3, history_version = history_version + $4, edit_version = edit_version + $5, \
         generation_attempt = COALESCE($6, generation_attempt), updated_at = $7, snapshot_version = snapshot_version + 1, \
         queue_length = queue_length + $13, queue_version = queue_version + $14, {lease} \
         WHERE id = $1 AND status = $8 AND history_version = $9 AND lease_epoch = $12 AND ($10 IS NULL OR $11 IS NULL OR $10 > 0) \
         RETURNING {COLUMNS}"
    ));
    let (lasting, holder) = match step.lease {
        LeaseChange::Keep | LeaseChange::Release => (None, None),
        LeaseChange::Take { holder, lasting } => (Some(lease::micros(lasting)), Some(holder)),
        LeaseChange::Extend { lasting } => (Some(lease::micros(lasting)), None),
    };
    let attempt = if step.history { Some(0) } else { step.attempt };
    fetch_optional!(
        write,
        ChatRow,
        sql,
        fence.chat_id,
        step.to.as_str(),
        step.last_error.as_ref().map(Json),
        i64::from(step.history),
        i64::from(step.rewrite),
        attempt,
        Micros::from(step.at),
        fence.status.as_str(),
        fence.history_version,
        lasting,
        holder,
        fence.lease_epoch,
        step.queue,
        i64::from(step.queue != 0 || step.reorder),
    )?
    .map(TryInto::try_into)
    .transpose()
}
