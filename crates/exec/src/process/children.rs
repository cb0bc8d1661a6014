//! The children of this process: which of them are jobs, and the end of those that are not.
//!
//! As PID 1 of a container, or where orphans are given to it, a process has to reap children that it never started. It
//! must not take the exit of one that it did start from the task that waits for it.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, getpid, waitid};
use tokio::signal::unix::{SignalKind, signal};

use super::group::{processes, stat};
use super::ignored_signals::is_ignored;

/// How long orphans that have ended may stay, so that many are reaped at once.
const PAUSE: Duration = Duration::from_millis(100);
/// How often it is looked for them where hardly any come.
const LOOK: Duration = Duration::from_secs(1);

/// Children that have ended, if there are any.
const ENDED: WaitIdOptions = WaitIdOptions::EXITED.union(WaitIdOptions::NOHANG);

static CHILDREN: LazyLock<Mutex<Children>> = LazyLock::new(Mutex::default);

#[derive(Debug, Default)]
struct Children {
    /// Counts what is started and what is seen.
    now: u64,
    /// Those that are being started: their numbers are not known yet.
    starting: BTreeSet<u64>,
    /// Those that this process started, and whose end somebody waits for.
    own: HashSet<i32>,
    /// Ended children that nobody started, and when they were first seen.
    seen: HashMap<i32, u64>,
}

fn children() -> MutexGuard<'static, Children> {
    CHILDREN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A child that is being started. No child that ends meanwhile is taken for an orphan.
#[derive(Debug)]
pub(crate) struct Starting(u64);

impl Starting {
    pub(crate) fn begin() -> Self {
        let mut children = children();
        children.now += 1;
        let number = children.now;
        children.starting.insert(number);
        Self(number)
    }

    /// It runs under this number; [`reap`] is to follow.
    pub(crate) fn started(self, pid: Pid) {
        children().own.insert(pid.as_raw_nonzero().get());
    }
}

impl Drop for Starting {
    fn drop(&mut self) {
        children().starting.remove(&self.0);
    }
}

/// Waits, without blocking, for a child that was started here; its number is free afterwards.
pub(crate) fn reap<T, E>(pid: Pid, wait: impl FnOnce() -> Result<Option<T>, E>) -> Result<Option<T>, E> {
    let mut children = children();
    let status = wait();
    if !matches!(status, Ok(None)) {
        children.own.remove(&pid.as_raw_nonzero().get());
    }
    status
}

/// Reaps orphans for as long as the process runs: soon where the signal for ended children says so, else once a second.
/// The signal interrupts for each job as well, which is for processes to which orphans are given.
///
/// # Errors
/// When the process cannot listen to the signal.
pub(crate) async fn reap_orphans(by_signal: bool) -> std::io::Result<()> {
    // Where a parent left it ignored, the kernel would reap the children itself, and no job would have an exit code.
    let is_needed = by_signal || is_ignored(Signal::CHILD);
    let mut ended = is_needed.then(|| signal(SignalKind::child())).transpose()?;
    loop {
        while is_any_ended() && tokio::task::spawn_blocking(round).await.unwrap_or_default() {
            tokio::time::sleep(PAUSE).await;
        }
        match &mut ended {
            Some(ended) => {
                ended.recv().await;
                tokio::time::sleep(PAUSE).await;
            }
            None => tokio::time::sleep(LOOK).await,
        }
    }
}

/// One system call; mostly there is none.
fn is_any_ended() -> bool {
    matches!(waitid(WaitId::All, ENDED | WaitIdOptions::NOWAIT), Ok(Some(_)))
}

/// Reaps the orphans that have ended. Returns whether another round is needed.
fn round() -> bool {
    let ended: Vec<Pid> =
        of_this_process().into_iter().filter(|pid| stat(*pid).is_some_and(|stat| stat.dead)).collect();
    let mut children = children();
    children.now += 1;
    let (now, mut again) = (children.now, false);
    children.seen.retain(|seen, _| ended.iter().any(|pid| pid.as_raw_nonzero().get() == *seen));
    for pid in ended {
        let number = pid.as_raw_nonzero().get();
        again = true;
        if children.own.contains(&number) {
            continue;
        }
        let first = *children.seen.entry(number).or_insert(now);
        // What was being started when it was seen is known by its number now.
        if children.starting.first().is_none_or(|starting| *starting > first) {
            let _ = waitid(WaitId::Pid(pid), ENDED);
            children.seen.remove(&number);
        }
    }
    again
}

fn of_this_process() -> Vec<Pid> {
    let threads = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let lists: Result<Vec<String>, _> =
        threads.map(|thread| std::fs::read_to_string(thread.path().join("children"))).collect();
    match lists {
        Ok(lists) => {
            let numbers = lists.iter().flat_map(|list| list.split_ascii_whitespace());
            numbers.filter_map(|pid| Pid::from_raw(pid.parse().ok()?)).collect()
        }
        // A kernel without these lists, or a thread that has just ended.
        Err(_) => {
            processes().filter(|pid| stat(*pid).is_some_and(|stat| stat.parent == Some(getpid()))).collect()
        }
    }
}
