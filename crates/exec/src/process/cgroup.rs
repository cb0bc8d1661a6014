//! Control groups (cgroup v2): one for each job, so that whatever a job starts can be found and ended.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Result};
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use herald_base::file_lock::FileLock;
use rustix::fs::Access;
use rustix::process::{Pid, Signal, kill_process};

/// The file of a group that says whether a process lives in it.
const EVENTS: &str = "cgroup.events";
/// What the folder of each Herald process begins with.
const PREFIX: &str = "herald-";
/// Where the process itself goes when its own group gets controllers: groups with controllers hold no processes.
const MAIN: &str = "herald.main";
/// Where processes go that outlive the Herald process whose jobs left them behind.
const LEFT: &str = "herald.left";
/// How many empty groups wait for the next job.
const POOL: usize = 64;
/// How many groups that still had processes are looked at again for each job.
const LOOKS: usize = 4;
/// How often a group is removed that the kernel still counts processes in, and how long to wait in between.
const REMOVE_TRIES: u32 = 20;
const REMOVE_WAIT: Duration = Duration::from_millis(5);
/// How often the lock of the own folder is tried, with the same wait: another process may look at it just now.
const LOCK_TRIES: u32 = 100;

/// Finds the group of this process in the cgroup v2 file system, from the texts of `/proc/self/mountinfo` and
/// `/proc/self/cgroup`.
pub(crate) fn find(mounts: &str, groups: &str) -> Option<PathBuf> {
    let own = groups.lines().find_map(|line| line.strip_prefix("0::"))?;
    // Outside of what this container may see.
    let own = Some(Path::new(own)).filter(|path| !path.starts_with("/.."))?;
    let mut mounts = mounts.lines().filter_map(mount);
    mounts.find_map(|(root, at)| Some(at.join(own.strip_prefix(root).ok()?)))
}

/// The root and the place of a mount, where it is one of cgroup v2:
/// `41 31 0:38 / /sys/fs/cgroup rw,relatime - cgroup2 cgroup2 rw`.
fn mount(line: &str) -> Option<(PathBuf, PathBuf)> {
    let (place, kind) = line.split_once(" - ")?;
    let mut place = place.split(' ').skip(3);
    let (root, at) = (plain(place.next()?), plain(place.next()?));
    kind.starts_with("cgroup2 ").then_some((root, at))
}

/// A path as the kernel writes it, with octal numbers for blanks, line ends and backslashes.
fn plain(path: &str) -> PathBuf {
    let mut text = path.to_owned();
    for (escaped, character) in [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")] {
        text = text.replace(escaped, character);
    }
    text.into()
}

/// The groups of this process's jobs: a folder of its own below its own group. Its lock says that the process lives.
#[derive(Debug)]
pub(crate) struct Cgroups {
    /// The group of this process.
    base: PathBuf,
    own: PathBuf,
    _lock: File,
    count: AtomicU64,
    /// Empty groups without limits.
    free: Mutex<Vec<OpenGroup>>,
    /// Groups of jobs that have ended, with processes that outlived them.
    lingering: Mutex<Vec<PathBuf>>,
}

/// A group that is open for new processes.
#[derive(Debug)]
struct OpenGroup {
    path: PathBuf,
    folder: File,
    procs: File,
    /// Says whether a process lives in it; asked after each job.
    events: Option<File>,
}

impl OpenGroup {
    fn open(path: PathBuf) -> Result<Self> {
        let (folder, procs) = (File::open(&path)?, File::create(path.join("cgroup.procs"))?);
        let events = File::open(path.join(EVENTS)).ok();
        Ok(Self { path, folder, procs, events })
    }

    /// Whether a process lives in it or below it.
    fn is_populated(&self) -> bool {
        // It is a few dozen bytes; each read from its beginning says how it is now.
        let mut text = [0; 512];
        let read = |file: &File, text: &mut [u8]| file.read_at(text, 0);
        let length = match &self.events {
            Some(events) => read(events, &mut text),
            // Out of file descriptors, for a while.
            None => File::open(self.path.join(EVENTS)).and_then(|events| read(&events, &mut text)),
        };
        let lines =
            |length: usize| text[..length].split(|byte| *byte == b'\n').any(|line| line == b"populated 1");
        length.is_ok_and(lines)
    }

