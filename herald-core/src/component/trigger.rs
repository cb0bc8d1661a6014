//! Triggers: what makes things happen.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
pub use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::event::activation::{EventSink, Key, NEXT, Name, NewEvent, Refused};
use crate::event::arrivals::{Awaited, LastArrival};
use crate::event::position::{Cursor, Position};
use crate::event::trigger_param::TriggerParam;
use crate::event::watch::EventProgress;
pub use herald_config::component_error::ComponentError;

/// Waits for something to happen and fires.
#[async_trait]
pub trait Trigger: Any + Send + Sync {
    /// Takes hold of what the trigger needs (a port, say), so that a failure shows before anything starts.
    ///
    /// MUST be safe to call again after `run` has returned.
    ///
    /// # Errors
    /// When it cannot be had: the daemon then exits with 1.
    async fn prepare(&self) -> Result<(), ComponentError> {
        Ok(())
    }

    /// Records where the trigger begins to watch, so that nothing is missed from then on: Herald is ready, or a reload
    /// done, only after this. Called before each `run`, while others may run already. MUST NOT block its thread; what
    /// takes longer than 5 s is dropped, and is for `run` to do.
    async fn begin(&self, activator: &Activator) {
        let _ = activator;
    }

    /// Runs until `stop` is cancelled, then returns soon. MUST NOT block its thread.
    ///
    /// # Errors
    /// When it cannot go on: it is logged, and the trigger is prepared and run again after a while.
    async fn run(&self, activator: Activator, stop: CancellationToken) -> Result<(), ComponentError>;

    /// A reload of the configuration brings this trigger, and ends others. What one of them has (a port, say) it may
    /// keep
    /// for its own `prepare` and `run`. Says when it may begin. Called before `prepare`; the reload may still fail, and
    /// the others then run on.
    ///
    /// Without predecessors it says whether it can run beside another one that takes its place.
    fn succeed(&self, before: &Predecessors) -> Succession {
        let _ = before;
        Succession::AfterEnd
    }

    /// When it is going to fire. `None`: that is not known beforehand, since it waits to be asked.
    fn timetable(&self) -> Option<Timetable<'_>> {
        None
    }

    /// When it fires next, where it fires every so often and runs. `None`: that is not known.
    fn next_of_interval(&self, now: Timestamp) -> Option<Timestamp> {
        let _ = now;
        None
    }
}

/// The triggers that a reload ends.
#[derive(Default, Clone)]
pub struct Predecessors {
    /// The one of the same name.
    pub same: Option<Arc<dyn Trigger>>,
    /// All others.
    pub others: Vec<Arc<dyn Trigger>>,
}

impl Predecessors {
    /// All of them, the one of the same name first.
    pub fn all(&self) -> impl Iterator<Item = &Arc<dyn Trigger>> {
        self.same.iter().chain(&self.others)
    }
}

/// When a trigger that a reload brings may begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Succession {
    /// At once: those that it follows end once it runs, so that nothing is missed in between.
    Beside,
    /// Once those have ended that cannot run beside another one.
    AfterEnd,
    /// Once all have ended: one of them has what this one needs.
    AfterAll,
}

/// When a trigger is going to fire, as far as that is known beforehand.
pub enum Timetable<'a> {
    /// Every so often, counted from the start of the trigger.
    Every(Duration),
    /// By the calendar.
    Calendar(&'a dyn Calendar),
}

/// Times that are due, without a clock.
pub trait Calendar: Send + Sync {
    /// What it goes by, as the user wrote it.
    fn line(&self) -> &str;

    /// The time zone that it is read in.
    fn zone(&self) -> &TimeZone;

    /// The first instant after this one. `None`: not before the end of the calendar.
    fn next_after(&self, after: Timestamp) -> Option<Timestamp>;

