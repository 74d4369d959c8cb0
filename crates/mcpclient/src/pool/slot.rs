//! The place of one connection in the pool.

use std::sync::{Arc, Mutex as SyncMutex, MutexGuard, PoisonError};

use tokio::{
    sync::{Mutex, Semaphore},
    time::{Duration, Instant, timeout},
};
use uuid::Uuid;

use crate::{catalogue::Catalogue, connection::Connection, limits::CALLS_PER_USER, target::Target};

/// Nothing is shared between two keys (protocol.md L4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) user_id: Uuid,
    pub(super) server_id: Uuid,
    credential_version: i64,
}

impl Key {
    pub(super) fn of(target: &Target) -> Self {
        let Target { user_id, server_id, credential_version, .. } = *target;
        Self { user_id, server_id, credential_version }
    }

    /// Whether `other` is an older credential of the same user for the same server.
    pub(super) fn replaces(&self, other: &Self) -> bool {
        self.user_id == other.user_id
            && self.server_id == other.server_id
            && self.credential_version > other.credential_version
    }
}

pub(super) struct Slot {
    /// Held while a connection is opened.
    pub(super) connection: Mutex<Option<Arc<Connection>>>,
    pub(super) calls: Semaphore,
    /// What was listed last, however old.
    known: SyncMutex<Option<Known>>,
    last_use: SyncMutex<Instant>,
    last_renewal: SyncMutex<Option<Instant>>,
}

/// A list, and whether it may stand in for a new one.
struct Known {
    catalogue: Arc<Catalogue>,
    at: Instant,
    /// Of the target it was listed for; see [`Target::fingerprint`].
    fingerprint: [u8; 32],
    rest: Rest,
}

/// What became of the connection that a list came from.
#[derive(PartialEq, Eq)]
enum Rest {
    /// It is in use, or ended in a way that says that the list may not hold any more.
    No,
    /// It was closed because nobody used it.
    Idle,
    /// The same, and a new one is being opened.
    Opening,
}

/// A list whose connection was closed as idle.
pub(super) enum Kept {
    /// A new connection has to be opened beside.
    Open(Arc<Catalogue>),
    /// That is being done.
    Opening(Arc<Catalogue>),
}

impl Default for Slot {
    fn default() -> Self {
        Self {
            connection: Mutex::default(),
            calls: Semaphore::new(CALLS_PER_USER),
            known: SyncMutex::default(),
            last_use: SyncMutex::new(Instant::now()),
            last_renewal: SyncMutex::default(),
        }
    }
}

impl Slot {
    pub(super) fn touch(&self) {
        *self.last_use.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// `asked`: the server listed it now; otherwise it is as old as it was.
    pub(super) fn remember(&self, target: &Target, catalogue: &Arc<Catalogue>, asked: bool) {
        let mut known = self.known_lock();
        if let Some(known) = known.as_mut().filter(|known| !asked && Arc::ptr_eq(&known.catalogue, catalogue))
        {
            known.rest = Rest::No;
            return;
        }
        *known = Some(Known {
            catalogue: Arc::clone(catalogue),
            at: Instant::now(),
            fingerprint: target.fingerprint(),
            rest: Rest::No,
        });
    }

    pub(super) fn known(&self) -> Option<Arc<Catalogue>> {
        self.known_lock().as_ref().map(|known| Arc::clone(&known.catalogue))
    }

    fn known_lock(&self) -> MutexGuard<'_, Option<Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The list of a connection that was closed as idle, while it may stand in for a new one.
    pub(super) fn kept(&self, target: &Target, at_most: Duration) -> Option<Kept> {
        let mut known = self.known_lock();
        let known = known.as_mut().filter(|known| known.rest != Rest::No)?;
        let lasts = known.catalogue.fresh_for.unwrap_or(at_most).min(at_most);
        if known.at.elapsed() >= lasts || known.fingerprint != target.fingerprint() {
            return None;
        }
        let catalogue = Arc::clone(&known.catalogue);
        if known.rest == Rest::Opening {
            return Some(Kept::Opening(catalogue));
        }
        known.rest = Rest::Opening;
        Some(Kept::Open(catalogue))
    }

    /// The server did not show that the list still holds.
    pub(super) fn distrust(&self) {
        if let Some(known) = self.known_lock().as_mut() {
            known.rest = Rest::No;
        }
    }

    /// Closes a connection that nobody uses; its list may stand in for a while.
    pub(super) fn rest(&self) {
        let Ok(mut connection) = self.connection.try_lock() else { return };
        if connection.take_if(|connection| !is_shared(connection)).is_some()
            && let Some(known) = self.known_lock().as_mut()
        {
            known.rest = Rest::Idle;
        }
    }

    /// What the list takes that stands in for a closed connection.
    pub(super) fn resting_bytes(&self) -> Option<usize> {
        let known = self.known_lock();
        known.as_ref().filter(|known| known.rest == Rest::Idle).map(|known| known.catalogue.bytes)
    }

    /// When it was used last; `None` while it is: opened, listed, called.
    pub(super) fn unused_since(&self) -> Option<Instant> {
        let unused = self.calls.available_permits() == CALLS_PER_USER
            && self.connection.try_lock().is_ok_and(|open| !open.as_ref().is_some_and(is_shared));
        unused.then(|| *self.last_use.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn is_idle(&self, idle: Duration) -> bool {
        self.unused_since().is_some_and(|since| since.elapsed() >= idle)
    }

    /// Takes this connection out of use; it ends when the last call on it has.
    pub(super) async fn retire(&self, connection: &Arc<Connection>) {
        let mut current = self.connection.lock().await;
        if current.as_ref().is_some_and(|current| Arc::ptr_eq(current, connection)) {
            *current = None;
        }
    }

    /// Whether a server may force a new session upon us once more.
    pub(super) fn may_renew(&self, interval: Duration) -> bool {
        let mut last = self.last_renewal.lock().unwrap_or_else(PoisonError::into_inner);
        let allowed = last.is_none_or(|last| last.elapsed() >= interval);
        if allowed {
            *last = Some(Instant::now());
        }
        allowed
    }

    /// Ends the session, under running calls too.
    pub(super) async fn close(&self, patience: Duration) {
        let Ok(mut current) = timeout(patience, self.connection.lock()).await else { return };
        if let Some(connection) = current.take() {
            let _ = timeout(patience, connection.session.close()).await;
        }
    }
}

/// Whether somebody besides the slot has it in hand.
fn is_shared(connection: &Arc<Connection>) -> bool {
    Arc::strong_count(connection) > 1
}
