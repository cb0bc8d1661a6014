//! How much all logs together may take, and what they leave free on the disk for the journal.

use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use crate::job_log::live::LiveLogs;
use crate::job_log::place;
use crate::journal::disk_space::{self, DiskSpace};

/// The logs together take at most this, unless the configuration says otherwise: 10 GiB.
const USUAL: u64 = 10 << 30;
/// … or this share of the file system, if that is less.
const USUAL_SHARE: u64 = 10;
/// What stays free for the journal: an eighth of the file system, within these bounds, and at most a half.
const RESERVE_SHARE: u64 = 8;
const RESERVE: (u64, u64) = (4 << 20, 64 << 20);
/// When logs are removed, a little more than needed: this share of the bound.
const SLACK: u64 = 20;

/// Gives the space of the file system of a folder.
type Disk = fn(&Path) -> io::Result<DiskSpace>;
/// Whether a job of this id has not ended.
pub(super) type IsOpen = Arc<dyn Fn(&str) -> bool + Send + Sync>;

/// Counts what the logs of a folder take.
pub(super) struct LogBudget {
    disk: Disk,
    live: LiveLogs,
    /// What all may take; 0: the usual share of the disk.
    most: AtomicU64,
    /// What they take, about.
    total: AtomicU64,
    /// What is being written.
    in_flight: AtomicU64,
    is_open: RwLock<Option<IsOpen>>,
    /// Held by who removes logs.
    trimming: Mutex<()>,
}

/// Bytes that may be written, for as long as this is held.
pub(super) struct Admitted<'a> {
    budget: &'a LogBudget,
    bytes: u64,
}

impl Drop for Admitted<'_> {
    fn drop(&mut self) {
        self.budget.in_flight.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl LogBudget {
    pub(super) fn new(live: LiveLogs) -> Self {
        Self::on_disk(live, disk_space::space)
    }

    /// With the space that `disk` gives.
    pub(super) fn on_disk(live: LiveLogs, disk: Disk) -> Self {
        Self {
            disk,
            live,
            most: AtomicU64::new(0),
            total: AtomicU64::new(0),
            in_flight: AtomicU64::new(0),
            is_open: RwLock::default(),
            trimming: Mutex::default(),
        }
    }

    /// What all logs together may take from now on; `None`: the usual.
    pub(super) fn set_most(&self, most: Option<u64>) {
        self.most.store(most.map_or(0, |most| most.max(1)), Ordering::Relaxed);
    }

    /// Asks this whether a job has not ended; the logs of such jobs stay.
    pub(super) fn set_is_open(&self, is_open: IsOpen) {
        *self.is_open.write().unwrap_or_else(PoisonError::into_inner) = Some(is_open);
    }

    pub(super) fn added(&self, bytes: u64) {
        self.total.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn removed(&self, bytes: u64) {
        let less = |total: u64| Some(total.saturating_sub(bytes));
        // The closure always gives a number.
        let _ = self.total.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    }

    /// Whether so much may be written to a log in this folder. Removes the oldest logs of ended jobs where they are in
    /// the way. Blocks on the disk.
    ///
    /// # Errors
    /// When it may not.
    pub(super) fn admit(&self, folder: &Path, bytes: u64) -> io::Result<Admitted<'_>> {
        let before = self.in_flight.fetch_add(bytes, Ordering::Relaxed);
        let admitted = Admitted { budget: self, bytes };
        let space = self.space(folder)?;
        let reserve = (space.total / RESERVE_SHARE).clamp(RESERVE.0, RESERVE.1).min(space.total / 2);
        if space.free < reserve.saturating_add(before).saturating_add(bytes) {
            let why = "the disk is nearly full, and the rest of it is reserved for the journal";
            return Err(io::Error::new(ErrorKind::StorageFull, why));
        }
        let most = self.most(space);
        if self.total.load(Ordering::Relaxed).saturating_add(bytes) > most {
            self.trim(folder, most, bytes)?;
        }
        Ok(admitted)
    }

    fn space(&self, folder: &Path) -> io::Result<DiskSpace> {
        match (self.disk)(folder) {
            // The folder is made with the first log.
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let there = folder.ancestors().skip(1).find(|part| part.exists());
                (self.disk)(there.unwrap_or(Path::new("/")))
            }
            other => other,
        }
    }

    fn most(&self, space: DiskSpace) -> u64 {
        match self.most.load(Ordering::Relaxed) {
            0 => USUAL.min(space.total / USUAL_SHARE),
            most => most,
        }
    }

    /// Removes the oldest logs of ended jobs until there is room for so much.
    fn trim(&self, folder: &Path, most: u64, bytes: u64) -> io::Result<()> {
        let _one_at_a_time = self.trimming.lock().unwrap_or_else(PoisonError::into_inner);
        let total = || self.total.load(Ordering::Relaxed).saturating_add(bytes);
        if total() > most {
            let target = most - most / SLACK;
            let is_open = self.is_open.read().unwrap_or_else(PoisonError::into_inner).clone();
            let mut count = 0;
            place::remove_oldest(
                folder,
                |address| {
                    if total() <= target {
                        return place::Removal::Enough;
                    }
                    let id = address.job.to_string();
                    if self.live.watch(address).is_some() || is_open.as_ref().is_some_and(|open| open(&id)) {
                        return place::Removal::Keep;
                    }
                    count += 1;
                    place::Removal::Remove
                },
                |freed| self.removed(freed),
            )?;
            if count > 0 {
                tracing::info!(
                    count,
                    "removed the oldest logs of ended jobs: history.logs limits all of them"
                );
            }
        }
        if total() <= most {
            return Ok(());
        }
        let why = format!("all job logs together have reached their limit of {most} bytes (history.logs)");
        Err(io::Error::new(ErrorKind::QuotaExceeded, why))
    }

    /// Counts what is there, and removes what is too much. Blocks on the disk.
    ///
    /// # Errors
    /// When a folder cannot be read.
    pub(super) fn count(&self, folder: &Path) -> io::Result<()> {
        self.added(place::size(folder)?);
        let most = self.most(self.space(folder)?);
        // What is open alone may be more; who writes next learns it.
        let _ = self.trim(folder, most, 0);
        Ok(())
    }

    /// What the logs take, about.
    #[cfg(test)]
    pub(super) fn total(&self) -> u64 {
        self.total.load(Ordering::Relaxed)
    }
}

