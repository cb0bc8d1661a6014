//! `heraldd sessions`: who is logged in to the page, and the end of a session.

use anstyle::Style;
use clap::{Args, Subcommand};
use herald_base::clock::Clock;
use herald_terminal::human_time;
use herald_terminal::table::{self, LastColumn};
use herald_terminal::terminal::Terminal;
use http::Method;
use jiff::Timestamp;

use crate::client::{DaemonSocket, Reason, step};
use crate::command_output::CommandOutput;
use crate::model;

/// List who is logged in to the page, or end a session
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Example:\n  heraldd sessions\n  heraldd sessions end 7f3a09c2d4e81b56 --reason 'a lost laptop'"
)]
pub struct SessionsArguments {
    #[command(flatten)]
    daemon: DaemonSocket,
    /// Print JSON: the response of the API
    #[arg(long)]
    json: bool,
    #[command(subcommand)]
    command: Option<SessionsCommand>,
}

/// What is done with a session.
#[derive(Debug, Subcommand)]
enum SessionsCommand {
    /// End a session: its browser is at the login at once
    #[command(after_help = "Example:\n  heraldd sessions end 7f3a09c2d4e81b56")]
    End {
        #[command(flatten)]
        daemon: DaemonSocket,
        /// The id, as `heraldd sessions` shows it
        id: String,
        #[command(flatten)]
        reason: Reason,
        /// Print JSON: the session that ended
        #[arg(long)]
        json: bool,
    },
}

/// Carries it out.
#[must_use]
pub fn run(arguments: &SessionsArguments, clock: &dyn Clock) -> CommandOutput {
    match &arguments.command {
        None => list(arguments, clock.now()),
        Some(SessionsCommand::End { daemon, id, reason, json }) => end(daemon, id, reason, *json),
    }
}

fn list(arguments: &SessionsArguments, now: Timestamp) -> CommandOutput {
    let said = match arguments.daemon.ask(Method::GET, "/v1/sessions", None) {
        Ok(said) if arguments.json => return CommandOutput::good(said.to_string()),
        Ok(said) => said,
        Err(answer) => return answer,
    };
    match serde_json::from_value::<model::SessionList>(said) {
        Ok(list) if list.items.is_empty() => {
            CommandOutput { remarks: "nobody is logged in".to_owned(), ..CommandOutput::good("") }
        }
        Ok(list) => {
            let terminal = Terminal::of(&std::io::stdout());
            let rows: Vec<table::Row<6>> = list.items.iter().map(|session| row(session, now)).collect();
            let head = ["ID", "USER", "SINCE", "USED", "FROM", "BROWSER"];
            CommandOutput::good(table::painted(head, &rows, &terminal, LastColumn::Cut, |_, _| Style::new()))
        }
        Err(error) => CommandOutput::unexpected(&error),
    }
}

fn row(session: &model::SessionResource, now: Timestamp) -> table::Row<6> {
    let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    [
        session.id.clone(),
        or_dash(&session.user),
        human_time::short_ago_of(&session.created_at, now),
        human_time::short_ago_of(&session.used_at, now),
        or_dash(&session.address),
        or_dash(&session.agent),
    ]
}

fn end(daemon: &DaemonSocket, id: &str, reason: &Reason, is_json: bool) -> CommandOutput {
    let path = reason.put(format!("/v1/sessions/{}", step(id)));
    match daemon.ask(Method::DELETE, &path, None) {
        Ok(said) if is_json => CommandOutput::good(said.to_string()),
        Ok(said) => match serde_json::from_value::<model::SessionResource>(said) {
            Ok(session) => {
                let of = session.user.map(|user| format!(" of {user}")).unwrap_or_default();
                CommandOutput::good(format!("the session {}{of} has ended", session.id))
            }
            Err(error) => CommandOutput::unexpected(&error),
        },
        Err(answer) => answer,
    }
}
