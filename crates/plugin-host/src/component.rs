//! Triggers, selectors and executors of plugins, with the traits of all others.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use herald_core::activation::{Name, NewEvent, Refused};
use herald_core::executor::{Execution, Executor, Failure, FailureKind, Outcome, Output};
use herald_core::plugin::abi::{op, result, state};
use herald_core::plugin::event_message;
use herald_core::plugin::message::{self, Run};
use herald_core::selector::{Answer, Question, Selector};
use herald_core::trigger::{Activator, ComponentError, Trigger};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::calls::{MAX_PIECES, MAX_REQUESTS, OutputAct, PluginOutput, Requests, TriggerAct, TriggerRequest};
use super::remote::{Instance, Pending};

/// How long requests that were made before the answer of a call may take after it.
const MAX_AFTERMATH: Duration = Duration::from_secs(5);

/// A trigger in a plugin.
pub(super) struct PluginTrigger(pub(super) Arc<Instance>);

#[async_trait]
impl Trigger for PluginTrigger {
    async fn prepare(&self) -> Result<(), ComponentError> {
        self.0.ask(op::PREPARE, b"null".to_vec()).await.map(|_| ())
    }

    async fn run(&self, activator: Activator, stop: CancellationToken) -> Result<(), ComponentError> {
        let (sender, mut requests) = mpsc::channel(MAX_REQUESTS);
        let json = message::json(&Run { trigger: activator.trigger().to_owned() });
        let mut pending = self.0.begin(op::RUN, json, Requests::Trigger(sender))?;
        begun(&self.0, &mut pending).await?;
        let mut unfinished = Unfinished { instance: &self.0, stop: &stop, over: false };
        let mut working = FuturesUnordered::new();
        let mut asked = false;
        let answer = loop {
            tokio::select! {
                answer = pending.answer() => break answer,
                Some(request) = requests.recv(), if working.len() < MAX_REQUESTS => {
                    working.push(serve(request, &activator));
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
            while let Ok(request) = requests.try_recv() {
                working.push(serve(request, &activator));
            }
            while working.next().await.is_some() {}
        };
        let _ = tokio::time::timeout(MAX_AFTERMATH, aftermath).await;
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
            tracing::warn!("{} did not end when asked to, and is left alone", self.instance.who());
        }
    }
}

async fn serve(request: TriggerRequest, activator: &Activator) {
    let TriggerRequest { act, done } = request;
    let (status, text) = match act {
        TriggerAct::AwaitRoom => {
            activator.ready().await;
            (result::ACCEPTED, String::new())
        }
        TriggerAct::Reached(source) => match activator.reached(&source).await {
            Some(position) => (result::ACCEPTED, event_message::hexadecimal(&position)),
            None => (result::NEW_SOURCE, String::new()),
        },
        TriggerAct::Reach(cursor) => {
            activator.reach(cursor).await;
            (result::ACCEPTED, String::new())
        }
        TriggerAct::Activate(event) => {
            let outcome = match &done {
                Some(_) => activator.activate_event(*event).await,
                None => activate_when_ready(*event, activator).await,
            };
            match outcome {
                Ok(event_id) => (result::ACCEPTED, event_id.to_string()),
                Err(Refused::Busy) => (result::BUSY, String::new()),
                Err(Refused::Stopping) => (result::STOPPING, String::new()),
                Err(Refused::Unrecorded(why)) => (result::UNRECORDED, why),
                Err(refused @ Refused::OtherContent) => (result::UNRECORDED, refused.to_string()),
                Err(refused @ Refused::TooDeep(_)) => (result::INVALID, refused.to_string()),
            }
        }
    };
    if let Some(done) = done {
        done.report(status, &text);
    }
}

/// For a trigger that does not want to know the result: waits for room, and logs what goes wrong.
async fn activate_when_ready(event: NewEvent, activator: &Activator) -> Result<Name, Refused> {
    loop {
        match activator.activate_event(event.clone()).await {
            Err(Refused::Busy) => activator.ready().await,
            outcome => {
                if let Err(why) = &outcome {
                    tracing::warn!(trigger = activator.trigger(), "an event was lost: {why}");
                }
                return outcome;
            }
        }
    }
}

/// Waits until a thread has begun the call, within bounds.
async fn begun(instance: &Instance, pending: &mut Pending) -> Result<(), ComponentError> {
    let limit = instance.timeouts().thread;
    match tokio::time::timeout(limit, pending.begun()).await {
        Ok(()) => Ok(()),
        Err(_) => Err(instance.no_thread(limit)),
    }
}

/// A selector in a plugin.
pub(super) struct PluginSelector(pub(super) Arc<Instance>);

#[async_trait]
impl Selector for PluginSelector {
    fn at_once(&self) -> Option<usize> {
        Some(self.0.threads())
    }

