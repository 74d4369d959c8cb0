//! An open connection with what is remembered about it.

use std::sync::{Arc, Mutex as SyncMutex, PoisonError};

use tokio::{
    sync::Mutex,
    time::{Instant, timeout_at},
};

use crate::{
    catalogue::Catalogue,
    error::McpError,
    identity::Stamp,
    limits::Timeouts,
    listing,
    session::{Listener, Session},
};

/// Belongs to one user, server and credential version.
pub(crate) struct Connection {
    pub(crate) session: Session,
    /// What the connection was made for; see [`crate::target::Target::fingerprint`].
    pub(crate) fingerprint: [u8; 32],
    listed: Mutex<Option<Listed>>,
    listener: SyncMutex<Option<Listener>>,
}

struct Listed {
    catalogue: Arc<Catalogue>,
    at: Instant,
}

impl Connection {
    pub(crate) fn new(session: Session, fingerprint: [u8; 32]) -> Self {
        Self { session, fingerprint, listed: Mutex::new(None), listener: SyncMutex::default() }
    }

    /// The catalogue, listed anew when it is old or the server said that it changed; and whether the server was asked.
    pub(crate) async fn catalogue(
        &self,
        stamp: Option<&Arc<Stamp>>,
        timeouts: Timeouts,
        deadline: Instant,
    ) -> Result<(Arc<Catalogue>, bool), McpError> {
        self.attend();
        // Held over the listing: others who ask meanwhile want the same list.
        let locked = timeout_at(deadline, self.listed.lock()).await;
        let mut listed = locked.map_err(|_| self.late(deadline))?;
        if let Some(known) = listed.as_ref() {
            let age = known.at.elapsed();
            let stale = age >= known.catalogue.fresh_for.unwrap_or(timeouts.catalogue_fresh)
                || (self.session.channel.tools_changed() && age >= timeouts.list_debounce);
            if !stale {
                return Ok((Arc::clone(&known.catalogue), false));
            }
        }
        // Asked before listing: a change that is announced during it makes the new list stale too.
        self.session.channel.take_tools_changed();
        let catalogue = Arc::new(listing::list(&self.session, stamp, deadline).await?);
        *listed = Some(Listed { catalogue: Arc::clone(&catalogue), at: Instant::now() });
        Ok((catalogue, true))
    }

    /// Hears of changes from now on, for a while.
    fn attend(&self) {
        let Some(how) = self.session.listening() else { return };
        let mut listener = self.listener.lock().unwrap_or_else(PoisonError::into_inner);
        if !listener.as_ref().is_some_and(Listener::attend) {
            *listener = Some(Listener::start(self.session.channel.clone(), how));
        }
    }

    /// The next question for the catalogue lists anew.
    pub(crate) async fn forget_catalogue(&self) {
        *self.listed.lock().await = None;
    }

    fn late(&self, deadline: Instant) -> McpError {
        let waited = Instant::now().saturating_duration_since(deadline);
        McpError::late(self.session.channel.host(), "list its tools", waited)
    }
}
