//! Policies: timeout, retry, concurrency, debounce, queue_limit; keys; what selectors said.

use std::sync::Arc;
use std::time::Duration;

use herald_core::activation::{EventSink, Key, NewEvent};
use herald_core::herald::{Herald, RunningHerald};
use herald_core::journal::{MemoryJournal, Record, SelectorResult};
use herald_core::workflow::Router;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::doubles::{Worker, Yes, activate, params};

struct Bench {
    running: RunningHerald,
    worker: Worker,
    journal: Arc<MemoryJournal>,
    begun: Instant,
}

async fn with_policy(policy: Value) -> Bench {
    let (worker, journal) = (Worker::default(), Arc::new(MemoryJournal::keeping(10_000)));
    let herald = Herald::new()
        .trigger("t", crate::triggers::Quiet)
        .selector("yes", Yes)
        .executor("work", worker.clone())
        .journal(journal.clone())
        .router(Router::new("r", "t", "yes").task("k", "work").policy(policy));
    Bench { running: herald.start().await.unwrap(), worker, journal, begun: Instant::now() }
}

impl Bench {
    async fn post(&self, value: Value) {
        activate(self.running.handle(), value).await;
    }

    /// How every job ended, in order, once all have.
    async fn ends(&self) -> Vec<&'static str> {
        self.running.handle().idle().await;
        let records = self.journal.records();
        let end = |record: &Record| match record {
            Record::Ended { verdict, .. } => Some(verdict.status.as_str()),
            _ => None,
        };
        records.iter().filter_map(end).collect()
    }

    fn started(&self) -> usize {
        self.worker.diary.count("start r/k")
    }
}

#[tokio::test(start_paused = true)]
async fn a_timeout_holds_for_every_executor() {
    let bench = with_policy(json!({"timeout": "2s"})).await;
    bench.post(json!({"sleep": 1000})).await;
    bench.post(json!({"sleep": 60_000})).await;
    assert_eq!(bench.ends().await, ["succeeded", "timed_out"]);
    assert_eq!(bench.begun.elapsed().as_secs(), 2);
}

#[tokio::test(start_paused = true)]
async fn failed_jobs_are_tried_again_with_longer_waits() {
    let retry = json!({"max": 3, "delay": "10s", "backoff": 2, "max_delay": "30s"});
    let bench = with_policy(json!({ "retry": retry })).await;
    bench.post(json!({"fail": "no"})).await;
    assert_eq!(bench.ends().await, ["failed"], "one end, after the last attempt");
    assert_eq!(bench.started(), 4);
    // 10, 20 and 30 s, each up to a quarter longer, but never past the longest.
    let seconds = bench.begun.elapsed().as_secs();
    assert!((60..=68).contains(&seconds), "{seconds}");
    let attempts: Vec<_> = bench.worker.seen.lock().unwrap().iter().map(|p| p["attempt"].clone()).collect();
    assert_eq!(attempts, [1, 2, 3, 4]);
}

#[tokio::test(start_paused = true)]
async fn only_the_ends_that_it_names_are_tried_again_and_a_cancel_ends_the_wait() {
    let bench = with_policy(json!({"retry": {"max": 3, "on": ["timed_out"]}, "timeout": "1s"})).await;
    bench.post(json!({"fail": "no"})).await;
    assert_eq!((bench.ends().await, bench.started()), (vec!["failed"], 1));

    let bench = with_policy(json!({"retry": {"max": 3, "delay": "1h", "max_delay": "1h"}})).await;
    bench.post(json!({"fail": "no"})).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    let id = bench.worker.seen.lock().unwrap()[0]["id"].as_str().unwrap().to_owned();
    assert_eq!(bench.running.handle().cancel(&id, "enough", None).await, Ok(true));
    assert_eq!((bench.ends().await, bench.started()), (vec!["cancelled"], 1));
}

