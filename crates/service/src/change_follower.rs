//! Follows what others changed (DESIGN, Storage): short commands beside the server, and other replicas.
//!
//! Once a second it reads the rows behind the last one it saw and lets the caches of this process follow. Changes of servers that this
//! process made itself, and has followed at once, are left out: what was learned since then still holds. Besides it is the pulse
//! of this process among the replicas, and writes into the audit log which values did not open.

use crate::{
    Service, Sources,
    keys::{Replica, failures_audit},
};
use api::Uuid;
use std::{
    sync::{Arc, PoisonError},
    time::{Duration, Instant},
};
use store::{
    StoreError,
    changes::{self, CHANGES_KEPT_MICROS, Change, ChangeKind},
};
use tokio_util::sync::CancellationToken;

impl Service {
    /// What this process knows of a server no longer holds.
    pub(crate) fn server_follow(&self, id: Uuid) {
        self.deps().mcp.close_server(id);
        self.deps().definitions.forget(Some(id));
        self.deps().health.forget(Some(id));
    }

    /// This process has followed this change of its own at once.
    pub(crate) fn followed(&self, change: i64) {
        self.0.followed.lock().unwrap_or_else(PoisonError::into_inner).insert(change);
    }

    /// Whether it is one of these; asked once.
    fn take_followed(&self, change: i64) -> bool {
        let mut followed = self.0.followed.lock().unwrap_or_else(PoisonError::into_inner);
        let already = followed.remove(&change);
        // One that was noted after its row had been read.
        followed.retain(|other| *other > change);
        already
    }
}

/// How often it looks.
const EVERY: Duration = Duration::from_secs(1);
/// How often the process says that it lives; the others count it for 30 s.
const PULSE_EVERY: Duration = Duration::from_secs(10);
/// Rows read at once.
const PAGE: i64 = 500;

/// The follower of one process.
pub struct ChangeFollower {
    service: Service,
    sources: Arc<Sources>,
    replica: Replica,
    last: i64,
    /// What owners allow to dial has changed and does not act here yet.
    settings_due: bool,
    looked: Instant,
    pulsed: Instant,
}

impl ChangeFollower {
    /// Begins behind the last change: what was changed before, this process has just read.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn start(
        service: Service,
        sources: Arc<Sources>,
        replica: Replica,
    ) -> Result<Self, StoreError> {
        let mut session = service.db().read().await?;
        let last = changes::change_last(&mut session).await?;
        let now = Instant::now();
        Ok(Self { service, sources, replica, last, settings_due: false, looked: now, pulsed: now })
    }

    /// Follows until `stop`, then leaves the replicas.
    pub async fn run(mut self, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = tokio::time::sleep(EVERY) => {}
                () = stop.cancelled() => break,
            }
            if let Err(error) = self.step().await {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "cannot look for changes; the next look is in a second"
                );
            }
        }
        if let Err(error) = self.replica.leave().await {
            tracing::warn!(error = &error as &dyn std::error::Error, "the other replicas notice in 30 s");
        }
    }

    /// One look.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]; the next look finds the same changes.
    pub async fn step(&mut self) -> Result<(), StoreError> {
        let away = self.looked.elapsed();
        let mut keys_changed = false;
        loop {
            let mut session = self.service.db().read().await?;
            let found = changes::changes_after(&mut session, self.last, PAGE).await?;
            drop(session);
            let full = found.len() == usize::try_from(PAGE).unwrap_or(usize::MAX);
            for change in found {
                self.last = self.last.max(change.id);
                keys_changed |= change.kind == ChangeKind::Keys;
                if !self.service.take_followed(change.id) {
                    self.apply(&change);
                }
            }
            if !full {
                break;
            }
        }
        // Rows may have come and been swept while the database was away.
        if away.as_micros() > CHANGES_KEPT_MICROS.unsigned_abs().into() {
            for kind in ChangeKind::ALL {
                self.apply(&Change { id: self.last, kind, subject: String::new() });
            }
            keys_changed = true;
        }
        self.looked = Instant::now();
        if self.settings_due {
            match self.service.egress_allow_reload().await {
                Ok(()) => self.settings_due = false,
                Err(error) => tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "cannot read the private destinations; the next look is in a second"
                ),
            }
        }
        if keys_changed || self.replica.is_waiting() || self.pulsed.elapsed() >= PULSE_EVERY {
            self.replica.refresh().await?;
            self.pulsed = Instant::now();
        }
        failures_audit(self.replica.keys()).await
    }

    fn apply(&mut self, change: &Change) {
        match change.kind {
            ChangeKind::Servers => match change.subject.parse() {
                Ok(id) => self.service.server_follow(id),
                Err(_) => {
                    self.service.deps().mcp.close_all();
                    self.service.deps().definitions.forget(None);
                    self.service.deps().health.forget(None);
                }
            },
            ChangeKind::Tools => self.service.deps().definitions.forget(change.subject.parse().ok()),
            ChangeKind::Models => self.sources.providers_forget(),
            // Who may do what is read from the database at each request, step and call, and open streams ask every few seconds; a
            // cache of users or groups belongs here. Keys and settings are looked at once after all changes of a look.
            ChangeKind::Settings => self.settings_due = true,
            // Not needed for what may be called, which is asked each time: it frees connections of those who may not.
            ChangeKind::Users => {
                if let Ok(id) = change.subject.parse() {
                    self.service.deps().mcp.close_user(id);
                }
            }
            ChangeKind::Groups | ChangeKind::Keys => {}
        }
    }
}
