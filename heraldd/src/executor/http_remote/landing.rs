//! Where result files land: written aside, checked, synced, and then put in place in one step.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use herald_wire::manifest::FileSum;
use herald_wire::{disposition, name};
use rustix::fs::{CWD, FlockOperation, RenameFlags, flock, renameat_with};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::data_dir::{self, blocking};

/// What folders of unfinished answers are called. No job may be called like this.
const ASIDE: &str = ".herald-incoming-";
/// How many bytes go to the disk and to the hash at a time.
const BATCH: usize = 1024 * 1024;
/// How many batches wait for the disk, and for the hash.
const AHEAD: usize = 4;
/// How many bytes are written before they are synced.
const SYNC_EVERY: usize = 64 * 1024 * 1024;

static NEXT: AtomicU64 = AtomicU64::new(0);

/// A folder beside the final one. Dropping it removes what is in it.
pub(super) struct Landing {
    data_dir: PathBuf,
    aside: PathBuf,
    /// Held locked: tells the sweep of other executors and daemons that this folder is in use.
    _lock: File,
    files: BTreeMap<String, FileSum>,
}

impl Landing {
    /// A fresh folder below `data_dir`.
    pub(super) async fn begin(data_dir: &Path) -> io::Result<Self> {
        let data_dir = data_dir.to_owned();
        blocking(move || {
            std::fs::create_dir_all(&data_dir)?;
            loop {
                let number = NEXT.fetch_add(1, Ordering::Relaxed);
                let aside = data_dir.join(format!("{ASIDE}{}-{number}", std::process::id()));
                match std::fs::create_dir(&aside) {
                    Ok(()) => {}
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                    Err(error) => return Err(error),
                }
                // A sweep may have been faster than the lock; then there is another number.
                if let Some(lock) = try_lock(&aside)? {
                    return Ok(Self { data_dir, aside, _lock: lock, files: BTreeMap::new() });
                }
            }
        })
        .await
    }

    /// Begins a file; give it its content through the sink.
    pub(super) async fn file(&self, name: &str, filename: &str) -> Result<Sink, String> {
        disposition::check_names(name, filename)?;
        if self.files.contains_key(name) {
            return Err(format!("the result file {name:?} came twice"));
        }
        let folder = self.aside.join(name);
        let path = folder.join(filename);
        let file = blocking(move || {
            std::fs::create_dir(&folder)?;
            File::create_new(path)
        });
        let file =
            file.await.map_err(|error| format!("the result file {name:?} cannot be written: {error}"))?;
        Ok(Sink::new(name, filename, file))
    }

    /// Takes a file whose content is complete.
    pub(super) fn took(&mut self, name: String, sum: FileSum) {
        self.files.insert(name, sum);
    }

    /// What was received.
    pub(super) fn files(&self) -> &BTreeMap<String, FileSum> {
        &self.files
    }

    /// Puts all files in place as `<data_dir>/<job_id>/<name>/<filename>`, or `<data_dir>/<job_id>/<node>/<name>/<filename>`
    /// for one of several nodes, and gives their paths by name. Files of an earlier attempt are replaced.
    pub(super) async fn commit(self, job_id: &str, node: Option<&str>) -> Result<Map<String, Value>, String> {
        name::check(job_id).map_err(|error| format!("the job's id cannot be a folder's name: {error}"))?;
        if job_id.starts_with(ASIDE) {
            return Err(format!("the job's id cannot begin with {ASIDE}"));
        }
        let of_job = self.data_dir.join(job_id);
        let place = match node {
            None => of_job.clone(),
            Some(node) => {
                name::check(node)
                    .map_err(|error| format!("the node's name cannot be a folder's: {error}"))?;
                of_job.join(node)
            }
        };
        blocking(move || {
            let above = place.parent().unwrap_or(&self.data_dir);
            std::fs::create_dir_all(above)?;
            for name in self.files.keys() {
                File::open(self.aside.join(name))?.sync_all()?;
            }
            File::open(&self.aside)?.sync_all()?;
            herald_core::failpoint!("landing-before-rename");
            match renameat_with(CWD, &self.aside, CWD, &place, RenameFlags::NOREPLACE) {
                Ok(()) => {}
                // What was there is now aside, and goes with it.
                Err(rustix::io::Errno::EXIST) => {
                    renameat_with(CWD, &self.aside, CWD, &place, RenameFlags::EXCHANGE)?;
                }
                Err(error) => return Err(error.into()),
            }
            File::open(above)?.sync_all()?;
            File::open(&self.data_dir)?.sync_all()?;
            herald_core::failpoint!("landing-after-rename");
            let paths = self.files.iter().map(|(name, sum)| {
                let path = place.join(name).join(&sum.filename);
                (name.clone(), Value::String(path.to_string_lossy().into_owned()))
            });
            Ok(paths.collect())
        })
        .await
        .map_err(|error| format!("the result files could not be put in place: {error}"))
    }
}

