//! Any sequence of events, with a crash at any write of the journal, over and over: nothing that was accepted is lost,
//! nothing runs twice unseen, no pool runs over its limit, and everything reaches its verdict.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt;
use futures_util::stream::FuturesOrdered;
use herald_core::activation::{EventSink, Name};
use herald_core::clock::{Clock, SystemClock, TestClock};
use herald_core::dispatcher::{Dispatcher, Setup};
use herald_core::executor::{Execution, Executor, Failure, Outcome};
use herald_core::job::Job;
use herald_core::journal::{
    InterruptedState, Journal, JournalError, Record, Records, Recovered, RecoveredEvent, RecoveredJob,
    StoredJob, StoredSecrets,
};
use herald_core::param::Params;
use herald_core::plan::{Limits, Plan};
use herald_core::workflow::{KnownComponents, read};
use jiff::SignedDuration;
use proptest::prelude::*;
use serde_json::json;

use crate::doubles::{AtOnce, Yes, params};

/// Keeps every record beyond the death of dispatchers, and dies itself when its time has come: before or after a
/// batch is recorded.
#[derive(Default)]
struct Ledger {
    records: Mutex<Vec<Record>>,
    /// Writes until the crash.
    left: AtomicI64,
    /// Whether the last batch is recorded although that was not reported.
    after: bool,
    /// How long a write takes, so that others begin meanwhile.
    takes: Duration,
    /// These writes fail, counted from the end as `left` does.
    fails: Vec<i64>,
    /// Writes come one after the other, as they were begun.
    turn: tokio::sync::Mutex<u64>,
    /// Failures that were reported.
    told: AtomicU64,
}

impl Ledger {
    fn with(records: Vec<Record>, left: i64) -> Self {
        Self { records: Mutex::new(records), left: left.into(), ..Self::default() }
    }

    async fn write(&self, records: &Records, told: u64) -> Result<(), JournalError> {
        let mut failures = self.turn.lock().await;
        tokio::time::sleep(self.takes).await;
        if told < *failures {
            return Err(JournalError("it follows on a batch that failed".to_owned()));
        }
        let left = self.left.fetch_sub(1, Ordering::SeqCst);
        if self.fails.contains(&left) && left > 0 {
            *failures = told + 1;
            return Err(JournalError("the disk is full".to_owned()));
        }
        if left > 0 || (left == 0 && self.after) {
            self.records.lock().unwrap().extend_from_slice(records);
        }
        if left <= 0 {
            // The process is gone.
            std::future::pending::<()>().await;
        }
        Ok(())
    }
}

#[async_trait]
impl Journal for Ledger {
    async fn append(&self, records: &Records) -> Result<(), JournalError> {
        let told = self.told.load(Ordering::SeqCst);
        let written = self.write(records, told).await;
        if written.is_err() {
            self.told.fetch_max(told + 1, Ordering::SeqCst);
        }
        written
    }

    fn is_durable(&self) -> bool {
        true
    }
}

/// What the records leave to do.
fn left_to_do(records: &[Record]) -> Recovered {
    let mut events: Vec<RecoveredEvent> = Vec::new();
    let mut jobs: Vec<RecoveredJob> = Vec::new();
    for record in records {
        match record {
            Record::Accepted { activation, .. } => {
                events.push(RecoveredEvent { activation: activation.clone(), made: HashSet::new() });
            }
            Record::Routed { event_id, .. } => events.retain(|e| e.activation.event_id != *event_id),
            Record::Queued { job, at, .. } => {
                for event in events.iter_mut().filter(|e| e.activation.event_id == job.trigger_id) {
                    event.made.insert((job.router.clone(), job.task.clone()));
                }
                let interrupted = InterruptedState::Queued { not_before: None };
                let (job, secrets) = (job.as_ref().clone(), StoredSecrets::Present);
                let stored = StoredJob { job, secrets, broken: None };
                jobs.push(RecoveredJob {
                    stored,
                    interrupted,
                    queued_at: *at,
                    started_at: None,
                    earlier: None,
                });
            }
            Record::Started { job, .. } => {
                jobs.iter_mut()
                    .filter(|j| j.stored.job.id == job.id)
                    .for_each(|j| j.interrupted = InterruptedState::Running);
            }
            Record::AttemptEnded { job, retry_at, .. } => {
                for recovered in jobs.iter_mut().filter(|j| j.stored.job.id == job.id) {
                    recovered.stored.job.attempt = job.attempt + 1;
                    recovered.interrupted = InterruptedState::Queued { not_before: Some(*retry_at) };
                }
            }
            Record::Ended { job, .. } => jobs.retain(|j| j.stored.job.id != job.id),
            Record::Reached(_) => {}
        }
    }
    Recovered { events, jobs, newest: None }
}

