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
    /// How large the files of a commit may be.
    pub git_limits: GitLimits,
}

/// How large the files of a commit may be. They are counted before anything is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GitLimits {
    /// `git_max_size`: all files together, in bytes.
    pub size: u64,
    /// `git_max_files`: files, links and folders.
    pub files: u64,
}

impl GitLimits {
    /// What `git_max_size` does, for the reference.
    pub const SIZE_DOC: &str =
        "How large all files of a commit may be together: a larger one is not written out.";
    /// What `git_max_files` does, for the reference.
    pub const FILES_DOC: &str =
        "How many files and folders a commit may have: one with more of them is not written out.";
    /// The most that `git_max_files` can be.
    pub const MOST_FILES: i64 = 1_000_000_000;
}

impl Default for GitLimits {
    fn default() -> Self {
        Self { size: 2 << 30, files: 1_000_000 }
    }
}

impl ExecSettings {
    /// The defaults: 1 MiB of each stream, 5 s between TERM and KILL, 10 min, 2 GiB and 1,000,000 files for Git, one
    /// folder for all jobs.
    pub fn new(work_dir: impl Into<PathBuf>) -> Self {
        Self {
            work_dir: work_dir.into(),
            run_dir: RunDir::Shared,
            output_limit: 1 << 20,
            kill_grace: Duration::from_secs(5),
            restrictions: Restrictions::default(),
            git_timeout: Duration::from_secs(600),
            git_limits: GitLimits::default(),
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
