//! From what the model wrote to what the server gets.

use super::{INTENT_KEY, PROPERTIES_KEY};
use serde_json::{Map, Value};

/// Which of the wrapper's names the tool itself uses as arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Declares {
    pub model_intent: bool,
    pub properties: bool,
}

impl Declares {
    /// Reads them off the tool's own input schema.
    pub fn of(schema: &Value) -> Self {
        let names = schema.get("properties");
        let has = |name: &str| names.and_then(|names| names.get(name)).is_some();
        Self { model_intent: has(INTENT_KEY), properties: has(PROPERTIES_KEY) }
    }
}

/// A call's arguments without the wrapper.
#[derive(Debug, Clone, PartialEq)]
pub struct Unwrapped {
    /// What the server gets.
    pub arguments: Map<String, Value>,
    /// What the model said the call is for, as written.
    pub intent: Option<String>,
}

/// The model's arguments are no JSON object. The call becomes an error result with this text; the turn goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("invalid JSON input")]
pub struct InvalidJson;

/// Arguments of a tool that is not wrapped. Empty input and `null` mean no arguments.
///
/// # Errors
/// [`InvalidJson`] for everything else that is no object.
pub fn parse_arguments(raw: &str) -> Result<Map<String, Value>, InvalidJson> {
    if raw.trim().is_empty() {
        return Ok(Map::new());
    }
    match serde_json::from_str(raw) {
        Ok(Value::Object(map)) => Ok(map),
        Ok(Value::Null) => Ok(Map::new()),
        _ => Err(InvalidJson),
    }
}

