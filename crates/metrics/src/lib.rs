//! What is counted, for Prometheus. The names are part of what users rely on; docs/reference/metrics.md lists them.

mod app;
mod daemon;
mod etcd;
mod latest;
mod metrics_format;
mod pauses;
mod published;
mod queue;
mod records;

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use app::AppMetrics;
pub use daemon::clock_waits::ClockWait;
use daemon::clock_waits::ClockWaits;
pub use daemon::streams::{CountedStream, StreamGauge};
pub use daemon::syncs::JournalSyncs;
use etcd::EtcdMetrics;
use herald_core::activation::Name;
use herald_core::dispatcher::DispatcherStatus;
use herald_core::journal::{Record, RecoveredJob};
use herald_core::plan::Plan;
use herald_store::damage::Damage;
use herald_store::observed::RecordCounter;
use jiff::Timestamp;
pub use metrics_format::MetricsFormat;
use metrics_format::prometheus;
use pauses::{DrainedGauge, PausedGauge};
use prometheus_client::encoding::{EncodeLabelSet, text::encode};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};
use published::PublishedMetrics;
use queue::QueueMetrics;
pub use queue::{QueueSnapshot, TopicSnapshot};
use records::{OfTrigger, RecordMetrics};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfResult {
    result: &'static str,
}

/// All numbers.
pub struct Metrics {
    registry: Registry,
    records: RecordMetrics,
    commit: Histogram,
    failures: Counter,
    /// How often the journal has waited for the disk.
    pub syncs: JournalSyncs,
    reloads: Family<OfResult, Counter>,
    rejected: Family<OfTrigger, Counter>,
    /// Which triggers wait for a clock that was set back.
    pub clock_waits: ClockWaits,
    /// Routers that are paused.
    pub pauses: PausedGauge,
    /// Streams that are open.
    pub streams: StreamGauge,
    /// Nodes that are drained.
    pub drains: DrainedGauge,
    queue_depth: Gauge,
    running: Gauge,
    recording: Gauge,
    damaged: Gauge,
    /// How each etcd is.
    pub etcd: EtcdMetrics,
    /// How each queue is.
    pub queues: QueueMetrics,
    /// Deployments, and how applications are on their nodes.
    pub apps: AppMetrics,
    /// How published projects are.
    pub published: PublishedMetrics,
    damage: Mutex<Damage>,
    /// What is configured, until its counts have begun.
    configured: Mutex<Option<Arc<Plan>>>,
}

/// 100 µs to 6.5 s.
fn short() -> Histogram {
    Histogram::new(exponential_buckets(0.0001, 2.0, 17))
}

impl RecordCounter for Metrics {
    fn recorded(&self, records: &[Record], took: Duration) {
        self.commit.observe(took.as_secs_f64());
        self.records.recorded(records);
    }

    fn not_recorded(&self) {
        self.failures.inc();
    }
}

