//! Slots for connections: a fixed number at once, and never kept from new connections by clients that are slow.
//!
//! One source has at most as many as it leaves free, so that another one is let in at once. When there is none, the
//! oldest connection without a whole head is closed for the new one; one whose body comes slowly soon, and one with a
//! whole request only after a minimum time.
//! Who waits for the server is not counted there, and has a share of its own.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use crate::serve::slot_table::{SlotLimits, SlotState, SlotTable};
use crate::serve::source::ConnectionSource;

/// How long a connection may keep its slot at least once its head is whole: enough for an honest request, so that of a
/// burst of those the later ones wait rather than the earlier ones being evicted.
pub(super) const MIN_HOLD: Duration = Duration::from_secs(2);
/// How many connections wait for a slot, and how many of one source.
const QUEUED: usize = 64;
const QUEUED_OF_ONE: usize = 32;
/// How long accepting waits at most until one more may wait.
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// The slots of one server.
pub(super) struct ConnectionSlots {
    limits: SlotLimits,
    began: Instant,
    table: Mutex<SlotTable>,
    queued: Mutex<HashMap<ConnectionSource, usize>>,
    freed: Notify,
    server_ends: CancellationToken,
}

/// What becomes of a new connection.
pub(super) enum Admission {
    /// It has its slot.
    Now(Slot),
    /// It waits for one.
    Queued(QueuedConnection),
    /// It gets none: its source has more than it can use.
    Refused,
}

impl Admission {
    /// The slot, as soon as there is one; `None` where the connection is refused.
    pub(super) async fn slot(self) -> Option<Slot> {
        match self {
            Self::Now(slot) => Some(slot),
            Self::Queued(queued) => Some(queued.slot().await),
            Self::Refused => None,
        }
    }
}

impl ConnectionSlots {
    /// So many slots. Once `server_ends` is cancelled, all connections end.
    pub(super) fn new(limits: SlotLimits, server_ends: CancellationToken) -> Arc<Self> {
        let (began, freed) = (Instant::now(), Notify::new());
        Arc::new(Self {
            limits,
            began,
            table: Mutex::default(),
            queued: Mutex::default(),
            freed,
            server_ends,
        })
    }

    /// Decides about a new connection. This takes no time, unless many connections come at once and go soon.
    pub(super) async fn admit(self: &Arc<Self>, source: ConnectionSource) -> Admission {
        let began = Instant::now();
        loop {
            let mut freed = pin!(self.freed.notified());
            freed.as_mut().enable();
            if let Some(slot) = self.slot(source) {
                return Admission::Now(slot);
            }
            if self.queue(source) {
                return Admission::Queued(QueuedConnection { slots: self.clone(), source });
            }
            let left = LONGEST_PAUSE.saturating_sub(began.elapsed());
            if self.table().is_stuck(source, self.now()) || timeout(left, freed).await.is_err() {
                return Admission::Refused;
            }
        }
    }

    fn queue(&self, source: ConnectionSource) -> bool {
        let mut queued = self.queued.lock().unwrap_or_else(PoisonError::into_inner);
        let all: usize = queued.values().sum();
        let its = queued.entry(source).or_default();
        let has_room = all < QUEUED && *its < QUEUED_OF_ONE;
        *its += usize::from(has_room);
        has_room
    }

    /// A slot, where one is free or can be made free at once.
    pub(super) fn slot(self: &Arc<Self>, source: ConnectionSource) -> Option<Slot> {
        let (number, state) = self.table().admit(source, self.now(), &self.limits, &self.server_ends)?;
        Some(Slot { slots: self.clone(), number, source, state })
    }

    /// Has the connection closed that is needed least. False when each one is needed.
    pub(super) fn evict_oldest(&self) -> bool {
        self.table().evict(self.now(), &self.limits, None).is_some()
    }

    fn now(&self) -> u64 {
        millis_since(self.began)
    }

