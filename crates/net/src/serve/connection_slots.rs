//! Places for connections: so many at once, and never kept from others by clients that say nothing.
//!
//! When all places are taken, the connection that has gone longest without an answer gives up its place to a newcomer,
//! once it has had a fair time.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

/// The places of one server.
pub(super) struct Places {
    free: Arc<Semaphore>,
    /// What a connection may count on when others wait: enough for an honest request, so that a burst of those waits
    /// its turn rather than being cut.
    fair: Duration,
    began: Instant,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    holders: HashMap<u64, Arc<Holder>>,
    next: u64,
}

struct Holder {
    /// When it came, or was answered last: milliseconds since the server began.
    since: AtomicU64,
    leave: CancellationToken,
    /// While it is not zero, it is Herald that takes its time.
    waiting: Arc<AtomicUsize>,
}

impl Holder {
    fn may_leave(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) == 0
    }
}

impl Places {
    /// So many places.
    pub(super) fn new(places: usize, fair: Duration) -> Arc<Self> {
        let free = Arc::new(Semaphore::new(places));
        Arc::new(Self { free, fair, began: Instant::now(), taken: Mutex::default() })
    }

    /// A place for a connection that is there, as soon as one is free or can be made free.
    /// `waiting` says how many requests on it wait for Herald.
    pub(super) async fn enter(self: &Arc<Self>, waiting: &Arc<AtomicUsize>) -> Option<Place> {
        loop {
            let mut free = pin!(self.free.clone().acquire_owned());
            if let Ok(free) = timeout(self.patience(), &mut free).await {
                return free.ok().map(|free| self.seat(free, waiting));
            }
            if self.turn_out_oldest() {
                return free.await.ok().map(|free| self.seat(free, waiting));
            }
        }
    }

    fn seat(self: &Arc<Self>, free: OwnedSemaphorePermit, waiting: &Arc<AtomicUsize>) -> Place {
        let since = AtomicU64::new(self.now());
        let holder = Arc::new(Holder { since, leave: CancellationToken::new(), waiting: waiting.clone() });
        let mut taken = self.taken();
        let number = taken.next;
        taken.next += 1;
        taken.holders.insert(number, holder.clone());
        Place { places: self.clone(), number, holder, _free: free }
    }

    /// Until the oldest has had its time.
    fn patience(&self) -> Duration {
        let taken = self.taken();
        let sitting = taken.holders.values().filter(|holder| holder.may_leave());
        let oldest = sitting.map(|holder| holder.since.load(Ordering::Relaxed)).min();
        self.left(oldest.unwrap_or_else(|| self.now()))
    }

    /// False when nobody has had their time yet.
    fn turn_out_oldest(&self) -> bool {
        let mut taken = self.taken();
        let age = |(number, holder): &(&u64, &Arc<Holder>)| (holder.since.load(Ordering::Relaxed), **number);
        let sitting = taken.holders.iter().filter(|(_, holder)| holder.may_leave());
        let oldest = sitting.min_by_key(age).map(|(number, holder)| (*number, holder.clone()));
        let Some((number, holder)) = oldest else { return false };
        if !self.left(holder.since.load(Ordering::Relaxed)).is_zero() {
            return false;
        }
        taken.holders.remove(&number);
        holder.leave.cancel();
        true
    }

    /// What is left of the fair time of somebody who came at this moment.
    fn left(&self, since: u64) -> Duration {
        self.fair.saturating_sub(Duration::from_millis(self.now().saturating_sub(since)))
    }

    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place, given back when this is dropped.
pub(super) struct Place {
    places: Arc<Places>,
    number: u64,
    holder: Arc<Holder>,
    _free: OwnedSemaphorePermit,
}

impl Place {
    /// A request was answered: the connection is of use, and its time begins anew.
    pub(super) fn answered(&self) {
        self.holder.since.store(self.places.now(), Ordering::Relaxed);
    }

    /// Resolves when the place is needed for somebody else: the connection must then be closed.
    pub(super) async fn leave(&self) {
        self.holder.leave.cancelled().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.taken().holders.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAIR: Duration = Duration::from_secs(2);

    #[tokio::test(start_paused = true)]
    async fn who_was_answered_longest_ago_makes_room_after_a_fair_time() {
        let places = Places::new(2, FAIR);
        let first = places.enter(&Arc::default()).await.unwrap();
        let second = places.enter(&Arc::default()).await.unwrap();
        tokio::time::advance(Duration::from_secs(1)).await;
        first.answered();
        let leaves = second.holder.leave.clone();
        let connection = tokio::spawn(async move {
            second.leave().await;
            drop(second);
        });
        let began = Instant::now();
        let third = places.enter(&Arc::default()).await.unwrap();
        let waited = began.elapsed();
        assert!((1000..1100).contains(&waited.as_millis()), "{waited:?}");
        assert!(leaves.is_cancelled());
        assert!(!first.holder.leave.is_cancelled() && !third.holder.leave.is_cancelled());
        connection.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_place_that_is_given_back_is_taken_at_once_and_nobody_is_turned_out() {
        let places = Places::new(1, FAIR);
        let first = places.enter(&Arc::default()).await.unwrap();
        let leave = first.holder.leave.clone();
        tokio::time::advance(FAIR * 2).await;
        drop(first);
        let began = Instant::now();
        let second = places.enter(&Arc::default()).await.unwrap();
        assert_eq!(began.elapsed(), Duration::ZERO);
        assert!(!leave.is_cancelled() && !second.holder.leave.is_cancelled());
        assert_eq!(places.taken().holders.len(), 1);
    }
}
