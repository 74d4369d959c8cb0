use super::*;
use crate::intent::label_of_text;
use proptest::prelude::*;
use serde_json::{Value, json};

fn streamed(text: &str) -> Option<String> {
    let mut label = StreamingLabel::new();
    label.push(text);
    label.current()
}

#[test]
fn finds_the_intent_and_nothing_like_it() {
    for (text, expected) in [
        (r#"{"model_intent":"listing issues","properties":{}}"#, Some("Listing issues")),
        (r#" { "properties" : {"a":[1,{"b":"}"}]} , "model_intent" : "last key" } "#, Some("Last key")),
        (r#"{"properties":{"model_intent":"nested"},"x":1}"#, None),
        (r#"{"a":["model_intent","x"],"b":{"model_intent":"no"},"model_intent":"yes"}"#, Some("Yes")),
        (r#"{"a":"\"model_intent\":\"in a string\"","model_intent":"yes"}"#, Some("Yes")),
        (r#"{"a":"ends in backslash\\","model_intent":"yes"}"#, Some("Yes")),
        (r#"{"a":{"b":"\\\"}"},"model_intent":"yes"}"#, Some("Yes")),
        (r#"{"model_inten":"no","model_intents":"no","Model_intent":"no"}"#, None),
        (r#"{"model\u005fintent":"escaped key"}"#, Some("Escaped key")),
        (r#"{"model_intent":"a \"quoted\" \\ \/ word"}"#, Some("A \"quoted\" \\ / word")),
        (r#"{"model_intent":"\u00fcber \ud83d\ude00 ok"}"#, Some("Über 😀 ok")),
        (r#"{"model_intent":"line\nbreak\r\n\ttab"}"#, Some("Line break  tab")),
        (r#"{"a":1,"b":true,"c":null,"d":-1.5e3,"model_intent":"after scalars"}"#, Some("After scalars")),
        (r#"{"model_intent":7}"#, None),
        (r#"{"model_intent":{"model_intent":"x"}}"#, None),
        (r#"{"model_intent":"first","model_intent":"second"}"#, Some("Second")),
        (r#"{"model_intent":"first","model_intent":null}"#, None),
        (r#"{"model_intent":"done"} {"model_intent":"trailing"}"#, Some("Done")),
        (r#"[{"model_intent":"array"}]"#, None),
        (r#""model_intent""#, None),
        ("", None),
        ("{}", None),
    ] {
        assert_eq!(streamed(text).as_deref(), expected, "{text}");
    }
}

#[test]
fn half_a_surrogate_pair_is_shown_as_such() {
    assert_eq!(streamed(r#"{"model_intent":"a\ud83dx"#).as_deref(), Some("A\u{fffd}x"));
    assert_eq!(streamed(r#"{"model_intent":"a\ude00x"#).as_deref(), Some("A\u{fffd}x"));
    assert_eq!(streamed(r#"{"model_intent":"a\ud83d"#).as_deref(), Some("A"));
}

#[test]
fn an_unfinished_text_shows_what_is_there() {
    let mut label = StreamingLabel::new();
    let mut seen = Vec::new();
    for delta in
        [r#"{"mod"#, r#"el_intent":"lis"#, "ting op", r"en \u00", "e4pfel\"", r#","properties":{"q":"x"}}"#]
    {
        label.push(delta);
        seen.push(label.current().unwrap_or_default());
    }
    assert_eq!(seen, ["", "Lis", "Listing op", "Listing open", "Listing open äpfel", "Listing open äpfel"]);
}

#[test]
fn a_long_intent_is_not_kept_beyond_its_label() {
    let text = format!(r#"{{"model_intent":"{}"#, "x".repeat(100_000));
    let mut label = StreamingLabel::new();
    label.push(&text);
    assert_eq!(label.as_str().map(str::len), Some(100));
}

/// Writes a value as JSON with escapes chosen by `seed`, as models and their gateways do.
fn written(value: &Value, seed: &mut u64) -> String {
    let mut roll = || {
        *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        *seed >> 33
    };
    match value {
        Value::String(text) => {
            let mut out = String::from("\"");
            for c in text.chars() {
                let mut units = [0; 2];
                match c {
                    '"' | '\\' => out.extend(['\\', c]),
                    '\n' if roll() % 2 == 0 => out.push_str("\\n"),
                    c if c < ' ' || roll() % 4 == 0 => {
                        c.encode_utf16(&mut units)
                            .iter()
                            .for_each(|unit| out.push_str(&format!("\\u{unit:04x}")));
                    }
                    c => out.push(c),
                }
            }
            out.push('"');
            out
        }
        Value::Array(items) => {
            format!("[{}]", items.iter().map(|v| written(v, seed)).collect::<Vec<_>>().join(" , "))
        }
        Value::Object(map) => {
            let entry = |(key, v): (&String, &Value)| {
                format!("{}:{}", written(&Value::String(key.clone()), seed), written(v, seed))
            };
            format!("{{ {} }}", map.iter().map(entry).collect::<Vec<_>>().join(","))
        }
        scalar => scalar.to_string(),
    }
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z{}\\[\\]\":,\\\\ ]{0,12}",
        "[\\x00-\\x20a-zäß😀\u{2028}\u{202e}]{0,12}",
        Just("model_intent".to_owned()),
        Just("x".repeat(130)),
    ]
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((text(), inner), 0..4)
                .prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    /// Any object, any escapes, any cuts: at the end the streamed label is the stored one, and on the way it only grew.
    #[test]
    fn streamed_and_stored_labels_agree(
        members in prop::collection::vec((text(), json_value()), 0..4),
        intent in prop_oneof![text().prop_map(|text| json!(text)), json_value()],
        place in 0_usize..4,
        mut seed in any::<u64>(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let mut entries: Vec<(String, Value)> = members.into_iter().filter(|(key, _)| key != INTENT_KEY).collect();
        entries.insert(place.min(entries.len()), (INTENT_KEY.to_owned(), intent));
        let full = written(&Value::Object(entries.into_iter().collect()), &mut seed);
        prop_assert!(serde_json::from_str::<Value>(&full).is_ok(), "{full}");

        let mut ends: Vec<usize> = full.char_indices().map(|(at, _)| at).collect();
        ends.push(full.len());
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| *cut.get(&ends)).collect();
        cuts.push(full.len());
        cuts.sort_unstable();

        let (mut label, mut shown, mut from) = (StreamingLabel::new(), String::new(), 0);
        for to in cuts {
            label.push(&full[from..to]);
            from = to;
            let now = label.current().unwrap_or_default();
            prop_assert!(now.starts_with(&shown), "{shown:?} became {now:?}");
            shown = now;
        }
        prop_assert_eq!(shown, label_of_text(&full, ""));
    }

    #[test]
    fn no_text_makes_it_panic(text in "[{}\\[\\]\":,\\\\a-f0-9u model_intent]{0,80}|\\PC{0,60}") {
        let mut whole = StreamingLabel::new();
        whole.push(&text);
        let mut single = StreamingLabel::new();
        for c in text.chars() {
            single.push(c.encode_utf8(&mut [0; 4]));
        }
        prop_assert_eq!(whole.current(), single.current());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    /// Cut in two at every place, within escapes and surrogate pairs too, and taken one character at a time.
    #[test]
    fn every_split_point_gives_the_label_of_the_whole(
        members in prop::collection::vec((text(), json_value()), 0..3),
        intent in "[a-z\\\\\"/\n\t\u{7}\u{e9}\u{1f600}\u{2028} ]{0,24}",
        place in 0_usize..3,
        mut seed in any::<u64>(),
    ) {
        let mut entries: Vec<(String, Value)> = members.into_iter().filter(|(key, _)| key != INTENT_KEY).collect();
        entries.insert(place.min(entries.len()), (INTENT_KEY.to_owned(), json!(intent)));
        let full = written(&Value::Object(entries.into_iter().collect()), &mut seed);
        prop_assume!(full.len() <= 600);
        let whole = label_of_text(&full, "");

        let mut running = StreamingLabel::new();
        for (at, c) in full.char_indices() {
            let mut split = running.clone();
            split.push(&full[at..]);
            prop_assert_eq!(split.current().unwrap_or_default(), whole.as_str(), "split at {} of {}", at, &full);
            running.push(&full[at..at + c.len_utf8()]);
            prop_assert!(whole.starts_with(running.as_str().unwrap_or_default()), "{at} of {full}");
        }
        prop_assert_eq!(running.current().unwrap_or_default(), whole);
    }
}
