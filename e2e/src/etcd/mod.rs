//! Real servers of etcd, alone or as a cluster. Each has a loopback address of its own, so that its ports stay free
//! while it is stopped.

use std::fs::{File, OpenOptions};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::http::post_to;

/// How long a server may take to start or to end.
const PATIENCE: Duration = Duration::from_secs(30);
/// What a server logs when it answers clients.
const READY: &str = "ready to serve client requests";

/// One server. It is killed when this is dropped.
pub struct EtcdServer {
    name: String,
    address: Ipv4Addr,
    folder: PathBuf,
    setup: EtcdSetup,
    cluster: Vec<(String, Ipv4Addr)>,
    child: Option<Child>,
    /// The server's own folder, unless it is one of a cluster's.
    _own: Option<TempDir>,
}

/// How a server differs from the default.
#[derive(Debug, Clone, Default)]
pub struct EtcdSetup {
    /// Certificate, key, and with client certificates their authority.
    pub tls: Option<EtcdTls>,
    /// Further flags.
    pub flags: Vec<String>,
}

/// A change of a key: its new value, or none where it is deleted.
#[derive(Debug, Clone)]
pub struct EtcdChange {
    /// The key.
    pub key: String,
    /// Its value.
    pub value: Option<String>,
}

impl EtcdChange {
    /// A new value.
    #[must_use]
    pub fn put(key: &str, value: &str) -> Self {
        Self { key: key.to_owned(), value: Some(value.to_owned()) }
    }
}

/// The TLS of a server.
#[derive(Debug, Clone)]
pub struct EtcdTls {
    /// The authority of certificate and clients.
    pub ca: PathBuf,
    /// The server's certificate.
    pub cert: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// Whether clients need a certificate.
    pub client_certificates: bool,
    /// What `etcdctl` presents, where that is needed: certificate and key.
    pub ctl: Option<(PathBuf, PathBuf)>,
}

/// A loopback address that no other test uses.
#[must_use]
pub fn own_address() -> Ipv4Addr {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = std::process::id().wrapping_mul(16).wrapping_add(COUNT.fetch_add(1, Ordering::Relaxed));
    let [_, a, b, c] = number.to_be_bytes();
    Ipv4Addr::new(127, 1 + a % 250, b, 1 + c % 250)
}

impl EtcdServer {
    /// A server without TLS and without users.
    #[must_use]
    pub fn start() -> Self {
        Self::start_with(own_address(), EtcdSetup::default())
    }

    /// A server at this address.
    #[must_use]
    pub fn start_with(address: Ipv4Addr, setup: EtcdSetup) -> Self {
        let own = TempDir::new().unwrap();
        let mut server = Self {
            name: "default".to_owned(),
            address,
            folder: own.path().to_owned(),
            setup,
            cluster: vec![("default".to_owned(), address)],
            child: None,
            _own: Some(own),
        };
        server.start_again();
        server
    }

