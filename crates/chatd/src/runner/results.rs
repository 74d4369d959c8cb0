//! Tool results: as stored, and as the model sees them (behaviour 15).

use api::{
    Timestamp,
    messages::{ResultContent, ToolCallPart, ToolOutcome, ToolResultPart},
};
use domain::text::{cut_for_model, human_bytes, neutralise};
use mcpclient::CallOutcome;
use serde_json::Value;

use crate::limits;

/// What the model and the user are told of a call that was sent and not heard of again.
pub(super) const UNKNOWN: &str = "The connection to the tool was lost after the call was sent: it may or may not have happened. \
     Verify before trying again.";
/// Of a call that a stop prevented.
pub(super) const NOT_SENT: &str = "The call was not sent: the turn was stopped.";
/// Of a call that had no intent when its runner died.
pub(super) const NEVER_SENT: &str =
    "The call was not sent: Patchbay was restarted. Call the tool again if it is still needed.";
/// Of a call of Patchbay's own tools that its end did not reach.
pub(super) const OWN_UNKNOWN: &str = "The turn ended while Patchbay carried this out: it may or may not have happened. Verify before trying again.";
/// Of a call beyond those that a turn may make.
pub(super) const NO_ROOM: &str = "The call was not run: this turn has reached its limit of tool calls.";
/// Of a call that its owner denied.
pub(super) const DENIED: &str = "The call was not sent: the user denied it. Do not call it again with the same arguments; ask what to do instead.";
/// Of a call that nobody approved in time.
pub(super) const NOT_APPROVED: &str =
    "The call was not sent: it needed the user's approval and was not approved within 5 minutes.";
/// Of an approved call that is not the one that would be sent now.
pub(super) const APPROVED_OTHER: &str = "The call was not sent: the tool or its arguments are no longer what was approved. Call the tool again to ask \
     for a new approval.";
/// Of a call whose client brought no result.
pub(super) const NO_CLIENT_RESULT: &str =
    "The client that runs this tool gave no result within 5 minutes: the call was cancelled.";
/// Of a call that its client will not run.
pub(super) const CLIENT_CANCELLED: &str = "The call was cancelled by the client that runs this tool.";
/// Of a call whose server waited for an answer when Patchbay went down.
pub(super) const ASKED_AND_LOST: &str = "The tool was waiting for an answer when Patchbay was restarted, so the call was cancelled. Verify what it \
     had done before it asked.";
/// Of a call that was stopped while the tool was at work.
const STOPPED_SENT: &str = "The turn was stopped after the call was sent: it may or may not have happened. Verify before trying again.";

/// Of a call whose result did not fit beside the others of its step.
const TOO_LARGE: &str = "The tool ran, but its result was too large to keep beside the other results of this step. Ask for less at once, \
     or call the tools one after the other.";

/// How much the results of one step may take in memory and in the database. Each alone is capped by the client; a hundred of them are
/// not.
#[derive(Debug)]
pub(super) struct StepBudget {
    left: usize,
}

impl StepBudget {
    /// `bytes` for all results together.
    pub(super) fn new(bytes: usize) -> Self {
        Self { left: bytes }
    }

    /// The result as it is kept: whole while it fits, in the order in which they come; else a sentence in its place. What came of the
    /// call stays as it is: it ran.
    pub(super) fn keep(&mut self, mut part: ToolResultPart) -> ToolResultPart {
        let bytes: usize = part.result.iter().map(content_size).sum();
        if let Some(left) = self.left.checked_sub(bytes) {
            self.left = left;
            return part;
        }
        part.total_bytes = part.total_bytes.or_else(|| i64::try_from(bytes).ok());
        part.result = vec![ResultContent::Text { text: TOO_LARGE.to_owned() }];
        part.is_error = true;
        part.is_media = false;
        part.truncated = true;
        part
    }
}

/// Bytes of text and data in one part of a result.
pub(super) fn content_size(part: &ResultContent) -> usize {
    let size = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    match part {
        ResultContent::Text { text } => text.len(),
        ResultContent::Image { mime_type, data } | ResultContent::Audio { mime_type, data } => {
            mime_type.len() + data.len()
        }
        ResultContent::Resource { uri, mime_type, text, blob } => {
            uri.len() + size(mime_type) + size(text) + size(blob)
        }
        ResultContent::ResourceLink { uri, name, description } => uri.len() + name.len() + description.len(),
        ResultContent::Structured { value } => value.to_string().len(),
        ResultContent::Unknown { kind } => kind.len(),
    }
}

/// A result that Patchbay writes itself.
pub(super) fn own_result(
    call: &ToolCallPart,
    outcome: ToolOutcome,
    text: impl Into<String>,
    at: Timestamp,
) -> ToolResultPart {
    result_part(call, outcome, true, vec![ResultContent::Text { text: text.into() }], None, at)
}

/// What one of Patchbay's own tools says.
pub(super) fn own_answer(call: &ToolCallPart, result: Vec<ResultContent>, at: Timestamp) -> ToolResultPart {
    result_part(call, ToolOutcome::Ok, false, result, None, at)
}

