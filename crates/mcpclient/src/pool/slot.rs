//! The place of one connection in the pool.

use std::sync::{Arc, Mutex as SyncMutex, PoisonError};

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
    known: SyncMutex<Option<Arc<Catalogue>>>,
    last_use: SyncMutex<Instant>,
    last_renewal: SyncMutex<Option<Instant>>,
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

    pub(super) fn remember(&self, catalogue: &Arc<Catalogue>) {
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(catalogue));
    }

    pub(super) fn known(&self) -> Option<Arc<Catalogue>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn is_idle(&self, idle: Duration) -> bool {
        let unused = self.last_use.lock().unwrap_or_else(PoisonError::into_inner).elapsed();
        unused >= idle
            && self.calls.available_permits() == CALLS_PER_USER
            && self.connection.try_lock().is_ok()
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
