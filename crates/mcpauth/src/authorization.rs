//! Where a user is sent, and whether the right server has answered (RFC 6749, 4.1; RFC 7636; RFC 9207; protocol.md 14.8).

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use domain::clock::{Entropy, random_token};
use oauth2::{PkceCodeChallenge, PkceCodeVerifier};
use secrecy::{ExposeSecret as _, SecretString};

use crate::urls::check_endpoint;

#[cfg(test)]
mod tests;

/// Proof that who exchanges a code began the sign-in (RFC 7636). Fresh for each sign-in, always S256.
#[derive(Debug, Clone)]
pub struct Pkce {
    /// 43 characters; stays here until the exchange.
    pub verifier: SecretString,
    /// The hash of it, for the authorization request.
    pub challenge: String,
}

impl Pkce {
    /// 256 random bits and their challenge.
    pub fn new(entropy: &dyn Entropy) -> Self {
        let verifier = SecretString::from(URL_SAFE_NO_PAD.encode(random_token(entropy)));
        let hashed = PkceCodeVerifier::new(verifier.expose_secret().to_owned());
        let challenge = PkceCodeChallenge::from_code_verifier_sha256(&hashed).as_str().to_owned();
        Self { verifier, challenge }
    }
}

/// An authorization request.
#[derive(Debug, Clone)]
pub struct AuthorizationRequest<'a> {
    /// The client.
    pub client_id: &'a str,
    /// Where the answer goes.
    pub redirect_uri: &'a str,
    /// The secret that ties the answer to a flow; only its hash is stored.
    pub state: &'a str,
    /// [`Pkce::challenge`].
    pub challenge: &'a str,
    /// The audience, as it was published.
    pub resource: &'a str,
    /// Scopes; `None` leaves the parameter out.
    pub scope: Option<&'a str>,
    /// Ask the user again, which `offline_access` needs.
    pub prompt_consent: bool,
}

/// Why nobody is sent there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AuthorizationUrlError {
    /// The address must not be opened (S3).
    #[error("the authorization URL cannot be used: {0}")]
    Unsafe(&'static str),
    /// Its own query has a parameter of ours, and no parameter may be there twice (RFC 6749, 3.1).
    #[error("the authorization URL has {0} in its query already: remove it")]
    Taken(&'static str),
}

/// The address to send the user to. What the endpoint has in its query stays.
///
/// # Errors
/// [`AuthorizationUrlError`] when the endpoint, checked again here, must not be opened.
pub fn authorization_url(
    endpoint: &str,
    request: &AuthorizationRequest<'_>,
) -> Result<String, AuthorizationUrlError> {
    check_endpoint(endpoint).map_err(AuthorizationUrlError::Unsafe)?;
    let mut parameters = vec![
        ("response_type", "code"),
        ("client_id", request.client_id),
        ("redirect_uri", request.redirect_uri),
        ("state", request.state),
        ("code_challenge", request.challenge),
        ("code_challenge_method", "S256"),
        ("resource", request.resource),
    ];
    parameters.extend(request.scope.filter(|scope| !scope.is_empty()).map(|scope| ("scope", scope)));
    if request.prompt_consent {
        parameters.push(("prompt", "consent"));
    }
    let query = endpoint.split_once('?').map(|(_, query)| query);
    for (name, _) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        // Also those that are left out: a `scope` of the endpoint would be one that nobody chose.
        let ours = parameters.iter().map(|(ours, _)| *ours).chain(["scope", "request", "request_uri"]);
        if let Some(taken) = ours.into_iter().find(|ours| *ours == name) {
            return Err(AuthorizationUrlError::Taken(taken));
        }
    }
    let join = match query {
        None => "?",
        Some(query) if query.is_empty() || query.ends_with('&') => "",
        Some(_) => "&",
    };
    let added = form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
    Ok(format!("{endpoint}{join}{added}"))
}

/// Who answered cannot be established: the answer is not acted on, and nothing of it is shown (RFC 9207, 2.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IssRefused {
    /// The server says that it always names itself, and the answer names nobody.
    #[error("the sign-in could not be verified: the answer does not say who it is from")]
    Missing,
    /// The answer is from another issuer than the one the user was sent to.
    #[error("the sign-in could not be verified: the answer is from another issuer")]
    Other,
}

/// The `iss` table of protocol.md 14.8, for answers and errors alike. `advertised`: the metadata says that answers carry `iss`.
/// `recorded` is the issuer of the flow, `present` the form-decoded parameter. They are compared byte by byte.
///
/// # Errors
/// [`IssRefused`]. An empty parameter is present.
pub fn check_iss(advertised: bool, recorded: &str, present: Option<&str>) -> Result<(), IssRefused> {
    match present {
        Some(issuer) if issuer == recorded => Ok(()),
        Some(_) => Err(IssRefused::Other),
        None if advertised => Err(IssRefused::Missing),
        None => Ok(()),
    }
}
