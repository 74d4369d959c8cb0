//! Arguments that a tool wants repeated in `Mcp-Param-*` headers (protocol.md 4).

use std::collections::HashSet;

use domain::json_schema::{DATA, MAP};
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Map, Value};

use crate::{
    header_value,
    limits::{MIRRORED, MIRRORED_ALL},
    protocol::header::PARAM_PREFIX,
};

const ANNOTATION: &str = "x-mcp-header";
/// The integers that every JSON implementation carries exactly (protocol.md X3).
const SAFE_INTEGER: i64 = (1 << 53) - 1;

/// One argument and its header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ParamHeader {
    /// Names of members from the root of the arguments; never empty.
    path: Vec<String>,
    name: HeaderName,
    /// As the tool writes it.
    label: String,
}

/// The headers a schema asks for.
///
/// # Errors
/// Why the tool has to be left out, with the place in its schema (protocol.md X2).
pub(crate) fn of_schema(schema: &Value) -> Result<Vec<ParamHeader>, String> {
    let mut found = Found { headers: Vec::new(), names: HashSet::new() };
    found.walk(schema, &mut Vec::new(), &mut Vec::new(), true)?;
    Ok(found.headers)
}

struct Found {
    headers: Vec<ParamHeader>,
    names: HashSet<String>,
}

impl Found {
    /// `reachable` by members alone: everything else has no one value to send. The depth is bounded by the message.
    fn walk(
        &mut self,
        schema: &Value,
        pointer: &mut Vec<String>,
        path: &mut Vec<String>,
        reachable: bool,
    ) -> Result<(), String> {
        let Value::Object(object) = schema else { return Ok(()) };
        if let Some(annotation) = object.get(ANNOTATION) {
            let place = format!("/{}", pointer.join("/"));
            if !reachable || path.is_empty() {
                return Err(format!("at {place} a value that is no plain member is to become a header"));
            }
            self.add(annotation, object, path, &place)?;
        }
        for (key, sub) in object {
            if DATA.contains(&key.as_str()) || key == ANNOTATION {
                continue;
            }
            let named = MAP.contains(&key.as_str());
            pointer.push(key.clone());
            match sub {
                Value::Object(map) if named => {
                    for (name, sub) in map {
                        pointer.push(name.clone());
                        path.push(name.clone());
                        self.walk(sub, pointer, path, reachable && key == "properties")?;
                        path.pop();
                        pointer.pop();
                    }
                }
                Value::Array(items) => {
                    for (number, sub) in items.iter().enumerate() {
                        pointer.push(number.to_string());
                        self.walk(sub, pointer, path, false)?;
                        pointer.pop();
                    }
                }
                sub => self.walk(sub, pointer, path, false)?,
            }
            pointer.pop();
        }
        Ok(())
    }

    fn add(
        &mut self,
        annotation: &Value,
        schema: &Map<String, Value>,
        path: &[String],
        place: &str,
    ) -> Result<(), String> {
        let label = annotation.as_str().filter(|label| !label.is_empty());
        let label = label.ok_or_else(|| format!("at {place} the name of a header is empty or no text"))?;
        let name = HeaderName::from_bytes(format!("{PARAM_PREFIX}{label}").as_bytes())
            .map_err(|_| format!("at {place} the name of a header has characters no header may have"))?;
        if !self.names.insert(name.as_str().to_owned()) {
            return Err(format!("at {place} the name of a header is used a second time"));
        }
        if !matches!(schema.get("type").and_then(Value::as_str), Some("string" | "integer" | "boolean")) {
            return Err(format!(
                "at {place} a value is to become a header that is no text, integer or boolean"
            ));
        }
        self.headers.push(ParamHeader { path: path.to_vec(), name, label: label.to_owned() });
        Ok(())
    }
}

/// The headers of one call.
///
/// # Errors
/// One sentence for model and user: a value that no header can carry.
pub(crate) fn of_call(mirrored: &[ParamHeader], arguments: &Map<String, Value>) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    let mut bytes = 0;
    for wanted in mirrored {
        let label = &wanted.label;
        let mut value = wanted.path.first().and_then(|name| arguments.get(name));
        for name in wanted.path.iter().skip(1) {
            value = value.and_then(|value| value.get(name));
        }
        let text = match value {
            None | Some(Value::Null) => continue,
            Some(Value::String(text)) => text.clone(),
            Some(Value::Bool(flag)) => flag.to_string(),
            Some(Value::Number(number)) => {
                let whole = number.as_i64().or_else(|| number.as_f64().and_then(whole_number));
                let safe = whole.filter(|number| (-SAFE_INTEGER..=SAFE_INTEGER).contains(number));
                let Some(safe) = safe else {
                    return Err(format!(
                        "The argument for the header {label} must be a whole number within 2^53. Nothing was sent."
                    ));
                };
                safe.to_string()
            }
            Some(_) => {
                return Err(format!(
                    "The argument for the header {label} must be text, a whole number, true or false. Nothing was sent."
                ));
            }
        };
        let encoded = header_value::encode(&text);
        bytes += encoded.len();
        if encoded.len() > MIRRORED || bytes > MIRRORED_ALL {
            return Err(format!("The argument is too long for the header {label}. Nothing was sent."));
        }
        let value = HeaderValue::from_str(&encoded)
            .map_err(|_| format!("The argument for the header {label} cannot be sent. Nothing was sent."))?;
        headers.insert(wanted.name.clone(), value);
    }
    Ok(headers)
}

