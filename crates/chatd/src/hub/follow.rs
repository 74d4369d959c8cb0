//! One reader of one chat: what it is shown, in which order, and how it goes on after a cut (behaviour 19).
//!
//! The rules that make a resumed transcript equal to an uncut one:
//! - the place in the log is taken before the database is read, so nothing falls between the two;
//! - what both have is shown once: messages up to the last one shown are dropped, and where such a message would have replaced
//!   live parts, the parts are dropped by a `preview_reset` in its place;
//! - an event of a rewritten history is never shown: a `history_reset` and a snapshot come instead.

use super::{
    EventId, Hub,
    channel::{Body, Entry, Followed, Subscription, Unread},
    event_id::{QUEUE_TOLD, SERVERS_TOLD, SNAPSHOT, SNAPSHOT_CLEAN, STATUS_TOLD, tail},
    publisher::status_change,
};
use crate::{
    history::{self, Budget, message_bytes},
    limits,
};
use api::{
    Uuid,
    chats::{ChatStatus, QueuedMessage},
    check::ServerOutcome,
    messages::ChatMessage,
    stream::{HistoryReset, PreviewReset, StreamEvent, StreamPayload},
};
use futures::Stream;
use std::{collections::VecDeque, ops::ControlFlow, sync::Arc, time::Instant};
use store::{
    Db, StoreError,
    actions::ActionRecord,
    chats::{ChatRecord, QueuedRecord, chat_get_any, queue_list},
    messages::{message_between, message_get, message_last_id, turn_servers},
};

/// Where a reader wants to begin.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resume {
    /// The id of the last event it was shown. Wins over `after_id`; whatever cannot be resumed gets a snapshot.
    pub last_event_id: Option<String>,
    /// The last message it already has; absent: begin with the newest page.
    pub after_id: Option<i64>,
}

/// The events of a chat for one reader. The caller has checked that the reader may see the chat.
///
/// Ends when the hub closes, the chat is deleted, the database fails, or the reader lags or stalls; a reader that is cut comes back with the id
/// of the last event it got. Dropping the stream costs the turn nothing.
pub fn follow(
    db: Db,
    hub: Hub,
    chat_id: Uuid,
    resume: Resume,
) -> impl Stream<Item = (EventId, Arc<StreamEvent>)> + Send {
    let follower = Follower::new(db, hub, chat_id, resume);
    futures::stream::unfold(follower, |mut follower| async move {
        let item = follower.next().await?;
        Some((item, follower))
    })
}

type Item = (EventId, Arc<StreamEvent>);

struct Follower {
    db: Db,
    hub: Hub,
    chat: Uuid,
    /// Where to begin; taken when it has begun.
    resume: Option<Resume>,
    subscription: Option<Subscription>,
    queue: VecDeque<Item>,
    /// The history this reader is being shown, and the last message of it.
    edit_version: i64,
    seen: i64,
    /// Parts of generations that started from an older history are stale.
    part_floor: i64,
    /// Live parts may stand on the reader's screen.
    parts_shown: bool,
    /// What the database said last, where another replica may run the turn.
    snapshot_version: i64,
    /// The queue this reader was shown, as a version of it; 0 for the empty one of a new chat.
    queue_version: i64,
    /// A queue may stand on the reader's screen from before.
    knows_queue: bool,
    /// Where the reader was cut, until it is shown the rest of its snapshot.
    cut_at: Option<EventId>,
    yielded: Option<Instant>,
    /// There is somebody who can be asked.
    _followed: Followed,
}

/// What of the database a reader is shown at once.
struct Shown {
    messages: Vec<ChatMessage>,
    servers: Option<Vec<ServerOutcome>>,
    queue: Option<Vec<QueuedMessage>>,
    actions: Vec<ActionRecord>,
}

/// Why a stream ends early.
enum End {
    ChatGone,
    Database(StoreError),
}

impl From<StoreError> for End {
    fn from(error: StoreError) -> Self {
        Self::Database(error)
    }
}

