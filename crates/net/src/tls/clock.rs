//! The time that certificates are held against.

use rustls_pki_types::UnixTime;

/// Now.
pub(crate) fn now() -> UnixTime {
    UnixTime::now()
}

/// A moment, for people.
pub(crate) fn shown(time: UnixTime) -> String {
    let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    jiff::Timestamp::from_second(seconds)
        .map_or_else(|_| format!("second {seconds} of 1970"), |time| time.to_string())
}
