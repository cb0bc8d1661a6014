//! Runs one program: its own process group, a deadline, bounded output, a clean environment.

use std::ffi::OsString;
use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use herald_base::ending::Ending;
use herald_base::output::{NoOutput, Output, Stream};
use herald_base::stop::Stop;
use tokio::time::{Instant, sleep_until, timeout};

use crate::process::account::JobUser;
use crate::process::capture::{Captured, Tap};
use crate::process::child::Child;
pub use crate::process::child::Exit;
use crate::process::environment::Environment;
use crate::process::group::{MARK, Mark};
pub use crate::process::launch::LARGEST_INPUT;
use crate::process::launch::{Input, Launch, LaunchError, step};
use crate::process::limits::JobLimits;
use crate::process::ownership;
pub use crate::scratch::PrivateFile;
use crate::scratch::Scratch;

/// The kernel's limit for one `NAME=value` in the environment, and its final NUL, in bytes.
pub const LARGEST_VARIABLE: usize = 128 << 10;
/// How long output is still read after the program and its group are gone: a process that left the group may hold
/// the pipe for ever.
const DRAIN: Duration = Duration::from_millis(500);
/// The error number of "Exec format error".
const ENOEXEC: i32 = 8;

/// A program to run.
#[derive(Clone)]
pub struct Program {
    /// The file, absolute: see [`crate::environment::find`].
    pub path: PathBuf,
    /// Its arguments, without its name.
    pub args: Vec<OsString>,
    /// Its whole environment: see [`crate::environment::clean`]. Of two entries with one name the later one counts.
    pub env: Environment,
    /// Its current directory.
    pub dir: PathBuf,
    /// When it is ended: TERM to everything that it started, a grace, KILL.
    pub deadline: Option<Instant>,
    /// The time between TERM and KILL.
    pub kill_grace: Duration,
    /// How many bytes of each output stream are kept.
    pub output_limit: usize,
    /// Ends what is left of it should this process be killed.
    pub owner: Option<Owner>,
    /// Whose program it is, and what it may use.
    pub restrictions: Restrictions,
}

/// Whose program it is, and what it may use.
#[derive(Debug, Clone, Default)]
pub struct Restrictions {
    /// Another user than that of this process.
    pub user: Option<Arc<JobUser>>,
    /// What it may use.
    pub limits: JobLimits,
}

/// Who ends what a killed process left running: see [`crate::ExecEngine::open`].
#[derive(Clone)]
pub struct Owner(pub(crate) Arc<Scratch>);

/// A program that has ended.
#[derive(Debug, Clone)]
pub struct Finished {
    /// Why it ended.
    pub ending: Ending,
    /// How its main process ended.
    pub exit: Exit,
    /// What it printed on standard output.
    pub stdout: Captured,
    /// What it printed on standard error.
    pub stderr: Captured,
}

/// Why a program could not be started: one sentence for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ProgramError {
    message: String,
    pub(crate) too_large: bool,
}

impl Program {
    /// Runs the program to its end. Dropping the future kills the processes of the program.
    ///
    /// # Errors
    /// When it could not be started.
    pub async fn run(&self, stop: &Stop) -> Result<Finished, ProgramError> {
        self.run_with_output(stop, &NoOutput).await
    }

    /// As [`Self::run`], and gives on what the program prints as it comes.
    ///
    /// # Errors
    /// When it could not be started.
    pub async fn run_with_output(&self, stop: &Stop, output: &dyn Output) -> Result<Finished, ProgramError> {
        let mut child = self.start(true, None).await?;
        self.supervise(&mut child, stop, output).await.map_err(|error| self.explain(&error.into()))
    }

    /// As [`Self::run_with_output`]; the program reads `input` from its standard input, and then its end. Secrets come
    /// to a program this way without being seen in its arguments or its environment.
    ///
    /// # Errors
    /// When it could not be started, or when `input` is larger than [`LARGEST_INPUT`].
    pub async fn run_with_input(
        &self,
        input: &[u8],
        stop: &Stop,
        output: &dyn Output,
    ) -> Result<Finished, ProgramError> {
        let input = Input::of(input).map_err(|error| self.explain(&error.into()))?;
        let mut child = self.start(true, Some(input)).await?;
        self.supervise(&mut child, stop, output).await.map_err(|error| self.explain(&error.into()))
    }

    /// Starts the program without reading its output; [`Self::end_of`] is to follow.
    pub(crate) async fn start_silent(&self) -> Result<Child, ProgramError> {
        self.start(false, None).await
    }

    async fn start(&self, captured: bool, input: Option<Input>) -> Result<Child, ProgramError> {
        let mark = Mark::new();
        let mut launch = self.launch(&mark).map_err(|error| self.explain(&error.into()))?;
        launch.input = input;
        let cgroup =
            ownership::group(&self.restrictions.limits).map_err(|error| self.explain(&error.into()))?;
        let child = Child::start(launch, mark, cgroup, captured).await;
        let mut child = child.map_err(|error| self.explain(&error))?;
        // The next process finds by the cgroup what this one left running, should it be killed.
        let owner = self.owner.as_ref().filter(|_| !child.is_in_cgroup());
        child.record = owner.and_then(|owner| owner.0.record(child.leader()));
        Ok(child)
    }

