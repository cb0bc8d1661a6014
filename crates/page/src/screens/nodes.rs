//! `/nodes`: how the nodes are.

use herald_access::Role;
use herald_control::model::NodeResource;
use herald_terminal::human_time;
use maud::{Markup, html};

use super::node::DRAIN;
use crate::elements::{self, ActButton};
use crate::frame::Frame;

/// The document of `/nodes`.
#[must_use]
pub fn screen(frame: &Frame<'_>, nodes: &[NodeResource]) -> String {
    frame.screen(
        "Nodes",
        &html! {
            section #nodes data-part {
                @if nodes.is_empty() { p.empty { "No node is configured. Jobs run on other machines with a herald-runner there and the section “node”." } }
                @else { div.scroll tabindex="0" role="region" aria-label="Nodes" { table.cards {
                    thead { tr { th { "Node" } th { "State" } th { "Since" } th { "Version" } th { "Running" } th { "Clock" } th { "Remarks" } } }
                    tbody { @for node in nodes { tr {
                        td.name.lead { a href=(frame.site.at("/nodes", &[&node.name])) { bdi { (node.name) } } @if !node.tags.is_empty() { div.soft { bdi { (node.tags.join(", ")) } } } }
                        td.mark { (elements::status(&node.state)) }
                        td data-n="Since" { (elements::time_or_none(frame, node.since.as_deref())) }
                        td data-n="Version" { (node.version.as_deref().unwrap_or("–")) }
                        td data-n="Running" { (node.running.map_or("–".to_owned(), |running| running.to_string())) }
                        td data-n="Clock" { (node.clock_difference_ms.map_or("–".to_owned(), human_time::ahead)) }
                        td.text { @if let Some(error) = &node.error { p.bare { bdi { (error) } } } (drain_of(frame, node)) }
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
                span.odd { "▲ drained" } " since " (elements::time(frame, &drain.since))
                " " span.soft { "by " (elements::actor(&drain.by)) }
                @if may { details { summary { "Resume …" } (ActButton { asks_reason: false, ..ActButton::new(to("resume"), "Resume", "It gets jobs again, and what waits for it starts.") }.form(frame)) } }
            },
            None if may => { details { summary { "Drain …" } (ActButton::new(to("drain"), "Drain", DRAIN).form(frame)) } },
            None => {},
        }
    }
}
