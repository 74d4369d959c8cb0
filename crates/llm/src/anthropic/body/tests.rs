use super::*;
use std::sync::Arc;

fn request(messages: Vec<PromptMessage>, tools: Vec<ToolSpec>) -> GenerationRequest {
    GenerationRequest {
        model: "m".to_owned(),
        system: Some("be brief".to_owned()),
        messages,
        tools,
        max_output_tokens: 100,
    }
}

fn built(request: &GenerationRequest) -> Value {
    serde_json::from_str(&build(request, None)).unwrap()
}

fn user(text: &str) -> PromptMessage {
    PromptMessage::User { text: text.to_owned() }
}

fn assistant(text: &str, tool_calls: Vec<PromptToolCall>) -> PromptMessage {
    PromptMessage::Assistant { text: text.to_owned(), tool_calls }
}

fn call(id: &str, name: &str, arguments: &str) -> PromptToolCall {
    PromptToolCall { id: id.to_owned(), name: name.to_owned(), arguments: arguments.to_owned() }
}

fn result(id: &str, text: &str, is_error: bool) -> PromptMessage {
    PromptMessage::Tool {
        tool_call_id: id.to_owned(),
        name: "look".to_owned(),
        text: text.to_owned(),
        is_error,
    }
}

fn spec(name: &str, parameters: Value) -> ToolSpec {
    ToolSpec { name: name.to_owned(), description: "d".to_owned(), parameters: Arc::new(parameters) }
}

#[test]
fn a_picture_is_a_block_behind_the_words() {
    let image = PromptMessage::UserImage { media_type: "image/png".to_owned(), data: "aGk=".into() };
    let body = built(&request(vec![user("look"), image], vec![]));
    let content = &body["messages"][0]["content"];
    assert_eq!(content[0], json!({"type": "text", "text": "look"}));
    assert_eq!(content[1]["source"], json!({"type": "base64", "media_type": "image/png", "data": "aGk="}));
    assert_eq!(body["messages"].as_array().unwrap().len(), 1);
}

#[test]
fn a_whole_conversation_with_its_marks() {
    let messages = vec![
        user("hi"),
        assistant("I look", vec![call("c1", "look", "{\"a\": 1}"), call("c2", "look", "")]),
        result("c1", "seen", false),
        result("c2", "no", true),
        user("go on"),
        assistant("", vec![]),
        assistant("done", vec![]),
        user("thanks"),
    ];
    let tools = vec![
        spec("zeta", json!({"type": "object", "properties": {"a": {"type": "integer"}}})),
        spec("alpha", json!({"type": "object"})),
    ];
    let text = |text: &str| json!({"type": "text", "text": text});
    assert_eq!(
        built(&request(messages, tools)),
        json!({
            "model": "m",
            "max_tokens": 100,
            "stream": true,
            "system": [{"type": "text", "text": "be brief", "cache_control": {"type": "ephemeral"}}],
            // In the order in which they were offered, so that the next step finds them in the cache.
            "tools": [
                {"name": "zeta", "description": "d", "input_schema": {"type": "object", "properties": {"a": {"type": "integer"}}}},
                {"name": "alpha", "description": "d", "input_schema": {"type": "object", "properties": {}},
                    "cache_control": {"type": "ephemeral"}},
            ],
            "messages": [
                {"role": "user", "content": [text("hi")]},
                {"role": "assistant", "content": [
                    text("I look"),
                    {"type": "tool_use", "id": "c1", "name": "look", "input": {"a": 1}},
                    {"type": "tool_use", "id": "c2", "name": "look", "input": {}},
                ]},
                // The results of one answer together, and what the person said next behind them.
                {"role": "user", "content": [
                    {"type": "tool_result", "tool_use_id": "c1", "content": "seen"},
                    {"type": "tool_result", "tool_use_id": "c2", "content": "no", "is_error": true},
                    text("go on"),
                ]},
                {"role": "assistant", "content": [text("done")]},
                {"role": "user", "content": [
                    {"type": "text", "text": "thanks", "cache_control": {"type": "ephemeral"}},
                ]},
            ],
        })
    );
}

