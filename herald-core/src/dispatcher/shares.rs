//! How much of a queue each of those has that fill it: one never has more than half, and never more than it leaves
//! free.
//!
//! One that has nothing waiting is therefore let in however much others have, until the whole is full.

use crate::event::activation::{Name, NameMap};

/// What waits: how many, and rough bytes of their parameters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Load {
    pub(super) count: usize,
    pub(super) bytes: usize,
}

impl Load {
    pub(super) fn one(bytes: usize) -> Self {
        Self { count: 1, bytes }
    }

    fn add(&mut self, more: Self) {
        self.count += more.count;
        self.bytes += more.bytes;
    }

    fn remove(&mut self, less: Self) {
        self.count = self.count.saturating_sub(less.count);
        self.bytes = self.bytes.saturating_sub(less.bytes);
    }
}

/// Who has how much of one queue.
#[derive(Debug, Default)]
pub(super) struct QueueShares {
    all: Load,
    of: NameMap<Load>,
}

impl QueueShares {
    /// One more waits.
    pub(super) fn add(&mut self, whose: &Name, bytes: usize) {
        let one = Load::one(bytes);
        self.all.add(one);
        match self.of.get_mut(whose) {
            Some(load) => load.add(one),
            None => drop(self.of.insert(whose.clone(), one)),
        }
    }

    /// One waits no longer.
    pub(super) fn remove(&mut self, whose: &Name, bytes: usize) {
        let Some(load) = self.of.get_mut(whose) else { return };
        let one = Load::one(bytes);
        load.remove(one);
        self.all.remove(one);
        if load.count == 0 {
            self.of.remove(whose);
        }
    }

    /// Whether there is room for one more of these. With nothing waiting, one of any size is let in.
    pub(super) fn has_room(&self, whose: &Name, bytes: usize, most: Load) -> bool {
        if self.is_full(most) {
            return false;
        }
        let Some(mut its) = self.of.get(whose).copied() else { return true };
        let mut all = self.all;
        let one = Load::one(bytes);
        its.add(one);
        all.add(one);
        its.count <= most.count.saturating_sub(all.count) && its.bytes <= most.bytes.saturating_sub(all.bytes)
    }

    /// Whether nobody is let in.
    pub(super) fn is_full(&self, most: Load) -> bool {
        self.all.count >= most.count || self.all.bytes >= most.bytes
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.count == 0
    }

    #[cfg(test)]
    fn count(&self) -> usize {
        self.all.count
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MOST: Load = Load { count: 20, bytes: 1000 };

    fn name(number: usize) -> Name {
        number.to_string().as_str().into()
    }

    proptest! {
        /// Whatever comes and goes: one never has more than half, and who has nothing waiting is let in while others
        /// are.
        #[test]
        fn one_has_at_most_half_and_another_one_is_let_in(
            steps in proptest::collection::vec((0usize..4, 0usize..200, any::<bool>()), 0..200),
        ) {
            let mut shares = QueueShares::default();
            let mut waiting: Vec<(usize, usize)> = Vec::new();
            for (whose, bytes, comes) in steps {
                if comes && shares.has_room(&name(whose), bytes, MOST) {
                    shares.add(&name(whose), bytes);
                    waiting.push((whose, bytes));
                } else if !comes && !waiting.is_empty() {
                    let (whose, bytes) = waiting.swap_remove(bytes % waiting.len());
                    shares.remove(&name(whose), bytes);
                }
                prop_assert_eq!(shares.count(), waiting.len());
                prop_assert_eq!(shares.is_empty(), waiting.is_empty());
                for whose in 0..4 {
                    let its = waiting.iter().filter(|one| one.0 == whose);
                    prop_assert!(its.clone().count() <= MOST.count / 2);
                    prop_assert!(its.map(|one| one.1).sum::<usize>() <= MOST.bytes / 2);
                }
                prop_assert!(shares.has_room(&name(9), 100, MOST) || shares.is_full(MOST));
            }
        }
    }

    #[test]
    fn one_of_any_size_is_let_in_where_nothing_waits() {
        let mut shares = QueueShares::default();
        assert!(shares.has_room(&name(0), 5000, MOST));
        shares.add(&name(0), 5000);
        assert!(shares.is_full(MOST) && !shares.has_room(&name(1), 0, MOST));
        shares.remove(&name(0), 5000);
        assert!(shares.has_room(&name(1), 0, MOST) && shares.is_empty());
        let one = Load { count: 1, bytes: 10 };
        assert!(shares.has_room(&name(0), 1, one));
    }
}
