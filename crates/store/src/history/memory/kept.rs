//! Entries up to a bound; the oldest go first.

use std::collections::BTreeMap;

use herald_core::activation::Name;

/// The most jobs, and the most events, that are kept; and the most bytes of each, counted roughly.
pub(super) const MOST: usize = 1000;
pub(super) const BYTES: usize = 8 << 20;

/// Entries by id; ids ascend with time.
pub(super) struct Kept<T> {
    pub(super) entries: BTreeMap<Name, (T, usize)>,
    pub(super) bytes: usize,
}

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self { entries: BTreeMap::new(), bytes: 0 }
    }
}

impl<T> Kept<T> {
    pub(super) fn put(&mut self, id: &Name, entry: T, size: usize) {
        if let Some((_, before)) = self.entries.insert(id.clone(), (entry, size)) {
            self.bytes -= before;
        }
        self.bytes += size;
        self.trim();
    }

    pub(super) fn get(&self, id: &str) -> Option<&T> {
        self.entries.get(id).map(|(entry, _)| entry)
    }

    /// Changes an entry, which gives by how many bytes it grows.
    pub(super) fn change(&mut self, id: &str, change: impl FnOnce(&mut T) -> usize) {
        if let Some((entry, size)) = self.entries.get_mut(id) {
            let more = change(entry);
            *size += more;
            self.bytes += more;
        }
        self.trim();
    }

    pub(super) fn remove(&mut self, id: &str) -> Option<T> {
        let (entry, size) = self.entries.remove(id)?;
        self.bytes -= size;
        Some(entry)
    }

    fn trim(&mut self) {
        while self.entries.len() > MOST || self.bytes > BYTES {
            let Some((_, (_, size))) = self.entries.pop_first() else { return };
            self.bytes -= size;
        }
    }
}
