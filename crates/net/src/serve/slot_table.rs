//! Who holds which slot, and who has to go for whom.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::serve::source::ConnectionSource;

/// How long a source that has its share must have given back nothing until its further connections are refused.
const STUCK: Duration = Duration::from_millis(500);

/// How long a head, or the first bytes of a body, may take before its connection is a slow one, which goes first where
/// a slot is needed; and how many bytes of a body have to come each millisecond from then on. A client that sends its
/// requests as a whole is much faster, also over a slow line.
const GRACE: Duration = Duration::from_millis(100);
const BODY_RATE: u64 = 32;

/// What a connection is judged by.
#[derive(Debug)]
pub(super) struct SlotState {
    /// When its connection came, or was answered last, or the head of its request was whole: milliseconds since the
    /// server began.
    pub(super) since: AtomicU64,
    /// Whether it is being served: before that nothing of it was read, which is not its fault.
    pub(super) served: AtomicBool,
    /// Whether the head of its request is whole.
    pub(super) has_head: AtomicBool,
    /// Whether the body of the request is still to come, or a part of it.
    pub(super) awaits_body: AtomicBool,
    /// How many bytes of it have come.
    pub(super) body: AtomicU64,
    /// Whether it is not limited, because its client has proved who it is and waits for an answer.
    pub(super) released: AtomicBool,
    /// Whether its client has closed its side while it waits for the server.
    pub(super) closed: AtomicBool,
    /// Ends the connection: its slot is needed, or its server ends at once.
    pub(super) ended: CancellationToken,
}

impl SlotState {
    fn new(now: u64, ended: CancellationToken) -> Self {
        Self {
            since: AtomicU64::new(now),
            served: AtomicBool::new(false),
            has_head: AtomicBool::new(false),
            awaits_body: AtomicBool::new(false),
            body: AtomicU64::new(0),
            released: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            ended,
        }
    }

    fn age(&self, now: u64) -> Duration {
        Duration::from_millis(now.saturating_sub(self.since.load(Ordering::Relaxed)))
    }

    fn has_head(&self) -> bool {
        self.has_head.load(Ordering::Relaxed)
    }

    /// How long what has not come yet may take; `None` where the request is whole.
    fn allowance(&self) -> Option<Duration> {
        let came = Duration::from_millis(self.body.load(Ordering::Relaxed) / BODY_RATE);
        match (self.has_head(), self.awaits_body.load(Ordering::Relaxed)) {
            (false, _) => self.served.load(Ordering::Relaxed).then_some(GRACE),
            (true, true) => Some(GRACE.saturating_add(came)),
            (true, false) => None,
        }
    }

    /// Whether it may have to go for another one, and before which others.
    fn rank(&self, now: u64, limits: &SlotLimits) -> Option<SlotRank> {
        let age = self.age(now);
        let may_go_at_once = limits.min_hold.is_zero() && self.served.load(Ordering::Relaxed);
        if may_go_at_once || self.allowance().is_some_and(|allowance| age >= allowance) {
            return Some(SlotRank::Slow);
        }
        if !self.has_head() {
            return Some(SlotRank::New);
        }
        (age >= limits.min_hold).then_some(SlotRank::Held)
    }

    /// Whether its body must come soon, or it is a slow one.
    fn is_soon_slow(&self, now: u64) -> bool {
        let left = self.allowance().map(|allowance| allowance.saturating_sub(self.age(now)));
        self.has_head() && left.is_some_and(|left| left <= GRACE)
    }

    /// How long it keeps its slot yet.
    fn left(&self, now: u64, limits: &SlotLimits) -> Duration {
        let hold = self.allowance().map_or(limits.min_hold, |allowance| allowance.min(limits.min_hold));
        hold.saturating_sub(self.age(now))
    }
}

/// Which connections go first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum SlotRank {
    /// Its request comes too slowly.
    Slow,
    /// It was just accepted: its head may have come, and not be read yet.
    New,
    /// It has held its slot for the minimum time.
    Held,
}

