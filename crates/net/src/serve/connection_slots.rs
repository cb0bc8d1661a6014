//! Slots for connections: a fixed number at once, and never kept from new connections by clients that send nothing.
//!
//! When all slots are in use, the connection that has gone longest without an answer is evicted for a new one, once it
//! has held its slot for a minimum time.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

/// How long a connection may keep its slot at least: enough for an honest request, so that of a burst of those the
/// later ones wait rather than the earlier ones being evicted.
pub(super) const MIN_HOLD: Duration = Duration::from_secs(2);

/// The slots of one server.
pub(super) struct ConnectionSlots {
    free: Arc<Semaphore>,
    min_hold: Duration,
    began: Instant,
    held: Mutex<HeldSlots>,
}

#[derive(Default)]
struct HeldSlots {
    by_number: HashMap<u64, Arc<SlotState>>,
    next: u64,
}

/// What a slot is judged by.
#[derive(Debug)]
pub(super) struct SlotState {
    /// When its connection came, or was answered last: milliseconds since the server began.
    since: AtomicU64,
    evicted: CancellationToken,
    /// How many requests wait for the server. While it is not zero, the client is not the slow one.
    waiting: AtomicUsize,
}

impl SlotState {
    /// A request waits for the server.
    pub(super) fn begin_waiting(&self) {
        self.waiting.fetch_add(1, Ordering::Relaxed);
    }

    /// It waits no longer.
    pub(super) fn end_waiting(&self) {
        self.waiting.fetch_sub(1, Ordering::Relaxed);
    }

    fn can_be_evicted(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) == 0
    }
}

impl ConnectionSlots {
    /// So many slots.
    pub(super) fn new(slots: usize, min_hold: Duration) -> Arc<Self> {
        let free = Arc::new(Semaphore::new(slots));
        Arc::new(Self { free, min_hold, began: Instant::now(), held: Mutex::default() })
    }

    /// A slot for a new connection, as soon as one is free or can be made free.
    pub(super) async fn admit(self: &Arc<Self>) -> Option<Slot> {
        loop {
            let mut free = pin!(self.free.clone().acquire_owned());
            if let Ok(free) = timeout(self.until_eviction(), &mut free).await {
                return free.ok().map(|free| self.slot(free));
            }
            if self.evict_oldest() {
                return free.await.ok().map(|free| self.slot(free));
            }
        }
    }

    fn slot(self: &Arc<Self>, free: OwnedSemaphorePermit) -> Slot {
        let since = AtomicU64::new(self.now());
        let state = SlotState { since, evicted: CancellationToken::new(), waiting: AtomicUsize::new(0) };
        let state = Arc::new(state);
        let mut held = self.held();
        let number = held.next;
        held.next += 1;
        held.by_number.insert(number, state.clone());
        drop(held);
        Slot { slots: self.clone(), number, state, permit: Mutex::new(Some(free)) }
    }

    /// Until the oldest connection has held its slot for the minimum time.
    fn until_eviction(&self) -> Duration {
        let held = self.held();
        let evictable = held.by_number.values().filter(|state| state.can_be_evicted());
        let oldest = evictable.map(|state| state.since.load(Ordering::Relaxed)).min();
        self.left(oldest.unwrap_or_else(|| self.now()))
    }

    /// Has the oldest connection closed, which gives up its slot and its file descriptor. False when none has held its
    /// slot for the minimum time.
    pub(super) fn evict_oldest(&self) -> bool {
        let mut held = self.held();
        let age = |(number, state): &(&u64, &Arc<SlotState>)| (state.since.load(Ordering::Relaxed), **number);
        let evictable = held.by_number.iter().filter(|(_, state)| state.can_be_evicted());
        let oldest = evictable.min_by_key(age).map(|(number, state)| (*number, state.clone()));
        let Some((number, state)) = oldest else { return false };
        if !self.left(state.since.load(Ordering::Relaxed)).is_zero() {
            return false;
        }
        held.by_number.remove(&number);
        state.evicted.cancel();
        true
    }

    /// What is left of the minimum time of a connection that came at this moment.
    fn left(&self, since: u64) -> Duration {
        self.min_hold.saturating_sub(Duration::from_millis(self.now().saturating_sub(since)))
    }

    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn held(&self) -> MutexGuard<'_, HeldSlots> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A slot, given back when this is dropped.
pub(super) struct Slot {
    slots: Arc<ConnectionSlots>,
    number: u64,
    state: Arc<SlotState>,
    permit: Mutex<Option<OwnedSemaphorePermit>>,
}

impl std::fmt::Debug for Slot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Slot").field("number", &self.number).finish_non_exhaustive()
    }
}

