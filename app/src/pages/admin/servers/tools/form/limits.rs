//! What a schema says of a plain value beyond its kind, as far as a form can tell without the server. It refuses nothing that the
//! server would take: what it cannot compare it lets through, and the server checks the whole.

use serde_json::{Map, Number, Value};

#[derive(Debug, Clone, PartialEq, Default)]
pub(in super::super) struct Limits {
    min: Option<Number>,
    max: Option<Number>,
    above: Option<Number>,
    below: Option<Number>,
    /// Characters of a text.
    length: Span,
    /// Items of a list.
    items: Span,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Span {
    least: Option<u64>,
    most: Option<u64>,
}

impl Limits {
    pub(super) fn of(schema: &Map<String, Value>) -> Self {
        // In draft 4 the exclusive ones are flags: no numbers, so they say nothing here.
        let number = |key: &str| schema.get(key).and_then(Value::as_number).cloned();
        let span = |least: &str, most: &str| {
            let count = |key: &str| schema.get(key).and_then(Value::as_u64);
            Span { least: count(least), most: count(most) }
        };
        Self {
            min: number("minimum"),
            max: number("maximum"),
            above: number("exclusiveMinimum"),
            below: number("exclusiveMaximum"),
            length: span("minLength", "maxLength"),
            items: span("minItems", "maxItems"),
        }
    }

    /// Why a value does not fit, as a sentence; None where it may.
    pub(super) fn misfit(&self, value: &Value) -> Option<String> {
        match value {
            Value::Number(number) => self.number_misfit(number),
            Value::String(text) => {
                self.length.misfit(text.chars().count(), "character").map(|words| format!("{words}."))
            }
            Value::Array(items) => self.items.misfit(items.len(), "item").map(|words| format!("{words}.")),
            _ => None,
        }
    }

    /// "From 1 to 10.", where the schema says it.
    pub(super) fn range(&self) -> Option<String> {
        match (&self.min, &self.max) {
            (Some(min), Some(max)) => Some(format!("From {min} to {max}.")),
            (Some(min), None) => Some(format!("At least {min}.")),
            (None, Some(max)) => Some(format!("At most {max}.")),
            (None, None) => None,
        }
    }

    fn number_misfit(&self, number: &Number) -> Option<String> {
        let low = self.min.as_ref().is_some_and(|min| is_less(number, min));
        let high = self.max.as_ref().is_some_and(|max| is_less(max, number));
        if low || high {
            return self.range();
        }
        let not_above = self.above.as_ref().filter(|above| is_less(number, above) || number == *above);
        let not_below = self.below.as_ref().filter(|below| is_less(below, number) || number == *below);
        match (not_above, not_below) {
            (Some(above), _) => Some(format!("More than {above}.")),
            (None, Some(below)) => Some(format!("Less than {below}.")),
            (None, None) => None,
        }
    }
}

impl Span {
    fn misfit(self, count: usize, noun: &str) -> Option<String> {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        let of = |limit: u64| if limit == 1 { format!("1 {noun}") } else { format!("{limit} {noun}s") };
        match self {
            Self { least: Some(least), .. } if count < least => Some(format!("At least {}", of(least))),
            Self { most: Some(most), .. } if count > most => Some(format!("At most {}", of(most))),
            _ => None,
        }
    }
}

/// Surely less: as a float a larger number is never the smaller one, but two can become the same.
fn is_less(one: &Number, other: &Number) -> bool {
    let whole = |number: &Number| number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from));
    match (whole(one), whole(other)) {
        (Some(one), Some(other)) => one < other,
        _ => one.as_f64().zip(other.as_f64()).is_some_and(|(one, other)| one < other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_surely_does_not_fit_is_said_and_the_rest_is_left_to_the_server() {
        for (schema, value, said) in [
            (json!({"minimum": 1}), json!(0), Some("At least 1.")),
            (json!({"minimum": 1, "maximum": 3}), json!(3.5), Some("From 1 to 3.")),
            (json!({"minimum": 1, "maximum": 3}), json!(3), None),
            (json!({"maximum": u64::MAX}), json!(u64::MAX), None),
            (json!({"maximum": 9_007_199_254_740_993_i64}), json!(9_007_199_254_740_992.0), None),
            (json!({"maximum": i64::MAX - 1}), json!(i64::MAX), Some("At most 9223372036854775806.")),
            (json!({"exclusiveMinimum": 0}), json!(0), Some("More than 0.")),
            (json!({"exclusiveMaximum": 5}), json!(7), Some("Less than 5.")),
            (json!({"minimum": 0, "exclusiveMinimum": true}), json!(0), None),
            (json!({"minLength": 3}), json!("äö"), Some("At least 3 characters.")),
            (json!({"maxLength": 1}), json!("ab"), Some("At most 1 character.")),
            (json!({"minItems": 2}), json!(["a"]), Some("At least 2 items.")),
            (json!({"minimum": "1", "minLength": -1, "maxItems": 1.5}), json!(["a", "b"]), None),
            // Of another kind than the limit is for.
            (json!({"minimum": 1, "minLength": 9}), json!(true), None),
            (json!({"pattern": "^x$"}), json!("y"), None),
        ] {
            let limits = Limits::of(schema.as_object().unwrap());
            assert_eq!(limits.misfit(&value).as_deref(), said, "{schema} {value}");
        }
    }
}
