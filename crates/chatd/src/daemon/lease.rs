//! The right to run a turn: a row in the database, watched by a monotonic clock here.

use super::{
    Shared,
    slots::{Kind, Place},
};
use api::chats::ChatStatus;
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use store::{
    Db, StoreError,
    chats::{
        ChatRecord, chat_get_any, lease_claim, lease_claim_overdue, lease_release, lease_renew,
        lease_seconds_left,
    },
};
use tokio::time::Instant;
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};
use uuid::Uuid;

/// A lease this process holds. It is judged by the moment the last successful renewal *began*, on the monotonic clock: whatever the
/// wall clock or a pause of the process does, we believe in the lease for a shorter time than others respect it.
#[derive(Debug)]
pub(crate) struct Lease {
    pub(crate) chat: Uuid,
    pub(crate) holder: Uuid,
    pub(crate) epoch: i64,
    lasting: Duration,
    heartbeat: Duration,
    self_stop: Duration,
    renewed: Mutex<Instant>,
    lost: CancellationToken,
}

impl Lease {
    fn new(shared: &Shared, chat: &ChatRecord, renewed: Instant) -> Self {
        let config = &shared.deps.config;
        Self {
            chat: chat.id,
            holder: shared.holder,
            epoch: chat.lease_epoch,
            lasting: config.lease,
            heartbeat: config.heartbeat,
            self_stop: config.self_stop,
            renewed: Mutex::new(renewed),
            lost: CancellationToken::new(),
        }
    }

    /// Whether a write or a call may still go out.
    pub(crate) fn is_ours(&self) -> bool {
        !self.lost.is_cancelled() && self.age() < self.self_stop
    }

    fn age(&self) -> Duration {
        self.renewed.lock().unwrap_or_else(PoisonError::into_inner).elapsed()
    }

    /// A renewal that began at `began` succeeded.
    pub(crate) fn renewed_at(&self, began: Instant) {
        let mut renewed = self.renewed.lock().unwrap_or_else(PoisonError::into_inner);
        *renewed = began.max(*renewed);
    }

    pub(crate) fn lasting(&self) -> Duration {
        self.lasting
    }

    /// Completes when the lease is lost.
    pub(crate) async fn lost(&self) {
        self.lost.cancelled().await;
    }

    pub(crate) fn give_up(&self) {
        self.lost.cancel();
    }

    /// Renews until the handle is dropped. Finding the chat `interrupting` it raises `stop`: that is how a stop reaches a runner on
    /// another replica.
    pub(super) fn heartbeat(self: &Arc<Self>, db: Db, stop: CancellationToken) -> AbortOnDropHandle<()> {
        let lease = Arc::clone(self);
        AbortOnDropHandle::new(tokio::spawn(async move {
            let mut wait = lease.heartbeat;
            loop {
                let left = lease.self_stop.saturating_sub(lease.age());
                tokio::time::sleep(wait.min(left)).await;
                if !lease.is_ours() {
                    tracing::warn!(chat = %lease.chat, "the lease could not be renewed in time");
                    lease.lost.cancel();
                    return;
                }
                let left = lease.self_stop.saturating_sub(lease.age());
                let began = Instant::now();
                match tokio::time::timeout(left, lease.renew(&db)).await {
                    Ok(Ok(Some(status))) => {
                        lease.renewed_at(began);
                        wait = lease.heartbeat;
                        if status == ChatStatus::Interrupting {
                            stop.cancel();
                        }
                    }
                    Ok(Ok(None)) => {
                        // Given back by the commit that ended the turn, or taken over.
                        tracing::debug!(chat = %lease.chat, epoch = lease.epoch, "the lease is no longer ours");
                        lease.lost.cancel();
                        return;
                    }
                    Ok(Err(error)) => {
                        tracing::warn!(chat = %lease.chat, %error, "the lease could not be renewed");
                        wait = lease.heartbeat / 4;
                    }
                    Err(_) => wait = Duration::ZERO,
                }
            }
        }))
    }

    async fn renew(&self, db: &Db) -> Result<Option<ChatStatus>, StoreError> {
        let mut write = db.write().await?;
        let status = lease_renew(&mut write, self.chat, self.holder, self.epoch, self.lasting).await?;
        write.commit().await?;
        Ok(status)
    }