/// What a server has.
#[derive(Debug, Clone, Copy)]
pub(super) struct SlotLimits {
    /// Connections whose clients are to send or to read something.
    pub(super) connections: usize,
    /// Connections whose clients wait for the server.
    pub(super) waiting: usize,
    /// How long a connection with a whole head keeps its slot at least; while its body is to come, only as long as that
    /// comes fast enough. Zero: the oldest that is served goes, whatever has come.
    pub(super) min_hold: Duration,
}

/// Who waits for the server.
#[derive(Debug, Default)]
struct WaitingClients {
    all: usize,
    of: HashMap<Arc<str>, usize>,
}

struct HeldSlot {
    state: Arc<SlotState>,
    source: ConnectionSource,
    /// For what its client waits, while it does: it is not counted then.
    waits_for: Option<Arc<str>>,
}

#[derive(Default)]
struct SourceUse {
    count: usize,
    /// When a connection of it ended by itself, in milliseconds since the server began.
    gave_back: u64,
}

/// The connections of one server.
#[derive(Default)]
pub(super) struct SlotTable {
    held: HashMap<u64, HeldSlot>,
    counted: usize,
    of: HashMap<ConnectionSource, SourceUse>,
    waiting: WaitingClients,
    next: u64,
}

/// Whether one more may have a place of these: nobody has more than is left free, and so nobody more than half.
fn has_share(its: usize, all: usize, most: usize) -> bool {
    all < most && (its == 0 || its < most - all)
}

impl SlotTable {
    /// Takes a slot for a new connection. Where there is none, another one is evicted: `None` when there is none to
    /// evict.
    pub(super) fn admit(
        &mut self,
        source: ConnectionSource,
        now: u64,
        limits: &SlotLimits,
        server_ends: &CancellationToken,
    ) -> Option<(u64, Arc<SlotState>)> {
        let its = self.of.get(&source).map_or(0, |of| of.count);
        if !has_share(its, self.counted, limits.connections) {
            // One that has its share closes its own.
            let has_its_share = its > 0 && self.counted < limits.connections;
            self.evict(now, limits, has_its_share.then_some(source))?;
        }
        let state = Arc::new(SlotState::new(now, server_ends.child_token()));
        let number = self.next;
        self.next += 1;
        self.held.insert(number, HeldSlot { state: state.clone(), source, waits_for: None });
        self.count(source);
        Some((number, state))
    }

    fn count(&mut self, source: ConnectionSource) {
        self.counted += 1;
        self.of.entry(source).or_default().count += 1;
    }

    fn uncount(&mut self, source: ConnectionSource, gave_back: Option<u64>) {
        self.counted = self.counted.saturating_sub(1);
        if let Some(of) = self.of.get_mut(&source) {
            of.count = of.count.saturating_sub(1);
            if let Some(now) = gave_back {
                of.gave_back = now;
            }
            if of.count == 0 {
                self.of.remove(&source);
            }
        }
    }

    /// Has a connection closed, which gives up its slot and its file descriptor: the oldest whose request comes too
    /// slowly, first of those who have most; else the oldest without a whole head, unless another one becomes slow
    /// soon; else the oldest that has held its slot for the minimum time.
    pub(super) fn evict(
        &mut self,
        now: u64,
        limits: &SlotLimits,
        only: Option<ConnectionSource>,
    ) -> Option<()> {
        let most = self.of.values().map(|of| of.count).max().unwrap_or(0);
        let is_counted =
            |held: &HeldSlot| held.waits_for.is_none() && only.is_none_or(|only| held.source == only);
        let soon = self.held.values().any(|held| is_counted(held) && held.state.is_soon_slow(now));
        let order = |(number, held): (&u64, &HeldSlot)| {
            let since = held.state.since.load(Ordering::Relaxed);
            let rank = held.state.rank(now, limits).filter(|_| is_counted(held))?;
            // Rather than its head is left unread, the other one is waited for.
            if rank == SlotRank::New && soon {
                return None;
            }
            let greedy = self.of.get(&held.source).is_some_and(|of| of.count == most);
            Some((rank, !greedy, since, *number))
        };
        let (_, _, _, number) = self.held.iter().filter_map(order).min()?;
        self.close(number);
        Some(())
    }

