//! How servers are doing: written by whoever contacted them, read for the fleet page.

use crate::{Micros, Result, Session, StoreError, Write, clock::now_sql, search::contains_pattern};
use api::{
    Timestamp, Uuid,
    fleet::{HealthCount, HealthState, ServerHealth},
    servers::{AuthType, Availability},
};
use sqlx::AssertSqlSafe;

/// What is kept of a server's health.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthRecord {
    /// Never `changed`: that is no matter of contacts.
    pub state: HealthState,
    pub since: Timestamp,
    /// At most 512 bytes, without secrets.
    pub last_error: String,
    pub last_error_at: Option<Timestamp>,
    pub last_ok_at: Option<Timestamp>,
    pub latency_ms: Option<i64>,
    /// When nothing more is heard of it until then, it is checked.
    pub next_check_at: Timestamp,
}

/// A server of the fleet, before its address is cut to the host.
#[derive(Debug, Clone)]
pub struct FleetRow {
    pub id: Uuid,
    pub slug: String,
    pub display_name: String,
    pub icon_url: String,
    pub url: String,
    pub enabled: bool,
    pub auth_type: AuthType,
    pub availability: Availability,
    pub health: ServerHealth,
    pub connected_users: i64,
    pub expired_users: i64,
    pub tools: i64,
    pub tools_to_review: i64,
}

/// What of the fleet is wanted.
#[derive(Debug, Clone, Default)]
pub struct FleetFilter {
    pub state: Option<HealthState>,
    pub search: String,
    pub ids: Option<Vec<Uuid>>,
    /// What was last heard of before this is no news.
    pub fresh_from: Option<Timestamp>,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: Uuid,
    slug: String,
    display_name: String,
    icon_url: String,
    url: String,
    enabled: bool,
    auth_type: String,
    availability: String,
    state: String,
    since: Option<Micros>,
    waiting_since: Option<Micros>,
    last_error: Option<String>,
    last_error_at: Option<Micros>,
    last_ok_at: Option<Micros>,
    latency_ms: Option<i64>,
    connected_users: i64,
    expired_users: i64,
    tools: i64,
    tools_to_review: i64,
}

impl Row {
    fn fleet(self) -> Result<FleetRow> {
        let id = self.id.to_string();
        let impossible = |table, column| StoreError::Inconsistent { table, column, row: id.clone() };
        let state =
            HealthState::parse(&self.state).ok_or_else(|| impossible("mcp_server_health", "state"))?;
        Ok(FleetRow {
            auth_type: AuthType::parse(&self.auth_type)
                .ok_or_else(|| impossible("mcp_servers", "auth_type"))?,
            availability: Availability::parse(&self.availability)
                .ok_or_else(|| impossible("mcp_servers", "availability"))?,
            health: ServerHealth {
                state,
                since: match state {
                    HealthState::Changed => self.waiting_since.map(Into::into),
                    HealthState::Unknown => None,
                    _ => self.since.map(Into::into),
                },
                last_error: self.last_error.unwrap_or_default(),
                last_error_at: self.last_error_at.map(Into::into),
                last_ok_at: self.last_ok_at.map(Into::into),
                latency_ms: self.latency_ms,
            },
            id: self.id,
            slug: self.slug,
            display_name: self.display_name,
            icon_url: self.icon_url,
            url: self.url,
            enabled: self.enabled,
            connected_users: self.connected_users,
            expired_users: self.expired_users,
            tools: self.tools,
            tools_to_review: self.tools_to_review,
        })
    }
}

