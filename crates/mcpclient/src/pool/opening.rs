//! How a connection comes about: whose turn it is, how the server is spoken to, and who hears of it.

use std::sync::Arc;

use tokio::{
    sync::MutexGuard as AsyncMutexGuard,
    time::{Instant, timeout_at},
};

use super::{Dial, Inner, ServerPermits, busy, eras::Opening, slot::Slot};
use crate::{
    connection::Connection,
    error::{McpError, McpErrorKind},
    observer::Found,
    session::{self, Session, Trail, Wire},
    target::Target,
    wire::Channel,
};

impl Inner {
    /// The pooled connection, or a new one. Who waits here while another opens it gets that one.
    pub(super) async fn connected(
        &self,
        slot: &Slot,
        target: &Target,
        deadline: Instant,
    ) -> Result<Arc<Connection>, McpError> {
        let fingerprint = target.fingerprint();
        // Who holds it may himself be waiting for his turn to dial: that is no sign of a slow server either.
        let locked = timeout_at(deadline, slot.connection.lock()).await;
        let mut current = locked.map_err(|_| busy(target))?;
        if let Some(connection) = current.as_ref()
            && connection.fingerprint == fingerprint
            && !connection.session.is_closed()
        {
            return Ok(Arc::clone(connection));
        }
        *current = None;
        self.refuse_if_stopped()?;
        self.breakers.admit(target)?;
        let server = self.server_permits(target.server_id);
        let _dial = self.dial(&server, target, deadline).await?;
        let opening = self.open(&server, target, deadline);
        let session = tokio::select! {
            biased;
            () = self.stopped.cancelled() => return Err(McpError::closed()),
            opened = timeout_at(deadline, opening) => opened.unwrap_or_else(|_| {
                Err(McpError::late(&target.host(), "finish the MCP handshake", self.timeouts.connect))
            })?,
        };
        tracing::debug!(
            slug = target.slug,
            revision = session.identity.revision.as_str(),
            "connected to an MCP server"
        );
        let connection = Arc::new(Connection::new(session, fingerprint));
        *current = Some(Arc::clone(&connection));
        Ok(connection)
    }

    /// Opens a session as the server was found to speak; asks it where nothing is known or that turned out to be wrong
    /// (protocol.md 2 and E5).
    async fn open(
        &self,
        server: &ServerPermits,
        target: &Target,
        deadline: Instant,
    ) -> Result<Session, McpError> {
        if let Opening::Known(wire) = self.opening(target) {
            match self.open_known(target, wire).await {
                Err(error) if error.kind() == McpErrorKind::EraChanged => {
                    self.eras.doubt(target);
                    if self.opening(target) == Opening::Known(wire) {
                        // Asked less than a minute ago: it would answer the same.
                        return Err(error);
                    }
                }
                other => return other,
            }
        }
        let _one = self.question(server, target, deadline).await?;
        // Whoever asked meanwhile has found it out for all.
        match self.opening(target) {
            Opening::Known(wire) => self.open_known(target, wire).await,
            Opening::Ask => self.ask_and_open(target, &mut Trail::default()).await,
        }
    }

    fn opening(&self, target: &Target) -> Opening {
        self.eras.opening(target, self.timeouts.detect_interval)
    }

    /// The right to ask a server what it speaks.
    pub(super) async fn question<'a>(
        &self,
        server: &'a ServerPermits,
        target: &Target,
        deadline: Instant,
    ) -> Result<AsyncMutexGuard<'a, ()>, McpError> {
        timeout_at(deadline, server.asking.lock()).await.map_err(|_| busy(target))
    }

    async fn open_known(&self, target: &Target, wire: Wire) -> Result<Session, McpError> {
        let channel = Channel::new(self.egress.clone(), target, self.timeouts, self.stamp(target))?;
        session::open(&channel, target, &self.config.version, Some(wire), &mut Trail::default()).await
    }

    /// Opens a session after finding out what the server speaks.
    pub(super) async fn ask_and_open(&self, target: &Target, trail: &mut Trail) -> Result<Session, McpError> {
        let channel = Channel::new(self.egress.clone(), target, self.timeouts, self.stamp(target))?;
        let opened = session::open(&channel, target, &self.config.version, None, trail).await;
        tracing::debug!(slug = target.slug, trail = ?trail.0, "asked an MCP server what it speaks");
        self.eras.asked(target, opened.as_ref().ok().map(Session::wire));
        if let (Ok(session), Some(observer)) = (&opened, &self.config.observer) {
            let identity = &session.identity;
            observer.found(Found {
                server_id: target.server_id,
                url: target.url.clone(),
                wire: session.wire(),
                revision: identity.revision,
                server_name: identity.name.clone(),
                server_version: identity.version.clone(),
            });
        }
        opened
    }

    /// Waits for the right to open a connection, that of the server first: who waits for a slow server holds nothing that
    /// others need. Its end is [`McpErrorKind::Busy`], which is never remembered as a timeout of the server.
    pub(super) async fn dial<'a>(
        &'a self,
        server: &'a ServerPermits,
        target: &Target,
        deadline: Instant,
    ) -> Result<Dial<'a>, McpError> {
        let permits = async {
            let own = server.dials.acquire().await.ok()?;
            let global = self.dials.acquire().await.ok()?;
            Some(Dial { _server: own, _global: global })
        };
        match timeout_at(deadline, permits).await {
            // A right that comes with the deadline is of no use.
            Ok(Some(dial)) if Instant::now() < deadline => Ok(dial),
            _ => Err(busy(target)),
        }
    }
}
