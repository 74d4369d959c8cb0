//! Numbers in a message, and numbers that a schema takes.

use super::words::Word;
use serde_json::{Map, Number as JsonNumber, Value};
use std::ops::Range;

/// A number that was written in digits or as a word.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Number {
    pub(super) range: Range<usize>,
    pub(super) value: JsonNumber,
}

/// The numbers of `text`, in order. Parts of dates, times, versions and names are none.
pub(super) fn numbers(text: &str, words: &[Word]) -> Vec<Number> {
    let mut found: Vec<Number> = digits(text);
    for word in words {
        if let Some(value) = SPELLED.iter().position(|spelled| *spelled == word.text) {
            found.push(Number { range: word.start..word.end, value: JsonNumber::from(value + 2) });
        }
    }
    found.sort_by_key(|number| number.range.start);
    found
}

/// From two on; "one" is mostly no number.
const SPELLED: [&str; 11] =
    ["two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"];

fn digits(text: &str) -> Vec<Number> {
    /// Letters of a unit that may stick to a number: "5s", "10ms", "3rd".
    const UNIT: usize = 2;
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        if !bytes[at].is_ascii_digit() {
            at += 1;
            continue;
        }
        let start = at;
        while at < bytes.len() && bytes[at].is_ascii_digit() {
            at += 1;
        }
        let fraction = bytes.get(at) == Some(&b'.') && bytes.get(at + 1).is_some_and(u8::is_ascii_digit);
        if fraction {
            at += 1;
            while at < bytes.len() && bytes[at].is_ascii_digit() {
                at += 1;
            }
        }
        let end = at;
        let before = text[..start].chars().next_back();
        let after: String = text[end..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        at += after.len();
        let joined = |c: Option<char>| c.is_some_and(|c| matches!(c, '-' | ':' | '.' | '/' | '_'));
        let second_part = joined(before) && text[..start - 1].ends_with(|c: char| c.is_alphanumeric());
        let first_part = joined(text[at..].chars().next())
            && text[at + 1..].starts_with(|c: char| c.is_ascii_digit() || c.is_alphabetic());
        if before.is_some_and(char::is_alphanumeric)
            || after.chars().count() > UNIT
            || second_part
            || first_part
        {
            continue;
        }
        let negative = before == Some('-');
        let start = if negative { start - 1 } else { start };
        if let Ok(value) = text[start..end].parse() {
            found.push(Number { range: start..end, value });
        }
    }
    found
}

/// `wanted`, or the nearest value that `schema` takes; without a wish, its smallest reasonable one.
pub(super) fn fitting(wanted: Option<&JsonNumber>, schema: &Map<String, Value>, integer: bool) -> Value {
    let bounds = Bounds::of(schema, integer);
    if let Some(number) = wanted
        && bounds.take(number)
    {
        return Value::Number(number.clone());
    }
    let wish = wanted.and_then(JsonNumber::as_f64).unwrap_or(1.0);
    bounds.nearest(wish)
}

struct Bounds {
    lower: f64,
    upper: f64,
    /// The bound itself is not taken.
    above_lower: bool,
    below_upper: bool,
    step: Option<f64>,
    integer: bool,
}

impl Bounds {
    fn of(schema: &Map<String, Value>, integer: bool) -> Self {
        let number = |key: &str| schema.get(key).and_then(Value::as_f64);
        // In draft 4 the exclusive bounds were flags.
        let flag = |key: &str| schema.get(key) == Some(&Value::Bool(true));
        let bound = |inclusive: &str, exclusive: &str, none: f64, tighter: fn(f64, f64) -> bool| {
            let plain = number(inclusive).unwrap_or(none);
            match number(exclusive) {
                Some(strict) if strict == plain || tighter(strict, plain) => (strict, true),
                _ => (plain, flag(exclusive)),
            }
        };
        let (lower, above_lower) = bound("minimum", "exclusiveMinimum", f64::NEG_INFINITY, |a, b| a > b);
        let (upper, below_upper) = bound("maximum", "exclusiveMaximum", f64::INFINITY, |a, b| a < b);
        let step = number("multipleOf").filter(|step| *step > 0.0).or(integer.then_some(1.0));
        Self { lower, upper, above_lower, below_upper, step, integer }
    }

    fn holds(&self, value: f64) -> bool {
        let low = if self.above_lower { value > self.lower } else { value >= self.lower };
        let high = if self.below_upper { value < self.upper } else { value <= self.upper };
        low && high && (!self.integer || value.fract() == 0.0)
    }

    fn take(&self, number: &JsonNumber) -> bool {
        let Some(value) = number.as_f64() else { return false };
        let on_step = self.step.is_none_or(|step| {
            let ratio = value / step;
            ratio.round() * step == value
        });
        self.holds(value) && on_step
    }

    fn nearest(&self, wish: f64) -> Value {
        let mut value = wish.clamp(self.lower, self.upper.max(self.lower));
        if let Some(step) = self.step {
            value = (value / step).round() * step;
            if value < self.lower || (self.above_lower && value <= self.lower) {
                value += step;
            }
            if value > self.upper || (self.below_upper && value >= self.upper) {
                value -= step;
            }
        } else if !self.holds(value) {
            value = match (self.lower.is_finite(), self.upper.is_finite()) {
                (true, true) => f64::midpoint(self.lower, self.upper),
                (true, false) => self.lower + 1.0,
                _ => self.upper - 1.0,
            };
        }
        // 2^53: beyond it a float has no room for every integer.
        if value.fract() == 0.0 && value.abs() <= 9_007_199_254_740_992.0 {
            return Value::from(value as i64);
        }
        JsonNumber::from_f64(value).map_or(Value::from(0), Value::Number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::words::words;
    use serde_json::json;

    fn found(text: &str) -> Vec<String> {
        numbers(text, &words(text)).into_iter().map(|number| number.value.to_string()).collect()
    }

    #[test]
    fn numbers_are_found_and_look_alikes_are_not() {
        assert_eq!(
            found("count to 5, then -3.5 and #12 (7) for 10s or three"),
            ["5", "-3.5", "12", "7", "10", "3"]
        );
        assert_eq!(found("on 2024-01-05 at 10:30 with v2, 1.2.3, node_4 and 3fa85f64"), Vec::<String>::new());
        assert_eq!(found("42"), ["42"]);
        assert_eq!(found("to 9."), ["9"]);
    }

    #[test]
    fn a_number_is_bent_until_the_schema_takes_it() {
        let fit = |wanted: Option<i64>, schema: Value, integer: bool| {
            fitting(wanted.map(JsonNumber::from).as_ref(), schema.as_object().unwrap(), integer)
        };
        assert_eq!(fit(Some(5), json!({}), true), 5);
        assert_eq!(fit(Some(500), json!({"maximum": 60}), true), 60);
        assert_eq!(fit(None, json!({"minimum": 3}), true), 3);
        assert_eq!(fit(None, json!({"maximum": -4}), true), -4);
        assert_eq!(fit(Some(1), json!({"exclusiveMinimum": 1}), true), 2);
        assert_eq!(fit(Some(9), json!({"maximum": 9, "exclusiveMaximum": true}), true), 8);
        assert_eq!(fit(Some(7), json!({"multipleOf": 5, "minimum": 6}), true), 10);
        assert_eq!(fit(None, json!({"exclusiveMinimum": 0, "exclusiveMaximum": 1}), false), json!(0.5));
        assert_eq!(fit(None, json!({"minimum": 0.2, "maximum": 0.4}), false), json!(0.4));
    }
}