impl Follower {
    fn new(db: Db, hub: Hub, chat: Uuid, resume: Resume) -> Self {
        let followed = hub.channel(chat).followed();
        Self {
            _followed: followed,
            db,
            hub,
            chat,
            resume: Some(resume),
            subscription: None,
            queue: VecDeque::new(),
            edit_version: 0,
            seen: 0,
            part_floor: 0,
            parts_shown: false,
            snapshot_version: 0,
            queue_version: 0,
            knows_queue: false,
            cut_at: None,
            yielded: None,
        }
    }

    async fn next(&mut self) -> Option<Item> {
        if self.yielded.is_some_and(|at| at.elapsed() > limits::READER_STALL) {
            tracing::debug!(chat = %self.chat, "a reader took nothing for too long and is cut");
            return None;
        }
        loop {
            if self.hub.0.closed.is_cancelled() {
                return None;
            }
            if let Some(item) = self.queue.pop_front() {
                self.yielded = Some(Instant::now());
                return Some(item);
            }
            let step = match self.resume.take() {
                Some(resume) => self.open(resume).await,
                None => self.advance().await,
            };
            match step {
                Ok(true) => {}
                Ok(false) | Err(End::ChatGone) => return None,
                Err(End::Database(error)) => {
                    tracing::warn!(chat = %self.chat, %error, "a stream ends because the database failed");
                    return None;
                }
            }
        }
    }

    /// Begins. True when the stream goes on.
    async fn open(&mut self, resume: Resume) -> Result<bool, End> {
        let Some(text) = resume.last_event_id else {
            self.first(resume.after_id).await?;
            return Ok(true);
        };
        let Some(id) = EventId::parse(&text, self.chat) else {
            self.reset().await?;
            return Ok(true);
        };
        let here = id.boot == self.hub.0.boot;
        if here && id.in_log().is_some_and(|sequence| sequence > self.hub.sequence()) {
            self.reset().await?;
            return Ok(true);
        }
        if here
            && let Some(sequence) = id.in_log()
            && let Some(subscription) = self.hub.channel(self.chat).join_after(sequence)
        {
            // Nothing was missed that the log does not have: go on as if never cut.
            self.subscription = Some(subscription);
            self.edit_version = id.edit_version;
            self.seen = id.message_id;
            self.parts_shown = true;
            self.knows_queue = true;
            return Ok(true);
        }
        self.catch_up(id).await?;
        Ok(true)
    }

    /// A reader without an event id.
    async fn first(&mut self, after_id: Option<i64>) -> Result<(), End> {
        match after_id {
            None => self.snapshot().await,
            Some(after) => {
                let known = after == 0
                    || message_get(&mut self.db.read().await.map_err(End::from)?, self.chat, after)
                        .await?
                        .is_some();
                // What it has was hidden by an edit, or is not of this chat.
                self.knows_queue = true;
                if known { self.continue_after(after).await } else { self.reset().await }
            }
        }
    }

    /// A reader whose place in the log is gone.
    async fn catch_up(&mut self, id: EventId) -> Result<(), End> {
        let mut session = self.db.read().await?;
        let chat = chat_get_any(&mut session, self.chat).await?.ok_or(End::ChatGone)?;
        let last = message_last_id(&mut session, self.chat).await?;
        drop(session);
        if chat.edit_version != id.edit_version || id.message_id > last {
            return self.reset().await;
        }
        self.edit_version = chat.edit_version;
        self.seen = id.message_id;
        self.knows_queue = true;
        self.cut_at = Some(id);
        if !id.is_clean() {
            self.parts_shown = false;
            self.push_shot(preview_reset(chat.generation_attempt));
        }
        // Whoever has nothing yet was cut while it was reset.
        if id.message_id == 0 { self.snapshot().await } else { self.continue_after(id.message_id).await }
    }

