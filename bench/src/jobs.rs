//! Local jobs that run `/bin/true`.

use std::net::SocketAddr;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::bare;
use crate::load::{Load, Until, run};
use crate::options::Options;
use crate::place::{Place, free_port};
use crate::program::{Program, request};
use crate::spread::Spread;
use crate::table::{Goal, Row, Unit};

/// Jobs that run at once, for every measured program.
const AT_ONCE: usize = 8;
/// The goal of the project, as a share of the bare loop.
const SHARE: f64 = 0.8;
const WEBHOOK: &str = "/usr/bin/webhook";
/// Time limit for the next job.
const LIMIT: Duration = Duration::from_secs(60);

/// Measures the rows of this section.
pub(crate) fn measure(place: &Place, options: &Options) -> Result<Vec<Row>> {
    let count = options.pick(200, 4000);
    let (daemon, address) = daemon(place)?;
    let webhook = if std::path::Path::new(WEBHOOK).exists() { Some(webhook(place)?) } else { None };
    let (mut ours, mut bare, mut theirs) = (Vec::new(), Vec::new(), Vec::new());
    let rate = |took: Duration| count as f64 / took.as_secs_f64();
    for _ in 0..options.runs {
        ours.push(rate(herald_jobs(&daemon, address, count)?));
        bare.push(rate(bare::spawn_and_wait(count, AT_ONCE)?));
        if let Some((_, address)) = &webhook {
            theirs.push(rate(webhook_jobs(*address, count)?));
        }
    }
    let ours = Spread::of(&ours);
    let what = format!("/bin/true jobs/s, {AT_ONCE} at once");
    let mut rows = vec![
        Row::new(&what, Unit::PerSecond, ours)
            .against("bare loop", Spread::of(&bare))
            .goal(Goal::Share(SHARE)),
    ];
    if webhook.is_some() {
        rows.push(Row::new(&what, Unit::PerSecond, ours).against("webhook", Spread::of(&theirs)));
    } else {
        eprintln!("{WEBHOOK} is not installed, so it is not compared with");
    }
    rows.push(Row::new("heraldd's peak memory meanwhile", Unit::Mebibytes, Spread::one(daemon.peak()?)));
    Ok(rows)
}

/// A router on `exe_done` prints each finished job, so that they can be counted: one short line for each, which costs
/// little compared with a process.
fn daemon(place: &Place) -> Result<(Program, SocketAddr)> {
    let address = free_port()?;
    let config = place.write(
        "jobs.yml",
        &format!(
            "state_dir: '@DIR@/jobs-state'\nmax_jobs: {AT_ONCE}\n\
             trigger: {{events: {{type: http, port: {}}}}}\n\
             executor: {{here: {{type: local, work_dir: '@DIR@/jobs'}}}}\n\
             router:\n\
             \x20 run: {{trigger: events, selector: match_map, task: {{t: here}}, select_param: {{match_key: run}}, job_param: {{cmd: /bin/true}}}}\n\
             \x20 done: {{trigger: exe_done, selector: match_map, task: {{t: print}},\n\
             \x20   select_param: {{match_key: router, match_value: run}}, job_param: {{print_key: [trigger_param/success]}}}}\n",
            address.port()
        ),
    )?;
    let mut command = Command::new(place.program("heraldd"));
    let mut daemon = Program::start(command.arg("-config").arg(config), "\"trigger_param/success\"")?;
    daemon.wait_for_answer(address)?;
    Ok((daemon, address))
}

fn herald_jobs(daemon: &Program, address: SocketAddr, count: usize) -> Result<Duration> {
    let load = Load {
        address,
        request: request(address, "/", r#"{"run":1}"#, false),
        connections: AT_ONCE,
        pipeline: 1,
    };
    let started = Instant::now();
    std::thread::scope(|scope| {
        let sender = scope.spawn(|| run(&load, Until::Count(count)));
        let mut last = started;
        for _ in 0..count {
            let (when, line) = daemon.line(LIMIT)?;
            ensure!(line.contains("\"trigger_param/success\":true"), "a job failed: {line}");
            last = when;
        }
        let answers = sender.join().map_err(|_| anyhow::anyhow!("the sender panicked"))??;
        ensure!(answers.accepted == count, "{} of {count} events were rejected", answers.refused);
        Ok(last - started)
    })
}

fn webhook(place: &Place) -> Result<(Program, SocketAddr)> {
    let address = free_port()?;
    // The answer waits for the command, so that every answer is a job that has ended.
    let hooks =
        r#"[{"id": "true", "execute-command": "/bin/true", "include-command-output-in-response": true}]"#;
    let hooks = place.write("hooks.json", hooks)?;
    let mut command = Command::new(WEBHOOK);
    command.arg("-hooks").arg(hooks).args(["-ip", "127.0.0.1", "-port", &address.port().to_string()]);
    let mut program = Program::start(&mut command, "no line")?;
    program.wait_for_port(address)?;
    Ok((program, address))
}

fn webhook_jobs(address: SocketAddr, count: usize) -> Result<Duration> {
    let load = Load {
        address,
        request: request(address, "/hooks/true", r#"{"run":1}"#, false),
        connections: AT_ONCE,
        pipeline: 1,
    };
    let answers = run(&load, Until::Count(count))?;
    ensure!(answers.accepted == count, "{} of {count} hooks failed", answers.refused);
    Ok(answers.took)
}
