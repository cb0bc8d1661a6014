//! Measures the round trip of one job, and of a chain of two: from the event to the log line that reports the end.

use std::net::SocketAddr;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::bare;
use crate::options::Options;
use crate::place::{Place, free_port};
use crate::program::{Program, post};
use crate::spread::{Spread, quantile};
use crate::table::{Goal, Row, Unit};

/// Time limit for one job.
const LIMIT: Duration = Duration::from_secs(30);
/// The mark of the line that reports the end of a job.
pub(crate) const ENDED: &str = "\"trigger_param/success\"";

/// A daemon and its runner.
pub(crate) struct Pair {
    /// heraldd: an event with `here` runs `local`, one with `there` runs `remote`; `near` and `far` do the same, and a
    /// job on `local` follows through `exe_done`.
    pub(crate) daemon: Program,
    /// herald-runner.
    pub(crate) runner: Program,
    /// The http trigger.
    pub(crate) address: SocketAddr,
}

impl Pair {
    /// Starts both; `job` is the `job_param` in YAML.
    pub(crate) fn start(place: &Place, name: &str, job: &str) -> Result<Self> {
        let (address, runner_address) = (free_port()?, free_port()?);
        let secret = "for-the-length-of-a-measurement";
        let runner_port = runner_address.port();
        let runner_config =
            format!("port: {runner_port}\nsecret: {secret}\nwork_dir: '@DIR@/{name}-runner'\n");
        let config = format!(
            "state_dir: '@DIR@/{name}-state'\ntrigger: {{events: {{type: http, port: {}}}}}\n\
             executor:\n\
             \x20 local: {{type: local, work_dir: '@DIR@/{name}-work'}}\n\
             \x20 remote: {{type: http_remote, host: 'http://{runner_address}/', secret: {secret}, data_dir: '@DIR@/{name}-data'}}\n\
             router:\n\
             \x20 here: {{trigger: events, selector: match_map, task: {{t: local}}, select_param: {{match_key: here}}, job_param: {job}}}\n\
             \x20 there: {{trigger: events, selector: match_map, task: {{t: remote}}, select_param: {{match_key: there}}, job_param: {job}}}\n\
             \x20 near: {{trigger: events, selector: match_map, task: {{t: local}}, select_param: {{match_key: near}}, job_param: {job}}}\n\
             \x20 far: {{trigger: events, selector: match_map, task: {{t: remote}}, select_param: {{match_key: far}}, job_param: {job}}}\n\
             \x20 near_end: {{trigger: exe_done, selector: match_map, task: {{t: local}}, select_param: {{match_key: router, match_value: near}}, job_param: {job}}}\n\
             \x20 far_end: {{trigger: exe_done, selector: match_map, task: {{t: local}}, select_param: {{match_key: router, match_value: far}}, job_param: {job}}}\n\
             \x20 done: {{trigger: exe_done, selector: except_map, task: {{t: print}},\n\
             \x20   select_param: {{except_key: router, except_value: done}},\n\
             \x20   job_param: {{print_key: [trigger_param/success, trigger_param/error, trigger_param/result]}}}}\n",
            address.port()
        );
        let runner_config = place.write(&format!("{name}-runner.yml"), &runner_config)?;
        let config = place.write(&format!("{name}.yml"), &config)?;
        let mut command = Command::new(place.program("herald-runner"));
        let mut runner = Program::start(command.arg("-config").arg(runner_config), "no line")?;
        runner.wait_for_port(runner_address)?;
        let mut command = Command::new(place.program("heraldd"));
        let mut daemon = Program::start(command.arg("-config").arg(config), ENDED)?;
        daemon.wait_for_answer(address)?;
        Ok(Self { daemon, runner, address })
    }

    /// One job: from just before the event is sent to the line that reports its success.
    pub(crate) fn job(&self, key: &str, limit: Duration) -> Result<Duration> {
        self.jobs(key, 1, limit)
    }

    /// So many jobs, of which each is caused by the end of the one before.
    fn jobs(&self, key: &str, count: usize, limit: Duration) -> Result<Duration> {
        let body = format!("{{\"{key}\":1}}");
        let started = Instant::now();
        let answer = post(self.address, "/", &body)?;
        ensure!(answer.starts_with("HTTP/1.1 200"), "the event was refused: {answer}");
        let mut took = Duration::ZERO;
        for _ in 0..count {
            let (ended, line) = self.daemon.line(limit)?;
            ensure!(line.contains("\"trigger_param/success\":true"), "the job failed: {line}");
            took = ended - started;
        }
        Ok(took)
    }
}

/// Measures the rows of this section.
pub(crate) fn measure(place: &Place, options: &Options) -> Result<Vec<Row>> {
    let count = options.pick(20, 400);
    let pair = Pair::start(place, "remote", "{cmd: /bin/true}")?;
    let (mut there, mut here, mut bare) = (Vec::new(), Vec::new(), Vec::new());
    let (mut far, mut near, mut two) = (Vec::new(), Vec::new(), Vec::new());
    let milliseconds = |time: Duration| time.as_secs_f64() * 1000.0;
    for _ in 0..count {
        there.push(milliseconds(pair.job("there", LIMIT)?));
        here.push(milliseconds(pair.job("here", LIMIT)?));
        let started = Instant::now();
        bare::true_once()?;
        bare.push(milliseconds(started.elapsed()));
        far.push(milliseconds(pair.jobs("far", 2, LIMIT)?));
        near.push(milliseconds(pair.jobs("near", 2, LIMIT)?));
        let started = Instant::now();
        bare::true_once()?;
        bare::true_once()?;
        two.push(milliseconds(started.elapsed()));
    }
    let against = |what: &str, samples: &[f64], share: f64, name: &'static str, bare: &[f64]| {
        Row::new(what, Unit::Milliseconds, Spread::one(quantile(samples, share)))
            .against(name, Spread::one(quantile(bare, share)))
    };
    let row =
        |what: &str, samples: &[f64], share| against(what, samples, share, "bare spawn and wait", &bare);
    let chain = |what: &str, samples: &[f64]| against(what, samples, 0.5, "two bare spawns", &two);
    Ok(vec![
        row("one remote job, event to end: p50", &there, 0.5),
        row("one remote job, event to end: p99", &there, 0.99),
        row("one local job, event to end: p50", &here, 0.5),
        row("one local job, event to end: p99", &here, 0.99),
        chain("remote job, then a local one: p50", &far).goal(Goal::Times(2.5)),
        chain("local job, then another one: p50", &near).goal(Goal::Times(1.8)),
    ])
}
