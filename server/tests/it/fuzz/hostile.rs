//! Bodies that mean harm: right members with wrong values, and text that is hardly JSON.

use crate::description::Description;
use proptest::{prelude::*, sample::select, strategy::ValueTree as _, test_runner::TestRunner};
use serde_json::{Value, json};

pub(super) const ID_TEXTS: [&str; 10] = [
    "not-a-uuid",
    "%00",
    "%27%20OR%201=1--",
    "..%2f..%2fetc%2fpasswd",
    "00000000-0000-0000-0000-000000000000",
    "ffffffff-ffff-ffff-ffff-ffffffffffff",
    "%7B01930000-0000-7000-8000-000000000000%7D",
    "01930000000070008000000000000000",
    "-1",
    "%F0%9F%92%A9",
];

pub(super) const QUERY_TEXTS: [&str; 12] = [
    "",
    "0",
    "-1",
    "1",
    "200",
    "201",
    "9223372036854775807",
    "9223372036854775808",
    "1e9",
    "true",
    "%00",
    "%27%3B--",
];

/// Makes bodies for one operation.
pub(super) struct Bodies {
    /// Name and type of each member that the description knows.
    members: Vec<String>,
}

impl Bodies {
    pub(super) fn of(description: &Description, schema: &Value) -> Self {
        let schema = description.resolve(schema);
        let members = schema["properties"].as_object().map(|known| known.keys().cloned().collect());
        Self { members: members.unwrap_or_default() }
    }

    /// Of these members.
    pub(super) fn with(members: Vec<String>) -> Self {
        Self { members }
    }

    /// The next body, as bytes: not all of them are text.
    pub(super) fn next(&self, runner: &mut TestRunner, ids: &[String]) -> Vec<u8> {
        let member = select(self.members.clone());
        let value = prop_oneof![4 => hostile_value(), 4 => plausible_value(ids.to_vec())];
        let object = prop::collection::vec((member.clone(), value), 0..6);
        let raw = object.prop_map(|members| {
            // By hand: a map of serde could not hold the same name twice.
            let members: Vec<String> =
                members.iter().map(|(name, value)| format!("{}: {value}", json!(name))).collect();
            format!("{{{}}}", members.join(", ")).into_bytes()
        });
        let twice = (member, hostile_value())
            .prop_map(|(name, value)| format!("{{\"{name}\": {value}, \"{name}\": {value}}}").into_bytes());
        let body = prop_oneof![6 => raw, 1 => twice, 2 => no_object()];
        body.new_tree(runner).unwrap().current()
    }
}

/// One value, by itself.
pub(super) fn value(runner: &mut TestRunner, ids: &[String]) -> String {
    let value = prop_oneof![4 => hostile_value(), 1 => plausible_value(ids.to_vec())];
    value.new_tree(runner).unwrap().current()
}

/// What a form might send.
fn plausible_value(ids: Vec<String>) -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z]{1,12}".prop_map(|text| json!(text).to_string()),
        select(ids.clone()).prop_map(|id| json!(id).to_string()),
        prop::collection::vec(select(ids), 0..3).prop_map(|ids| json!(ids).to_string()),
        any::<bool>().prop_map(|flag| flag.to_string()),
        (-2_i64..100_000).prop_map(|number| number.to_string()),
        select(vec![
            r#""none""#,
            r#""api_key""#,
            r#""custom_headers""#,
            r#""oauth2""#,
            r#""user_header""#,
            r#""streamable_http""#,
            r#""force_on""#,
            r#""https://mcp.example.com/mcp""#,
            r#""someone@example.org""#,
            r#""a long enough password""#,
            r#"[{"type": "text", "text": "hello"}]"#,
            r#"[{"name": "X-Token", "description": "", "value_prefix": ""}]"#,
            r#"{"X-Token": "value"}"#,
            r#"["owner", "member"]"#,
        ])
        .prop_map(str::to_owned),
    ]
}

/// What nobody sends by accident.
fn hostile_value() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => select(vec![
            "null", "[]", "{}", "[[[[[[[[]]]]]]]]", "0", "-0", "1e400", "-1e400", "1e-400", "9223372036854775808",
            "-9223372036854775809", "123456789012345678901234567890", "0.1", "\"\"", "\" \"", r#""\u0000""#,
            r#""a\u0000b""#, r#""\ud800""#, r#""\udfff\ud800""#, r#""\u202e\u2066""#, r#""\r\nX-Evil: 1""#,
            r#""'; DROP TABLE users; --""#, r#""%_%' ESCAPE '""#, r#""$1""#, r#""<script>alert(1)</script>""#,
            r#""http://169.254.169.254/latest""#, r#""javascript:alert(1)""#, r#""//evil.example""#,
            r#"["", null, {}]"#, r#"{"": ""}"#, r#"{"X-A": "a\u0000"}"#, r#"{"X-A\r\n": "v"}"#,
            r#"[{"type": "text"}]"#, r#"[{"type": "file", "file_id": "x"}]"#, r#"[{"type": "text", "text": "\u0000"}]"#,
            r#"["00000000-0000-0000-0000-000000000000"]"#,
        ]).prop_map(str::to_owned),
        1 => (1_usize..20_000).prop_map(|length| json!("x".repeat(length)).to_string()),
        1 => (1_usize..3_000).prop_map(|length| format!("[{}]", vec!["\"x\""; length].join(","))),
        1 => (1_usize..3_000).prop_map(|depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth))),
        1 => any::<String>().prop_map(|text| json!(text).to_string()),
    ]
}

/// Bodies that are no object, or nothing at all.
fn no_object() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        select(vec![
            "",
            " ",
            "null",
            "true",
            "0",
            "\"text\"",
            "[]",
            "[{}]",
            "{",
            "}",
            "{]",
            "{\"a\"",
            "{\"a\":}",
            "{} {}",
            "{}x",
            "{\"colour\": 1}",
            "{\"__proto__\": {}}",
            "NaN",
            "{'a': 1}",
            "\u{feff}{}",
            "{\"a\": 1,}",
            "// {}",
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
        prop::collection::vec(any::<u8>(), 0..64),
        (1_usize..50_000).prop_map(|depth| "{\"a\":".repeat(depth).into_bytes()),
        Just(vec![b'{', b'"', 0xff, 0xfe, b'"', b':', b'1', b'}']),
    ]
}
