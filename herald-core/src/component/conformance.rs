//! What every component must do, as checks that tests run over each implementation: the built-in ones, those of
//! plugins, and yours.
//!
//! Each check returns the first violation that it finds. Run them on a runtime whose time is not paused.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::FutureExt;
use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::clock::SystemClock;
use crate::component::executor::{Execution, Executor, Outcome, Output, Stop, Stream};
use crate::component::selector::{Question, Selector};
use crate::component::trigger::{Activator, Trigger};
use crate::event::activation::{EventSink, Name, NewEvent, Refused};
use crate::event::position::{Cursor, Position};
use crate::event::trigger_param::TriggerParam;
use crate::job::Job;
use crate::value::param::Params;
use crate::value::secret::Mask;

/// How a component violates its contract.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ContractViolation(String);

impl From<String> for ContractViolation {
    fn from(sentence: String) -> Self {
        Self(sentence)
    }
}

impl From<&str> for ContractViolation {
    fn from(sentence: &str) -> Self {
        Self(sentence.to_owned())
    }
}

/// How long an executor may take to end a job when asked: half of what the dispatcher gives it. One that works
/// elsewhere may have to wait for somebody who does not answer.
const WITHIN_GRACE: Duration = Duration::from_secs(30);
/// How long a component may take to end at once.
const SOON: Duration = Duration::from_secs(8);

/// Parameters of every shape, for components to survive.
#[must_use]
pub fn odd_params() -> Vec<Params> {
    let mut deep = json!("bottom");
    for _ in 0..100 {
        deep = json!({ "a": [deep] });
    }
    let values = [
        json!({}),
        json!({"": "", "a/b": {"c": null}, "\u{0}": "\u{1F980}\u{0}"}),
        json!({"match_key": 5, "except_key": [], "skip_number": -1, "counter": "x", "print_key": {"a": 1}}),
        json!({"match_key": "", "except_key": "/", "skip_number": 1.5, "counter": -3, "print_key": [1, null]}),
        json!({"cmd": ["a"], "arg": {"b": 1}, "env": "x", "timeout": -1, "repo": 7, "background": "maybe"}),
        json!({"wide": vec![0; 10_000], "long": "x".repeat(100_000), "deep": deep}),
        number_params(),
    ];
    values
        .into_iter()
        .filter_map(|value| if let Value::Object(map) = value { Some(map) } else { None })
        .collect()
}

fn number_params() -> Value {
    let numbers =
        ["1e999999999", "-0", "18446744073709551616", "0.1e-99999", "12345678901234567890123456789"];
    let read = |text: &&str| serde_json::from_str::<Value>(text).unwrap_or(Value::Null);
    json!({"numbers": numbers.iter().map(read).collect::<Vec<_>>(), "counter": read(&numbers[0])})
}

/// The positions that a trigger has reached in its sources, over several runs.
#[derive(Default)]
struct Positions {
    reached: Mutex<HashMap<Name, Position>>,
    /// Positions that came before the one that was reached.
    backward: AtomicUsize,
}

impl Positions {
    fn of(&self, source: &str) -> Option<Position> {
        self.reached.lock().unwrap_or_else(PoisonError::into_inner).get(source).cloned()
    }

    fn reach(&self, cursor: Cursor) {
        if self.of(&cursor.source).is_some_and(|reached| cursor.position < reached) {
            self.backward.fetch_add(1, Ordering::SeqCst);
        }
        self.reached.lock().unwrap_or_else(PoisonError::into_inner).insert(cursor.source, cursor.position);
    }
}

/// Accepts events, counts them, and has room or not as `refuse` says.
struct Gate {
    taken: AtomicUsize,
    refused: AtomicUsize,
    refuse: fn(usize) -> Option<Refused>,
    positions: Arc<Positions>,
}

#[async_trait]
impl EventSink for Gate {
    async fn accept(&self, _: Name, _: Params) -> Result<Name, Refused> {
        let tries = self.taken.load(Ordering::SeqCst) + self.refused.load(Ordering::SeqCst);
        if let Some(refused) = (self.refuse)(tries) {
            self.refused.fetch_add(1, Ordering::SeqCst);
            return Err(refused);
        }
        Ok(Name::from(format!("event-{}", self.taken.fetch_add(1, Ordering::SeqCst)).as_str()))
    }

