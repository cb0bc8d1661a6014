//! What lives only as long as a job: checkouts and parameter files, in a folder that belongs to one [`Scratch`] and is
//! swept by the next one once its owner is dead.

pub(crate) mod orphans;

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::process::Pid;

use crate::process::group::Mark;

/// The file in an owner's folder whose lock says that the owner lives.
const LOCK: &str = "lock";
/// Files up to this length are kept in memory, where there is a file system for that.
pub(crate) const SMALL_FILE: usize = 256 << 10;
/// Linux keeps this file system in memory.
const MEMORY: &str = "/dev/shm";
/// A checkout that a thread still writes to cannot be removed at once.
const REMOVE_TRIES: u32 = 10;
const REMOVE_WAIT: Duration = Duration::from_millis(50);

/// One owner's folder under `<work_dir>/tmp`. Dropping it removes the folder.
#[derive(Debug)]
pub(crate) struct Scratch {
    path: PathBuf,
    count: AtomicU64,
    _lock: File,
    /// The same in memory, for small files: no disk sees the secrets in them, and they cost less.
    memory: Option<Arc<Self>>,
}

impl Scratch {
    /// Makes a folder of its own and removes those of dead owners. Blocks.
    pub(crate) fn open(work_dir: &Path) -> std::io::Result<Self> {
        let mut scratch = Self::open_in(&work_dir.join("tmp"))?;
        scratch.memory = memory_folder().and_then(|folder| Self::open_in(&folder).ok()).map(Arc::new);
        Ok(scratch)
    }

    fn open_in(all: &Path) -> std::io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(all)?;
        // Held while folders come and go: a folder without its lock yet would look dead.
        let gate = lock_file(&all.join(".lock"))?;
        gate.lock()?;
        sweep(all);
        let path = all.join(Mark::new().as_str());
        DirBuilder::new().mode(0o700).create(&path)?;
        let lock = lock_file(&path.join(LOCK))?;
        lock.lock()?;
        Ok(Self { path, count: AtomicU64::new(0), _lock: lock, memory: None })
    }

    /// A path in the folder that nobody used before.
    fn next(&self, suffix: &str) -> PathBuf {
        self.path.join(format!("{}{suffix}", self.count.fetch_add(1, Ordering::Relaxed)))
    }

    /// A new, empty folder. Blocks.
    pub(crate) fn folder(self: &Arc<Self>) -> std::io::Result<Folder> {
        let path = self.next("");
        DirBuilder::new().recursive(true).mode(0o700).create(&path)?;
        Ok(Folder { path, owner: Some(self.clone()) })
    }

    /// A new file with this content that only this user can read. Blocks, but hardly where the content is no longer
    /// than [`SMALL_FILE`].
    pub(crate) fn file(self: &Arc<Self>, content: &[u8]) -> std::io::Result<TempFile> {
        match &self.memory {
            // Full, or cleaned up too eagerly: the disk has room.
            Some(memory) if content.len() <= SMALL_FILE => {
                memory.own_file(content).or_else(|_| self.own_file(content))
            }
            _ => self.own_file(content),
        }
    }

    /// Records the leader of a process group, so that a later process can end the group should this one be killed.
    /// `None`: the record cannot be written, and only the mark in the environment identifies the group. Blocks, but
    /// hardly where there is memory for it.
    pub(crate) fn record(self: &Arc<Self>, leader: Pid) -> Option<TempFile> {
        let owner = self.memory.as_ref().unwrap_or(self);
        owner.write(orphans::RECORD, orphans::record(leader).as_bytes()).ok()
    }

    fn own_file(self: &Arc<Self>, content: &[u8]) -> std::io::Result<TempFile> {
        self.write(".json", content)
    }

    fn write(self: &Arc<Self>, suffix: &str, content: &[u8]) -> std::io::Result<TempFile> {
        let path = self.next(suffix);
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        let mut file = match options.open(&path) {
            // Somebody cleaned up too eagerly.
            Err(error) if error.kind() == ErrorKind::NotFound => {
                DirBuilder::new().recursive(true).mode(0o700).create(&self.path)?;
                options.open(&path)?
            }
            other => other?,
        };
        let made = TempFile { path, _owner: self.clone() };
        file.write_all(content)?;
        Ok(made)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = remove_tree(&self.path);
    }
}

/// A file that is removed when this is dropped.
#[derive(Debug)]
pub(crate) struct TempFile {
    path: PathBuf,
    _owner: Arc<Scratch>,
}

impl TempFile {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// A file in the system's folder for temporary files that only this user can read. It is removed when this is dropped.
#[derive(Debug)]
pub struct PrivateFile(PathBuf);

impl PrivateFile {
    /// Writes the content. Blocks.
    ///
    /// # Errors
    /// When there is no room, or no such folder.
    pub fn write(content: &[u8]) -> std::io::Result<Self> {
        let name = format!("herald-{}.json", Mark::new().as_str());
        let path = std::path::absolute(std::env::temp_dir())?.join(name);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        let made = Self(path);
        file.write_all(content)?;
        Ok(made)
    }