    /// Everything the reader has is void.
    async fn reset(&mut self) -> Result<(), End> {
        self.queue.clear();
        self.seen = 0;
        let mut session = self.db.read().await?;
        let chat = chat_get_any(&mut session, self.chat).await?.ok_or(End::ChatGone)?;
        drop(session);
        self.edit_version = chat.edit_version;
        self.parts_shown = false;
        self.knows_queue = false;
        self.cut_at = None;
        self.push_shot(StreamPayload::HistoryReset { history_reset: HistoryReset {} });
        self.snapshot().await
    }

    /// The newest page, the status, the running answer.
    async fn snapshot(&mut self) -> Result<(), End> {
        let (subscription, live) = self.hub.channel(self.chat).join();
        let mut session = self.db.read().await?;
        let chat = chat_get_any(&mut session, self.chat).await?.ok_or(End::ChatGone)?;
        let mut messages = Vec::new();
        let mut budget = Budget::new(limits::SNAPSHOT_MESSAGES, limits::SNAPSHOT_BYTES);
        history::read(&mut session, self.chat, history::From::Newest, |message| {
            if !budget.fits(message_bytes(&message)) {
                return ControlFlow::Break(());
            }
            messages.push(message);
            ControlFlow::Continue(())
        })
        .await?;
        let servers = turn_servers(&mut session, self.chat).await?;
        let queue = self.queue_of(&mut session, &chat).await?;
        let actions = actions_of(&mut session, &chat).await?;
        drop(session);
        messages.reverse();
        self.show(subscription, &chat, Shown { messages, servers, queue, actions }, live);
        Ok(())
    }

    /// Every message after `after`, the status, the running answer.
    async fn continue_after(&mut self, after: i64) -> Result<(), End> {
        let (subscription, live) = self.hub.channel(self.chat).join();
        let mut session = self.db.read().await?;
        let chat = chat_get_any(&mut session, self.chat).await?.ok_or(End::ChatGone)?;
        let mut messages = Vec::new();
        let mut budget = Budget::new(limits::SNAPSHOT_MESSAGES, limits::SNAPSHOT_BYTES);
        let complete = history::read(&mut session, self.chat, history::From::After(after), |message| {
            if !budget.fits(message_bytes(&message)) {
                return ControlFlow::Break(());
            }
            messages.push(message);
            ControlFlow::Continue(())
        })
        .await?;
        let servers = turn_servers(&mut session, self.chat).await?;
        let queue = self.queue_of(&mut session, &chat).await?;
        let actions = actions_of(&mut session, &chat).await?;
        drop(session);
        if !complete {
            // So far behind that the newest page and REST for the rest serve it better.
            return self.reset().await;
        }
        self.seen = after;
        self.show(subscription, &chat, Shown { messages, servers, queue, actions }, live);
        Ok(())
    }

    /// What waits, unless it is nothing and the reader has never been shown anything else.
    async fn queue_of(
        &self,
        session: &mut store::Session,
        chat: &ChatRecord,
    ) -> Result<Option<Vec<QueuedMessage>>, StoreError> {
        if chat.queue_length == 0 {
            return Ok((self.knows_queue && chat.queue_version > 0).then(Vec::new));
        }
        let queue = queue_list(session, self.chat).await?;
        Ok(Some(queue.iter().map(QueuedRecord::to_wire).collect()))
    }

