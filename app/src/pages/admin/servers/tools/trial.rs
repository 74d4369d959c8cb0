//! What is typed to try a tool: in fields or as one JSON text, with what is wrong with it.

use super::form::{self, Entry, Form};
use crate::error::UiError;
use leptos::prelude::*;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The entries of one dialog. Copy it into handlers and views.
#[derive(Clone, Copy)]
pub(super) struct Draft {
    pub(super) form: StoredValue<Form>,
    slots: StoredValue<Vec<SlotSignals>>,
    /// Members without a field, from the JSON text.
    pub(super) rest: RwSignal<Map<String, Value>>,
    /// The whole as JSON; counts while `as_json` is on.
    pub(super) text: RwSignal<String>,
    pub(super) as_json: RwSignal<bool>,
    problems: RwSignal<BTreeMap<usize, String>>,
    /// What is wrong with the JSON text.
    pub(super) whole: RwSignal<Option<String>>,
}

#[derive(Clone, Copy)]
struct SlotSignals {
    text: RwSignal<String>,
    as_json: RwSignal<bool>,
}

impl Draft {
    pub(super) fn new(schema: &Value) -> Self {
        let form = Form::of(schema);
        let signals = |entry: Entry| SlotSignals {
            text: RwSignal::new(entry.text),
            as_json: RwSignal::new(entry.as_json),
        };
        let slots = form.fresh().into_iter().map(signals).collect();
        let as_json = form.undescribed;
        Self {
            form: StoredValue::new(form),
            slots: StoredValue::new(slots),
            rest: RwSignal::default(),
            text: RwSignal::new("{}".to_owned()),
            as_json: RwSignal::new(as_json),
            problems: RwSignal::default(),
            whole: RwSignal::new(None),
        }
    }

    /// The text of a slot, to bind a control to.
    pub(super) fn slot_text(self, at: usize) -> RwSignal<String> {
        self.slots.with_value(|slots| slots.get(at).map_or_else(RwSignal::default, |slot| slot.text))
    }

    /// Whether the entry of a slot is JSON although its input is another.
    pub(super) fn slot_is_json(self, at: usize) -> bool {
        self.slots.with_value(|slots| slots.get(at).is_some_and(|slot| slot.as_json.get_untracked()))
    }

    pub(super) fn problem_at(self, at: usize) -> Signal<Option<String>> {
        Signal::derive(move || self.problems.with(|problems| problems.get(&at).cloned()))
    }

    fn entries(self) -> Vec<Entry> {
        self.slots.with_value(|slots| {
            let entry = |slot: &SlotSignals| Entry {
                text: slot.text.get_untracked(),
                as_json: slot.as_json.get_untracked(),
            };
            slots.iter().map(entry).collect()
        })
    }

    fn clear_problems(self) {
        self.problems.set(BTreeMap::new());
        self.whole.set(None);
    }

    /// What to send. None: it cannot be sent, and why stands at its field.
    pub(super) fn arguments(self) -> Option<Map<String, Value>> {
        self.clear_problems();
        if self.as_json.get_untracked() {
            return self.typed_object();
        }
        let entries = self.entries();
        let found =
            self.rest.with_untracked(|rest| self.form.with_value(|form| form.collect(&entries, rest)));
        if found.problems.is_empty() {
            return Some(found.arguments);
        }
        self.problems.set(found.problems.into_iter().map(|problem| (problem.at, problem.text)).collect());
        None
    }

    fn typed_object(self) -> Option<Map<String, Value>> {
        let typed = self.text.with_untracked(|text| form::json(text));
        match typed {
            Ok(Value::Object(object)) => return Some(object),
            Ok(_) => self.whole.set(Some("Arguments are an object: { … }.".to_owned())),
            Err(why) => self.whole.set(Some(why)),
        }
        None
    }

    /// Turns fields into JSON or back. What is entered is kept, so nothing happens while a part of it cannot be read.
    pub(super) fn switch(self, to_json: bool) {
        self.clear_problems();
        if to_json {
            let entries = self.entries();
            let mut found =
                self.rest.with_untracked(|rest| self.form.with_value(|form| form.collect(&entries, rest)));
            // What is only missing can be missing in the text as well.
            found.problems.retain(|problem| problem.unreadable);
            if !found.problems.is_empty() {
                self.problems
                    .set(found.problems.into_iter().map(|problem| (problem.at, problem.text)).collect());
                return;
            }
            self.text.set(serde_json::to_string_pretty(&found.arguments).unwrap_or_default());
        } else {
            let Some(arguments) = self.typed_object() else { return };
            let (entries, rest) = self.form.with_value(|form| form.fill(&arguments));
            self.slots.with_value(|slots| {
                for (slot, entry) in slots.iter().zip(entries) {
                    slot.text.set(entry.text);
                    slot.as_json.set(entry.as_json);
                }
            });
            self.rest.set(rest);
        }
        self.as_json.set(to_json);
    }

