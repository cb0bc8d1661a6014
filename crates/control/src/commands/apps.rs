//! `heraldd apps`, `app`, `log`, `deployments`, `hold`, `unhold`: what is deployed, and what may be.

use anstyle::Style;
use clap::Args;
use herald_base::clock::Clock;
use herald_terminal::human_time;
use herald_terminal::table::{self, LastColumn};
use herald_terminal::terminal::{Terminal, status_style};
use http::Method;
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::deployment_page;
use crate::client::{DaemonSocket, Reason, step};
use crate::command_output::CommandOutput;
use crate::model;

/// How many digits of a revision a table shows.
const SHORT: usize = 12;

#[derive(Debug, Args)]
struct AppsCommon {
    #[command(flatten)]
    daemon: DaemonSocket,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// List the applications: what is live, and how it is on the nodes
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  heraldd apps")]
pub struct AppsArguments {
    #[command(flatten)]
    common: AppsCommon,
}

/// Show an application: what is live on each node
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  heraldd app shop --refresh")]
pub struct AppArguments {
    #[command(flatten)]
    common: AppsCommon,
    /// The application
    app: String,
    /// Ask the nodes now
    #[arg(long)]
    refresh: bool,
}

/// List the commits of an application, newest first
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  heraldd log shop --pending\n  heraldd log shop --search checkout")]
pub struct LogArguments {
    #[command(flatten)]
    common: AppsCommon,
    /// The application
    app: String,
    /// Only commits that are newer than what is live
    #[arg(long)]
    pending: bool,
    /// Only commits whose author, message or revision has this text
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
    /// This commit and what it descends from
    #[arg(long, value_name = "REVISION")]
    before: Option<String>,
    /// How many at most
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=200))]
    limit: u16,
}

/// List the deployments of an application, newest first; or show one, with how long each step took on each node
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  heraldd deployments shop\n  heraldd deployments shop last")]
pub struct DeploymentsArguments {
    #[command(flatten)]
    common: AppsCommon,
    /// The application
    app: String,
    /// This deployment alone: its id, or the beginning or end of it, or `last`
    id: Option<String>,
    /// How many at most
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=200))]
    limit: u16,
}

/// Hold an application: nothing is deployed until the hold ends
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  heraldd hold shop --reason 'the sale' --for 2h")]
pub struct HoldArguments {
    #[command(flatten)]
    common: AppsCommon,
    /// The application
    app: String,
    /// Why
    #[arg(long, value_name = "TEXT", required = true)]
    reason: String,
    /// How long, such as `2h`; until `heraldd unhold` without it
    #[arg(long = "for", value_name = "DURATION")]
    lasting: Option<String>,
}

/// End the hold of an application
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  heraldd unhold shop")]
pub struct UnholdArguments {
    #[command(flatten)]
    common: AppsCommon,
    /// The application
    app: String,
    #[command(flatten)]
    reason: Reason,
}

/// As many deployments as are kept of an application.
const MOST_DEPLOYMENTS: u16 = 200;

/// What a command answers, or why it cannot.
type AppsOutput = Result<CommandOutput, CommandOutput>;

impl AppsCommon {
    fn ask<T: DeserializeOwned>(&self, path: &str) -> Result<(Value, T), CommandOutput> {
        let said = self.daemon.ask(Method::GET, path, None)?;
        let read = serde_json::from_value(said.clone()).map_err(|error| CommandOutput::unexpected(&error))?;
        Ok((said, read))
    }
}

/// A revision as a table shows it.
pub(super) fn short(revision: Option<&String>) -> String {
    let revision = revision.map(String::as_str).unwrap_or("-");
    revision.get(..SHORT).unwrap_or(revision).to_owned()
}

/// How the state of a node or a deployment is painted.
fn painted(text: &str) -> Style {
    match text {
        "in_sync" | "succeeded" | "online" => status_style("succeeded"),
        "drifted" | "broken" | "failed" | "reverted" | "partial" | "timed_out" | "lost" | "held" => {
            status_style("failed")
        }
        _ => Style::new(),
    }
}

fn empty(remarks: String) -> CommandOutput {
    CommandOutput { remarks, ..CommandOutput::good("") }
}

/// Carries it out.
#[must_use]
pub fn list(arguments: &AppsArguments, clock: &dyn Clock) -> CommandOutput {
    let list = || -> AppsOutput {
        let (said, list): (Value, model::AppList) = arguments.common.ask("/v1/apps")?;
        if arguments.common.json {
            return Ok(CommandOutput::good(said.to_string()));
        }
        if list.items.is_empty() {
            return Ok(empty("no application is configured under `app`".to_owned()));
        }
        let rows: Vec<table::Row<7>> = list.items.iter().map(|app| app_row(app, clock.now())).collect();
        let head = ["APP", "REVISION", "SINCE", "NODES", "STATE", "LAST", "HOLD"];
        let terminal = Terminal::of(&std::io::stdout());
        let out = table::painted(head, &rows, &terminal, LastColumn::Below, |column, text| match column {
            4 | 5 => painted(text),
            _ => Style::new(),
        });
        Ok(CommandOutput::good(out))
    };
    list().unwrap_or_else(|answer| answer)
}