    async fn select(&self, question: &Question) -> Result<Answer, ComponentError> {
        let json = self.0.ask(op::SELECT, message::question_json(question)).await?;
        message::read_answer(&json).map_err(|error| self.0.misunderstood(&error))
    }
}

/// An executor in a plugin.
pub(super) struct PluginExecutor(pub(super) Arc<Instance>);

/// The two ways to a job's end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum JobCall {
    Execute,
    Recover,
}

impl JobCall {
    fn op(self) -> u32 {
        match self {
            Self::Execute => op::EXECUTE,
            Self::Recover => op::RECOVER,
        }
    }

    /// How a job ended of which the plugin does not say it. One that ran before may have had any end.
    fn default_kind(self) -> FailureKind {
        match self {
            Self::Execute => FailureKind::Failed,
            Self::Recover => FailureKind::Lost,
        }
    }

    fn failure(self, error: ComponentError) -> Failure {
        Failure { kind: self.default_kind(), ..Failure::new(error.to_string()) }
    }

    fn never_began(self) -> Failure {
        let kind = match self {
            Self::Execute => FailureKind::Cancelled,
            Self::Recover => FailureKind::Lost,
        };
        Failure { kind, ..Failure::new("the job was stopped before the plugin began it") }
    }
}

impl PluginExecutor {
    fn left_alone(&self) -> Failure {
        let error = format!("{} did not end the job when asked to, and was left alone", self.0.who());
        Failure { kind: FailureKind::Cancelled, ..Failure::new(error) }
    }

    async fn call(&self, how: JobCall, execution: Execution) -> Outcome {
        let failed = |error: ComponentError| how.failure(error);
        let stop = &execution.stop;
        let json = message::execution_json(&execution.job, &execution.mask);
        let (sender, pieces) = mpsc::channel(MAX_PIECES);
        let mut pending = self.0.begin(how.op(), json, Requests::Job(sender)).map_err(failed)?;
        tokio::select! {
            begun = begun(&self.0, &mut pending) => begun.map_err(failed)?,
            () = stop.asked.cancelled() => return Err(how.never_began()),
        }
        let (mut asked, mut forced) = (false, false);
        let left_alone = async {
            stop.forced.cancelled().await;
            tokio::time::sleep(self.0.timeouts().end).await;
        };
        let mut left_alone = std::pin::pin!(left_alone);
        let mut writing = std::pin::pin!(write_all(pieces, &*execution.output));
        let mut all_written = false;
        let answer = loop {
            tokio::select! {
                answer = pending.answer() => break answer,
                () = &mut left_alone => return Err(self.left_alone()),
                () = &mut writing, if !all_written => all_written = true,
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
        // What came before the answer is written; nothing comes after it.
        if !all_written && tokio::time::timeout(MAX_AFTERMATH, writing).await.is_err() {
            tracing::warn!("the last output of a job of {} was not written in time", self.0.who());
        }
        let read = self.0.read(answer).map_err(|wrong| message::failure(wrong, how.default_kind()));
        self.0.understand(&read?).map_err(failed)
    }
}

/// Writes what comes until the call is over.
async fn write_all(mut pieces: mpsc::Receiver<PluginOutput>, output: &dyn Output) {
    while let Some(PluginOutput { act, done }) = pieces.recv().await {
        match act {
            OutputAct::Write(stream, bytes) => output.write(stream, &bytes).await,
            OutputAct::FromStart => output.restart().await,
        }
        if let Some(done) = done {
            done.report(result::ACCEPTED, "");
        }
    }
}

#[async_trait]
impl Executor for PluginExecutor {
    async fn execute(&self, execution: Execution) -> Outcome {
        self.call(JobCall::Execute, execution).await
    }

    async fn recover(&self, execution: Execution) -> Outcome {
        self.call(JobCall::Recover, execution).await
    }

    async fn close(&self) {
        if let Err(error) = self.0.ask(op::CLOSE, b"null".to_vec()).await {
            tracing::warn!("{} was not closed: {error}", self.0.who());
        }
    }
}
