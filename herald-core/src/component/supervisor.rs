//! Owns the tasks of the triggers: prepares them, runs them, runs them again when they fail, ends them.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::join_all;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::component::trigger::{Activator, ComponentError, Predecessors, Succession, Trigger};
use crate::event::activation::{EventSink, Name};

/// How long a trigger may take to get hold of what it needs.
const LONGEST_PREPARE: Duration = Duration::from_secs(30);
/// How long a trigger may take to record where it begins.
const LONGEST_BEGIN: Duration = Duration::from_secs(5);
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

/// A trigger that a reload brings or ends.
#[derive(Clone)]
pub struct ReloadedTrigger {
    /// Its name.
    pub name: Name,
    /// Its component type.
    pub type_name: String,
    /// Itself.
    pub trigger: Arc<dyn Trigger>,
}

/// What a reload does to the triggers. One that changes is in both.
#[derive(Default)]
pub struct TriggerChange {
    /// Those that end.
    pub gone: Vec<ReloadedTrigger>,
    /// Those that come.
    pub new: Vec<ReloadedTrigger>,
}

/// A change whose new triggers hold what they need.
pub struct PreparedChange {
    new: Prepared,
    /// Those that end once the new ones run.
    last: Vec<Name>,
}

impl TriggerChange {
    fn before(&self, name: &Name) -> Predecessors {
        let (same, others): (Vec<_>, Vec<_>) = self.gone.iter().partition(|gone| gone.name == *name);
        let triggers =
            |of: Vec<&ReloadedTrigger>| of.into_iter().map(|gone| gone.trigger.clone()).collect::<Vec<_>>();
        Predecessors { same: triggers(same).pop(), others: triggers(others) }
    }

    /// Whether one that ends may have what this one could not get, without this one knowing: it is of another type, and
    /// waits to be asked.
    fn may_hold(&self, new: &ReloadedTrigger) -> bool {
        self.gone.iter().any(|gone| gone.type_name != new.type_name && gone.trigger.timetable().is_none())
    }
}

struct RunningTrigger {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl RunningTrigger {
    async fn end(mut self) {
        self.stop.cancel();
        let _ = tokio::time::timeout(LONGEST_END, &mut self.task).await;
    }
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

    /// Runs triggers that were prepared. They have begun when it returns: where they begin is recorded, and what they
    /// do at once, such as taking requests and logging where, they have done.
    pub async fn run(&mut self, prepared: Prepared) {
        let mut beginnings = Vec::new();
        for (name, trigger) in prepared.0 {
            let stop = CancellationToken::new();
            let activator = Activator::new(name.clone(), self.accept.clone(), self.clock.clone());
            let (begun, beginning) = oneshot::channel();
            let task = tokio::spawn(supervise(name.clone(), trigger, activator, stop.clone(), begun));
            self.running.insert(name, RunningTrigger { stop, task });
            beginnings.push(beginning);
        }
        // One whose task is gone has nothing to wait for.
        join_all(beginnings).await;
    }

    /// Prepares the new triggers of a reload. Those that end run on until [`Self::exchange`], unless they cannot run
    /// beside
    /// a new one.
    ///
    /// # Errors
    /// When one cannot be prepared: (its name, why). All run then that ran before.
    pub async fn prepare_change(
        &mut self,
        change: TriggerChange,
    ) -> Result<PreparedChange, (Name, ComponentError)> {
        let (mut prepared, mut waiting, mut all) = (Vec::new(), Vec::new(), false);
        for new in &change.new {
            let succession = new.trigger.succeed(&change.before(&new.name));
            let ready = match succession {
                Succession::Beside => Some(prepare(new.trigger.as_ref()).await),
                Succession::AfterEnd | Succession::AfterAll => None,
            };
            match ready {
                Some(Ok(())) => prepared.push((new.name.clone(), new.trigger.clone())),
                Some(Err(error)) if !change.may_hold(new) => return Err((new.name.clone(), error)),
                Some(Err(_)) | None => {
                    all |= succession != Succession::AfterEnd;
                    waiting.push((new.name.clone(), new.trigger.clone()));
                }
            }
        }
        let beside = |gone: &ReloadedTrigger| {
            !all && gone.trigger.succeed(&Predecessors::default()) == Succession::Beside
        };
        let (last, first): (Vec<_>, Vec<_>) = change.gone.into_iter().partition(beside);
        self.stop(first.iter().map(|gone| gone.name.clone())).await;
        match Self::prepare(waiting).await {
            Ok(ready) => prepared.extend(ready.0),
            Err(failed) => {
                // What was prepared must not keep requests waiting for it.
                drop(change.new);
                drop(prepared);
                self.restore(first).await;
                return Err(failed);
            }
        }
        Ok(PreparedChange { new: Prepared(prepared), last: last.into_iter().map(|gone| gone.name).collect() })
    }

    /// Runs triggers again that a reload ended that failed.
    async fn restore(&mut self, ended: Vec<ReloadedTrigger>) {
        for ReloadedTrigger { name, trigger, .. } in ended {
            match Self::prepare([(name, trigger)]).await {
                Ok(prepared) => self.run(prepared).await,
                Err((name, error)) => tracing::error!("trigger \"{name}\" could not be restored: {error}"),
            }
        }
    }

    /// Runs the new triggers of a reload, then ends those whose place they take.
    pub async fn exchange(&mut self, change: PreparedChange) {
        let last: Vec<_> = change.last.iter().filter_map(|name| self.running.remove(name)).collect();
        self.run(change.new).await;
        join_all(last.into_iter().map(RunningTrigger::end)).await;
    }

    /// Ends these triggers, all at once, and waits until they have ended.
    pub async fn stop(&mut self, names: impl IntoIterator<Item = Name>) {
        let ending = names.into_iter().filter_map(|name| self.running.remove(&name));
        join_all(ending.map(RunningTrigger::end)).await;
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

async fn supervise(
    name: Name,
    trigger: Arc<dyn Trigger>,
    activator: Activator,
    stop: CancellationToken,
    begun: oneshot::Sender<()>,
) {
    let (mut wait, mut begun) = (BACKOFF.0, Some(begun));
    loop {
        let run = begin_and_run(trigger.as_ref(), &activator, &stop, begun.take());
        let ended = AssertUnwindSafe(run).catch_unwind().await;
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

/// Lets it begin, in time, and runs it.
async fn begin_and_run(
    trigger: &dyn Trigger,
    activator: &Activator,
    stop: &CancellationToken,
    begun: Option<oneshot::Sender<()>>,
) -> Result<(), ComponentError> {
    let begin = tokio::time::timeout(LONGEST_BEGIN, trigger.begin(activator));
    match stop.run_until_cancelled(begin).await {
        None => return Ok(()),
        Some(Err(_)) => {
            tracing::warn!(
                trigger = activator.trigger(),
                "where the trigger begins could not be recorded within {} s",
                LONGEST_BEGIN.as_secs()
            );
        }
        Some(Ok(())) => {}
    }
    note_beginning(trigger.run(activator.clone(), stop.clone()), begun).await
}

/// Runs it, and says so once it has done what it does at once.
async fn note_beginning<T>(run: impl Future<Output = T>, begun: Option<oneshot::Sender<()>>) -> T {
    tokio::pin!(run);
    let at_once = futures_util::poll!(&mut run);
    // Nobody may wait for it any more.
    let _ = begun.map(|begun| begun.send(()));
    match at_once {
        Poll::Ready(ended) => ended,
        Poll::Pending => run.await,
    }
}
