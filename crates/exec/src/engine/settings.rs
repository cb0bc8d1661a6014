//! How an engine works.

use std::path::PathBuf;
use std::time::Duration;

use crate::process::program::Restrictions;

/// How an engine works.
#[derive(Debug, Clone)]
pub struct ExecSettings {
    /// Holds `run` (the current directory of jobs), `gitrepo` (mirrors) and `tmp` (checkouts, parameter files, and the
    /// folders of jobs that have their own).
    pub work_dir: PathBuf,
    /// Which current directory jobs have.
    pub run_dir: RunDir,
    /// How many bytes of each output stream are kept; a job's own `output_limit` wins.
    pub output_limit: u64,
    /// The time between TERM and KILL.
    pub kill_grace: Duration,
    /// Whose jobs they are, and what each of them may use.
    pub restrictions: Restrictions,
    /// How long a Git checkout may take; a job's `timeout` may cut it shorter.
    pub git_timeout: Duration,
}

impl ExecSettings {
    /// The defaults: 1 MiB of each stream, 5 s between TERM and KILL, 10 min for Git, one folder for all jobs.
    pub fn new(work_dir: impl Into<PathBuf>) -> Self {
        Self {
            work_dir: work_dir.into(),
            run_dir: RunDir::Shared,
            output_limit: 1 << 20,
            kill_grace: Duration::from_secs(5),
            restrictions: Restrictions::default(),
            git_timeout: Duration::from_secs(600),
        }
    }
}

/// The current directory of jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunDir {
    /// `<work_dir>/run` for all of them.
    Shared,
    /// For each job a folder of its own, removed after it.
    Job,
}

impl RunDir {
    /// The texts of [`Self::named`].
    pub const NAMES: [&str; 2] = ["shared", "job"];
    /// What the option does, for the reference.
    pub const DOC: &str = "The current directory of jobs: `shared` is `<work_dir>/run` for all of them, `job` a folder \
        of its own for each job, which is removed when the job has ended and its result files were sent.";

    /// `shared` or `job`.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "shared" => Some(Self::Shared),
            "job" => Some(Self::Job),
            _ => None,
        }
    }
}
