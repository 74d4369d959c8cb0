//! A plan as lines for a terminal. Every text of the document and of the database is made harmless first.

use api::transfer::{FieldChange, ImportAction, ImportEntry, ImportPlan};
use domain::text::quote;
use serde_json::Value;

/// Characters of one value; longer ones are cut.
const VALUE_CHARS: usize = 200;
/// Characters of a reason or note.
const SENTENCE_CHARS: usize = 400;

pub(super) fn lines(plan: &ImportPlan) -> Vec<String> {
    let mut lines = Vec::new();
    for entry in &plan.entries {
        lines.push(format!(
            "{} {:<9} {}",
            sign(entry.action),
            entry.action.as_str(),
            quote(&entry.name, VALUE_CHARS)
        ));
        lines.extend(details(entry));
    }
    lines.extend(plan.notes.iter().map(|note| format!("! {}", quote(note, SENTENCE_CHARS))));
    lines.push(summary(plan));
    lines
}

fn sign(action: ImportAction) -> char {
    match action {
        ImportAction::Create => '+',
        ImportAction::Update => '~',
        ImportAction::Unchanged => '=',
        ImportAction::Refused => 'x',
    }
}

fn details(entry: &ImportEntry) -> Vec<String> {
    let is_new = entry.action == ImportAction::Create;
    let mut lines: Vec<String> = entry.changes.iter().map(|change| changed(change, is_new)).collect();
    lines.extend(entry.reasons.iter().map(|reason| {
        format!("    {}: {}", quote(&reason.field, VALUE_CHARS), quote(&reason.detail, SENTENCE_CHARS))
    }));
    lines.extend(entry.credentials_cleared.fields.iter().map(|field| format!("    ! wipes {field}")));
    lines.extend(entry.notes.iter().map(|note| format!("    ! {}", quote(note, SENTENCE_CHARS))));
    lines
}

fn changed(change: &FieldChange, is_new: bool) -> String {
    match &change.secret {
        Some(word) => format!("    {}: secret {word}", change.field),
        None if is_new => format!("    {}: {}", change.field, value(&change.new)),
        None => format!("    {}: {} -> {}", change.field, value(&change.old), value(&change.new)),
    }
}

fn value(value: &Value) -> String {
    match value {
        Value::Null => "(none)".to_owned(),
        Value::String(text) => format!("\"{}\"", quote(text, VALUE_CHARS)),
        other => quote(&other.to_string(), VALUE_CHARS),
    }
}

fn summary(plan: &ImportPlan) -> String {
    let counts: Vec<String> = [
        (ImportAction::Create, "to create", "created"),
        (ImportAction::Update, "to update", "updated"),
        (ImportAction::Unchanged, "unchanged", "unchanged"),
        (ImportAction::Refused, "refused", "refused"),
    ]
    .into_iter()
    .map(|(action, planned, done)| (plan.count(action), if plan.applied { done } else { planned }))
    .filter(|(count, _)| *count > 0)
    .map(|(count, word)| format!("{count} {word}"))
    .collect();
    let counts = if counts.is_empty() { "No servers in the document".to_owned() } else { counts.join(", ") };
    match (plan.applied, plan.has_work()) {
        (true, _) => format!("{counts}."),
        (false, true) => format!("{counts}. Nothing was changed; repeat with --apply to do it."),
        (false, false) => format!("{counts}. There is nothing to do."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn plan() -> ImportPlan {
        let change = |field: &str, old: Value, new: Value, secret: Value| json!({"field": field, "old": old, "new": new, "secret": secret});
        let entry = |name: &str, action: &str, changes: Value, reasons: Value| json!({"name": name, "slug": name, "action": action, "changes": changes, "reasons": reasons});
        serde_json::from_value(json!({
            "source": "patchbay", "applied": false, "plan_hash": "", "notes": [],
            "entries": [
                entry("a", "create", json!([change("url", Value::Null, json!("https://a.example"), Value::Null)]), json!([])),
                entry("b\u{1b}[2J\n", "update", json!([
                    change("description", json!("x\u{202e}\u{7}"), json!("y\nz"), Value::Null),
                    change("custom_headers", Value::Null, Value::Null, json!("changed")),
                ]), json!([])),
                entry("c", "refused", json!([]), json!([{"field": "command", "detail": "Starts a program."}])),
            ],
        }))
        .unwrap()
    }

    #[test]
    fn a_plan_reads_like_a_difference() {
        let text = lines(&plan()).join("\n");
        for part in [
            "+ create    a",
            "    url: \"https://a.example\"",
            "    custom_headers: secret changed",
            "x refused   c",
            "    command: Starts a program.",
            "1 to create, 1 to update, 1 refused. Nothing was changed; repeat with --apply to do it.",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }

    #[test]
    fn hostile_text_cannot_drive_a_terminal() {
        let lines = lines(&plan());
        assert_eq!(lines.len(), 8, "{lines:?}");
        assert!(lines.iter().all(|line| !line.contains(['\u{1b}', '\u{7}', '\u{202e}', '\n'])), "{lines:?}");
    }
}
