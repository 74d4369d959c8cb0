//! What turns wait for (behaviour 15 and 18): approvals, tools that clients run, questions of servers. Every time here is the database's.
//!
//! Each row is decided once: every change names the state that it starts from. Call these under the chat's row lock, beside the
//! transition of the chat, so that a decision and the end of the wait cannot pass each other.

use crate::{Micros, Result, Session, StoreError, Write, clock::now_sql, messages::replace_nul};
use api::{
    Timestamp, Uuid,
    actions::{ActionKind, ActionState, ChatAction, Question},
};
use serde_json::Value;
use sqlx::types::Json;
use std::time::Duration;

/// A row.
#[derive(Debug, Clone, PartialEq)]
pub struct ActionRecord {
    pub id: Uuid,
    pub chat_id: Uuid,
    /// The assistant's message whose call waits.
    pub message_id: i64,
    pub tool_call_id: String,
    /// Its place among the calls of the message, from 0.
    pub position: i64,
    pub kind: ActionKind,
    pub state: ActionState,
    /// Only this user may decide.
    pub owner_id: Uuid,
    /// `None`: the client brought the tool.
    pub mcp_server_id: Option<Uuid>,
    pub server_name: String,
    /// As the model sees the tool.
    pub tool_name: String,
    /// As the server names it.
    pub original_name: String,
    /// Of the definition that the model saw.
    pub definition_hash: String,
    /// SHA-256 of `arguments`, hex.
    pub argument_hash: String,
    /// As they will be sent.
    pub arguments: Value,
    pub question: Option<Question>,
    /// What the client or the person gave.
    pub answer: Option<Value>,
    pub asked_at: Timestamp,
    pub expires_at: Timestamp,
    pub decided_at: Option<Timestamp>,
}

impl ActionRecord {
    /// As REST and the stream show it. Answers are for the server that asked only.
    pub fn to_wire(&self) -> ChatAction {
        ChatAction {
            id: self.id,
            kind: self.kind,
            state: self.state,
            message_id: self.message_id,
            tool_call_id: self.tool_call_id.clone(),
            tool_name: self.tool_name.clone(),
            original_name: self.mcp_server_id.is_some().then(|| self.original_name.clone()),
            mcp_server_config_id: self.mcp_server_id,
            server_name: self.server_name.clone(),
            // Of a question it is the raw request, which is not for people.
            arguments: match self.kind {
                ActionKind::Elicitation => Value::Null,
                ActionKind::Approval | ActionKind::ClientTool => self.arguments.clone(),
            },
            question: self.question.clone(),
            asked_at: self.asked_at,
            expires_at: self.expires_at,
        }
    }
}

#[derive(sqlx::FromRow)]
struct ActionRow {
    id: Uuid,
    chat_id: Uuid,
    message_id: i64,
    tool_call_id: String,
    position: i64,
    kind: String,
    state: String,
    owner_id: Uuid,
    mcp_server_id: Option<Uuid>,
    server_name: String,
    tool_name: String,
    original_name: String,
    definition_hash: String,
    argument_hash: String,
    arguments: Json<Value>,
    question: Option<Json<Question>>,
    answer: Option<Json<Value>>,
    asked_at: Micros,
    expires_at: Micros,
    decided_at: Option<Micros>,
}

const COLUMNS: &str = "id, chat_id, message_id, tool_call_id, position, kind, state, owner_id, mcp_server_id, server_name, tool_name, \
     original_name, definition_hash, argument_hash, arguments, question, answer, asked_at, expires_at, decided_at";

impl TryFrom<ActionRow> for ActionRecord {
    type Error = StoreError;

    fn try_from(row: ActionRow) -> Result<Self> {
        let wrong = |column: &'static str| StoreError::Inconsistent {
            table: "chat_actions",
            column,
            row: row.id.to_string(),
        };
        Ok(Self {
            kind: ActionKind::parse(&row.kind).ok_or_else(|| wrong("kind"))?,
            state: ActionState::parse(&row.state).ok_or_else(|| wrong("state"))?,
            id: row.id,
            chat_id: row.chat_id,
            message_id: row.message_id,
            tool_call_id: row.tool_call_id,
            position: row.position,
            owner_id: row.owner_id,
            mcp_server_id: row.mcp_server_id,
            server_name: row.server_name,
            tool_name: row.tool_name,
            original_name: row.original_name,
            definition_hash: row.definition_hash,
            argument_hash: row.argument_hash,
            arguments: row.arguments.0,
            question: row.question.map(|question| question.0),
            answer: row.answer.map(|answer| answer.0),
            asked_at: row.asked_at.into(),
            expires_at: row.expires_at.into(),
            decided_at: row.decided_at.map(Into::into),
        })
    }
}

fn records(rows: Vec<ActionRow>) -> Result<Vec<ActionRecord>> {
    rows.into_iter().map(TryInto::try_into).collect()
}

fn storable(mut value: Value) -> Json<Value> {
    replace_nul(&mut value);
    Json(value)
}

/// Asks: writes a row that can be decided for `lasting` from now. Its times are set by the database.
///
/// # Errors
/// A conflict when the call of the message waits already.
pub async fn action_insert(
    write: &mut Write,
    action: &ActionRecord,
    lasting: Duration,
) -> Result<ActionRecord> {
    let now = now_sql(write);
    let sql = sqlx::AssertSqlSafe(format!(
        "INSERT INTO chat_actions ({COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, 'open', $7, $8, $9, $10, $11, $12, $13, $14, $15, NULL, \
         {now}, {now} + $16, NULL) RETURNING {COLUMNS}"
    ));
    let lasting = i64::try_from(lasting.as_micros()).unwrap_or(i64::MAX / 4);
    fetch_one!(
        write,
        ActionRow,
        sql,
        action.id,
        action.chat_id,
        action.message_id,
        &action.tool_call_id,
        action.position,
        action.kind.as_str(),
        action.owner_id,
        action.mcp_server_id,
        &action.server_name,
        &action.tool_name,
        &action.original_name,
        &action.definition_hash,
        &action.argument_hash,
        storable(action.arguments.clone()),
        action.question.as_ref().map(Json),
        lasting,
    )?
    .try_into()
}