    fn has_folders(&self) -> bool {
        // A folder has one link more for each folder in it.
        self.folder.metadata().is_ok_and(|meta| meta.nlink() > 2)
    }
}

impl Cgroups {
    /// Makes the folder `herald-NAME` in this group.
    pub(crate) fn open(base: PathBuf, name: &str) -> Result<Self> {
        // Empty by now, unless somebody still goes on in it.
        let _ = remove(&base.join(LEFT));
        let own = base.join(format!("{PREFIX}{name}"));
        let mut tries = 0;
        let lock = loop {
            // Nobody else can open it, and so nobody else can lock it: a lock says that Herald lives.
            DirBuilder::new().mode(0o700).create(&own).or_else(there)?;
            let lock = File::open(&own)?;
            match lock.try_lock() {
                // Another process may have taken it for that of a dead one before it was locked, and removed it.
                Ok(()) if own.exists() => break lock,
                Err(error) if tries == LOCK_TRIES => return Err(error.into()),
                _ => std::thread::sleep(REMOVE_WAIT),
            }
            tries += 1;
        };
        let (free, lingering) = (Mutex::default(), Mutex::default());
        Ok(Self { base, own, _lock: lock, count: AtomicU64::new(0), free, lingering })
    }

    /// The folder of all jobs of this process.
    pub(crate) fn path(&self) -> &Path {
        &self.own
    }

    /// A group for the next job.
    pub(crate) fn group(self: &Arc<Self>, limits: &[(&str, String)]) -> Result<JobGroup> {
        self.look_again();
        let free = if limits.is_empty() { lock(&self.free).pop() } else { None };
        let open = match free {
            Some(open) => open,
            None => {
                let path = self.own.join(self.count.fetch_add(1, Ordering::Relaxed).to_string());
                DirBuilder::new().mode(0o700).create(&path)?;
                for (file, value) in limits {
                    std::fs::write(path.join(file), value)?;
                }
                OpenGroup::open(path)?
            }
        };
        Ok(JobGroup {
            open: Some(open),
            limited: !limits.is_empty(),
            killed: AtomicBool::new(false),
            all: self.clone(),
        })
    }

    /// Gives the groups of jobs controllers, such as `memory`. This process leaves its group for one below, since a
    /// group with controllers holds no processes.
    ///
    /// # Errors
    /// The controllers that cannot be had.
    pub(crate) fn enable(&self, controllers: &[&str]) -> std::result::Result<(), Vec<String>> {
        let available = controllers.iter().any(|name| has(&self.base, name));
        // The root of all groups may hold processes beside controllers.
        if available
            && !controllers.iter().all(|name| has(&self.own, name))
            && self.base.join("cgroup.type").exists()
        {
            self.move_main();
        }
        for folder in [&self.base, &self.own] {
            let there: Vec<String> =
                controllers.iter().filter(|name| has(folder, name)).map(|name| format!("+{name}")).collect();
            // Whether it worked is seen below.
            let _ = std::fs::write(folder.join("cgroup.subtree_control"), there.join(" "));
        }
        let given = std::fs::read_to_string(self.own.join("cgroup.subtree_control")).unwrap_or_default();
        let has_got =
            |name: &str| given.split_ascii_whitespace().any(|given| given.trim_start_matches('+') == name);
        let missing: Vec<String> =
            controllers.iter().filter(|name| !has_got(name)).map(|name| (*name).to_owned()).collect();
        if missing.is_empty() { Ok(()) } else { Err(missing) }
    }

    fn move_main(&self) {
        let main = self.base.join(MAIN);
        let moved = DirBuilder::new()
            .create(&main)
            .or_else(there)
            .and_then(|()| std::fs::write(main.join("cgroup.procs"), std::process::id().to_string()));
        if let Err(error) = moved {
            tracing::warn!(path = %main.display(), %error, "cannot leave the own cgroup; limits of jobs need it");
        }
    }

