//! What every component must do, as checks that tests run over each implementation: the built-in ones, those of
//! plugins, and yours.
//!
//! Each check returns what was found wrong as a sentence. Run them on a runtime whose time is not paused.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::FutureExt;
use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::clock::SystemClock;
use crate::component::executor::{Execution, Executor, NoOutput, Outcome, Stop};
use crate::component::selector::{Question, Selector};
use crate::component::trigger::{Activator, Trigger};
use crate::event::activation::{EventSink, Name, Refused};
use crate::event::trigger_param::TriggerParam;
use crate::job::Job;
use crate::value::param::Params;
use crate::value::secret::Mask;

/// How long an executor may take to end a job in good order: half of what the dispatcher gives it. One that works
/// elsewhere may have to tell somebody who does not answer.
const IN_GOOD_ORDER: Duration = Duration::from_secs(30);
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

/// Takes activations, counts them, and has room or not as told.
struct Gate {
    taken: AtomicUsize,
    refused: AtomicUsize,
    refuse: fn(usize) -> Option<Refused>,
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

    async fn ready(&self) {
        sleep(Duration::from_millis(10)).await;
    }
}

/// A trigger ends soon after it is asked to, can be prepared and run again, survives being refused, and is silent
/// after its end. `settle` is how long one run lasts.
///
/// # Errors
/// What was found wrong.
pub async fn check_trigger(trigger: Arc<dyn Trigger>, settle: Duration) -> Result<(), String> {
    let refusals: [fn(usize) -> Option<Refused>; 3] = [
        |_| None,
        |tries| tries.is_multiple_of(2).then_some(Refused::Busy),
        |_| Some(Refused::Unrecorded("disk full".to_owned())),
    ];
    for refuse in refusals {
        trigger.prepare().await.map_err(|error| format!("cannot be prepared again: {error}"))?;
        let gate = Arc::new(Gate { taken: 0.into(), refused: 0.into(), refuse });
        let activator = Activator::new("t".into(), gate.clone(), Arc::new(SystemClock));
        let stop = CancellationToken::new();
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
            return Err("activated after its end".to_owned());
        }
    }
    Ok(())
}

/// A selector answers (yes, no or an error) whatever it is asked, many times at once, and after it was dropped in
/// the middle of an answer.
///
/// # Errors
/// What was found wrong.
pub async fn check_selector(selector: Arc<dyn Selector>) -> Result<(), String> {
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

/// An executor returns whatever it is given, many times at once, and ends soon once it is asked to, in good order
/// or at once. `long` are parameters of a job that takes long, where there is such a thing.
///
/// # Errors
/// What was found wrong.
pub async fn check_executor(executor: Arc<dyn Executor>, long: Option<Params>) -> Result<(), String> {
    let runs = odd_params().into_iter().enumerate().map(|(n, params)| {
        let execution = execution(n, params, Stop::new());
        timeout(SOON * 4, AssertUnwindSafe(executor.execute(execution)).catch_unwind())
    });
    for outcome in join_all(runs).await {
        let _: Outcome = outcome.map_err(|_| "did not return")?.map_err(|_| "panicked")?;
    }
    let Some(long) = long else { return Ok(()) };
    for forced in [false, true] {
        let stop = Stop::new();
        let run = AssertUnwindSafe(executor.execute(execution(0, long.clone(), stop.clone()))).catch_unwind();
        let mut run = std::pin::pin!(run);
        if timeout(Duration::from_millis(500), &mut run).await.is_ok() {
            return Err("the long job was over at once".to_owned());
        }
        stop.asked.cancel();
        if forced {
            stop.forced.cancel();
        }
        let bound = if forced { SOON } else { IN_GOOD_ORDER };
        let outcome = timeout(bound, run).await.map_err(|_| "did not end once it was asked to")?;
        if outcome.map_err(|_| "panicked at its end")?.is_ok() {
            return Err("a job that was stopped counts as a success".to_owned());
        }
    }
    Ok(())
}

fn execution(n: usize, params: Params, stop: Stop) -> Execution {
    let params = Arc::new(params);
    let job = Job {
        id: format!("conformance-{n}").as_str().into(),
        trigger_id: "event".into(),
        router: "r".into(),
        trigger: "t".into(),
        selector: "s".into(),
        task: "k".into(),
        executor: "e".into(),
        trigger_param: Arc::new(params.clone().into()),
        select_param: params.clone(),
        job_param: params,
        chain_depth: 0,
        attempt: 1,
    };
    Execution { job: Arc::new(job), mask: Arc::new(Mask::new()), stop, output: Arc::new(NoOutput) }
}
