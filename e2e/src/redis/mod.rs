//! Real servers of Redis or Valkey, each in a folder of its own, on a unix socket.

use std::fs::OpenOptions;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// How long a server may take to start.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a server answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RedisReply {
    /// Nothing.
    Nil,
    /// A number.
    Number(i64),
    /// A text, or bytes read as one.
    Text(String),
    /// An error.
    Error(String),
    /// Several.
    List(Vec<RedisReply>),
}

impl RedisReply {
    /// The number; fails with anything else.
    #[must_use]
    pub fn number(&self) -> i64 {
        match self {
            Self::Number(number) => *number,
            other => panic!("not a number: {other:?}"),
        }
    }

    /// The items; fails with anything else.
    #[must_use]
    pub fn list(&self) -> &[RedisReply] {
        match self {
            Self::List(items) => items,
            other => panic!("not a list: {other:?}"),
        }
    }

    /// The text; fails with anything else.
    #[must_use]
    pub fn text(&self) -> &str {
        match self {
            Self::Text(text) => text,
            other => panic!("not a text: {other:?}"),
        }
    }
}

/// A server. It is killed when this is dropped.
pub struct RedisServer {
    program: String,
    folder: TempDir,
    flags: Vec<String>,
    child: Option<Child>,
}

impl RedisServer {
    /// Starts `redis-server` with `appendonly yes`, `appendfsync everysec` and these flags besides, which win.
    #[must_use]
    pub fn start(flags: &[&str]) -> Self {
        Self::start_program("redis-server", flags)
    }

    /// The same with another program: `valkey-server`.
    #[must_use]
    pub fn start_program(program: &str, flags: &[&str]) -> Self {
        let flags = flags.iter().map(|&flag| flag.to_owned()).collect();
        let folder = tempfile::tempdir().unwrap();
        let mut server = Self { program: program.to_owned(), folder, flags, child: None };
        server.begin();
        server.wait();
        server
    }

    /// Starts a sentinel at this port, which watches the master `main` at the other one.
    #[must_use]
    pub fn start_sentinel(port: u16, master: u16) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("sentinel.conf");
        let text = format!(
            "port {port}\nbind 127.0.0.1\nunixsocket {}\ndir {}\nsentinel monitor main 127.0.0.1 {master} 1\n\
             sentinel down-after-milliseconds main 500\nsentinel failover-timeout main 2000\n",
            folder.path().join("redis.sock").display(),
            folder.path().display(),
        );
        std::fs::write(&file, text).unwrap();
        let flags = vec![file.display().to_string(), "--sentinel".to_owned()];
        let mut server = Self { program: "redis-server".to_owned(), folder, flags, child: None };
        server.begin();
        server.wait();
        server
    }

    /// Whether a program of this name can be started.
    #[must_use]
    pub fn has_program(program: &str) -> bool {
        let path = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
    }

    /// The path of its socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("redis.sock")
    }

    /// Its URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis+unix://{}", self.socket().display())
    }

    /// What it logged.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Every byte that it wrote to its append-only file.
    #[must_use]
    pub fn append_only_file(&self) -> Vec<u8> {
        let mut all = Vec::new();
        for file in std::fs::read_dir(self.folder.path().join("appendonlydir")).unwrap() {
            all.extend(std::fs::read(file.unwrap().path()).unwrap());
        }
        all
    }

    #[expect(clippy::disallowed_methods, reason = "the server that a test needs")]
    fn begin(&mut self) {
        let log = OpenOptions::new().create(true).append(true).open(self.folder.path().join("log")).unwrap();
        let mut command = Command::new(&self.program);
        if !self.flags.iter().any(|flag| flag == "--sentinel") {
            command.args(["--port", "0", "--save", "", "--appendonly", "yes", "--appendfsync", "everysec"]);
            command.arg("--unixsocket").arg(self.socket()).arg("--dir").arg(self.folder.path());
        }
        command.args(&self.flags).stdin(Stdio::null()).stderr(Stdio::null()).stdout(log);
        self.child = Some(command.spawn().expect("Redis starts: apt-get install redis-server"));
    }

    fn wait(&mut self) {
        let until = Instant::now() + PATIENCE;
        loop {
            let ended = self.child.as_mut().and_then(|child| child.try_wait().unwrap());
            assert!(ended.is_none() && Instant::now() < until, "Redis does not start: {}", self.log());
            // One that asks for a password answers, too.
            if let Some(RedisReply::Text(_) | RedisReply::Error(_)) = self.try_ask(&["PING"])
                && !matches!(self.try_ask(&["PING"]), Some(RedisReply::Error(text)) if text.starts_with("LOADING"))
            {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn signal(&self, signal: Signal) {
        let child = self.child.as_ref().expect("it is running");
        kill_process(Pid::from_raw(child.id().try_into().unwrap()).unwrap(), signal).unwrap();
    }

    /// Kills it, as a crash does.
    pub fn kill(&mut self) {
        self.signal(Signal::KILL);
        if let Some(mut child) = self.child.take() {
            child.wait().unwrap();
        }
    }

    /// Starts it with the data that it has.
    pub fn start_again(&mut self) {
        assert!(self.child.is_none(), "it is running");
        self.begin();
        self.wait();
    }

    /// Adds flags, from the next start on.
    pub fn add_flags(&mut self, flags: &[&str]) {
        self.flags.extend(flags.iter().map(|&flag| flag.to_owned()));
    }

    /// Deletes the data of a server that does not run.
    pub fn delete_data(&self) {
        assert!(self.child.is_none(), "it is running");
        let _ = std::fs::remove_dir_all(self.folder.path().join("appendonlydir"));
    }

    /// Stops it without ending it.
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    /// Goes on.
    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    /// Runs a command.
    #[must_use]
    pub fn ask(&self, command: &[&str]) -> RedisReply {
        self.try_ask(command).expect("Redis answers")
    }

    /// Runs a command that must succeed.
    pub fn run(&self, command: &[&str]) {
        let reply = self.ask(command);
        assert!(!matches!(reply, RedisReply::Error(_)), "{command:?}: {reply:?}");
    }

    fn try_ask(&self, command: &[&str]) -> Option<RedisReply> {
        let mut stream = UnixStream::connect(self.socket()).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(20))).ok()?;
        let mut bytes = format!("*{}\r\n", command.len()).into_bytes();
        for part in command {
            bytes.extend(format!("${}\r\n{part}\r\n", part.len()).into_bytes());
        }
        stream.write_all(&bytes).ok()?;
        read_reply(&mut BufReader::new(stream))
    }
}

fn read_reply(reader: &mut BufReader<UnixStream>) -> Option<RedisReply> {
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let (kind, rest) = line.trim_end().split_at_checked(1)?;
    Some(match kind {
        "+" => RedisReply::Text(rest.to_owned()),
        "-" => RedisReply::Error(rest.to_owned()),
        ":" => RedisReply::Number(rest.parse().ok()?),
        "$" => match usize::try_from(rest.parse::<i64>().ok()?) {
            Ok(length) => {
                let mut bytes = vec![0; length + 2];
                reader.read_exact(&mut bytes).ok()?;
                RedisReply::Text(String::from_utf8_lossy(&bytes[..length]).into_owned())
            }
            Err(_) => RedisReply::Nil,
        },
        "*" => match usize::try_from(rest.parse::<i64>().ok()?) {
            Ok(length) => RedisReply::List((0..length).map(|_| read_reply(reader)).collect::<Option<_>>()?),
            Err(_) => RedisReply::Nil,
        },
        _ => return None,
    })
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
