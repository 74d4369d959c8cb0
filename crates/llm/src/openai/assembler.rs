//! Chunks of the dialect in, events out.
//!
//! The dialect says: a call is named by its `index`, its first chunk has `id` and `name`, the rest has pieces of
//! `arguments`. Servers send whole calls in one chunk, leave out the index or the id, use index 0 for every call, repeat
//! ids between calls and between answers, or make up a new id for every chunk. All of these end as separate calls with
//! unique ids, in the order in which they began.

use crate::{
    FinishReason, Interruption, ModelError, ModelEvent, ProtocolFault,
    calls::{BegunCall, close, is_whole, too_large},
    ids,
    limits::{TOOL_ARGUMENTS, TOOL_CALL_NAME, TOOL_CALLS},
    stream::{Assemble, Taken},
};
use api::messages::Usage;
use serde_json::Value;
use std::collections::HashSet;

/// What has been received of one answer.
#[derive(Debug, Default)]
pub(super) struct Assembler {
    slots: Vec<Slot>,
    started: usize,
    /// Ids of the conversation and of this answer.
    used_ids: HashSet<String>,
    usage: Option<Usage>,
    finish: Option<Finish>,
}

/// A call on its way.
#[derive(Debug, Default)]
struct Slot {
    wire_index: Option<u64>,
    wire_id: Option<String>,
    name: String,
    arguments: String,
    /// Our index, once the name is known and the start was sent.
    out: Option<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Finish {
    Reason(FinishReason),
    /// The provider's own way to say that it failed.
    Failed,
}

/// One tool-call delta, whatever its shape.
struct CallDelta<'a> {
    index: Option<u64>,
    id: Option<&'a str>,
    name: Option<&'a str>,
    arguments: std::borrow::Cow<'a, str>,
}

impl Assemble for Assembler {
    fn take(&mut self, _name: &str, data: &Value, out: &mut Vec<ModelEvent>) -> Result<Taken, ModelError> {
        self.chunk(data, out).map(|()| Taken::Part)
    }

    fn finish(&mut self, out: &mut Vec<ModelEvent>) -> Result<(), ModelError> {
        let reason = match self.finish {
            Some(Finish::Reason(reason)) => reason,
            Some(Finish::Failed) => return Err(ModelError::Interrupted(Interruption::ErrorEvent)),
            None => return Err(ModelError::Interrupted(Interruption::NoEndMarker)),
        };
        let maybe_cut = matches!(reason, FinishReason::Length | FinishReason::ContentFilter);
        let mut calls: Vec<BegunCall<'_>> = Vec::new();
        for Slot { out, arguments, .. } in &self.slots {
            calls.extend(out.map(|index| BegunCall { index, arguments, maybe_cut }));
        }
        calls.sort_unstable_by_key(|call| call.index);
        let reason = close(&calls, reason, out);
        if self.slots.len() > calls.len() {
            tracing::warn!(
                calls = self.slots.len() - calls.len(),
                "the provider sent tool calls without a name"
            );
        }
        out.extend(self.usage.map(ModelEvent::Usage));
        out.push(ModelEvent::End { reason });
        Ok(())
    }
}

impl Assembler {
    /// For an answer in a conversation that has used `ids` already.
    pub(super) fn new(used_ids: HashSet<String>) -> Self {
        Self { used_ids, ..Self::default() }
    }

    /// Takes one chunk and appends its events to `out`.
    ///
    /// # Errors
    /// [`ProtocolFault::TooLarge`] over a cap, [`ProtocolFault::BadEvent`] for what is no object.
    pub(super) fn chunk(&mut self, chunk: &Value, out: &mut Vec<ModelEvent>) -> Result<(), ModelError> {
        if !chunk.is_object() {
            return Err(ModelError::Protocol(ProtocolFault::BadEvent));
        }
        let choice = chunk.get("choices").and_then(Value::as_array).and_then(|choices| {
            choices.iter().find(|choice| choice.get("index").and_then(Value::as_u64).unwrap_or(0) == 0)
        });
        for usage in [chunk.get("usage"), choice.and_then(|choice| choice.get("usage"))].into_iter().flatten()
        {
            if usage.is_object() {
                self.usage = Some(read_usage(usage));
            }
        }
        let Some(choice) = choice else { return Ok(()) };
        let delta = choice.get("delta").filter(|delta| delta.is_object()).or_else(|| choice.get("message"));
        if let Some(delta) = delta {
            self.delta(delta, out)?;
        }
        if let Some(reason) = choice.get("finish_reason").and_then(Value::as_str) {
            // A server that repeats the field with another value means the first one.
            self.finish.get_or_insert_with(|| read_finish(reason));
        }
        Ok(())
    }

    fn delta(&mut self, delta: &Value, out: &mut Vec<ModelEvent>) -> Result<(), ModelError> {
        // Servers in transition send the same thinking under both names.
        let reasoning = ["reasoning_content", "reasoning"]
            .into_iter()
            .filter_map(|key| delta.get(key).and_then(Value::as_str))
            .find(|text| !text.is_empty());
        out.extend(reasoning.map(|text| ModelEvent::Reasoning(text.to_owned())));
        match delta.get("content") {
            Some(Value::String(text)) if !text.is_empty() => out.push(ModelEvent::Text(text.clone())),
            Some(Value::Array(parts)) => parts.iter().for_each(|part| content_part(part, out)),
            _ => {}
        }
        if let Some(text) = delta.get("refusal").and_then(Value::as_str).filter(|text| !text.is_empty()) {
            out.push(ModelEvent::Text(text.to_owned()));
        }
        for call in delta.get("tool_calls").and_then(Value::as_array).into_iter().flatten() {
            self.call_delta(&CallDelta::read(call), out)?;
        }
        Ok(())
    }

