//! The processes: an origin, workers, Redis, and a proxy before it.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::process::Signal;

use super::super::load::{Clients, Sent};
use super::super::proxy::Proxy;
use super::super::random::Random;
use super::super::{rig, socket};
use super::pair::RedisPair;
use crate::place::{Place, free_port};
use crate::program::Program;
use crate::queue::redis::RedisAnswer;

/// The names of the workers and their leases.
pub(super) const WORKERS: [(&str, Duration); 3] =
    [("w1", Duration::from_secs(2)), ("w2", Duration::from_secs(2)), ("w3", Duration::from_secs(3))];
/// The router at the origin whose messages run again when they were lost.
pub(super) const AGAIN: &str = "work_again";
/// Time limit for a daemon to be ready: processes of the previous one can need some seconds to end.
const READY: Duration = Duration::from_secs(30);
/// How long each client waits before its next event.
const PACE: Duration = Duration::from_millis(100);

/// A heraldd that is started and ended repeatedly.
pub(super) struct QueueNode {
    name: &'static str,
    program: PathBuf,
    config: PathBuf,
    state: PathBuf,
    running: Option<Program>,
    is_stopped: bool,
}

/// All of them. Ended when dropped.
pub(super) struct Scene {
    /// Declared first: nobody posts to what is ended.
    clients: Option<Clients>,
    pub(super) origin: QueueNode,
    pub(super) workers: Vec<QueueNode>,
    pub(super) proxy: Proxy,
    pub(super) redis: RedisPair,
    /// The http trigger of the origin.
    address: SocketAddr,
    pub(super) sent: Arc<Sent>,
    /// The file with the starts of jobs.
    pub(super) evidence: PathBuf,
}

impl Scene {
    pub(super) fn start(place: &Place, random: &mut Random) -> Result<Self> {
        let folder = place.path("queue");
        fs::create_dir_all(&folder)?;
        let redis = RedisPair::start(&folder, random)?;
        let proxy = Proxy::start(redis.primary.address, random.below(u64::MAX))?;
        let (address, evidence) = (free_port()?, folder.join("starts"));
        let url = format!("redis://{}", proxy.address);
        let mut origin = QueueNode::new(place, &folder, "origin", &of_origin(&url, address))?;
        origin.start()?;
        let mut workers = Vec::new();
        for (name, lease) in WORKERS {
            let mut worker = QueueNode::new(place, &folder, name, &of_worker(&url, lease, &evidence)?)?;
            worker.start()?;
            workers.push(worker);
        }
        Ok(Self { clients: None, origin, workers, proxy, redis, address, sent: Arc::default(), evidence })
    }

    /// Begins to post events, where the origin runs.
    pub(super) fn post(&mut self) -> Result<()> {
        if let Some(origin) = &mut self.origin.running {
            origin.wait_for_port_within(self.address, READY)?;
            self.stop_posting();
            self.clients = Some(Clients::start_slow(self.address, &self.sent, PACE));
        }
        Ok(())
    }

    pub(super) fn stop_posting(&mut self) {
        self.clients.take().into_iter().for_each(Clients::stop);
    }

    /// What every process does, in words.
    pub(super) fn activity(&self) -> String {
        let mut all = vec![self.origin.activity("open")];
        all.extend(self.workers.iter().map(|worker| worker.activity("open")));
        all.push(match self.redis.primary.ask(&["DBSIZE"]) {
            Ok(RedisAnswer::Number(keys)) => format!("Redis {keys} keys"),
            _ => "Redis away".to_owned(),
        });
        format!("{} acknowledged, {}", self.sent.count(), all.join(", "))
    }
}

impl QueueNode {
    fn new(place: &Place, folder: &Path, name: &'static str, config: &str) -> Result<Self> {
        let (state, file) = (folder.join(name), folder.join(format!("{name}.yml")));
        let head = format!(
            "log: {{level: warn}}\nstate_dir: '{}'\nhistory: {{max_jobs: 100000000}}\n",
            state.display()
        );
        fs::write(&file, head + config)?;
        let program = place.program("heraldd");
        Ok(Self { name, program, config: file, state, running: None, is_stopped: false })
    }

    /// The control socket.
    pub(super) fn socket(&self) -> PathBuf {
        self.state.join("heraldd.sock")
    }

    /// Starts it and waits until it answers.
    pub(super) fn start(&mut self) -> Result<()> {
        let mut command = Command::new(&self.program);
        command.arg("-config").arg(&self.config).args(["-id", self.name]);
        let mut program = Program::start(&mut command, "no line")?;
        socket::wait_until_it_answers(&mut program, &self.socket()).with_context(|| self.name)?;
        self.running = Some(program);
        Ok(())
    }

