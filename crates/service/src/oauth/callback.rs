//! The way back from a provider: checked in the order of the contract, and no token request before every check has passed (behaviour 9).

use super::{
    belongs, client_of, connect::check_connectable, drift::LOOK_AFTER_SIGN_IN, micros, patiently,
    resource_of, sealed,
};
use crate::{
    Error, OpContext, Result, Service,
    audit::Act,
    mcp_servers::{access_token_place, refresh_token_place, unseal, verifier_place},
};
use api::{Timestamp, Uuid};
use domain::text::quote;
use mcpauth::{
    authorization::check_iss,
    revocation::revoke,
    token::{Grant, TokenErrorKind, exchange},
};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use store::{
    changes::{ChangeKind, change_note},
    mcp_servers::{self, FoundServer},
    oauth::{self, OAuthFlow, UserToken},
};

/// What the provider sent the browser back with. Empty and absent are the same.
#[derive(Clone, Default)]
pub struct CallbackQuery {
    pub state: String,
    pub code: String,
    pub iss: Option<String>,
    pub error: String,
    pub error_description: String,
}

impl std::fmt::Debug for CallbackQuery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // State and code are secrets until they are used.
        f.debug_struct("CallbackQuery").field("error", &self.error).finish_non_exhaustive()
    }
}

/// A connection that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connected {
    pub server_id: Uuid,
    pub display_name: String,
    /// Where the person came from; empty when nobody said.
    pub return_to: String,
}

/// Why a callback made none, for a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallbackRefused {
    pub status: u16,
    pub title: &'static str,
    /// Plain text; what is quoted in it is a stranger's.
    pub text: String,
    /// Starting again makes sense.
    pub may_retry: bool,
    /// Of the server, where the reader may know it.
    pub display_name: String,
    pub return_to: String,
}

impl CallbackRefused {
    fn new(status: u16, title: &'static str, text: impl Into<String>) -> Self {
        Self {
            status,
            title,
            text: text.into(),
            may_retry: true,
            display_name: String::new(),
            return_to: String::new(),
        }
    }

    fn of(self, found: &FoundServer, flow: &OAuthFlow) -> Self {
        Self { return_to: flow.return_to.clone(), ..self.at(found) }
    }

    fn at(self, found: &FoundServer) -> Self {
        Self { display_name: found.stored.record.display_name.clone(), ..self }
    }

    fn for_good(self) -> Self {
        Self { may_retry: false, ..self }
    }
}

/// Characters shown of what a provider says went wrong.
const PROVIDER_WORDS: usize = 200;
const NOT_VERIFIED: &str = "The sign-in could not be verified";
const START_AGAIN: &str = "Start again";
const NO_FLOW: &str = "no such sign-in: expired, used, or of another server";
const CHANGED: &str = "the server was changed meanwhile";
const EXPIRED: &str = "This sign-in has expired or was used already. Nothing was changed.";

