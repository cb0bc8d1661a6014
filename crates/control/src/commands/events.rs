//! `heraldd trigger` and `explain`: fire a trigger, and see what the event matched.

use anstyle::Style;
use clap::Args;
use herald_base::clock::Clock;
use herald_base::value::kind_of;
use http::Method;
use serde_json::Value;

use super::listing::IdLength;
use super::wait::{self, JobTable};
use crate::client::{DaemonSocket, Reason, step};
use crate::command_output::CommandOutput;
use crate::model;
use herald_terminal::table::{self, LastColumn};
use herald_terminal::terminal::{Terminal, status_style};

/// Fire a trigger now
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  heraldd trigger manual -d '{\"backup\": \"service1\"}'")]
pub struct Activate {
    #[command(flatten)]
    daemon: DaemonSocket,
    /// The trigger's name
    name: String,
    /// Event parameters, as a JSON object
    #[arg(short, long, value_name = "JSON")]
    data: Option<String>,
    /// Wait until the jobs that it creates have finished; exit 1 unless all succeed
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

/// Explain an event: which routers it matched, and why
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  heraldd explain 01a20df5-4275-7307-a69e-5d9639df9f78")]
pub struct Explain {
    #[command(flatten)]
    daemon: DaemonSocket,
    /// The event's id, or that of a job that it created; a unique part of either, `last` or `last:ROUTER`
    id: String,
    #[command(flatten)]
    ids: IdLength,
    /// Print JSON: the response of the API
    #[arg(long)]
    json: bool,
}

/// Why a text cannot be the parameters of an event.
#[derive(Debug, thiserror::Error)]
enum EventDataError {
    #[error("heraldd: --data: expected a JSON object, such as '{{\"key\": \"value\"}}', found {0}")]
    NotAnObject(&'static str),
    #[error(
        "heraldd: --data: expected a JSON object, such as '{{\"key\": \"value\"}}'; this is not JSON: {0}"
    )]
    NotJson(#[from] serde_json::Error),
}

/// Whether it can be the parameters of an event.
fn check_data(text: &str) -> Result<(), EventDataError> {
    if text.trim().is_empty() {
        return Ok(());
    }
    match serde_json::from_str(text)? {
        Value::Object(_) | Value::Null => Ok(()),
        other => Err(EventDataError::NotAnObject(kind_of(&other))),
    }
}

/// Carries it out.
#[must_use]
pub fn activate(arguments: &Activate, clock: &dyn Clock) -> CommandOutput {
    if let Some(Err(error)) = arguments.data.as_deref().map(check_data) {
        return CommandOutput::refused(&error);
    }
    let path = arguments.reason.put(format!("/v1/triggers/{}", step(&arguments.name)));
    let said = match arguments.daemon.ask(Method::POST, &path, arguments.data.as_deref()) {
        Ok(said) => said,
        Err(answer) => return answer,
    };
    match serde_json::from_value::<model::Activated>(said.clone()) {
        Ok(activated) if arguments.wait => {
            let shown = JobTable { json: arguments.json, ids: arguments.ids };
            wait::for_event(&arguments.daemon, &activated.event_id, shown, clock)
        }
        Ok(_) if arguments.json => CommandOutput::good(said.to_string()),
        Ok(activated) => CommandOutput::good(activated.event_id),
        Err(error) => CommandOutput::unexpected(&error),
    }
}

/// Carries it out.
#[must_use]
pub fn explain(arguments: &Explain) -> CommandOutput {
    let path = format!("/v1/events/{}", step(&arguments.id));
    let said = match arguments.daemon.ask(Method::GET, &path, None) {
        Ok(said) => said,
        Err(answer) => return answer,
    };
    if arguments.json {
        return CommandOutput::good(said.to_string());
    }
    let event = match serde_json::from_value::<model::EventResource>(said) {
        Ok(event) => event,
        Err(error) => return CommandOutput::unexpected(&error),
    };
    if event.decisions.is_empty() {
        let what = if event.routed_at.is_some() {
            format!("no router has the trigger \"{}\"", event.trigger)
        } else {
            "the selectors are still being evaluated".to_owned()
        };
        return CommandOutput { remarks: what, ..CommandOutput::good("") };
    }
    let row = |decision: &model::DecisionResource| {
        [
            decision.router.clone(),
            decision.task.clone(),
            decision.selector.clone(),
            decision.answer.clone(),
            decision.job_id.as_ref().map_or_else(|| "-".to_owned(), |id| arguments.ids.of(id)),
            decision.why.clone(),
        ]
    };
    let rows: Vec<table::Row<6>> = event.decisions.iter().map(row).collect();
    let head = ["ROUTER", "TASK", "SELECTOR", "MATCHED", "JOB", "REASON"];
    let terminal = Terminal::of(&std::io::stdout());
    CommandOutput::good(table::painted(
        head,
        &rows,
        &terminal,
        LastColumn::Below,
        |column, text| match column {
            3 => status_style(text),
            _ => Style::new(),
        },
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_an_object() {
        for good in ["{}", "{\"a\": 1}", " null ", ""] {
            assert!(check_data(good).is_ok(), "{good}");
        }
        for (wrong, says) in [
            ("[1]", "'{\"key\": \"value\"}', found a list"),
            ("\"a\"", "found a string"),
            ("{a: 1}", "this is not JSON: key must be a string at line 1 column 2"),
        ] {
            let said = check_data(wrong).unwrap_err().to_string();
            assert!(
                said.starts_with("heraldd: --data: expected a JSON object") && said.contains(says),
                "{said}"
            );
        }
    }
}
