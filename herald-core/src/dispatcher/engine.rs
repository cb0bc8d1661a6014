//! The loop: takes events, lets the life cycle decide, records, and only then acts.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use futures_util::poll;
use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::ask::ask_all;
use super::board::{Board, Origin, rough_size};
use super::event::{Answered, Event};
use super::perform::{begin, report};
use super::report::Reporter;
use crate::activation::{Activation, Name, Refused};
use crate::clock::{Clock, IdMaker};
use crate::executor::{Execution, NoOutput};
use crate::job::Job;
use crate::journal::{Journal, Record};
use crate::lifecycle::{self, Verdict};
use crate::param::Params;
use crate::plan::{Limits, Plan};

/// Events answered before the records they gave are written together.
const BATCH: usize = 256;
/// Turns in a row that may go by without a look at what has come.
const BUSY_TURNS: u32 = 8;
/// How long to wait before the journal is tried again.
const RETRY: Duration = Duration::from_millis(500);

/// What is done once the records stand.
pub(super) enum Act {
    Route(Activation),
    Execute(Name),
    Log(Arc<Job>, Verdict),
}

/// How far the end has come.
pub(super) enum Phase {
    Open,
    Draining { until: Instant },
    Closing,
}

/// An event from outside that waits for its record.
struct Newcomer {
    activation: Activation,
    reply: oneshot::Sender<Result<Name, Refused>>,
}

pub(super) struct Engine {
    pub(super) plan: Arc<Plan>,
    pub(super) limits: Limits,
    journal: Arc<dyn Journal>,
    clock: Arc<dyn Clock>,
    /// The time of this turn of the loop.
    pub(super) now: Timestamp,
    pub(super) ids: IdMaker,
    events: mpsc::Sender<Event>,
    room: watch::Sender<bool>,
    pub(super) board: Board,
    pub(super) records: Vec<Record>,
    newcomers: Vec<Newcomer>,
    pub(super) acts: Vec<Act>,
    /// Answers that came at once, to be turned into jobs in the next turn.
    pub(super) answered: VecDeque<Answered>,
    /// Why the journal could not record, and when it is tried again.
    pub(super) held: Option<(String, Instant)>,
    pub(super) phase: Phase,
    reporter: Reporter,
    idle: Vec<oneshot::Sender<()>>,
    tasks: TaskTracker,
    end: CancellationToken,
}

impl Engine {
    pub(super) fn new(
        plan: Plan,
        limits: Limits,
        journal: Arc<dyn Journal>,
        clock: Arc<dyn Clock>,
        events: mpsc::Sender<Event>,
        room: watch::Sender<bool>,
    ) -> Self {
        Self {
            plan: Arc::new(plan),
            limits,
            journal,
            now: clock.now(),
            clock,
            ids: IdMaker::default(),
            events,
            room,
            board: Board::default(),
            records: Vec::new(),
            newcomers: Vec::new(),
            acts: Vec::new(),
            answered: VecDeque::new(),
            held: None,
            phase: Phase::Open,
            reporter: Reporter::default(),
            idle: Vec::new(),
            tasks: TaskTracker::new(),
            end: CancellationToken::new(),
        }
    }

