//! What one person can do with a server now: the secrets opened, the state told, the target made. Lists, `check` and turns come
//! here, so what they say of a server is the same fact (behaviour 10).

use super::sealing::{
    access_token_place, api_key_place, custom_headers_place, oauth2_secret_place, refresh_token_place,
    signing_secret_place, user_values_place,
};
use crate::{
    oauth,
    secrets::{self, Place},
};
use api::{
    Timestamp, Uuid,
    check::ConnectOutcome,
    servers::{AuthStatus, AuthType, Transport},
};
use chatd::Unusable;
use dbcrypt::Keyring;
use domain::mcp_server::{Access, OwnCredential, Spoken, TokenState, auth_status, config_problems};
use http::{HeaderName, header::AUTHORIZATION};
use mcpclient::{Forwarding, Identity, Target, Wire};
use secrecy::{ExposeSecret as _, SecretString};
use std::collections::BTreeMap;
use store::{
    SealedColumn,
    mcp_servers::{FoundServer, StoredServer},
    oauth::UserToken,
};

/// An access token this close to its end counts as expired (behaviour 10), seconds.
pub(crate) const EXPIRES_SOON_SECONDS: i64 = 10;

/// The secrets of a server and of one user of it, opened.
#[derive(Default)]
struct Opened {
    access: Access,
    api_key: Option<SecretString>,
    custom_headers: Vec<(String, SecretString)>,
    /// By the names in lower case.
    own: BTreeMap<String, SecretString>,
    /// With its type, as it is sent.
    bearer: Option<SecretString>,
    signing_secret: Option<SecretString>,
}

/// Opens what the server's type needs. What cannot be opened is a state, not an error: it costs this server only.
fn open(keyring: &Keyring, found: &FoundServer, now: Timestamp) -> Opened {
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
            if let Some(token) = &found.token {
                (opened.access.own, opened.bearer) = open_token(keyring, found, token, now);
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

/// What a user's token is good for, and the token itself.
fn open_token(
    keyring: &Keyring,
    found: &FoundServer,
    token: &UserToken,
    now: Timestamp,
) -> (OwnCredential, Option<SecretString>) {
    let (user, row) = (token.user_id, token.id);
    let access = unseal(keyring, &access_token_place(row, user), &token.access_token);
    let refresh = unseal(keyring, &refresh_token_place(row, user), &token.refresh_token);
    // Either of them lost and the grant cannot be kept: the user connects again.
    let (Ok(access), Ok(refresh)) = (access, refresh) else { return (OwnCredential::Unreadable, None) };
    let expired = token.expires_at.is_some_and(|at| at <= now.plus_seconds(EXPIRES_SOON_SECONDS));
    let state = TokenState {
        expired: expired || access.is_none(),
        refreshable: refresh.is_some() && token.failure.is_none(),
        failure: token.failure,
        wants_more: !token.wanted_scopes.is_empty(),
        foreign: !oauth::belongs(token, found),
    };
    let bearer = access.map(|access| {
        let kind = if token.token_type.is_empty() { "Bearer" } else { &token.token_type };
        SecretString::from(format!("{kind} {}", access.expose_secret()))
    });
    (OwnCredential::Token(state), bearer)
}

/// A stored value does not open: another key, or it was moved or changed.
#[derive(Debug)]
pub(crate) struct Unreadable;

pub(crate) fn unseal(
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
pub(crate) fn access_of(keyring: &Keyring, found: &FoundServer, now: Timestamp) -> Access {
    let facts = found.facts.as_ref().map(|facts| Spoken {
        wire: facts.wire.clone(),
        revision: facts.revision.clone(),
        server_name: facts.server_name.clone(),
        server_version: facts.server_version.clone(),
        found_at: facts.found_at,
    });
    let drift = oauth::facts_of(&found.stored, found.oauth.as_ref()).map(|facts| facts.drift.clone());
    Access { spoken: facts, drift: drift.unwrap_or_default(), ..open(keyring, found, now).access }
}

fn unusable(message: impl Into<String>) -> Unusable {
    Unusable { outcome: ConnectOutcome::Skipped, message: message.into() }
}

/// How `found` is dialled for `user`, whose values it came with, or why it is not.
pub(crate) fn access_target(
    keyring: &Keyring,
    user: Uuid,
    found: &FoundServer,
    now: Timestamp,
) -> Result<Target, Unusable> {
    let record = &found.stored.record;
    let opened = open(keyring, found, now);
    let (status, reason) = auth_status(record, &opened.access);
    // Of what a step-up asks for only some tools have need (behaviour 10).
    if !matches!(status, AuthStatus::NotRequired | AuthStatus::Connected | AuthStatus::NeedsPermission) {
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
    if let Some(bearer) = opened.bearer {
        headers.push((AUTHORIZATION, bearer));
    }
    // All only ever rise, so the sum tells every pair of states that follow each other apart.
    let values_version = found.values.as_ref().map_or(0, |values| values.version);
    let token_version = found.token.as_ref().map_or(0, |token| token.version);
    let own_version = values_version.saturating_add(token_version);
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
            format!("{name} is not connected yet. Connect it first.")
        }
        (AuthStatus::ExpiredRefreshable, AuthType::Oauth2) => {
            format!("The sign-in to {name} has expired and could not be renewed just now; it is tried again.")
        }
        (AuthStatus::NeedsReconnect, AuthType::Oauth2) => {
            format!("{name} has to be connected again: {}.", oauth::reconnect_words(reason))
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
