//! `heraldd jobs`, `job`, `cancel`, `retry`: lists and shows jobs, cancels and re-runs them.

use std::io::{IsTerminal, Write};
use std::ops::ControlFlow;
use std::time::Duration;

use anstyle::Style;
use clap::Args;
use herald_base::clock::Clock;
use herald_base::near_miss::expected;
use http::Method;
use jiff::Timestamp;
use serde_json::{Map, Value};

use super::list_options::{ListOptions, with_more};
use super::listing::IdLength;
use super::wait::JobTable;
use super::{listing, wait};
use crate::client::{DaemonSocket, Reason, step};
use crate::command_output::{CommandOutput, STOPPED};
use crate::model;
use crate::stopped::{HistoryQuestion, Said, StoppedDaemon};
use herald_terminal::human_time;
use herald_terminal::table::{self, LastColumn};
use herald_terminal::terminal::{Terminal, status_style};

/// How often `--watch` shows the list.
const WATCH: Duration = Duration::from_secs(2);

/// List jobs, newest first
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  heraldd jobs --status failed --since 1d")]
pub struct ListArguments {
    #[command(flatten)]
    daemon: DaemonSocket,
    /// Filter by router
    #[arg(long, value_name = "NAME")]
    router: Option<String>,
    /// Filter by task
    #[arg(long, value_name = "NAME")]
    task: Option<String>,
    /// Filter by trigger
    #[arg(long, value_name = "NAME")]
    trigger: Option<String>,
    /// Only jobs of the event with this id
    #[arg(long, value_name = "ID")]
    event: Option<String>,
    /// Only jobs that this person or account caused
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
    /// Only jobs whose result names this node
    #[arg(long, value_name = "NAME")]
    node: Option<String>,
    /// Only jobs with this text in their error, their parameters or those of their event
    #[arg(short, long, value_name = "TEXT")]
    q: Option<String>,
    /// Also count the jobs of each state; `by`, `node` and `q` do not count (needs the daemon)
    #[arg(long, conflicts_with = "cursor")]
    counts: bool,
    /// Filter by status, one or several with commas: queued, running, succeeded, failed, timed_out, cancelled, lost or
    /// rejected
    #[arg(long, value_name = "STATUS")]
    status: Option<String>,
    /// Only jobs created before this time (RFC 3339), or longer ago than this (90m, 2d)
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Show the list again every two seconds, until Ctrl-C
    #[arg(short, long, conflicts_with = "cursor")]
    watch: bool,
    #[command(flatten)]
    list: ListOptions,
}

/// Show one job: its attempts, parameters and result
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  heraldd job 01a20df5-4275-7307-a69e-5d9639df9f78")]
pub struct ShowArguments {
    #[command(flatten)]
    daemon: DaemonSocket,
    /// The job's id, a unique beginning or end of it (4 characters or more), `last` or `last:ROUTER`
    id: String,
    /// Print JSON: the response of the API
    #[arg(long)]
    json: bool,
}

