//! Which provider would refuse a tool, or be told less of it, in words for an admin (behaviour 14: `config_problems`, `check`).

use super::{Dialect, adapt};
use crate::{
    limits::{EXPOSED_NAME_CHARS, LINTS, OPENAI_DESCRIPTION_CHARS},
    text::quote,
};
use serde_json::Value;

/// How much it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Works, with something to know.
    Hint,
    /// Works, but the model is told less than the schema says.
    Reduced,
    /// The tool cannot be offered to models of this provider.
    Refused,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lint {
    pub dialect: Dialect,
    pub severity: Severity,
    /// JSON pointer into the schema; empty for the root or the tool itself.
    pub path: String,
    /// One sentence.
    pub text: String,
}

/// What each provider would make of a tool. `name` is the exposed one, which is what providers see. The worst come first.
pub fn lint(name: &str, description: &str, schema: &Value) -> Vec<Lint> {
    let mut lints = Vec::new();
    for dialect in Dialect::ALL {
        let label = dialect.label();
        let mut find = |severity, path: &str, text: String| {
            lints.push(Lint { dialect, severity, path: path.to_owned(), text });
        };
        if let Some(why) = name_problem(name, dialect) {
            find(Severity::Refused, "", format!("{label} would refuse this tool: its name {why}."));
        }
        let too_long = description.chars().count() > OPENAI_DESCRIPTION_CHARS;
        if too_long && dialect == Dialect::OpenAi {
            find(
                Severity::Hint,
                "",
                format!(
                    "Some servers of the {label} dialect refuse descriptions of more than {OPENAI_DESCRIPTION_CHARS} characters."
                ),
            );
        }
        match adapt(schema, dialect) {
            Ok(adapted) => {
                for note in adapted.notes {
                    let place = place(&note.path);
                    find(Severity::Reduced, &note.path, format!("For {label}, {place}: {}.", note.text));
                }
            }
            Err(refused) => {
                let place = place(&refused.path);
                find(
                    Severity::Refused,
                    &refused.path,
                    format!("{label} would refuse this tool, {place}: {}.", refused.why),
                );
            }
        }
    }
    lints.sort_by_key(|lint| std::cmp::Reverse(lint.severity));
    lints.truncate(LINTS);
    lints
}

fn place(path: &str) -> String {
    if path.is_empty() { "in its schema".to_owned() } else { format!("at {}", quote(path, 120)) }
}

fn name_problem(name: &str, dialect: Dialect) -> Option<&'static str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if name.is_empty() || name.chars().count() > EXPOSED_NAME_CHARS {
        return Some("must have 1 to 64 characters");
    }
    if !name.chars().all(plain) {
        return Some("has characters beyond a-z, A-Z, 0-9, `_` and `-`");
    }
    // "Must start with a letter or an underscore."
    let starts_badly = !name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    (dialect == Dialect::Gemini && starts_badly)
        .then_some("does not begin with a letter or `_`; a slug that begins with a letter mends that")
}
