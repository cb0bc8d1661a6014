//! What the records of events and jobs count.

use std::sync::{Mutex, MutexGuard, PoisonError};

use herald_core::activation::{Name, NameMap};
use herald_core::journal::{Record, RecoveredJob};
use herald_core::lifecycle::Status;
use herald_core::plan::Plan;
use jiff::Timestamp;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use crate::latest::Latest;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct OfTrigger {
    pub(crate) trigger: Name,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfRouter {
    router: Name,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfState {
    router: Name,
    state: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfEnd {
    router: Name,
    task: Name,
    status: &'static str,
}

type Histograms<L> = Family<L, Histogram, fn() -> Histogram>;

const QUEUED: &str = "queued";
const RUNNING: &str = "running";
/// How jobs end.
const ENDS: [Status; 6] =
    [Status::Succeeded, Status::Failed, Status::TimedOut, Status::Cancelled, Status::Lost, Status::Rejected];

/// A job that has not ended.
struct OpenJob {
    /// When it came into the state that it is in.
    since: Timestamp,
    running: bool,
}

/// The jobs that have not ended, and the series that were counted last.
#[derive(Default)]
struct Open {
    jobs: NameMap<OpenJob>,
    events: Latest<OfTrigger, Counter>,
    ended: Latest<OfEnd, Counter>,
    queued: Latest<OfState, Gauge>,
    running: Latest<OfState, Gauge>,
    wait: Latest<OfRouter, Histogram>,
    run: Latest<OfRouter, Histogram>,
}

/// What the records of events and jobs count.
pub(crate) struct RecordMetrics {
    events: Family<OfTrigger, Counter>,
    ended: Family<OfEnd, Counter>,
    retries: Family<OfRouter, Counter>,
    jobs: Family<OfState, Gauge>,
    wait: Histograms<OfRouter>,
    run: Histograms<OfRouter>,
    lateness: Histograms<OfTrigger>,
    open: Mutex<Open>,
}

/// 1 ms to 4.5 hours.
fn long() -> Histogram {
    Histogram::new(exponential_buckets(0.001, 4.0, 13))
}

impl Default for RecordMetrics {
    fn default() -> Self {
        Self {
            events: Family::default(),
            ended: Family::default(),
            retries: Family::default(),
            jobs: Family::default(),
            wait: Family::new_with_constructor(long),
            run: Family::new_with_constructor(long),
            lateness: Family::new_with_constructor(long),
            open: Mutex::default(),
        }
    }
}

impl RecordMetrics {
    pub(crate) fn register_counts(&self, registry: &mut Registry) {
        registry.register("events", "Events that were recorded", self.events.clone());
        registry.register("jobs_ended", "Jobs that ended, by how", self.ended.clone());
        registry.register("job_retries", "Attempts that were followed by another one", self.retries.clone());
        registry.register("jobs", "Queued and running jobs", self.jobs.clone());
    }

    pub(crate) fn register_times(&self, registry: &mut Registry) {
        let mut register = |name: &str, what: &str, family: Histograms<OfRouter>| {
            registry.register_with_unit(name, what, Unit::Seconds, family);
        };
        let what = "From the time at which a job or its next attempt could start to its start";
        register("job_wait", what, self.wait.clone());
        register("job_run", "How long attempts of jobs ran", self.run.clone());
        let what = "From the time at which a trigger was due to the record of its event";
        registry.register_with_unit("trigger_lateness", what, Unit::Seconds, self.lateness.clone());
    }

    /// Creates the series of what is configured.
    pub(crate) fn begin(&self, plan: &Plan) {
        for route in plan.workflow.all() {
            drop(self.events.get_or_create(&OfTrigger { trigger: route.trigger.clone() }));
            drop(self.retries.get_or_create(&of(&route.router)));
            drop(self.wait.get_or_create(&of(&route.router)));
            drop(self.run.get_or_create(&of(&route.router)));
            for state in [QUEUED, RUNNING] {
                drop(self.jobs.get_or_create(&OfState { router: route.router.clone(), state }));
            }
            for status in ENDS {
                let (router, task) = (route.router.clone(), route.task.clone());
                drop(self.ended.get_or_create(&OfEnd { router, task, status: status.as_str() }));
            }
        }
    }

    /// Counts the jobs that an earlier process left.
    pub(crate) fn recovered(&self, jobs: &[RecoveredJob]) {
        let mut open = self.open();
        for recovered in jobs {
            let job = &recovered.stored.job;
            open.jobs.insert(job.id.clone(), OpenJob { since: recovered.queued_at, running: false });
            self.queued(&mut open.queued, &job.router).inc();
        }
    }

    /// Whether a job of this id is known that has not ended.
    pub(crate) fn is_open(&self, job: &str) -> bool {
        self.open().jobs.contains_key(job)
    }

    pub(crate) fn recorded(&self, records: &[Record]) {
        let mut open = self.open();
        records.iter().for_each(|record| self.record(record, &mut open));
    }

    fn record(&self, record: &Record, open: &mut Open) {
        match record {
            Record::Accepted { activation, due, at, .. } => {
                let of = OfTrigger { trigger: activation.trigger.clone() };
                if let Some(due) = due {
                    self.lateness.get_or_create(&of).observe(seconds(*due, *at));
                }
                open.events.of(&self.events, of).inc();
            }
            Record::Queued { job, at, .. } => {
                open.jobs.insert(job.id.clone(), OpenJob { since: *at, running: false });
                self.queued(&mut open.queued, &job.router).inc();
            }
            Record::Started { job, at } => {
                if let Some(entry) = open.jobs.get_mut(&job.id) {
                    open.wait.of(&self.wait, of(&job.router)).observe(seconds(entry.since, *at));
                    *entry = OpenJob { since: *at, running: true };
                    self.queued(&mut open.queued, &job.router).dec();
                    self.running(&mut open.running, &job.router).inc();
                }
            }
            Record::AttemptEnded { job, retry_at, at, .. } => {
                self.retries.get_or_create(&of(&job.router)).inc();
                if let Some(before) = open.jobs.remove(&job.id) {
                    self.leave(&job.router, &before, *at, open);
                    open.jobs.insert(job.id.clone(), OpenJob { since: *retry_at, running: false });
                    self.queued(&mut open.queued, &job.router).inc();
                }
            }
            Record::Ended { job, verdict, at, .. } => {
                if let Some(entry) = open.jobs.remove(&job.id) {
                    self.leave(&job.router, &entry, *at, open);
                }
                let status = verdict.status.as_str();
                let of = OfEnd { router: job.router.clone(), task: job.task.clone(), status };
                open.ended.of(&self.ended, of).inc();
            }
            Record::Routed { .. } | Record::Reached(_) => {}
        }
    }

    fn leave(&self, router: &Name, entry: &OpenJob, at: Timestamp, open: &mut Open) {
        if entry.running {
            open.run.of(&self.run, of(router)).observe(seconds(entry.since, at));
            self.running(&mut open.running, router).dec();
        } else {
            self.queued(&mut open.queued, router).dec();
        }
    }

    fn queued<'l>(&self, latest: &'l mut Latest<OfState, Gauge>, router: &Name) -> &'l Gauge {
        latest.of(&self.jobs, OfState { router: router.clone(), state: QUEUED })
    }

    fn running<'l>(&self, latest: &'l mut Latest<OfState, Gauge>, router: &Name) -> &'l Gauge {
        latest.of(&self.jobs, OfState { router: router.clone(), state: RUNNING })
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn of(router: &Name) -> OfRouter {
    OfRouter { router: router.clone() }
}

fn seconds(from: Timestamp, to: Timestamp) -> f64 {
    to.duration_since(from).as_secs_f64().max(0.0)
}
