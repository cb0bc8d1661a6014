//! The loop: takes events, lets the life cycle decide, records, and only then acts. It does not wait for the journal:
//! what it decides meanwhile goes into the next batch of records.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};
use std::task::Poll;

use futures_util::poll;
use herald_base::log_target::TERMINAL;
use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::arrival::{IncomingEvent, RecentKeys};
use super::batch::{Act, Batch, Writing, recorded};
use super::board::Board;
use super::event::{Answered, DispatcherStatus, Event};
use super::failures::FailureCounts;
use super::fill::LaterAttempt;
use super::perform::{Start, at_once, begin, go_on, report};
use super::report::Reporter;
use super::room::Room;
use super::setup::Setup;
use super::turns::LanePlaces;
use super::unmatched::UnmatchedEvents;
use crate::clock::{Clock, IdMaker};
use crate::component::executor::{Execution, Failure, FailureKind, NoOutput, Output, Outputs, Stop};
use crate::event::activation::{Activation, Name, NameMap, NameSet};
use crate::event::arrivals::Arrivals;
use crate::event::watch::Watch;
use crate::failpoint;
use crate::job::lifecycle::{self};
use crate::journal::{Journal, Record, Recovered};
use crate::plan::{Limits, Plan};

/// Events answered before the records they gave are written together.
const BATCH: usize = 256;
/// Turns in a row that may go by without a look at what has come.
const BUSY_TURNS: u32 = 8;

/// How far the end has come.
pub(super) enum Phase {
    Open,
    Draining { until: Instant },
    Closing,
}

pub(super) struct Engine {
    pub(super) plan: Arc<Plan>,
    pub(super) limits: Limits,
    pub(super) journal: Arc<dyn Journal>,
    outputs: Arc<dyn Outputs>,
    /// For executors that are done before anybody could ask them to stop, and that write nothing.
    never_stopped: Stop,
    no_output: Arc<dyn Output>,
    clock: Arc<dyn Clock>,
    /// The time of this turn of the loop.
    pub(super) now: Timestamp,
    pub(super) ids: IdMaker,
    pub(super) events: mpsc::Sender<Event>,
    pub(super) room: watch::Sender<Room>,
    pub(super) board: Board,
    pub(super) records: Vec<Record>,
    pub(super) incoming: Vec<IncomingEvent>,
    pub(super) recent_keys: RecentKeys,
    /// Who watches which event.
    pub(super) watched: NameMap<Weak<Watch>>,
    /// Events that are not ours any more, and why, until they are routed.
    pub(super) lost_events: NameMap<String>,
    /// Events about ends of jobs that no history keeps, until they are routed.
    pub(super) about_unkept: NameSet,
    pub(super) acts: Vec<Act>,
    /// Jobs that have started and are over at once.
    pub(super) at_once: Vec<Name>,
    /// Whether such jobs have left places in this turn.
    made_room: bool,
    /// Until when records that nobody waits for may wait for company on their way into the journal.
    pub(super) lazy_until: Option<Instant>,
    /// Answers that came at once, by event, to be turned into jobs in the next turn.
    pub(super) answered: VecDeque<(Arc<Activation>, Vec<Answered>)>,
    /// Why the journal could not record, and when it is tried again.
    pub(super) held: Option<(String, Instant)>,
    pub(super) phase: Phase,
    /// The batches that are being written, in this order.
    pub(super) writing: VecDeque<Writing>,
    /// Batches that stand, to be acted on.
    pub(super) written: VecDeque<Batch>,
    pub(super) reporter: Reporter,
    /// How many jobs of each task failed in a row.
    pub(super) failures: FailureCounts,
    /// Routers of whose `concurrency.key` it was said that a job has nothing there.
    pub(super) keyless: NameSet,
    pub(super) unmatched: UnmatchedEvents,
    /// Who waits for what comes.
    pub(super) arrivals: Arc<Arrivals>,
    idle: Vec<oneshot::Sender<()>>,
    pub(super) tasks: TaskTracker,
    pub(super) end: CancellationToken,
}

impl Engine {
    /// The engine, and what it is to take up first.
    pub(super) fn new(
        setup: Setup,
        events: mpsc::Sender<Event>,
        room: watch::Sender<Room>,
    ) -> (Self, Recovered) {
        let Setup { plan, limits, journal, clock, outputs, recovered, paused } = setup;
        let mut engine = Self {
            plan,
            limits,
            journal,
            outputs,
            never_stopped: Stop::new(),
            no_output: Arc::new(NoOutput),
            now: clock.now(),
            clock,
            ids: IdMaker::default(),
            events,
            room,
            board: Board::default(),
            records: Vec::new(),
            incoming: Vec::new(),
            recent_keys: RecentKeys::default(),
            watched: NameMap::default(),
            lost_events: NameMap::default(),
            about_unkept: NameSet::default(),
            acts: Vec::new(),
            at_once: Vec::new(),
            made_room: false,
            lazy_until: None,
            answered: VecDeque::new(),
            held: None,
            phase: Phase::Open,
            writing: VecDeque::new(),
            written: VecDeque::new(),
            reporter: Reporter::default(),
            failures: FailureCounts::default(),
            keyless: NameSet::default(),
            unmatched: UnmatchedEvents::default(),
            arrivals: Arc::default(),
            idle: Vec::new(),
            tasks: TaskTracker::new(),
            end: CancellationToken::new(),
        };
        engine.board.paused = paused;
        engine.set_places();
        (engine, recovered)
    }

