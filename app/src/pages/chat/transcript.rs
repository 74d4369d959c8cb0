//! What a chat shows, as a value: committed messages plus the running answer, fed by the live stream (behaviour 19, 20).
//!
//! No DOM, no clock, no network: the server renders it, the browser keeps it going, and tests feed it by hand. Events may
//! come doubled or late (a reconnect replays), so everything is dropped that the transcript already holds.

pub mod blocks;
pub mod call;
mod committed;
mod live;
#[cfg(test)]
mod tests;

use api::{
    Uuid,
    actions::ChatAction,
    chats::{Chat, ChatStatus, MessagePage, PlanMode, QueuedMessage, TurnError},
    check::ServerOutcome,
    messages::{ChatMessage, MessageRole, Part, ToolOutcome, ToolResultPart},
    stream::{RetryNotice, StatusChange, StreamEvent, StreamPayload, ToolProgress},
};
use committed::Committed;
use live::Live;
use std::{collections::HashMap, ops::Deref, sync::Arc};

/// A part shared between the transcript and the views. Equal only when it is the very same one: parts never change in place,
/// so comparing pointers is exact and spares comparing megabytes at each streamed piece.
#[derive(Debug)]
pub struct Shared<T: ?Sized>(Arc<T>);

impl<T> Shared<T> {
    pub fn new(value: T) -> Self {
        Self(Arc::new(value))
    }
}

impl<T: ?Sized> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: ?Sized> PartialEq for Shared<T> {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl<T: ?Sized> Deref for Shared<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

/// The state behind one chat page.
#[derive(Debug)]
pub struct Transcript {
    chat_id: Uuid,
    /// Ascending by id.
    messages: Vec<Committed>,
    live: Live,
    /// Finished results that are not committed yet, by call id.
    live_results: HashMap<String, Shared<ToolResultPart>>,
    progress: HashMap<String, ToolProgress>,
    /// Messages that wait, in order.
    queue: Vec<QueuedMessage>,
    /// What the turn waits for; stale unless the status is `requires_action`.
    actions: Vec<ChatAction>,
    status: ChatStatus,
    title: String,
    archived: bool,
    queued_for_capacity: bool,
    /// Of the next turn.
    plan_mode: PlanMode,
    last_error: Option<TurnError>,
    retry: Option<RetryNotice>,
    has_more: bool,
    /// First message id before a history reset: a snapshot that begins later has left out older pages.
    first_before_reset: Option<i64>,
}

impl Transcript {
    /// The files of a message, in order.
    pub fn files_of(&self, message_id: i64) -> Vec<Uuid> {
        let message = self.messages.iter().find(|message| message.id == message_id);
        message.into_iter().flat_map(|message| message.files().map(|file| file.file_id)).collect()
    }

    /// The chat it is of.
    pub fn chat_id(&self) -> Uuid {
        self.chat_id
    }

    /// From a loaded chat and its newest page of messages (oldest first).
    pub fn new(chat: &Chat, messages: Vec<ChatMessage>, has_more: bool) -> Self {
        let mut transcript = Self {
            chat_id: chat.id,
            messages: messages.into_iter().map(Committed::new).collect(),
            live: Live::default(),
            live_results: HashMap::new(),
            progress: HashMap::new(),
            queue: Vec::new(),
            actions: Vec::new(),
            status: chat.status,
            title: chat.title.clone(),
            archived: chat.archived,
            queued_for_capacity: chat.queued_for_capacity,
            plan_mode: chat.plan_mode,
            last_error: chat.last_error.clone(),
            retry: None,
            has_more,
            first_before_reset: None,
        };
        transcript.messages.sort_by_key(|message| message.id);
        transcript
    }

    pub fn status(&self) -> ChatStatus {
        self.status
    }

    pub fn title(&self) -> &str {
        &self.title
    }

    /// The chat was put away.
    pub fn archived(&self) -> bool {
        self.archived
    }

    /// The turn is due, waits for a free place, and has shown nothing yet.
    pub fn waits_for_place(&self) -> bool {
        self.queued_for_capacity && self.status == ChatStatus::Running && self.is_quiet()
    }

    pub fn set_archived(&mut self, archived: bool) {
        self.archived = archived;
    }

    /// Plan mode of the next turn.
    pub fn plan_mode(&self) -> PlanMode {
        self.plan_mode
    }

    pub fn set_plan_mode(&mut self, mode: PlanMode) {
        self.plan_mode = mode;
    }

    pub fn set_title(&mut self, title: String) {
        self.title = title;
    }

    pub fn set_status(&mut self, status: ChatStatus) {
        self.status = status;
        if !status.is_busy() {
            self.live.clear();
            self.live_results.clear();
            self.progress.clear();
            self.retry = None;
        }
    }

    /// Why the last turn failed; `None` unless the chat stands in `error`.
    pub fn turn_error(&self) -> Option<&TurnError> {
        self.last_error.as_ref().filter(|_| self.status == ChatStatus::Error)
    }

