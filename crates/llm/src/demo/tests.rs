use super::*;
use crate::PromptToolCall;
use proptest::prelude::*;
use std::sync::Arc;

fn spec(name: &str, description: &str, parameters: Value) -> ToolSpec {
    ToolSpec { name: name.to_owned(), description: description.to_owned(), parameters: Arc::new(parameters) }
}

/// The schema as the chat daemon offers it when the server asks for intents (behaviour 14).
fn wrapped(schema: &Value) -> Value {
    let mut inner = schema.clone();
    let defs = inner.as_object_mut().and_then(|schema| schema.remove("$defs"));
    let mut outer = json!({
        "type": "object",
        "properties": {"model_intent": {"type": "string", "description": "why"}, "properties": inner},
        "required": ["model_intent", "properties"],
    });
    if let Some(defs) = defs {
        outer["$defs"] = defs;
    }
    outer
}

fn user(text: &str) -> PromptMessage {
    PromptMessage::User { text: text.to_owned() }
}

fn ask(messages: Vec<PromptMessage>, tools: &[ToolSpec]) -> Vec<ModelEvent> {
    let request = GenerationRequest {
        model: "demo".to_owned(),
        system: None,
        messages,
        tools: tools.to_vec(),
        max_output_tokens: 0,
    };
    script(&request).into()
}

fn text_of(events: &[ModelEvent]) -> String {
    events
        .iter()
        .filter_map(|event| if let ModelEvent::Text(text) = event { Some(text.as_str()) } else { None })
        .collect()
}

/// Name and arguments of the one call, after checking that it is one, and whole.
fn call_of(events: &[ModelEvent]) -> Option<(String, Value)> {
    let mut called = None;
    let mut arguments = String::new();
    let mut ended = 0;
    for event in events {
        match event {
            ModelEvent::ToolCallStart { index: 0, name, .. } => {
                assert!(called.replace(name.clone()).is_none())
            }
            ModelEvent::ToolCallDelta { index: 0, arguments: piece } => arguments.push_str(piece),
            ModelEvent::ToolCallEnd { index: 0 } => ended += 1,
            ModelEvent::Text(_) => {}
            ModelEvent::End { reason } => {
                assert_eq!(*reason == FinishReason::ToolCalls, called.is_some());
            }
            other => panic!("unexpected {other:?}"),
        }
    }
    assert!(matches!(events.last(), Some(ModelEvent::End { .. })));
    let name = called?;
    assert_eq!(ended, 1);
    Some((name, serde_json::from_str(&arguments).unwrap()))
}

fn assert_valid(schema: &Value, arguments: &Value) {
    let validator = jsonschema::options().should_validate_formats(true).build(schema).unwrap();
    if let Err(error) = validator.validate(arguments) {
        panic!("{arguments} against {schema}: {error}");
    }
}

fn office() -> Vec<ToolSpec> {
    vec![
        spec(
            "zeta__find_papers",
            "Search the sample papers for a phrase.",
            json!({"type": "object", "properties": {"query": {"type": "string"}, "limit": {"type": "integer", "minimum": 1, "maximum": 20, "default": 5}}, "required": ["query"]}),
        ),
        spec(
            "zeta__open_case",
            "Creates a support case in the tracker.",
            json!({"type": "object", "properties": {"title": {"type": "string", "maxLength": 80}, "body": {"type": "string"}, "priority": {"enum": ["low", "normal", "high"], "default": "normal"}}, "required": ["title", "body"]}),
        ),
        spec(
            "zeta__tick",
            "Count slowly up to a number, one tick per second.",
            json!({"type": "object", "properties": {"to": {"type": "integer", "minimum": 1, "maximum": 60}}, "required": ["to"]}),
        ),
    ]
}

