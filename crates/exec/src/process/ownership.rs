//! How this process owns what its jobs start. The programs of Herald call this; without it jobs are found by their
//! process group, their mark and their brand alone.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use herald_base::private_file::open_private;
use rustix::process::{Pid, getpid, set_child_subreaper};

use super::cgroup::{self, Cgroups, DeadGroup, JobGroup, is_group_of_herald};
use super::children;
use super::environment::PASSED;
use super::group::{MARK, Mark};
use super::limits::{JobLimits, LimitError};
use crate::scratch::orphans;

/// How much sooner than this process its jobs are chosen when memory runs out.
const OOM_ABOVE: i32 = 200;
const OOM_MOST: i32 = 1000;

/// The file in the folder of a program that names its cgroup.
const RECORD: &str = "cgroup";

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
    start_in(own_group());
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

/// Ends what the process before this one that had this folder left running in its cgroups, and records those of this
/// one there. Others that are dead may have used another folder: their successor ends what they left. To be called once
/// the folder is locked. Blocks, for a few seconds at most.
pub fn end_leftovers(folder: &Path) {
    let Some(cgroups) = cgroups() else { return };
    end_leftovers_of(&folder.join(RECORD), cgroups.path());
}

/// Readable by this user alone, as everything beside it.
fn write(record: &Path, own: &Path) -> std::io::Result<()> {
    let mut file = open_private(record)?;
    file.set_len(0)?;
    file.write_all(own.as_os_str().as_encoded_bytes())
}

fn end_leftovers_of(record: &Path, own: &Path) {
    // It is the name of one folder; without it there is nothing to end.
    let before = std::fs::read_to_string(record).ok().map(PathBuf::from);
    let dead = before.filter(|path| path != own && is_group_of_herald(path)).and_then(DeadGroup::of);
    let ended = dead.map_or(0, |group| orphans::end_group(&group));
    if ended > 0 {
        tracing::warn!(ended, "killed orphaned job processes of a previous run");
    }
    if let Err(error) = write(record, own) {
        tracing::warn!(path = %record.display(), %error, "cannot record the own cgroup");
    }
}

/// Reaps children that this process did not start, for as long as it runs: orphans come to PID 1 of a container.
pub async fn reap() {
    let adopts = cgroups().is_none() || getpid().is_init();
    if let Err(error) = children::reap_orphans(adopts).await {
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

/// What of these limits jobs would not have that this process starts from where it is. It looks, and changes nothing.
/// Blocks.
#[must_use]
pub fn unavailable(limits: &JobLimits) -> Vec<LimitError> {
    unavailable_in(own_group().as_deref(), limits)
}

fn unavailable_in(base: Option<&Path>, limits: &JobLimits) -> Vec<LimitError> {
    let needed = limits.controllers();
    let missing: Vec<&str> = match base {
        Some(base) => cgroup::missing(base, &needed),
        None => needed,
    };
    let (memory, others): (Vec<&str>, Vec<&str>) = missing.into_iter().partition(|name| *name == "memory");
    let others: Vec<String> = others.into_iter().map(str::to_owned).collect();
    let refused = (!others.is_empty()).then_some(LimitError::Controllers(others));
    let weaker = (!memory.is_empty()).then_some(LimitError::EachProcess);
    refused.into_iter().chain(weaker).chain(limits.too_many_files().map(LimitError::OpenFiles)).collect()
}

/// The cgroup that this process is in.
fn own_group() -> Option<PathBuf> {
    let read = |file| std::fs::read_to_string(file).unwrap_or_default();
    cgroup::find(&read("/proc/self/mountinfo"), &read("/proc/self/cgroup"))
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

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::process::{Child, Command};

    use super::*;

    /// A process in a folder like that of a cgroup.
    #[expect(clippy::disallowed_methods, reason = "the process that the test is about")]
    fn process_in(group: &Path) -> Child {
        let child = Command::new("sleep").arg("60").spawn().unwrap();
        std::fs::create_dir(group).unwrap();
        std::fs::write(group.join("cgroup.procs"), child.id().to_string()).unwrap();
        child
    }

    #[test]
    fn only_what_the_same_folder_left_is_ended() {
        let base = tempfile::tempdir().unwrap();
        let (work, other) = (tempfile::tempdir().unwrap(), base.path().join("herald-2"));
        let mut ours = process_in(&base.path().join("herald-1"));
        let mut others = process_in(&other);
        let record = work.path().join(RECORD);
        // Nothing is recorded yet.
        end_leftovers_of(&record, &base.path().join("herald-1"));
        assert!(ours.try_wait().unwrap().is_none() && others.try_wait().unwrap().is_none());
        let procs = base.path().join("herald-1/cgroup.procs");
        let reaped = std::thread::spawn(move || {
            let ended = ours.wait().unwrap();
            // As the kernel does.
            std::fs::remove_file(procs).unwrap();
            ended
        });
        end_leftovers_of(&record, &base.path().join("herald-3"));
        assert!(!reaped.join().unwrap().success(), "it was killed");
        assert!(others.try_wait().unwrap().is_none(), "it belongs to another folder");
        assert_eq!(std::fs::metadata(&record).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(
            std::fs::read_to_string(&record).unwrap(),
            base.path().join("herald-3").display().to_string()
        );
        // Nothing but a folder of Herald is believed.
        std::fs::write(&record, base.path().display().to_string()).unwrap();
        end_leftovers_of(&record, &base.path().join("herald-3"));
        assert!(others.try_wait().unwrap().is_none());
        others.kill().unwrap();
        others.wait().unwrap();
    }

    #[test]
    fn limits_that_jobs_would_not_have_are_named_and_nothing_is_changed() {
        let folder = tempfile::tempdir().unwrap();
        let (base, none) = (folder.path(), JobLimits::default());
        let all = JobLimits { memory: Some(1 << 30), pids: Some(9), cpu: Some(1.0), ..none };
        let refused =
            |names: &[&str]| LimitError::Controllers(names.iter().map(|name| (*name).to_owned()).collect());
        let nothing = [refused(&["pids", "cpu"]), LimitError::EachProcess];
        assert_eq!(unavailable_in(None, &all), nothing);
        std::fs::write(base.join("cgroup.controllers"), "memory pids").unwrap();
        assert_eq!(unavailable_in(Some(base), &all), nothing, "nothing is delegated");
        std::fs::write(base.join("cgroup.subtree_control"), "").unwrap();
        assert_eq!(unavailable_in(Some(base), &all), [refused(&["cpu"])]);
        assert_eq!(unavailable_in(None, &none), []);
        let files = JobLimits { open_files: Some(1 << 40), ..none };
        assert!(matches!(unavailable_in(None, &files)[..], [LimitError::OpenFiles(most)] if most < 1 << 40));
        let files = JobLimits { open_files: Some(8), ..none };
        assert_eq!(unavailable_in(None, &files), []);
        assert_eq!(std::fs::read_dir(base).unwrap().count(), 2);
    }
}