fn app_row(app: &model::AppResource, now: Timestamp) -> table::Row<7> {
    let state = match (&app.running, worst(app)) {
        (Some(_), _) => "deploying".to_owned(),
        (None, worst) => worst.to_owned(),
    };
    let hold = match (&app.hold, &app.freeze) {
        (Some(hold), _) => format!("{}: {}", hold.by, hold.reason),
        (None, Some(freeze)) => format!("frozen {freeze}"),
        (None, None) => String::new(),
    };
    [
        app.name.clone(),
        short(app.revision.as_ref()),
        app.since.as_deref().map(|since| human_time::short_ago_of(since, now)).unwrap_or_default(),
        app.nodes.len().to_string(),
        state,
        app.last.clone().unwrap_or_default(),
        hold,
    ]
}

/// The state of the node that needs somebody most.
fn worst(app: &model::AppResource) -> &'static str {
    let has = |state: &str| app.nodes.values().any(|node| node.state == state);
    ["broken", "drifted", "outdated", "unknown"].into_iter().find(|state| has(state)).unwrap_or("in_sync")
}

/// `app  shop: 0123456789ab, in_sync`; nothing without applications.
pub(super) fn status_lines(list: &model::AppList) -> Vec<String> {
    let line = |app: &model::AppResource| {
        let mut line =
            format!("app            {}: {}, {}", app.name, short(app.revision.as_ref()), worst(app));
        line.extend(app.hold.iter().map(|hold| format!("; held by {}: {}", hold.by, hold.reason)));
        let went_wrong = app.last.as_ref().filter(|last| *last != "succeeded");
        line.extend(went_wrong.map(|last| format!("; the last deployment: {last}")));
        line
    };
    list.items.iter().map(line).collect()
}

/// Carries it out.
#[must_use]
pub fn show(arguments: &AppArguments, clock: &dyn Clock) -> CommandOutput {
    let show = || -> AppsOutput {
        let refresh = if arguments.refresh { "?refresh=true" } else { "" };
        let path = format!("/v1/apps/{}{refresh}", step(&arguments.app));
        let (said, app): (Value, model::AppResource) = arguments.common.ask(&path)?;
        if arguments.common.json {
            return Ok(CommandOutput::good(said.to_string()));
        }
        Ok(CommandOutput::good(app_page(&app, clock.now())))
    };
    show().unwrap_or_else(|answer| answer)
}

fn app_page(app: &model::AppResource, now: Timestamp) -> String {
    let mut lines = vec![
        format!("App        {}  ({}, {})", app.name, app.kind, app.mode),
        format!("Repo       {}", app.repo),
        format!("Revision   {}", app.revision.as_deref().unwrap_or("-")),
        format!("Previous   {}", app.previous.as_deref().unwrap_or("-")),
    ];
    lines.extend(app.running.iter().map(|id| format!("Running    {id}")));
    lines.extend(app.hold.iter().map(|hold| {
        let until = hold
            .until
            .as_ref()
            .map(|until| format!(" until {}", human_time::local(until)))
            .unwrap_or_default();
        format!("Hold       {} since {}{until}: {}", hold.by, human_time::local(&hold.since), hold.reason)
    }));
    lines.extend(app.freeze.iter().map(|freeze| format!("Freeze     {freeze}")));
    let row = |(name, node): (&String, &model::AppNodeResource)| {
        let more = match (&node.error, &node.catch_up) {
            (Some(error), _) => error.clone(),
            (None, Some(revision)) => format!("gets {} when it is back", short(Some(revision))),
            (None, None) => node.modified.join(", "),
        };
        [
            name.clone(),
            if node.online { "online".to_owned() } else { "offline".to_owned() },
            short(node.revision.as_ref()),
            node.state.clone(),
            node.checked_at.as_deref().map(|at| human_time::short_ago_of(at, now)).unwrap_or_default(),
            more,
        ]
    };
    let rows: Vec<table::Row<6>> = app.nodes.iter().map(row).collect();
    let head = ["NODE", "ONLINE", "REVISION", "STATE", "CHECKED", "CHANGED FILES OR ERROR"];
    let terminal = Terminal::of(&std::io::stdout());
    let nodes = table::painted(head, &rows, &terminal, LastColumn::Below, |column, text| match column {
        1 | 3 => painted(text),
        _ => Style::new(),
    });
    format!("{}\n\n{nodes}", lines.join("\n"))
}