    /// Gives the lease back, so that nobody has to wait for its end.
    pub(crate) async fn release(&self, db: &Db) -> Result<(), StoreError> {
        self.lost.cancel();
        let mut write = db.write().await?;
        lease_release(&mut write, self.chat, self.holder, self.epoch).await?;
        write.commit().await
    }
}

/// A chat to run.
pub(super) struct Held {
    pub(super) chat: ChatRecord,
    pub(super) lease: Arc<Lease>,
    /// Another run may have been at work before: its live parts are void.
    pub(super) claimed: bool,
    /// It had to wait for a free place, and people were told so.
    pub(super) waited: bool,
}

pub(super) enum Hold {
    Taken(Box<Held>),
    /// Nothing is due, or somebody else has it.
    Nothing,
    /// Its owner has as many turns as allowed.
    NoRoom,
}

/// Takes the lease of a parked chat that waits in vain: nothing it waits for can still be decided. What nobody decided ends in the same
/// transaction.
async fn acquire_overdue(shared: &Shared, place: &Place, chat: &ChatRecord) -> Result<Hold, StoreError> {
    if !place.claim_for(chat.owner_id, Kind::of(chat.parent_chat_id.is_some())) {
        return Ok(Hold::NoRoom);
    }
    let began = Instant::now();
    let mut write = shared.deps.db.write().await?;
    let config = &shared.deps.config;
    let Some(chat) = lease_claim_overdue(&mut write, place.chat, shared.holder, config.lease).await? else {
        return Ok(Hold::Nothing);
    };
    crate::runner::expire(&shared.deps, &mut write, chat.id, chat.owner_id).await?;
    write.commit().await?;
    shared.hub.publisher(chat.id, chat.edit_version).status(&chat);
    let lease = Arc::new(Lease::new(shared, &chat, began));
    Ok(Hold::Taken(Box::new(Held { chat, lease, claimed: true, waited: false })))
}

/// Takes the lease of the chat in `place`, if it is due. `used` is the epoch that this place ran under before.
pub(super) async fn acquire(shared: &Shared, place: &Place, used: Option<i64>) -> Result<Hold, StoreError> {
    let began = Instant::now();
    let mut session = shared.deps.db.read().await?;
    let Some(chat) = chat_get_any(&mut session, place.chat).await? else { return Ok(Hold::Nothing) };
    if chat.status == ChatStatus::RequiresAction {
        drop(session);
        return acquire_overdue(shared, place, &chat).await;
    }
    if !matches!(chat.status, ChatStatus::Running | ChatStatus::Interrupting) {
        return Ok(Hold::Nothing);
    }
    let waited = chat.queued_for_capacity;
    // A stop is carried out at once, over every cap on turns: nothing runs for it but its last commit.
    let room = place.claim_for(chat.owner_id, Kind::of(chat.parent_chat_id.is_some()));
    if !room && chat.status != ChatStatus::Interrupting {
        return Ok(Hold::NoRoom);
    }
    // The transaction that asked for the turn took the lease for us: no commit is needed to begin.
    if chat.lease_holder == Some(shared.holder)
        && used != Some(chat.lease_epoch)
        && let Some(left) = lease_seconds_left(&mut session, chat.id, shared.holder).await?
        && let Ok(left) = Duration::try_from_secs_f64(left)
        && let Some(renewed) = began.checked_sub(shared.deps.config.lease.saturating_sub(left))
    {
        let lease = Lease::new(shared, &chat, renewed);
        // Not in the last third: the first heartbeat has to come in time.
        if lease.age() < shared.deps.config.self_stop / 2 && lease.is_ours() {
            return Ok(Hold::Taken(Box::new(Held { chat, lease: Arc::new(lease), claimed: false, waited })));
        }
    }
    drop(session);

    let began = Instant::now();
    let mut write = shared.deps.db.write().await?;
    let claimed = lease_claim(&mut write, place.chat, shared.holder, shared.deps.config.lease).await?;
    write.commit().await?;
    let Some(chat) = claimed else { return Ok(Hold::Nothing) };
    let lease = Arc::new(Lease::new(shared, &chat, began));
    Ok(Hold::Taken(Box::new(Held { chat, lease, claimed: true, waited })))
}
