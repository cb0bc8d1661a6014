//! Triggers, selectors and executors of plugins, with the traits of all others.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use herald_core::activation::Refused;
use herald_core::executor::{Execution, Executor, Failure, FailureKind, Outcome};
use herald_core::plugin::abi::{activation, op, state};
use herald_core::plugin::message::{self, Run};
use herald_core::selector::{Answer, Question, Selector};
use herald_core::trigger::{Activator, ComponentError, Trigger};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::calls::{MOST_WANTS, Want};
use super::remote::{Instance, Pending};

/// How long what a trigger wanted before its end may take after it.
const LONGEST_AFTERMATH: Duration = Duration::from_secs(5);

/// A trigger in a plugin.
pub(super) struct PluginTrigger(pub(super) Arc<Instance>);

#[async_trait]
impl Trigger for PluginTrigger {
    async fn prepare(&self) -> Result<(), ComponentError> {
        self.0.ask(op::PREPARE, b"null".to_vec()).await.map(|_| ())
    }

    async fn run(&self, activator: Activator, stop: CancellationToken) -> Result<(), ComponentError> {
        let (sender, mut wants) = mpsc::channel(MOST_WANTS);
        let json = message::json(&Run { trigger: activator.trigger().to_owned() });
        let mut pending = self.0.begin(op::RUN, json, Some(sender))?;
        taken_up(&self.0, &mut pending).await?;
        let mut unfinished = Unfinished { instance: &self.0, stop: &stop, over: false };
        let mut working = FuturesUnordered::new();
        let mut asked = false;
        let answer = loop {
            tokio::select! {
                answer = pending.answer() => break answer,
                Some(want) = wants.recv(), if working.len() < MOST_WANTS => {
                    working.push(serve(want, &activator));
                }
                Some(()) = working.next() => {}
                () = stop.cancelled(), if !asked => {
                    asked = true;
                    pending.signal(state::STOP);
                }
            }
        };
        unfinished.over = true;
        // The last ones before its end count as well.
        let aftermath = async {
            while let Ok(want) = wants.try_recv() {
                working.push(serve(want, &activator));
            }
            while working.next().await.is_some() {}
        };
        let _ = tokio::time::timeout(LONGEST_AFTERMATH, aftermath).await;
        self.0.read(answer).map(|_| ()).map_err(|wrong| ComponentError::new(wrong.error))
    }
}

/// Says so when a trigger is dropped that does not end.
struct Unfinished<'a> {
    instance: &'a Instance,
    stop: &'a CancellationToken,
    over: bool,
}

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        if !self.over && self.stop.is_cancelled() {
            tracing::warn!("{} did not end when it was asked to, and is left alone", self.instance.who());
        }
    }
}

async fn serve(want: Want, activator: &Activator) {
    let Want { params, told } = want;
    let outcome = match (params, &told) {
        (None, _) => {
            activator.ready().await;
            Ok("".into())
        }
        (Some(params), Some(_)) => activator.activate(params).await,
        (Some(params), None) => activator.activate_when_ready(params).await,
    };
    let (status, text) = match &outcome {
        Ok(event_id) => (activation::ACCEPTED, &**event_id),
        Err(Refused::Busy) => (activation::BUSY, ""),
        Err(Refused::Stopping) => (activation::STOPPING, ""),
        Err(Refused::Unrecorded(why)) => (activation::UNRECORDED, why.as_str()),
    };
    match told {
        Some(told) => told.tell(status, text),
        None => {
            if let Err(why) = &outcome {
                tracing::warn!(trigger = activator.trigger(), "an activation was lost: {why}");
            }
        }
    }
}

/// Waits for a thread, within bounds.
async fn taken_up(instance: &Instance, pending: &mut Pending) -> Result<(), ComponentError> {
    let limit = instance.patience().thread;
    match tokio::time::timeout(limit, pending.begun()).await {
        Ok(()) => Ok(()),
        Err(_) => Err(instance.no_thread(limit)),
    }
}

/// A selector in a plugin.
pub(super) struct PluginSelector(pub(super) Arc<Instance>);

#[async_trait]
impl Selector for PluginSelector {
    async fn select(&self, question: &Question) -> Result<Answer, ComponentError> {
        let json = self.0.ask(op::SELECT, message::question_json(question)).await?;
        message::read_answer(&json).map_err(|error| self.0.misunderstood(&error))
    }
}

/// An executor in a plugin.
pub(super) struct PluginExecutor(pub(super) Arc<Instance>);

impl PluginExecutor {
    fn left_alone(&self) -> Failure {
        let error = format!("{} did not end the job when it was told to, and was left alone", self.0.who());
        Failure { kind: FailureKind::Cancelled, ..Failure::new(error) }
    }
}

#[async_trait]
impl Executor for PluginExecutor {
    async fn execute(&self, execution: Execution) -> Outcome {
        let failed = |error: ComponentError| Failure::new(error.to_string());
        let stop = &execution.stop;
        let json = message::execution_json(&execution.job, &execution.mask);
        let mut pending = self.0.begin(op::EXECUTE, json, None).map_err(failed)?;
        tokio::select! {
            taken = taken_up(&self.0, &mut pending) => taken.map_err(failed)?,
            () = stop.asked.cancelled() => {
                let kind = FailureKind::Cancelled;
                return Err(Failure { kind, ..Failure::new("the job was stopped before the plugin began it") });
            }
        }
        let (mut asked, mut forced) = (false, false);
        let left_alone = async {
            stop.forced.cancelled().await;
            tokio::time::sleep(self.0.patience().end).await;
        };
        let mut left_alone = std::pin::pin!(left_alone);
        let answer = loop {
            tokio::select! {
                answer = pending.answer() => break answer,
                () = &mut left_alone => return Err(self.left_alone()),
                () = stop.asked.cancelled(), if !asked => {
                    asked = true;
                    pending.signal(state::STOP);
                }
                () = stop.forced.cancelled(), if !forced => {
                    (asked, forced) = (true, true);
                    pending.signal(state::STOP_NOW);
                }
            }
        };
        let json = self.0.read(answer).map_err(message::failure)?;
        self.0.understand(&json).map_err(failed)
    }

    async fn close(&self) {
        if let Err(error) = self.0.ask(op::CLOSE, b"null".to_vec()).await {
            tracing::warn!("{} was not closed: {error}", self.0.who());
        }
    }
}
