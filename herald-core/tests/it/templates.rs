//! Templates in routers, and watching an event.

use std::sync::Arc;
use std::time::Duration;

use herald_core::activation::{EventSink, NewEvent};
use herald_core::herald::{Herald, RunningHerald};
use herald_core::journal::{MemoryJournal, Record, SelectorResult};
use herald_core::secret::Mask;
use herald_core::watch::Watch;
use herald_core::workflow::Router;
use serde_json::{Value, json};

use crate::doubles::{Holds, Shows, Worker, Yes, activate, params};

struct Bench {
    running: RunningHerald,
    worker: Worker,
    journal: Arc<MemoryJournal>,
}

async fn bench(router: Router) -> Bench {
    let (worker, journal) = (Worker::default(), Arc::new(MemoryJournal::keeping(10_000)));
    let mut mask = Mask::new();
    mask.add("hunter2hunter2");
    let herald = Herald::new()
        .mask(mask)
        .trigger("t", crate::triggers::Quiet)
        .selector("yes", Yes)
        .selector("holds", Holds)
        .selector("shows", Shows)
        .executor("work", worker.clone())
        .journal(journal.clone())
        .router(router);
    Bench { running: herald.start().await.unwrap(), worker, journal }
}

impl Bench {
    /// The end of every job: status and error.
    async fn ends(&self) -> Vec<(String, String)> {
        self.running.handle().idle().await;
        let end = |record: &Record| match record {
            Record::Ended { verdict, .. } => {
                Some((verdict.status.as_str().to_owned(), verdict.error.clone().unwrap_or_default()))
            }
            _ => None,
        };
        self.journal.records().iter().filter_map(end).collect()
    }

    async fn watched(&self, value: Value) -> Arc<Watch> {
        let watch = Watch::new();
        let offer = NewEvent { watch: Some(watch.clone()), ..NewEvent::new("t".into(), params(value)) };
        self.running.handle().accept_event(offer).await.unwrap();
        watch
    }
}

#[tokio::test(start_paused = true)]
async fn templates_are_filled_in_for_each_job() {
    let router = Router::new("r", "t", "holds")
        .task("k", "work")
        .select_param(json!({"ref": "{{ 'refs/heads/' ~ trigger_param.branch }}"}))
        .job_param(json!({"arg": ["{{ trigger_param.n }}", "{{ job_id }} {{ task }}"], "x": "{{ select_param.ref }}"}));
    let bench = bench(router).await;
    activate(bench.running.handle(), json!({"branch": "main", "ref": "refs/heads/main", "n": 7})).await;
    activate(bench.running.handle(), json!({"branch": "main", "ref": "refs/heads/other", "n": 8})).await;
    activate(bench.running.handle(), json!({"ref": "x", "n": 9})).await;
    assert_eq!(bench.ends().await, [("succeeded".to_owned(), String::new())]);
    let seen = bench.worker.seen.lock().unwrap().clone();
    let id = seen[0]["job_id"].as_str().unwrap();
    assert_eq!(
        seen[0]["job_param"],
        json!({"arg": [7, format!("{id} k")], "x": "refs/heads/main"}),
        "the id in a template is the job's own"
    );
    assert_eq!(seen[0]["select_param"], json!({"ref": "refs/heads/main"}));
    let why = bench.journal.records().into_iter().find_map(|record| match record {
        Record::Routed { decisions, .. } if decisions[0].said == SelectorResult::Error => {
            Some(decisions[0].why.clone())
        }
        _ => None,
    });
    assert_eq!(why.as_deref(), Some("select_param: ref: `trigger_param.branch` is not defined"));
}

#[tokio::test(start_paused = true)]
async fn a_job_whose_templates_cannot_be_filled_in_fails_and_says_why() {
    let router =
        Router::new("r", "t", "yes").task("k", "work").job_param(json!({"cmd": "{{ trigger_param.gone }}"}));
    let bench = bench(router).await;
    let watch = bench.watched(json!({"here": 1})).await;
    let ended = watch.ended().await;
    assert_eq!((ended.len(), ended[0].status.as_str()), (1, "failed"));
    let why = "job_param: cmd: `trigger_param.gone` is not defined";
    assert_eq!(bench.ends().await, [("failed".to_owned(), why.to_owned())]);
    assert!(bench.worker.seen.lock().unwrap().is_empty());
    let queued = bench.journal.records().iter().any(|record| matches!(record, Record::Queued { .. }));
    assert!(queued, "it is in the history like any other");
}