    /// With these messages waiting.
    #[must_use]
    pub fn with_queue(mut self, queue: Vec<QueuedMessage>) -> Self {
        self.queue = queue;
        self
    }

    /// With this waited for.
    #[must_use]
    pub fn with_actions(mut self, actions: Vec<ChatAction>) -> Self {
        self.actions = actions;
        self
    }

    /// What the turn waits for now.
    pub fn actions(&self) -> &[ChatAction] {
        if self.status == ChatStatus::RequiresAction { &self.actions } else { &[] }
    }

    /// Takes in how one of them was decided.
    pub fn decided(&mut self, action: ChatAction) {
        if let Some(held) = self.actions.iter_mut().find(|held| held.id == action.id) {
            *held = action;
        }
    }

    /// Messages that wait for the turn before them, in order.
    pub fn queue(&self) -> &[QueuedMessage] {
        &self.queue
    }

    pub fn retry(&self) -> Option<&RetryNotice> {
        self.retry.as_ref()
    }

    /// Older messages exist that are not loaded.
    pub fn has_more(&self) -> bool {
        self.has_more
    }

    pub fn first_id(&self) -> Option<i64> {
        self.messages.first().map(|message| message.id)
    }

    /// Where a stream opened now has to begin: the newest message held, 0 for none.
    pub fn last_id(&self) -> i64 {
        self.messages.last().map_or(0, |message| message.id)
    }

    /// The message a retry runs again.
    pub fn last_user_message_id(&self) -> Option<i64> {
        self.messages.iter().rev().find(|message| message.role == MessageRole::User).map(|message| message.id)
    }

    /// Whether the last words or the last calls were stopped before they were done.
    pub fn ends_stopped(&self) -> bool {
        self.messages.last().is_some_and(|last| {
            last.interrupted || last.results().any(|result| result.outcome == ToolOutcome::Cancelled)
        })
    }

    /// True while the answer has produced nothing to see since the last committed message.
    pub fn is_quiet(&self) -> bool {
        self.live.is_empty()
    }

    /// The stream is opened anew without `Last-Event-ID`: the server sends the running answer from its beginning, so the first
    /// piece replaces what is shown. Not cleared at once: nothing should blink while the connection is made.
    pub fn expect_snapshot(&mut self) {
        self.live.replace_at_next_part();
    }

    /// An older page, oldest first.
    pub fn prepend(&mut self, older: Vec<ChatMessage>, has_more: bool) {
        for message in older {
            self.insert(message);
        }
        self.has_more = has_more;
    }

    /// Takes in a newly read page: messages that are gone from it go, what is unchanged stays the very same.
    pub fn reload(&mut self, chat: &Chat, page: MessagePage) {
        self.title.clone_from(&chat.title);
        self.archived = chat.archived;
        self.queued_for_capacity = chat.queued_for_capacity;
        self.plan_mode = chat.plan_mode;
        if let Some(first) = page.messages.iter().map(|message| message.id).min() {
            self.messages
                .retain(|held| held.id < first || page.messages.iter().any(|message| message.id == held.id));
            if self.first_id().is_none_or(|held| held >= first) {
                self.has_more = page.has_more;
            }
        } else {
            self.messages.clear();
            self.has_more = false;
        }
        for message in page.messages {
            self.insert(message);
        }
        self.queue = page.queued_messages;
        self.actions = page.actions;
        self.last_error = chat.last_error.clone();
        self.set_status(chat.status);
    }

    /// What a send was answered with. The stream may have brought the same message, and even the end of the turn, first: then
    /// the answer is old news and its status is not taken.
    pub fn sent(&mut self, message: ChatMessage, status: ChatStatus) {
        if self.insert(message) {
            self.set_status(status);
        }
    }

    /// What an edit of `edited_id` was answered with: that message and all later ones give way.
    pub fn rerun(&mut self, edited_id: i64, message: ChatMessage, status: ChatStatus) {
        if self.messages.iter().any(|held| held.id == message.id && held.revision >= message.revision) {
            return;
        }
        self.messages.retain(|held| held.id < edited_id);
        self.live.clear();
        self.live_results.clear();
        self.sent(message, status);
    }

