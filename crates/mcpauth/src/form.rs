//! Requests to the token and revocation endpoints, encoded by the `oauth2` crate: form, client login, PKCE (RFC 6749, 2.3.1 and 4.1.3;
//! RFC 7009, 2.1).
//!
//! Only its encoding is used. Its reading of answers loses what has to be known here (an error under HTTP 200, `Retry-After`), and
//! where a request goes is decided by our checked address, so it is given a stand-in.

use std::{borrow::Cow, fmt};

use http::HeaderMap;
use oauth2::{
    AuthType, AuthorizationCode, ClientId, ClientSecret, EndpointNotSet, EndpointSet, HttpRequest,
    HttpResponse, PkceCodeVerifier, RedirectUrl, RefreshToken, RequestTokenError, RevocationUrl, Scope,
    StandardRevocableToken, TokenUrl, basic::BasicClient,
};
use secrecy::{ExposeSecret as _, SecretString};

use crate::{auth_method::AuthMethod, token::Client};

/// Headers and body of a request.
pub(crate) struct Form {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl fmt::Debug for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Form([redacted])")
    }
}

/// What a form is for.
#[derive(Clone, Copy)]
pub(crate) enum Purpose<'a> {
    Code { code: &'a str, verifier: &'a SecretString, redirect_uri: &'a str },
    Refresh { token: &'a SecretString, scope: Option<&'a str> },
    RevokeRefresh(&'a SecretString),
    RevokeAccess(&'a SecretString),
}

/// Never dialled. The crate wants one to build a request, and `https` for revocations.
const STAND_IN: &str = "https://endpoint.invalid/";

type Encoder = BasicClient<EndpointNotSet, EndpointNotSet, EndpointNotSet, EndpointSet, EndpointSet>;

/// `None` when the redirect URI is no address; nothing else can fail.
pub(crate) fn encode(client: &Client, purpose: Purpose<'_>) -> Option<Form> {
    let encoder = encoder(client)?;
    let built = |request: HttpRequest| -> Result<HttpResponse, Built> { Err(Built(Box::new(request))) };
    let secret = |text: &SecretString| text.expose_secret().to_owned();
    match purpose {
        Purpose::Code { code, verifier, redirect_uri } => taken(
            encoder
                .exchange_code(AuthorizationCode::new(code.to_owned()))
                .set_pkce_verifier(PkceCodeVerifier::new(secret(verifier)))
                .set_redirect_uri(Cow::Owned(RedirectUrl::new(redirect_uri.to_owned()).ok()?))
                .add_extra_param("resource", client.resource.as_str())
                .request(&built),
        ),
        Purpose::Refresh { token, scope } => {
            let token = RefreshToken::new(secret(token));
            let scopes = scope.filter(|scope| !scope.is_empty()).map(|scope| Scope::new(scope.to_owned()));
            taken(
                encoder
                    .exchange_refresh_token(&token)
                    .add_scopes(scopes)
                    .add_extra_param("resource", client.resource.as_str())
                    .request(&built),
            )
        }
        Purpose::RevokeRefresh(token) => {
            let token = StandardRevocableToken::RefreshToken(RefreshToken::new(secret(token)));
            taken(encoder.revoke_token(token).ok()?.request(&built))
        }
        Purpose::RevokeAccess(token) => {
            let token = StandardRevocableToken::AccessToken(oauth2::AccessToken::new(secret(token)));
            taken(encoder.revoke_token(token).ok()?.request(&built))
        }
    }
}

fn encoder(client: &Client) -> Option<Encoder> {
    let (auth_type, secret) = match client.auth_method {
        AuthMethod::Basic => (AuthType::BasicAuth, client.client_secret.as_ref()),
        AuthMethod::Post => (AuthType::RequestBody, client.client_secret.as_ref()),
        // A secret there may be is withheld.
        AuthMethod::None => (AuthType::RequestBody, None),
    };
    let encoder = BasicClient::new(ClientId::new(client.client_id.clone())).set_auth_type(auth_type);
    let encoder = match secret {
        Some(secret) => encoder.set_client_secret(ClientSecret::new(secret.expose_secret().to_owned())),
        None => encoder,
    };
    Some(
        encoder
            .set_token_uri(TokenUrl::new(STAND_IN.to_owned()).ok()?)
            .set_revocation_url(RevocationUrl::new(STAND_IN.to_owned()).ok()?),
    )
}

/// The crate gives a request only to an HTTP client. This is what ours "fails" with: the request.
struct Built(Box<HttpRequest>);

impl fmt::Debug for Built {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Built([redacted])")
    }
}

impl fmt::Display for Built {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the request was built")
    }
}

impl std::error::Error for Built {}