    async fn ready(&self, _: &str) {
        sleep(Duration::from_millis(10)).await;
    }

    async fn accept_event(&self, event: NewEvent) -> Result<Name, Refused> {
        let event_id = self.accept(event.trigger, Params::new()).await?;
        if let Some(cursor) = event.cursor {
            self.positions.reach(cursor);
        }
        Ok(event_id)
    }

    async fn reached(&self, source: &str) -> Option<Position> {
        self.positions.of(source)
    }

    async fn reach(&self, cursor: Cursor) {
        self.positions.reach(cursor);
    }
}

/// Counts what a job writes.
#[derive(Default)]
struct CountedOutput(AtomicUsize);

#[async_trait]
impl Output for CountedOutput {
    async fn write(&self, _: Stream, _: &[u8]) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// A trigger ends soon after it is asked to, can be prepared and run again, survives being refused, is silent after its
/// end, and never goes back in a source that it follows. `settle` is how long one run lasts.
///
/// # Errors
/// The first violation.
pub async fn check_trigger(trigger: Arc<dyn Trigger>, settle: Duration) -> Result<(), ContractViolation> {
    let refusals: [fn(usize) -> Option<Refused>; 3] = [
        |_| None,
        |tries| tries.is_multiple_of(2).then_some(Refused::Busy),
        |_| Some(Refused::Unrecorded("disk full".to_owned())),
    ];
    let positions = Arc::new(Positions::default());
    for refuse in refusals {
        trigger.prepare().await.map_err(|error| format!("cannot be prepared again: {error}"))?;
        let gate =
            Arc::new(Gate { taken: 0.into(), refused: 0.into(), refuse, positions: positions.clone() });
        let activator = Activator::new("t".into(), gate.clone(), Arc::new(SystemClock));
        let stop = CancellationToken::new();
        let begin = timeout(SOON, AssertUnwindSafe(trigger.begin(&activator)).catch_unwind()).await;
        begin.map_err(|_| "took too long to begin")?.map_err(|_| "panicked when it began")?;
        let run = AssertUnwindSafe(trigger.run(activator, stop.clone())).catch_unwind();
        let mut run = std::pin::pin!(run);
        if let Ok(ended) = timeout(settle, &mut run).await {
            ended.map_err(|_| "panicked")?.map_err(|error| format!("gave up by itself: {error}"))?;
            continue;
        }
        stop.cancel();
        let ended = timeout(SOON, run).await.map_err(|_| "did not end once it was asked to")?;
        ended.map_err(|_| "panicked at its end")?.map_err(|error| format!("failed at its end: {error}"))?;
        let taken = gate.taken.load(Ordering::SeqCst);
        sleep(Duration::from_millis(200)).await;
        if gate.taken.load(Ordering::SeqCst) > taken {
            return Err("activated after its end".into());
        }
        if positions.backward.load(Ordering::SeqCst) > 0 {
            return Err("gave a position before the one that it had reached".into());
        }
    }
    Ok(())
}

/// A selector answers (yes, no or an error) whatever it is asked, many times at once, and after it was dropped in
/// the middle of an answer.
///
/// # Errors
/// The first violation.
pub async fn check_selector(selector: Arc<dyn Selector>) -> Result<(), ContractViolation> {
    let questions: Vec<Question> = odd_params()
        .into_iter()
        .flat_map(|params| {
            // As text as well, where it can be.
            let text = serde_json::to_string(&params).unwrap_or_default();
            let text = TriggerParam::from_json(&text, Params::new()).ok();
            text.into_iter().chain([TriggerParam::from(params)])
        })
        .flat_map(|trigger_param| {
            let trigger_param = Arc::new(trigger_param);
            odd_params().into_iter().map(move |select_param| question(trigger_param.clone(), select_param))
        })
        .collect();
    for question in &questions {
        // Dropped at its first await point, or answered at once.
        let _ = AssertUnwindSafe(selector.select(question)).catch_unwind().now_or_never();
    }
    let answers =
        questions.iter().map(|q| timeout(SOON * 4, AssertUnwindSafe(selector.select(q)).catch_unwind()));
    for answer in join_all(answers).await {
        let _ = answer.map_err(|_| "did not answer")?.map_err(|_| "panicked")?;
    }
    Ok(())
}

fn question(trigger_param: Arc<TriggerParam>, select_param: Params) -> Question {
    Question {
        event_id: "event".into(),
        trigger: "t".into(),
        router: "r".into(),
        task: "k".into(),
        trigger_param,
        select_param: Arc::new(select_param),
    }
}

/// An executor returns whatever it is given, many times at once, ends soon once it is asked to, with a grace period or
/// at once, writes no output after its end, and recovers jobs of which it knows nothing. `long` are parameters of a job
/// that takes long, where there is such a thing.
///
/// # Errors
/// The first violation.
pub async fn check_executor(
    executor: Arc<dyn Executor>,
    long: Option<Params>,
) -> Result<(), ContractViolation> {
    let output = Arc::new(CountedOutput::default());
    let runs = odd_params().into_iter().enumerate().map(|(n, params)| {
        let execution = execution(n, params, Stop::new(), &output);
        timeout(SOON * 4, AssertUnwindSafe(executor.execute(execution)).catch_unwind())
    });
    for outcome in join_all(runs).await {
        let _: Outcome = outcome.map_err(|_| "did not return")?.map_err(|_| "panicked")?;
    }
    check_recovery(&*executor, &output).await?;
    let written = output.0.load(Ordering::SeqCst);
    sleep(Duration::from_millis(200)).await;
    if output.0.load(Ordering::SeqCst) > written {
        return Err("wrote output after the end of the job".into());
    }
    let Some(long) = long else { return Ok(()) };
    for forced in [false, true] {
        let stop = Stop::new();
        let run = AssertUnwindSafe(executor.execute(execution(0, long.clone(), stop.clone(), &output)))
            .catch_unwind();
        let mut run = std::pin::pin!(run);
        if timeout(Duration::from_millis(500), &mut run).await.is_ok() {
            return Err("the long job was over at once".into());
        }
        stop.asked.cancel();
        if forced {
            stop.forced.cancel();
        }
        let bound = if forced { SOON } else { WITHIN_GRACE };
        let outcome = timeout(bound, run).await.map_err(|_| "did not end once it was asked to")?;
        if outcome.map_err(|_| "panicked at its end")?.is_ok() {
            return Err("a job that was stopped counts as a success".into());
        }
    }
    Ok(())
}

/// Jobs that this executor never ran, as after a crash just before it got them. It may look for them until it is asked
/// to end at once.
async fn check_recovery(
    executor: &dyn Executor,
    output: &Arc<CountedOutput>,
) -> Result<(), ContractViolation> {
    let recoveries = odd_params().into_iter().enumerate().map(|(n, params)| async move {
        let stop = Stop::new();
        let recovery = executor.recover(execution(1000 + n, params, stop.clone(), output));
        let mut recovery = std::pin::pin!(AssertUnwindSafe(recovery).catch_unwind());
        if let Ok(ended) = timeout(Duration::from_millis(500), &mut recovery).await {
            return Some(ended);
        }
        stop.asked.cancel();
        stop.forced.cancel();
        timeout(SOON, recovery).await.ok()
    });
    for outcome in join_all(recoveries).await {
        let _: Outcome = outcome
            .ok_or("did not end the recovery of a job once it was asked to")?
            .map_err(|_| "panicked in the recovery of a job")?;
    }
    Ok(())
}

/// A job of this id with no parameters, in its first attempt: what tests of executors begin with.
#[must_use]
pub fn job(id: &str) -> Job {
    Job {
        id: id.into(),
        trigger_id: "e".into(),
        router: "r".into(),
        trigger: "t".into(),
        selector: "s".into(),
        task: "k".into(),
        executor: "x".into(),
        trigger_param: Arc::default(),
        select_param: Arc::default(),
        job_param: Arc::default(),
        chain_depth: 0,
        attempt: 1,
        by: None,
        rerun: false,
    }
}

fn execution(n: usize, params: Params, stop: Stop, output: &Arc<CountedOutput>) -> Execution {
    let params = Arc::new(params);
    let job = Job {
        trigger_param: Arc::new(Params::clone(&params).into()),
        select_param: params.clone(),
        job_param: params,
        ..job(&format!("conformance-{n}"))
    };
    Execution { job: Arc::new(job), mask: Arc::new(Mask::new()), stop, output: output.clone(), earlier: None }
}
