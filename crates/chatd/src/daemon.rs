//! The daemon: which chats run here, and when (behaviour 18).
//!
//! A chat gets a runner when somebody wakes it or the poll finds it; a runner holds the chat's lease. Notifications are hints: the
//! database knows every chat that is due.

mod lease;
mod slots;

pub(crate) use lease::Lease;

use crate::{
    failpoint::{self, FailPoint},
    hub::{Awaited, Hub},
    limits,
    ports::{ModelSource, ServerSource},
    runner::{Left, Runner},
};
use api::{chats::QueuedMessage, messages::ChatMessage};
use domain::clock::{Clock, Entropy};
use futures::FutureExt;
use lease::{Hold, acquire};
use mcpclient::McpClients;
use slots::{Bounds, Entered, Kind, Place, Slots};
use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};
use store::{
    Db, StoreError,
    chats::{ChatRecord, LeaseChange},
};
use tokio::{sync::Semaphore, time::Instant};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use uuid::Uuid;

/// What the daemon stands on.
pub struct Deps {
    pub db: Db,
    pub mcp: McpClients,
    pub models: Arc<dyn ModelSource>,
    pub servers: Arc<dyn ServerSource>,
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
    pub config: ChatdConfig,
}

/// When to ask a model again: number of the retry from 1, what the provider asks for, chance in 0..1.
pub type RetryDelay = fn(u32, Option<Duration>, f64) -> Option<Duration>;

/// The figures an operator or a test may change; [`Default`] gives those of [`crate::limits`].
#[derive(Debug, Clone, Copy)]
pub struct ChatdConfig {
    pub turns: usize,
    pub turns_per_user: usize,
    /// Turns of subagents, beside those.
    pub subagents: usize,
    pub subagents_per_user: usize,
    pub steps: usize,
    pub calls: usize,
    pub parallel_calls: usize,
    pub wall: Duration,
    /// Connect, handshake and listing of a step.
    pub servers: Duration,
    pub poll: Duration,
    /// How long a turn waits for a person or a client.
    pub parked: Duration,
    pub lease: Duration,
    pub heartbeat: Duration,
    pub self_stop: Duration,
    /// How long a turn waits for a place before the chat says so.
    pub capacity_shown: Duration,
    pub retry_delay: RetryDelay,
}

impl Default for ChatdConfig {
    fn default() -> Self {
        Self {
            turns: limits::TURNS,
            turns_per_user: limits::TURNS_PER_USER,
            subagents: limits::SUBAGENT_TURNS,
            subagents_per_user: limits::SUBAGENT_TURNS_PER_USER,
            steps: limits::STEPS,
            calls: limits::CALLS,
            parallel_calls: limits::PARALLEL_CALLS,
            wall: limits::WALL,
            servers: limits::SERVERS,
            poll: limits::POLL,
            parked: limits::PARKED,
            lease: limits::LEASE,
            heartbeat: limits::HEARTBEAT,
            self_stop: limits::SELF_STOP,
            capacity_shown: limits::CAPACITY_SHOWN,
            retry_delay: llm::retry::delay,
        }
    }
}

/// What the tasks of one daemon share.
pub(crate) struct Shared {
    pub(crate) deps: Deps,
    pub(crate) hub: Hub,
    /// This start of this process, as leases name it.
    pub(crate) holder: Uuid,
    slots: Slots,
    /// Titles that may be made at once.
    pub(crate) titles: Arc<Semaphore>,
    tasks: TaskTracker,
    /// No further turns begin.
    draining: CancellationToken,
    /// Turns under way end where they are.
    halted: CancellationToken,
    /// No turn is left.
    ended: CancellationToken,
}

impl Shared {
    /// The daemon that these tasks belong to.
    pub(crate) fn daemon(self: &Arc<Self>) -> ChatDaemon {
        ChatDaemon(Arc::clone(self))
    }

    /// The turn of `chat` only waits for subagents from now on: another may have its place until this is dropped.
    pub(crate) fn rest(self: &Arc<Self>, chat: Uuid) -> Resting {
        self.slots.rest(chat, true);
        self.daemon().start_pending(chat);
        Resting { shared: Arc::clone(self), chat }
    }
}

