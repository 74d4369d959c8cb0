//! Servers that are added or changed with nothing but their URL: the provider is found first (behaviour 5 and 6).

use super::check_match;
use crate::{Error, OpContext, Result, Service, audit::Act, oauth::Prepared};
use api::{
    Uuid,
    servers::{McpServer, ServerWrite},
};
use domain::{
    SecretChange,
    mcp_server::{self, ServerChange, ServerDraft, etag},
};
use secrecy::ExposeSecret as _;
use store::{
    changes::{ChangeKind, change_note},
    mcp_servers::{self, FoundServer, StoredServer},
};

/// A row in setup is swept after this, microseconds.
const SETUP_MICROS: i64 = 10 * 60 * 1_000_000;

impl Service {
    /// A new server whose provider is found first. Nobody sees it before; nothing stays behind when it fails. Goes on when the caller leaves,
    /// so that the row becomes real or is removed.
    pub(super) async fn server_set_up(
        &self,
        ctx: &OpContext,
        draft: ServerDraft,
    ) -> Result<(McpServer, String)> {
        let (service, ctx) = (self.clone(), ctx.clone());
        let work = async move { service.set_up(&ctx, draft).await };
        tokio::spawn(work).await.map_err(|error| Error::internal("adding a server", error))?
    }

    async fn set_up(&self, ctx: &OpContext, draft: ServerDraft) -> Result<(McpServer, String)> {
        let cleared = draft.cleared.clone();
        let mut write = self.db().write().await?;
        let stored = self.writer().insert_in_setup(&mut write, ctx, draft, SETUP_MICROS).await?;
        write.commit().await?;
        let id = stored.record.id;
        let prepared = match self.provider_prepare(&stored).await {
            Ok(prepared) => prepared,
            Err(error) => {
                self.set_up_undo(id).await;
                return Err(error);
            }
        };
        match self.set_up_finish(ctx, id, &prepared).await {
            Ok(found) => {
                let mut wire = self.shown(ctx, &found);
                if !cleared.fields.is_empty() {
                    wire.credentials_cleared = Some(cleared);
                }
                Ok((wire, etag(&found.stored.record)))
            }
            Err(error) => {
                self.deps().refresher.undo(prepared).await;
                self.set_up_undo(id).await;
                Err(error)
            }
        }
    }

    async fn set_up_finish(&self, ctx: &OpContext, id: Uuid, prepared: &Prepared) -> Result<FoundServer> {
        let mut write = self.db().write().await?;
        let stored = mcp_servers::server_setup_get_for_update(&mut write, id).await?;
        let mut stored = stored
            .ok_or_else(|| Error::conflict("Finding the provider took too long. Add the server again."))?;
        self.prepared_take(&mut write, &mut stored, prepared).await?;
        mcp_servers::server_update(&mut write, &stored).await?;
        if !mcp_servers::server_setup_finish(&mut write, id).await? {
            return Err(Error::conflict("Finding the provider took too long. Add the server again."));
        }
        self.audit(&mut write, ctx, Act::on("server.create", "mcp_server", id, &stored.record.slug)).await?;
        let change = change_note(&mut write, ChangeKind::Servers, &id.to_string()).await?;
        write.commit().await?;
        self.followed(change);
        Ok(FoundServer { oauth: Some(prepared.facts.clone()), ..FoundServer::plain(stored) })
    }

    /// What stays is swept later.
    async fn set_up_undo(&self, id: Uuid) {
        let undo = async {
            let mut write = self.db().write().await?;
            mcp_servers::server_setup_remove(&mut write, id).await?;
            Result::Ok(write.commit().await?)
        };
        if let Err(error) = undo.await {
            tracing::warn!(server = %id, error = &error as &dyn std::error::Error, "a server in setup is swept later");
        }
    }

    /// Finds the provider where an edit needs that, before anything is written and without holding the row.
    pub(super) async fn update_prepare(
        &self,
        ctx: &OpContext,
        id: Uuid,
        request: &ServerWrite,
        if_match: Option<&str>,
    ) -> Result<Option<Prepared>> {
        let found = self.server_found(Self::reader(ctx)?, id).await?;
        check_match(if_match, &etag(&found.stored.record))?;
        let change = mcp_server::merge_update(&found.stored.record, request, &self.url_policy());
        let change = change.map_err(Error::invalid)?;
        if !change.discover {
            return Ok(None);
        }
        let merged = StoredServer::plain(change.merged);
        let refresher = &self.deps().refresher;
        let provider = refresher.discover(&merged, None).await?;
        // What was found before is no client of this one's: `merged` has none.
        refresher.prepare_alone(&found, &merged, &provider, false).await.map(Some)
    }

    /// Puts what was found into the edit, unless the server was changed meanwhile.
    pub(super) fn update_take(
        &self,
        change: &mut ServerChange,
        stored: &StoredServer,
        prepared: Option<&Prepared>,
    ) -> Result<()> {
        let Some(prepared) =
            prepared.filter(|prepared| change.discover && prepared.seen_version == stored.record.version)
        else {
            return Err(Error::Stale);
        };
        change.merged.oauth2 = prepared.settings.clone();
        change.oauth2_secret = match &prepared.secret {
            None => SecretChange::Keep,
            Some(None) => SecretChange::Clear,
            Some(Some(secret)) => SecretChange::Set(secret.expose_secret().to_owned()),
        };
        for field in ["oauth2_client_id", "oauth2_auth_url", "oauth2_token_url", "oauth2_issuer"] {
            if !change.changed.contains(&field) {
                change.changed.push(field);
            }
        }
        change.credentials_changed = true;
        Ok(())
    }
}
