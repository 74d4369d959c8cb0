//! When to ask again (behaviour 18): a pure function, so that time and chance are values in tests.

use crate::limits::{BACKOFF_MAX, BACKOFF_MIN, RETRIES, RETRY_AFTER_MAX};
use std::time::Duration;

/// HTTP statuses after which the same request may succeed (behaviour 18).
pub const STATUSES: [u16; 7] = [408, 429, 500, 502, 503, 504, 529];

/// How long to wait before retry number `attempt` (the first is 1), or `None` when to give up.
///
/// The window doubles from 1-2 s to 30-60 s and `jitter01` (0 to 1) picks the point in it. A `retry_after` of the provider
/// is honoured up to 5 minutes, with up to a second on top so that waiters do not return together. A provider that asks
/// for more is not asked again: going back earlier would only lengthen its ban, and no person waits that long for a turn.
pub fn delay(attempt: u32, retry_after: Option<Duration>, jitter01: f64) -> Option<Duration> {
    if attempt == 0 || attempt > RETRIES || retry_after.is_some_and(|wait| wait > RETRY_AFTER_MAX) {
        return None;
    }
    let jitter = clamped(jitter01);
    let upper = BACKOFF_MIN.saturating_mul(1_u32.checked_shl(attempt).unwrap_or(u32::MAX)).min(BACKOFF_MAX);
    let lower = upper / 2;
    let backoff = lower + (upper - lower).mul_f64(jitter);
    Some(match retry_after {
        Some(wait) => backoff.max((wait + Duration::from_secs(1).mul_f64(jitter)).min(RETRY_AFTER_MAX)),
        None => backoff,
    })
}

/// How long to wait where a breaker says `wait`: not all who wait at once.
pub fn after_pause(wait: Duration, jitter01: f64) -> Duration {
    wait + Duration::from_secs(1).mul_f64(clamped(jitter01))
}

fn clamped(jitter01: f64) -> f64 {
    if jitter01.is_finite() { jitter01.clamp(0.0, 1.0) } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secs(s: u64) -> Duration {
        Duration::from_secs(s)
    }

    #[test]
    fn doubles_from_one_second_to_sixty() {
        let lower: Vec<_> = (1..=8).map(|n| delay(n, None, 0.0).unwrap().as_secs()).collect();
        let upper: Vec<_> = (1..=8).map(|n| delay(n, None, 1.0).unwrap().as_secs()).collect();
        assert_eq!(lower, [1, 2, 4, 8, 16, 30, 30, 30]);
        assert_eq!(upper, [2, 4, 8, 16, 32, 60, 60, 60]);
    }

    #[test]
    fn ends_after_twenty_five() {
        assert_eq!(delay(0, None, 0.5), None);
        assert!(delay(25, None, 0.5).is_some());
        assert_eq!(delay(26, None, 0.5), None);
        assert_eq!(delay(u32::MAX, None, 0.5), None);
    }

    #[test]
    fn honours_retry_after_up_to_five_minutes() {
        assert_eq!(delay(1, Some(secs(20)), 0.0), Some(secs(20)));
        assert_eq!(delay(1, Some(secs(20)), 1.0), Some(secs(21)));
        assert_eq!(delay(1, Some(secs(300)), 1.0), Some(secs(300)));
        assert_eq!(delay(1, Some(secs(301)), 0.0), None);
        // Shorter than our own back-off: ours counts.
        assert_eq!(delay(6, Some(secs(1)), 0.0), Some(secs(30)));
        assert_eq!(delay(1, Some(Duration::ZERO), 0.0), Some(secs(1)));
    }

    proptest::proptest! {
        #[test]
        fn every_wait_lies_between_the_limits(attempt in 1_u32..=25, after in proptest::option::of(0_u64..=300), jitter in proptest::num::f64::ANY) {
            let wait = delay(attempt, after.map(secs), jitter).unwrap();
            assert!(wait >= BACKOFF_MIN && wait >= secs(after.unwrap_or(0)));
            assert!(wait <= RETRY_AFTER_MAX);
            assert!(after.is_some() || wait <= BACKOFF_MAX);
        }
    }
}
