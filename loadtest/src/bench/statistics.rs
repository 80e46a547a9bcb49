//! Percentiles and medians of samples that all fit into memory.

/// Samples in microseconds.
#[derive(Debug, Default)]
pub(super) struct Samples {
    microseconds: Vec<f64>,
}

impl Samples {
    pub(super) fn push(&mut self, duration: std::time::Duration) {
        self.microseconds.push(duration.as_secs_f64() * 1e6);
    }

    pub(super) fn extend(&mut self, other: Self) {
        self.microseconds.extend(other.microseconds);
    }

    pub(super) fn len(&self) -> usize {
        self.microseconds.len()
    }

    /// In milliseconds; 0 when there is no sample.
    pub(super) fn percentile_ms(&mut self, percent: u32) -> f64 {
        self.microseconds.sort_unstable_by(f64::total_cmp);
        let last = self.microseconds.len().saturating_sub(1);
        let rank = (last * percent as usize).div_ceil(100);
        self.microseconds.get(rank).map_or(0.0, |sample| sample / 1000.0)
    }
}

/// The middle of some figures, or the mean of the middle two.
pub(super) fn median(mut figures: Vec<f64>) -> Option<f64> {
    figures.sort_unstable_by(f64::total_cmp);
    let middle = figures.len() / 2;
    match figures.len() {
        0 => None,
        length if length % 2 == 1 => Some(figures[middle]),
        _ => Some(f64::midpoint(figures[middle - 1], figures[middle])),
    }
}

/// A count as a number to divide by; counts here are far below 2^52.
pub(super) fn number(count: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "counts of requests and bytes stay far below 2^52")]
    let number = count as f64;
    number
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn percentiles_are_samples() {
        let mut samples = Samples::default();
        for millisecond in (1..=100).rev() {
            samples.push(Duration::from_millis(millisecond));
        }
        assert!((samples.percentile_ms(50) - 51.0).abs() < 1e-9);
        assert!((samples.percentile_ms(99) - 100.0).abs() < 1e-9 || (samples.percentile_ms(99) - 99.0).abs() < 1.1);
        assert!((samples.percentile_ms(100) - 100.0).abs() < 1e-9);
    }

    #[test]
    fn the_median_ignores_outliers() {
        assert_eq!(median(vec![1.0, 1000.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![1.0, 2.0]), Some(1.5));
        assert_eq!(median(Vec::new()), None);
    }
}
