//! Several runners: one job with a child for each node.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use herald_core::activation::EXE_DONE;
use herald_core::executor::{Execution, Executor, Failure, FailureKind, Outcome, Output};
use herald_core::job::Job;
use herald_core::param::lookup;
use herald_wire::job::JobKey;
use serde_json::Value;
use tokio::sync::OnceCell;
use tokio::time::Instant;

use super::child::{Child, summary};
use super::labelled::Labelled;
use super::options::{Common, Many};
use super::sent::{self, Before, Sent};
use super::single::Remote;
use super::strategy::{Offline, Strategy};

/// How long records of jobs lie about that nobody takes up: a month, and as long as a job may take.
const LEFT: Duration = Duration::from_secs(30 * 24 * 3600);
/// Between two looks at a node that is waited for.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// The parameter of a request that is for this node alone: it came from another one, which has asked the others already.
const ONLY_HERE: &str = "_request/query/node";

/// Several runners.
pub(super) struct Fleet {
    nodes: Vec<(String, Remote)>,
    strategy: Strategy,
    own: Option<String>,
    common: Arc<Common>,
    swept: OnceCell<()>,
}

impl Fleet {
    pub(super) fn new(common: Arc<Common>, many: Many) -> Self {
        let remote = |(name, runner)| (name, Remote::new(common.clone(), runner));
        let nodes = many.nodes.into_iter().map(remote).collect();
        Self { nodes, strategy: many.strategy, own: many.own, common, swept: OnceCell::new() }
    }

    /// The nodes that the job is for.
    fn wanted(&self, execution: &Execution) -> Vec<&(String, Remote)> {
        let only = self.own.as_deref().filter(|_| only_here(&execution.job));
        self.nodes.iter().filter(|(name, _)| only.is_none_or(|own| own == name)).collect()
    }

    /// Whether the job has not succeeded yet on as many nodes as must be well before the others get it.
    fn lacks_canaries(&self, children: &[Child]) -> bool {
        children.iter().filter(|child| child.succeeded()).count() < self.strategy.canary
    }

    /// The nodes that the job was for before a restart: those that got it first, and of those that are no nodes of this
    /// executor any more what became of it there.
    fn left<'a>(&'a self, before: &'a Before) -> (Vec<Place<'a>>, Vec<Child>) {
        let (mut places, mut children) = (Vec::new(), Vec::new());
        for name in &before.nodes {
            let sent = before.sent.contains(name);
            match self.nodes.iter().find(|(known, _)| known == name) {
                Some((name, remote)) => {
                    places.push(Place { name, remote, sent, ended: before.ended.get(name) });
                }
                None if before.ended.contains_key(name) => children.extend(before.ended.get(name).cloned()),
                None if sent => {
                    let why = "the configuration does not have the node here any more; what became of the job there is not known";
                    let lost = Failure { kind: FailureKind::Lost, ..Failure::new(why) };
                    children.push(Child::of(name, Err(lost)));
                }
                None => children
                    .push(Child::not_run(name, "the configuration does not have the node here any more")),
            }
        }
        places.sort_by_key(|place| !place.sent);
        (places, children)
    }

    async fn attempt(&self, execution: Execution, resumed: bool) -> Outcome {
        if resumed {
            execution.output.begin_anew().await;
        }
        let data_dir = &self.common.data_dir;
        self.swept.get_or_init(|| sent::sweep(data_dir, self.common.timeout + LEFT)).await;
        let key = JobKey { job_id: execution.job.id.to_string(), attempt: execution.job.attempt };
        let taken_up = if resumed { Sent::take_up(data_dir, &key).await } else { None };
        let (sent, before) = match taken_up {
            Some((sent, before)) => (sent, before),
            None => {
                let nodes = self.wanted(&execution).into_iter().map(|(name, _)| name.clone()).collect();
                let fresh = Before { nodes, ..Before::default() };
                if resumed {
                    // It is not known who got it: all are taken for such that did.
                    (Sent::unknown(), Before { sent: fresh.nodes.iter().cloned().collect(), ..fresh })
                } else {
                    (Sent::begin(data_dir, &key, &fresh.nodes).await.map_err(Failure::new)?, fresh)
                }
            }
        };
        let (places, mut children) = self.left(&before);
        let until = Instant::now() + self.common.timeout;
        let run = Run { fleet: self, execution: &execution, sent: &sent, until };
        let rest = run.canaries(&places, &mut children).await;
        if self.lacks_canaries(&children) {
            let why = "the job failed on a canary";
            children.extend(rest.iter().map(|place| Child::not_run(place.name, why)));
        } else {
            run.all(rest, &mut children).await;
        }
        sent.end().await;
        // In the order in which they are configured.
        children.sort_by_key(|child| before.nodes.iter().position(|name| *name == child.node));
        summary(children)
    }
}

/// Whether the request that led to this job is for this node alone. `exe_done` tells of a job by its parameters, and of the
/// job before that one in these.
fn only_here(job: &Job) -> bool {
    let mut trigger = &*job.trigger;
    let mut told = &**job.trigger_param.params();
    while trigger == EXE_DONE {
        let before = told.get("trigger").and_then(Value::as_str);
        let (Some(before), Some(Value::Object(params))) = (before, told.get("trigger_param")) else {
            return false;
        };
        (trigger, told) = (before, params);
    }
    // `?node=` says nothing, as with the original.
    lookup(told, ONLY_HERE).is_some_and(|node| node.as_str() != Some(""))
}

#[async_trait]
impl Executor for Fleet {
    async fn execute(&self, execution: Execution) -> Outcome {
        self.attempt(execution, false).await
    }

