use super::*;
use serde_json::json;

fn feed(assembler: &mut Assembler, events: &[Value]) -> Vec<ModelEvent> {
    let mut out = Vec::new();
    for event in events {
        assembler.take("", event, &mut out).unwrap();
    }
    out
}

/// Feeds `events`, then a stop for `reason` and the end.
fn run(events: &[Value], reason: &str) -> Vec<ModelEvent> {
    let mut assembler = Assembler::new(HashSet::from(["old".to_owned()]));
    let mut out = feed(&mut assembler, events);
    let last =
        [json!({"type": "message_delta", "delta": {"stop_reason": reason}}), json!({"type": "message_stop"})];
    out.extend(feed(&mut assembler, &last));
    assembler.finish(&mut out).unwrap();
    out
}

fn start(index: u64, block: &Value) -> Value {
    json!({"type": "content_block_start", "index": index, "content_block": block})
}

fn tool(index: u64, id: &str, name: &str) -> Value {
    start(index, &json!({"type": "tool_use", "id": id, "name": name, "input": {}}))
}

fn delta(index: u64, delta: &Value) -> Value {
    json!({"type": "content_block_delta", "index": index, "delta": delta})
}

fn arguments(index: u64, text: &str) -> Value {
    delta(index, &json!({"type": "input_json_delta", "partial_json": text}))
}

fn stop(index: u64) -> Value {
    json!({"type": "content_block_stop", "index": index})
}

fn ended(events: &[ModelEvent]) -> Vec<usize> {
    let ends = events.iter().filter_map(|event| match event {
        ModelEvent::ToolCallEnd { index } => Some(*index),
        _ => None,
    });
    ends.collect()
}

#[test]
fn blocks_become_events_as_they_come() {
    let more = |index, text: &str| ModelEvent::ToolCallDelta { index, arguments: text.to_owned() };
    let begin = |index, id: &str, name: &str| ModelEvent::ToolCallStart {
        index,
        id: id.to_owned(),
        name: name.to_owned(),
    };
    let events = run(
        &[
            start(0, &json!({"type": "thinking", "thinking": "", "signature": ""})),
            delta(0, &json!({"type": "thinking_delta", "thinking": "hm"})),
            delta(0, &json!({"type": "signature_delta", "signature": "EqQB"})),
            stop(0),
            start(1, &json!({"type": "redacted_thinking", "data": "xx"})),
            stop(1),
            start(2, &json!({"type": "text", "text": ""})),
            json!({"type": "ping"}),
            delta(2, &json!({"type": "text_delta", "text": "Let me see"})),
            stop(2),
            tool(3, "a", "one"),
            arguments(3, ""),
            arguments(3, "{\"q\":"),
            tool(4, "old", "two"),
            arguments(3, "1}"),
            stop(3),
            stop(4),
            json!({"type": "something_new", "index": 9}),
        ],
        "tool_use",
    );
    assert_eq!(
        events,
        [
            ModelEvent::Reasoning("hm".to_owned()),
            ModelEvent::Text("Let me see".to_owned()),
            begin(0, "a", "one"),
            more(0, "{\"q\":"),
            begin(1, "call_2", "two"),
            more(0, "1}"),
            ModelEvent::ToolCallEnd { index: 0 },
            more(1, "{}"),
            ModelEvent::ToolCallEnd { index: 1 },
            ModelEvent::End { reason: FinishReason::ToolCalls },
        ]
    );
}

