//! Servers that are left alone for a while: after one timeout, and after several failures in a row (behaviour 13, threats 5). Per user,
//! so that a dead server costs one turn, not every one, and that coming back is no storm.

use std::{
    collections::{HashMap, VecDeque},
    sync::Mutex,
    time::Duration,
};

use tokio::time::Instant;
use uuid::Uuid;

use super::{jitter, lock};
use crate::{
    error::{McpError, McpErrorKind, seconds},
    limits::{BREAKER_FAILURES, BREAKER_LONGEST, BREAKER_WAIT, BREAKER_WINDOW},
    target::Target,
};

/// By user and server.
#[derive(Default)]
pub(super) struct Breakers(Mutex<HashMap<(Uuid, Uuid), Breaker>>);

#[derive(Default)]
struct Breaker {
    /// Within the window.
    failures: VecDeque<Instant>,
    last_failure: Option<Instant>,
    open: Option<Open>,
    /// How often it opened without a success in between.
    opened: u32,
}

#[derive(Clone, Copy)]
struct Open {
    since: Instant,
    lasts: Duration,
    timeout: bool,
    /// The credential that was refused last, by its version: another one is not refused yet (protocol.md R3).
    refused: Option<i64>,
}

impl Breakers {
    /// # Errors
    /// Why the server is left alone now. After the wait one try goes through; who tries meanwhile waits for the same connection.
    pub(super) fn admit(&self, target: &Target) -> Result<(), McpError> {
        let breakers = lock(&self.0);
        let open = breakers.get(&key(target)).and_then(|breaker| breaker.open);
        let holds = |open: &Open| {
            let renewed = open.refused.is_some_and(|version| version != target.credential_version);
            open.since.elapsed() < open.lasts && !renewed
        };
        let Some(Open { since, lasts, timeout, .. }) = open.filter(holds) else { return Ok(()) };
        let (host, ago) = (target.host(), since.elapsed().as_secs());
        Err(if timeout {
            McpError::new(
                McpErrorKind::Timeout,
                format!(
                    "{host} did not answer in time {ago} s ago; it is tried again after {}",
                    seconds(lasts)
                ),
            )
        } else {
            McpError::new(
                McpErrorKind::Paused,
                format!(
                    "{host} failed {BREAKER_FAILURES} times in a row, last {ago} s ago; it is tried again after {}",
                    seconds(lasts)
                ),
            )
        })
    }

    /// The server did not do what it was asked. A timeout alone is enough for `memory`.
    pub(super) fn failed(&self, target: &Target, kind: McpErrorKind, memory: Duration) {
        if !is_of_the_server(kind) {
            return;
        }
        let now = Instant::now();
        let mut breakers = lock(&self.0);
        let breaker = breakers.entry(key(target)).or_default();
        breaker.last_failure = Some(now);
        breaker.failures.push_back(now);
        while breaker.failures.len() > BREAKER_FAILURES
            || breaker.failures.front().is_some_and(|at| now.duration_since(*at) > BREAKER_WINDOW)
        {
            breaker.failures.pop_front();
        }
        if kind == McpErrorKind::Timeout {
            breaker.open = Some(Open { since: now, lasts: memory, timeout: true, refused: None });
        } else if breaker.failures.len() >= BREAKER_FAILURES || breaker.opened > 0 {
            let doubled = BREAKER_WAIT.saturating_mul(1 << breaker.opened.min(8)).min(BREAKER_LONGEST);
            breaker.opened += 1;
            let lasts = jitter(doubled).min(BREAKER_LONGEST);
            let refused = (kind == McpErrorKind::Unauthorized).then_some(target.credential_version);
            breaker.open = Some(Open { since: now, lasts, timeout: false, refused });
        }
    }

    pub(super) fn worked(&self, target: &Target) {
        lock(&self.0).remove(&key(target));
    }

    /// Keeps only the pairs of user and server that `keep` lets through.
    pub(super) fn retain(&self, keep: impl Fn(Uuid, Uuid) -> bool) {
        lock(&self.0).retain(|(user, server), _| keep(*user, *server));
    }

    /// Those that have nothing to say any more.
    pub(super) fn drop_old(&self) {
        let remembered = BREAKER_LONGEST * 2;
        lock(&self.0).retain(|_, breaker| breaker.last_failure.is_some_and(|at| at.elapsed() < remembered));
    }
}

fn key(target: &Target) -> (Uuid, Uuid) {
    (target.user_id, target.server_id)
}

