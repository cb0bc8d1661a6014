use super::*;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn sample(name: &str, status: &str, second: i64, took: Option<i64>) -> JobSample {
    JobSample {
        name: name.into(),
        status: status.into(),
        queued_at: Timestamp::from_second(second).unwrap(),
        took: took.map(SignedDuration::from_secs),
    }
}

#[test]
fn ranges_begin_with_a_bucket_and_are_bounded() {
    let now = at("2026-11-29T12:30:00Z");
    for (since, until, bucket, expected) in [
        (None, None, None, "2026-11-28T13:00:00Z 2026-11-29T12:30:00Z 3600"),
        (None, None, Some("1d"), "2026-11-06T00:00:00Z 2026-11-29T12:30:00Z 86400"),
        (Some("2026-11-29T11:59:59Z"), None, Some("30m"), "2026-11-29T11:30:00Z 2026-11-29T12:30:00Z 1800"),
        (Some("2026-01-01T00:00:00Z"), Some("2026-01-02T00:00:00Z"), Some("1m"), "bucket: there would be"),
        (Some("2026-11-30T00:00:00Z"), None, None, "until: "),
        (None, None, Some("1s"), "bucket: expected"),
        (None, None, Some("90.5s"), "bucket: expected"),
        (None, None, Some("soon"), "bucket: expected"),
    ] {
        let range = StatsRange::new(since.map(at), until.map(at), bucket, SampledBy::default(), now);
        let found = match range {
            Ok(range) => format!("{} {} {}", range.since, range.until, range.bucket.as_secs()),
            Err(error) => error.to_string(),
        };
        assert!(found.starts_with(expected), "{since:?} {until:?} {bucket:?}: {found}");
    }
    let range = || StatsRange::new(None, None, None, SampledBy::Node, now).unwrap();
    assert!(range().limited(None, Some(0)).is_err() && range().limited(None, Some(501)).is_err());
}

#[test]
fn jobs_are_counted_by_bucket_and_name() {
    let now = at("1970-01-01T03:00:00Z");
    let range =
        StatsRange::new(Some(Timestamp::UNIX_EPOCH), None, Some("1h"), SampledBy::default(), now).unwrap();
    let mut cells = HashMap::new();
    for sample in [
        sample("b", "succeeded", 3600, Some(4)),
        sample("a", "failed", 3599, Some(2)),
        sample("a", "succeeded", 10, Some(1)),
        sample("a", "timed_out", 20, Some(30)),
        sample("a", "running", 30, None),
        sample("c", "queued", 40, None),
    ] {
        add(&mut cells, sample, range.bucket);
    }
    let range = range.limited(None, Some(2)).unwrap();
    let stats = shown(&range, cells, None);
    let rows: Vec<String> = stats
        .rows
        .iter()
        .map(|row| {
            let took = (row.median_seconds, row.p95_seconds, row.longest_seconds);
            format!("{} {} {}/{} {took:?}", row.at, row.name, row.failed, row.jobs)
        })
        .collect();
    assert_eq!(
        rows,
        [
            "1970-01-01T00:00:00Z a 2/4 (Some(2.0), Some(30.0), Some(30.0))",
            "1970-01-01T01:00:00Z b 0/1 (Some(4.0), Some(4.0), Some(4.0))",
        ]
    );
    assert_eq!((stats.left_out, &*stats.by, stats.rows[0].outcomes["running"]), (1, "router", 1));
}