impl Service {
    /// Ends a sign-in that [`Service::oauth_connect`] began. Once begun, the exchange runs to its end even if the browser leaves.
    ///
    /// # Errors
    /// [`CallbackRefused`], as a page for people. Nothing of the query is shown in it before the answer is known to be the provider's.
    pub async fn oauth_callback(
        &self,
        ctx: &OpContext,
        id: Uuid,
        query: CallbackQuery,
    ) -> std::result::Result<Connected, CallbackRefused> {
        // 1: a live session. Nothing is consumed without.
        let Ok(caller) = ctx.require() else {
            return Err(CallbackRefused::new(
                401,
                "Sign in first",
                "You are not signed in to Patchbay in this browser. Sign in, then press Connect again.",
            ));
        };
        let (user, credential) = (caller.user.id, caller.credential_id);
        // 2: the server of the path.
        let found = match Self::user_of_servers(ctx) {
            Ok(reader) => self
                .server_found(reader, id)
                .await
                .map_err(|error| noted(ctx, "no such server", not_found(error)))?,
            Err(error) => return Err(internal(&error)),
        };
        if let Err(error) = check_connectable(&found) {
            let page = CallbackRefused::new(400, "This server cannot be connected", error.to_string());
            return Err(noted(ctx, "the server cannot be connected", page.at(&found).for_good()));
        }
        // 3: a live flow of this server, user and session.
        if query.state.is_empty() || query.state.len() > 256 {
            let page =
                CallbackRefused::new(400, START_AGAIN, "The provider's answer names no sign-in of ours.");
            return Err(noted(ctx, "no state", page.at(&found)));
        }
        let hash: [u8; 32] = Sha256::digest(query.state.as_bytes()).into();
        let flow = self.flow_of(&hash).await.map_err(|error| internal(&error).at(&found))?;
        let Some(flow) = flow.filter(|flow| flow.mcp_server_id == id && flow.is_live) else {
            return Err(noted(ctx, NO_FLOW, CallbackRefused::new(400, START_AGAIN, EXPIRED).at(&found)));
        };
        if flow.user_id != user || flow.credential_id != credential {
            // Whose it is, is for the audit log alone.
            let server = format!("server={}", found.stored.record.slug);
            ctx.refusal_note("access.oauth_foreign_flow", "mcp_server", server);
            return Err(CallbackRefused::new(
                403,
                NOT_VERIFIED,
                "This sign-in was begun by somebody else, or in another browser. Nothing was changed.",
            )
            .at(&found));
        }
        // What is consumed is finished, with or without the browser: a closed tab must not cost the code (threats 98).
        let (service, ctx) = (self.clone(), ctx.clone());
        let work = async move { service.answered(&ctx, found, flow, query).await };
        tokio::spawn(work).await.unwrap_or_else(|error| Err(internal(&Error::internal("a sign-in", error))))
    }

    /// 4 to 9, for a flow that is the caller's.
    async fn answered(
        &self,
        ctx: &OpContext,
        found: FoundServer,
        flow: OAuthFlow,
        query: CallbackQuery,
    ) -> std::result::Result<Connected, CallbackRefused> {
        // 4: consumed by one atomic statement, whatever comes after.
        if !self.flow_consume(flow.id).await.map_err(|error| internal(&error).at(&found))? {
            let page = CallbackRefused::new(400, START_AGAIN, EXPIRED).of(&found, &flow);
            return Err(noted(ctx, NO_FLOW, page));
        }
        // 5: who answered.
        if check_iss(flow.iss_required, &flow.issuer, query.iss.as_deref()).is_err() {
            return Err(self.wrong_issuer(ctx, &found, &flow, query.iss.as_deref()).await);
        }
        // 6: what the provider says.
        if !query.error.is_empty() {
            let page = provider_refused(&query).of(&found, &flow);
            return Err(noted(ctx, &format!("the provider says {}", quote(&query.error, 60)), page));
        }
        // 7: something to exchange, at the provider where it began.
        if query.code.is_empty() {
            let page = CallbackRefused::new(400, START_AGAIN, "The provider sent no code along.");
            return Err(noted(ctx, "no code", page.of(&found, &flow)));
        }
        if found.stored.record.credential_version != flow.credential_version {
            return Err(noted(ctx, CHANGED, changed().of(&found, &flow)));
        }
        self.finish(ctx, found, flow, SecretString::from(query.code)).await
    }

    async fn flow_of(&self, hash: &[u8; 32]) -> Result<Option<OAuthFlow>> {
        let mut session = self.db().read().await?;
        Ok(oauth::oauth_flow_get(&mut session, hash).await?)
    }

    async fn flow_consume(&self, id: Uuid) -> Result<bool> {
        let mut write = self.db().write().await?;
        let consumed = oauth::oauth_flow_consume(&mut write, id).await?;
        write.commit().await?;
        Ok(consumed)
    }

    /// The issuer strings are for whoever can do something about them.
    async fn wrong_issuer(
        &self,
        ctx: &OpContext,
        found: &FoundServer,
        flow: &OAuthFlow,
        present: Option<&str>,
    ) -> CallbackRefused {
        let named = present.map_or_else(|| "nothing".to_owned(), |text| quote(text, PROVIDER_WORDS));
        let recorded =
            if flow.issuer.is_empty() { "nothing".to_owned() } else { quote(&flow.issuer, PROVIDER_WORDS) };
        let facts = vec![format!("recorded issuer {recorded}"), format!("answered issuer {named}")];
        self.callback_refused(ctx, found, "connection.issuer_refused", facts).await;
        // Not even to admins: whoever answered could be anybody (protocol.md A4), and would be recommended by us.
        let text = "The answer did not come from the provider it was asked of. Nothing was changed. Admins find both identifiers in the \
                    audit log.";
        CallbackRefused::new(400, NOT_VERIFIED, text).of(found, flow)
    }

