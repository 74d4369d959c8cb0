//! How often a tool made its user be asked for more permission (protocol.md 14.10): a hostile server must not ask without end.

use crate::{Micros, Result, Write, clock::now_sql};
use api::Uuid;

/// Whether the user is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepUp {
    /// This question is counted.
    Prompt,
    /// The user said no to these very scopes.
    Declined { at: Micros },
    /// As often as it may be for now.
    Exhausted,
}

/// Counts a question for `scopes`, unless the user said no to them or was asked `most` times within the window. Other scopes than those that
/// were declined are another question; the scopes are compared as they are written.
///
/// # Errors
/// A conflict when the server or the user is gone.
pub async fn step_up_prompt(
    write: &mut Write,
    server: Uuid,
    user: Uuid,
    tool: &str,
    scopes: &str,
    most: i64,
    window_micros: i64,
) -> Result<StepUp> {
    // Whatever the tool is called: a server could name another one for the same question.
    let sql =
        "SELECT MAX(declined_at) FROM mcp_step_ups WHERE mcp_server_id = $1 AND user_id = $2 AND scopes = $3";
    if let (Some(at),) = fetch_one!(write, (Option<Micros>,), sql, server, user, scopes)? {
        return Ok(StepUp::Declined { at });
    }
    let now = now_sql(write);
    let sql = sqlx::AssertSqlSafe(format!(
        "INSERT INTO mcp_step_ups (mcp_server_id, user_id, tool, scopes, prompts, window_started_at) VALUES ($1, $2, $3, $4, 1, {now}) \
         ON CONFLICT (mcp_server_id, user_id, tool) DO UPDATE SET scopes = excluded.scopes, declined_at = NULL, \
         prompts = CASE WHEN mcp_step_ups.window_started_at <= excluded.window_started_at - $6 THEN 1 \
         ELSE mcp_step_ups.prompts + 1 END, \
         window_started_at = CASE WHEN mcp_step_ups.window_started_at <= excluded.window_started_at - $6 \
         THEN excluded.window_started_at ELSE mcp_step_ups.window_started_at END \
         WHERE mcp_step_ups.window_started_at <= excluded.window_started_at - $6 OR mcp_step_ups.prompts < $5"
    ));
    let asked = execute!(write, sql, server, user, tool, scopes, most, window_micros)? > 0;
    Ok(if asked { StepUp::Prompt } else { StepUp::Exhausted })
}

/// A user who connected anew may be asked again what they said no to. How often they were asked stays: a server that wants more after each
/// grant, or whose provider never grants it, must not have them ask without end (threats 19).
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn step_ups_reopen(write: &mut Write, server: Uuid, user: Uuid) -> Result<()> {
    let sql = "UPDATE mcp_step_ups SET declined_at = NULL WHERE mcp_server_id = $1 AND user_id = $2";
    execute!(write, sql, server, user).map(|_| ())
}

/// Forgets what a user was asked and answered: there is no grant any more.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn step_ups_forget(write: &mut Write, server: Uuid, user: Uuid) -> Result<()> {
    let sql = "DELETE FROM mcp_step_ups WHERE mcp_server_id = $1 AND user_id = $2";
    execute!(write, sql, server, user).map(|_| ())
}

/// The user said no to whatever the tools of a server asked for last.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn step_ups_decline(write: &mut Write, server: Uuid, user: Uuid) -> Result<u64> {
    let now = now_sql(write);
    let sql = sqlx::AssertSqlSafe(format!(
        "UPDATE mcp_step_ups SET declined_at = {now} WHERE mcp_server_id = $1 AND user_id = $2 AND declined_at IS NULL"
    ));
    execute!(write, sql, server, user)
}
