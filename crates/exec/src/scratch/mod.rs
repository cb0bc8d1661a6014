//! What lives only as long as a job: checkouts and parameter files, in a folder that belongs to one [`Scratch`] and is
//! swept by the next one once its owner is dead.

pub(crate) mod orphans;
pub(crate) mod safe_folder;

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, lchown};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use herald_base::private_file::open_private;
use rustix::fs::OFlags;
use rustix::process::Pid;

use crate::process::group::Mark;
use crate::process::ownership;

/// The file in an owner's folder whose lock says that the owner lives.
const LOCK: &str = "lock";
/// The file beside the folders of owners whose lock is held while they come and go.
const GATE: &str = ".lock";
/// Files up to this length are kept in memory, where there is a file system for that.
pub(crate) const SMALL_FILE: usize = 256 << 10;
/// Linux keeps this file system in memory.
const MEMORY: &str = "/dev/shm";
/// A checkout that a thread still writes to cannot be removed at once.
const REMOVE_TRIES: u32 = 10;
const REMOVE_WAIT: Duration = Duration::from_millis(50);
/// How long a job waits for the removal of its folders.
const REMOVE_MOMENT: Duration = Duration::from_millis(500);

/// One owner's folder under `<work_dir>/tmp`. Dropping it removes the folder.
#[derive(Debug)]
pub(crate) struct Scratch {
    path: PathBuf,
    count: AtomicU64,
    /// Held as long as the owner lives.
    lock: Mutex<File>,
    /// The same in memory, for small files: no disk sees the secrets in them, and they cost less.
    memory: Option<Arc<Self>>,
    /// Who reads the files and works in the folders, where that is another user.
    user: Option<ScratchUser>,
}

/// A user for whom files and folders are made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ScratchUser {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

impl ScratchUser {
    /// Makes a file, a folder or a link the user's, never what a link leads to.
    pub(crate) fn own(self, path: &Path) -> std::io::Result<()> {
        lchown(path, Some(self.uid), Some(self.gid))
    }

    /// The same with all that is in a folder.
    fn own_all(self, folder: &Path) -> std::io::Result<()> {
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                self.own_all(&entry.path())?;
            } else {
                self.own(&entry.path())?;
            }
        }
        self.own(folder)
    }
}

/// Folders that hold what belongs to jobs: another user may pass through them, and cannot list them.
fn folder_mode(user: Option<ScratchUser>) -> u32 {
    if user.is_some() { 0o711 } else { 0o700 }
}

impl Scratch {
    /// Makes a folder of its own and removes those of dead owners. Blocks.
    pub(crate) fn open(work_dir: &Path, user: Option<ScratchUser>) -> std::io::Result<Self> {
        let mut scratch = Self::open_in(&work_dir.join("tmp"), user)?;
        if let Some(cgroup) = ownership::folder() {
            let mut record = open_private(&scratch.path.join(orphans::CGROUP))?;
            record.write_all(cgroup.as_os_str().as_encoded_bytes())?;
        }
        scratch.memory =
            memory_folder(user).and_then(|folder| Self::open_in(&folder, user).ok()).map(Arc::new);
        Ok(scratch)
    }

    fn open_in(all: &Path, user: Option<ScratchUser>) -> std::io::Result<Self> {
        DirBuilder::new().recursive(true).mode(folder_mode(user)).create(all)?;
        safe_folder::check_own(all)?;
        if user.is_some() {
            // It may be older than the option `user`, and a umask may have taken what it needs.
            set_mode(all, folder_mode(user))?;
        }
        // Held while folders come and go: a folder without its lock yet would look dead.
        let gate = lock_file(&all.join(GATE))?;
        gate.lock()?;
        sweep(all);
        let path = all.join(Mark::new().as_str());
        DirBuilder::new().create(&path)?;
        set_mode(&path, folder_mode(user))?;
        let lock = Mutex::new(locked(&path)?);
        Ok(Self { path, count: AtomicU64::new(0), lock, memory: None, user })
    }

    /// Makes the owner's folder again where somebody removed it, with its lock: without one the next process that
    /// sweeps would take the owner for dead.
    fn make_again(&self) -> std::io::Result<()> {
        let mut held = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        if self.path.join(LOCK).exists() {
            return Ok(());
        }
        let all = self.path.parent().unwrap_or(&self.path);
        DirBuilder::new().recursive(true).mode(folder_mode(self.user)).create(all)?;
        let gate = lock_file(&all.join(GATE))?;
        gate.lock()?;
        DirBuilder::new().recursive(true).create(&self.path)?;
        set_mode(&self.path, folder_mode(self.user))?;
        *held = locked(&self.path)?;
        Ok(())
    }

    /// A path in the folder that nobody used before.
    fn next(&self, suffix: &str) -> PathBuf {
        self.path.join(format!("{}{suffix}", self.count.fetch_add(1, Ordering::Relaxed)))
    }

