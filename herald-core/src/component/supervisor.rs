//! Owns the tasks of the triggers: prepares them, runs them, runs them again when they fail, ends them.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::join_all;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::component::trigger::{Activator, ComponentError, Trigger};
use crate::event::activation::{EventSink, Name};

/// How long a trigger may take to get hold of what it needs.
const LONGEST_PREPARE: Duration = Duration::from_secs(30);
/// How long a trigger may take to end before its task is dropped.
const LONGEST_END: Duration = Duration::from_secs(10);
/// The wait before a failed trigger is run again: doubled each time, up to the second.
const BACKOFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// The running triggers.
pub struct Supervisor {
    accept: Arc<dyn EventSink>,
    clock: Arc<dyn Clock>,
    running: BTreeMap<Name, RunningTrigger>,
}

/// Triggers that hold what they need and wait to be run.
pub struct Prepared(Vec<(Name, Arc<dyn Trigger>)>);

struct RunningTrigger {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Drop for RunningTrigger {
    fn drop(&mut self) {
        self.stop.cancel();
        self.task.abort();
    }
}

impl Supervisor {
    /// No triggers yet; those to come activate through `accept` and live by `clock`.
    pub fn new(accept: Arc<dyn EventSink>, clock: Arc<dyn Clock>) -> Self {
        Self { accept, clock, running: BTreeMap::new() }
    }

    /// Prepares all of these triggers: they hold what they need, but do not run yet.
    ///
    /// # Errors
    /// When one cannot be prepared: (its name, why).
    pub async fn prepare(
        triggers: impl IntoIterator<Item = (Name, Arc<dyn Trigger>)>,
    ) -> Result<Prepared, (Name, ComponentError)> {
        let mut prepared = Vec::new();
        for (name, trigger) in triggers {
            prepare(trigger.as_ref()).await.map_err(|error| (name.clone(), error))?;
            prepared.push((name, trigger));
        }
        Ok(Prepared(prepared))
    }

    /// Runs triggers that were prepared.
    pub fn run(&mut self, prepared: Prepared) {
        for (name, trigger) in prepared.0 {
            let stop = CancellationToken::new();
            let activator = Activator::new(name.clone(), self.accept.clone(), self.clock.clone());
            let task = tokio::spawn(supervise(name.clone(), trigger, activator, stop.clone()));
            self.running.insert(name, RunningTrigger { stop, task });
        }
    }

    /// Ends these triggers, all at once, and waits until they have ended.
    pub async fn stop(&mut self, names: impl IntoIterator<Item = Name>) {
        let ending =
            names.into_iter().filter_map(|name| self.running.remove(&name)).map(|mut running| async move {
                running.stop.cancel();
                let _ = tokio::time::timeout(LONGEST_END, &mut running.task).await;
            });
        join_all(ending).await;
    }

    /// Ends all triggers.
    pub async fn stop_all(&mut self) {
        let names: Vec<Name> = self.running.keys().cloned().collect();
        self.stop(names).await;
    }
}

async fn prepare(trigger: &dyn Trigger) -> Result<(), ComponentError> {
    let prepared = AssertUnwindSafe(trigger.prepare()).catch_unwind();
    match tokio::time::timeout(LONGEST_PREPARE, prepared).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(_)) => Err(ComponentError::new("it panicked while it was prepared")),
        Err(_) => Err(ComponentError::new(format!("not ready within {} s", LONGEST_PREPARE.as_secs()))),
    }
}

async fn supervise(name: Name, trigger: Arc<dyn Trigger>, activator: Activator, stop: CancellationToken) {
    let mut wait = BACKOFF.0;
    loop {
        let ended = AssertUnwindSafe(trigger.run(activator.clone(), stop.clone())).catch_unwind().await;
        let mut error = match ended {
            _ if stop.is_cancelled() => return,
            Ok(Ok(())) => {
                tracing::debug!(trigger = &*name, "trigger has ended by itself");
                return;
            }
            Ok(Err(error)) => error,
            Err(_) => ComponentError::new("it panicked"),
        };
        // Until it is ready again, or Herald stops.
        loop {
            tracing::error!(trigger = &*name, "trigger failed, next try in {} s: {error}", wait.as_secs());
            if stop.run_until_cancelled(tokio::time::sleep(wait)).await.is_none() {
                return;
            }
            wait = (wait * 2).min(BACKOFF.1);
            match prepare(trigger.as_ref()).await {
                Ok(()) => break,
                Err(again) => error = again,
            }
        }
    }
}
