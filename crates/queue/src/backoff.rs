//! How long to wait before another attempt to connect.

use std::time::Duration;

/// The first wait.
const FIRST: Duration = Duration::from_millis(100);
/// The longest wait. Short, because everything that a queue does waits for it.
const LONGEST: Duration = Duration::from_secs(2);

/// Waits that double from 0.1 s up to 2 s, each shortened by up to a half at random, so that many workers do not
/// return to a server in the same moment.
#[derive(Debug, Default)]
pub(crate) struct ReconnectWait {
    failures: u32,
}

impl ReconnectWait {
    /// How long to wait after another failure.
    pub(crate) fn next_wait(&mut self) -> Duration {
        let doubled = FIRST.saturating_mul(1 << self.failures.min(6)).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        doubled.mul_f64(1.0 - random_fraction() / 2.0)
    }

    /// A connection was made: the next wait is short again.
    pub(crate) fn reset(&mut self) {
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
    fn waits_double_up_to_two_seconds() {
        let mut wait = ReconnectWait::default();
        for full in [100, 200, 400, 800, 1600, 2000, 2000, 2000] {
            let (next, full) = (wait.next_wait(), Duration::from_millis(full));
            assert!(full / 2 <= next && next <= full, "{next:?} of {full:?}");
        }
        wait.reset();
        assert!(wait.next_wait() <= FIRST);
    }
}
