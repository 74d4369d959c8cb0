//! What one person can do with a server now: the secrets opened, the state told, the target made. Lists, `check` and turns come
//! here, so what they say of a server is the same fact (behaviour 10).

use super::sealing::{
    api_key_place, custom_headers_place, oauth2_secret_place, signing_secret_place, user_values_place,
};
use crate::secrets::{self, Place};
use api::{
    Uuid,
    check::ConnectOutcome,
    servers::{AuthStatus, AuthType, Transport},
};
use chatd::Unusable;
use dbcrypt::Keyring;
use domain::mcp_server::{Access, OwnCredential, Spoken, auth_status, config_problems};
use http::HeaderName;
use mcpclient::{Forwarding, Identity, Target, Wire};
use secrecy::{ExposeSecret as _, SecretString};
use std::collections::BTreeMap;
use store::{
    SealedColumn,
    mcp_servers::{FoundServer, StoredServer},
};

/// The secrets of a server and of one user of it, opened.
#[derive(Default)]
struct Opened {
    access: Access,
    api_key: Option<SecretString>,
    custom_headers: Vec<(String, SecretString)>,
    /// By the names in lower case.
    own: BTreeMap<String, SecretString>,
    signing_secret: Option<SecretString>,
}

/// Opens what the server's type needs. What cannot be opened is a state, not an error: it costs this server only.
fn open(keyring: &Keyring, found: &FoundServer) -> Opened {
    let StoredServer { record, api_key, custom_headers, oauth2_client_secret, signing_secret } =
        &found.stored;
    let mut opened = Opened::default();
    // A receiver that expects signatures would take unsigned headers for forged ones.
    match unseal(keyring, &signing_secret_place(record.id), signing_secret) {
        Ok(secret) => opened.signing_secret = secret,
        Err(Unreadable) if record.forward_coder_headers => {
            opened.access.unreadable = Some("signing_secret");
            return opened;
        }
        Err(Unreadable) => {}
    }
    match record.auth_type {
        AuthType::ApiKey => match unseal(keyring, &api_key_place(record.id), api_key) {
            Ok(key) => opened.api_key = key,
            Err(Unreadable) => opened.access.unreadable = Some("api_key_value"),
        },
        AuthType::CustomHeaders => {
            match unseal_map(keyring, &custom_headers_place(record.id), custom_headers) {
                Ok(map) => opened.custom_headers = map.into_iter().collect(),
                Err(Unreadable) => opened.access.unreadable = Some("custom_headers"),
            }
        }
        AuthType::Oauth2 => {
            if unseal(keyring, &oauth2_secret_place(record.id), oauth2_client_secret).is_err() {
                opened.access.unreadable = Some("oauth2_client_secret");
            }
        }
        AuthType::UserHeader => {
            if let Some(values) = &found.values {
                let place = user_values_place(values.id, values.user_id);
                opened.access.own = match unseal_map(keyring, &place, &values.values) {
                    Ok(map) => {
                        opened.own = map;
                        OwnCredential::HeaderValues(opened.own.keys().cloned().collect())
                    }
                    Err(Unreadable) => OwnCredential::Unreadable,
                };
            }
        }
        AuthType::None | AuthType::UserOidc => {}
    }
    opened
}

/// A stored value does not open: another key, or it was moved or changed.
#[derive(Debug)]
pub(super) struct Unreadable;

fn unseal(
    keyring: &Keyring,
    place: &Place,
    column: &SealedColumn,
) -> Result<Option<SecretString>, Unreadable> {
    // A value with a key id that is none cannot be opened either.
    if column.is_set() && column.sealed().is_none() {
        return Err(Unreadable);
    }
    secrets::open(keyring, place, column).map_err(|error| {
        let (table, column, row) = (place.table, place.column, place.row);
        let error = &error as &dyn std::error::Error;
        tracing::warn!(table, column, %row, error, "a stored secret cannot be opened");
        Unreadable
    })
}

/// A sealed map from header name to value; nothing stored is an empty one.
pub(super) fn unseal_map(
    keyring: &Keyring,
    place: &Place,
    column: &SealedColumn,
) -> Result<BTreeMap<String, SecretString>, Unreadable> {
    let Some(text) = unseal(keyring, place, column)? else { return Ok(BTreeMap::new()) };
    let map: BTreeMap<String, String> = serde_json::from_str(text.expose_secret()).map_err(|_| Unreadable)?;
    Ok(map.into_iter().map(|(name, value)| (name, SecretString::from(value))).collect())
}

