//! What the jobs of a dead owner left running: found by its cgroup, by the mark in the environment, by the brand among
//! the limits, and by the process group as it was recorded (its leader's number and start time, so that a number that
//! was given away again does no harm).

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, getpgid, kill_process, kill_process_group};

use crate::process::cgroup::{self, DeadGroup};
use crate::process::group::{Stat, marked, processes, stat};

/// The time between TERM and KILL, and how long killed processes may take to be gone.
const GRACE: Duration = Duration::from_secs(3);
/// How often they are looked at.
const LOOK: Duration = Duration::from_millis(20);
/// What the name of a record ends with.
pub(crate) const RECORD: &str = ".group";

/// The file that names the cgroup of the owner.
pub(crate) const CGROUP: &str = "cgroup";

/// What a record says of a leader that lives.
pub(crate) fn record(leader: Pid) -> String {
    let started = stat(leader).map_or(0, |stat| stat.started);
    format!("{} {started}", leader.as_raw_nonzero())
}

/// Ends what is left of the owner whose folder this is: TERM, a grace, KILL. Blocks, for twice the grace at most.
/// Returns how many processes there were.
pub(crate) fn end(folder: &Path) -> usize {
    let Some(prefix) =
        folder.file_name().and_then(|name| name.to_str()).and_then(|name| name.rsplit_once('-'))
    else {
        return 0;
    };
    let groups: Vec<(Pid, u64)> = recorded(folder);
    // Somebody else may clear it up already, or the owner lives and only this folder is left.
    let path = std::fs::read_to_string(folder.join(CGROUP)).ok().map(PathBuf::from);
    let cgroup = path.and_then(DeadGroup::of);
    end_all(|| {
        let mut all = left(prefix.0, &groups);
        all.extend(cgroup.iter().flat_map(|cgroup| cgroup::members(cgroup.path())));
        all
    })
}

/// Ends what is in the cgroups of a dead owner, as [`end`].
pub(crate) fn end_group(group: &DeadGroup) -> usize {
    end_all(|| cgroup::members(group.path()).into_iter().collect())
}

fn end_all(left: impl Fn() -> HashSet<Pid>) -> usize {
    let first = left();
    if first.is_empty() {
        return 0;
    }
    for signal in [Signal::TERM, Signal::KILL] {
        let deadline = Instant::now() + GRACE;
        send(&left(), signal);
        while Instant::now() < deadline {
            let left = left();
            if left.is_empty() {
                return first.len();
            }
            if signal == Signal::KILL {
                // One may have started another while the list was read.
                send(&left, signal);
            }
            std::thread::sleep(LOOK);
        }
    }
    tracing::error!(processes = ?left(), "could not kill orphaned job processes of a previous run");
    first.len()
}

fn send(left: &HashSet<Pid>, signal: Signal) {
    // A group whose leader is among them belongs to them as a whole, and gets the signal as one: each process once.
    let own = getpgid(None).ok();
    let groups: Vec<(Pid, Option<Pid>)> = left.iter().map(|pid| (*pid, getpgid(Some(*pid)).ok())).collect();
    let whole: HashSet<Pid> = groups
        .iter()
        .filter_map(|(_, group)| *group)
        .filter(|group| Some(*group) != own && left.contains(group))
        .collect();
    // Each may be gone already.
    for group in &whole {
        let _ = kill_process_group(*group, signal);
    }
    for (pid, _) in groups.iter().filter(|(_, group)| group.is_none_or(|group| !whole.contains(&group))) {
        let _ = kill_process(*pid, signal);
    }
}

fn recorded(folder: &Path) -> Vec<(Pid, u64)> {
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let records = files.filter(|file| file.file_name().to_string_lossy().ends_with(RECORD));
    records
        .filter_map(|file| {
            let text = std::fs::read_to_string(file.path()).ok()?;
            let (pid, started) = text.trim().split_once(' ')?;
            Some((Pid::from_raw(pid.parse().ok()?)?, started.parse().ok().filter(|started| *started > 0)?))
        })
        .collect()
}

/// The living processes of the owner.
fn left(prefix: &str, groups: &[(Pid, u64)]) -> HashSet<Pid> {
    // A group lives on under its leader's number while that is the same process; without its leader its members are
    // identified by their mark.
    let alive: HashSet<Pid> = groups
        .iter()
        .filter(|(leader, started)| stat(*leader).is_some_and(|now| now.started == *started))
        .map(|(leader, _)| *leader)
        .collect();
    let belongs = |pid: Pid, stat: &Stat| alive.contains(&stat.group) || marked(pid, prefix);
    let living = processes().filter_map(|pid| Some((pid, stat(pid).filter(|stat| !stat.dead)?)));
    living.filter(|(pid, stat)| belongs(*pid, stat)).map(|(pid, _)| pid).collect()
}
