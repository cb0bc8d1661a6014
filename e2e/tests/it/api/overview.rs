//! The whole at a glance: counts of jobs, and the running configuration beside its file.

use e2e::place::Place;
use serde_json::json;

use super::{CONFIG, ask, get, heraldd, job_with, start};

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

#[test]
fn the_running_configuration_is_shown_beside_its_file() {
    let place = Place::new();
    let _daemon = start(&place);
    let config = get(&place, "/v1/config?section=router");
    assert_eq!((&config["differs"], &config["is_valid"]), (&json!(false), &json!(true)), "{config}");
    let quick = &config["entries"][0];
    assert_eq!((&quick["name"], &quick["line"]), (&json!("quick"), &json!(8)), "{config}");
    assert_eq!(quick["value"]["job_param"]["env"]["MY_TOKEN"], "***");
    assert!(!get(&place, "/v1/config").to_string().contains("hunter2"));
    let file = quick["file"].as_str().unwrap();
    let text = std::fs::read_to_string(file).unwrap();
    assert!(text.len() >= CONFIG.len() - 20);
    std::fs::write(file, text.replace("selector: match_map", "selector: nobody")).unwrap();
    // A check counts for five seconds.
    let now = e2e::wait::until("the check", || {
        let now = get(&place, "/v1/config");
        (now["differs"] == true).then_some(now)
    });
    assert_eq!(now["is_valid"], false, "{now}");
    let problem = &now["problems"][0];
    assert_eq!((&problem["severity"], &problem["line"]), (&json!("error"), &json!(10)), "{now}");
    assert!(problem["message"].as_str().unwrap().contains("nobody"), "{now}");
    assert_eq!(get(&place, "/v1/config?section=router")["entries"], config["entries"], "what runs stays");
}
