use super::*;
use serde_json::json;

/// Feeds the deltas, then ends with `finish`.
fn run(deltas: &[Value], finish: &str) -> Vec<ModelEvent> {
    let mut assembler = Assembler::new(HashSet::from(["old".to_owned()]));
    let mut out = Vec::new();
    for delta in deltas {
        assembler
            .chunk(&json!({"choices": [{"index": 0, "delta": delta, "finish_reason": null}]}), &mut out)
            .unwrap();
    }
    assembler
        .chunk(&json!({"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]}), &mut out)
        .unwrap();
    assembler.finish(&mut out).unwrap();
    out
}

/// `(id, name, arguments, ended)` of every call.
fn calls(events: &[ModelEvent]) -> Vec<(String, String, String, bool)> {
    let mut calls: Vec<(String, String, String, bool)> = Vec::new();
    for event in events {
        match event {
            ModelEvent::ToolCallStart { index, id, name } => {
                assert_eq!(*index, calls.len());
                calls.push((id.clone(), name.clone(), String::new(), false));
            }
            ModelEvent::ToolCallDelta { index, arguments } => {
                assert!(!calls[*index].3, "a delta after the end");
                calls[*index].2.push_str(arguments);
            }
            ModelEvent::ToolCallEnd { index } => {
                assert!(!calls[*index].3, "ended twice");
                calls[*index].3 = true;
            }
            _ => {}
        }
    }
    calls
}

fn call(id: &str, name: &str, arguments: &str) -> (String, String, String, bool) {
    (id.to_owned(), name.to_owned(), arguments.to_owned(), true)
}

fn tool(index: Option<u64>, id: Option<&str>, name: Option<&str>, arguments: &str) -> Value {
    let mut call = json!({"type": "function", "function": {"arguments": arguments}});
    if let Some(index) = index {
        call["index"] = json!(index);
    }
    if let Some(id) = id {
        call["id"] = json!(id);
    }
    if let Some(name) = name {
        call["function"]["name"] = json!(name);
    }
    json!({"tool_calls": [call]})
}

#[test]
fn true_deltas_pass_through_as_they_come() {
    let events = run(
        &[
            json!({"role": "assistant", "content": ""}),
            json!({"reasoning_content": "hm", "reasoning": "hm"}),
            json!({"content": "Let me "}),
            tool(Some(0), Some("a"), Some("look"), ""),
            tool(Some(0), None, None, "{\"q\":"),
            tool(Some(0), None, None, "1}"),
        ],
        "tool_calls",
    );
    let delta = |arguments: &str| ModelEvent::ToolCallDelta { index: 0, arguments: arguments.to_owned() };
    assert_eq!(
        events,
        [
            ModelEvent::Reasoning("hm".to_owned()),
            ModelEvent::Text("Let me ".to_owned()),
            ModelEvent::ToolCallStart { index: 0, id: "a".to_owned(), name: "look".to_owned() },
            delta("{\"q\":"),
            delta("1}"),
            ModelEvent::ToolCallEnd { index: 0 },
            ModelEvent::End { reason: FinishReason::ToolCalls },
        ]
    );
}

#[test]
fn interleaved_and_out_of_order_indexes() {
    let events = run(
        &[
            tool(Some(3), Some("c"), Some("third"), "{\"n\":"),
            tool(Some(1), Some("b"), Some("first"), ""),
            tool(Some(3), None, None, "3}"),
            tool(Some(1), None, None, "{}"),
        ],
        "tool_calls",
    );
    assert_eq!(calls(&events), [call("c", "third", "{\"n\":3}"), call("b", "first", "{}")]);
}

#[test]
fn whole_calls_without_index_or_id() {
    let both = json!({"tool_calls": [
        {"function": {"name": "one", "arguments": {"a": 1}}},
        {"function": {"name": "two", "arguments": null}},
    ]});
    assert_eq!(
        calls(&run(&[both], "stop")),
        [call("call_1", "one", "{\"a\":1}"), call("call_2", "two", "{}")]
    );
}

#[test]
fn one_index_for_every_call() {
    let events = run(
        &[tool(Some(0), Some("a"), Some("one"), "{}"), tool(Some(0), Some("b"), Some("two"), "{}")],
        "stop",
    );
    assert_eq!(calls(&events), [call("a", "one", "{}"), call("b", "two", "{}")]);
    let events =
        run(&[tool(Some(0), None, Some("one"), "{}"), tool(Some(0), None, Some("one"), "{\"x\":2}")], "stop");
    assert_eq!(calls(&events), [call("call_1", "one", "{}"), call("call_2", "one", "{\"x\":2}")]);
}

#[test]
fn one_id_for_every_call_or_one_of_an_earlier_answer() {
    let events = run(
        &[
            tool(Some(0), Some("old"), Some("one"), "{}"),
            tool(Some(1), Some("x"), Some("two"), "{}"),
            tool(Some(2), Some("x"), Some("three"), "{}"),
        ],
        "tool_calls",
    );
    let ids: Vec<String> = calls(&events).into_iter().map(|call| call.0).collect();
    assert_eq!(ids, ["call_1", "x", "call_3"]);
    let events =
        run(&[tool(None, Some("x"), Some("one"), "{}"), tool(None, Some("x"), Some("two"), "{}")], "stop");
    assert_eq!(calls(&events), [call("x", "one", "{}"), call("call_2", "two", "{}")]);
}

#[test]
fn a_new_id_or_the_name_again_in_every_chunk() {
    let events = run(
        &[
            tool(Some(0), Some("a"), Some("one"), "{\"q\""),
            tool(Some(0), Some("b"), None, ":\"x"),
            tool(Some(0), Some("c"), None, "\"}"),
        ],
        "tool_calls",
    );
    assert_eq!(calls(&events), [call("a", "one", "{\"q\":\"x\"}")]);
    let events = run(
        &[
            tool(Some(0), Some("a"), Some("one"), "{\"q\""),
            tool(Some(0), Some("a"), Some("one"), ":{}"),
            tool(Some(0), Some("a"), Some("one"), "}"),
            tool(Some(0), Some("a"), Some("one"), ""),
        ],
        "tool_calls",
    );
    assert_eq!(calls(&events), [call("a", "one", "{\"q\":{}}")]);
}

#[test]
fn a_name_that_comes_late_and_one_that_never_comes() {
    let events = run(
        &[tool(Some(0), Some("a"), None, "{\"q\""), tool(Some(0), None, Some("one"), ":1}")],
        "tool_calls",
    );
    assert_eq!(calls(&events), [call("a", "one", "{\"q\":1}")]);
    let events = run(&[tool(Some(0), Some("a"), None, "{}")], "tool_calls");
    assert_eq!(events, [ModelEvent::End { reason: FinishReason::Stop }]);
}

#[test]
fn fifty_parallel_calls_end_once_each_in_order() {
    let mut deltas: Vec<Value> =
        (0..50).map(|n| tool(Some(n), Some("same"), Some(&format!("t{n}")), "{\"n\":")).collect();
    deltas.extend((0..50).rev().map(|n| tool(Some(n), None, None, &format!("{n}}}"))));
    let calls = calls(&run(&deltas, "tool_calls"));
    let ids: HashSet<_> = calls.iter().map(|call| call.0.clone()).collect();
    assert_eq!((calls.len(), ids.len()), (50, 50));
    for (n, call) in calls.iter().enumerate() {
        assert_eq!(
            (call.1.as_str(), call.2.as_str(), call.3),
            (&*format!("t{n}"), &*format!("{{\"n\":{n}}}"), true)
        );
    }
}

#[test]
fn a_call_cut_by_the_output_limit_does_not_end() {
    let deltas = [
        tool(Some(0), Some("a"), Some("one"), "{\"q\":1}"),
        tool(Some(1), Some("b"), Some("two"), "{\"q\":{}"),
        tool(Some(2), Some("c"), Some("three"), ""),
    ];
    let events = run(&deltas, "length");
    let ended: Vec<bool> = calls(&events).into_iter().map(|call| call.3).collect();
    assert_eq!(ended, [true, false, false]);
    assert_eq!(events.last(), Some(&ModelEvent::End { reason: FinishReason::Length }));
}

#[test]
fn without_a_finish_reason_nothing_ends() {
    let mut assembler = Assembler::default();
    let mut out = Vec::new();
    assembler
        .chunk(&json!({"choices": [{"delta": tool(Some(0), Some("a"), Some("one"), "{}")}]}), &mut out)
        .unwrap();
    out.clear();
    assert_eq!(assembler.finish(&mut out), Err(ModelError::Interrupted(Interruption::NoEndMarker)));
    assert_eq!(out, []);
}

#[test]
fn usage_is_told_once_and_other_choices_are_not_ours() {
    let mut assembler = Assembler::default();
    let mut out = Vec::new();
    for chunk in [
        json!({"choices": [{"index": 1, "delta": {"content": "other"}}], "usage": null}),
        json!({"choices": [{"delta": {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "t"}]}, {"type": "text", "text": "x"}]}, "finish_reason": "stop"}], "usage": {"prompt_tokens": 1}}),
        json!({"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10,
            "prompt_tokens_details": {"cached_tokens": 4}, "completion_tokens_details": {"reasoning_tokens": 2}}}),
    ] {
        assembler.chunk(&chunk, &mut out).unwrap();
    }
    assembler.finish(&mut out).unwrap();
    let usage = Usage {
        input_tokens: 7,
        output_tokens: 3,
        total_tokens: 10,
        reasoning_tokens: 2,
        cache_read_tokens: 4,
        ..Usage::default()
    };
    assert_eq!(
        out,
        [
            ModelEvent::Reasoning("t".to_owned()),
            ModelEvent::Text("x".to_owned()),
            ModelEvent::Usage(usage),
            ModelEvent::End { reason: FinishReason::Stop },
        ]
    );
}

