//! The events of one chat in this process: a bounded log, the running attempt, and whoever waits for more.

use crate::limits;
use api::{
    actions::ChatAction,
    chats::QueuedMessage,
    messages::Part,
    stream::{LivePart, PreviewReset, StatusChange, StreamEvent, StreamPayload},
};
use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Instant,
};
use tokio::sync::watch;
use uuid::Uuid;

/// One event of the log.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) sequence: u64,
    pub(crate) edit_version: i64,
    /// Of an event that shows the queue: the chat's `queue_version`; else 0.
    pub(crate) queue_version: i64,
    pub(crate) body: Body,
}

#[derive(Debug, Clone)]
pub(crate) enum Body {
    Event(Arc<StreamEvent>),
    /// A committed message too large to be held; readers load it.
    StoredMessage(i64),
}

impl Body {
    /// The id of the committed message this is about.
    pub(crate) fn message_id(&self) -> Option<i64> {
        match self {
            Self::StoredMessage(id) => Some(*id),
            Self::Event(event) => match &event.payload {
                StreamPayload::Message { message } => Some(message.id),
                _ => None,
            },
        }
    }
}

/// See [`super`].
#[derive(Debug)]
pub(crate) struct Channel {
    pub(crate) chat: Uuid,
    /// What other replicas have told of the running turn was taken in.
    told: AtomicBool,
    state: Mutex<State>,
    /// The newest sequence number.
    newest: watch::Sender<u64>,
    followers: AtomicUsize,
}

/// See [`Channel::followed`].
#[derive(Debug)]
pub(super) struct Followed(Arc<Channel>);

impl Drop for Followed {
    fn drop(&mut self) {
        self.0.followers.fetch_sub(1, Ordering::Relaxed);
    }
}

#[derive(Debug)]
struct State {
    /// Everything after this sequence number is in the log.
    floor: u64,
    log: VecDeque<(usize, Entry)>,
    log_bytes: usize,
    /// Parts of the running attempt, and what it is.
    live: Vec<Entry>,
    live_bytes: usize,
    live_key: (i64, i64),
    /// The number that the next part of this attempt must have.
    live_next: i64,
    /// Nothing of the attempt is shown any more: it is over, has a gap, or outgrew its buffer.
    live_muted: bool,
    /// The connect outcomes of the running turn, for readers who join it.
    servers: Option<Entry>,
    /// The newest committed message that was published: edit version and id.
    committed: (i64, i64),
    /// The chat's `snapshot_version` of the newest status that was published.
    status_version: i64,
    /// The chat's `queue_version` of the newest queue that was published.
    queue_version: i64,
    /// The chat's `snapshot_version` of the newest actions that were published.
    actions_version: i64,
    last_event: Instant,
    /// The chat was deleted.
    gone: bool,
}

/// What a reader finds.
#[derive(Debug)]
pub(crate) enum Unread {
    Entries(Vec<Entry>),
    /// The log no longer has what follows.
    Lagged,
    Gone,
}