impl Slot {
    pub(super) fn state(&self) -> &Arc<SlotState> {
        &self.state
    }

    /// A request was answered: the connection is of use, and its time begins again.
    pub(super) fn answered(&self) {
        self.state.since.store(self.slots.now(), Ordering::Relaxed);
    }

    /// Gives the slot back while the connection goes on, which is neither counted nor evicted from then on.
    pub(super) fn release(&self) {
        self.slots.held().by_number.remove(&self.number);
        drop(self.permit.lock().unwrap_or_else(PoisonError::into_inner).take());
    }

    /// Resolves when the slot is needed for another connection: this one must then be closed.
    pub(super) async fn evicted(&self) {
        self.state.evicted.cancelled().await;
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.slots.held().by_number.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_connection_answered_longest_ago_is_evicted_after_the_minimum_time() {
        let slots = ConnectionSlots::new(2, MIN_HOLD);
        let first = slots.admit().await.unwrap();
        let second = slots.admit().await.unwrap();
        tokio::time::advance(Duration::from_secs(1)).await;
        first.answered();
        let evicted = second.state.evicted.clone();
        let connection = tokio::spawn(async move {
            second.evicted().await;
            drop(second);
        });
        let began = Instant::now();
        let third = slots.admit().await.unwrap();
        let waited = began.elapsed();
        assert!((1000..1100).contains(&waited.as_millis()), "{waited:?}");
        assert!(evicted.is_cancelled());
        assert!(!first.state.evicted.is_cancelled() && !third.state.evicted.is_cancelled());
        connection.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn without_answers_the_oldest_is_evicted() {
        let slots = ConnectionSlots::new(2, MIN_HOLD);
        let first = slots.admit().await.unwrap();
        tokio::time::advance(Duration::from_secs(1)).await;
        let second = slots.admit().await.unwrap();
        let (first_evicted, second_evicted) = (first.state.evicted.clone(), second.state.evicted.clone());
        let connection = tokio::spawn(async move {
            first.evicted().await;
            drop(first);
        });
        let began = Instant::now();
        let third = slots.admit().await.unwrap();
        let waited = began.elapsed();
        assert!(
            (1000..1100).contains(&waited.as_millis()),
            "not before the first had two seconds: {waited:?}"
        );
        assert!(first_evicted.is_cancelled());
        assert!(!second_evicted.is_cancelled() && !third.state.evicted.is_cancelled());
        connection.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_slot_that_is_given_back_is_used_at_once_and_none_is_evicted() {
        let slots = ConnectionSlots::new(1, MIN_HOLD);
        let first = slots.admit().await.unwrap();
        let evicted = first.state.evicted.clone();
        tokio::time::advance(MIN_HOLD * 2).await;
        drop(first);
        let began = Instant::now();
        let second = slots.admit().await.unwrap();
        assert_eq!(began.elapsed(), Duration::ZERO);
        assert!(!evicted.is_cancelled() && !second.state.evicted.is_cancelled());
        assert_eq!(slots.held().by_number.len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_released_connection_is_neither_counted_nor_evicted() {
        let slots = ConnectionSlots::new(1, MIN_HOLD);
        let first = slots.admit().await.unwrap();
        first.release();
        tokio::time::advance(MIN_HOLD * 2).await;
        let began = Instant::now();
        let second = slots.admit().await.unwrap();
        assert_eq!(began.elapsed(), Duration::ZERO);
        drop(first);
        assert_eq!(slots.held().by_number.len(), 1, "the second one's slot stays");
        tokio::time::advance(MIN_HOLD * 2).await;
        assert!(slots.evict_oldest() && second.state.evicted.is_cancelled());
        assert!(!slots.evict_oldest());
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_for_the_server_is_not_evicted() {
        let slots = ConnectionSlots::new(1, MIN_HOLD);
        let slot = slots.admit().await.unwrap();
        slot.state().begin_waiting();
        tokio::time::advance(MIN_HOLD * 2).await;
        assert!(!slots.evict_oldest());
        slot.state().end_waiting();
        assert!(slots.evict_oldest());
    }
}
