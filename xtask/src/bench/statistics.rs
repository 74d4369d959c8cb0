//! Percentiles and units.

use std::time::Duration;

/// Measured times, sorted.
pub(crate) struct Sample(Vec<Duration>);

impl Sample {
    pub(crate) fn new(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        Self(times)
    }

    /// The value at or below which `percent` of the sample lies, by nearest rank: always a time that was measured,
    /// never one between two. `None` for an empty sample.
    pub(crate) fn percentile(&self, percent: usize) -> Option<Duration> {
        let rank = (self.0.len() * percent).div_ceil(100).max(1);
        self.0.get(rank - 1).copied()
    }

    /// The same in milliseconds; an empty sample, which no caller makes, shows as 0.
    pub(crate) fn percentile_ms(&self, percent: usize) -> f64 {
        self.percentile(percent).map_or(0.0, milliseconds)
    }

    /// All of them, ascending, in milliseconds.
    pub(crate) fn all_ms(&self) -> Vec<f64> {
        self.0.iter().copied().map(milliseconds).collect()
    }
}

/// Milliseconds, rounded to a microsecond: finer digits of a clock reading are noise.
pub(crate) fn milliseconds(time: Duration) -> f64 {
    rounded(time.as_secs_f64() * 1000.0)
}

/// Three digits after the point.
pub(crate) fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(milliseconds: &[u64]) -> Sample {
        Sample::new(milliseconds.iter().copied().map(Duration::from_millis).collect())
    }

    #[test]
    fn percentiles_are_measured_values_by_nearest_rank() {
        let seven = sample(&[70, 10, 40, 20, 60, 30, 50]);
        assert_eq!(
            seven.percentile(50),
            Some(Duration::from_millis(40)),
            "the median of seven is the fourth"
        );
        assert_eq!(seven.percentile(99), Some(Duration::from_millis(70)));
        assert_eq!(seven.percentile(0), Some(Duration::from_millis(10)));
        let hundred = sample(&(1..=100).collect::<Vec<_>>());
        assert_eq!(hundred.percentile(50), Some(Duration::from_millis(50)));
        assert_eq!(hundred.percentile(99), Some(Duration::from_millis(99)));
        assert_eq!(hundred.percentile(100), Some(Duration::from_millis(100)));
    }

    #[test]
    fn small_samples_have_percentiles_too() {
        assert_eq!(sample(&[5]).percentile(99), Some(Duration::from_millis(5)));
        assert_eq!(sample(&[1, 2]).percentile(50), Some(Duration::from_millis(1)));
        assert_eq!(sample(&[]).percentile(50), None);
    }

    #[test]
    fn milliseconds_keep_microseconds() {
        assert_eq!(milliseconds(Duration::from_nanos(1_234_567)), 1.235);
        assert_eq!(sample(&[2, 1]).all_ms(), [1.0, 2.0]);
    }
}
