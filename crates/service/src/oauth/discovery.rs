//! Discovery for an admin: when a server is added or changed, and again by a button (behaviour 5, 6 and 8).

use super::{
    Departed, grants_of_server,
    prepare::{Prepared, candidate, provider_of, revocation_url, warnings, way_words},
};
use crate::{Error, OpContext, Result, Service, audit::Act, mcp_servers::oauth2_secret_place, secrets::seal};
use api::{
    Timestamp, Uuid,
    oauth::{DiscoverRequest, Discovery},
    servers::{AuthType, OAuth2Registration},
    transfer::FieldChange,
};
use domain::{accounts::Action, mcp_server::OAuth2Settings};
use mcpauth::discovery::Found;
use serde_json::{Value, json};
use store::{
    Write,
    changes::{ChangeKind, change_note},
    mcp_servers::{self, FoundServer, StoredServer},
    oauth,
};

/// A client that is yet to be made.
const NEW_CLIENT: &str = "(new)";

impl Service {
    /// Asks who issues tokens for a stored server, and says what would change; `apply` stores it. Users have to connect again where the
    /// client or an endpoint becomes another.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::NotFound`]; [`Error::Discovery`] with everything that was asked; [`Error::Conflict`] when the server
    /// was changed meanwhile.
    pub async fn server_discover(
        &self,
        ctx: &OpContext,
        id: Uuid,
        request: DiscoverRequest,
    ) -> Result<Discovery> {
        let user = ctx.authorize(Action::ServersWrite)?.user.id;
        let found = self.server_found(Self::reader(ctx)?, id).await?;
        if found.stored.record.auth_type != AuthType::Oauth2 {
            return Err(Error::invalid_field(
                "auth_type",
                "Only a server of type `oauth2` has a provider to discover.",
            ));
        }
        self.0.discoveries.admit(user, std::time::Instant::now())?;
        if request.register_again && found.stored.record.oauth2.registration != Some(OAuth2Registration::Dcr)
        {
            return Err(Error::invalid_field(
                "register_again",
                "Only a client that Patchbay registered itself can be registered again.",
            ));
        }
        let refresher = &self.deps().refresher;
        let provider = refresher.discover(&found.stored, request.issuer.as_deref()).await?;
        let is_https = self.deps().access_url.scheme() == "https";
        let (registration, keeps) = way_words(&found.stored, &provider, is_https, request.register_again);
        let scopes = &found.stored.record.oauth2.scopes;
        let mut answer = Discovery {
            found: provider_of(&provider, scopes, registration),
            changes: changes(&found, &provider, keeps, registration),
            user_tokens: 0,
            applied: false,
            candidates: provider.report.iter().map(candidate).collect(),
            warnings: warnings(&provider),
        };
        if registration.is_empty() {
            answer.warnings.push(
                "The provider supports neither client documents nor automatic registration: make a client there by hand.".to_owned(),
            );
        }
        let ends = !keeps || !answer.changes.is_empty();
        if ends {
            let mut session = self.db().read().await?;
            answer.user_tokens = oauth::user_tokens_count(&mut session, id).await?;
        }
        if !request.apply {
            return Ok(answer);
        }
        let (service, ctx, anew) = (self.clone(), ctx.clone(), request.register_again);
        // Goes on when the caller leaves: a client that was made is stored or taken back.
        let work = async move { service.discovery_apply(&ctx, &found, &provider, anew).await };
        let applied = tokio::spawn(work).await.map_err(|error| Error::internal("a discovery", error))?;
        answer.user_tokens = applied?;
        answer.applied = true;
        Ok(answer)
    }

    /// Makes a client and stores what was found, unless somebody changes the server meanwhile; how many users lost their connection.
    async fn discovery_apply(
        &self,
        ctx: &OpContext,
        seen: &FoundServer,
        provider: &Found,
        anew: bool,
    ) -> Result<i64> {
        let refresher = &self.deps().refresher;
        let prepared = match refresher.prepare_alone(seen, &seen.stored, provider, anew).await {
            Err(Error::Stale) => return Err(overtaken()),
            prepared => prepared?,
        };
        let stored = self.discovery_store(ctx, &prepared).await;
        if stored.is_err() {
            refresher.undo(prepared).await;
        }
        stored
    }

