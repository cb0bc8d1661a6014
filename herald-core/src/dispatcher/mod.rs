//! The dispatcher: one loop that owns all state, a closed set of events, and a handle to send them.

mod answers;
mod arrival;
mod ask;
mod batch;
mod board;
mod cancel;
mod commit;
mod ending;
mod engine;
mod entry;
mod event;
mod explain;
mod failures;
mod fill;
mod incoming;
mod jobs;
mod lose;
mod origin;
mod paused;
mod perform;
mod pool;
mod queue;
mod recover;
mod rehearse;
mod report;
mod restore;
mod room;
mod routing;
mod setup;
mod shares;
mod timer;
mod turns;
mod unmatched;
mod waiting;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use herald_base::depth::TooDeep;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use crate::clock::Clock;
use crate::event::activation::{EventSink, Key, Name, NewEvent, Refused};
use crate::event::actor::Actor;
use crate::event::arrivals::{Arrivals, Awaited, LastArrival};
use crate::event::position::{Cursor, Position};
use crate::event::watch::EventProgress;
use crate::job::Job;
use crate::journal::{Journal, JournalError};
use crate::plan::{Limits, Plan};
use crate::value::param::Params;
use engine::Engine;
pub use event::DispatcherStatus;
use event::{Cancellation, Event};
pub use explain::{Explained, ExplainedDecision, explain};
pub use fill::JobParamError;
pub use paused::PausedRouters;
pub use rehearse::{Rehearsed, RehearsedJobError, rehearse};
pub use restore::{RestoredJob, restore};
use room::Room;
pub use setup::Setup;
pub use waiting::RETRY;

/// Events on their way to the loop; senders wait past that.
const CHANNEL: usize = 1024;
/// How long the end of a job that waits may take to be recorded before it counts as failed.
const LONGEST_RECORDING: Duration = Duration::from_secs(10);
/// How long the loop may take to say what a job waits for.
const LONGEST_QUESTION: Duration = Duration::from_secs(1);

/// A running dispatcher. Dropping it ends the loop at once; [`Dispatcher::stop`] ends it cleanly.
pub struct Dispatcher {
    handle: Handle,
    task: JoinHandle<()>,
}

/// Sends events to a dispatcher. Cheap to copy.
#[derive(Clone)]
pub struct Handle {
    events: mpsc::Sender<Event>,
    room: watch::Receiver<Room>,
    journal: Arc<dyn Journal>,
    clock: Arc<dyn Clock>,
    rejections: Arc<Mutex<BTreeMap<Name, u64>>>,
    arrivals: Arc<Arrivals>,
}

impl Dispatcher {
    /// Starts the loop. Call it inside the runtime.
    #[must_use]
    pub fn start(setup: Setup) -> Self {
        let (sender, receiver) = mpsc::channel(CHANNEL);
        let (room_sender, room) = watch::channel(Room::default());
        let (journal, clock) = (setup.journal.clone(), setup.clock.clone());
        let (engine, recovered) = Engine::new(setup, sender.clone(), room_sender);
        let arrivals = engine.arrivals.clone();
        let task = tokio::spawn(engine.run(receiver, recovered));
        let rejections = Arc::default();
        Self { handle: Handle { events: sender, room, journal, clock, rejections, arrivals }, task }
    }

    /// The way to send events.
    #[must_use]
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Takes no more events from outside and goes on until nothing is left, for `grace` at most; then ends what
    /// still runs. With a durable journal, what waits stays for the next process. As soon as `force` resolves,
    /// everything is ended at once.
    pub async fn stop(mut self, grace: Duration, force: impl Future<Output = ()>) {
        let events = self.handle.events.clone();
        if events.send(Event::Drain { grace }).await.is_err() {
            return;
        }
        tokio::select! {
            _ = &mut self.task => return,
            () = force => {}
        }
        if events.send(Event::Force).await.is_ok() {
            let _ = (&mut self.task).await;
        }
    }
}

