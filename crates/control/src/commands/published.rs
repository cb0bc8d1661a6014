//! `heraldd published` and `heraldd publish`: projects that are published from etcd.

use anstyle::Style;
use clap::Args;
use herald_base::clock::Clock;
use http::Method;

use super::listing::IdLength;
use super::wait::{self, JobTable};
use crate::client::{DaemonSocket, Reason, step};
use crate::command_output::{CommandOutput, FAILED, STOPPED};
use crate::model;
use herald_terminal::human_time;
use herald_terminal::table::{self, LastColumn};
use herald_terminal::terminal::{Terminal, status_style};

/// List the projects that are published from etcd; with --diff, show how one differs from etcd
///
/// With --diff the exit code is 0 when nothing differs, 1 when something does.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  heraldd published a.com --diff")]
pub struct Published {
    #[command(flatten)]
    daemon: DaemonSocket,
    /// This project alone
    project: Option<String>,
    /// Show what a publication would change; nothing is written
    #[arg(long, requires = "project")]
    diff: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Publish a project from etcd now, and wait for the result
///
/// The exit code is 0 when it succeeded (with --dry-run: when it would), 1 when it failed.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  heraldd publish a.com --dry-run")]
pub struct Publish {
    #[command(flatten)]
    daemon: DaemonSocket,
    /// The project
    project: String,
    /// Write every file and run every command, also where nothing changed; a held project stays as it is
    #[arg(long, conflicts_with_all = ["dry_run", "rollback"])]
    force: bool,
    /// Show what would change; nothing is written, no command runs
    #[arg(long)]
    dry_run: bool,
    /// Publish what etcd has, although it was wiped or restored from a backup
    #[arg(long, conflicts_with = "dry_run")]
    accept: bool,
    /// Restore the state after this publication until a key changes or somebody publishes: the id of its job, a unique
    /// beginning or end of it (4 characters or more), or `last` or `last:ROUTER` for the newest one of the project
    #[arg(long, value_name = "ID", conflicts_with_all = ["dry_run", "accept"])]
    rollback: Option<String>,
    #[command(flatten)]
    reason: Reason,
    #[command(flatten)]
    ids: IdLength,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Carries it out.
#[must_use]
pub fn list(arguments: &Published, clock: &dyn Clock) -> CommandOutput {
    if let Some(project) = arguments.project.as_deref().filter(|_| arguments.diff) {
        let Difference { output, is_equal, .. } = difference(&arguments.daemon, project, arguments.json);
        return CommandOutput {
            code: if is_equal { output.code } else { output.code.max(FAILED) },
            ..output
        };
    }
    let said = match arguments.daemon.ask(Method::GET, "/v1/published", None) {
        Ok(said) => said,
        Err(answer) => return answer,
    };
    let mut list = match serde_json::from_value::<model::PublishedList>(said) {
        Ok(list) => list,
        Err(error) => return CommandOutput::unexpected(&error),
    };
    if let Some(project) = &arguments.project {
        list.items
            .retain(|item| item.project == *project || format!("{}/{}", item.host, item.project) == *project);
        if list.items.is_empty() {
            let remarks = format!("heraldd: there is no published project \"{project}\"");
            return CommandOutput { remarks, code: crate::client::NOT_FOUND, ..CommandOutput::good("") };
        }
    }
    if arguments.json {
        return CommandOutput::good(serde_json::to_string(&list).unwrap_or_default());
    }
    if list.items.is_empty() {
        let remarks = "no project is published".to_owned();
        return CommandOutput { remarks, ..CommandOutput::good("") };
    }
    let now = clock.now();
    let row = |item: &model::PublishedResource| {
        [
            item.project.clone(),
            item.state.clone(),
            item.host.clone(),
            item.files.to_string(),
            item.revision.to_string(),
            item.published_at.as_deref().map(|at| human_time::short_ago_of(at, now)).unwrap_or_default(),
            item.error.clone().unwrap_or_default(),
        ]
    };
    let rows: Vec<table::Row<7>> = list.items.iter().map(row).collect();
    let head = ["PROJECT", "STATE", "HOST", "FILES", "REVISION", "PUBLISHED", "ERROR"];
    let terminal = Terminal::of(&std::io::stdout());
    CommandOutput::good(table::painted(
        head,
        &rows,
        &terminal,
        LastColumn::Below,
        |column, text| match column {
            1 if text == "in_sync" => status_style("succeeded"),
            1 if text == "failed" || text == "held" => status_style("failed"),
            _ => Style::new(),
        },
    ))
}

/// Carries it out.
#[must_use]
pub fn publish(arguments: &Publish, clock: &dyn Clock) -> CommandOutput {
    if arguments.dry_run {
        let Difference { output, is_held, .. } =
            difference(&arguments.daemon, &arguments.project, arguments.json);
        return CommandOutput { code: if is_held { output.code.max(FAILED) } else { output.code }, ..output };
    }
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (name, given) in [("force", arguments.force), ("accept", arguments.accept)] {
        if given {
            query.append_pair(name, "true");
        }
    }
    if let Some(publication) = &arguments.rollback {
        query.append_pair("rollback", publication);
    }
    let path = format!("/v1/published/{}?{}", step(&arguments.project), query.finish());
    let path = arguments.reason.put(path.trim_end_matches('?').to_owned());
    let said = match arguments.daemon.ask(Method::POST, &path, None) {
        Ok(said) => said,
        Err(answer) => return answer,
    };
    match serde_json::from_value::<model::Activated>(said) {
        Ok(activated) => {
            let shown = JobTable { json: arguments.json, ids: arguments.ids };
            wait::for_event(&arguments.daemon, &activated.event_id, shown, clock)
        }
        Err(error) => CommandOutput::unexpected(&error),
    }
}

/// What a publication would change.
struct Difference {
    output: CommandOutput,
    is_equal: bool,
    is_held: bool,
}

fn difference(daemon: &DaemonSocket, project: &str, json: bool) -> Difference {
    let none = |output| Difference { output, is_equal: false, is_held: false };
    let said = match daemon.ask(Method::GET, &format!("/v1/published/{}/diff", step(project)), None) {
        Ok(said) => said,
        Err(answer) => return none(answer),
    };
    let text = said.to_string();
    let diff = match serde_json::from_value::<model::PublishedDiff>(said) {
        Ok(diff) => diff,
        Err(error) => return none(CommandOutput::unexpected(&error)),
    };
    let (is_equal, is_held) = (diff.equal, diff.held.is_some());
    let remarks = diff.held.map(|held| format!("heraldd: {held}"));
    let output = if json {
        CommandOutput { remarks: remarks.unwrap_or_default(), ..CommandOutput::good(text) }
    } else {
        let nothing = if is_equal { "nothing would change" } else { "" };
        let out = diff.files.iter().map(|file| file.diff.as_str()).collect();
        CommandOutput { out, remarks: remarks.unwrap_or_else(|| nothing.to_owned()), code: STOPPED }
    };
    Difference { output, is_equal, is_held }
}

/// `published  2 in sync, 1 failed (a.com)`; nothing where nothing is published.
pub fn status_line(list: &model::PublishedList) -> Option<String> {
    if list.items.is_empty() {
        return None;
    }
    let states = ["in_sync", "pending", "publishing", "drifted", "held", "failed"];
    let part = |state: &str| {
        let of: Vec<&str> =
            list.items.iter().filter(|item| item.state == state).map(|item| item.project.as_str()).collect();
        let named = if matches!(state, "drifted" | "held" | "failed") {
            format!(" ({})", of[..of.len().min(5)].join(", "))
        } else {
            String::new()
        };
        (!of.is_empty()).then(|| format!("{} {}{named}", of.len(), state.replace('_', " ")))
    };
    Some(format!("published      {}", states.into_iter().filter_map(part).collect::<Vec<_>>().join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_counted_and_the_bad_ones_named() {
        let item = |project: &str, state: &str| model::PublishedResource {
            project: project.to_owned(),
            host: String::new(),
            prefix: String::new(),
            state: state.to_owned(),
            revision: 1,
            files: 1,
            error: None,
            published_at: None,
        };
        assert_eq!(status_line(&model::PublishedList { items: Vec::new() }), None);
        let items = vec![item("a.com", "in_sync"), item("b.com", "failed"), item("c.com", "in_sync")];
        let line = status_line(&model::PublishedList { items }).unwrap();
        assert_eq!(line, "published      2 in sync, 1 failed (b.com)");
    }
}
