//! `/nodes/NAME`: a node: how it is, what runs there and ran there last, and its applications.

use herald_access::Role;
use herald_control::model::{AppResource, NodeDetails, NodeJob, NodeResource};
use herald_terminal::human_time;
use maud::{Markup, html};

use super::apps::revision;
use crate::elements::{self, ActButton, sign, word};
use crate::frame::Frame;

/// The document. Of `apps`, those that are on the node are shown.
#[must_use]
pub fn screen(frame: &Frame<'_>, details: &NodeDetails, apps: &[AppResource]) -> String {
    let node = &details.node;
    frame.screen(
        &node.name,
        &html! {
            (state(frame, node))
            (drain_acts(frame, node))
            section #running data-part {
                h2 { "Running" }
                @if details.running_jobs.is_empty() { p.empty { "No job runs on an executor that goes to this node." } }
                @else { (jobs(frame, "Running jobs", &details.running_jobs)) }
            }
            section #last data-part {
                h2 { "Last jobs" }
                @if details.last_jobs.is_empty() { p.empty { (nothing(details)) } }
                @else { (jobs(frame, "Last jobs", &details.last_jobs)) }
            }
            (applications(frame, node, apps))
            (elements::command(&format!("heraldd nodes {0}    heraldd drain {0}    heraldd undrain {0}", word(&node.name))))
        },
    )
}

fn state(frame: &Frame<'_>, node: &NodeResource) -> Markup {
    html! {
        section #state data-part {
            @if let Some(drain) = &node.drained {
                p.wrong { (sign("odd")) "Drained since " (elements::time(frame, &drain.since)) " by " (elements::actor(&drain.by)) ". It gets no new jobs." }
            }
            @if let Some(error) = &node.error { p.wrong { (sign("bad")) bdi { (error) } } }
            dl.card {
                dt { "State" } dd { (elements::status(&node.state)) @if let Some(since) = &node.since { " since " (elements::time(frame, since)) } }
                dt { "Answered" } dd { (elements::time_or_none(frame, node.seen_at.as_deref())) }
                dt { "Version" } dd { (node.version.as_deref().unwrap_or("–")) }
                dt { "Jobs there" } dd { @match node.running { Some(running) => { (running) " running, from all who send it some" }, None => { "–" } } }
                dt { "Clock" } dd { (node.clock_difference_ms.map_or("–".to_owned(), human_time::ahead)) }
                dt { "URL" } dd { bdi { (node.host) } }
                @if !node.tags.is_empty() { dt { "Tags" } dd { bdi { (node.tags.join(", ")) } } }
            }
        }
    }
}

fn drain_acts(frame: &Frame<'_>, node: &NodeResource) -> Markup {
    let to = |act: &str| frame.site.at("/nodes", &[&node.name, act]);
    let act = match node.drained {
        Some(_) => ActButton {
            asks_reason: false,
            ..ActButton::new(to("resume"), "Resume", "What waits for it starts.")
        },
        None => ActButton::new(to("drain"), "Drain", DRAIN),
    };
    let act = ActButton { fields: vec![(FROM_NODE, "yes".to_owned())], ..act };
    html! { section #acts data-part { (elements::acts(frame, frame.has(Role::Operator), &[act])) } }
}

/// The field of a form that is on the screen of the node, and not in the list.
pub const FROM_NODE: &str = "from_node";

/// What a drain does.
pub(super) const DRAIN: &str =
    "It gets no new jobs; those that run there finish. To a deployment it is away.";

/// Why there is no job.
fn nothing(details: &NodeDetails) -> &'static str {
    if details.executors.is_empty() {
        "No executor goes to this node. One of the type “http_remote” names it under “nodes” or by a tag."
    } else {
        "No job of its executors has ended yet."
    }
}

fn jobs(frame: &Frame<'_>, label: &str, jobs: &[NodeJob]) -> Markup {
    let with_here = jobs.iter().any(|one| one.here.is_some());
    html! {
        div.scroll tabindex="0" role="region" aria-label=(label) { table.cards {
            thead { tr { th { "Job" } th { "Status" } @if with_here { th { "Here" } } th { "Router" } th { "Created" } th { "Duration" } th { "Error" } } }
            tbody { @for NodeJob { job, here } in jobs { tr {
                td { (elements::job_link(frame, &job.id)) }
                td.mark { (elements::status(&job.status)) @if job.attempt > 1 { " ×" (job.attempt) } }
                @if with_here { td data-n="Here" { @match here { Some(here) => { (elements::status(here)) }, None => { "–" } } } }
                td.name.lead { bdi { (job.router) } @if job.executor != job.router { div.soft { "executor " bdi { (job.executor) } } } }
                td { (elements::time(frame, &job.queued_at)) }
                td { (elements::duration(frame, job.began_at(), job.ended_at.as_deref())) }
                td.text { bdi { (elements::cut(&job.remark(|at| elements::local(frame, at)), 200)) } }
            } } }
        } }
    }
}

fn applications(frame: &Frame<'_>, node: &NodeResource, apps: &[AppResource]) -> Markup {
    let own = || apps.iter().filter_map(|app| Some((app, app.nodes.get(&node.name)?)));
    html! {
        @if own().next().is_some() {
            section #apps data-part {
                h2 { "Applications" }
                div.scroll tabindex="0" role="region" aria-label="Applications" { table.cards {
                    thead { tr { th { "Application" } th { "State" } th { "Live" } th { "Path" } th { "Remarks" } } }
                    tbody { @for (app, there) in own() { tr {
                        td.name.lead { a href=(frame.site.at("/apps", &[&app.name])) { bdi { (app.name) } } }
                        td.mark { (elements::status(&there.state)) }
                        td.id data-n="Live" { (there.revision.as_deref().map_or("–", revision)) }
                        td.name data-n="Path" { (there.path) }
                        td.text { bdi { (there.error.as_deref().unwrap_or_default()) } }
                    } } }
                } }
            }
        }
    }
}