#[test]
fn arguments_that_came_whole_count_once() {
    let given = |index| start(index, &json!({"type": "tool_use", "id": "x", "name": "t", "input": {"q": 1}}));
    let events = run(&[given(0), stop(0), given(1), arguments(1, "{\"q\":2}"), stop(1)], "tool_use");
    let texts: Vec<&str> = events
        .iter()
        .filter_map(|event| match event {
            ModelEvent::ToolCallDelta { arguments, .. } => Some(arguments.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(texts, ["{\"q\":1}", "{\"q\":2}"]);
}

#[test]
fn tools_that_the_provider_runs_are_none_of_ours() {
    let server = start(0, &json!({"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}));
    let events = run(&[server, arguments(0, "{\"query\":\"x\"}"), stop(0)], "pause_turn");
    assert_eq!(events, [ModelEvent::End { reason: FinishReason::Stop }]);
}

#[test]
fn every_reason_to_stop_has_its_meaning() {
    for (reason, meant) in [
        ("end_turn", FinishReason::Stop),
        ("stop_sequence", FinishReason::Stop),
        ("pause_turn", FinishReason::Stop),
        ("something_new", FinishReason::Stop),
        ("tool_use", FinishReason::Stop),
        ("max_tokens", FinishReason::Length),
        ("model_context_window_exceeded", FinishReason::Length),
        ("refusal", FinishReason::ContentFilter),
    ] {
        assert_eq!(run(&[], reason), [ModelEvent::End { reason: meant }], "{reason}");
    }
    // Calls decide, whatever the word.
    assert_eq!(
        run(&[tool(0, "a", "t"), stop(0)], "end_turn").last(),
        Some(&ModelEvent::End { reason: FinishReason::ToolCalls })
    );
}

#[test]
fn a_call_that_may_be_cut_does_not_end() {
    let calls = [
        tool(0, "a", "one"),
        arguments(0, "{\"q\":1}"),
        stop(0),
        tool(1, "b", "two"),
        arguments(1, "{\"q\":{}"),
        stop(1),
        tool(2, "c", "three"),
        stop(2),
    ];
    assert_eq!(ended(&run(&calls, "max_tokens")), [0]);
    assert_eq!(ended(&run(&calls, "refusal")), [0_usize; 0], "what was refused is not acted upon");
    // The model closed the block itself: what it wrote is judged where calls are run.
    assert_eq!(ended(&run(&calls, "tool_use")), [0, 1, 2]);
    assert_eq!(ended(&run(&calls[..5], "tool_use")), [0], "no stop of the block");
}

#[test]
fn without_message_stop_or_a_reason_nothing_ends() {
    let reason = json!({"type": "message_delta", "delta": {"stop_reason": "tool_use"}});
    let end = json!({"type": "message_stop"});
    for last in [vec![], vec![reason], vec![end]] {
        let mut assembler = Assembler::default();
        feed(&mut assembler, &[vec![tool(0, "a", "t"), arguments(0, "{}"), stop(0)], last].concat());
        let mut out = Vec::new();
        assert_eq!(assembler.finish(&mut out), Err(ModelError::Interrupted(Interruption::NoEndMarker)));
        assert_eq!(out, []);
    }
}

#[test]
fn usage_is_the_whole_prompt_and_its_parts() {
    let begin = json!({"type": "message_start", "message": {"usage": {"input_tokens": 7, "output_tokens": 1,
        "cache_creation_input_tokens": 20, "cache_read_input_tokens": 100}}});
    let later =
        json!({"type": "message_delta", "delta": {}, "usage": {"input_tokens": 0, "output_tokens": 9}});
    let events = run(&[begin, later], "end_turn");
    let usage = Usage {
        input_tokens: 127,
        output_tokens: 9,
        total_tokens: 136,
        cache_creation_tokens: 20,
        cache_read_tokens: 100,
        ..Usage::default()
    };
    assert_eq!(events, [ModelEvent::Usage(usage), ModelEvent::End { reason: FinishReason::Stop }]);
}

#[test]
fn caps_hold_and_garbage_is_named() {
    let mut assembler = Assembler::default();
    let mut out = Vec::new();
    let mut take = |event: Value| assembler.take("", &event, &mut out);
    let big = "x".repeat(TOOL_ARGUMENTS / 2);
    take(tool(0, "a", "t")).unwrap();
    take(arguments(0, &big)).unwrap();
    take(arguments(0, &big)).unwrap();
    assert_eq!(take(arguments(0, "x")), Err(too_large("arguments of a tool call")));
    assert_eq!(
        take(tool(1, "b", &"n".repeat(TOOL_CALL_NAME + 1))),
        Err(too_large("the name of a tool call"))
    );
    for n in 1..TOOL_CALLS as u64 {
        take(tool(n, "same", "t")).unwrap();
    }
    assert_eq!(take(tool(9999, "z", "t")), Err(too_large("tool calls")));
    for garbage in [json!(7), json!([]), json!({}), json!({"choices": []}), tool(0, "a", "")] {
        assert_eq!(take(garbage), Err(ModelError::Protocol(ProtocolFault::BadEvent)));
    }
    assert_eq!(assembler.take("ping", &json!({}), &mut out), Ok(Taken::KeepAlive));
    assert_eq!(
        assembler.take("ping", &json!("x"), &mut out),
        Err(ModelError::Protocol(ProtocolFault::BadEvent))
    );
}

proptest::proptest! {
    /// Whatever comes: no panic, dense indexes, unique ids, no delta after an end.
    #[test]
    fn any_events_keep_the_invariants(
        events in proptest::collection::vec((0..5_u8, 0..3_u64, "[abc]?", "(\\{\\}|\\{|\\}|\"|)"), 0..30),
        reason in "(end_turn|tool_use|max_tokens|refusal|odd)",
    ) {
        let events: Vec<Value> = events.into_iter().map(|(kind, index, id, text)| match kind {
            0 => tool(index, &id, "t"),
            1 => arguments(index, &text),
            2 => stop(index),
            3 => start(index, &json!({"type": "text", "text": text})),
            _ => delta(index, &json!({"type": "text_delta", "text": text})),
        }).collect();
        let mut begun: Vec<String> = Vec::new();
        let mut closed = HashSet::new();
        for event in run(&events, &reason) {
            match event {
                ModelEvent::ToolCallStart { index, id, .. } => {
                    assert_eq!(index, begun.len());
                    assert!(id != "old" && !begun.contains(&id));
                    begun.push(id);
                }
                ModelEvent::ToolCallDelta { index, .. } => assert!(index < begun.len() && !closed.contains(&index)),
                ModelEvent::ToolCallEnd { index } => assert!(index < begun.len() && closed.insert(index)),
                _ => {}
            }
        }
        assert!(reason != "refusal" || closed.is_empty());
    }
}
