//! A configuration that was checked.

use std::path::PathBuf;
use std::time::Duration;

use herald_config::yaml::LocatedProblem;
use herald_exec::GitLimits;
use herald_log::LogSettings;
use herald_net::tls::ServerFiles;
use herald_wire::secret::Secrets;

use super::job::JobOptions;
use super::queue::RunnerQueue;

/// How long a whole request may take to arrive, at most: a little less than the 30 s that are promised, so that
/// the answer is there in time too.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(25);

/// Where the runner listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listen {
    /// `host` and `port`; none when only a socket was asked for.
    pub tcp: Option<(String, u16)>,
    /// `tls` of the TCP listener.
    pub tls: Option<ServerFiles>,
    /// `unix_socket`
    pub unix_socket: Option<PathBuf>,
    /// `unix_socket_mode`
    pub unix_socket_mode: u32,
}

/// A checked configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct RunnerConfig {
    /// `log_level`, `log_output` and `log_format`.
    pub log: LogSettings,
    /// Where to listen.
    pub listen: Listen,
    /// `secret`: the first one signs, all are accepted.
    pub secrets: Secrets,
    /// `queue`: where it takes jobs from besides.
    pub queue: Option<RunnerQueue>,
    /// `work_dir`
    pub work_dir: PathBuf,
    /// `run_dir`, `user` and `limits`
    pub job: JobOptions,
    /// `allow_v1`: whether version 1 of the wire is spoken.
    pub allow_v1: bool,
    /// `allow`: whether version 2.0 is spoken, whose requests do not name the runner that they are for.
    pub allow_unbound: bool,
    /// `max_body`: the longest request, in bytes.
    pub max_body: usize,
    /// `max_jobs`: how many jobs run at once.
    pub max_jobs: usize,
    /// `output_limit`: how much is kept of each output stream of a job, in bytes.
    pub output_limit: u64,
    /// `log_limit`: how much of a job's output a daemon can read while it runs, in bytes.
    pub log_limit: u64,
    /// `kill_grace`: between TERM and KILL.
    pub kill_grace: Duration,
    /// `git_timeout`: for one fetch.
    pub git_timeout: Duration,
    /// `git_max_size` and `git_max_files`: of one commit.
    pub git_limits: GitLimits,
    /// `keep_results`: how long the result of a job can be asked for again.
    pub keep_results: Duration,
    /// `shutdown_grace`: how long running jobs may go on after SIGTERM.
    pub shutdown_grace: Duration,
    /// `request_timeout`: how long a whole request may take to arrive.
    pub request_timeout: Duration,
    /// What is not wrong, and deserves to be said.
    pub warnings: Vec<String>,
    /// What prevents that on this machine.
    pub probed: Vec<LocatedProblem>,
}

impl RunnerConfig {
    /// Whether only secrets, warnings and what this machine has differ.
    #[must_use]
    pub fn same_but_secrets(&self, other: &Self) -> bool {
        let Self { secrets, warnings, probed, .. } = other.clone();
        Self { secrets, warnings, probed, ..self.clone() } == *other
    }
}
