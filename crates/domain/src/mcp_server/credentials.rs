//! Credentials belong to a type and to an origin: what an edit sets, drops and wipes (behaviour 5 and 6).

use super::{DEFAULT_API_KEY_HEADER, OAuth2Settings, ServerRecord, oauth2, user_headers, write::Parsed};
use crate::{SecretChange, url_rules::same_origin, validation::Problems};
use api::servers::{AuthType, UserHeader};
use std::collections::BTreeMap;

/// What becomes of the values that users entered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum UserValuesWipe {
    #[default]
    Nothing,
    /// Those of these names, in lower case.
    Names(Vec<String>),
    All,
}

/// What becomes of the tokens that users got at the provider (behaviour 6, point 5).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum UserTokensWipe {
    #[default]
    Nothing,
    /// Those whose recorded resource does not fit the new URL any more.
    UnfitResource,
    All,
}

/// What becomes of the credentials.
#[derive(Default)]
pub(super) struct Outcome {
    pub(super) api_key_header: String,
    pub(super) api_key: SecretChange,
    pub(super) custom_headers: SecretChange<BTreeMap<String, String>>,
    pub(super) oauth2: OAuth2Settings,
    pub(super) oauth2_secret: SecretChange,
    /// Nothing is known of the provider: it has to be discovered before anything is written.
    pub(super) discover: bool,
    pub(super) user_tokens: UserTokensWipe,
    pub(super) user_headers: Vec<UserHeader>,
    pub(super) user_values: UserValuesWipe,
    pub(super) signing_secret: SecretChange,
    /// Wiped or dropped without having been asked for.
    pub(super) cleared: Vec<String>,
}

/// What the rules of every type look at.
pub(super) struct Edit<'a> {
    pub(super) current: &'a ServerRecord,
    pub(super) parsed: &'a Parsed,
    /// The resulting type.
    pub(super) auth_type: AuthType,
    pub(super) type_changed: bool,
    pub(super) origin_moved: bool,
    /// Whether to say what the type needs: not when the type itself is a mistake.
    pub(super) judge: bool,
}

/// Cross-field rules of behaviour 5, wiping of behaviour 6. `is_new`: there is nothing stored, `current` is blank.
pub(super) fn resolve_credentials(
    current: &ServerRecord,
    parsed: &Parsed,
    is_new: bool,
    problems: &mut Problems,
) -> Outcome {
    let auth_type = parsed.auth_type.unwrap_or(current.auth_type);
    let edit = Edit {
        current,
        parsed,
        auth_type,
        type_changed: is_new || auth_type != current.auth_type,
        origin_moved: !is_new && parsed.url.as_ref().is_some_and(|url| !same_origin(url, &current.url)),
        judge: !problems.has("auth_type"),
    };
    let mut outcome = Outcome::default();
    resolve_api_key(&edit, &mut outcome, problems);
    resolve_custom_headers(&edit, &mut outcome, problems);
    oauth2::resolve(&edit, &mut outcome, problems);
    user_headers::resolve(&edit, &mut outcome, problems);
    resolve_signing_secret(&edit, &mut outcome);
    refuse_posing_headers(&edit, &outcome, problems);
    outcome
}

/// Belongs to no type, but to an origin as every secret does (behaviour 6, point 5).
fn resolve_signing_secret(edit: &Edit<'_>, outcome: &mut Outcome) {
    outcome.signing_secret = match &edit.parsed.signing_secret {
        Some(secret) if secret.is_empty() => SecretChange::Clear,
        Some(secret) => SecretChange::Set(secret.clone()),
        None if edit.origin_moved && edit.current.has_signing_secret => {
            outcome.cleared.push("signing_secret".to_owned());
            SecretChange::Clear
        }
        None => SecretChange::Keep,
    };
}

/// While identities are forwarded no header of the configuration may look like one (behaviour 12). The names of stored custom
/// headers are sealed: whoever opens them asks [`poses_as_identity`].
fn refuse_posing_headers(edit: &Edit<'_>, outcome: &Outcome, problems: &mut Problems) {
    if !edit.parsed.forward_coder_headers.unwrap_or(edit.current.forward_coder_headers) {
        return;
    }
    let mut refuse = |field: &str, name: &str| {
        if poses_as_identity(name) {
            problems.refuse(field, format!("`{name}` may not be set here while identities are forwarded: headers that begin with X-Coder- are Patchbay's then."));
        }
    };
    refuse("api_key_header", &outcome.api_key_header);
    if let SecretChange::Set(map) = &outcome.custom_headers {
        map.keys().for_each(|name| refuse("custom_headers", name));
    }
    outcome.user_headers.iter().for_each(|asked| refuse("user_headers", &asked.name));
}

/// Whether a header looks like one of those that say who asks.
pub fn poses_as_identity(name: &str) -> bool {
    name.get(..8).is_some_and(|start| start.eq_ignore_ascii_case("x-coder-"))
}

fn resolve_api_key(edit: &Edit<'_>, outcome: &mut Outcome, problems: &mut Problems) {
    let (current, parsed) = (edit.current, edit.parsed);
    if edit.auth_type != AuthType::ApiKey {
        let sent = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
        if sent(&parsed.api_key_header) || !current.api_key_header.is_empty() {
            outcome.cleared.push("api_key_header".to_owned());
        }
        if sent(&parsed.api_key_value) || current.has_api_key {
            outcome.cleared.push("api_key_value".to_owned());
        }
        if current.has_api_key {
            outcome.api_key = SecretChange::Clear;
        }
        return;
    }
    let mut need = |field: &str, detail: &str| {
        if edit.judge {
            problems.refuse(field, detail);
        }
    };
    let stored = if edit.type_changed { DEFAULT_API_KEY_HEADER } else { &current.api_key_header };
    outcome.api_key_header = parsed.api_key_header.clone().unwrap_or_else(|| stored.to_owned());
    if outcome.api_key_header.is_empty() {
        need("api_key_header", "Enter the header that carries the key, such as `Authorization`.");
    }
    match &parsed.api_key_value {
        Some(value) if value.is_empty() => need("api_key_value", "Enter the key; `api_key` needs one."),
        Some(value) => outcome.api_key = SecretChange::Set(value.clone()),
        // What the edit wipes may be missing until it is sent again (behaviour 6, point 6); what it needs anew may not.
        None if edit.type_changed => need("api_key_value", "Enter the key; `api_key` needs one."),
        None if edit.origin_moved && current.has_api_key => {
            outcome.api_key = SecretChange::Clear;
            outcome.cleared.push("api_key_value".to_owned());
        }
        None => {}
    }
}

fn resolve_custom_headers(edit: &Edit<'_>, outcome: &mut Outcome, problems: &mut Problems) {
    let (current, sent) = (edit.current, &edit.parsed.custom_headers);
    if edit.auth_type != AuthType::CustomHeaders {
        if sent.as_ref().is_some_and(|map| !map.is_empty()) || current.has_custom_headers {
            outcome.cleared.push("custom_headers".to_owned());
        }
        if current.has_custom_headers {
            outcome.custom_headers = SecretChange::Clear;
        }
        return;
    }
    let mut need = || {
        if edit.judge {
            problems.refuse("custom_headers", "Enter at least one header; `custom_headers` needs one.");
        }
    };
    match sent {
        Some(map) if map.is_empty() => need(),
        Some(map) => outcome.custom_headers = SecretChange::Set(map.clone()),
        None if edit.type_changed => need(),
        None if edit.origin_moved && current.has_custom_headers => {
            outcome.custom_headers = SecretChange::Clear;
            outcome.cleared.push("custom_headers".to_owned());
        }
        None => {}
    }
}
