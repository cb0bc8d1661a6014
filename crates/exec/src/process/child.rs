//! One started program: wait for it, end it, never lose it.

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use herald_base::ending::Ending;
use rustix::process::{Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, WaitIdStatus, pidfd_open, waitid};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::process::{ChildStderr, ChildStdout};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::process::group::{Group, MARK, Mark};
use crate::scratch::TempFile;

/// How long what is left of a process group may go on after the main process ended by itself.
const LEFTOVER_GRACE: Duration = Duration::from_millis(500);
/// How long a killed process may take to be gone (it may hang in the kernel).
const KILLED_GRACE: Duration = Duration::from_secs(5);
/// How often the remains are looked at.
const LOOK: Duration = Duration::from_millis(20);
/// How often a file that somebody still writes is tried, and how long to wait in between.
const BUSY_TRIES: u32 = 40;
const BUSY_WAIT: Duration = Duration::from_millis(25);

/// How the operating system says that a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// By itself, with this code.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

impl From<Exit> for Ending {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Code(code) => Self::Exited(code),
            Exit::Signal(signal) => Self::Signaled(signal),
        }
    }
}

/// A running program that leads its own process group. Dropping it kills the group.
pub(crate) struct Child {
    group: Group,
    process: Option<AsyncFd<OwnedFd>>,
    pub(crate) stdout: Option<ChildStdout>,
    pub(crate) stderr: Option<ChildStderr>,
    /// Records the group, should this process be killed.
    pub(crate) record: Option<TempFile>,
}

impl Child {
    /// Starts the program in a process group of its own, with its mark in the environment.
    pub(crate) async fn start(command: &mut Command) -> std::io::Result<Self> {
        let mark = Mark::new();
        command.process_group(0).stdin(Stdio::null()).env(MARK, mark.as_str());
        let mut tries = 0;
        let mut child = loop {
            // Never `pre_exec`, uid or gid here: they force a plain fork, which copies the page tables of a large
            // process; without them this is a vfork.
            #[expect(clippy::disallowed_methods, reason = "the one place that starts processes")]
            match command.spawn() {
                // Another thread started a process just while this file was being written.
                Err(error)
                    if error.kind() == std::io::ErrorKind::ExecutableFileBusy && tries < BUSY_TRIES =>
                {
                    tries += 1;
                    sleep(BUSY_WAIT).await;
                }
                other => break other?,
            }
        };
        let adopted = Self::adopt(&mut child, mark);
        if adopted.is_err() {
            // Out of file descriptors, say: it cannot be watched, so it must not run.
            let _ = child.kill();
            let _ = child.wait();
        }
        adopted
    }

    fn adopt(child: &mut std::process::Child, mark: Mark) -> std::io::Result<Self> {
        let leader = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let leader = leader.ok_or_else(|| std::io::Error::other("the system gave no process id"))?;
        let process = pidfd_open(leader, PidfdFlags::empty())?;
        // The new name is `unsafe`, for types that may give another descriptor later; `OwnedFd` never does.
        #[expect(deprecated, reason = "the replacement needs unsafe code")]
        let process = AsyncFd::with_interest(process, Interest::READABLE)?;
        Ok(Self {
            group: Group { leader, mark },
            process: Some(process),
            stdout: child.stdout.take().map(ChildStdout::from_std).transpose()?,
            stderr: child.stderr.take().map(ChildStderr::from_std).transpose()?,
            record: None,
        })
    }

    /// The leader of its process group.
    pub(crate) fn leader(&self) -> Pid {
        self.group.leader
    }

    /// The process id, which is the process group's id too.
    pub(crate) fn id(&self) -> i32 {
        self.group.leader.as_raw_nonzero().get()
    }

    /// Waits until the main process ends. Safe to drop and call again.
    pub(crate) async fn wait(&mut self) -> std::io::Result<Exit> {
        let Some(process) = &self.process else {
            return Err(std::io::Error::other("it was waited for already"));
        };
        let exit = reap(process).await?;
        self.process = None;
        Ok(exit)
    }