fn taken<T, E: oauth2::ErrorResponse>(outcome: Result<T, RequestTokenError<Built, E>>) -> Option<Form> {
    match outcome {
        Err(RequestTokenError::Request(Built(request))) => {
            let (head, body) = request.into_parts();
            Some(Form { headers: head.headers, body })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(auth_method: AuthMethod, secret: Option<&str>) -> Client {
        Client {
            client_id: "id with +/%ü".into(),
            client_secret: secret.map(SecretString::from),
            auth_method,
            token_url: "https://auth.example.com/token".into(),
            // Not what `url::Url` would make of it.
            resource: "https://MCP.example.com".into(),
        }
    }

    fn pairs(form: &Form) -> Vec<(String, String)> {
        let mut pairs: Vec<_> = form_urlencoded::parse(&form.body).into_owned().collect();
        pairs.sort();
        pairs
    }

    fn exchange(client: &Client) -> Form {
        let verifier = SecretString::from("v".repeat(43));
        let redirect_uri = "https://p.example/cb?x=1";
        encode(client, Purpose::Code { code: "c+d", verifier: &verifier, redirect_uri }).unwrap()
    }

    const RESOURCE: (&str, &str) = ("resource", "https://MCP.example.com");

    #[track_caller]
    fn assert_pairs(form: &Form, expected: &[(&str, &str)]) {
        let expected: Vec<_> =
            expected.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        assert_eq!(pairs(form), expected);
    }

    /// Threat 10: the raw resource is in every request. Never both logins.
    #[test]
    fn a_code_with_each_login() {
        let verifier = "v".repeat(43);
        let common = [
            ("code", "c+d"),
            ("code_verifier", verifier.as_str()),
            ("grant_type", "authorization_code"),
            ("redirect_uri", "https://p.example/cb?x=1"),
            RESOURCE,
        ];
        let basic = exchange(&client(AuthMethod::Basic, Some("s:ä &")));
        assert_pairs(&basic, &common);
        // id%20-with-plus, colon and blank are form-encoded before they are joined (RFC 6749, 2.3.1)
        let login = "id+with+%2B%2F%25%C3%BC:s%3A%C3%A4+%26";
        let expected =
            format!("Basic {}", base64::Engine::encode(&base64::engine::general_purpose::STANDARD, login));
        assert_eq!(basic.headers["authorization"], expected);
        let post = exchange(&client(AuthMethod::Post, Some("s:ä &")));
        assert!(!post.headers.contains_key("authorization"));
        let with_login = [&[("client_id", "id with +/%ü"), ("client_secret", "s:ä &")][..], &common].concat();
        assert_pairs(&post, &with_login);
        for public in [
            client(AuthMethod::None, None),
            client(AuthMethod::None, Some("withheld")),
            client(AuthMethod::Basic, None),
        ] {
            let form = exchange(&public);
            assert!(!form.headers.contains_key("authorization"));
            assert_pairs(&form, &[&[("client_id", "id with +/%ü")][..], &common].concat());
        }
        assert_eq!(post.headers["content-type"], "application/x-www-form-urlencoded");
        assert_eq!(post.headers["accept"], "application/json");
    }

    #[test]
    fn a_refresh_says_its_scope_only_when_told_to() {
        let client = client(AuthMethod::Basic, Some("s"));
        let token = SecretString::from("r t");
        let common = [("grant_type", "refresh_token"), ("refresh_token", "r t"), RESOURCE];
        for scope in [None, Some("")] {
            assert_pairs(&encode(&client, Purpose::Refresh { token: &token, scope }).unwrap(), &common);
        }
        let form = encode(&client, Purpose::Refresh { token: &token, scope: Some("a b") }).unwrap();
        assert_pairs(&form, &[&common[..], &[("scope", "a b")]].concat());
    }

    #[test]
    fn a_revocation_names_the_kind_of_token() {
        let client = client(AuthMethod::None, None);
        let token = SecretString::from("t");
        let form = encode(&client, Purpose::RevokeRefresh(&token)).unwrap();
        assert_pairs(
            &form,
            &[("client_id", "id with +/%ü"), ("token", "t"), ("token_type_hint", "refresh_token")],
        );
        let form = encode(&client, Purpose::RevokeAccess(&token)).unwrap();
        assert_pairs(
            &form,
            &[("client_id", "id with +/%ü"), ("token", "t"), ("token_type_hint", "access_token")],
        );
    }

    #[test]
    fn nothing_of_it_can_be_printed() {
        let form = exchange(&client(AuthMethod::Post, Some("hunter2")));
        assert_eq!(format!("{form:?}"), "Form([redacted])");
        assert!(!format!("{:?}", client(AuthMethod::Post, Some("hunter2"))).contains("hunter2"));
    }
}
