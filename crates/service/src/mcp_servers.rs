//! Servers: list, read, create, change, remove (behaviour 3 to 6).

mod access;
mod connections;
mod disconnect;
mod pages;
mod sealing;
mod setup;
mod user_headers;
mod writing;

pub(crate) use access::{EXPIRES_SOON_SECONDS, access_of, access_target, unseal};
pub(crate) use sealing::{
    access_token_place, oauth2_secret_place, refresh_token_place, registration_token_place, revocation_place,
    same_secrets, verifier_place,
};
pub use user_headers::Revocation;
pub(crate) use writing::{ServerWriter, user_values_at_stake};

use crate::{
    Error, OpContext, Result, Service,
    audit::Act,
    oauth::{self, Prepared},
};
use api::{
    Uuid,
    servers::{AuthType, McpServer, ServerWrite},
};
use domain::{
    UrlPolicy,
    accounts::Action,
    mcp_server::{self, Viewer, etag, to_wire},
};
use egress::AllowList;
use mcpauth::limits;
use std::{
    net::{IpAddr, Ipv4Addr},
    time::Duration,
};
use store::{
    Db, StoreError,
    changes::{ChangeKind, change_note},
    mcp_servers::{self, FoundServer, Reader, StoredServer},
};

/// Lists and reads wait so long for expired tokens of the caller (behaviour 10).
const READ_WAIT: Duration = limits::REFRESH_WAIT_IN_LISTS;
/// Whoever is about to use a server waits as long as the provider may take.
pub(crate) const USE_WAIT: Duration = limits::REFRESH;

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

impl Service {
    pub(crate) fn viewer(ctx: &OpContext) -> Viewer {
        Viewer { unredacted: ctx.may(Action::ServersReadAll) }
    }

    /// What the caller finds in lists and by id.
    pub(crate) fn reader(ctx: &OpContext) -> Result<Reader> {
        let all = ctx.may(Action::ServersReadAll);
        Ok(Reader { user_id: ctx.require()?.user.id, disabled: all, every_group: all })
    }

    /// What the caller may use: choose for a chat, check, enter values for. An auditor reads more than that.
    pub(crate) fn user_of_servers(ctx: &OpContext) -> Result<Reader> {
        let all = ctx.may(Action::ServersWrite);
        Ok(Reader { every_group: all, disabled: all, ..Self::reader(ctx)? })
    }

    pub(crate) fn url_policy(&self) -> UrlPolicy {
        url_policy(self.deps().egress.allow())
    }