/// Notes what it starts, and how many run at once.
#[derive(Clone, Default)]
struct Runner {
    starts: Arc<Mutex<Vec<(Name, u32)>>>,
    /// What earlier attempts gave.
    saw: Arc<Mutex<Vec<Option<Arc<Params>>>>>,
    at_once: Arc<Mutex<(usize, usize)>>,
}

struct Leave(Arc<Mutex<(usize, usize)>>);

impl Drop for Leave {
    fn drop(&mut self) {
        self.0.lock().unwrap().0 -= 1;
    }
}

#[async_trait]
impl Executor for Runner {
    fn continues_attempts(&self) -> bool {
        true
    }

    async fn execute(&self, execution: Execution) -> Outcome {
        let job = execution.job;
        self.saw.lock().unwrap().push(execution.earlier);
        self.starts.lock().unwrap().push((job.id.clone(), job.attempt));
        {
            let mut at_once = self.at_once.lock().unwrap();
            at_once.0 += 1;
            at_once.1 = at_once.1.max(at_once.0);
        }
        let _leave = Leave(self.at_once.clone());
        let told = |key: &str| job.trigger_param.get(key).and_then(serde_json::Value::as_u64).unwrap_or(0);
        tokio::time::sleep(Duration::from_millis(told("sleep"))).await;
        if told("fail") >= u64::from(job.attempt) {
            Err(Failure::new("as asked"))
        } else {
            Ok(params(json!({})))
        }
    }
}

fn plan(runner: &Runner) -> Plan {
    let router = json!({
        "r": {
            "trigger": "t", "selector": "yes", "task": {"k": "work"},
            "policy": {"concurrency": {"limit": 2}, "retry": {"max": 2, "delay": "10ms", "on": ["failed", "lost"]}},
        },
        "once": {"trigger": "t", "selector": "one by one", "task": {"k": "plain"}},
        "done": {"trigger": "exe_done", "selector": "first", "task": {"k": "plain"}},
    });
    let known = KnownComponents {
        triggers: [("t".to_owned(), None)].into(),
        selectors: ["yes", "first", "one by one"].map(|name| (name.to_owned(), None)).into(),
        executors: [("work".to_owned(), None), ("plain".to_owned(), None)].into(),
        secrets: None,
    };
    let (workflow, problems) = read(&router, &json!(null), &known);
    assert!(problems.iter().all(|problem| problem.severity != herald_core::problem::Severity::Error));
    Plan {
        workflow,
        selectors: [
            ("yes".into(), Arc::new(Yes) as _),
            ("first".into(), Arc::new(First) as _),
            ("one by one".into(), Arc::new(AtOnce { questions: 1, takes: Duration::from_millis(20) }) as _),
        ]
        .into_iter()
        .collect(),
        executors: [
            ("work".into(), Arc::new(runner.clone()) as _),
            ("plain".into(), Arc::new(Runner::default()) as _),
        ]
        .into_iter()
        .collect(),
        ..Plan::default()
    }
}

/// Lets no job through that came of another one's end.
struct First;

#[async_trait]
impl herald_core::selector::Selector for First {
    async fn select(
        &self,
        question: &herald_core::selector::Question,
    ) -> Result<herald_core::selector::Answer, herald_core::trigger::ComponentError> {
        Ok((question.trigger_param.get("router") == Some(&json!("r"))).into())
    }
}

/// One life of the process: posts these events, and goes on until the journal dies or everything is done. Returns the
/// ids that were acknowledged.
async fn live(ledger: &Arc<Ledger>, runner: &Runner, events: &[(u64, u64)]) -> Vec<Name> {
    let recovered = left_to_do(&ledger.records.lock().unwrap());
    let journal: Arc<dyn Journal> = ledger.clone();
    // Few places: what waits for one is not forgotten, and one that is free is not lost.
    let limits = Limits { max_jobs: 3, ..Limits::default() };
    let setup = Setup { recovered, ..Setup::new(plan(runner), limits, journal, Arc::new(SystemClock)) };
    let dispatcher = Dispatcher::start(setup);
    let handle = dispatcher.handle().clone();
    let mut acknowledged = Vec::new();
    // All at once, in this order.
    let mut accepts: FuturesOrdered<_> = events
        .iter()
        .map(|(sleep, fail)| {
            let accepted = handle.accept("t".into(), params(json!({"sleep": sleep, "fail": fail})));
            tokio::time::timeout(Duration::from_secs(1), accepted)
        })
        .collect();
    while let Some(accepted) = accepts.next().await {
        acknowledged.extend(accepted.into_iter().flatten());
    }
    let _ = tokio::time::timeout(Duration::from_secs(600), handle.idle()).await;
    drop(dispatcher);
    tokio::time::sleep(Duration::from_secs(1)).await;
    acknowledged
}

