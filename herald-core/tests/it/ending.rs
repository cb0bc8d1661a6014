//! Cancel, drain, force.

use std::sync::Arc;
use std::time::Duration;

use herald_core::activation::{EventSink, NewEvent, Refused};
use herald_core::dispatcher::{Dispatcher, Setup};
use herald_core::herald::Herald;
use herald_core::plan::{Limits, Plan};
use herald_core::watch::Watch;
use herald_core::workflow::Router;
use serde_json::{Value, json};

use crate::doubles::{Odd, Worker, Yes, activate, params};

async fn started(worker: &Worker, max_jobs: usize) -> herald_core::herald::RunningHerald {
    Herald::new()
        .trigger("t", crate::triggers::Quiet)
        .selector("yes", Yes)
        .executor("work", worker.clone())
        .router(Router::new("r", "t", "yes").task("k", "work"))
        .limits(Limits { max_jobs, ..Limits::default() })
        .start()
        .await
        .unwrap()
}

pub(crate) async fn until(worker: &Worker, line: &str, times: usize) {
    while worker.diary.count(line) < times {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn cancel_ends_a_running_job_and_a_waiting_one() {
    let worker = Worker::default();
    let running = started(&worker, 1).await;
    let handle = running.handle();
    activate(handle, json!({"sleep": 60_000})).await;
    until(&worker, "start r/k", 1).await;
    let first = worker.seen.lock().unwrap()[0]["id"].as_str().unwrap().to_owned();
    activate(handle, json!({})).await;
    assert_eq!(handle.cancel(&first, "by hand", None).await, Ok(true));
    until(&worker, "stopped r/k", 1).await;
    handle.idle().await;
    assert_eq!(handle.cancel(&first, "by hand", None).await, Ok(false), "it has ended");
    assert_eq!(worker.diary.count("end r/k"), 1);
}

/// An event that another daemon took over: a running job, a waiting one, and one whose selector has not answered.
#[tokio::test(start_paused = true)]
async fn what_another_daemon_took_over_ends_as_lost() {
    let worker = Worker::default();
    let running = Herald::new()
        .trigger("t", crate::triggers::Quiet)
        .selector("yes", Yes)
        .selector("slow", Odd("1000"))
        .executor("work", worker.clone())
        .router(Router::new("r", "t", "yes").task("k", "work"))
        .router(Router::new("late", "t", "slow").task("k", "work"))
        .limits(Limits { max_jobs: 1, ..Limits::default() })
        .start()
        .await
        .unwrap();
    let handle = running.handle();
    let submit = |sleep: u64, watch: &Arc<Watch>| {
        let event = NewEvent::new("t".into(), params(json!({"sleep": sleep})));
        handle.accept_event(NewEvent { watch: Some(watch.clone()), ..event })
    };
    let (first, second) = (Watch::new(), Watch::new());
    let lost = submit(60_000, &first).await.unwrap();
    until(&worker, "start r/k", 1).await;
    let waiting = submit(60_000, &second).await.unwrap();
    for event_id in [waiting, lost] {
        handle.lose(event_id, "web2 took it over".to_owned()).await;
    }
    for watch in [first, second] {
        let ended = watch.ended().await;
        let ends: Vec<_> = ended.iter().map(|end| (end.status.as_str(), end.error.as_deref())).collect();
        assert_eq!(ends, [("lost", Some("web2 took it over")); 2]);
    }
    assert_eq!(worker.diary.lines(), ["start r/k", "stopped r/k"]);
    let untouched = Watch::new();
    submit(1, &untouched).await.unwrap();
    assert!(untouched.ended().await.iter().all(|end| end.status.as_str() == "succeeded"));
}

/// What an event carries under a secret name is hidden where it is shown; its sender knows it.
#[tokio::test(start_paused = true)]
async fn the_sender_gets_the_result_as_it_is() {
    let worker = Worker::default();
    let running = started(&worker, 1).await;
    let (handle, watch) = (running.handle(), Watch::new());
    let give = json!({"give": {"token": "t0ken", "deep": {"password": 1}}});
    let event = NewEvent::new("t".into(), params(give.clone()));
    let id = handle.accept_event(NewEvent { watch: Some(watch.clone()), ..event }).await.unwrap();
    assert_eq!(Value::Object(watch.ended().await[0].result.clone()), give["give"], "{id}");
}

/// Nobody can know the result of an event whose worker died: nothing of it runs.
#[tokio::test(start_paused = true)]
async fn an_event_that_is_lost_runs_nothing() {
    let worker = Worker::default();
    let running = started(&worker, 1).await;
    let (handle, watch) = (running.handle(), Watch::new());
    let lost = params(json!({"_queue": {"lost": "web1 started it and did not end it"}}));
    let event =
        NewEvent { watch: Some(watch.clone()), lost: true, ..NewEvent::new("t".into(), lost.clone()) };
    handle.accept_event(event).await.unwrap();
    let ended = watch.ended().await;
    assert_eq!(ended[0].status.as_str(), "lost");
    assert_eq!(ended[0].error.as_deref(), Some("web1 started it and did not end it"));
    assert!(worker.diary.lines().is_empty());
    // The same words from outside mean nothing.
    activate(handle, Value::Object(lost)).await;
    handle.idle().await;
    assert_eq!(worker.diary.count("end r/k"), 1);
}

#[tokio::test(start_paused = true)]
async fn an_event_is_taken_back_before_its_jobs_start() {
    let worker = Worker::default();
    let running = started(&worker, 1).await;
    let (handle, watch) = (running.handle(), Watch::new());
    let first = activate(handle, json!({"sleep": 60_000})).await;
    until(&worker, "start r/k", 1).await;
    let event = NewEvent { watch: Some(watch.clone()), ..NewEvent::new("t".into(), params(json!({}))) };
    let second = handle.accept_event(event).await.unwrap();
    watch.matched().await;
    for (event_id, taken_back) in [(first, false), (second.to_string(), true), (second.to_string(), false)] {
        assert_eq!(handle.withdraw(event_id.into(), "given back".to_owned()).await, taken_back);
    }
    let ended = watch.ended().await;
    assert_eq!((ended[0].status.as_str(), ended[0].error.as_deref()), ("rejected", Some("given back")));
    running.stop(Duration::ZERO).await;
    assert_eq!(worker.diary.count("start r/k"), 1);
}

#[tokio::test(start_paused = true)]
async fn stop_lets_what_is_accepted_finish_within_the_grace() {
    let worker = Worker::default();
    let running = started(&worker, 1).await;
    let handle = running.handle().clone();
    for _ in 0..3 {
        activate(&handle, json!({"sleep": 1000})).await;
    }
    running.stop(Duration::from_secs(30)).await;
    assert_eq!(worker.diary.count("end r/k"), 3);
    assert_eq!(handle.accept("t".into(), params(json!({}))).await, Err(Refused::Stopping));
}

#[tokio::test(start_paused = true)]
async fn after_the_grace_running_jobs_are_asked_to_stop_and_waiting_ones_never_start() {
    let worker = Worker::default();
    let running = started(&worker, 1).await;
    activate(running.handle(), json!({"sleep": 60_000})).await;
    until(&worker, "start r/k", 1).await;
    activate(running.handle(), json!({})).await;
    let begun = tokio::time::Instant::now();
    running.stop(Duration::from_secs(5)).await;
    assert_eq!(begun.elapsed().as_secs(), 5);
    assert_eq!(worker.diary.lines(), ["start r/k", "stopped r/k"]);
}

#[tokio::test(start_paused = true)]
async fn force_ends_at_once_and_an_executor_that_does_not_obey_is_left_alone() {
    let worker = Worker::default();
    let plan = Plan {
        workflow: herald_core::workflow::read(
            &json!({"r": {"trigger": "t", "selector": "yes", "task": {"k": "work"}}}),
            &json!(null),
            &herald_core::workflow::KnownComponents {
                triggers: [("t".to_owned(), None)].into(),
                selectors: [("yes".to_owned(), None)].into(),
                executors: [("work".to_owned(), None)].into(),
                secrets: None,
            },
        )
        .0,
        selectors: [("yes".into(), std::sync::Arc::new(Yes) as _)].into_iter().collect(),
        executors: [("work".into(), std::sync::Arc::new(worker.clone()) as _)].into_iter().collect(),
        ..Plan::default()
    };
    let journal = std::sync::Arc::new(herald_core::journal::MemoryJournal::keeping(100));
    let clock = std::sync::Arc::new(herald_core::clock::SystemClock);
    let dispatcher = Dispatcher::start(Setup::new(plan, Limits::default(), journal.clone(), clock));
    let handle = dispatcher.handle().clone();
    activate(&handle, json!({"sleep": 900_000, "ignore_stop": true})).await;
    activate(&handle, json!({"sleep": 900_000})).await;
    until(&worker, "start r/k", 2).await;
    let begun = tokio::time::Instant::now();
    let second_signal = tokio::time::sleep(Duration::from_secs(2));
    dispatcher.stop(Duration::from_secs(600), second_signal).await;
    assert_eq!(begun.elapsed().as_secs(), 2 + 10);
    assert_eq!(worker.diary.count("stopped r/k"), 1);
    let ends = journal.records().iter().filter(|r| format!("{r:?}").starts_with("Ended")).count();
    assert_eq!(ends, 2);
}
