//! Which nodes got an attempt at a job: written down before they do, so that after a crash of the daemon those that never
//! got it can get it still.
//!
//! One file for each attempt, `<data_dir>/.herald-sent-<job_id>-<attempt>`, of JSON lines: what nodes the job is for, then
//! one for each that it is sent to, one where nobody was there, and one for what a node gave: its runner may have forgotten
//! that when it is asked. It goes once the attempt is over.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use herald_wire::job::JobKey;
use herald_wire::name;
use serde::{Deserialize, Serialize};

use super::child::Child;
use super::data_dir::{self, blocking};

/// What the files are called, in front of the job.
const PREFIX: &str = ".herald-sent-";
/// The most bytes that what a node gave may take to be written down.
const LARGEST_END: usize = 64 << 10;
/// The most of a file that is read, in bytes.
const LARGEST: u64 = 64 << 20;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    /// The first line: what nodes the job is for.
    Nodes(Vec<String>),
    /// From now on this node may have got it.
    Sent(String),
    /// It has not: nobody was there.
    NotSent(String),
    /// It is over there.
    Ended(Child),
}

/// What is known of an attempt.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Before {
    /// What nodes it is for, in their order.
    pub(super) nodes: Vec<String>,
    /// Those that may have got it.
    pub(super) sent: BTreeSet<String>,
    /// What they gave, secrets masked.
    pub(super) ended: BTreeMap<String, Child>,
}

impl Before {
    /// `None` where the file does not say it.
    fn of(text: &str) -> Option<Self> {
        let mut lines = text.lines().map(|line| serde_json::from_str(line).ok());
        let Some(Some(Line::Nodes(nodes))) = lines.next() else { return None };
        let (mut sent, mut ended) = (BTreeSet::new(), BTreeMap::new());
        for line in lines {
            match line? {
                Line::Sent(node) => drop(sent.insert(node)),
                Line::NotSent(node) => drop(sent.remove(&node)),
                Line::Ended(child) => drop(ended.insert(child.node.clone(), child)),
                Line::Nodes(_) => return None,
            }
        }
        Some(Self { nodes, sent, ended })
    }
}

struct Written {
    file: File,
    /// Up to here its lines are whole.
    length: u64,
}

/// The file of one attempt, or none where it could not be made.
pub(super) struct Sent {
    path: PathBuf,
    written: Option<Arc<Mutex<Written>>>,
}

impl Sent {
    /// None: who got it is not known, and is not written down.
    pub(super) fn unknown() -> Self {
        Self { path: PathBuf::new(), written: None }
    }

    /// Of an attempt that begins and is for these nodes.
    ///
    /// # Errors
    /// One sentence, when there is a file now that cannot be relied on.
    pub(super) async fn begin(data_dir: &Path, key: &JobKey, nodes: &[String]) -> Result<Self, String> {
        let made = async {
            let path = path(data_dir, key)?;
            let line = line(&Line::Nodes(nodes.to_vec()));
            blocking(move || make(&path, &line).map(|written| (path, written))).await
        };
        match made.await {
            Ok((path, written)) => Ok(Self { path, written: Some(Arc::new(Mutex::new(written))) }),
            Err(error) if path(data_dir, key).is_ok_and(|path| path.exists()) => {
                Err(format!("the data_dir {} cannot be used: {error}", data_dir.display()))
            }
            // It is wanted only after a crash.
            Err(error) => {
                tracing::warn!(job_id = %key.job_id, data_dir = %data_dir.display(), %error, "it cannot be written down which nodes get the job; after a crash those that did not would count as lost");
                Ok(Self::unknown())
            }
        }
    }

