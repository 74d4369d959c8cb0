//! Plain HTML forms that work without wasm: login, set-up, logout. The server answers with a redirect, or renders the same page
//! again with a [`FormState`].

use crate::error::UiError;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a refused form brings back: everything that was typed except passwords and tokens, and why it was refused.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FormState {
    /// Field name to what was typed. Secret fields are never put in here: see [`FormState::refused`].
    pub values: BTreeMap<String, String>,
    pub error: Option<UiError>,
}

/// Fields that are never echoed into a page.
pub const SECRET_FIELDS: [&str; 2] = ["password", "old_password"];

impl FormState {
    /// The state of a refused form. Leaves secret fields out, so a handler may hand over the whole form.
    pub fn refused(values: impl IntoIterator<Item = (String, String)>, error: UiError) -> Self {
        let values = values.into_iter().filter(|(name, _)| !SECRET_FIELDS.contains(&name.as_str())).collect();
        Self { values, error: Some(error) }
    }

    /// What was typed into `field`; empty when nothing came back.
    pub fn value(&self, field: &str) -> String {
        self.values.get(field).cloned().unwrap_or_default()
    }

    /// The message that stands at `field`.
    pub fn field_error(&self, field: &str) -> Option<String> {
        self.error.as_ref().and_then(|error| error.field(field))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_never_come_back() {
        let typed = [("email", "a@example.com"), ("password", "hunter2hunter2"), ("old_password", "x")];
        let state = FormState::refused(
            typed.map(|(name, value)| (name.to_owned(), value.to_owned())),
            UiError::internal("test"),
        );
        assert_eq!(state.value("email"), "a@example.com");
        assert_eq!(state.value("password"), "");
        assert!(!serde_json::to_string(&state).unwrap().contains("hunter2"));
    }
}
