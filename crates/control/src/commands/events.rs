//! `heraldd trigger` and `explain`: fire a trigger, and see what the event matched.

use anstyle::Style;
use clap::Args;
use herald_base::clock::Clock;
use herald_base::value::kind_of;
use herald_config::file::UnreadableFile;
use http::Method;
use serde_json::Value;

use super::listing::IdLength;
use super::wait::{self, JobTable};
use crate::client::{DaemonSocket, Reason, step};
use crate::command_output::CommandOutput;
use crate::model;
use crate::stopped::{HistoryQuestion, Said, StoppedDaemon};
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
    /// Event parameters, as a JSON object; `@FILE` reads a file, `-` standard input
    #[arg(short, long, value_name = "JSON")]
    data: Option<String>,
    /// One parameter: `key=value`, or `key:=JSON` for something else than a string; may be given several times
    #[arg(short, long = "param", value_name = "KEY=VALUE")]
    param: Vec<String>,
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
    /// Only what the selectors of this router said
    #[arg(long, value_name = "NAME")]
    router: Option<String>,
    #[command(flatten)]
    ids: IdLength,
    /// Print JSON: the response of the API
    #[arg(long)]
    json: bool,
}

/// Why a text cannot be the parameters of an event.
#[derive(Debug, thiserror::Error)]
pub enum EventDataError {
    /// It is JSON of another kind.
    #[error("heraldd: --data: expected a JSON object, such as '{{\"key\": \"value\"}}', found {0}")]
    NotAnObject(&'static str),
    /// It is not JSON.
    #[error(
        "heraldd: --data: expected a JSON object, such as '{{\"key\": \"value\"}}'; this is not JSON: {0}"
    )]
    NotJson(#[from] serde_json::Error),
    /// The file with it cannot be read.
    #[error("heraldd: --data: {0}: {1}")]
    Read(String, String),
    /// A parameter has no value.
    #[error("heraldd: --param: expected key=value, or key:=JSON, found \"{0}\"")]
    Param(String),
}

/// The longest parameters that are read.
const LONGEST_DATA: u64 = 1 << 20;

/// The parameters of the event as JSON, out of `--data` and `--param`; none where nothing is given.
///
/// # Errors
/// [`EventDataError`].
pub fn event_data(data: Option<&str>, params: &[String]) -> Result<Option<String>, EventDataError> {
    let text = match data {
        Some("-") => Some(read_bounded("standard input", std::io::stdin().lock())?),
        Some(given) => match given.strip_prefix('@') {
            Some(path) => {
                let file = std::fs::File::open(path);
                let file = file.map_err(|error| unread(path, error))?;
                Some(read_bounded(path, file)?)
            }
            None => Some(given.to_owned()),
        },
        None => None,
    };
    if let Some(text) = &text {
        check_data(text)?;
    }
    if params.is_empty() {
        return Ok(text);
    }
    let text = text.filter(|text| !text.trim().is_empty());
    let given: Value = text.map(|text| serde_json::from_str(&text)).transpose()?.unwrap_or_default();
    let mut object = match given {
        Value::Object(object) => object,
        _ => serde_json::Map::new(),
    };
    for param in params {
        let (key, value) = one_param(param)?;
        object.insert(key, value);
    }
    Ok(Some(Value::Object(object).to_string()))
}

/// `key=value` or `key:=JSON`.
fn one_param(param: &str) -> Result<(String, Value), EventDataError> {
    let wrong = || EventDataError::Param(param.to_owned());
    let (key, value) = param.split_once('=').ok_or_else(wrong)?;
    let (key, value) = match key.strip_suffix(':') {
        Some(key) => (key, serde_json::from_str(value).map_err(|_| wrong())?),
        None => (key, Value::String(value.to_owned())),
    };
    if key.is_empty() { Err(wrong()) } else { Ok((key.to_owned(), value)) }
}

fn unread(name: &str, error: std::io::Error) -> EventDataError {
    EventDataError::Read(name.to_owned(), UnreadableFile::from(error).to_string())
}

