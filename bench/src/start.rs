//! Measures the time from start to ready, and memory.

use std::fmt::Write;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use crate::options::Options;
use crate::place::{Place, free_port};
use crate::program::Program;
use crate::spread::Spread;
use crate::table::{Goal, Row, Unit};

/// The goals of the project: 10,000 routers within so many milliseconds, idle within so many MiB.
const MILLISECONDS: f64 = 300.0;
const IDLE: f64 = 25.0;
const RUNNER_IDLE: f64 = 15.0;

/// Measures the rows of this section.
pub(crate) fn measure(place: &Place, options: &Options) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for (routers, goal) in [(10, None), (10_000, Some(Goal::AtMost(MILLISECONDS)))] {
        let (mut times, mut idle, mut peaks) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..options.runs {
            let (config, address) = configuration(place, routers)?;
            let mut command = Command::new(place.program("heraldd"));
            let mut daemon = Program::start(command.arg("-config").arg(config), "no line")?;
            let ready = daemon.wait_for_answer(address)?;
            times.push((ready - daemon.started).as_secs_f64() * 1000.0);
            std::thread::sleep(Duration::from_millis(500));
            idle.push(daemon.memory()?);
            peaks.push(daemon.peak()?);
        }
        let time =
            Row::new(format!("start to ready, {routers} routers"), Unit::Milliseconds, Spread::of(&times));
        rows.push(match goal {
            Some(goal) => time.goal(goal),
            None => time,
        });
        let idle =
            Row::new(format!("heraldd's memory idle, {routers} routers"), Unit::Mebibytes, Spread::of(&idle));
        rows.push(if routers == 10 { idle.goal(Goal::AtMost(IDLE)) } else { idle });
        let what = format!("heraldd's memory at its peak, {routers} routers");
        rows.push(Row::new(what, Unit::Mebibytes, Spread::of(&peaks)));
    }
    rows.push(runner(place, options)?);
    Ok(rows)
}

/// Typical routers: a trigger that does not fire here, a selector, parameters, one or two tasks.
fn configuration(place: &Place, routers: usize) -> Result<(PathBuf, std::net::SocketAddr)> {
    let address = free_port()?;
    let mut text = format!(
        "state_dir: '@DIR@/start-state'\ntrigger:\n  ready: {{type: http, port: {}}}\n  nightly: {{type: cron, cron: '30 3 * * *'}}\n\
         executor:\n  here: {{type: local, work_dir: '@DIR@/start'}}\n\
         preset:\n  shared: {{timeout: 10m, env: {{LEVEL: 3}}}}\nrouter:\n  ready: {{trigger: ready, selector: all, task: {{t: none}}}}\n",
        address.port()
    );
    for n in 1..routers {
        write!(
            text,
            "  router_{n}:\n    trigger: nightly\n    selector: match_map\n    task:\n      first: here\n      second: print\n\
             \x20   select_param:\n      match_key: cron\n      match_value: number {n}\n    job_param:\n      preset: shared\n      cmd: backup\n      arg: [--number, '{n}']\n"
        )?;
    }
    Ok((place.write("start.yml", &text)?, address))
}

fn runner(place: &Place, options: &Options) -> Result<Row> {
    let mut idle = Vec::new();
    for _ in 0..options.runs {
        let address = free_port()?;
        let port = address.port();
        let text =
            format!("port: {port}\nsecret: for-the-length-of-a-measurement\nwork_dir: '@DIR@/idle-runner'\n");
        let config = place.write("idle-runner.yml", &text)?;
        let mut command = Command::new(place.program("herald-runner"));
        let mut runner = Program::start(command.arg("-config").arg(config), "no line")?;
        runner.wait_for_port(address)?;
        std::thread::sleep(Duration::from_millis(500));
        idle.push(runner.memory()?);
    }
    let row = Row::new("herald-runner's memory idle", Unit::Mebibytes, Spread::of(&idle));
    Ok(row.goal(Goal::AtMost(RUNNER_IDLE)))
}