    /// How much may be under way, by the plan and the limits of now.
    fn set_places(&mut self) {
        let (plan, limits) = (&self.plan, &self.limits);
        self.board.turns.set_places(LanePlaces { of: plan.places(limits), other: limits.max_jobs });
        let places =
            plan.selectors.iter().filter_map(|(name, selector)| Some((name.clone(), selector.at_once()?)));
        self.board.questions.set_places(LanePlaces { of: places.collect(), other: 1 });
        self.look_at_executors();
    }

    /// Which executors take no jobs for now.
    fn look_at_executors(&mut self) {
        let closed = self.plan.executors.iter().filter(|(_, executor)| !executor.takes_jobs());
        self.board.closed = closed.map(|(name, _)| name.clone()).collect();
    }

    /// Runs until drained or forced.
    pub(super) async fn run(mut self, mut receiver: mpsc::Receiver<Event>, recovered: Recovered) {
        let mut batch = Vec::with_capacity(BATCH);
        let mut turns = 0;
        self.resume_counts().await;
        self.take_up(recovered).await;
        self.turn().await;
        while !self.is_over() {
            self.collect_written().await;
            if !self.has_work_at_hand() {
                self.wait(&mut receiver, &mut batch).await;
                turns = 0;
            } else if turns < BUSY_TURNS && self.board.turns.can_start() {
                // Jobs that are over at once have left places: fill them before more is let in.
                turns += 1;
            } else {
                // There is work at hand: take what else has come, and do not wait.
                turns = 0;
                while batch.len() < BATCH
                    && let Ok(event) = receiver.try_recv()
                {
                    batch.push(event);
                }
            }
            self.now = self.clock.now();
            for event in batch.drain(..) {
                self.take(event);
            }
            self.turn().await;
        }
        // Nobody answers any more.
        drop(receiver);
        self.leave_outliving();
        self.unmatched.end();
        self.end.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    async fn turn(&mut self) {
        while let Some((activation, decided)) = self.answered.pop_front() {
            let decisions = decided.iter().filter_map(|answered| self.decide(answered)).collect();
            // Those that answered at once have; others may be still to come.
            if let Some(decisions) = self.board.answers.decided(&activation.event_id, decisions) {
                self.record_routed(&activation, decisions);
            }
        }
        self.fire_due_timers();
        self.end_grace();
        self.unmatched.end_minutes();
        self.start_jobs().await;
        self.begin_write().await;
        self.act().await;
        self.tell_room_and_idle();
        // A turn may be long: the connections that share this thread come next.
        tokio::task::yield_now().await;
    }

    /// Starts what can start. Jobs that are over at once make room for others, which start in the next turn.
    async fn start_jobs(&mut self) {
        self.schedule();
        let at_once = std::mem::take(&mut self.at_once);
        self.made_room = !at_once.is_empty();
        for id in at_once {
            self.execute(&id).await;
        }
    }

    /// Waits for events, for the journal, for the end of the grace, for the next try at the journal, or for a job whose
    /// time comes.
    async fn wait(&mut self, receiver: &mut mpsc::Receiver<Event>, batch: &mut Vec<Event>) {
        let grace = if let Phase::Draining { until } = self.phase { Some(until) } else { None };
        let retry = self.held_until();
        let timer = self.board.timers.next();
        let pause = self.board.paused.next_end(self.now);
        // What cannot be written now waits for the journal, not for company.
        let lazy = self.lazy_until.filter(|_| self.held.is_none() && self.may_write());
        let until = grace.into_iter().chain(retry).chain(timer).chain(pause).chain(lazy);
        let until = until.chain(self.unmatched.next()).min();
        let takes_more = self.may_write();
        let writing = self.writing.front_mut();
        let written = tokio::select! {
            biased;
            written = recorded(writing) => written,
            _ = receiver.recv_many(batch, BATCH), if takes_more => return,
            () = at(until) => return,
        };
        self.wrote_first(written).await;
    }

    fn has_work_at_hand(&self) -> bool {
        let records = !(self.records.is_empty() && self.incoming.is_empty() && self.acts.is_empty());
        !self.answered.is_empty()
            || !self.written.is_empty()
            || (self.made_room && self.board.turns.can_start())
            || (records && self.held.is_none() && self.may_write() && !self.waits_for_company())
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Activate { event, reply } => self.take_in(event, reply),
            Event::Reach { cursor, recorded } => {
                self.records.push(Record::Reached(cursor));
                self.acts.extend(recorded.map(Act::Reached));
            }
            Event::Await(awaited) => self.records.extend(self.arrivals.awaits(&awaited).map(Record::Reached)),
            Event::Again { job, reply } => self.run_again(*job, reply),
            Event::WaitsFor { job_ids, reply } => {
                drop(reply.send(job_ids.iter().map(|job_id| self.waits_for(job_id)).collect()));
            }
            Event::Ask { reply } => drop(reply.send(self.status())),
            Event::Answered(answered) => self.answer_came(&answered),
            Event::Finished { job_id, attempt, outcome } => {
                let outcome = self.or_lost(&job_id, outcome);
                self.apply(&job_id, lifecycle::JobEvent::Finish { attempt, outcome });
            }
            Event::Lose { event_id, why } => self.lose_event(&event_id, &why),
            Event::Withdraw { event_id, why, reply } => self.withdraw(&event_id, &why, reply),
            Event::Cancel(cancellation) => self.cancel(cancellation),
            Event::Replace { plan, limits, reply } => {
                self.plan = plan;
                self.limits = limits;
                self.set_places();
                let _ = reply.send(());
            }
            Event::Pause { routers, reply } => {
                self.board.paused = routers;
                let _ = reply.send(());
            }
            Event::LookAtExecutors { reply } => {
                self.look_at_executors();
                let _ = reply.send(());
            }
            Event::Drain { grace } => {
                if matches!(self.phase, Phase::Open) {
                    self.phase = Phase::Draining { until: Instant::now() + grace };
                    self.log_running("waiting for running jobs");
                }
            }
            Event::Force => {
                self.close();
                for entry in self.board.jobs.values() {
                    entry.stop().asked.cancel();
                    entry.stop().forced.cancel();
                }
            }
            Event::WhenIdle { reply } => self.idle.push(reply),
        }
    }

