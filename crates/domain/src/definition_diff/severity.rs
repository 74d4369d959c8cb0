//! How closely a change should be looked at: a hint for people, never a rule for machines.

use super::{ChangeKind, Raw};
use crate::text::is_invisible;
pub use api::tools::ChangeSeverity as Severity;
use serde_json::Value;

/// The claims whose change for the worse is serious, with what holds when nothing is claimed (T3) and the harmless value.
const CLAIMS: [(&str, bool, bool); 4] = [
    ("readOnlyHint", false, true),
    ("destructiveHint", true, false),
    ("idempotentHint", false, true),
    ("openWorldHint", true, false),
];

pub(super) fn of(change: &Raw<'_>) -> (Severity, &'static str) {
    let hides = |value: Option<&Value>| value.is_some_and(holds_invisible);
    if hides(change.after) && !hides(change.before) || names_hide(change) {
        return (Severity::Serious, "It has characters that cannot be seen.");
    }
    let path: Vec<&str> = change.path.iter().map(String::as_str).collect();
    match path.as_slice() {
        ["name"] => (Severity::Notable, "The tool has another name."),
        ["description"] => (Severity::Notable, "The model reads this text and may follow it."),
        ["annotations", rest @ ..] => of_claims(change, rest),
        ["inputSchema", rest @ ..] => of_arguments(change, rest),
        _ => (Severity::Minor, "It changes neither what the model reads nor what a call may do."),
    }
}

fn of_claims(change: &Raw<'_>, path: &[&str]) -> (Severity, &'static str) {
    let claimed = |side: Option<&Value>, name: &str, default: bool| {
        let value = if path.is_empty() { side.and_then(|claims| claims.get(name)) } else { side };
        value.and_then(Value::as_bool).unwrap_or(default)
    };
    let worse = CLAIMS.iter().any(|(name, default, harmless)| {
        let concerned = path.is_empty() || path == [*name];
        concerned
            && claimed(change.before, name, *default) == *harmless
            && claimed(change.after, name, *default) != *harmless
    });
    if worse {
        return (Severity::Serious, "The server no longer claims that the tool is harmless in this way.");
    }
    (Severity::Minor, "The server claims no more danger than before.")
}

fn of_arguments(change: &Raw<'_>, path: &[&str]) -> (Severity, &'static str) {
    // A property may be called like a keyword: only what is not a name below `properties` counts.
    let is_name = path.len() >= 2 && path[path.len() - 2] == "properties";
    let keyword = if is_name { None } else { path.last().copied() };
    match (keyword, change.kind()) {
        _ if change.after.is_some_and(mirrors) && !change.before.is_some_and(mirrors) => {
            (Severity::Serious, "The value of an argument is now sent as a header as well.")
        }
        (Some("x-mcp-header"), ChangeKind::Added | ChangeKind::Changed) => {
            (Severity::Serious, "The value of an argument is now sent as a header as well.")
        }
        (Some("required"), ChangeKind::Added | ChangeKind::Changed) => {
            (Severity::Serious, "The model must now send this argument.")
        }
        (Some("title" | "examples" | "$comment" | "deprecated" | "$schema" | "$id"), _) => {
            (Severity::Minor, "It changes neither what the model may send nor what it must.")
        }
        (Some("description"), _) => (Severity::Notable, "The model reads this text and may follow it."),
        (None, ChangeKind::Added) => (Severity::Notable, "The model may now send this argument."),
        (None, ChangeKind::Removed) => (Severity::Notable, "The model can no longer send this argument."),
        _ => (Severity::Notable, "It changes what the model may send."),
    }
}

/// Whether a schema, or one in it, asks for a header (protocol.md 4).
fn mirrors(schema: &Value) -> bool {
    any_part(schema, &|part| part.get("x-mcp-header").is_some())
}

fn holds_invisible(value: &Value) -> bool {
    any_part(value, &|part| match part {
        Value::String(text) => hides(text),
        Value::Object(object) => object.keys().any(|key| hides(key)),
        _ => false,
    })
}

fn names_hide(change: &Raw<'_>) -> bool {
    change.before.is_none() && change.path.iter().any(|step| hides(step))
}

/// Emoji and some scripts are written with joiners and a variation selector; one of these right behind a visible character hides nothing.
fn hides(text: &str) -> bool {
    let mut before = ' ';
    text.chars().any(|c| {
        let last = std::mem::replace(&mut before, c);
        let joins = match c {
            '\u{fe0f}' => !last.is_ascii_alphabetic() && !last.is_whitespace() && !is_invisible(last),
            '\u{200c}' | '\u{200d}' => last == '\u{fe0f}' || !last.is_ascii() && !is_invisible(last),
            _ => false,
        };
        !joins && (is_invisible(c) || c.is_control() && !matches!(c, '\n' | '\r' | '\t'))
    })
}

/// Iterative: a definition may be nested as deep as a message.
fn any_part(value: &Value, holds: &dyn Fn(&Value) -> bool) -> bool {
    let mut open = vec![value];
    while let Some(part) = open.pop() {
        if holds(part) {
            return true;
        }
        match part {
            Value::Object(object) => open.extend(object.values()),
            Value::Array(items) => open.extend(items),
            _ => {}
        }
    }
    false
}
