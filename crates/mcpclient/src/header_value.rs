//! Text as a header value (protocol.md X4): as it is where a header can carry it, else in base64 between two marks.

use base64::{Engine, engine::general_purpose::STANDARD};

const PREFIX: &str = "=?base64?";
const SUFFIX: &str = "?=";

/// The value, encoded where it has characters no header carries unchanged, or looks encoded itself.
pub(crate) fn encode(text: &str) -> String {
    let edges = [text.chars().next(), text.chars().next_back()];
    let padded = edges.iter().flatten().any(|edge| matches!(edge, ' ' | '\t'));
    let unsafe_character = text.chars().any(|character| !(' '..='~').contains(&character));
    let looks_encoded = text.starts_with(PREFIX) && text.ends_with(SUFFIX);
    if padded || unsafe_character || looks_encoded {
        format!("{PREFIX}{}{SUFFIX}", STANDARD.encode(text))
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of protocol.md 4.
    #[test]
    fn values_are_encoded_where_a_header_cannot_carry_them() {
        for (text, value) in [
            ("us-west1", "us-west1"),
            ("two words", "two words"),
            ("", ""),
            ("Hello, 世界", "=?base64?SGVsbG8sIOS4lueVjA==?="),
            (" padded ", "=?base64?IHBhZGRlZCA=?="),
            ("=?base64?literal?=", "=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?="),
            ("a\r\nx: 1", "=?base64?YQ0KeDogMQ==?="),
            ("tab\tin", "=?base64?dGFiCWlu?="),
        ] {
            assert_eq!(encode(text), value);
        }
    }
}
