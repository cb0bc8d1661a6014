//! `heraldd stats`: how many jobs there were, how they ended, and how long they took.

use clap::Args;
use http::Method;

use crate::client::DaemonSocket;
use crate::command_output::CommandOutput;
use crate::model;
use herald_terminal::{human_time, table};

/// Count jobs by time and by router, task, trigger or node
///
/// A job counts for the time at which it was created. Times begin in UTC.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  heraldd stats --bucket 1d --since 7d --by task")]
pub struct StatsArguments {
    #[command(flatten)]
    daemon: DaemonSocket,
    /// How long a row is
    #[arg(long, value_name = "DURATION", default_value = "1h")]
    bucket: String,
    /// What jobs are counted by: router, task, trigger or node
    #[arg(long, value_name = "WHAT", default_value = "router")]
    by: String,
    /// Only jobs of this router
    #[arg(long, value_name = "NAME")]
    router: Option<String>,
    /// Only jobs created after this time, or within this long (90m, 2d); default: 24 rows
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Only jobs created before this time
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Maximum number of names, those with the most jobs
    #[arg(short = 'n', long, value_name = "COUNT")]
    limit: Option<usize>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Carries it out.
#[must_use]
pub fn show(arguments: &StatsArguments) -> CommandOutput {
    let limit = arguments.limit.map(|limit| limit.to_string());
    let asked = [
        ("bucket", Some(&arguments.bucket)),
        ("by", Some(&arguments.by)),
        ("router", arguments.router.as_ref()),
        ("since", arguments.since.as_ref()),
        ("until", arguments.until.as_ref()),
        ("limit", limit.as_ref()),
    ];
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(asked.into_iter().filter_map(|(name, value)| Some((name, value?))));
    let path = format!("/v1/stats?{}", query.finish());
    let answer = match arguments.daemon.ask(Method::GET, &path, None) {
        Ok(answer) if arguments.json => return CommandOutput::good(answer.to_string()),
        Ok(answer) => answer,
        Err(failure) => return failure,
    };
    match serde_json::from_value::<model::StatsResource>(answer) {
        Ok(stats) => shown(&stats),
        Err(error) => {
            CommandOutput::refused(&format!("heraldd: unexpected response (version mismatch?): {error}"))
        }
    }
}

fn shown(stats: &model::StatsResource) -> CommandOutput {
    let took = |seconds: Option<f64>| {
        let took = seconds.and_then(|seconds| jiff::SignedDuration::try_from_secs_f64(seconds).ok());
        took.map_or("-".to_owned(), human_time::span)
    };
    let row = |row: &model::StatsRow| {
        [
            row.at.clone(),
            row.name.clone(),
            row.jobs.to_string(),
            row.failed.to_string(),
            took(row.median_seconds),
            took(row.p95_seconds),
            took(row.longest_seconds),
        ]
    };
    let rows: Vec<table::Row<7>> = stats.rows.iter().map(row).collect();
    let by = stats.by.to_uppercase();
    let head = ["SINCE", &*by, "JOBS", "FAILED", "MEDIAN", "P95", "LONGEST"];
    let mut remarks = Vec::new();
    if rows.is_empty() {
        let (since, until) = (human_time::local(&stats.since), human_time::local(&stats.until));
        remarks.push(format!("no jobs from {since} to {until}"));
    }
    remarks.extend(
        stats.complete_since.as_ref().map(|at| format!("too many jobs: those before {at} are not counted")),
    );
    if stats.left_out > 0 {
        remarks.push(format!("{} more are left out; -n shows more", stats.left_out));
    }
    let out = if rows.is_empty() { String::new() } else { table::table(head, &rows) };
    CommandOutput { remarks: remarks.join("\n"), ..CommandOutput::good(out) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_a_table_and_what_is_missing_is_said() {
        let mut stats = model::StatsResource {
            since: "2026-11-29T00:00:00Z".to_owned(),
            until: "2026-11-29T12:00:00Z".to_owned(),
            bucket_seconds: 3600,
            by: "router".to_owned(),
            complete_since: Some("2026-11-29T01:00:00Z".to_owned()),
            left_out: 2,
            rows: vec![model::StatsRow {
                at: "2026-11-29T11:00:00Z".to_owned(),
                name: "backup".to_owned(),
                jobs: 3,
                failed: 1,
                outcomes: [("failed".to_owned(), 1), ("succeeded".to_owned(), 2)].into(),
                median_seconds: Some(2.0),
                p95_seconds: Some(90.0),
                longest_seconds: None,
            }],
        };
        let output = shown(&stats);
        for part in ["SINCE", "ROUTER", "backup", "2.0 s", "1m 30s", "-"] {
            assert!(output.out.contains(part), "{part}: {}", output.out);
        }
        assert!(output.remarks.contains("before 2026-11-29T01:00:00Z") && output.remarks.contains("2 more"));
        stats.rows.clear();
        stats.until = "2026-11-29T12:00:00.377696367Z".to_owned();
        let remarks = shown(&stats).remarks;
        assert!(remarks.starts_with("no jobs from 2026-11-") && !remarks.contains(".377"), "{remarks}");
    }
}
