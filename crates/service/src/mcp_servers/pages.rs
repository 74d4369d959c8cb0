//! Servers in pages, for the panel.

use crate::{Error, OpContext, Result, Service, pages::page_of};
use api::{Page, PageQuery, Uuid, servers::McpServer};
use store::{
    Session,
    mcp_servers::{self, Cursor, Reader, Wanted},
};

/// Where the page after the server `after` begins.
pub(super) async fn cursor_of(session: &mut Session, reader: Reader, after: Uuid) -> Result<Cursor> {
    let cursor = mcp_servers::server_cursor(session, reader, after).await?;
    // One text for unknown, removed and concealed.
    cursor.ok_or_else(|| {
        Error::invalid_field("after", "There is no such server. Begin with the first page again.")
    })
}

impl Service {
    /// A page of the servers the caller may see, by display name, then id. `q` looks into name and slug, and into the URL for those
    /// who read it; `enabled` keeps one kind.
    ///
    /// # Errors
    /// [`Error::Unauthorized`], [`Error::Invalid`].
    pub async fn server_page(
        &self,
        ctx: &OpContext,
        query: &PageQuery,
        enabled: Option<bool>,
    ) -> Result<Page<McpServer>> {
        let reader = Self::reader(ctx)?;
        let page = page_of(query)?;
        let after = match query.after.as_str() {
            "" => None,
            text => Some(text.parse().map_err(|_| Error::invalid_field("after", "is not a uuid"))?),
        };
        let mut session = self.db().read().await?;
        let after = match after {
            Some(id) => Some(cursor_of(&mut session, reader, id).await?),
            None => None,
        };
        let wanted = Wanted { q: query.q.trim(), enabled };
        let found = mcp_servers::server_search(&mut session, reader, wanted, after, page.fetched()).await?;
        drop(session);
        let rows = found.iter().map(|found| self.shown(ctx, found)).collect();
        Ok(Page::cut(rows, page.rows, |server: &McpServer| server.id.to_string()))
    }
}
