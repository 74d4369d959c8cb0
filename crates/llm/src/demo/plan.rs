//! A plan out of a message, for chats in plan mode: a step per sentence, stored and put before the person.

use super::{ARGUMENT_PIECE, TEXT_PIECE, pieces};
use crate::{FinishReason, GenerationRequest, ModelEvent, ToolSpec, ids};
use serde_json::json;
use std::collections::VecDeque;

const WRITE: &str = "write_plan";
const PROPOSE: &str = "propose_plan";
/// Steps of a plan, and characters of each.
const STEPS: usize = 12;
const STEP_CHARS: usize = 300;

/// The chat plans: both tools are there.
pub(super) fn wanted(own: &[ToolSpec]) -> bool {
    [WRITE, PROPOSE].iter().all(|name| own.iter().any(|tool| tool.name == *name))
}

/// Stores the plan and proposes it, in one answer.
pub(super) fn propose(request: &GenerationRequest, text: &str) -> VecDeque<ModelEvent> {
    let words =
        "I am the demo model, not an AI. This chat is in plan mode, so I make a step of each sentence.";
    let mut events: VecDeque<_> = pieces(words, TEXT_PIECE).map(ModelEvent::Text).collect();
    let mut known = ids::of_conversation(request);
    let calls = [(WRITE, json!({"content": document(text)})), (PROPOSE, json!({}))];
    for (index, (name, arguments)) in calls.into_iter().enumerate() {
        let id = ids::unique(&mut known, None);
        events.push_back(ModelEvent::ToolCallStart { index, id, name: name.to_owned() });
        let arguments = arguments.to_string();
        let deltas = pieces(&arguments, ARGUMENT_PIECE);
        events.extend(deltas.map(|arguments| ModelEvent::ToolCallDelta { index, arguments }));
        events.push_back(ModelEvent::ToolCallEnd { index });
    }
    events.push_back(ModelEvent::End { reason: FinishReason::ToolCalls });
    events
}

fn document(text: &str) -> String {
    let sentences =
        text.split(['\n', '.', '!', '?', ';']).map(str::trim).filter(|sentence| !sentence.is_empty());
    let steps: Vec<String> = sentences
        .take(STEPS)
        .enumerate()
        .map(|(at, sentence)| {
            format!("{}. {}", at + 1, sentence.chars().take(STEP_CHARS).collect::<String>())
        })
        .collect();
    let steps = if steps.is_empty() { "1. Say what is to be done".to_owned() } else { steps.join("\n") };
    format!("## Plan\n\n{steps}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_sentence_is_a_step() {
        assert_eq!(
            document("Look it up. Then write it down!"),
            "## Plan\n\n1. Look it up\n2. Then write it down"
        );
        assert_eq!(document(" "), "## Plan\n\n1. Say what is to be done");
    }
}