/// Cancel a queued or running job
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  heraldd cancel 01a20df5-4275-7307-a69e-5d9639df9f78")]
pub struct CancelArguments {
    #[command(flatten)]
    daemon: DaemonSocket,
    /// The job's id, a unique beginning or end of it (4 characters or more), `last` or `last:ROUTER`
    id: String,
    #[command(flatten)]
    reason: Reason,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Re-run a finished job as a new job
///
/// Prints the new job's id. The new job has the parameters of the old one and the secrets of the current configuration.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  heraldd retry --wait 01a20df5-4275-7307-a69e-5d9639df9f78")]
pub struct RetryArguments {
    #[command(flatten)]
    daemon: DaemonSocket,
    /// The job's id, a unique beginning or end of it (4 characters or more), `last` or `last:ROUTER`
    id: String,
    /// Wait until it has finished; exit 1 unless it succeeds
    #[arg(short, long)]
    wait: bool,
    #[command(flatten)]
    reason: Reason,
    #[command(flatten)]
    ids: IdLength,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Carries it out.
#[must_use]
pub fn list(arguments: &ListArguments, clock: &dyn Clock, stopped: &dyn StoppedDaemon) -> CommandOutput {
    if !arguments.watch {
        return list_once(arguments, clock, stopped);
    }
    let mut stdout = std::io::stdout();
    loop {
        let output = list_once(arguments, clock, stopped);
        if output.code != STOPPED {
            return output;
        }
        // On a terminal in the same place, else one list after another.
        let begin = if stdout.is_terminal() { "\x1b[H\x1b[2J" } else { "" };
        let text = format!("{begin}{}\n{}\n", output.out.trim_end(), output.remarks);
        if stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).is_err() {
            return CommandOutput::good("");
        }
        std::thread::sleep(WATCH);
    }
}

fn list_once(arguments: &ListArguments, clock: &dyn Clock, stopped: &dyn StoppedDaemon) -> CommandOutput {
    let filters = [
        ("router", arguments.router.as_deref()),
        ("task", arguments.task.as_deref()),
        ("trigger", arguments.trigger.as_deref()),
        ("event", arguments.event.as_deref()),
        ("by", arguments.by.as_deref()),
        ("node", arguments.node.as_deref()),
        ("q", arguments.q.as_deref()),
        ("counts", arguments.counts.then_some("true")),
        ("status", arguments.status.as_deref()),
        ("until", arguments.until.as_deref()),
    ];
    let answer = arguments.list.ask(&arguments.daemon, "/v1/jobs", &filters);
    let question = HistoryQuestion::Jobs(arguments.list.question(&filters));
    let said = Said::by(&arguments.daemon, answer, &question, stopped);
    said.show(|answer| shown(arguments, answer, clock))
}

/// The page that was said as the table.
fn shown(arguments: &ListArguments, said: Result<Value, CommandOutput>, clock: &dyn Clock) -> CommandOutput {
    let counts = said.as_ref().ok().and_then(|said| said["counts"].as_object()).map(counted);
    let page = match arguments.list.read::<model::JobSummary>(said) {
        ControlFlow::Continue(page) => page,
        ControlFlow::Break(output) => return output,
    };
    if page.items.is_empty() {
        let help = arguments.router.as_ref().and_then(|router| unknown_router(&arguments.daemon, router));
        let more = page.next_cursor.as_ref().map(|cursor| {
            format!(" among those that were looked at; older ones may match: add --cursor {cursor}")
        });
        let remarks = format!("no matching jobs{}{}", more.unwrap_or_default(), help.unwrap_or_default());
        return CommandOutput { remarks, ..CommandOutput::good("") };
    }
    let rows = listing::rows(&page.items, arguments.list.ids, clock.now());
    with_more(format!("{}{rows}", counts.unwrap_or_default()), &page, "more jobs")
}

/// One line: how many jobs there are of each state.
fn counted(counts: &Map<String, Value>) -> String {
    let counts: Vec<String> = counts.iter().map(|(status, count)| format!("{count} {status}")).collect();
    format!("{}\n", counts.join(", "))
}

/// That the daemon has no router of this name, and which it has. Jobs of earlier routers may be listed all the same.
fn unknown_router(daemon: &DaemonSocket, name: &str) -> Option<String> {
    let said = daemon.ask(Method::GET, "/v1/routers", None).ok()?;
    let routers: Vec<model::RouterResource> = serde_json::from_value(said).ok()?;
    if routers.iter().any(|router| router.name == name) {
        return None;
    }
    let help = expected(name, routers.iter().map(|router| router.name.as_str()));
    Some(format!(": there is no router \"{name}\"; {help}"))
}

/// Carries it out.
#[must_use]
pub fn show(arguments: &ShowArguments, clock: &dyn Clock, stopped: &dyn StoppedDaemon) -> CommandOutput {
    let path = format!("/v1/jobs/{}", step(&arguments.id));
    let answer = arguments.daemon.ask(Method::GET, &path, None);
    let said = Said::by(&arguments.daemon, answer, &HistoryQuestion::Job(&arguments.id), stopped);
    said.show(|answer| match answer {
        Err(output) => output,
        Ok(job) if arguments.json => CommandOutput::good(job.to_string()),
        Ok(job) => match serde_json::from_value::<model::JobResource>(job) {
            Ok(job) => CommandOutput::good(whole(&job, clock.now())),
            Err(error) => CommandOutput::unexpected(&error),
        },
    })
}

/// One job in full, for people.
fn whole(job: &model::JobResource, now: Timestamp) -> String {
    let terminal = Terminal { width: usize::MAX, ..Terminal::of(&std::io::stdout()) };
    let lines = properties(job, now);
    let mut text =
        table::painted(["", ""], &lines, &terminal, LastColumn::Cut, |column, text| match column {
            0 => Style::new().bold(),
            _ => status_style(text),
        });
    // The head of this one is empty.
    text.drain(..=text.find('\n').unwrap_or(0));
    let attempt = |one: &model::AttemptResource| {
        [
            one.attempt.to_string(),
            one.status.clone(),
            time(&one.started_at, now),
            listing::duration(Some(&one.started_at), one.ended_at.as_deref()),
            one.error.clone().unwrap_or_default(),
        ]
    };
    let attempts: Vec<table::Row<5>> = job.attempts.iter().map(attempt).collect();
    if !attempts.is_empty() {
        let head = ["ATTEMPT", "STATUS", "STARTED", "DURATION", "ERROR"];
        text.push('\n');
        let terminal = Terminal::of(&std::io::stdout());
        text.push_str(&table::painted(head, &attempts, &terminal, LastColumn::Below, |_, text| {
            status_style(text)
        }));
    }
    for (name, params) in [
        ("trigger_param", Some(&job.trigger_param)),
        ("select_param", Some(&job.select_param)),
        ("job_param", Some(&job.job_param)),
        ("result", job.result.as_ref()),
    ] {
        if let Some(params) = params.filter(|params| !params.is_empty()) {
            let name = terminal.with(Style::new().bold(), name);
            text.push_str(&format!("\n{name}: {}\n", table::json(params)));
        }
    }
    text
}

/// The properties of a job that have one value, each with its label.
fn properties(job: &model::JobResource, now: Timestamp) -> Vec<table::Row<2>> {
    let of = &job.summary;
    let mut lines = vec![
        ["Job", &of.id].map(str::to_owned),
        ["Status", &of.status].map(str::to_owned),
        ["Router", &of.router].map(str::to_owned),
        ["Task", &of.task].map(str::to_owned),
        ["Trigger", &of.trigger].map(str::to_owned),
        ["Event", &of.event_id].map(str::to_owned),
        ["Selector", &job.selector].map(str::to_owned),
        ["Executor", &of.executor].map(str::to_owned),
        ["Created".to_owned(), time(&of.queued_at, now)],
    ];
    if let (Some(began), Some(ended)) = (of.began_at(), &of.ended_at) {
        lines.push(["Duration".to_owned(), listing::duration(Some(began), Some(ended))]);
    }
    if let Some(what) = of.waits_for(human_time::local) {
        lines.push(["Waits for".to_owned(), what]);
    }
    if let Some(at) = of.later_attempt() {
        lines.push(["Next attempt".to_owned(), human_time::local(at)]);
    }
    for (label, by) in [("Caused by", &job.by), ("Cancelled by", &job.cancelled_by)] {
        if let Some(by) = by {
            lines.push([label.to_owned(), who(by)]);
        }
    }
    if let Some(error) = &of.error {
        lines.push(["Error", error].map(str::to_owned));
    }
    lines
}

fn time(at: &str, now: Timestamp) -> String {
    format!("{} ({})", human_time::local(at), human_time::ago_of(at, now))
}

/// One line: who, how, from where, and why.
fn who(by: &model::RecordedActor) -> String {
    let mut text = match &by.user {
        Some(user) => format!("{user} (via {})", by.via),
        None => format!("via {}", by.via),
    };
    if let Some(address) = &by.address {
        text.push_str(&format!(" from {address}"));
    }
    if let Some(reason) = &by.reason {
        text.push_str(&format!(": {reason}"));
    }
    text
}

/// Carries it out.
#[must_use]
pub fn cancel(arguments: &CancelArguments) -> CommandOutput {
    let path = arguments.reason.put(format!("/v1/jobs/{}/cancel", step(&arguments.id)));
    match arguments.daemon.ask(Method::POST, &path, None) {
        Ok(said) if arguments.json => CommandOutput::good(said.to_string()),
        Ok(said) => match serde_json::from_value::<model::Cancelling>(said) {
            Ok(cancelling) => CommandOutput::good(format!("{}: cancelling", cancelling.job_id)),
            Err(error) => CommandOutput::unexpected(&error),
        },
        Err(answer) => answer,
    }
}

/// Carries it out.
#[must_use]
pub fn retry(arguments: &RetryArguments, clock: &dyn Clock) -> CommandOutput {
    let path = arguments.reason.put(format!("/v1/jobs/{}/retry", step(&arguments.id)));
    let said = match arguments.daemon.ask(Method::POST, &path, None) {
        Ok(said) => said,
        Err(answer) => return answer,
    };
    let job_id = match serde_json::from_value::<model::Retried>(said.clone()) {
        Ok(retried) => retried.job_id,
        Err(error) => return CommandOutput::unexpected(&error),
    };
    if arguments.wait {
        let shown = JobTable { json: arguments.json, ids: arguments.ids };
        return wait::for_jobs(&arguments.daemon, vec![job_id], shown, clock);
    }
    CommandOutput::good(if arguments.json { said.to_string() } else { job_id })
}
