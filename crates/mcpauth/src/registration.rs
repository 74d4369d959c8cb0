//! A client at an authorization server: described by a document of ours, or registered there (RFC 7591; protocol.md 14.5).

mod answer;
mod error;
mod request;

use egress::Egress;
use http::{
    HeaderMap, HeaderValue, Method,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE},
};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

use crate::{
    auth_method::{AuthMethod, for_registration},
    limits,
    metadata::ServerMetadata,
    send::send,
    urls::is_on_loopback,
};

pub use error::{RegistrationError, RegistrationErrorKind};
use request::Attempt;

/// What we are called at authorization servers.
pub const CLIENT_NAME: &str = "Patchbay";

/// How to get a client where none was entered by hand (protocol.md 14.5, points 2 to 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Way {
    /// Our document's address is the client's id.
    Cimd,
    /// It is registered automatically.
    Dcr,
    /// The provider supports neither: an admin makes a client there.
    ByHand,
}

/// The first way that the server offers and that we can go. A client document must be reachable under https.
pub fn choose(metadata: &ServerMetadata, access_url_is_https: bool) -> Way {
    if metadata.cimd_supported && access_url_is_https {
        Way::Cimd
    } else if metadata.registration_endpoint.is_some() {
        Way::Dcr
    } else {
        Way::ByHand
    }
}

/// The document that is served at `client_id_url`, which is the client's id: a public client with this one redirect URI. It has a few
/// hundred bytes beside the three addresses; one over [`limits::CLIENT_DOCUMENT_BYTES`] must not be served.
pub fn client_document(access_url: &str, client_id_url: &str, redirect_uri: &str) -> Value {
    json!({
        "client_id": client_id_url,
        "client_name": CLIENT_NAME,
        "client_uri": access_url,
        "redirect_uris": [redirect_uri],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": AuthMethod::None.as_str(),
        "application_type": if is_on_loopback(redirect_uri) { "native" } else { "web" },
    })
}

/// What is registered.
#[derive(Debug, Clone, Default)]
pub struct Registration {
    /// Shown to users who consent. None: [`CLIENT_NAME`].
    pub client_name: Option<String>,
    /// Where we are: the access URL.
    pub client_uri: String,
    /// Where answers go; exactly one.
    pub redirect_uri: String,
    /// Scopes, if some were chosen.
    pub scope: Option<String>,
}

/// A registered client.
#[derive(Debug, Clone)]
pub struct Registered {
    /// Its id.
    pub client_id: String,
    /// Its secret.
    pub client_secret: Option<SecretString>,
    /// When the secret ends, in seconds since 1970. None: never.
    pub secret_expires_at: Option<i64>,
    /// How it logs in.
    pub auth_method: AuthMethod,
    /// Where it can be deleted (RFC 7592).
    pub registration_client_uri: Option<String>,
    /// What it can be deleted with.
    pub registration_access_token: Option<SecretString>,
}

/// Registers a client; a refusal is answered once, with the next request that may be more to the server's taste. No redirect is
/// followed.
///
/// # Errors
/// [`RegistrationError`].
pub async fn register(
    egress: &Egress,
    metadata: &ServerMetadata,
    registration: Registration,
) -> Result<Registered, RegistrationError> {
    let Some(url) = &metadata.registration_endpoint else {
        return Err(RegistrationError::not_offered());
    };
    let supported = metadata.token_endpoint_auth_methods.as_deref();
    let method =
        for_registration(supported).map_err(|refused| RegistrationError::no_common_method(&refused))?;
    let first = Attempt::first(method, &registration.redirect_uri);
    match attempt(egress, url, &registration, first, supported).await {
        Err(error) => match first.after(&error, supported) {
            Some(second) => attempt(egress, url, &registration, second, supported).await,
            None => Err(error),
        },
        registered => registered,
    }
}

async fn attempt(
    egress: &Egress,
    url: &str,
    registration: &Registration,
    attempt: Attempt,
    supported: Option<&[String]>,
) -> Result<Registered, RegistrationError> {
    let body = attempt.body(registration).to_string().into_bytes();
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let reply = send(egress, Method::POST, url, headers, body, limits::REGISTRATION).await;
    answer::read(&reply.map_err(|error| RegistrationError::of_egress(&error))?, supported, url)
}

/// Deletes a registered client (RFC 7592, 2.3). One that is gone already is deleted.
///
/// # Errors
/// [`RegistrationError`].
pub async fn delete_client(
    egress: &Egress,
    uri: &str,
    token: &SecretString,
) -> Result<(), RegistrationError> {
    let mut value = HeaderValue::from_str(&format!("Bearer {}", token.expose_secret()))
        .map_err(|_| RegistrationError::malformed("the registration token fits in no header"))?;
    value.set_sensitive(true);
    let mut headers = HeaderMap::new();
    headers.insert(AUTHORIZATION, value);
    let reply = send(egress, Method::DELETE, uri, headers, Vec::new(), limits::REGISTRATION).await;
    let reply = reply.map_err(|error| RegistrationError::of_egress(&error))?;
    if matches!(reply.status, 200 | 204 | 404 | 410) {
        Ok(())
    } else {
        Err(RegistrationError::of_reply(&reply))
    }
}
