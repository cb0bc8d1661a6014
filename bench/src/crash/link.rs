//! Kills the runner, and cuts the connection to it, at random moments while jobs with files run.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;

use super::evidence;
use super::load::Clients;
use super::proxy::Proxy;
use super::random::Random;
use super::rig::{self, Rig};
use super::verdict::{self, Verdict};
use crate::place::{Place, free_port};
use crate::program::Program;

/// Time limit for a daemon to reach a failpoint of a remote job.
const REMOTE: Duration = Duration::from_millis(400);
const SECRET: &str = "for-the-length-of-a-crash-test";

/// A rig whose jobs run on a runner and return files.
struct Remote {
    rig: Rig,
    runner: SocketAddr,
    config: std::path::PathBuf,
    program: std::path::PathBuf,
}

impl Remote {
    /// `through`: the address that the daemon connects to, if it is not the runner's.
    fn new(place: &Place, name: &str, runner: SocketAddr, through: SocketAddr) -> Result<Self> {
        let executor = format!(
            "{{type: http_remote, host: 'http://{through}/', secret: {SECRET}, data_dir: '@HERE@/data', rejoin: 20s}}"
        );
        let job = format!(
            "cmd: '{}', arg: [job, '@HERE@/starts', '@HERE@/files']",
            std::env::current_exe()?.display()
        );
        let rig = Rig::new(place, name, None, &executor, &job)?;
        fs::create_dir_all(rig.folder.join("files"))?;
        let config = rig.folder.join("runner.yml");
        fs::write(
            &config,
            format!(
                "log_level: warn\nport: {}\nsecret: {SECRET}\nwork_dir: '{}'\n",
                runner.port(),
                rig.folder.join("runner").display()
            ),
        )?;
        Ok(Self { rig, runner, config, program: place.program("herald-runner") })
    }

    fn start_runner(&self) -> Result<Program> {
        let mut command = Command::new(&self.program);
        let mut runner = Program::start(command.arg("-config").arg(&self.config), "no line")?;
        runner.wait_for_port(self.runner)?;
        Ok(runner)
    }

    /// Result files that arrived are complete, each under its own name.
    fn check_files(&self) -> Result<u64> {
        let data = self.rig.folder.join("data");
        let mut whole = 0;
        for entry in fs::read_dir(&data).into_iter().flatten() {
            let folder = entry?.path();
            let id = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
            if id.starts_with('.') {
                continue;
            }
            for name in ["first", "second"] {
                let mut files = fs::read_dir(folder.join(name)).with_context(|| format!("{id}/{name}"))?;
                let file = files.next().with_context(|| format!("{id}/{name} is empty"))??.path();
                ensure!(fs::read(&file)? == evidence::content(&id, name), "{} is incomplete", file.display());
                whole += 1;
            }
        }
        Ok(whole)
    }

    /// Some load without faults, so that some files arrive in any case.
    fn calm(&self) {
        let clients = Clients::start(self.rig.address, &self.rig.sent);
        std::thread::sleep(Duration::from_millis(200));
        clients.stop();
    }

    fn reach(&self, rounds: u64) -> Result<Verdict> {
        let verdict = verdict::reach(&self.rig, rounds)?;
        let whole = self.check_files()?;
        ensure!(whole > 0, "no file arrived");
        Ok(verdict)
    }
}

/// The runner is killed, and started again.
pub(crate) fn runner(place: &Place, rounds: u64, random: &mut Random) -> Result<Verdict> {
    let address = free_port()?;
    let remote = Remote::new(place, "runner", address, address)?;
    let daemon = remote.rig.start()?;
    for round in 0..rounds {
        let runner = remote.start_runner()?;
        let clients = Clients::start(remote.rig.address, &remote.rig.sent);
        std::thread::sleep(random.millis(0, 120));
        clients.stop();
        // Jobs are under way, files too.
        std::thread::sleep(random.millis(0, 30));
        rig::end(runner, Signal::KILL)?;
        super::kill::progress("runner", round, rounds, &remote.rig);
    }
    let _runner = remote.start_runner()?;
    remote.calm();
    rig::end(daemon, Signal::TERM)?;
    remote.reach(rounds)
}

/// Every connection is cut after a random number of bytes, in either direction.
pub(crate) fn link(place: &Place, rounds: u64, random: &mut Random) -> Result<Verdict> {
    let address = free_port()?;
    let proxy = Proxy::start(address, random.below(u64::MAX))?;
    let remote = Remote::new(place, "link", address, proxy.address)?;
    let _runner = remote.start_runner()?;
    let daemon = remote.rig.start()?;
    for round in 0..rounds {
        // From within the head of a request to past both files.
        let most = [400, 4_000, 400_000][usize::try_from(random.below(3))?];
        proxy.cut_after(1 + random.below(most));
        let clients = Clients::start(remote.rig.address, &remote.rig.sent);
        std::thread::sleep(random.millis(20, 80));
        clients.stop();
        super::kill::progress("link", round, rounds, &remote.rig);
    }
    proxy.cut_after(u64::MAX);
    remote.calm();
    rig::end(daemon, Signal::TERM)?;
    remote.reach(rounds)
}

/// The daemon ends itself at the failpoints of a remote job and its files; the runner keeps running.
pub(crate) fn failpoints(place: &Place, rounds: u64, programs: &Path, names: &[String]) -> Result<Verdict> {
    let address = free_port()?;
    let mut remote = Remote::new(place, "remote-failpoint", address, address)?;
    remote.rig = remote.rig.with_programs(programs);
    let _runner = remote.start_runner()?;
    let swept = super::kill::sweep(&mut remote.rig, rounds, (REMOTE, names))?;
    remote.reach(swept)
}
