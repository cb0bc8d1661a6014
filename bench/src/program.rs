//! A program under test: start, observe, stop.

use std::collections::VecDeque;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};

/// Time limit for a program to be ready, and to end.
const SOON: Duration = Duration::from_secs(20);
/// The number of its last lines that are kept for error messages.
const KEPT_LINES: usize = 20;

/// A running program. Ended when dropped.
pub(crate) struct Program {
    name: String,
    child: Child,
    pid: Pid,
    /// When each line of interest came, and the line.
    lines: Receiver<(Instant, String)>,
    last: Arc<Mutex<VecDeque<String>>>,
    /// Just before it was started.
    pub(crate) started: Instant,
}

impl Program {
    /// Starts it; the caller can wait for lines of its standard error that contain `mark`.
    #[expect(clippy::disallowed_methods, reason = "starting programs is what this one is for")]
    pub(crate) fn start(command: &mut Command, mark: &'static str) -> Result<Self> {
        let name = command.get_program().to_string_lossy().into_owned();
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let started = Instant::now();
        let mut child = command.spawn().with_context(|| name.clone())?;
        let pid = Pid::from_child(&child);
        let stderr = child.stderr.take().context("standard error is piped")?;
        let (sender, lines) = channel();
        let last = Arc::new(Mutex::new(VecDeque::new()));
        let kept = last.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines() {
                let (Ok(line), now) = (line, Instant::now()) else { return };
                if line.contains(mark) {
                    // Nobody waits any more: reading goes on, so that the program is never held up.
                    let _ = sender.send((now, line));
                    continue;
                }
                let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                kept.push_back(line);
                if kept.len() > KEPT_LINES {
                    kept.pop_front();
                }
            }
        });
        Ok(Self { name, child, pid, lines, last, started })
    }

    /// Waits until a connection is accepted.
    pub(crate) fn wait_for_port(&mut self, address: SocketAddr) -> Result<()> {
        self.wait_for_port_within(address, SOON)
    }

    /// Waits until a connection is accepted, at most this long.
    pub(crate) fn wait_for_port_within(&mut self, address: SocketAddr, limit: Duration) -> Result<()> {
        while TcpStream::connect(address).is_err() {
            self.still_starting(limit)?;
        }
        Ok(())
    }

    /// The number of its process.
    pub(crate) fn id(&self) -> i32 {
        self.pid.as_raw_nonzero().get()
    }

    /// Sends a signal.
    pub(crate) fn signal(&mut self, signal: Signal) -> Result<()> {
        // Once it has ended there is nobody to get it.
        if !self.has_ended()? {
            kill_process(self.pid, signal)?;
        }
        Ok(())
    }

    /// Whether it has ended.
    pub(crate) fn has_ended(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_some())
    }

    /// Whether all of its threads are stopped after a SIGSTOP.
    pub(crate) fn is_halted(&self) -> Result<bool> {
        for thread in fs::read_dir(format!("/proc/{}/task", self.pid.as_raw_nonzero()))? {
            let stat = fs::read_to_string(thread?.path().join("stat"))?;
            let state = stat.rsplit(") ").next().and_then(|rest| rest.chars().next());
            if state != Some('T') {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Waits for its end.
    pub(crate) fn wait_end(&mut self) -> Result<ExitStatus> {
        let asked = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            ensure!(asked.elapsed() < SOON, "{} did not end in time:\n{}", self.name, self.last_lines());
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Waits until an event is accepted: a `POST` gets 200.
    pub(crate) fn wait_for_answer(&mut self, address: SocketAddr) -> Result<Instant> {
        loop {
            if let Ok(answer) = post(address, "/", "{}")
                && answer.starts_with("HTTP/1.1 200")
            {
                return Ok(Instant::now());
            }
            self.still_starting(SOON)?;
        }
    }

    fn still_starting(&mut self, limit: Duration) -> Result<()> {
        let ended = self.child.try_wait()?;
        ensure!(ended.is_none(), "{} ended while it started:\n{}", self.name, self.last_lines());
        ensure!(
            self.started.elapsed() < limit,
            "{} was not ready in time:\n{}",
            self.name,
            self.last_lines()
        );
        std::thread::sleep(Duration::from_micros(200));
        Ok(())
    }

    /// The next line of interest, and when it came.
    pub(crate) fn line(&self, limit: Duration) -> Result<(Instant, String)> {
        match self.lines.recv_timeout(limit) {
            Ok(line) => Ok(line),
            Err(RecvTimeoutError::Timeout) => {
                bail!("{} printed no such line within {limit:?}:\n{}", self.name, self.last_lines())
            }
            Err(RecvTimeoutError::Disconnected) => bail!("{} ended:\n{}", self.name, self.last_lines()),
        }
    }

    /// Its last lines.
    pub(crate) fn last_lines(&self) -> String {
        let kept = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().map(|line| format!("  {line}\n")).collect()
    }

    /// Its current memory in MiB.
    pub(crate) fn memory(&self) -> Result<f64> {
        self.status("VmRSS:")
    }

    /// Its peak memory in MiB.
    pub(crate) fn peak(&self) -> Result<f64> {
        self.status("VmHWM:")
    }

    /// The time that its threads have run.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        let mut nanoseconds = 0;
        for thread in fs::read_dir(format!("/proc/{}/task", self.pid.as_raw_nonzero()))? {
            let text = fs::read_to_string(thread?.path().join("schedstat"))?;
            nanoseconds += text.split(' ').next().context("schedstat is empty")?.parse::<u64>()?;
        }
        Ok(Duration::from_nanos(nanoseconds))
    }

    fn status(&self, key: &str) -> Result<f64> {
        let text = fs::read_to_string(format!("/proc/{}/status", self.pid.as_raw_nonzero()))?;
        let line = text.lines().find_map(|line| line.strip_prefix(key)).context("no such line")?;
        let kibibytes: f64 = line.trim().trim_end_matches(" kB").parse()?;
        Ok(kibibytes / 1024.0)
    }
}

impl Drop for Program {
    /// TERM, a pause, KILL; only this one process.
    fn drop(&mut self) {
        let _ = kill_process(self.pid, Signal::TERM);
        let asked = Instant::now();
        while asked.elapsed() < SOON {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One `POST` of JSON on a separate connection; the whole response.
pub(crate) fn post(address: SocketAddr, path: &str, body: &str) -> Result<String> {
    ask(address, &request(address, path, body, true))
}

/// One request, which says `Connection: close`, on a separate connection; the whole response.
pub(crate) fn ask(address: SocketAddr, request: &str) -> Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(SOON))?;
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.take(1 << 20).read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// The text of a `POST` of JSON.
pub(crate) fn request(address: SocketAddr, path: &str, body: &str, close: bool) -> String {
    let connection = if close { "Connection: close\r\n" } else { "" };
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n{connection}Content-Length: {length}\r\n\r\n{body}"
    )
}
