//! Which names of events may be in the history. Most that are asked for are new, and then nobody has to look into the
//! file.

use std::hash::RandomState;

use fastbloom::BloomFilter;

/// Bits for each name: of those that are new, one in fifty is looked for all the same once all of them are there.
const BITS: usize = 8;
const HASHES: u32 = 5;
/// So many names it is made for at least (1 MiB) and at most (16 MiB).
const MANY: (usize, usize) = (1 << 20, 16 << 20);

/// A filter over names.
pub(crate) struct KeyFilter {
    filter: BloomFilter<RandomState>,
    /// How many names were put into it, and for how many it is made.
    count: usize,
    most: usize,
}

impl KeyFilter {
    /// Empty, with room for twice as many names as there are.
    pub(crate) fn for_twice(names: usize) -> Self {
        let most = names.saturating_mul(2).clamp(MANY.0, MANY.1);
        let filter = BloomFilter::with_num_bits(most * BITS).hasher(RandomState::new()).hashes(HASHES);
        Self { filter, count: 0, most }
    }

    /// Whether this name was put into it. If not, it was not; a few that were not seem to be.
    pub(crate) fn may_hold(&self, name: &str) -> bool {
        self.filter.contains(name)
    }

    pub(crate) fn put(&mut self, name: &str) {
        self.filter.insert(name);
        self.count += 1;
    }

    /// Whether it holds so many names that it should be re-created, without those that are forgotten by now.
    pub(crate) fn is_full(&self) -> bool {
        self.count >= self.most
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_there_is_never_denied() {
        let mut keys = KeyFilter::for_twice(0);
        (0..200_000).filter(|n| n % 2 == 0).for_each(|n| keys.put(&format!("t:{n}")));
        let held = |rest| (0..200_000).filter(|n| n % 2 == rest && keys.may_hold(&format!("t:{n}"))).count();
        assert_eq!(held(0), 100_000);
        assert!(held(1) < 100, "{} of 100,000 that are not there", held(1));
        assert!(!keys.is_full());
    }

    #[test]
    fn it_is_made_for_twice_as_many() {
        for (names, most) in [(0, 1 << 20), (1_000_000, 2_000_000), (usize::MAX, 16 << 20)] {
            assert_eq!(KeyFilter::for_twice(names).most, most, "{names}");
        }
        let mut keys = KeyFilter::for_twice(0);
        (0..1 << 20).for_each(|n: u32| keys.put(&n.to_string()));
        assert!(keys.is_full());
        let wrong = (0..10_000).filter(|n| keys.may_hold(&format!("new {n}"))).count();
        assert!(wrong < 400, "{wrong} of 10,000");
    }
}
