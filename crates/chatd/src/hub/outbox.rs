//! What other replicas on the same database are told of the turns that run here (behaviour 19): live events by their words, committed
//! things by their ids. Gathered for a moment, written as one row per chat; publishing never waits for it.
//!
//! Everything here may be lost. Parts carry numbers, so a gap shows and the preview is dropped; messages and states are in the database,
//! where every reader looks by itself.

use super::channel::{Body, content_bytes};
use crate::limits;
use api::stream::{LivePart, StreamEvent, StreamPayload};
use serde_json::json;
use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};
use store::{
    Db, StoreError,
    live_parts::{LivePut, live_forget, live_put, live_remove, live_sweep},
};
use tokio::{sync::Notify, time::Instant};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// One thing to tell.
#[derive(Debug, Clone)]
pub(super) enum Told {
    Event(Arc<StreamEvent>),
    /// A message was committed.
    Message(i64),
    /// The chat's row was changed, to this `snapshot_version`: status, queue, title.
    Row(i64),
    /// The chat was deleted.
    Gone,
}

impl Told {
    pub(super) fn of(body: &Body) -> Self {
        match (body.message_id(), body) {
            (Some(id), _) => Self::Message(id),
            (None, Body::StoredMessage(id)) => Self::Message(*id),
            (None, Body::Event(event)) => Self::Event(Arc::clone(event)),
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Event(event) => match &event.payload {
                StreamPayload::MessagePart { message_part: LivePart { part, .. } } => {
                    content_bytes(part) + limits::EVENT_OVERHEAD
                }
                _ => limits::EVENT_OVERHEAD,
            },
            Self::Message(_) | Self::Row(_) | Self::Gone => limits::EVENT_OVERHEAD,
        }
    }

    fn to_json(&self) -> serde_json::Value {
        match self {
            Self::Event(event) => json!({ "event": event.payload }),
            Self::Message(id) => json!({ "message": id }),
            Self::Row(version) => json!({ "row": version }),
            Self::Gone => json!({ "row": 0 }),
        }
    }
}

#[derive(Debug)]
pub(super) struct Outbox {
    db: Db,
    holder: Uuid,
    waiting: Mutex<Waiting>,
    woken: Notify,
    /// There is somebody to tell.
    open: AtomicBool,
}

#[derive(Debug, Default)]
struct Waiting {
    rows: Vec<(Uuid, i64, Vec<Told>)>,
    bytes: usize,
}

/// In place of an id: every row of the chat, whoever wrote it.
const ALL: i64 = i64::MAX;

/// Rows that are no longer needed from an instant on: all of a chat before an id.
type Spent = VecDeque<(Instant, Uuid, i64)>;

impl Outbox {
    pub(super) fn new(db: Db, holder: Uuid) -> Self {
        Self { db, holder, waiting: Mutex::default(), woken: Notify::new(), open: AtomicBool::new(true) }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_open(&self) -> bool {
        self.open.load(Ordering::Relaxed)
    }

    /// Somebody else has just told something.
    pub(super) fn others_seen(&self) {
        self.open.store(true, Ordering::Relaxed);
    }

    /// Takes one thing in.
    pub(super) fn push(&self, chat: Uuid, edit_version: i64, told: Told) {
        if !self.is_open() {
            return;
        }
        let bytes = told.bytes();
        let mut waiting = self.waiting();
        if waiting.bytes + bytes > limits::TELL_BYTES {
            return;
        }
        waiting.bytes += bytes;
        let first = waiting.rows.is_empty();
        // The newest row of the chat, so that its order stays.
        match waiting.rows.iter_mut().rev().find(|(of, ..)| *of == chat) {
            Some((_, version, told_before)) if *version == edit_version => told_before.push(told),
            _ => waiting.rows.push((chat, edit_version, vec![told])),
        }
        drop(waiting);
        if first {
            self.woken.notify_one();
        }
    }

    /// Writes what comes, until `ended`.
    pub(super) async fn send(self: Arc<Self>, ended: CancellationToken) {
        let mut spent = Spent::new();
        let mut look = Instant::now();
        let mut sweep = Instant::now() + limits::TOLD_KEPT;
        loop {
            let over = tokio::select! {
                () = self.woken.notified() => {
                    tokio::time::sleep(limits::TELL_EVERY).await;
                    false
                }
                () = tokio::time::sleep_until(look) => {
                    self.look_for_others().await;
                    look = Instant::now() + limits::OTHERS_LOOK;
                    false
                }
                () = ended.cancelled() => true,
            };
            if let Err(error) = self.flush(&mut spent).await {
                tracing::debug!(%error, "other replicas were not told of live events");
                if !over {
                    tokio::time::sleep(limits::TELL_EVERY * 10).await;
                }
            }
            if over {
                return;
            }
            self.remove(&mut spent).await;
            if Instant::now() >= sweep {
                sweep = Instant::now() + limits::TOLD_STALE / 10;
                let swept = live_sweep(&self.db, limits::TOLD_STALE).await;
                swept.inspect_err(|error| tracing::debug!(%error, "old live events were not removed")).ok();
            }
        }
    }

    /// Alone on the database nobody has to be told anything. A process that does not say that it is one counts for many.
    async fn look_for_others(&self) {
        let look = async { store::replicas::replicas_live(&mut self.db.read().await?).await };
        if let Ok(replicas) = in_time(look).await {
            self.open.store(replicas.len() != 1, Ordering::Relaxed);
        }
    }

    async fn flush(&self, spent: &mut Spent) -> Result<(), StoreError> {
        let rows = {
            let mut waiting = self.waiting();
            waiting.bytes = 0;
            std::mem::take(&mut waiting.rows)
        };
        if rows.is_empty() {
            return Ok(());
        }
        let of = |wanted: fn(&Told) -> bool| -> Vec<Uuid> {
            rows.iter().filter(|(.., told)| told.iter().any(wanted)).map(|(chat, ..)| *chat).collect()
        };
        let settled = of(|told| matches!(told, Told::Message(_)));
        let gone = of(|told| matches!(told, Told::Gone));
        let rows = rows
            .into_iter()
            .map(|(chat_id, edit_version, told)| LivePut {
                chat_id,
                edit_version,
                events: serde_json::Value::from_iter(told.iter().map(Told::to_json)).to_string(),
            })
            .collect();
        let first = in_time(live_put(&self.db, self.holder, rows)).await?;
        let due = Instant::now() + limits::TOLD_KEPT;
        spent.extend(settled.into_iter().map(|chat| (due, chat, first)));
        spent.extend(gone.into_iter().map(|chat| (due, chat, ALL)));
        Ok(())
    }

    async fn remove(&self, spent: &mut Spent) {
        let now = Instant::now();
        let mut due = Vec::new();
        while let Some((_, chat, before)) = spent.pop_front_if(|(at, ..)| *at <= now) {
            if before == ALL {
                let forgotten = in_time(live_forget(&self.db, chat)).await;
                forgotten
                    .inspect_err(|error| tracing::debug!(%error, "live events of a deleted chat stay"))
                    .ok();
            } else {
                due.push((chat, before));
            }
        }
        if !due.is_empty()
            && let Err(error) = in_time(live_remove(&self.db, self.holder, &due)).await
        {
            tracing::debug!(%error, "live events that were told are not removed yet");
        }
    }
}

/// A courtesy does not wait for long.
async fn in_time<T>(work: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    tokio::time::timeout(limits::TELL_PATIENCE, work).await.unwrap_or_else(|_| Err(StoreError::timed_out()))
}
