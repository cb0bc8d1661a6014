//! An etcd with a folder of its own, filled by `etcdctl`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::place::free_port;
use crate::program::{Program, post};

/// How many keys one transaction can put.
const PUTS: usize = 128;

/// Why there is none on this machine, if so.
pub(crate) fn not_here() -> Option<String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_there = |name: &str| std::env::split_paths(&path).any(|folder| folder.join(name).exists());
    let missing = ["etcd", "etcdctl"].into_iter().find(|name| !is_there(name))?;
    Some(format!("{missing} is not installed"))
}

/// A running etcd. Ended when dropped.
pub(crate) struct EtcdProcess {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    script: PathBuf,
    _program: Program,
}

impl EtcdProcess {
    pub(crate) fn start(folder: &Path) -> Result<Self> {
        std::fs::create_dir_all(folder)?;
        let (address, peer) = (free_port()?, free_port()?);
        let mut command = Command::new("etcd");
        command.arg("--data-dir").arg(folder.join("data"));
        let (url, peer) = (format!("http://{address}"), format!("http://{peer}"));
        command.args(["--listen-client-urls", &url, "--advertise-client-urls", &url]);
        command.args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer]);
        command.args(["--initial-cluster", &format!("default={peer}")]);
        let mut program = Program::start(&mut command, "no line")?;
        program.wait_for_port(address)?;
        Ok(Self { address, script: folder.join("txn"), _program: program })
    }

    /// Puts keys, as many as possible in one transaction.
    pub(crate) fn put(&self, puts: &[(String, &str)]) -> Result<()> {
        for puts in puts.chunks(PUTS) {
            let line =
                |(key, value): &(String, &str)| format!("put {key} \"{}\"\n", value.replace('\n', "\\n"));
            std::fs::write(&self.script, format!("\n{}\n\n", puts.iter().map(line).collect::<String>()))?;
            let mut command = self.etcdctl(&["txn"]);
            let output = command.stdin(std::fs::File::open(&self.script)?).output().context("etcdctl")?;
            let said = String::from_utf8_lossy(&output.stdout);
            ensure!(output.status.success() && said.contains("SUCCESS"), "etcdctl txn: {output:?}");
        }
        Ok(())
    }

    /// Puts one key with one request.
    pub(crate) fn put_at_once(&self, key: &str, value: &str) -> Result<()> {
        let body = format!(r#"{{"key":"{}","value":"{}"}}"#, STANDARD.encode(key), STANDARD.encode(value));
        let answer = post(self.address, "/v3/kv/put", &body)?;
        ensure!(answer.starts_with("HTTP/1.1 200"), "etcd: {answer}");
        Ok(())
    }

    /// All keys below a prefix, and their values, which are a line each.
    pub(crate) fn get(&self, prefix: &str) -> Result<Vec<(String, String)>> {
        let output = self.etcdctl(&["get", "--prefix", prefix]).output().context("etcdctl")?;
        ensure!(output.status.success(), "etcdctl get: {:?}", output.status);
        let text = String::from_utf8(output.stdout)?;
        let mut lines = text.lines();
        let mut pairs = Vec::new();
        while let (Some(key), Some(value)) = (lines.next(), lines.next()) {
            pairs.push((key.to_owned(), value.to_owned()));
        }
        Ok(pairs)
    }

    fn etcdctl(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("etcdctl");
        command.env("ETCDCTL_API", "3").args(["--endpoints", &self.address.to_string()]).args(arguments);
        command
    }
}
