//! Schemas as real servers write them, and as hostile ones might.

use super::{Entry, Field, Form, INPUTS_MAX, Input, Kind, Scalar, values};
use serde_json::{Map, Value, json};

fn object(value: Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap()
}

fn form(properties: Value, required: Value) -> Form {
    Form::of(&json!({"type": "object", "properties": properties, "required": required}))
}

fn field<'a>(form: &'a Form, name: &str) -> &'a Field {
    form.fields.iter().find(|field| field.name == name).unwrap()
}

fn input(schema: Value) -> Input {
    let form = form(json!({"x": schema}), json!([]));
    match &form.fields[0].kind {
        Kind::One(slot) => slot.input.clone(),
        Kind::Group(_) => panic!("a group"),
    }
}

/// Types into the slots in order; what is not named stays empty.
fn typed(form: &Form, texts: &[&str]) -> Vec<Entry> {
    let mut entries = vec![Entry::default(); form.slots().count()];
    for (entry, text) in entries.iter_mut().zip(texts) {
        entry.text = (*text).to_owned();
    }
    entries
}

#[test]
fn each_kind_of_member_has_its_input() {
    let number = |integer| Input::Number { integer };
    for (schema, expected) in [
        (json!({"type": "string"}), Input::Text),
        (json!({"type": "number"}), number(false)),
        (json!({"type": "integer"}), number(true)),
        (json!({"type": "boolean"}), Input::Boolean),
        (json!({"type": ["string", "null"]}), Input::Text),
        (json!({"anyOf": [{"type": "integer"}, {"type": "null"}], "default": null}), number(true)),
        (json!({"type": "string", "enum": ["a", "b"]}), Input::Choice(vec![json!("a"), json!("b")])),
        (json!({"enum": [1, "1", null]}), Input::Choice(vec![json!(1), json!("1")])),
        (json!({"const": {"a": 1}}), Input::Choice(vec![json!({"a": 1})])),
        (json!({"type": "array", "items": {"type": "string"}}), Input::Lines(Scalar::Text)),
        (
            json!({"type": "array", "items": {"type": "integer"}}),
            Input::Lines(Scalar::Number { integer: true }),
        ),
        // More than a field can show.
        (json!({"type": "array"}), Input::Json),
        (json!({"type": "array", "items": {"type": "object"}}), Input::Json),
        (json!({"type": "array", "items": [{"type": "string"}]}), Input::Json),
        (json!({"type": "array", "items": {"type": ["string", "null"]}}), Input::Json),
        (json!({"$ref": "#/$defs/x"}), Input::Json),
        (json!({"type": "string", "allOf": [{"minLength": 1}]}), Input::Json),
        (json!({"anyOf": [{"type": "string"}, {"type": "integer"}]}), Input::Json),
        (json!({"anyOf": [{"type": "null"}, {"type": "null"}]}), Input::Json),
        (json!({"type": ["string", "integer"]}), Input::Json),
        (json!({"type": "object"}), Input::Json),
        (json!({"type": "object", "additionalProperties": {"type": "string"}}), Input::Json),
        (json!({"type": "surprise"}), Input::Json),
        (json!({"type": 7, "enum": []}), Input::Json),
        (json!({}), Input::Json),
        (json!(true), Input::Json),
        (json!("no schema"), Input::Json),
    ] {
        assert_eq!(input(schema.clone()), expected, "{schema}");
    }
}