#[tokio::test(start_paused = true)]
async fn what_an_event_carries_hides_no_other_text() {
    let router = Router::new("r", "t", "yes")
        .task("k", "work")
        .job_param(json!({"fail": "{{ trigger_param.token }} was given"}));
    let bench = bench(router).await;
    activate(bench.running.handle(), json!({"token": "hunter2222"})).await;
    assert_eq!(bench.ends().await, [("failed".to_owned(), "\"hunter2222 was given\"".to_owned())]);
    let shown = bench.journal.records().iter().any(|record| match record {
        Record::Queued { job, mask, .. } => {
            mask.params(&job.job_param)["fail"] == json!("hunter2222 was given")
        }
        _ => false,
    });
    assert!(shown);
}

#[tokio::test(start_paused = true)]
async fn a_large_event_is_filled_in_elsewhere() {
    let router =
        Router::new("r", "t", "yes").task("k", "work").job_param(json!({"n": "{{ trigger_param.n }}"}));
    let bench = bench(router).await;
    activate(bench.running.handle(), json!({"n": 1, "big": "x".repeat(100_000)})).await;
    assert_eq!(bench.ends().await.len(), 1);
    assert_eq!(bench.worker.seen.lock().unwrap()[0]["job_param"], json!({"n": 1}));
}

#[tokio::test(start_paused = true)]
async fn whoever_watches_an_event_sees_its_jobs_end() {
    let router = Router::new("r", "t", "holds")
        .task("a", "work")
        .task_with("b", "work", json!({}), json!({"sleep": 500}))
        .select_param(json!({"x": 1}));
    let bench = bench(router).await;
    let watch = bench.watched(json!({"x": 1})).await;
    assert!(watch.is_of_a_new_event());
    assert_eq!(watch.matched().await, 2);
    tokio::time::sleep(Duration::from_millis(100)).await;
    let (ended, open) = watch.so_far();
    assert_eq!((ended.len(), open.len()), (1, 1));
    let tasks: Vec<String> = watch.ended().await.iter().map(|ended| ended.task.to_string()).collect();
    assert_eq!(tasks, ["a", "b"]);
    assert_eq!(bench.watched(json!({"x": 2})).await.matched().await, 0);
    // A caller that goes away is not waited for.
    drop(bench.watched(json!({"x": 1})).await);
    assert_eq!(bench.ends().await.len(), 4);
}

#[tokio::test(start_paused = true)]
async fn what_a_selector_shows_of_a_secret_of_the_configuration_is_hidden() {
    for (template, said) in [
        ("{{ trigger_param.token }}", SelectorResult::Match),
        ("x{{ trigger_param.token }}", SelectorResult::Match),
        ("{{ trigger_param.token | fromjson }}", SelectorResult::Error),
    ] {
        let router = Router::new("r", "t", "shows").task("k", "work").select_param(json!({"x": template}));
        let bench = bench(router).await;
        activate(bench.running.handle(), json!({"token": "hunter2hunter2"})).await;
        bench.ends().await;
        let records = bench.journal.records();
        let decision = records.iter().find_map(|record| match record {
            Record::Routed { decisions, .. } => Some(&decisions[0]),
            _ => None,
        });
        let decision = decision.unwrap();
        assert_eq!(decision.said, said, "{template}: {}", decision.why);
        assert!(
            !decision.why.is_empty() && !decision.why.contains("hunter2"),
            "{template}: {}",
            decision.why
        );
    }
}

#[tokio::test(start_paused = true)]
async fn later_attempts_have_their_own_number_and_all_else_of_the_first() {
    let router = Router::new("r", "t", "yes")
        .task("k", "work")
        .job_param(json!({
            "n": "{{ attempt }}", "env": {"FLAG": "{{ '--again' if attempt > 1 else '' }}"},
            "text": "{{ job_id }}/{{ attempt }}", "same": "{{ trigger_param.fail }}", "plain": 1,
        }))
        .policy(json!({"retry": {"max": 2, "delay": "1s"}}));
    let bench = bench(router).await;
    activate(bench.running.handle(), json!({"fail": "no"})).await;
    assert_eq!(bench.ends().await.len(), 1);
    let seen = bench.worker.seen.lock().unwrap().clone();
    let id = seen[0]["job_id"].as_str().unwrap();
    let given: Vec<_> = seen.iter().map(|params| params["job_param"].clone()).collect();
    let expected: Vec<_> = [(1, ""), (2, "--again"), (3, "--again")]
        .into_iter()
        .map(|(n, flag)| {
            let text = format!("{id}/{n}");
            json!({"n": n, "env": {"FLAG": flag}, "text": text, "same": "no", "plain": 1})
        })
        .collect();
    assert_eq!(given, expected);
}
