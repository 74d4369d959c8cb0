//! The line people read while a tool runs.

use super::INTENT_KEY;
use crate::{
    limits::LABEL_CHARS,
    text::{is_line_break, visible},
};
use serde_json::Value;

/// The label of a call from its stored arguments: the intent with its first letter capitalised, line breaks folded, at
/// most 100 characters; without an intent the `fallback` (tool title, else original name), whose case is kept.
pub fn label(args: &Value, fallback: &str) -> String {
    let intent = args.get(INTENT_KEY).and_then(Value::as_str).and_then(|intent| built(intent, true));
    intent.or_else(|| built(fallback, false)).unwrap_or_default()
}

/// [`label`] of arguments as the model wrote them; what is no JSON has no intent.
pub fn label_of_text(raw: &str, fallback: &str) -> String {
    label(&serde_json::from_str(raw).unwrap_or(Value::Null), fallback)
}

fn built(text: &str, capitalise: bool) -> Option<String> {
    let mut builder = LabelBuilder::new(capitalise);
    for c in text.chars() {
        builder.push(c);
    }
    builder.current().map(str::to_owned)
}

/// Builds a label character by character, so that a streamed and a stored intent go through the same code.
#[derive(Debug, Clone)]
pub(super) struct LabelBuilder {
    text: String,
    chars: usize,
    capitalise: bool,
    after_break: bool,
}

impl LabelBuilder {
    pub(super) fn new(capitalise: bool) -> Self {
        Self { text: String::new(), chars: 0, capitalise, after_break: false }
    }

    pub(super) fn push(&mut self, c: char) {
        if self.chars == LABEL_CHARS {
            return;
        }
        // A run of line breaks becomes one blank.
        let was_break = std::mem::replace(&mut self.after_break, is_line_break(c));
        if self.after_break && was_break {
            return;
        }
        let shown = match c {
            c if is_line_break(c) || c == '\t' => ' ',
            c => visible(c),
        };
        if self.text.is_empty() {
            if shown.is_whitespace() {
                return;
            }
            if self.capitalise {
                // One character may become two (ß → SS).
                shown.to_uppercase().for_each(|upper| self.append(upper));
                return;
            }
        }
        self.append(shown);
    }

    fn append(&mut self, c: char) {
        if self.chars < LABEL_CHARS {
            self.text.push(c);
            self.chars += 1;
        }
    }

    /// The label so far. It only ever grows at its end.
    pub(super) fn current(&self) -> Option<&str> {
        Some(self.text.trim_end()).filter(|text| !text.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn labels() {
        for (intent, shown) in [
            (json!("listing open issues in acme/web"), "Listing open issues in acme/web"),
            (json!("Already capital, iOS kept"), "Already capital, iOS kept"),
            (json!("  blanks around \n"), "Blanks around"),
            (json!("two\r\nlines\n\nfolded"), "Two lines folded"),
            (json!("übung"), "Übung"),
            (json!("ßa"), "SSa"),
            (json!("\"quoted\""), "\"quoted\""),
            (json!("esc\u{1b}[31m"), "Esc␛[31m"),
            (json!("rtl\u{202e}txt"), "Rtl\u{fffd}txt"),
            (json!("日本語"), "日本語"),
            (json!(""), "create_issue"),
            (json!(" \n\t "), "create_issue"),
            (json!(5), "create_issue"),
            (json!(null), "create_issue"),
            (json!({"model_intent": "nested"}), "create_issue"),
        ] {
            assert_eq!(label(&json!({"model_intent": intent}), "create_issue"), shown, "{intent}");
        }
    }

    #[test]
    fn without_an_intent_the_fallback_stands() {
        for args in
            [json!({}), json!(null), json!("text"), json!([1]), json!({"properties": {"model_intent": "x"}})]
        {
            assert_eq!(label(&args, "Create issue"), "Create issue");
        }
        assert_eq!(label(&json!({}), "line\nbreak"), "line break");
        assert_eq!(label_of_text("{\"model_intent\": \"a", "tool"), "tool");
        assert_eq!(label_of_text("{\"model_intent\": \"a\"}", "tool"), "A");
    }

    #[test]
    fn labels_have_at_most_100_characters() {
        assert_eq!(label(&json!({"model_intent": "ä".repeat(300)}), "t").chars().count(), 100);
        assert_eq!(label(&json!({}), &"x".repeat(300)).chars().count(), 100);
        let blank_at_the_cut = format!("{} rest", "a".repeat(99));
        assert_eq!(label(&json!({"model_intent": blank_at_the_cut}), "t").chars().count(), 99);
    }
}