/// Every server with its state; `$1`: what was last heard of before is no news. A tool waits when the definition of it that was listed
/// last is not accepted.
const WITH_STATE: &str = "WITH listed AS (SELECT d.mcp_server_id, d.accepted_at, d.listed_at FROM mcp_tool_definitions d WHERE d.gone_since IS NULL \
     AND NOT EXISTS (SELECT 1 FROM mcp_tool_definitions later WHERE later.mcp_server_id = d.mcp_server_id AND later.name = d.name \
     AND (later.listed_at > d.listed_at OR (later.listed_at = d.listed_at AND later.hash > d.hash)))), \
     tools AS (SELECT mcp_server_id, COUNT(*) AS tools, COUNT(*) - COUNT(accepted_at) AS waiting, \
     MIN(CASE WHEN accepted_at IS NULL THEN listed_at END) AS waiting_since FROM listed GROUP BY mcp_server_id), \
     fleet AS (SELECT s.id, s.slug, s.display_name, s.icon_url, s.url, s.enabled, s.auth_type, s.availability, \
     CASE WHEN h.state IN ('failing', 'auth_trouble', 'slow') AND h.fresh THEN h.state \
     WHEN COALESCE(t.waiting, 0) > 0 AND s.tool_change_policy <> 'accept' THEN 'changed' \
     WHEN h.state = 'ok' AND h.fresh THEN 'ok' ELSE 'unknown' END AS state, \
     h.since, t.waiting_since, h.last_error, h.last_error_at, h.last_ok_at, h.latency_ms, \
     COALESCE(t.tools, 0) AS tools, COALESCE(t.waiting, 0) AS tools_to_review FROM mcp_servers s \
     LEFT JOIN (SELECT mcp_server_health.*, (COALESCE(last_ok_at, 0) >= $1 OR COALESCE(last_error_at, 0) >= $1) AS fresh \
     FROM mcp_server_health) h ON h.mcp_server_id = s.id LEFT JOIN tools t ON t.mcp_server_id = s.id WHERE s.setup_until IS NULL) ";

/// How many servers are in each state; states without servers are missing.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn fleet_counts(session: &mut Session, fresh_from: Timestamp) -> Result<Vec<HealthCount>> {
    let sql = format!("{WITH_STATE} SELECT state, COUNT(*) FROM fleet GROUP BY state");
    let rows = fetch_all!(session, (String, i64), AssertSqlSafe(sql.as_str()), Micros::from(fresh_from))?;
    Ok(rows
        .into_iter()
        .filter_map(|(state, servers)| Some(HealthCount { state: HealthState::parse(&state)?, servers }))
        .collect())
}

/// The servers that a filter lets through, the worst first, then by name, at most `limit`; and how many there are in all.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn fleet_list(
    session: &mut Session,
    filter: &FleetFilter,
    readable_keys: &[String],
    limit: i64,
) -> Result<(Vec<FleetRow>, i64)> {
    let pattern = contains_pattern(&filter.search);
    // As one text: lists are bound differently by the two engines.
    let ids =
        filter.ids.as_ref().map(|ids| ids.iter().map(|id| format!(",{},", id.simple())).collect::<String>());
    let keys: String = readable_keys.iter().map(|key| format!(",{key},")).collect();
    let id_text = if session.is_postgres() { "replace(f.id::text, '-', '')" } else { "lower(hex(f.id))" };
    let wanted = format!(
        "($2 = '' OR f.state = $2) AND ($3 = '%%' OR lower(f.display_name) LIKE $3 ESCAPE '!' OR lower(f.slug) LIKE $3 ESCAPE '!' \
         OR lower(f.url) LIKE $3 ESCAPE '!') AND ($4 = '*' OR $4 LIKE '%,' || {id_text} || ',%')"
    );
    let state = filter.state.map_or("", HealthState::as_str);
    let ids = ids.as_deref().unwrap_or("*");
    let fresh = Micros::from(filter.fresh_from.unwrap_or(Timestamp(0)));
    let sql = format!("{WITH_STATE} SELECT COUNT(*) FROM fleet f WHERE {wanted}");
    let (total,): (i64,) =
        fetch_one!(session, (i64,), AssertSqlSafe(sql.as_str()), fresh, state, pattern.as_str(), ids)?;
    let now = now_sql(session);
    let sql = format!(
        "{WITH_STATE} SELECT f.*, \
         (SELECT COUNT(*) FROM user_header_values v WHERE v.mcp_server_id = f.id) \
         + (SELECT COUNT(*) FROM mcp_user_tokens t WHERE t.mcp_server_id = f.id) AS connected_users, \
         (SELECT COUNT(*) FROM user_header_values v WHERE v.mcp_server_id = f.id \
         AND NOT $5 LIKE '%,' || v.header_values_key_id || ',%') \
         + (SELECT COUNT(*) FROM mcp_user_tokens t WHERE t.mcp_server_id = f.id AND (t.failure <> '' \
         OR (t.refresh_token IS NULL AND t.expires_at <= {now}) OR NOT $5 LIKE '%,' || t.access_token_key_id || ',%' \
         OR NOT $5 LIKE '%,' || t.refresh_token_key_id || ',%')) AS expired_users \
         FROM fleet f WHERE {wanted} ORDER BY CASE f.state WHEN 'failing' THEN 0 WHEN 'auth_trouble' THEN 1 WHEN 'slow' THEN 2 \
         WHEN 'changed' THEN 3 WHEN 'ok' THEN 4 ELSE 5 END, lower(f.display_name), f.id LIMIT $6"
    );
    let rows = fetch_all!(
        session,
        Row,
        AssertSqlSafe(sql.as_str()),
        fresh,
        state,
        pattern.as_str(),
        ids,
        keys.as_str(),
        limit
    )?;
    let servers = rows.into_iter().map(Row::fleet).collect::<Result<Vec<_>>>()?;
    Ok((servers, total))
}

