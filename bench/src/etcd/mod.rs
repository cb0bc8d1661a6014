//! Files from etcd: the first sync of many keys, a start without changes, and one changed key.

pub(crate) mod process;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use herald_base::clock::{Clock as _, SystemClock};

use crate::crash::socket;
use crate::options::Options;
use crate::place::Place;
use crate::program::Program;
use crate::spread::{Spread, quantile};
use crate::table::{Goal, Row, Unit};
use process::EtcdProcess;

const PROJECTS: usize = 10;
const VALUE: usize = 1024;
/// How many files the bare loop writes at once.
const AT_ONCE: usize = 16;
/// How long a change waits for others.
const SETTLE: Duration = Duration::from_millis(10);
const LIMIT: Duration = Duration::from_secs(120);
/// The goals of the project: times the bare loop; MiB; milliseconds of a start; milliseconds over `settle`.
const TIMES: f64 = 1.5;
const MEMORY: f64 = 64.0;
const START: f64 = 3000.0;
const CHANGE: f64 = 50.0;

const CONFIG: &str = "
state_dir: '@DIR@/state'
etcd: {main: {endpoints: ['http://ETCD']}}
trigger: {projects: {type: etcd, etcd: main, prefix: /w, layout: projects, host: h, settle: SETTLE}}
executor:
  files:
    type: publish
    etcd: main
    policy:
      changed: {deployPath: '@DIR@/sites/changed', afterCmd: 'date +%s%3N >>@DIR@/after'}
      '*': {deployPath: '@DIR@/sites/{{ trigger_param.project }}'}
router: {r: {trigger: projects, selector: all, task: {p: files}}}
";

