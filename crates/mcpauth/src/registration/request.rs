//! What is asked for, and what is asked for next.

use serde_json::{Value, json};

use crate::{
    auth_method::AuthMethod,
    registration::{CLIENT_NAME, Registration, RegistrationError, RegistrationErrorKind},
    urls::is_on_loopback,
};

/// The two things that servers differ in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Attempt {
    method: AuthMethod,
    native: bool,
}

impl Attempt {
    pub(super) fn first(method: AuthMethod, redirect_uri: &str) -> Self {
        Self { method, native: is_on_loopback(redirect_uri) }
    }

    /// What to ask for once more: as a public client, or as the other type of application. `None` when the refusal is about neither.
    pub(super) fn after(self, error: &RegistrationError, supported: Option<&[String]>) -> Option<Self> {
        let RegistrationErrorKind::Refused { status: 400 | 422, code } = &error.kind else { return None };
        let public =
            supported.is_none_or(|methods| methods.iter().any(|method| method == AuthMethod::None.as_str()));
        match code.as_deref() {
            None | Some("invalid_client_metadata") if self.method != AuthMethod::None && public => {
                Some(Self { method: AuthMethod::None, ..self })
            }
            None | Some("invalid_client_metadata" | "invalid_redirect_uri") => {
                Some(Self { native: !self.native, ..self })
            }
            Some(_) => None,
        }
    }

    pub(super) fn body(self, registration: &Registration) -> Value {
        let mut body = json!({
            "client_name": registration.client_name.as_deref().unwrap_or(CLIENT_NAME),
            "client_uri": registration.client_uri,
            "redirect_uris": [registration.redirect_uri],
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
            "token_endpoint_auth_method": self.method.as_str(),
            "application_type": if self.native { "native" } else { "web" },
        });
        if let Some(scope) = registration.scope.as_deref().filter(|scope| !scope.is_empty()) {
            body["scope"] = scope.into();
        }
        body
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use AuthMethod::{Basic, None as Public, Post};

    #[test]
    fn one_more_try_after_a_refusal() {
        let none = Some(vec!["client_secret_basic".to_owned(), "none".to_owned()]);
        let no_none = Some(vec!["client_secret_post".to_owned()]);
        let metadata = Some("invalid_client_metadata");
        let redirect = Some("invalid_redirect_uri");
        for (method, status, code, supported, expected) in [
            (Basic, 400, metadata, &None, Some((Public, false))),
            (Basic, 400, metadata, &none, Some((Public, false))),
            (Basic, 400, None, &none, Some((Public, false))),
            (Post, 400, metadata, &no_none, Some((Post, true))),
            (Public, 422, metadata, &none, Some((Public, true))),
            (Basic, 400, redirect, &none, Some((Basic, true))),
            (Basic, 400, Some("invalid_software_statement"), &none, Option::None),
            (Basic, 403, metadata, &none, Option::None),
            (Basic, 404, Option::None, &none, Option::None),
        ] {
            let error = RegistrationError::refused(status, code.map(str::to_owned));
            let next = Attempt { method, native: false }.after(&error, supported.as_deref());
            assert_eq!(next.map(|next| (next.method, next.native)), expected, "{method} {status} {code:?}");
        }
    }

    #[test]
    fn the_request_is_the_one_of_the_reference() {
        let mut registration = Registration {
            client_name: Option::None,
            client_uri: "https://patchbay.example.com".into(),
            redirect_uri: "https://patchbay.example.com/oauth2/callback".into(),
            scope: Some("files:read".into()),
        };
        let body = Attempt::first(Basic, &registration.redirect_uri).body(&registration);
        assert_eq!(
            body,
            json!({
                "client_name": "Patchbay",
                "client_uri": "https://patchbay.example.com",
                "redirect_uris": ["https://patchbay.example.com/oauth2/callback"],
                "grant_types": ["authorization_code", "refresh_token"],
                "response_types": ["code"],
                "token_endpoint_auth_method": "client_secret_basic",
                "application_type": "web",
                "scope": "files:read",
            })
        );
        registration.redirect_uri = "http://localhost:3000/cb".into();
        registration.scope = Option::None;
        let body = Attempt::first(Public, &registration.redirect_uri).body(&registration);
        assert_eq!((body["application_type"].as_str(), body.get("scope")), (Some("native"), Option::None));
    }

    #[test]
    fn the_document_is_the_one_of_the_reference() {
        let id = "https://p.example/api/experimental/mcp/servers/1/oauth2/client-metadata.json";
        let document = crate::registration::client_document("https://p.example", id, "https://p.example/cb");
        assert_eq!(
            document,
            json!({
                "client_id": id,
                "client_name": "Patchbay",
                "client_uri": "https://p.example",
                "redirect_uris": ["https://p.example/cb"],
                "grant_types": ["authorization_code", "refresh_token"],
                "response_types": ["code"],
                "token_endpoint_auth_method": "none",
                "application_type": "web",
            })
        );
        let local =
            crate::registration::client_document("http://127.0.0.1:3000", id, "http://127.0.0.1:3000/cb");
        assert_eq!(local["application_type"], "native");
        assert!(document.to_string().len() < crate::limits::CLIENT_DOCUMENT_BYTES);
    }
}