    fn table(&self) -> MutexGuard<'_, SlotTable> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection that waits for a slot.
pub(super) struct QueuedConnection {
    slots: Arc<ConnectionSlots>,
    source: ConnectionSource,
}

impl QueuedConnection {
    /// The slot, as soon as there is one.
    pub(super) async fn slot(self) -> Slot {
        loop {
            let mut freed = pin!(self.slots.freed.notified());
            freed.as_mut().enable();
            if let Some(slot) = self.slots.slot(self.source) {
                return slot;
            }
            let longest = self.slots.table().until_eviction(self.slots.now(), &self.slots.limits);
            let _ = timeout(longest, freed).await;
        }
    }
}

impl Drop for QueuedConnection {
    fn drop(&mut self) {
        let mut queued = self.slots.queued.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(its) = queued.get_mut(&self.source) {
            *its -= 1;
            if *its == 0 {
                queued.remove(&self.source);
            }
        }
    }
}

/// A slot, given back when this is dropped.
pub(super) struct Slot {
    slots: Arc<ConnectionSlots>,
    number: u64,
    source: ConnectionSource,
    state: Arc<SlotState>,
}

fn millis_since(began: Instant) -> u64 {
    u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// How far the body of a request has come.
#[derive(Debug)]
pub(super) struct BodyProgress {
    state: Arc<SlotState>,
    began: Instant,
}

impl BodyProgress {
    /// The server waits for it from now on: until then the client is not slow, but the server.
    pub(super) fn is_awaited(&self) {
        if !self.state.awaits_body.swap(true, Ordering::Relaxed) {
            self.state.since.store(millis_since(self.began), Ordering::Relaxed);
        }
    }

    /// So many bytes more have come.
    pub(super) fn came(&self, bytes: usize) {
        self.state.body.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// It is whole, and the request has its time from now on; or nobody reads the rest.
    pub(super) fn end(&self) {
        if self.state.awaits_body.swap(false, Ordering::Relaxed) {
            self.state.since.store(millis_since(self.began), Ordering::Relaxed);
        }
    }
}

impl Drop for BodyProgress {
    fn drop(&mut self) {
        self.end();
    }
}

impl std::fmt::Debug for Slot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Slot").field("number", &self.number).finish_non_exhaustive()
    }
}

impl Slot {
    /// It is served from now on, and its client has to send something.
    pub(super) fn serve(&self) {
        self.state.since.store(self.slots.now(), Ordering::Relaxed);
        self.state.served.store(true, Ordering::Relaxed);
    }

    /// The head of a request is whole. The body is watched from when the server waits for it, until it is whole or
    /// dropped.
    pub(super) fn has_head(&self) -> BodyProgress {
        self.state.since.store(self.slots.now(), Ordering::Relaxed);
        self.state.body.store(0, Ordering::Relaxed);
        self.state.awaits_body.store(false, Ordering::Relaxed);
        self.state.has_head.store(true, Ordering::Relaxed);
        BodyProgress { state: self.state.clone(), began: self.slots.began }
    }

    /// A request was answered: the connection is of use, and its time begins again. One that had been released is
    /// counted again while it waits for the next request.
    pub(super) fn answered(&self) {
        self.state.since.store(self.slots.now(), Ordering::Relaxed);
        self.state.has_head.store(false, Ordering::Relaxed);
        if self.state.released.swap(false, Ordering::Relaxed) {
            self.slots.table().resume(self.number, &self.state, self.source);
        }
    }

    /// The client begins to wait for the server. False when too many of these do.
    pub(super) fn begin_waiting(&self, whose: &Arc<str>) -> bool {
        self.state.closed.store(false, Ordering::Relaxed);
        let begun = self.slots.table().begin_waiting(self.number, whose, self.slots.limits.waiting);
        self.slots.freed.notify_waiters();
        begun
    }

    pub(super) fn end_waiting(&self) {
        self.slots.table().end_waiting(self.number);
        self.state.since.store(self.slots.now(), Ordering::Relaxed);
    }

    /// The client has closed its side while it waits.
    pub(super) fn closed(&self) {
        self.state.closed.store(true, Ordering::Relaxed);
    }

    /// Gives the slot back while the connection goes on, which is neither counted nor evicted until its request is
    /// answered.
    pub(super) fn release(&self) {
        self.state.released.store(true, Ordering::Relaxed);
        self.slots.table().remove(self.number, self.slots.now());
        self.slots.freed.notify_waiters();
    }

