//! Authorization server metadata (RFC 8414, 2; OpenID Connect Discovery, 3).

use serde::{Deserialize, Serialize};

use domain::{limits::URL_BYTES, oauth::scopes::OFFLINE_ACCESS};

use crate::{
    auth_method,
    limits::{LIST_ENTRIES, PUBLISHED_SCOPES},
    metadata::{Refusal, members::Members},
    urls::origin,
};

#[cfg(test)]
mod tests;

/// What an authorization server says about itself. Every address in it may be used ([`crate::urls::check_endpoint`]). It can be stored
/// as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerMetadata {
    /// Its identifier, as it was written.
    pub issuer: String,
    /// Where users are sent.
    pub authorization_endpoint: String,
    /// Where tokens come from.
    pub token_endpoint: String,
    /// Where clients are registered (RFC 7591).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registration_endpoint: Option<String>,
    /// Where tokens are given back (RFC 7009).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revocation_endpoint: Option<String>,
    /// Its scopes. Never asked for (protocol.md 14.7).
    #[serde(default)]
    pub scopes_supported: Vec<String>,
    /// How clients may log in at the token endpoint; `None` means `client_secret_basic` (RFC 8414, 2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_endpoint_auth_methods: Option<Vec<String>>,
    /// How clients may log in at the revocation endpoint; `None` means `client_secret_basic`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revocation_endpoint_auth_methods: Option<Vec<String>>,
    /// Answers to the browser carry `iss` (RFC 9207).
    #[serde(default)]
    pub iss_parameter_supported: bool,
    /// A client may be identified by the address of its document.
    #[serde(default)]
    pub cimd_supported: bool,
}

/// An endpoint on another origin than its issuer: an admin should see it (threat 6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignOrigin {
    /// The member of the document.
    pub field: &'static str,
    /// Where it leads.
    pub origin: String,
}

impl ServerMetadata {
    /// Reads the document that was asked for `issuer`.
    ///
    /// # Errors
    /// [`Refusal`]; with [`Refusal::IssuerMismatch`] the next candidate is to be asked.
    pub fn read(body: &[u8], issuer: &str) -> Result<Self, Refusal> {
        let members = Members::read(body)?;
        let published = members.text("issuer").unwrap_or_default();
        if published == issuer {
            return Self::of(&members, issuer);
        }
        let has_endpoints = members.get("authorization_endpoint").or(members.get("token_endpoint")).is_some();
        if published.is_empty() && !has_endpoints {
            return Err(Refusal::NotADocument("it has neither issuer nor endpoints"));
        }
        let published = domain::text::head(published, URL_BYTES);
        Err(Refusal::IssuerMismatch {
            expected: issuer.to_owned(),
            published: published.to_owned(),
            metadata: Self::of(&members, published).ok().map(Box::new),
        })
    }

    /// Everything but the comparison of the issuer.
    fn of(members: &Members, issuer: &str) -> Result<Self, Refusal> {
        let metadata = Self {
            issuer: issuer.to_owned(),
            authorization_endpoint: members.needed_endpoint("authorization_endpoint")?,
            token_endpoint: members.needed_endpoint("token_endpoint")?,
            registration_endpoint: members.endpoint("registration_endpoint")?,
            revocation_endpoint: members.endpoint("revocation_endpoint")?,
            scopes_supported: members.list("scopes_supported", PUBLISHED_SCOPES).unwrap_or_default(),
            token_endpoint_auth_methods: methods(members, "token_endpoint_auth_methods_supported"),
            revocation_endpoint_auth_methods: methods(members, "revocation_endpoint_auth_methods_supported"),
            iss_parameter_supported: members.is_true("authorization_response_iss_parameter_supported"),
            cimd_supported: members.is_true("client_id_metadata_document_supported"),
        };
        let response_types = members.ruling_list("response_types_supported", LIST_ENTRIES)?;
        if response_types.is_some_and(|types| !types.iter().any(|kind| kind == "code")) {
            return Err(Refusal::NotSupported { what: "another response type than code".into() });
        }
        if members.is_true("require_pushed_authorization_requests") {
            return Err(Refusal::NotSupported { what: "pushed authorization requests (RFC 9126)".into() });
        }
        let challenges = members.list("code_challenge_methods_supported", LIST_ENTRIES).unwrap_or_default();
        if !challenges.iter().any(|method| method == "S256") {
            return Err(Refusal::NoPkce);
        }
        // private_key_jwt and mutual TLS are not offered (protocol.md 14.12): better said now than after the user's consent.
        auth_method::check_offered(metadata.token_endpoint_auth_methods.as_deref()).map_err(|refused| {
            Refusal::NotSupported { what: format!("client login by {}", refused.offered()) }
        })?;
        Ok(metadata)
    }

    /// The default endpoints of 2025-03-26 at an origin that publishes nothing (protocol.md 14.4).
    pub(crate) fn guessed(origin: &str) -> Self {
        Self {
            issuer: origin.to_owned(),
            authorization_endpoint: format!("{origin}/authorize"),
            token_endpoint: format!("{origin}/token"),
            registration_endpoint: Some(format!("{origin}/register")),
            revocation_endpoint: None,
            scopes_supported: Vec::new(),
            token_endpoint_auth_methods: None,
            revocation_endpoint_auth_methods: None,
            iss_parameter_supported: false,
            cimd_supported: false,
        }
    }

    /// Whether `offline_access` may be asked for.
    pub fn lists_offline_access(&self) -> bool {
        self.scopes_supported.iter().any(|scope| scope == OFFLINE_ACCESS)
    }

    /// The endpoints that are not on the issuer's origin.
    pub fn foreign_origins(&self) -> Vec<ForeignOrigin> {
        let home = origin(&self.issuer);
        let elsewhere = |(field, url): (&'static str, Option<&str>)| {
            let there = origin(url?)?;
            (home.as_ref() != Some(&there)).then_some(ForeignOrigin { field, origin: there })
        };
        self.endpoints().into_iter().filter_map(elsewhere).collect()
    }

    /// The members whose values differ from those that were pinned, the issuer among them: drift, to be reported and never followed.
    pub fn drift_from(&self, pinned: &Self) -> Vec<&'static str> {
        let endpoints = self.endpoints().into_iter().zip(pinned.endpoints());
        let issuer = (self.issuer != pinned.issuer).then_some("issuer");
        issuer.into_iter().chain(endpoints.filter(|(now, then)| now != then).map(|(now, _)| now.0)).collect()
    }

    fn endpoints(&self) -> [(&'static str, Option<&str>); 4] {
        [
            ("authorization_endpoint", Some(&self.authorization_endpoint)),
            ("token_endpoint", Some(&self.token_endpoint)),
            ("registration_endpoint", self.registration_endpoint.as_deref()),
            ("revocation_endpoint", self.revocation_endpoint.as_deref()),
        ]
    }
}

/// An empty list says as little as none.
fn methods(members: &Members, name: &str) -> Option<Vec<String>> {
    members.list(name, LIST_ENTRIES).filter(|methods| !methods.is_empty())
}