/// What says something against the server: not our own queue, a closed connection, a rule of ours, or a wish for more permission.
fn is_of_the_server(kind: McpErrorKind) -> bool {
    !matches!(
        kind,
        McpErrorKind::Busy
            | McpErrorKind::Closed
            | McpErrorKind::Blocked
            | McpErrorKind::Paused
            | McpErrorKind::DefinitionChanged
            | McpErrorKind::TooLarge
            | McpErrorKind::InsufficientScope
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pool::eras::tests::target;

    const MEMORY: Duration = Duration::from_secs(60);

    fn fail(breakers: &Breakers, kind: McpErrorKind, times: usize) {
        for _ in 0..times {
            breakers.failed(&target(None), kind, MEMORY);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn five_failures_in_a_minute_open_it_and_one_try_decides() {
        let breakers = Breakers::default();
        let admitted = || breakers.admit(&target(None));
        fail(&breakers, McpErrorKind::Unreachable, BREAKER_FAILURES - 1);
        assert!(admitted().is_ok());
        fail(&breakers, McpErrorKind::Unreachable, 1);
        let refused = admitted().unwrap_err();
        assert_eq!(refused.kind(), McpErrorKind::Paused);
        assert!(!refused.is_timeout());
        let other = Target { user_id: Uuid::max(), ..target(None) };
        assert!(breakers.admit(&other).is_ok(), "another user's try is his own");
        tokio::time::advance(BREAKER_WAIT * 5 / 4).await;
        assert!(admitted().is_ok());
        // Still down: the next wait is longer, after one failure.
        fail(&breakers, McpErrorKind::Unreachable, 1);
        tokio::time::advance(BREAKER_WAIT * 5 / 4).await;
        assert!(admitted().is_err());
        tokio::time::advance(BREAKER_WAIT * 5 / 4).await;
        assert!(admitted().is_ok());
        breakers.worked(&target(None));
        fail(&breakers, McpErrorKind::Unreachable, BREAKER_FAILURES - 1);
        assert!(admitted().is_ok(), "a success ends it");
    }

    #[tokio::test(start_paused = true)]
    async fn waits_grow_to_five_minutes_and_no_further() {
        let breakers = Breakers::default();
        for _ in 0..20 {
            fail(&breakers, McpErrorKind::ServerFault, BREAKER_FAILURES);
            assert!(breakers.admit(&target(None)).is_err());
            tokio::time::advance(BREAKER_LONGEST * 5 / 4).await;
            assert!(breakers.admit(&target(None)).is_ok());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn slow_failures_and_our_own_queue_open_nothing() {
        let breakers = Breakers::default();
        for _ in 0..20 {
            fail(&breakers, McpErrorKind::Unreachable, 1);
            fail(&breakers, McpErrorKind::Busy, 10);
            tokio::time::advance(BREAKER_WINDOW / 3).await;
        }
        assert!(breakers.admit(&target(None)).is_ok());
        tokio::time::advance(BREAKER_LONGEST * 2).await;
        breakers.drop_old();
        assert!(lock(&breakers.0).is_empty());
    }

    /// Five calls of a step whose token has just been revoked: they go on with the one that is got for it.
    #[tokio::test(start_paused = true)]
    async fn a_renewed_credential_is_not_left_out_for_the_old_one() {
        let breakers = Breakers::default();
        let renewed = Target { credential_version: 2, ..target(None) };
        fail(&breakers, McpErrorKind::InsufficientScope, BREAKER_FAILURES * 2);
        assert!(breakers.admit(&target(None)).is_ok());
        fail(&breakers, McpErrorKind::Unauthorized, BREAKER_FAILURES);
        assert!(breakers.admit(&target(None)).is_err());
        assert!(breakers.admit(&renewed).is_ok());
        breakers.failed(&renewed, McpErrorKind::Unauthorized, MEMORY);
        assert!(breakers.admit(&renewed).is_err(), "refused as well");
        fail(&breakers, McpErrorKind::Unreachable, 1);
        assert!(breakers.admit(&Target { credential_version: 3, ..target(None) }).is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn one_timeout_is_remembered_for_a_minute() {
        let breakers = Breakers::default();
        fail(&breakers, McpErrorKind::Timeout, 1);
        assert!(breakers.admit(&target(None)).unwrap_err().is_timeout());
        tokio::time::advance(MEMORY).await;
        assert!(breakers.admit(&target(None)).is_ok());
    }
}