/// What came of a call that was handed to the client.
pub(super) fn call_result(call: &ToolCallPart, outcome: CallOutcome, at: Timestamp) -> ToolResultPart {
    match outcome {
        CallOutcome::Done { content, is_error, total_bytes } => {
            let total = i64::try_from(total_bytes).ok();
            result_part(call, ToolOutcome::Ok, is_error, content, total, at)
        }
        CallOutcome::NotExecuted { message, .. } => own_result(call, ToolOutcome::Error, message, at),
        CallOutcome::Unknown { message, .. } => own_result(call, ToolOutcome::Unknown, message, at),
        CallOutcome::Cancelled { sure: true } => own_result(call, ToolOutcome::Cancelled, NOT_SENT, at),
        CallOutcome::Cancelled { sure: false } => own_result(call, ToolOutcome::Unknown, STOPPED_SENT, at),
    }
}

/// What a client says came of a tool that it ran: a text, or any other JSON.
pub(super) fn client_result(call: &ToolCallPart, answer: &Value, at: Timestamp) -> ToolResultPart {
    let output = answer.get("output").cloned().unwrap_or(Value::Null);
    let is_error = answer.get("is_error").and_then(Value::as_bool).unwrap_or(false);
    let content = match output {
        Value::String(text) => ResultContent::Text { text },
        value => ResultContent::Structured { value },
    };
    let bytes = i64::try_from(content_size(&content)).ok();
    result_part(call, ToolOutcome::Ok, is_error, vec![content], bytes, at)
}

fn result_part(
    call: &ToolCallPart,
    outcome: ToolOutcome,
    is_error: bool,
    result: Vec<ResultContent>,
    total_bytes: Option<i64>,
    created_at: Timestamp,
) -> ToolResultPart {
    let (_, truncated) = model_text(&result, limits::RESULT_TO_MODEL);
    let is_media =
        result.iter().any(|part| matches!(part, ResultContent::Image { .. } | ResultContent::Audio { .. }));
    ToolResultPart {
        tool_call_id: call.tool_call_id.clone(),
        tool_name: call.tool_name.clone(),
        mcp_server_config_id: call.mcp_server_config_id,
        result,
        is_error,
        is_media,
        provider_executed: false,
        outcome,
        truncated,
        total_bytes: total_bytes.filter(|_| truncated),
        needs: None,
        html: None,
        created_at,
    }
}

/// A result as the model sees it, at most `max` bytes and a line that says what is missing; the flag tells whether something is.
/// Control characters are made visible: the text is a stranger's.
pub(super) fn model_text(content: &[ResultContent], max: usize) -> (String, bool) {
    let mut texts: Vec<String> = Vec::with_capacity(content.len());
    for part in content {
        let text = match part {
            ResultContent::Text { text } => neutralise(text).into_owned(),
            ResultContent::Image { mime_type, data } => media_note("Image", mime_type, data),
            ResultContent::Audio { mime_type, data } => media_note("Audio", mime_type, data),
            ResultContent::Resource { uri, mime_type, text, blob } => {
                let kind = mime_type.as_deref().unwrap_or("unknown type");
                match (text, blob) {
                    (Some(text), _) => neutralise(text).into_owned(),
                    (None, Some(blob)) => format!("[Resource {}, {}]", line(uri), media_size(kind, blob)),
                    (None, None) => format!("[Resource {}, {}]", line(uri), line(kind)),
                }
            }
            ResultContent::ResourceLink { uri, name, description } => {
                let text = format!("[Link {}: {}", line(name), line(uri));
                if description.is_empty() {
                    format!("{text}]")
                } else {
                    format!("{text}, {}]", line(description))
                }
            }
            ResultContent::Structured { value } => {
                if repeats(value, content) {
                    continue;
                }
                neutralise(&value.to_string()).into_owned()
            }
            ResultContent::Unknown { kind } => format!("[Content of the unknown kind {}]", line(kind)),
        };
        texts.push(text);
    }
    let whole = texts.join("\n");
    let (cut, truncated) = cut_for_model(&whole, max);
    (cut.into_owned(), truncated)
}

/// Structured content often says once more what a text part says.
fn repeats(value: &serde_json::Value, content: &[ResultContent]) -> bool {
    content.iter().any(|part| match part {
        ResultContent::Text { text } => {
            serde_json::from_str::<serde_json::Value>(text).is_ok_and(|parsed| parsed == *value)
        }
        _ => false,
    })
}

fn media_note(what: &str, mime_type: &str, data: &str) -> String {
    format!("[{what}, {}; shown to the user]", media_size(mime_type, data))
}

fn media_size(mime_type: &str, base64: &str) -> String {
    format!("{}, {}", line(mime_type), human_bytes(base64.len() / 4 * 3))
}

/// A stranger's text as one line.
fn line(text: &str) -> String {
    neutralise(text).replace('\n', " ")
}

