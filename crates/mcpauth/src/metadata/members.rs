//! The members of a document.

use serde_json::{Map, Value};

use crate::{limits::LIST_ENTRY_BYTES, metadata::Refusal, urls::check_endpoint};

/// A document that is a JSON object.
pub(super) struct Members(Map<String, Value>);

impl Members {
    pub(super) fn read(body: &[u8]) -> Result<Self, Refusal> {
        match serde_json::from_slice(body) {
            Ok(Value::Object(members)) => Ok(Self(members)),
            Ok(_) => Err(Refusal::NotADocument("it is JSON, but no object")),
            Err(_) => Err(Refusal::NotADocument("it is no JSON")),
        }
    }

    /// `null` is as good as absent.
    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    pub(super) fn is_true(&self, name: &str) -> bool {
        self.get(name) == Some(&Value::Bool(true))
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(Value::as_str)
    }

    /// The printable entries of a list, at most `max`; `None` when it is absent or no list.
    pub(super) fn list(&self, name: &str, max: usize) -> Option<Vec<String>> {
        let entries = self.get(name)?.as_array()?;
        let fits = |entry: &&str| {
            entry.len() <= LIST_ENTRY_BYTES && entry.bytes().all(|byte| byte.is_ascii_graphic())
        };
        Some(entries.iter().filter_map(Value::as_str).filter(fits).take(max).map(str::to_owned).collect())
    }

    /// The same for a list that a rule depends on: one of the wrong type is no absent one.
    pub(super) fn ruling_list(&self, name: &'static str, max: usize) -> Result<Option<Vec<String>>, Refusal> {
        match (self.get(name), self.list(name, max)) {
            (Some(_), None) => Err(Refusal::Malformed { field: name }),
            (_, list) => Ok(list),
        }
    }

    /// An address that may be used. Some servers write an empty text where they have none.
    pub(super) fn endpoint(&self, name: &'static str) -> Result<Option<String>, Refusal> {
        let Some(text) = self.text(name).filter(|text| !text.is_empty()) else { return Ok(None) };
        check_endpoint(text).map_err(|advice| Refusal::Unsafe { field: name, advice })?;
        Ok(Some(text.to_owned()))
    }

    pub(super) fn needed_endpoint(&self, name: &'static str) -> Result<String, Refusal> {
        self.endpoint(name)?.ok_or(Refusal::Malformed { field: name })
    }
}
