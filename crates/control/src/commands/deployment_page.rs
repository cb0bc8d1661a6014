//! `heraldd deployments NAME ID`: one deployment, with what it did on each node.

use anstyle::Style;
use herald_terminal::human_time;
use herald_terminal::table::{self, LastColumn};
use herald_terminal::terminal::{Terminal, status_style};
use jiff::Timestamp;

use crate::client::NOT_FOUND;
use crate::command_output::CommandOutput;
use crate::model::DeploymentResource;

/// The fewest characters of an id, and the most ids that are listed.
const FEWEST: usize = 4;
const SHOWN: usize = 10;

/// The deployments that are meant: the newest of `last`, or those whose id begins or ends so.
fn found<'a>(id: &str, newest_first: &'a [DeploymentResource]) -> Vec<&'a DeploymentResource> {
    if id == "last" {
        return newest_first.iter().take(1).collect();
    }
    let is_part = |whole: &str| id.len() >= FEWEST && (whole.starts_with(id) || whole.ends_with(id));
    newest_first.iter().filter(|one| one.id == id || is_part(&one.id)).collect()
}

/// The answer of the command: the deployment that is meant.
///
/// # Errors
/// There is none, or there are several.
pub(super) fn answer(
    id: &str,
    newest_first: &[DeploymentResource],
    json: bool,
    now: Timestamp,
) -> Result<CommandOutput, CommandOutput> {
    let why = match found(id, newest_first)[..] {
        [one] if json => {
            return Ok(CommandOutput::good(serde_json::to_string(one).unwrap_or_default()));
        }
        [one] => return Ok(CommandOutput::good(text(one, now))),
        [] => format!(
            "there is no deployment \"{id}\"; without an id, with `--json`, all are listed with theirs"
        ),
        ref several => {
            let ids: Vec<&str> = several.iter().take(SHOWN).map(|one| &*one.id).collect();
            format!("several deployments match \"{id}\": {}", ids.join(", "))
        }
    };
    Err(CommandOutput { remarks: format!("heraldd: {why}"), code: NOT_FOUND, ..CommandOutput::good("") })
}

fn text(one: &DeploymentResource, now: Timestamp) -> String {
    let by = one.by.as_ref().map(|by| format!("{} via {}", by.user.as_deref().unwrap_or("somebody"), by.via));
    let mut lines = vec![
        format!("Deployment {}", one.id),
        format!("App        {}", one.app),
        format!("Status     {} ({})", one.status, one.action),
        format!("By         {}", by.as_deref().unwrap_or("Herald itself")),
    ];
    lines.extend(one.reason.iter().map(|reason| format!("Reason     {reason}")));
    lines.push(format!("From       {}", one.from.as_deref().unwrap_or("-")));
    lines.push(format!("To         {}", one.to.as_deref().unwrap_or("-")));
    lines.push(format!(
        "Started    {} ({})",
        human_time::local(&one.started_at),
        human_time::short_ago_of(&one.started_at, now)
    ));
    let moment = |text: &str| text.parse::<Timestamp>().ok();
    if let (Some(from), Some(to)) = (moment(&one.started_at), moment(&one.ended_at)) {
        lines.push(format!("Took       {}", human_time::span(to.duration_since(from))));
    }
    lines.extend(one.error.iter().map(|error| format!("Error      {error}")));
    if !one.nodes.is_empty() {
        lines.push(format!("\n{}", nodes(one)));
    }
    lines.join("\n")
}

fn nodes(one: &DeploymentResource) -> String {
    let rows: Vec<table::Row<4>> = one
        .nodes
        .iter()
        .map(|(name, node)| {
            let times = node.step_times();
            let steps = if times.is_empty() { "-".to_owned() } else { times };
            [name.clone(), node.status.clone(), steps, node.error.clone().unwrap_or_default()]
        })
        .collect();
    let terminal = Terminal::of(&std::io::stdout());
    let head = ["NODE", "STATUS", "STEPS", "ERROR"];
    table::painted(head, &rows, &terminal, LastColumn::Below, |column, text| match column {
        1 => status_style(text),
        _ => Style::new(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn one(id: &str) -> DeploymentResource {
        let node = |error| {
            json!({"from": null, "to": "b", "status": "succeeded", "error": error,
                "steps_ms": {"verify": 40, "switch": 7, "plan": 12, "prepare": 2100}})
        };
        serde_json::from_value(json!({
            "id": id, "app": "shop", "action": "deploy", "automatic": false, "from": null, "to": "b",
            "by": {"user": "anna", "via": "cli", "address": null, "reason": null}, "reason": "why", "commits": [],
            "backward": false, "nodes": {"web1": node(None), "web2": node(Some("a hook failed"))},
            "status": "succeeded", "error": null, "digest": null, "overridden": false,
            "started_at": "2026-11-28T12:00:00Z", "ended_at": "2026-11-28T12:00:04.5Z", "job_id": "j",
        }))
        .unwrap()
    }

    #[test]
    fn ids_are_found_by_either_end() {
        let all = [one("01a2aaaa-0001"), one("01a2bbbb-0002")];
        for (id, expected) in [
            ("last", &["01a2aaaa-0001"][..]),
            ("01a2bbbb-0002", &["01a2bbbb-0002"]),
            ("0002", &["01a2bbbb-0002"]),
            ("01a2", &["01a2aaaa-0001", "01a2bbbb-0002"]),
            ("002", &[]),
            ("nothing", &[]),
        ] {
            let ids: Vec<&str> = found(id, &all).iter().map(|one| &*one.id).collect();
            assert_eq!(ids, expected, "{id}");
        }
    }

    #[test]
    fn each_node_has_its_steps_in_their_order() {
        let text = text(&one("01a2"), "2026-11-28T13:00:00Z".parse().unwrap());
        for part in [
            "By         anna via cli",
            "Reason     why",
            "Took       4.5 s",
            "plan 12 ms, prepare 2.1 s, switch 7 ms, verify 40 ms",
            "a hook failed",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}
