//! Chance that can be repeated: the same seed makes the same choices.

use std::time::Duration;

/// xorshift64*, good enough to choose victims and moments.
#[derive(Clone)]
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        // A state of zero would stay zero.
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// In 0..`below`; 0 where that is empty.
    pub(super) fn below(&mut self, below: usize) -> usize {
        usize::try_from(self.next() >> 33).unwrap_or(0) % below.max(1)
    }

    /// True in `percent` of 100 cases.
    pub(super) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// Between the two.
    pub(super) fn between(&mut self, least: Duration, most: Duration) -> Duration {
        let span = most.saturating_sub(least).as_micros();
        let span = usize::try_from(span).unwrap_or(usize::MAX);
        least + Duration::from_micros(self.below(span.saturating_add(1)) as u64)
    }

    /// Another one, whose choices are its own.
    pub(super) fn split(&mut self) -> Self {
        Self::new(self.next())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_and_choices_stay_in_their_bounds() {
        let (mut one, mut two) = (Random::new(7), Random::new(7));
        let (least, most) = (Duration::from_millis(5), Duration::from_millis(9));
        for _ in 0..1000 {
            assert_eq!(one.next(), two.next());
            assert!(one.below(3) < 3 && two.below(3) < 3);
            assert!((least..=most).contains(&one.between(least, most)));
            let _ = two.between(least, most);
        }
        assert_ne!(Random::new(1).next(), Random::new(2).next());
        assert_eq!(Random::new(0).below(0), 0);
    }
}
