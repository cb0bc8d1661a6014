//! Entries up to a bound; the oldest go first.

use std::collections::VecDeque;

use herald_core::activation::Name;

/// The most jobs, and the most events, that are kept; and the most bytes of each, counted roughly.
pub(super) const MOST: usize = 1000;
pub(super) const BYTES: usize = 8 << 20;

/// Entries by id; ids ascend with time, so that a new one goes to the end.
pub(super) struct Kept<T> {
    entries: VecDeque<KeptEntry<T>>,
    bytes: usize,
}

struct KeptEntry<T> {
    id: Name,
    entry: T,
    size: usize,
}

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self { entries: VecDeque::new(), bytes: 0 }
    }
}

impl<T> Kept<T> {
    pub(super) fn put(&mut self, id: &Name, entry: T, size: usize) {
        let new = KeptEntry { id: id.clone(), entry, size };
        self.bytes += size;
        match self.place(id) {
            Ok(place) => {
                let before = std::mem::replace(&mut self.entries[place], new);
                self.bytes -= before.size;
            }
            Err(place) => self.entries.insert(place, new),
        }
        self.trim();
    }

    pub(super) fn get(&self, id: &str) -> Option<&T> {
        self.place(id).ok().map(|place| &self.entries[place].entry)
    }

    /// Changes an entry, which gives by how many bytes it grows. Returns whether there is one.
    pub(super) fn change(&mut self, id: &str, change: impl FnOnce(&mut T) -> usize) -> bool {
        let Ok(place) = self.place(id) else { return false };
        let kept = &mut self.entries[place];
        let more = change(&mut kept.entry);
        kept.size += more;
        self.bytes += more;
        self.trim();
        true
    }

    pub(super) fn remove(&mut self, id: &str) -> Option<T> {
        let removed = self.entries.remove(self.place(id).ok()?)?;
        self.bytes -= removed.size;
        Some(removed.entry)
    }

    #[cfg(test)]
    pub(super) fn count_and_bytes(&self) -> (usize, usize) {
        (self.entries.len(), self.bytes)
    }

    /// The entries, the oldest first.
    pub(super) fn values(&self) -> impl DoubleEndedIterator<Item = &T> {
        self.entries.iter().map(|kept| &kept.entry)
    }

    /// Their ids, the oldest first.
    pub(super) fn ids(&self) -> impl DoubleEndedIterator<Item = &Name> {
        self.entries.iter().map(|kept| &kept.id)
    }

    /// Where the entry of this id is, or belongs.
    fn place(&self, id: &str) -> Result<usize, usize> {
        match self.entries.back() {
            Some(latest) if *latest.id < *id => Err(self.entries.len()),
            _ => self.entries.binary_search_by(|kept| (*kept.id).cmp(id)),
        }
    }

    fn trim(&mut self) {
        while self.entries.len() > MOST || self.bytes > BYTES {
            let Some(oldest) = self.entries.pop_front() else { return };
            self.bytes -= oldest.size;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_by_id_whatever_the_order_they_come_in() {
        let mut kept = Kept::default();
        for (id, entry) in [("b", 1), ("d", 2), ("a", 3), ("c", 4), ("d", 5), ("a", 6)] {
            kept.put(&id.into(), entry, 10);
        }
        assert_eq!(kept.values().copied().collect::<Vec<_>>(), [6, 1, 4, 5]);
        assert_eq!(kept.ids().map(|id| &**id).collect::<String>(), "abcd");
        assert_eq!(kept.count_and_bytes(), (4, 40));
        assert!(kept.change("c", |entry| {
            *entry += 1;
            7
        }));
        assert!(!kept.change("e", |_| 1000) && kept.get("e").is_none());
        assert_eq!((kept.get("c"), kept.count_and_bytes()), (Some(&5), (4, 47)));
        assert_eq!((kept.remove("c"), kept.remove("c"), kept.count_and_bytes()), (Some(5), None, (3, 30)));
        kept.put(&"e".into(), 7, BYTES);
        assert_eq!((kept.get("e"), kept.get("d")), (Some(&7), None), "the oldest went");
    }
}
