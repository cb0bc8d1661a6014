//! Logs in memory, for a daemon that keeps nothing on disk.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::job_log::address::{Address, JobId};

/// What the administration of one log may cost, in bytes: many small ones are bounded too.
const PER_LOG: usize = 256;

/// The logs of the latest attempts, in total no larger than the limit.
#[derive(Debug, Clone)]
pub(super) struct MemoryLogs {
    most: usize,
    held: Arc<Mutex<MemoryState>>,
}

#[derive(Debug, Default)]
struct MemoryState {
    logs: HashMap<Address, (u64, Vec<u8>)>,
    /// By age: the oldest goes first.
    ages: BTreeSet<(u64, Address)>,
    next_age: u64,
    total: usize,
}

impl MemoryState {
    fn forget(&mut self, address: Address) {
        if let Some((age, bytes)) = self.logs.remove(&address) {
            self.ages.remove(&(age, address));
            self.total -= bytes.capacity() + PER_LOG;
        }
    }

    fn begin(&mut self, address: Address) {
        if !self.logs.contains_key(&address) {
            self.ages.insert((self.next_age, address));
            self.logs.insert(address, (self.next_age, Vec::new()));
            self.next_age += 1;
            self.total += PER_LOG;
        }
    }
}

impl MemoryLogs {
    pub(super) fn new(most: usize) -> Self {
        Self { most, held: Arc::default() }
    }

    /// Begins a log, or goes on with it; gives its length.
    pub(super) fn open(&self, address: Address) -> usize {
        let mut held = self.lock();
        held.begin(address);
        held.logs.get(&address).map_or(0, |(_, bytes)| bytes.len())
    }

    /// Adds to a log; older ones are forgotten for it. False when there is no room, or the log itself was forgotten.
    pub(super) fn append(&self, address: Address, more: &[u8]) -> bool {
        let mut held = self.lock();
        let Some((_, bytes)) = held.logs.get_mut(&address) else { return false };
        let before = bytes.capacity();
        if bytes.len() + more.len() + PER_LOG > self.most {
            return false;
        }
        // Grows by a quarter, not by twice: what is reserved counts as used.
        if bytes.len() + more.len() > before {
            let room = (bytes.len() / 4).min(self.most - PER_LOG - bytes.len() - more.len());
            bytes.reserve_exact(more.len() + room);
        }
        bytes.extend_from_slice(more);
        let grown = bytes.capacity() - before;
        held.total += grown;
        while held.total > self.most {
            let oldest = held.ages.iter().map(|(_, at)| *at).find(|oldest| *oldest != address);
            match oldest {
                Some(oldest) => held.forget(oldest),
                None => break,
            }
        }
        true
    }

    /// Up to `most` bytes of a log from a position; nothing for a log that is not there.
    pub(super) fn read(&self, address: Address, from: u64, most: usize) -> Option<Vec<u8>> {
        let held = self.lock();
        let (_, bytes) = held.logs.get(&address)?;
        let rest = usize::try_from(from).ok().and_then(|from| bytes.get(from..)).unwrap_or_default();
        Some(rest.iter().take(most).copied().collect())
    }

    pub(super) fn attempts(&self, job: JobId) -> Vec<u32> {
        let held = self.lock();
        held.logs.keys().filter(|address| address.job == job).map(|address| address.attempt).collect()
    }

    pub(super) fn remove(&self, addresses: &BTreeSet<Address>) {
        let mut logs = self.lock();
        addresses.iter().for_each(|address| logs.forget(*address));
    }

    fn lock(&self) -> MutexGuard<'_, MemoryState> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(n: u32) -> Address {
        Address::of(&format!("019ab4f0-6a00-7000-8000-{n:012}"), 1).unwrap()
    }

    #[test]
    fn the_oldest_goes_first_and_the_total_holds() {
        let logs = MemoryLogs::new(10_000);
        for n in 0..50 {
            logs.open(address(n));
            assert!(logs.append(address(n), &[b'x'; 900]));
            assert!(logs.append(address(n), &[b'y'; 100]));
            let held = logs.lock();
            assert!(held.total <= 10_000, "{}", held.total);
            let real: usize = held.logs.values().map(|(_, bytes)| bytes.capacity() + PER_LOG).sum();
            assert_eq!((real, held.ages.len()), (held.total, held.logs.len()));
        }
        assert!(logs.read(address(0), 0, 10).is_none());
        assert!(!logs.append(address(0), b"late"), "a forgotten log does not begin anew");
        assert_eq!(logs.read(address(49), 899, 10).unwrap(), b"xyyyyyyyyy");
    }

    #[test]
    fn one_log_alone_is_bounded_too() {
        let logs = MemoryLogs::new(10_000);
        logs.open(address(1));
        let taken = (0..100).take_while(|_| logs.append(address(1), &[b'x'; 1_000])).count();
        assert_eq!(taken, 9);
        assert!(logs.lock().total <= 10_000);
        assert_eq!(logs.read(address(1), 0, 100_000).unwrap().len(), 9_000);
    }

    #[test]
    fn many_empty_logs_are_bounded() {
        let logs = MemoryLogs::new(10_000);
        for n in 0..1_000 {
            logs.open(address(n));
            logs.append(address(n), b"");
        }
        assert!(logs.lock().logs.len() <= 10_000 / PER_LOG + 1);
    }
}