impl Metrics {
    /// All at zero; `started_at` is when the daemon started.
    #[must_use]
    pub fn new(started_at: Timestamp) -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("herald"),
            records: RecordMetrics::default(),
            commit: short(),
            failures: Counter::default(),
            syncs: JournalSyncs::default(),
            reloads: Family::default(),
            rejected: Family::default(),
            clock_waits: ClockWaits::default(),
            pauses: PausedGauge::default(),
            streams: StreamGauge::default(),
            drains: DrainedGauge::default(),
            queue_depth: Gauge::default(),
            running: Gauge::default(),
            recording: Gauge::default(),
            damaged: Gauge::default(),
            etcd: EtcdMetrics::default(),
            queues: QueueMetrics::default(),
            apps: AppMetrics::default(),
            published: PublishedMetrics::default(),
            damage: Mutex::default(),
            configured: Mutex::default(),
        };
        metrics.register(started_at);
        metrics
    }

    fn register(&mut self, started_at: Timestamp) {
        let registry = &mut self.registry;
        let info = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "The version of heraldd", info);
        let started: Gauge = Gauge::default();
        started.set(started_at.as_second());
        registry.register_with_unit("start_time", "When heraldd started, since 1970", Unit::Seconds, started);
        self.records.register_counts(registry);
        registry.register("queue_depth", "Queued jobs", self.queue_depth.clone());
        registry.register("jobs_running", "Jobs that run, in all", self.running.clone());
        self.records.register_times(registry);
        registry.register_with_unit(
            "journal_commit",
            "How long the journal takes to record a batch",
            Unit::Seconds,
            self.commit.clone(),
        );
        registry.register("journal_failures", "Batches that could not be recorded", self.failures.clone());
        self.syncs.register(registry);
        registry.register("journal_recording", "1 while the journal can record", self.recording.clone());
        registry.register("state_damaged", "1 while a part of the state is damaged", self.damaged.clone());
        self.etcd.register(registry);
        self.queues.register(registry);
        self.apps.register(registry);
        self.published.register(registry);
        registry.register("reloads", "Configuration reloads", self.reloads.clone());
        let what = "Requests that were rejected because their sender is not known: a wrong signature, say";
        registry.register("requests_rejected", what, self.rejected.clone());
        self.clock_waits.register(registry);
        self.pauses.register(registry);
        self.streams.register(registry);
        self.drains.register(registry);
    }

    /// Lets the counts of what is configured begin at zero: of a series that begins at 1 Prometheus does not see the
    /// increase. They are created at the first scrape: with thousands of routers and no Prometheus they cost nothing.
    pub fn configured(&self, plan: Arc<Plan>) {
        *self.configured.lock().unwrap_or_else(PoisonError::into_inner) = Some(plan);
    }

    fn begin(&self) {
        let Some(plan) = self.configured.lock().unwrap_or_else(PoisonError::into_inner).take() else {
            return;
        };
        self.records.begin(&plan);
        for route in plan.workflow.all() {
            drop(self.rejected.get_or_create(&OfTrigger { trigger: route.trigger.clone() }));
        }
        ["success", "failure"]
            .into_iter()
            .for_each(|result| drop(self.reloads.get_or_create(&OfResult { result })));
    }

    /// Counts the jobs that an earlier process left.
    pub fn recovered(&self, jobs: &[RecoveredJob]) {
        self.records.recovered(jobs);
    }

    /// Whether a job of this id is known that has not ended.
    #[must_use]
    pub fn is_open(&self, job: &str) -> bool {
        self.records.is_open(job)
    }

    /// Shows what is found of this from now on.
    pub fn watch_damage(&self, damage: Damage) {
        *self.damage.lock().unwrap_or_else(PoisonError::into_inner) = damage;
    }

    fn damage(&self) -> Damage {
        self.damage.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Counts a reload.
    pub fn reloaded(&self, good: bool) {
        let result = if good { "success" } else { "failure" };
        self.reloads.get_or_create(&OfResult { result }).inc();
    }

    /// How many requests each trigger has rejected by now.
    pub fn rejections(&self, rejections: &BTreeMap<Name, u64>) {
        for (trigger, count) in rejections {
            let of = OfTrigger { trigger: trigger.clone() };
            self.rejected.get_or_create(&of).inner().store(*count, Ordering::Relaxed);
        }
    }

    /// All numbers as text. `status` is the state of the dispatcher, if it answers.
    #[must_use]
    pub fn render(&self, status: Option<&DispatcherStatus>, format: MetricsFormat) -> String {
        self.begin();
        let number = |of: fn(&DispatcherStatus) -> usize| {
            status.map_or(0, |now| i64::try_from(of(now)).unwrap_or(i64::MAX))
        };
        self.queue_depth.set(number(|now| now.waiting));
        self.running.set(number(|now| now.running));
        self.damaged.set(i64::from(!self.damage().list().is_empty()));
        self.syncs.update();
        self.recording.set(i64::from(status.is_some_and(|now| now.held.is_none())));
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = encode(&mut text, &self.registry);
        match format {
            MetricsFormat::OpenMetrics => text,
            MetricsFormat::Prometheus => prometheus(&text),
        }
    }
}

#[cfg(test)]
mod tests;
