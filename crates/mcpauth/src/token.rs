//! Codes become tokens, and tokens are renewed (RFC 6749, 4.1.3, 5 and 6; RFC 8707; protocol.md 14.8 and 14.9).

mod answer;
mod error;

use std::time::Duration;

use egress::Egress;
use http::Method;
use secrecy::SecretString;

use crate::{
    auth_method::AuthMethod,
    form::{Purpose, encode},
    limits::{EXCHANGE, REFRESH},
    send::send,
};

pub use error::{TokenError, TokenErrorKind};

/// A client at an authorization server.
#[derive(Debug, Clone)]
pub struct Client {
    /// Its id.
    pub client_id: String,
    /// Its secret. Not sent with [`AuthMethod::None`].
    pub client_secret: Option<SecretString>,
    /// How it logs in. Without a secret only its id is sent, whatever this says.
    pub auth_method: AuthMethod,
    /// The token endpoint.
    pub token_url: String,
    /// The audience, as it was published; in every request.
    pub resource: String,
}

/// Tokens.
#[derive(Debug, Clone)]
pub struct Grant {
    /// For requests to the resource. Printable ASCII.
    pub access_token: SecretString,
    /// For the next renewal. None from a renewal: the old one stays (protocol.md R7).
    pub refresh_token: Option<SecretString>,
    /// `Bearer`, whatever its spelling was.
    pub token_type: String,
    /// Life of the access token from now, between [`crate::limits::EXPIRES_IN_MIN`] and [`crate::limits::EXPIRES_IN_MAX`]. None: the
    /// provider does not say.
    pub expires_in: Option<Duration>,
    /// What was granted. None: what was asked for.
    pub scope: Option<String>,
}

/// Exchanges a code. It can be used once, so this is never repeated.
///
/// # Errors
/// [`TokenError`].
pub async fn exchange(
    egress: &Egress,
    client: &Client,
    code: &str,
    verifier: &SecretString,
    redirect_uri: &str,
) -> Result<Grant, TokenError> {
    ask(egress, client, Purpose::Code { code, verifier, redirect_uri }, EXCHANGE).await
}

/// Renews a token. `scope` is sent only where an admin has set it.
///
/// # Errors
/// [`TokenError`]; only [`TokenError::is_permanent_for_refresh`] says that the refresh token is dead.
pub async fn refresh(
    egress: &Egress,
    client: &Client,
    refresh_token: &SecretString,
    scope: Option<&str>,
) -> Result<Grant, TokenError> {
    ask(egress, client, Purpose::Refresh { token: refresh_token, scope }, REFRESH).await
}

async fn ask(
    egress: &Egress,
    client: &Client,
    purpose: Purpose<'_>,
    wait: Duration,
) -> Result<Grant, TokenError> {
    let form = encode(client, purpose).ok_or_else(TokenError::not_encodable)?;
    match send(egress, Method::POST, &client.token_url, form.headers, form.body, wait).await {
        Ok(reply) => answer::read(&reply, client.auth_method),
        Err(error) => Err(TokenError::of_egress(&error)),
    }
}