#[test]
fn what_is_typed_becomes_json_of_its_kind() {
    let form = form(
        json!({
            "text": {"type": "string"}, "count": {"type": "integer"}, "share": {"type": "number"}, "flag": {"type": "boolean"},
            "state": {"enum": ["open", "closed"]}, "labels": {"type": "array", "items": {"type": "string"}},
            "ids": {"type": "array", "items": {"type": "integer"}}, "any": {},
        }),
        json!([]),
    );
    let entries =
        typed(&form, &["a\nb ", " 3 ", "-0.5e1", "false", "1", "x y\r\n\n z", "1\n2", r#"{"k": [null]}"#]);
    let found = form.collect(&entries, &Map::new());
    assert_eq!(found.problems, []);
    assert_eq!(
        Value::Object(found.arguments),
        json!({
            "text": "a\nb ", "count": 3, "share": -5.0, "flag": false, "state": "closed", "labels": ["x y", " z"], "ids": [1, 2],
            "any": {"k": [null]},
        })
    );
    let nothing = form.collect(&typed(&form, &[]), &Map::new());
    assert_eq!(nothing, super::Collected::default(), "what is empty and not needed is left out");
}

#[test]
fn what_cannot_be_read_is_said_at_its_field() {
    let number = "Enter a whole number, such as 3.";
    for (schema, text, expected) in [
        (json!({"type": "integer"}), "3.5", number),
        (json!({"type": "integer"}), "12345678901234567890123", number),
        (json!({"type": "integer"}), "0x10", number),
        (json!({"type": "number"}), "NaN", "Enter a number, such as 3 or 0.5."),
        (json!({"type": "number"}), "1,5", "Enter a number, such as 3 or 0.5."),
        (json!({"type": "number"}), "1e999", "Enter a number, such as 3 or 0.5."),
        (
            json!({"type": "array", "items": {"type": "integer"}}),
            "1\n\nx",
            "Line 3: Enter a whole number, such as 3.",
        ),
        (json!({}), "{\"a\": ", "This is not JSON"),
        (json!({}), &"[".repeat(500), "This is not JSON: recursion limit exceeded"),
    ] {
        let form = form(json!({"x": schema, "y": {"type": "string"}}), json!(["y"]));
        let found = form.collect(&typed(&form, &[text]), &Map::new());
        assert_eq!(found.problems.len(), 2, "{text}: {:?}", found.problems);
        assert!(found.problems[0].unreadable && found.problems[0].text.starts_with(expected), "{found:?}");
        assert_eq!((found.problems[1].at, found.problems[1].unreadable), (1, false), "y is missing");
    }
}

#[test]
fn defaults_are_filled_in_where_they_can_be_seen() {
    let form = form(
        json!({
            "limit": {"type": "integer", "default": 3}, "state": {"enum": ["a", "b"], "default": "b"},
            "labels": {"type": "array", "items": {"type": "string"}, "default": ["x", "y"]}, "none": {"type": "string", "default": null},
            "odd": {"type": "integer", "default": "three"}, "hidden": {"type": "string", "default": "a\u{200b}b"},
            "long": {"type": "string", "default": "x".repeat(20_000)}, "only": {"const": "v1"}, "maybe": {"const": "v1"},
        }),
        json!(["only"]),
    );
    let found = form.collect(&form.fresh(), &Map::new());
    assert_eq!(found.problems, []);
    assert_eq!(
        Value::Object(found.arguments),
        json!({"limit": 3, "state": "b", "labels": ["x", "y"], "odd": "three", "only": "v1"})
    );
}

#[test]
fn a_default_that_is_empty_leaves_the_field_empty() {
    let form = form(
        json!({"body": {"type": "string", "default": ""}, "must": {"type": "string", "default": ""}}),
        json!(["must"]),
    );
    assert_eq!(form.fresh()[0], Entry::default());
    assert_eq!(Value::Object(form.collect(&form.fresh(), &Map::new()).arguments), json!({"must": ""}));
}

#[test]
fn a_reference_to_a_definition_beside_it_is_followed_a_step_or_two() {
    let schema = json!({
        "type": "object",
        "$defs": {
            "level": {"type": "string", "enum": ["low", "high"]}, "again": {"$ref": "#/$defs/level"},
            "tree": {"type": "object", "properties": {"child": {"$ref": "#/$defs/tree"}}},
        },
        "properties": {
            "plain": {"$ref": "#/$defs/level", "description": "How much", "default": "low"},
            "maybe": {"anyOf": [{"$ref": "#/$defs/level"}, {"type": "null"}]},
            "twice": {"$ref": "#/$defs/again"}, "narrowed": {"$ref": "#/$defs/level", "maxLength": 3},
            "missing": {"$ref": "#/$defs/x"}, "outside": {"$ref": "https://evil.example/x"}, "tree": {"$ref": "#/$defs/tree"},
        },
    });
    let form = Form::of(&schema);
    let input = |name: &str| match &field(&form, name).kind {
        Kind::One(slot) => Some(slot.input.clone()),
        Kind::Group(_) => None,
    };
    let choice = Some(Input::Choice(vec![json!("low"), json!("high")]));
    for name in ["plain", "maybe", "twice"] {
        assert_eq!(input(name), choice, "{name}");
    }
    for name in ["narrowed", "missing", "outside"] {
        assert_eq!(input(name), Some(Input::Json), "{name}");
    }
    let Kind::Group(members) = &field(&form, "tree").kind else { panic!("no group") };
    assert!(
        matches!(&members[0].kind, Kind::One(slot) if slot.input == Input::Json),
        "one level, no further"
    );
    assert_eq!(Value::Object(form.collect(&form.fresh(), &Map::new()).arguments), json!({"plain": "low"}));
}

#[test]
fn objects_have_fields_one_level_deep() {
    let filter = json!({
        "type": "object", "required": ["state"],
        "properties": {
            "state": {"type": "string"}, "limit": {"type": "integer", "default": 5},
            "deep": {"type": "object", "properties": {"x": {"type": "string"}}},
        },
    });
    let optional = form(json!({"filter": filter}), json!([]));
    let Kind::Group(members) = &field(&optional, "filter").kind else { panic!("no group") };
    assert!(matches!(&members[2].kind, Kind::One(slot) if slot.input == Input::Json));
    assert!(
        members[1].hint.contains("Without it: 5."),
        "not filled in, or it would always be sent: {members:?}"
    );
    let sent = |form: &Form, texts: &[&str]| {
        let found = form.collect(&typed(form, texts), &Map::new());
        (Value::Object(found.arguments), found.problems.len())
    };
    assert_eq!(sent(&optional, &[]), (json!({}), 0), "nothing is entered: it is left out");
    assert_eq!(
        sent(&optional, &["", "7"]),
        (json!({"filter": {"limit": 7}}), 1),
        "its own members are needed"
    );
    assert_eq!(sent(&optional, &["open"]), (json!({"filter": {"state": "open"}}), 0));
    let needed = form(json!({"filter": filter}), json!(["filter"]));
    assert_eq!(sent(&needed, &[]), (json!({"filter": {}}), 1));
    assert_eq!(needed.collect(&needed.fresh(), &Map::new()).arguments["filter"]["limit"], json!(5));
}

#[test]
fn nothing_is_lost_on_the_way_to_json_and_back() {
    let form = form(
        json!({
            "text": {"type": "string"}, "count": {"type": "integer"}, "flag": {"type": "boolean"}, "state": {"enum": ["a", 1]},
            "labels": {"type": "array", "items": {"type": "string"}}, "maybe": {"type": ["string", "null"]}, "any": {},
            "filter": {"type": "object", "properties": {"x": {"type": "string"}, "y": {"type": "integer"}}},
        }),
        json!(["maybe"]),
    );
    for arguments in [
        json!({"maybe": null}),
        json!({"maybe": "x", "text": "", "count": "5", "flag": "true", "state": "0", "labels": []}),
        json!({"maybe": "", "text": null, "count": 5.5, "flag": 1, "state": 1, "labels": ["a\nb"]}),
        json!({"maybe": [], "labels": ["a", ""], "any": "text", "count": 18_446_744_073_709_551_615_u64}),
        json!({"maybe": 1, "labels": "a", "any": null, "filter": {}}),
        json!({"maybe": 1, "filter": null, "more": {"deep": [1]}, "__proto__": 1}),
        json!({"maybe": 1, "filter": {"x": "a", "more": [1]}, "labels": ["a", 1]}),
        json!({"maybe": 1, "filter": {"y": "5"}}),
        json!({"maybe": 1, "filter": "text"}),
    ] {
        let (entries, rest) = form.fill(&object(arguments.clone()));
        let found = form.collect(&entries, &rest);
        assert_eq!(Value::Object(found.arguments), arguments, "{entries:?} beside {rest:?}");
        assert_eq!(found.problems, []);
    }
}

#[test]
fn names_are_only_names() {
    let names = ["__proto__", "constructor", "hasOwnProperty", "a/b~c", "größe", "名前", "", "a\u{202e}b\n"];
    let properties: Map<String, Value> =
        names.iter().map(|name| ((*name).to_owned(), json!({"type": "string"}))).collect();
    let form = form(Value::Object(properties), json!(names));
    let found = form.collect(&typed(&form, &["x"; 8]), &Map::new());
    assert_eq!(found.arguments.keys().map(String::as_str).collect::<Vec<_>>(), names);
    assert_eq!(form.fields[7].label, "a⟨U+202E⟩b ", "one line, and nothing hides");
    for (pointer, place) in [
        ("arguments/__proto__", Some(0)),
        ("arguments/a~1b~0c", Some(3)),
        ("arguments/größe/0/x", Some(4)),
        ("arguments", None),
        ("arguments/nowhere", None),
        ("definition_hash", None),
    ] {
        assert_eq!(form.slot_of(pointer), place, "{pointer}");
    }
}

#[test]
fn refusals_inside_an_object_stand_at_its_member() {
    let form = form(
        json!({"a": {"type": "string"}, "filter": {"type": "object", "properties": {"x": {"type": "string"}}}}),
        json!([]),
    );
    assert_eq!(form.slot_of("arguments/filter/x"), Some(1));
    assert_eq!(form.slot_of("arguments/filter"), None);
    assert_eq!(form.slot_of("arguments/filter/y"), None);
}

#[test]
fn a_schema_of_five_hundred_members_shows_those_that_are_needed_first() {
    let properties: Map<String, Value> =
        (0..500).map(|n| (format!("m{n}"), json!({"type": "string"}))).collect();
    let form = form(Value::Object(properties), json!(["m499", "m3"]));
    assert_eq!((form.fields.len(), form.left_out), (INPUTS_MAX, 500 - INPUTS_MAX));
    assert_eq!([&form.fields[0].name, &form.fields[1].name, &form.fields[2].name], ["m3", "m499", "m0"]);
    // The others are typed as JSON, and stay.
    let arguments = object(json!({"m3": "a", "m499": "b", "m400": "c"}));
    let (entries, rest) = form.fill(&arguments);
    assert_eq!(form.collect(&entries, &rest).arguments, arguments);
}

#[test]
fn an_object_that_is_too_large_for_fields_is_typed() {
    let members = |count: usize| -> Map<String, Value> {
        (0..count).map(|n| (format!("m{n}"), json!({"type": "string"}))).collect()
    };
    let large = form(json!({"x": {"type": "object", "properties": members(21)}}), json!([]));
    assert!(matches!(&large.fields[0].kind, Kind::One(slot) if slot.input == Input::Json));
    // Many small ones: the slots stay without a gap.
    let small = json!({"type": "object", "properties": members(20)});
    let many: Map<String, Value> = (0..9).map(|n| (format!("g{n}"), small.clone())).collect();
    let form = form(Value::Object(many), json!([]));
    assert_eq!((form.fields.len(), form.left_out), (3, 6));
    let places: Vec<usize> = form.slots().map(|slot| slot.at).collect();
    assert_eq!(places, (0..60).collect::<Vec<_>>());
}

#[test]
fn schemas_that_describe_no_members_are_typed_whole() {
    for (schema, undescribed) in [
        (json!({}), false),
        (json!({"type": "object"}), false),
        (json!({"type": "object", "properties": {}}), false),
        (json!({"type": "object", "additionalProperties": false}), false),
        (json!({"type": "object", "additionalProperties": true}), true),
        (json!({"$ref": "#/$defs/x"}), true),
        (json!({"oneOf": []}), true),
        (json!({"type": "array"}), true),
        (json!({"properties": []}), false),
        (json!(null), true),
        (json!("x"), true),
    ] {
        let form = Form::of(&schema);
        assert_eq!((form.undescribed, form.fields.len()), (undescribed, 0), "{schema}");
        let arguments = object(json!({"kept": [1]}));
        let (entries, rest) = form.fill(&arguments);
        assert_eq!(form.collect(&entries, &rest).arguments, arguments);
    }
}

#[test]
fn the_deepest_schema_is_read_two_levels_deep() {
    let mut schema = json!({"type": "string"});
    for _ in 0..2_000 {
        // By hand: the macro would copy what is inside, level by level.
        let properties = Map::from_iter([("x".to_owned(), schema)]);
        schema = Value::Object(Map::from_iter([
            ("type".to_owned(), json!("object")),
            ("properties".to_owned(), Value::Object(properties)),
        ]));
    }
    let form = Form::of(&schema);
    let Kind::Group(members) = &form.fields[0].kind else { panic!("no group") };
    assert!(matches!(&members[0].kind, Kind::One(slot) if slot.input == Input::Json));
    // Taken apart level by level: dropping it at once would need as many frames of the stack.
    while let Some(inner) = schema.pointer_mut("/properties/x").map(Value::take) {
        schema = inner;
    }
}

#[test]
fn words_of_a_server_are_bounded_and_hide_nothing() {
    let form = form(
        json!({"x": {"type": "string", "title": "T\u{200b}", "description": "d".repeat(5_000)}, "n": {"type": "integer", "minimum": 1, "maximum": 10}}),
        json!([]),
    );
    assert!(form.fields[0].hint.starts_with("T⟨U+200B⟩. ddd") && form.fields[0].hint.chars().count() == 400);
    assert_eq!(form.fields[1].hint, "From 1 to 10.");
}

#[test]
fn text_that_is_no_json_says_where() {
    assert!(values::json("{\"a\": 1,}").unwrap_err().contains("line 1 column 9"));
    assert_eq!(values::json(" {\"a\": 1} ").unwrap(), json!({"a": 1}));
}