    fn close(&mut self, number: u64) {
        let Some(held) = self.held.remove(&number) else { return };
        held.state.ended.cancel();
        match held.waits_for {
            Some(whose) => self.waiting.end(&whose),
            None => self.uncount(held.source, None),
        }
    }

    /// Until another look may find one to evict.
    pub(super) fn until_eviction(&self, now: u64, limits: &SlotLimits) -> Duration {
        let counted = self.held.values().filter(|held| held.waits_for.is_none());
        let soonest = counted.map(|held| held.state.left(now, limits)).min();
        soonest.unwrap_or(limits.min_hold).max(Duration::from_millis(10))
    }

    /// Whether a source that has its share has given back nothing for a while.
    pub(super) fn is_stuck(&self, source: ConnectionSource, now: u64) -> bool {
        let gave_back = self.of.get(&source).map_or(0, |of| of.gave_back);
        left(gave_back, now, STUCK).is_zero()
    }

    /// The connection is over, or not limited any more.
    pub(super) fn remove(&mut self, number: u64, now: u64) {
        let Some(held) = self.held.remove(&number) else { return };
        match held.waits_for {
            Some(whose) => self.waiting.end(&whose),
            None => self.uncount(held.source, Some(now)),
        }
    }

    /// A connection that was not limited is so again. Where there are as many as may be, the next one that comes has
    /// one of them closed.
    pub(super) fn resume(&mut self, number: u64, state: &Arc<SlotState>, source: ConnectionSource) {
        let held = HeldSlot { state: state.clone(), source, waits_for: None };
        if self.held.insert(number, held).is_none() {
            self.count(source);
        }
    }

    /// A client begins to wait for the server, and its connection is not counted meanwhile. False when too many of
    /// these wait already; one whose client is gone has to make room.
    pub(super) fn begin_waiting(&mut self, number: u64, whose: &Arc<str>, most: usize) -> bool {
        if !self.waiting.has_room(whose, most) {
            let gone = self.held.iter().filter(|(_, held)| {
                held.waits_for.as_ref().is_some_and(|other| other == whose)
                    && held.state.closed.load(Ordering::Relaxed)
            });
            let Some(gone) = gone.map(|(number, _)| *number).min() else { return false };
            self.close(gone);
        }
        let Some(held) = self.held.get_mut(&number) else { return true };
        held.waits_for = Some(whose.clone());
        let source = held.source;
        self.waiting.begin(whose);
        self.uncount(source, None);
        true
    }

    /// It waits no longer.
    pub(super) fn end_waiting(&mut self, number: u64) {
        let Some(held) = self.held.get_mut(&number) else { return };
        let (source, whose) = (held.source, held.waits_for.take());
        if let Some(whose) = whose {
            self.waiting.end(&whose);
            self.count(source);
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.held.len()
    }
}

impl WaitingClients {
    fn has_room(&self, whose: &Arc<str>, most: usize) -> bool {
        has_share(self.of.get(whose).copied().unwrap_or(0), self.all, most)
    }

    fn begin(&mut self, whose: &Arc<str>) {
        self.all += 1;
        *self.of.entry(whose.clone()).or_default() += 1;
    }

    fn end(&mut self, whose: &Arc<str>) {
        self.all = self.all.saturating_sub(1);
        if let Some(count) = self.of.get_mut(whose) {
            *count -= 1;
            if *count == 0 {
                self.of.remove(whose);
            }
        }
    }
}

/// What is left of this time, since then.
fn left(since: u64, now: u64, time: Duration) -> Duration {
    time.saturating_sub(Duration::from_millis(now.saturating_sub(since)))
}
