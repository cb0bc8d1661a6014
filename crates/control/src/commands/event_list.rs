//! `heraldd events`: which events there were, and which of them matched nothing.

use std::ops::ControlFlow;

use anstyle::Style;
use clap::Args;
use herald_base::clock::Clock;
use herald_terminal::human_time;
use herald_terminal::table::{self, LastColumn};
use herald_terminal::terminal::Terminal;
use serde_json::Value;

use super::list_options::{ListOptions, with_more};
use crate::client::DaemonSocket;
use crate::command_output::CommandOutput;
use crate::model;
use crate::stopped::{HistoryQuestion, Said, StoppedDaemon};

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
    /// Only events accepted before this time (RFC 3339), or longer ago than this (90m, 2d)
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    #[command(flatten)]
    list: ListOptions,
}

/// Carries it out.
#[must_use]
pub fn list(arguments: &EventsArguments, clock: &dyn Clock, stopped: &dyn StoppedDaemon) -> CommandOutput {
    let filters = [
        ("trigger", arguments.trigger.as_deref()),
        ("router", arguments.router.as_deref()),
        ("until", arguments.until.as_deref()),
        ("unmatched", arguments.unmatched.then_some("true")),
    ];
    let answer = arguments.list.ask(&arguments.daemon, "/v1/events", &filters);
    let question = HistoryQuestion::Events(arguments.list.question(&filters));
    let said = Said::by(&arguments.daemon, answer, &question, stopped);
    said.show(|answer| shown(arguments, answer, clock))
}

/// The page that was said as the table.
fn shown(
    arguments: &EventsArguments,
    said: Result<Value, CommandOutput>,
    clock: &dyn Clock,
) -> CommandOutput {
    let page = match arguments.list.read::<model::EventSummary>(said) {
        ControlFlow::Continue(page) => page,
        ControlFlow::Break(output) => return output,
    };
    if page.items.is_empty() {
        return CommandOutput { remarks: "no matching events".to_owned(), ..CommandOutput::good("") };
    }
    let now = clock.now();
    let row = |event: &model::EventSummary| {
        [
            arguments.list.ids.of(&event.id),
            event.trigger.clone(),
            human_time::short_ago_of(&event.accepted_at, now),
            event.routers.len().to_string(),
            event.routers.join(", "),
        ]
    };
    let rows: Vec<table::Row<5>> = page.items.iter().map(row).collect();
    let head = ["ID", "TRIGGER", "ACCEPTED", "MATCHED", "ROUTERS"];
    let terminal = Terminal::of(&std::io::stdout());
    let out = table::painted(head, &rows, &terminal, LastColumn::Cut, |_, _| Style::new());
    with_more(out, &page, "more events")
}
