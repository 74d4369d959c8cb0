//! How a client logs in at the token endpoint (RFC 6749, 2.3; protocol.md 14.6).

use std::fmt;

use serde::{Deserialize, Serialize};

/// A login Patchbay can do. `private_key_jwt` is not offered (protocol.md 14.12).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum AuthMethod {
    /// Id and secret in the `Authorization` header.
    #[serde(rename = "client_secret_basic")]
    Basic,
    /// Id and secret in the body.
    #[serde(rename = "client_secret_post")]
    Post,
    /// The id alone: a public client.
    #[serde(rename = "none")]
    None,
}

impl AuthMethod {
    const ALL: [Self; 3] = [Self::Basic, Self::Post, Self::None];

    /// As it is written in documents (RFC 7591, 2) and stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Basic => "client_secret_basic",
            Self::Post => "client_secret_post",
            Self::None => "none",
        }
    }

    /// What [`Self::as_str`] wrote.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.as_str() == text)
    }

    fn is_in(self, supported: &[String]) -> bool {
        supported.iter().any(|method| method == self.as_str())
    }
}

impl fmt::Display for AuthMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The server offers no login Patchbay can do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the authorization server offers no client login that Patchbay does, only {}", self.offered())]
pub struct NoCommonMethod {
    supported: Vec<String>,
}

impl NoCommonMethod {
    /// What the server offers, quoted.
    pub fn offered(&self) -> String {
        domain::text::quote(&self.supported.join(", "), 120)
    }
}

/// The login of a client, and whether its secret is withheld because the server takes public clients only: that wants a warning.
///
/// `named` is the method of the registration's answer or of the admin, `supported` what the server lists.
pub fn choose(named: Option<&str>, has_secret: bool, supported: Option<&[String]>) -> (AuthMethod, bool) {
    match named.and_then(AuthMethod::parse) {
        Some(AuthMethod::None) => return (AuthMethod::None, has_secret),
        Some(method) if has_secret => return (method, false),
        _ => {}
    }
    if !has_secret {
        return (AuthMethod::None, false);
    }
    let lists = |method: AuthMethod| supported.is_some_and(|supported| method.is_in(supported));
    if supported.is_none() || lists(AuthMethod::Basic) {
        (AuthMethod::Basic, false)
    } else if lists(AuthMethod::Post) {
        (AuthMethod::Post, false)
    } else if lists(AuthMethod::None) {
        (AuthMethod::None, true)
    } else {
        // Nothing fits; discovery refuses such servers, and what is set up by hand gets the standard's default.
        (AuthMethod::Basic, false)
    }
}

/// The login to ask for at registration: the first of ours that the server lists, confidential ones first.
///
/// # Errors
/// [`NoCommonMethod`] names what the server lists.
pub fn for_registration(supported: Option<&[String]>) -> Result<AuthMethod, NoCommonMethod> {
    let Some(supported) = supported else { return Ok(AuthMethod::Basic) };
    AuthMethod::ALL
        .into_iter()
        .find(|method| method.is_in(supported))
        .ok_or_else(|| NoCommonMethod { supported: supported.to_vec() })
}

/// Whether there is a login that both sides can do.
///
/// # Errors
/// As [`for_registration`].
pub(crate) fn check_offered(supported: Option<&[String]>) -> Result<(), NoCommonMethod> {
    for_registration(supported).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(methods: &[&str]) -> Vec<String> {
        methods.iter().map(|method| (*method).to_owned()).collect()
    }

    #[test]
    fn the_table_of_logins() {
        use AuthMethod::{Basic, None as Public, Post};
        let (basic, post, none) = ("client_secret_basic", "client_secret_post", "none");
        for (named, has_secret, supported, expected) in [
            // named, and possible
            (Some(basic), true, None, (Basic, false)),
            (Some(post), true, Some(list(&[basic])), (Post, false)),
            (Some(none), false, Some(list(&[basic])), (Public, false)),
            (Some(none), true, None, (Public, true)),
            // named, and not possible
            (Some(basic), false, None, (Public, false)),
            (Some("private_key_jwt"), true, None, (Basic, false)),
            (Some("private_key_jwt"), true, Some(list(&[post])), (Post, false)),
            (Some("private_key_jwt"), false, None, (Public, false)),
            // a secret, and nothing named
            (None, true, None, (Basic, false)),
            (None, true, Some(list(&[none, post, basic])), (Basic, false)),
            (None, true, Some(list(&[none, post])), (Post, false)),
            (None, true, Some(list(&["private_key_jwt", none])), (Public, true)),
            (None, true, Some(list(&["private_key_jwt"])), (Basic, false)),
            (None, true, Some(list(&["CLIENT_SECRET_POST", none])), (Public, true)),
            // no secret
            (None, false, None, (Public, false)),
            (None, false, Some(list(&[basic])), (Public, false)),
        ] {
            let chosen = choose(named, has_secret, supported.as_deref());
            assert_eq!(chosen, expected, "{named:?} {has_secret} {supported:?}");
        }
    }

    /// Threat 14: `private_key_jwt` is never chosen, and where it alone is offered the error names it.
    #[test]
    fn registration_asks_for_the_first_that_is_listed() {
        for (supported, expected) in [
            (None, Ok(AuthMethod::Basic)),
            (Some(list(&["none", "client_secret_post"])), Ok(AuthMethod::Post)),
            (Some(list(&["none", "client_secret_post", "client_secret_basic"])), Ok(AuthMethod::Basic)),
            (Some(list(&["private_key_jwt", "none"])), Ok(AuthMethod::None)),
            (Some(list(&["private_key_jwt", "tls_client_auth"])), Err("private_key_jwt, tls_client_auth")),
        ] {
            let asked = for_registration(supported.as_deref()).map_err(|refused| refused.offered());
            assert_eq!(asked, expected.map_err(str::to_owned), "{supported:?}");
        }
    }

    #[test]
    fn methods_are_known_by_their_names() {
        for method in AuthMethod::ALL {
            assert_eq!(AuthMethod::parse(method.as_str()), Some(method));
            assert_eq!(serde_json::to_value(method).unwrap(), method.as_str());
        }
        assert_eq!(AuthMethod::parse("private_key_jwt"), None);
    }
}