impl std::fmt::Debug for LogBudget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LogBudget").field("total", &self.total).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job_log::address::Address;

    const ID: &str = "019ab4f0-6a00-7000-8000-00000000000";

    fn roomy(_: &Path) -> io::Result<DiskSpace> {
        Ok(DiskSpace { free: 1 << 40, total: 1 << 40 })
    }

    /// The `state_dir` of 6 MB of the report.
    fn small(_: &Path) -> io::Result<DiskSpace> {
        Ok(DiskSpace { free: 5 << 20, total: 6 << 20 })
    }

    fn log(folder: &Path, n: u32, size: usize) -> Address {
        let address = Address::of(&format!("{ID}{n}"), 1).unwrap();
        let path = address.path(folder);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, vec![b'x'; size]).unwrap();
        address
    }

    #[test]
    fn logs_leave_the_journal_its_reserve() {
        let budget = LogBudget::on_disk(LiveLogs::default(), small);
        budget.set_most(Some(u64::MAX));
        // Three of six are reserved, five are free.
        let first = budget.admit(Path::new("/"), 1 << 20).unwrap();
        let second = budget.admit(Path::new("/"), 1 << 20).unwrap();
        let why = budget.admit(Path::new("/"), 1).err().unwrap();
        assert_eq!(why.kind(), ErrorKind::StorageFull);
        drop((first, second));
        assert!(budget.admit(Path::new("/"), 2 << 20).is_ok(), "what was refused or written is not held");
        assert!(budget.admit(Path::new("/"), (2 << 20) + 1).is_err());
    }

    #[test]
    fn the_usual_bound_is_a_tenth_of_a_small_disk() {
        let budget = LogBudget::on_disk(LiveLogs::default(), small);
        assert_eq!(budget.most(small(Path::new("/")).unwrap()), (6 << 20) / 10);
        assert_eq!(budget.most(roomy(Path::new("/")).unwrap()), 10 << 30);
    }

    #[test]
    fn the_oldest_logs_of_ended_jobs_go_first() {
        let folder = tempfile::tempdir().unwrap();
        let live = LiveLogs::default();
        let budget = LogBudget::on_disk(live.clone(), roomy);
        let logs: Vec<Address> = (1..=5).map(|n| log(folder.path(), n, 1000)).collect();
        std::fs::write(logs[1].index_path(folder.path()), "index").unwrap();
        budget.set_most(Some(5000));
        budget.count(folder.path()).unwrap();
        assert_eq!(budget.total(), 5000);
        let there = || -> Vec<bool> { logs.iter().map(|log| log.path(folder.path()).exists()).collect() };
        // The first is being written, the third is of a job that waits for its retry.
        let writing = live.enter(logs[0]);
        let waits = format!("{ID}3");
        budget.set_is_open(Arc::new(move |id: &str| id == waits));
        assert!(budget.admit(folder.path(), 500).is_ok());
        assert_eq!(there(), [true, false, true, true, true]);
        assert!(!logs[1].index_path(folder.path()).exists());
        assert_eq!(budget.total(), 4000);
        // More than what can go: the log that asks for it ends.
        let why = budget.admit(folder.path(), 4000).err().unwrap();
        assert!(why.to_string().contains("history.logs"), "{why}");
        assert_eq!(there(), [true, false, true, false, false]);
        drop(writing);
        assert!(budget.admit(folder.path(), 4000).is_ok());
        assert_eq!(there(), [false, false, true, false, false]);
    }

    #[test]
    fn what_an_earlier_process_left_is_bounded_at_the_start() {
        let folder = tempfile::tempdir().unwrap();
        let logs: Vec<Address> = (1..=4).map(|n| log(folder.path(), n, 1000)).collect();
        let budget = LogBudget::on_disk(LiveLogs::default(), roomy);
        budget.set_most(Some(2500));
        budget.count(folder.path()).unwrap();
        let left: Vec<bool> = logs.iter().map(|log| log.path(folder.path()).exists()).collect();
        assert_eq!((left, budget.total()), (vec![false, false, true, true], 2000));
    }
}
