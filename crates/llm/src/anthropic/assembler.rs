//! Events of the Messages API in, events of ours out.
//!
//! An answer is a list of blocks, each with its start, its deltas and its stop, named by their index. New kinds of events,
//! blocks and deltas may appear at any time and are passed over, as the API asks its clients to.

use crate::{
    FinishReason, Interruption, ModelError, ModelEvent, Outage, ProtocolFault,
    calls::{BegunCall, close, too_large},
    ids,
    limits::{TOOL_ARGUMENTS, TOOL_CALL_NAME, TOOL_CALLS},
    stream::{Assemble, Taken},
};
use api::messages::Usage;
use serde_json::Value;
use std::collections::{HashMap, HashSet};

/// What has been received of one answer.
#[derive(Debug, Default)]
pub(super) struct Assembler {
    calls: Vec<Call>,
    /// From a block's index to its call, for blocks that are calls.
    open: HashMap<u64, usize>,
    /// Ids of the conversation and of this answer.
    used_ids: HashSet<String>,
    tokens: Option<Tokens>,
    stop: Option<FinishReason>,
    /// `message_stop` was read.
    ended: bool,
}

#[derive(Debug, Default)]
struct Call {
    arguments: String,
    /// Arguments that came whole with the block's start, as some servers send them.
    given: Option<String>,
    stopped: bool,
}

#[derive(Debug, Clone, Copy, Default)]
struct Tokens {
    input: i64,
    output: i64,
    cache_creation: i64,
    cache_read: i64,
}

impl Assemble for Assembler {
    fn take(&mut self, name: &str, data: &Value, out: &mut Vec<ModelEvent>) -> Result<Taken, ModelError> {
        let Some(kind) = text(data, "type").or(Some(name).filter(|name| !name.is_empty())) else {
            return Err(ModelError::Protocol(ProtocolFault::BadEvent));
        };
        if !data.is_object() {
            return Err(ModelError::Protocol(ProtocolFault::BadEvent));
        }
        match kind {
            "ping" => return Ok(Taken::KeepAlive),
            "message_start" => self.count(data.pointer("/message/usage")),
            "content_block_start" => self.block_start(data, out)?,
            "content_block_delta" => self.block_delta(data, out)?,
            "content_block_stop" => self.block_stop(data, out),
            "message_delta" => {
                self.count(data.get("usage"));
                if let Some(reason) = data.pointer("/delta/stop_reason").and_then(Value::as_str) {
                    self.stop = Some(read_stop(reason));
                }
            }
            "message_stop" => {
                self.ended = true;
                return Ok(Taken::End);
            }
            // One with an error object was read before it came here.
            "error" => {
                return Err(ModelError::Unavailable { outage: Outage::Announced, retry_after: None });
            }
            _ => {}
        }
        Ok(Taken::Part)
    }

    fn finish(&mut self, out: &mut Vec<ModelEvent>) -> Result<(), ModelError> {
        let Some(reason) = self.stop.filter(|_| self.ended) else {
            return Err(ModelError::Interrupted(Interruption::NoEndMarker));
        };
        let limit_reached = reason == FinishReason::Length;
        // What was refused half-way is not acted upon, however whole it looks.
        let calls = if reason == FinishReason::ContentFilter { &[][..] } else { &self.calls };
        let calls: Vec<BegunCall<'_>> = calls
            .iter()
            .enumerate()
            .map(|(index, call)| BegunCall {
                index,
                arguments: &call.arguments,
                maybe_cut: limit_reached || !call.stopped,
            })
            .collect();
        let reason = close(&calls, reason, out);
        out.extend(self.tokens.map(|tokens| ModelEvent::Usage(tokens.usage())));
        out.push(ModelEvent::End { reason });
        Ok(())
    }
}

impl Assembler {
    /// For an answer in a conversation that has used `ids` already.
    pub(super) fn new(used_ids: HashSet<String>) -> Self {
        Self { used_ids, ..Self::default() }
    }