#[test]
fn picks_the_tool_and_fills_its_arguments() {
    let tools = office();
    for (message, name, arguments) in [
        (
            "Search the papers for lease epochs, please.",
            "zeta__find_papers",
            json!({"query": "lease epochs"}),
        ),
        (
            "find papers about \"encryption at rest\", limit 3",
            "zeta__find_papers",
            json!({"query": "encryption at rest", "limit": 3}),
        ),
        (
            "find papers, query: rotation of keys, limit: 900",
            "zeta__find_papers",
            json!({"query": "rotation of keys", "limit": 20}),
        ),
        ("Count to 12 slowly", "zeta__tick", json!({"to": 12})),
        ("count slowly to five", "zeta__tick", json!({"to": 5})),
        ("use zeta__tick", "zeta__tick", json!({"to": 1})),
        (
            "Create a case about the broken login with high priority",
            "zeta__open_case",
            json!({"title": "broken login with high priority", "body": "Create a case about the broken login with high priority", "priority": "high"}),
        ),
        (
            "open a case titled \"Login broken\" with body \"Since Monday, for all\"",
            "zeta__open_case",
            json!({"title": "Login broken", "body": "Since Monday, for all"}),
        ),
        (
            "open a case, body: it fails, title: Login",
            "zeta__open_case",
            json!({"title": "Login", "body": "it fails"}),
        ),
    ] {
        assert_eq!(
            call_of(&ask(vec![user(message)], &tools)),
            Some((name.to_owned(), arguments)),
            "{message}"
        );
    }
}

#[test]
fn small_talk_calls_nothing_and_says_what_to_try() {
    for message in [
        "hello",
        "Good morning! How are you?",
        "",
        "thanks, that's great",
        "what can you do for me?",
        "こんにちは",
        "???",
    ] {
        let events = ask(vec![user(message)], &office());
        assert_eq!(call_of(&events), None, "{message}");
        let text = text_of(&events);
        assert!(
            text.contains("not an AI") && text.contains("“Search the sample papers for a phrase”"),
            "{text}"
        );
        assert_eq!(text.matches(". ").count() + 1, 2, "two sentences: {text}");
    }
    let text = text_of(&ask(vec![user("search the papers")], &[]));
    assert!(text.contains("there are none. Select a server"), "{text}");
}

#[test]
fn says_of_itself_that_it_is_no_ai_in_every_answer() {
    let call = ask(vec![user("count to 3")], &office());
    assert!(text_of(&call).starts_with("I am the demo model, not an AI."));
    assert!(text_of(&ask(turn("count to 3", &["3"]), &office())).contains("not an AI"));
}

/// A turn up to the results of its calls.
fn turn(message: &str, results: &[&str]) -> Vec<PromptMessage> {
    let call = |n: usize| PromptToolCall {
        id: format!("call_{n}"),
        name: "zeta__tick".to_owned(),
        arguments: "{}".to_owned(),
    };
    let mut messages = vec![
        user(message),
        PromptMessage::Assistant {
            text: "…".to_owned(), tool_calls: (0..results.len()).map(call).collect()
        },
    ];
    messages.extend(results.iter().enumerate().map(|(n, text)| PromptMessage::Tool {
        tool_call_id: format!("call_{n}"),
        name: "zeta__tick".to_owned(),
        text: (*text).to_owned(),
        is_error: text.contains("error"),
    }));
    messages
}

#[test]
fn after_results_it_answers_in_text_and_never_calls_again() {
    let messages = turn("count to 3", &["counted 3 ticks", "error: no clock"]);
    let events = ask(messages.clone(), &office());
    assert_eq!(call_of(&events), None);
    let text = text_of(&events);
    assert!(
        text.contains("> counted 3 ticks") && text.contains("`zeta__tick` failed:\n\n> error: no clock"),
        "{text}"
    );
    // A later step of the same turn, and the next turn.
    let mut later = messages.clone();
    later.push(PromptMessage::Assistant { text: "done".to_owned(), tool_calls: vec![] });
    assert_eq!(call_of(&ask(later.clone(), &office())), None);
    later.push(user("count to 4"));
    let next = ask(later, &office());
    assert_eq!(call_of(&next), Some(("zeta__tick".to_owned(), json!({"to": 4}))));
    let id = next
        .iter()
        .find_map(|event| if let ModelEvent::ToolCallStart { id, .. } = event { Some(id) } else { None });
    assert_eq!(id.map(String::as_str), Some("call_2"), "an id that the conversation has not used");
}

