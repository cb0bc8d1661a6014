//! `heraldd info`, `triggers`, `routers`, `executors`, `nodes`, `reload`: the daemon and its configuration.

use clap::Args;
use herald_base::clock::Clock;
use http::Method;
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::node_text;
use crate::client::{DaemonSocket, Reason, step};
use crate::command_output::CommandOutput;
use crate::model;
use herald_terminal::terminal::{Terminal, status_style};
use herald_terminal::{human_time, table};

/// Show the running daemon: version, process, configuration, number of running and queued jobs
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  heraldd info")]
pub struct Info {
    #[command(flatten)]
    asked: ApiQuestion,
}

/// List the triggers of the running daemon, with their next run
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  heraldd triggers")]
pub struct Triggers {
    #[command(flatten)]
    asked: ApiQuestion,
}

/// List the routers of the running daemon, one line per task
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  heraldd routers")]
pub struct Routers {
    #[command(flatten)]
    asked: ApiQuestion,
}

/// List the executors of the running daemon
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  heraldd executors")]
pub struct Executors {
    #[command(flatten)]
    asked: ApiQuestion,
}

/// List the nodes of the fleet: state, since when, version, running jobs, clock offset; or show one, with its jobs
///
/// A node is online, offline, or rejected: its runner answers and does not accept this daemon, see ERROR. CLOCK OFFSET:
/// how far the node's clock is ahead of the daemon's.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  heraldd nodes web1")]
pub struct NodesArguments {
    /// Only this node, with the jobs that run there and ran there last
    name: Option<String>,
    #[command(flatten)]
    asked: ApiQuestion,
}

/// Reload the configuration of the running daemon
///
/// On errors, they are printed and the running configuration is kept. Some settings, such as state_dir, need a restart
/// of the daemon; those that changed are named.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  heraldd reload")]
pub struct Reload {
    #[command(flatten)]
    asked: ApiQuestion,
    #[command(flatten)]
    reason: Reason,
}

#[derive(Debug, Args)]
struct ApiQuestion {
    #[command(flatten)]
    daemon: DaemonSocket,
    /// Print JSON: the response of the API
    #[arg(long)]
    json: bool,
}

impl ApiQuestion {
    /// The answer as it is, or as `shown` has it.
    fn show<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        shown: impl Fn(T) -> CommandOutput,
    ) -> CommandOutput {
        let said: Value = match self.daemon.ask(method, path, None) {
            Ok(said) => said,
            Err(answer) => return answer,
        };
        if self.json {
            return CommandOutput::good(said.to_string());
        }
        match serde_json::from_value::<T>(said) {
            Ok(said) => shown(said),
            Err(error) => CommandOutput::unexpected(&error),
        }
    }
}

/// Carries it out.
#[must_use]
pub fn info(arguments: &Info, clock: &dyn Clock) -> CommandOutput {
    arguments.asked.show(Method::GET, "/v1/info", |info: model::DaemonInfo| {
        let since = human_time::ago_of(&info.started_at, clock.now());
        CommandOutput::good(format!(
            "heraldd {} (pid {}), started {since}\nconfiguration  {}\nstate          {}\njobs           {} running, {} \
             queued",
            info.version,
            info.pid,
            info.config,
            info.state_dir.as_deref().unwrap_or("in memory"),
            info.running,
            info.queued
        ))
    })
}

/// Carries it out.
#[must_use]
pub fn triggers(arguments: &Triggers, clock: &dyn Clock) -> CommandOutput {
    let now = clock.now();
    arguments.asked.show(Method::GET, "/v1/triggers", |triggers: Vec<model::TriggerResource>| {
        let row = |trigger: &model::TriggerResource| {
            let due = trigger.next.first().and_then(|at| at.parse::<Timestamp>().ok());
            let (next, when) = match (due, trigger.every_seconds) {
                (Some(due), _) => {
                    let why = if trigger.waits_for_clock { " (the clock was set back)" } else { "" };
                    (
                        human_time::local(&due.to_string()),
                        format!("{}{why}", human_time::until(due.duration_since(now))),
                    )
                }
                (None, Some(every)) => {
                    let every = std::time::Duration::try_from_secs_f64(every).unwrap_or_default();
                    ("-".to_owned(), human_time::every(every))
                }
                (None, None) if trigger.type_name == "expect" => {
                    ("-".to_owned(), "after a silence".to_owned())
                }
                (None, None) => ("-".to_owned(), "on demand".to_owned()),
            };
            [trigger.name.clone(), trigger.type_name.clone(), next, when]
        };
        let rows: Vec<table::Row<4>> = triggers.iter().map(row).collect();
        CommandOutput::good(table::table(["NAME", "TYPE", "NEXT RUN", "IN"], &rows))
    })
}