    fn block_start(&mut self, data: &Value, out: &mut Vec<ModelEvent>) -> Result<(), ModelError> {
        let index = block_index(data);
        // An index that is used again names the newer block.
        self.open.remove(&index);
        let Some(block) = data.get("content_block") else { return Ok(()) };
        match text(block, "type") {
            Some("text") => out.extend(piece(block, "text").map(ModelEvent::Text)),
            Some("thinking") => out.extend(piece(block, "thinking").map(ModelEvent::Reasoning)),
            Some("tool_use") => {
                let name = text(block, "name").filter(|name| !name.is_empty());
                let name = name.ok_or(ModelError::Protocol(ProtocolFault::BadEvent))?;
                if name.len() > TOOL_CALL_NAME {
                    return Err(too_large("the name of a tool call"));
                }
                if self.calls.len() == TOOL_CALLS {
                    return Err(too_large("tool calls"));
                }
                let given = block.get("input").and_then(Value::as_object).filter(|input| !input.is_empty());
                let given = given.map(|input| Value::Object(input.clone()).to_string());
                let id = ids::unique(&mut self.used_ids, text(block, "id").filter(|id| !id.is_empty()));
                let call = self.calls.len();
                self.calls.push(Call { given, ..Call::default() });
                self.open.insert(index, call);
                out.push(ModelEvent::ToolCallStart { index: call, id, name: name.to_owned() });
            }
            _ => {}
        }
        Ok(())
    }

    fn block_delta(&mut self, data: &Value, out: &mut Vec<ModelEvent>) -> Result<(), ModelError> {
        let Some(delta) = data.get("delta") else { return Ok(()) };
        match text(delta, "type") {
            Some("text_delta") => out.extend(piece(delta, "text").map(ModelEvent::Text)),
            Some("thinking_delta") => out.extend(piece(delta, "thinking").map(ModelEvent::Reasoning)),
            Some("input_json_delta") => {
                let Some(arguments) = piece(delta, "partial_json") else { return Ok(()) };
                // Without a call it belongs to a tool that the provider runs by itself.
                let Some(&index) = self.open.get(&block_index(data)) else { return Ok(()) };
                let Some(call) = self.calls.get_mut(index) else { return Ok(()) };
                if call.arguments.len() + arguments.len() > TOOL_ARGUMENTS {
                    return Err(too_large("arguments of a tool call"));
                }
                call.arguments.push_str(&arguments);
                out.push(ModelEvent::ToolCallDelta { index, arguments });
            }
            _ => {}
        }
        Ok(())
    }

    fn block_stop(&mut self, data: &Value, out: &mut Vec<ModelEvent>) {
        let Some(index) = self.open.remove(&block_index(data)) else { return };
        let Some(call) = self.calls.get_mut(index) else { return };
        call.stopped = true;
        if let Some(arguments) = call.given.take()
            && call.arguments.is_empty()
        {
            call.arguments.clone_from(&arguments);
            out.push(ModelEvent::ToolCallDelta { index, arguments });
        }
    }

    /// Counts are running totals; which event has which of them differs between servers.
    fn count(&mut self, usage: Option<&Value>) {
        let Some(usage) = usage.filter(|usage| usage.is_object()) else { return };
        let tokens = self.tokens.get_or_insert_default();
        for (count, key) in [
            (&mut tokens.input, "input_tokens"),
            (&mut tokens.output, "output_tokens"),
            (&mut tokens.cache_creation, "cache_creation_input_tokens"),
            (&mut tokens.cache_read, "cache_read_input_tokens"),
        ] {
            *count = usage.get(key).and_then(Value::as_i64).unwrap_or(0).max(*count);
        }
    }
}

impl Tokens {
    /// The API counts what the cache took or gave beside `input_tokens`; here, as with every provider, the input is the whole prompt
    /// and the cache's parts are parts of it.
    fn usage(self) -> Usage {
        let input_tokens = self.input.saturating_add(self.cache_creation).saturating_add(self.cache_read);
        Usage {
            input_tokens,
            output_tokens: self.output,
            total_tokens: input_tokens.saturating_add(self.output),
            cache_creation_tokens: self.cache_creation,
            cache_read_tokens: self.cache_read,
            ..Usage::default()
        }
    }
}

fn text<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.get(key).and_then(Value::as_str)
}

/// The text under `key`, unless it is empty.
fn piece(value: &Value, key: &str) -> Option<String> {
    text(value, key).filter(|text| !text.is_empty()).map(str::to_owned)
}

fn block_index(data: &Value) -> u64 {
    data.get("index").and_then(Value::as_u64).unwrap_or(0)
}

fn read_stop(reason: &str) -> FinishReason {
    match reason {
        "tool_use" => FinishReason::ToolCalls,
        "max_tokens" | "model_context_window_exceeded" => FinishReason::Length,
        "refusal" => FinishReason::ContentFilter,
        // "end_turn", "stop_sequence" …; and "pause_turn", which is for tools that the provider runs by itself, and none is asked for.
        _ => FinishReason::Stop,
    }
}

#[cfg(test)]
mod tests;
