//! Servers: list, read, create, change, remove (behaviour 3 to 6).

use crate::{
    Error, OpContext, Result, Service,
    audit::Act,
    secrets::{Place, seal},
};
use api::{
    Uuid,
    servers::{McpServer, ServerWrite},
};
use dbcrypt::Keyring;
use domain::{
    SecretChange, UrlPolicy,
    accounts::Action,
    mcp_server::{self, Viewer, etag, to_wire},
};
use egress::AllowList;
use secrecy::SecretString;
use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr},
};
use store::{
    SealedColumn, StoreError,
    mcp_servers::{self, StoredServer},
};

pub(crate) const TABLE: &str = "mcp_servers";

pub(crate) fn api_key_place(row: Uuid) -> Place {
    Place { table: TABLE, column: "api_key_value", row }
}

pub(crate) fn custom_headers_place(row: Uuid) -> Place {
    Place { table: TABLE, column: "custom_headers", row }
}

fn slug_conflict(error: StoreError) -> Error {
    if error.is_conflict_on("slug") {
        Error::conflict_field("slug", "Another server has this slug. Choose a different one.")
    } else {
        error.into()
    }
}

/// Plain http only where the operator allows a private destination; an address that is no literal is judged by its name.
pub(crate) fn url_policy(allow: AllowList) -> UrlPolicy {
    UrlPolicy::new(move |host, port| {
        let literal = host.trim_start_matches('[').trim_end_matches(']').parse();
        allow.contains(host, port, literal.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)))
    })
}

pub(crate) fn seal_api_key(
    keyring: &Keyring,
    id: Uuid,
    current: SealedColumn,
    change: SecretChange<String>,
) -> Result<SealedColumn> {
    match change {
        SecretChange::Keep => Ok(current),
        SecretChange::Clear => Ok(SealedColumn::default()),
        SecretChange::Set(value) => seal(keyring, &api_key_place(id), &SecretString::from(value)),
    }
}

pub(crate) fn seal_headers(
    keyring: &Keyring,
    id: Uuid,
    current: SealedColumn,
    change: SecretChange<BTreeMap<String, String>>,
) -> Result<SealedColumn> {
    match change {
        SecretChange::Keep => Ok(current),
        SecretChange::Clear => Ok(SealedColumn::default()),
        SecretChange::Set(map) => {
            let text = serde_json::to_string(&map).map_err(|e| Error::internal("custom headers", e))?;
            seal(keyring, &custom_headers_place(id), &SecretString::from(text))
        }
    }
}

impl Service {
    pub(crate) fn viewer(ctx: &OpContext) -> Viewer {
        Viewer { unredacted: ctx.may(Action::ServersReadAll) }
    }

    pub(crate) fn url_policy(&self) -> UrlPolicy {
        url_policy(self.deps().egress.allow())
    }

    /// Servers the caller may see, by display name, then id; `after` and `limit` page.
    ///
    /// # Errors
    /// [`Error::Unauthorized`].
    pub async fn server_list(
        &self,
        ctx: &OpContext,
        after: Option<Uuid>,
        limit: Option<usize>,
    ) -> Result<Vec<McpServer>> {
        ctx.require()?;
        let viewer = Self::viewer(ctx);
        let mut session = self.db().read().await?;
        let stored = mcp_servers::server_list(&mut session, !viewer.unredacted).await?;
        let start = match after {
            Some(id) => stored.iter().position(|s| s.record.id == id).map_or(stored.len(), |at| at + 1),
            None => 0,
        };
        let page = stored.iter().skip(start).take(limit.unwrap_or(usize::MAX));
        Ok(page.map(|s| to_wire(&s.record, viewer)).collect())
    }

    /// One server, and its ETag.
    ///
    /// # Errors
    /// [`Error::NotFound`]: unknown, or concealed from the caller.
    pub async fn server_get(&self, ctx: &OpContext, id: Uuid) -> Result<(McpServer, String)> {
        ctx.require()?;
        let stored = self.server_visible(ctx, id).await?;
        Ok((to_wire(&stored.record, Self::viewer(ctx)), etag(&stored.record)))
    }

    pub(crate) async fn server_visible(&self, ctx: &OpContext, id: Uuid) -> Result<StoredServer> {
        let mut session = self.db().read().await?;
        let stored = mcp_servers::server_get(&mut session, id).await?;
        stored
            .filter(|s| mcp_server::is_visible(&s.record, Self::viewer(ctx).unredacted))
            .ok_or(Error::NotFound)
    }

    /// A new server.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::Invalid`], [`Error::Conflict`] on the slug.
    pub async fn server_create(&self, ctx: &OpContext, request: ServerWrite) -> Result<(McpServer, String)> {
        let caller = ctx.authorize(Action::ServersWrite)?;
        let draft = mcp_server::validate_create(&request, &self.url_policy()).map_err(Error::invalid)?;
        let id = self.new_id();
        let keyring = &self.deps().keyring;
        let mut record = draft.record(id, self.now(), Some(caller.user.id));
        let api_key = seal_api_key(keyring, id, SealedColumn::default(), draft.api_key)?;
        let custom_headers = seal_headers(keyring, id, SealedColumn::default(), draft.custom_headers)?;
        record.has_api_key = api_key.is_set();
        record.has_custom_headers = custom_headers.is_set();
        let stored = StoredServer { record, api_key, custom_headers };
        let mut write = self.db().write().await?;
        mcp_servers::server_insert(&mut write, &stored).await.map_err(slug_conflict)?;
        self.audit(&mut write, ctx, Act::on("server.create", "mcp_server", id, &stored.record.slug)).await?;
        write.commit().await?;
        let mut wire = to_wire(&stored.record, Self::viewer(ctx));
        if !draft.cleared.fields.is_empty() {
            wire.credentials_cleared = Some(draft.cleared);
        }
        Ok((wire, etag(&stored.record)))
    }

