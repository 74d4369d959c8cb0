//! Groups and who is in them (behaviour 2 and 30).

use crate::{Micros, Result, Session, StoreError, Write};
use api::{
    Timestamp, Uuid,
    groups::{GroupMember, GroupServer, GroupSource, GroupSummary},
};

/// A group as stored, without its members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupRecord {
    pub id: Uuid,
    pub name: String,
    pub display_name: String,
    pub source: GroupSource,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

#[derive(sqlx::FromRow)]
struct GroupRow {
    id: Uuid,
    name: String,
    display_name: String,
    source: String,
    created_at: Micros,
    updated_at: Micros,
}

const COLUMNS: &str = "id, name, display_name, source, created_at, updated_at";

impl TryFrom<GroupRow> for GroupRecord {
    type Error = StoreError;

    fn try_from(row: GroupRow) -> Result<Self> {
        let source = GroupSource::parse(&row.source).ok_or_else(|| StoreError::Inconsistent {
            table: "groups",
            column: "source",
            row: row.id.to_string(),
        })?;
        Ok(Self {
            id: row.id,
            name: row.name,
            display_name: row.display_name,
            source,
            created_at: row.created_at.into(),
            updated_at: row.updated_at.into(),
        })
    }
}

#[derive(sqlx::FromRow)]
struct SummaryRow {
    #[sqlx(flatten)]
    group: GroupRow,
    member_count: i64,
    server_count: i64,
}

/// Groups by name; pages of `limit` after the name `after`.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn group_list(session: &mut Session, after: &str, limit: i64) -> Result<Vec<GroupSummary>> {
    let sql = sqlx::AssertSqlSafe(format!(
        "SELECT {COLUMNS}, (SELECT COUNT(*) FROM group_members m WHERE m.group_id = groups.id) AS member_count, \
         (SELECT COUNT(*) FROM mcp_server_groups s WHERE s.group_id = groups.id) AS server_count \
         FROM groups WHERE lower(name) > lower($1) ORDER BY lower(name) LIMIT $2"
    ));
    let rows = fetch_all!(session, SummaryRow, sql, after, limit)?;
    rows.into_iter()
        .map(|row| {
            let group = GroupRecord::try_from(row.group)?;
            Ok(GroupSummary {
                id: group.id,
                name: group.name,
                display_name: group.display_name,
                source: group.source,
                member_count: row.member_count,
                server_count: row.server_count,
                created_at: group.created_at,
                updated_at: group.updated_at,
            })
        })
        .collect()
}

/// How many groups there are.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn groups_count(session: &mut Session) -> Result<i64> {
    let (count,): (i64,) = fetch_one!(session, (i64,), "SELECT COUNT(*) FROM groups")?;
    Ok(count)
}

/// One group.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn group_get(session: &mut Session, id: Uuid) -> Result<Option<GroupRecord>> {
    let sql = sqlx::AssertSqlSafe(format!("SELECT {COLUMNS} FROM groups WHERE id = $1"));
    fetch_optional!(session, GroupRow, sql, id)?.map(TryInto::try_into).transpose()
}

/// One group, locked until the end of the transaction: members are counted under the lock, and no server can be limited to the
/// group meanwhile.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn group_get_for_update(write: &mut Write, id: Uuid) -> Result<Option<GroupRecord>> {
    let lock = if write.is_postgres() { " FOR UPDATE" } else { "" };
    let sql = sqlx::AssertSqlSafe(format!("SELECT {COLUMNS} FROM groups WHERE id = $1{lock}"));
    fetch_optional!(write, GroupRow, sql, id)?.map(TryInto::try_into).transpose()
}

/// A new group, without members.
///
/// # Errors
/// A conflict on `groups_name_key`.
pub async fn group_insert(write: &mut Write, group: &GroupRecord) -> Result<()> {
    let sql = "INSERT INTO groups (id, name, display_name, source, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6)";
    execute!(
        write,
        sql,
        group.id,
        &group.name,
        &group.display_name,
        group.source.as_str(),
        Micros::from(group.created_at),
        Micros::from(group.updated_at),
    )
    .map(|_| ())
}

/// Writes name, display name and time of the last change.
///
/// # Errors
/// A conflict on `groups_name_key`.
pub async fn group_update(write: &mut Write, group: &GroupRecord) -> Result<()> {
    let sql = "UPDATE groups SET name = $2, display_name = $3, updated_at = $4 WHERE id = $1";
    execute!(write, sql, group.id, &group.name, &group.display_name, Micros::from(group.updated_at))
        .map(|_| ())
}

/// Removes a group with its memberships; true when it was there.
///
/// # Errors
/// A conflict while a server is limited to it: with its last group gone that server would be open to everybody.
pub async fn group_delete(write: &mut Write, id: Uuid) -> Result<bool> {
    Ok(execute!(write, "DELETE FROM groups WHERE id = $1", id)? > 0)
}

/// The members of a group by user name.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn group_members(session: &mut Session, id: Uuid) -> Result<Vec<GroupMember>> {
    let sql = "SELECT u.id, u.username, u.email FROM group_members m JOIN users u ON u.id = m.user_id WHERE m.group_id = $1 \
               ORDER BY lower(u.username)";
    let rows = fetch_all!(session, (Uuid, String, String), sql, id)?;
    Ok(rows.into_iter().map(|(id, username, email)| GroupMember { id, username, email }).collect())
}

/// How many members a group has.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn group_members_count(session: &mut Session, id: Uuid) -> Result<i64> {
    let sql = "SELECT COUNT(*) FROM group_members WHERE group_id = $1";
    let (count,): (i64,) = fetch_one!(session, (i64,), sql, id)?;
    Ok(count)
}

/// Servers that are limited to this group, perhaps beside others, by display name.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn group_servers(session: &mut Session, id: Uuid) -> Result<Vec<GroupServer>> {
    let sql = "SELECT s.id, s.display_name FROM mcp_server_groups g JOIN mcp_servers s ON s.id = g.mcp_server_id \
               WHERE g.group_id = $1 AND s.setup_until IS NULL ORDER BY lower(s.display_name), s.id";
    let rows = fetch_all!(session, (Uuid, String), sql, id)?;
    Ok(rows.into_iter().map(|(id, display_name)| GroupServer { id, display_name }).collect())
}

/// The ids of the groups a user is in.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn groups_of_user(session: &mut Session, user_id: Uuid) -> Result<Vec<Uuid>> {
    let sql = "SELECT group_id FROM group_members WHERE user_id = $1 ORDER BY group_id";
    let rows = fetch_all!(session, (Uuid,), sql, user_id)?;
    Ok(rows.into_iter().map(|(id,)| id).collect())
}

/// Puts a user into a group; false when they were in it.
///
/// # Errors
/// A conflict when the group or the user is gone.
pub async fn member_insert(write: &mut Write, group_id: Uuid, user_id: Uuid, at: Timestamp) -> Result<bool> {
    let sql = "INSERT INTO group_members (group_id, user_id, created_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
    Ok(execute!(write, sql, group_id, user_id, Micros::from(at))? > 0)
}

/// Takes a user out of a group; false when they were not in it.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn member_delete(write: &mut Write, group_id: Uuid, user_id: Uuid) -> Result<bool> {
    let sql = "DELETE FROM group_members WHERE group_id = $1 AND user_id = $2";
    Ok(execute!(write, sql, group_id, user_id)? > 0)
}