/// Measures the rows of this section.
pub(crate) fn measure(place: &Place, options: &Options) -> Result<Vec<Row>> {
    if let Some(why) = process::not_here() {
        eprintln!("publications from etcd are not measured: {why}");
        return Ok(Vec::new());
    }
    let keys = options.pick(500, 10_000);
    let (mut sync, mut bare, mut memory, mut start) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut last = None;
    for _ in 0..options.runs {
        let scene = EtcdScene::fill(place, keys)?;
        bare.push(milliseconds(scene.bare_loop()?));
        let (daemon, took) = scene.until_in_sync()?;
        ensure!(scene.files()?.len() == keys, "not all of {keys} files are there");
        sync.push(milliseconds(took));
        memory.push(daemon.peak()?);
        drop(daemon);
        let before = scene.files()?;
        let (daemon, took) = scene.until_in_sync()?;
        ensure!(scene.files()? == before, "a start without changes wrote files");
        start.push(milliseconds(took));
        last = Some((scene, daemon));
    }
    let (scene, _daemon) = last.context("it was measured")?;
    let changes = scene.changes(options.pick(10, 200))?;
    Ok(vec![
        Row::new(
            format!("first sync of {keys} keys in {PROJECTS} projects"),
            Unit::Milliseconds,
            Spread::of(&sync),
        )
        .against("read and write with fsync, 16 at a time", Spread::of(&bare))
        .goal(Goal::Times(TIMES)),
        Row::new(format!("heraldd's memory at its peak, {keys} keys"), Unit::Mebibytes, Spread::of(&memory))
            .goal(Goal::AtMost(MEMORY)),
        Row::new("start to in sync, nothing changed", Unit::Milliseconds, Spread::of(&start))
            .goal(Goal::AtMost(START)),
        Row::new(
            "a changed key to afterCmd over settle, p99",
            Unit::Milliseconds,
            Spread::one(quantile(&changes, 0.99)),
        )
        .goal(Goal::AtMost(CHANGE)),
    ])
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

struct EtcdScene {
    heraldd: PathBuf,
    config: PathBuf,
    folder: tempfile::TempDir,
    etcd: EtcdProcess,
}

impl EtcdScene {
    fn fill(place: &Place, keys: usize) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("etcd-").tempdir_in(place.path(""))?;
        let etcd = EtcdProcess::start(&folder.path().join("etcd"))?;
        let value = "x".repeat(VALUE);
        let key = |n: usize| format!("/w/h/p{}/config.d/f{n}", n % PROJECTS);
        etcd.put(&(0..keys).map(|n| (key(n), value.as_str())).collect::<Vec<_>>())?;
        let text = CONFIG
            .replace("@DIR@", &folder.path().display().to_string())
            .replace("ETCD", &etcd.address.to_string())
            .replace("SETTLE", &format!("{}ms", SETTLE.as_millis()));
        let config = folder.path().join("heraldd.yml");
        fs::write(&config, text)?;
        Ok(Self { heraldd: place.program("heraldd"), config, folder, etcd })
    }

    /// Reads all keys, and writes a file for each: temporary file, fsync, rename.
    fn bare_loop(&self) -> Result<Duration> {
        let target = self.folder.path().join("bare");
        let started = Instant::now();
        let pairs = self.etcd.get("/w/h/")?;
        for n in 0..PROJECTS {
            fs::create_dir_all(target.join(format!("p{n}")))?;
        }
        let next = AtomicUsize::new(0);
        let write = |(key, value): &(String, String)| -> Result<()> {
            let (project, name) =
                key.trim_start_matches("/w/h/").split_once("/config.d/").context("a file")?;
            let path = target.join(project).join(name);
            let temporary = path.with_extension("new");
            let mut file = File::create(&temporary)?;
            file.write_all(value.as_bytes())?;
            file.sync_all()?;
            Ok(fs::rename(temporary, path)?)
        };
        std::thread::scope(|scope| {
            let workers: Vec<_> = (0..AT_ONCE)
                .map(|_| {
                    scope.spawn(|| {
                        while let Some(pair) = pairs.get(next.fetch_add(1, Ordering::Relaxed)) {
                            write(pair)?;
                        }
                        Ok::<(), anyhow::Error>(())
                    })
                })
                .collect();
            workers.into_iter().try_for_each(|worker| worker.join().unwrap_or(Ok(())))
        })?;
        Ok(started.elapsed())
    }

    /// Starts a daemon, and waits until all projects are in sync.
    fn until_in_sync(&self) -> Result<(Program, Duration)> {
        let mut command = Command::new(&self.heraldd);
        let mut daemon = Program::start(command.arg("-config").arg(&self.config), "no line")?;
        let started = daemon.started;
        let socket = self.folder.path().join("state/heraldd.sock");
        while !is_in_sync(&socket) {
            ensure!(!daemon.has_ended()?, "heraldd ended:\n{}", daemon.last_lines());
            ensure!(started.elapsed() < LIMIT, "not in sync in time:\n{}", daemon.last_lines());
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok((daemon, started.elapsed()))
    }

    /// The files that are published, and when each was last changed, in nanoseconds.
    fn files(&self) -> Result<BTreeMap<PathBuf, (i64, i64)>> {
        let mut files = BTreeMap::new();
        for project in fs::read_dir(self.folder.path().join("sites"))? {
            for file in fs::read_dir(project?.path())? {
                let file = file?;
                let metadata = file.metadata()?;
                files.insert(file.path(), (metadata.mtime(), metadata.mtime_nsec()));
            }
        }
        Ok(files)
    }

    /// Changes one key so often: milliseconds from just before the put to the start of `afterCmd`, without `settle`.
    fn changes(&self, count: usize) -> Result<Vec<f64>> {
        let log = self.folder.path().join("after");
        let mut times = Vec::new();
        for n in 0..=count {
            let put = SystemClock.unix_millis();
            self.etcd.put_at_once("/w/h/changed/config.d/f", &format!("{n}"))?;
            let asked = Instant::now();
            let line = loop {
                let text = fs::read_to_string(&log).unwrap_or_default();
                if let Some(line) = text.lines().nth(n).filter(|_| text.ends_with('\n')) {
                    break line.to_owned();
                }
                ensure!(asked.elapsed() < LIMIT, "afterCmd did not run");
                std::thread::sleep(Duration::from_micros(200));
            };
            let after = line.parse::<i64>()?;
            // The first one makes the project.
            if n > 0 {
                let took = Duration::from_millis(u64::try_from(after - put).unwrap_or(0));
                times.push(milliseconds(took.saturating_sub(SETTLE)));
            }
        }
        Ok(times)
    }
}

fn is_in_sync(socket: &Path) -> bool {
    let Ok((200, published)) = socket::get(socket, "/v1/published") else { return false };
    let Some(items) = published["items"].as_array() else { return false };
    items.len() >= PROJECTS && items.iter().all(|item| item["state"] == "in_sync")
}
