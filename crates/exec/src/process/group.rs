//! Finding and ending the processes of one job: its process group, and whatever left the group but still carries the
//! job's mark in its environment.

use std::ffi::OsStr;
use std::hash::{BuildHasher, Hasher};
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::process::{
    Pid, PidfdFlags, Signal, kill_process_group, pidfd_open, pidfd_send_signal, test_kill_process_group,
};

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
}

/// The processes of one started program.
#[derive(Debug, Clone)]
pub(crate) struct Group {
    pub(crate) leader: Pid,
    pub(crate) mark: Mark,
}

impl Group {
    /// Whether nothing but (perhaps) zombies is left in the process group; costs one system call when nothing is.
    pub(crate) fn is_empty(&self) -> bool {
        test_kill_process_group(self.leader).is_err() || !processes().any(|pid| lives_in(pid, self.leader))
    }

    /// Sends a signal to the process group, and to every process outside of it that bears the mark. Returns how
    /// many of the latter there were. Blocks: it reads `/proc`.
    pub(crate) fn signal_all(&self, signal: Signal) -> usize {
        self.signal_group(signal);
        let strays = self.strays();
        for stray in &strays {
            // It may be gone already.
            let _ = pidfd_send_signal(stray, signal);
        }
        strays.len()
    }

    /// Sends a signal to the process group.
    pub(crate) fn signal_group(&self, signal: Signal) {
        // It may be gone already.
        let _ = kill_process_group(self.leader, signal);
    }

    /// Whether no process of this program lives any more, in its group or outside. Blocks: it reads `/proc`.
    pub(crate) fn is_gone(&self) -> bool {
        self.is_empty() && self.strays().is_empty()
    }

    /// Processes with the mark, held so that a signal cannot hit another process that got the same number.
    fn strays(&self) -> Vec<OwnedFd> {
        let entry = format!("{MARK}={}", self.mark.0);
        processes()
            .filter_map(|pid| {
                let held = pidfd_open(pid, PidfdFlags::empty()).ok()?;
                has_entry(pid, entry.as_bytes()).then_some(held)
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

/// Whether a process bears a mark of the owner with this prefix.
pub(crate) fn marked(pid: Pid, prefix: &str) -> bool {
    let begin = format!("{MARK}={prefix}-");
    environment(pid).split(|byte| *byte == 0).any(|entry| entry.starts_with(begin.as_bytes()))
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
        group: Pid::from_raw(fields.get(2)?.parse().ok()?)?,
        started: fields.get(19)?.parse().ok()?,
    })
}

fn lives_in(pid: Pid, group: Pid) -> bool {
    stat(pid).is_some_and(|stat| !stat.dead && stat.group == group)
}