    fn show(&mut self, subscription: Subscription, chat: &ChatRecord, shown: Shown, live: Vec<Entry>) {
        let Shown { messages, servers, queue, actions } = shown;
        self.edit_version = chat.edit_version;
        self.snapshot_version = chat.snapshot_version;
        self.part_floor = chat.history_version;
        self.parts_shown = false;
        for message in messages {
            self.seen = message.id;
            self.push_shot(StreamPayload::Message { message });
        }
        if !actions.is_empty() {
            self.push_shot(action_required(&actions));
        }
        // A turn that ended between the two looks has nothing live any more.
        let live = if chat.status.is_busy() { live } else { Vec::new() };
        // What a reader was told that was cut in this very snapshot.
        let before = self.cut_at.take().map_or(0, |id| id.told(chat.snapshot_version));
        let mut told = before;
        let is_servers = |entry: &Entry| matches!(&entry.body, Body::Event(event) if matches!(event.payload, StreamPayload::McpStatus { .. }));
        if let Some(mcp_status) = servers.filter(|_| !live.iter().any(is_servers)) {
            told |= SERVERS_TOLD;
            if before & SERVERS_TOLD == 0 {
                self.push_at(tail(told, chat.snapshot_version), StreamPayload::McpStatus { mcp_status });
            }
        }
        self.queue_version = chat.queue_version;
        if let Some(queue_update) = queue {
            self.knows_queue = true;
            told |= QUEUE_TOLD;
            if before & QUEUE_TOLD == 0 {
                self.push_at(tail(told, chat.snapshot_version), StreamPayload::QueueUpdate { queue_update });
            }
        }
        told |= STATUS_TOLD;
        if live.is_empty() {
            // Only who has the live parts too may go on from the log.
            self.push_at(subscription.cursor(), status_payload(chat));
        } else if before & STATUS_TOLD == 0 {
            self.push_at(tail(told, chat.snapshot_version), status_payload(chat));
        }
        for entry in live {
            self.take_event(&entry);
        }
        self.subscription = Some(subscription);
    }

    /// Waits for more. True when the stream goes on.
    async fn advance(&mut self) -> Result<bool, End> {
        let Some(subscription) = self.subscription.as_mut() else { return Ok(false) };
        match subscription.read() {
            Unread::Gone => return Ok(false),
            Unread::Lagged => {
                tracing::debug!(chat = %self.chat, "a reader lags behind the log and is cut");
                return Ok(false);
            }
            Unread::Entries(entries) if entries.is_empty() => {}
            Unread::Entries(entries) => {
                for entry in entries {
                    if entry.edit_version > self.edit_version {
                        self.reset().await?;
                        return Ok(true);
                    }
                    if entry.edit_version == self.edit_version && self.take(&entry).await?.is_break() {
                        return Ok(true);
                    }
                }
                return Ok(true);
            }
        }
        let replicas = self.db.engine_name() == "postgres";
        let closed = self.hub.0.closed.clone();
        tokio::select! {
            () = subscription.changed() => Ok(true),
            () = closed.cancelled() => Ok(false),
            () = tokio::time::sleep(limits::READER_POLL), if replicas => {
                self.look().await?;
                Ok(true)
            }
        }
    }

    /// Looks for what another replica committed.
    async fn look(&mut self) -> Result<(), End> {
        let mut session = self.db.read().await?;
        let chat = chat_get_any(&mut session, self.chat).await?.ok_or(End::ChatGone)?;
        if chat.snapshot_version == self.snapshot_version {
            return Ok(());
        }
        let last = message_last_id(&mut session, self.chat).await?;
        let queue = match chat.queue_version == self.queue_version {
            true => None,
            false => self.queue_of(&mut session, &chat).await?,
        };
        let actions = actions_of(&mut session, &chat).await?;
        drop(session);
        self.snapshot_version = chat.snapshot_version;
        if chat.edit_version != self.edit_version {
            return self.reset().await;
        }
        if last > self.seen {
            if self.parts_shown {
                self.parts_shown = false;
                self.push_shot(preview_reset(chat.generation_attempt));
            }
            return self.continue_after(self.seen).await;
        }
        let cursor = self.subscription.as_ref().map_or(0, Subscription::cursor);
        if let Some(queue_update) = queue {
            self.queue_version = chat.queue_version;
            self.knows_queue = true;
            self.push_at(cursor, StreamPayload::QueueUpdate { queue_update });
        }
        if !actions.is_empty() {
            self.push_at(cursor, action_required(&actions));
        }
        self.push_at(cursor, status_payload(&chat));
        Ok(())
    }