    /// Where it is: absolute.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for PrivateFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// A folder that is removed, with all that is in it, when this is dropped.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    owner: Option<Arc<Scratch>>,
}

impl Folder {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Removes the folder now.
    pub(crate) async fn remove(mut self) {
        let owner = self.owner.take();
        let path = std::mem::take(&mut self.path);
        let _ = tokio::task::spawn_blocking(move || remove_or_say(&path, owner)).await;
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let Some(owner) = self.owner.take() else { return };
        let path = std::mem::take(&mut self.path);
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(move || remove_or_say(&path, Some(owner)))),
            Err(_) => remove_or_say(&path, Some(owner)),
        }
    }
}

fn remove_or_say(path: &Path, _owner: Option<Arc<Scratch>>) {
    if let Err(error) = remove_tree(path) {
        tracing::warn!(path = %path.display(), %error, "a folder of a finished job could not be removed; the next start tries again");
    }
}

fn lock_file(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path)
}

/// A folder in memory that nobody but this user can have made or can open.
fn memory_folder() -> Option<PathBuf> {
    let user = rustix::process::geteuid().as_raw();
    let path = Path::new(MEMORY).join(format!("herald-{user}"));
    match DirBuilder::new().mode(0o700).create(&path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return None,
        _ => {}
    }
    let made = std::fs::symlink_metadata(&path).ok()?;
    (made.is_dir() && made.uid() == user && made.mode() & 0o077 == 0).then_some(path)
}

/// Removes the folders whose owner is dead: nobody holds the lock any more.
fn sweep(all: &Path) {
    for entry in std::fs::read_dir(all).into_iter().flatten().flatten() {
        if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        let alive = lock_file(&entry.path().join(LOCK))
            .is_ok_and(|lock| matches!(lock.try_lock(), Err(TryLockError::WouldBlock)));
        if !alive {
            let ended = orphans::end(&entry.path());
            if ended > 0 {
                tracing::warn!(ended, "killed orphaned job processes of a previous run");
            }
            remove_or_say(&entry.path(), None);
        }
    }
}

/// Removes a folder, even when a job took away its own permissions in it. Never follows symbolic links.
pub(crate) fn remove_tree(path: &Path) -> std::io::Result<()> {
    let mut tries = 0;
    loop {
        match std::fs::remove_dir_all(path) {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == ErrorKind::NotFound && !path.exists() => return Ok(()),
            Err(error) if tries >= REMOVE_TRIES => return Err(error),
            Err(error) if error.kind() == ErrorKind::PermissionDenied => open_up(path),
            Err(_) => std::thread::sleep(REMOVE_WAIT),
        }
        tries += 1;
    }
}

fn open_up(path: &Path) {
    let mut open = vec![path.to_owned()];
    while let Some(folder) = open.pop() {
        let _ = std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o700));
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                open.push(entry.path());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sweeps_only_the_dead() {
        let work = tempfile::tempdir().unwrap();
        let living = Arc::new(Scratch::open_in(&work.path().join("tmp")).unwrap());
        let file = living.file(b"{}").unwrap();
        assert_eq!(std::fs::metadata(file.path()).unwrap().permissions().mode() & 0o777, 0o600);
        let dead = work.path().join("tmp/dead");
        std::fs::create_dir_all(dead.join("0/locked")).unwrap();
        std::fs::write(dead.join("lock"), "").unwrap();
        std::fs::set_permissions(dead.join("0/locked"), std::fs::Permissions::from_mode(0o000)).unwrap();
        let second = Scratch::open_in(&work.path().join("tmp")).unwrap();
        assert!(!dead.exists());
        assert!(file.path().exists());
        let gone = second.path.clone();
        drop(second);
        assert!(!gone.exists() && living.path.exists());
        let path = file.path().to_owned();
        drop(file);
        assert!(!path.exists());
    }

    #[test]
    fn small_files_are_private_and_in_memory_and_large_ones_are_not() {
        let work = tempfile::tempdir().unwrap();
        let scratch = Arc::new(Scratch::open(work.path()).unwrap());
        for (content, in_memory) in [(vec![b'x'; SMALL_FILE], true), (vec![b'x'; SMALL_FILE + 1], false)] {
            let file = scratch.file(&content).unwrap();
            let path = file.path().to_owned();
            assert_eq!(std::fs::read(&path).unwrap(), content);
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
            assert_eq!(path.starts_with(MEMORY), in_memory && memory_folder().is_some());
            assert_eq!(path.starts_with(work.path()), !path.starts_with(MEMORY));
            drop(file);
            assert!(!path.exists());
        }
        let memory = scratch.memory.as_ref().map(|memory| memory.path.clone());
        drop(scratch);
        assert!(memory.is_none_or(|path| !path.exists()));
    }
}
