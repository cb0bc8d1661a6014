//! Several samples of one figure.

/// Median, lowest and highest of some samples.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Spread {
    /// The median.
    pub(crate) median: f64,
    /// The lowest.
    pub(crate) low: f64,
    /// The highest.
    pub(crate) high: f64,
}

impl Spread {
    /// Of these samples; of none, zeros.
    pub(crate) fn of(samples: &[f64]) -> Self {
        Self { median: quantile(samples, 0.5), low: quantile(samples, 0.0), high: quantile(samples, 1.0) }
    }

    /// Of one sample.
    pub(crate) fn one(sample: f64) -> Self {
        Self::of(&[sample])
    }
}

/// The value below which this share of the samples lies: the nearest sample, or the mean of the two middle ones.
pub(crate) fn quantile(samples: &[f64], share: f64) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let Some(last) = sorted.len().checked_sub(1) else { return 0.0 };
    let place = share * last as f64;
    (sorted[place.floor() as usize] + sorted[place.ceil() as usize]) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spreads_and_quantiles() {
        let spread = |median, low, high| Spread { median, low, high };
        for (samples, expected) in [
            (vec![], spread(0.0, 0.0, 0.0)),
            (vec![2.0], spread(2.0, 2.0, 2.0)),
            (vec![3.0, 1.0, 2.0], spread(2.0, 1.0, 3.0)),
            (vec![4.0, 1.0, 2.0, 3.0], spread(2.5, 1.0, 4.0)),
        ] {
            assert_eq!(Spread::of(&samples), expected, "{samples:?}");
        }
        let hundred: Vec<f64> = (0..=100).map(f64::from).collect();
        assert!((quantile(&hundred, 0.99) - 99.0).abs() < f64::EPSILON);
    }
}