    fn launch(&self, mark: &Mark) -> std::io::Result<Launch> {
        let mut env = self.env.clone();
        env.push((MARK.into(), mark.as_str().into()));
        let Restrictions { user, limits } = &self.restrictions;
        let mut launch = Launch::new(&self.path, &self.dir, &self.args, env)?;
        launch.limits = limits.of_process(ownership::has_memory(), mark.brand());
        launch.user.clone_from(user);
        Ok(launch)
    }

    async fn supervise(
        &self,
        child: &mut Child,
        stop: &Stop,
        output: &dyn Output,
    ) -> std::io::Result<Finished> {
        let tap = |stream| Tap { output, stream };
        let mut stdout = Captured::default();
        let mut stderr = Captured::default();
        let (out, err) = (child.stdout.take(), child.stderr.take());
        let (ending, exit) = {
            let mut reading = pin!(async {
                let limit = self.output_limit;
                tokio::join!(
                    stdout.fill(out, limit, tap(Stream::Stdout)),
                    stderr.fill(err, limit, tap(Stream::Stderr))
                );
            });
            let mut all_read = false;
            let mut ending = pin!(self.end_of(child, stop));
            let ended = loop {
                tokio::select! {
                    ended = &mut ending => break ended?,
                    () = &mut reading, if !all_read => all_read = true,
                }
            };
            if !all_read {
                // What is not there by now is somebody else's.
                let _ = timeout(DRAIN, reading).await;
            }
            ended
        };
        Ok(Finished { ending, exit, stdout, stderr })
    }

    /// Waits for the end, or brings it about when the time is over or somebody asks.
    pub(crate) async fn end_of(&self, child: &mut Child, stop: &Stop) -> std::io::Result<(Ending, Exit)> {
        let ending = tokio::select! {
            biased;
            exit = child.wait() => {
                let exit = exit?;
                child.end_orphans(self.kill_grace, &stop.forced).await;
                return Ok((exit.into(), exit));
            }
            () = stop.asked() => Ending::Cancelled,
            () = due(self.deadline) => Ending::TimedOut,
        };
        Ok((ending, child.end(self.kill_grace, &stop.forced).await?))
    }

    fn explain(&self, failed: &LaunchError) -> ProgramError {
        let (file, error) = (self.path.display(), &failed.error);
        let too_large = error.kind() == ErrorKind::ArgumentListTooLong;
        let user = self.restrictions.user.as_ref().map(|user| user.account.name.as_str());
        let message = match (failed.step, user) {
            (step::FOLDER, Some(user)) if self.dir.is_dir() => {
                let dir = self.dir.display();
                format!("user `{user}` cannot enter the current directory {dir}: {error}")
            }
            (step::FOLDER, _) => format!("the current directory {} does not exist", self.dir.display()),
            (step::USER, Some(user)) => format!("{file} could not be started as user `{user}`: {error}"),
            (step::LIMITS, _) => format!("{file} could not be started within its `limits`: {error}"),
            (step::PROGRAM, _) => self.explain_program(error),
            _ => format!("{file} could not be started: {error}"),
        };
        ProgramError { message, too_large }
    }

    fn explain_program(&self, error: &std::io::Error) -> String {
        let file = self.path.display();
        match error.kind() {
            ErrorKind::NotFound if self.path.exists() => {
                format!("{file} {}", lost_interpreter(&self.path))
            }
            ErrorKind::NotFound if self.path.starts_with(&self.dir) => {
                format!("{file} does not exist; a relative `cmd` begins at {}", self.dir.display())
            }
            ErrorKind::NotFound => format!("{file} does not exist"),
            ErrorKind::PermissionDenied => {
                format!("{file} cannot be executed: {}", denied(&self.path))
            }
            ErrorKind::ExecutableFileBusy => format!("{file} is still open for writing"),
            ErrorKind::ArgumentListTooLong => format!(
                "{file} could not be given its arguments and environment: one of them is larger than 128 KiB, or all \
                 are too large together; large data belongs into a file"
            ),
            _ if error.raw_os_error() == Some(ENOEXEC) => {
                format!("{file} is neither a program for this machine nor a script with a #! line")
            }
            _ => format!("{file} could not be started: {error}"),
        }
    }
}

/// Why a file that exists is said not to: the program that its first line names is missing.
fn lost_interpreter(path: &Path) -> String {
    let mut begin = Vec::new();
    // The kernel reads no more of it.
    let read = File::open(path).and_then(|file| file.take(256).read_to_end(&mut begin));
    let line = begin.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = String::from_utf8_lossy(line);
    let Some(names) = line.strip_prefix("#!").filter(|_| read.is_ok()) else {
        return "needs an interpreter or a library that does not exist".to_owned();
    };
    let name = names.split_whitespace().next().unwrap_or_default();
    if names.ends_with('\r') {
        return format!(
            "has Windows line endings, so that there is no interpreter `{name}\\r` (dos2unix removes them)"
        );
    }
    format!("names the interpreter {name} after #!, which does not exist")
}

fn denied(path: &Path) -> &'static str {
    if path.is_dir() {
        "is a directory"
    } else if path.is_file() {
        "not executable (chmod +x), or on a file system mounted noexec"
    } else {
        "permission denied"
    }
}

async fn due(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
