//! Jitter: the same trigger on many hosts fires at different times, and on one host always at the same.

use std::time::Duration;

/// How much later a trigger of this name fires on this host: less than `longest`, in whole seconds where that is at
/// least one. The same for ever.
#[must_use]
pub fn jitter(host: &str, trigger: &str, longest: Duration) -> Duration {
    // FNV-1a: stable over versions and machines, which a hash map's is not.
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for byte in host.bytes().chain([0]).chain(trigger.bytes()) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    // Its low bits alone are not well mixed for short names.
    hash ^= hash >> 32;
    match longest.as_secs() {
        0 => Duration::from_millis(hash % u64::try_from(longest.as_millis()).unwrap_or(1).max(1)),
        seconds => Duration::from_secs(hash % seconds),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_stable_and_spread() {
        let minute = Duration::from_secs(60);
        assert_eq!(jitter("web1", "nightly", minute), jitter("web1", "nightly", minute));
        let mut found: Vec<u64> =
            (0..60).map(|n| jitter(&format!("web{n}"), "nightly", minute).as_secs()).collect();
        assert!(found.iter().all(|seconds| *seconds < 60));
        found.sort_unstable();
        found.dedup();
        assert!(found.len() > 25, "{found:?}");
        assert_ne!(jitter("web1", "a", minute), jitter("web1", "b", minute));
        assert!(jitter("h", "t", Duration::from_millis(500)) < Duration::from_millis(500));
        assert_eq!(jitter("h", "t", Duration::ZERO), Duration::ZERO);
    }
}