#[test]
fn the_intent_comes_first_in_small_pieces() {
    let tools: Vec<_> =
        office().iter().map(|tool| spec(&tool.name, &tool.description, wrapped(&tool.parameters))).collect();
    let events = ask(vec![user("Search the papers for lease epochs")], &tools);
    let (name, arguments) = call_of(&events).unwrap();
    assert_eq!(name, "zeta__find_papers");
    assert_eq!(
        arguments,
        json!({"model_intent": "Searching the sample papers for a phrase: lease epochs", "properties": {"query": "lease epochs"}})
    );
    let pieces: Vec<&str> = events
        .iter()
        .filter_map(|event| {
            if let ModelEvent::ToolCallDelta { arguments, .. } = event {
                Some(arguments.as_str())
            } else {
                None
            }
        })
        .collect();
    assert!(pieces.len() >= 20 && pieces.iter().all(|piece| piece.chars().count() <= ARGUMENT_PIECE));
    assert!(pieces.concat().starts_with("{\"model_intent\":\"Searching"));
}

#[test]
fn the_wrapper_is_told_from_a_tool_with_such_arguments() {
    let own = json!({"type": "object", "properties": {"model_intent": {"type": "string"}, "properties": {"type": "object"}, "third": {"type": "string"}}, "required": ["model_intent", "properties"]});
    let (_, arguments) =
        call_of(&ask(vec![user("paint it green")], &[spec("paint", "Paint a thing", own.clone())])).unwrap();
    assert_valid(&own, &arguments);
    assert_eq!(arguments["model_intent"], "green");
    let none = wrapped(&json!({"type": "object"}));
    let (_, arguments) =
        call_of(&ask(vec![user("paint it")], &[spec("paint", "Paint a thing", none)])).unwrap();
    assert_eq!(arguments, json!({"model_intent": "Painting a thing", "properties": {}}));
}

#[test]
fn difficult_schemas_are_met() {
    let schemas = [
        json!({"type": "object", "properties": {"a": {"$ref": "#/$defs/node"}}, "required": ["a"],
            "$defs": {"node": {"type": "object", "properties": {"name": {"type": "string"}, "next": {"$ref": "#/$defs/node"}}, "required": ["name"]}}}),
        json!({"type": "object", "required": ["a", "b"], "properties": {"a": {"anyOf": [{"type": "null"}, {"type": "integer", "minimum": 7}]}, "b": {"type": ["null", "boolean"]}}}),
        json!({"allOf": [{"type": "object", "properties": {"a": {"type": "string", "minLength": 3}}}, {"properties": {"a": {"maxLength": 5}}, "required": ["a"]}]}),
        json!({"type": "object", "required": ["l", "p", "u"], "properties": {
            "l": {"type": "array", "items": {"type": "string", "minLength": 2}, "minItems": 3, "uniqueItems": true},
            "p": {"type": "array", "prefixItems": [{"type": "string"}, {"type": "integer"}], "minItems": 2, "items": false},
            "u": {"type": "array", "items": {"enum": ["x", "y", "z"]}, "minItems": 3, "uniqueItems": true}}}),
        json!({"type": "object", "required": ["d", "t", "m", "u", "i"], "properties": {
            "d": {"type": "string", "format": "date"}, "t": {"type": "string", "format": "date-time"}, "m": {"type": "string", "format": "email"},
            "u": {"type": "string", "format": "uri"}, "i": {"type": "string", "format": "uuid"}}}),
        json!({"type": "object", "required": ["c", "missing"], "properties": {"c": {"const": {"x": 1}}}, "additionalProperties": {"type": "integer"}}),
        json!({"type": "object", "required": ["o"], "properties": {"o": {"oneOf": [
            {"type": "object", "properties": {"kind": {"const": "a"}, "n": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}}, "required": ["kind", "n"]},
            {"type": "object", "properties": {"kind": {"const": "b"}}, "required": ["kind"]}]}}}),
        json!({"type": "object", "required": ["a", "b"], "properties": {"a": {"type": "integer", "multipleOf": 5, "minimum": 12}, "b": {"type": "string", "default": "from the schema"}}}),
        json!({"type": "object", "anyOf": [{"required": ["a"]}, {"required": ["b"]}], "properties": {"a": {"type": "string"}, "b": {"type": "string"}}}),
        json!(true),
    ];
    for schema in &schemas {
        for message in [
            "paint",
            "paint \"a big house\" in 3 colours for me@example.com by 2026-02-03 see https://x.example/y?z=1",
        ] {
            for (asked, inner) in [(schema.clone(), false), (wrapped(schema), true)] {
                let (_, arguments) =
                    call_of(&ask(vec![user(message)], &[spec("paint", "", asked.clone())])).unwrap();
                assert_valid(&asked, &arguments);
                assert_valid(schema, if inner { &arguments["properties"] } else { &arguments });
            }
        }
    }
}

