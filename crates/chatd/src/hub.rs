//! Who watches which chat (behaviour 19): committed messages from the database, the running answer from memory.
//!
//! Per chat one [`channel::Channel`] with a bounded log. Readers do not have queues of their own: each holds a place in the log, so a
//! slow one costs nothing, and whoever falls behind the log's end is cut and resumes from the database.

mod channel;
mod event_id;
mod follow;
mod inbox;
mod outbox;
mod publisher;

pub(crate) use channel::content_bytes;
pub use event_id::EventId;
pub use follow::{Resume, follow};
pub use publisher::Publisher;

use crate::limits;
use api::chats::ChatStatus;
use channel::{Channel, Subscription, Unread};
use domain::clock::Entropy;
use inbox::Inbox;
use outbox::{Outbox, Told};
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use store::{Db, StoreError, chats::ChatRecord};
use tokio::{
    sync::{Notify, broadcast},
    time::Instant,
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// The channels of this process. Clones share them.
#[derive(Debug, Clone)]
pub struct Hub(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// Tells the event ids of this start from those of any other.
    boot: u64,
    /// One count for all chats: a channel that is dropped and made again never repeats a number.
    sequence: AtomicU64,
    channels: Mutex<HashMap<Uuid, Arc<Channel>>>,
    closed: CancellationToken,
    /// Owners whose list of chats changed here; a hint for those who watch it.
    lists: broadcast::Sender<Uuid>,
    /// What other replicas are told, where there may be some.
    outbox: OnceLock<Arc<Outbox>>,
    /// A channel was made: what other replicas have told of its chat is wanted.
    made: Notify,
}

impl Hub {
    pub fn new(entropy: &dyn Entropy) -> Self {
        let mut boot = [0; 8];
        entropy.fill(&mut boot);
        Self(Arc::new(Inner {
            boot: u64::from_be_bytes(boot),
            sequence: AtomicU64::new(event_id::SNAPSHOT_CLEAN),
            channels: Mutex::new(HashMap::new()),
            closed: CancellationToken::new(),
            lists: broadcast::Sender::new(limits::LIST_HINTS),
            outbox: OnceLock::new(),
            made: Notify::new(),
        }))
    }

    fn channels(&self) -> MutexGuard<'_, HashMap<Uuid, Arc<Channel>>> {
        self.0.channels.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn channel(&self, chat: Uuid) -> Arc<Channel> {
        let mut channels = self.channels();
        let channel = channels.entry(chat).or_insert_with(|| {
            self.0.made.notify_one();
            Arc::new(Channel::new(chat, self.sequence()))
        });
        Arc::clone(channel)
    }

    fn outbox(&self) -> Option<&Arc<Outbox>> {
        self.0.outbox.get()
    }

    /// Tells other replicas on this database what happens here, and takes in what they tell, until `ended`. Nothing where the database
    /// has one process only. `stop`: the turn of a chat under this lease epoch is to be stopped,
    /// as another replica was asked.
    pub(crate) fn join_others(
        &self,
        db: &Db,
        holder: Uuid,
        stop: impl Fn(Uuid, i64) + Send + Sync + 'static,
        ended: CancellationToken,
    ) {
        if db.engine_name() == "sqlite" {
            return;
        }
        let outbox = Arc::new(Outbox::new(db.clone(), holder));
        if self.0.outbox.set(Arc::clone(&outbox)).is_err() {
            return;
        }
        tokio::spawn(outbox.send(ended.clone()));
        tokio::spawn(Inbox::new(self.clone(), db.clone(), holder).receive(stop, ended));
    }

    /// The newest sequence number of any chat.
    fn sequence(&self) -> u64 {
        self.0.sequence.load(Ordering::SeqCst)
    }

    fn next_sequence(&self) -> u64 {
        self.0.sequence.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// A hand to publish events of `chat`, which is in the state `edit_version` of its history.
    pub fn publisher(&self, chat: Uuid, edit_version: i64) -> Publisher {
        Publisher::new(self.clone(), self.channel(chat), edit_version)
    }

    /// Whether somebody follows the chat on this process. Who only waits for the end of a turn cannot be asked anything.
    pub(crate) fn is_watched(&self, chat: Uuid) -> bool {
        self.channels().get(&chat).is_some_and(|channel| channel.followers() > 0)
    }

    /// Ends the streams of a chat that was deleted.
    pub fn chat_gone(&self, chat: Uuid) {
        if let Some(outbox) = self.outbox() {
            outbox.push(chat, 0, Told::Gone);
        }
        self.channel_gone(chat);
    }

    fn channel_gone(&self, chat: Uuid) {
        if let Some(channel) = self.channels().remove(&chat) {
            channel.close();
        }
    }

    /// The list of chats of `owner` changed in this process. A hint: whoever watches looks by themselves from time to time.
    pub fn list_changed(&self, owner: Uuid) {
        // An error only says that nobody watches.
        let _ = self.0.lists.send(owner);
    }

    /// Owners whose list changes from now on.
    pub fn lists(&self) -> broadcast::Receiver<Uuid> {
        self.0.lists.subscribe()
    }

    /// Waits until [`Self::close`].
    pub async fn closed(&self) {
        self.0.closed.cancelled().await;
    }

    /// Ends every stream, now and from now on.
    pub fn close(&self) {
        self.0.closed.cancel();
    }

    /// Drops the channels nobody uses.
    pub(crate) fn sweep(&self) {
        // A count of one is ours: others can only get at a channel through this map, whose lock we hold.
        self.channels()
            .retain(|_, channel| Arc::strong_count(channel) > 1 || channel.idle() < limits::LOG_KEPT);
    }

    /// Waits for `what` in `chat`, at most for `wait`; the chat as it is then, `None` when there is no such chat. For `Prefer: wait=N`
    /// (behaviour 17).
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn wait_for(
        &self,
        db: &Db,
        chat: Uuid,
        what: Awaited,
        wait: Duration,
    ) -> Result<Option<ChatRecord>, StoreError> {
        let deadline = Instant::now() + wait;
        loop {
            // The place first, then the look: what happens in between is seen.
            let (mut subscription, _) = self.channel(chat).join();
            let mut session = db.read().await?;
            let record = store::chats::chat_get_any(&mut session, chat).await?;
            let busy = record.as_ref().is_some_and(|record| record.status.is_busy());
            let awaited = match what {
                Awaited::Idle => false,
                Awaited::NextTurn(message) => {
                    busy && store::messages::user_message_after(&mut session, chat, message).await?.is_some()
                }
                Awaited::Unqueued(queued) => {
                    busy && store::chats::queue_get(&mut session, chat, queued).await?.is_none()
                }
            };
            drop(session);
            // Whoever waits for the answer may be the one who has to decide something first.
            let parked = record.as_ref().is_some_and(|record| record.status == ChatStatus::RequiresAction)
                && matches!(what, Awaited::NextTurn(_));
            if !busy || awaited || parked || Instant::now() >= deadline || self.0.closed.is_cancelled() {
                return Ok(record);
            }
            let until = deadline.min(Instant::now() + limits::WAIT_POLL);
            tokio::select! {
                () = moved_on(&mut subscription) => {}
                () = self.0.closed.cancelled() => {}
                () = tokio::time::sleep_until(until) => {}
            }
        }
    }
}

/// What somebody waits for in a chat. Whatever it is, an idle chat is waited for no longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Awaited {
    /// No turn is under way.
    Idle,
    /// A turn behind the one that this message began.
    NextTurn(i64),
    /// This message does not wait any more.
    Unqueued(i64),
}

/// Waits for an event that says that a turn is over, or that another has begun.
async fn moved_on(subscription: &mut Subscription) {
    use api::{messages::MessageRole, stream::StreamPayload};
    loop {
        subscription.changed().await;
        let Unread::Entries(entries) = subscription.read() else { return };
        let told = entries.iter().any(|entry| match &entry.body {
            channel::Body::Event(event) => match &event.payload {
                StreamPayload::Status { status } => {
                    !status.status.is_busy() || status.status == ChatStatus::RequiresAction
                }
                StreamPayload::Message { message } => message.role == MessageRole::User,
                StreamPayload::QueueUpdate { .. } => true,
                _ => false,
            },
            channel::Body::StoredMessage(_) => true,
        });
        if told {
            return;
        }
    }
}
