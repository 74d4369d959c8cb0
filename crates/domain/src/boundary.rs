//! How a boundary of a model's view is shown to people (behaviour 24): a call and its result, of Patchbay's own, in the history.

use crate::text::cut_bytes;
use api::{
    Timestamp,
    messages::{Part, ResultContent, ToolCallPart, ToolOutcome, ToolResultPart},
};
use serde_json::json;

/// Name of the call that shows a summary.
pub const SUMMARIZED: &str = "chat_summarized";
/// Name of the call that shows that the context was cleared.
pub const CLEARED: &str = "chat_cleared";

/// Bytes of a summary.
pub const SUMMARY_BYTES: usize = 32 * 1024;

/// What a boundary is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Summary,
    Clear,
}

/// Why a chat was summarised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// Its owner wished it.
    Asked,
    /// The threshold was passed.
    Full,
    /// The provider said that the conversation does not fit.
    Overflow,
}

impl Cause {
    /// In the arguments of the call.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::Full => "threshold",
            Self::Overflow => "overflow",
        }
    }
}

/// Call and result that show a summary. `id` tells them from every other call of the chat.
pub fn shown_summary(
    id: &str,
    summary: &str,
    cause: Cause,
    began: Timestamp,
    ended: Timestamp,
) -> (Part, Part) {
    shown(SUMMARIZED, id, json!({"cause": cause.as_str()}), summary, (began, ended))
}

/// Call and result that show that the context was cleared.
pub fn shown_clear(id: &str, at: Timestamp) -> (Part, Part) {
    let text = "The context was cleared. What is above is no longer sent to the model.";
    shown(CLEARED, id, json!({}), text, (at, at))
}

fn shown(
    name: &str,
    id: &str,
    args: serde_json::Value,
    text: &str,
    at: (Timestamp, Timestamp),
) -> (Part, Part) {
    let tool_call_id = format!("{name}-{id}");
    let call = ToolCallPart {
        tool_call_id: tool_call_id.clone(),
        tool_name: name.to_owned(),
        args: Some(args),
        created_at: Some(at.0),
        ..ToolCallPart::default()
    };
    let result = ToolResultPart {
        tool_call_id,
        tool_name: name.to_owned(),
        mcp_server_config_id: None,
        result: vec![ResultContent::Text { text: cut_bytes(text, SUMMARY_BYTES).into_owned() }],
        is_error: false,
        is_media: false,
        provider_executed: false,
        outcome: ToolOutcome::Ok,
        truncated: false,
        total_bytes: None,
        needs: None,
        html: None,
        created_at: at.1,
    };
    (Part::ToolCall(call), Part::ToolResult(result))
}

/// The boundary that a finished call shows. A model can write such a name too, but no result of a tool nobody offered is `ok`.
pub fn kind_of(call: &ToolCallPart, result: Option<&ToolResultPart>) -> Option<Kind> {
    let ours = call.mcp_server_config_id.is_none()
        && result.is_some_and(|result| result.outcome == ToolOutcome::Ok && !result.is_error);
    match call.tool_name.as_str() {
        SUMMARIZED if ours => Some(Kind::Summary),
        CLEARED if ours => Some(Kind::Clear),
        _ => None,
    }
}

/// Whether a call shows a boundary, or will as soon as its result is there.
pub fn may_be(call: &ToolCallPart, result: Option<&ToolResultPart>) -> bool {
    let named =
        call.mcp_server_config_id.is_none() && matches!(call.tool_name.as_str(), SUMMARIZED | CLEARED);
    named && (result.is_none() || kind_of(call, result).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_boundary_is_known_by_its_call_and_its_good_result() {
        let (call, result) = shown_summary("1", "What was said.", Cause::Full, Timestamp(1), Timestamp(2));
        let (Part::ToolCall(call), Part::ToolResult(result)) = (call, result) else { panic!("a pair") };
        assert_eq!(call.tool_call_id, result.tool_call_id);
        assert_eq!(kind_of(&call, Some(&result)), Some(Kind::Summary));
        assert_eq!(kind_of(&call, None), None);
        // What a model made up is answered with an error.
        let refused = ToolResultPart { is_error: true, outcome: ToolOutcome::Error, ..result.clone() };
        assert_eq!(kind_of(&call, Some(&refused)), None);
        let foreign = ToolCallPart { mcp_server_config_id: Some(api::Uuid::nil()), ..call };
        assert_eq!(kind_of(&foreign, Some(&result)), None);
        let (Part::ToolCall(call), Part::ToolResult(result)) = shown_clear("1", Timestamp(1)) else {
            panic!("a pair")
        };
        assert_eq!(kind_of(&call, Some(&result)), Some(Kind::Clear));
    }
}