    fn writer(&self) -> ServerWriter<'_> {
        let deps = self.deps();
        ServerWriter { keyring: &deps.keyring, clock: &*deps.clock, entropy: &*deps.entropy }
    }

    fn shown(&self, ctx: &OpContext, found: &FoundServer) -> McpServer {
        let access = access_of(&self.deps().keyring, found, self.now());
        let mut wire = to_wire(&found.stored.record, Self::viewer(ctx), &access);
        wire.connection = oauth::own_connection(found, wire.auth_status);
        if Self::viewer(ctx).unredacted {
            wire.oauth2_client = Some(oauth::client_facts(&self.deps().access_url, found));
        }
        wire
    }

    /// Servers the caller may see, by display name, then id; `after` and `limit` page.
    ///
    /// # Errors
    /// [`Error::Unauthorized`]; [`Error::Invalid`] when the caller sees no server `after`.
    pub async fn server_list(
        &self,
        ctx: &OpContext,
        after: Option<Uuid>,
        limit: Option<usize>,
    ) -> Result<Vec<McpServer>> {
        let reader = Self::reader(ctx)?;
        let mut session = self.db().read().await?;
        let after = match after {
            Some(id) => Some(pages::cursor_of(&mut session, reader, id).await?),
            None => None,
        };
        let limit = limit.map(|limit| i64::try_from(limit).unwrap_or(i64::MAX));
        let mut found = mcp_servers::server_list(&mut session, reader, after.clone(), limit).await?;
        drop(session);
        if self.deps().refresher.freshen(&found, READ_WAIT).await {
            let mut session = self.db().read().await?;
            found = mcp_servers::server_list(&mut session, reader, after, limit).await?;
        }
        Ok(found.iter().map(|found| self.shown(ctx, found)).collect())
    }

    /// One server, and its ETag.
    ///
    /// # Errors
    /// [`Error::NotFound`]: unknown, or concealed from the caller.
    pub async fn server_get(&self, ctx: &OpContext, id: Uuid) -> Result<(McpServer, String)> {
        let found = self.server_found_fresh(Self::reader(ctx)?, id, READ_WAIT).await?;
        Ok((self.shown(ctx, &found), etag(&found.stored.record)))
    }

    /// As [`Service::server_found`], the reader's own token renewed if it has expired; `wait` at most.
    pub(crate) async fn server_found_fresh(
        &self,
        reader: Reader,
        id: Uuid,
        wait: Duration,
    ) -> Result<FoundServer> {
        let found = self.server_found(reader, id).await?;
        if self.deps().refresher.freshen(std::slice::from_ref(&found), wait).await {
            return self.server_found(reader, id).await;
        }
        Ok(found)
    }

    pub(crate) async fn server_found(&self, reader: Reader, id: Uuid) -> Result<FoundServer> {
        let mut session = self.db().read().await?;
        mcp_servers::server_get(&mut session, reader, id).await?.ok_or(Error::NotFound)
    }

    /// A new server.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::Invalid`], [`Error::Conflict`] on the slug.
    pub async fn server_create(&self, ctx: &OpContext, request: ServerWrite) -> Result<(McpServer, String)> {
        ctx.authorize(Action::ServersWrite)?;
        let draft = mcp_server::validate_create(&request, &self.url_policy()).map_err(Error::invalid)?;
        if draft.discover {
            return self.server_set_up(ctx, draft).await;
        }
        let cleared = draft.cleared.clone();
        let mut write = self.db().write().await?;
        let stored = self.writer().insert(&mut write, ctx, draft).await?;
        let change = change_note(&mut write, ChangeKind::Servers, &stored.record.id.to_string()).await?;
        write.commit().await?;
        self.followed(change);
        // Nobody can have a value or a token yet.
        let mut wire = self.shown(ctx, &FoundServer::plain(stored.clone()));
        if !cleared.fields.is_empty() {
            wire.credentials_cleared = Some(cleared);
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
        let taken = match mcp_servers::server_id_by_slug(&mut write, &record.slug).await? {
            Some(id) => mcp_servers::server_get_for_update(&mut write, id).await?,
            None => None,
        };
        match taken {
            // Somebody's own server under that name: its credentials are not for ours.
            Some(stored)
                if stored.record.created_by.is_some() || stored.record.auth_type != AuthType::None => {}
            Some(mut stored) => {
                stored.record.url = record.url;
                stored.record.credential_version += 1;
                stored.record.updated_at = self.now();
                mcp_servers::server_update(&mut write, &stored).await?;
            }
            None => {
                let act = Act::on("server.create", "mcp_server", record.id, &record.slug);
                self.audit(&mut write, &ctx, act).await?;
                mcp_servers::server_insert(&mut write, &StoredServer::plain(record)).await?;
            }
        }
        change_note(&mut write, ChangeKind::Servers, "").await?;
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
        ctx.authorize(Action::ServersWrite)?;
        let (service, ctx, if_match) = (self.clone(), ctx.clone(), if_match.map(str::to_owned));
        // Goes on when the caller leaves: a client that was made at a provider is stored or taken back.
        let work = async move {
            let prepared = service.update_prepare(&ctx, id, &request, if_match.as_deref()).await?;
            let written =
                service.update_write(&ctx, id, &request, if_match.as_deref(), prepared.as_ref()).await;
            if let (Err(_), Some(prepared)) = (&written, prepared) {
                service.deps().refresher.undo(prepared).await;
            }
            written
        };
        tokio::spawn(work).await.map_err(|error| Error::internal("changing a server", error))?
    }

    async fn update_write(
        &self,
        ctx: &OpContext,
        id: Uuid,
        request: &ServerWrite,
        if_match: Option<&str>,
        prepared: Option<&Prepared>,
    ) -> Result<(McpServer, String)> {
        let mut write = self.db().write().await?;
        let stored = mcp_servers::server_get_for_update(&mut write, id).await?.ok_or(Error::NotFound)?;
        check_match(if_match, &etag(&stored.record))?;
        let mut change =
            mcp_server::merge_update(&stored.record, request, &self.url_policy()).map_err(Error::invalid)?;
        if change.discover || prepared.is_some() {
            self.update_take(&mut change, &stored, prepared)?;
        }
        let client_before = stored.record.oauth2.client_id.clone();
        let facts_before = oauth::facts_get(&mut write, id).await?;
        let cleared = self.writer().update(&mut write, ctx, stored, change).await?;
        if let Some(prepared) = prepared {
            prepared.facts_store(&mut write).await?;
        }
        let change = change_note(&mut write, ChangeKind::Servers, &id.to_string()).await?;
        // As the caller finds it now, with their own values if those are still there.
        let found = mcp_servers::server_get(&mut write, Self::reader(ctx)?, id).await?;
        let found = found.ok_or(Error::NotFound)?;
        write.commit().await?;
        // Also on edits that keep the credential: a remembered timeout ends with any edit (behaviour 13).
        self.server_follow(id);
        self.followed(change);
        if client_before != found.stored.record.oauth2.client_id {
            self.provider_forget(facts_before);
        } else if cleared.user_tokens > 0 {
            self.revocations_soon();
        }
        let mut wire = self.shown(ctx, &found);
        wire.credentials_cleared = Some(cleared);
        Ok((wire, etag(&found.stored.record)))
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
        let facts = oauth::facts_get(&mut write, id).await?;
        oauth::grants_of_server(&self.deps().grants_context(), &mut write, &stored, facts.as_ref()).await?;
        mcp_servers::server_delete(&mut write, id).await?;
        self.audit(&mut write, ctx, Act::on("server.delete", "mcp_server", id, &stored.record.slug)).await?;
        let change = change_note(&mut write, ChangeKind::Servers, &id.to_string()).await?;
        write.commit().await?;
        self.server_follow(id);
        self.followed(change);
        self.provider_forget(facts);
        Ok(())
    }
}