/// Carries it out.
#[must_use]
pub fn log(arguments: &LogArguments, clock: &dyn Clock) -> CommandOutput {
    let log = || -> AppsOutput {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("limit", &arguments.limit.to_string());
        if arguments.pending {
            query.append_pair("pending", "true");
        }
        for (key, value) in [("search", &arguments.search), ("before", &arguments.before)] {
            if let Some(value) = value {
                query.append_pair(key, value);
            }
        }
        let path = format!("/v1/apps/{}/commits?{}", step(&arguments.app), query.finish());
        let (said, page): (Value, model::Page<model::CommitResource>) = arguments.common.ask(&path)?;
        if arguments.common.json {
            return Ok(CommandOutput::good(said.to_string()));
        }
        if page.items.is_empty() {
            let what = if arguments.pending { "nothing is pending" } else { "there are no commits" };
            return Ok(empty(what.to_owned()));
        }
        let row = |commit: &model::CommitResource| {
            let mut marks: Vec<String> = Vec::new();
            marks.extend(commit.pending.then(|| "pending".to_owned()));
            marks.extend(commit.bad.then(|| "bad".to_owned()));
            marks.extend((!commit.live.is_empty()).then(|| format!("live: {}", commit.live.join(", "))));
            [
                short(Some(&commit.revision)),
                human_time::short_ago_of(&commit.time, clock.now()),
                commit.author.clone(),
                marks.join("; "),
                commit.subject.clone(),
            ]
        };
        let rows: Vec<table::Row<5>> = page.items.iter().map(row).collect();
        let head = ["REVISION", "WHEN", "AUTHOR", "STATE", "SUBJECT"];
        let terminal = Terminal::of(&std::io::stdout());
        let out = table::painted(head, &rows, &terminal, LastColumn::Below, |_, _| Style::new());
        let remarks = page.next_cursor.map(|next| format!("more: --before {next}")).unwrap_or_default();
        Ok(CommandOutput { remarks, ..CommandOutput::good(out) })
    };
    log().unwrap_or_else(|answer| answer)
}

/// Carries it out.
#[must_use]
pub fn deployments(arguments: &DeploymentsArguments, clock: &dyn Clock) -> CommandOutput {
    let deployments = || -> AppsOutput {
        let limit = if arguments.id.is_some() { MOST_DEPLOYMENTS } else { arguments.limit };
        let path = format!("/v1/apps/{}/deployments?limit={limit}", step(&arguments.app));
        let (said, page): (Value, model::Page<model::DeploymentResource>) = arguments.common.ask(&path)?;
        if let Some(id) = &arguments.id {
            return deployment_page::answer(id, &page.items, arguments.common.json, clock.now());
        }
        if arguments.common.json {
            return Ok(CommandOutput::good(said.to_string()));
        }
        if page.items.is_empty() {
            return Ok(empty(format!("{} was not deployed yet", arguments.app)));
        }
        let now = clock.now();
        let row = |record: &model::DeploymentResource| {
            let by = record.by.as_ref().map(|by| by.user.clone().unwrap_or_else(|| by.via.clone()));
            [
                human_time::short_ago_of(&record.ended_at, now),
                record.action.clone(),
                record.status.clone(),
                short(record.from.as_ref()),
                short(record.to.as_ref()),
                by.unwrap_or_else(|| "-".to_owned()),
                record.error.clone().or_else(|| record.reason.clone()).unwrap_or_default(),
            ]
        };
        let rows: Vec<table::Row<7>> = page.items.iter().map(row).collect();
        let head = ["WHEN", "ACTION", "STATUS", "FROM", "TO", "BY", "ERROR OR REASON"];
        let terminal = Terminal::of(&std::io::stdout());
        let out = table::painted(head, &rows, &terminal, LastColumn::Below, |column, text| match column {
            2 => painted(text),
            _ => Style::new(),
        });
        Ok(CommandOutput::good(out))
    };
    deployments().unwrap_or_else(|answer| answer)
}

/// Carries it out.
#[must_use]
pub fn hold(arguments: &HoldArguments) -> CommandOutput {
    let wanted = model::HoldWanted { reason: arguments.reason.clone(), lasting: arguments.lasting.clone() };
    let body = serde_json::to_string(&wanted).unwrap_or_default();
    let path = format!("/v1/apps/{}/hold", step(&arguments.app));
    match arguments.common.daemon.ask(Method::POST, &path, Some(&body)) {
        Ok(said) if arguments.common.json => CommandOutput::good(said.to_string()),
        Ok(said) => match said.get("until").and_then(Value::as_str) {
            Some(until) => {
                CommandOutput::good(format!("{} is held until {}", arguments.app, human_time::local(until)))
            }
            None => CommandOutput::good(format!("{} is held", arguments.app)),
        },
        Err(answer) => answer,
    }
}

/// Carries it out.
#[must_use]
pub fn unhold(arguments: &UnholdArguments) -> CommandOutput {
    let path = arguments.reason.put(format!("/v1/apps/{}/hold", step(&arguments.app)));
    match arguments.common.daemon.ask(Method::DELETE, &path, None) {
        Ok(said) if arguments.common.json => CommandOutput::good(said.to_string()),
        Ok(Value::Null) => empty(format!("{} was not held", arguments.app)),
        Ok(_) => CommandOutput::good(format!("{} is no longer held", arguments.app)),
        Err(answer) => answer,
    }
}
