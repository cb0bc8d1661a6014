//! A Redis server in a folder of its own, and a client that does no more than is needed here.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::Signal;

use crate::place::free_port;
use crate::program::Program;

/// The program of the server.
pub(crate) const PROGRAM: &str = "redis-server";
/// Time limit for a reply.
const PATIENCE: Duration = Duration::from_secs(20);
/// Time limit for a server to start.
const STARTS: Duration = Duration::from_secs(120);

/// A server with an append-only file. Ended when dropped.
pub(crate) struct RedisProcess {
    folder: PathBuf,
    flags: Vec<String>,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    program: Option<Program>,
}

impl RedisProcess {
    /// Starts one on a free port; `flags` come after the flags of its own, and win.
    pub(crate) fn start(folder: &Path, flags: &[&str]) -> Result<Self> {
        fs::create_dir_all(folder)?;
        let flags = flags.iter().map(|&flag| flag.to_owned()).collect();
        let mut server = Self { folder: folder.to_owned(), flags, address: free_port()?, program: None };
        server.start_again()?;
        Ok(server)
    }

    /// Starts it with the data that it has, and waits until it answers.
    pub(crate) fn start_again(&mut self) -> Result<()> {
        let began = Instant::now();
        loop {
            let mut command = Command::new(PROGRAM);
            command.args(["--bind", "127.0.0.1", "--port", &self.address.port().to_string(), "--save", ""]);
            command.args(["--appendonly", "yes", "--appendfsync", "everysec"]);
            command.args(["--repl-diskless-sync-delay", "0", "--dir"]).arg(&self.folder).args(&self.flags);
            let mut program = Program::start(&mut command, "no line")?;
            while !program.has_ended()? {
                if matches!(self.ask(&["PING"]), Ok(RedisAnswer::Text(_))) {
                    self.program = Some(program);
                    return Ok(());
                }
                ensure!(began.elapsed() < STARTS, "{PROGRAM} does not answer");
                std::thread::sleep(Duration::from_millis(5));
            }
            // While it was away, somebody else's connection may have got its port for a while.
            ensure!(began.elapsed() < STARTS, "{PROGRAM} ends at once");
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// Ends it like a crash.
    pub(crate) fn kill(&mut self) -> Result<()> {
        if let Some(mut program) = self.program.take() {
            program.signal(Signal::KILL)?;
            program.wait_end()?;
        }
        Ok(())
    }

    /// Runs one command on a connection of its own.
    pub(crate) fn ask(&self, command: &[&str]) -> Result<RedisAnswer> {
        let mut client = RedisClient::connect(self.address)?;
        client.send(&encoded(command))?;
        client.answer()
    }
}

impl RedisProcess {
    /// What a section of the server's INFO says under a name.
    pub(crate) fn info(&self, section: &str, name: &str) -> Result<String> {
        let RedisAnswer::Text(text) = self.ask(&["INFO", section])? else { bail!("INFO gave no text") };
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        Ok(line.with_context(|| format!("INFO {section} has no {name}"))?.trim().to_owned())
    }
}

/// What a server answers.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum RedisAnswer {
    /// Nothing.
    Nil,
    /// A number.
    Number(i64),
    /// A text.
    Text(String),
    /// Several.
    List(Vec<RedisAnswer>),
}

/// A connection.
pub(crate) struct RedisClient(BufReader<TcpStream>);

impl RedisClient {
    /// Connects.
    pub(crate) fn connect(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self(BufReader::with_capacity(1 << 18, stream)))
    }

    /// Sends commands that [`encoded`] has made.
    pub(crate) fn send(&mut self, commands: &[u8]) -> Result<()> {
        Ok(self.0.get_mut().write_all(commands)?)
    }

    /// The next answer; an error of the server is one here.
    pub(crate) fn answer(&mut self) -> Result<RedisAnswer> {
        let mut line = String::new();
        self.0.read_line(&mut line)?;
        let (kind, rest) = line.trim_end().split_at_checked(1).context("the connection ended")?;
        Ok(match kind {
            "+" => RedisAnswer::Text(rest.to_owned()),
            "-" => bail!("{rest}"),
            ":" => RedisAnswer::Number(rest.parse()?),
            "$" => match usize::try_from(rest.parse::<i64>()?) {
                Ok(length) => {
                    let mut bytes = vec![0; length + 2];
                    self.0.read_exact(&mut bytes)?;
                    bytes.truncate(length);
                    RedisAnswer::Text(String::from_utf8_lossy(&bytes).into_owned())
                }
                Err(_) => RedisAnswer::Nil,
            },
            "*" => match usize::try_from(rest.parse::<i64>()?) {
                Ok(length) => RedisAnswer::List((0..length).map(|_| self.answer()).collect::<Result<_>>()?),
                Err(_) => RedisAnswer::Nil,
            },
            other => bail!("an answer begins with {other}"),
        })
    }
}

/// A command as bytes.
pub(crate) fn encoded(command: &[&str]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", command.len()).into_bytes();
    for part in command {
        bytes.extend(format!("${}\r\n{part}\r\n", part.len()).into_bytes());
    }
    bytes
}

/// Why there is no Redis on this machine, if so.
pub(crate) fn not_here() -> Option<String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).any(|folder| folder.join(PROGRAM).is_file());
    (!found).then(|| format!("there is no {PROGRAM}"))
}