    /// Groups that processes have left meanwhile can be used or removed.
    fn look_again(&self) {
        let Ok(mut lingering) = self.lingering.try_lock() else { return };
        for _ in 0..LOOKS.min(lingering.len()) {
            let path = lingering.remove(0);
            if remove(&path).is_err() {
                lingering.push(path);
            }
        }
    }

    /// Removes what is empty. Processes that jobs left behind on purpose go on in a group that belongs to nobody.
    pub(crate) fn leave(&self) {
        lock(&self.free).clear();
        let left = self.base.join(LEFT);
        for pid in members(&self.own) {
            let _ = DirBuilder::new().create(&left);
            let _ = std::fs::write(left.join("cgroup.procs"), pid.as_raw_nonzero().to_string());
        }
        remove_soon(&self.own);
    }
}

/// The group of one job. Dropping it makes it free again, or leaves it to those who are still in it.
#[derive(Debug)]
pub(crate) struct JobGroup {
    open: Option<OpenGroup>,
    limited: bool,
    /// `cgroup.kill` was written.
    killed: AtomicBool,
    all: Arc<Cgroups>,
}

impl JobGroup {
    /// Its folder, and its file of processes.
    pub(crate) fn files(&self) -> Option<[&File; 2]> {
        self.open.as_ref().map(|open| [&open.folder, &open.procs])
    }

    pub(crate) fn path(&self) -> &Path {
        self.open.as_ref().map_or(Path::new(""), |open| &open.path)
    }

    /// Whether it has limits.
    pub(crate) fn is_limited(&self) -> bool {
        self.limited
    }

    /// Whether a process lives in it.
    pub(crate) fn is_populated(&self) -> bool {
        self.open.as_ref().is_some_and(OpenGroup::is_populated)
    }

    pub(crate) fn members(&self) -> Vec<Pid> {
        members(self.path())
    }

    pub(crate) fn kill(&self) {
        self.killed.store(true, Ordering::Relaxed);
        kill(self.path());
    }
}

impl Drop for JobGroup {
    fn drop(&mut self) {
        let Some(open) = self.open.take() else { return };
        let used = open.is_populated();
        let mut free = lock(&self.all.free);
        // Newer kernels (seen with 6.18) kill whatever is started in a group later whose `cgroup.kill` was written.
        let reusable = !self.limited && !self.killed.load(Ordering::Relaxed);
        if !used && reusable && free.len() < POOL && !open.has_folders() {
            free.push(open);
            return;
        }
        drop(free);
        if used || remove(&open.path).is_err() {
            lock(&self.all.lingering).push(open.path);
        }
    }
}

/// Which of these controllers the groups of jobs below this group could not get. Nothing is changed.
pub(crate) fn missing<'n>(base: &Path, controllers: &[&'n str]) -> Vec<&'n str> {
    let may = |path: &Path, what| rustix::fs::access(path, what).is_ok();
    let is_delegated = may(base, Access::WRITE_OK | Access::EXEC_OK)
        && may(&base.join("cgroup.subtree_control"), Access::WRITE_OK);
    controllers.iter().copied().filter(|name| !is_delegated || !has(base, name)).collect()
}

/// Whether a group has a controller for those below it.
fn has(group: &Path, controller: &str) -> bool {
    let there = std::fs::read_to_string(group.join("cgroup.controllers")).unwrap_or_default();
    there.split_ascii_whitespace().any(|there| there == controller)
}

/// Whether this is named like the folder of a Herald process.
pub(crate) fn is_group_of_herald(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(PREFIX))
}

/// The processes in a group and below it.
pub(crate) fn members(group: &Path) -> Vec<Pid> {
    let mut found = Vec::new();
    let mut open = vec![group.to_owned()];
    while let Some(group) = open.pop() {
        let text = std::fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
        found.extend(text.lines().filter_map(|pid| Pid::from_raw(pid.parse().ok()?)));
        open.extend(folders(&group));
    }
    found
}

/// Kills all processes in a group and below it.
pub(crate) fn kill(group: &Path) {
    let at_once = OpenOptions::new().write(true).open(group.join("cgroup.kill"));
    if at_once.and_then(|mut file| std::io::Write::write_all(&mut file, b"1")).is_ok() {
        return;
    }
    // Linux before 5.14.
    for pid in members(group) {
        let _ = kill_process(pid, Signal::KILL);
    }
}