/// Keeps what was found; `since` stays while the state does. False when there is no such server any more, or something newer is known.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn health_put(write: &mut Write, server: Uuid, health: &HealthRecord) -> Result<bool> {
    let sql = "INSERT INTO mcp_server_health (mcp_server_id, state, since, last_error, last_error_at, last_ok_at, latency_ms, next_check_at) \
               SELECT s.id, $2, $3, $4, $5, $6, $7, $8 FROM mcp_servers s WHERE s.id = $1 AND s.setup_until IS NULL \
               ON CONFLICT (mcp_server_id) DO UPDATE SET \
               since = CASE WHEN mcp_server_health.state = excluded.state THEN mcp_server_health.since ELSE excluded.since END, \
               state = excluded.state, \
               last_error = CASE WHEN excluded.last_error_at IS NULL THEN mcp_server_health.last_error ELSE excluded.last_error END, \
               last_error_at = COALESCE(excluded.last_error_at, mcp_server_health.last_error_at), \
               last_ok_at = COALESCE(excluded.last_ok_at, mcp_server_health.last_ok_at), \
               latency_ms = COALESCE(excluded.latency_ms, mcp_server_health.latency_ms), next_check_at = excluded.next_check_at \
               WHERE COALESCE(excluded.last_ok_at, excluded.last_error_at, 0) >= COALESCE(mcp_server_health.last_ok_at, 0) \
               AND COALESCE(excluded.last_ok_at, excluded.last_error_at, 0) >= COALESCE(mcp_server_health.last_error_at, 0)";
    let done = execute!(
        write,
        sql,
        server,
        health.state.as_str(),
        Micros::from(health.since),
        health.last_error.as_str(),
        health.last_error_at.map(Micros::from),
        health.last_ok_at.map(Micros::from),
        health.latency_ms,
        Micros::from(health.next_check_at)
    )?;
    Ok(done > 0)
}

/// A server of which nothing was ever heard is checked this long after its last edit: whoever edits it tests it first. Microseconds.
const UNTOUCHED: i64 = 120_000_000;

/// Takes enabled servers whose check is due, at most `most`, and puts their next one off to `next`: no other replica takes them meanwhile.
/// Those that need an account of the user's own, or are told who asks, cannot be checked for nobody.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn health_check_claim(
    write: &mut Write,
    now: Timestamp,
    next: Timestamp,
    most: i64,
) -> Result<Vec<Uuid>> {
    // The clause at the end decides between two replicas that found the same server due.
    let sql = "INSERT INTO mcp_server_health (mcp_server_id, state, since, next_check_at) \
               SELECT s.id, 'unknown', $1, $2 FROM mcp_servers s LEFT JOIN mcp_server_health h ON h.mcp_server_id = s.id \
               WHERE s.enabled AND s.setup_until IS NULL AND NOT s.forward_coder_headers AND s.auth_type IN ('none', 'api_key', 'custom_headers') \
               AND COALESCE(h.next_check_at, s.updated_at + $3) <= $1 ORDER BY COALESCE(h.next_check_at, s.updated_at), s.id LIMIT $4 \
               ON CONFLICT (mcp_server_id) DO UPDATE SET next_check_at = excluded.next_check_at \
               WHERE mcp_server_health.next_check_at <= $1 RETURNING mcp_server_id";
    let rows =
        fetch_all!(write, (Uuid,), sql, Micros::from(now), Micros::from(next), Micros(UNTOUCHED), most)?;
    Ok(rows.into_iter().map(|(id,)| id).collect())
}

/// Forgets how a server is doing: it is another one now.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn health_forget(write: &mut Write, server: Uuid) -> Result<()> {
    execute!(write, "DELETE FROM mcp_server_health WHERE mcp_server_id = $1", server).map(|_| ())
}