    /// Breaks when the reader has a new place in the log.
    async fn take(&mut self, entry: &Entry) -> Result<ControlFlow<()>, End> {
        if entry.body.message_id().is_some_and(|id| id <= self.seen) {
            // Already shown from the database; the parts it replaces may have been shown after that.
            if self.parts_shown {
                self.parts_shown = false;
                self.push_at(entry.sequence, preview_reset(0));
            }
            return Ok(ControlFlow::Continue(()));
        }
        if let Some(id) = entry.body.message_id()
            && self.misses_before(id).await?
        {
            self.drop_parts();
            self.continue_after(self.seen).await?;
            return Ok(ControlFlow::Break(()));
        }
        match &entry.body {
            Body::StoredMessage(id) => {
                let message = message_get(&mut self.db.read().await?, self.chat, *id).await?;
                self.parts_shown = false;
                // Hidden meanwhile: the event of the rewrite follows.
                if let Some(message) = message {
                    self.seen = message.id;
                    self.push_at(entry.sequence, StreamPayload::Message { message });
                }
            }
            Body::Event(_) => self.take_event(entry),
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Whether another replica has committed something before this message of which no word has come.
    async fn misses_before(&self, id: i64) -> Result<bool, End> {
        if !self.has_replicas() {
            return Ok(false);
        }
        Ok(message_between(&mut self.db.read().await?, self.chat, self.seen, id).await?)
    }

    /// With one process every change passes the hub. With several, the database is the only one who knows all.
    fn has_replicas(&self) -> bool {
        self.db.engine_name() == "postgres"
    }

    /// Whatever was shown of a running answer is void.
    fn drop_parts(&mut self) {
        if self.parts_shown {
            self.parts_shown = false;
            self.push_shot(preview_reset(0));
        }
    }

    fn take_event(&mut self, entry: &Entry) {
        let Body::Event(event) = &entry.body else { return };
        match &event.payload {
            StreamPayload::MessagePart { message_part } => {
                if message_part.history_version < self.part_floor {
                    return;
                }
                self.parts_shown = true;
            }
            StreamPayload::Message { message } => {
                self.seen = message.id;
                self.parts_shown = false;
            }
            StreamPayload::PreviewReset { .. } => self.parts_shown = false,
            StreamPayload::QueueUpdate { .. } => {
                // The database was faster.
                if entry.queue_version <= self.queue_version {
                    return;
                }
                self.queue_version = entry.queue_version;
                self.knows_queue = true;
            }
            _ => {}
        }
        self.queue.push_back((self.id(entry.sequence), Arc::clone(event)));
    }

    /// Queues an event of a snapshot.
    fn push_shot(&mut self, payload: StreamPayload) {
        self.push_at(if self.parts_shown { SNAPSHOT } else { SNAPSHOT_CLEAN }, payload);
    }

    fn push_at(&mut self, sequence: u64, payload: StreamPayload) {
        let item = (self.id(sequence), Arc::new(StreamEvent { chat_id: self.chat, payload }));
        self.queue.push_back(item);
    }

    /// The id of the event that is queued next: what the reader will have been shown then.
    fn id(&self, sequence: u64) -> EventId {
        EventId {
            chat: self.chat,
            edit_version: self.edit_version,
            message_id: self.seen,
            sequence,
            boot: self.hub.0.boot,
        }
    }
}

/// What the turn of the chat waits for; nothing unless it does.
async fn actions_of(
    session: &mut store::Session,
    chat: &ChatRecord,
) -> Result<Vec<ActionRecord>, StoreError> {
    match chat.status {
        ChatStatus::RequiresAction => store::actions::actions_waiting(session, chat.id).await,
        _ => Ok(Vec::new()),
    }
}

fn action_required(actions: &[ActionRecord]) -> StreamPayload {
    StreamPayload::ActionRequired { action_required: actions.iter().map(ActionRecord::to_wire).collect() }
}

fn status_payload(chat: &ChatRecord) -> StreamPayload {
    StreamPayload::Status { status: status_change(chat) }
}

fn preview_reset(attempt: i64) -> StreamPayload {
    StreamPayload::PreviewReset { preview_reset: PreviewReset { attempt } }
}
