//! Where the model's view begins, as lines of the transcript.

use super::{CHAT, Transcript, at, call_part, chat, message, result_part, user};
use crate::pages::chat::transcript::blocks::Block;
use api::messages::ChatMessage;
use domain::boundary::{CLEARED, Kind, SUMMARIZED};
use serde_json::json;

fn pair(id: i64, name: &str, outcome: &str) -> [ChatMessage; 2] {
    let call = json!({"type": "tool-call", "tool_call_id": name, "tool_name": name, "args": {}, "created_at": at(id)});
    let mut result = result_part(name, outcome, outcome != "ok", "What was said.", id);
    result["tool_name"] = json!(name);
    [message(id, "assistant", json!([call])), message(id + 1, "tool", json!([result]))]
}

fn kinds(messages: Vec<ChatMessage>) -> Vec<&'static str> {
    let transcript = Transcript::new(&chat("waiting"), messages, false);
    assert_eq!(transcript.chat_id(), CHAT);
    let blocks = transcript.blocks();
    assert!(blocks.is_sorted_by_key(|(key, _)| *key), "{blocks:?}");
    let kind = |block: &Block| match block {
        Block::User { .. } => "user",
        Block::Calls(_) => "calls",
        Block::Boundary { kind: Kind::Summary, .. } => "summary",
        Block::Boundary { kind: Kind::Clear, .. } => "clear",
        _ => "other",
    };
    blocks.iter().map(|(_, block)| kind(block)).collect()
}

#[test]
fn boundaries_are_lines_of_their_own() {
    let [call, result] = pair(4, SUMMARIZED, "ok");
    let used = message(2, "assistant", json!([call_part("c1", "look", 2)]));
    let done = message(3, "tool", json!([result_part("c1", "ok", false, "found", 3)]));
    let [cleared, said] = pair(7, CLEARED, "ok");
    let all = vec![user(1), used.clone(), done.clone(), call.clone(), result, user(6), cleared, said];
    assert_eq!(kinds(all), ["user", "calls", "summary", "user", "clear"]);
    // Its result comes right behind it: until then there is nothing to show.
    assert_eq!(kinds(vec![user(1), used, done, call]), ["user", "calls"]);
    // What a model made up is a call like any other.
    let [call, refused] = pair(2, SUMMARIZED, "error");
    assert_eq!(kinds(vec![user(1), call, refused]), ["user", "calls"]);
}
