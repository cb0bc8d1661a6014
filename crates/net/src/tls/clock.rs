//! The time that certificates are held against.

use std::time::Duration;

use herald_base::clock::{Clock as _, SystemClock};
use rustls_pki_types::UnixTime;

/// Now.
pub(crate) fn now() -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(SystemClock.unix_seconds().try_into().unwrap_or(0)))
}

/// A moment, for people.
pub(crate) fn shown(time: UnixTime) -> String {
    let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    jiff::Timestamp::from_second(seconds)
        .map_or_else(|_| format!("second {seconds} of 1970"), |time| time.to_string())
}
