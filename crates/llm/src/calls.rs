//! Tool calls of an answer, as every dialect has them: when one is whole, and how the answer closes them.

use crate::{FinishReason, ModelError, ModelEvent, ProtocolFault};

/// A call that began, when its answer has ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BegunCall<'a> {
    pub(crate) index: usize,
    /// The text so far.
    pub(crate) arguments: &'a str,
    /// The text may end in the middle.
    pub(crate) maybe_cut: bool,
}

/// The arguments are one complete JSON value. Looks at the last byte first: this may be asked once per chunk.
pub(crate) fn is_whole(arguments: &str) -> bool {
    arguments.trim_end().ends_with('}') && serde_json::from_str::<serde::de::IgnoredAny>(arguments).is_ok()
}

/// Closes the calls of an answer that ended in order, except those that were cut, and says why it ended.
pub(crate) fn close(
    calls: &[BegunCall<'_>],
    reason: FinishReason,
    out: &mut Vec<ModelEvent>,
) -> FinishReason {
    for call in calls {
        if call.maybe_cut && !is_whole(call.arguments) {
            continue;
        }
        if call.arguments.trim().is_empty() {
            out.push(ModelEvent::ToolCallDelta { index: call.index, arguments: "{}".to_owned() });
        }
        out.push(ModelEvent::ToolCallEnd { index: call.index });
    }
    match reason {
        // Several servers say "stop" after calls, some say "tool_calls" without any.
        FinishReason::Stop if !calls.is_empty() => FinishReason::ToolCalls,
        FinishReason::ToolCalls if calls.is_empty() => FinishReason::Stop,
        other => other,
    }
}

pub(crate) fn too_large(what: &'static str) -> ModelError {
    ModelError::Protocol(ProtocolFault::TooLarge { what })
}