    /// Resolves when the slot is needed for another connection, or the server ends: this one must then be closed.
    pub(super) async fn ended(&self) {
        self.state.ended.cancelled().await;
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.release();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: ConnectionSource = ConnectionSource::User(1);
    const OTHER: ConnectionSource = ConnectionSource::User(2);
    const THIRD: ConnectionSource = ConnectionSource::User(3);

    fn slots(connections: usize) -> Arc<ConnectionSlots> {
        let limits = SlotLimits { connections, waiting: connections / 2, min_hold: MIN_HOLD };
        ConnectionSlots::new(limits, CancellationToken::new())
    }

    fn now(slots: &Arc<ConnectionSlots>, source: ConnectionSource) -> Slot {
        slots.slot(source).unwrap()
    }

    /// Its head is whole, and there is no body.
    fn head(slot: &Slot) {
        drop(slot.has_head());
    }

    /// Its head is whole, and the server waits for the body.
    fn awaited(slot: &Slot) -> BodyProgress {
        let body = slot.has_head();
        body.is_awaited();
        body
    }

    fn is_evicted(slot: &Slot) -> bool {
        slot.state.ended.is_cancelled()
    }

    fn many(slots: &Arc<ConnectionSlots>, source: ConnectionSource, count: usize) -> Vec<Slot> {
        (0..count).map(|_| now(slots, source)).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn one_source_has_at_most_half_and_closes_its_own() {
        let slots = slots(8);
        let greedy = many(&slots, ONE, 4);
        assert!(!greedy.iter().any(is_evicted));
        let fifth = now(&slots, ONE);
        assert!(is_evicted(&greedy[0]) && !is_evicted(&greedy[1]), "the oldest of its own, at once");
        let others = many(&slots, OTHER, 2);
        let third = now(&slots, THIRD);
        assert!(!others.iter().chain([&third, &fifth]).any(is_evicted), "others are let in");
        assert!(!greedy[1..].iter().any(is_evicted));
    }

    #[tokio::test(start_paused = true)]
    async fn however_many_come_again_and_again_another_one_is_let_in_at_once() {
        let slots = slots(512);
        let mut slow = Vec::new();
        let began = Instant::now();
        for n in 0..3000 {
            match slots.admit(if n % 2 == 0 { ONE } else { OTHER }).await {
                Admission::Now(slot) => slow.push(slot),
                Admission::Queued(_) | Admission::Refused => panic!("it is closed later, for another one"),
            }
        }
        assert!(matches!(slots.admit(THIRD).await, Admission::Now(_)));
        assert_eq!(began.elapsed(), Duration::ZERO);
        assert!(slow.iter().filter(|slot| !is_evicted(slot)).count() <= 512);
    }

    #[tokio::test(start_paused = true)]
    async fn a_whole_head_is_given_its_time_and_others_do_not_wait_for_it() {
        let slots = slots(8);
        let greedy = many(&slots, ONE, 4);
        greedy.iter().for_each(head);
        tokio::time::advance(Duration::from_secs(1)).await;
        let Admission::Queued(fifth) = slots.admit(ONE).await else { panic!("its source has its share") };
        assert!(matches!(slots.admit(OTHER).await, Admission::Now(_)));
        assert!(!greedy.iter().any(is_evicted));
        let began = Instant::now();
        let _fifth = fifth.slot().await;
        assert!((1000..1100).contains(&began.elapsed().as_millis()), "{:?}", began.elapsed());
        assert!(is_evicted(&greedy[0]) && !is_evicted(&greedy[1]));
    }

    /// Of five connections the one whose body comes slowly goes, long before others would.
    #[tokio::test(start_paused = true)]
    async fn a_slow_body_makes_room_soon() {
        for (came, evicted_after) in [(0, 100), (100, 103), (32_000, 1100), (1 << 20, 2000)] {
            let slots = slots(8);
            let greedy = many(&slots, ONE, 4);
            let bodies: Vec<_> = greedy.iter().map(awaited).collect();
            bodies[1].end();
            bodies.iter().for_each(|body| body.came(1 << 20));
            let slow = awaited(&greedy[2]);
            slow.came(came);
            let began = Instant::now();
            let Admission::Queued(fifth) = slots.admit(ONE).await else { panic!("{came}") };
            assert!(matches!(slots.admit(OTHER).await, Admission::Now(_)));
            let _fifth = fifth.slot().await;
            let waited = u64::try_from(began.elapsed().as_millis()).unwrap();
            assert!((evicted_after..evicted_after + 20).contains(&waited), "{came}: {waited} ms");
            let gone: Vec<bool> = greedy.iter().map(is_evicted).collect();
            // At the end of their time the oldest goes; one with a whole request last.
            let expected =
                if came < 1 << 20 { [false, false, true, false] } else { [true, false, false, false] };
            assert_eq!(gone, expected, "{came}");
        }
    }

    /// At a reload requests wait for a trigger that is coming, with their bodies unread.
    #[tokio::test(start_paused = true)]
    async fn a_body_that_the_server_does_not_read_yet_is_not_slow() {
        let slots = slots(8);
        let waiting = many(&slots, ONE, 4);
        let _bodies: Vec<_> = waiting.iter().map(Slot::has_head).collect();
        tokio::time::advance(Duration::from_millis(1900)).await;
        assert!(slots.slot(ONE).is_none() && !waiting.iter().any(is_evicted));
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_is_slow_from_when_it_is_awaited() {
        let slots = slots(8);
        let held = many(&slots, ONE, 4);
        held[2].serve();
        tokio::time::advance(Duration::from_millis(100)).await;
        held[1].serve();
        let _fifth = now(&slots, ONE);
        assert_eq!(held.iter().map(is_evicted).collect::<Vec<_>>(), [false, false, true, false]);
    }

    /// The next one that comes would otherwise close it before its head is read, for those that are slow.
    #[tokio::test(start_paused = true)]
    async fn a_slow_body_goes_before_one_that_was_just_accepted() {
        let slots = slots(8);
        let slow = many(&slots, ONE, 4);
        let _bodies: Vec<_> = slow.iter().map(awaited).collect();
        tokio::time::advance(Duration::from_millis(150)).await;
        let new = many(&slots, ONE, 4);
        assert!(slow.iter().all(is_evicted) && !new.iter().any(is_evicted));
        tokio::time::advance(Duration::from_millis(150)).await;
        let body = awaited(&new[0]);
        assert!(slots.slot(ONE).is_none(), "this one will be slow before its head is read");
        drop(body);
        let _another = now(&slots, ONE);
        assert!(is_evicted(&new[1]) && !is_evicted(&new[2]), "there is none that is slow");
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_minimum_time_the_oldest_goes() {
        let slots = ConnectionSlots::new(
            SlotLimits { connections: 4, waiting: 0, min_hold: Duration::ZERO },
            CancellationToken::new(),
        );
        let (first, second) = (now(&slots, ONE), now(&slots, ONE));
        second.serve();
        head(&second);
        let third = now(&slots, ONE);
        assert!(is_evicted(&second) && !is_evicted(&first), "nothing of the first one was read yet");
        first.serve();
        let fourth = now(&slots, ONE);
        assert!(is_evicted(&first) && !is_evicted(&third) && !is_evicted(&fourth));
    }

    #[tokio::test(start_paused = true)]
    async fn a_whole_request_has_its_time_from_its_last_byte() {
        let slots = slots(2);
        let first = now(&slots, ONE);
        let body = awaited(&first);
        body.came(1 << 20);
        tokio::time::advance(Duration::from_millis(1500)).await;
        drop(body);
        let Admission::Queued(second) = slots.admit(ONE).await else { panic!("there is no slot") };
        let began = Instant::now();
        let _second = second.slot().await;
        assert!((2000..2100).contains(&began.elapsed().as_millis()), "{:?}", began.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_slot_that_is_given_back_is_used_at_once_and_none_is_evicted() {
        let slots = slots(2);
        let first = now(&slots, ONE);
        head(&first);
        let Admission::Queued(second) = slots.admit(ONE).await else { panic!("there is no slot") };
        let dropped = tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(100)).await;
            drop(first);
        });
        let began = Instant::now();
        let second = second.slot().await;
        assert_eq!(began.elapsed(), Duration::from_millis(100));
        assert!(!is_evicted(&second));
        assert_eq!(slots.table().len(), 1);
        dropped.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_that_goes_on_waits_and_one_that_is_stuck_is_refused() {
        let slots = slots(4);
        let held = many(&slots, ONE, 2);
        held.iter().for_each(head);
        let mut queued = Vec::new();
        for _ in 0..QUEUED_OF_ONE {
            let Admission::Queued(one) = slots.admit(ONE).await else { panic!("it may wait") };
            queued.push(one);
        }
        tokio::time::advance(Duration::from_secs(1)).await;
        let began = Instant::now();
        assert!(matches!(slots.admit(ONE).await, Admission::Refused));
        assert_eq!(began.elapsed(), Duration::ZERO, "others do not wait meanwhile");
        assert!(matches!(slots.admit(OTHER).await, Admission::Now(_)));
        // One that was answered: it goes on, and more may wait for it.
        drop(held.into_iter().next());
        queued.pop();
        assert!(matches!(slots.admit(ONE).await, Admission::Now(_) | Admission::Queued(_)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_released_connection_is_neither_counted_nor_evicted() {
        let slots = slots(1);
        let first = now(&slots, ONE);
        first.release();
        let second = now(&slots, ONE);
        drop(first);
        assert_eq!(slots.table().len(), 1, "the second one's slot stays");
        assert!(slots.evict_oldest() && is_evicted(&second));
        assert!(!slots.evict_oldest());
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_for_the_server_is_not_counted_and_has_a_share_of_its_own() {
        let slots = slots(8);
        let (greedy, other): (Arc<str>, Arc<str>) = ("greedy".into(), "other".into());
        let waiting = many(&slots, ONE, 3);
        for slot in &waiting[..2] {
            head(slot);
            assert!(slot.begin_waiting(&greedy));
        }
        assert!(!waiting[2].begin_waiting(&greedy), "half of four");
        assert!(waiting[2].begin_waiting(&other));
        tokio::time::advance(MIN_HOLD * 2).await;
        assert!(!slots.evict_oldest(), "each of them waits");
        let more = many(&slots, ONE, 4);
        assert!(!more.iter().chain(&waiting).any(is_evicted));
        // Its client is gone.
        waiting[0].closed();
        assert!(more[0].begin_waiting(&greedy) && is_evicted(&waiting[0]));
        waiting[1].end_waiting();
        assert!(more[1].begin_waiting(&greedy));
        waiting[1].answered();
        assert!(slots.evict_oldest());
    }
}
