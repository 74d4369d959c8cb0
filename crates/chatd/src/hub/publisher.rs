//! The hand that publishes events of one chat.

use super::{Hub, channel::Channel, outbox::Told};
use api::{
    Uuid,
    chats::{QueuedMessage, TurnError},
    check::ServerOutcome,
    messages::ChatMessage,
    stream::{LivePart, PreviewReset, RetryNotice, StatusChange, StreamPayload, ToolProgress},
};
use std::sync::Arc;
use store::{actions::ActionRecord, chats::ChatRecord};

/// Publishes events of one chat. Publish only what is committed, apart from live parts; publishing cannot fail and never waits.
#[derive(Debug, Clone)]
pub struct Publisher {
    hub: Hub,
    channel: Arc<Channel>,
    edit_version: i64,
}

impl Publisher {
    pub(super) fn new(hub: Hub, channel: Arc<Channel>, edit_version: i64) -> Self {
        Self { hub, channel, edit_version }
    }

    /// Which chat.
    pub fn chat_id(&self) -> Uuid {
        self.channel.chat
    }

    fn publish(&self, payload: StreamPayload) {
        let taken = self.channel.publish(self.edit_version, payload, || self.hub.next_sequence());
        if let Some(entry) = taken
            && let Some(outbox) = self.hub.outbox()
        {
            outbox.push(self.channel.chat, self.edit_version, Told::of(&entry.body));
        }
    }

    /// The row of the chat says more than it did, in this version of it.
    fn tell_row(&self, version: i64) {
        if let Some(outbox) = self.hub.outbox() {
            outbox.push(self.channel.chat, self.edit_version, Told::Row(version));
        }
    }

    /// A committed message. Saying it twice is harmless.
    pub fn message(&self, message: &ChatMessage) {
        self.publish(StreamPayload::Message { message: message.clone() });
    }

    /// The chat's status, error and title as committed. An older state than the newest published is dropped.
    pub fn status(&self, chat: &ChatRecord) {
        let status = status_change(chat);
        let next = || self.hub.next_sequence();
        self.channel.publish_status(self.edit_version, chat.snapshot_version, status, next);
        self.hub.list_changed(chat.owner_id);
        self.tell_row(chat.snapshot_version);
    }

    /// The whole queue as committed with `chat`. An older state than the newest published is dropped.
    pub fn queue(&self, chat: &ChatRecord, queue: Vec<QueuedMessage>) {
        let next = || self.hub.next_sequence();
        self.channel.publish_queue(self.edit_version, chat.queue_version, queue, next);
        self.tell_row(chat.snapshot_version);
    }

    /// What the turn waits for, as committed with `chat`. An older state than the newest published is dropped.
    pub fn actions(&self, chat: &ChatRecord, actions: &[ActionRecord]) {
        let actions = actions.iter().map(ActionRecord::to_wire).collect();
        let next = || self.hub.next_sequence();
        self.channel.publish_actions(self.edit_version, chat.snapshot_version, actions, next);
        self.tell_row(chat.snapshot_version);
    }

    /// The turn failed.
    pub fn error(&self, error: &TurnError) {
        self.publish(StreamPayload::Error { error: error.clone() });
    }

    pub(crate) fn part(&self, message_part: LivePart) {
        self.publish(StreamPayload::MessagePart { message_part });
    }

    pub(crate) fn preview_reset(&self, attempt: i64) {
        self.publish(StreamPayload::PreviewReset { preview_reset: PreviewReset { attempt } });
    }

    pub(crate) fn retry(&self, retry: RetryNotice) {
        self.publish(StreamPayload::Retry { retry });
    }

    pub(crate) fn servers(&self, outcomes: Vec<ServerOutcome>) {
        self.publish(StreamPayload::McpStatus { mcp_status: outcomes });
    }

    pub(crate) fn progress(&self, tool_progress: ToolProgress) {
        self.publish(StreamPayload::ToolProgress { tool_progress });
    }
}

/// What readers are told of the chat's row.
pub(super) fn status_change(chat: &ChatRecord) -> StatusChange {
    StatusChange {
        status: chat.status,
        last_error: chat.last_error.clone(),
        title: chat.title.clone(),
        archived: chat.archived,
        queued_for_capacity: chat.queued_for_capacity,
        plan_mode: chat.plan_mode,
    }
}
