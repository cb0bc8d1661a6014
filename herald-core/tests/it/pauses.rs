//! Paused routers: what is for them is accepted and waits; everybody else goes on.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use herald_core::activation::{EventSink, Name};
use herald_core::clock::{Clock, TestClock};
use herald_core::dispatcher::PausedRouters;
use herald_core::herald::{Herald, RunningHerald};
use herald_core::journal::{MemoryJournal, Record};
use herald_core::plan::Limits;
use herald_core::workflow::Router;
use jiff::Timestamp;
use serde_json::json;

use crate::doubles::{Gated, Worker, Yes, params};
use crate::triggers::Quiet;

fn herald(worker: &Worker) -> Herald {
    Herald::new()
        .trigger("backup", Quiet)
        .trigger("sync", Quiet)
        .selector("yes", Yes)
        .executor("work", worker.clone())
        .router(Router::new("backup", "backup", "yes").task("k", "work"))
        .router(Router::new("sync", "sync", "yes").task("k", "work"))
        .router(Router::new("after", "exe_done", "yes").task("k", "work"))
}

fn paused(router: &str, until: Option<Timestamp>) -> PausedRouters {
    [(Name::from(router), until)].into_iter().collect()
}

async fn fire(running: &RunningHerald, trigger: &str) {
    running.handle().accept(trigger.into(), params(json!({"sleep": 1}))).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
}

#[tokio::test(start_paused = true)]
async fn a_paused_router_starts_nothing_until_it_is_resumed_and_others_go_on() {
    let worker = Worker::default();
    let running = herald(&worker).limits(Limits { max_jobs: 2, ..Limits::default() }).start().await.unwrap();
    fire(&running, "backup").await;
    assert_eq!(worker.diary.count("start backup/k"), 1);
    running.handle().pause(paused("backup", None)).await;
    for _ in 0..5 {
        fire(&running, "backup").await;
        fire(&running, "sync").await;
    }
    assert_eq!((worker.diary.count("start backup/k"), worker.diary.count("start sync/k")), (1, 5));
    assert_eq!(running.handle().status().await.unwrap().waiting, 5);
    running.handle().pause(PausedRouters::default()).await;
    running.handle().idle().await;
    assert_eq!(worker.diary.count("start backup/k"), 6);
}

#[tokio::test(start_paused = true)]
async fn a_pause_with_an_end_ends_by_itself() {
    let worker = Worker::default();
    let clock = Arc::new(TestClock::at("2026-11-29T12:00:00Z".parse().unwrap()));
    let running = herald(&worker).clock(clock.clone()).start().await.unwrap();
    running.handle().pause(paused("backup", Some(clock.now() + Duration::from_secs(600)))).await;
    fire(&running, "backup").await;
    tokio::time::sleep(Duration::from_secs(599)).await;
    assert_eq!(worker.diary.count("start backup/k"), 0);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(worker.diary.count("start backup/k"), 1);
}

#[tokio::test(start_paused = true)]
async fn without_a_journal_on_disk_a_paused_router_does_not_hold_up_the_end() {
    let worker = Worker::default();
    let running = herald(&worker).start().await.unwrap();
    let routers = ["backup", "after"].map(|router| (Name::from(router), None));
    running.handle().pause(routers.into_iter().collect()).await;
    fire(&running, "backup").await;
    // Its end makes a job of a paused router while Herald stops.
    running.handle().accept("sync".into(), params(json!({"sleep": 1000}))).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let begun = tokio::time::Instant::now();
    running.stop(Duration::from_secs(30)).await;
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert_eq!((worker.diary.count("start backup/k"), worker.diary.count("start after/k")), (0, 0));
    assert_eq!(worker.diary.count("end sync/k"), 1);
}

#[tokio::test(start_paused = true)]
async fn the_jobs_of_an_executor_that_takes_none_wait_and_others_go_on() {
    let (gated, worker) = (Gated::default(), Worker::default());
    let herald = || {
        Herald::new()
            .trigger("backup", Quiet)
            .selector("yes", Yes)
            .executor("gated", gated.clone())
            .executor("work", worker.clone())
            .router(Router::new("backup", "backup", "yes").task("k", "gated").task("l", "work"))
    };
    let running = herald().start().await.unwrap();
    let started = || (gated.worker.diary.count("start backup/k"), worker.diary.count("start backup/l"));
    fire(&running, "backup").await;
    assert_eq!(started(), (0, 1));
    gated.is_open.store(true, Ordering::SeqCst);
    running.handle().look_at_executors().await;
    running.handle().idle().await;
    assert_eq!(started(), (1, 1));
    // What runs goes on.
    fire(&running, "backup").await;
    gated.is_open.store(false, Ordering::SeqCst);
    running.handle().look_at_executors().await;
    fire(&running, "backup").await;
    assert_eq!((started(), gated.worker.diary.count("end backup/k")), ((2, 3), 2));
    let begun = tokio::time::Instant::now();
    running.stop(Duration::from_secs(30)).await;
    assert!(begun.elapsed() < Duration::from_secs(5), "without a disk nothing waits: {:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_job_says_what_it_waits_for() {
    let (worker, journal) = (Worker::default(), Arc::new(MemoryJournal::keeping(1000)));
    let limits = Limits { max_jobs: 1, ..Limits::default() };
    let running = herald(&worker).limits(limits).journal(journal.clone()).start().await.unwrap();
    let handle = running.handle();
    handle.pause(paused("backup", None)).await;
    let newest = || {
        let records = journal.records().into_iter().rev();
        let mut queued = records.filter_map(|record| match record {
            Record::Queued { job, .. } => Some(job.id.clone()),
            _ => None,
        });
        queued.next().unwrap()
    };
    for (trigger, expected) in [
        ("sync", None),
        ("sync", Some("its turn: as many jobs run as max_jobs allows (1)")),
        ("backup", Some("router backup, which is paused")),
    ] {
        handle.accept(trigger.into(), params(json!({"sleep": 60_000}))).await.unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!(handle.waits_for(vec![newest()]).await, [expected.map(str::to_owned)], "{trigger}");
    }
    let both = handle.waits_for(vec!["no such job".into(), newest()]).await;
    assert_eq!(both, [None, Some("router backup, which is paused".to_owned())]);
    running.stop(Duration::ZERO).await;
}

#[tokio::test(start_paused = true)]
async fn a_job_between_two_attempts_waits_for_a_retry() {
    let policy = json!({"retry": {"max": 1, "delay": "60s"}});
    let (worker, journal) = (Worker::default(), Arc::new(MemoryJournal::keeping(1000)));
    let running = Herald::new()
        .trigger("flaky", Quiet)
        .selector("yes", Yes)
        .executor("work", worker.clone())
        .router(Router::new("flaky", "flaky", "yes").task("k", "work").policy(policy))
        .journal(journal.clone())
        .start()
        .await
        .unwrap();
    running.handle().accept("flaky".into(), params(json!({"fail": 1}))).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let job = journal.records().into_iter().find_map(|record| match record {
        Record::Queued { job, .. } => Some(job.id.clone()),
        _ => None,
    });
    let said = running.handle().waits_for(vec![job.unwrap()]).await;
    assert_eq!(said, [Some(herald_core::dispatcher::RETRY.to_owned())]);
    running.stop(Duration::ZERO).await;
}
