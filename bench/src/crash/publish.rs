//! Publications from a real etcd, whose daemon is killed at random moments: afterwards the disk equals etcd, `afterCmd`
//! ran since the last swap, and no temporary file is left.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;

use super::random::Random;
use super::rig;
use super::socket;
use super::verdict::Verdict;
use crate::place::{Place, free_port};
use crate::program::Program;

/// Files of the project.
const FILES: usize = 50;
/// Lines of each, so that a cut one is seen.
const LINES: usize = 500;
/// How long a start may take until everything is as in etcd.
const PATIENCE: Duration = Duration::from_secs(30);

const CONFIG: &str = "
state_dir: '@DIR@/state'
etcd: {main: {endpoints: ['http://ETCD']}}
trigger: {projects: {type: etcd, etcd: main, prefix: /w, layout: projects, host: h, settle: 1ms}}
executor: {files: {type: publish, etcd: main, policy: {p: {deployPath: '@DIR@/site', afterCmd: 'head -n 1 @DIR@/site/f0 >>@DIR@/after'}}}}
router: {r: {trigger: projects, selector: all, task: {p: files}, policy: {concurrency: {limit: 1, key: trigger_param/project, on_full: replace}}}}
";

/// Why this kind cannot run here.
pub(crate) fn not_here() -> Option<String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_there = |name: &str| std::env::split_paths(&path).any(|folder| folder.join(name).exists());
    let missing = ["etcd", "etcdctl"].into_iter().find(|name| !is_there(name))?;
    Some(format!("{missing} is not installed"))
}

struct PublishScene {
    heraldd: PathBuf,
    folder: PathBuf,
    config: PathBuf,
    address: SocketAddr,
    /// Ended when dropped.
    _etcd: Program,
}

/// Kills the daemon while it publishes.
pub(crate) fn publish(place: &Place, rounds: u64, random: &mut Random) -> Result<Verdict> {
    let scene = PublishScene::start(place)?;
    let mut lost = Vec::new();
    let mut daemon = scene.daemon()?;
    for round in 0..rounds {
        scene.put(round)?;
        std::thread::sleep(random.millis(0, 120));
        rig::end(daemon, Signal::KILL)?;
        daemon = scene.daemon()?;
        if let Some(wrong) = scene.wait(round) {
            lost.push(format!("round {round}: {wrong}"));
        }
    }
    // The one before may have published everything: this one may just have been started.
    socket::wait_until_it_answers(&mut daemon, &place.path("state/heraldd.sock"))?;
    rig::end(daemon, Signal::TERM)?;
    Ok(Verdict { rounds, acknowledged: rounds * FILES as u64, marked: 0, lost, repeated: Vec::new() })
}

impl PublishScene {
    fn start(place: &Place) -> Result<Self> {
        let (address, peer) = (free_port()?, free_port()?);
        let mut command = Command::new("etcd");
        command.arg("--data-dir").arg(place.path("etcd"));
        let (url, peer) = (format!("http://{address}"), format!("http://{peer}"));
        command.args(["--listen-client-urls", &url, "--advertise-client-urls", &url]);
        command.args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer]);
        command.args(["--initial-cluster", &format!("default={peer}")]);
        let mut etcd = Program::start(&mut command, "no line")?;
        etcd.wait_for_port(address)?;
        let config = place.write("heraldd.yml", &CONFIG.replace("ETCD", &address.to_string()))?;
        let (heraldd, folder) = (place.program("heraldd"), place.path(""));
        Ok(Self { heraldd, folder, config, address, _etcd: etcd })
    }

    fn daemon(&self) -> Result<Program> {
        let mut command = Command::new(&self.heraldd);
        Program::start(command.arg("-config").arg(&self.config), "no line")
    }

    /// Writes all files in one transaction.
    fn put(&self, round: u64) -> Result<()> {
        let content = content(round).replace('\n', "\\n");
        let puts = (0..FILES).map(|n| format!("put /w/h/p/config.d/f{n} \"{content}\"\n"));
        let script = self.folder.join("txn");
        fs::write(&script, format!("\n{}\n\n", puts.collect::<String>()))?;
        let mut command = Command::new("etcdctl");
        command.env("ETCDCTL_API", "3").args(["--endpoints", &self.address.to_string(), "txn"]);
        let output = command.stdin(fs::File::open(script)?).output().context("etcdctl")?;
        let said = String::from_utf8_lossy(&output.stdout);
        ensure!(output.status.success() && said.contains("SUCCESS"), "etcdctl txn: {output:?}");
        Ok(())
    }

    /// What is wrong when everything should be as in etcd.
    fn wait(&self, round: u64) -> Option<String> {
        let began = Instant::now();
        loop {
            let wrong = self.wrong(round);
            if wrong.is_none() || began.elapsed() > PATIENCE {
                return wrong;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn wrong(&self, round: u64) -> Option<String> {
        let (site, content) = (self.folder.join("site"), content(round));
        let differs = |n: &usize| {
            fs::read_to_string(site.join(format!("f{n}"))).ok().as_deref() != Some(content.as_str())
        };
        if let Some(n) = (0..FILES).find(differs) {
            return Some(format!("f{n} is not as in etcd"));
        }
        let after = fs::read_to_string(self.folder.join("after")).unwrap_or_default();
        if after.lines().last() != content.lines().next() {
            return Some("afterCmd did not run since the last swap".to_owned());
        }
        leftover(&site).map(|name| format!("{name} is left"))
    }
}

fn content(round: u64) -> String {
    format!("{round}\n").repeat(LINES)
}

/// A temporary file.
fn leftover(site: &Path) -> Option<String> {
    let names = fs::read_dir(site).into_iter().flatten().flatten();
    let mut names = names.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.find(|name| name.starts_with('.'))
}
