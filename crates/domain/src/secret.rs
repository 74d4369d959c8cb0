//! What a write does to a stored secret.

use std::fmt;

/// What becomes of a stored secret. `Debug` never shows the value.
#[derive(Clone, Default, PartialEq, Eq)]
pub enum SecretChange<T = String> {
    /// What is stored stays.
    #[default]
    Keep,
    /// What is stored, if anything, is removed.
    Clear,
    /// Replaces what is stored; never empty.
    Set(T),
}

impl<T> SecretChange<T> {
    /// Whether the stored value changes (setting the same value again counts: ciphertexts cannot be compared).
    pub fn is_change(&self) -> bool {
        !matches!(self, Self::Keep)
    }

    /// Whether a value is stored afterwards.
    pub fn leaves_value(&self, has_now: bool) -> bool {
        match self {
            Self::Keep => has_now,
            Self::Clear => false,
            Self::Set(_) => true,
        }
    }

    /// The same for a row that holds nothing yet: there is nothing to keep.
    #[must_use]
    pub fn or_clear(self) -> Self {
        if self.is_change() { self } else { Self::Clear }
    }

    /// The word of the audit log (behaviour 27): `set`, `changed` or `cleared`.
    pub fn audit_word(&self, has_now: bool) -> Option<&'static str> {
        match (self, has_now) {
            (Self::Keep, _) | (Self::Clear, false) => None,
            (Self::Clear, true) => Some("cleared"),
            (Self::Set(_), false) => Some("set"),
            (Self::Set(_), true) => Some("changed"),
        }
    }
}

impl<T> fmt::Debug for SecretChange<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Keep => "Keep",
            Self::Clear => "Clear",
            Self::Set(_) => "Set([redacted])",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_secret() {
        let shown = format!("{:?}", SecretChange::Set("hunter2-hunter2".to_owned()));
        assert_eq!(shown, "Set([redacted])");
    }

    #[test]
    fn audit_words_tell_set_from_changed() {
        let set = SecretChange::Set(String::from("x"));
        assert_eq!(set.audit_word(false), Some("set"));
        assert_eq!(set.audit_word(true), Some("changed"));
        assert_eq!(SecretChange::<String>::Clear.audit_word(true), Some("cleared"));
        assert_eq!(SecretChange::<String>::Clear.audit_word(false), None);
        assert_eq!(SecretChange::<String>::Keep.audit_word(true), None);
    }
}