/// The folder of a process that has ended. Dropping it removes the folder, where it is empty by then.
#[derive(Debug)]
pub(crate) struct DeadGroup {
    path: PathBuf,
    /// Held as long as this lives, so that two do not clear it up.
    _lock: FileLock,
}

impl DeadGroup {
    /// None where its process lives, or somebody clears it up already.
    pub(crate) fn of(path: PathBuf) -> Option<Self> {
        let lock = File::open(&path).ok()?;
        lock.try_lock().ok()?;
        Some(Self { path, _lock: FileLock::new(lock) })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for DeadGroup {
    fn drop(&mut self) {
        remove_soon(&self.path);
    }
}

/// Removes a group with those below it, unless a process is in one.
fn remove(group: &Path) -> Result<()> {
    for below in folders(group) {
        remove(&below)?;
    }
    match std::fs::remove_dir(group) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// As [`remove`], with some patience: a process that was killed leaves its group a moment later. Blocks.
fn remove_soon(group: &Path) {
    for _ in 0..REMOVE_TRIES {
        if remove(group).is_ok() {
            return;
        }
        std::thread::sleep(REMOVE_WAIT);
    }
    tracing::debug!(path = %group.display(), "a cgroup is still in use");
}

fn folders(group: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(group).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        .collect()
}

fn there(error: std::io::Error) -> Result<()> {
    if error.kind() == ErrorKind::AlreadyExists { Ok(()) } else { Err(error) }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_own_group_is_found() {
        let v2 = "25 1 0:22 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate";
        let hybrid = "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n\
                      32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n\
                      41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw";
        let part = "41 31 0:38 /system.slice/a\\040b.service /mnt/c\\134d rw - cgroup2 none rw";
        for (mounts, groups, expected) in [
            (v2, "0::/system.slice/heraldd.service\n", Some("/sys/fs/cgroup/system.slice/heraldd.service")),
            (v2, "0::/\n", Some("/sys/fs/cgroup/")),
            (hybrid, "8:pids:/x\n0::/\n", Some("/sys/fs/cgroup/unified/")),
            (part, "0::/system.slice/a b.service/c\n", Some("/mnt/c\\d/c")),
            (part, "0::/user.slice\n", None),
            (v2, "0::/../other\n", None),
            (v2, "8:pids:/x\n", None),
            (hybrid.lines().next().unwrap(), "0::/\n", None),
            ("", "", None),
        ] {
            assert_eq!(find(mounts, groups).as_deref(), expected.map(Path::new), "{groups}");
        }
    }

    /// A folder with the same files, for machines without the controllers.
    fn with_controllers(names: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("cgroup.controllers"), names).unwrap();
        folder
    }

    #[test]
    fn limits_are_written_and_missing_controllers_named() {
        let folder = with_controllers("cpu memory");
        let groups = Arc::new(Cgroups::open(folder.path().to_owned(), "x").unwrap());
        std::fs::write(groups.path().join("cgroup.controllers"), "cpu memory").unwrap();
        assert_eq!(groups.enable(&["memory", "pids"]).unwrap_err(), ["pids"]);
        groups.enable(&["memory"]).unwrap();
        let group = groups.group(&[("memory.max", "1000".to_owned())]).unwrap();
        assert_eq!(std::fs::read_to_string(group.path().join("memory.max")).unwrap(), "1000");
    }

    #[test]
    fn a_folder_is_dead_without_its_lock() {
        let folder = with_controllers("");
        let groups = Cgroups::open(folder.path().to_owned(), "living").unwrap();
        let mode = std::fs::metadata(groups.path()).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o700, "others can lock what they can open");
        assert!(DeadGroup::of(groups.path().to_owned()).is_none());
        let dead = folder.path().join("herald-dead");
        std::fs::create_dir(&dead).unwrap();
        let held = DeadGroup::of(dead.clone());
        assert!(held.is_some() && DeadGroup::of(dead.clone()).is_none(), "somebody clears it up");
        drop(held);
        assert!(!dead.exists());
        let own = groups.path().to_owned();
        drop(groups);
        assert!(DeadGroup::of(own).is_some());
    }
}
