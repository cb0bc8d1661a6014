//! One started program: wait for it, end it, never lose it.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use herald_base::ending::Ending;
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, WaitIdStatus, WaitOptions, pidfd_open, waitid, waitpid,
};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::process::{ChildStderr, ChildStdout};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::process::cgroup::JobGroup;
use crate::process::children;
use crate::process::group::{Group, Mark};
use crate::process::launch::{Launch, LaunchError, Printed, step};
use crate::scratch::TempFile;

/// How long what is left of a process group may go on after the main process ended by itself.
const LEFTOVER_GRACE: Duration = Duration::from_millis(500);
/// How long a killed process may take to be gone (it may hang in the kernel).
const KILLED_GRACE: Duration = Duration::from_secs(5);
/// How often the remains are looked at.
const LOOK: Duration = Duration::from_millis(20);

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
    /// Records the group, should this process be killed; what is in a cgroup needs no record.
    pub(crate) record: Option<TempFile>,
}

impl Child {
    /// Starts the program in a process group and, where there is one, a cgroup of its own. What it prints can be read
    /// where it is `captured`.
    pub(crate) async fn start(
        launch: Launch,
        mark: Mark,
        cgroup: Option<Arc<JobGroup>>,
        captured: bool,
    ) -> Result<Self, LaunchError> {
        let (launch, mut cgroup) = (Arc::new(launch), cgroup);
        let mut started = launch.start(cgroup.as_ref(), captured).await;
        if let Err(failed) = &started
            && failed.step == step::CGROUP
            // Its limits would be lost with it.
            && cgroup.take_if(|cgroup| !cgroup.is_limited()).is_some()
        {
            tracing::warn!(error = %failed.error, "a job runs without a cgroup of its own");
            started = launch.start(None, captured).await;
        }
        let (leader, printed) = started?;
        let group = Group { leader, mark, cgroup };
        match watch(leader) {
            Ok(process) => {
                let Printed { stdout, stderr } = printed;
                Ok(Self { group, process: Some(process), stdout, stderr, record: None })
            }
            Err(error) => {
                // Out of file descriptors, say: it cannot be watched, so it must not run.
                group.signal_group(Signal::KILL);
                let _ = children::reap(leader, || waitpid(Some(leader), WaitOptions::empty()));
                Err(error.into())
            }
        }
    }

    /// The leader of its process group.
    pub(crate) fn leader(&self) -> Pid {
        self.group.leader
    }

    /// Whether it has a cgroup of its own.
    pub(crate) fn is_in_cgroup(&self) -> bool {
        self.group.cgroup.is_some()
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
        let exit = ended(self.group.leader, process, Reaping::Now).await?;
        self.process = None;
        Ok(exit)
    }

    /// As [`Self::wait`], and leaves the main process a zombie: until it is reaped its number, which is that of the
    /// group, belongs to no other process, and a signal cannot hit one.
    async fn peek(&self) -> std::io::Result<Exit> {
        let Some(process) = &self.process else {
            return Err(std::io::Error::other("it was waited for already"));
        };
        ended(self.group.leader, process, Reaping::Later).await
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
                exit = self.peek() => Some(exit?),
                () = tokio::time::sleep_until(deadline) => None,
                () = forced.cancelled() => None,
            };
            if let Some(exit) = exit {
                let left = deadline.saturating_duration_since(Instant::now());
                if !until_gone(left, forced, &group).await {
                    kill_all(&group).await;
                }
                return self.wait().await.or(Ok(exit));
            }
        }
        signal_all(&group, Signal::KILL).await;
        let _ = timeout(KILLED_GRACE, self.peek()).await;
        kill_all(&group).await;
        // A process that hangs in the kernel is reaped later, by `drop`.
        let exit = timeout(KILLED_GRACE, self.wait()).await;
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
                kill_all(&group).await;
                let _ = ended(group.leader, &process, Reaping::Now).await;
            });
        }
    }
}

fn watch(leader: Pid) -> std::io::Result<AsyncFd<OwnedFd>> {
    let process = pidfd_open(leader, PidfdFlags::empty())?;
    // The new name is `unsafe`, for types that may give another descriptor later; `OwnedFd` never does.
    #[expect(deprecated, reason = "the replacement needs unsafe code")]
    AsyncFd::with_interest(process, Interest::READABLE)
}

/// When a process that has ended gives its number back.
#[derive(Clone, Copy)]
enum Reaping {
    Now,
    Later,
}

/// Waits until the process has ended.
async fn ended(leader: Pid, process: &AsyncFd<OwnedFd>, reaping: Reaping) -> std::io::Result<Exit> {
    let options = match reaping {
        Reaping::Now => WaitIdOptions::EXITED | WaitIdOptions::NOHANG,
        Reaping::Later => WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT,
    };
    loop {
        let mut ready = process.readable().await?;
        let status = || waitid(WaitId::PidFd(process.get_ref().as_fd()), options);
        let status = match reaping {
            Reaping::Now => children::reap(leader, status)?,
            Reaping::Later => status()?,
        };
        match status {
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
    blocking(group, move |group| group.signal_strays(signal)).await;
}

/// Kills until nothing is left: a process may have started another one while the list was read.
async fn kill_all(group: &Group) {
    let deadline = Instant::now() + KILLED_GRACE;
    loop {
        let gone = blocking(group, Group::kill).await;
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
