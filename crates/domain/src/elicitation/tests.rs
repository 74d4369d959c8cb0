use super::*;
use serde_json::json;

fn form(properties: Value) -> Result<Vec<Field>, Refusal> {
    form_of(json!({"type": "object", "properties": properties}))
}

fn form_of(schema: Value) -> Result<Vec<Field>, Refusal> {
    match Elicitation::parse(&json!({"message": "Which?", "requestedSchema": schema}), false)? {
        Elicitation::Form { fields, .. } => Ok(fields),
        url @ Elicitation::Url { .. } => panic!("{url:?}"),
    }
}

fn everything() -> Elicitation {
    Elicitation::parse(
        &json!({
            "mode": "form",
            "message": "Book a table",
            "requestedSchema": {"type": "object", "required": ["name", "seats", "area"], "properties": {
                "name": {"type": "string", "title": "Your name", "minLength": 2, "maxLength": 5, "description": "As on the list"},
                "mail": {"type": "string", "format": "email"},
                "page": {"type": "string", "format": "uri"},
                "day": {"type": "string", "format": "date", "default": "2026-05-03"},
                "at": {"type": "string", "format": "date-time"},
                "seats": {"type": "integer", "minimum": 1, "maximum": 8, "default": 2},
                "tip": {"type": "number", "minimum": 0.5},
                "outside": {"type": "boolean", "default": true},
                "area": {"type": "string", "enum": ["n", "s"], "enumNames": ["North", "South"], "default": "s"},
                "size": {"type": "string", "oneOf": [{"const": "1", "title": "Small"}, {"const": "2"}]},
                "extras": {"type": "array", "minItems": 1, "maxItems": 2, "default": ["wifi", "none"],
                    "items": {"type": "string", "enum": ["wifi", "view", "quiet"]}},
                "colours": {"type": "array", "items": {"anyOf": [{"const": "#f00", "title": "Red"}]}},
            }},
        }),
        false,
    )
    .unwrap()
}

#[test]
fn every_kind_of_field_is_read() {
    let Elicitation::Form { message, fields } = everything() else { panic!("no form") };
    assert_eq!(message, "Book a table");
    let choice = |value: &str, label: &str| Choice { value: value.into(), label: label.into() };
    let kinds: Vec<(&str, &FieldKind)> = fields.iter().map(|f| (f.label.as_str(), &f.kind)).collect();
    let text =
        |format| FieldKind::Text { min_length: None, max_length: None, format: Some(format), default: None };
    assert_eq!(
        kinds,
        [
            (
                "Your name",
                &FieldKind::Text { min_length: Some(2), max_length: Some(5), format: None, default: None }
            ),
            ("mail", &text(Format::Email)),
            ("page", &text(Format::Uri)),
            (
                "day",
                &FieldKind::Text {
                    min_length: None,
                    max_length: None,
                    format: Some(Format::Date),
                    default: Some("2026-05-03".into())
                }
            ),
            ("at", &text(Format::DateTime)),
            (
                "seats",
                &FieldKind::Number {
                    integer: true,
                    minimum: Some(1.into()),
                    maximum: Some(8.into()),
                    default: Some(2.into())
                }
            ),
            (
                "tip",
                &FieldKind::Number {
                    integer: false,
                    minimum: serde_json::Number::from_f64(0.5),
                    maximum: None,
                    default: None
                }
            ),
            ("outside", &FieldKind::Boolean { default: Some(true) }),
            (
                "area",
                &FieldKind::One {
                    options: vec![choice("n", "North"), choice("s", "South")],
                    default: Some("s".into())
                }
            ),
            (
                "size",
                &FieldKind::One { options: vec![choice("1", "Small"), choice("2", "2")], default: None }
            ),
            (
                "extras",
                &FieldKind::Many {
                    options: vec![choice("wifi", "wifi"), choice("view", "view"), choice("quiet", "quiet")],
                    min_items: Some(1),
                    max_items: Some(2),
                    // `none` is no option
                    default: vec!["wifi".into()]
                }
            ),
            (
                "colours",
                &FieldKind::Many {
                    options: vec![choice("#f00", "Red")],
                    min_items: None,
                    max_items: None,
                    default: vec![]
                }
            ),
        ]
    );
    assert_eq!(fields[0].description.as_deref(), Some("As on the list"));
    let required: Vec<&str> = fields.iter().filter(|f| f.required).map(|f| f.name.as_str()).collect();
    assert_eq!(required, ["name", "seats", "area"]);
}

