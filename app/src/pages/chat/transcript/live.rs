//! The running answer: pieces of one attempt put together as they come.

use super::{Shared, call::fallback_label};
use api::{
    messages::{Part, ToolCallPart},
    stream::LivePart,
};
use domain::intent::StreamingLabel;
use std::sync::Arc;

#[derive(Debug, Default)]
pub(super) struct Live {
    /// History version and attempt the items belong to; `None` before the first piece.
    generation: Option<(i64, i64)>,
    last_sequence: Option<i64>,
    /// Pieces made from this history or an older one are part of a committed message.
    stale_through: Option<i64>,
    replace: bool,
    pub(super) items: Vec<LiveItem>,
}

#[derive(Debug)]
pub(super) enum LiveItem {
    Text(String),
    Reasoning(String),
    Call(LiveCall),
    Other(Arc<str>),
}

#[derive(Debug)]
pub(super) struct LiveCall {
    /// As the first piece named it.
    pub(super) call: Shared<ToolCallPart>,
    pub(super) label: Arc<str>,
    intent: Option<StreamingLabel>,
}

impl Live {
    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// The turn is over or given up; what this generation still sends is not wanted.
    pub(super) fn clear(&mut self) {
        self.committed();
        self.replace = false;
    }

    /// The items now stand in a committed message.
    pub(super) fn committed(&mut self) {
        if let Some((history_version, _)) = self.generation {
            self.stale_through = self.stale_through.max(Some(history_version));
        }
        self.items.clear();
    }

    pub(super) fn replace_at_next_part(&mut self) {
        self.replace = true;
    }

    /// Drops the output of `attempt` and older ones; the same attempt may be sent again from its beginning.
    pub(super) fn reset_attempt(&mut self, attempt: i64) -> bool {
        if self.generation.is_none_or(|(_, current)| current > attempt) {
            return false;
        }
        self.last_sequence = None;
        let had_items = !self.items.is_empty();
        self.items.clear();
        had_items
    }

    /// Takes a piece; false when it is stale or doubled.
    pub(super) fn push(&mut self, piece: LivePart) -> bool {
        if self.stale_through.is_some_and(|stale| piece.history_version <= stale) {
            return false;
        }
        let generation = Some((piece.history_version, piece.attempt));
        if generation < self.generation {
            return false;
        }
        if std::mem::take(&mut self.replace) || generation > self.generation {
            self.generation = generation;
            self.last_sequence = None;
            self.items.clear();
        }
        if self.last_sequence.is_some_and(|last| piece.sequence <= last) {
            return false;
        }
        self.last_sequence = Some(piece.sequence);
        match piece.part {
            Part::Text(piece) => match self.items.last_mut() {
                Some(LiveItem::Text(text)) => text.push_str(&piece.text),
                _ => self.items.push(LiveItem::Text(piece.text)),
            },
            Part::Reasoning(piece) => match self.items.last_mut() {
                Some(LiveItem::Reasoning(text)) => text.push_str(&piece.text),
                _ => self.items.push(LiveItem::Reasoning(piece.text)),
            },
            Part::ToolCall(piece) => self.push_call(piece),
            // Results are kept apart by the transcript: they outlive the generation that asked for them.
            Part::ToolResult(_) | Part::File(_) => return false,
            Part::Other(value) => {
                let kind = value.get("type").and_then(|kind| kind.as_str()).unwrap_or("unnamed");
                self.items.push(LiveItem::Other(kind.into()));
            }
        }
        true
    }

    fn push_call(&mut self, piece: ToolCallPart) {
        let held = self.items.iter_mut().find_map(|item| match item {
            LiveItem::Call(call) if call.call.tool_call_id == piece.tool_call_id => Some(call),
            _ => None,
        });
        match held {
            Some(call) => call.extend(&piece),
            None => {
                let mut call = LiveCall {
                    label: fallback_label(&piece).into(),
                    intent: piece.model_intent.then(StreamingLabel::default),
                    call: Shared::new(ToolCallPart { args_delta: None, ..piece.clone() }),
                };
                call.extend(&piece);
                self.items.push(LiveItem::Call(call));
            }
        }
    }
}

impl LiveCall {
    fn extend(&mut self, piece: &ToolCallPart) {
        let (Some(intent), Some(delta)) = (&mut self.intent, &piece.args_delta) else { return };
        intent.push(delta);
        if let Some(label) = intent.as_str().filter(|label| **label != *self.label) {
            self.label = label.into();
        }
    }
}