    async fn callback_refused(
        &self,
        ctx: &OpContext,
        found: &FoundServer,
        action: &'static str,
        facts: Vec<String>,
    ) {
        let record = &found.stored.record;
        let logged = async {
            let mut write = self.db().write().await?;
            let act = Act::on(action, "mcp_server", record.id, &record.slug).fields(facts);
            self.audit_outcome(&mut write, ctx, act, "denied").await?;
            Result::Ok(write.commit().await?)
        };
        if let Err(error) = logged.await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "a refused sign-in is missing in the audit log"
            );
        }
    }

    /// 8 and 9: the token request, and what came of it.
    async fn finish(
        &self,
        ctx: &OpContext,
        found: FoundServer,
        flow: OAuthFlow,
        code: SecretString,
    ) -> std::result::Result<Connected, CallbackRefused> {
        let keyring = &self.deps().keyring;
        let verifier = unseal(keyring, &verifier_place(flow.id, flow.user_id), &flow.verifier);
        let Ok(Some(verifier)) = verifier else {
            let page = CallbackRefused::new(400, START_AGAIN, EXPIRED).of(&found, &flow);
            return Err(noted(ctx, "the sign-in cannot be read any more", page));
        };
        let client = client_of(keyring, &found.stored, found.oauth.as_ref(), &flow.resource);
        let Some(client) =
            client.filter(|client| client.client_id == flow.client_id && client.token_url == flow.token_url)
        else {
            return Err(noted(ctx, CHANGED, changed().of(&found, &flow)));
        };
        let grant = match exchange(
            &self.deps().egress,
            &client,
            code.expose_secret(),
            &verifier,
            &flow.redirect_uri,
        )
        .await
        {
            Ok(grant) => grant,
            Err(error) => {
                tracing::warn!(server = %flow.mcp_server_id, error = &error as &dyn std::error::Error, "a sign-in failed at the provider");
                let facts = vec![error.to_string()];
                self.callback_refused(ctx, &found, "connection.exchange_failed", facts).await;
                let renewed = error.kind == TokenErrorKind::InvalidClient
                    && self.client_refused(found.stored.record.id, &flow.client_id).await;
                let text = if renewed {
                    "The provider no longer knew Patchbay, which has registered anew. Press Connect again."
                } else {
                    "The provider did not complete the sign-in. Try again; if it stays, an admin finds the details in the audit log."
                };
                return Err(CallbackRefused::new(502, "The provider did not answer as expected", text)
                    .of(&found, &flow));
            }
        };
        let refused = match patiently(|| self.grant_store(ctx, &flow, &grant)).await {
            Ok(Some(connected)) => return Ok(connected),
            Ok(None) => noted(ctx, CHANGED, changed()),
            Err(error) => internal(&error),
        };
        // What nobody keeps is given back.
        let url = &found.stored.record.oauth2.revocation_url;
        if !url.is_empty() {
            revoke(&self.deps().egress, url, &client, grant.refresh_token.as_ref(), &grant.access_token)
                .await;
        }
        Err(refused.of(&found, &flow))
    }

    /// `None`: the server is not what the sign-in was for any more; nothing is kept.
    async fn grant_store(
        &self,
        ctx: &OpContext,
        flow: &OAuthFlow,
        grant: &Grant,
    ) -> Result<Option<Connected>> {
        let (server, user) = (flow.mcp_server_id, flow.user_id);
        let keyring = &self.deps().keyring;
        let mut write = self.db().write().await?;
        mcp_servers::server_hold(&mut write, server).await?;
        let found = mcp_servers::server_get(&mut write, Self::user_of_servers(ctx)?, server).await?;
        let row = self.new_id();
        let now = self.now();
        let token = UserToken {
            id: row,
            mcp_server_id: server,
            user_id: user,
            access_token: sealed(keyring, &access_token_place(row, user), Some(&grant.access_token))?,
            refresh_token: sealed(keyring, &refresh_token_place(row, user), grant.refresh_token.as_ref())?,
            token_type: grant.token_type.clone(),
            expires_at: expiry(now, grant),
            scopes: grant.scope.clone().unwrap_or_else(|| flow.scopes.clone()),
            wanted_scopes: String::new(),
            issuer: flow.issuer.clone(),
            resource: flow.resource.clone(),
            client_id: flow.client_id.clone(),
            token_url: flow.token_url.clone(),
            failure: None,
            failure_detail: String::new(),
            failed_at: None,
            version: 0,
            refresh_lease_id: None,
            refresh_lease_until: None,
            refresh_sends: 0,
            refresh_not_before: None,
            refresh_failures: 0,
            connected_at: now,
            updated_at: now,
        };
        let still = found.filter(|found| {
            let record = &found.stored.record;
            record.enabled
                && record.credential_version == flow.credential_version
                && belongs(&token, found)
                && resource_of(&found.stored, found.oauth.as_ref()) == flow.resource
        });
        let Some(found) = still else { return Ok(None) };
        let record = &found.stored.record;
        // Before anything is put in order for the whole cluster: others hold this row and wait for that.
        let look = oauth::oauth_look_claim(&mut write, server, micros(LOOK_AFTER_SIGN_IN)).await?;
        oauth::user_token_put(&mut write, &token).await?;
        oauth::step_ups_reopen(&mut write, server, user).await?;
        let mut facts =
            vec![format!("stays connected {}", if grant.refresh_token.is_some() { "yes" } else { "no" })];
        if !token.scopes.is_empty() {
            facts.push(format!("scopes {}", quote(&token.scopes, PROVIDER_WORDS)));
        }
        let act = Act::on("connection.connected", "mcp_server", server, &record.slug).fields(facts);
        self.audit(&mut write, ctx, act).await?;
        change_note(&mut write, ChangeKind::Users, &user.to_string()).await?;
        write.commit().await?;
        self.deps().mcp.close_connection(server, user);
        if look {
            self.drift_look_soon(server);
        }
        Ok(Some(Connected {
            server_id: server,
            display_name: record.display_name.clone(),
            return_to: flow.return_to.clone(),
        }))
    }
}

