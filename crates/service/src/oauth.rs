//! Connecting people to servers over OAuth (behaviour 8 to 10): who our client is at a provider, how a person gives consent, how what
//! they gave is renewed and given back. What goes over the wire is `mcpauth`'s; here it is decided, stored and audited.

mod background;
mod callback;
mod connect;
mod discovery;
mod drift;
mod grants;
mod permission;
mod prepare;
mod refresher;
mod registration;

pub use callback::{CallbackQuery, CallbackRefused, Connected};
pub(crate) use grants::{
    Departed, GrantsContext, grant_note, grants_of_server, grants_of_user, tokens_at_stake, tokens_wipe,
};
pub(crate) use prepare::Prepared;
pub use refresher::Refresher;

use crate::{
    Result, Service,
    mcp_servers::{oauth2_secret_place, unseal},
    secrets::Place,
};
use api::{
    Uuid,
    oauth::{OAuthClientFacts, OwnConnection},
    servers::{AuthStatus, AuthType},
};
use dbcrypt::Keyring;
use domain::mcp_server::TokenFailure;
use mcpauth::{auth_method::AuthMethod, token::Client};
use mcpclient::{Refused, RefusedKind, Target};
use std::time::Duration;
pub(crate) use store::oauth::oauth_facts_get as facts_get;
use store::{
    mcp_servers::{FoundServer, StoredServer},
    oauth::{OAuthFacts, UserToken},
};
use url::Url;

/// Where a provider sends people back to; distinct for each server and frozen (behaviour 4).
pub(crate) fn redirect_uri(access_url: &Url, server: Uuid) -> String {
    format!("{}/oauth2/callback", base(access_url, server))
}

/// Where the client document of a server lies; it is the client's id where providers take documents.
pub(crate) fn client_document_url(access_url: &Url, server: Uuid) -> String {
    format!("{}/oauth2/client-metadata.json", base(access_url, server))
}

fn base(access_url: &Url, server: Uuid) -> String {
    let root = access_url.as_str().trim_end_matches('/');
    format!("{root}/api/experimental/mcp/servers/{server}")
}

/// Where a person begins to connect.
pub(crate) fn connect_url(access_url: &Url, server: Uuid) -> String {
    format!("{}/oauth2/connect", base(access_url, server))
}

/// A limit as the database takes it.
fn micros(limit: Duration) -> i64 {
    i64::try_from(limit.as_micros()).unwrap_or(i64::MAX)
}

/// What discovery found, while the server still stands at that provider.
pub(crate) fn facts_of<'a>(stored: &StoredServer, facts: Option<&'a OAuthFacts>) -> Option<&'a OAuthFacts> {
    let oauth2 = &stored.record.oauth2;
    facts.filter(|facts| facts.issuer == oauth2.issuer && facts.token_url == oauth2.token_url)
}

/// What tokens are for: as the server published it, else its URL as it was typed (RFC 8707).
pub(crate) fn resource_of<'a>(stored: &'a StoredServer, facts: Option<&'a OAuthFacts>) -> &'a str {
    facts_of(stored, facts)
        .map(|facts| facts.resource.as_str())
        // After a move to another path it may be that of the old one.
        .filter(|resource| mcpauth::resource::fits(&stored.record.url, resource).is_some())
        .unwrap_or(&stored.record.url)
}

/// Whether a token was issued to the client that the server has now, by its provider, for it (protocol.md R1, 14.11).
pub(crate) fn belongs(token: &UserToken, found: &FoundServer) -> bool {
    let oauth2 = &found.stored.record.oauth2;
    token.client_id == oauth2.client_id
        && token.token_url == oauth2.token_url
        && token.issuer == oauth2.issuer
        && mcpauth::resource::fits(&found.stored.record.url, &token.resource).is_some()
}

/// Our client at the provider; `None` when its secret cannot be opened or something is missing.
pub(crate) fn client_of(
    keyring: &Keyring,
    stored: &StoredServer,
    facts: Option<&OAuthFacts>,
    resource: &str,
) -> Option<Client> {
    let record = &stored.record;
    if record.auth_type != AuthType::Oauth2 || record.oauth2.needed().iter().any(|(_, text)| text.is_empty())
    {
        return None;
    }
    let secret = unseal(keyring, &oauth2_secret_place(record.id), &stored.oauth2_client_secret).ok()?;
    let facts = facts_of(stored, facts);
    let named = facts.map(|facts| facts.auth_method.as_str()).filter(|method| {
        // A secret that was given by hand since is meant to be used.
        *method != AuthMethod::None.as_str() || secret.is_none()
    });
    let supported = facts.and_then(|facts| facts.auth_methods.as_deref());
    let (auth_method, withheld) = mcpauth::auth_method::choose(named, secret.is_some(), supported);
    Some(Client {
        client_id: record.oauth2.client_id.clone(),
        client_secret: secret.filter(|_| !withheld),
        auth_method,
        token_url: record.oauth2.token_url.clone(),
        resource: resource.to_owned(),
    })
}