impl Drop for Dispatcher {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Handle {
    /// Ends a job: one that waits before this returns, as durable as the journal; one that runs is asked to end.
    /// Returns whether there was one of this id. `by`: who wants that, where it is known.
    ///
    /// # Errors
    /// [`JournalError`] when the end of a job that waits cannot be recorded, or was not within 10 s.
    pub async fn cancel(
        &self,
        job_id: &str,
        why: &str,
        by: Option<Arc<Actor>>,
    ) -> Result<bool, JournalError> {
        let (reply, answer) = oneshot::channel();
        let stopping = || JournalError(Refused::Stopping.to_string());
        let cancellation = Cancellation { job_id: job_id.into(), why: why.to_owned(), by, reply };
        let cancelled = async {
            // While the disk hangs, the loop takes no events.
            self.events.send(Event::Cancel(cancellation)).await.map_err(|_| stopping())?;
            answer.await.unwrap_or_else(|_| Err(stopping()))
        };
        match tokio::time::timeout(LONGEST_RECORDING, cancelled).await {
            Ok(cancelled) => cancelled,
            Err(_) => Err(JournalError("it takes too long".to_owned())),
        }
    }

    /// Goes by another plan from now on. Jobs that exist keep what they have.
    pub async fn replace(&self, plan: impl Into<Arc<Plan>>, limits: Limits) {
        let (reply, answer) = oneshot::channel();
        if self.events.send(Event::Replace { plan: plan.into(), limits, reply }).await.is_ok() {
            let _ = answer.await;
        }
    }

    /// These routers start nothing from now on, and no others.
    pub async fn pause(&self, routers: PausedRouters) {
        let (reply, answer) = oneshot::channel();
        if self.events.send(Event::Pause { routers, reply }).await.is_ok() {
            let _ = answer.await;
        }
    }

    /// Asks all executors again whether they take jobs.
    pub async fn look_at_executors(&self) {
        let (reply, answer) = oneshot::channel();
        if self.events.send(Event::LookAtExecutors { reply }).await.is_ok() {
            let _ = answer.await;
        }
    }

    /// Runs a job that ended once more, as a new job of the same event. Returns its id once it is recorded. `by`: who
    /// wants that, where it is known.
    ///
    /// # Errors
    /// [`Refused`] when it was not taken.
    pub async fn again(&self, job: Job, by: Option<Arc<Actor>>) -> Result<Name, Refused> {
        let (reply, answer) = oneshot::channel();
        let job = Job { rerun: by.is_some() || job.rerun, by: by.or(job.by), ..job };
        let event = Event::Again { job: Box::new(job), reply };
        self.events.send(event).await.map_err(|_| Refused::Stopping)?;
        answer.await.unwrap_or(Err(Refused::Stopping))
    }

    /// What each of these jobs waits for, for people. `None`: it does not wait, or there is none of this id. Empty
    /// where the loop does not say it within 1 s, since the disk hangs.
    pub async fn waits_for(&self, job_ids: Vec<Name>) -> Vec<Option<String>> {
        let (reply, answer) = oneshot::channel();
        let asked = async {
            self.events.send(Event::WaitsFor { job_ids, reply }).await.ok()?;
            answer.await.ok()
        };
        tokio::time::timeout(LONGEST_QUESTION, asked).await.ok().flatten().unwrap_or_default()
    }

    /// How things stand. `None` when the dispatcher is gone.
    pub async fn status(&self) -> Option<DispatcherStatus> {
        let (reply, answer) = oneshot::channel();
        self.events.send(Event::Ask { reply }).await.ok()?;
        answer.await.ok()
    }

