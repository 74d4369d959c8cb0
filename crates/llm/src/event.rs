//! What a generation yields.

use api::messages::Usage;

/// One event of a generation. `index` counts the calls of this answer from 0, without gaps, in the order in which they
/// began; the calls of one answer may stream interleaved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelEvent {
    /// The next piece of the answer.
    Text(String),
    /// The next piece of the model's thinking.
    Reasoning(String),
    /// A call begins. `id` is unique in the whole conversation.
    ToolCallStart { index: usize, id: String, name: String },
    /// The next piece of the call's argument text.
    ToolCallDelta { index: usize, arguments: String },
    /// The call is complete and may be run. Only sent after the provider has ended the answer in order, so that a call of
    /// a cut stream is never run.
    ToolCallEnd { index: usize },
    /// Token counts; at most once, before the end.
    Usage(Usage),
    /// The answer is complete. Always the last event.
    End { reason: FinishReason },
}

/// Why the model stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FinishReason {
    /// It had nothing more to say.
    Stop,
    /// It waits for the results of its calls.
    ToolCalls,
    /// The output limit was reached; a call that was cut by it has no [`ModelEvent::ToolCallEnd`].
    Length,
    /// The provider's content filter cut the answer.
    ContentFilter,
}
