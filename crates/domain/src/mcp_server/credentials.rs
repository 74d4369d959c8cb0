//! Credentials belong to a type and to an origin: what an edit sets, drops and wipes (behaviour 5 and 6).

use super::{DEFAULT_API_KEY_HEADER, ServerRecord, write::Parsed};
use crate::{SecretChange, url_rules::same_origin, validation::Problems};
use api::servers::AuthType;
use std::collections::BTreeMap;

/// What becomes of the credentials.
pub(super) struct Outcome {
    pub(super) auth_type: AuthType,
    pub(super) api_key_header: String,
    pub(super) api_key: SecretChange,
    pub(super) custom_headers: SecretChange<BTreeMap<String, String>>,
    /// Wiped or dropped without having been asked for.
    pub(super) cleared: Vec<String>,
}

/// Cross-field rules of behaviour 5, wiping of behaviour 6. `is_new`: there is nothing stored, `current` is blank.
pub(super) fn resolve_credentials(
    current: &ServerRecord,
    parsed: &Parsed,
    is_new: bool,
    problems: &mut Problems,
) -> Outcome {
    let auth_type = parsed.auth_type.unwrap_or(current.auth_type);
    let type_changed = is_new || auth_type != current.auth_type;
    let origin_moved = !is_new && parsed.url.as_ref().is_some_and(|url| !same_origin(url, &current.url));
    // A mistake in the type itself must not cause further complaints about what the type needs.
    let judge = !problems.has("auth_type");
    let mut need = |field: &str, detail: &str| {
        if judge {
            problems.refuse(field, detail);
        }
    };
    let mut outcome = Outcome {
        auth_type,
        api_key_header: String::new(),
        api_key: SecretChange::Keep,
        custom_headers: SecretChange::Keep,
        cleared: Vec::new(),
    };

    if auth_type == AuthType::ApiKey {
        let stored = if type_changed { DEFAULT_API_KEY_HEADER } else { &current.api_key_header };
        outcome.api_key_header = parsed.api_key_header.clone().unwrap_or_else(|| stored.to_owned());
        if outcome.api_key_header.is_empty() {
            need("api_key_header", "Enter the header that carries the key, such as `Authorization`.");
        }
        match &parsed.api_key_value {
            Some(value) if value.is_empty() => need("api_key_value", "Enter the key; `api_key` needs one."),
            Some(value) => outcome.api_key = SecretChange::Set(value.clone()),
            // What the edit wipes may be missing until it is sent again (behaviour 6, point 6); what it needs anew may not.
            None if type_changed => need("api_key_value", "Enter the key; `api_key` needs one."),
            None if origin_moved && current.has_api_key => {
                outcome.api_key = SecretChange::Clear;
                outcome.cleared.push("api_key_value".to_owned());
            }
            None => {}
        }
    } else {
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
    }

    if auth_type == AuthType::CustomHeaders {
        match &parsed.custom_headers {
            Some(map) if map.is_empty() => {
                need("custom_headers", "Enter at least one header; `custom_headers` needs one.")
            }
            Some(map) => outcome.custom_headers = SecretChange::Set(map.clone()),
            None if type_changed => {
                need("custom_headers", "Enter at least one header; `custom_headers` needs one.")
            }
            None if origin_moved && current.has_custom_headers => {
                outcome.custom_headers = SecretChange::Clear;
                outcome.cleared.push("custom_headers".to_owned());
            }
            None => {}
        }
    } else {
        if parsed.custom_headers.as_ref().is_some_and(|map| !map.is_empty()) || current.has_custom_headers {
            outcome.cleared.push("custom_headers".to_owned());
        }
        if current.has_custom_headers {
            outcome.custom_headers = SecretChange::Clear;
        }
    }
    outcome
}