impl Drop for Landing {
    fn drop(&mut self) {
        let aside = std::mem::take(&mut self.aside);
        let remove = move || {
            // After a plain rename there is nothing left.
            if let Err(error) = std::fs::remove_dir_all(&aside)
                && error.kind() != io::ErrorKind::NotFound
            {
                tracing::warn!(%error, folder = %aside.display(), "an unfinished answer could not be removed");
            }
        };
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(remove)),
            Err(_) => remove(),
        }
    }
}

/// Removes what daemons that were killed left behind.
pub(super) async fn sweep(data_dir: &Path) {
    data_dir::sweep(data_dir, (ASIDE, "unfinished answers of earlier runs"), |entry| {
        if entry.file_type()?.is_dir()
            && let Some(_lock) = try_lock(&entry.path())?
        {
            std::fs::remove_dir_all(entry.path())?;
        }
        Ok(())
    })
    .await;
}

/// `None` when somebody else has it or it is gone.
fn try_lock(folder: &Path) -> io::Result<Option<File>> {
    let file = match File::open(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok((file.metadata()?.nlink() > 0).then_some(file)),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Pieces that go to the disk and to the hash together: the fewer times a thread is woken, the better.
type Batch = Vec<Bytes>;

/// The content of one file on its way to the disk, and, beside that, to its hash.
pub(super) struct Sink {
    name: String,
    filename: String,
    size: u64,
    batch: Batch,
    batch_size: usize,
    to_disk: mpsc::Sender<Batch>,
    to_hash: mpsc::Sender<Batch>,
    disk: JoinHandle<io::Result<()>>,
    hash: JoinHandle<String>,
}

impl Sink {
    fn new(name: &str, filename: &str, file: File) -> Self {
        let (to_disk, pieces) = mpsc::channel(AHEAD);
        let disk = tokio::task::spawn_blocking(move || write(file, pieces));
        let (to_hash, mut pieces) = mpsc::channel::<Batch>(AHEAD);
        let hash = tokio::task::spawn_blocking(move || {
            let mut hash = Sha256::new();
            while let Some(batch) = pieces.blocking_recv() {
                batch.iter().for_each(|piece| hash.update(piece));
            }
            hex(&hash.finalize())
        });
        Self {
            name: name.to_owned(),
            filename: filename.to_owned(),
            size: 0,
            batch: Batch::new(),
            batch_size: 0,
            to_disk,
            to_hash,
            disk,
            hash,
        }
    }

    /// Takes a piece; waits while the disk or the hash is behind. Why the disk failed shows at the end.
    pub(super) async fn push(&mut self, piece: Bytes) -> Result<(), String> {
        self.size += piece.len() as u64;
        self.batch_size += piece.len();
        self.batch.push(piece);
        if self.batch_size >= BATCH {
            self.flush().await;
        }
        if self.disk.is_finished() {
            return Err(format!("the result file {:?} cannot be written; is the disk full?", self.name));
        }
        Ok(())
    }

    async fn flush(&mut self) {
        self.batch_size = 0;
        let batch = std::mem::take(&mut self.batch);
        // A side that has ended tells why when it is waited for.
        let _ = self.to_hash.send(batch.clone()).await;
        let _ = self.to_disk.send(batch).await;
    }

    /// Waits until everything is on the disk.
    pub(super) async fn end(mut self) -> Result<(String, FileSum), String> {
        self.flush().await;
        let Self { name, filename, size, to_disk, to_hash, disk, hash, .. } = self;
        drop((to_disk, to_hash));
        let failed =
            |error: &dyn std::fmt::Display| format!("the result file {name:?} cannot be written: {error}");
        disk.await.map_err(|error| failed(&error))?.map_err(|error| failed(&error))?;
        let sha256 = hash.await.map_err(|error| failed(&error))?;
        Ok((name.clone(), FileSum { filename, size, sha256 }))
    }
}

/// Writes and syncs. A large file is synced while it grows, so that the disk does not wait for the network and then
/// the network for the disk.
fn write(mut file: File, mut pieces: mpsc::Receiver<Batch>) -> io::Result<()> {
    let mut unsynced = 0;
    let mut syncing: Option<std::thread::JoinHandle<io::Result<()>>> = None;
    while let Some(batch) = pieces.blocking_recv() {
        for piece in batch {
            file.write_all(&piece)?;
            unsynced += piece.len();
        }
        if unsynced >= SYNC_EVERY && syncing.as_ref().is_none_or(std::thread::JoinHandle::is_finished) {
            unsynced = 0;
            joined(syncing.take())?;
            let same = file.try_clone()?;
            let thread = std::thread::Builder::new().name("sync".to_owned());
            syncing = Some(thread.spawn(move || same.sync_data())?);
        }
    }
    // An error of the disk is told once, to whoever syncs first.
    joined(syncing)?;
    file.sync_all()
}

fn joined(syncing: Option<std::thread::JoinHandle<io::Result<()>>>) -> io::Result<()> {
    match syncing.map(std::thread::JoinHandle::join) {
        None => Ok(()),
        Some(Ok(synced)) => synced,
        Some(Err(_)) => Err(io::Error::other("the thread that synced it failed")),
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn put(
        landing: &mut Landing,
        name: &str,
        filename: &str,
        content: &'static str,
    ) -> Result<(), String> {
        let mut sink = landing.file(name, filename).await?;
        sink.push(Bytes::from_static(content.as_bytes())).await?;
        let (name, sum) = sink.end().await?;
        landing.took(name, sum);
        Ok(())
    }

    fn entries(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[tokio::test]
    async fn files_appear_whole_or_not_at_all() {
        let data = tempfile::tempdir().unwrap();
        let mut landing = Landing::begin(data.path()).await.unwrap();
        put(&mut landing, "a", "a.dat", "one").await.unwrap();
        assert!(!data.path().join("job").exists());
        let sum = landing.files()["a"].clone();
        assert_eq!(sum.sha256, "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed");
        let paths = landing.commit("job", None).await.unwrap();
        let path = data.path().join("job/a/a.dat");
        assert_eq!(paths["a"], path.to_str().unwrap());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "one");

        // Another attempt replaces all of it.
        let mut landing = Landing::begin(data.path()).await.unwrap();
        put(&mut landing, "b", "b.dat", "two").await.unwrap();
        landing.commit("job", None).await.unwrap();
        assert_eq!(entries(&data.path().join("job")), ["b"]);

        let mut landing = Landing::begin(data.path()).await.unwrap();
        put(&mut landing, "c", "c.dat", "three").await.unwrap();
        drop(landing);
        while entries(data.path()).len() > 1 {
            tokio::task::yield_now().await;
        }
        assert_eq!(entries(data.path()), ["job"]);
    }

    #[tokio::test]
    async fn names_that_lead_elsewhere_are_refused() {
        let data = tempfile::tempdir().unwrap();
        let mut landing = Landing::begin(&data.path().join("deep/data")).await.unwrap();
        for (name, filename) in
            [("..", "x"), ("a/b", "x"), ("", "x"), ("a", "../x"), ("a", "."), ("a", "x\0")]
        {
            assert!(put(&mut landing, name, filename, "x").await.is_err(), "{name:?} {filename:?}");
        }
        put(&mut landing, "a", "x", "x").await.unwrap();
        assert!(put(&mut landing, "a", "y", "x").await.is_err(), "twice");
        assert!(landing.commit("../job", None).await.is_err());
        assert_eq!(entries(data.path()), ["deep"]);
    }

    #[tokio::test]
    async fn the_sweep_spares_what_is_in_use() {
        let data = tempfile::tempdir().unwrap();
        let left = data.path().join(format!("{ASIDE}1-1"));
        std::fs::create_dir_all(left.join("a")).unwrap();
        std::fs::create_dir(data.path().join("job")).unwrap();
        let landing = Landing::begin(data.path()).await.unwrap();
        sweep(data.path()).await;
        assert!(!left.exists());
        assert!(landing.aside.exists());
        assert!(data.path().join("job").exists());
        sweep(&data.path().join("not-there")).await;
    }
}