    async fn recover(&self, execution: Execution) -> Outcome {
        self.attempt(execution, true).await
    }
}

/// A node that the job is for.
struct Place<'a> {
    name: &'a str,
    remote: &'a Remote,
    /// An earlier process sent it there: it is joined, never started.
    sent: bool,
    /// What it gave before the restart.
    ended: Option<&'a Child>,
}

/// One attempt on its way to the nodes.
struct Run<'a> {
    fleet: &'a Fleet,
    execution: &'a Execution,
    sent: &'a Sent,
    until: Instant,
}

impl Run<'_> {
    /// Runs on the canaries, and gives the nodes that are left. The next node takes the place of one that is skipped, until
    /// as many as must have succeeded, or one has failed. What was sent before a restart comes first.
    async fn canaries<'p>(&self, places: &'p [Place<'_>], children: &mut Vec<Child>) -> &'p [Place<'p>] {
        let wanted = self.fleet.strategy.canary;
        if wanted == 0 {
            return places;
        }
        let (sent, mut rest) = places.split_at(places.partition_point(|place| place.sent));
        self.all(sent, children).await;
        while !rest.is_empty() && self.fleet.lacks_canaries(children) && !children.iter().any(Child::failed) {
            let well = children.iter().filter(|child| child.succeeded()).count();
            let (next, others) = rest.split_at((wanted - well).min(rest.len()));
            self.all(next, children).await;
            rest = others;
        }
        rest
    }

    /// Runs on these nodes, on as many at once as may be; what was sent before a restart runs already.
    async fn all(&self, places: &[Place<'_>], children: &mut Vec<Child>) {
        let strategy = &self.fleet.strategy;
        let at_once = strategy.max_parallel.unwrap_or(places.len()).max(1);
        let mut waiting = places.iter().peekable();
        let mut running = FuturesUnordered::new();
        let mut stopped = strategy.stop_on_failure && children.iter().any(Child::failed);
        loop {
            while let Some(place) =
                waiting.next_if(|place| place.sent || (running.len() < at_once && !stopped))
            {
                running.push(self.one(place));
            }
            let Some(child) = running.next().await else { break };
            stopped |= strategy.stop_on_failure && child.failed();
            stopped |= self.execution.stop.asked.is_cancelled();
            children.push(child);
        }
        let why = if self.execution.stop.asked.is_cancelled() {
            "the job was cancelled before its turn came"
        } else {
            "the job failed on another node (stop_on_failure)"
        };
        children.extend(waiting.map(|place| Child::not_run(place.name, why)));
    }

    async fn one(&self, place: &Place<'_>) -> Child {
        let Place { name, remote, sent, ended } = *place;
        let output: Arc<dyn Output> = Arc::new(Labelled::new(self.execution.output.clone(), name));
        let execution = Execution { output: output.clone(), ..self.execution.clone() };
        let mut told = false;
        let child = loop {
            if !sent && let Err(failure) = self.write_down(name).await {
                break Child::of(name, Err(failure));
            }
            let attempted = remote.attempt(&execution, sent, Some(name)).await;
            if !attempted.unreached {
                break Child::of(name, attempted.outcome);
            }
            self.sent.not_sent(name).await;
            match self.fleet.strategy.offline {
                Offline::Fail => break Child::of(name, attempted.outcome),
                Offline::Skip => break Child::skipped(name, attempted.outcome),
                Offline::Wait => {}
            }
            if !std::mem::replace(&mut told, true) {
                let (job_id, runner) = (&*execution.job.id, remote.url().as_str());
                tracing::info!(job_id, node = name, runner, "the node is offline; the job waits for it");
            }
            match self.until_there(remote).await {
                Ok(true) => {}
                Ok(false) => break Child::of(name, attempted.outcome),
                Err(failure) => break Child::of(name, Err(failure)),
            }
        };
        output.close().await;
        if child.ran() {
            self.sent.ended(child.masked(&execution.mask)).await;
        }
        match ended {
            // Its runner has forgotten it, or is gone by now.
            Some(ended) if child.is_lost() => ended.clone(),
            _ => child,
        }
    }

    /// Waits until somebody is there. False when the time of the job is over before.
    async fn until_there(&self, remote: &Remote) -> Result<bool, Failure> {
        loop {
            if Instant::now() + LOOK_AGAIN > self.until {
                return Ok(false);
            }
            self.pause("it was cancelled while it waited for the node").await?;
            let asked = self.execution.stop.asked.run_until_cancelled(remote.is_there()).await;
            if asked == Some(true) {
                return Ok(true);
            }
        }
    }

    /// Writes down that the node gets the job, before it does. Waits while that cannot be written.
    async fn write_down(&self, name: &str) -> Result<(), Failure> {
        let mut told = false;
        while let Err(error) = self.sent.sends(name).await {
            let why = format!("that the node gets the job cannot be written to the data_dir: {error}");
            if Instant::now() + LOOK_AGAIN > self.until {
                return Err(Failure::new(why));
            }
            if !std::mem::replace(&mut told, true) {
                tracing::warn!(job_id = %self.execution.job.id, node = name, "{why}; the job waits until it can");
            }
            self.pause("it was cancelled before it was sent").await?;
        }
        Ok(())
    }

    /// Until the next look; `why` for the error when it is cancelled meanwhile.
    async fn pause(&self, why: &str) -> Result<(), Failure> {
        let waited = self.execution.stop.asked.run_until_cancelled(tokio::time::sleep(LOOK_AGAIN)).await;
        waited.ok_or_else(|| Failure { kind: FailureKind::Cancelled, ..Failure::new(why) })
    }
}