/// What admins and auditors see of it. Of every type: who makes a client by hand needs the redirect address before there is a client.
pub(crate) fn client_facts(access_url: &Url, found: &FoundServer) -> OAuthClientFacts {
    let record = &found.stored.record;
    let facts = facts_of(&found.stored, found.oauth.as_ref());
    let method = match facts {
        Some(facts) => facts.auth_method.clone(),
        None if record.has_oauth2_secret => AuthMethod::Basic.as_str().to_owned(),
        None => AuthMethod::None.as_str().to_owned(),
    };
    OAuthClientFacts {
        redirect_uri: redirect_uri(access_url, record.id),
        resource: resource_of(&found.stored, found.oauth.as_ref()).to_owned(),
        auth_method: method,
        scopes: facts.map(|facts| facts.scopes.clone()).unwrap_or_default(),
        scopes_source: facts.map(|facts| facts.scopes_source.clone()).unwrap_or_default(),
        guessed: facts.is_some_and(|facts| facts.guessed),
        discovered_at: facts.map(|facts| facts.found_at),
        registered_at: facts.and_then(|facts| facts.registered_at),
    }
}

/// What the reader's own sign-in is good for; `None` when there is none that works.
pub(crate) fn own_connection(found: &FoundServer, status: AuthStatus) -> Option<OwnConnection> {
    let works = matches!(
        status,
        AuthStatus::Connected | AuthStatus::ExpiredRefreshable | AuthStatus::NeedsPermission
    );
    let is_oauth2 = found.stored.record.auth_type == AuthType::Oauth2;
    let token = found.token.as_ref().filter(|_| is_oauth2 && works)?;
    Some(OwnConnection {
        scopes: token.scopes.clone(),
        wanted_scopes: token.wanted_scopes.clone(),
        renews: token.refresh_token.is_set(),
        retrying: token.refresh_failures > 0,
        // What a server refused counts as ended long ago: that is no time to show.
        expires_at: token.expires_at.filter(|at| at.0 > 0),
        connected_at: token.connected_at,
    })
}

impl Service {
    /// Whether a server refused the credential of `target`, and there is another one now. It is renewed once, or ended: what the server said
    /// last is what counts (behaviour 10).
    pub(crate) async fn credential_renewed(
        &self,
        target: &Target,
        refused: Option<&Refused>,
    ) -> Result<bool> {
        let Some(refused) = refused.filter(|refused| refused.kind == RefusedKind::Credential) else {
            return Ok(false);
        };
        let (server, user, version) = (target.server_id, target.user_id, target.credential_version);
        self.deps().refresher.refused(server, user, version, refused.challenge.as_ref()).await
    }
}

/// Why somebody has to connect again, in words that end a sentence.
pub(crate) fn reconnect_words(reason: &str) -> &'static str {
    match TokenFailure::parse(reason) {
        Some(TokenFailure::RefreshRejected) => "the provider did not renew the sign-in",
        Some(TokenFailure::ExpiredNoRefreshToken) => {
            "the sign-in has expired, and the provider gave nothing to renew it with"
        }
        Some(TokenFailure::RejectedByServer) => "the server refused the sign-in",
        Some(TokenFailure::ClientChanged) => "the server's sign-in was set up anew",
        None if reason == "undecryptable" => "the stored sign-in cannot be read any more",
        None => "the sign-in does not work any more",
    }
}

/// Pauses between attempts to store what a provider gave.
const STORE_PAUSES: [Duration; 4] =
    [Duration::from_millis(200), Duration::from_millis(500), Duration::from_secs(1), Duration::from_secs(2)];

/// Stores what a provider gives only once: a database that is busy for a moment must not cost it.
async fn patiently<T, F: Future<Output = Result<T>>>(mut store: impl FnMut() -> F) -> Result<T> {
    for pause in STORE_PAUSES {
        match store().await {
            Err(crate::Error::Unavailable(error)) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "what a provider gave is not stored yet"
                );
                tokio::time::sleep(pause).await;
            }
            stored => return stored,
        }
    }
    store().await
}

/// A value to be sealed, if there is one.
pub(crate) fn sealed(
    keyring: &Keyring,
    place: &Place,
    secret: Option<&secrecy::SecretString>,
) -> Result<store::SealedColumn> {
    secret.map_or_else(
        || Ok(store::SealedColumn::default()),
        |secret| crate::secrets::seal(keyring, place, secret),
    )
}
