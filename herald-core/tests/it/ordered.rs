//! `concurrency.ordered`: a job that waits for its next attempt keeps its place.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use herald_core::executor::{Execution, Executor, Failure, Outcome};
use herald_core::herald::{Herald, RunningHerald};
use herald_core::param::Params;
use herald_core::workflow::Router;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::doubles::{Yes, activate};
use crate::triggers::Quiet;

/// Fails as often as an event says, and notes key, number and attempt.
#[derive(Clone, Default)]
struct Flaky {
    noted: Arc<Mutex<Vec<[u64; 3]>>>,
    jobs: Arc<Mutex<Vec<String>>>,
}

impl Flaky {
    fn noted(&self) -> Vec<[u64; 3]> {
        self.noted.lock().unwrap().clone()
    }
}

#[async_trait]
impl Executor for Flaky {
    async fn execute(&self, execution: Execution) -> Outcome {
        let job = execution.job;
        let given = |key: &str| job.trigger_param.get(key).and_then(Value::as_u64).unwrap_or(0);
        self.jobs.lock().unwrap().push(job.id.to_string());
        self.noted.lock().unwrap().push([given("key"), given("n"), u64::from(job.attempt)]);
        tokio::time::sleep(Duration::from_millis(5)).await;
        if given("fails") >= u64::from(job.attempt) {
            Err(Failure::new("not yet"))
        } else {
            Ok(Params::new())
        }
    }
}

async fn herald(concurrency: &Value) -> (RunningHerald, Flaky) {
    let flaky = Flaky::default();
    let policy = json!({"concurrency": concurrency, "retry": {"max": 5, "delay": "1s"}});
    let herald = Herald::new()
        .trigger("t", Quiet)
        .selector("yes", Yes)
        .executor("work", flaky.clone())
        .router(Router::new("r", "t", "yes").task("k", "work").policy(policy));
    (herald.start().await.unwrap(), flaky)
}

/// An event: its key, how often its job fails, and how long until the next event.
#[derive(Debug, Clone)]
struct Posted {
    key: u64,
    fails: u64,
    pause: u64,
}

async fn run(events: &[Posted], concurrency: &Value) -> Vec<[u64; 3]> {
    let (running, flaky) = herald(concurrency).await;
    for (n, Posted { key, fails, pause }) in events.iter().enumerate() {
        activate(running.handle(), json!({"key": key, "n": n, "fails": fails})).await;
        tokio::time::sleep(Duration::from_millis(*pause)).await;
    }
    running.handle().idle().await;
    flaky.noted()
}

fn posted(key: u64, fails: u64) -> Posted {
    Posted { key, fails, pause: 0 }
}

#[tokio::test(start_paused = true)]
async fn only_an_ordered_pool_waits_for_the_retry() {
    let events = [posted(0, 1), posted(0, 0), posted(1, 0)];
    for (ordered, expected) in [
        (true, [[0, 0, 1], [1, 2, 1], [0, 0, 2], [0, 1, 1]]),
        (false, [[0, 0, 1], [1, 2, 1], [0, 1, 1], [0, 0, 2]]),
    ] {
        let concurrency = json!({"limit": 1, "key": "trigger_param/key", "ordered": ordered});
        assert_eq!(run(&events, &concurrency).await, expected, "ordered: {ordered}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_wait_gives_its_place_to_the_next_one() {
    let (running, flaky) = herald(&json!({"limit": 1, "ordered": true})).await;
    let handle = running.handle();
    activate(handle, json!({"n": 0, "fails": 9})).await;
    activate(handle, json!({"n": 1})).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(flaky.noted(), [[0, 0, 1]]);
    let first = flaky.jobs.lock().unwrap()[0].clone();
    assert_eq!(handle.cancel(&first, "enough", None).await, Ok(true));
    handle.idle().await;
    assert_eq!(flaky.noted(), [[0, 0, 1], [0, 1, 1]]);
    // The place is there once, not twice.
    activate(handle, json!({"n": 2, "fails": 1})).await;
    activate(handle, json!({"n": 3})).await;
    handle.idle().await;
    assert_eq!(flaky.noted()[2..], [[0, 2, 1], [0, 2, 2], [0, 3, 1]]);
}

#[tokio::test(start_paused = true)]
async fn a_pool_whose_job_waits_is_full() {
    let concurrency = json!({"limit": 1, "ordered": true, "on_full": "skip"});
    assert_eq!(run(&[posted(0, 1), posted(0, 0)], &concurrency).await, [[0, 0, 1], [0, 0, 2]]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]
    #[test]
    fn jobs_of_a_key_end_in_the_order_of_their_events(
        events in proptest::collection::vec((0u64..3, 0u64..4, 0u64..1500), 1..20),
    ) {
        let events: Vec<Posted> =
            events.into_iter().map(|(key, fails, pause)| Posted { key, fails, pause }).collect();
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        let concurrency = json!({"limit": 1, "key": "trigger_param/key", "ordered": true});
        let noted = runtime.block_on(run(&events, &concurrency));
        for key in 0..3 {
            let of_key = |(n, event): (usize, &Posted)| {
                let last = if event.key == key { event.fails + 1 } else { 0 };
                (1..=last).map(move |attempt| [key, n as u64, attempt])
            };
            let expected: Vec<[u64; 3]> = events.iter().enumerate().flat_map(of_key).collect();
            let found: Vec<[u64; 3]> = noted.iter().filter(|noted| noted[0] == key).copied().collect();
            prop_assert_eq!(found, expected);
        }
    }
}