    /// How many times there are at `from` or later, and before `until`. Unless there is a faster way, it walks through
    /// them, and gives up at a million.
    fn count_between(&self, from: Timestamp, until: Timestamp) -> u64 {
        const MOST: usize = 1_000_000;
        let before = from.checked_sub(SignedDuration::from_nanos(1)).unwrap_or(from);
        let times = std::iter::successors(self.next_after(before), |at| self.next_after(*at));
        times.take_while(|at| *at < until).take(MOST).count() as u64
    }

    /// What is unusual about this time, in words: a change of the clocks moves it, say.
    fn remark(&self, due: Timestamp) -> Option<String> {
        let _ = due;
        None
    }

    /// How much later than by its line everything is due.
    fn delay(&self) -> SignedDuration {
        SignedDuration::ZERO
    }

    /// Up to when the running trigger followed it: what was due until then does not fire again. `None`: it does not
    /// run.
    fn followed_until(&self) -> Option<Timestamp> {
        None
    }

    /// Whether times come again that fired before the clock was set back, and are waited out.
    fn waits_for_clock(&self, now: Timestamp) -> bool {
        let until = self.followed_until().filter(|until| *until > now);
        until.is_some_and(|until| self.next_after(now).is_some_and(|next| next <= until))
    }
}

/// A trigger's way to the dispatcher.
#[derive(Clone)]
pub struct Activator {
    trigger: Name,
    accept: Arc<dyn EventSink>,
    clock: Arc<dyn Clock>,
}

impl Activator {
    /// For the trigger with this name.
    pub fn new(trigger: Name, accept: Arc<dyn EventSink>, clock: Arc<dyn Clock>) -> Self {
        Self { trigger, accept, clock }
    }

    /// The name of the trigger that activates through this.
    #[must_use]
    pub fn trigger(&self) -> &str {
        &self.trigger
    }

    /// The name of the trigger, to keep.
    #[must_use]
    pub fn name(&self) -> Name {
        self.trigger.clone()
    }

    /// The clock that the trigger is to live by.
    #[must_use]
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// Activates now. Returns the event's id once it is recorded.
    ///
    /// # Errors
    /// [`Refused`], at once when there is no room.
    pub async fn activate(&self, params: impl Into<TriggerParam>) -> Result<Name, Refused> {
        self.submit(self.event(params)).await
    }

    /// An event of this trigger, for [`Self::submit`].
    #[must_use]
    pub fn event(&self, params: impl Into<TriggerParam>) -> NewEvent {
        NewEvent::new(self.trigger.clone(), params)
    }

    /// The key of an event of this trigger, remembered for this long.
    #[must_use]
    pub fn key(&self, key: &str, window: Duration) -> Key {
        Key { name: self.own(key), window }
    }

    /// Activates now, with all that the event has: a key, who caused it… Returns the event's id once it is recorded;
    /// with a key that was seen within its window, the id of the first event.
    ///
    /// # Errors
    /// [`Refused`], at once when there is no room.
    pub async fn submit(&self, event: NewEvent) -> Result<Name, Refused> {
        self.accept.accept_event(event).await
    }

    /// Activates now, with everything that may go with an event. The event is one of this trigger, whatever it names,
    /// and its key counts among the keys of this trigger.
    ///
    /// # Errors
    /// [`Refused`], at once when there is no room.
    pub async fn activate_event(&self, event: NewEvent) -> Result<Name, Refused> {
        let key = event.key.map(|key| Key { name: self.own(&key.name), ..key });
        self.accept.accept_event(NewEvent { trigger: self.trigger.clone(), key, ..event }).await
    }

    /// The name of a key of this trigger, for [`Key::or`].
    #[must_use]
    pub fn key_name(&self, key: &str) -> Name {
        self.own(key)
    }

    /// A key of this trigger, which is one name whatever it holds.
    fn own(&self, key: &str) -> Name {
        format!("{}:{}", self.trigger, key.replace(NEXT, "\u{fffd}")).into()
    }

