//! What deserves a warning of a `cron` trigger in which nothing is wrong.

use herald_core::problem::{Path, Problem};
use herald_core::spec::Options;
use herald_core::unit;
use herald_schedule::gap::gaps;
use herald_schedule::schedule::{Schedule, time_zone};
use jiff::tz::TimeZone;
use serde_json::Value;

/// By its options; paths begin there.
pub(super) fn of(options: &Options) -> Vec<Problem> {
    long_jitter(options).into_iter().collect()
}

/// Whether it may fire so late that another time was due meanwhile.
fn long_jitter(options: &Options) -> Option<Problem> {
    let text = |name: &str| options.0.get(name).and_then(Value::as_str);
    let jitter = unit::duration(options.0.get("jitter")?).ok()?;
    let with_seconds = options.0.get("with_seconds").and_then(Value::as_bool).unwrap_or_default();
    let zone = text("time_zone").map_or(Some(TimeZone::UTC), |name| time_zone(name).ok())?;
    let schedule = Schedule::parse(text("cron")?, with_seconds, &zone).ok()?;
    let (_, longest) = gaps(|at| schedule.next_after(at))?;
    let what = format!(
        "`jitter` is longer than the time between two runs, which is {} at most",
        unit::text(longest)
    );
    (jitter > longest).then(|| Problem::warning(Path::top().key("jitter"), what).help("write a shorter one"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn jitter_that_is_longer_than_the_time_between_two_runs() {
        for (line, jitter, warns) in [
            ("0 3 * * *", "48h", true),
            ("0 3 * * *", "24h", false),
            ("*/5 * * * *", "10m", true),
            ("*/5 * * * *", "2m", false),
            ("0 8 * * 1-5", "30h", false),
            ("@every 1h", "2h", true),
        ] {
            let options = Options(json!({"cron": line, "jitter": jitter}).as_object().unwrap().clone());
            assert_eq!(!of(&options).is_empty(), warns, "{line} {jitter}");
        }
    }
}
