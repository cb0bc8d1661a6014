//! Starting a program: in its cgroup, as its user, within its limits.

use std::ffi::{CString, OsString};
use std::fs::File;
use std::io::{Error, ErrorKind, PipeReader, PipeWriter, Result, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use herald_spawn::ProcessStart;
use rustix::process::{Pid, Signal, WaitOptions, kill_process_group, waitpid};
use tokio::process::{ChildStderr, ChildStdout};
use tokio::time::{sleep, timeout};

use super::account::JobUser;
use super::cgroup::JobGroup;
use super::children::Starting;
use super::environment::Environment;
use super::ignored_signals::IGNORED;
use super::ownership;

/// How often a file that somebody still writes is tried, and how long to wait in between.
const BUSY_TRIES: u32 = 40;
const BUSY_WAIT: Duration = Duration::from_millis(25);
/// How long the start as another user may take. That user can hold it up, since the process is the user's before its
/// program begins.
const USER_WAIT: Duration = Duration::from_secs(10);

/// The names of the steps that `herald_spawn` gives with an error.
pub(crate) mod step {
    pub(crate) const CGROUP: &str = "cgroup";
    pub(crate) const FOLDER: &str = "folder";
    pub(crate) const LIMITS: &str = "limits";
    pub(crate) const PROGRAM: &str = "program";
    pub(crate) const USER: &str = "user";
}

/// The step that failed, and why.
#[derive(Debug)]
pub(crate) struct LaunchError {
    pub(crate) step: &'static str,
    pub(crate) error: Error,
}

impl From<Error> for LaunchError {
    fn from(error: Error) -> Self {
        Self { step: "process", error }
    }
}

/// How many bytes a program can be given on its standard input: what a pipe takes without anybody reading it.
pub const LARGEST_INPUT: usize = 4 << 10;

/// What a program reads from its standard input.
#[derive(Debug)]
pub(crate) struct Input(PipeReader);

impl Input {
    /// Everything is in the pipe before the program starts, so that nothing has to be written while it runs.
    pub(crate) fn of(bytes: &[u8]) -> Result<Self> {
        if bytes.len() > LARGEST_INPUT {
            return Err(Error::new(ErrorKind::InvalidInput, "its input is larger than 4 KiB"));
        }
        let (reader, mut writer) = std::io::pipe()?;
        writer.write_all(bytes)?;
        Ok(Self(reader))
    }
}

/// A program that is to be started.
#[derive(Debug)]
pub(crate) struct Launch {
    path: CString,
    dir: CString,
    args: Vec<CString>,
    env: Vec<CString>,
    pub(crate) limits: Vec<(i32, u64, u64)>,
    pub(crate) user: Option<Arc<JobUser>>,
    /// Its standard input; without it, that is `/dev/null`.
    pub(crate) input: Option<Input>,
}

/// What a program prints.
#[derive(Debug, Default)]
pub(crate) struct Printed {
    pub(crate) stdout: Option<ChildStdout>,
    pub(crate) stderr: Option<ChildStderr>,
}

impl Launch {
    /// Of two variables with one name the later one counts.
    pub(crate) fn new(path: &Path, dir: &Path, args: &[OsString], env: Environment) -> Result<Self> {
        let mut variables = Vec::<OsString>::with_capacity(env.len());
        for (at, (name, value)) in env.iter().enumerate() {
            let later = env.iter().skip(at + 1).any(|(later, _)| later == name);
            if !later {
                let mut text = name.clone();
                text.push("=");
                text.push(value);
                variables.push(text);
            }
        }
        let all = [path.as_os_str().to_owned()].into_iter().chain(args.iter().cloned());
        Ok(Self {
            path: text(path.as_os_str().to_owned())?,
            dir: text(dir.as_os_str().to_owned())?,
            args: all.map(text).collect::<Result<_>>()?,
            env: variables.into_iter().map(text).collect::<Result<_>>()?,
            limits: Vec::new(),
            user: None,
            input: None,
        })
    }

    /// Starts it; what it prints can be read where it is `captured`.
    pub(crate) async fn start(
        self: &Arc<Self>,
        group: Option<&Arc<JobGroup>>,
        captured: bool,
    ) -> std::result::Result<(Pid, Printed), LaunchError> {
        let mut printed = Printed::default();
        let mut ends = None;
        if captured {
            let ((stdout, out), (stderr, err)) = (std::io::pipe()?, std::io::pipe()?);
            printed.stdout = Some(ChildStdout::from_std(owned(stdout).into())?);
            printed.stderr = Some(ChildStderr::from_std(owned(stderr).into())?);
            ends = Some(Arc::new([out, err]));
        }
        let mut tries = 0;
        loop {
            let started = match &self.user {
                None => self.begin(group, ends.as_deref()),
                Some(_) => self.clone().begin_aside(group.cloned(), ends.clone()).await,
            };
            match started {
                // Another thread started a process just while this file was being written.
                Err(failed) if failed.error.kind() == ErrorKind::ExecutableFileBusy && tries < BUSY_TRIES => {
                    tries += 1;
                    sleep(BUSY_WAIT).await;
                }
                other => return other.map(|pid| (pid, printed)),
            }
        }
    }

    fn begin(
        &self,
        group: Option<&Arc<JobGroup>>,
        ends: Option<&[PipeWriter; 2]>,
    ) -> std::result::Result<Pid, LaunchError> {
        let null = null()?;
        let [out, err] = ends.map_or([null; 2], |[out, err]| [out.as_fd(), err.as_fd()]);
        let files = group.and_then(|group| group.files());
        let start = ProcessStart {
            cgroup: files.map(|[folder, procs]| [folder.as_fd(), procs.as_fd()]),
            stdio: [self.input.as_ref().map_or(null, |input| input.0.as_fd()), out, err],
            limits: &self.limits,
            ignored: *IGNORED,
            user: self
                .user
                .as_ref()
                .map(|user| (user.account.uid.into(), user.account.gid.into(), &user.groups[..])),
            paths: [&self.dir, &self.path],
            texts: [&self.args, &self.env],
        };
        let starting = Starting::begin();
        let number = herald_spawn::spawn(&start).map_err(|(step, error)| LaunchError { step, error })?;
        let pid = Pid::from_raw(number).ok_or_else(|| Error::other("the system gave no process id"))?;
        starting.started(pid);
        ownership::prefer_when_memory_runs_out(pid);
        Ok(pid)
    }

    /// As [`Self::begin`], on a thread that nobody else waits for.
    async fn begin_aside(
        self: Arc<Self>,
        group: Option<Arc<JobGroup>>,
        ends: Option<Arc<[PipeWriter; 2]>>,
    ) -> std::result::Result<Pid, LaunchError> {
        let begun =
            tokio::task::spawn_blocking(move || self.begin(group.as_ref(), ends.as_deref()).map(Begun));
        match timeout(USER_WAIT, begun).await {
            Ok(begun) => begun.map_err(|error| LaunchError::from(Error::other(error)))?.map(Begun::into_pid),
            Err(_) => {
                let error = Error::new(ErrorKind::TimedOut, "it takes too long");
                Err(LaunchError { step: step::USER, error })
            }
        }
    }
}

/// A process that was started aside. It is killed where nobody takes it: the job was given up meanwhile.
struct Begun(Pid);

impl Begun {
    fn into_pid(self) -> Pid {
        let pid = self.0;
        std::mem::forget(self);
        pid
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        let _ = kill_process_group(self.0, Signal::KILL);
        let _ = super::children::reap(self.0, || waitpid(Some(self.0), WaitOptions::empty()));
    }
}

fn owned(end: PipeReader) -> OwnedFd {
    end.into()
}

fn text(text: OsString) -> Result<CString> {
    if text.as_bytes().contains(&0) {
        return Err(Error::new(
            ErrorKind::InvalidInput,
            "its file, arguments or environment contain a NUL character",
        ));
    }
    CString::new(text.into_vec()).map_err(|error| Error::new(ErrorKind::InvalidInput, error))
}

/// `/dev/null`, for reading and writing.
fn null() -> Result<BorrowedFd<'static>> {
    static NULL: OnceLock<File> = OnceLock::new();
    if let Some(null) = NULL.get() {
        return Ok(null.as_fd());
    }
    let opened = File::options().read(true).write(true).open("/dev/null")?;
    Ok(NULL.get_or_init(|| opened).as_fd())
}
