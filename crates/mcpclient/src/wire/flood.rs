//! A cap on what a server may tell or ask us per second.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use tokio::time::{Duration, Instant};

use crate::limits::NOTIFICATIONS_PER_SECOND;

const WINDOW: Duration = Duration::from_secs(1);

/// Counts messages of one connection; the excess is dropped.
#[derive(Debug)]
pub(crate) struct FloodGate {
    window: Mutex<(Instant, u32)>,
    dropped: AtomicU64,
}

impl FloodGate {
    pub(crate) fn new() -> Self {
        Self { window: Mutex::new((Instant::now(), 0)), dropped: AtomicU64::new(0) }
    }

    /// Whether one more message is let through.
    pub(crate) fn admits(&self) -> bool {
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if now.duration_since(window.0) >= WINDOW {
            *window = (now, 0);
        }
        window.1 = window.1.saturating_add(1);
        let admitted = window.1 <= NOTIFICATIONS_PER_SECOND;
        if !admitted {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        admitted
    }

    /// How many messages were dropped so far.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_excess_of_a_second_is_dropped() {
        let gate = FloodGate::new();
        assert_eq!((0..250).filter(|_| gate.admits()).count(), 100);
        assert_eq!(gate.dropped(), 150);
        tokio::time::advance(WINDOW).await;
        assert!(gate.admits());
    }
}