    /// Activates now, unless an event of this trigger with this key was taken within the window: then the answer is
    /// that one's id, and nothing runs.
    ///
    /// # Errors
    /// [`Refused`], at once when there is no room.
    pub async fn activate_once(
        &self,
        params: impl Into<TriggerParam>,
        key: &str,
        window: Duration,
    ) -> Result<Name, Refused> {
        self.submit(NewEvent { key: Some(self.key(key, window)), ..self.event(params) }).await
    }

    /// Activates for what a source of events has at this position, as soon as there is room. How far the source was
    /// followed is recorded with the event. `due`: when it was due, where a calendar says so.
    ///
    /// # Errors
    /// [`Refused::Stopping`] or [`Refused::Unrecorded`]; never [`Refused::Busy`].
    pub async fn activate_at(
        &self,
        params: impl Into<TriggerParam>,
        cursor: Cursor,
        due: Option<Timestamp>,
    ) -> Result<Name, Refused> {
        let params = params.into();
        loop {
            let event = NewEvent {
                cursor: Some(cursor.clone()),
                due,
                ..NewEvent::new(self.trigger.clone(), params.clone())
            };
            match self.accept.accept_event(event).await {
                Err(Refused::Busy) => self.ready().await,
                other => return other,
            }
        }
    }

    /// Counts a request that was rejected because its sender is not known: a wrong signature, say.
    pub fn rejected(&self) {
        self.accept.rejected(&self.trigger);
    }

    /// Up to which position this source was followed. `None`: it is new here.
    pub async fn reached(&self, source: &str) -> Option<Position> {
        self.accept.reached(source).await
    }

    /// Records that a source is followed from this position on.
    pub async fn reach(&self, cursor: Cursor) {
        self.accept.reach(cursor).await;
    }

    /// As [`Self::reach`]; resolves once it is recorded, which takes as long as the journal fails.
    pub async fn reach_recorded(&self, cursor: Cursor) {
        self.accept.reach_recorded(cursor).await;
    }

    /// Shows from now on when this came last, of any trigger or router. `None`: it is not known here.
    /// What came before is shown as well, as far as it is known, and is not a change.
    #[must_use]
    pub fn arrivals(&self, awaited: &Awaited) -> Option<LastArrival> {
        self.accept.arrivals(awaited)
    }

    /// How far an event of this trigger is, also one that an earlier process accepted.
    pub async fn progress(&self, event_id: &str) -> EventProgress {
        self.accept.progress(event_id).await
    }

    /// An event of this trigger is not ours any more, for this reason: another daemon runs it. Its jobs here are ended,
    /// with the status `lost`.
    pub async fn lose(&self, event_id: Name, why: String) {
        self.accept.lose(event_id, why).await;
    }

    /// Takes an event of this trigger back, for this reason, if none of its jobs has started. Returns whether it did.
    pub async fn withdraw(&self, event_id: Name, why: String) -> bool {
        self.accept.withdraw(event_id, why).await
    }

    /// The event that was accepted with this key of [`Self::key`], if its window is not over.
    ///
    /// # Errors
    /// [`Refused`] when it cannot be known.
    pub async fn known(&self, key: &Key) -> Result<Option<Name>, Refused> {
        self.accept.known(key).await
    }

    /// Resolves when [`Refused::Busy`] is worth another try.
    pub async fn ready(&self) {
        self.accept.ready(&self.trigger).await;
    }

    /// Activates as soon as there is room.
    ///
    /// # Errors
    /// [`Refused::Stopping`] or [`Refused::Unrecorded`]; never [`Refused::Busy`].
    pub async fn activate_when_ready(&self, params: impl Into<TriggerParam>) -> Result<Name, Refused> {
        let params = params.into();
        loop {
            match self.activate(params.clone()).await {
                Err(Refused::Busy) => self.ready().await,
                other => return other,
            }
        }
    }
}
