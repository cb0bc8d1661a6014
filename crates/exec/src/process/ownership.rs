//! How this process owns what its jobs start. The programs of Herald call this; without it jobs are found by their
//! process group, their mark and their brand alone.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use rustix::process::{Pid, getpid, set_child_subreaper};

use super::cgroup::{self, Cgroups, JobGroup};
use super::children;
use super::environment::PASSED;
use super::group::{MARK, Mark};
use super::limits::{JobLimits, LimitError};
use crate::scratch::orphans;

/// How much sooner than this process its jobs are chosen when memory runs out.
const OOM_ABOVE: i32 = 200;
const OOM_MOST: i32 = 1000;

static OWNERSHIP: OnceLock<Ownership> = OnceLock::new();

#[derive(Debug)]
struct Ownership {
    cgroups: Option<Arc<Cgroups>>,
    /// Whether groups count memory.
    has_memory: AtomicBool,
    /// What is written for each job.
    oom_score: Option<String>,
}

/// Keeps the memory and the environment of this process from its jobs. To be called before there is a second thread.
pub fn hide() {
    // A process of the same user could read either, or trace this one.
    let hidden = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
    debug_assert!(hidden.is_ok(), "{hidden:?}");
    let shown: Vec<&str> = PASSED.into_iter().chain([MARK]).collect();
    herald_spawn::hide_environment(&shown);
}

/// From now on each job runs in a cgroup of its own, where that is possible; else this process adopts what jobs leave
/// behind. Blocks.
pub fn start() {
    let read = |file| std::fs::read_to_string(file).unwrap_or_default();
    start_in(cgroup::find(&read("/proc/self/mountinfo"), &read("/proc/self/cgroup")));
}

/// As [`start`], with this folder as the cgroup of this process. Blocks.
pub fn start_in(group: Option<PathBuf>) {
    OWNERSHIP.get_or_init(|| {
        let cgroups = group.and_then(|base| {
            let at = base.display().to_string();
            let opened = Cgroups::open(base, Mark::new().owner());
            opened
                .inspect_err(|error| tracing::info!(cgroup = at, %error, "jobs have no cgroups of their own"))
                .ok()
        });
        if cgroups.is_none()
            && let Err(error) = set_child_subreaper(Some(getpid()))
        {
            tracing::warn!(%error, "cannot adopt what jobs leave behind");
        }
        let own = std::fs::read_to_string("/proc/self/oom_score_adj").unwrap_or_default();
        let own: Option<i32> = own.trim().parse().ok();
        let oom_score = own.map(|own| (own + OOM_ABOVE).min(OOM_MOST).to_string());
        Ownership { cgroups: cgroups.map(Arc::new), has_memory: AtomicBool::new(false), oom_score }
    });
}

/// Ends what processes that are dead left running in their cgroups. Blocks, for a few seconds at most.
pub fn end_leftovers() {
    let Some(cgroups) = cgroups() else { return };
    for group in cgroups.of_dead() {
        let ended = orphans::end_group(&group);
        if ended > 0 {
            tracing::warn!(ended, "killed orphaned job processes of a previous run");
        }
    }
}

/// Reaps children that this process did not start, for as long as it runs: orphans come to PID 1 of a container.
pub async fn reap() {
    if let Err(error) = children::reap_orphans().await {
        tracing::warn!(%error, "orphans cannot be reaped");
    }
}

/// Whether jobs can have these limits; from then on they can. Blocks.
///
/// # Errors
/// [`LimitError`] says what is missing.
pub fn require(limits: &JobLimits) -> Result<(), LimitError> {
    let Some(ownership) = OWNERSHIP.get() else { return Ok(()) };
    let needed = limits.controllers();
    if needed.is_empty() {
        return Ok(());
    }
    let missing = match &ownership.cgroups {
        Some(cgroups) => cgroups.enable(&needed).err().unwrap_or_default(),
        None => needed.iter().map(|name| (*name).to_owned()).collect(),
    };
    if needed.contains(&"memory") {
        ownership.has_memory.store(!missing.iter().any(|name| name == "memory"), Ordering::Relaxed);
    }
    // Without its controller memory is limited for each process.
    let missing: Vec<String> = missing.into_iter().filter(|name| name != "memory").collect();
    if missing.is_empty() { Ok(()) } else { Err(LimitError::Controllers(missing)) }
}

/// Gives the cgroups back at a clean end. Blocks.
pub fn leave() {
    if let Some(cgroups) = cgroups() {
        cgroups.leave();
    }
}

/// The cgroup of the next job, where there is one.
pub(crate) fn group(limits: &JobLimits) -> std::io::Result<Option<Arc<JobGroup>>> {
    let Some(cgroups) = cgroups() else { return Ok(None) };
    match cgroups.group(&limits.files(has_memory())) {
        Ok(group) => Ok(Some(Arc::new(group))),
        Err(error) if limits.controllers().is_empty() => {
            tracing::warn!(%error, "a job runs without a cgroup of its own");
            Ok(None)
        }
        // Never without its limits.
        Err(error) => Err(error),
    }
}

/// Whether groups limit memory.
pub(crate) fn has_memory() -> bool {
    OWNERSHIP.get().is_some_and(|ownership| ownership.has_memory.load(Ordering::Relaxed))
}

/// The folder of all cgroups of this process.
pub(crate) fn folder() -> Option<PathBuf> {
    cgroups().map(|cgroups| cgroups.path().to_owned())
}

/// Makes a job the one that is ended when memory runs out, before this process.
pub(crate) fn prefer_when_memory_runs_out(pid: Pid) {
    if let Some(score) = OWNERSHIP.get().and_then(|ownership| ownership.oom_score.as_ref()) {
        // It may have ended already.
        let _ = std::fs::write(format!("/proc/{}/oom_score_adj", pid.as_raw_nonzero()), score);
    }
}

fn cgroups() -> Option<&'static Arc<Cgroups>> {
    OWNERSHIP.get()?.cgroups.as_ref()
}