/// When an access token ends; `None`: never, or nobody said.
pub(super) fn expiry(now: Timestamp, grant: &Grant) -> Option<Timestamp> {
    grant
        .expires_in
        .map(|life| now.plus_seconds(i64::try_from(life.as_secs()).unwrap_or(i64::MAX / 2_000_000)))
}

/// In the audit log, too; without anybody being able to flood it.
fn noted(ctx: &OpContext, cause: &str, page: CallbackRefused) -> CallbackRefused {
    // Trouble of our own is no refusal.
    if page.status < 500 {
        ctx.refusal_note("connection.callback_refused", "mcp_server", format!("cause={cause}"));
    }
    page
}

fn not_found(error: Error) -> CallbackRefused {
    match error {
        Error::NotFound => CallbackRefused::new(
            404,
            "There is no such server",
            "The server was removed, or it is not open to you any more. Nothing was changed.",
        )
        .for_good(),
        error => internal(&error),
    }
}

fn changed() -> CallbackRefused {
    CallbackRefused::new(
        400,
        START_AGAIN,
        "The server's sign-in was changed while you were at the provider. Nothing was kept; press Connect again.",
    )
}

fn internal(error: &Error) -> CallbackRefused {
    tracing::error!(error = error as &dyn std::error::Error, "a sign-in could not be finished");
    CallbackRefused::new(
        503,
        "Something went wrong",
        "The sign-in could not be finished just now. Try again in a moment.",
    )
}

fn provider_refused(query: &CallbackQuery) -> CallbackRefused {
    let said = if query.error_description.is_empty() { &query.error } else { &query.error_description };
    let text = match query.error.as_str() {
        "access_denied" => "You declined at the provider, or it declined for you.".to_owned(),
        _ => "The provider refused the sign-in.".to_owned(),
    };
    CallbackRefused::new(
        400,
        "Not connected",
        format!("{text} It says: \u{201c}{}\u{201d}", quote(said, PROVIDER_WORDS)),
    )
}