#[tokio::test(start_paused = true)]
async fn pools_keep_their_limit() {
    for (on_full, ends, seconds) in [
        ("queue", vec!["succeeded"; 4], 4),
        ("skip", vec!["rejected", "rejected", "rejected", "succeeded"], 1),
        ("replace", vec!["cancelled", "cancelled", "succeeded", "succeeded"], 2),
    ] {
        let bench = with_policy(json!({"concurrency": {"limit": 1, "on_full": on_full}})).await;
        for n in 0..4 {
            bench.post(json!({"sleep": 1000, "n": n})).await;
        }
        assert_eq!(bench.ends().await, ends, "{on_full}");
        assert_eq!(bench.begun.elapsed().as_secs(), seconds, "{on_full}");
        let last = bench.worker.seen.lock().unwrap().last().unwrap()["trigger_param"]["n"].clone();
        assert_eq!(last, if on_full == "skip" { 0 } else { 3 }, "{on_full}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_makes_pools_of_their_own() {
    let bench = with_policy(json!({"concurrency": {"limit": 1, "key": "trigger_param/ref"}})).await;
    for reference in ["a", "b", "a", "c", "b"] {
        bench.post(json!({"sleep": 1000, "ref": reference})).await;
    }
    assert_eq!(bench.ends().await, vec!["succeeded"; 5]);
    assert_eq!(bench.begun.elapsed().as_secs(), 2);
}

#[tokio::test(start_paused = true)]
async fn equal_values_are_one_pool() {
    let bench = with_policy(json!({"concurrency": {"limit": 1, "key": "trigger_param/ref"}})).await;
    for references in [
        ["6", "6.0"],
        ["0", "-0"],
        ["1e20", "100000000000000000000"],
        ["[1]", "[1.0]"],
        [r#"{"a":1,"b":2}"#, r#"{"b":2,"a":1e0}"#],
    ] {
        for reference in references {
            let reference: Value = serde_json::from_str(reference).unwrap();
            bench.post(json!({"sleep": 1000, "ref": reference})).await;
        }
    }
    assert_eq!(bench.ends().await, vec!["succeeded"; 10]);
    assert_eq!(bench.begun.elapsed().as_secs(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_debounce_runs_the_newest_once() {
    let bench = with_policy(json!({"debounce": "10s"})).await;
    for n in 0..5 {
        bench.post(json!({"n": n})).await;
        tokio::time::sleep(Duration::from_secs(4)).await;
    }
    assert_eq!(bench.ends().await, ["cancelled", "cancelled", "cancelled", "cancelled", "succeeded"]);
    assert_eq!(bench.worker.seen.lock().unwrap()[0]["trigger_param"]["n"], 4);
    assert_eq!(bench.begun.elapsed().as_secs(), 16 + 10);
}

#[tokio::test(start_paused = true)]
async fn a_queue_limit_rejects_what_is_too_much_and_says_so() {
    let bench = with_policy(json!({"queue_limit": 2, "concurrency": {"limit": 1}})).await;
    for _ in 0..5 {
        bench.post(json!({"sleep": 1000})).await;
    }
    let ends = bench.ends().await;
    assert_eq!(ends, ["rejected", "rejected", "succeeded", "succeeded", "succeeded"]);
}

#[tokio::test(start_paused = true)]
async fn an_event_with_a_known_key_is_the_first_one_again() {
    let bench = with_policy(json!({})).await;
    let handle = bench.running.handle().clone();
    let offer = |key: &str| NewEvent {
        key: Some(Key { name: key.into(), window: Duration::from_secs(60) }),
        ..NewEvent::new("t".into(), params(json!({})))
    };
    let first = handle.accept_event(offer("a")).await.unwrap();
    let (again, other) = tokio::join!(handle.accept_event(offer("a")), handle.accept_event(offer("b")));
    assert_eq!(again.unwrap(), first);
    assert_ne!(other.unwrap(), first);
    bench.running.handle().idle().await;
    assert_eq!(bench.started(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_every_selector_said_is_recorded() {
    let bench = with_policy(json!({})).await;
    bench.post(json!({})).await;
    bench.running.handle().idle().await;
    let records = bench.journal.records();
    let decisions = records.iter().find_map(|record| match record {
        Record::Routed { decisions, .. } => Some(decisions.clone()),
        _ => None,
    });
    let decisions = decisions.unwrap();
    let [decision] = &decisions[..] else { panic!("{decisions:?}") };
    assert_eq!((&*decision.router, &*decision.task, decision.said), ("r", "k", SelectorResult::Match));
    let id = bench.worker.seen.lock().unwrap()[0]["id"].clone();
    assert_eq!(decision.job_id.as_deref(), id.as_str());
}

#[tokio::test(start_paused = true)]
async fn what_a_history_keeps_is_recorded() {
    for (keep, kept) in [("all", [true, true]), ("failed", [false, true]), ("none", [false, false])] {
        let bench = with_policy(json!({"keep": keep})).await;
        bench.post(json!({})).await;
        bench.ends().await;
        bench.post(json!({"fail": "no"})).await;
        assert_eq!(bench.ends().await, ["succeeded", "failed"]);
        let records = bench.journal.records();
        let ends: Vec<bool> = records
            .iter()
            .filter_map(|record| match record {
                Record::Ended { kept, .. } => Some(*kept),
                _ => None,
            })
            .collect();
        assert_eq!(ends, kept, "{keep}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_end_that_nobody_keeps_and_nobody_wants_is_not_kept_as_an_event() {
    for (wanted, routed) in
        [("other", [("t", true), ("exe_done", false)]), ("r", [("t", true), ("exe_done", true)])]
    {
        let journal = Arc::new(MemoryJournal::keeping(10_000));
        let herald = Herald::new()
            .trigger("t", crate::triggers::Quiet)
            .selector("yes", Yes)
            .selector("holds", crate::doubles::Holds)
            .executor("work", Worker::default())
            .journal(journal.clone())
            .router(Router::new("r", "t", "yes").task("k", "work").policy(json!({"keep": "failed"})))
            .router(
                Router::new("after", "exe_done", "holds")
                    .task("k", "work")
                    .select_param(json!({"router": wanted})),
            );
        let running = herald.start().await.unwrap();
        activate(running.handle(), json!({})).await;
        running.handle().idle().await;
        let mut triggers = Vec::new();
        let mut found = Vec::new();
        for record in journal.records() {
            match record {
                Record::Accepted { activation, .. } => triggers.push(activation),
                Record::Routed { event_id, kept, .. } => {
                    let of = triggers.iter().find(|activation| activation.event_id == event_id).unwrap();
                    found.push((of.trigger.to_string(), kept));
                }
                _ => {}
            }
        }
        let expected: Vec<(String, bool)> = routed.map(|(name, kept)| (name.to_owned(), kept)).into();
        assert_eq!(found[..2], expected, "{wanted}");
    }
}

#[tokio::test]
async fn a_wrong_policy_is_told_at_its_place() {
    for (policy, told) in [
        (json!({"timeout": "soon"}), "router.r.policy.timeout"),
        (json!({"retries": 3}), "unknown"),
        (json!({"retry": {"delay": "1s"}}), "max"),
        (json!({"retry": {"max": 1, "on": ["cancelled"]}}), "expected one of: failed, timed_out, lost"),
        (json!({"concurrency": {"limit": 0}}), "router.r.policy.concurrency.limit"),
        (json!({"concurrency": {"limit": 1, "on_full": "wait"}}), "on_full"),
        (json!({"queue_limit": -1}), "queue_limit"),
        (json!({"keep": "some"}), "expected one of: all, failed, none"),
        (json!({"concurrency": {"limit": 1, "ordered": "yes"}}), "ordered"),
        (json!(5), "expected a map"),
    ] {
        let herald = Herald::new()
            .trigger("t", crate::triggers::Quiet)
            .selector("yes", Yes)
            .executor("work", Worker::default())
            .router(Router::new("r", "t", "yes").task("k", "work").policy(policy.clone()));
        let error = herald.start().await.err().map(|error| error.to_string()).unwrap_or_default();
        assert!(error.contains(told), "{policy}: {error}");
    }
}
