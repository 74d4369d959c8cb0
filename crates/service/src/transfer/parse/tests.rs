use super::*;
use serde_json::json;

fn detail(text: &str, format: Option<&str>) -> String {
    match parse(text, format) {
        Err(Error::Invalid { validations, .. }) => {
            validations.into_iter().map(|v| format!("{}: {}", v.field, v.detail)).collect()
        }
        other => panic!("{text:.80}: {other:?}"),
    }
}

#[test]
fn both_languages_are_told_apart() {
    let wanted = json!({"patchbay": 1, "servers": [{"slug": "a", "enabled": true, "description": "no"}]});
    for text in [
        "patchbay: 1\nservers:\n  - slug: a\n    enabled: true\n    description: no\n",
        "---\n# ours\npatchbay: 1\nservers: [{slug: a, enabled: true, description: \"no\"}]\n",
        "\u{feff}{\"patchbay\": 1, \"servers\": [{\"slug\": \"a\", \"enabled\": true, \"description\": \"no\"}]}",
        "  {\"patchbay\":1,\"servers\":[{\"slug\":\"a\",\"enabled\":true,\"description\":\"no\"}]}",
    ] {
        assert_eq!(parse(text, None).unwrap(), wanted, "{text}");
    }
    assert_eq!(parse("{a: b}", Some("yaml")).unwrap(), json!({"a": "b"}));
    assert!(detail("a: b", Some("json")).starts_with("document: Is no JSON"));
    assert!(detail("a: b", Some("toml")).starts_with("format: "));
    assert!(detail(" \n", None).contains("Is empty"));
}

#[test]
fn bombs_are_refused_before_they_grow() {
    let mut laughs = "a0: &a0 [x, x]\n".to_owned();
    for level in 1..30 {
        laughs.push_str(&format!("a{level}: &a{level} [*a{0}, *a{0}]\n", level - 1));
    }
    let deep_json = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let deep_yaml = format!("x: {}{}", "[".repeat(100_000), "]".repeat(100_000));
    let deep_block: String = (0..300).map(|n| format!("{}a:\n", " ".repeat(n))).collect();
    for text in [
        laughs.as_str(),
        "a: &x 1\nb: *x\n",
        "a: &x 1\n",
        "a: &x {b: 1}\nc:\n  <<: *x\n",
        "a: *unknown\n",
        "a: 1\n---\nb: 2\n",
        &deep_json,
        &deep_yaml,
        &deep_block,
        &"x".repeat(1024 * 1024 + 1),
    ] {
        let said = detail(text, None);
        assert!(said.starts_with("document: ") && said.len() < 400, "{said}");
    }
}

#[test]
fn a_key_given_twice_is_refused_in_both_languages() {
    assert!(detail("{\"a\": 1, \"a\": 2}", None).contains("twice"));
    assert!(detail("a: 1\na: 2\n", None).starts_with("document: Is no YAML"));
    assert!(detail("{\"a\": {\"b\": 1, \"b\": 1}}", None).contains("twice"));
}

#[test]
fn hostile_yaml_is_only_text() {
    assert_eq!(parse("a: !!str 1\n", None).unwrap_or_default()["a"], json!("1"));
    for text in [
        "a: !include /etc/passwd\n",
        "a: !!python/object/apply:os.system [id]\n",
        "a: .nan\n",
        "\u{0}",
        "a: \"\\\n",
    ] {
        // Refused or plain text: never anything else.
        if let Ok(value) = parse(text, None) {
            assert!(!value.to_string().contains("root:"), "{value}");
        }
    }
    let secret = detail("api_key_value: hunter2\n  bad: [\n", None);
    assert!(!secret.contains("hunter2"), "{secret}");
}