impl Channel {
    pub(super) fn new(chat: Uuid, floor: u64) -> Self {
        Self {
            chat,
            told: AtomicBool::new(false),
            state: Mutex::new(State {
                floor,
                log: VecDeque::new(),
                log_bytes: 0,
                live: Vec::new(),
                live_bytes: 0,
                live_key: (0, 0),
                live_next: 0,
                live_muted: false,
                servers: None,
                committed: (0, 0),
                status_version: 0,
                queue_version: 0,
                actions_version: 0,
                last_event: Instant::now(),
                gone: false,
            }),
            newest: watch::Sender::new(floor),
            followers: AtomicUsize::new(0),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it holds the lock; if something did, the log is still a log.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a status in, unless a newer one was: whoever asked for a stop and the runner that carried it out publish at the same
    /// time, and "interrupting" must not be the last word.
    pub(super) fn publish_status(
        &self,
        edit_version: i64,
        snapshot_version: i64,
        status: StatusChange,
        next: impl Fn() -> u64,
    ) {
        let mut state = self.state();
        if snapshot_version < state.status_version {
            return;
        }
        state.status_version = snapshot_version;
        if !status.status.is_busy() {
            state.live_over();
            state.servers = None;
        }
        let bytes = status.title.len() + limits::EVENT_OVERHEAD;
        self.append(&mut state, edit_version, StreamPayload::Status { status }, bytes, &next);
    }

    /// Takes a queue in, unless a newer one was.
    pub(super) fn publish_queue(
        &self,
        edit_version: i64,
        queue_version: i64,
        queue_update: Vec<QueuedMessage>,
        next: impl Fn() -> u64,
    ) {
        let mut state = self.state();
        if queue_version <= state.queue_version {
            return;
        }
        state.queue_version = queue_version;
        let payload = StreamPayload::QueueUpdate { queue_update };
        let bytes = payload_bytes(&payload);
        self.append(&mut state, edit_version, payload, bytes, &next);
    }

    /// Takes in what a turn waits for, unless something newer was.
    pub(super) fn publish_actions(
        &self,
        edit_version: i64,
        snapshot_version: i64,
        action_required: Vec<ChatAction>,
        next: impl Fn() -> u64,
    ) {
        let mut state = self.state();
        if snapshot_version < state.actions_version {
            return;
        }
        state.actions_version = snapshot_version;
        let payload = StreamPayload::ActionRequired { action_required };
        let bytes = payload_bytes(&payload);
        self.append(&mut state, edit_version, payload, bytes, &next);
    }

    /// Takes any other event in; what was taken, which is a reset where a part had no room. `next` gives the sequence number, under the
    /// lock, so that the log ascends.
    pub(super) fn publish(
        &self,
        edit_version: i64,
        payload: StreamPayload,
        next: impl Fn() -> u64,
    ) -> Option<Entry> {
        let mut state = self.state();
        let key = match &payload {
            StreamPayload::Message { message } => {
                let committed = (edit_version, message.id);
                // Whoever made the message and the runner that found it both say so; the first counts.
                if committed <= state.committed {
                    return None;
                }
                state.committed = committed;
                state.live_over();
                None
            }
            StreamPayload::MessagePart { message_part } => {
                let key = (message_part.history_version, message_part.attempt);
                if key < state.live_key || (key == state.live_key && state.live_muted) {
                    return None;
                }
                if key > state.live_key {
                    state.live_reset();
                    state.live_key = key;
                    state.live_next = 0;
                }
                let gap = message_part.sequence != state.live_next;
                state.live_next = message_part.sequence + 1;
                Some((key.1, gap))
            }
            StreamPayload::PreviewReset { .. } => {
                state.live_over();
                None
            }
            _ => None,
        };

        let bytes = payload_bytes(&payload);
        if let Some((attempt, gap)) = key
            // Half an answer is worse than none; the committed one comes.
            && (gap || state.live_bytes + bytes > limits::ATTEMPT_BYTES)
        {
            state.live_over();
            let reset = StreamPayload::PreviewReset { preview_reset: PreviewReset { attempt } };
            return Some(self.append(&mut state, edit_version, reset, limits::EVENT_OVERHEAD, &next));
        }
        let is_servers = matches!(payload, StreamPayload::McpStatus { .. });
        let entry = self.append(&mut state, edit_version, payload, bytes, &next);
        if key.is_some() {
            state.live_bytes += bytes;
            state.live.push(entry.clone());
        } else if is_servers {
            state.servers = Some(entry.clone());
        }
        Some(entry)
    }

    /// True once: what other replicas have told so far is to be taken in.
    pub(super) fn take_untold(&self) -> bool {
        !self.told.swap(true, Ordering::SeqCst)
    }

    /// It could not be taken in: look again.
    pub(super) fn still_untold(&self) {
        self.told.store(false, Ordering::SeqCst);
    }

    fn append(
        &self,
        state: &mut State,
        edit_version: i64,
        payload: StreamPayload,
        bytes: usize,
        next: &impl Fn() -> u64,
    ) -> Entry {
        let (body, bytes) = match payload {
            StreamPayload::Message { message } if bytes > limits::LOG_MESSAGE => {
                (Body::StoredMessage(message.id), limits::EVENT_OVERHEAD)
            }
            payload => (Body::Event(Arc::new(StreamEvent { chat_id: self.chat, payload })), bytes),
        };
        let queue_version = match &body {
            Body::Event(event) if matches!(event.payload, StreamPayload::QueueUpdate { .. }) => {
                state.queue_version
            }
            _ => 0,
        };
        let entry = Entry { sequence: next(), edit_version, queue_version, body };
        state.log_bytes += bytes;
        state.log.push_back((bytes, entry.clone()));
        while state.log_bytes > limits::LOG_BYTES && state.log.len() > 1 {
            if let Some((bytes, evicted)) = state.log.pop_front() {
                state.log_bytes -= bytes;
                state.floor = evicted.sequence;
            }
        }
        state.last_event = Instant::now();
        self.newest.send_replace(entry.sequence);
        entry
    }

    /// The chat is no more: every reader's stream ends.
    pub(super) fn close(&self) {
        self.state().gone = true;
        self.newest.send_modify(|_| {});
    }

    /// How many follow the chat.
    pub(super) fn followers(&self) -> usize {
        self.followers.load(Ordering::Relaxed)
    }

    /// Counts a follower until this is dropped.
    pub(super) fn followed(self: &Arc<Self>) -> Followed {
        self.followers.fetch_add(1, Ordering::Relaxed);
        Followed(Arc::clone(self))
    }

    /// How long nothing has happened.
    pub(super) fn idle(&self) -> std::time::Duration {
        self.state().last_event.elapsed()
    }

    /// A place in the log to read from, now, with what a reader who joins must be shown of the running turn.
    pub(super) fn join(self: &Arc<Self>) -> (Subscription, Vec<Entry>) {
        let receiver = self.newest.subscribe();
        let state = self.state();
        let cursor = state.log.back().map_or(state.floor, |(_, entry)| entry.sequence);
        let shown = state.servers.iter().chain(&state.live).cloned().collect();
        drop(state);
        (Subscription { channel: Arc::clone(self), receiver, cursor }, shown)
    }

    /// The place after `sequence`, if the log still has everything that follows it.
    pub(super) fn join_after(self: &Arc<Self>, sequence: u64) -> Option<Subscription> {
        let receiver = self.newest.subscribe();
        let floor = self.state().floor;
        (sequence >= floor).then(|| Subscription { channel: Arc::clone(self), receiver, cursor: sequence })
    }
}

impl State {
    fn live_reset(&mut self) {
        self.live.clear();
        self.live_bytes = 0;
        self.live_muted = false;
    }

    /// Nothing more of this attempt is shown; of another replica, something may still be under way.
    fn live_over(&mut self) {
        self.live_reset();
        self.live_muted = true;
    }
}

/// A reader's place.
#[derive(Debug)]
pub(crate) struct Subscription {
    channel: Arc<Channel>,
    receiver: watch::Receiver<u64>,
    cursor: u64,
}

impl Subscription {
    /// The sequence number up to which everything has been read.
    pub(crate) fn cursor(&self) -> u64 {
        self.cursor
    }

    /// What came since, at most [`limits::READER_BATCH`] events; empty when nothing did.
    pub(crate) fn read(&mut self) -> Unread {
        self.receiver.borrow_and_update();
        let state = self.channel.state();
        if state.gone {
            return Unread::Gone;
        }
        if self.cursor < state.floor {
            return Unread::Lagged;
        }
        let from = state.log.partition_point(|(_, entry)| entry.sequence <= self.cursor);
        let entries: Vec<Entry> =
            state.log.range(from..).take(limits::READER_BATCH).map(|(_, entry)| entry.clone()).collect();
        if let Some(last) = entries.last() {
            self.cursor = last.sequence;
        }
        Unread::Entries(entries)
    }

    /// Waits until there may be something to read.
    pub(crate) async fn changed(&mut self) {
        if self.receiver.changed().await.is_err() {
            // The sender lives in the channel we hold.
            std::future::pending::<()>().await;
        }
    }
}

/// What an event costs in memory, roughly: exact sizes would mean to serialise everything once more.
fn payload_bytes(payload: &StreamPayload) -> usize {
    let text = match payload {
        StreamPayload::MessagePart { message_part: LivePart { part, .. } } => content_bytes(part),
        StreamPayload::Message { message } => message.content.iter().map(content_bytes).sum(),
        StreamPayload::McpStatus { mcp_status } => {
            mcp_status.iter().map(|server| server.error.len() + limits::EVENT_OVERHEAD).sum()
        }
        StreamPayload::QueueUpdate { queue_update } => queue_update
            .iter()
            .map(|queued| queued.content.iter().map(content_bytes).sum::<usize>() + limits::EVENT_OVERHEAD)
            .sum(),
        StreamPayload::ActionRequired { action_required } => action_required
            .iter()
            .map(|action| action.arguments.to_string().len() + limits::EVENT_OVERHEAD)
            .sum(),
        _ => 0,
    };
    text + limits::EVENT_OVERHEAD
}

/// Bytes of the text in a part.
pub(crate) fn content_bytes(part: &Part) -> usize {
    match part {
        Part::Text(part) | Part::Reasoning(part) => part.text.len(),
        Part::ToolCall(call) => {
            call.args_delta.as_ref().map_or(0, String::len)
                + call.args.as_ref().map_or(0, |args| args.to_string().len())
        }
        Part::ToolResult(result) => serde_json::to_string(&result.result).map_or(0, |text| text.len()),
        Part::File(file) => file.name.len() + file.media_type.len(),
        Part::Other(value) => value.to_string().len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::messages::{ChatMessage, MessageRole};
    use std::cell::Cell;

    fn part(attempt: i64, sequence: i64) -> StreamPayload {
        let part = Part::text(sequence.to_string());
        let message_part =
            LivePart { role: MessageRole::Assistant, part, attempt, sequence, history_version: 1 };
        StreamPayload::MessagePart { message_part }
    }

    fn message(id: i64) -> StreamPayload {
        let message = ChatMessage {
            id,
            chat_id: Uuid::nil(),
            role: MessageRole::Assistant,
            content: Vec::new(),
            created_at: api::Timestamp(0),
            revision: 1,
            model_config_id: None,
            usage: None,
            interrupted: false,
            mcp_status: None,
        };
        StreamPayload::Message { message }
    }

    /// What is shown of each event: its name, or nothing.
    fn shown(events: Vec<StreamPayload>) -> Vec<Option<&'static str>> {
        let channel = Channel::new(Uuid::nil(), 0);
        let sequence = Cell::new(0);
        let next = || {
            sequence.set(sequence.get() + 1);
            sequence.get()
        };
        let taken = events.into_iter().map(|event| channel.publish(0, event, next));
        taken
            .map(|entry| match entry?.body {
                Body::Event(event) => Some(event.payload.event_name()),
                Body::StoredMessage(_) => Some("stored"),
            })
            .collect()
    }

    #[test]
    fn an_answer_with_a_gap_is_not_previewed_and_the_next_one_is() {
        let events = vec![part(1, 0), part(1, 1), part(1, 3), part(1, 4), part(2, 0), part(1, 5), part(2, 1)];
        let (piece, reset) = (Some("message_part"), Some("preview_reset"));
        assert_eq!(shown(events), [piece, piece, reset, None, piece, None, piece]);
        assert_eq!(shown(vec![part(4, 7), part(4, 8), part(5, 0)]), [reset, None, piece]);
    }

    #[test]
    fn what_comes_late_of_an_answer_that_is_over_is_dropped() {
        let reset = StreamPayload::PreviewReset { preview_reset: PreviewReset { attempt: 1 } };
        let events = vec![part(1, 0), message(5), part(1, 1), part(2, 0), reset, part(2, 1), part(3, 0)];
        let piece = Some("message_part");
        let expected = [piece, Some("message"), None, piece, Some("preview_reset"), None, piece];
        assert_eq!(shown(events), expected);
    }
}
