//! `heraldd status`: is the daemon well, what failed, and what is due next, on one screen.

use clap::Args;
use herald_base::clock::Clock;
use http::Method;
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::apps;
use super::drain;
use super::listing::{self, IdLength};
use super::pause;
use super::published;
use super::queue_listing;
use crate::client::DaemonSocket;
use crate::command_output::{CommandOutput, FAILED, STOPPED};
use crate::model;
use herald_terminal::human_time;
use herald_terminal::terminal::{Terminal, status_style};

/// How many failed jobs, and how many due times, are shown.
const SHOWN: usize = 5;

/// Show the health of the running daemon: failed jobs of the last 24 hours, nodes, what is due next
///
/// The exit code is 0 when the daemon accepts events, 1 when it does not, 3 when no daemon responds.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  heraldd status")]
pub struct ShowStatus {
    #[command(flatten)]
    daemon: DaemonSocket,
    #[command(flatten)]
    ids: IdLength,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// The ends of a job that count as failed.
const FAILED_ENDS: &str = "failed,timed_out,lost";

/// What the daemon said, call by call.
struct DaemonReport {
    /// Why events are not accepted; none while they are.
    not_ready: Option<String>,
    /// What of its state is damaged.
    damage: Vec<String>,
    info: Value,
    failed: Value,
    nodes: Value,
    published: Value,
    queues: Value,
    apps: Value,
    triggers: Value,
}

/// Carries it out.
#[must_use]
pub fn run(arguments: &ShowStatus, clock: &dyn Clock) -> CommandOutput {
    let report = match DaemonReport::of(&arguments.daemon) {
        Ok(report) => report,
        Err(answer) => return answer,
    };
    let code = if report.not_ready.is_some() { FAILED } else { STOPPED };
    let shown = if arguments.json {
        Ok(report.as_json().to_string())
    } else {
        report.as_text(arguments.ids, clock.now())
    };
    match shown {
        Ok(out) => CommandOutput { out, remarks: String::new(), code },
        Err(error) => CommandOutput::unexpected(&error),
    }
}

impl DaemonReport {
    fn of(daemon: &DaemonSocket) -> Result<Self, CommandOutput> {
        let get = |path: &str| daemon.ask(Method::GET, path, None);
        let info = get("/v1/info")?;
        // A daemon that answers at all says here why it accepts nothing.
        let ready = get("/readyz");
        let damage = ready.as_ref().ok().and_then(|health| read::<model::Health>(health).ok());
        let damage = damage.map(|health| health.damage).unwrap_or_default();
        let not_ready = ready.err();
        let not_ready = not_ready.map(|answer| answer.remarks.trim_start_matches("heraldd: ").to_owned());
        Ok(Self {
            not_ready,
            damage,
            info,
            failed: get(&format!("/v1/jobs?status={FAILED_ENDS}&since=24h&limit=1000"))?,
            nodes: get("/v1/nodes")?,
            published: get("/v1/published")?,
            queues: get("/v1/queues")?,
            apps: get("/v1/apps")?,
            triggers: get("/v1/triggers")?,
        })
    }

    fn as_json(&self) -> Value {
        let failed = self.failed.get("items").cloned().unwrap_or_default();
        json!({
            "ready": self.not_ready.is_none(),
            "reason": self.not_ready,
            "damage": self.damage,
            "info": self.info,
            "failed": failed,
            "nodes": self.nodes,
            "published": self.published.get("items").cloned().unwrap_or_default(),
            "queues": self.queues.get("items").cloned().unwrap_or_default(),
            "apps": self.apps.get("items").cloned().unwrap_or_default(),
            "triggers": self.triggers,
        })
    }

