//! How often one user may do something that reaches out to somebody else's server.

use crate::{Error, Result};
use api::Uuid;
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

const WINDOW: Duration = Duration::from_secs(60);

/// Counts per user in a sliding minute. Per process: a second replica doubles the limit, which is harmless here.
pub(crate) struct PerMinute {
    /// 0 limits nothing.
    most: usize,
    /// What is counted, for the refusal: `checks`.
    what: &'static str,
    users: Mutex<HashMap<Uuid, Vec<Instant>>>,
}

impl PerMinute {
    pub(crate) fn new(most: usize, what: &'static str) -> Self {
        Self { most, what, users: Mutex::default() }
    }

    /// Counts one more.
    ///
    /// # Errors
    /// [`Error::RateLimited`].
    pub(crate) fn admit(&self, user: Uuid, now: Instant) -> Result<()> {
        if self.most == 0 {
            return Ok(());
        }
        let mut users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
        users.retain(|_, times| times.last().is_some_and(|at| now.duration_since(*at) < WINDOW));
        let times = users.entry(user).or_default();
        times.retain(|at| now.duration_since(*at) < WINDOW);
        if times.len() >= self.most {
            let retry_after = WINDOW - now.duration_since(times[0]);
            let message =
                format!("{} {} a minute is the limit. Wait a moment and try again.", self.most, self.what);
            return Err(Error::RateLimited { message, retry_after });
        }
        times.push(now);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_eleventh_check_in_a_minute_waits() {
        let limiter = PerMinute::new(10, "checks");
        let (user, start) = (Uuid::nil(), Instant::now());
        for _ in 0..10 {
            assert!(limiter.admit(user, start).is_ok());
        }
        assert!(matches!(limiter.admit(user, start), Err(Error::RateLimited { .. })));
        assert!(limiter.admit(Uuid::max(), start).is_ok());
        assert!(limiter.admit(user, start + WINDOW).is_ok());
    }

    #[test]
    fn nothing_is_limited_where_the_operator_says_so() {
        let limiter = PerMinute::new(0, "calls");
        assert!((0..1000).all(|_| limiter.admit(Uuid::nil(), Instant::now()).is_ok()));
    }
}
