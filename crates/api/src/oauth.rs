//! What discovery finds of a server's provider, and what an admin is told of it (behaviour 8).

use crate::{Timestamp, transfer::FieldChange};
use serde::{Deserialize, Serialize};

/// Body of `POST …/{id}/discover`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct DiscoverRequest {
    /// Store what was found: the client and the endpoints become those of the provider, and every user has to connect again where
    /// they are others than before. Otherwise nothing is written.
    pub apply: bool,
    /// One of `all_issuers`, where the server names several authorization servers. Left out: the one in use while it is still listed, else
    /// the first that is usable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// Register anew although there is a client that Patchbay registered there. Every user has to connect again.
    pub register_again: bool,
}

/// What a discovery found, and what would change with it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Discovery {
    pub found: FoundProvider,
    /// Fields of the server that differ, before and after. A client that is yet to be registered is named `(new)`.
    pub changes: Vec<FieldChange>,
    /// Users whose connection ends with it.
    pub user_tokens: i64,
    /// It has been stored.
    pub applied: bool,
    /// Everything that was asked, in order.
    pub candidates: Vec<DiscoveryCandidate>,
    /// What an admin should know before applying it.
    pub warnings: Vec<String>,
}

/// A provider as its documents describe it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FoundProvider {
    pub issuer: String,
    /// Every authorization server that the resource names; the one above is used.
    pub all_issuers: Vec<String>,
    /// What tokens are for (RFC 8707).
    pub resource: String,
    pub auth_url: String,
    pub token_url: String,
    /// Empty where there is none.
    pub revocation_url: String,
    /// What would be asked for, separated by blanks; empty leaves it to the provider.
    pub scopes: String,
    /// `given`, `challenge` (asked by the server), `published` (by its metadata) or empty.
    pub scopes_source: String,
    /// How Patchbay would come to its client: `cimd`, `dcr`, `manual` (there is one), or empty: it has to be made by hand.
    pub registration: String,
    /// Nothing was published: the endpoints of the 2025-03-26 revision are taken for granted.
    pub guessed: bool,
}

/// One address that was asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DiscoveryCandidate {
    pub url: String,
    /// `probe`, `resource_metadata`, `authorization_server` or `registration`.
    pub what: String,
    /// The HTTP status, where there was an answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// One short sentence; never what the other side wrote.
    pub cause: String,
    /// Its answer was used.
    pub used: bool,
}

/// What an admin can start from after a discovery that failed: what the provider published, to be confirmed by hand.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ManualSetup {
    pub issuer: String,
    /// What the document should have named, where it names the issuer above; else empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub expected_issuer: String,
    pub auth_url: String,
    pub token_url: String,
    pub revocation_url: String,
    pub scopes: String,
}

/// How a server's client at the provider stands. Admins and auditors only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct OAuthClientFacts {
    /// Where the provider sends people back to; to be registered there in a manual setup.
    pub redirect_uri: String,
    /// What tokens are for.
    pub resource: String,
    /// `client_secret_basic`, `client_secret_post` or `none`.
    pub auth_method: String,
    /// What is asked for when the admin gives no scopes, and where it comes from: `challenge`, `published` or empty.
    pub scopes: String,
    pub scopes_source: String,
    pub guessed: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub discovered_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registered_at: Option<Timestamp>,
}

/// What somebody's own sign-in at a server's provider is good for (protocol.md 14.8).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct OwnConnection {
    /// What was granted, separated by blanks; empty where the provider does not say.
    pub scopes: String,
    /// What the server asked for since, and nobody has granted; empty when nothing is missing.
    pub wanted_scopes: String,
    /// It is renewed without asking.
    pub renews: bool,
    /// The last renewal failed in a way that may pass; it is tried again.
    pub retrying: bool,
    /// When the access token ends. Absent: never, or nobody said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    pub connected_at: Timestamp,
}
