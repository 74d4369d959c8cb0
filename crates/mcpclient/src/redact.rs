//! Takes a target's own secrets out of whatever its peer writes (threats 4): a server that echoes its key must not get it
//! into an error, a log, a tool description, a progress line or a result.

use std::{borrow::Cow, fmt, sync::Arc};

use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use crate::{limits::REDACTED_MIN, target::Target};

const MARK: &str = "[redacted]";
/// Keywords of a JSON schema whose text only explains: changing it changes nothing that is accepted.
const EXPLAINING: &[&str] = &["description", "title", "$comment"];

/// The header values of a target, each with and without its scheme (`Bearer x` and `x`). Clones share them.
#[derive(Clone, Default)]
pub(crate) struct Secrets {
    /// Longest first, so that no secret is cut in two by a shorter one within it.
    all: Arc<[SecretString]>,
}

impl Secrets {
    pub(crate) fn of(target: &Target) -> Self {
        let mut all: Vec<&str> = Vec::new();
        for (_, value) in &target.headers {
            let value = value.expose_secret().trim();
            let bare = value.split_once(' ').map(|(_, rest)| rest.trim());
            all.extend([Some(value), bare].into_iter().flatten().filter(|part| part.len() >= REDACTED_MIN));
        }
        all.sort_unstable_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        all.dedup();
        Self { all: all.into_iter().map(SecretString::from).collect() }
    }

    /// The text without the secrets. To be used before any cut: half a secret is not found any more.
    pub(crate) fn clean<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut clean = Cow::Borrowed(text);
        for secret in &*self.all {
            if clean.contains(secret.expose_secret()) {
                clean = Cow::Owned(clean.replace(secret.expose_secret(), MARK));
            }
        }
        clean
    }

    /// Every text and every key of a value. Its depth is bounded by the message it came in.
    pub(crate) fn clean_value(&self, value: &mut Value) {
        if self.all.is_empty() {
            return;
        }
        match value {
            Value::String(text) => self.clean_in_place(text),
            Value::Array(items) => items.iter_mut().for_each(|item| self.clean_value(item)),
            Value::Object(map) => {
                if map.keys().any(|key| self.is_in(key)) {
                    *map = std::mem::take(map)
                        .into_iter()
                        .map(|(key, value)| (self.clean(&key).into_owned(), value))
                        .collect();
                }
                map.values_mut().for_each(|value| self.clean_value(value));
            }
            _ => {}
        }
    }

    /// Only the explaining texts of a schema; the rest of it decides what a tool accepts.
    pub(crate) fn clean_schema(&self, schema: &mut Value) {
        if self.all.is_empty() {
            return;
        }
        match schema {
            Value::Array(items) => items.iter_mut().for_each(|item| self.clean_schema(item)),
            Value::Object(map) => {
                for (key, value) in map {
                    match value {
                        Value::String(text) if EXPLAINING.contains(&key.as_str()) => {
                            self.clean_in_place(text)
                        }
                        value => self.clean_schema(value),
                    }
                }
            }
            _ => {}
        }
    }

    pub(crate) fn is_in(&self, text: &str) -> bool {
        self.all.iter().any(|secret| text.contains(secret.expose_secret()))
    }

    /// Whether a text or key of the value has a secret in it.
    pub(crate) fn is_in_value(&self, value: &Value) -> bool {
        match value {
            Value::String(text) => self.is_in(text),
            Value::Array(items) => items.iter().any(|item| self.is_in_value(item)),
            Value::Object(map) => map.iter().any(|(key, value)| self.is_in(key) || self.is_in_value(value)),
            _ => false,
        }
    }

    fn clean_in_place(&self, text: &mut String) {
        if let Cow::Owned(clean) = self.clean(text) {
            *text = clean;
        }
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secrets({MARK})")
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::json;
    use uuid::Uuid;

    use super::*;

    pub(crate) fn secrets(values: &[&str]) -> Secrets {
        let headers =
            values.iter().map(|value| ("x-key".parse().unwrap(), SecretString::from(*value))).collect();
        Secrets::of(&Target {
            server_id: Uuid::nil(),
            user_id: Uuid::nil(),
            slug: "s".into(),
            url: "https://mcp.example.com/mcp".parse().unwrap(),
            transport: crate::target::Transport::StreamableHttp,
            wire: None,
            headers,
            forwarding: None,
            credential_version: 1,
        })
    }

    #[test]
    fn with_and_without_the_scheme_and_never_a_short_value() {
        let secrets = secrets(&["Bearer tok-12345678", "short", "Basic tiny"]);
        assert_eq!(secrets.clean("a Bearer tok-12345678 b"), "a [redacted] b");
        assert_eq!(secrets.clean("key=tok-12345678;"), "key=[redacted];");
        assert_eq!(secrets.clean("short tiny"), "short tiny");
        assert!(!format!("{secrets:?}").contains("tok"));
    }

    #[test]
    fn a_secret_within_another_leaves_no_rest() {
        let secrets = secrets(&["abcdefgh", "abcdefgh-and-more"]);
        assert_eq!(secrets.clean("abcdefgh-and-more abcdefgh"), "[redacted] [redacted]");
    }

    #[test]
    fn texts_and_keys_of_values() {
        let secrets = secrets(&["tok-12345678"]);
        let mut value = json!({"tok-12345678": ["x tok-12345678", 1], "a": {"b-tok-12345678": null}});
        assert!(secrets.is_in_value(&value));
        secrets.clean_value(&mut value);
        assert_eq!(value, json!({"[redacted]": ["x [redacted]", 1], "a": {"b-[redacted]": null}}));
    }

    #[test]
    fn a_schema_keeps_what_decides() {
        let secrets = secrets(&["customer"]);
        let mut schema =
            json!({"description": "of a customer", "properties": {"customer": {"title": "The customer"}}});
        secrets.clean_schema(&mut schema);
        assert_eq!(
            schema,
            json!({"description": "of a [redacted]", "properties": {"customer": {"title": "The [redacted]"}}})
        );
        assert!(secrets.is_in_value(&schema));
    }
}