/// Takes the wrapper off. Models do not always keep to it, so three shapes are tried in order and the first that `fits` the
/// tool's schema is forwarded: (a) the object under `properties`; (b) the flat object without `model_intent`; (c) the flat
/// object as it is, if the tool declares `model_intent`. If none fits, the server gets (a) when `properties` is an object and the
/// tool declares no such argument, else (b), and says itself what is wrong.
///
/// # Errors
/// [`InvalidJson`] when the text is no JSON object.
pub fn unwrap_arguments(
    raw: &str,
    declares: Declares,
    fits: impl Fn(&Value) -> bool,
) -> Result<Unwrapped, InvalidJson> {
    let flat = parse_arguments(raw)?;
    let intent = flat.get(INTENT_KEY).and_then(Value::as_str).map(str::to_owned);
    let without_intent = || {
        let mut map = flat.clone();
        // Not `remove`: that would reorder the rest.
        map.shift_remove(INTENT_KEY);
        map
    };
    let nested = flat.get(PROPERTIES_KEY).and_then(Value::as_object);

    let candidates = [nested.cloned(), Some(without_intent()), declares.model_intent.then(|| flat.clone())];
    for candidate in candidates.into_iter().flatten() {
        let value = Value::Object(candidate);
        if fits(&value)
            && let Value::Object(arguments) = value
        {
            return Ok(Unwrapped { arguments, intent });
        }
    }
    let arguments = match nested {
        Some(nested) if !declares.properties => nested.clone(),
        _ => without_intent(),
    };
    Ok(Unwrapped { arguments, intent })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Stands in for a JSON Schema validator: required names, and no others.
    fn exactly<'a>(names: &'a [&'a str]) -> impl Fn(&Value) -> bool + 'a {
        move |value| {
            let map = value.as_object().unwrap();
            map.len() == names.len() && names.iter().all(|name| map.contains_key(*name))
        }
    }

    fn unwrapped(raw: &Value, declares: Declares, fits: impl Fn(&Value) -> bool) -> (Value, Option<String>) {
        let done = unwrap_arguments(&raw.to_string(), declares, fits).unwrap();
        (Value::Object(done.arguments), done.intent)
    }

    const NEITHER: Declares = Declares { model_intent: false, properties: false };

    #[test]
    fn the_three_shapes() {
        let intent = Some("why".to_owned());
        // (a) as asked for
        let raw = json!({"model_intent": "why", "properties": {"q": 1}});
        assert_eq!(unwrapped(&raw, NEITHER, exactly(&["q"])), (json!({"q": 1}), intent.clone()));
        // (b) flat
        let raw = json!({"model_intent": "why", "q": 1});
        assert_eq!(unwrapped(&raw, NEITHER, exactly(&["q"])), (json!({"q": 1}), intent.clone()));
        // (c) the tool's own model_intent
        let own = Declares { model_intent: true, properties: false };
        let raw = json!({"model_intent": "why", "q": 1});
        assert_eq!(unwrapped(&raw, own, exactly(&["model_intent", "q"])), (raw.clone(), intent.clone()));
        // no wrapper and no intent
        assert_eq!(unwrapped(&json!({"q": 1}), NEITHER, exactly(&["q"])), (json!({"q": 1}), None));
    }

    #[test]
    fn a_tools_own_arguments_of_these_names_survive() {
        // wrapped, and the inner tool has an argument called `properties`
        let own = Declares { model_intent: false, properties: true };
        let raw = json!({"model_intent": "why", "properties": {"properties": {"a": 1}}});
        assert_eq!(unwrapped(&raw, own, exactly(&["properties"])).0, json!({"properties": {"a": 1}}));
        // flat, the same tool: what stands under `properties` does not fit, the flat object does
        let raw = json!({"model_intent": "why", "properties": {"a": 1}});
        assert_eq!(unwrapped(&raw, own, exactly(&["properties"])).0, json!({"properties": {"a": 1}}));
        // wrapped, and the inner tool has its own model_intent
        let own = Declares { model_intent: true, properties: false };
        let raw = json!({"model_intent": "outer", "properties": {"model_intent": "inner"}});
        assert_eq!(
            unwrapped(&raw, own, exactly(&["model_intent"])),
            (json!({"model_intent": "inner"}), Some("outer".to_owned()))
        );
    }

    #[test]
    fn when_nothing_fits_the_server_is_told_what_was_meant() {
        let never = |_: &Value| false;
        let wrapped = json!({"model_intent": "why", "properties": {"q": 1}});
        assert_eq!(unwrapped(&wrapped, NEITHER, never).0, json!({"q": 1}));
        let own = Declares { model_intent: false, properties: true };
        assert_eq!(unwrapped(&wrapped, own, never).0, json!({"properties": {"q": 1}}));
        let text = json!({"model_intent": "why", "properties": "text"});
        assert_eq!(unwrapped(&text, NEITHER, never).0, json!({"properties": "text"}));
        let own = Declares { model_intent: true, properties: false };
        assert_eq!(unwrapped(&json!({"model_intent": 1, "q": 2}), own, never), (json!({"q": 2}), None));
    }

    #[test]
    fn unreadable_and_empty_input() {
        let always = |_: &Value| true;
        for raw in ["", "  \n", "null", "{}"] {
            assert_eq!(unwrap_arguments(raw, NEITHER, always).unwrap().arguments, Map::new(), "{raw}");
        }
        for raw in ["{", "[1]", "\"text\"", "5", "{\"a\":}", "{} {}", "{\"a\":\"\\ud800\"}"] {
            assert_eq!(unwrap_arguments(raw, NEITHER, always), Err(InvalidJson), "{raw}");
        }
        assert_eq!(InvalidJson.to_string(), "invalid JSON input");
    }

    #[test]
    fn the_order_of_arguments_is_kept() {
        let done = unwrap_arguments(r#"{"model_intent":"w","z":1,"y":2,"x":3}"#, NEITHER, |_| true).unwrap();
        assert_eq!(done.arguments.keys().collect::<Vec<_>>(), ["z", "y", "x"]);
    }

    #[test]
    fn declared_names_are_read_off_the_schema() {
        let schema = json!({"type": "object", "properties": {"properties": {}, "q": {"properties": {"model_intent": {}}}}});
        assert_eq!(Declares::of(&schema), Declares { model_intent: false, properties: true });
        assert!(Declares::of(&json!({"properties": {"model_intent": {"type": "string"}}})).model_intent);
        assert_eq!(Declares::of(&json!(true)), NEITHER);
    }
}
