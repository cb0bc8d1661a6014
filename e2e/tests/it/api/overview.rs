//! The whole at a glance: counts of jobs.

use e2e::place::Place;
use serde_json::json;

use super::{ask, get, heraldd, job_with, start};

#[test]
fn jobs_are_counted() {
    let place = Place::new();
    let daemon = start(&place);
    for n in 0..3 {
        let event = daemon.post(&json!({"do": "quick", "n": n}));
        job_with(&place, &event, "succeeded");
    }
    for by in ["router", "task", "trigger", "node"] {
        let stats = get(&place, &format!("/v1/stats?bucket=1d&by={by}&since=1d"));
        let rows = stats["rows"].as_array().unwrap();
        let jobs: u64 = rows.iter().filter_map(|row| row["jobs"].as_u64()).sum();
        assert_eq!(jobs, if by == "node" { 0 } else { 3 }, "{stats}");
        assert!(rows.iter().all(|row| row["failed"] == 0 && row["longest_seconds"].is_number()), "{stats}");
        assert_eq!((&stats["by"], &stats["bucket_seconds"]), (&json!(by), &json!(86400)));
    }
    assert_eq!(get(&place, "/v1/stats?router=slow")["rows"], json!([]));
    for bad in ["bucket=1s", "by=nobody", "since=soon", "limit=0", "bucket=1m&since=365d"] {
        assert_eq!(ask(&place, "GET", &format!("/v1/stats?{bad}"), "").status, 400, "{bad}");
    }
    let socket = place.text_path("state/heraldd.sock");
    let table = heraldd(&place, &["stats", "--bucket", "1d", "--by", "task", "--socket", &socket]);
    assert!(table.code == Some(0) && table.stdout.contains("MEDIAN"), "{}", table.text());
    assert!(table.stdout.lines().any(|line| line.contains("  k  ")), "{}", table.text());
}