/// One row of a chat.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn action_get(session: &mut Session, chat: Uuid, id: Uuid) -> Result<Option<ActionRecord>> {
    let sql =
        sqlx::AssertSqlSafe(format!("SELECT {COLUMNS} FROM chat_actions WHERE chat_id = $1 AND id = $2"));
    fetch_optional!(session, ActionRow, sql, chat, id)?.map(TryInto::try_into).transpose()
}

/// What was asked for the calls of one message, in their order.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn actions_of(session: &mut Session, chat: Uuid, message_id: i64) -> Result<Vec<ActionRecord>> {
    let sql = sqlx::AssertSqlSafe(format!(
        "SELECT {COLUMNS} FROM chat_actions WHERE chat_id = $1 AND message_id = $2 ORDER BY position, asked_at, id"
    ));
    records(fetch_all!(session, ActionRow, sql, chat, message_id)?)
}

/// What the turn of a chat waits for now, with what was decided of the same message already; nothing when nothing is open.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn actions_waiting(session: &mut Session, chat: Uuid) -> Result<Vec<ActionRecord>> {
    let sql = sqlx::AssertSqlSafe(format!(
        "SELECT {COLUMNS} FROM chat_actions WHERE chat_id = $1 AND message_id = \
         (SELECT MAX(a.message_id) FROM chat_actions a WHERE a.chat_id = $1 AND a.state = 'open') ORDER BY position, asked_at, id"
    ));
    records(fetch_all!(session, ActionRow, sql, chat)?)
}

/// How many rows of a chat nobody has decided.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn actions_open(session: &mut Session, chat: Uuid) -> Result<i64> {
    let sql = "SELECT COUNT(*) FROM chat_actions WHERE chat_id = $1 AND state = 'open'";
    let (count,): (i64,) = fetch_one!(session, (i64,), sql, chat)?;
    Ok(count)
}

/// Decides an open row in time; `None` when it was decided before or its time is over. An approval that was given can be used for
/// `lasting` from now.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn action_decide(
    write: &mut Write,
    id: Uuid,
    state: ActionState,
    answer: Option<Value>,
    lasting: Duration,
) -> Result<Option<ActionRecord>> {
    let now = now_sql(write);
    let sql = sqlx::AssertSqlSafe(format!(
        "UPDATE chat_actions SET state = $2, answer = $3, decided_at = {now}, \
         expires_at = CASE WHEN $2 = 'approved' THEN {now} + $4 ELSE expires_at END \
         WHERE id = $1 AND state = 'open' AND expires_at > {now} RETURNING {COLUMNS}"
    ));
    let lasting = i64::try_from(lasting.as_micros()).unwrap_or(i64::MAX / 4);
    let decided = fetch_optional!(write, ActionRow, sql, id, state.as_str(), answer.map(storable), lasting)?;
    decided.map(TryInto::try_into).transpose()
}

/// Uses up an approval for one sending of exactly these arguments; false when it does not hold: never given, too old, used, or of another
/// call. In the transaction of the intent.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn approval_use(write: &mut Write, id: Uuid, argument_hash: &str) -> Result<bool> {
    let now = now_sql(write);
    let sql = sqlx::AssertSqlSafe(format!(
        "UPDATE chat_actions SET state = 'used' WHERE id = $1 AND state = 'approved' AND kind = 'approval' AND argument_hash = $2 \
         AND expires_at > {now}"
    ));
    Ok(execute!(write, sql, id, argument_hash)? > 0)
}

/// Ends what nobody decided in time, and the approvals that nobody used in time; the rows that ended.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn actions_expire(write: &mut Write, chat: Uuid) -> Result<Vec<ActionRecord>> {
    let now = now_sql(write);
    let sql = sqlx::AssertSqlSafe(format!(
        "UPDATE chat_actions SET state = 'expired', decided_at = {now} \
         WHERE chat_id = $1 AND state IN ('open', 'approved') AND expires_at <= {now} RETURNING {COLUMNS}"
    ));
    records(fetch_all!(write, ActionRow, sql, chat)?)
}

/// Withdraws what is open, and approvals that were not used, of the messages after `after`; the rows.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn actions_cancel(write: &mut Write, chat: Uuid, after: i64) -> Result<Vec<ActionRecord>> {
    let now = now_sql(write);
    let sql = sqlx::AssertSqlSafe(format!(
        "UPDATE chat_actions SET state = 'cancelled', decided_at = {now} \
         WHERE chat_id = $1 AND message_id > $2 AND state IN ('open', 'approved') RETURNING {COLUMNS}"
    ));
    records(fetch_all!(write, ActionRow, sql, chat, after)?)
}

/// Forgets the answers to questions of the calls of a message: the calls are over, and nobody is told any more.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn answers_forget(write: &mut Write, chat: Uuid, message_id: i64) -> Result<()> {
    let sql = "UPDATE chat_actions SET answer = NULL \
               WHERE chat_id = $1 AND message_id = $2 AND kind = 'elicitation' AND answer IS NOT NULL";
    execute!(write, sql, chat, message_id).map(|_| ())
}

/// Forgets an answer that was handed on: it is for the server that asked only.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn answer_forget(write: &mut Write, id: Uuid) -> Result<()> {
    execute!(write, "UPDATE chat_actions SET answer = NULL WHERE id = $1", id).map(|_| ())
}