    /// Puts what the server refused at its fields; gives back what has no field here.
    pub(super) fn refuse(self, mut error: UiError) -> Option<UiError> {
        let refused = error.body.validations.len();
        if self.as_json.get_untracked() {
            let words = error.body.validations.drain(..).map(|v| format!("{}: {}", v.field, v.detail));
            let words: Vec<String> = words.collect();
            self.whole.set((!words.is_empty()).then(|| words.join(" ")));
        } else {
            let mut found = BTreeMap::<usize, String>::new();
            error.body.validations.retain(|v| {
                let at = self.form.with_value(|form| form.slot_of(&v.field));
                if let Some(at) = at {
                    let words = found.entry(at).or_default();
                    if !words.is_empty() {
                        words.push(' ');
                    }
                    words.push_str(&v.detail);
                }
                at.is_none()
            });
            self.problems.set(found);
        }
        (refused == 0 || !error.body.validations.is_empty()).then_some(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::UiErrorKind;
    use api::{ErrorBody, Validation};
    use leptos::reactive::owner::Owner;
    use serde_json::json;

    fn draft() -> Draft {
        Draft::new(&json!({
            "type": "object", "required": ["repo"],
            "properties": {"repo": {"type": "string"}, "limit": {"type": "integer"}, "x": {"type": "object", "properties": {"y": {"type": "string"}}}},
        }))
    }

    #[test]
    fn switching_keeps_what_is_entered() {
        Owner::new().with(|| {
            let draft = draft();
            draft.slot_text(1).set("5".into());
            draft.switch(true);
            assert!(draft.as_json.get_untracked());
            assert_eq!(draft.text.get_untracked(), "{\n  \"limit\": 5\n}");
            draft.text.set(r#"{"limit": "5", "more": [1], "repo": "acme/web"}"#.into());
            draft.switch(false);
            assert!(!draft.as_json.get_untracked() && draft.slot_is_json(1) && !draft.slot_is_json(0));
            assert_eq!(draft.slot_text(0).get_untracked(), "acme/web");
            let arguments = draft.arguments().unwrap();
            assert_eq!(Value::Object(arguments), json!({"repo": "acme/web", "limit": "5", "more": [1]}));
        });
    }

    #[test]
    fn what_cannot_be_read_is_not_switched_away() {
        Owner::new().with(|| {
            let draft = draft();
            draft.slot_text(1).set("five".into());
            draft.switch(true);
            assert!(!draft.as_json.get_untracked() && draft.problem_at(1).get_untracked().is_some());
            assert_eq!(draft.problem_at(0).get_untracked(), None, "missing is no reason");
            draft.slot_text(1).set(String::new());
            draft.switch(true);
            for broken in ["{", "[]", "5", ""] {
                draft.text.set(broken.into());
                draft.switch(false);
                assert!(
                    draft.as_json.get_untracked() && draft.whole.with_untracked(Option::is_some),
                    "{broken}"
                );
                assert_eq!(draft.arguments(), None);
            }
        });
    }

    #[test]
    fn what_is_missing_is_said_before_anything_is_sent() {
        Owner::new().with(|| {
            let draft = draft();
            assert_eq!(draft.arguments(), None);
            assert_eq!(draft.problem_at(0).get_untracked().as_deref(), Some("The tool needs it."));
            draft.slot_text(0).set("acme/web".into());
            assert_eq!(draft.arguments().map(Value::Object), Some(json!({"repo": "acme/web"})));
            assert_eq!(draft.problem_at(0).get_untracked(), None);
        });
    }

    #[test]
    fn what_does_not_fit_is_said_together_with_what_is_missing() {
        Owner::new().with(|| {
            let draft = Draft::new(&json!({
                "type": "object", "required": ["repo", "limit"],
                "properties": {"repo": {"type": "string"}, "limit": {"type": "integer", "minimum": 1}, "title": {"type": "string", "maxLength": 2}},
            }));
            draft.slot_text(1).set("0".into());
            draft.slot_text(2).set("abc".into());
            assert_eq!(draft.arguments(), None);
            let said = [0, 1, 2].map(|at| draft.problem_at(at).get_untracked().unwrap_or_default());
            assert_eq!(said, ["The tool needs it.", "At least 1.", "At most 2 characters."]);
            // It can be read, so it can be shown as JSON.
            draft.switch(true);
            assert!(draft.as_json.get_untracked() && draft.text.get_untracked().contains("\"limit\": 0"));
        });
    }

    #[test]
    fn refusals_stand_at_their_fields_and_the_rest_is_given_back() {
        Owner::new().with(|| {
            let draft = draft();
            let validations = vec![
                Validation::new("arguments/repo", "No such repository."),
                Validation::new("arguments/x/y", "Too short."),
                Validation::new("arguments/x/y", "Too plain."),
                Validation::new("arguments", "Too many."),
            ];
            let body = ErrorBody { validations, ..ErrorBody::message("Refused.") };
            let error = UiError { kind: UiErrorKind::Invalid, body };
            let left = draft.refuse(error.clone()).unwrap();
            assert_eq!(left.body.validations, [Validation::new("arguments", "Too many.")]);
            assert_eq!(draft.problem_at(2).get_untracked().as_deref(), Some("Too short. Too plain."));
            draft.slot_text(0).set("x".into());
            draft.switch(true);
            assert_eq!(draft.refuse(error), None, "all of them stand at the text");
            assert!(draft.whole.get_untracked().unwrap().contains("arguments/repo: No such repository."));
        });
    }
}
