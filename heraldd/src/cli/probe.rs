//! `heraldd check --probe`: whether what a valid configuration needs can be had on this machine, now.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use herald_queue_jobs::QueueConnection;
use herald_store::whole_state;
use rustix::fs::{Access, access};
use serde_json::Value;

use crate::config::{ConfiguredComponent, DaemonConfig};
use herald_projects::EtcdConnection;

/// How long a queue is waited for.
const LONGEST: Duration = Duration::from_secs(5);
/// The options that name a folder which is written to.
const FOLDERS: [&str; 2] = ["work_dir", "data_dir"];

/// What was found, a sentence each.
#[derive(Debug, Default)]
pub(super) struct ProbeFindings {
    /// What could not be had.
    pub(super) missing: Vec<String>,
    /// What is there and must not be used as it is: the start would refuse it.
    pub(super) unfit: Vec<String>,
    /// What deserves a warning.
    pub(super) warnings: Vec<String>,
}

/// Tries everything.
pub(super) fn probe(config: &DaemonConfig) -> ProbeFindings {
    let folders = folders(config).into_iter().filter_map(|(owner, folder)| {
        Some(format!("{owner}: {} {}", folder.display(), not_writable(&folder)?))
    });
    let ports = ports(config)
        .into_iter()
        .filter_map(|Listens { owner, host, port }| Some(format!("{owner}: {}", not_free(&host, port)?)));
    let state_dir = config.settings.daemon.state_dir.as_deref();
    let refused = state_dir.and_then(|folder| whole_state::check_access(folder).err());
    let refused = refused.map(|error| error.to_string()).into_iter();
    let mut found = queues(config);
    let others = refused.chain(folders).chain(ports).chain(etcds(config));
    found.missing = others.chain(found.missing).collect();
    found
}

/// Why an etcd cannot be used, for each of which that is so.
fn etcds(config: &DaemonConfig) -> Vec<String> {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return vec![format!("the runtime could not be made: {error}")],
    };
    let ask = |connection: &EtcdConnection| {
        let asked = runtime.block_on(connection.client.status());
        asked.err().map(|error| format!("etcd.{}: {error}", connection.client.name()))
    };
    config.etcd.iter().filter_map(ask).collect()
}

/// How each queue is.
fn queues(config: &DaemonConfig) -> ProbeFindings {
    let mut found = ProbeFindings::default();
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            found.missing.push(format!("the runtime could not be made: {error}"));
            return found;
        }
    };
    for QueueConnection { queue, .. } in config.queues.iter() {
        let asked = runtime.block_on(async { tokio::time::timeout(LONGEST, queue.fitness()).await });
        match asked {
            Ok(Ok(fitness)) => {
                for finding in fitness.findings {
                    let list = if finding.is_error { &mut found.unfit } else { &mut found.warnings };
                    list.push(format!("queue.{}: {}", queue.name(), finding.text));
                }
            }
            Ok(Err(error)) => found.missing.push(error.to_string()),
            Err(_) => {
                let why = format!("queue.{}: no response within {} s", queue.name(), LONGEST.as_secs());
                found.missing.push(why);
            }
        }
    }
    found
}

/// Each folder that is written to, with what needs it.
fn folders(config: &DaemonConfig) -> BTreeSet<(String, PathBuf)> {
    let mut folders = BTreeSet::new();
    if let Some(folder) = &config.settings.daemon.state_dir {
        folders.insert(("state_dir".to_owned(), folder.clone()));
    }
    for executor in &config.executors {
        for name in FOLDERS {
            if let Some(folder) = executor.options.0.get(name).and_then(Value::as_str) {
                folders.insert((format!("executor.{}.{name}", executor.name), PathBuf::from(folder)));
            }
        }
    }
    folders
}

/// Why nothing can be written there. A folder that is missing is made later, where its nearest parent allows that.
fn not_writable(folder: &Path) -> Option<String> {
    let there = folder.ancestors().find(|part| part.exists()).unwrap_or(Path::new("/"));
    if !there.is_dir() {
        return Some(format!("cannot be used: {} is not a folder", there.display()));
    }
    match access(there, Access::WRITE_OK | Access::EXEC_OK) {
        Ok(()) => None,
        Err(error) => Some(format!("cannot be written to: {}", std::io::Error::from(error).kind())),
    }
}

/// A TCP address that something listens on.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Listens {
    owner: String,
    host: String,
    port: u16,
}

/// Each TCP address that the daemon will listen on. Triggers may share one.
fn ports(config: &DaemonConfig) -> Vec<Listens> {
    let mut ports: Vec<Listens> = config.triggers.iter().filter_map(of_trigger).collect();
    if let Some(api) = &config.settings.api {
        ports.push(Listens { owner: "api".to_owned(), host: api.host.clone(), port: api.port });
    }
    ports.sort_by(|a, b| (&a.host, a.port, &a.owner).cmp(&(&b.host, b.port, &b.owner)));
    ports.dedup_by(|second, first| (&second.host, second.port) == (&first.host, first.port));
    ports
}

fn of_trigger(trigger: &ConfiguredComponent) -> Option<Listens> {
    let option = |name: &str| trigger.options.0.get(name);
    let port = option("port")?.as_u64().and_then(|port| u16::try_from(port).ok())?;
    let host = option("host").and_then(Value::as_str).unwrap_or("127.0.0.1").to_owned();
    let asked = option("unix_socket").is_none_or(Value::is_null);
    asked.then(|| Listens { owner: format!("trigger.{}", trigger.name), host, port })
}

/// Why the address cannot be listened on; the daemon that runs with this configuration is one reason.
fn not_free(host: &str, port: u16) -> Option<String> {
    let error = TcpListener::bind((host.trim_matches(['[', ']']), port)).err()?;
    Some(match error.kind() {
        ErrorKind::AddrInUse => format!("port {port} on {host} is in use (by a running heraldd?)"),
        ErrorKind::AddrNotAvailable => format!("{host} is not an address of this machine"),
        ErrorKind::PermissionDenied => format!("port {port} on {host} needs more rights: permission denied"),
        kind => format!("cannot listen on {host} port {port}: {kind}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_and_ports_that_cannot_be_had_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert_eq!(not_writable(&folder.path().join("a/b")), None);
        let why = not_writable(&file.join("a")).unwrap();
        assert!(why.ends_with("is not a folder"), "{why}");

        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        let why = not_free("127.0.0.1", port).unwrap();
        assert!(why.contains("is in use"), "{why}");
        drop(taken);
        assert_eq!(not_free("127.0.0.1", port), None);
        let why = not_free("192.0.2.1", 1).unwrap();
        assert!(why.contains("not an address of this machine"), "{why}");
    }
}
