//! Which nodes received an attempt at a job: written to the disk before they do, so that after a crash of the daemon
//! those that did not receive it still can.
//!
//! One file for each attempt, `<data_dir>/.herald-sent-<job_id>-<attempt>`, of JSON lines: the nodes that the job is
//! for, then one for each that it is sent to, one where a node was offline, and one for the result of a node, which its
//! runner may have forgotten when it is asked. The file is removed once the attempt is over.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use herald_base::os_error;
use herald_wire::job::JobKey;
use herald_wire::name;
use serde::{Deserialize, Serialize};

use super::node_result::NodeResult;
use crate::data_dir::{self, Leftovers, blocking};

/// What the files are called, in front of the job.
const PREFIX: &str = ".herald-sent-";
/// The longest line with the result of a node, in bytes.
const LARGEST_RESULT: usize = 64 << 10;
/// The most of a file that is read, in bytes.
const LARGEST: u64 = 64 << 20;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum DispatchEntry {
    /// The first line: the nodes that the job is for.
    Nodes(Vec<String>),
    /// From now on this node may have received it.
    Sent(String),
    /// It has not: it was offline.
    NotSent(String),
    /// It ended there.
    Ended(NodeResult),
}

/// What is known of an attempt.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Dispatched {
    /// The nodes that it is for, in their order.
    pub(super) nodes: Vec<String>,
    /// Those that may have received it.
    pub(super) sent: BTreeSet<String>,
    /// Their results, without secrets.
    pub(super) ended: BTreeMap<String, NodeResult>,
}

impl Dispatched {
    /// `None` where the file is damaged.
    fn of(text: &str) -> Option<Self> {
        let mut lines = text.lines().map(|line| serde_json::from_str(line).ok());
        let Some(Some(DispatchEntry::Nodes(nodes))) = lines.next() else { return None };
        let (mut sent, mut ended) = (BTreeSet::new(), BTreeMap::new());
        for line in lines {
            match line? {
                DispatchEntry::Sent(node) => drop(sent.insert(node)),
                DispatchEntry::NotSent(node) => drop(sent.remove(&node)),
                DispatchEntry::Ended(result) => drop(ended.insert(result.node.clone(), result)),
                DispatchEntry::Nodes(_) => return None,
            }
        }
        Some(Self { nodes, sent, ended })
    }
}

struct DispatchFile {
    file: File,
    /// Up to here its lines are complete.
    length: u64,
}

/// An attempt must not begin: its log exists and cannot be replaced.
#[derive(Debug, thiserror::Error)]
#[error("cannot use the data_dir {}: {why}", data_dir.display())]
pub(crate) struct DispatchLogError {
    data_dir: PathBuf,
    why: String,
}

/// The log of one attempt, or none where it could not be created.
pub(crate) struct DispatchLog {
    path: PathBuf,
    log_file: Option<Arc<Mutex<DispatchFile>>>,
}

impl DispatchLog {
    /// None: it is not known who received the job, and is not written down.
    pub(super) fn none() -> Self {
        Self { path: PathBuf::new(), log_file: None }
    }

    /// Of an attempt that begins and is for these nodes.
    ///
    /// # Errors
    /// When there is a file now that cannot be relied on.
    pub(crate) async fn create(
        data_dir: &Path,
        key: &JobKey,
        nodes: &[String],
    ) -> Result<Self, DispatchLogError> {
        let created = async {
            let path = path(data_dir, key)?;
            let line = line(&DispatchEntry::Nodes(nodes.to_vec()));
            blocking(move || create_file(&path, &line).map(|log_file| (path, log_file))).await
        };
        let error = match created.await {
            Ok((path, log_file)) => {
                return Ok(Self { path, log_file: Some(Arc::new(Mutex::new(log_file))) });
            }
            Err(error) => os_error::plain(&error.to_string()),
        };
        if path(data_dir, key).is_ok_and(|path| path.exists()) {
            return Err(DispatchLogError { data_dir: data_dir.to_owned(), why: error });
        }
        // It is needed only after a crash.
        tracing::warn!(job_id = %key.job_id, data_dir = %data_dir.display(), error, "cannot write the dispatch log; after a crash, nodes that did not receive the job would count as lost");
        Ok(Self::none())
    }

