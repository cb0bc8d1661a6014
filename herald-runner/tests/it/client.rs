//! A runner in a folder of its own, and a client that can do everything wrong.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use herald_wire::answer::{self, Claim};
use herald_wire::manifest::AnswerManifest;
use herald_wire::request::{self, Outgoing, SignedRequest};
use herald_wire::runner_id::RunnerId;
use herald_wire::secret::Secrets;
use herald_wire::v1;
use http::HeaderMap;
use serde_json::{Value, json};

pub(crate) const SECRET: &str = "the_secret_should_be_strong_enough";
const PATIENCE: Duration = Duration::from_secs(20);

/// Every request here is the last of its connection, where a test does not remove this.
pub(crate) const CLOSE: &str = "Connection: close\r\n";

/// The id of every runner here.
pub(crate) fn id() -> RunnerId {
    RunnerId::try_from("the-runner-of-the-test".to_owned()).unwrap()
}

pub(crate) fn secrets() -> Secrets {
    Secrets::new([SECRET]).unwrap()
}

#[expect(clippy::disallowed_methods, reason = "requests are signed with the real time")]
pub(crate) fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()).unwrap()
}

/// Waits for something to become true.
pub(crate) fn wait_for(what: &str, mut is: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is() {
        assert!(Instant::now() < end, "waited too long for {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

pub(crate) struct Runner {
    pub(crate) child: Child,
    pub(crate) folder: Arc<tempfile::TempDir>,
    pub(crate) port: u16,
    log: Arc<Mutex<String>>,
}

impl Drop for Runner {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[expect(clippy::disallowed_methods, reason = "the test starts the program that it tests")]
pub(crate) fn spawn(command: &mut Command) -> Child {
    command.spawn().unwrap()
}

impl Runner {
    /// With these lines added to its configuration.
    pub(crate) fn start(lines: &str) -> Self {
        Self::start_in(Arc::new(tempfile::tempdir().unwrap()), lines)
    }

    pub(crate) fn start_in(folder: Arc<tempfile::TempDir>, lines: &str) -> Self {
        let secret = if lines.contains("secret:") { String::new() } else { format!("secret: {SECRET}\n") };
        let path = folder.path().join("config.yml");
        let work = folder.path().join("work");
        let text = format!("{secret}work_dir: {}\nport: 0\nlog_level: debug\n{lines}", work.display());
        std::fs::write(&path, text).unwrap();
        if !work.exists() {
            std::fs::create_dir(&work).unwrap();
            std::fs::write(work.join("runner.id"), id().as_str()).unwrap();
            // So that it has lost none.
            std::fs::write(work.join("nonces"), "").unwrap();
        }
        let mut child = spawn(
            Command::new(env!("CARGO_BIN_EXE_herald-runner"))
                .arg("-config")
                .arg(&path)
                .stderr(Stdio::piped()),
        );
        let log = Arc::new(Mutex::new(String::new()));
        let (stderr, sink) = (child.stderr.take().unwrap(), log.clone());
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                sink.lock().unwrap().push_str(&format!("{line}\n"));
            }
        });
        let mut runner = Self { child, folder, port: 0, log };
        let mut port = 0;
        wait_for("the runner to listen", || {
            let log = runner.log();
            let found = log.split_once("listening on 127.0.0.1:").map(|(_, rest)| rest.to_owned());
            let digits = found.map(|rest| rest.chars().take_while(char::is_ascii_digit).collect::<String>());
            port = digits.and_then(|digits| digits.parse().ok()).unwrap_or(0);
            port != 0
        });
        runner.port = port;
        runner
    }

    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// What it takes of the memory.
    pub(crate) fn resident_mib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.split_whitespace().next().unwrap().parse::<u64>().unwrap() / 1024
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn signal(&self, name: &str) {
        let status =
            spawn(Command::new("kill").arg(format!("-{name}")).arg(self.child.id().to_string())).wait();
        assert!(status.unwrap().success());
    }

    pub(crate) fn wait(&mut self) -> ExitStatus {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < end, "the runner does not stop:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// Sends a request that was put together by hand.
    pub(crate) fn send(&self, request: &[u8]) -> Answer {
        let mut stream = self.connect();
        stream.write_all(request).unwrap();
        Answer::read(stream)
    }

    /// Signs, sends, and checks the answer's signature.
    pub(crate) fn v2(&self, path: &str, body: &Value) -> Answer {
        let (request, signed) = v2(path, &body.to_string(), now(), &secrets(), false);
        let answer = self.send(&request);
        answer.verify(&signed);
        answer
    }

    pub(crate) fn v1(&self, body: &Value) -> Answer {
        let body = body.to_string();
        let signature = v1::sign(&secrets(), body.as_bytes());
        self.send(&raw("POST", "/", &[("X-Herald-Signature", &signature)], &body))
    }

    /// Whether a job made this file, which it would have at once.
    pub(crate) fn ran(&self, name: &str) -> bool {
        std::thread::sleep(Duration::from_millis(100));
        self.path(name).exists()
    }

    /// A job that runs a shell script, with `$0` as the folder of this test.
    pub(crate) fn job(&self, id: &str, script: &str) -> Value {
        let folder = self.folder.path().to_str().unwrap();
        json!({
            "id": id, "job_id": id, "trigger_id": "t", "router": "r", "trigger": "t", "selector": "all",
            "task": "k", "executor": "remote", "trigger_param": {}, "select_param": {},
            "job_param": {"cmd": "/bin/sh", "arg": ["-c", script, folder]}, "chain_depth": 0, "attempt": 1,
        })
    }
}

pub(crate) fn raw(method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Vec<u8> {
    let mut request =
        format!("{method} {path} HTTP/1.1\r\nHost: runner\r\n{CLOSE}Content-Length: {}\r\n", body.len());
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    format!("{request}\r\n{body}").into_bytes()
}

/// A signed request of version 2 as bytes.
pub(crate) fn v2(path: &str, body: &str, at: i64, secrets: &Secrets, join: bool) -> (Vec<u8>, SignedRequest) {
    v2_for(Some(&id()), path, body, at, secrets, join)
}

/// The same for a runner with this id; none is version 2.0.
pub(crate) fn v2_for(
    to: Option<&RunnerId>,
    path: &str,
    body: &str,
    at: i64,
    secrets: &Secrets,
    join: bool,
) -> (Vec<u8>, SignedRequest) {
    let nonce = request::nonce().unwrap();
    let outgoing = Outgoing { method: "POST", path, body: body.as_bytes(), to, join, now: at, nonce: &nonce };
    let signed = request::sign(&outgoing, secrets).unwrap();
    let headers: Vec<(&str, &str)> =
        signed.headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
    (raw("POST", path, &headers, body), signed)
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn read(mut stream: impl Read) -> Self {
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes);
        let head_end = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("an answer");
        let head = String::from_utf8(bytes[..head_end].to_vec()).unwrap();
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let mut headers = HeaderMap::new();
        for line in lines {
            let (name, value) = line.split_once(':').unwrap();
            let name = http::HeaderName::from_bytes(name.as_bytes()).unwrap();
            headers.append(name, value.trim().parse().unwrap());
        }
        let rest = &bytes[head_end + 4..];
        let chunked = headers.get("transfer-encoding").is_some();
        let body = if chunked { unchunk(rest) } else { rest.to_vec() };
        Self { status, headers, body }
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text());
        serde_json::from_slice(&self.body).unwrap()
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The manifest of an answer without files, once signature and body were found right.
    pub(crate) fn verify(&self, request: &SignedRequest) -> AnswerManifest {
        self.verify_with(request, &secrets())
    }

    pub(crate) fn verify_with(&self, request: &SignedRequest, secrets: &Secrets) -> AnswerManifest {
        let claim = Claim {
            status: self.status,
            manifest: self.header("herald-manifest").expect("a manifest"),
            input: self.header("signature-input"),
            signature: self.header("signature"),
        };
        let manifest = answer::verify(&claim, &request.tie, secrets).unwrap();
        assert_eq!(manifest.runner, Some(id()), "every signed answer says whose it is");
        let of_body = AnswerManifest {
            ending: manifest.ending,
            runner: manifest.runner.clone(),
            error_line: manifest.error_line.clone(),
            output: manifest.output.clone(),
            ..AnswerManifest::of_body(&self.body, None)
        };
        assert_eq!(manifest, of_body);
        manifest
    }
}

fn unchunk(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let line = rest.windows(2).position(|two| two == b"\r\n").expect("a chunk");
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..line]).unwrap(), 16).unwrap();
        if size == 0 {
            return body;
        }
        body.extend_from_slice(&rest[line + 2..line + 2 + size]);
        rest = &rest[line + 2 + size + 2..];
    }
}

pub(crate) fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}
