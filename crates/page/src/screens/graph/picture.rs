//! The graph as SVG: shapes and classes, and no inline style, which the policy of the page forbids.

use herald_control::model::{GraphEdge, GraphNode, GraphNodeKind, GraphResource};
use maud::{Markup, html};

use super::layout::{GAP, HEIGHT, Layout, LayoutEdge, Point, STEP, WIDTH, layout};
use crate::elements::{self, StatusLook, encode};
use crate::frame::Frame;

/// Around the picture.
const EDGE: i64 = 16;
/// The characters of a name that fit.
const NAME: usize = 17;
/// And of what is below it, which is not bold.
const DETAIL: usize = 20;

/// Where a node leads: the router, with its trigger and tasks.
pub(super) fn node_address(frame: &Frame<'_>, node: &GraphNode) -> String {
    let name = node.router.as_deref().unwrap_or(&node.name);
    format!("{}{}", frame.site.to("/routers?name="), encode(name))
}

/// The picture.
pub(super) fn picture(frame: &Frame<'_>, graph: &GraphResource) -> Markup {
    let least = graph.nodes.iter().map(|node| node.kind as usize).collect::<Vec<_>>();
    let edges = graph.edges.iter().map(|edge| LayoutEdge { from: edge.from, to: edge.to });
    let Layout { nodes, edges, size } = layout(&least, &edges.collect::<Vec<_>>());
    let (width, height) = (size.x + 2 * EDGE, size.y + 2 * EDGE);
    html! {
        div.scroll tabindex="0" role="region" aria-label="Graph" {
            svg.graph role="group" aria-label="Triggers, routers and tasks; the list below says the same" width=(width) height=(height)
                viewBox={ "-" (EDGE) " -" (EDGE) " " (width) " " (height) } {
                defs { marker id="arrow" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" orient="auto-start-reverse" {
                    path.arrow d="M0 0 L8 4 L0 8 z" {}
                } }
                @for (edge, points) in graph.edges.iter().zip(&edges) { (way(edge, points, size.y)) }
                @for (node, at) in graph.nodes.iter().zip(&nodes) { (shape(frame, node, *at)) }
            }
        }
    }
}

fn way(edge: &GraphEdge, points: &[Point], bottom: i64) -> Markup {
    let class = match (edge.exe_done, edge.sure) {
        (false, _) => "edge",
        (true, true) => "edge chain",
        (true, false) => "edge chain maybe",
    };
    html! { path class=(class) d=(path(points, bottom)) marker-end="url(#arrow)" {} }
}

/// A curve through these points; one that leads back goes around below.
fn path(points: &[Point], bottom: i64) -> String {
    let [first, .., last] = points else { return String::new() };
    let mut path = format!("M{} {}", first.x, first.y);
    if last.x <= first.x {
        let is_near = first.x - last.x <= STEP + WIDTH;
        let below = if is_near { first.y.max(last.y) + (HEIGHT + GAP) / 2 } else { bottom - 20 };
        let (right, left) = (first.x + 45, last.x - 45);
        path.push_str(&format!(
            " C{right} {}, {right} {below}, {} {below} L{} {below} C{left} {below}, {left} {}, {} {}",
            first.y, first.x, last.x, last.y, last.x, last.y
        ));
        return path;
    }
    for pair in points.windows(2) {
        let [from, to] = pair else { continue };
        let middle = (from.x + to.x) / 2;
        path.push_str(&format!(" C{middle} {}, {middle} {}, {} {}", from.y, to.y, to.x, to.y));
    }
    path
}

fn shape(frame: &Frame<'_>, node: &GraphNode, at: Point) -> Markup {
    let Point { x, y } = at;
    let (kind, word) = match node.kind {
        GraphNodeKind::Trigger => ("trigger", "trigger"),
        GraphNodeKind::Routing => ("router", "router"),
        GraphNodeKind::Task => ("task", "task"),
    };
    let last =
        node.last.as_ref().map(|last| (elements::status_look(&last.status), last.status.replace('_', " ")));
    let outcome = last.as_ref().map_or(String::new(), |(_, words)| format!(", last job {words}"));
    let label = format!("{word} {}, {}{outcome}", node.name, node.detail());
    html! {
        a href=(node_address(frame, node)) {
            title { (label) }
            @match node.kind {
                GraphNodeKind::Routing => {
                    @let (right, bottom, half) = (x + WIDTH, y + HEIGHT, y + HEIGHT / 2);
                    polygon class={ "node " (kind) } points={ (x) "," (half) " " (x + 14) "," (y) " " (right - 14) "," (y) " " (right) "," (half) " " (right - 14) "," (bottom) " " (x + 14) "," (bottom) } {}
                },
                _ => {
                    rect class={ "node " (kind) } x=(x) y=(y) width=(WIDTH) height=(HEIGHT) rx=(if node.kind == GraphNodeKind::Trigger { HEIGHT / 2 } else { 4 }) {}
                },
            }
            // What is too long is cut off at its edge.
            svg aria-hidden="true" x=(x + 12) y=(y) width=(WIDTH - 24) height=(HEIGHT) {
                text.name x="50%" y=(if last.is_some() { 20 } else { 26 }) { (elements::cut(&node.name, NAME)) }
                text.detail x="50%" y=(if last.is_some() { 35 } else { 42 }) { (elements::cut(node.detail(), DETAIL)) }
                @if let Some((StatusLook { shape, kind }, words)) = &last {
                    text class={ "outcome " (kind) } x="50%" y="51" { (shape) " " (words) }
                }
            }
        }
    }
}
