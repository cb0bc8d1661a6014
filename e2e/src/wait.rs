//! Waiting, always with a deadline.

use std::time::{Duration, Instant};

/// Time limit for anything that should happen at once; generous, because the machine can be busy.
pub const SOON: Duration = Duration::from_secs(20);

/// Polls until there is a value; fails after [`SOON`].
pub fn until<T>(what: &str, ask: impl FnMut() -> Option<T>) -> T {
    until_within(SOON, what, ask)
}

/// Polls until there is a value; fails after `limit`.
pub fn until_within<T>(limit: Duration, what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(started.elapsed() < limit, "not within {limit:?}: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Checks for a while that something does not change. For sentences of the contract that say "never".
pub fn stays(span: Duration, what: &str, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while started.elapsed() < span {
        assert!(holds(), "did not stay: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Seconds since 1970, for signatures.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "a test has no clock of herald-core's, and signs for the real time"
)]
pub fn unix_now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    i64::try_from(since.unwrap().as_secs()).unwrap()
}