/// `If-Match` per RFC 9110 section 13.1.1: `*` or a list of tags; absent always matches.
pub(crate) fn check_match(if_match: Option<&str>, current: &str) -> Result<()> {
    let Some(given) = if_match else { return Ok(()) };
    let matches = given.split(',').map(str::trim).any(|tag| tag == "*" || tag == current);
    if matches { Ok(()) } else { Err(Error::Stale) }
}

/// A database with servers whose authentication type this build does not know is not served (behaviour 3). Reads only.
///
/// # Errors
/// One sentence that names the rows.
pub async fn auth_types_verify(db: &Db) -> std::result::Result<(), AuthTypesError> {
    let mut session = db.read().await?;
    let unknown = mcp_servers::servers_of_unknown_type(&mut session).await?;
    if unknown.is_empty() {
        return Ok(());
    }
    let rows: Vec<String> =
        unknown.into_iter().map(|(slug, auth_type)| format!("{slug} ({auth_type})")).collect();
    Err(AuthTypesError::Unknown(rows.join(", ")))
}

/// Why a database is not served.
#[derive(Debug, thiserror::Error)]
pub enum AuthTypesError {
    #[error(
        "the database holds MCP servers with an authentication type that this build does not know: {0}. Start the build that \
         made them, or change their type there; nothing was written"
    )]
    Unknown(String),
    #[error(transparent)]
    Store(#[from] StoreError),
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