    fn scheme(&self) -> &'static str {
        if self.setup.tls.is_some() { "https" } else { "http" }
    }

    /// The URL for clients.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}://{}:2379", self.scheme(), self.address)
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    fn log(&self) -> PathBuf {
        self.folder.join("log")
    }

    fn logged(&self) -> usize {
        let log = std::fs::read_to_string(self.log()).unwrap_or_default();
        log.matches(READY).count()
    }

    /// Starts it, without waiting until it is ready.
    #[expect(clippy::disallowed_methods, reason = "the server that a test needs")]
    pub fn begin(&mut self) {
        assert!(self.child.is_none(), "it is running");
        let peers: Vec<String> =
            self.cluster.iter().map(|(name, address)| format!("{name}=http://{address}:2380")).collect();
        let peer = format!("http://{}:2380", self.address);
        let url = self.url();
        let mut command = Command::new("etcd");
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.args(["--name", &self.name, "--data-dir"]).arg(self.data());
        command.args(["--listen-client-urls", &url, "--advertise-client-urls", &url]);
        command.args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer]);
        command.args(["--initial-cluster", &peers.join(",")]);
        if let Some(tls) = &self.setup.tls {
            command.arg("--cert-file").arg(&tls.cert).arg("--key-file").arg(&tls.key);
            if tls.client_certificates {
                command.arg("--client-cert-auth").arg("--trusted-ca-file").arg(&tls.ca);
            }
        }
        command.args(&self.setup.flags);
        let log = OpenOptions::new().create(true).append(true).open(self.log()).unwrap();
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        self.child = Some(command.spawn().expect("etcd starts: apt-get install etcd-server etcd-client"));
    }

    /// Starts it with the data that it has, and waits until it answers.
    pub fn start_again(&mut self) {
        let before = self.logged();
        self.begin();
        self.wait_after(before);
    }

    fn wait_after(&mut self, before: usize) {
        let until = Instant::now() + PATIENCE;
        while self.logged() == before || TcpStream::connect(SocketAddrV4::new(self.address, 2379)).is_err() {
            let ended = self.child.as_mut().and_then(|child| child.try_wait().unwrap());
            assert!(ended.is_none() && Instant::now() < until, "etcd does not start: {}", self.last_lines());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn last_lines(&self) -> String {
        let log = std::fs::read_to_string(self.log()).unwrap_or_default();
        let lines: Vec<&str> = log.lines().rev().take(10).collect();
        lines.join("\n")
    }

    fn signal(&self, signal: Signal) {
        let child = self.child.as_ref().expect("it is running");
        let id = Pid::from_raw(child.id().try_into().unwrap()).unwrap();
        kill_process(id, signal).unwrap();
    }

    fn end(&mut self, signal: Signal) {
        self.signal(signal);
        if let Some(mut child) = self.child.take() {
            child.wait().unwrap();
        }
    }

    /// Ends it cleanly.
    pub fn stop(&mut self) {
        self.end(Signal::TERM);
    }

    /// Kills it.
    pub fn kill(&mut self) {
        self.end(Signal::KILL);
    }

    /// Stops it from running; its connections stay open.
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets it run again.
    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    /// Deletes the data of a server that is not running.
    pub fn wipe(&self) {
        assert!(self.child.is_none(), "it is running");
        std::fs::remove_dir_all(self.data()).unwrap();
    }

    /// Runs `etcdctl` against this server. Returns its output.
    #[must_use]
    pub fn ctl(&self, arguments: &[&str]) -> String {
        let mut command = Command::new("etcdctl");
        command.env("ETCDCTL_API", "3").args(["--endpoints", &self.url()]);
        if let Some(tls) = &self.setup.tls {
            command.arg("--cacert").arg(&tls.ca);
            if let Some((cert, key)) = &tls.ctl {
                command.arg("--cert").arg(cert).arg("--key").arg(key);
            }
        }
        let output = command.args(arguments).output().expect("etcdctl starts: apt-get install etcd-client");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(output.status.success(), "etcdctl {arguments:?}: {}", text(&output.stderr));
        text(&output.stdout)
    }

    /// Writes a key.
    pub fn put(&self, key: &str, value: &str) {
        let _ = self.ctl(&["put", "--", key, value]);
    }

    /// Deletes a key.
    pub fn delete(&self, key: &str) {
        let _ = self.ctl(&["del", "--", key]);
    }

    /// Writes a key through the gateway: within a millisecond, and with any bytes.
    pub fn put_bytes(&self, key: &str, value: &[u8]) {
        let _ = self.gateway("/v3/kv/put", &put_of(key, value));
    }

    /// Writes these keys in one transaction, and deletes those without a value.
    pub fn change_all(&self, changes: &[EtcdChange]) {
        let one = |EtcdChange { key, value }: &EtcdChange| match value {
            Some(value) => json!({"request_put": put_of(key, value.as_bytes())}),
            None => json!({"request_delete_range": {"key": STANDARD.encode(key)}}),
        };
        let all: Vec<Value> = changes.iter().map(one).collect();
        let _ = self.gateway("/v3/kv/txn", &json!({"success": all}));
    }

    fn gateway(&self, path: &str, body: &Value) -> Value {
        let address = SocketAddr::from((self.address, 2379));
        let response = post_to(address, path, body.to_string().as_bytes());
        assert_eq!(response.status, 200, "{path}: {response:?}");
        response.json()
    }

    /// Enables authentication: the user `root` with the password `root-password`, and the user `herald` with the
    /// password `herald-password`, who may read and write below this prefix.
    pub fn enable_users(&self, prefix: &str) {
        for arguments in [
            &["user", "add", "root:root-password"][..],
            &["user", "grant-role", "root", "root"],
            &["role", "add", "below"],
            &["role", "grant-permission", "below", "readwrite", "--prefix=true", prefix],
            &["user", "add", "herald:herald-password"],
            &["user", "grant-role", "herald", "below"],
            &["auth", "enable"],
        ] {
            let _ = self.ctl(arguments);
        }
    }

    /// Runs `etcdctl` as root, after [`Self::enable_users`].
    pub fn ctl_as_root(&self, arguments: &[&str]) -> String {
        self.ctl(&[&["--user", "root:root-password"], arguments].concat())
    }

    /// The id of its process.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// What it has logged.
    #[must_use]
    pub fn log_file(&self) -> File {
        File::open(self.log()).unwrap()
    }
}

impl Drop for EtcdServer {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // Killed by its id; one that is stopped ends, too.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A cluster of three.
pub struct EtcdCluster {
    /// The members.
    pub members: Vec<EtcdServer>,
    _folder: TempDir,
}

impl EtcdCluster {
    /// Starts three members and waits until all answer.
    #[must_use]
    pub fn start() -> Self {
        let folder = TempDir::new().unwrap();
        let cluster: Vec<(String, Ipv4Addr)> =
            ["one", "two", "three"].map(|name| (name.to_owned(), own_address())).to_vec();
        let member = |(name, address): &(String, Ipv4Addr)| EtcdServer {
            name: name.clone(),
            address: *address,
            folder: made(folder.path(), name),
            setup: EtcdSetup::default(),
            cluster: cluster.clone(),
            child: None,
            _own: None,
        };
        let mut members: Vec<EtcdServer> = cluster.iter().map(member).collect();
        members.iter_mut().for_each(EtcdServer::begin);
        members.iter_mut().for_each(|member| member.wait_after(0));
        Self { members, _folder: folder }
    }

    /// The URLs of all members.
    #[must_use]
    pub fn urls(&self) -> Vec<String> {
        self.members.iter().map(EtcdServer::url).collect()
    }

    /// Which member is the leader.
    #[must_use]
    pub fn leader(&self) -> usize {
        let is_leader = |member: &EtcdServer| {
            let status = member.ctl(&["endpoint", "status", "-w", "fields"]);
            let field = |name: &str| {
                let line = status.lines().find(|line| line.starts_with(&format!("\"{name}\"")));
                line.and_then(|line| line.split_once(": ")).map(|(_, value)| value.to_owned())
            };
            field("MemberID").is_some() && field("MemberID") == field("Leader")
        };
        let running = self.members.iter().enumerate().filter(|(_, member)| member.child.is_some());
        let mut found = running.filter(|(_, member)| is_leader(member));
        found.next().expect("there is a leader").0
    }
}

fn put_of(key: &str, value: &[u8]) -> Value {
    json!({"key": STANDARD.encode(key), "value": STANDARD.encode(value)})
}

fn made(folder: &Path, name: &str) -> PathBuf {
    let folder = folder.join(name);
    std::fs::create_dir(&folder).unwrap();
    folder
}
