//! The only place that reads the wall clock.

use jiff::Timestamp;

/// Gives the time. Waiting is the affair of the runtime, whose clock tests can pause.
pub trait Clock: Send + Sync + 'static {
    /// Now, on the wall.
    fn now(&self) -> Timestamp;

    /// Seconds since 1970.
    fn unix_seconds(&self) -> i64 {
        self.now().as_second()
    }

    /// Milliseconds since 1970.
    fn unix_millis(&self) -> i64 {
        self.now().as_millisecond()
    }
}

/// Microseconds on the clock that nobody sets, since some moment of this boot.
#[must_use]
pub fn monotonic_micros() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let part = |number: i64| u64::try_from(number).unwrap_or_default();
    part(now.tv_sec) * 1_000_000 + part(now.tv_nsec) / 1000
}

/// The machine's clock.
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock module")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct At(Timestamp);

    impl Clock for At {
        fn now(&self) -> Timestamp {
            self.0
        }
    }

    #[test]
    fn seconds_and_milliseconds() {
        let clock = At("1970-01-02T00:00:01.0029Z".parse().unwrap());
        assert_eq!((clock.unix_seconds(), clock.unix_millis()), (86_401, 86_401_002));
        // After 2020: what it reads is a wall clock.
        assert!(SystemClock.unix_seconds() > 1_577_836_800);
    }
}
