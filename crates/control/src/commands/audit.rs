//! `heraldd audit`: who did what, and what was refused or had no effect.

use std::io::IsTerminal;

use anstyle::{AnsiColor, Style};
use clap::Args;
use herald_base::clock::Clock;
use herald_terminal::human_time;
use herald_terminal::table::{self, LastColumn};
use herald_terminal::terminal::Terminal;
use http::Method;

use crate::client::DaemonSocket;
use crate::command_output::CommandOutput;
use crate::model;

/// List who did what, newest first
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  heraldd audit --user anna --limit 100")]
pub struct AuditArguments {
    #[command(flatten)]
    daemon: DaemonSocket,
    /// Only what this user did
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// Only this act: cancel, retry, replay, trigger, publish, reload, …
    #[arg(long, value_name = "ACT")]
    act: Option<String>,
    /// Only entries before this one: the next_cursor of the page before
    #[arg(long, value_name = "CURSOR")]
    before: Option<String>,
    /// Maximum number of entries
    #[arg(short = 'n', long, value_name = "COUNT", default_value_t = 20,
          value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,
    /// Print JSON: the response of the API
    #[arg(long)]
    json: bool,
}

/// Carries it out.
#[must_use]
pub fn list(arguments: &AuditArguments, clock: &dyn Clock) -> CommandOutput {
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (key, value) in [("user", &arguments.user), ("act", &arguments.act), ("before", &arguments.before)] {
        if let Some(value) = value {
            query.append_pair(key, value);
        }
    }
    query.append_pair("limit", &arguments.limit.to_string());
    let said = match arguments.daemon.ask(Method::GET, &format!("/v1/audit?{}", query.finish()), None) {
        Ok(said) => said,
        Err(answer) => return answer,
    };
    if arguments.json {
        return CommandOutput::good(said.to_string());
    }
    let page = match serde_json::from_value::<model::Page<model::AuditResource>>(said) {
        Ok(page) => page,
        Err(error) => return CommandOutput::unexpected(&error),
    };
    if page.items.is_empty() {
        return CommandOutput { remarks: "no matching entries".to_owned(), ..CommandOutput::good("") };
    }
    let now = clock.now();
    let row = |entry: &model::AuditResource| {
        [
            human_time::short_ago_of(&entry.at, now),
            entry.user.clone().unwrap_or_else(|| "-".to_owned()),
            entry.via.clone(),
            entry.address.clone().unwrap_or_else(|| "-".to_owned()),
            entry.act.clone(),
            entry.target.clone(),
            entry.outcome.clone(),
            entry.error.clone().or_else(|| entry.reason.clone()).unwrap_or_default(),
        ]
    };
    let rows: Vec<table::Row<8>> = page.items.iter().map(row).collect();
    let head = ["WHEN", "USER", "VIA", "ADDRESS", "ACT", "TARGET", "OUTCOME", "REASON"];
    let style = |column, text: &str| match (column, text) {
        (6, "refused" | "failed") => Style::new().fg_color(Some(AnsiColor::Red.into())),
        _ => Style::new(),
    };
    let mut out = table::painted(head, &rows, &Terminal::of(&std::io::stdout()), LastColumn::Cut, style);
    if let Some(cursor) = page.next_cursor.filter(|_| std::io::stdout().is_terminal()) {
        out.push_str(&format!("more entries: add --before {cursor}\n"));
    }
    CommandOutput::good(out)
}
