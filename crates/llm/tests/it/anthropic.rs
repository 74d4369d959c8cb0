//! The Anthropic Messages API.
#![expect(clippy::unwrap_used, reason = "a helper of tests fails by panicking")]

mod answers;
mod faults;

use serde_json::{Value, json};

/// One event, as the API writes it: its name twice.
fn event(kind: &str, rest: &Value) -> String {
    let mut data = json!({"type": kind});
    data.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
    format!("event: {kind}\ndata: {data}\n\n")
}

fn begin() -> String {
    let usage = json!({"input_tokens": 5, "cache_creation_input_tokens": 2, "cache_read_input_tokens": 4, "output_tokens": 1});
    event(
        "message_start",
        &json!({"message": {"id": "msg_1", "type": "message", "role": "assistant", "content": [], "model": "m-1",
            "stop_reason": null, "stop_sequence": null, "usage": usage}}),
    )
}

fn block(index: u64, block: &Value) -> String {
    event("content_block_start", &json!({"index": index, "content_block": block}))
}

fn delta(index: u64, delta: &Value) -> String {
    event("content_block_delta", &json!({"index": index, "delta": delta}))
}

fn said(text: &str) -> String {
    delta(0, &json!({"type": "text_delta", "text": text}))
}

fn arguments(index: u64, text: &str) -> String {
    delta(index, &json!({"type": "input_json_delta", "partial_json": text}))
}

fn tool(index: u64, id: &str, name: &str) -> String {
    block(index, &json!({"type": "tool_use", "id": id, "name": name, "input": {}}))
}

fn stop(index: u64) -> String {
    event("content_block_stop", &json!({"index": index}))
}

fn reason(reason: &str) -> String {
    let delta = json!({"stop_reason": reason, "stop_sequence": null});
    event("message_delta", &json!({"delta": delta, "usage": {"output_tokens": 9}}))
}

fn end() -> String {
    event("message_stop", &json!({}))
}

fn error(kind: &str) -> String {
    event("error", &json!({"error": {"type": kind, "message": "canary"}}))
}
