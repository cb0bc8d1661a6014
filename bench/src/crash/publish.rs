//! Publications from a real etcd, whose daemon is killed at random moments: afterwards the disk equals etcd, `afterCmd`
//! ran since the last swap, and no temporary file is left.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Result;
use rustix::process::Signal;

use super::random::Random;
use super::rig;
use super::socket;
use super::verdict::Verdict;
use crate::etcd::process::EtcdProcess;
use crate::place::Place;
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

struct PublishScene {
    heraldd: PathBuf,
    folder: PathBuf,
    config: PathBuf,
    etcd: EtcdProcess,
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
        let etcd = EtcdProcess::start(&place.path("etcd"))?;
        let config = place.write("heraldd.yml", &CONFIG.replace("ETCD", &etcd.address.to_string()))?;
        let (heraldd, folder) = (place.program("heraldd"), place.path(""));
        Ok(Self { heraldd, folder, config, etcd })
    }

    fn daemon(&self) -> Result<Program> {
        let mut command = Command::new(&self.heraldd);
        Program::start(command.arg("-config").arg(&self.config), "no line")
    }

    /// Writes all files in one transaction.
    fn put(&self, round: u64) -> Result<()> {
        let content = content(round);
        let puts: Vec<(String, &str)> =
            (0..FILES).map(|n| (format!("/w/h/p/config.d/f{n}"), content.as_str())).collect();
        self.etcd.put(&puts)?;
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