    fn call_delta(&mut self, delta: &CallDelta<'_>, out: &mut Vec<ModelEvent>) -> Result<(), ModelError> {
        let position = match self.position(delta) {
            Some(position) => position,
            None if self.slots.len() == TOOL_CALLS => return Err(too_large("tool calls")),
            None => {
                self.slots.push(Slot { wire_index: delta.index, ..Slot::default() });
                self.slots.len() - 1
            }
        };
        let slot = &mut self.slots[position];
        if slot.wire_id.is_none() {
            slot.wire_id = delta.id.map(str::to_owned);
        }
        if slot.arguments.len() + delta.arguments.len() > TOOL_ARGUMENTS {
            return Err(too_large("arguments of a tool call"));
        }
        slot.arguments.push_str(&delta.arguments);
        match (slot.out, delta.name) {
            (Some(index), _) => {
                if !delta.arguments.is_empty() {
                    out.push(ModelEvent::ToolCallDelta {
                        index,
                        arguments: delta.arguments.clone().into_owned(),
                    });
                }
            }
            (None, None) => {}
            (None, Some(name)) => {
                if name.len() > TOOL_CALL_NAME {
                    return Err(too_large("the name of a tool call"));
                }
                let index = self.started;
                self.started += 1;
                slot.name = name.to_owned();
                slot.out = Some(index);
                let id = ids::unique(&mut self.used_ids, slot.wire_id.as_deref());
                out.push(ModelEvent::ToolCallStart { index, id, name: slot.name.clone() });
                if !slot.arguments.is_empty() {
                    // With what came before the name.
                    out.push(ModelEvent::ToolCallDelta { index, arguments: slot.arguments.clone() });
                }
            }
        }
        Ok(())
    }

    /// The call that `delta` continues; `None` when it begins one.
    fn position(&self, delta: &CallDelta<'_>) -> Option<usize> {
        let begins = delta.name.is_some();
        // More arguments for a call that has all of them belong to another call.
        let next_call = |slot: &Slot| begins && !delta.arguments.is_empty() && is_whole(&slot.arguments);
        if let Some(index) = delta.index {
            let position = self.slots.iter().rposition(|slot| slot.wire_index == Some(index))?;
            let slot = &self.slots[position];
            let other_id = matches!((delta.id, &slot.wire_id), (Some(id), Some(known)) if id != known);
            let another = begins && slot.out.is_some() && (other_id || next_call(slot));
            return (!another).then_some(position);
        }
        if let Some(id) = delta.id
            && let Some(position) = self.slots.iter().rposition(|slot| slot.wire_id.as_deref() == Some(id))
        {
            return (!next_call(&self.slots[position])).then_some(position);
        }
        // An id nobody has seen, or none: with a name it is a new call, without one it goes on with the last.
        if begins { None } else { self.slots.len().checked_sub(1) }
    }
}

impl<'a> CallDelta<'a> {
    fn read(call: &'a Value) -> Self {
        let function = call.get("function");
        let text = |value: Option<&'a Value>| value.and_then(Value::as_str).filter(|text| !text.is_empty());
        let arguments = match function.and_then(|function| function.get("arguments")) {
            Some(Value::String(text)) => text.as_str().into(),
            None | Some(Value::Null) => "".into(),
            // Some servers send the object itself.
            Some(object) => object.to_string().into(),
        };
        Self {
            index: call.get("index").and_then(Value::as_u64),
            id: text(call.get("id")),
            name: text(function.and_then(|function| function.get("name"))),
            arguments,
        }
    }
}

/// One part of a `content` list: text, or thinking with its own list.
fn content_part(part: &Value, out: &mut Vec<ModelEvent>) {
    if let Some(text) = part.get("text").and_then(Value::as_str).filter(|text| !text.is_empty()) {
        out.push(ModelEvent::Text(text.to_owned()));
    }
    for thought in part.get("thinking").and_then(Value::as_array).into_iter().flatten() {
        if let Some(text) = thought.get("text").and_then(Value::as_str).filter(|text| !text.is_empty()) {
            out.push(ModelEvent::Reasoning(text.to_owned()));
        }
    }
}

fn read_finish(reason: &str) -> Finish {
    Finish::Reason(match reason {
        "tool_calls" | "function_call" | "tool_use" => FinishReason::ToolCalls,
        "length" | "max_tokens" | "model_length" => FinishReason::Length,
        "content_filter" | "safety" | "refusal" => FinishReason::ContentFilter,
        "error" => return Finish::Failed,
        // "stop", "eos", "end_turn", "" …: it has ended, for whatever reason of its own.
        _ => FinishReason::Stop,
    })
}

fn read_usage(usage: &Value) -> Usage {
    let count = |pointer: &str| usage.pointer(pointer).and_then(Value::as_i64).unwrap_or(0).max(0);
    let input_tokens = count("/prompt_tokens");
    let output_tokens = count("/completion_tokens");
    Usage {
        input_tokens,
        output_tokens,
        total_tokens: count("/total_tokens").max(input_tokens.saturating_add(output_tokens)),
        reasoning_tokens: count("/completion_tokens_details/reasoning_tokens"),
        cache_creation_tokens: 0,
        cache_read_tokens: count("/prompt_tokens_details/cached_tokens")
            .max(count("/prompt_cache_hit_tokens")),
        context_limit: 0,
    }
}

#[cfg(test)]
mod tests;
