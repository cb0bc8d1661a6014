//! Records, and only then acts: the batches that are being written, and those that stand.

use std::collections::HashSet;
use std::task::Poll;
use std::time::Duration;

use futures_util::poll;
use tokio::time::Instant;

use super::arrival::IncomingEvent;
use super::batch::{Act, Batch, Writing, Written};
use super::engine::{Engine, Phase};
use crate::event::arrivals::Awaited;
use crate::failpoint;
use crate::job::lifecycle::Status;
use crate::journal::{JournalError, Record, Records};

/// How long to wait before the journal is tried again.
const RETRY: Duration = Duration::from_millis(500);

/// How long records that nobody waits for may wait for others that somebody waits for, so that the disk is synced once
/// for both. A crash meanwhile is one before they were written: an event is asked about again, a job is lost.
const COMPANY: Duration = Duration::from_millis(2);

/// How many batches may be on their way into the journal. One is being synced while the next ones gather, and those are
/// synced together.
const MOST_WRITING: usize = 4;
/// As many as this if they are small: those of many senders who come one by one.
const MOST_SMALL: usize = 32;
/// What small batches have together, in records.
const SMALL: usize = 256;

/// Takes what is there, and leaves room for as many within bounds, since the next batch is likely to be as large: lists
/// that grow step by step are copied at each step.
fn take_some<T>(list: &mut Vec<T>) -> Vec<T> {
    let room = Vec::with_capacity(list.len().min(MOST_ROOM));
    std::mem::replace(list, room)
}

/// For how many there is room at once.
const MOST_ROOM: usize = 1024;

/// A batch that the journal did not record.
struct FailedBatch {
    records: Records,
    /// How many of the records are transitions; those of incoming events follow.
    transitions: usize,
    batch: Batch,
}

impl Engine {
    /// Whether another batch may be on its way. After a failure one tries whether it is over.
    pub(super) fn may_write(&self) -> bool {
        let (count, works) = (self.writing.len(), self.held.is_none());
        let records = |writing: &Writing| writing.transitions + writing.batch.incoming.len();
        let are_small = || self.writing.iter().map(records).sum::<usize>() < SMALL;
        count == 0 || (works && (count < MOST_WRITING || (count < MOST_SMALL && are_small())))
    }

    /// When the journal that failed is tried again, unless that is being done.
    pub(super) fn held_until(&self) -> Option<Instant> {
        self.held.as_ref().filter(|_| self.writing.is_empty()).map(|(_, until)| *until)
    }

    /// The incoming events that are not recorded yet.
    pub(super) fn incoming_unanswered(&mut self) -> impl Iterator<Item = &mut IncomingEvent> {
        let writing = self.writing.iter_mut().flat_map(|writing| &mut writing.batch.incoming);
        writing.chain(&mut self.incoming)
    }

    /// Whether all that is to be recorded waits for company. The first of it says how long.
    pub(super) fn waits_for_company(&self) -> bool {
        self.lazy_until.is_some_and(|until| Instant::now() < until)
    }

    /// Whether nobody waits for what is to be recorded: no sender for an answer, no job for its start, no event for its
    /// jobs, nobody for an end.
    fn is_lazy(&self) -> bool {
        let waits = |act: &Act| match act {
            Act::Log { job, .. } => self.watched.contains_key(&job.trigger_id),
            _ => true,
        };
        self.journal.is_durable()
            && matches!(self.phase, Phase::Open)
            && self.held.is_none()
            && self.incoming.is_empty()
            && !self.records.is_empty()
            && !self.acts.iter().any(waits)
    }

    /// Sends the records of this turn to the journal.
    pub(super) async fn begin_write(&mut self) {
        if !self.may_write() || self.held_until().is_some_and(|until| Instant::now() < until) {
            return;
        }
        if self.is_lazy() {
            self.lazy_until.get_or_insert_with(|| Instant::now() + COMPANY);
            if self.waits_for_company() {
                return;
            }
        }
        self.lazy_until = None;
        let transitions = self.records.len();
        self.record_incoming();
        let batch = Batch { incoming: take_some(&mut self.incoming), acts: take_some(&mut self.acts) };
        if self.records.is_empty() && self.held.is_none() {
            if batch.acts.is_empty() {
                return;
            }
            // They wait for nothing but their turn.
            if self.writing.is_empty() {
                return self.written.push_back(batch);
            }
        }
        failpoint!("dispatcher-before-append");
        let (journal, records) = (self.journal.clone(), Records::new(take_some(&mut self.records)));
        let probes = self.held.is_some();
        let append = Box::pin(async move {
            // After a failure an empty batch asks whether it is over.
            let idle = records.is_empty() && !probes;
            let appended = if idle { Ok(()) } else { journal.append(&records).await };
            (appended, records)
        });
        let mut writing = Writing { append, batch, transitions };
        // A journal in memory is through at once.
        let first = self.writing.is_empty();
        match poll!(&mut writing.append) {
            Poll::Ready(written) if first => {
                self.writing.push_back(writing);
                self.wrote_first(written).await;
            }
            Poll::Ready(written) => {
                writing.append = Box::pin(std::future::ready(written));
                self.writing.push_back(writing);
            }
            Poll::Pending => self.writing.push_back(writing),
        }
    }

