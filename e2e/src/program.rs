//! A running program: its log lines, its signals, its end.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, OnceLock};
use std::time::{Duration, Instant};

use crate::wait::SOON;

/// Time limit for a command: a deployment to several nodes is one, and other tests may run beside it.
const COMMAND_TIME: Duration = Duration::from_secs(60);

/// The path of a built program or plugin. Builds it first under plain `cargo test`.
#[must_use]
pub fn built(name: &str) -> PathBuf {
    let folder = std::env::var_os("HERALD_E2E_BIN").map_or_else(built_folder, PathBuf::from);
    let path = folder.join(name);
    assert!(path.exists(), "{} is not built: run `cargo build`", path.display());
    path
}

/// `target/<profile>`, with everything in it up to date.
fn built_folder() -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER
        .get_or_init(|| {
            let test = std::env::current_exe().unwrap();
            let folder = test.parent().and_then(Path::parent).unwrap().to_owned();
            // nextest runs each test in a separate process, so the build runs before it.
            let alone = std::env::var_os("NEXTEST").is_none() || !folder.join("heraldd").exists();
            if alone {
                build(&folder);
            }
            folder
        })
        .clone()
}

fn build(folder: &Path) {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.arg("build").arg("--quiet").current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    cargo.args(["-p", "heraldd", "-p", "herald-runner", "-p", "hello", "-p", "gogs-hook"]);
    if folder.ends_with("release") {
        cargo.arg("--release");
    }
    assert!(cargo.status().unwrap().success(), "the programs do not build");
}

/// The exit code and the output of a program.
#[derive(Debug)]
pub struct Ended {
    /// Exit code; `None` after a signal.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Ended {
    /// Both streams.
    #[must_use]
    pub fn text(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }
}

/// The environment in which every program under test starts: nothing of the caller's but `PATH`.
pub fn clean(command: &mut Command, home: &Path) {
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command
        .env("HOME", home)
        .env("STATE_DIRECTORY", home.join("state"))
        .env("USER", "herald")
        .stdin(Stdio::null());
}

#[expect(clippy::disallowed_methods, reason = "the programs under test are started as users start them")]
fn spawn(command: &mut Command) -> Child {
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts")
}

/// Runs a program that is expected to end by itself.
#[must_use]
pub fn run_to_end(command: &mut Command) -> Ended {
    let mut child = spawn(command);
    let stdout = read_all(child.stdout.take().unwrap());
    let stderr = read_all(child.stderr.take().unwrap());
    let status = wait_child(&mut child, COMMAND_TIME);
    if status.is_none() {
        let _ = child.kill();
        let _ = child.wait();
    }
    let ended = Ended {
        code: status.and_then(|status| status.code()),
        stdout: stdout.join().unwrap(),
        stderr: stderr.join().unwrap(),
    };
    assert!(status.is_some(), "still running after {COMMAND_TIME:?}; it said:\n{}", ended.text());
    ended
}

