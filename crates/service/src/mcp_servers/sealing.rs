//! Where the secrets of servers and of their users lie (behaviour 26).

use crate::{
    Error, Result,
    secrets::{Place, open, seal},
};
use api::{Uuid, servers::ServerWrite};
use dbcrypt::Keyring;
use domain::{SecretChange, header::check_map};
use secrecy::{ExposeSecret as _, SecretString};
use std::collections::BTreeMap;
use store::{SealedColumn, mcp_servers::StoredServer};
use subtle::ConstantTimeEq as _;

const TABLE: &str = "mcp_servers";

pub(super) fn api_key_place(row: Uuid) -> Place {
    Place { table: TABLE, column: "api_key_value", row, owner: None }
}

pub(super) fn custom_headers_place(row: Uuid) -> Place {
    Place { table: TABLE, column: "custom_headers", row, owner: None }
}

pub(crate) fn oauth2_secret_place(row: Uuid) -> Place {
    Place { table: TABLE, column: "oauth2_client_secret", row, owner: None }
}

pub(super) fn signing_secret_place(row: Uuid) -> Place {
    Place { table: TABLE, column: "signing_secret", row, owner: None }
}

/// A user's own values: bound to the user as well, so that nobody's can be used as somebody else's.
pub(super) fn user_values_place(row: Uuid, owner: Uuid) -> Place {
    Place { table: "user_header_values", column: "header_values", row, owner: Some(owner) }
}

/// What a provider gave a user: bound to the user as well.
pub(crate) fn access_token_place(row: Uuid, owner: Uuid) -> Place {
    Place { table: "mcp_user_tokens", column: "access_token", row, owner: Some(owner) }
}

pub(crate) fn refresh_token_place(row: Uuid, owner: Uuid) -> Place {
    Place { table: "mcp_user_tokens", column: "refresh_token", row, owner: Some(owner) }
}

/// The secret of a sign-in under way (PKCE).
pub(crate) fn verifier_place(row: Uuid, owner: Uuid) -> Place {
    Place { table: "mcp_oauth_flows", column: "verifier", row, owner: Some(owner) }
}

/// With it a registered client can be deleted at the provider.
pub(crate) fn registration_token_place(row: Uuid) -> Place {
    Place { table: "mcp_oauth_facts", column: "registration_token", row, owner: None }
}

/// What a provider has yet to be told about.
pub(crate) fn revocation_place(row: Uuid, column: &'static str) -> Place {
    Place { table: "mcp_revocations", column, row, owner: None }
}

/// A map from header name to value as one text, sealed.
pub(super) fn seal_map(
    keyring: &Keyring,
    place: &Place,
    map: &BTreeMap<String, String>,
) -> Result<SealedColumn> {
    seal(keyring, place, &SecretString::from(map_text(map)?))
}

fn map_text(map: &BTreeMap<String, String>) -> Result<String> {
    serde_json::to_string(map).map_err(|e| Error::internal("header values", e))
}

/// Puts what becomes of each secret into the row, and says so in the record.
pub(super) fn seal_into(
    keyring: &Keyring,
    stored: &mut StoredServer,
    api_key: SecretChange,
    custom_headers: SecretChange<BTreeMap<String, String>>,
    oauth2_secret: SecretChange,
    signing_secret: SecretChange,
) -> Result<()> {
    let id = stored.record.id;
    seal_text(keyring, &mut stored.api_key, &api_key_place(id), api_key)?;
    seal_text(keyring, &mut stored.oauth2_client_secret, &oauth2_secret_place(id), oauth2_secret)?;
    seal_text(keyring, &mut stored.signing_secret, &signing_secret_place(id), signing_secret)?;
    match custom_headers {
        SecretChange::Keep => {}
        SecretChange::Clear => stored.custom_headers = SealedColumn::default(),
        SecretChange::Set(map) => {
            stored.custom_headers = seal_map(keyring, &custom_headers_place(id), &map)?;
        }
    }
    stored.record.has_api_key = stored.api_key.is_set();
    stored.record.has_custom_headers = stored.custom_headers.is_set();
    stored.record.has_oauth2_secret = stored.oauth2_client_secret.is_set();
    stored.record.has_signing_secret = stored.signing_secret.is_set();
    Ok(())
}

fn seal_text(
    keyring: &Keyring,
    column: &mut SealedColumn,
    place: &Place,
    change: SecretChange,
) -> Result<()> {
    match change {
        SecretChange::Keep => {}
        SecretChange::Clear => *column = SealedColumn::default(),
        SecretChange::Set(text) => *column = seal(keyring, place, &SecretString::from(text))?,
    }
    Ok(())
}

/// The secrets of a write request that equal what is stored. What cannot be opened equals nothing.
pub(crate) fn same_secrets(
    keyring: &Keyring,
    stored: &StoredServer,
    write: &ServerWrite,
) -> Vec<&'static str> {
    let id = stored.record.id;
    // As they would be stored: trimmed, the map in its order.
    let headers = write.custom_headers.as_ref().and_then(|map| check_map(map).ok());
    let headers = headers.and_then(|map| map_text(&map).ok());
    let line = |text: &Option<String>| text.as_ref().map(|text| text.trim().to_owned());
    [
        ("api_key_value", api_key_place(id), &stored.api_key, line(&write.api_key_value)),
        ("custom_headers", custom_headers_place(id), &stored.custom_headers, headers),
        (
            "oauth2_client_secret",
            oauth2_secret_place(id),
            &stored.oauth2_client_secret,
            line(&write.oauth2_client_secret),
        ),
        ("signing_secret", signing_secret_place(id), &stored.signing_secret, line(&write.signing_secret)),
    ]
    .into_iter()
    .filter_map(|(field, place, column, given)| {
        let (given, known) = (given?, open(keyring, &place, column).ok()??);
        bool::from(known.expose_secret().as_bytes().ct_eq(given.as_bytes())).then_some(field)
    })
    .collect()
}