/// Carries it out.
#[must_use]
pub fn routers(arguments: &Routers) -> CommandOutput {
    arguments.asked.show(Method::GET, "/v1/routers", |routers: Vec<model::RouterResource>| {
        let lines = routers.iter().flat_map(|router| {
            router.tasks.iter().map(|task| {
                [
                    match &router.paused {
                        Some(_) => format!("{} (paused)", router.name),
                        None => router.name.clone(),
                    },
                    router.trigger.clone(),
                    router.selector.clone(),
                    task.task.clone(),
                    task.executor.clone(),
                ]
            })
        });
        let rows: Vec<table::Row<5>> = lines.collect();
        CommandOutput::good(table::table(["ROUTER", "TRIGGER", "SELECTOR", "TASK", "EXECUTOR"], &rows))
    })
}

/// Carries it out.
#[must_use]
pub fn executors(arguments: &Executors) -> CommandOutput {
    arguments.asked.show(Method::GET, "/v1/executors", |executors: Vec<model::ExecutorResource>| {
        let row = |executor: &model::ExecutorResource| [executor.name.clone(), executor.type_name.clone()];
        let rows: Vec<table::Row<2>> = executors.iter().map(row).collect();
        CommandOutput::good(table::table(["NAME", "TYPE"], &rows))
    })
}

/// Carries it out.
#[must_use]
pub fn nodes(arguments: &NodesArguments, clock: &dyn Clock) -> CommandOutput {
    let now = clock.now();
    if let Some(name) = &arguments.name {
        let path = format!("/v1/nodes/{}", step(name));
        return arguments.asked.show(Method::GET, &path, |details| node_text::shown(&details, now));
    }
    arguments.asked.show(Method::GET, "/v1/nodes", |nodes: Vec<model::NodeResource>| {
        let number = |number: Option<u64>| number.map_or("-".to_owned(), |number| number.to_string());
        let row = |node: &model::NodeResource| {
            [
                node.name.clone(),
                if node.drained.is_some() { format!("{}, drained", node.state) } else { node.state.clone() },
                node.since.as_deref().map_or("-".to_owned(), |since| human_time::short_ago_of(since, now)),
                node.version.clone().unwrap_or_else(|| "-".to_owned()),
                number(node.running),
                node.clock_difference_ms.map_or("-".to_owned(), human_time::ahead),
                node.host.clone(),
                node.error.clone().unwrap_or_default(),
            ]
        };
        let rows: Vec<table::Row<8>> = nodes.iter().map(row).collect();
        let head = ["NODE", "STATE", "SINCE", "VERSION", "RUNNING", "CLOCK OFFSET", "URL", "ERROR"];
        let terminal = Terminal::of(&std::io::stdout());
        CommandOutput::good(table::painted(
            head,
            &rows,
            &terminal,
            table::LastColumn::Below,
            |column, text| match (column, text) {
                (1, state) if state.ends_with(", drained") => anstyle::Style::new(),
                (1, "online") => status_style("succeeded"),
                (1, "offline" | "rejected") => status_style("failed"),
                _ => anstyle::Style::new(),
            },
        ))
    })
}

/// Carries it out.
#[must_use]
pub fn reload(arguments: &Reload) -> CommandOutput {
    arguments.asked.show(
        Method::POST,
        &arguments.reason.put("/v1/reload".to_owned()),
        |reloaded: model::Reloaded| CommandOutput {
            remarks: reloaded.warnings.join("\n"),
            ..CommandOutput::good(match reloaded.restart_required.as_slice() {
                [] => "configuration reloaded".to_owned(),
                settings => format!("configuration reloaded; restart required: {}", settings.join(", ")),
            })
        },
    )
}