fn read_bounded(name: &str, from: impl std::io::Read) -> Result<String, EventDataError> {
    let mut text = String::new();
    let read = std::io::Read::read_to_string(&mut std::io::Read::take(from, LONGEST_DATA + 1), &mut text);
    read.map_err(|error| unread(name, error))?;
    if text.len() as u64 > LONGEST_DATA {
        return Err(EventDataError::Read(name.to_owned(), "longer than 1 MiB".to_owned()));
    }
    Ok(text)
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
    let data = match event_data(arguments.data.as_deref(), &arguments.param) {
        Ok(data) => data,
        Err(error) => return CommandOutput::refused(&error),
    };
    let path = arguments.reason.put(format!("/v1/triggers/{}", step(&arguments.name)));
    let said = match arguments.daemon.ask(Method::POST, &path, data.as_deref()) {
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
pub fn explain(arguments: &Explain, stopped: &dyn StoppedDaemon) -> CommandOutput {
    let mut path = format!("/v1/events/{}", step(&arguments.id));
    if let Some(router) = &arguments.router {
        path.push_str(&format!("?router={}", step(router)));
    }
    let answer = arguments.daemon.ask(Method::GET, &path, None);
    let question = HistoryQuestion::Event { id: &arguments.id, router: arguments.router.as_deref() };
    let said = Said::by(&arguments.daemon, answer, &question, stopped);
    let is_offline = said.is_offline;
    said.show(|answer| match answer {
        Err(output) => output,
        Ok(event) if arguments.json => CommandOutput::good(event.to_string()),
        Ok(event) => match serde_json::from_value::<model::EventResource>(event) {
            Ok(event) => explained(arguments, &event, is_offline),
            Err(error) => CommandOutput::unexpected(&error),
        },
    })
}

/// The table.
fn explained(arguments: &Explain, event: &model::EventResource, is_offline: bool) -> CommandOutput {
    if event.decisions.is_empty() {
        let what = if is_offline {
            remarks_on(event, is_offline)
        } else if event.routed_at.is_some() && arguments.router.is_some() {
            format!("no such router has the trigger \"{}\"", event.trigger)
        } else if event.routed_at.is_some() {
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
            if decision.asked_again {
                format!("{} (computed again now)", decision.why)
            } else {
                decision.why.clone()
            },
        ]
    };
    let rows: Vec<table::Row<6>> = event.decisions.iter().map(row).collect();
    let head = ["ROUTER", "TASK", "SELECTOR", "MATCHED", "JOB", "REASON"];
    let terminal = Terminal::of(&std::io::stdout());
    let table = table::painted(head, &rows, &terminal, LastColumn::Below, |column, text| match column {
        3 => status_style(text),
        _ => Style::new(),
    });
    CommandOutput { remarks: remarks_on(event, is_offline), ..CommandOutput::good(table) }
}

/// What the table does not say by itself.
fn remarks_on(event: &model::EventResource, is_offline: bool) -> String {
    if is_offline {
        let what = match event.routed_at {
            Some(_) => {
                "only matches and errors are recorded; of tasks that did not match, heraldd explain shows why"
            }
            None => {
                "the daemon stopped before every selector had answered; heraldd explain shows what they say"
            }
        };
        return format!("{what} once the daemon runs again");
    }
    match event.decisions_left_out {
        0 => String::new(),
        count => {
            format!("{count} more tasks did not match and are left out; --router NAME shows those of one")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_from_everywhere() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("f.json");
        std::fs::write(&file, "{\"a\": 1, \"b\": 2}").unwrap();
        let at = format!("@{}", file.display());
        let data = |data: Option<&str>, params: &[&str]| {
            let params: Vec<String> = params.iter().map(|param| (*param).to_owned()).collect();
            event_data(data, &params).map_err(|error| error.to_string())
        };
        for (given, params, expected) in [
            (None, &[][..], Ok(None)),
            (Some("{}"), &[], Ok(Some("{}"))),
            (Some(at.as_str()), &[], Ok(Some("{\"a\": 1, \"b\": 2}"))),
            (Some(at.as_str()), &["b=x=y", "c:=[1]"], Ok(Some("{\"a\":1,\"b\":\"x=y\",\"c\":[1]}"))),
            (None, &["ref=refs/heads/main"], Ok(Some("{\"ref\":\"refs/heads/main\"}"))),
            (Some("@/no/such"), &[], Err("heraldd: --data: /no/such: ")),
            (None, &["ref"], Err("heraldd: --param: expected key=value")),
            (None, &["=x"], Err("heraldd: --param: expected key=value")),
            (None, &["n:=x"], Err("heraldd: --param: expected key=value")),
        ] {
            match (data(given, params), expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found.as_deref(), expected),
                (Err(said), Err(says)) => assert!(said.starts_with(says), "{said}"),
                (found, _) => panic!("{given:?} {params:?}: {found:?}"),
            }
        }
    }

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
