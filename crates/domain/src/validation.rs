//! Collects every problem of a request, one entry per field, in the order of the form.

use crate::text::has_control;
use api::Validation;

/// Problems found so far.
#[derive(Debug, Default)]
pub(crate) struct Problems(Vec<Validation>);

impl Problems {
    /// Notes a problem. The first one of a field stands: later ones mostly follow from it.
    pub(crate) fn refuse(&mut self, field: &str, detail: impl Into<String>) {
        if !self.has(field) {
            self.0.push(Validation::new(field, detail));
        }
    }

    pub(crate) fn has(&self, field: &str) -> bool {
        self.0.iter().any(|known| known.field == field)
    }

    /// Whether something was refused in `field` or in a part of it, such as `field[2].name`.
    pub(crate) fn has_within(&self, field: &str) -> bool {
        self.0.iter().any(|known| whole(&known.field) == field)
    }

    /// Takes the value, or notes why there is none.
    pub(crate) fn take<T>(&mut self, field: &str, result: Result<T, String>) -> Option<T> {
        result.map_err(|detail| self.refuse(field, detail)).ok()
    }

    /// `Err` with every problem, sorted by the place of its field in `order`, parts with their whole; unlisted fields come last.
    pub(crate) fn finish(mut self, order: &[&str]) -> Result<(), Vec<Validation>> {
        if self.0.is_empty() {
            return Ok(());
        }
        let place = |field: &str| order.iter().position(|known| *known == field).unwrap_or(order.len());
        self.0.sort_by_key(|problem| place(whole(&problem.field)));
        Err(self.0)
    }
}

/// The field of the form that `field` is a part of: `user_headers` of `user_headers[2].name`.
fn whole(field: &str) -> &str {
    field.split('[').next().unwrap_or(field)
}

/// A one-line text that must not be empty: trimmed, at most `max` characters, no control characters.
pub(crate) fn required_line(text: &str, what: &str, max: usize) -> Result<String, String> {
    let line = optional_line(text, max)?;
    if line.is_empty() { Err(format!("Enter {what}.")) } else { Ok(line) }
}

/// A one-line text: trimmed, at most `max` characters, no control characters.
pub(crate) fn optional_line(text: &str, max: usize) -> Result<String, String> {
    let line = text.trim();
    at_most(line, max)?;
    if has_control(line) {
        return Err("Contains a control character or line break. Remove it.".into());
    }
    Ok(line.to_owned())
}

/// A text of several lines: trimmed, at most `max` characters; of the control characters only line breaks and tabs.
pub(crate) fn optional_lines(text: &str, max: usize) -> Result<String, String> {
    let text = text.trim();
    at_most(text, max)?;
    // NUL in particular: PostgreSQL cannot store it in text.
    if text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
        return Err("Contains a control character. Remove it.".into());
    }
    Ok(text.to_owned())
}

/// At most `max` characters.
pub(crate) fn at_most(text: &str, max: usize) -> Result<(), String> {
    let count = text.chars().count();
    if count > max { Err(format!("Has {count} characters; at most {max} are possible.")) } else { Ok(()) }
}

/// `a`, `a or b`, `a, b or c`, each in backticks.
pub(crate) fn listed(values: &[&str]) -> String {
    let quoted: Vec<String> = values.iter().map(|value| format!("`{value}`")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => quoted.concat(),
    }
}
