//! How long to wait before another attempt.

use std::time::Duration;

/// The first wait.
const FIRST: Duration = Duration::from_millis(500);
/// The longest wait.
const LONGEST: Duration = Duration::from_secs(30);

/// Waits that double from 0.5 s up to 30 s. Each is shortened by up to a half at random, so that many clients do not
/// return to a server in the same moment.
#[derive(Debug, Clone, Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// How long to wait after another failure.
    pub fn next_wait(&mut self) -> Duration {
        let doubled = FIRST.saturating_mul(1 << self.failures.min(6)).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        doubled.mul_f64(1.0 - random_fraction() / 2.0)
    }

    /// Something worked: the next wait is short again.
    pub fn reset(&mut self) {
        self.failures = 0;
    }
}

/// From 0 to 1; 0 where the system has no random numbers.
fn random_fraction() -> f64 {
    let mut bytes = [0; 2];
    match getrandom::fill(&mut bytes) {
        Ok(()) => f64::from(u16::from_le_bytes(bytes)) / f64::from(u16::MAX),
        Err(_) => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_half_a_minute() {
        let mut backoff = Backoff::default();
        for full in [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000] {
            let (wait, full) = (backoff.next_wait(), Duration::from_millis(full));
            assert!(full / 2 <= wait && wait <= full, "{wait:?} of {full:?}");
        }
        backoff.reset();
        assert!(backoff.next_wait() <= FIRST);
    }
}