#[test]
fn endless_schemas_end() {
    let endless = json!({"type": "object", "properties": {"next": {"$ref": "#"}, "b": {"$ref": "#"}}, "required": ["next", "b"]});
    assert!(call_of(&ask(vec![user("paint")], &[spec("paint", "", endless)])).is_some());
    let mirror =
        json!({"type": "object", "properties": {"a": {"$ref": "#/properties/a"}}, "required": ["a"]});
    assert!(call_of(&ask(vec![user("paint")], &[spec("paint", "", mirror)])).is_some());
    let many = json!({"type": "object", "properties": {"a": {"type": "array", "minItems": 1_000_000_000, "items": {"type": "integer"}}}, "required": ["a"]});
    assert!(call_of(&ask(vec![user("paint")], &[spec("paint", "", many)])).is_some());
    let long = json!({"type": "object", "properties": {"a": {"type": "string", "minLength": u64::MAX}}, "required": ["a"]});
    assert!(call_of(&ask(vec![user("paint")], &[spec("paint", "", long)])).is_some());
}

/// Words that mean nothing, so that no tool is known by its name.
fn pseudo_word() -> impl Strategy<Value = String> {
    "[bcdfghjklmnprtvwz][aeiou][bcdfghklmnprt][aeiou][bdfgklmnprt]([aeiou]k)?".prop_filter(
        "a word that only looks like one",
        |word| {
            let words = words::words(word);
            !words[0].is_filler()
        },
    )
}

/// A schema of every kind, up to some depth.
fn any_schema() -> impl Strategy<Value = Value> {
    let bounds = (-50_i64..50, 0_i64..40).prop_map(|(low, width)| (low, low + width));
    let leaf = prop_oneof![
        (0_usize..12, 0_usize..12)
            .prop_map(|(min, more)| json!({"type": "string", "minLength": min, "maxLength": min + more})),
        bounds.clone().prop_map(|(low, high)| json!({"type": "integer", "minimum": low, "maximum": high})),
        bounds.clone().prop_map(
            |(low, high)| json!({"type": "number", "exclusiveMinimum": low, "exclusiveMaximum": high + 1})
        ),
        bounds.prop_map(
            |(low, high)| json!({"type": "integer", "multipleOf": 3, "minimum": low, "maximum": high + 6})
        ),
        Just(json!({"type": "boolean"})),
        Just(json!({"type": "null"})),
        Just(json!({})),
        prop::collection::vec(pseudo_word(), 1..4).prop_map(|choices| json!({"enum": choices})),
        pseudo_word().prop_map(|word| json!({"type": "string", "default": word})),
        prop_oneof![
            "date",
            "date-time",
            "time",
            "email",
            "uri",
            "uuid",
            "ipv4",
            "ipv6",
            "hostname",
            "duration"
        ]
        .prop_map(|format| json!({"type": "string", "format": format})),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            (inner.clone(), 0_usize..3, 0_usize..3).prop_map(|(items, min, more)| json!({"type": "array", "items": items, "minItems": min, "maxItems": min + more})),
            any_object(inner.clone()),
            inner.prop_map(|branch| json!({"anyOf": [{"type": "null"}, branch]})),
        ]
    })
}

