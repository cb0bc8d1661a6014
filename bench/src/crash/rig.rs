//! A daemon that is started and ended repeatedly, with its folder.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;

use crate::crash::load::Sent;
use crate::place::{Place, free_port};
use crate::program::Program;

/// Time limit for a daemon to be ready: processes of the previous one can need some seconds to end.
const READY: Duration = Duration::from_secs(30);

/// The state that is kept over all rounds.
pub(crate) struct Rig {
    programs: PathBuf,
    /// The folder for everything that jobs and the daemon write, except the state.
    pub(crate) folder: PathBuf,
    /// The `state_dir`.
    pub(crate) state: PathBuf,
    /// The http trigger.
    pub(crate) address: SocketAddr,
    config: PathBuf,
    /// The events that were sent.
    pub(crate) sent: Arc<Sent>,
    /// The failpoint in the daemon's environment, if any.
    pub(crate) failpoint: Option<String>,
}

impl Rig {
    /// With local jobs; the state is in this folder, or in one of its own.
    pub(crate) fn local(place: &Place, name: &str, state: Option<&Path>) -> Result<Self> {
        let job = format!("cmd: '{}', arg: [job, '@HERE@/starts']", std::env::current_exe()?.display());
        Self::new(place, name, state, "{type: local, work_dir: '@HERE@/work'}", &job)
    }

    /// With jobs of this executor.
    pub(crate) fn new(
        place: &Place,
        name: &str,
        state: Option<&Path>,
        executor: &str,
        job: &str,
    ) -> Result<Self> {
        let folder = place.path(name);
        fs::create_dir_all(&folder)?;
        let state = state.map_or_else(|| folder.join("state"), Path::to_owned);
        let address = free_port()?;
        let text = format!(
            "log: {{level: warn}}\nstate_dir: '{}'\nshutdown_grace: 10s\nhistory: {{max_jobs: 100000000}}\n\
             trigger: {{events: {{type: http, port: {}}}}}\n\
             executor: {{here: {executor}}}\n\
             router:\n\
             \x20 work: {{trigger: events, selector: all, task: {{k: here}}, job_param: {{{job}}}}}\n\
             \x20 done: {{trigger: exe_done, selector: match_map, task: {{d: none}},\n\
             \x20   select_param: {{match_key: router, match_value: work}}}}\n",
            state.display(),
            address.port()
        );
        let config = folder.join("heraldd.yml");
        fs::write(&config, text.replace("@HERE@", &folder.display().to_string()))?;
        let programs = place.program("heraldd").parent().context("programs lie in a folder")?.to_owned();
        let sent = Arc::default();
        Ok(Self { programs, folder, state, address, config, sent, failpoint: None })
    }

    /// Uses the programs of another folder from now on.
    pub(crate) fn with_programs(mut self, programs: &Path) -> Self {
        programs.clone_into(&mut self.programs);
        self
    }

    /// The file with the starts of jobs.
    pub(crate) fn evidence(&self) -> PathBuf {
        self.folder.join("starts")
    }

    /// The control socket.
    pub(crate) fn socket(&self) -> PathBuf {
        self.state.join("heraldd.sock")
    }

    /// Starts the daemon, without waiting until it is ready.
    pub(crate) fn launch(&self) -> Result<Program> {
        let mut command = Command::new(self.programs.join("heraldd"));
        command.arg("-config").arg(&self.config);
        if let Some(failpoint) = &self.failpoint {
            command.env("HERALD_FAILPOINT", failpoint);
        }
        Program::start(&mut command, "no line")
    }

    /// Starts the daemon and waits until it accepts connections.
    pub(crate) fn start(&self) -> Result<Program> {
        let mut daemon = self.launch()?;
        daemon.wait_for_port_within(self.address, READY)?;
        Ok(daemon)
    }
}

/// Ends a program by this signal, and waits for its end.
pub(crate) fn end(mut program: Program, signal: Signal) -> Result<ExitStatus> {
    program.signal(signal)?;
    let status = program.wait_end()?;
    ensure!(
        signal != Signal::TERM || status.success(),
        "it ended with {status} after SIGTERM:\n{}",
        program.last_lines()
    );
    Ok(status)
}

/// Halts a program with SIGSTOP; it has halted when this returns.
pub(crate) fn halt(program: &mut Program) -> Result<()> {
    program.signal(Signal::STOP)?;
    let began = Instant::now();
    while !program.is_halted()? {
        ensure!(began.elapsed() < READY, "it did not halt");
        std::thread::sleep(Duration::from_micros(100));
    }
    Ok(())
}