/// What is known of the server's secrets and of the reader's own.
pub(crate) fn access_of(keyring: &Keyring, found: &FoundServer) -> Access {
    let facts = found.facts.as_ref().map(|facts| Spoken {
        wire: facts.wire.clone(),
        revision: facts.revision.clone(),
        server_name: facts.server_name.clone(),
        server_version: facts.server_version.clone(),
        found_at: facts.found_at,
    });
    Access { spoken: facts, ..open(keyring, found).access }
}

fn unusable(message: impl Into<String>) -> Unusable {
    Unusable { outcome: ConnectOutcome::Skipped, message: message.into() }
}

/// How `found` is dialled for `user`, whose values it came with, or why it is not.
pub(crate) fn access_target(keyring: &Keyring, user: Uuid, found: &FoundServer) -> Result<Target, Unusable> {
    let record = &found.stored.record;
    let opened = open(keyring, found);
    let (status, reason) = auth_status(record, &opened.access);
    if !matches!(status, AuthStatus::NotRequired | AuthStatus::Connected) {
        return Err(unusable(why_not(found, &opened.access, status, reason)));
    }
    let url =
        record.url.parse().map_err(|_| unusable("The stored URL is not valid. An admin can mend it."))?;
    let header = |name: &str, value: SecretString| {
        let name = HeaderName::try_from(name)
            .map_err(|_| unusable("A stored header name is not valid. An admin can mend it."))?;
        Ok((name, value))
    };
    let mut headers: Vec<(HeaderName, SecretString)> = Vec::new();
    if let Some(key) = opened.api_key {
        headers.push(header(&record.api_key_header, key)?);
    }
    for (name, value) in opened.custom_headers {
        headers.push(header(&name, value)?);
    }
    for asked in &record.user_headers {
        if let Some(value) = opened.own.get(&asked.name.to_ascii_lowercase()) {
            let whole = format!("{}{}", asked.value_prefix, value.expose_secret());
            headers.push(header(&asked.name, SecretString::from(whole))?);
        }
    }
    // Both only ever rise, so the sum tells every pair of states that follow each other apart.
    let own_version = found.values.as_ref().map_or(0, |values| values.version);
    Ok(Target {
        server_id: record.id,
        user_id: user,
        slug: record.slug.clone(),
        url,
        transport: match record.transport {
            Transport::StreamableHttp => mcpclient::Transport::StreamableHttp,
            Transport::Sse => mcpclient::Transport::Sse,
        },
        wire: found.facts.as_ref().and_then(|facts| Wire::parse(&facts.wire)),
        forwarding: record.forward_coder_headers.then(|| Forwarding {
            identity: Identity { owner: user, chat: None, subchat: None, workspace: None },
            signing_secret: opened.signing_secret.clone(),
        }),
        headers,
        credential_version: record.credential_version.saturating_add(own_version),
    })
}

/// One sentence for the user: what is wrong, and who can do what.
fn why_not(found: &FoundServer, access: &Access, status: AuthStatus, reason: &str) -> String {
    let record = &found.stored.record;
    let name = &record.display_name;
    match (status, record.auth_type) {
        (AuthStatus::Misconfigured, _) if access.unreadable.is_some() => {
            "A stored secret of this server cannot be read any more. An admin can enter it again.".to_owned()
        }
        (AuthStatus::NeedsReconnect, AuthType::UserHeader) => {
            format!("What you entered for {name} cannot be read any more. Enter your values again.")
        }
        (AuthStatus::NotConnected, AuthType::UserHeader) => {
            let asked: Vec<&str> = record.user_headers.iter().map(|header| header.name.as_str()).collect();
            format!("{name} needs values of yours ({}). Connect it first.", asked.join(", "))
        }
        (AuthStatus::NotConnected, AuthType::Oauth2) => {
            format!(
                "{name} is not connected, and connecting to OAuth servers is not available in this build."
            )
        }
        _ => {
            let missing = config_problems(record, access);
            let fields: Vec<&str> = missing.iter().map(|problem| problem.field.as_str()).collect();
            if fields.is_empty() {
                format!("{name} is not usable: {reason}")
            } else {
                format!("{name} is not usable: {reason} ({}). An admin can mend it.", fields.join(", "))
            }
        }
    }
}
