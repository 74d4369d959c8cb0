//! What changed between two definitions of a tool, for the admin who must say yes to it (protocol.md T6, behaviour 13).
//!
//! The members compared are those the pinning hash covers. Texts are shown with everything in them that cannot be seen; the worst changes come
//! first, so that a hundred harmless ones cannot push a bad one off the page.

mod excerpt;
mod severity;
mod words;

pub use severity::Severity;

use crate::limits::{DIFF_CHANGES, DIFF_DEPTH};
use serde_json::Value;
use std::collections::HashSet;

/// What a definition consists of, in the order in which changes of one severity are listed.
const MEMBERS: [&str; 6] = ["name", "title", "description", "annotations", "inputSchema", "outputSchema"];

/// Lists whose order means nothing: what came and went is shown one by one.
const SETS: [&str; 3] = ["required", "enum", "type"];

/// All that changed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Diff {
    /// At most a hundred, the worst first.
    pub changes: Vec<Change>,
    /// How many more there are.
    pub more: usize,
}

impl Diff {
    /// The worst of all changes; `None` without any.
    pub fn severity(&self) -> Option<Severity> {
        self.changes.iter().map(|change| change.severity).max()
    }
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// JSON pointer into the definition (RFC 6901).
    pub path: String,
    /// The same for people: "argument `repo`, description".
    pub place: String,
    pub kind: ChangeKind,
    /// What was there: the part of a text that differs, or JSON. Plain text, everything in it visible.
    pub before: Option<String>,
    pub after: Option<String>,
    pub severity: Severity,
    /// Why it has that severity; a sentence.
    pub why: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeKind {
    Added,
    Removed,
    Changed,
}

/// Compares two definitions as the server gave them. Members beyond those pinned (icons, `_meta`) are not looked at.
pub fn diff(before: &Value, after: &Value) -> Diff {
    let mut found = Found::default();
    for member in MEMBERS {
        let mut path = vec![member.to_owned()];
        found.compare(&mut path, before.get(member), after.get(member));
    }
    let mut judged: Vec<(Severity, &'static str, Raw<'_>)> = found
        .0
        .into_iter()
        .map(|raw| {
            let (severity, why) = severity::of(&raw);
            (severity, why, raw)
        })
        .collect();
    // Stable: within a severity the order of the definition stays.
    judged.sort_by_key(|(severity, ..)| std::cmp::Reverse(*severity));
    let more = judged.len().saturating_sub(DIFF_CHANGES);
    judged.truncate(DIFF_CHANGES);
    let changes = judged.into_iter().map(|(severity, why, raw)| raw.into_change(severity, why)).collect();
    Diff { changes, more }
}

/// A change before it is put into words, which is done only for those that are shown.
struct Raw<'a> {
    path: Vec<String>,
    before: Option<&'a Value>,
    after: Option<&'a Value>,
}

impl Raw<'_> {
    fn kind(&self) -> ChangeKind {
        match (self.before, self.after) {
            (None, _) => ChangeKind::Added,
            (_, None) => ChangeKind::Removed,
            _ => ChangeKind::Changed,
        }
    }

    fn into_change(self, severity: Severity, why: &'static str) -> Change {
        let (before, after) = excerpt::of(self.before, self.after);
        Change {
            path: words::pointer(&self.path),
            place: words::place(&self.path),
            kind: self.kind(),
            before,
            after,
            severity,
            why,
        }
    }
}

#[derive(Default)]
struct Found<'a>(Vec<Raw<'a>>);

impl<'a> Found<'a> {
    fn compare(&mut self, path: &mut Vec<String>, before: Option<&'a Value>, after: Option<&'a Value>) {
        if before == after {
            return;
        }
        match (before, after) {
            (Some(Value::Object(old)), Some(Value::Object(new))) if path.len() < DIFF_DEPTH => {
                for key in old.keys().chain(new.keys().filter(|key| !old.contains_key(*key))) {
                    path.push(key.clone());
                    self.compare(path, old.get(key), new.get(key));
                    path.pop();
                }
            }
            (Some(Value::Array(old)), Some(Value::Array(new))) if path.len() < DIFF_DEPTH => {
                let is_set = path.last().is_some_and(|key| SETS.contains(&key.as_str()));
                if is_set && self.compare_sets(path, old, new) {
                    return;
                }
                for at in 0..old.len().max(new.len()) {
                    path.push(at.to_string());
                    self.compare(path, old.get(at), new.get(at));
                    path.pop();
                }
            }
            _ => self.0.push(Raw { path: path.clone(), before, after }),
        }
    }

    /// Notes what came and went; false when only order or repetition differ.
    fn compare_sets(&mut self, path: &[String], old: &'a [Value], new: &'a [Value]) -> bool {
        // By text: a list of thousands must not be compared each with each.
        let texts = |values: &[Value]| values.iter().map(Value::to_string).collect::<HashSet<String>>();
        let (olds, news) = (texts(old), texts(new));
        let count = self.0.len();
        let gone = old.iter().filter(|value| !news.contains(&value.to_string()));
        self.0.extend(gone.map(|value| Raw { path: path.to_vec(), before: Some(value), after: None }));
        let come = new.iter().filter(|value| !olds.contains(&value.to_string()));
        self.0.extend(come.map(|value| Raw { path: path.to_vec(), before: None, after: Some(value) }));
        self.0.len() > count
    }
}

#[cfg(test)]
mod tests;