    pub(super) fn kill(&mut self) -> Result<()> {
        if let Some(program) = self.running.take() {
            rig::end(program, Signal::KILL)?;
        }
        Ok(())
    }

    /// Stops it without ending it, or lets it go on.
    pub(super) fn signal(&mut self, signal: Signal) -> Result<()> {
        self.is_stopped = signal == Signal::STOP;
        self.running.as_mut().map_or(Ok(()), |program| program.signal(signal))
    }

    /// How many of its jobs have not ended.
    pub(super) fn open(&self) -> Result<usize> {
        let mut open = 0;
        for status in ["queued", "running"] {
            let (_, page) = socket::get(&self.socket(), &format!("/v1/jobs?limit=1000&status={status}"))?;
            open += page["items"].as_array().context("a page has items")?.len();
        }
        Ok(open)
    }

    fn activity(&self, what: &str) -> String {
        match (&self.running, self.is_stopped) {
            (None, _) => format!("{} away", self.name),
            (_, true) => format!("{} stopped", self.name),
            _ => match self.open() {
                Ok(open) => format!("{} {open} {what}", self.name),
                Err(error) => format!("{}: {error:#}", self.name),
            },
        }
    }

    /// Its last lines, under its name.
    pub(super) fn last_lines(&self) -> String {
        let lines = self.running.as_ref().map(Program::last_lines).unwrap_or_default();
        format!("{}:\n{lines}", self.name)
    }

    /// Waits until its jobs have ended. Returns false when for this time no fewer were open than before.
    pub(super) fn all_ended(&self, limit: Duration) -> Result<bool> {
        let (mut since, mut least) = (Instant::now(), usize::MAX);
        loop {
            let open = self.open()?;
            if open == 0 {
                return Ok(true);
            }
            if open < least {
                (since, least) = (Instant::now(), open);
            }
            if since.elapsed() > limit {
                return Ok(false);
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

fn queue_section(url: &str) -> String {
    format!("queue: {{main: {{url: '{url}', sign: for-the-length-of-a-crash-test}}}}\n")
}

/// Events in three topics: what runs at most once, what runs again when it was lost, and one lane of a key.
fn of_origin(url: &str, address: SocketAddr) -> String {
    format!(
        "{}trigger: {{events: {{type: http, port: {}}}}}\n\
         executor:\n\
         \x20 once: {{type: queue, queue: main, topic: once, wait: result}}\n\
         \x20 again: {{type: queue, queue: main, topic: again, wait: result}}\n\
         router:\n\
         \x20 work: {{trigger: events, selector: expr, task: {{k: once}},\n\
         \x20   select_param: {{expr: 'int(trigger_param.n) % 4 in [0, 2]'}}}}\n\
         \x20 {AGAIN}: {{trigger: events, selector: expr, task: {{k: again}},\n\
         \x20   select_param: {{expr: 'int(trigger_param.n) % 4 == 1 || int(trigger_param.n) % 16 in [3, 7]'}}}}\n\
         \x20 work_keyed: {{trigger: events, selector: expr, task: {{k: once}}, job_param: {{key: lane}},\n\
         \x20   select_param: {{expr: 'int(trigger_param.n) % 16 in [11, 15]'}}}}\n\
         \x20 done: {{trigger: exe_done, selector: expr, task: {{d: none}},\n\
         \x20   select_param: {{expr: \"trigger_param.router.startsWith('work')\"}}}}\n",
        queue_section(url),
        address.port()
    )
}

fn of_worker(url: &str, lease: Duration, evidence: &Path) -> Result<String> {
    let program = std::env::current_exe()?;
    let job = format!("{{cmd: '{}', arg: [queue-job, '{}']}}", program.display(), evidence.display());
    let again = "requeue: {on: lost, delay: 100ms, max: 1000}, max_deliveries: 1000";
    let common = format!("type: queue, queue: main, lease: {}ms", lease.as_millis());
    Ok(format!(
        "{}trigger:\n\
         \x20 once: {{{common}, topic: once, process: 6}}\n\
         \x20 again: {{{common}, topic: again, process: 6, {again}}}\n\
         executor: {{here: {{type: local}}}}\n\
         router:\n\
         \x20 run_once: {{trigger: once, selector: all, task: {{k: here}}, job_param: {job}}}\n\
         \x20 run_again: {{trigger: again, selector: all, task: {{k: here}}, job_param: {job}}}\n",
        queue_section(url)
    ))
}
