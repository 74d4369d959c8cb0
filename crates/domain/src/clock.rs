//! Time and randomness as parameters, so that both are values in tests.

use api::{Timestamp, Uuid};
use std::{
    sync::atomic::{AtomicI64, AtomicU64, Ordering},
    time::Duration,
};

/// Wall-clock time.
pub trait Clock: Send + Sync {
    fn now(&self) -> Timestamp;
}

/// Random bytes; in production from the operating system.
pub trait Entropy: Send + Sync {
    /// Fills the whole buffer.
    fn fill(&self, buffer: &mut [u8]);
}

/// A UUIDv7 (RFC 9562, 5.7): milliseconds of `clock`, the rest from `entropy`. Ids ascend with time, so indexes stay compact.
pub fn new_id(clock: &dyn Clock, entropy: &dyn Entropy) -> Uuid {
    let mut random = [0; 10];
    entropy.fill(&mut random);
    // Before 1970 is a broken clock; such ids stay unique, they only lose their order.
    let millis = u64::try_from(clock.now().as_millis()).unwrap_or(0);
    uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
}

/// 256 random bits for sessions, API tokens and the setup link.
pub fn random_token(entropy: &dyn Entropy) -> [u8; 32] {
    let mut token = [0; 32];
    entropy.fill(&mut token);
    token
}

/// A clock that moves only when told to. For tests.
#[derive(Debug)]
pub struct ManualClock(AtomicI64);

impl ManualClock {
    pub fn at(start: Timestamp) -> Self {
        Self(AtomicI64::new(start.0))
    }

    pub fn set(&self, now: Timestamp) {
        self.0.store(now.0, Ordering::SeqCst);
    }

    /// Moves forward, by microseconds; saturates at the end of time.
    pub fn advance(&self, by: Duration) {
        let micros = i64::try_from(by.as_micros()).unwrap_or(i64::MAX);
        let _ =
            self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |now| Some(now.saturating_add(micros)));
    }
}

impl Default for ManualClock {
    /// 2026-11-01T00:00:00Z.
    fn default() -> Self {
        Self::at(Timestamp(1_793_491_200_000_000))
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }
}

/// The same bytes for the same seed, in the same order of calls. For tests only: it is predictable by design.
#[derive(Debug)]
pub struct SeededEntropy(AtomicU64);

/// The increment of SplitMix64: odd, so the counter visits every value once.
const SPLITMIX_STEP: u64 = 0x9e37_79b9_7f4a_7c15;

impl SeededEntropy {
    pub fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }

    fn next(&self) -> u64 {
        let mut mixed = self.0.fetch_add(SPLITMIX_STEP, Ordering::SeqCst).wrapping_add(SPLITMIX_STEP);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

impl Default for SeededEntropy {
    fn default() -> Self {
        Self::new(42)
    }
}

impl Entropy for SeededEntropy {
    fn fill(&self, buffer: &mut [u8]) {
        for chunk in buffer.chunks_mut(8) {
            let bytes = self.next().to_le_bytes();
            chunk.copy_from_slice(&bytes[..chunk.len()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn ids_are_version_7_and_ascend_with_the_clock() {
        let (clock, entropy) = (ManualClock::default(), SeededEntropy::default());
        let mut last = None;
        for _ in 0..100 {
            let id = new_id(&clock, &entropy);
            assert_eq!(id.get_version_num(), 7);
            assert_eq!(id.get_variant(), uuid::Variant::RFC4122);
            assert!(last < Some(id));
            last = Some(id);
            clock.advance(Duration::from_millis(1));
        }
    }

    #[test]
    fn a_clock_before_the_epoch_still_gives_distinct_ids() {
        let (clock, entropy) = (ManualClock::at(Timestamp(-5_000_000)), SeededEntropy::default());
        let ids: BTreeSet<Uuid> = (0..50).map(|_| new_id(&clock, &entropy)).collect();
        assert_eq!(ids.len(), 50);
    }

    #[test]
    fn entropy_repeats_for_a_seed_and_differs_between_seeds() {
        let draw = |seed| random_token(&SeededEntropy::new(seed));
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
        let mut odd = [0; 13];
        SeededEntropy::new(1).fill(&mut odd);
        assert_eq!(odd, draw(1)[..13]);
    }

    #[test]
    fn entropy_is_never_drawn_twice_by_threads() {
        let entropy = SeededEntropy::default();
        let drawn = std::sync::Mutex::new(BTreeSet::new());
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..500 {
                        let token = random_token(&entropy)[..8].to_vec();
                        drawn.lock().unwrap().insert(token);
                    }
                });
            }
        });
        assert_eq!(drawn.lock().unwrap().len(), 2000);
    }
}
