//! Instants as people read them: RFC 3339, with the offset of a time zone.

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// To the second: `2026-11-20T14:02:29+01:00`.
#[must_use]
pub fn seconds(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
}

/// To the millisecond: `2026-11-20T14:02:29.125+01:00`.
#[must_use]
pub fn millis(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%Y-%m-%dT%H:%M:%S%.3f%:z").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_the_offset() {
        let at: Timestamp = "2026-11-20T13:02:29.125999Z".parse().unwrap();
        for (zone, to_second, to_milli) in [
            ("Europe/Berlin", "2026-11-20T14:02:29+01:00", "2026-11-20T14:02:29.125+01:00"),
            ("UTC", "2026-11-20T13:02:29+00:00", "2026-11-20T13:02:29.125+00:00"),
            ("Asia/Kathmandu", "2026-11-20T18:47:29+05:45", "2026-11-20T18:47:29.125+05:45"),
        ] {
            let zone = TimeZone::get(zone).unwrap();
            assert_eq!(seconds(at, &zone), to_second);
            assert_eq!(millis(at, &zone), to_milli);
        }
    }
}