fn read_all(mut stream: impl Read + Send + 'static) -> std::thread::JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

fn wait_child(child: &mut Child, limit: Duration) -> Option<ExitStatus> {
    let started = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return Some(status);
        }
        if started.elapsed() > limit {
            return None;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[derive(Default)]
struct Lines {
    said: Mutex<(Vec<Arc<str>>, usize)>,
    changed: Condvar,
}

/// A program that runs until it is stopped; it is stopped when dropped.
pub struct Program {
    child: Mutex<Child>,
    pid: u32,
    lines: Arc<Lines>,
}

impl Program {
    /// Starts it and reads both of its streams.
    #[must_use]
    pub fn start(command: &mut Command) -> Self {
        let mut child = spawn(command);
        let lines = Arc::new(Lines::default());
        listen(&lines, child.stdout.take().unwrap());
        listen(&lines, child.stderr.take().unwrap());
        Self { pid: child.id(), child: Mutex::new(child), lines }
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// The first log line, early or late, of which `pick` makes something.
    pub fn wait_pick<T>(&self, what: &str, pick: impl Fn(&str) -> Option<T>) -> T {
        let deadline = Instant::now() + SOON;
        let mut next = 0;
        let mut said = self.lines.said.lock().unwrap();
        loop {
            let fresh: Vec<Arc<str>> = said.0[next..].to_vec();
            let over = said.1 == 0 && fresh.is_empty();
            drop(said);
            next += fresh.len();
            if let Some(found) = fresh.iter().find_map(|line| pick(line)) {
                return found;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(
                !left.is_zero() && !over,
                "no log line with {what} (ended: {over}); the log:\n{}",
                self.log()
            );
            said = self.lines.said.lock().unwrap();
            if said.0.len() == next && said.1 > 0 {
                said = self.lines.changed.wait_timeout(said, left).unwrap().0;
            }
        }
    }

    /// The first log line, early or late, that contains all of these.
    pub fn wait_for(&self, parts: &[&str]) -> String {
        self.wait_pick(&format!("{parts:?}"), |line| {
            let lower = line.to_lowercase();
            parts.iter().all(|part| lower.contains(&part.to_lowercase())).then(|| line.to_owned())
        })
    }

    /// The lines so far.
    #[must_use]
    pub fn lines(&self) -> Vec<Arc<str>> {
        self.lines.said.lock().unwrap().0.clone()
    }

    /// Its output so far.
    #[must_use]
    pub fn log(&self) -> String {
        let mut text = String::new();
        for line in self.lines() {
            text.extend(line.chars().take(4000));
            text.push('\n');
        }
        text
    }

    /// Whether its output contains this.
    #[must_use]
    pub fn said(&self, part: &str) -> bool {
        self.lines().iter().any(|line| line.contains(part))
    }

    /// Sends a signal by its name, without SIG.
    pub fn signal(&self, name: &str) {
        let mut kill = Command::new("kill");
        assert!(
            kill.arg("-s").arg(name).arg(self.pid.to_string()).status().unwrap().success(),
            "kill -s {name}"
        );
    }

    /// Whether it has ended, and how.
    #[must_use]
    pub fn ended(&self) -> Option<ExitStatus> {
        self.child.lock().unwrap().try_wait().unwrap()
    }

    /// Waits for its end and returns the exit code; `None` after a signal.
    #[must_use]
    pub fn wait_end(&self) -> Option<i32> {
        let status = wait_child(&mut self.child.lock().unwrap(), SOON);
        status.unwrap_or_else(|| panic!("still running after {SOON:?}; the log:\n{}", self.log())).code()
    }

    /// Its peak memory, in MiB.
    #[must_use]
    pub fn peak_mib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid)).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches("kB").trim().parse::<u64>().unwrap() / 1024
    }
}

impl Drop for Program {
    /// Asks twice, so that it ends the jobs that it started, then ends it.
    fn drop(&mut self) {
        let mut child = self.child.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        for patience in [300, 3000] {
            if let Ok(Some(_)) = child.try_wait() {
                return;
            }
            let _ = Command::new("kill").arg(self.pid.to_string()).stderr(Stdio::null()).status();
            if wait_child(&mut child, Duration::from_millis(patience)).is_some() {
                return;
            }
        }
        let _ = child.kill();
        let _ = child.wait();
    }
}

fn listen(lines: &Arc<Lines>, stream: impl Read + Send + 'static) {
    lines.said.lock().unwrap().1 += 1;
    let lines = lines.clone();
    std::thread::spawn(move || {
        let mut stream = BufReader::new(stream);
        let mut bytes = Vec::new();
        while matches!(stream.read_until(b'\n', &mut bytes), Ok(read) if read > 0) {
            let line = String::from_utf8_lossy(&bytes).trim_end().into();
            bytes.clear();
            lines.said.lock().unwrap().0.push(line);
            lines.changed.notify_all();
        }
        lines.said.lock().unwrap().1 -= 1;
        lines.changed.notify_all();
    });
}

/// Whether a process runs (a zombie does not).
#[must_use]
pub fn alive(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('Z')))
}

/// Whether there is a process or the zombie of one.
#[must_use]
pub fn exists(pid: u32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

/// Runs a helper program and returns its standard output, trimmed.
pub fn tool(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// Runs a tool with arguments, see [`tool`].
pub fn sh(program: &str, args: &[&dyn AsRef<OsStr>]) -> String {
    tool(Command::new(program).args(args.iter().map(|arg| arg.as_ref())))
}
