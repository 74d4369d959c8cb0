//! Wrapping and unwrapping together, with a real validator: whatever a tool's schema says, its arguments get through unharmed.

use super::*;
use jsonschema::Validator;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// Names that make trouble among names that do not.
const NAMES: [&str; 6] = ["q", "properties", "model_intent", "n", "$ref", "required"];

/// Kinds of arguments, each with values that fit it.
fn kinds() -> Vec<(Value, Vec<Value>)> {
    vec![
        (json!({"type": "string"}), vec![json!("x"), json!("")]),
        (json!({"type": "integer", "minimum": 1}), vec![json!(1), json!(7)]),
        (json!({}), vec![json!(null), json!({"properties": {"q": 1}}), json!([{"model_intent": 1}])]),
        (json!({"enum": ["a", {"model_intent": "b"}]}), vec![json!("a"), json!({"model_intent": "b"})]),
        (json!({"$ref": "#/$defs/Tree"}), vec![json!({}), json!({"kids": [{"kids": []}, {}]})]),
        (json!({"$ref": "#/definitions/Old"}), vec![json!(true)]),
        (json!({"$ref": "#/properties/base"}), vec![json!("a"), json!("bb")]),
        (json!({"$ref": "#word"}), vec![json!("w")]),
        (
            json!({"type": "object", "properties": {"properties": {"type": "integer"}, "model_intent": {"type": "integer"}}}),
            vec![json!({"properties": 1}), json!({"model_intent": 2}), json!({})],
        ),
        (
            json!({"anyOf": [{"type": "object", "required": ["model_intent"]}, {"type": "null"}]}),
            vec![json!(null), json!({"model_intent": "inner", "properties": {}})],
        ),
        // the whole tool again, one level down
        (json!({"anyOf": [{"$ref": "#"}, {"const": 0}]}), vec![json!(0)]),
    ]
}

#[derive(Debug, Clone)]
struct Case {
    schema: Value,
    /// Fit the schema.
    arguments: Map<String, Value>,
}

fn case() -> impl Strategy<Value = Case> {
    let kinds = kinds();
    let member = (0..NAMES.len(), 0..kinds.len(), any::<u8>(), any::<bool>(), any::<bool>());
    (prop::collection::vec(member, 0..5), any::<bool>(), any::<bool>()).prop_map(move |(members, closed, named)| {
        let (mut properties, mut required, mut arguments) = (Map::new(), Vec::new(), Map::new());
        properties.insert("base".to_owned(), json!({"type": "string", "minLength": 1}));
        for (name, kind, pick, is_required, is_given) in members {
            let (schema, values) = &kinds[kind];
            let name = NAMES[name];
            if properties.contains_key(name) {
                continue;
            }
            properties.insert(name.to_owned(), schema.clone());
            if is_required {
                required.push(name);
            }
            if is_required || is_given {
                arguments.insert(name.to_owned(), values[usize::from(pick) % values.len()].clone());
            }
        }
        let mut schema = json!({
            "type": "object",
            "$defs": {
                "Tree": {"type": "object", "properties": {"kids": {"type": "array", "items": {"$ref": "#/$defs/Tree"}}},
                    "additionalProperties": false},
                "Word": {"$anchor": "word", "type": "string"},
            },
            "definitions": {"Old": {"type": "boolean"}},
            "properties": properties,
            "required": required,
            "additionalProperties": !closed,
        });
        if named {
            schema["$id"] = json!("https://tool.example/schema.json");
        }
        Case { schema, arguments }
    })
}

fn validator(schema: &Value) -> Validator {
    jsonschema::options().offline().build(schema).unwrap_or_else(|error| panic!("{error}: {schema}"))
}

fn wrapped(arguments: &Map<String, Value>) -> Value {
    json!({INTENT_KEY: "looking at it", PROPERTIES_KEY: arguments})
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    /// The model does as it is told: its answer fits the wrapped schema, and the server gets the arguments as they were meant.
    #[test]
    fn what_is_wrapped_comes_out_as_it_went_in(case in case()) {
        let own = validator(&case.schema);
        prop_assert!(own.is_valid(&Value::Object(case.arguments.clone())), "{case:?}");
        let asked = wrapped(&case.arguments);
        prop_assert!(validator(&wrap_schema(&case.schema)).is_valid(&asked), "{case:?}");

        let declares = Declares::of(&case.schema);
        let done = unwrap_arguments(&asked.to_string(), declares, |value| own.is_valid(value)).unwrap();
        prop_assert_eq!(&done.arguments, &case.arguments, "{:?}", &case);
        prop_assert_eq!(done.intent.as_deref(), Some("looking at it"));
        // Also where no validator says so: a schema that cannot be compiled must not change what is sent.
        if !declares.properties {
            let blind = unwrap_arguments(&asked.to_string(), declares, |_| false).unwrap();
            prop_assert_eq!(&blind.arguments, &case.arguments);
        }
    }

    /// The model forgets the wrapper. For tools that use neither name nothing is lost; no own argument of another is touched either, unless
    /// what it holds could be the arguments themselves.
    #[test]
    fn flat_arguments_come_out_too(case in case()) {
        let own = validator(&case.schema);
        let declares = Declares::of(&case.schema);
        let mut flat = case.arguments.clone();
        let is_ambiguous = flat.get(PROPERTIES_KEY).is_some_and(|inner| inner.is_object() && own.is_valid(inner));
        prop_assume!(!is_ambiguous && !flat.contains_key(INTENT_KEY));
        flat.insert(INTENT_KEY.to_owned(), json!("looking at it"));
        let done = unwrap_arguments(&Value::Object(flat).to_string(), declares, |value| own.is_valid(value)).unwrap();
        prop_assert_eq!(&done.arguments, &case.arguments, "{:?}", &case);
    }

    /// The wrapped schema demands of `properties` exactly what the tool's own schema demands: wherever a reference points.
    #[test]
    fn the_wrapped_schema_means_what_it_meant(case in case(), other in case()) {
        let (own, whole) = (validator(&case.schema), validator(&wrap_schema(&case.schema)));
        for arguments in [&case.arguments, &other.arguments] {
            let fits = own.is_valid(&Value::Object(arguments.clone()));
            prop_assert_eq!(fits, whole.is_valid(&wrapped(arguments)), "{:?} for {}", arguments, &case.schema);
        }
        prop_assert!(!whole.is_valid(&json!({PROPERTIES_KEY: case.arguments})), "the intent is required");
    }
}