    /// Runs until drained or forced.
    pub(super) async fn run(mut self, mut receiver: mpsc::Receiver<Event>) {
        let mut batch = Vec::with_capacity(BATCH);
        let mut turns = 0;
        while !self.is_over() {
            if self.answered.is_empty() && (self.records.is_empty() || self.held.is_some()) {
                self.wait(&mut receiver, &mut batch).await;
                turns = 0;
            } else if turns < BUSY_TURNS && self.board.can_start(&self.limits) {
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
            while let Some(answered) = self.answered.pop_front() {
                self.make_job(&answered);
            }
            self.end_grace();
            self.schedule();
            self.commit().await;
            self.tell_room_and_idle();
            // A turn may be long: the connections that share this thread come next.
            tokio::task::yield_now().await;
        }
        self.end.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Waits for events, for the end of the grace, or for the next try at the journal.
    async fn wait(&self, receiver: &mut mpsc::Receiver<Event>, batch: &mut Vec<Event>) {
        let grace = if let Phase::Draining { until } = self.phase { Some(until) } else { None };
        let retry = self.held.as_ref().map(|(_, until)| *until);
        let Some(until) = grace.into_iter().chain(retry).min() else {
            receiver.recv_many(batch, BATCH).await;
            return;
        };
        let _ = tokio::time::timeout_at(until, receiver.recv_many(batch, BATCH)).await;
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Activate { trigger, trigger_param, reply } => self.take_in(trigger, trigger_param, reply),
            Event::Answered(answered) => {
                if self.board.answered(&answered.activation.event_id) {
                    self.record_routed(&answered.activation.event_id.clone());
                }
                self.make_job(&answered);
            }
            Event::Finished { job_id, attempt, outcome } => {
                self.apply(&job_id, lifecycle::Event::Finish { attempt, outcome });
            }
            Event::Cancel { job_id, why, reply } => {
                let found = self.board.jobs.contains_key(&job_id);
                self.apply(&job_id, lifecycle::Event::Cancel(why));
                let _ = reply.send(found);
            }
            Event::Replace { plan, limits, reply } => {
                self.plan = plan;
                self.limits = limits;
                let _ = reply.send(());
            }
            Event::Drain { grace } => {
                if matches!(self.phase, Phase::Open) {
                    self.phase = Phase::Draining { until: Instant::now() + grace };
                }
            }
            Event::Force => {
                self.close();
                for entry in self.board.jobs.values() {
                    entry.stop.asked.cancel();
                    entry.stop.forced.cancel();
                }
            }
            Event::WhenIdle { reply } => self.idle.push(reply),
        }
    }

    fn take_in(&mut self, trigger: Name, params: Params, reply: oneshot::Sender<Result<Name, Refused>>) {
        let refused = if !matches!(self.phase, Phase::Open) {
            Some(Refused::Stopping)
        } else if let Some((why, _)) = &self.held {
            Some(Refused::Unrecorded(why.clone()))
        } else if self.board.has_room(&self.limits, Origin::Outside, self.newcomers.len()) {
            None
        } else {
            Some(Refused::Busy)
        };
        if let Some(refused) = refused {
            let _ = reply.send(Err(refused));
            return;
        }
        let activation = self.activation(trigger, params, 0);
        self.newcomers.push(Newcomer { activation, reply });
    }

    pub(super) fn activation(&self, trigger: Name, params: Params, chain_depth: u32) -> Activation {
        let event_id = self.ids.next(self.now);
        Activation { event_id, trigger, trigger_param: Arc::new(params), chain_depth }
    }

    /// Records, and only then acts.
    async fn commit(&mut self) {
        if let Some((_, until)) = &self.held
            && Instant::now() < *until
        {
            return;
        }
        let transitions = self.records.len();
        let at = self.now;
        let newcomers = self.newcomers.iter();
        self.records.extend(newcomers.map(|n| Record::Accepted {
            activation: n.activation.clone(),
            mask: self.plan.mask.clone(),
            key: None,
            due: None,
            at,
        }));
        let recorded =
            if self.records.is_empty() { Ok(()) } else { self.journal.append(&self.records).await };
        match recorded {
            Ok(()) => {
                if self.held.take().is_some() {
                    tracing::info!("the journal records again");
                }
                self.records.clear();
                self.act().await;
            }
            Err(error) => {
                if self.held.is_none() {
                    tracing::error!("the journal cannot record; new events are turned away: {error}");
                }
                self.records.truncate(transitions);
                for newcomer in self.newcomers.drain(..) {
                    let _ = newcomer.reply.send(Err(Refused::Unrecorded(error.0.clone())));
                }
                if matches!(self.phase, Phase::Closing) {
                    tracing::error!(
                        records = self.records.len(),
                        "stopped without recording the end of everything"
                    );
                    self.records.clear();
                    self.acts.clear();
                }
                self.held = Some((error.0, Instant::now() + RETRY));
            }
        }
    }

    async fn act(&mut self) {
        for newcomer in std::mem::take(&mut self.newcomers) {
            let _ = newcomer.reply.send(Ok(newcomer.activation.event_id.clone()));
            self.route(newcomer.activation).await;
        }
        for act in std::mem::take(&mut self.acts) {
            match act {
                Act::Route(activation) => self.route(activation).await,
                Act::Execute(id) => self.execute(&id).await,
                Act::Log(job, verdict) => self.reporter.log_end(&job, &verdict),
            }
        }
    }

    async fn route(&mut self, activation: Activation) {
        let activation = Arc::new(activation);
        let (answered, to_come) =
            ask_all(&activation, &self.plan, &self.events, &self.tasks, &self.end).await;
        self.answered.extend(answered);
        if to_come > 0 {
            let size = rough_size(&activation.trigger_param);
            let from = Origin::of(activation.chain_depth);
            self.board.await_answers(activation.event_id.clone(), to_come, size, from);
        } else {
            self.record_routed(&activation.event_id);
        }
    }

    fn record_routed(&mut self, event_id: &Name) {
        self.records.push(Record::Routed { event_id: event_id.clone(), decisions: Vec::new(), at: self.now });
    }

    async fn execute(&mut self, id: &Name) {
        let Some(entry) = self.board.jobs.get(id) else { return };
        let job = entry.job.clone();
        tracing::debug!(
            router = &*job.router,
            task = &*job.task,
            executor = &*job.executor,
            job_id = &*job.id,
            "job starts"
        );
        let number = job.attempt;
        let execution = Execution {
            job,
            mask: entry.plan.mask.clone(),
            stop: entry.stop.clone(),
            output: Arc::new(NoOutput),
        };
        let instant = entry.executor.is_instant();
        let mut attempt = begin(entry.executor.clone(), execution);
        if instant && let Poll::Ready(outcome) = poll!(&mut attempt) {
            return self.apply(id, lifecycle::Event::Finish { attempt: number, outcome });
        }
        // Owned by the tracker; the attempt ends once the job is asked to stop.
        self.tasks.spawn(report(attempt, id.clone(), number, self.events.clone()));
    }

    /// When the grace is over, everything that still waits or runs is ended.
    fn end_grace(&mut self) {
        if let Phase::Draining { until } = self.phase
            && Instant::now() >= until
        {
            self.close();
        }
    }

    fn close(&mut self) {
        self.phase = Phase::Closing;
        let events = self.board.forget_answers();
        if events > 0 {
            tracing::warn!(events, "stopped before every selector had answered");
        }
        let ids: Vec<Name> = self.board.jobs.keys().cloned().collect();
        for id in ids {
            self.apply(&id, lifecycle::Event::Cancel("Herald was stopped".to_owned()));
        }
    }

    fn tell_room_and_idle(&mut self) {
        let room = self.held.is_none() && self.board.has_room(&self.limits, Origin::Outside, 0);
        self.room.send_if_modified(|was| std::mem::replace(was, room) != room);
        if !self.idle.is_empty() && self.is_idle() {
            for reply in self.idle.drain(..) {
                let _ = reply.send(());
            }
        }
    }

    fn is_idle(&self) -> bool {
        self.board.is_empty() && self.answered.is_empty() && self.acts.is_empty()
    }

    fn is_over(&self) -> bool {
        match self.phase {
            Phase::Open => false,
            Phase::Draining { .. } | Phase::Closing => self.is_idle() && self.records.is_empty(),
        }
    }
}

impl Drop for Engine {
    /// A loop that is dropped instead of drained leaves no job and no selector behind.
    fn drop(&mut self) {
        self.end.cancel();
        for entry in self.board.jobs.values() {
            entry.stop.asked.cancel();
            entry.stop.forced.cancel();
        }
    }
}