#[test]
fn a_request_without_mode_is_a_form_and_may_have_no_field() {
    assert_eq!(form(json!({})), Ok(vec![]));
    let empty =
        json!({"mode": "form", "message": "Sure?", "requestedSchema": {"type": "object", "properties": {}}});
    assert_eq!(
        Elicitation::parse(&empty, false),
        Ok(Elicitation::Form { message: "Sure?".into(), fields: vec![] })
    );
}

#[test]
fn what_is_no_flat_form_is_declined_by_name() {
    let nested = |field: &str| Refusal::NestedField { field: field.into() };
    let many: Map<String, Value> = (0..21).map(|n| (format!("f{n}"), json!({"type": "boolean"}))).collect();
    let options: Vec<String> = (0..201).map(|n| n.to_string()).collect();
    for (properties, refusal) in [
        (json!({"a": {"type": "object", "properties": {"b": {"type": "string"}}}}), nested("a")),
        (json!({"a": {"type": "array", "title": "List", "items": {"type": "object"}}}), nested("List")),
        (json!({"a": {"type": "array", "items": {"type": "string"}}}), nested("a")),
        (json!({"a": {"type": "array"}}), nested("a")),
        (json!({"a": {"type": "array", "items": {"type": "integer", "enum": [1]}}}), nested("a")),
        (Value::Object(many), Refusal::TooManyFields { count: 21 }),
        (
            json!({"a": {"type": "string", "enum": options}}),
            Refusal::TooManyOptions { field: "a".into(), count: 201 },
        ),
        (json!({"db_password": {"type": "string"}}), Refusal::Secret { field: "db_password".into() }),
        (
            json!({"x": {"type": "integer", "title": "Card number"}}),
            Refusal::Secret { field: "Card number".into() },
        ),
    ] {
        assert_eq!(form(properties.clone()), Err(refusal), "{properties}");
    }
    for properties in [
        json!({"a": {"$ref": "#/$defs/x"}}),
        json!({"a": {"anyOf": [{"type": "string"}, {"type": "null"}]}}),
        json!({"a": {"type": ["string", "null"]}}),
        json!({"a": {"type": "null"}}),
        json!({"a": {}}),
        json!({"a": true}),
        json!({"a": {"type": "string", "enum": []}}),
        json!({"a": {"type": "string", "enum": "x"}}),
        json!({"a": {"type": "string", "enum": [1]}}),
        json!({"a": {"type": "string", "oneOf": [{"title": "no const"}]}}),
        json!({"a": {"type": "string", "minLength": -1}}),
        json!({"a": {"type": "string", "minLength": 5, "maxLength": 4}}),
        json!({"a": {"type": "string", "minLength": 1_000_000}}),
    ] {
        assert!(matches!(form(properties.clone()), Err(Refusal::UnusableField { .. })), "{properties}");
    }
    for params in [
        json!(null),
        json!({"requestedSchema": {"type": "object", "properties": {}}}),
        json!({"message": 1, "requestedSchema": {"type": "object", "properties": {}}}),
        json!({"message": "m"}),
        json!({"message": "m", "requestedSchema": true}),
        json!({"message": "m", "requestedSchema": {"type": "object"}}),
        json!({"message": "m", "requestedSchema": {"type": "string", "properties": {}}}),
        json!({"message": "m", "requestedSchema": {"type": "object", "properties": {}, "required": ["x"]}}),
        json!({"message": "m", "requestedSchema": {"type": "object", "properties": {}, "required": "x"}}),
        json!({"mode": "url", "message": "m"}),
        json!({"mode": "url", "message": "m", "url": "https://example.com", "elicitationId": ""}),
        json!({"mode": "url", "message": "m", "url": "https://example.com", "elicitationId": "x".repeat(257)}),
    ] {
        assert!(matches!(Elicitation::parse(&params, false), Err(Refusal::Malformed { .. })), "{params}");
    }
    assert_eq!(
        Elicitation::parse(&json!({"mode": "voice\n", "message": "m"}), false),
        Err(Refusal::UnknownMode { mode: "voice ".into() })
    );
    let long = json!({"message": "ä".repeat(2049), "requestedSchema": {"type": "object", "properties": {}}});
    assert_eq!(Elicitation::parse(&long, false), Err(Refusal::MessageTooLong { bytes: 4098 }));
}

