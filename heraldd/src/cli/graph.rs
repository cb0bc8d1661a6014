//! `heraldd graph`: the routers as a picture.

use std::io::IsTerminal as _;

use clap::{Args, ValueEnum};
use herald_control::command_output::CommandOutput;
use herald_control::graph_text;
use herald_control::model::GraphResource;
use herald_overview::graph::GraphParts;

use super::config_file::ConfigFile;
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
    /// Output format. Default: tree on a terminal, mermaid elsewhere
    #[arg(long, value_enum)]
    format: Option<GraphFormat>,
    /// Print JSON: `nodes`, and `edges` between their numbers
    #[arg(long, conflicts_with = "format")]
    json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum GraphFormat {
    /// For people
    Tree,
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
            let graph = graph_of_loaded(&loaded);
            let by_place =
                if std::io::stdout().is_terminal() { GraphFormat::Tree } else { GraphFormat::Mermaid };
            CommandOutput::good(match arguments.format.unwrap_or(by_place) {
                // Names and numbers: never fails.
                _ if arguments.json => serde_json::to_string(&graph).unwrap_or_default(),
                GraphFormat::Tree => graph_text::tree(&graph),
                GraphFormat::Mermaid => graph_text::mermaid(&graph),
                GraphFormat::Dot => graph_text::dot(&graph),
            })
        }
        Err(wrong) => CommandOutput::refused(&wrong),
    }
}

/// The graph of all routers.
fn graph_of_loaded(loaded: &Loaded) -> GraphResource {
    let config = &loaded.config;
    let parts = GraphParts {
        workflow: &config.workflow,
        triggers: config.triggers.iter().map(|trigger| (&*trigger.name, &*trigger.type_name)).collect(),
        proofs: &loaded.assembly.proofs,
    };
    parts.whole()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn graph_of(yaml: &str) -> GraphResource {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), yaml).unwrap();
        graph_of_loaded(&loading::load(file.path(), None, None).unwrap())
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
        assert_eq!(graph_text::mermaid(&graph_of(CHAIN)), expected);
    }

    #[test]
    fn tree_of_a_chain() {
        let expected = "a_nightly (cron)
└─ first (all)
   ├─ z (none)
   │  ├─ exe_done: perhaps (match_map), if its selector matches
   │  │  └─ t (none)
   │  │     └─ exe_done: perhaps (match_map), if its selector matches (see above)
   │  └─ exe_done: then (match_map)
   │     └─ t (none)
   │        └─ exe_done: perhaps (match_map), if its selector matches (see above)
   └─ a (print)
      ├─ exe_done: perhaps (match_map), if its selector matches (see above)
      └─ exe_done: then (match_map) (see above)
b_unused (tick)
";
        assert_eq!(graph_text::tree(&graph_of(CHAIN)), expected);
    }

    #[test]
    fn json_of_a_chain() {
        let graph = serde_json::to_value(graph_of(CHAIN)).unwrap();
        assert_eq!(
            graph["nodes"][0],
            json!({"id": 0, "kind": "trigger", "name": "a_nightly", "type": "cron"})
        );
        assert_eq!(graph["nodes"][2], json!({"id": 2, "kind": "router", "name": "first", "selector": "all"}));
        assert_eq!(
            graph["nodes"][3],
            json!({"id": 3, "kind": "task", "name": "z", "router": "first", "executor": "none"})
        );
        let edge =
            |from, to, exe_done, sure| json!({"from": from, "to": to, "exe_done": exe_done, "sure": sure});
        let edges = graph["edges"].as_array().unwrap();
        assert_eq!(edges.len(), 11);
        for expected in [edge(0, 2, false, true), edge(3, 5, true, false), edge(3, 7, true, true)] {
            assert!(edges.contains(&expected), "{expected}: {graph}");
        }
        let tick = graph_of("router: {a: {trigger: tick, selector: all, task: {t: none}}}");
        let tick = serde_json::to_value(tick).unwrap();
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
        assert_eq!(graph_text::dot(&graph_of(yaml)), expected);
    }
}
