//! The request body.
//!
//! The API is strict about a conversation: the roles take turns, each call has its result in the very next message, no text is
//! blank, and one message that breaks a rule refuses the chat for ever. So what cannot be said as it was is said otherwise.

use crate::{GenerationRequest, PromptMessage, PromptToolCall, ToolSpec};
use domain::{
    limits::OUTPUT_LIMIT_TOKENS,
    provider_schema::{Dialect, adapt},
};
use serde_json::{Map, Value, json};
use std::{borrow::Cow, collections::BTreeSet};

/// Begins an id that stands for one that the API would refuse.
const ID_MARK: &str = "id-";
/// The longest name of a tool, in characters.
const TOOL_NAME: usize = 64;

/// The JSON text of `request`; `output_limit` is the model's own, where it is known.
pub(super) fn build(request: &GenerationRequest, output_limit: Option<i64>) -> String {
    let wanted = if request.max_output_tokens > 0 { request.max_output_tokens } else { OUTPUT_LIMIT_TOKENS };
    let mut body = Map::new();
    body.insert("model".to_owned(), json!(request.model));
    body.insert("max_tokens".to_owned(), json!(output_limit.map_or(wanted, |limit| limit.min(wanted))));
    body.insert("stream".to_owned(), json!(true));
    if let Some(text) = request.system.as_deref().and_then(said) {
        body.insert("system".to_owned(), marked(vec![json!({"type": "text", "text": text})]));
    }
    let tools: Vec<Value> = request.tools.iter().filter_map(tool).collect();
    if !tools.is_empty() {
        body.insert("tools".to_owned(), marked(tools));
    } else if let called @ [_, ..] = called_tools(request).as_slice() {
        // A conversation with calls is refused without tools, and its servers may be gone.
        body.insert("tools".to_owned(), marked(called.to_vec()));
        body.insert("tool_choice".to_owned(), json!({"type": "none"}));
    }
    body.insert("messages".to_owned(), messages(request));
    Value::Object(body).to_string()
}

/// Marks the last of `blocks`: the provider keeps what it has read up to there, and reads it at a tenth of the price in the next step
/// (<https://docs.claude.com/en/docs/build-with-claude/prompt-caching>). Up to four marks are allowed in one request; three are set.
fn marked(mut blocks: Vec<Value>) -> Value {
    if let Some(Value::Object(block)) = blocks.last_mut() {
        block.insert("cache_control".to_owned(), json!({"type": "ephemeral"}));
    }
    Value::Array(blocks)
}

/// The conversation, in turns of the two roles.
fn messages(request: &GenerationRequest) -> Value {
    let mut turns: Vec<(&str, Vec<Value>)> = Vec::new();
    for message in &request.messages {
        let (role, blocks) = match message {
            PromptMessage::User { text } => {
                let text = said(text).unwrap_or("(empty message)");
                ("user", vec![json!({"type": "text", "text": text})])
            }
            PromptMessage::UserImage { media_type, data } => {
                let source = json!({"type": "base64", "media_type": media_type, "data": &**data});
                ("user", vec![json!({"type": "image", "source": source})])
            }
            PromptMessage::Assistant { text, tool_calls } => {
                let text = said(text).map(|text| json!({"type": "text", "text": text}));
                ("assistant", text.into_iter().chain(tool_calls.iter().map(tool_use)).collect())
            }
            PromptMessage::Tool { tool_call_id, text, is_error, .. } => {
                ("user", vec![tool_result(tool_call_id, text, *is_error)])
            }
        };
        match turns.last_mut() {
            // An answer that was stopped before its first word.
            _ if blocks.is_empty() => {}
            Some((last, all)) if *last == role => all.extend(blocks),
            _ => turns.push((role, blocks)),
        }
    }
    let last = turns.len().saturating_sub(1);
    let turns = turns.into_iter().enumerate().map(|(index, (role, blocks))| {
        let content = if index == last { marked(blocks) } else { Value::Array(blocks) };
        json!({"role": role, "content": content})
    });
    turns.collect()
}

fn tool_use(call: &PromptToolCall) -> Value {
    let input = call.object().unwrap_or_else(|instead| instead);
    json!({"type": "tool_use", "id": fit_id(&call.id), "name": fit_name(&call.name), "input": input})
}

fn tool_result(id: &str, text: &str, is_error: bool) -> Value {
    let nothing = if is_error { "The tool failed and said nothing." } else { "(empty result)" };
    let mut block = Map::new();
    block.insert("type".to_owned(), json!("tool_result"));
    block.insert("tool_use_id".to_owned(), json!(fit_id(id)));
    block.insert("content".to_owned(), json!(said(text).unwrap_or(nothing)));
    if is_error {
        block.insert("is_error".to_owned(), json!(true));
    }
    Value::Object(block)
}

/// Text that is not blank: a blank one is refused.
fn said(text: &str) -> Option<&str> {
    (!text.trim().is_empty()).then_some(text)
}

fn is_fit(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

/// The id of a call as the API takes it (`^[a-zA-Z0-9_-]+$`); other providers give ids with other characters. The same id always
/// becomes the same, and two never become one.
fn fit_id(id: &str) -> Cow<'_, str> {
    if is_fit(id) && !id.starts_with(ID_MARK) {
        return id.into();
    }
    format!("{ID_MARK}{}", domain::text::hex(id.as_bytes())).into()
}

/// The name of an earlier call as the API takes it: the model may have made one up.
fn fit_name(name: &str) -> Cow<'_, str> {
    if is_fit(name) && name.len() <= TOOL_NAME {
        return name.into();
    }
    let fit = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
    let name: String = name.chars().take(TOOL_NAME).map(fit).collect();
    if name.is_empty() { "unnamed".into() } else { name.into() }
}

/// A tool in the words of the API (behaviour 14). One that cannot be put into them is left out: with it the whole conversation would be
/// refused.
fn tool(spec: &ToolSpec) -> Option<Value> {
    let adapted = adapt(&spec.parameters, Dialect::Anthropic)
        .inspect_err(|refused| {
            tracing::warn!(tool = spec.name, path = refused.path, %refused, "a tool is not offered to the model");
        })
        .ok()?;
    let mut tool = Map::new();
    tool.insert("name".to_owned(), json!(spec.name));
    if let Some(description) = said(&spec.description) {
        tool.insert("description".to_owned(), json!(description));
    }
    tool.insert("input_schema".to_owned(), adapted.schema);
    Some(Value::Object(tool))
}

/// The tools that were called so far, by name only.
fn called_tools(request: &GenerationRequest) -> Vec<Value> {
    let calls = request.messages.iter().flat_map(|message| match message {
        PromptMessage::Assistant { tool_calls, .. } => tool_calls.as_slice(),
        _ => &[],
    });
    let names: BTreeSet<Cow<'_, str>> = calls.map(|call| fit_name(&call.name)).collect();
    names.into_iter().map(|name| json!({"name": name, "input_schema": {"type": "object"}})).collect()
}

#[cfg(test)]
mod tests;
