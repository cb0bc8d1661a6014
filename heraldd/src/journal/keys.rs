//! Which names of events may be in the history. Most that are asked for are new, and then nobody has to look into the file.

use std::hash::RandomState;

use fastbloom::BloomFilter;

/// Its size: 1 MiB. Of a million names one in a hundred that are new is looked for all the same.
const BITS: usize = 8 << 20;
const HASHES: u32 = 5;
/// After so many names it begins anew, without those that are forgotten by then.
const MANY: usize = 1_000_000;

/// A filter over the names in the history and those on their way there.
pub(super) struct Keys {
    filter: BloomFilter<RandomState>,
    /// Whether all names of the history are in it.
    complete: bool,
    /// How many names were put into it, and at how many it is to begin anew.
    count: usize,
    most: usize,
}

impl Default for Keys {
    /// It has seen nothing, and takes every name for one that may be there.
    fn default() -> Self {
        let filter = BloomFilter::with_num_bits(BITS).hasher(RandomState::new()).hashes(HASHES);
        Self { filter, complete: false, count: 0, most: MANY }
    }
}

impl Keys {
    /// Whether the history may have this name. If not, it has not.
    pub(super) fn may_hold(&self, name: &str) -> bool {
        !self.complete || self.filter.contains(name)
    }

    /// The history has, or will have, this name.
    pub(super) fn put(&mut self, name: &str) {
        self.filter.insert(name);
        self.count += 1;
    }

    /// All names of the history are in it.
    pub(super) fn complete(&mut self) {
        self.complete = true;
        self.most = MANY.max(2 * self.count);
    }

    /// Whether it lacks names, or holds so many that it should begin anew.
    pub(super) fn is_stale(&self) -> bool {
        !self.complete || self.count >= self.most
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_may_be_there_is_never_denied() {
        let mut keys = Keys::default();
        assert!(keys.may_hold("anything") && keys.is_stale());
        (0..100_000).filter(|n| n % 2 == 0).for_each(|n| keys.put(&format!("t:{n}")));
        assert!(keys.may_hold("t:1"), "it lacks names");
        keys.complete();
        assert!(!keys.is_stale());
        let held = |rest| (0..100_000).filter(|n| n % 2 == rest && keys.may_hold(&format!("t:{n}"))).count();
        assert_eq!(held(0), 50_000);
        assert!(held(1) < 500, "{} of 50,000 that are not there", held(1));
    }

    #[test]
    fn it_begins_anew_once_it_holds_many() {
        let mut keys = Keys::default();
        keys.complete();
        (0..MANY).for_each(|n| keys.put(&n.to_string()));
        assert!(keys.is_stale());
        // As many are still known: then it lasts for as many more.
        keys.complete();
        assert!(!keys.is_stale());
    }
}
