//! `heraldd jobs`, `job`, `cancel`: what ran, what runs, and an end to it.

use clap::Args;
use herald_core::clock::Clock;
use http::Method;
use jiff::Timestamp;
use serde_json::Value;

use super::answer::{Answer, FAILED};
use super::client::{Daemon, step};
use super::{table, words};
use crate::model;

/// List jobs, newest first
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  heraldd jobs --status failed --since 1d")]
pub(super) struct List {
    #[command(flatten)]
    daemon: Daemon,
    /// Only of this router
    #[arg(long, value_name = "NAME")]
    router: Option<String>,
    /// Only of this task
    #[arg(long, value_name = "NAME")]
    task: Option<String>,
    /// Only queued, running, succeeded, failed, timed_out, cancelled, lost or rejected ones
    #[arg(long, value_name = "STATUS")]
    status: Option<String>,
    /// Only those made since this time (RFC 3339), or for this long (90m, 2d)
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Where the page before ended: its next_cursor
    #[arg(long, value_name = "CURSOR")]
    cursor: Option<String>,
    /// How many
    #[arg(short = 'n', long, value_name = "COUNT", default_value_t = 20,
          value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,
    /// The API's answer as it is
    #[arg(long)]
    json: bool,
}

/// Show one job: its attempts, parameters and result, as JSON
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  heraldd job 01a20df5-4275-7307-a69e-5d9639df9f78")]
pub(super) struct Show {
    #[command(flatten)]
    daemon: Daemon,
    /// The job's id
    id: String,
    /// On one line, for programs
    #[arg(long)]
    json: bool,
}

/// End a job that waits or runs
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  heraldd cancel 01a20df5-4275-7307-a69e-5d9639df9f78")]
pub(super) struct Cancel {
    #[command(flatten)]
    daemon: Daemon,
    /// The job's id
    id: String,
    /// Say it as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn list(arguments: &List, clock: &dyn Clock) -> Answer {
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (key, value) in [
        ("router", &arguments.router),
        ("task", &arguments.task),
        ("status", &arguments.status),
        ("since", &arguments.since),
        ("cursor", &arguments.cursor),
    ] {
        if let Some(value) = value {
            query.append_pair(key, value);
        }
    }
    query.append_pair("limit", &arguments.limit.to_string());
    let said = match arguments.daemon.ask(Method::GET, &format!("/v1/jobs?{}", query.finish()), None) {
        Ok(said) => said,
        Err(answer) => return answer,
    };
    if arguments.json {
        return Answer::good(said.to_string());
    }
    match serde_json::from_value::<model::Page<model::JobSummary>>(said) {
        Ok(page) => Answer::good(rows(&page, clock.now())),
        Err(error) => strange(&error),
    }
}

fn rows(page: &model::Page<model::JobSummary>, now: Timestamp) -> String {
    let row = |job: &model::JobSummary| {
        let made = job.queued_at.parse::<Timestamp>().map(|at| words::ago(now.duration_since(at)));
        let ran = match (&job.started_at, &job.ended_at) {
            (Some(from), Some(to)) => match (from.parse::<Timestamp>(), to.parse::<Timestamp>()) {
                (Ok(from), Ok(to)) => format!("{:.1} s", to.duration_since(from).as_secs_f64()),
                _ => String::new(),
            },
            _ => String::new(),
        };
        [
            job.id.clone(),
            job.status.clone(),
            job.router.clone(),
            job.task.clone(),
            made.unwrap_or_default(),
            ran,
            job.error.clone().unwrap_or_default(),
        ]
    };
    let rows: Vec<table::Row<7>> = page.items.iter().map(row).collect();
    table::table(["ID", "STATUS", "ROUTER", "TASK", "MADE", "RAN", "ERROR"], &rows)
}

pub(super) fn show(arguments: &Show) -> Answer {
    let path = format!("/v1/jobs/{}", step(&arguments.id));
    match arguments.daemon.ask(Method::GET, &path, None) {
        Ok(said) => shown(&said, arguments.json),
        Err(answer) => answer,
    }
}

pub(super) fn cancel(arguments: &Cancel) -> Answer {
    let path = format!("/v1/jobs/{}/cancel", step(&arguments.id));
    match arguments.daemon.ask(Method::POST, &path, None) {
        Ok(said) if arguments.json => Answer::good(said.to_string()),
        Ok(_) => Answer::good(format!("{}: is being ended", arguments.id)),
        Err(answer) => answer,
    }
}

/// JSON for people, or on one line.
pub(super) fn shown(said: &Value, line: bool) -> Answer {
    Answer::good(if line { said.to_string() } else { format!("{said:#}") })
}

/// The daemon says something else than this version expects.
pub(super) fn strange(error: &serde_json::Error) -> Answer {
    let remarks =
        format!("heraldd: the daemon's answer is not understood, it may be another version: {error}");
    Answer { out: String::new(), remarks, code: FAILED }
}