#[test]
fn caps_hold() {
    let mut assembler = Assembler::default();
    let mut out = Vec::new();
    let big = "x".repeat(TOOL_ARGUMENTS / 2);
    let mut feed = |delta: Value| assembler.chunk(&json!({"choices": [{"delta": delta}]}), &mut out);
    feed(tool(Some(0), Some("a"), Some("one"), &big)).unwrap();
    feed(tool(Some(0), None, None, &big)).unwrap();
    assert_eq!(feed(tool(Some(0), None, None, "x")), Err(too_large("arguments of a tool call")));
    for n in 1..TOOL_CALLS as u64 {
        feed(tool(Some(n), None, Some("t"), "")).unwrap();
    }
    assert_eq!(feed(tool(Some(9999), None, Some("t"), "")), Err(too_large("tool calls")));
    assert_eq!(feed(tool(Some(1), None, Some("t"), "")), Ok(()));
}

proptest::proptest! {
    /// Whatever comes: no panic, dense indexes, unique ids, no delta after an end.
    #[test]
    fn any_deltas_keep_the_invariants(
        deltas in proptest::collection::vec(
            (proptest::option::of(0_u64..3), proptest::option::of("[ab]"), proptest::option::of("[xy]?"), "(\\{\\}|\\{|\\}|\"|)"), 0..30),
        finish in "(stop|tool_calls|length|error|odd)",
    ) {
        let mut assembler = Assembler::new(HashSet::from(["a".to_owned()]));
        let mut out = Vec::new();
        for (index, id, name, arguments) in &deltas {
            let delta = tool(*index, id.as_deref(), name.as_deref(), arguments);
            assembler.chunk(&json!({"choices": [{"delta": delta}]}), &mut out).unwrap();
        }
        assembler.chunk(&json!({"choices": [{"finish_reason": finish}]}), &mut out).unwrap();
        let ended = assembler.finish(&mut out);
        assert_eq!(ended.is_err(), finish == "error");
        let calls = calls(&out);
        let ids: HashSet<_> = calls.iter().map(|call| call.0.clone()).collect();
        assert_eq!(ids.len(), calls.len());
        if finish == "stop" || finish == "tool_calls" {
            assert!(calls.iter().all(|call| call.3 && !call.2.trim().is_empty()));
        }
    }
}