#[test]
fn what_would_be_refused_for_ever_is_said_otherwise() {
    let messages = vec![
        user(" \n"),
        assistant(" ", vec![call("functions.look:0", "look at.it", "{\"a\""), call("c2", "", "[1]")]),
        result("functions.look:0", "", true),
        result("c2", "\n", false),
    ];
    let body = built(&GenerationRequest { system: Some("  ".to_owned()), ..request(messages, vec![]) });
    assert_eq!(body.get("system"), None);
    let id = format!("id-{}", domain::text::hex(b"functions.look:0"));
    assert_eq!(
        body["messages"],
        json!([
            {"role": "user", "content": [{"type": "text", "text": "(empty message)"}]},
            {"role": "assistant", "content": [
                {"type": "tool_use", "id": id, "name": "look_at_it", "input": {"invalid_json": "{\"a\""}},
                {"type": "tool_use", "id": "c2", "name": "unnamed", "input": {"invalid_json": "[1]"}},
            ]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": id, "content": "The tool failed and said nothing.", "is_error": true},
                {"type": "tool_result", "tool_use_id": "c2", "content": "(empty result)", "cache_control": {"type": "ephemeral"}},
            ]},
        ])
    );
    // The servers are gone, the calls are not: named, so that the conversation is taken, and not to be called.
    assert_eq!(
        (&body["tools"], &body["tool_choice"]),
        (
            &json!([
                {"name": "look_at_it", "input_schema": {"type": "object"}},
                {"name": "unnamed", "input_schema": {"type": "object"}, "cache_control": {"type": "ephemeral"}},
            ]),
            &json!({"type": "none"})
        )
    );
}

#[test]
fn the_output_limit_is_always_named() {
    let mut asked = request(vec![user("hi")], vec![]);
    let limit = |asked: &GenerationRequest, own| {
        serde_json::from_str::<Value>(&build(asked, own)).unwrap()["max_tokens"].as_i64()
    };
    assert_eq!(
        (limit(&asked, None), limit(&asked, Some(64)), limit(&asked, Some(4096))),
        (Some(100), Some(64), Some(100))
    );
    for unset in [0, -1] {
        asked.max_output_tokens = unset;
        assert_eq!(limit(&asked, None), Some(32_000));
    }
    let body = built(&asked);
    assert_eq!((body.get("tools"), body.get("tool_choice")), (None, None));
}

#[test]
fn schemas_are_adapted_or_the_tool_is_left_out() {
    let away = json!({"type": "object", "properties": {"a": {"$ref": "https://example.com/a.json"}}});
    let either = json!({"type": "object", "properties": {"a": {"type": "string"}, "$top": {}}, "anyOf": [{"required": ["a"]}]});
    let body = built(&request(
        vec![user("hi")],
        vec![spec("away", away), spec("either", either), spec("any", json!(true))],
    ));
    assert_eq!(
        body["tools"],
        json!([
            {"name": "either", "description": "d",
                "input_schema": {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}},
            {"name": "any", "description": "d", "input_schema": {"type": "object", "properties": {}},
                "cache_control": {"type": "ephemeral"}},
        ])
    );
}

proptest::proptest! {
    /// Whatever the ids were: fit for the API, different where they differed, the same each time.
    #[test]
    fn ids_become_fit_and_stay_apart(one in ".{0,12}", other in "(id-)?[a-f0-9.:]{0,6}") {
        for id in [&one, &other] {
            assert!(is_fit(&fit_id(id)), "{id:?}");
            assert_eq!(fit_id(id), fit_id(id));
            assert!(is_fit(&fit_name(id)) && fit_name(id).len() <= TOOL_NAME);
        }
        assert_eq!(one == other, fit_id(&one) == fit_id(&other), "{one:?} {other:?}");
        assert_ne!(fit_id(&one), fit_id(&format!("id-{}", domain::text::hex(one.as_bytes()))));
    }

    /// Any conversation becomes turns of the two roles without an empty one.
    #[test]
    fn roles_take_turns(kinds in proptest::collection::vec(0..4_u8, 1..12)) {
        let messages = kinds.iter().enumerate().map(|(n, kind)| match kind {
            0 => user("x"),
            1 => assistant("", vec![]),
            2 => assistant("y", vec![call(&n.to_string(), "t", "{}")]),
            _ => result(&n.to_string(), "", false),
        });
        let body = built(&request(messages.collect(), vec![]));
        let turns = body["messages"].as_array().unwrap();
        assert!(turns.windows(2).all(|pair| pair[0]["role"] != pair[1]["role"]));
        assert!(turns.iter().all(|turn| !turn["content"].as_array().unwrap().is_empty()));
        let marks = body.to_string().matches("cache_control").count();
        assert!(marks <= 3, "{marks}");
    }
}