    /// Of an attempt that an earlier process began. `None` where that left nothing that can be relied on.
    pub(super) async fn take_up(data_dir: &Path, key: &JobKey) -> Option<(Self, Before)> {
        let path = path(data_dir, key).ok()?;
        let open = path.clone();
        match blocking(move || read(&open)).await {
            Ok((written, Some(before))) => {
                Some((Self { path, written: Some(Arc::new(Mutex::new(written))) }, before))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Ok((_, None)) => {
                tracing::warn!(file = %path.display(), "it is damaged: nobody knows which nodes got the job");
                None
            }
            Err(error) => {
                tracing::warn!(file = %path.display(), %error, "it cannot be read: nobody knows which nodes got the job");
                None
            }
        }
    }

    /// Writes down that this node gets it from now on, and returns once that is on the disk.
    pub(super) async fn sends(&self, node: &str) -> io::Result<()> {
        self.append(&Line::Sent(node.to_owned()), true).await
    }

    /// Nobody was there to get it. What is lost of this costs no more than the joining of a job that is not there.
    pub(super) async fn not_sent(&self, node: &str) {
        self.note(&Line::NotSent(node.to_owned())).await;
    }

    /// It is over on this node, and gave this; secrets are masked. What is lost of it, or too long, its runner may know.
    pub(super) async fn ended(&self, child: Child) {
        self.note(&Line::Ended(child)).await;
    }

    async fn note(&self, what: &Line) {
        if line(what).len() <= LARGEST_END
            && let Err(error) = self.append(what, false).await
        {
            tracing::debug!(file = %self.path.display(), %error, "it could not be written");
        }
    }

    async fn append(&self, what: &Line, sync: bool) -> io::Result<()> {
        let Some(written) = self.written.clone() else { return Ok(()) };
        let line = line(what);
        let append = move || {
            let mut written = written.lock().unwrap_or_else(PoisonError::into_inner);
            let Written { file, length } = &mut *written;
            // A write that failed may have left half a line behind.
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

    /// The attempt is over.
    pub(super) async fn end(self) {
        if self.written.is_none() {
            return;
        }
        let path = self.path.clone();
        if let Err(error) = blocking(move || std::fs::remove_file(path)).await {
            tracing::debug!(file = %self.path.display(), %error, "it could not be removed");
        }
    }
}

/// Removes what attempts left behind that nobody takes up any more: `age` is longer than one can take.
pub(super) async fn sweep(data_dir: &Path, age: Duration) {
    data_dir::sweep(data_dir, (PREFIX, "records of earlier jobs on many nodes"), move |entry| {
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

fn line(what: &Line) -> String {
    let mut text = serde_json::to_string(what).unwrap_or_default();
    text.push('\n');
    text
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600);
    options
}

/// Written aside: what is there is whole.
fn make(path: &Path, line: &str) -> io::Result<Written> {
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let mut aside = path.as_os_str().to_owned();
    aside.push(".new");
    let aside = PathBuf::from(aside);
    let mut file = options().create(true).truncate(true).open(&aside)?;
    let written = file.write_all(line.as_bytes()).and_then(|()| file.sync_all());
    if let Err(error) = written.and_then(|()| std::fs::rename(&aside, path)) {
        // What is left of it means nothing.
        let _ = std::fs::remove_file(&aside);
        return Err(error);
    }
    File::open(folder)?.sync_all()?;
    Ok(Written { file, length: line.len() as u64 })
}

fn read(path: &Path) -> io::Result<(Written, Option<Before>)> {
    let mut file = options().open(path)?;
    let mut bytes = Vec::new();
    io::Read::by_ref(&mut file).take(LARGEST).read_to_end(&mut bytes)?;
    if bytes.len() as u64 == LARGEST {
        return Err(io::Error::other("it is too large"));
    }
    // What follows the last newline was not finished, so the node did not get it.
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let text = std::str::from_utf8(bytes.get(..whole).unwrap_or_default()).unwrap_or_default();
    let before = Before::of(text);
    Ok((Written { file, length: whole as u64 }, before))
}

#[cfg(test)]
mod tests {
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
        let sent = Sent::begin(&folder, &key(), &names("n1 n2 n3 n4")).await.unwrap();
        for node in ["n1", "n2", "n3"] {
            sent.sends(node).await.unwrap();
        }
        sent.not_sent("n2").await;
        let gave =
            |text: &str| Child::of("n1", Ok([("output".to_owned(), text.into())].into_iter().collect()));
        sent.ended(gave(&"x".repeat(LARGEST_END))).await;
        sent.ended(gave("fine")).await;
        drop(sent);
        let (sent, before) = Sent::take_up(&folder, &key()).await.unwrap();
        let expected = Before {
            nodes: names("n1 n2 n3 n4"),
            sent: names("n1 n3").into_iter().collect(),
            ended: [("n1".to_owned(), gave("fine"))].into_iter().collect(),
        };
        assert_eq!(before, expected);
        sent.sends("n2").await.unwrap();
        drop(sent);
        let (sent, before) = Sent::take_up(&folder, &key()).await.unwrap();
        assert_eq!(before.sent, names("n1 n2 n3").into_iter().collect());
        assert!(Sent::take_up(&folder, &JobKey { attempt: 1, ..key() }).await.is_none());
        sent.end().await;
        assert!(Sent::take_up(&folder, &key()).await.is_none());
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
            let now =
                std::time::SystemTime::from(herald_core::clock::Clock::now(&herald_core::clock::SystemClock));
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
            let taken_up = Sent::take_up(data.path(), &key()).await;
            let expected = expected.map(|expected| names(expected).into_iter().collect());
            assert_eq!(taken_up.map(|(_, before)| before.sent), expected, "{text}");
        }
    }

    /// Nothing that could be taken for the record of an attempt is left behind.
    #[tokio::test]
    async fn where_nothing_can_be_written_nothing_is_known() {
        let data = tempfile::tempdir().unwrap();
        std::fs::write(data.path().join("file"), "").unwrap();
        let sent = Sent::begin(&data.path().join("file"), &key(), &names("n1")).await.unwrap();
        sent.sends("n1").await.unwrap();
        sent.end().await;
        let odd = JobKey { job_id: "../job1".to_owned(), attempt: 1 };
        Sent::begin(data.path(), &odd, &names("n1")).await.unwrap().end().await;
        assert_eq!(std::fs::read_dir(data.path()).unwrap().count(), 1);
    }
}
