//! Servers that did not answer in time: remembered for a minute per user, so that a dead one costs one turn, not every one
//! (behaviour 13).

use std::{collections::HashMap, sync::Mutex, time::Duration};

use tokio::time::Instant;
use uuid::Uuid;

use super::lock;
use crate::{
    error::{McpError, McpErrorKind, seconds},
    target::Target,
};

#[derive(Default)]
pub(super) struct SlowServers(Mutex<HashMap<(Uuid, Uuid), Instant>>);

impl SlowServers {
    /// # Errors
    /// The timeout, while it is remembered.
    pub(super) fn refuse(&self, target: &Target, memory: Duration) -> Result<(), McpError> {
        let mut timed_out = lock(&self.0);
        let key = (target.user_id, target.server_id);
        let Some(at) = timed_out.get(&key).copied() else { return Ok(()) };
        if at.elapsed() >= memory {
            timed_out.remove(&key);
            return Ok(());
        }
        Err(McpError::new(
            McpErrorKind::Timeout,
            format!(
                "{} did not answer in time {} s ago; it is tried again after {}",
                target.host(),
                at.elapsed().as_secs(),
                seconds(memory)
            ),
        ))
    }

    pub(super) fn remember(&self, target: &Target) {
        lock(&self.0).insert((target.user_id, target.server_id), Instant::now());
    }

    pub(super) fn forget(&self, target: &Target) {
        lock(&self.0).remove(&(target.user_id, target.server_id));
    }

    /// Keeps only the pairs of user and server that `keep` lets through.
    pub(super) fn retain(&self, keep: impl Fn(Uuid, Uuid) -> bool) {
        lock(&self.0).retain(|(user, server), _| keep(*user, *server));
    }

    pub(super) fn drop_old(&self, memory: Duration) {
        lock(&self.0).retain(|_, at| at.elapsed() < memory);
    }
}