    /// After the main process ended by itself: what is left in its group gets a moment, then TERM, then KILL.
    pub(crate) async fn end_orphans(&self, grace: Duration, forced: &CancellationToken) {
        if self.group.is_empty() {
            return;
        }
        let group = &self.group;
        if until(LEFTOVER_GRACE, forced, || group.is_empty()).await {
            return;
        }
        group.signal_group(Signal::TERM);
        if !until(grace, forced, || group.is_empty()).await {
            group.signal_group(Signal::KILL);
        }
    }

    /// TERM to everything that belongs to the program, and after the grace (or once `forced`) KILL, until nothing is
    /// left. Returns how the main process ended.
    pub(crate) async fn end(&mut self, grace: Duration, forced: &CancellationToken) -> std::io::Result<Exit> {
        let group = self.group.clone();
        if !forced.is_cancelled() {
            signal_all(&group, Signal::TERM).await;
            let deadline = Instant::now() + grace;
            let exit = tokio::select! {
                exit = self.wait() => Some(exit?),
                () = tokio::time::sleep_until(deadline) => None,
                () = forced.cancelled() => None,
            };
            if let Some(exit) = exit {
                let left = deadline.saturating_duration_since(Instant::now());
                if !until_gone(left, forced, &group).await {
                    kill_all(&group).await;
                }
                return Ok(exit);
            }
        }
        signal_all(&group, Signal::KILL).await;
        let exit = timeout(KILLED_GRACE, self.wait()).await;
        kill_all(&group).await;
        // A process that hangs in the kernel is reaped later, by `drop`.
        exit.unwrap_or(Ok(Exit::Signal(Signal::KILL.as_raw())))
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let Some(process) = self.process.take() else { return };
        self.group.signal_group(Signal::KILL);
        let group = self.group.clone();
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            // Its owner was dropped in the middle. The task ends as soon as the kernel has ended the process.
            runtime.spawn(async move {
                let _ = reap(&process).await;
                kill_all(&group).await;
            });
        }
    }
}

async fn reap(process: &AsyncFd<OwnedFd>) -> std::io::Result<Exit> {
    loop {
        let mut ready = process.readable().await?;
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
        match waitid(WaitId::PidFd(process.get_ref().as_fd()), options)? {
            Some(status) => return Ok(exit_of(&status)),
            None => ready.clear_ready(),
        }
    }
}

fn exit_of(status: &WaitIdStatus) -> Exit {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => Exit::Code(code),
        (None, signal) => Exit::Signal(signal.unwrap_or_default()),
    }
}

async fn until(time: Duration, forced: &CancellationToken, done: impl Fn() -> bool) -> bool {
    let deadline = Instant::now() + time;
    while !done() {
        if forced.is_cancelled() || Instant::now() >= deadline {
            return false;
        }
        tokio::select! {
            () = sleep(LOOK) => {}
            () = forced.cancelled() => {}
        }
    }
    true
}

async fn until_gone(time: Duration, forced: &CancellationToken, group: &Group) -> bool {
    let deadline = Instant::now() + time;
    while !blocking(group, Group::is_gone).await {
        if forced.is_cancelled() || Instant::now() >= deadline {
            return false;
        }
        tokio::select! {
            () = sleep(LOOK) => {}
            () = forced.cancelled() => {}
        }
    }
    true
}

async fn signal_all(group: &Group, signal: Signal) {
    // The group at once, the strays when they are found.
    group.signal_group(signal);
    blocking(group, move |group| group.signal_all(signal)).await;
}

/// Kills until nothing is left: a process may have started another one while the list was read.
async fn kill_all(group: &Group) {
    let deadline = Instant::now() + KILLED_GRACE;
    loop {
        let gone = blocking(group, |group| group.signal_all(Signal::KILL) == 0 && group.is_empty()).await;
        if gone || Instant::now() >= deadline {
            return;
        }
        sleep(LOOK).await;
    }
}

/// Reading `/proc` may take long on a machine with many processes.
async fn blocking<T: Send + Default + 'static>(
    group: &Group,
    work: impl FnOnce(&Group) -> T + Send + 'static,
) -> T {
    let group = group.clone();
    tokio::task::spawn_blocking(move || work(&group)).await.unwrap_or_default()
}
