//! `heraldd events`: which events there were, and which of them matched nothing.

use std::io::IsTerminal;

use anstyle::Style;
use clap::Args;
use herald_base::clock::Clock;
use herald_terminal::human_time;
use herald_terminal::table::{self, LastColumn};
use herald_terminal::terminal::Terminal;
use http::Method;

use super::listing::IdLength;
use crate::client::DaemonSocket;
use crate::command_output::CommandOutput;
use crate::model;

/// List events, newest first
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  heraldd events --unmatched --since 1h")]
pub struct EventsArguments {
    #[command(flatten)]
    daemon: DaemonSocket,
    /// Filter by trigger
    #[arg(long, value_name = "NAME")]
    trigger: Option<String>,
    /// Only events that created a job of this router
    #[arg(long, value_name = "NAME", conflicts_with = "unmatched")]
    router: Option<String>,
    /// Only events that matched no router
    #[arg(long)]
    unmatched: bool,
    /// Only events accepted after this time (RFC 3339), or within this long (90m, 2d)
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Only events accepted before this time (RFC 3339), or longer ago than this (90m, 2d)
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Continue after this cursor: the next_cursor of the page before
    #[arg(long, value_name = "CURSOR")]
    cursor: Option<String>,
    /// Maximum number of events
    #[arg(short = 'n', long, value_name = "COUNT", default_value_t = 20,
          value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,
    #[command(flatten)]
    ids: IdLength,
    /// Print JSON: the response of the API
    #[arg(long)]
    json: bool,
}

/// Carries it out.
#[must_use]
pub fn list(arguments: &EventsArguments, clock: &dyn Clock) -> CommandOutput {
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (key, value) in [
        ("trigger", &arguments.trigger),
        ("router", &arguments.router),
        ("since", &arguments.since),
        ("until", &arguments.until),
        ("cursor", &arguments.cursor),
    ] {
        if let Some(value) = value {
            query.append_pair(key, value);
        }
    }
    if arguments.unmatched {
        query.append_pair("unmatched", "true");
    }
    query.append_pair("limit", &arguments.limit.to_string());
    let said = match arguments.daemon.ask(Method::GET, &format!("/v1/events?{}", query.finish()), None) {
        Ok(said) => said,
        Err(answer) => return answer,
    };
    if arguments.json {
        return CommandOutput::good(said.to_string());
    }
    let page = match serde_json::from_value::<model::Page<model::EventSummary>>(said) {
        Ok(page) => page,
        Err(error) => return CommandOutput::unexpected(&error),
    };
    if page.items.is_empty() {
        return CommandOutput { remarks: "no matching events".to_owned(), ..CommandOutput::good("") };
    }
    let now = clock.now();
    let row = |event: &model::EventSummary| {
        [
            arguments.ids.of(&event.id),
            event.trigger.clone(),
            human_time::short_ago_of(&event.accepted_at, now),
            event.routers.len().to_string(),
            event.routers.join(", "),
        ]
    };
    let rows: Vec<table::Row<5>> = page.items.iter().map(row).collect();
    let head = ["ID", "TRIGGER", "ACCEPTED", "MATCHED", "ROUTERS"];
    let terminal = Terminal::of(&std::io::stdout());
    let mut out = table::painted(head, &rows, &terminal, LastColumn::Cut, |_, _| Style::new());
    if let Some(cursor) = page.next_cursor.filter(|_| std::io::stdout().is_terminal()) {
        out.push_str(&format!("more events: add --cursor {cursor}\n"));
    }
    CommandOutput::good(out)
}