    /// A new, empty folder. Blocks.
    pub(crate) fn folder(self: &Arc<Self>) -> std::io::Result<Folder> {
        let path = self.next("");
        let mut builder = DirBuilder::new();
        builder.mode(0o700);
        match builder.create(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                self.make_again()?;
                builder.create(&path)?;
            }
            other => other?,
        }
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
        let file = self.write(".json", content)?;
        self.user.map_or(Ok(()), |user| user.own(file.path()))?;
        Ok(file)
    }

    fn write(self: &Arc<Self>, suffix: &str, content: &[u8]) -> std::io::Result<TempFile> {
        let path = self.next(suffix);
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        let mut file = match options.open(&path) {
            // Somebody cleaned up too eagerly.
            Err(error) if error.kind() == ErrorKind::NotFound => {
                self.make_again()?;
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

    /// Makes it, with all that is in it, the property of the user that works in it. Blocks.
    pub(crate) fn give_away(&self) -> std::io::Result<()> {
        self.owner.as_ref().and_then(|owner| owner.user).map_or(Ok(()), |user| user.own_all(&self.path))
    }

    /// Removes the folder now. What takes longer than a moment goes on behind the job: a tree of a million files must
    /// not keep it from ending on time.
    pub(crate) async fn remove(mut self) {
        let owner = self.owner.take();
        let path = std::mem::take(&mut self.path);
        let removal = tokio::task::spawn_blocking(move || remove_or_say(&path, owner));
        let _ = tokio::time::timeout(REMOVE_MOMENT, removal).await;
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

fn set_mode(path: &Path, mode: u32) -> std::io::Result<()> {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
}

/// The lock of an owner's folder, held.
fn locked(folder: &Path) -> std::io::Result<File> {
    let lock = lock_file(&folder.join(LOCK))?;
    lock.lock()?;
    Ok(lock)
}

fn lock_file(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).write(true).mode(0o600);
    options.custom_flags(OFlags::NOFOLLOW.bits().cast_signed()).open(path)
}

/// A folder in memory that nobody but this user can have made, and that others cannot list or write.
fn memory_folder(user: Option<ScratchUser>) -> Option<PathBuf> {
    let mode = folder_mode(user);
    let others = if user.is_some() { "-jobs" } else { "" };
    let user = rustix::process::geteuid().as_raw();
    let path = Path::new(MEMORY).join(format!("herald-{user}{others}"));
    match DirBuilder::new().mode(mode).create(&path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return None,
        _ => {}
    }
    let made = std::fs::symlink_metadata(&path).ok()?;
    (made.is_dir() && made.uid() == user && made.mode() & 0o077 & !mode == 0).then_some(path)
}

/// Removes the folders whose owner is dead: nobody holds the lock any more.
fn sweep(all: &Path) {
    for entry in std::fs::read_dir(all).into_iter().flatten().flatten() {
        // What somebody else has put there says nothing of an owner.
        let own =
            |meta: std::fs::Metadata| meta.is_dir() && meta.uid() == rustix::process::geteuid().as_raw();
        if !entry.metadata().is_ok_and(own) {
            continue;
        }
        // Only who gets the lock knows that its owner is dead: with too many open files, say, nobody knows.
        let is_dead = match lock_file(&entry.path().join(LOCK)) {
            Ok(lock) => lock.try_lock().is_ok(),
            // The folder, or what is in the place of its lock, cannot be a living owner's.
            Err(error) => matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::IsADirectory),
        };
        if is_dead {
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
        let living = Arc::new(Scratch::open_in(&work.path().join("tmp"), None).unwrap());
        let file = living.file(b"{}").unwrap();
        assert_eq!(std::fs::metadata(file.path()).unwrap().permissions().mode() & 0o777, 0o600);
        let dead = work.path().join("tmp/dead");
        std::fs::create_dir_all(dead.join("0/locked")).unwrap();
        std::fs::write(dead.join("lock"), "").unwrap();
        std::fs::set_permissions(dead.join("0/locked"), std::fs::Permissions::from_mode(0o000)).unwrap();
        let second = Scratch::open_in(&work.path().join("tmp"), None).unwrap();
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
        let scratch = Arc::new(Scratch::open(work.path(), None).unwrap());
        for (content, in_memory) in [(vec![b'x'; SMALL_FILE], true), (vec![b'x'; SMALL_FILE + 1], false)] {
            let file = scratch.file(&content).unwrap();
            let path = file.path().to_owned();
            assert_eq!(std::fs::read(&path).unwrap(), content);
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
            assert_eq!(path.starts_with(MEMORY), in_memory && memory_folder(None).is_some());
            assert_eq!(path.starts_with(work.path()), !path.starts_with(MEMORY));
            drop(file);
            assert!(!path.exists());
        }
        let memory = scratch.memory.as_ref().map(|memory| memory.path.clone());
        drop(scratch);
        assert!(memory.is_none_or(|path| !path.exists()));
    }
}