    /// Takes the batches that stand by now.
    pub(super) async fn collect_written(&mut self) {
        while let Some(writing) = self.writing.front_mut()
            && let Poll::Ready(written) = poll!(&mut writing.append)
        {
            self.wrote_first(written).await;
        }
    }

    /// The journal is through with the first of the batches.
    pub(super) async fn wrote_first(&mut self, written: Written) {
        let Some(Writing { batch, transitions, .. }) = self.writing.pop_front() else { return };
        let (appended, records) = written;
        match appended {
            Ok(()) => {
                if self.held.take().is_some() {
                    tracing::info!("journal writable again");
                }
                failpoint!("dispatcher-after-append");
                self.written.push_back(batch);
            }
            Err(error) => self.failed(error, FailedBatch { records, transitions, batch }).await,
        }
    }

    /// Nothing of a batch is recorded, nor of those that followed it.
    async fn failed(&mut self, error: JournalError, first: FailedBatch) {
        if self.held.is_none() {
            tracing::error!("journal write failed; rejecting new events: {error}");
        }
        let mut failed = vec![first];
        while let Some(Writing { append, batch, transitions }) = self.writing.pop_front() {
            match append.await {
                (Ok(()), _) => self.written.push_back(batch),
                (Err(_), records) => failed.push(FailedBatch { records, transitions, batch }),
            }
        }
        // The transitions are made: they are written later, and before what followed on them meanwhile.
        let (later_records, later_acts): (Vec<Record>, Vec<Act>) =
            (std::mem::take(&mut self.records), std::mem::take(&mut self.acts));
        let mut incoming = std::mem::take(&mut self.incoming);
        for FailedBatch { records, transitions, batch } in failed {
            let records = Records::unwrap_or_clone(records);
            self.records.extend(records.into_iter().take(transitions));
            self.acts.extend(batch.acts);
            incoming.extend(batch.incoming);
        }
        self.records.extend(later_records);
        self.acts.extend(later_acts);
        self.refuse_incoming(incoming, &error.0);
        if matches!(self.phase, Phase::Closing) {
            tracing::error!(records = self.records.len(), "stopped without recording the end of everything");
            self.records.clear();
            self.acts.clear();
        }
        self.lazy_until = None;
        self.held = Some((error.0, Instant::now() + RETRY));
    }

    /// Does what follows on the batches that stand.
    pub(super) async fn act(&mut self) {
        while let Some(batch) = self.written.pop_front() {
            for event in batch.incoming {
                for reply in event.replies {
                    let _ = reply.send(Ok(event.activation.event_id.clone()));
                }
                failpoint!("dispatcher-after-reply");
                self.arrivals.came(|| Awaited::Trigger(event.activation.trigger.clone()), self.now);
                self.route(event.activation, &HashSet::new()).await;
            }
            for act in batch.acts {
                match act {
                    Act::Route(activation, made) => self.route(activation, &made).await,
                    Act::Execute(id) => self.execute(&id).await,
                    Act::Log { job, verdict, answer } => {
                        self.reporter.log_end(&job, &verdict);
                        self.show_ended(&job, &verdict, answer);
                        if verdict.status != Status::Rejected {
                            self.arrivals.came(|| Awaited::Router(job.router.clone()), self.now);
                        }
                    }
                    Act::LogRetry(job, verdict, wait) => self.reporter.log_retry(&job, &verdict, wait),
                    Act::Reply(reply, id) => drop(reply.send(Ok(id))),
                    Act::Reached(reply) => drop(reply.send(())),
                    Act::Cancelled(reply) => drop(reply.send(Ok(true))),
                    Act::Withdrawn(reply) => {
                        let _ = reply.send(true);
                    }
                }
            }
        }
    }

    /// Whether nothing is on its way into the journal, or waits to be acted on.
    pub(super) fn all_is_done(&self) -> bool {
        let is_written = self.writing.is_empty() && self.lazy_until.is_none();
        is_written && self.written.is_empty() && self.acts.is_empty() && self.answered.is_empty()
    }
}
