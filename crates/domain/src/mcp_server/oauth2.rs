//! The OAuth fields of a server: their rules, and what an edit does to them (behaviour 3, 5 and 6).

use super::credentials::{Edit, Outcome, UserTokensWipe};
use crate::{
    SecretChange, UrlPolicy,
    limits::{CLIENT_ID_BYTES, HEADER_VALUE_BYTES, SCOPES_BYTES},
    url_rules::check_url,
    validation::Problems,
};
use api::servers::{AuthType, OAuth2Registration, ServerWrite};
use std::net::IpAddr;

/// What is stored for `oauth2`, the client secret apart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OAuth2Settings {
    pub client_id: String,
    pub auth_url: String,
    pub token_url: String,
    pub revocation_url: String,
    /// Separated by single blanks.
    pub scopes: String,
    pub issuer: String,
    pub registration: Option<OAuth2Registration>,
    /// An edit wiped the client secret, and nobody has said since whether there is one.
    pub secret_wiped: bool,
}

/// The OAuth fields that were sent and are valid by themselves. Empty: to be cleared.
#[derive(Default)]
pub(super) struct ParsedOAuth2 {
    client_id: Option<String>,
    client_secret: Option<String>,
    auth_url: Option<String>,
    token_url: Option<String>,
    revocation_url: Option<String>,
    scopes: Option<String>,
    issuer: Option<String>,
}

impl ParsedOAuth2 {
    pub(super) fn of(write: &ServerWrite, problems: &mut Problems) -> Self {
        let loopback = UrlPolicy::new(|host, _| is_loopback(host));
        let mut line = |field: &str, text: &Option<String>, rule: &dyn Fn(&str) -> Result<String, String>| {
            let text = text.as_ref()?;
            if text.trim().is_empty() { Some(String::new()) } else { problems.take(field, rule(text)) }
        };
        let endpoint = |text: &str| endpoint(text, &loopback);
        Self {
            client_id: line("oauth2_client_id", &write.oauth2_client_id, &client_id),
            client_secret: line("oauth2_client_secret", &write.oauth2_client_secret, &client_secret),
            auth_url: line("oauth2_auth_url", &write.oauth2_auth_url, &endpoint),
            token_url: line("oauth2_token_url", &write.oauth2_token_url, &endpoint),
            revocation_url: line("oauth2_revocation_url", &write.oauth2_revocation_url, &endpoint),
            scopes: line("oauth2_scopes", &write.oauth2_scopes, &scopes),
            issuer: line("oauth2_issuer", &write.oauth2_issuer, &|text| issuer(text, &loopback)),
        }
    }

