//! The ledger of tool calls (behaviour 15): an intent is committed before a call is sent, its outcome after.

use crate::{Micros, Result, Session, StoreError, Write, messages::replace_nul, written_json::WrittenJson};
use api::{
    Timestamp, Uuid,
    messages::{ToolOutcome, ToolResultPart},
};
use sqlx::types::Json;

/// A call that is about to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolCallIntent {
    pub id: Uuid,
    pub chat_id: Uuid,
    /// The assistant's message that asked for it.
    pub message_id: i64,
    /// The model's id of the call.
    pub tool_call_id: String,
    /// Its place among the calls of the message, from 0.
    pub position: i64,
    pub mcp_server_id: Uuid,
    /// As the model sees the tool.
    pub exposed_name: String,
    /// As the server names it.
    pub original_name: String,
    /// Of the definition that the model saw.
    pub definition_hash: String,
    /// SHA-256 of the arguments as sent, hex.
    pub argument_hash: String,
    pub credential_version: i64,
    pub lease_epoch: i64,
    pub intent_at: Timestamp,
}

/// A row of the ledger.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolCallRecord {
    pub intent: ToolCallIntent,
    /// `None`: sent or about to be sent, and not heard of since.
    pub outcome: Option<ToolOutcome>,
    /// The result, when it was committed before its message.
    pub result: Option<ToolResultPart>,
    pub outcome_at: Option<Timestamp>,
    /// How often it was sent, or about to be.
    pub attempts: i64,
}

#[derive(sqlx::FromRow)]
struct ToolCallRow {
    id: Uuid,
    chat_id: Uuid,
    message_id: i64,
    tool_call_id: String,
    position: i64,
    mcp_server_id: Uuid,
    exposed_name: String,
    original_name: String,
    definition_hash: String,
    argument_hash: String,
    credential_version: i64,
    lease_epoch: i64,
    outcome: Option<String>,
    result: Option<Json<ToolResultPart>>,
    intent_at: Micros,
    outcome_at: Option<Micros>,
    attempts: i64,
}

const COLUMNS: &str = "id, chat_id, message_id, tool_call_id, position, mcp_server_id, exposed_name, original_name, definition_hash, \
     argument_hash, credential_version, lease_epoch, outcome, result, intent_at, outcome_at, attempts";

fn outcome_parse(text: &str) -> Option<ToolOutcome> {
    use ToolOutcome::{Cancelled, Denied, Error, Ok, Unknown};
    [Ok, Error, Cancelled, Denied, Unknown].into_iter().find(|outcome| outcome.as_str() == text)
}

impl TryFrom<ToolCallRow> for ToolCallRecord {
    type Error = StoreError;

    fn try_from(row: ToolCallRow) -> Result<Self> {
        let outcome = match &row.outcome {
            None => None,
            Some(text) => Some(outcome_parse(text).ok_or_else(|| StoreError::Inconsistent {
                table: "tool_calls",
                column: "outcome",
                row: row.id.to_string(),
            })?),
        };
        Ok(Self {
            intent: ToolCallIntent {
                id: row.id,
                chat_id: row.chat_id,
                message_id: row.message_id,
                tool_call_id: row.tool_call_id,
                position: row.position,
                mcp_server_id: row.mcp_server_id,
                exposed_name: row.exposed_name,
                original_name: row.original_name,
                definition_hash: row.definition_hash,
                argument_hash: row.argument_hash,
                credential_version: row.credential_version,
                lease_epoch: row.lease_epoch,
                intent_at: row.intent_at.into(),
            },
            outcome,
            result: row.result.map(|result| result.0),
            outcome_at: row.outcome_at.map(Into::into),
            attempts: row.attempts,
        })
    }
}

/// Writes an intent, in the transaction of the assistant's message.
///
/// # Errors
/// A conflict when the message already has a call of this id.
pub async fn tool_call_intent_insert(write: &mut Write, intent: &ToolCallIntent) -> Result<()> {
    let sql = "INSERT INTO tool_calls (id, chat_id, message_id, tool_call_id, position, mcp_server_id, exposed_name, original_name, \
               definition_hash, argument_hash, credential_version, lease_epoch, intent_at) \
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)";
    execute!(
        write,
        sql,
        intent.id,
        intent.chat_id,
        intent.message_id,
        &intent.tool_call_id,
        intent.position,
        intent.mcp_server_id,
        &intent.exposed_name,
        &intent.original_name,
        &intent.definition_hash,
        &intent.argument_hash,
        intent.credential_version,
        intent.lease_epoch,
        Micros::from(intent.intent_at),
    )
    .map(|_| ())
}