/// See [`Shared::rest`].
pub(crate) struct Resting {
    shared: Arc<Shared>,
    chat: Uuid,
}

impl Drop for Resting {
    fn drop(&mut self) {
        self.shared.slots.rest(self.chat, false);
    }
}

/// The chat daemon. Clones share it.
#[derive(Clone)]
pub struct ChatDaemon(Arc<Shared>);

impl std::fmt::Debug for ChatDaemon {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChatDaemon").field("holder", &self.0.holder).finish_non_exhaustive()
    }
}

impl ChatDaemon {
    /// Starts the daemon and takes up what an earlier process left.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn start(deps: Deps) -> Result<Self, StoreError> {
        if deps.db.engine_name() == "sqlite" {
            // The lock on the file guarantees that no other process serves it: every lease in it is a dead one's.
            let mut write = deps.db.write().await?;
            store::chats::leases_forget(&mut write).await?;
            write.commit().await?;
        }
        let holder = domain::clock::new_id(&*deps.clock, &*deps.entropy);
        let hub = Hub::new(&*deps.entropy);
        let config = &deps.config;
        let slots = Slots::new(
            Bounds { turns: config.turns, per_user: config.turns_per_user },
            Bounds { turns: config.subagents, per_user: config.subagents_per_user },
        );
        let shared = Arc::new(Shared {
            deps,
            hub,
            holder,
            slots,
            titles: Arc::new(Semaphore::new(limits::TITLES)),
            tasks: TaskTracker::new(),
            draining: CancellationToken::new(),
            halted: CancellationToken::new(),
            ended: CancellationToken::new(),
        });
        let daemon = Self(shared);
        let stopper = daemon.clone();
        let stop = move |chat, epoch| stopper.0.slots.stop_under(chat, epoch);
        daemon.0.hub.join_others(&daemon.0.deps.db, holder, stop, daemon.0.ended.clone());
        let poller = daemon.clone();
        tokio::spawn(async move { poller.poll().await });
        Ok(daemon)
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.0
    }

    /// Who watches which chat.
    pub fn hub(&self) -> &Hub {
        &self.0.hub
    }

    /// The lease to take in the transaction that makes a chat `running`. It saves the turn a commit: the runner of this process starts
    /// under it, and if this process dies the lease runs out like any other.
    pub fn lease_on_send(&self) -> LeaseChange {
        LeaseChange::Take { holder: self.0.holder, lasting: self.0.deps.config.lease }
    }

    /// A turn was asked for and committed: shows message and status to readers and starts the turn. After an edit too.
    pub fn turn_begun(&self, chat: &ChatRecord, message: &ChatMessage) {
        if failpoint::hit(FailPoint::MessageCommitted, &*self.0.deps.entropy) {
            return;
        }
        let publisher = self.0.hub.publisher(chat.id, chat.edit_version);
        publisher.message(message);
        publisher.status(chat);
        self.wake_chat(chat);
    }

    /// Status, error or title changed and were committed.
    pub fn chat_changed(&self, chat: &ChatRecord) {
        self.0.hub.publisher(chat.id, chat.edit_version).status(chat);
    }

    /// What waits in the chat changed and was committed.
    pub fn queue_changed(&self, chat: &ChatRecord, queue: Vec<QueuedMessage>) {
        self.0.hub.publisher(chat.id, chat.edit_version).queue(chat, queue);
    }

    /// The chat was deleted: ends its streams and its turn.
    pub fn chat_gone(&self, chat: Uuid) {
        self.interrupt(chat);
        self.0.hub.chat_gone(chat);
    }

    /// There is something to do for this chat. Never waits; a chat that cannot start now waits for a free place.
    pub fn wake_chat(&self, chat: &ChatRecord) {
        self.wake(chat.id, Kind::of(chat.parent_chat_id.is_some()));
    }

    fn wake(&self, chat: Uuid, kind: Kind) {
        if self.0.draining.is_cancelled() {
            return;
        }
        self.begin(chat, self.0.slots.enter(chat, kind));
    }

    fn begin(&self, chat: Uuid, entered: Entered) {
        let daemon = self.clone();
        match entered {
            Entered::Place(place) => {
                self.0.tasks.spawn(async move { daemon.run(place).await });
            }
            Entered::Full { new: true } => {
                self.0.tasks.spawn(async move { daemon.say_waiting(chat).await });
            }
            Entered::Full { new: false } | Entered::Running => {}
        }
    }

    /// Stops the turn of this chat: the model and the tools hear of it at once, what is there is committed, no further tool starts.
    /// The caller has committed the status `interrupting`; where another process runs the turn, that is what reaches it.
    pub fn interrupt(&self, chat: Uuid) {
        if !self.0.slots.stop(chat) && !self.0.draining.is_cancelled() {
            // Over the cap on turns: a chat that waits for a place must not wait for its stop as well.
            self.begin(chat, self.0.slots.enter_to_stop(chat));
        }
    }

    /// How many turns run in this process now.
    pub fn running(&self) -> usize {
        self.0.slots.running()
    }

    /// Waits until no turn of `chat` is under way, at most for `wait` (behaviour 17, `Prefer: wait=N`).
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn wait_idle(&self, chat: Uuid, wait: Duration) -> Result<Option<ChatRecord>, StoreError> {
        self.0.hub.wait_for(&self.0.deps.db, chat, Awaited::Idle, wait).await
    }

    /// Begins no further turn, lets those under way end until `deadline`, then stops them where they are and gives their leases back:
    /// their calls in flight are settled by whoever takes over, as after a crash, and their generations repeated. Streams end last.
    pub async fn drain(&self, deadline: Duration) {
        self.0.draining.cancel();
        self.0.tasks.close();
        if tokio::time::timeout(deadline, self.0.tasks.wait()).await.is_err() {
            tracing::warn!(turns = self.running(), "turns are stopped by the shutdown");
            self.0.halted.cancel();
            if tokio::time::timeout(limits::HEARTBEAT, self.0.tasks.wait()).await.is_err() {
                tracing::error!(turns = self.running(), "turns did not stop; their leases run out");
            }
        }
        self.0.ended.cancel();
        self.0.hub.close();
    }

    async fn poll(&self) {
        let mut ticks = tokio::time::interval(self.0.deps.config.poll);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = self.0.draining.cancelled() => return,
            }
            self.0.hub.sweep();
            match self.due().await {
                Ok(chats) => {
                    chats.into_iter().for_each(|(chat, subagent)| self.wake(chat, Kind::of(subagent)));
                }
                Err(error) => tracing::warn!(%error, "could not look for chats that wait for a runner"),
            }
        }
    }

    async fn due(&self) -> Result<Vec<(Uuid, bool)>, StoreError> {
        store::chats::chats_due(&mut self.0.deps.db.read().await?, limits::POLL_CHATS).await
    }

    /// One chat in one place: until there is nothing more to do for it.
    async fn run(&self, mut place: Place) {
        let chat = place.chat;
        // The lease this place ran under last: it is not taken up again but renewed under a new epoch, so that whatever is left of
        // the run before cannot commit.
        let mut used = None;
        loop {
            let again = self.run_once(&place, &mut used).await;
            if self.0.draining.is_cancelled() {
                break;
            }
            match again {
                Again::No => match place.leave() {
                    Some(kept) => place = kept,
                    None => return self.start_pending(chat),
                },
                // At the end of the line: whoever has waited longer for a place comes first.
                Again::NextTurn => {
                    let kind = place.kind();
                    drop(place);
                    self.start_pending(chat);
                    return self.wake(chat, kind);
                }
                Again::NoRoom => {
                    if self.0.slots.park(&place) {
                        drop(place);
                        self.start_pending(chat);
                        return self.say_waiting(chat).await;
                    }
                    break;
                }
                Again::After(_) if place.take_woken() => {}
                Again::After(wait) => tokio::select! {
                    () = tokio::time::sleep(wait) => {}
                    () = self.0.draining.cancelled() => break,
                },
            }
        }
        drop(place);
        self.start_pending(chat);
    }

    /// A chat waits for a free place: says so to whoever looks, if that takes a while. Only a hint: where the database does not take
    /// it, the turn comes all the same.
    async fn say_waiting(&self, chat: Uuid) {
        let said = async {
            let Some(record) = store::chats::chat_get_any(&mut self.0.deps.db.read().await?, chat).await?
            else {
                return Ok(());
            };
            if !self.0.slots.pending_of(chat, record.owner_id) {
                return Ok(());
            }
            tokio::select! {
                () = tokio::time::sleep(self.0.deps.config.capacity_shown) => {}
                () = self.0.draining.cancelled() => return Ok(()),
            }
            if !self.0.slots.pending_of(chat, record.owner_id) {
                return Ok(());
            }
            let mut write = self.0.deps.db.write().await?;
            let waiting = store::chats::capacity_wait(&mut write, chat, self.0.holder).await?;
            write.commit().await?;
            let Some(waiting) = waiting else { return Ok(()) };
            self.chat_changed(&waiting);
            if !self.0.slots.pending_of(chat, waiting.owner_id) {
                // It got its place before this was written.
                self.say_found(chat).await?;
            }
            Ok::<_, StoreError>(())
        };
        if let Err(error) = said.await {
            tracing::warn!(%chat, %error, "could not say that a chat waits for a place");
        }
    }

    async fn say_found(&self, chat: Uuid) -> Result<(), StoreError> {
        let mut write = self.0.deps.db.write().await?;
        let found = store::chats::capacity_found(&mut write, chat).await?;
        write.commit().await?;
        if let Some(found) = found {
            self.chat_changed(&found);
        }
        Ok(())
    }

    fn start_pending(&self, left: Uuid) {
        tracing::trace!(chat = %left, "nothing more to do");
        for (next, kind) in self.0.slots.next_pending() {
            self.wake(next, kind);
        }
    }

    async fn run_once(&self, place: &Place, used: &mut Option<i64>) -> Again {
        // Before the chat is read: a stop that comes later reaches this signal, one that came before stands in the database.
        let stop = place.begin_turn();
        let hold = match acquire(&self.0, place, *used).await {
            Ok(Hold::Taken(held)) => *held,
            Ok(Hold::Nothing) => return Again::No,
            Ok(Hold::NoRoom) => return Again::NoRoom,
            Err(error) => {
                tracing::warn!(chat = %place.chat, %error, "could not take the lease of a chat");
                return Again::After(limits::REWAKE);
            }
        };
        *used = Some(hold.chat.lease_epoch);
        place.runs_under(hold.chat.lease_epoch);
        if hold.waited {
            if hold.chat.queued_for_capacity {
                if let Err(error) = self.say_found(place.chat).await {
                    tracing::warn!(chat = %place.chat, %error, "could not say that a chat has its place");
                }
            } else {
                // The claim has written it.
                self.chat_changed(&hold.chat);
            }
        }
        let lease = hold.lease;
        let heartbeat = lease.heartbeat(self.0.deps.db.clone(), stop.clone());
        let chat = hold.chat;
        let (chat_id, fence) = (chat.id, chat.fence());
        let runner = Runner::new(
            Arc::clone(&self.0),
            chat,
            hold.claimed,
            Arc::clone(&lease),
            stop,
            self.0.halted.clone(),
        );
        let started = Instant::now();
        let done = AssertUnwindSafe(runner.run()).catch_unwind().await;
        drop(heartbeat);
        tracing::debug!(chat = %chat_id, epoch = fence.lease_epoch, elapsed_ms = started.elapsed().as_millis(), "turn left");
        match done {
            Ok(Left::Done) => Again::No,
            Ok(Left::NextTurn) => Again::NextTurn,
            Ok(Left::Open) => Again::After(limits::REWAKE),
            Err(_) => {
                tracing::error!(chat = %chat_id, "a turn panicked");
                crate::runner::fail_after_panic(&self.0, chat_id, lease).await;
                Again::After(limits::REWAKE)
            }
        }
    }
}

/// What a place does after a turn.
enum Again {
    /// Free, unless the chat was woken meanwhile.
    No,
    /// A message that waited begins the next turn.
    NextTurn,
    /// Its owner has as many turns as allowed: wait outside.
    NoRoom,
    /// Look again: fence or database were lost.
    After(Duration),
}
