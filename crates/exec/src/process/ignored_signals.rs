//! The signals that this process ignores, which its jobs do not.

use std::sync::LazyLock;

use rustix::process::Signal;

/// What this process ignored when somebody asked first, from bit 0 for number 1 on: what its parent left ignored, and
/// what the runtime of the language does.
pub(super) static IGNORED: LazyLock<u64> = LazyLock::new(|| {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    // Unknown: perhaps all.
    ignored_in(&status).unwrap_or(u64::MAX)
});

/// Whether it ignores this one.
pub(super) fn is_ignored(signal: Signal) -> bool {
    *IGNORED >> (signal.as_raw() - 1) & 1 == 1
}

/// The line of `/proc/PID/status`.
fn ignored_in(status: &str) -> Option<u64> {
    let bits = status.lines().find_map(|line| line.strip_prefix("SigIgn:"))?;
    u64::from_str_radix(bits.trim(), 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_of_the_kernel_is_read() {
        for (status, expected) in [
            ("Name:\tx\nSigBlk:\t0000000000000001\nSigIgn:\t0000000000011000\nSigCgt:\t0\n", Some(0x11000)),
            ("SigIgn:\t8000000000000000\n", Some(1 << 63)),
            ("SigIgn:\tx\n", None),
            ("Name:\tx\n", None),
        ] {
            assert_eq!(ignored_in(status), expected, "{status}");
        }
        // Rust programs ignore it.
        assert!(is_ignored(Signal::PIPE));
    }
}