    /// How many requests each trigger rejected because their senders are not known.
    #[must_use]
    pub fn rejections(&self) -> BTreeMap<Name, u64> {
        self.rejections.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns when nothing waits and nothing runs (or the dispatcher is gone).
    pub async fn idle(&self) {
        let (reply, answer) = oneshot::channel();
        if self.events.send(Event::WhenIdle { reply }).await.is_ok() {
            let _ = answer.await;
        }
    }

    /// The event that the journal has with this key.
    async fn recorded(&self, key: &Key) -> Result<Option<Name>, Refused> {
        let now = self.clock.now();
        let mut seen = Vec::with_capacity(2);
        for name in key.names() {
            let found = self.journal.seen(&name, now).await;
            seen.push(found.map_err(|error| Refused::Unrecorded(error.0))?);
        }
        let mut seen = seen.into_iter();
        match (seen.next().flatten(), seen.next()) {
            (first, None) => Ok(first),
            (Some(_), Some(None)) => Err(Refused::OtherContent),
            (Some(event_id), Some(Some(_))) => Ok(Some(event_id)),
            (None, Some(second)) => Ok(second.filter(|_| key.second_counts_alone())),
        }
    }
}

#[async_trait]
impl EventSink for Handle {
    async fn accept(&self, trigger: Name, trigger_param: Params) -> Result<Name, Refused> {
        self.accept_event(NewEvent::new(trigger, trigger_param)).await
    }

    async fn accept_event(&self, event: NewEvent) -> Result<Name, Refused> {
        TooDeep::check(event.trigger_param.depth())?;
        if let Some(key) = &event.key
            && let Some(event_id) = Box::pin(self.recorded(key)).await?
        {
            return Ok(event_id);
        }
        // The place first, and the event only then: what waits here is kept small, since every sender waits here.
        let place = self.events.reserve().await.map_err(|_| Refused::Stopping)?;
        let (reply, answer) = oneshot::channel();
        place.send(Event::Activate { event, reply });
        answer.await.unwrap_or(Err(Refused::Stopping))
    }

    fn rejected(&self, trigger: &Name) {
        let mut rejections = self.rejections.lock().unwrap_or_else(PoisonError::into_inner);
        *rejections.entry(trigger.clone()).or_default() += 1;
    }

    async fn reached(&self, source: &str) -> Option<Position> {
        match self.journal.reached(source).await {
            Ok(position) => position,
            Err(error) => {
                tracing::warn!("the position of a trigger cannot be read: {error}");
                None
            }
        }
    }

    fn arrivals(&self, awaited: &Awaited) -> Option<LastArrival> {
        let last = self.arrivals.follow(awaited);
        // Recorded at once unless it is busy: then when it comes.
        let _ = self.events.try_send(Event::Await(awaited.clone()));
        Some(last)
    }

    async fn reach(&self, cursor: Cursor) {
        // Nobody listens any more only once the dispatcher is gone.
        let _ = self.events.send(Event::Reach { cursor, recorded: None }).await;
    }

    async fn reach_recorded(&self, cursor: Cursor) {
        let (reply, answer) = oneshot::channel();
        if self.events.send(Event::Reach { cursor, recorded: Some(reply) }).await.is_ok() {
            let _ = answer.await;
        }
    }

    async fn progress(&self, event_id: &str) -> EventProgress {
        self.journal.progress(event_id).await
    }

    async fn known(&self, key: &Key) -> Result<Option<Name>, Refused> {
        self.recorded(key).await
    }

    async fn withdraw(&self, event_id: Name, why: String) -> bool {
        let (reply, answer) = oneshot::channel();
        let event = Event::Withdraw { event_id, why, reply };
        self.events.send(event).await.is_ok() && answer.await.unwrap_or(false)
    }

    async fn lose(&self, event_id: Name, why: String) {
        // Nobody listens any more only once the dispatcher is gone, and its jobs with it.
        let _ = self.events.send(Event::Lose { event_id, why }).await;
    }

    async fn ready(&self, trigger: &str) {
        let mut room = self.room.clone();
        // The sender is gone only when the dispatcher is: the next try then says so.
        let _ = room.wait_for(|room| room.is_for(trigger)).await;
    }
}
