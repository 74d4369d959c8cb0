//! Full-text search over one's own chats.

use super::{Error, OpContext, Result, Service};
use api::search::{SearchHit, SearchPage};
use domain::search::{search_words, snippet};
use store::chats;

/// Page sizes.
const HITS_PAGE: i64 = 20;
const HITS_PAGE_MAX: i64 = 50;

impl Service {
    /// Titles and messages in the caller's own chats, archived ones too, that hold words beginning with each word of `text`.
    ///
    /// # Errors
    /// [`Error::Invalid`] on the text and the limit.
    pub async fn chats_search(
        &self,
        ctx: &OpContext,
        text: &str,
        after: Option<i64>,
        limit: Option<i64>,
    ) -> Result<SearchPage> {
        let owner = ctx.require()?.user.id;
        let words = search_words(text).map_err(|detail| Error::invalid_field("q", detail))?;
        let limit = limit.unwrap_or(HITS_PAGE);
        if !(1..=HITS_PAGE_MAX).contains(&limit) {
            return Err(Error::invalid_field("limit", format!("Use 1 to {HITS_PAGE_MAX}.")));
        }
        let mut session = self.db().read().await?;
        // One more than asked for tells whether there is more.
        let mut found = chats::chats_search(&mut session, owner, &words, after, limit + 1).await?;
        let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
        let has_more = found.len() > wanted;
        found.truncate(wanted);
        let hits = found.into_iter().map(|found| SearchHit {
            id: found.id,
            chat_id: found.chat_id,
            title: found.title,
            archived: found.archived,
            message_id: found.message_id,
            snippet: snippet(&found.body, &words),
            updated_at: found.updated_at,
        });
        Ok(SearchPage { hits: hits.collect(), has_more })
    }
}