/// Takes the secrets that were sent to a server out of what it sent back (behaviour 15, "Do better").
pub(super) fn redact(content: &mut [ResultContent], secrets: &[String]) {
    if secrets.is_empty() {
        return;
    }
    let clean = |text: &mut String| {
        for secret in secrets {
            if text.contains(secret.as_str()) {
                *text = text.replace(secret.as_str(), "[redacted]");
            }
        }
    };
    for part in content {
        match part {
            ResultContent::Text { text } => clean(text),
            ResultContent::Resource { uri, text, .. } => {
                clean(uri);
                text.iter_mut().for_each(clean);
            }
            ResultContent::ResourceLink { uri, name, description } => {
                [uri, name, description].into_iter().for_each(clean)
            }
            ResultContent::Structured { value } => redact_value(value, &clean),
            ResultContent::Image { .. } | ResultContent::Audio { .. } | ResultContent::Unknown { .. } => {}
        }
    }
}

fn redact_value(value: &mut serde_json::Value, clean: &impl Fn(&mut String)) {
    match value {
        serde_json::Value::String(text) => clean(text),
        serde_json::Value::Array(items) => items.iter_mut().for_each(|item| redact_value(item, clean)),
        serde_json::Value::Object(members) => members.values_mut().for_each(|item| redact_value(item, clean)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn text(text: &str) -> ResultContent {
        ResultContent::Text { text: text.to_owned() }
    }

    #[test]
    fn every_kind_has_a_text_in_order() {
        let content = [
            text("one\u{1b}[31m"),
            ResultContent::Image { mime_type: "image/png".to_owned(), data: "A".repeat(4096) },
            ResultContent::ResourceLink {
                uri: "x:1".to_owned(),
                name: "n\nm".to_owned(),
                description: String::new(),
            },
            ResultContent::Unknown { kind: "smell".to_owned() },
            ResultContent::Structured { value: json!({"a": 1}) },
        ];
        let (shown, cut) = model_text(&content, 1000);
        assert!(!cut && !shown.contains('\u{1b}'));
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(lines[1], "[Image, image/png, 3.0 KiB; shown to the user]".replace("3.0", "3"));
        assert_eq!(lines[2..], ["[Link n m: x:1]", "[Content of the unknown kind smell]", "{\"a\":1}"]);
    }

    #[test]
    fn structured_content_that_repeats_the_text_is_left_out() {
        let structured = ResultContent::Structured { value: json!({"a": [1, 2]}) };
        assert_eq!(model_text(&[text("{ \"a\": [1, 2] }"), structured.clone()], 1000).0, "{ \"a\": [1, 2] }");
        assert_eq!(model_text(&[text("two"), structured], 1000).0, "two\n{\"a\":[1,2]}");
    }

    #[test]
    fn long_results_are_cut_and_say_so() {
        let (shown, cut) = model_text(&[text(&"é".repeat(1000))], 101);
        assert!(cut && shown.starts_with(&"é".repeat(50)) && shown.contains("shortened"));
        let call = ToolCallPart { tool_call_id: "c".to_owned(), ..ToolCallPart::default() };
        let done = |text: ResultContent| CallOutcome::Done {
            content: vec![text],
            is_error: false,
            total_bytes: 400_000,
        };
        let large = call_result(&call, done(text(&"x".repeat(400_000))), Timestamp(1));
        assert_eq!((large.truncated, large.total_bytes), (true, Some(400_000)));
        let small = call_result(&call, done(text("x")), Timestamp(1));
        assert_eq!((small.truncated, small.total_bytes), (false, None));
    }

    #[test]
    fn the_results_of_a_step_share_a_budget() {
        let call = ToolCallPart { tool_call_id: "c".to_owned(), ..ToolCallPart::default() };
        let of = |bytes: usize| {
            let content = vec![text(&"x".repeat(bytes))];
            let done = CallOutcome::Done { content, is_error: false, total_bytes: bytes as u64 };
            call_result(&call, done, Timestamp(1))
        };
        let mut budget = StepBudget::new(1000);
        let first = budget.keep(of(700));
        assert_eq!((first.result, first.is_error), (vec![text(&"x".repeat(700))], false));
        let second = budget.keep(of(301));
        assert_eq!(second.result, [text(TOO_LARGE)]);
        // It ran: the model must not take it for a call that may be repeated.
        assert_eq!((second.outcome, second.is_error, second.total_bytes), (ToolOutcome::Ok, true, Some(301)));
        // A smaller one still fits.
        assert!(!budget.keep(of(300)).is_error);
        assert!(budget.keep(of(1)).is_error);
    }

    #[test]
    fn what_was_sent_as_a_secret_does_not_come_back() {
        let mut content = [
            text("your key is s3cr3t-key!"),
            ResultContent::Structured { value: json!({"echo": ["Bearer s3cr3t-key"], "n": 1}) },
        ];
        redact(&mut content, &["s3cr3t-key".to_owned()]);
        assert_eq!(content[0], text("your key is [redacted]!"));
        assert_eq!(
            content[1],
            ResultContent::Structured { value: json!({"echo": ["Bearer [redacted]"], "n": 1}) }
        );
    }
}
