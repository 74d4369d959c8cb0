//! Connect: where a person is sent to give their consent (behaviour 9).

use super::{
    client_document_url, facts_of, micros, redirect_uri, registration::is_secret_ending, resource_of,
};
use crate::{
    Error, OpContext, Result, Service,
    audit::Act,
    mcp_servers::{access_of, verifier_place},
    secrets::seal,
};
use api::{
    Uuid,
    servers::{AuthStatus, AuthType},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use domain::{clock::random_token, mcp_server::auth_status, oauth::scopes, redirect::safe_return_to};
use mcpauth::{
    authorization::{AuthorizationRequest, Pkce, authorization_url},
    limits,
    registration::client_document,
};
use sha2::{Digest as _, Sha256};
use store::{
    mcp_servers::FoundServer,
    oauth::{self, OAuthFlow},
};

impl Service {
    /// Begins a sign-in at the provider of a server for the caller: the address to go to. `return_to` is a path of ours to come back
    /// to where there is no window to close.
    ///
    /// # Errors
    /// [`Error::NotFound`]: unknown or concealed; [`Error::Invalid`]: not enabled, of another type, or not set up.
    pub async fn oauth_connect(&self, ctx: &OpContext, id: Uuid, return_to: Option<&str>) -> Result<String> {
        let caller = ctx.require()?;
        let (user, credential) = (caller.user.id, caller.credential_id);
        let mut found = self.server_found(Self::user_of_servers(ctx)?, id).await?;
        check_connectable(&found)?;
        if is_secret_ending(&found, self.now()) {
            self.client_renew(id).await?;
            found = self.server_found(Self::user_of_servers(ctx)?, id).await?;
        }
        let access = access_of(&self.deps().keyring, &found, self.now());
        if auth_status(&found.stored.record, &access).0 == AuthStatus::Misconfigured {
            return Err(plain("The server is not set up correctly. An admin has to mend it."));
        }
        let record = &found.stored.record;
        let facts = facts_of(&found.stored, found.oauth.as_ref());
        let state = URL_SAFE_NO_PAD.encode(random_token(&*self.deps().entropy));
        let pkce = Pkce::new(&*self.deps().entropy);
        let asked = scopes_asked(&found);
        let (scope, prompt_consent) =
            scopes::with_offline_access(asked.as_deref(), facts.is_some_and(|facts| facts.offline_access));
        let flow_id = self.new_id();
        let redirect_uri = redirect_uri(&self.deps().access_url, id);
        let resource = resource_of(&found.stored, found.oauth.as_ref()).to_owned();
        let request = AuthorizationRequest {
            client_id: &record.oauth2.client_id,
            redirect_uri: &redirect_uri,
            state: &state,
            challenge: &pkce.challenge,
            resource: &resource,
            scope: scope.as_deref(),
            prompt_consent,
        };
        let location = authorization_url(&record.oauth2.auth_url, &request)
            .map_err(|_| plain("The stored authorization URL cannot be used. An admin has to mend it."))?;
        let verifier = seal(&self.deps().keyring, &verifier_place(flow_id, user), &pkce.verifier)?;
        let flow = OAuthFlow {
            id: flow_id,
            state_hash: Sha256::digest(state.as_bytes()).into(),
            mcp_server_id: id,
            user_id: user,
            credential_id: credential,
            verifier,
            issuer: record.oauth2.issuer.clone(),
            iss_required: facts.is_some_and(|facts| facts.iss_required),
            resource,
            redirect_uri: redirect_uri.clone(),
            token_url: record.oauth2.token_url.clone(),
            client_id: record.oauth2.client_id.clone(),
            scopes: scope.unwrap_or_default(),
            return_to: return_path(return_to),
            credential_version: record.credential_version,
            created_at: self.now(),
            expires_at: self.now(),
            is_live: true,
        };
        let mut write = self.db().write().await?;
        oauth::oauth_flow_insert(&mut write, &flow, micros(limits::FLOW_LIFE)).await?;
        let act = Act::on("connection.begun", "mcp_server", id, &record.slug);
        self.audit(&mut write, ctx, act).await?;
        write.commit().await?;
        Ok(location)
    }
}

impl Service {
    /// The document by whose address providers know the client of a server. For everybody, as long as the server stands at such a
    /// provider; it holds nothing that is not in every sign-in.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn client_document(&self, id: Uuid) -> Result<serde_json::Value> {
        let found = self.deps().refresher.found(id, Uuid::nil()).await?.ok_or(Error::NotFound)?;
        let url = client_document_url(&self.deps().access_url, id);
        if found.stored.record.oauth2.client_id != url {
            return Err(Error::NotFound);
        }
        let root = self.deps().access_url.as_str().trim_end_matches('/');
        Ok(client_document(root, &url, &redirect_uri(&self.deps().access_url, id)))
    }
}

/// What is wrong with the server itself is told before anybody is sent away.
pub(super) fn check_connectable(found: &FoundServer) -> Result<()> {
    let record = &found.stored.record;
    if record.auth_type != AuthType::Oauth2 {
        return Err(plain(format!(
            "{} is not connected this way; its authentication type is `{}`.",
            record.display_name,
            record.auth_type.as_str()
        )));
    }
    if !record.enabled {
        return Err(plain(format!("{} is switched off. An admin can enable it.", record.display_name)));
    }
    Ok(())
}

pub(super) fn plain(message: impl Into<String>) -> Error {
    Error::Invalid { message: message.into(), validations: Vec::new() }
}

/// What the person is asked for: what the admin gave, else what the server asked for or published; after a step-up together with what was
/// granted and what is wanted since (protocol.md 14.7, 14.10).
fn scopes_asked(found: &FoundServer) -> Option<String> {
    let given = &found.stored.record.oauth2.scopes;
    let facts = facts_of(&found.stored, found.oauth.as_ref());
    let base = match facts {
        _ if !given.is_empty() => given.clone(),
        Some(facts) => facts.scopes.clone(),
        None => String::new(),
    };
    let asked = match &found.token {
        Some(token) if !token.wanted_scopes.is_empty() => {
            scopes::union(&scopes::union(&base, &token.scopes), &token.wanted_scopes)
        }
        _ => base,
    };
    (!asked.is_empty()).then_some(asked)
}

/// A path on this deployment, or nothing (threats 16).
fn return_path(asked: Option<&str>) -> String {
    asked.map(safe_return_to).unwrap_or_default()
}