fn check(records: &[Record], acknowledged: &[Name], runner: &Runner) {
    let mut ends: HashMap<Name, usize> = HashMap::new();
    let mut started: HashSet<(Name, u32)> = HashSet::new();
    let (mut queued, mut jobs_of, mut told) = (HashSet::new(), HashMap::<Name, usize>::new(), 0);
    for record in records {
        match record {
            Record::Accepted { activation, .. } if &*activation.trigger == "exe_done" => told += 1,
            Record::Queued { job, .. } => {
                assert!(queued.insert(job.id.clone()), "made twice");
                *jobs_of.entry(job.trigger_id.clone()).or_default() += 1;
            }
            Record::Started { job, .. } => {
                assert!(started.insert((job.id.clone(), job.attempt)), "one attempt was started twice");
            }
            Record::Ended { job, .. } => *ends.entry(job.id.clone()).or_default() += 1,
            _ => {}
        }
    }
    for id in acknowledged {
        assert_eq!(jobs_of.get(id), Some(&2), "an accepted event is lost, or was routed twice");
    }
    assert!(ends.values().all(|n| *n == 1), "a job ended twice");
    assert_eq!(ends.len(), queued.len(), "a job has no verdict");
    assert_eq!(told, ends.len(), "exe_done tells of every end once");
    let starts = runner.starts.lock().unwrap();
    let unique: HashSet<_> = starts.iter().cloned().collect();
    assert_eq!(unique.len(), starts.len(), "an attempt ran twice");
    assert!(unique.is_subset(&started), "an attempt ran without its record");
    assert!(runner.at_once.lock().unwrap().1 <= 2, "the pool ran over its limit");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]
    #[test]
    fn nothing_is_lost_and_nothing_runs_twice_unseen(
        lives in proptest::collection::vec(
            (
                proptest::collection::vec((0u64..40, 0u64..4), 0..6),
                (0i64..30, any::<bool>()),
                (0u64..3, proptest::collection::vec(1i64..30, 0..3)),
            ),
            1..6,
        ),
    ) {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let runner = Runner::default();
            let mut records = Vec::new();
            let mut acknowledged = Vec::new();
            for (events, (left, after), (takes, fails)) in lives {
                let takes = Duration::from_millis(takes);
                let ledger = Ledger { after, takes, fails, ..Ledger::with(records, left) };
                let ledger = Arc::new(ledger);
                acknowledged.extend(live(&ledger, &runner, &events).await);
                records = ledger.records.lock().unwrap().clone();
            }
            // The last life is long enough.
            let ledger = Arc::new(Ledger::with(records, i64::MAX));
            live(&ledger, &runner, &[]).await;
            check(&ledger.records.lock().unwrap(), &acknowledged, &runner);
        });
    }
}

#[tokio::test(start_paused = true)]
async fn a_next_attempt_that_a_wrong_clock_put_far_ahead_is_not_believed() {
    let now: jiff::Timestamp = "2026-11-20T12:00:00Z".parse().unwrap();
    let name = |text: &str| Name::from(text);
    let job = || Job {
        selector: name("yes"),
        executor: name("work"),
        attempt: 2,
        ..herald_core::conformance::job("j")
    };
    for (ahead, at_least, at_most) in [
        // Its end waits for company.
        (SignedDuration::from_hours(-24), 0, 2),
        (SignedDuration::from_millis(800), 800, 812),
        // By its policy it waits for 10 ms and a quarter at most.
        (SignedDuration::from_hours(2), 10, 1100),
        (SignedDuration::from_hours(24 * 365), 10, 1100),
    ] {
        let interrupted = InterruptedState::Queued { not_before: Some(now + ahead) };
        let stored = StoredJob { job: job(), secrets: StoredSecrets::Present, broken: None };
        let earlier = params(json!({"node": {"n1": {"status": "succeeded"}}}));
        let gave = Some(earlier.clone());
        let jobs =
            vec![RecoveredJob { stored, interrupted, queued_at: now, started_at: None, earlier: gave }];
        let recovered = Recovered { jobs, ..Recovered::default() };
        let (runner, journal) = (Runner::default(), Arc::new(Ledger::with(Vec::new(), 1000)));
        let clock = Arc::new(TestClock::at(now));
        let setup =
            Setup { recovered, ..Setup::new(plan(&runner), Limits::default(), journal, clock.clone()) };
        let dispatcher = Dispatcher::start(setup);
        dispatcher.handle().idle().await;
        let waited = clock.now().duration_since(now).as_millis();
        assert!((at_least..=at_most).contains(&waited), "{ahead:#}: {waited} ms");
        assert_eq!(*runner.starts.lock().unwrap(), [(name("j"), 2)]);
        assert_eq!(*runner.saw.lock().unwrap(), [Some(Arc::new(earlier))]);
    }
}
