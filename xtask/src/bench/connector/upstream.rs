//! The echo server that every call ends at, and what it says has reached it.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde::Deserialize;

use super::super::http::{Connection, Request};
use super::program::Program;

const PATIENCE: Duration = Duration::from_secs(10);

/// A running echo server.
pub(in crate::bench) struct Upstream {
    address: SocketAddr,
    _program: Program,
}

/// Since its start.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) struct Counts {
    pub(super) requests: u64,
    sessions: u64,
    discoveries: u64,
    /// Calls that the tool has carried out.
    pub(super) calls: u64,
}

impl Upstream {
    /// # Errors
    /// When it does not say where it listens.
    pub(in crate::bench) fn start(program: &Path) -> Result<Self> {
        let program = Program::start(program, &["echo"])?;
        let line = program.line().context("the echo server does not start")?;
        let address = line.parse().with_context(|| format!("the echo server names no address: {line}"))?;
        Ok(Self { address, _program: program })
    }

    pub(in crate::bench) fn address(&self) -> SocketAddr {
        self.address
    }

    /// # Errors
    /// When it does not answer.
    pub(super) fn counts(&self) -> Result<Counts> {
        let request = Request { method: "GET", path: "/counts", headers: &[], body: b"", deadline: PATIENCE };
        let answer = Connection::open(self.address)?.send(&request)?.json(200)?;
        serde_json::from_value(answer).context("the echo server does not say what reached it")
    }
}

impl Counts {
    /// What came since then.
    pub(super) fn since(self, earlier: Self) -> Self {
        Self {
            requests: self.requests - earlier.requests,
            sessions: self.sessions - earlier.sessions,
            discoveries: self.discoveries - earlier.discoveries,
            calls: self.calls - earlier.calls,
        }
    }

    /// Connections opened: sessions, or the question with which a connection begins where there are none.
    pub(super) fn opened(self, era: &str) -> u64 {
        if era == "sessions" { self.sessions } else { self.discoveries }
    }
}
