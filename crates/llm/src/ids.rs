//! Ids of tool calls.

use crate::{GenerationRequest, PromptMessage, limits::TOOL_CALL_NAME};
use std::collections::HashSet;

/// The ids of the calls in the conversation so far.
pub(crate) fn of_conversation(request: &GenerationRequest) -> HashSet<String> {
    let calls = request.messages.iter().flat_map(|message| match message {
        PromptMessage::Assistant { tool_calls, .. } => tool_calls.as_slice(),
        _ => &[],
    });
    calls.map(|call| call.id.clone()).collect()
}

/// `wanted`, or a name of our own where it is missing, too long or taken: results are matched to calls by it, in one
/// answer and in the whole conversation.
pub(crate) fn unique(used: &mut HashSet<String>, wanted: Option<&str>) -> String {
    if let Some(id) = wanted.filter(|id| id.len() <= TOOL_CALL_NAME)
        && used.insert(id.to_owned())
    {
        return id.to_owned();
    }
    let mut number = used.len();
    loop {
        let id = format!("call_{number}");
        if used.insert(id.clone()) {
            return id;
        }
        number += 1;
    }
}
