//! `heraldd graph`: the routers as a picture.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use clap::{Args, ValueEnum};
use herald_control::command_output::CommandOutput;
use herald_core::activation::EXE_DONE;
use herald_core::spec::Proof;
use herald_core::workflow::Route;
use serde_json::{Value, json};

use super::config_file::ConfigFile;
use crate::config::ConfiguredComponent;
use crate::loading::{self, Loaded};

/// Print the routers as a graph: trigger, router with its selector, task with its executor
///
/// An edge from a task to a router of the trigger exe_done is dotted where only its selector decides, and missing where
/// the selector cannot match.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  heraldd graph /etc/heraldd/config.yml --format dot | dot -Tsvg > heraldd.svg"
)]
pub(super) struct GraphArguments {
    #[command(flatten)]
    file: ConfigFile,
    /// Output format
    #[arg(long, value_enum, default_value_t = GraphFormat::Mermaid)]
    format: GraphFormat,
    /// Print JSON: `nodes`, and `edges` between their numbers
    #[arg(long, conflicts_with = "format")]
    json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum GraphFormat {
    /// For Markdown pages
    Mermaid,
    /// For Graphviz
    Dot,
}

pub(super) fn run(arguments: &GraphArguments) -> CommandOutput {
    let path = match arguments.file.path() {
        Ok(path) => path,
        Err(none) => return CommandOutput::refused(&none),
    };
    match loading::load(&path, arguments.file.id(), None) {
        Ok(loaded) => {
            let graph = Graph::of(&loaded);
            CommandOutput::good(match arguments.format {
                _ if arguments.json => graph.json().to_string(),
                GraphFormat::Mermaid => graph.mermaid(),
                GraphFormat::Dot => graph.dot(),
            })
        }
        Err(wrong) => CommandOutput::refused(&wrong),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum GraphNodeKind {
    Trigger,
    Router,
    Task,
}

/// A box with one or two lines.
struct Node {
    kind: GraphNodeKind,
    lines: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Edge {
    /// It makes the other one happen.
    Leads,
    /// Its end does.
    Done,
    /// Its end may.
    MayBeDone,
}

/// Nodes in the order of names, tasks as they were written; edges between their places.
#[derive(Default)]
struct Graph {
    nodes: Vec<Node>,
    edges: Vec<(usize, usize, Edge)>,
}

impl Graph {
    fn of(loaded: &Loaded) -> Self {
        let config = &loaded.config;
        let type_of = |components: &[ConfiguredComponent], name: &str| {
            let component = components.iter().find(|component| component.name == name);
            component.map_or_else(String::new, |component| component.type_name.clone())
        };
        let proof_of = |selector: &str| {
            let component_type = loaded.registry.selectors.get(&type_of(&config.selectors, selector))?;
            component_type.description.proof
        };
        let named = |name: &str, type_name: String| {
            let alone = type_name.is_empty() || type_name == name;
            if alone { vec![name.to_owned()] } else { vec![name.to_owned(), type_name] }
        };
        let mut routers: BTreeMap<&str, Vec<&Route>> = BTreeMap::new();
        for route in config.workflow.all() {
            routers.entry(&route.router).or_default().push(route);
        }
        let mut triggers: BTreeMap<&str, usize> = BTreeMap::new();
        let mut graph = Self::default();
        for trigger in &config.triggers {
            triggers.insert(&trigger.name, 0);
        }
        for (name, node) in &mut triggers {
            *node = graph.node(GraphNodeKind::Trigger, named(name, type_of(&config.triggers, name)));
        }
        let mut tasks: Vec<(usize, &Route)> = Vec::new();
        let mut listeners = Vec::new();
        for (name, routes) in &routers {
            let Some(first) = routes.first() else { continue };
            let router =
                graph.node(GraphNodeKind::Router, vec![(*name).to_owned(), first.selector.to_string()]);
            match triggers.get(&*first.trigger) {
                Some(trigger) => graph.edges.push((*trigger, router, Edge::Leads)),
                None if &*first.trigger == EXE_DONE => {
                    listeners.push((router, routes, proof_of(&first.selector)))
                }
                None => {}
            }
            for route in routes {
                let lines = vec![route.task.to_string(), route.executor.to_string()];
                let task = graph.node(GraphNodeKind::Task, lines);
                graph.edges.push((router, task, Edge::Leads));
                tasks.push((task, route));
            }
        }
        for (task, route) in tasks {
            for (router, routes, proof) in &listeners {
                let edge = done(route, routes, *proof);
                graph.edges.extend(edge.map(|edge| (task, *router, edge)));
            }
        }
        graph
    }

    fn node(&mut self, kind: GraphNodeKind, lines: Vec<String>) -> usize {
        self.nodes.push(Node { kind, lines });
        self.nodes.len() - 1
    }

    fn mermaid(&self) -> String {
        let mut text = "flowchart LR\n".to_owned();
        for (n, node) in self.nodes.iter().enumerate() {
            let label = node.lines.iter().map(|line| for_mermaid(line)).collect::<Vec<_>>().join("<br>");
            let (open, close) = match node.kind {
                GraphNodeKind::Trigger => ("([", "])"),
                GraphNodeKind::Router => ("{{", "}}"),
                GraphNodeKind::Task => ("[", "]"),
            };
            // Writing to a String cannot fail.
            let _ = writeln!(text, "    n{n}{open}\"{label}\"{close}");
        }
        for (from, to, edge) in &self.edges {
            let arrow = match edge {
                Edge::Leads => "-->",
                Edge::Done => "-->|exe_done|",
                Edge::MayBeDone => "-.->|exe_done|",
            };
            let _ = writeln!(text, "    n{from} {arrow} n{to}");
        }
        text
    }

    fn json(&self) -> Value {
        let node = |(n, node): (usize, &Node)| {
            let kind = match node.kind {
                GraphNodeKind::Trigger => "trigger",
                GraphNodeKind::Router => "router",
                GraphNodeKind::Task => "task",
            };
            // A trigger that bears the name of its type has one line.
            let name = node.lines.first();
            let of = node.lines.last();
            match node.kind {
                GraphNodeKind::Trigger => json!({"id": n, "kind": kind, "name": name, "type": of}),
                GraphNodeKind::Router => json!({"id": n, "kind": kind, "name": name, "selector": of}),
                GraphNodeKind::Task => json!({"id": n, "kind": kind, "name": name, "executor": of}),
            }
        };
        let edge = |(from, to, edge): &(usize, usize, Edge)| {
            let (exe_done, sure) = (*edge != Edge::Leads, *edge != Edge::MayBeDone);
            json!({"from": from, "to": to, "exe_done": exe_done, "sure": sure})
        };
        let nodes: Vec<Value> = self.nodes.iter().enumerate().map(node).collect();
        json!({"nodes": nodes, "edges": self.edges.iter().map(edge).collect::<Vec<_>>()})
    }

    fn dot(&self) -> String {
        let mut text = "digraph heraldd {\n    rankdir=LR;\n".to_owned();
        for (n, node) in self.nodes.iter().enumerate() {
            let label = node.lines.iter().map(|line| for_dot(line)).collect::<Vec<_>>().join("\\n");
            let shape = match node.kind {
                GraphNodeKind::Trigger => "ellipse",
                GraphNodeKind::Router => "hexagon",
                GraphNodeKind::Task => "box",
            };
            // Writing to a String cannot fail.
            let _ = writeln!(text, "    n{n} [label=\"{label}\", shape={shape}];");
        }
        for (from, to, edge) in &self.edges {
            let look = match edge {
                Edge::Leads => "",
                Edge::Done => " [label=\"exe_done\"]",
                Edge::MayBeDone => " [label=\"exe_done\", style=dashed]",
            };
            let _ = writeln!(text, "    n{from} -> n{to}{look};");
        }
        text.push_str("}\n");
        text
    }
}

/// Whether the end of a job of `from` makes one of these routes of one router happen.
fn done(from: &Route, routes: &[&Route], proof: Option<Proof>) -> Option<Edge> {
    let Some(proof) = proof else { return Some(Edge::MayBeDone) };
    let done = from.exe_done_params();
    let answers: Vec<_> = routes.iter().map(|to| proof(&done, &to.select_param)).collect();
    if answers.contains(&Some(true)) {
        Some(Edge::Done)
    } else if answers.iter().all(|answer| *answer == Some(false)) {
        None
    } else {
        Some(Edge::MayBeDone)
    }
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

    fn graph_of(yaml: &str) -> Graph {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), yaml).unwrap();
        Graph::of(&loading::load(file.path(), None, None).unwrap())
    }

    const CHAIN: &str = "
trigger: {b_unused: {type: tick}, a_nightly: {type: cron, cron: '0 3 * * *'}}
router:
  first: {trigger: a_nightly, selector: all, task: {z: none, a: print}}
  then:
    trigger: exe_done
    selector: match_map
    task: {t: none}
    select_param: {match_key: router, match_value: first}
  perhaps:
    trigger: exe_done
    selector: match_map
    task: {t: none}
    select_param: {match_key: trigger_param/status, match_value: failed}
";

    #[test]
    fn mermaid_of_a_chain() {
        let expected = "flowchart LR
    n0([\"a_nightly<br>cron\"])
    n1([\"b_unused<br>tick\"])
    n2{{\"first<br>all\"}}
    n3[\"z<br>none\"]
    n4[\"a<br>print\"]
    n5{{\"perhaps<br>match_map\"}}
    n6[\"t<br>none\"]
    n7{{\"then<br>match_map\"}}
    n8[\"t<br>none\"]
    n0 --> n2
    n2 --> n3
    n2 --> n4
    n5 --> n6
    n7 --> n8
    n3 -.->|exe_done| n5
    n3 -->|exe_done| n7
    n4 -.->|exe_done| n5
    n4 -->|exe_done| n7
    n6 -.->|exe_done| n5
    n8 -.->|exe_done| n5
";
        assert_eq!(graph_of(CHAIN).mermaid(), expected);
    }

    #[test]
    fn json_of_a_chain() {
        let graph = graph_of(CHAIN).json();
        assert_eq!(
            graph["nodes"][0],
            json!({"id": 0, "kind": "trigger", "name": "a_nightly", "type": "cron"})
        );
        assert_eq!(graph["nodes"][2], json!({"id": 2, "kind": "router", "name": "first", "selector": "all"}));
        assert_eq!(graph["nodes"][3], json!({"id": 3, "kind": "task", "name": "z", "executor": "none"}));
        let edge =
            |from, to, exe_done, sure| json!({"from": from, "to": to, "exe_done": exe_done, "sure": sure});
        let edges = graph["edges"].as_array().unwrap();
        assert_eq!(edges.len(), 11);
        for expected in [edge(0, 2, false, true), edge(3, 5, true, false), edge(3, 7, true, true)] {
            assert!(edges.contains(&expected), "{expected}: {graph}");
        }
        let tick = graph_of("router: {a: {trigger: tick, selector: all, task: {t: none}}}").json();
        assert_eq!(tick["nodes"][0], json!({"id": 0, "kind": "trigger", "name": "tick", "type": "tick"}));
    }

    #[test]
    fn dot_of_a_chain_that_leaves_its_own_jobs_out() {
        let yaml = "router:
  a: {trigger: tick, selector: all, task: {'t\"': none}}
  b: {trigger: exe_done, selector: except_map, task: {t: none}, select_param: {except_key: router, except_value: b}}
";
        let expected = "digraph heraldd {
    rankdir=LR;
    n0 [label=\"tick\", shape=ellipse];
    n1 [label=\"a\\nall\", shape=hexagon];
    n2 [label=\"t\\\"\\nnone\", shape=box];
    n3 [label=\"b\\nexcept_map\", shape=hexagon];
    n4 [label=\"t\\nnone\", shape=box];
    n0 -> n1;
    n1 -> n2;
    n3 -> n4;
    n2 -> n3 [label=\"exe_done\"];
}
";
        assert_eq!(graph_of(yaml).dot(), expected);
    }
}
