//! `/routers` and `/nodes`: what is configured, and how the nodes are.

use herald_access::Role;
use herald_control::model::{NodeResource, RouterResource, TriggerResource};
use herald_terminal::human_time;
use maud::{Markup, html};

use super::events::fire_form;
use super::node::DRAIN;
use super::now::encode;
use crate::elements::{self, ActButton};
use crate::frame::Frame;

/// The most routers of a page.
const ROUTERS: usize = 100;

/// The document of `/routers`.
#[must_use]
pub fn routers(frame: &Frame<'_>, routers: &[RouterResource], triggers: &[TriggerResource]) -> String {
    let wanted = frame.asked("name").unwrap_or_default();
    let first: usize = frame.asked("from").and_then(|from| from.parse().ok()).unwrap_or(0);
    let shown: Vec<&RouterResource> = routers
        .iter()
        .filter(|router| router.name.contains(&wanted) || router.trigger.contains(&wanted))
        .collect();
    let page = shown.iter().skip(first).take(ROUTERS);
    let next = first.saturating_add(ROUTERS);
    let next = (next < shown.len()).then(|| next.to_string());
    frame.screen(
        "Routers",
        &html! {
            form.filter role="search" method="get" action=(frame.site.to("/routers")) {
                label { "Router or trigger" input type="text" name="name" value=(wanted); }
                button type="submit" { "Filter" }
            }
            section #routers data-part {
                @if shown.is_empty() { (elements::empty_list(frame, "/routers", "No router matches.", "No router is configured. The section “router” names what each trigger starts.")) }
                @else { div.scroll tabindex="0" role="region" aria-label="Routers" { table {
                    thead { tr { th { "Router" } th { "Trigger" } th { "Selector" } th { "Tasks" } th { "Jobs" } th { "Pause" } } }
                    tbody { @for router in page { (router_row(frame, router)) } }
                } } }
                (elements::next_page(frame, "from", next.as_deref()))
            }
            section #triggers data-part {
                h2 { "Triggers" }
                @if triggers.is_empty() { p.empty { "No trigger is configured." } }
                @else { div.scroll tabindex="0" role="region" aria-label="Triggers" { table {
                    thead { tr { th { "Trigger" } th { "Type" } th { "Next" } th { "By hand" } } }
                    tbody { @for trigger in triggers.iter().filter(|one| one.name.contains(&wanted)).take(ROUTERS) { (trigger_row(frame, trigger, routers)) } }
                } } }
            }
            (elements::command("heraldd routers    heraldd pause ROUTER    heraldd resume ROUTER    heraldd triggers    heraldd trigger NAME"))
        },
    )
}

fn router_row(frame: &Frame<'_>, router: &RouterResource) -> Markup {
    html! {
        tr {
            td.name {
                @match frame.site.links.get(&router.name) {
                    Some(link) => { a href=(link) rel="noreferrer" { bdi { (router.name) } } },
                    None => { bdi { (router.name) } },
                }
            }
            td.name { bdi { (router.trigger) } }
            td.name { bdi { (router.selector) } }
            td.text { @for (n, task) in router.tasks.iter().enumerate() {
                @if n > 0 { br; }
                bdi { (task.task) } " → " bdi { (task.executor) }
                (elements::values("parameters", &task.job_param))
            } }
            td { a href={ (frame.site.to("/jobs?router=")) (encode(&router.name)) } { "Jobs" } }
            td.text { (pause_of(frame, router)) }
        }
    }
}