/// A call without an outcome is about to be sent again.
#[derive(Debug, Clone, Copy)]
pub struct ResendWrite<'a> {
    pub chat_id: Uuid,
    pub message_id: i64,
    pub tool_call_id: &'a str,
    pub credential_version: i64,
    /// The lease of the runner that sends it.
    pub lease_epoch: i64,
    /// How often it may be sent in all.
    pub most: i64,
}

/// Counts it, before it is sent; the row then says under which lease and credential. How often it was sent with that, or `None` when it
/// must not be sent: there is an outcome, it was sent as often as may be, the lease went to somebody else, or the turn is being stopped.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn tool_call_resend(write: &mut Write, again: ResendWrite<'_>) -> Result<Option<i64>> {
    let sql = "UPDATE tool_calls SET attempts = attempts + 1, credential_version = $4, lease_epoch = $5 \
               WHERE chat_id = $1 AND message_id = $2 AND tool_call_id = $3 AND outcome IS NULL AND attempts < $6 \
               AND EXISTS (SELECT 1 FROM chats c WHERE c.id = $1 AND c.lease_epoch = $5 AND c.status IN ('running', 'requires_action')) \
               RETURNING attempts";
    let counted = fetch_optional!(
        write,
        (i64,),
        sql,
        again.chat_id,
        again.message_id,
        again.tool_call_id,
        again.credential_version,
        again.lease_epoch,
        again.most,
    )?;
    Ok(counted.map(|(attempts,)| attempts))
}

/// What came of a call.
#[derive(Debug, Clone, Copy)]
pub struct OutcomeWrite<'a> {
    pub chat_id: Uuid,
    pub message_id: i64,
    pub tool_call_id: &'a str,
    pub outcome: ToolOutcome,
    /// Only when the outcome is committed before the message that carries the results.
    pub result: Option<&'a ToolResultPart>,
    pub at: Timestamp,
    /// The lease of the runner that made the call.
    pub lease_epoch: i64,
}

/// Writes an outcome once; false when there is one already or the lease went to somebody else, who has settled or will settle
/// the call.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn tool_call_outcome(write: &mut Write, done: OutcomeWrite<'_>) -> Result<bool> {
    let sql = "UPDATE tool_calls SET outcome = $4, result = $5, outcome_at = $6 \
               WHERE chat_id = $1 AND message_id = $2 AND tool_call_id = $3 AND outcome IS NULL \
               AND EXISTS (SELECT 1 FROM chats c WHERE c.id = $1 AND c.lease_epoch = $7)";
    let result = done.result.and_then(|result| serde_json::to_value(result).ok()).map(|mut value| {
        replace_nul(&mut value);
        WrittenJson(value)
    });
    let rows = execute!(
        write,
        sql,
        done.chat_id,
        done.message_id,
        done.tool_call_id,
        done.outcome.as_str(),
        result,
        Micros::from(done.at),
        done.lease_epoch,
    )?;
    Ok(rows > 0)
}

/// Leaves the calls that a chat still waits for after `message_id` as unknown: their messages are about to be hidden, and nobody will
/// settle them. The calls.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn tool_calls_abandon(
    write: &mut Write,
    chat: Uuid,
    message_id: i64,
    at: Timestamp,
) -> Result<Vec<ToolCallRecord>> {
    let sql = sqlx::AssertSqlSafe(format!(
        "UPDATE tool_calls SET outcome = 'unknown', outcome_at = $3 WHERE chat_id = $1 AND message_id > $2 AND outcome IS NULL \
         RETURNING {COLUMNS}"
    ));
    fetch_all!(write, ToolCallRow, sql, chat, message_id, Micros::from(at))?
        .into_iter()
        .map(TryInto::try_into)
        .collect()
}

/// The ledger of one message, in the order of its calls.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn tool_calls_of(
    session: &mut Session,
    chat: Uuid,
    message_id: i64,
) -> Result<Vec<ToolCallRecord>> {
    let sql = sqlx::AssertSqlSafe(format!(
        "SELECT {COLUMNS} FROM tool_calls WHERE chat_id = $1 AND message_id = $2 ORDER BY position"
    ));
    fetch_all!(session, ToolCallRow, sql, chat, message_id)?.into_iter().map(TryInto::try_into).collect()
}

/// Calls of a chat without an outcome.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn tool_calls_open(session: &mut Session, chat: Uuid) -> Result<Vec<ToolCallRecord>> {
    let sql = sqlx::AssertSqlSafe(format!(
        "SELECT {COLUMNS} FROM tool_calls WHERE chat_id = $1 AND outcome IS NULL ORDER BY message_id, position"
    ));
    fetch_all!(session, ToolCallRow, sql, chat)?.into_iter().map(TryInto::try_into).collect()
}