#[test]
fn refusals_are_sentences_that_say_who_decided() {
    for (refusal, word) in [
        (Refusal::Secret { field: "Password".into() }, "asked for a secret in a form"),
        (Refusal::MessageTooLong { bytes: 5000 }, "4.8 KiB; at most 4 KiB"),
        (Refusal::TooManyCards { asked: 4 }, "at most 3"),
        (Refusal::TooManyFields { count: 21 }, "at most 20"),
        (Refusal::UrlTooLong { bytes: 3000 }, "at most 2048"),
    ] {
        let text = refusal.to_string();
        assert!(text.contains(word) && text.contains("Patchbay"), "{text}");
        assert!(!text.contains("  "), "{text}");
    }
}

#[test]
fn texts_are_neutral_and_short() {
    let evil = "x\u{1b}[31m\u{202e}y\nz".to_owned() + &"w".repeat(600);
    let fields = form(json!({
        "a\nb": {"type": "boolean", "description": evil},
        "c": {"type": "string", "title": evil, "default": "seen\u{200b}"},
        "d": {"type": "string", "enum": ["1", "2", "3"], "enumNames": ["same", "same", "\u{202e}"]},
        "e": {"type": "string", "oneOf": [{"const": "a\u{7}", "title": " "}, {"const": "a\u{7}"}]},
        "f": {"type": "string", "enum": ["1", "2"], "enumNames": ["only one"]},
    }))
    .unwrap();
    assert_eq!((fields[0].name.as_str(), fields[0].label.as_str()), ("a\nb", "a b"));
    let help = fields[0].description.as_deref().unwrap();
    assert!(help.starts_with("x␛[31m\u{fffd}y\nz") && help.chars().count() == 500, "{help}");
    assert!(fields[1].label.starts_with("x␛[31m\u{fffd}y z") && fields[1].label.chars().count() == 120);
    assert!(
        matches!(&fields[1].kind, FieldKind::Text { default: None, .. }),
        "what cannot be seen is not filled in"
    );
    let labels = |at: usize| match &fields[at].kind {
        FieldKind::One { options, .. } => options.iter().map(|o| o.label.as_str()).collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    assert_eq!(labels(2), ["same", "same (2)", "\u{fffd}"]);
    assert_eq!(labels(3), ["a␇"]);
    assert_eq!(labels(4), ["1", "2"]);
}

#[test]
fn pages_to_visit() {
    let params = json!({"mode": "url", "message": "Sign in\u{7}", "url": "https://pаypal.com/a", "elicitationId": "e-1"});
    let Ok(Elicitation::Url { message, link, elicitation_id }) = Elicitation::parse(&params, false) else {
        panic!("no page")
    };
    assert_eq!((message.as_str(), elicitation_id.as_deref()), ("Sign in␇", Some("e-1")));
    assert_eq!(link.host, "xn--pypal-4ve.com");
    assert_eq!(link.warnings, [LinkWarning::Punycode, LinkWarning::MixedScripts]);
    let http = json!({"mode": "url", "message": "m", "url": "http://127.0.0.1:1/"});
    assert_eq!(Elicitation::parse(&http, false), Err(Refusal::UrlNotHttps));
    assert!(Elicitation::parse(&http, true).is_ok());
}

#[test]
fn answers_are_checked_field_by_field() {
    let asked = everything();
    let good = json!({"name": "Ann", "seats": 2, "area": "n"});
    for (change, field, detail) in [
        (json!({}), "", ""),
        (
            json!({"mail": "a@b", "page": "urn:x:y", "day": "2026-01-31", "at": "2026-01-31T00:00:00Z", "tip": 0.5,
                "outside": false, "size": "2", "extras": ["view", "wifi"], "colours": []}),
            "",
            "",
        ),
        (json!({"mail": "", "day": null, "size": "", "tip": null}), "", ""),
        (json!({"seats": 3.0}), "", ""),
        (json!({"name": null}), "name", "Fill this in."),
        (json!({"name": ""}), "name", "Fill this in."),
        (json!({"name": "A"}), "name", "at least 2"),
        (json!({"name": "Äääääää"}), "name", "at most 5"),
        (json!({"name": "A\u{0}n"}), "name", "control character"),
        (json!({"name": 5}), "name", "Enter a text."),
        (json!({"mail": "nobody"}), "mail", "email address"),
        (json!({"page": "here"}), "page", "absolute address"),
        (json!({"day": "tomorrow"}), "day", "2026-05-03"),
        (json!({"at": "2026-05-03T10:00"}), "at", "zone"),
        (json!({"seats": 0}), "seats", "1 or more"),
        (json!({"seats": 9}), "seats", "8 or less"),
        (json!({"seats": 2.5}), "seats", "whole number"),
        (json!({"seats": "2"}), "seats", "Enter a number."),
        (json!({"tip": 0.25}), "tip", "0.5 or more"),
        (json!({"outside": "yes"}), "outside", "yes or no"),
        (json!({"area": "North"}), "area", "one of the options"),
        (json!({"area": ["n"]}), "area", "one of the options"),
        (json!({"extras": []}), "extras", "at least 1"),
        (json!({"extras": ["wifi", "view", "quiet"]}), "extras", "at most 2"),
        (json!({"extras": ["wifi", "wifi"]}), "extras", "at most once"),
        (json!({"extras": ["pool"]}), "extras", "among the options"),
        (json!({"extras": "wifi"}), "extras", "among the options"),
        (json!({"admin": true}), "admin", "did not ask"),
    ] {
        let mut content = good.as_object().unwrap().clone();
        content.extend(change.as_object().unwrap().clone());
        match Answer::accept(&asked, &content) {
            Ok(_) => assert_eq!(field, "", "{change}"),
            Err(problems) => {
                assert_eq!(problems.len(), 1, "{problems:?}");
                assert_eq!(problems[0].field, field, "{change}");
                assert!(problems[0].detail.contains(detail) && !detail.is_empty(), "{problems:?}");
            }
        }
    }
    let all =
        Answer::accept(&asked, json!({"seats": "x", "extras": 1, "zz": 1}).as_object().unwrap()).unwrap_err();
    let fields: Vec<&str> = all.iter().map(|problem| problem.field.as_str()).collect();
    assert_eq!(fields, ["name", "seats", "area", "extras", "zz"]);
}

#[test]
fn answers_on_the_wire() {
    let content = json!({"area": "n", "seats": 2, "name": "Ann", "mail": ""});
    let answer = Answer::accept(&everything(), content.as_object().unwrap()).unwrap();
    assert_eq!(
        answer.to_wire().to_string(),
        r#"{"action":"accept","content":{"name":"Ann","seats":2,"area":"n"}}"#
    );
    assert!(!format!("{answer:?}").contains("Ann"), "content is for the server only");
    assert_eq!(Answer::decline().to_wire(), json!({"action": "decline"}));
    assert_eq!(Answer::cancel().to_wire(), json!({"action": "cancel"}));
    for action in [Action::Accept, Action::Decline, Action::Cancel] {
        assert_eq!(Action::named(action.name()), Some(action));
    }
    assert_eq!(Action::named("Accept"), None);

    let page =
        Elicitation::parse(&json!({"mode": "url", "message": "m", "url": "https://example.com"}), false)
            .unwrap();
    let consent = Answer::accept(&page, &Map::new()).unwrap();
    assert_eq!(consent.to_wire(), json!({"action": "accept"}), "consent carries no content");
    assert!(Answer::accept(&page, content.as_object().unwrap()).is_err());
}

#[test]
fn several_at_once() {
    let ask = |params: Value| json!({"method": "elicitation/create", "params": params});
    let good = ask(json!({"message": "m", "requestedSchema": {"type": "object", "properties": {}}}));
    let bad = ask(
        json!({"message": "m", "requestedSchema": {"type": "object", "properties": {"token": {"type": "string"}}}}),
    );
    let requests = json!({"one": good, "two": bad});
    let read = input_requests(requests.as_object().unwrap(), 1, false).unwrap();
    assert_eq!(read[0].0, "one");
    assert!(read[0].1.is_ok());
    assert_eq!(read[1], ("two".to_owned(), Err(Refusal::Secret { field: "token".into() })));
    assert_eq!(
        input_requests(requests.as_object().unwrap(), 2, false),
        Err(Refusal::TooManyCards { asked: 4 })
    );
    let other = json!({"x": {"method": "sampling/createMessage", "params": {}}});
    assert_eq!(
        input_requests(other.as_object().unwrap(), 0, false),
        Err(Refusal::UnknownMethod { method: "sampling/createMessage".into() })
    );

    let page = json!({"mode": "url", "message": "m", "url": "https://example.com", "elicitationId": "1"});
    assert_eq!(required_urls(&json!({"elicitations": [page]}), 0, false).unwrap().len(), 1);
    assert_eq!(
        required_urls(&json!({"elicitations": [page, page, page, page]}), 0, false),
        Err(Refusal::TooManyCards { asked: 4 })
    );
    for data in
        [json!(null), json!({}), json!({"elicitations": []}), json!({"elicitations": [good["params"]]})]
    {
        assert!(matches!(required_urls(&data, 0, false), Err(Refusal::Malformed { .. })), "{data}");
    }
}
