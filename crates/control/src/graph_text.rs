//! The graph of the routers as text: for Mermaid, for Graphviz, and as a tree for people.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::model::{GraphEdge, GraphNode, GraphNodeKind, GraphResource};

/// For Markdown pages.
#[must_use]
pub fn mermaid(graph: &GraphResource) -> String {
    let mut text = "flowchart LR\n".to_owned();
    for node in &graph.nodes {
        let label = lines(node).map(for_mermaid).collect::<Vec<_>>().join("<br>");
        let (open, close) = match node.kind {
            GraphNodeKind::Trigger => ("([", "])"),
            GraphNodeKind::Routing => ("{{", "}}"),
            GraphNodeKind::Task => ("[", "]"),
        };
        // Writing to a String cannot fail.
        let _ = writeln!(text, "    n{}{open}\"{label}\"{close}", node.id);
    }
    for GraphEdge { from, to, exe_done, sure } in &graph.edges {
        let arrow = match (exe_done, sure) {
            (false, _) => "-->",
            (true, true) => "-->|exe_done|",
            (true, false) => "-.->|exe_done|",
        };
        let _ = writeln!(text, "    n{from} {arrow} n{to}");
    }
    text
}

/// For Graphviz.
#[must_use]
pub fn dot(graph: &GraphResource) -> String {
    let mut text = "digraph heraldd {\n    rankdir=LR;\n".to_owned();
    for node in &graph.nodes {
        let label = lines(node).map(for_dot).collect::<Vec<_>>().join("\\n");
        let shape = match node.kind {
            GraphNodeKind::Trigger => "ellipse",
            GraphNodeKind::Routing => "hexagon",
            GraphNodeKind::Task => "box",
        };
        // Writing to a String cannot fail.
        let _ = writeln!(text, "    n{} [label=\"{label}\", shape={shape}];", node.id);
    }
    for GraphEdge { from, to, exe_done, sure } in &graph.edges {
        let look = match (exe_done, sure) {
            (false, _) => "",
            (true, true) => " [label=\"exe_done\"]",
            (true, false) => " [label=\"exe_done\", style=dashed]",
        };
        let _ = writeln!(text, "    n{from} -> n{to}{look};");
    }
    text.push_str("}\n");
    text
}

/// For people: each trigger with its routers, their tasks, and the routers that follow from those.
#[must_use]
pub fn tree(graph: &GraphResource) -> String {
    let mut text = String::new();
    let roots = graph.nodes.iter().filter(|node| graph.edges.iter().all(|edge| edge.to != node.id));
    let mut shown = BTreeSet::new();
    for root in roots {
        branch(
            graph,
            root,
            &mut text,
            &mut Branch { indent: String::new(), is_sure: true, shown: &mut shown },
        );
    }
    // Routers that only start each other begin nowhere.
    for node in &graph.nodes {
        if node.kind == GraphNodeKind::Routing && !shown.contains(&node.id) {
            branch(
                graph,
                node,
                &mut text,
                &mut Branch { indent: String::new(), is_sure: true, shown: &mut shown },
            );
        }
    }
    text
}

/// Where a branch of the tree is.
struct Branch<'a> {
    indent: String,
    /// Whether every event comes here.
    is_sure: bool,
    /// The nodes that were shown with what is below them.
    shown: &'a mut BTreeSet<usize>,
}

fn branch(graph: &GraphResource, node: &GraphNode, text: &mut String, at: &mut Branch<'_>) {
    let detail = Some(node.detail()).filter(|detail| !detail.is_empty() && *detail != node.name);
    let detail = detail.map(|detail| format!(" ({detail})")).unwrap_or_default();
    let perhaps = if at.is_sure { "" } else { ", if its selector matches" };
    let is_new = at.shown.insert(node.id);
    let below: Vec<&GraphEdge> = graph.edges.iter().filter(|edge| edge.from == node.id).collect();
    let again = if is_new || below.is_empty() { "" } else { " (see above)" };
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{}{detail}{perhaps}{again}", node.name.replace(char::is_control, " "));
    let below = if is_new { below } else { Vec::new() };
    for (n, edge) in below.iter().enumerate() {
        let Some(next) = graph.nodes.get(edge.to) else { continue };
        let is_last = n + 1 == below.len();
        let (mark, line) = if is_last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
        let _ = write!(text, "{}{mark}{}", at.indent, if edge.exe_done { "exe_done: " } else { "" });
        let mut inner =
            Branch { indent: format!("{}{line}", at.indent), is_sure: edge.sure, shown: &mut *at.shown };
        branch(graph, next, text, &mut inner);
    }
}

/// The name, and what is below it; a trigger that has the name of its type has one line.
fn lines(node: &GraphNode) -> impl Iterator<Item = &str> {
    let detail = Some(node.detail())
        .filter(|detail| node.kind != GraphNodeKind::Trigger || (!detail.is_empty() && *detail != node.name));
    std::iter::once(&*node.name).chain(detail)
}

/// A name as text of a Mermaid label: whatever means something there becomes the number of its character.
fn for_mermaid(name: &str) -> String {
    let mut text = String::new();
    for c in one_line(name) {
        if c.is_ascii_punctuation() && !"_-/.,:".contains(c) {
            let _ = write!(text, "#{};", u32::from(c));
        } else {
            text.push(c);
        }
    }
    text
}

/// A name as text of a DOT label, in which `&…;` and `\` mean something.
fn for_dot(name: &str) -> String {
    let mut text = String::new();
    for c in one_line(name) {
        match c {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '&' => text.push_str("&amp;"),
            c => text.push(c),
        }
    }
    text
}

/// A line break would end the line of the graph.
fn one_line(name: &str) -> impl Iterator<Item = char> {
    name.chars().map(|c| match c {
        '\n' => '\u{21b5}',
        c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') => '\u{fffd}',
        c => c,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_escaped() {
        for (name, mermaid, dot) in [
            ("plain_name-1.x", "plain_name-1.x", "plain_name-1.x"),
            ("käse 日本", "käse 日本", "käse 日本"),
            ("say \"hi\"", "say #34;hi#34;", "say \\\"hi\\\""),
            ("[a](b){c}", "#91;a#93;#40;b#41;#123;c#125;", "[a](b){c}"),
            ("a\nb", "a\u{21b5}b", "a\u{21b5}b"),
            ("a\r\u{2028}\u{1b}b", "a\u{fffd}\u{fffd}\u{fffd}b", "a\u{fffd}\u{fffd}\u{fffd}b"),
            ("a\\nb\\", "a#92;nb#92;", "a\\\\nb\\\\"),
            ("<b>&amp;", "#60;b#62;#38;amp#59;", "<b>&amp;amp;"),
            ("#35; %%{x}%%", "#35;35#59; #37;#37;#123;x#125;#37;#37;", "#35; %%{x}%%"),
            ("`md` *b*", "#96;md#96; #42;b#42;", "`md` *b*"),
        ] {
            assert_eq!(for_mermaid(name), mermaid, "{name:?}");
            assert_eq!(for_dot(name), dot, "{name:?}");
        }
    }
}
