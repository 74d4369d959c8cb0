//! A committed message, its parts shared and its labels computed once.

use super::{Shared, call::committed_label};
use api::{
    check::ServerOutcome,
    messages::{ChatMessage, FilePart, MessageRole, Part, TextPart, ToolCallPart, ToolResultPart},
};
use std::sync::Arc;

#[derive(Debug)]
pub(super) struct Committed {
    pub(super) id: i64,
    pub(super) role: MessageRole,
    pub(super) revision: i64,
    pub(super) interrupted: bool,
    /// Of a user's message: the connect outcomes of the turn it began.
    pub(super) servers: Shared<Vec<ServerOutcome>>,
    pub(super) parts: Vec<CommittedPart>,
}

#[derive(Debug, Clone)]
pub(super) enum CommittedPart {
    Text(Shared<TextPart>),
    Reasoning(Shared<TextPart>),
    Call {
        call: Shared<ToolCallPart>,
        label: Arc<str>,
    },
    Result(Shared<ToolResultPart>),
    File(FilePart),
    /// A kind a newer replica wrote: its name.
    Other(Arc<str>),
}

impl Committed {
    pub(super) fn new(message: ChatMessage) -> Self {
        let parts = message.content.into_iter().map(|part| match part {
            Part::Text(text) => CommittedPart::Text(Shared::new(text)),
            Part::Reasoning(text) => CommittedPart::Reasoning(Shared::new(text)),
            Part::ToolCall(call) => {
                let label = committed_label(&call).into();
                CommittedPart::Call { call: Shared::new(call), label }
            }
            Part::ToolResult(result) => CommittedPart::Result(Shared::new(result)),
            Part::File(file) => CommittedPart::File(file),
            Part::Other(value) => CommittedPart::Other(
                value.get("type").and_then(|kind| kind.as_str()).unwrap_or("unnamed").into(),
            ),
        });
        let mut parts: Vec<_> = parts.collect();
        // A message of files only: it has a head all the same, and can be edited.
        let says = parts.iter().any(|part| matches!(part, CommittedPart::Text(_)));
        let attaches = parts.iter().any(|part| matches!(part, CommittedPart::File(_)));
        if message.role == MessageRole::User && attaches && !says {
            parts.insert(0, CommittedPart::Text(Shared::new(TextPart::default())));
        }
        Self {
            id: message.id,
            role: message.role,
            revision: message.revision,
            interrupted: message.interrupted,
            servers: Shared::new(message.mcp_status.unwrap_or_default()),
            parts,
        }
    }

    pub(super) fn results(&self) -> impl Iterator<Item = &Shared<ToolResultPart>> {
        self.parts.iter().filter_map(|part| match part {
            CommittedPart::Result(result) => Some(result),
            _ => None,
        })
    }

    pub(super) fn files(&self) -> impl Iterator<Item = &FilePart> {
        self.parts.iter().filter_map(|part| match part {
            CommittedPart::File(file) => Some(file),
            _ => None,
        })
    }

    pub(super) fn calls(&self) -> impl Iterator<Item = &Shared<ToolCallPart>> {
        self.parts.iter().filter_map(|part| match part {
            CommittedPart::Call { call, .. } => Some(call),
            _ => None,
        })
    }
}