    /// Of an attempt that an earlier process began. `None` where that left nothing that can be relied on.
    pub(super) async fn open(data_dir: &Path, key: &JobKey) -> Option<(Self, Dispatched)> {
        let path = path(data_dir, key).ok()?;
        let open = path.clone();
        match blocking(move || read(&open)).await {
            Ok((log_file, Some(dispatched))) => {
                Some((Self { path, log_file: Some(Arc::new(Mutex::new(log_file))) }, dispatched))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Ok((_, None)) => {
                tracing::warn!(file = %path.display(), "the dispatch log is damaged: it is not known which nodes received the job");
                None
            }
            Err(error) => {
                let error = os_error::plain(&error.to_string());
                tracing::warn!(file = %path.display(), error, "cannot read the dispatch log: it is not known which nodes received the job");
                None
            }
        }
    }

    /// Writes that this node receives it from now on, and returns once that is on the disk.
    pub(crate) async fn sends(&self, node: &str) -> io::Result<()> {
        self.append(&DispatchEntry::Sent(node.to_owned()), true).await
    }

    /// The node was offline. When this line is lost, a job is joined there in vain.
    pub(super) async fn not_sent(&self, node: &str) {
        self.note(&DispatchEntry::NotSent(node.to_owned())).await;
    }

    /// The job ended on this node with this result, without secrets. When this line is lost or too long, the runner is
    /// asked.
    pub(crate) async fn ended(&self, result: NodeResult) {
        self.note(&DispatchEntry::Ended(result)).await;
    }

    async fn note(&self, what: &DispatchEntry) {
        if line(what).len() <= LARGEST_RESULT
            && let Err(error) = self.append(what, false).await
        {
            tracing::debug!(file = %self.path.display(), %error, "cannot write the dispatch log");
        }
    }

    async fn append(&self, what: &DispatchEntry, sync: bool) -> io::Result<()> {
        let Some(log_file) = self.log_file.clone() else { return Ok(()) };
        let line = line(what);
        let append = move || {
            let mut log_file = log_file.lock().unwrap_or_else(PoisonError::into_inner);
            let DispatchFile { file, length } = &mut *log_file;
            // A write that failed may have left half of a line.
            file.set_len(*length)?;
            file.seek(SeekFrom::Start(*length))?;
            file.write_all(line.as_bytes())?;
            if sync {
                file.sync_data()?;
            }
            *length += line.len() as u64;
            Ok(())
        };
        blocking(append).await
    }

    /// The attempt is over: removes the file.
    pub(super) async fn remove(self) {
        if self.log_file.is_none() {
            return;
        }
        let path = self.path.clone();
        if let Err(error) = blocking(move || std::fs::remove_file(path)).await {
            tracing::debug!(file = %self.path.display(), %error, "cannot remove the dispatch log");
        }
    }
}

/// Removes logs that no process will open again: `age` is longer than an attempt can take.
pub(super) async fn sweep(data_dir: &Path, age: Duration) {
    let leftovers = Leftovers { prefix: PREFIX, what: "dispatch logs of previous runs" };
    data_dir::sweep(data_dir, leftovers, move |entry| {
        // A time ahead of the clock is not old.
        if entry.metadata()?.modified()?.elapsed().is_ok_and(|passed| passed > age) {
            std::fs::remove_file(entry.path())?;
        }
        Ok(())
    })
    .await;
}

fn path(data_dir: &Path, key: &JobKey) -> io::Result<PathBuf> {
    name::check(&key.job_id).map_err(io::Error::other)?;
    Ok(data_dir.join(format!("{PREFIX}{}-{}", key.job_id, key.attempt)))
}

fn line(what: &DispatchEntry) -> String {
    let mut text = serde_json::to_string(what).unwrap_or_default();
    text.push('\n');
    text
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600);
    options
}

/// Written to another name first: a file that exists is complete.
fn create_file(path: &Path, line: &str) -> io::Result<DispatchFile> {
    let folder = path.parent().unwrap_or(Path::new("."));
    data_dir::make_private(folder)?;
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".new");
    let temporary = PathBuf::from(temporary);
    let mut file = options().create(true).truncate(true).open(&temporary)?;
    let written = file.write_all(line.as_bytes()).and_then(|()| file.sync_all());
    if let Err(error) = written.and_then(|()| std::fs::rename(&temporary, path)) {
        // When this fails too, the next attempt replaces the file.
        let _ = std::fs::remove_file(&temporary);
        return Err(error);
    }
    File::open(folder)?.sync_all()?;
    Ok(DispatchFile { file, length: line.len() as u64 })
}

fn read(path: &Path) -> io::Result<(DispatchFile, Option<Dispatched>)> {
    let mut file = options().open(path)?;
    let mut bytes = Vec::new();
    io::Read::by_ref(&mut file).take(LARGEST).read_to_end(&mut bytes)?;
    if bytes.len() as u64 == LARGEST {
        return Err(io::Error::other("larger than 64 MiB"));
    }
    // What follows the last newline was not finished, so the node did not receive it.
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let text = std::str::from_utf8(bytes.get(..whole).unwrap_or_default()).unwrap_or_default();
    Ok((DispatchFile { file, length: whole as u64 }, Dispatched::of(text)))
}

