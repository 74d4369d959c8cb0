//! What is known about one request on its way: whether it has left, and when the server last showed that it works on it.
//!
//! The caller of a request and the wire below share it, so that a caller who stops waiting knows for certain whether
//! anything has left.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::{
    sync::mpsc,
    time::{Duration, Instant},
};

use crate::{call::Progress, elicit::Asked, error::McpError, limits::PROGRESS_INTERVAL};

/// Shared between the caller of a request and the wire below it.
#[derive(Clone, Debug)]
pub(crate) struct Exchange {
    inner: Arc<Mutex<Inner>>,
    progress: Option<mpsc::Sender<Progress>>,
    /// To whom the server's questions go.
    asker: Option<mpsc::Sender<Asked>>,
    /// Nothing is waited for beyond this, but for the time in which a person is asked.
    deadline: Instant,
}

#[derive(Debug)]
struct Inner {
    state: State,
    id: Option<i64>,
    last_sign: Instant,
    last_progress: Option<f64>,
    last_report: Option<Instant>,
    /// Questions of the server that a person has before them, and since when.
    asking: u32,
    asking_since: Option<Instant>,
    /// How long people were asked, all in all.
    asked_for: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Not a byte has left.
    Queued,
    /// Taken back before a byte left.
    Withdrawn,
    /// Handed to the network.
    Sent,
    /// Answered or failed.
    Ended,
}

/// A request that ended without an answer.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    pub(crate) error: McpError,
    /// The request has surely not been executed: it did not arrive, or was refused as a whole.
    pub(crate) surely_not_executed: bool,
}

impl Exchange {
    pub(crate) fn new(deadline: Instant, progress: Option<mpsc::Sender<Progress>>) -> Self {
        let inner = Inner {
            state: State::Queued,
            id: None,
            last_sign: Instant::now(),
            last_progress: None,
            last_report: None,
            asking: 0,
            asking_since: None,
            asked_for: Duration::ZERO,
        };
        Self { inner: Arc::new(Mutex::new(inner)), progress, asker: None, deadline }
    }

    /// With somebody who can answer what the server asks.
    pub(crate) fn answered_by(mut self, asker: Option<mpsc::Sender<Asked>>) -> Self {
        self.asker = asker;
        self
    }

    pub(crate) fn asker(&self) -> Option<&mpsc::Sender<Asked>> {
        self.asker.as_ref()
    }