    fn as_text(&self, ids: IdLength, now: Timestamp) -> Result<String, serde_json::Error> {
        let terminal = Terminal::of(&std::io::stdout());
        let info: model::DaemonInfo = read(&self.info)?;
        let failed: model::Page<model::JobSummary> = read(&self.failed)?;
        let nodes: Vec<model::NodeResource> = read(&self.nodes)?;
        let triggers: Vec<model::TriggerResource> = read(&self.triggers)?;
        let health = match &self.not_ready {
            None => terminal.with(status_style("succeeded"), "accepting events"),
            Some(why) => terminal.with(status_style("failed"), &format!("not accepting events: {why}")),
        };
        let since = human_time::ago_of(&info.started_at, now);
        let mut lines = vec![
            format!("heraldd {} (pid {}), started {since}: {health}", info.version, info.pid),
            format!("configuration  {}", info.config),
        ];
        lines.extend(info.failed_reload.iter().map(|failed| failed_reload(failed, now)));
        lines.extend([format!("jobs           {} running, {} queued", info.running, info.queued)]);
        lines.extend(self.damage.iter().map(|what| format!("damaged        {what}")));
        lines.extend(pause::status_lines(&info.paused, now));
        lines.extend(drain::status_lines(&nodes, now));
        lines.extend(nodes_line(&nodes));
        lines.extend(published::status_line(&read(&self.published)?));
        lines.extend(queue_listing::status_lines(&read(&self.queues)?, now));
        lines.extend(apps::status_lines(&read(&self.apps)?));
        lines.push(format!("failed (24 h)  {}", count(&failed)));
        let mut text = lines.join("\n");
        if !failed.items.is_empty() {
            text.push_str("\n\n");
            let shown = listing::rows(&failed.items[..failed.items.len().min(SHOWN)], ids, now);
            text.push_str(shown.trim_end());
            let more = failed.items.len().saturating_sub(SHOWN);
            if more > 0 {
                text.push_str(&format!("\n{more} more: heraldd jobs --status {} --since 24h", FAILED_ENDS));
            }
        }
        let due = due(&triggers, now);
        if !due.is_empty() {
            text.push_str("\n\nnext\n");
            text.push_str(&due.join("\n"));
        }
        Ok(text)
    }
}

/// `reload         the last one failed 5 minutes ago: …; the configuration in use is not that of the file`.
fn failed_reload(failed: &model::FailedReload, now: Timestamp) -> String {
    let (since, why) = (human_time::ago_of(&failed.at, now), failed.summary());
    format!(
        "reload         the last one failed {since}: {why}; the configuration in use is not that of the file"
    )
}

fn read<T: DeserializeOwned>(value: &Value) -> Result<T, serde_json::Error> {
    serde_json::from_value(value.clone())
}

/// How many jobs failed; one page is counted.
fn count(failed: &model::Page<model::JobSummary>) -> String {
    let more = if failed.next_cursor.is_some() { " or more" } else { "" };
    format!("{}{more}", failed.items.len())
}

/// `nodes  2 online, 1 offline (web3)`; nothing without a fleet.
fn nodes_line(nodes: &[model::NodeResource]) -> Option<String> {
    if nodes.is_empty() {
        return None;
    }
    let of = |state: &str| nodes.iter().filter(|node| node.state == state).collect::<Vec<_>>();
    let mut line = format!("nodes          {} online", of("online").len());
    for state in ["rejected", "offline", "unknown"] {
        let nodes = of(state);
        if !nodes.is_empty() {
            let names: Vec<&str> = nodes.iter().map(|node| node.name.as_str()).collect();
            line.push_str(&format!(", {} {state} ({})", nodes.len(), names.join(", ")));
        }
    }
    Some(line)
}

/// The next due times of all triggers, soonest first.
fn due(triggers: &[model::TriggerResource], now: Timestamp) -> Vec<String> {
    let mut due: Vec<(Timestamp, &str)> = triggers
        .iter()
        .flat_map(|trigger| trigger.next.iter().map(move |at| (at, trigger.name.as_str())))
        .filter_map(|(at, name)| Some((at.parse().ok()?, name)))
        .collect();
    due.sort();
    due.truncate(SHOWN);
    due.iter().map(|(at, name)| format!("  {name}  {}", human_time::until(at.duration_since(now)))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(not_ready: Option<&str>) -> DaemonReport {
        let trigger = |name: &str, next: &str| json!({"name": name, "type": "cron", "next": [next], "every_seconds": null});
        let node = |name: &str, state: &str| {
            json!({"name": name, "host": "http://h/", "tags": [], "state": state, "since": null, "seen_at": null,
                "version": null, "running": null, "clock_difference_ms": null, "error": null})
        };
        DaemonReport {
            not_ready: not_ready.map(str::to_owned),
            damage: vec!["job 7 cannot be read".to_owned()],
            info: json!({"version": "1.0", "pid": 7, "started_at": "2026-11-28T12:00:00Z", "config": "/c.yml",
                "state_dir": null, "running": 1, "queued": 2}),
            failed: json!({"items": [], "next_cursor": null}),
            nodes: json!([node("web1", "online"), node("web2", "offline")]),
            published: json!({"items": []}),
            queues: json!({"items": []}),
            apps: json!({"items": [{"name": "shop", "type": "git", "mode": "exchange", "repo": "r", "revision": "0123456789abcdef",
                "since": null, "previous": null, "hold": null, "freeze": null, "running": null, "last": "reverted",
                "nodes": {"web1": {"path": "/srv", "online": true, "revision": null, "state": "drifted", "modified": [],
                    "catch_up": null, "error": null, "checked_at": null}}}]}),
            triggers: json!([
                trigger("late", "2026-11-28T15:00:00Z"),
                trigger("soon", "2026-11-28T13:00:30Z")
            ]),
        }
    }

    #[test]
    fn a_screen_for_people() {
        let now = "2026-11-28T13:00:00Z".parse().unwrap();
        let text = report(None).as_text(IdLength::default(), now).unwrap();
        for part in [
            "heraldd 1.0 (pid 7), started 1 hour ago: accepting events",
            "1 running, 2 queued",
            "damaged        job 7 cannot be read",
            "1 online, 1 offline (web2)",
            "app            shop: 0123456789ab, drifted; the last deployment: reverted",
            "failed (24 h)  0",
            "  soon  in 30 seconds\n  late  in 2 hours",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(!text.contains("reload  "), "{text}");
        let mut failed = report(None);
        failed.info["failed_reload"] = json!({"at": "2026-11-28T12:55:00Z", "error":
            "configuration not reloaded, the running one is kept:\n/c.yml:3:4: unknown section `roter`\n  |\n"});
        let text = failed.as_text(IdLength::default(), now).unwrap();
        let line = "reload         the last one failed 5 minutes ago: /c.yml:3:4: unknown section `roter`; the configuration in \
                    use is not that of the file";
        assert!(text.lines().any(|found| found == line), "{text}");
        // A warning that comes before the first error is not why.
        failed.info["failed_reload"]["problems"] = json!([
            {"severity": "error", "file": "/c.yml", "line": 3, "column": 4, "message": "unknown section `roter`",
             "help": "did you mean `router`?"},
            {"severity": "error", "file": "/c.yml", "line": 9, "column": 1, "message": "x", "help": null},
        ]);
        let text = failed.as_text(IdLength::default(), now).unwrap();
        let line = "reload         the last one failed 5 minutes ago: /c.yml:3:4: unknown section `roter` (did you mean \
                    `router`?), and 1 more error; the configuration in use is not that of the file";
        assert!(text.lines().any(|found| found == line), "{text}");
        let text = report(Some("the disk is full")).as_text(IdLength::default(), now).unwrap();
        assert!(text.contains("not accepting events: the disk is full"), "{text}");
        assert_eq!(report(Some("x")).as_json()["ready"], json!(false));
    }
}