fn any_object(inner: impl Strategy<Value = Value>) -> impl Strategy<Value = Value> {
    prop::collection::vec((pseudo_word(), inner, any::<bool>()), 0..4).prop_map(|members| {
        let required: std::collections::BTreeSet<&String> = members.iter().filter(|m| m.2).map(|m| &m.0).collect();
        let required = json!(required);
        let properties: serde_json::Map<String, Value> = members.iter().map(|m| (m.0.clone(), m.1.clone())).collect();
        json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Random tools, a message in words of one of them: that one is called, whatever the order.
    #[test]
    fn the_right_one_of_random_tools_is_called(
        vocabulary in prop::collection::hash_set(pseudo_word(), 60..80),
        slug in "[a-z]{3,8}",
        target in 0_usize..10,
        said in prop::collection::vec(0_usize..5, 2..4),
        by_name in any::<bool>(),
    ) {
        let vocabulary: Vec<String> = vocabulary.into_iter().collect();
        let stems: std::collections::BTreeSet<_> = vocabulary.iter().map(|word| words::stem(word)).collect();
        prop_assume!(stems.len() == vocabulary.len());
        prop_assume!(!vocabulary.iter().enumerate().any(|(n, a)| vocabulary[..n].iter().any(|b| words::akin(a, b))));
        // Six words each: two of the name, four of the description; all share the same phrases.
        let tools: Vec<ToolSpec> = vocabulary.chunks(6).take(10).map(|own| spec(
            &format!("{slug}__{}_{}", own[0], own[1]),
            &format!("This tool will {} the {} of a {} in {} for the user.", own[2], own[3], own[4], own[5]),
            json!({"type": "object", "properties": {"value": {"type": "string"}}, "required": ["value"]}),
        )).collect();
        let own: Vec<&String> = vocabulary.chunks(6).nth(target).unwrap().iter().collect();
        let message = if by_name {
            format!("Please use {}_{} now", own[0], own[1])
        } else {
            let said: Vec<&str> = said.iter().map(|n| own[*n].as_str()).collect();
            format!("Could you {} this for me, please?", said.join(" and the "))
        };
        let events = ask(vec![user(&message)], &tools);
        prop_assert_eq!(call_of(&events).map(|call| call.0), Some(tools[target].name.clone()), "{}", message);
        let mut turned = tools.clone();
        turned.reverse();
        prop_assert_eq!(ask(vec![user(&message)], &turned), events);
    }

    #[test]
    fn arguments_always_fit_the_schema(schema in any_object(any_schema()), message in "\\PC{0,60}|([a-z]{1,8}[ :\"]){0,8}[0-9]{0,3}") {
        let message = format!("paint {message}");
        for schema in [schema.clone(), wrapped(&schema)] {
            let (_, arguments) = call_of(&ask(vec![user(&message)], &[spec("paint", "Paint a wall", schema.clone())])).unwrap();
            assert_valid(&schema, &arguments);
        }
    }

    #[test]
    fn any_message_is_survived(message in "\\PC{0,200}|[ -~\n]{0,200}", description in "\\PC{0,80}", name in "[a-zA-Z0-9_-]{1,64}") {
        let tools = [spec(&name, &description, wrapped(&json!({"type": "object", "properties": {"text": {"type": "string"}, "n": {"type": "integer"}}})))];
        let events = ask(vec![user(&message)], &tools);
        call_of(&events);
        prop_assert_eq!(ask(vec![user(&message)], &tools), events);
    }
}

#[tokio::test(start_paused = true)]
async fn pacing_and_stop() {
    let request = || GenerationRequest {
        model: "demo".to_owned(),
        system: None,
        messages: vec![user("count to 3")],
        tools: office(),
        max_output_tokens: 0,
    };
    let begun = tokio::time::Instant::now();
    let paced =
        Demo::new(Duration::from_millis(20)).generate(request(), CancellationToken::new()).await.unwrap();
    let events: Vec<_> = paced.map(Result::unwrap).collect().await;
    assert!(begun.elapsed() >= Duration::from_millis(20) * (events.len() as u32 - 1));

    let begun = tokio::time::Instant::now();
    let instant = Demo::new(Duration::ZERO).generate(request(), CancellationToken::new()).await.unwrap();
    assert_eq!(instant.map(Result::unwrap).collect::<Vec<_>>().await, events);
    assert_eq!(begun.elapsed(), Duration::ZERO);

    let cancel = CancellationToken::new();
    let mut stopped = Demo::new(Duration::from_secs(3600)).generate(request(), cancel.clone()).await.unwrap();
    assert!(matches!(stopped.next().await, Some(Ok(ModelEvent::Text(_)))));
    cancel.cancel();
    assert_eq!(stopped.next().await, Some(Err(ModelError::Cancelled)));
    assert_eq!(stopped.next().await, None);
    assert_eq!(
        Demo::new(Duration::ZERO).generate(request(), cancel).await.err(),
        Some(ModelError::Cancelled)
    );
}