    fn texts(&self) -> [(&'static str, &Option<String>); 6] {
        [
            ("oauth2_client_id", &self.client_id),
            ("oauth2_auth_url", &self.auth_url),
            ("oauth2_token_url", &self.token_url),
            ("oauth2_revocation_url", &self.revocation_url),
            ("oauth2_scopes", &self.scopes),
            ("oauth2_issuer", &self.issuer),
        ]
    }
}

impl OAuth2Settings {
    /// Every text field by its name on the wire, in the order of [`ServerWrite`].
    pub(super) fn texts(&self) -> [(&'static str, &str); 6] {
        [
            ("oauth2_client_id", &self.client_id),
            ("oauth2_auth_url", &self.auth_url),
            ("oauth2_token_url", &self.token_url),
            ("oauth2_revocation_url", &self.revocation_url),
            ("oauth2_scopes", &self.scopes),
            ("oauth2_issuer", &self.issuer),
        ]
    }

    /// The three without which nobody can connect, by their names on the wire.
    pub fn needed(&self) -> [(&'static str, &str); 3] {
        [
            ("oauth2_client_id", &self.client_id),
            ("oauth2_auth_url", &self.auth_url),
            ("oauth2_token_url", &self.token_url),
        ]
    }

    /// After a change of one of these every user token is worthless (behaviour 6, point 5).
    pub fn grants_end(&self, after: &Self) -> bool {
        self.client_id != after.client_id
            || self.auth_url != after.auth_url
            || self.token_url != after.token_url
            || self.revocation_url != after.revocation_url
            || self.issuer != after.issuer
    }
}

const BOTH_OPTIONS: &str = "Give `oauth2_client_id`, `oauth2_auth_url` and `oauth2_token_url` together for a manual setup, or \
     leave all three empty for discovery.";

/// The rules of `oauth2`; of every other type: nothing of it stays.
pub(super) fn resolve(edit: &Edit<'_>, outcome: &mut Outcome, problems: &mut Problems) {
    let (current, sent) = (edit.current, &edit.parsed.oauth2);
    if edit.auth_type != AuthType::Oauth2 {
        for ((field, stored), (_, sent)) in current.oauth2.texts().into_iter().zip(sent.texts()) {
            if !stored.is_empty() || sent.as_ref().is_some_and(|text| !text.is_empty()) {
                outcome.cleared.push(field.to_owned());
            }
        }
        if current.has_oauth2_secret || sent.client_secret.as_ref().is_some_and(|text| !text.is_empty()) {
            outcome.cleared.push("oauth2_client_secret".to_owned());
        }
        if current.has_oauth2_secret {
            outcome.oauth2_secret = SecretChange::Clear;
        }
        if current.auth_type == AuthType::Oauth2 {
            outcome.user_tokens = UserTokensWipe::All;
        }
        return;
    }
    let before = if edit.type_changed { OAuth2Settings::default() } else { current.oauth2.clone() };
    let mut base = before.clone();
    // What discovery found belongs to the origin it was found for.
    if edit.origin_moved
        && matches!(base.registration, Some(OAuth2Registration::Cimd | OAuth2Registration::Dcr))
    {
        base = OAuth2Settings { scopes: base.scopes, secret_wiped: base.secret_wiped, ..Default::default() };
        for ((field, stored), (_, sent)) in before.texts().into_iter().zip(sent.texts()) {
            if field != "oauth2_scopes" && !stored.is_empty() && sent.is_none() {
                outcome.cleared.push(field.to_owned());
            }
        }
    }
    let over = |sent: &Option<String>, kept: String| sent.clone().unwrap_or(kept);
    let mut after = OAuth2Settings {
        client_id: over(&sent.client_id, base.client_id),
        auth_url: over(&sent.auth_url, base.auth_url),
        token_url: over(&sent.token_url, base.token_url),
        revocation_url: over(&sent.revocation_url, base.revocation_url),
        scopes: over(&sent.scopes, base.scopes),
        issuer: over(&sent.issuer, base.issuer),
        registration: base.registration,
        secret_wiped: base.secret_wiped,
    };
    let by_hand = |settings: &OAuth2Settings| {
        (settings.client_id.clone(), settings.auth_url.clone(), settings.token_url.clone())
    };
    if after.needed().iter().all(|(_, text)| text.is_empty()) {
        after.registration = None;
        // A blank is missing only where the field itself was no mistake.
        outcome.discover = !after.needed().iter().any(|(field, _)| problems.has(field));
    } else if after.registration.is_none() || by_hand(&after) != by_hand(&before) {
        after.registration = Some(OAuth2Registration::Manual);
    }
    if edit.origin_moved || before.grants_end(&after) || outcome.discover {
        outcome.user_tokens = UserTokensWipe::All;
    } else if edit.parsed.url.as_ref().is_some_and(|url| *url != current.url) {
        outcome.user_tokens = UserTokensWipe::UnfitResource;
    }
    if edit.judge {
        judge(&after, sent, problems);
    }
    match &sent.client_secret {
        Some(secret) if secret.is_empty() => {
            if current.has_oauth2_secret {
                outcome.oauth2_secret = SecretChange::Clear;
            }
            after.secret_wiped = false;
        }
        Some(secret) => {
            outcome.oauth2_secret = SecretChange::Set(secret.clone());
            after.secret_wiped = false;
        }
        None if current.has_oauth2_secret && (edit.origin_moved || before.grants_end(&after)) => {
            outcome.oauth2_secret = SecretChange::Clear;
            outcome.cleared.push("oauth2_client_secret".to_owned());
            after.secret_wiped = true;
        }
        None => {}
    }
    outcome.oauth2 = after;
}

/// What the fields need of each other (behaviour 5).
fn judge(after: &OAuth2Settings, sent: &ParsedOAuth2, problems: &mut Problems) {
    if sent.client_secret.as_ref().is_some_and(|secret| !secret.is_empty())
        && after.client_id.is_empty()
        && !problems.has("oauth2_client_id")
    {
        problems.refuse("oauth2_client_secret", "A client secret needs its `oauth2_client_id`. Enter both.");
    }
    // A mistake in one of the three must not cause further complaints about the others.
    if after.needed().iter().any(|(field, _)| problems.has(field)) {
        return;
    }
    let missing: Vec<&str> =
        after.needed().into_iter().filter(|(_, text)| text.is_empty()).map(|(field, _)| field).collect();
    if missing.len() < after.needed().len() {
        for field in missing {
            problems.refuse(field, BOTH_OPTIONS);
        }
    }
    if sent.issuer.as_ref().is_some_and(|issuer| !issuer.is_empty())
        && after.registration != Some(OAuth2Registration::Manual)
    {
        problems.refuse(
            "oauth2_issuer",
            "Discovery found the issuer. To set it by hand, enter client id and URLs as well.",
        );
    }
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// https, plain http on loopback only: tokens and secrets go there.
fn endpoint(text: &str, loopback: &UrlPolicy) -> Result<String, String> {
    check_url(text, loopback).map_err(|detail| {
        if detail.starts_with("http is refused") {
            "http is possible on loopback only. Use https.".to_owned()
        } else {
            detail
        }
    })
}

/// An identifier that is compared byte by byte, without query (RFC 8414, 2).
fn issuer(text: &str, loopback: &UrlPolicy) -> Result<String, String> {
    let issuer = endpoint(text, loopback)?;
    if issuer.contains('?') {
        return Err("An issuer has no query. Remove the part from ? on.".into());
    }
    Ok(issuer)
}

/// Printable ASCII (`VSCHAR` of RFC 6749, appendix A.1).
fn client_id(text: &str) -> Result<String, String> {
    let id = text.trim();
    if id.len() > CLIENT_ID_BYTES {
        return Err(format!("Has {} bytes; at most {CLIENT_ID_BYTES} are possible.", id.len()));
    }
    if !id.bytes().all(|byte| matches!(byte, 0x20..=0x7e)) {
        return Err("Holds a character that no client id has. Copy it from the provider again.".into());
    }
    Ok(id.to_owned())
}

/// As [`client_id`]; never quoted.
fn client_secret(text: &str) -> Result<String, String> {
    let secret = text.trim();
    if secret.len() > HEADER_VALUE_BYTES {
        return Err(format!("Has {} bytes; at most {HEADER_VALUE_BYTES} are possible.", secret.len()));
    }
    if !secret.bytes().all(|byte| matches!(byte, 0x20..=0x7e)) {
        return Err("Holds a character that no client secret has. Copy it from the provider again.".into());
    }
    Ok(secret.to_owned())
}

/// `scope-token`s (RFC 6749, 3.3), separated by single blanks; their order is kept.
fn scopes(text: &str) -> Result<String, String> {
    if text.contains(['\r', '\n', '\0']) {
        return Err("Contains a line break or NUL. Separate scopes by blanks.".into());
    }
    let scopes: Vec<&str> = text.split_whitespace().collect();
    let token = |byte: u8| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
    if scopes.iter().any(|scope| !scope.bytes().all(token)) {
        return Err("Holds a character that no scope has. Separate scopes by blanks.".into());
    }
    let scopes = scopes.join(" ");
    if scopes.len() > SCOPES_BYTES {
        return Err(format!("Has {} bytes; at most {SCOPES_BYTES} are possible.", scopes.len()));
    }
    Ok(scopes)
}
