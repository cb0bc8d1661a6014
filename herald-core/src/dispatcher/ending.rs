//! How the loop ends: the grace, what stays for the next process, and what is ended by force.

use tokio::time::Instant;

use super::engine::{Engine, Phase};
use super::entry::Entry;
use crate::event::activation::Name;
use crate::job::Job;
use crate::job::lifecycle::{self, State};

/// How many running jobs are named when they are waited for.
const SHOWN: usize = 10;

impl Engine {
    /// When the grace is over, everything that still waits or runs is ended.
    pub(super) fn end_grace(&mut self) {
        if let Phase::Draining { until } = self.phase
            && Instant::now() >= until
        {
            self.log_running("the grace is over: ending jobs that still run");
            self.close();
        }
    }

    /// Logs which jobs run, where there are any; of many, some.
    pub(super) fn log_running(&self, what: &str) {
        let running = self.board.jobs.values().filter(|entry| matches!(entry.state, State::Running { .. }));
        let name = |job: &Job| format!("{}/{} on {} ({})", job.router, job.task, job.executor, job.id);
        let names: Vec<String> = running.clone().take(SHOWN).map(|entry| name(&entry.job)).collect();
        if !names.is_empty() {
            let more = if running.count() > SHOWN { ", …" } else { "" };
            tracing::info!(running = self.board.running, "{what}: {}{more}", names.join(", "));
        }
    }

    pub(super) fn close(&mut self) {
        self.phase = Phase::Closing;
        let durable = self.journal.is_durable();
        self.board.questions.clear();
        let events = self.board.answers.forget();
        if events > 0 && !durable {
            tracing::warn!(events, "stopped before every selector had answered");
        }
        let ends = |entry: &Entry| {
            !durable || (matches!(entry.state, State::Running { .. }) && !entry.executor.outlives())
        };
        let ids: Vec<Name> =
            self.board.jobs.iter().filter(|(_, entry)| ends(entry)).map(|(id, _)| id.clone()).collect();
        for id in ids {
            if let Some(entry) = self.board.jobs.get(&id) {
                entry.stop().shutdown.cancel();
            }
            self.apply(&id, lifecycle::JobEvent::Cancel("Herald was stopped".to_owned()));
        }
    }

    /// How many running jobs go on without this process.
    fn outliving(&self) -> usize {
        if self.board.running == 0 {
            return 0;
        }
        let outlives =
            |entry: &&Entry| entry.executor.outlives() && matches!(entry.state, State::Running { .. });
        self.board.jobs.values().filter(outlives).count()
    }

    /// Lets the tasks of jobs end that go on without this process.
    pub(super) fn leave_outliving(&self) {
        for stop in self.board.jobs.values().filter_map(|entry| entry.stop.get()) {
            stop.shutdown.cancel();
            stop.asked.cancel();
            stop.forced.cancel();
        }
    }

    /// Without a durable journal nothing waits for the next process, and a paused router would never start what it has,
    /// nor an executor that takes no jobs.
    pub(super) fn cancel_paused(&mut self) {
        if matches!(self.phase, Phase::Open) || self.journal.is_durable() {
            return;
        }
        let waiting = self.board.waiting_of_paused();
        for (id, why) in waiting {
            let why = format!("Herald was stopped while {why}, and keeps nothing on disk");
            self.apply(&id, lifecycle::JobEvent::Cancel(why));
        }
    }

    pub(super) fn is_idle(&self) -> bool {
        self.board.is_empty() && self.all_is_done()
    }

    pub(super) fn is_over(&self) -> bool {
        match self.phase {
            Phase::Open => false,
            // What a durable journal keeps waits for the next process.
            Phase::Draining { .. } | Phase::Closing if self.journal.is_durable() => {
                let at_hand = self.all_is_done() && self.records.is_empty();
                let chains_rest = matches!(self.phase, Phase::Closing) || self.board.chains_rest();
                self.board.running == self.outliving() && at_hand && chains_rest
            }
            Phase::Draining { .. } | Phase::Closing => self.is_idle() && self.records.is_empty(),
        }
    }
}

impl Drop for Engine {
    /// A loop that is dropped instead of drained leaves no job and no selector behind.
    fn drop(&mut self) {
        self.end.cancel();
        for stop in self.board.jobs.values().filter_map(|entry| entry.stop.get()) {
            stop.asked.cancel();
            stop.forced.cancel();
        }
    }
}
