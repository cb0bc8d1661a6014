//! Finding and ending the processes of one job: its process group, and whatever left the group but is still in the
//! job's cgroup, or carries the job's mark in its environment or its brand among its limits.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::hash::{BuildHasher, Hasher};
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use rustix::process::{
    Pid, PidfdFlags, Signal, kill_process_group, pidfd_open, pidfd_send_signal, test_kill_process_group,
};

use super::cgroup::JobGroup;

/// The environment variable that every process of a job inherits.
pub(crate) const MARK: &str = "HERALD_JOB_MARK";

/// An environment is at most a few MiB (a quarter of the stack limit).
const LARGEST_ENVIRONMENT: u64 = 8 << 20;

/// Names one started program, uniquely on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mark(String);

impl Mark {
    pub(crate) fn new() -> Self {
        static PREFIX: OnceLock<String> = OnceLock::new();
        static COUNT: AtomicU64 = AtomicU64::new(0);
        // The standard library seeds each hasher from the system's random numbers.
        let prefix = PREFIX.get_or_init(|| {
            let random = || std::hash::RandomState::new().build_hasher().finish();
            format!("{:016x}{:016x}", random(), random())
        });
        Self(format!("{prefix}-{:x}", COUNT.fetch_add(1, Ordering::Relaxed)))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// What all marks of this process begin with.
    pub(crate) fn owner(&self) -> &str {
        self.0.split('-').next().unwrap_or_default()
    }

    /// The mark as a number, for [`Brand`].
    pub(crate) fn brand(&self) -> Option<Brand> {
        let count = u64::from_str_radix(self.0.split('-').nth(1)?, 16).ok()?;
        Some(Brand(owner_brand(self.owner())? | (count & COUNTS)))
    }
}

/// A number that every process of a job inherits, whatever it does to its environment and its session: the soft limit
/// of its resident memory. Linux has not looked at this limit since 2.4, and it is so large that no program can take
/// it for one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Brand(u64);

/// The bits of a brand that count the jobs of one process.
const COUNTS: u64 = (1 << 26) - 1;
/// What makes it larger than any memory.
const HUGE: u64 = 1 << 62;
/// How many hexadecimal digits of an owner are in it: 36 bits, between those.
const OWNER_DIGITS: usize = 9;

/// What the brands of this owner have in common.
fn owner_brand(owner: &str) -> Option<u64> {
    let digits = owner.get(..OWNER_DIGITS)?;
    Some(HUGE | u64::from_str_radix(digits, 16).ok()? << COUNTS.count_ones())
}

impl Brand {
    /// The resource, and its soft limit.
    pub(crate) fn limit(self) -> u64 {
        self.0
    }

    /// That of a process.
    pub(crate) fn of(pid: Pid) -> Option<Self> {
        let limits = std::fs::read_to_string(format!("/proc/{}/limits", pid.as_raw_nonzero())).ok()?;
        let line = limits.lines().find_map(|line| line.strip_prefix("Max resident set"))?;
        line.split_ascii_whitespace().next()?.parse().ok().map(Self)
    }

    /// Whether it is one of this owner's.
    pub(crate) fn is_of(self, owner: &str) -> bool {
        owner_brand(owner).is_some_and(|brand| self.0 & !COUNTS == brand)
    }
}

/// The processes of one started program.
#[derive(Debug, Clone)]
pub(crate) struct Group {
    pub(crate) leader: Pid,
    pub(crate) mark: Mark,
    pub(crate) cgroup: Option<Arc<JobGroup>>,
}

impl Group {
    /// Whether nothing but (perhaps) zombies is left in the process group; costs one system call when nothing is.
    pub(crate) fn is_empty(&self) -> bool {
        test_kill_process_group(self.leader).is_err() || !processes().any(|pid| lives_in(pid, self.leader))
    }

    /// Sends a signal to every process of the job outside of its process group. Returns how many there were. Blocks:
    /// it reads `/proc`.
    pub(crate) fn signal_strays(&self, signal: Signal) -> usize {
        let strays = self.strays();
        for stray in &strays {
            // It may be gone already.
            let _ = pidfd_send_signal(stray, signal);
        }
        strays.len()
    }

