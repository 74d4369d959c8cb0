//! Takes a target's own secrets out of whatever its peer writes (threats 4): a server that echoes its key must not get it
//! into an error, a log, a tool description, a progress line or a result.

use std::{borrow::Cow, fmt, sync::Arc};

use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use url::Url;

use crate::{limits::REDACTED_MIN, target::Target};

const MARK: &str = "[redacted]";
/// Keywords of a JSON schema whose text only explains: changing it changes nothing that is accepted.
const EXPLAINING: &[&str] = &["description", "title", "$comment"];

/// The header values of a target, each with and without its scheme (`Bearer x` and `x`); of a workspace's server also its address and
/// the parts of its path (behaviour 23). Clones share them.
#[derive(Clone, Default)]
pub(crate) struct Secrets {
    /// Longest first, so that no secret is cut in two by a shorter one within it.
    all: Arc<[SecretString]>,
}

impl Secrets {
    pub(crate) fn of(target: &Target) -> Self {
        let address = if target.is_of_workspace() { address_parts(&target.url) } else { Vec::new() };
        let mut all: Vec<&str> =
            address.iter().map(String::as_str).filter(|part| part.len() >= REDACTED_MIN).collect();
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

/// The address with and without what stands behind it, the parts of its path and the values of its query, each as written and decoded.
fn address_parts(url: &Url) -> Vec<String> {
    let mut parts = vec![url.as_str().to_owned()];
    let mut bare = url.clone();
    bare.set_query(None);
    // The slash behind a host belongs to every address of it.
    parts.push(bare.as_str().trim_end_matches('/').to_owned());
    for segment in url.path_segments().into_iter().flatten() {
        parts.push(percent_decoded(segment));
        parts.push(segment.to_owned());
    }
    parts.extend(url.query().map(str::to_owned));
    for pair in url.query().into_iter().flat_map(|query| query.split('&')) {
        parts.push(pair.split_once('=').map_or(pair, |(_, value)| value).to_owned());
    }
    parts.extend(url.query_pairs().map(|(_, value)| value.into_owned()));
    parts
}

fn percent_decoded(text: &str) -> String {
    // Through the one decoder that the url crate offers; `+` means itself in a path.
    let query = format!("x={}", text.replace('+', "%2B"));
    url::form_urlencoded::parse(query.as_bytes())
        .next()
        .map_or_else(String::new, |(_, value)| value.into_owned())
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
        Secrets::of(&target(values))
    }

    fn target(values: &[&str]) -> Target {
        let headers =
            values.iter().map(|value| ("x-key".parse().unwrap(), SecretString::from(*value))).collect();
        Target {
            server_id: Uuid::nil(),
            user_id: Uuid::nil(),
            slug: "s".into(),
            url: "https://mcp.example.com/mcp".parse().unwrap(),
            transport: crate::target::Transport::StreamableHttp,
            wire: None,
            headers,
            forwarding: None,
            credential_version: 1,
        }
    }

    #[test]
    fn the_address_of_a_workspace_server_is_a_secret_too() {
        let mut target = target(&["Bearer tok-12345678"]);
        target.url = "https://mcp.example.com/teams/se%63ret-part/mcp?key=k-87654321&a=b".parse().unwrap();
        let registered = Secrets::of(&target);
        assert_eq!(registered.clean("see secret-part"), "see secret-part");
        target.server_id = domain::workspace::entry_id(Uuid::nil(), "x", 1);
        let secrets = Secrets::of(&target);
        for (text, clean) in [
            ("at https://mcp.example.com/teams/se%63ret-part/mcp?key=k-87654321&a=b!", "at [redacted]!"),
            ("at https://mcp.example.com/teams/se%63ret-part/mcp", "at [redacted]"),
            ("the secret-part and se%63ret-part", "the [redacted] and [redacted]"),
            ("k-87654321 tok-12345678", "[redacted] [redacted]"),
            ("teams mcp a b", "teams mcp a b"),
        ] {
            assert_eq!(secrets.clean(text), clean);
        }
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