/// The pause of a router, and what ends or begins it.
fn pause_of(frame: &Frame<'_>, router: &RouterResource) -> Markup {
    let to = |act: &str| frame.site.at("/routers", &[&router.name, act]);
    let may = frame.may(Role::Operator, &router.name);
    html! {
        @match &router.paused {
            Some(pause) => {
                span.doubt { "▲ paused" } " since " (elements::time(frame, &pause.since))
                @if let Some(until) = &pause.until { ", until " (elements::time(frame, until)) }
                " " span.soft { "by " (elements::actor(&pause.by)) }
                @if may { (ActButton { asks_reason: false, ..ActButton::new(to("resume"), "Resume", "What waits starts.") }.form(frame)) }
            },
            None if may => { details { summary { "Pause …" } form.act method="post" action=(to("pause")) {
                (elements::form_key(frame))
                p { "Its events are accepted, and its jobs wait until it is resumed." }
                label { "How long " input type="text" name="for" maxlength="50" placeholder="2h; until it is resumed without it"; }
                label { "Why " input type="text" name="reason" maxlength="500"; }
                button type="submit" { "Pause" }
            } } },
            None => {},
        }
    }
}

fn trigger_row(frame: &Frame<'_>, trigger: &TriggerResource, routers: &[RouterResource]) -> Markup {
    let own: Vec<&str> =
        routers.iter().filter(|router| router.trigger == trigger.name).map(|router| &*router.name).collect();
    html! {
        tr {
            td.name { bdi { (trigger.name) } }
            td { (trigger.type_name) }
            td { @match (trigger.next.first(), trigger.every_seconds) {
                (Some(next), _) => { (elements::time(frame, next)) @if trigger.waits_for_clock { " (the clock was set back)" } },
                (None, Some(every)) => { (human_time::every(std::time::Duration::try_from_secs_f64(every).unwrap_or_default())) },
                (None, None) => { span.soft { "on demand" } },
            } }
            td.text { (fire_form(frame, &trigger.name, &own)) }
        }
    }
}

/// The document of `/nodes`.
#[must_use]
pub fn nodes(frame: &Frame<'_>, nodes: &[NodeResource]) -> String {
    frame.screen(
        "Nodes",
        &html! {
            section #nodes data-part {
                @if nodes.is_empty() { p.empty { "No node is configured. Jobs run on other machines with a herald-runner there and the section “node”." } }
                @else { div.scroll tabindex="0" role="region" aria-label="Nodes" { table {
                    thead { tr { th { "Node" } th { "State" } th { "Since" } th { "Version" } th { "Running" } th { "Clock" } th { "Drain" } th { "Error" } } }
                    tbody { @for node in nodes { tr {
                        td.name { a href=(frame.site.at("/nodes", &[&node.name])) { bdi { (node.name) } } @if !node.tags.is_empty() { span.soft { " " (node.tags.join(", ")) } } }
                        td { (elements::status(&node.state)) }
                        td { (elements::time_or_none(frame, node.since.as_deref())) }
                        td { (node.version.as_deref().unwrap_or("–")) }
                        td { (node.running.map_or("–".to_owned(), |running| running.to_string())) }
                        td { (node.clock_difference_ms.map_or("–".to_owned(), human_time::ahead)) }
                        td.text { (drain_of(frame, node)) }
                        td.text { bdi { (node.error.as_deref().unwrap_or_default()) } }
                    } } }
                } } }
            }
            (elements::command("heraldd nodes    heraldd drain NODE    heraldd undrain NODE"))
        },
    )
}

/// The drain of a node, and what ends or begins it.
fn drain_of(frame: &Frame<'_>, node: &NodeResource) -> Markup {
    let to = |act: &str| frame.site.at("/nodes", &[&node.name, act]);
    let may = frame.has(Role::Operator);
    html! {
        @match &node.drained {
            Some(drain) => {
                span.doubt { "▲ drained" } " since " (elements::time(frame, &drain.since))
                " " span.soft { "by " (elements::actor(&drain.by)) }
                @if may { (ActButton { asks_reason: false, ..ActButton::new(to("resume"), "Resume", "What waits for it starts.") }.form(frame)) }
            },
            None if may => { details { summary { "Drain …" } (ActButton::new(to("drain"), "Drain", DRAIN).form(frame)) } },
            None => {},
        }
    }
}
