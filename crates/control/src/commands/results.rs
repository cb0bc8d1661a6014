//! `heraldd results`: values of jobs over time.

use std::ops::ControlFlow;

use clap::Args;
use herald_base::clock::Clock;
use herald_terminal::human_time;
use herald_terminal::table::{self, LastColumn};
use herald_terminal::terminal::{Terminal, status_style};
use serde_json::Value;

use super::list_options::{ListOptions, with_more};
use crate::client::DaemonSocket;
use crate::command_output::CommandOutput;
use crate::model;

/// List a value of a router's finished jobs, newest first
///
/// PATH is where the value is in a job, as the trigger exe_done has it. Numbers are printed with all their digits.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  heraldd results backup result/size --since 7d")]
pub struct ResultsArguments {
    #[command(flatten)]
    daemon: DaemonSocket,
    /// The router whose jobs have the value
    router: String,
    /// Where the value is: result/size, result/disks/0/used, status
    path: String,
    /// Filter by task
    #[arg(long, value_name = "NAME")]
    task: Option<String>,
    #[command(flatten)]
    list: ListOptions,
}

/// Carries it out.
#[must_use]
pub fn list(arguments: &ResultsArguments, clock: &dyn Clock) -> CommandOutput {
    let filters = [
        ("router", Some(&*arguments.router)),
        ("path", Some(&*arguments.path)),
        ("task", arguments.task.as_deref()),
    ];
    let asked = arguments.list.page::<model::ResultResource>(&arguments.daemon, "/v1/results", &filters);
    let page = match asked {
        ControlFlow::Continue(page) => page,
        ControlFlow::Break(output) => return output,
    };
    if page.items.is_empty() && page.next_cursor.is_none() {
        return CommandOutput { remarks: nothing(arguments), ..CommandOutput::good("") };
    }
    let now = clock.now();
    let row = |one: &model::ResultResource| {
        [
            arguments.list.ids.of(&one.job_id),
            one.task.clone(),
            one.status.clone(),
            human_time::short_ago_of(&one.ended_at, now),
            text(&one.value),
        ]
    };
    let rows: Vec<table::Row<5>> = page.items.iter().map(row).collect();
    let head = ["JOB", "TASK", "STATUS", "ENDED", "VALUE"];
    let terminal = Terminal::of(&std::io::stdout());
    let out = table::painted(head, &rows, &terminal, LastColumn::Cut, |column, text| match column {
        2 => status_style(text),
        _ => anstyle::Style::new(),
    });
    with_more(out, &page, "there may be older ones")
}

/// That there is nothing: without filters nothing yet.
fn nothing(arguments: &ResultsArguments) -> String {
    let filters =
        [("task", &arguments.task), ("since", &arguments.list.since), ("cursor", &arguments.list.cursor)];
    let filters =
        filters.into_iter().filter_map(|(name, value)| Some(format!(" --{name} {}", value.as_ref()?)));
    let filters: String = filters.collect();
    let end = if filters.is_empty() { " yet".to_owned() } else { format!(" with{filters}") };
    format!("no job of {} has {}{end}", arguments.router, arguments.path)
}

/// A text as it is, everything else as JSON: numbers with all their digits.
fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), |text| text.replace(char::is_control, " "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_names_the_filters() {
        #[derive(clap::Parser)]
        struct Line {
            #[command(flatten)]
            arguments: ResultsArguments,
        }
        for (line, expected) in [
            ("x backup result/size", "no job of backup has result/size yet"),
            (
                "x backup result/size --since 7d --task copy",
                "no job of backup has result/size with --task copy --since 7d",
            ),
        ] {
            let Line { arguments } = clap::Parser::try_parse_from(line.split(' ')).unwrap();
            assert_eq!(nothing(&arguments), expected);
        }
    }

    #[test]
    fn values_as_text() {
        for (json, expected) in [
            ("18446744073709551617", "18446744073709551617"),
            ("0.10", "0.10"),
            ("\"a\\nb\"", "a b"),
            ("[1, {\"a\": 1.50}]", "[1,{\"a\":1.50}]"),
        ] {
            assert_eq!(text(&serde_json::from_str(json).unwrap()), expected);
        }
    }
}