/// `7.0` is an integer too (JSON Schema 2020-12, 6.1.1).
#[expect(clippy::cast_possible_truncation, reason = "the range is checked")]
fn whole_number(number: f64) -> Option<i64> {
    (number.fract() == 0.0 && number.abs() < 9e15).then_some(number as i64)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn schema(properties: Value) -> Value {
        json!({"type": "object", "properties": properties})
    }

    #[test]
    fn members_become_headers_however_deep() {
        let schema = schema(json!({
            "region": {"type": "string", "x-mcp-header": "Region"},
            "page": {"type": "object", "properties": {"size": {"type": "integer", "x-mcp-header": "Page-Size"}}},
            "dry": {"type": "boolean", "x-mcp-header": "Dry"},
        }));
        let mirrored = of_schema(&schema).unwrap();
        assert_eq!(mirrored.len(), 3);
        let call = |arguments: Value| of_call(&mirrored, arguments.as_object().unwrap());
        let headers = call(json!({"region": "Hello, 世界", "page": {"size": 20}, "dry": true})).unwrap();
        assert_eq!(headers["mcp-param-region"], "=?base64?SGVsbG8sIOS4lueVjA==?=");
        assert_eq!(headers["mcp-param-page-size"], "20");
        assert_eq!(headers["mcp-param-dry"], "true");
        assert!(
            call(json!({"region": null, "page": {}})).unwrap().is_empty(),
            "absent and null have no header"
        );
        assert_eq!(call(json!({"page": {"size": 7.0}})).unwrap()["mcp-param-page-size"], "7");
        for size in [json!(1.5), json!(9_007_199_254_740_992_i64), json!(1e300), json!([1])] {
            assert!(call(json!({"page": {"size": size}})).is_err(), "{size}");
        }
        assert!(call(json!({"region": "x".repeat(5000)})).unwrap_err().contains("too long"));
    }

    #[test]
    fn what_no_header_can_carry_costs_the_tool() {
        let annotated = |name: Value| json!({"type": "string", "x-mcp-header": name});
        for (schema, why) in [
            (schema(json!({"a": annotated(json!(""))})), "empty"),
            (schema(json!({"a": annotated(json!(7))})), "empty or no text"),
            (schema(json!({"a": annotated(json!("a b"))})), "characters"),
            (schema(json!({"a": annotated(json!("a\r\nx"))})), "characters"),
            (schema(json!({"a": annotated(json!("é"))})), "characters"),
            (schema(json!({"a": annotated(json!("X")), "b": annotated(json!("x"))})), "second time"),
            (schema(json!({"a": {"type": "number", "x-mcp-header": "N"}})), "no text, integer"),
            (schema(json!({"a": {"type": "object", "x-mcp-header": "N"}})), "no text, integer"),
            (schema(json!({"a": {"x-mcp-header": "N"}})), "no text, integer"),
            (schema(json!({"a": {"type": "array", "items": annotated(json!("N"))}})), "no plain member"),
            (schema(json!({"a": {"anyOf": [annotated(json!("N"))]}})), "no plain member"),
            (
                json!({"type": "object", "allOf": [schema(json!({"a": annotated(json!("N"))}))]}),
                "no plain member",
            ),
            (json!({"type": "object", "$defs": {"a": annotated(json!("N"))}}), "no plain member"),
            (json!({"type": "object", "x-mcp-header": "N"}), "no plain member"),
            (json!({"type": "object", "if": schema(json!({"a": annotated(json!("N"))}))}), "no plain member"),
        ] {
            let error = of_schema(&schema).unwrap_err();
            assert!(error.contains(why) && error.starts_with("at /"), "{error} / {why}");
        }
    }

    #[test]
    fn data_is_no_annotation() {
        let data = schema(json!({
            "a": {"type": "object", "default": {"x-mcp-header": "N"}, "enum": [{"x-mcp-header": ""}]},
            "x-mcp-header": {"type": "string"},
        }));
        assert_eq!(of_schema(&data), Ok(vec![]));
    }
}
