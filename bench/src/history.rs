//! Measures heraldd with a long history, and the recovery of a long queue.

use std::fmt::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use rustix::process::Signal;

use crate::crash::socket::get;
use crate::load::{Load, Until, run};
use crate::options::Options;
use crate::place::{Place, free_port};
use crate::program::{Program, request};
use crate::spread::Spread;
use crate::table::{Goal, Row, Unit};

/// The goals of the project: the first page and the recovery of 100,000 jobs, in milliseconds; and the dispatch rate
/// with a long history, as a share of the rate with a short one.
const PAGE: f64 = 20.0;
const TAKE_UP: f64 = 2000.0;
const SHARE: f64 = 0.95;
/// The number of requests for a page.
const PAGES: usize = 30;
/// Time limit for the history to catch up with the journal.
const LIMIT: Duration = Duration::from_secs(300);

/// Measures the rows of this section.
pub(crate) fn measure(place: &Place, options: &Options) -> Result<Vec<Row>> {
    let mut rows = long(place, options)?;
    rows.push(take_up(place, options)?);
    Ok(rows)
}

struct Daemon {
    program: Program,
    address: SocketAddr,
    config: std::path::PathBuf,
    socket: std::path::PathBuf,
}

impl Daemon {
    fn start(place: &Place, name: &str, more: &str) -> Result<Self> {
        let address = free_port()?;
        let mut text = format!("log: {{level: warn}}\nstate_dir: '@DIR@/{name}'\n");
        write!(text, "trigger: {{events: {{type: http, port: {}}}}}\n{more}\n", address.port())?;
        let config = place.write(&format!("{name}.yml"), &text)?;
        let program = Self::launch(place, &config)?;
        let socket = place.path(&format!("{name}/heraldd.sock"));
        let mut daemon = Self { program, address, config, socket };
        daemon.program.wait_for_port(address)?;
        Ok(daemon)
    }

    fn launch(place: &Place, config: &Path) -> Result<Program> {
        let mut command = Command::new(place.program("heraldd"));
        Program::start(command.arg("-config").arg(config), "no line")
    }

    fn load(&self, connections: usize, pipeline: usize) -> Load {
        let request = request(self.address, "/", r#"{"n":1}"#, false);
        Load { address: self.address, request, connections, pipeline }
    }
}

/// Time for the first page of the jobs, in milliseconds, including everything that was recorded before the request.
pub(crate) fn first_page(socket: &Path) -> Result<f64> {
    let began = Instant::now();
    loop {
        let asked = Instant::now();
        let (status, page) = get(socket, "/v1/jobs?limit=50")?;
        if status == 200 {
            ensure!(page["items"].as_array().is_some_and(|items| !items.is_empty()), "an empty page");
            return Ok(asked.elapsed().as_secs_f64() * 1000.0);
        }
        // It is still behind.
        ensure!(began.elapsed() < LIMIT, "the first page: {status} {page}");
    }
}

/// With a growing history: how fast events are accepted, and how long a page takes.
fn long(place: &Place, options: &Options) -> Result<Vec<Row>> {
    let many = options.pick(20_000, 1_000_000);
    let span = Until::Time(options.pick(Duration::from_millis(500), Duration::from_secs(5)));
    let daemon = Daemon::start(
        place,
        "history-state",
        "history: {max_jobs: 100000000}\nrouter: {r: {trigger: events, selector: all, task: {t: none}}}",
    )?;
    let rate = |daemon: &Daemon| -> Result<f64> {
        let answers = run(&daemon.load(64, 1), span)?;
        first_page(&daemon.socket)?;
        Ok(answers.rate())
    };
    let (mut short, mut long) = (Vec::new(), Vec::new());
    for _ in 0..options.runs {
        short.push(rate(&daemon)?);
    }
    let mut filled = 0;
    while filled < many {
        filled += run(&daemon.load(64, 16), Until::Count(many.min(100_000)))?.accepted;
        first_page(&daemon.socket)?;
    }
    for _ in 0..options.runs {
        long.push(rate(&daemon)?);
    }
    let pages: Vec<f64> = (0..PAGES).map(|_| first_page(&daemon.socket)).collect::<Result<_>>()?;
    Ok(vec![
        Row::new(format!("events/s with {many} jobs in the history"), Unit::PerSecond, Spread::of(&long))
            .against("with few", Spread::of(&short))
            .goal(Goal::Share(SHARE)),
        Row::new("the first page of jobs then", Unit::Milliseconds, Spread::of(&pages))
            .goal(Goal::AtMost(PAGE)),
        Row::new("heraldd's memory then", Unit::Mebibytes, Spread::one(daemon.program.memory()?)),
    ])
}

/// Time from the start of a process after a kill to the first accepted connection.
fn take_up(place: &Place, options: &Options) -> Result<Row> {
    let many = options.pick(2_000, 100_000);
    let more = "max_jobs: 1\nmax_queue: 1000000\nexecutor: {here: {type: local, work_dir: '@DIR@/take-up'}}\n\
                router: {r: {trigger: events, selector: all, task: {t: here}, job_param: {cmd: sleep, arg: 600}}}";
    let mut daemon = Daemon::start(place, "take-up-state", more)?;
    let answers = run(&daemon.load(64, 16), Until::Count(many))?;
    ensure!(answers.accepted >= many, "only {} of {many} events were accepted", answers.accepted);
    let mut times = Vec::new();
    for _ in 0..options.runs {
        // At once: the end of the journal is not in the history yet, the first time.
        daemon.program.signal(Signal::KILL)?;
        daemon.program.wait_end()?;
        daemon.program = Daemon::launch(place, &daemon.config)?;
        daemon.program.wait_for_port(daemon.address)?;
        times.push(daemon.program.started.elapsed().as_secs_f64() * 1000.0);
    }
    let what = format!("from start to ready, {many} jobs in the queue");
    Ok(Row::new(what, Unit::Milliseconds, Spread::of(&times)).goal(Goal::AtMost(TAKE_UP)))
}