    /// When the call is over, whatever happens. The time in which a person is asked does not count.
    pub(crate) fn total(&self) -> Instant {
        let inner = self.lock();
        self.deadline + inner.asked_for + inner.asking_since.map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// A person has a question of the server before them, until this is dropped.
    pub(crate) fn asking(&self) -> Asking {
        let mut inner = self.lock();
        inner.asking += 1;
        inner.asking_since.get_or_insert_with(Instant::now);
        Asking(self.clone())
    }

    /// For the next round of the same call: not sent yet, same deadline, same listener.
    pub(crate) fn again(&self) -> Self {
        let next = Self::new(self.deadline, self.progress.clone()).answered_by(self.asker.clone());
        let (last_progress, asked_for) = {
            let inner = self.lock();
            (inner.last_progress, inner.asked_for)
        };
        let mut inner = next.lock();
        inner.last_progress = last_progress;
        inner.asked_for = asked_for;
        drop(inner);
        next
    }

    /// Time left until the deadline.
    pub(crate) fn remaining(&self) -> Duration {
        self.total().saturating_duration_since(Instant::now())
    }

    /// When the server last showed that it works on the request.
    pub(crate) fn last_sign(&self) -> Instant {
        let inner = self.lock();
        // It waits for a person of ours: nothing is expected of the server.
        if inner.asking > 0 { Instant::now() } else { inner.last_sign }
    }

    /// Takes the request back; true when nothing of it has left and nothing will.
    pub(crate) fn withdraw(&self) -> bool {
        let mut inner = self.lock();
        if inner.state == State::Queued {
            inner.state = State::Withdrawn;
        }
        inner.state == State::Withdrawn
    }

    /// The id the request goes out with.
    pub(crate) fn name(&self, id: i64) {
        self.lock().id = Some(id);
    }

    /// The id of the request, while its answer is missing.
    pub(crate) fn open_id(&self) -> Option<i64> {
        let inner = self.lock();
        inner.id.filter(|_| inner.state == State::Sent)
    }

    /// Called right before the request is handed to the network; false when it was withdrawn or was sent before.
    pub(crate) fn begin(&self) -> bool {
        let mut inner = self.lock();
        let first = inner.state == State::Queued;
        if first {
            inner.state = State::Sent;
            inner.last_sign = Instant::now();
        }
        first
    }

    /// There is an answer, or there will be none.
    pub(crate) fn end(&self) {
        let mut inner = self.lock();
        if inner.state == State::Sent {
            inner.state = State::Ended;
        }
    }

    /// Whether the answer is still missing.
    pub(crate) fn is_open(&self) -> bool {
        self.lock().state == State::Sent
    }

    /// A progress notification that belongs to this request (protocol.md C5, C6): it counts as a sign of life when the
    /// figure grew, and is passed on at most four times a second.
    pub(crate) fn progress(&self, report: Progress) {
        let mut inner = self.lock();
        let grew =
            report.progress.is_finite() && inner.last_progress.is_none_or(|last| report.progress > last);
        if !grew || inner.state != State::Sent {
            return;
        }
        let now = Instant::now();
        inner.last_progress = Some(report.progress);
        inner.last_sign = now;
        if inner.last_report.is_some_and(|last| now.duration_since(last) < PROGRESS_INTERVAL) {
            return;
        }
        inner.last_report = Some(now);
        if let Some(listener) = &self.progress {
            // A slow listener misses a report; it must not hold up the stream.
            let _ = listener.try_send(report);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// See [`Exchange::asking`].
pub(crate) struct Asking(Exchange);

impl Drop for Asking {
    fn drop(&mut self) {
        let mut inner = self.0.lock();
        inner.asking = inner.asking.saturating_sub(1);
        if inner.asking == 0 {
            let asked_for = inner.asking_since.take().map_or(Duration::ZERO, |since| since.elapsed());
            inner.asked_for += asked_for;
            inner.last_sign = Instant::now();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exchange() -> Exchange {
        Exchange::new(Instant::now() + Duration::from_secs(1), None)
    }

    #[test]
    fn withdrawn_means_never_sent() {
        let exchange = exchange();
        assert!(exchange.withdraw());
        assert!(!exchange.begin());
        assert!(!exchange.is_open());
    }

    #[test]
    fn what_has_left_cannot_be_withdrawn_and_leaves_once() {
        let exchange = exchange();
        exchange.name(7);
        assert_eq!(exchange.open_id(), None, "nothing to cancel yet");
        assert!(exchange.begin());
        assert!(!exchange.begin(), "a request leaves once");
        assert!(!exchange.withdraw());
        assert_eq!(exchange.open_id(), Some(7));
        exchange.end();
        assert_eq!(exchange.open_id(), None);
        assert!(exchange.again().begin(), "the next round is a request of its own");
    }

    #[tokio::test(start_paused = true)]
    async fn progress_must_grow_and_is_thinned_out() {
        let (tell, mut told) = mpsc::channel(16);
        let exchange = Exchange::new(Instant::now() + Duration::from_secs(9), Some(tell));
        assert!(exchange.begin());
        let started = exchange.last_sign();
        let report = |progress| Progress { progress, total: None, message: None };
        exchange.progress(report(1.0));
        tokio::time::advance(Duration::from_millis(100)).await;
        exchange.progress(report(2.0));
        let grown = exchange.last_sign();
        assert!(grown > started);
        tokio::time::advance(Duration::from_millis(200)).await;
        exchange.progress(report(2.0));
        exchange.progress(report(f64::NAN));
        assert_eq!(exchange.last_sign(), grown, "no growth is no sign of life");
        exchange.progress(report(3.0));
        drop(exchange);
        let mut seen = Vec::new();
        while let Some(report) = told.recv().await {
            seen.push(report.progress);
        }
        assert_eq!(seen, [1.0, 3.0]);
    }
}
