//! Measures one job on many nodes: from the event to the log line that reports its end, compared with the slowest node.

use std::net::SocketAddr;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::node::Nodes;
use crate::options::Options;
use crate::place::{Place, free_port};
use crate::program::{Program, post};
use crate::remote::ENDED;
use crate::spread::Spread;
use crate::table::{Goal, Row, Unit};

const NODES: usize = 100;
/// The time of each node for the job.
const TAKES: Duration = Duration::from_millis(200);
/// The goal of the project: at most so many times as long as the slowest node.
const TIMES: f64 = 1.5;
const SECRET: &str = "for-the-length-of-a-measurement";
const LIMIT: Duration = Duration::from_secs(60);

/// Measures the rows of this section.
pub(crate) fn measure(place: &Place, options: &Options) -> Result<Vec<Row>> {
    let nodes = Nodes::start(NODES, SECRET, TAKES)?;
    let (daemon, address) = heraldd(place, &nodes.addresses)?;
    let (mut ours, mut slowest) = (Vec::new(), Vec::new());
    for _ in 0..options.runs * options.pick(1, 3) {
        let job = job(&daemon, address)?;
        let took = nodes.took();
        ensure!(took.len() == NODES, "{} of {NODES} nodes ran the job", took.len());
        let most = took.into_iter().max().context("there are nodes")?;
        ours.push(milliseconds(job));
        slowest.push(milliseconds(most));
    }
    let what = format!("one job on {NODES} nodes, event to end");
    let row = Row::new(what, Unit::Milliseconds, Spread::of(&ours));
    Ok(vec![row.against("the slowest node", Spread::of(&slowest)).goal(Goal::Times(TIMES))])
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// One job: from just before the event is sent to the line that reports its success on all nodes.
fn job(daemon: &Program, address: SocketAddr) -> Result<Duration> {
    let started = Instant::now();
    let answer = post(address, "/", "{}")?;
    ensure!(answer.starts_with("HTTP/1.1 200"), "the event was refused: {answer}");
    while started.elapsed() < LIMIT {
        let (ended, line) = daemon.line(LIMIT)?;
        // A line about one node is not the end.
        if line.contains(&name(0)) && line.contains(&name(NODES - 1)) {
            ensure!(line.contains("\"trigger_param/success\":true"), "the job failed: {line}");
            return Ok(ended - started);
        }
    }
    bail!("the job did not end in time:\n{}", daemon.last_lines())
}

fn name(node: usize) -> String {
    format!("node{node:03}")
}

fn heraldd(place: &Place, nodes: &[SocketAddr]) -> Result<(Program, SocketAddr)> {
    let address = free_port()?;
    let config = place.write("fleet.yml", &config(address, nodes))?;
    let mut command = Command::new(place.program("heraldd"));
    let mut daemon = Program::start(command.arg("-config").arg(config), ENDED)?;
    daemon.wait_for_port(address)?;
    Ok((daemon, address))
}

fn config(address: SocketAddr, nodes: &[SocketAddr]) -> String {
    let lines: String = nodes
        .iter()
        .enumerate()
        .map(|(n, node)| format!("  {}: {{host: 'http://{node}/', secret: {SECRET}}}\n", name(n)))
        .collect();
    let names: Vec<String> = (0..nodes.len()).map(name).collect();
    format!(
        "state_dir: '@DIR@/fleet-state'\ntrigger: {{events: {{type: http, port: {}}}}}\n\
         node:\n{lines}\
         executor: {{fleet: {{type: http_remote, data_dir: '@DIR@/fleet-data', nodes: [{}]}}}}\n\
         router:\n\
         \x20 all: {{trigger: events, selector: all, task: {{t: fleet}}, job_param: {{cmd: /bin/true}}}}\n\
         \x20 done: {{trigger: exe_done, selector: except_map, task: {{t: print}},\n\
         \x20   select_param: {{except_key: router, except_value: done}},\n\
         \x20   job_param: {{print_key: [trigger_param/success, trigger_param/error, trigger_param/result]}}}}\n",
        address.port(),
        names.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_node_stands_in_the_configuration() {
        let nodes: Vec<SocketAddr> = (1..=3).map(|n| ([127, 0, 0, 1], 9000 + n).into()).collect();
        let text = config(([127, 0, 0, 1], 9000).into(), &nodes);
        for part in [
            "  node001: {host: 'http://127.0.0.1:9002/', secret: ",
            "nodes: [node000, node001, node002]}}\n",
            "{events: {type: http, port: 9000}}",
        ] {
            assert!(text.contains(part), "{part} is not in {text}");
        }
    }
}
