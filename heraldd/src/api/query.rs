//! The query of a list of jobs.

use herald_core::unit;
use jiff::Timestamp;
use serde_json::Value;

use crate::journal::JobQuery;

/// Entries of a page, unless asked otherwise, and at most.
const PAGE: usize = 50;
const LARGEST_PAGE: usize = 1000;
/// What a job's status may be.
const STATUSES: [&str; 8] =
    ["queued", "running", "succeeded", "failed", "timed_out", "cancelled", "lost", "rejected"];

/// Reads `router=&task=&status=&since=&cursor=&limit=`. An error is a sentence.
pub(super) fn jobs(query: &str, now: Timestamp) -> Result<JobQuery, String> {
    let mut read = JobQuery { limit: PAGE, ..JobQuery::default() };
    for (key, value) in form_urlencoded::parse(query.as_bytes()) {
        let value = value.into_owned();
        match &*key {
            "router" => read.router = Some(value),
            "task" => read.task = Some(value),
            "status" if STATUSES.contains(&&*value) => read.status = Some(value),
            "status" => return Err(format!("status: expected one of {}", STATUSES.join(", "))),
            "since" => read.since = Some(since(&value, now)?),
            "cursor" => read.cursor = Some(value),
            "limit" => {
                let limit = value.parse().ok().filter(|limit| (1..=LARGEST_PAGE).contains(limit));
                read.limit =
                    limit.ok_or_else(|| format!("limit: expected a number from 1 to {LARGEST_PAGE}"))?;
            }
            other => {
                return Err(format!(
                    "unknown parameter `{other}`; known are: router, task, status, since, cursor, limit"
                ));
            }
        }
    }
    Ok(read)
}

/// A time, or how long ago.
fn since(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(at);
    }
    let ago = unit::duration(&Value::from(text)).ok();
    ago.and_then(|ago| now.checked_sub(ago).ok()).ok_or_else(|| {
        "since: expected a time such as 2026-11-24T12:00:00Z, or how long ago, such as 90m".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries() {
        let now: Timestamp = "2026-11-24T12:00:00Z".parse().unwrap();
        let at = |text: &str| Some(text.parse::<Timestamp>().unwrap());
        for (query, router, since, limit) in [
            ("", None, None, 50),
            ("router=a%20b&limit=3", Some("a b"), None, 3),
            ("since=90m", None, at("2026-11-24T10:30:00Z"), 50),
            ("since=2026-11-24T00:00:00%2B01:00", None, at("2026-11-23T23:00:00Z"), 50),
        ] {
            let read = jobs(query, now).unwrap();
            assert_eq!((read.router.as_deref(), read.since, read.limit), (router, since, limit), "{query}");
        }
        for query in ["limit=0", "limit=1001", "limit=x", "since=soon", "status=done", "x=1"] {
            assert!(jobs(query, now).is_err(), "{query}");
        }
    }
}