    fn status(&self) -> DispatcherStatus {
        DispatcherStatus {
            running: self.board.running,
            waiting: self.board.waiting(),
            held: self.held.as_ref().map(|(why, _)| why.clone()),
            stopping: !matches!(self.phase, Phase::Open),
            full: self.board.is_full(&self.limits),
        }
    }

    pub(super) async fn execute(&mut self, id: &Name) {
        let Some(entry) = self.board.jobs.get(id) else { return };
        let job = entry.job.clone();
        tracing::debug!(
            target: TERMINAL,
            trigger = &*job.trigger,
            event_id = &*job.trigger_id,
            router = &*job.router,
            task = &*job.task,
            executor = &*job.executor,
            job_id = &*job.id,
            attempt = job.attempt,
            "job starts"
        );
        failpoint!("dispatcher-before-execute");
        let (number, resumed) = (job.attempt, entry.resumed);
        if let Some(why) = &entry.broken {
            let kind = if resumed { FailureKind::Lost } else { FailureKind::Failed };
            let outcome = Err(Failure { kind, ..Failure::new(why) });
            return self.apply(id, lifecycle::JobEvent::Finish { attempt: number, outcome });
        }
        let (executor, mask) = (entry.executor.clone(), entry.mask.clone());
        let (later, timeout) = (LaterAttempt::of(&job, &self.plan), entry.policy.timeout);
        let (instant, earlier) = (executor.is_instant() && !resumed, entry.earlier.clone());
        let finish = |outcome| lifecycle::JobEvent::Finish { attempt: number, outcome };
        let attempt = if instant && later.is_none() {
            let (stop, output) = (self.never_stopped.clone(), self.no_output.clone());
            match at_once(executor, Execution { job, mask, stop, output, earlier }).await {
                Ok(outcome) => return self.apply(id, finish(outcome)),
                Err(work) => {
                    let executor = &*entry.job.executor;
                    tracing::warn!(
                        executor,
                        "an executor that said it is done at once is not, and cannot be stopped"
                    );
                    go_on(work, entry.stop().clone(), timeout)
                }
            }
        } else {
            let output = if instant { self.no_output.clone() } else { self.outputs.open(&job, &mask) };
            let begins_here = instant || executor.begins_in_order();
            let execution = Execution { job, mask, stop: entry.stop().clone(), output, earlier };
            let mut attempt = begin(Start { executor, execution, timeout, resumed, later });
            if begins_here && let Poll::Ready(outcome) = poll!(&mut attempt) {
                return self.apply(id, finish(outcome));
            }
            attempt
        };
        // Owned by the tracker; the attempt ends once the job is asked to stop.
        self.tasks.spawn(report(attempt, id.clone(), number, self.events.clone()));
    }

    fn tell_room_and_idle(&mut self) {
        let (board, limits, held) = (&self.board, &self.limits, self.held.is_some());
        let has_room = |trigger: &Name, size| board.has_room_for_event(limits, trigger, size);
        self.room.send_if_modified(|room| room.update(held, has_room));
        if !self.idle.is_empty() && self.is_idle() {
            for reply in self.idle.drain(..) {
                let _ = reply.send(());
            }
        }
    }
}

async fn at(until: Option<Instant>) {
    match until {
        Some(until) => tokio::time::sleep_until(until).await,
        None => std::future::pending().await,
    }
}
