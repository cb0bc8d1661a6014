//! `/graph`: the routers as a picture, and the same as a table.

mod layout;
mod picture;

use std::collections::BTreeMap;

use herald_control::model::{GraphNode, GraphNodeKind, GraphResource};
use maud::{Markup, html};

use crate::elements;
use crate::frame::Frame;

/// The document.
#[must_use]
pub fn screen(frame: &Frame<'_>, graph: &GraphResource) -> String {
    let asked = frame.asked("router").unwrap_or_default();
    let routers = graph.nodes.iter().filter(|node| node.kind == GraphNodeKind::Routing).count();
    frame.screen(
        "Graph",
        &html! {
            form.filter role="search" method="get" action=(frame.site.to("/graph")) {
                label { "Router or trigger" input type="text" name="router" value=(asked); }
                button type="submit" { "Filter" }
                @if !asked.is_empty() { a href=(frame.site.to("/graph")) { "Clear" } }
            }
            section #graph data-part data-gap="5000" {
                @if let Some(count) = graph.router_count { p.notice { "These are " (routers) " of " (count) " routers. Filter by a part of a name to see others." } }
                @if let Some(edges) = graph.edges_left_out { p.notice { (edges) " chains are left out, since there are too many to show." } }
                @if routers == 0 { p.empty { @if asked.is_empty() { "No router is configured. The section “router” names what each trigger starts." } @else { "No router matches." } } }
                @else {
                    (picture::picture(frame, graph))
                    p.soft { "A dashed line is a job whose end may start the next router: its selector decides." }
                    h2 { "As a list" }
                    (table(frame, graph))
                }
            }
            (elements::command("heraldd graph --format dot    heraldd graph --json"))
        },
    )
}

/// A row for each task.
fn table(frame: &Frame<'_>, graph: &GraphResource) -> Markup {
    let mut leading: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for edge in &graph.edges {
        leading.entry(edge.to).or_default().push(edge.from);
    }
    let kind = |n: &usize, kind| graph.nodes.get(*n).filter(|node| node.kind == kind);
    let tasks = graph.nodes.iter().filter(|node| node.kind == GraphNodeKind::Task);
    let link =
        |node: &GraphNode| html! { a href=(picture::node_address(frame, node)) { bdi { (node.name) } } };
    html! {
        div.scroll tabindex="0" role="region" aria-label="Tasks" { table.cards {
            thead { tr { th { "Trigger" } th { "Router" } th { "Task" } th { "Last job" } th { "Its end starts" } } }
            tbody { @for task in tasks {
                @let router = leading.get(&task.id).into_iter().flatten().find_map(|n| kind(n, GraphNodeKind::Routing));
                @let before = router.and_then(|router| leading.get(&router.id));
                @let trigger = before.into_iter().flatten().find_map(|n| kind(n, GraphNodeKind::Trigger));
                tr {
                    td.name data-n="Trigger" { @match trigger { Some(trigger) => { bdi { (trigger.name) } span.soft { " " (trigger.detail()) } }, None => { span.soft { "an event of Herald" } } } }
                    td.name.lead { @if let Some(router) = router { (link(router)) span.soft { " " bdi { (router.detail()) } } } }
                    td.name data-n="Task" { bdi { (task.name) } " → " bdi { (task.detail()) } }
                    td data-n="Last job" { @match &task.last {
                        Some(last) => { (elements::status(&last.status)) " " (elements::job_link(frame, &last.job_id)) " " (elements::time(frame, &last.at)) },
                        None => { span.soft { @if task.has_older { "not among the newest jobs" } @else { "none yet" } } },
                    } }
                    td.name data-n="Starts" { (followers(graph, task, &link)) }
                }
            } }
        } }
    }
}

/// The routers that the end of a task starts.
fn followers(graph: &GraphResource, task: &GraphNode, link: &dyn Fn(&GraphNode) -> Markup) -> Markup {
    let chains = graph.edges.iter().filter(|edge| edge.exe_done && edge.from == task.id);
    let followers = chains.filter_map(|edge| Some((graph.nodes.get(edge.to)?, edge.sure)));
    html! {
        @for (n, (router, sure)) in followers.enumerate() {
            @if n > 0 { ", " } @if !sure { "perhaps " } (link(router))
        }
    }
}

#[cfg(test)]
mod tests;