    /// Registers a server without a caller, unless its slug is taken: `--demo` does. A taken one gets the URL.
    ///
    /// # Errors
    /// [`Error::Invalid`], [`Error::Unavailable`].
    pub async fn server_ensure(&self, request: ServerWrite) -> Result<()> {
        let ctx = OpContext::default();
        let draft = mcp_server::validate_create(&request, &self.url_policy()).map_err(Error::invalid)?;
        let record = draft.record(self.new_id(), self.now(), None);
        let mut write = self.db().write().await?;
        let taken = mcp_servers::server_list(&mut write, false).await?;
        match taken.into_iter().find(|s| s.record.slug.eq_ignore_ascii_case(&record.slug)) {
            Some(mut stored) => {
                stored.record.url = record.url;
                stored.record.credential_version += 1;
                stored.record.updated_at = self.now();
                mcp_servers::server_update(&mut write, &stored).await?;
            }
            None => {
                let act = Act::on("server.create", "mcp_server", record.id, &record.slug);
                self.audit(&mut write, &ctx, act).await?;
                let stored = StoredServer {
                    record,
                    api_key: SealedColumn::default(),
                    custom_headers: SealedColumn::default(),
                };
                mcp_servers::server_insert(&mut write, &stored).await?;
            }
        }
        write.commit().await?;
        Ok(())
    }

    /// Changes a server under a row lock; the answer says what was wiped.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::NotFound`], [`Error::Invalid`], [`Error::Conflict`], [`Error::Stale`].
    pub async fn server_update(
        &self,
        ctx: &OpContext,
        id: Uuid,
        request: ServerWrite,
        if_match: Option<&str>,
    ) -> Result<(McpServer, String)> {
        let caller = ctx.authorize(Action::ServersWrite)?;
        let mut write = self.db().write().await?;
        let stored = mcp_servers::server_get_for_update(&mut write, id).await?.ok_or(Error::NotFound)?;
        check_match(if_match, &etag(&stored.record))?;
        let change =
            mcp_server::merge_update(&stored.record, &request, &self.url_policy()).map_err(Error::invalid)?;
        let mut record = change.record(self.now(), Some(caller.user.id));
        // Secrets go into the log only as what happened to them (behaviour 27).
        let changed = change
            .changed
            .iter()
            .map(|field| {
                let word = match *field {
                    "api_key_value" => change.api_key.audit_word(stored.record.has_api_key),
                    "custom_headers" => change.custom_headers.audit_word(stored.record.has_custom_headers),
                    _ => None,
                };
                word.map_or_else(|| (*field).to_owned(), |word| format!("{field} {word}"))
            })
            .collect();
        let keyring = &self.deps().keyring;
        let api_key = seal_api_key(keyring, id, stored.api_key, change.api_key)?;
        let custom_headers = seal_headers(keyring, id, stored.custom_headers, change.custom_headers)?;
        record.has_api_key = api_key.is_set();
        record.has_custom_headers = custom_headers.is_set();
        let stored = StoredServer { record, api_key, custom_headers };
        mcp_servers::server_update(&mut write, &stored).await.map_err(slug_conflict)?;
        let act = Act::on("server.update", "mcp_server", id, &stored.record.slug).fields(changed);
        self.audit(&mut write, ctx, act).await?;
        write.commit().await?;
        // Also on edits that keep the credential: a remembered timeout ends with any edit (behaviour 13).
        self.deps().mcp.close_server(id);
        let mut wire = to_wire(&stored.record, Self::viewer(ctx));
        wire.credentials_cleared = Some(change.cleared);
        Ok((wire, etag(&stored.record)))
    }

    /// Removes a server; chats keep the dangling id.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::NotFound`], [`Error::Stale`].
    pub async fn server_delete(&self, ctx: &OpContext, id: Uuid, if_match: Option<&str>) -> Result<()> {
        ctx.authorize(Action::ServersWrite)?;
        let mut write = self.db().write().await?;
        let stored = mcp_servers::server_get_for_update(&mut write, id).await?.ok_or(Error::NotFound)?;
        check_match(if_match, &etag(&stored.record))?;
        mcp_servers::server_delete(&mut write, id).await?;
        self.audit(&mut write, ctx, Act::on("server.delete", "mcp_server", id, &stored.record.slug)).await?;
        write.commit().await?;
        self.deps().mcp.close_server(id);
        Ok(())
    }
}

/// `If-Match` per RFC 9110 section 13.1.1: `*` or a list of tags; absent always matches.
fn check_match(if_match: Option<&str>, current: &str) -> Result<()> {
    let Some(given) = if_match else { return Ok(()) };
    let matches = given.split(',').map(str::trim).any(|tag| tag == "*" || tag == current);
    if matches { Ok(()) } else { Err(Error::Stale) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn if_match_takes_lists_and_stars() {
        for (given, passes) in [
            (None, true),
            (Some("*"), true),
            (Some("\"a\""), true),
            (Some("\"b\", \"a\""), true),
            (Some("\"b\""), false),
            (Some(""), false),
        ] {
            assert_eq!(check_match(given, "\"a\"").is_ok(), passes, "{given:?}");
        }
    }
}
