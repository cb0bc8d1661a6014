use std::sync::Arc;

use herald_core::activation::Activation;
use herald_core::job::Job;
use herald_core::lifecycle::{Status, Verdict};
use http::HeaderMap;
use http::header::ACCEPT;

use super::*;

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millisecond(1_800_000_000_000 + millis).unwrap()
}

fn job(id: &str, attempt: u32) -> Arc<Job> {
    let name = Name::from;
    Arc::new(Job {
        id: name(id),
        trigger_id: name("e"),
        router: name("work"),
        trigger: name("t"),
        selector: name("all"),
        task: name("k"),
        executor: name("x"),
        trigger_param: Arc::default(),
        select_param: Arc::default(),
        job_param: Arc::default(),
        chain_depth: 0,
        attempt,
        by: None,
        rerun: false,
    })
}

fn verdict(status: Status) -> Verdict {
    Verdict { status, error: None, result: Default::default() }
}

/// The lines of the text that begin so.
fn lines(metrics: &Metrics, start: &str) -> Vec<String> {
    let text = metrics.render(None, MetricsFormat::Prometheus);
    text.lines().filter(|line| line.starts_with(start)).map(str::to_owned).collect()
}

#[test]
fn a_life_is_counted() {
    let metrics = Metrics::new(at(0));
    metrics.not_recorded();
    metrics.reloaded(true);
    let event = Activation {
        event_id: Name::from("e"),
        trigger: Name::from("t"),
        trigger_param: Arc::default(),
        chain_depth: 0,
        by: None,
    };
    let mask = Arc::default();
    let due = Some(at(-500));
    let accepted = Record::Accepted { activation: event, mask, key: None, cursor: None, due, at: at(0) };
    let queued = |id| Record::Queued { job: job(id, 1), mask: Arc::default(), at: at(0) };
    let started = |id, attempt, millis| Record::Started { job: job(id, attempt), at: at(millis) };
    metrics.recorded(&[accepted, queued("a"), queued("b"), queued("c")], Duration::from_millis(3));
    assert_eq!(lines(&metrics, "herald_jobs{"), [r#"herald_jobs{router="work",state="queued"} 3"#]);
    metrics.recorded(&[started("a", 1, 2_000), started("b", 1, 2_000)], Duration::from_millis(3));
    let ended = |id, attempt, status, millis| Record::Ended {
        job: job(id, attempt),
        mask: Arc::default(),
        verdict: verdict(status),
        cancelled_by: None,
        kept: true,
        at: at(millis),
    };
    let again = Record::AttemptEnded {
        job: job("b", 1),
        verdict: verdict(Status::Failed),
        retry_at: at(10_000),
        at: at(5_000),
    };
    let refused = ended("never-queued", 1, Status::Rejected, 5_000);
    let batch =
        [ended("a", 1, Status::Succeeded, 4_000), again, refused, ended("c", 1, Status::Cancelled, 5_000)];
    metrics.recorded(&batch, Duration::from_millis(3));
    metrics.recorded(&[started("b", 2, 11_000)], Duration::from_millis(3));
    let mut jobs = lines(&metrics, "herald_jobs{");
    jobs.sort();
    assert_eq!(
        jobs,
        [r#"herald_jobs{router="work",state="queued"} 0"#, r#"herald_jobs{router="work",state="running"} 1"#]
    );
    let mut ends = lines(&metrics, "herald_jobs_ended_total");
    ends.sort();
    let end =
        |status: &str| format!(r#"herald_jobs_ended_total{{router="work",task="k",status="{status}"}} 1"#);
    assert_eq!(ends, [end("cancelled"), end("rejected"), end("succeeded")]);
    for (line, value) in [
        (r#"herald_events_total{trigger="t"}"#, "1"),
        (r#"herald_job_retries_total{router="work"}"#, "1"),
        // 2 s, 2 s and 1 s of waiting; 2 s and 3 s of running.
        (r#"herald_job_wait_seconds_sum{router="work"}"#, "5.0"),
        (r#"herald_job_wait_seconds_count{router="work"}"#, "3"),
        (r#"herald_job_run_seconds_sum{router="work"}"#, "5.0"),
        (r#"herald_trigger_lateness_seconds_sum{trigger="t"}"#, "0.5"),
        ("herald_journal_commit_seconds_count", "4"),
    ] {
        assert_eq!(lines(&metrics, line), [format!("{line} {value}")]);
    }
    every_metric_is_in_the_reference(&metrics);
}

fn every_metric_is_in_the_reference(metrics: &Metrics) {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/metrics.md");
    let page = std::fs::read_to_string(page).unwrap();
    let types = lines(metrics, "# TYPE ");
    assert_eq!(types.len(), 22, "{types:?}");
    for line in types {
        let name = line.split(' ').nth(2).unwrap();
        assert!(page.contains(&format!("| `{name}` |")), "{name} is not in docs/reference/metrics.md");
    }
}

#[test]
fn both_formats_name_counters_as_their_readers_expect() {
    let metrics = Metrics::new(at(0));
    metrics.not_recorded();
    let open = metrics.render(None, MetricsFormat::OpenMetrics);
    assert!(open.contains("# TYPE herald_journal_failures counter\n") && open.ends_with("# EOF\n"), "{open}");
    let old = metrics.render(None, MetricsFormat::Prometheus);
    assert!(old.contains("# TYPE herald_journal_failures_total counter\n"), "{old}");
    assert!(old.contains("\nherald_journal_failures_total 1\n"), "{old}");
    let version = env!("CARGO_PKG_VERSION");
    for line in [
        "# HELP herald_build_info The version of heraldd.",
        "# TYPE herald_build_info gauge",
        &format!("herald_build_info{{version=\"{version}\"}} 1"),
    ] {
        assert!(old.lines().any(|found| found == line), "{line}\n{old}");
    }
    for line in old.lines().filter(|line| line.starts_with("# TYPE ")) {
        let name = line.split(' ').nth(2).unwrap();
        assert!(old.contains(&format!("# HELP {name} ")), "{name} has no help");
    }
    assert!(!old.contains("# EOF") && !old.contains("# UNIT") && !old.contains(" info\n"), "{old}");
    let mut headers = HeaderMap::new();
    assert_eq!(MetricsFormat::asked_for(&headers), MetricsFormat::Prometheus);
    headers.insert(ACCEPT, "application/openmetrics-text;version=1.0.0,text/plain;q=0.5".parse().unwrap());
    assert_eq!(MetricsFormat::asked_for(&headers), MetricsFormat::OpenMetrics);
}
