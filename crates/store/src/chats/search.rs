//! Full-text search over one's own chats: FTS5 or a text-search index, kept by triggers in the transaction of each write.

use crate::{Micros, Result, Session};
use api::{Timestamp, Uuid};

/// A place where every word was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchRecord {
    pub id: i64,
    pub chat_id: Uuid,
    pub title: String,
    pub archived: bool,
    /// `None`: the title.
    pub message_id: Option<i64>,
    /// The whole text that is indexed.
    pub body: String,
    pub updated_at: Timestamp,
}

#[derive(sqlx::FromRow)]
struct SearchRow {
    id: i64,
    chat_id: Uuid,
    title: String,
    archived: bool,
    message_id: Option<i64>,
    body: String,
    updated_at: Micros,
}

/// Titles and visible messages in the chats of `owner` that hold words beginning with each of `words`, the newest first, at most
/// `limit`; behind the entry `after`. Words are letters and digits alone (`domain::search::search_words`): whatever else stands in one
/// finds nothing.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn chats_search(
    session: &mut Session,
    owner: Uuid,
    words: &[String],
    after: Option<i64>,
    limit: i64,
) -> Result<Vec<SearchRecord>> {
    let is_word = |word: &String| !word.is_empty() && word.chars().all(char::is_alphanumeric);
    if words.is_empty() || !words.iter().all(is_word) {
        return Ok(Vec::new());
    }
    let (found, join) = if session.is_postgres() {
        (
            words.iter().map(|word| format!("{word}:*")).collect::<Vec<_>>().join(" & "),
            "WHERE search_words(e.body) @@ to_tsquery('simple'::regconfig, $1)",
        )
    } else {
        (
            words.iter().map(|word| format!("\"{word}\"*")).collect::<Vec<_>>().join(" "),
            "WHERE e.id IN (SELECT w.rowid FROM search_words w WHERE w.body MATCH $1)",
        )
    };
    let sql = sqlx::AssertSqlSafe(format!(
        "SELECT e.id, e.chat_id, c.title, c.archived, e.message_id, e.body, c.updated_at \
         FROM search_entries e JOIN chats c ON c.id = e.chat_id {join} AND c.owner_id = $2 AND ($3 IS NULL OR e.id < $3) \
         ORDER BY e.id DESC LIMIT $4"
    ));
    let rows: Vec<SearchRow> = fetch_all!(session, SearchRow, sql, &found, owner, after, limit)?;
    Ok(rows
        .into_iter()
        .map(|row| SearchRecord {
            id: row.id,
            chat_id: row.chat_id,
            title: row.title,
            archived: row.archived,
            message_id: row.message_id,
            body: row.body,
            updated_at: row.updated_at.into(),
        })
        .collect())
}
