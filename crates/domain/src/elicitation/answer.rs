//! What goes back to the server.

use super::{Elicitation, Field, FieldKind, fields::is_integer};
use crate::{
    limits::ELICITATION_TEXT_CHARS,
    text::{has_control, quote},
};
use api::Validation;
use serde_json::{Map, Number, Value, json};

/// The three answers (I2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    Accept,
    /// The person, or a rule of Patchbay, says no.
    Decline,
    /// Nobody decided: dismissed, expired, nobody there.
    Cancel,
}

impl Action {
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "accept" => Self::Accept,
            "decline" => Self::Decline,
            "cancel" => Self::Cancel,
            _ => return None,
        })
    }

    /// The word on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Decline => "decline",
            Self::Cancel => "cancel",
        }
    }
}

/// A checked answer. `Debug` shows no content: it is for the server only (I10).
#[derive(Clone, PartialEq)]
pub struct Answer {
    action: Action,
    content: Option<Map<String, Value>>,
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Answer").field("action", &self.action).finish_non_exhaustive()
    }
}

impl Answer {
    pub fn decline() -> Self {
        Self { action: Action::Decline, content: None }
    }

    pub fn cancel() -> Self {
        Self { action: Action::Cancel, content: None }
    }

    /// `accept` with what the person filled in, checked before it is sent (I4). For a URL it means consent and carries nothing (I8).
    /// Fields left empty (`null`, or no text where some is needed) are left out when they are optional.
    ///
    /// # Errors
    /// One message per field, in the order of the form.
    pub fn accept(asked: &Elicitation, content: &Map<String, Value>) -> Result<Self, Vec<Validation>> {
        let Elicitation::Form { fields, .. } = asked else {
            return match content.keys().next() {
                None => Ok(Self { action: Action::Accept, content: None }),
                Some(name) => {
                    Err(vec![Validation::new(quote(name, 80), "A page to visit takes no answers.")])
                }
            };
        };
        let (mut checked, mut problems) = (Map::new(), Vec::new());
        for field in fields {
            match value(field, content.get(&field.name)) {
                Ok(Some(value)) => {
                    checked.insert(field.name.clone(), value);
                }
                Ok(None) => {}
                Err(detail) => problems.push(Validation::new(field.name.clone(), detail)),
            }
        }
        let unknown = content.keys().filter(|name| fields.iter().all(|field| field.name != **name));
        problems
            .extend(unknown.map(|name| Validation::new(quote(name, 80), "The server did not ask for this.")));
        if problems.is_empty() {
            Ok(Self { action: Action::Accept, content: Some(checked) })
        } else {
            Err(problems)
        }
    }

    pub fn action(&self) -> Action {
        self.action
    }

    /// The result object of both eras.
    pub fn to_wire(&self) -> Value {
        let mut wire = json!({"action": self.action.name()});
        if let (Value::Object(wire), Some(content)) = (&mut wire, &self.content) {
            wire.insert("content".to_owned(), Value::Object(content.clone()));
        }
        wire
    }
}

fn value(field: &Field, given: Option<&Value>) -> Result<Option<Value>, String> {
    let given = given.filter(|value| !value.is_null() && !is_blank(field, value));
    let Some(given) = given else {
        return if field.required { Err("Fill this in.".into()) } else { Ok(None) };
    };
    let problem = match (&field.kind, given) {
        (FieldKind::Text { min_length, max_length, format, .. }, Value::String(text)) => {
            check_text(text, *min_length, *max_length)
                .or_else(|| format.filter(|f| !f.fits(text)).map(|f| f.example().to_owned()))
        }
        (FieldKind::Number { integer, minimum, maximum, .. }, Value::Number(number)) => {
            check_number(number, *integer, minimum.as_ref(), maximum.as_ref())
        }
        (FieldKind::Boolean { .. }, Value::Bool(_)) => None,
        (FieldKind::One { options, .. }, Value::String(chosen)) => {
            let known = options.iter().any(|option| option.value == *chosen);
            (!known).then(|| "Choose one of the options.".to_owned())
        }
        (FieldKind::Many { options, min_items, max_items, .. }, Value::Array(chosen)) => {
            let known =
                |value: &Value| options.iter().any(|option| Some(option.value.as_str()) == value.as_str());
            let doubled = (1..chosen.len()).any(|at| chosen[..at].contains(&chosen[at]));
            // First, so that the look for doubles is bounded.
            if chosen.len() > options.len() || !chosen.iter().all(known) || doubled {
                Some("Choose among the options, each at most once.".to_owned())
            } else {
                check_count(chosen.len(), *min_items, *max_items)
            }
        }
        (FieldKind::Text { .. }, _) => Some("Enter a text.".to_owned()),
        (FieldKind::Number { .. }, _) => Some("Enter a number.".to_owned()),
        (FieldKind::Boolean { .. }, _) => Some("Answer yes or no.".to_owned()),
        (FieldKind::One { .. }, _) => Some("Choose one of the options.".to_owned()),
        (FieldKind::Many { .. }, _) => Some("Choose among the options.".to_owned()),
    };
    problem.map_or_else(|| Ok(Some(given.clone())), Err)
}

/// A text box that was left empty comes as an empty text.
fn is_blank(field: &Field, value: &Value) -> bool {
    value.as_str().is_some_and(str::is_empty)
        && match &field.kind {
            FieldKind::Text { min_length, format, .. } => {
                field.required || min_length.is_some_and(|min| min > 0) || format.is_some()
            }
            FieldKind::One { options, .. } => options.iter().all(|option| !option.value.is_empty()),
            FieldKind::Number { .. } | FieldKind::Boolean { .. } | FieldKind::Many { .. } => true,
        }
}

fn check_text(text: &str, min: Option<u64>, max: Option<u64>) -> Option<String> {
    let count = u64::try_from(text.chars().count()).unwrap_or(u64::MAX);
    let max = max.unwrap_or(u64::MAX).min(ELICITATION_TEXT_CHARS);
    if count > max {
        return Some(format!("Has {count} characters; at most {max} are possible."));
    }
    if let Some(min) = min.filter(|min| count < *min) {
        return Some(format!("Has {count} characters; at least {min} are needed."));
    }
    // Lines and tabs may be meant; the rest cannot be seen by the one who sends it.
    let hidden = text.split(['\n', '\r', '\t']).any(has_control);
    hidden.then(|| "Contains a control character. Remove it.".to_owned())
}

fn check_number(
    number: &Number,
    integer: bool,
    minimum: Option<&Number>,
    maximum: Option<&Number>,
) -> Option<String> {
    if integer && !is_integer(number) {
        return Some("Enter a whole number.".to_owned());
    }
    let beyond = |bound: Option<&Number>, wrong: fn(&f64, &f64) -> bool| {
        bound
            .filter(|bound| number.as_f64().zip(bound.as_f64()).is_some_and(|(is, bound)| wrong(&is, &bound)))
            .cloned()
    };
    if let Some(minimum) = beyond(minimum, f64::lt) {
        return Some(format!("Enter {minimum} or more."));
    }
    beyond(maximum, f64::gt).map(|maximum| format!("Enter {maximum} or less."))
}

fn check_count(count: usize, min: Option<u64>, max: Option<u64>) -> Option<String> {
    let count = u64::try_from(count).unwrap_or(u64::MAX);
    if let Some(min) = min.filter(|min| count < *min) {
        return Some(format!("Choose at least {min}."));
    }
    max.filter(|max| count > *max).map(|max| format!("Choose at most {max}."))
}