    /// Takes one event of the live stream. Returns whether anything changed.
    pub fn apply(&mut self, event: StreamEvent) -> bool {
        if event.chat_id != self.chat_id {
            return false;
        }
        match event.payload {
            StreamPayload::Message { message } => self.insert(message),
            StreamPayload::MessagePart { message_part } => {
                if let Part::ToolResult(result) = message_part.part {
                    return self.insert_live_result(result);
                }
                if let Part::ToolCall(call) = &message_part.part
                    && self.awaits(&call.tool_call_id)
                {
                    return false;
                }
                let changed = self.live.push(message_part);
                if changed {
                    self.retry = None;
                }
                changed
            }
            StreamPayload::Status { status } => self.status_changed(status),
            StreamPayload::Error { error } => {
                self.last_error = Some(error);
                self.set_status(ChatStatus::Error);
                true
            }
            StreamPayload::Retry { retry } => {
                self.retry = Some(retry);
                true
            }
            StreamPayload::PreviewReset { preview_reset } => self.live.reset_attempt(preview_reset.attempt),
            StreamPayload::HistoryReset { .. } => {
                self.first_before_reset = self.first_id().or(self.first_before_reset);
                self.messages.clear();
                self.live = Live::default();
                self.live_results.clear();
                self.progress.clear();
                self.queue.clear();
                self.retry = None;
                true
            }
            StreamPayload::McpStatus { mcp_status } => self.servers_heard(mcp_status),
            StreamPayload::QueueUpdate { queue_update } => {
                let changed = self.queue != queue_update;
                self.queue = queue_update;
                changed
            }
            StreamPayload::ActionRequired { action_required } => {
                let changed = self.actions != action_required;
                self.actions = action_required;
                changed
            }
            StreamPayload::ToolProgress { tool_progress } => {
                self.progress.insert(tool_progress.tool_call_id.clone(), tool_progress);
                true
            }
        }
    }

    fn status_changed(&mut self, change: StatusChange) -> bool {
        let same = self.status == change.status
            && self.last_error == change.last_error
            && self.title == change.title
            && self.archived == change.archived
            && self.queued_for_capacity == change.queued_for_capacity
            && self.plan_mode == change.plan_mode;
        self.queued_for_capacity = change.queued_for_capacity;
        self.archived = change.archived;
        self.plan_mode = change.plan_mode;
        self.last_error = change.last_error;
        self.title = change.title;
        self.set_status(change.status);
        !same
    }

    /// Puts a committed message in its place; false for one already held in this revision.
    fn insert(&mut self, message: ChatMessage) -> bool {
        let place = self.messages.binary_search_by_key(&message.id, |held| held.id);
        if let Ok(index) = place
            && self.messages[index].revision >= message.revision
        {
            // The message is the same, but its turn may have heard of its servers since it was read.
            let held = &mut self.messages[index];
            return match message.mcp_status.filter(|outcomes| *held.servers != *outcomes) {
                Some(outcomes) if held.revision == message.revision => {
                    held.servers = Shared::new(outcomes);
                    true
                }
                _ => false,
            };
        }
        let role = message.role;
        let message = Committed::new(message);
        for result in message.results() {
            self.live_results.remove(&result.tool_call_id);
            self.progress.remove(&result.tool_call_id);
        }
        match place {
            Ok(index) => self.messages[index] = message,
            Err(index) => {
                let newest = index == self.messages.len();
                if index == 0 && self.first_before_reset.take().is_some_and(|first| message.id > first) {
                    self.has_more = true;
                }
                self.messages.insert(index, message);
                if newest {
                    self.newest_arrived(role);
                }
            }
        }
        true
    }

    fn newest_arrived(&mut self, role: MessageRole) {
        match role {
            MessageRole::User => self.last_error = None,
            // The output of the running step is now in this message.
            MessageRole::Assistant => self.live.committed(),
            MessageRole::System | MessageRole::Tool => {}
        }
        self.retry = None;
    }

    /// The outcomes of the newest turn, kept where a reload finds them too: with the message that began it. Where that is not loaded
    /// there is no place to show them.
    fn servers_heard(&mut self, outcomes: Vec<ServerOutcome>) -> bool {
        let turn = self.messages.iter_mut().rev().find(|message| message.role == MessageRole::User);
        let Some(turn) = turn.filter(|turn| *turn.servers != outcomes) else { return false };
        turn.servers = Shared::new(outcomes);
        true
    }

    fn insert_live_result(&mut self, result: ToolResultPart) -> bool {
        if !self.awaits(&result.tool_call_id) || self.live_results.contains_key(&result.tool_call_id) {
            return false;
        }
        self.progress.remove(&result.tool_call_id);
        self.live_results.insert(result.tool_call_id.clone(), Shared::new(result));
        true
    }

    /// True for a committed call of this turn without a committed result. (One that has its result may be followed by another
    /// of the same id: some models count from `call_1` in each step.)
    fn awaits(&self, tool_call_id: &str) -> bool {
        let turn = self.last_turn();
        let calls =
            turn.iter().flat_map(Committed::calls).filter(|call| call.tool_call_id == tool_call_id).count();
        let results = turn
            .iter()
            .flat_map(Committed::results)
            .filter(|result| result.tool_call_id == tool_call_id)
            .count();
        calls > results
    }

    /// The messages since the last one of the user, that one included.
    fn last_turn(&self) -> &[Committed] {
        let start = self.messages.iter().rposition(|message| message.role == MessageRole::User).unwrap_or(0);
        &self.messages[start..]
    }
}
