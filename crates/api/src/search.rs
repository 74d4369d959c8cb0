//! Full-text search over one's own chats (`GET /api/experimental/chats/search`).

use crate::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A piece of text; `hit`: it is what was looked for. Plain text, never markup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SnippetPart {
    pub text: String,
    pub hit: bool,
}

/// A place where all words were found: a title, or a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SearchHit {
    /// Where the next page goes on behind.
    pub id: i64,
    pub chat_id: Uuid,
    pub title: String,
    pub archived: bool,
    /// The message; null: the title.
    pub message_id: Option<i64>,
    pub snippet: Vec<SnippetPart>,
    /// When the chat changed last.
    pub updated_at: Timestamp,
}

/// A page of hits, the newest first.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SearchPage {
    pub hits: Vec<SearchHit>,
    pub has_more: bool,
}
