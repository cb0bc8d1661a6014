//! Neighbours: whatever one router, trigger, selector or executor does, others get their turn.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use herald_core::activation::{EventSink, Refused};
use herald_core::dispatcher::Handle;
use herald_core::executor::{DefaultPlaces, Execution, Executor, Outcome};
use herald_core::herald::{Herald, RunningHerald};
use herald_core::journal::{MemoryJournal, Record};
use herald_core::plan::Limits;
use herald_core::workflow::Router;
use proptest::prelude::*;
use serde_json::json;
use tokio::time::Instant;

use crate::doubles::{AtOnce, Worker, Yes, params};
use crate::triggers::Quiet;

const MANY: usize = 200;

async fn post(handle: &Handle, trigger: &str, sleep: u64) -> Result<String, Refused> {
    handle.accept(trigger.into(), params(json!({"sleep": sleep}))).await.map(|id| id.to_string())
}

async fn started(worker: &Worker, line: &str, count: usize) {
    while worker.diary.count(line) < count {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Its jobs are over at once, and need no place.
struct Quick(Worker);

#[async_trait::async_trait]
impl Executor for Quick {
    fn default_places(&self) -> DefaultPlaces {
        DefaultPlaces::Unneeded
    }

    async fn execute(&self, execution: Execution) -> Outcome {
        self.0.diary.note(format!("start {}/{}", execution.job.router, execution.job.task));
        Ok(params(json!({})))
    }
}

/// Waits elsewhere, for so many at once.
struct Far(Worker, usize);

#[async_trait::async_trait]
impl Executor for Far {
    fn default_places(&self) -> DefaultPlaces {
        DefaultPlaces::Elsewhere(self.1)
    }

    async fn execute(&self, execution: Execution) -> Outcome {
        self.0.execute(execution).await
    }
}

/// A busy router, a second one on the same executor, and some on others.
async fn neighbours(limits: Limits, worker: &Worker) -> RunningHerald {
    let herald = Herald::new()
        .trigger("busy", Quiet)
        .trigger("other", Quiet)
        .trigger("elsewhere", Quiet)
        .trigger("quick", Quiet)
        .selector("yes", Yes)
        .executor("work", worker.clone())
        .executor("work2", worker.clone())
        .executor("far", Far(worker.clone(), 5))
        .executor("two", worker.clone())
        .executor("quick", Quick(worker.clone()))
        .max_jobs("two", 2)
        .router(Router::new("busy", "busy", "yes").task("k", "work"))
        .router(Router::new("other", "other", "yes").task("k", "work").task("two", "two"))
        .router(Router::new("elsewhere", "elsewhere", "yes").task("k", "work2").task("far", "far"))
        .router(Router::new("quick", "quick", "yes").task("k", "quick"));
    herald.limits(limits).start().await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_job_on_another_executor_starts_at_once_and_one_on_the_same_gets_the_next_place() {
    let worker = Worker::default();
    let running = neighbours(Limits { max_jobs: 4, ..Limits::default() }, &worker).await;
    let handle = running.handle();
    for n in 0..MANY {
        post(handle, "busy", 10_000 + n as u64).await.unwrap();
    }
    started(&worker, "start busy/k", 4).await;
    let begun = Instant::now();
    post(handle, "elsewhere", 10).await.unwrap();
    post(handle, "quick", 0).await.unwrap();
    started(&worker, "start elsewhere/k", 1).await;
    started(&worker, "start elsewhere/far", 1).await;
    started(&worker, "start quick/k", 1).await;
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    post(handle, "other", 10).await.unwrap();
    started(&worker, "start other/k", 1).await;
    assert!(begun.elapsed() < Duration::from_millis(10_200), "the next place: {:?}", begun.elapsed());
    assert_eq!(worker.diary.count("start busy/k"), 4);
}

#[tokio::test(start_paused = true)]
async fn each_executor_has_places_of_its_own() {
    let worker = Worker::default();
    let running = neighbours(Limits { max_jobs: 3, ..Limits::default() }, &worker).await;
    for _ in 0..20 {
        for trigger in ["busy", "other", "elsewhere"] {
            post(running.handle(), trigger, 60_000).await.unwrap();
        }
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let on = |line: &str| worker.diary.count(line);
    assert_eq!(on("start busy/k") + on("start other/k"), 3, "work: as the limits say");
    assert_eq!((on("start elsewhere/k"), on("start elsewhere/far"), on("start other/two")), (3, 5, 2));
}

#[tokio::test(start_paused = true)]
async fn while_others_wait_a_router_has_at_most_half() {
    let worker = Worker::default();
    let running = neighbours(Limits { max_jobs: 5, ..Limits::default() }, &worker).await;
    for n in 0..50 {
        post(running.handle(), "busy", 1000 + n).await.unwrap();
    }
    started(&worker, "start busy/k", 5).await;
    for n in 0..50 {
        post(running.handle(), "other", 1000 + n).await.unwrap();
    }
    tokio::time::sleep(Duration::from_secs(4)).await;
    let lines = worker.diary.lines();
    let (mut now, mut most) = (0i64, 0);
    for line in lines.iter().skip_while(|line| **line != "start other/k") {
        now += i64::from(line == "start busy/k") - i64::from(line == "end busy/k");
        most = most.max(now);
    }
    assert!(most <= 0, "beyond what it had when the other one came, less what ended: {most}");
    assert!(worker.diary.count("start other/k") >= 8, "{lines:?}");
}

#[tokio::test(start_paused = true)]
async fn a_trigger_has_at_most_half_of_the_queue_and_others_are_let_in() {
    let sizes: [(Limits, usize); 2] = [
        (Limits { max_jobs: 1, max_queue: 100, ..Limits::default() }, 10),
        (Limits { max_jobs: 1, max_queue_bytes: 1_000_000, ..Limits::default() }, 10_000),
    ];
    for (limits, size) in sizes {
        let worker = Worker::default();
        let running = neighbours(limits, &worker).await;
        let handle = running.handle();
        let body = |sleep: u64| params(json!({"sleep": sleep, "blob": "x".repeat(size)}));
        let mut taken = 0;
        while handle.accept("busy".into(), body(60_000)).await.is_ok() {
            taken += 1;
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert!((45..=51).contains(&taken), "half, and the one that runs: {taken}");
        assert_eq!(handle.accept("busy".into(), body(1)).await, Err(Refused::Busy));
        let full = handle.status().await.unwrap().full;
        assert!(!full, "others are let in");
        for trigger in ["other", "elsewhere", "quick"] {
            handle.accept(trigger.into(), body(1)).await.unwrap();
        }
        handle.ready("other").await;
        let waits = tokio::time::timeout(Duration::from_secs(30), handle.ready("busy"));
        assert!(waits.await.is_err(), "there is no room for it yet");
        handle.ready("busy").await;
        handle.accept("busy".into(), body(1)).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn however_many_triggers_are_greedy_another_one_is_let_in() {
    let worker = Worker::default();
    let mut herald = Herald::new().selector("yes", Yes).executor("work", worker.clone());
    for n in 0..8 {
        let name = format!("t{n}");
        herald = herald.trigger(&name, Quiet).router(Router::new(&name, &name, "yes").task("k", "work"));
    }
    let limits = Limits { max_jobs: 1, max_queue: 1000, ..Limits::default() };
    let running = herald.limits(limits).start().await.unwrap();
    for n in 0..7 {
        while post(running.handle(), &format!("t{n}"), 600_000).await.is_ok() {}
    }
    post(running.handle(), "t7", 0).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_a_selector_gets_its_answer_however_long_that_takes() {
    let worker = Worker::default();
    let running = Herald::new()
        .trigger("t", Quiet)
        .trigger("late", Quiet)
        .selector("slow", AtOnce { questions: 4, takes: Duration::from_secs(5) })
        .executor("work", worker.clone())
        .router(Router::new("r", "t", "slow").task("k", "work"))
        .router(Router::new("late", "late", "slow").task("k", "work"))
        .start()
        .await
        .unwrap();
    for _ in 0..400 {
        post(running.handle(), "t", 0).await.unwrap();
    }
    let begun = Instant::now();
    post(running.handle(), "late", 0).await.unwrap();
    started(&worker, "start late/k", 1).await;
    assert!(begun.elapsed() < Duration::from_millis(10_100), "its turn: {:?}", begun.elapsed());
    running.handle().idle().await;
    assert_eq!(worker.diary.count("start r/k"), 400);
    assert_eq!(begun.elapsed().as_secs(), 505, "four at once");
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_a_selector_is_bounded() {
    let worker = Worker::default();
    let running = Herald::new()
        .trigger("t", Quiet)
        .selector("slow", AtOnce { questions: 1, takes: Duration::from_secs(50) })
        .executor("work", worker.clone())
        .router(Router::new("r", "t", "slow").task("k", "work"))
        .limits(Limits { max_queue: 20, ..Limits::default() })
        .start()
        .await
        .unwrap();
    let mut taken = 0;
    while post(running.handle(), "t", 0).await.is_ok() {
        taken += 1;
    }
    assert_eq!(taken, 10);
    running.handle().idle().await;
    assert_eq!(worker.diary.count("start r/k"), 10);
}

/// Nothing else bounds what follows on jobs: their router starts no more while too much of that waits for a selector.
#[tokio::test(start_paused = true)]
async fn a_slow_selector_of_ends_holds_up_the_routers_whose_ends_it_hears_of() {
    let worker = Worker::default();
    let running = Herald::new()
        .trigger("t", Quiet)
        .trigger("u", Quiet)
        .selector("yes", Yes)
        .selector("slow", AtOnce { questions: 1, takes: Duration::from_secs(10) })
        .executor("work", worker.clone())
        .executor("quick", Quick(worker.clone()))
        .router(Router::new("r", "t", "yes").task("k", "work"))
        .router(Router::new("s", "u", "yes").task("k", "work"))
        .router(Router::new("done", "exe_done", "slow").task("k", "quick"))
        .limits(Limits { max_queue: 20, ..Limits::default() })
        .start()
        .await
        .unwrap();
    let mut taken = 0;
    for _ in 0..100 {
        taken += usize::from(post(running.handle(), "t", 0).await.is_ok());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(taken <= 40, "{taken} were let in while their ends wait");
    let begun = Instant::now();
    post(running.handle(), "u", 0).await.unwrap();
    started(&worker, "start s/k", 1).await;
    assert!(begun.elapsed() < Duration::from_secs(1));
    // A chain has events of its own ends as well, and would never rest.
    running.stop(Duration::ZERO).await;
}

/// One event of a mix.
#[derive(Debug, Clone)]
struct Mixed {
    router: usize,
    sleep: u64,
    fail: bool,
    cancel: bool,
    pause: u64,
}

fn mixed() -> impl Strategy<Value = Mixed> {
    (0usize..5, 0u64..60, any::<bool>(), proptest::bool::weighted(0.2), 0u64..20)
        .prop_map(|(router, sleep, fail, cancel, pause)| Mixed { router, sleep, fail, cancel, pause })
}

async fn run_mix(mix: Vec<Mixed>, places: usize) -> (Worker, Arc<MemoryJournal>) {
    let worker = Worker::default();
    let journal = Arc::new(MemoryJournal::keeping(1_000_000));
    let policies = [
        json!({}),
        json!({"retry": {"max": 2, "delay": "10ms"}}),
        json!({"concurrency": {"limit": 2}}),
        json!({"concurrency": {"limit": 1, "on_full": "replace"}, "timeout": "30ms"}),
        json!({"debounce": "15ms"}),
    ];
    let mut herald = Herald::new()
        .selector("yes", Yes)
        .selector("slow", AtOnce { questions: 2, takes: Duration::from_millis(7) })
        .executor("work", worker.clone())
        .executor("more", worker.clone())
        .journal(journal.clone())
        .max_jobs("more", 2)
        .limits(Limits { max_jobs: places, ..Limits::default() });
    for (n, policy) in policies.into_iter().enumerate() {
        let name = format!("r{n}");
        let selector = if n % 2 == 0 { "yes" } else { "slow" };
        let router = Router::new(&name, &name, selector).policy(policy).task("k", "work").task("m", "more");
        herald = herald.trigger(&name, Quiet).router(router);
    }
    let running = herald.start().await.unwrap();
    let handle = running.handle();
    for Mixed { router, sleep, fail, cancel, pause } in mix {
        let body = if fail { json!({"sleep": sleep, "fail": "no"}) } else { json!({"sleep": sleep}) };
        handle.accept(format!("r{router}").as_str().into(), params(body)).await.unwrap();
        tokio::time::sleep(Duration::from_millis(pause)).await;
        if cancel {
            let newest = journal.records().iter().rev().find_map(|record| match record {
                Record::Queued { job, .. } => Some(job.id.to_string()),
                _ => None,
            });
            let _ = handle.cancel(&newest.unwrap_or_default(), "enough", None).await;
        }
    }
    handle.idle().await;
    // No place is lost: as many start at once as may.
    let before = worker.diary.count("start r0/k");
    for _ in 0..places + 5 {
        post(handle, "r0", 1000).await.unwrap();
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(worker.diary.count("start r0/k") - before, places, "places");
    running.handle().idle().await;
    (worker, journal)
}

/// Every event was routed, every job ended once, and no executor ran more than it may.
fn check_mix(journal: &MemoryJournal, places: usize) {
    let (mut routed, mut accepted, mut ended, mut queued) = (0, 0, HashMap::new(), HashSet::new());
    let mut running: HashMap<String, HashSet<String>> = HashMap::new();
    for record in journal.records() {
        match record {
            Record::Accepted { .. } => accepted += 1,
            Record::Routed { .. } => routed += 1,
            Record::Queued { job, .. } => drop(queued.insert(job.id.to_string())),
            Record::Started { job, .. } => {
                let on = running.entry(job.executor.to_string()).or_default();
                on.insert(job.id.to_string());
                let most = if &*job.executor == "more" { 2 } else { places };
                assert!(on.len() <= most, "{} of {most} places", on.len());
            }
            Record::AttemptEnded { job, .. } => {
                running.entry(job.executor.to_string()).or_default().remove(&*job.id);
            }
            Record::Ended { job, .. } => {
                running.entry(job.executor.to_string()).or_default().remove(&*job.id);
                *ended.entry(job.id.to_string()).or_insert(0) += 1;
            }
            Record::Reached(_) => {}
        }
    }
    assert_eq!(routed, accepted);
    assert!(ended.values().all(|ends| *ends == 1));
    assert!(queued.iter().all(|id| ended.contains_key(id)), "a job has no verdict");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]
    #[test]
    fn in_any_mix_all_is_done_and_no_place_is_lost(
        mix in proptest::collection::vec(mixed(), 1..60),
        places in 1usize..5,
    ) {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        let (_, journal) = runtime.block_on(run_mix(mix, places));
        check_mix(&journal, places);
    }
}
