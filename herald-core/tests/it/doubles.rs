//! Components that tests steer and watch.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use herald_core::activation::EventSink;
use herald_core::dispatcher::Handle;
use herald_core::executor::{Execution, Executor, Failure, FailureKind, Outcome};
use herald_core::journal::{Journal, JournalError, Record, Records};
use herald_core::param::Params;
use herald_core::selector::{Answer, Question, Selector};
use herald_core::trigger::ComponentError;
use serde_json::{Value, json};

/// A JSON object as parameters.
pub fn params(value: Value) -> Params {
    match value {
        Value::Object(map) => map,
        other => panic!("not an object: {other}"),
    }
}

/// Activates the trigger `t` with this object.
pub async fn activate(handle: &Handle, value: Value) -> String {
    handle.accept("t".into(), params(value)).await.unwrap().to_string()
}

/// What happened, in order.
#[derive(Clone, Default)]
pub struct Diary(Arc<Mutex<Vec<String>>>);

impl Diary {
    pub fn note(&self, line: impl Into<String>) {
        self.0.lock().unwrap().push(line.into());
    }

    pub fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    pub fn count(&self, line: &str) -> usize {
        self.lines().iter().filter(|l| *l == line).count()
    }
}

/// Says yes.
pub struct Yes;

#[async_trait]
impl Selector for Yes {
    async fn select(&self, _: &Question) -> Result<Answer, ComponentError> {
        Ok(true.into())
    }
}

/// Yes when `trigger_param` holds everything that `select_param` holds.
pub struct Holds;

#[async_trait]
impl Selector for Holds {
    async fn select(&self, question: &Question) -> Result<Answer, ComponentError> {
        let holds = question.select_param.iter().all(|(k, v)| question.trigger_param.get(k) == Some(v));
        Ok(holds.into())
    }
}

/// Says yes, and shows its parameters.
pub struct Shows;

#[async_trait]
impl Selector for Shows {
    async fn select(&self, question: &Question) -> Result<Answer, ComponentError> {
        let why = format!("saw {}", serde_json::to_string(&question.select_param).unwrap());
        Ok(Answer { yes: true, why: why.into() })
    }
}

/// Misbehaves as its parameters say: `panic`, `error`, `never`, or waits that many milliseconds and says yes.
pub struct Odd(pub &'static str);

#[async_trait]
impl Selector for Odd {
    async fn select(&self, _: &Question) -> Result<Answer, ComponentError> {
        match self.0 {
            "panic" => panic!("as asked"),
            "error" => Err(ComponentError::new("as asked")),
            "never" => std::future::pending().await,
            ms => {
                tokio::time::sleep(Duration::from_millis(ms.parse().unwrap())).await;
                Ok(true.into())
            }
        }
    }
}

/// Says yes after a while, to so many questions at once.
pub struct AtOnce {
    pub questions: usize,
    pub takes: Duration,
}

#[async_trait]
impl Selector for AtOnce {
    fn at_once(&self) -> Option<usize> {
        Some(self.questions)
    }

    async fn select(&self, _: &Question) -> Result<Answer, ComponentError> {
        tokio::time::sleep(self.takes).await;
        Ok(true.into())
    }
}

/// Does what `job_param` says: `sleep` (ms), `fail`, `panic`, `ignore_stop`, `give` (the
/// result); notes start and end.
#[derive(Clone, Default)]
pub struct Worker {
    pub diary: Diary,
    pub seen: Arc<Mutex<Vec<Params>>>,
}

#[async_trait]
impl Executor for Worker {
    async fn execute(&self, execution: Execution) -> Outcome {
        let job = &execution.job;
        self.seen.lock().unwrap().push(execution.params());
        self.diary.note(format!("start {}/{}", job.router, job.task));
        let given = |key: &str| job.job_param.get(key).or_else(|| job.trigger_param.get(key));
        let sleep = Duration::from_millis(given("sleep").and_then(Value::as_u64).unwrap_or(0));
        if given("panic").is_some() {
            panic!("as asked");
        }
        let obeys = given("ignore_stop").is_none();
        tokio::select! {
            () = tokio::time::sleep(sleep) => {}
            () = execution.stop.asked.cancelled(), if obeys => {
                self.diary.note(format!("stopped {}/{}", job.router, job.task));
                return Err(Failure { kind: FailureKind::Cancelled, ..Failure::new("asked to stop") });
            }
        }
        self.diary.note(format!("end {}/{}", job.router, job.task));
        match given("fail") {
            Some(why) => Err(Failure { result: params(json!({"exit_code": 3})), ..Failure::new(why) }),
            None => Ok(given("give").cloned().map_or_else(|| params(json!({"done": true})), params)),
        }
    }
}

/// Notes records in a diary, and fails while it is set to.
#[derive(Clone, Default)]
pub struct Scribe {
    pub diary: Diary,
    pub failing: Arc<std::sync::atomic::AtomicBool>,
}

#[async_trait]
impl Journal for Scribe {
    async fn append(&self, records: &Records) -> Result<(), JournalError> {
        if self.failing.load(std::sync::atomic::Ordering::SeqCst) {
            return Err(JournalError("disk full".to_owned()));
        }
        for record in records.iter() {
            self.diary.note(match record {
                Record::Accepted { activation, .. } => format!("accepted {}", activation.trigger),
                Record::Routed { .. } => "routed".to_owned(),
                Record::AttemptEnded { .. } => "attempt ended".to_owned(),
                Record::Reached(_) => "reached".to_owned(),
                Record::Queued { job, .. } => format!("queued {}/{}", job.router, job.task),
                Record::Started { .. } => "started".to_owned(),
                Record::Ended { job, verdict, .. } => {
                    format!("ended {}/{} {}", job.router, job.task, verdict.status.as_str())
                }
            });
        }
        Ok(())
    }
}

/// Takes jobs only while it is open.
#[derive(Clone, Default)]
pub struct Gated {
    pub worker: Worker,
    pub is_open: Arc<AtomicBool>,
}

#[async_trait]
impl Executor for Gated {
    async fn execute(&self, execution: Execution) -> Outcome {
        self.worker.execute(execution).await
    }

    fn takes_jobs(&self) -> bool {
        self.is_open.load(Ordering::SeqCst)
    }
}