    async fn discovery_store(&self, ctx: &OpContext, prepared: &Prepared) -> Result<i64> {
        let id = prepared.facts.mcp_server_id;
        let mut write = self.db().write().await?;
        let stored = mcp_servers::server_get_for_update(&mut write, id).await?;
        let mut stored =
            stored.filter(|stored| stored.record.version == prepared.seen_version).ok_or_else(overtaken)?;
        let before = stored.clone();
        let facts_before = oauth::oauth_facts_get(&mut write, id).await?;
        self.prepared_take(&mut write, &mut stored, prepared).await?;
        let grants_end = before.record.oauth2.grants_end(&stored.record.oauth2);
        let mut departed = Departed::default();
        if grants_end {
            departed =
                grants_of_server(&self.deps().grants_context(), &mut write, &before, facts_before.as_ref())
                    .await?;
        }
        stored.record.version += 1;
        stored.record.credential_version += i64::from(grants_end);
        stored.record.updated_at = self.now().max(Timestamp(stored.record.updated_at.0.saturating_add(1)));
        stored.record.updated_by = ctx.caller.as_ref().map(|caller| caller.user.id);
        mcp_servers::server_update(&mut write, &stored).await?;
        let mut facts = vec![format!("issuer {}", domain::text::quote(&stored.record.oauth2.issuer, 200))];
        if departed.users > 0 {
            facts.push(format!("user_tokens {}", departed.users));
        }
        let act = Act::on("server.discovered", "mcp_server", id, &stored.record.slug).fields(facts);
        self.audit(&mut write, ctx, act).await?;
        let change = change_note(&mut write, ChangeKind::Servers, &id.to_string()).await?;
        write.commit().await?;
        self.server_follow(id);
        self.followed(change);
        let gone = before.record.oauth2.client_id != stored.record.oauth2.client_id;
        self.provider_forget(facts_before.filter(|_| gone));
        Ok(departed.users)
    }

    /// Puts what was found into the row and beside it; the caller writes the row.
    pub(crate) async fn prepared_take(
        &self,
        write: &mut Write,
        stored: &mut StoredServer,
        prepared: &Prepared,
    ) -> Result<()> {
        let id = stored.record.id;
        stored.record.oauth2 = prepared.settings.clone();
        match &prepared.secret {
            None => {}
            Some(None) => stored.oauth2_client_secret = store::SealedColumn::default(),
            Some(Some(secret)) => {
                stored.oauth2_client_secret = seal(&self.deps().keyring, &oauth2_secret_place(id), secret)?;
            }
        }
        stored.record.has_oauth2_secret = stored.oauth2_client_secret.is_set();
        prepared.facts_store(write).await
    }

    /// Finds the provider of a server that is being added, and makes a client there.
    pub(crate) async fn provider_prepare(&self, stored: &StoredServer) -> Result<Prepared> {
        let refresher = &self.deps().refresher;
        let provider = refresher.discover(stored, None).await?;
        refresher.prepare(stored, None, &provider, false).await
    }
}

fn overtaken() -> Error {
    Error::conflict(
        "The server was changed while its provider was asked. Look at it, and run discovery again.",
    )
}

fn changes(seen: &FoundServer, found: &Found, keeps: bool, registration: &str) -> Vec<FieldChange> {
    let oauth2 = &seen.stored.record.oauth2;
    let after = OAuth2Settings {
        client_id: if keeps { oauth2.client_id.clone() } else { NEW_CLIENT.to_owned() },
        auth_url: found.metadata.authorization_endpoint.clone(),
        token_url: found.metadata.token_endpoint.clone(),
        revocation_url: revocation_url(oauth2, seen.oauth.as_ref(), found),
        issuer: found.issuer.clone(),
        ..oauth2.clone()
    };
    let now = oauth2.registration.map_or("", api::servers::OAuth2Registration::as_str);
    [
        ("oauth2_client_id", &oauth2.client_id, &after.client_id),
        ("oauth2_auth_url", &oauth2.auth_url, &after.auth_url),
        ("oauth2_token_url", &oauth2.token_url, &after.token_url),
        ("oauth2_revocation_url", &oauth2.revocation_url, &after.revocation_url),
        ("oauth2_issuer", &oauth2.issuer, &after.issuer),
        ("oauth2_registration", &now.to_owned(), &registration.to_owned()),
    ]
    .into_iter()
    .filter(|(_, before, after)| before != after)
    .map(|(field, before, after)| FieldChange {
        field: field.to_owned(),
        old: value(before),
        new: value(after),
        secret: None,
    })
    .collect()
}

fn value(text: &str) -> Value {
    if text.is_empty() { Value::Null } else { json!(text) }
}