#[cfg(test)]
mod tests {
    use herald_base::clock::{Clock as _, SystemClock};

    use super::*;

    fn key() -> JobKey {
        JobKey { job_id: "job1".to_owned(), attempt: 2 }
    }

    fn names(names: &str) -> Vec<String> {
        names.split_whitespace().map(str::to_owned).collect()
    }

    #[tokio::test]
    async fn what_was_sent_is_known_after_a_crash_and_gone_after_the_end() {
        let data = tempfile::tempdir().unwrap();
        let folder = data.path().join("made");
        let log = DispatchLog::create(&folder, &key(), &names("n1 n2 n3 n4")).await.unwrap();
        for node in ["n1", "n2", "n3"] {
            log.sends(node).await.unwrap();
        }
        log.not_sent("n2").await;
        let gave =
            |text: &str| NodeResult::of("n1", Ok([("output".to_owned(), text.into())].into_iter().collect()));
        log.ended(gave(&"x".repeat(LARGEST_RESULT))).await;
        log.ended(gave("fine")).await;
        drop(log);
        let (log, dispatched) = DispatchLog::open(&folder, &key()).await.unwrap();
        let expected = Dispatched {
            nodes: names("n1 n2 n3 n4"),
            sent: names("n1 n3").into_iter().collect(),
            ended: [("n1".to_owned(), gave("fine"))].into_iter().collect(),
        };
        assert_eq!(dispatched, expected);
        log.sends("n2").await.unwrap();
        drop(log);
        let (log, dispatched) = DispatchLog::open(&folder, &key()).await.unwrap();
        assert_eq!(dispatched.sent, names("n1 n2 n3").into_iter().collect());
        assert!(DispatchLog::open(&folder, &JobKey { attempt: 1, ..key() }).await.is_none());
        log.remove().await;
        assert!(DispatchLog::open(&folder, &key()).await.is_none());
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn only_what_is_old_is_swept() {
        let data = tempfile::tempdir().unwrap();
        let month = Duration::from_secs(30 * 24 * 3600);
        for (name, age) in [
            (".herald-sent-old-1", 31),
            (".herald-sent-new-1", 29),
            ("old", 31),
            (".herald-sent-ahead-1", -5),
        ] {
            let file = File::create(data.path().join(name)).unwrap();
            let days = Duration::from_secs(u64::from(i32::unsigned_abs(age)) * 24 * 3600);
            let now = std::time::SystemTime::from(SystemClock.now());
            file.set_modified(if age < 0 { now + days } else { now - days }).unwrap();
        }
        sweep(data.path(), month).await;
        let mut left: Vec<_> =
            std::fs::read_dir(data.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, [".herald-sent-ahead-1", ".herald-sent-new-1", "old"]);
        sweep(&data.path().join("not-there"), month).await;
    }

    #[tokio::test]
    async fn half_a_line_was_not_sent_and_damage_says_nothing() {
        let data = tempfile::tempdir().unwrap();
        let head = r#"{"nodes":["n1","n2"]}"#;
        for (text, expected) in [
            (format!("{head}\n{{\"sent\":\"n1\"}}\n{{\"sent\":\"n2\"}}"), Some("n1")),
            (format!("{head}\n{{\"sent\":\"n1\"}}\n\0\0\0"), Some("n1")),
            (format!("{head}\n"), Some("")),
            (head.to_owned(), None),
            (String::new(), None),
            (format!("{head}\nnonsense\n{{\"sent\":\"n1\"}}\n"), None),
            (format!("{{\"sent\":\"n1\"}}\n{head}\n"), None),
            (format!("{head}\n{head}\n"), None),
        ] {
            std::fs::write(data.path().join(".herald-sent-job1-2"), &text).unwrap();
            let opened = DispatchLog::open(data.path(), &key()).await;
            let expected = expected.map(|expected| names(expected).into_iter().collect());
            assert_eq!(opened.map(|(_, dispatched)| dispatched.sent), expected, "{text}");
        }
    }

    /// Nothing that could be taken for the record of an attempt is left behind.
    #[tokio::test]
    async fn where_nothing_can_be_log_file_nothing_is_known() {
        let data = tempfile::tempdir().unwrap();
        std::fs::write(data.path().join("file"), "").unwrap();
        let log = DispatchLog::create(&data.path().join("file"), &key(), &names("n1")).await.unwrap();
        log.sends("n1").await.unwrap();
        log.remove().await;
        let odd = JobKey { job_id: "../job1".to_owned(), attempt: 1 };
        DispatchLog::create(data.path(), &odd, &names("n1")).await.unwrap().remove().await;
        assert_eq!(std::fs::read_dir(data.path()).unwrap().count(), 1);
    }
}