    /// Kills everything. Returns whether nothing was left. Blocks: it reads `/proc`.
    pub(crate) fn kill(&self) -> bool {
        self.signal_group(Signal::KILL);
        if let Some(cgroup) = &self.cgroup {
            cgroup.kill();
        }
        self.signal_strays(Signal::KILL) == 0 && self.is_empty()
    }

    /// Sends a signal to the process group.
    pub(crate) fn signal_group(&self, signal: Signal) {
        // It may be gone already.
        let _ = kill_process_group(self.leader, signal);
    }

    /// Whether no process of this program lives any more, in its group or outside. Blocks: it reads `/proc`.
    pub(crate) fn is_gone(&self) -> bool {
        self.is_empty()
            && !self.cgroup.as_ref().is_some_and(|cgroup| cgroup.is_populated())
            && self.strays().is_empty()
    }

    /// Processes of the job that left the process group, held so that a signal cannot hit another process that got the
    /// same number. A process of the group gets the signal of the group, and no second one: to many programs a second
    /// TERM means to give up cleaning.
    fn strays(&self) -> Vec<OwnedFd> {
        let members: HashSet<Pid> = self.cgroup.iter().flat_map(|cgroup| cgroup.members()).collect();
        let (entry, brand) = (format!("{MARK}={}", self.mark.0), self.mark.brand());
        let belongs = |pid| {
            members.contains(&pid)
                || has_entry(pid, entry.as_bytes())
                || (brand.is_some() && Brand::of(pid) == brand)
        };
        processes()
            .filter_map(|pid| {
                let held = pidfd_open(pid, PidfdFlags::empty()).ok()?;
                let outside = |stat: Stat| !stat.dead && stat.group != self.leader;
                (belongs(pid) && stat(pid).is_some_and(outside)).then_some(held)
            })
            .collect()
    }
}

pub(crate) fn processes() -> impl Iterator<Item = Pid> {
    std::fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok().and_then(Pid::from_raw))
}

/// Whether a process bears a mark or a brand of this owner.
pub(crate) fn marked(pid: Pid, owner: &str) -> bool {
    let begin = format!("{MARK}={owner}-");
    environment(pid).split(|byte| *byte == 0).any(|entry| entry.starts_with(begin.as_bytes()))
        || Brand::of(pid).is_some_and(|brand| brand.is_of(owner))
}

fn has_entry(pid: Pid, entry: &[u8]) -> bool {
    environment(pid).split(|byte| *byte == 0).any(|found| found == entry)
}

fn environment(pid: Pid) -> Vec<u8> {
    let mut environment = Vec::new();
    let Ok(file) = std::fs::File::open(format!("/proc/{}/environ", pid.as_raw_nonzero())) else {
        return environment;
    };
    // A process that ends meanwhile reads as nothing.
    let _ = file.take(LARGEST_ENVIRONMENT).read_to_end(&mut environment);
    environment
}

/// What `/proc/PID/stat` says of a process.
pub(crate) struct Stat {
    /// It has ended, and only its parent has not noticed.
    pub(crate) dead: bool,
    /// Its parent, unless that is outside of what can be seen.
    pub(crate) parent: Option<Pid>,
    /// Its process group.
    pub(crate) group: Pid,
    /// When it started, in clock ticks since the machine did.
    pub(crate) started: u64,
}

pub(crate) fn stat(pid: Pid) -> Option<Stat> {
    let stat = std::fs::read(format!("/proc/{}/stat", pid.as_raw_nonzero())).ok()?;
    // pid (name) state ppid pgrp …; the name may hold anything, parentheses included.
    let end = stat.iter().rposition(|byte| *byte == b')')?;
    let rest = OsStr::from_bytes(&stat[end + 1..]).to_string_lossy();
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    Some(Stat {
        dead: matches!(*fields.first()?, "Z" | "X"),
        parent: Pid::from_raw(fields.get(1)?.parse().ok()?),
        group: Pid::from_raw(fields.get(2)?.parse().ok()?)?,
        started: fields.get(19)?.parse().ok()?,
    })
}

fn lives_in(pid: Pid, group: Pid) -> bool {
    stat(pid).is_some_and(|stat| !stat.dead && stat.group == group)
}
