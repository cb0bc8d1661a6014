//! `heraldd pause` and `heraldd resume`: a router starts no jobs for a while.

use clap::Args;
use http::Method;
use jiff::Timestamp;
use serde_json::Value;

use crate::client::{DaemonSocket, Reason, step};
use crate::command_output::CommandOutput;
use crate::model;
use herald_terminal::human_time;

/// Pause a router: its events are accepted, and its jobs wait until it is resumed
///
/// Jobs that run go on. A pause outlives a restart of the daemon.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  heraldd pause backup --for 2h --reason 'the disk is replaced'")]
pub struct PauseArguments {
    #[command(flatten)]
    daemon: DaemonSocket,
    /// The router
    router: String,
    /// How long, such as `2h`; until `heraldd resume` without it
    #[arg(long = "for", value_name = "DURATION")]
    lasting: Option<String>,
    #[command(flatten)]
    reason: Reason,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Resume a router that was paused: what waits starts
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  heraldd resume backup")]
pub struct ResumeArguments {
    #[command(flatten)]
    daemon: DaemonSocket,
    /// The router
    router: String,
    #[command(flatten)]
    reason: Reason,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Carries it out.
#[must_use]
pub fn pause(arguments: &PauseArguments) -> CommandOutput {
    let mut path = format!("/v1/routers/{}/pause", step(&arguments.router));
    if let Some(lasting) = &arguments.lasting {
        let mut query = form_urlencoded::Serializer::new(String::new());
        path = format!("{path}?{}", query.append_pair("for", lasting).finish());
    }
    match arguments.daemon.ask(Method::POST, &arguments.reason.put(path), None) {
        Ok(said) if arguments.json => CommandOutput::good(said.to_string()),
        Ok(said) => match said.get("until").and_then(Value::as_str) {
            Some(until) => CommandOutput::good(format!(
                "{} is paused until {}",
                arguments.router,
                human_time::local(until)
            )),
            None => {
                CommandOutput::good(format!("{} is paused; `heraldd resume {0}` ends that", arguments.router))
            }
        },
        Err(answer) => answer,
    }
}

/// Carries it out.
#[must_use]
pub fn resume(arguments: &ResumeArguments) -> CommandOutput {
    let path = arguments.reason.put(format!("/v1/routers/{}/resume", step(&arguments.router)));
    match arguments.daemon.ask(Method::POST, &path, None) {
        Ok(said) if arguments.json => CommandOutput::good(said.to_string()),
        Ok(Value::Null) => CommandOutput::good(format!("{} was not paused", arguments.router)),
        Ok(_) => CommandOutput::good(format!("{} is resumed", arguments.router)),
        Err(answer) => answer,
    }
}

/// The lines of `heraldd status` about pauses.
pub(super) fn status_lines(paused: &[model::PauseResource], now: Timestamp) -> Vec<String> {
    let line = |pause: &model::PauseResource| {
        let until = pause
            .until
            .as_ref()
            .map(|until| format!(", until {}", human_time::local(until)))
            .unwrap_or_default();
        let (since, by) = (human_time::ago_of(&pause.since, now), pause.by.by_whom());
        format!("paused         router {}, {since}{until}{by}", pause.router)
    };
    paused.iter().map(line).collect()
}
