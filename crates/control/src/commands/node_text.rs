//! `heraldd nodes NAME`: one node, and its jobs.

use anstyle::Style;
use herald_terminal::human_time;
use herald_terminal::table::{self, LastColumn};
use herald_terminal::terminal::{Terminal, status_style};
use jiff::Timestamp;

use super::listing::{IdLength, duration};
use crate::command_output::CommandOutput;
use crate::model::{NodeDetails, NodeJob, NodeResource};

/// The node for people.
pub(super) fn shown(details: &NodeDetails, now: Timestamp) -> CommandOutput {
    let terminal = Terminal { width: usize::MAX, ..Terminal::of(&std::io::stdout()) };
    let mut text = String::new();
    for [label, value] in properties(&details.node, now) {
        let label = terminal.with(Style::new().bold(), &format!("{label:<9}"));
        text.push_str(&format!("{label} {value}\n"));
    }
    for (title, jobs) in [("Running", &details.running_jobs), ("Last jobs", &details.last_jobs)] {
        if !jobs.is_empty() {
            text.push_str(&format!("\n{}\n{}", terminal.with(Style::new().bold(), title), rows(jobs, now)));
        }
    }
    let remarks =
        match (details.executors.is_empty(), details.running_jobs.is_empty() && details.last_jobs.is_empty())
        {
            (true, _) => "no executor goes to this node",
            (false, true) => "no jobs yet",
            _ => "",
        };
    CommandOutput { remarks: remarks.to_owned(), ..CommandOutput::good(text) }
}

fn properties(node: &NodeResource, now: Timestamp) -> Vec<table::Row<2>> {
    let since = |at: &Option<String>| {
        let at = at
            .as_deref()
            .map(|at| format!(" since {}, {}", human_time::local(at), human_time::ago_of(at, now)));
        at.unwrap_or_default()
    };
    let mut lines = vec![
        ["Node".to_owned(), node.name.clone()],
        ["State".to_owned(), format!("{}{}", node.state, since(&node.since))],
        ["URL".to_owned(), node.host.clone()],
    ];
    let mut optional = |label: &str, value: Option<String>| {
        lines.extend(value.map(|value| [label.to_owned(), value]));
    };
    optional("Tags", Some(node.tags.join(", ")).filter(|tags| !tags.is_empty()));
    optional("Version", node.version.clone());
    optional("Clock", node.clock_difference_ms.map(human_time::ahead));
    optional("Error", node.error.clone());
    optional(
        "Drained",
        node.drained.as_ref().map(|drain| {
            let reason = drain.by.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
            let by = drain.by.user.as_deref().unwrap_or("somebody");
            format!("by {by}{}{reason}", since(&Some(drain.since.clone())))
        }),
    );
    lines
}

fn rows(jobs: &[NodeJob], now: Timestamp) -> String {
    let row = |NodeJob { job, here }: &NodeJob| {
        [
            IdLength::default().of(&job.id),
            job.status.clone(),
            here.clone().unwrap_or_else(|| "-".to_owned()),
            job.router.clone(),
            job.task.clone(),
            human_time::short_ago_of(&job.queued_at, now),
            duration(job.began_at(), job.ended_at.as_deref()),
            job.remark(human_time::local),
        ]
    };
    let rows: Vec<table::Row<8>> = jobs.iter().map(row).collect();
    let head = ["ID", "STATUS", "HERE", "ROUTER", "TASK", "CREATED", "DURATION", "ERROR"];
    table::painted(head, &rows, &Terminal::of(&std::io::stdout()), LastColumn::Cut, |column, text| {
        match column {
            1 | 2 => status_style(text),
            _ => Style::new(),
        }
    })
}
