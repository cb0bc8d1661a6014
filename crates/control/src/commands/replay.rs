//! `heraldd replay`: which jobs an event of the past would create; creates it again if asked to.

use anstyle::Style;
use clap::Args;
use herald_terminal::table::{self, LastColumn};
use herald_terminal::terminal::{Terminal, status_style};
use http::Method;
use serde_json::Value;

use crate::client::{DaemonSocket, Reason, step};
use crate::command_output::CommandOutput;
use crate::model;

/// Show which jobs a past event would create with the current configuration; with --run, create the event again
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  heraldd replay 01a20df5-4275-7307-a69e-5d9639df9f78 --run")]
pub struct Replay {
    #[command(flatten)]
    daemon: DaemonSocket,
    /// The event's id, or that of a job that it created; a unique part of either, `last` or `last:ROUTER`
    id: String,
    /// Create a new event of the same trigger with the same parameters
    #[arg(long)]
    run: bool,
    #[command(flatten)]
    reason: Reason,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Carries it out.
#[must_use]
pub fn run(arguments: &Replay) -> CommandOutput {
    let path = format!("/v1/events/{}/replay?run={}", step(&arguments.id), arguments.run);
    let path = arguments.reason.put(path);
    let said = match arguments.daemon.ask(Method::POST, &path, None) {
        Ok(said) => said,
        Err(answer) => return answer,
    };
    match serde_json::from_value::<model::Replayed>(said.clone()) {
        Ok(_) if arguments.json => CommandOutput::good(said.to_string()),
        Ok(model::Replayed { event_id: Some(event_id), .. }) => CommandOutput::good(event_id),
        Ok(model::Replayed { rehearsal: Some(rehearsal), .. }) => show(&rehearsal, false),
        Ok(_) => CommandOutput::good(""),
        Err(error) => CommandOutput::unexpected(&error),
    }
}

/// What an event would start, as a table with the parameters of each job, or as JSON.
#[must_use]
pub fn show(rehearsal: &model::Rehearsal, json: bool) -> CommandOutput {
    if json {
        return CommandOutput::good(serde_json::to_string(rehearsal).unwrap_or_default());
    }
    if rehearsal.tasks.is_empty() {
        let remarks = format!("no router has the trigger \"{}\"", rehearsal.trigger);
        return CommandOutput { remarks, ..CommandOutput::good("") };
    }
    let row = |task: &model::RehearsedTask| {
        [task.router.clone(), task.task.clone(), task.selector.clone(), task.answer.clone(), task.why.clone()]
    };
    let rows: Vec<table::Row<5>> = rehearsal.tasks.iter().map(row).collect();
    let terminal = Terminal::of(&std::io::stdout());
    let head = ["ROUTER", "TASK", "SELECTOR", "MATCHED", "REASON"];
    let mut out = table::painted(head, &rows, &terminal, LastColumn::Below, |column, text| match column {
        3 => status_style(text),
        _ => Style::new(),
    });
    for task in &rehearsal.tasks {
        let name = format!("{}/{} on {}", task.router, task.task, task.executor);
        match (&task.params, &task.error) {
            (Some(params), _) => {
                let job_param = params.get("job_param").cloned().unwrap_or(Value::Null);
                let text = serde_json::to_string_pretty(&job_param).unwrap_or_default();
                out.push_str(&format!("\n{name} would get job_param\n{text}\n"));
            }
            (None, Some(why)) => out.push_str(&format!("\n{name} would fail: {why}\n")),
            (None, None) => {}
        }
    }
    CommandOutput::good(out)
}
