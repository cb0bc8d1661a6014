//! A runner that takes its jobs from a queue, and needs no open port.

mod job_runner;
mod pieces;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use herald_base::clock::SystemClock;
use herald_base::system::host_name::host_name;
use herald_queue::{
    Acknowledge, ConsumeMode, ConsumerSettings, Queue, QueueWorker, RedisQueue, RequeuePolicy, WorkerSettings,
};
use herald_wire::runner_id::RunnerId;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::config::RunnerQueue;
use crate::job::jobs::Jobs;
use job_runner::PulledJobs;

/// How long after its last word a runner counts as dead.
const LEASE: Duration = Duration::from_secs(30);
/// How long ids are remembered after the end of their messages.
const MARKER_TTL: Duration = Duration::from_secs(60 * 60);
/// How long the start waits for the answer of the queue. One that is away is waited for later.
const LONGEST_START: Duration = Duration::from_secs(5);
/// How long the last reports may take.
const LAST_REPORTS: Duration = Duration::from_secs(5);
/// The characters of the runner's id that are in its name.
const ID_PART: usize = 8;

/// The work on a queue.
pub struct PullFromQueue {
    stop: CancellationToken,
    give_up: CancellationToken,
    task: JoinHandle<()>,
}

impl PullFromQueue {
    /// Takes jobs from now on.
    ///
    /// # Errors
    /// The queue must not be used as it is configured.
    pub async fn start(given: &RunnerQueue, id: &RunnerId, jobs: Jobs) -> anyhow::Result<Self> {
        let part: String = id.to_string().chars().filter(char::is_ascii_alphanumeric).take(ID_PART).collect();
        let name = given.name.clone().unwrap_or_else(|| format!("{}-{part}", host_name()));
        let queue: Arc<dyn Queue> =
            Arc::new(RedisQueue::new(&given.settings, &name, Arc::new(SystemClock)).context("queue")?);
        match tokio::time::timeout(LONGEST_START, queue.fitness()).await {
            Ok(Ok(fitness)) => {
                if let Some(why) = fitness.unfit() {
                    anyhow::bail!("the queue must not be used: {why}");
                }
                fitness.findings.iter().for_each(|finding| tracing::warn!("queue: {}", finding.text));
            }
            Ok(Err(error)) => tracing::warn!("{error}; it is tried again until it answers"),
            Err(_) => tracing::warn!("the queue does not answer; it is tried again until it does"),
        }
        let settings = WorkerSettings {
            consumer: ConsumerSettings {
                name: "runner".to_owned(),
                topics: vec![given.topic.clone()],
                mode: ConsumeMode::Compete,
                lease: LEASE,
                max_deliveries: 5,
                marker_ttl: MARKER_TTL,
                take_back: true,
            },
            process: given.process,
            ack: Acknowledge::Done,
            requeue: RequeuePolicy { on: Vec::new(), max: 0, delay: Duration::ZERO, backoff: 1.0 },
        };
        let runner = Arc::new(PulledJobs::new(queue.clone(), jobs));
        let worker = QueueWorker::new(&*queue, settings, runner).context("queue")?;
        let (stop, give_up) = (CancellationToken::new(), CancellationToken::new());
        let (stopped, given_up) = (stop.clone(), give_up.clone());
        let task = tokio::spawn(async move {
            worker.receive_until(&stopped).await;
            worker.finish(&given_up).await;
        });
        tracing::info!(name, topic = given.topic, process = given.process, "jobs are taken from a queue");
        Ok(Self { stop, give_up, task })
    }

    /// Takes no more jobs.
    pub fn stop_receiving(&self) {
        self.stop.cancel();
    }

    /// Waits until the ends of all jobs are reported, for a few seconds.
    pub async fn finish(self) {
        self.stop.cancel();
        let mut task = self.task;
        if tokio::time::timeout(LAST_REPORTS, &mut task).await.is_err() {
            self.give_up.cancel();
            let _ = task.await;
        }
    }
}
