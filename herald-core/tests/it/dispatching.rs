//! Record, then act; bounds; chains; slow and broken components.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use herald_core::activation::{EventSink, NewEvent, Refused};
use herald_core::actor::Actor;
use herald_core::herald::{Herald, RunningHerald};
use herald_core::plan::Limits;
use herald_core::secret::Mask;
use herald_core::workflow::Router;
use serde_json::{Value, json};

use crate::doubles::{Diary, Odd, Scribe, Worker, Yes, activate, params};

fn simple(worker: &Worker) -> Herald {
    Herald::new()
        .trigger("t", crate::triggers::Quiet)
        .selector("yes", Yes)
        .executor("work", worker.clone())
        .router(Router::new("r", "t", "yes").task("k", "work"))
}

async fn started(herald: Herald) -> RunningHerald {
    herald.start().await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn every_record_stands_before_its_effect() {
    let diary = Diary::default();
    let worker = Worker { diary: diary.clone(), ..Worker::default() };
    let scribe = Scribe { diary: diary.clone(), ..Scribe::default() };
    let running = started(simple(&worker).journal(Arc::new(scribe))).await;
    activate(running.handle(), json!({})).await;
    running.handle().idle().await;
    assert_eq!(
        diary.lines(),
        ["accepted t", "queued r/k", "routed", "started", "start r/k", "end r/k", "ended r/k succeeded"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_failing_journal_turns_events_away_and_goes_on_afterwards() {
    let worker = Worker::default();
    let scribe = Scribe::default();
    let running = started(simple(&worker).journal(Arc::new(scribe.clone()))).await;
    let handle = running.handle().clone();
    activate(&handle, json!({"sleep": 100})).await;
    while worker.diary.count("start r/k") == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    scribe.failing.store(true, Ordering::SeqCst);
    for _ in 0..3 {
        let refused = handle.accept("t".into(), params(json!({}))).await;
        assert_eq!(refused, Err(Refused::Unrecorded("disk full".into())));
    }
    tokio::time::sleep(Duration::from_secs(5)).await;
    // The running job has ended by now; its end is recorded once there is room again, and just once.
    assert_eq!(worker.diary.count("end r/k"), 1);
    assert_eq!(scribe.diary.count("ended r/k succeeded"), 0);
    scribe.failing.store(false, Ordering::SeqCst);
    handle.ready("t").await;
    activate(&handle, json!({})).await;
    handle.idle().await;
    assert_eq!(scribe.diary.count("ended r/k succeeded"), 2);
    assert_eq!(scribe.diary.count("accepted t"), 2);
}

#[tokio::test(start_paused = true)]
async fn jobs_at_once_and_waiting_events_are_bounded_and_run_in_order() {
    let worker = Worker::default();
    let limits = Limits { max_jobs: 1, max_queue: 6, ..Limits::default() };
    let running = started(simple(&worker).limits(limits)).await;
    let handle = running.handle();
    let mut taken = 0;
    let refused = loop {
        match handle.accept("t".into(), params(json!({"sleep": 1000, "n": taken}))).await {
            Ok(_) => taken += 1,
            Err(refused) => break refused,
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(refused, Refused::Busy);
    assert!((3..=5).contains(&taken), "{taken}");
    handle.ready("t").await;
    handle.accept("t".into(), params(json!({"n": taken}))).await.unwrap();
    handle.idle().await;
    let seen = worker.seen.lock().unwrap();
    let order: Vec<u64> = seen.iter().map(|p| p["trigger_param"]["n"].as_u64().unwrap()).collect();
    assert_eq!(order, (0..=taken).collect::<Vec<u64>>());
}

#[tokio::test(start_paused = true)]
async fn waiting_bytes_are_bounded_too() {
    let worker = Worker::default();
    let limits = Limits { max_jobs: 1, max_queue_bytes: 200_000, ..Limits::default() };
    let running = started(simple(&worker).limits(limits)).await;
    let body = json!({"sleep": 1000, "blob": "x".repeat(40_000)});
    let mut taken = 0;
    while running.handle().accept("t".into(), params(body.clone())).await.is_ok() {
        taken += 1;
        tokio::task::yield_now().await;
    }
    assert!((3..=5).contains(&taken), "{taken}");
}

#[tokio::test(start_paused = true)]
async fn a_chain_that_feeds_itself_ends_at_its_depth() {
    let worker = Worker::default();
    let limits = Limits { max_chain_depth: 5, ..Limits::default() };
    let herald =
        simple(&worker).router(Router::new("again", "exe_done", "yes").task("k", "work")).limits(limits);
    let running = started(herald).await;
    activate(running.handle(), json!({})).await;
    running.handle().idle().await;
    let seen = worker.seen.lock().unwrap();
    let depths: Vec<u64> = seen.iter().map(|p| p["chain_depth"].as_u64().unwrap()).collect();
    assert_eq!(depths, [0, 1, 2, 3, 4, 5]);
}

#[tokio::test(start_paused = true)]
async fn a_chain_that_fans_out_stays_within_bounds() {
    let worker = Worker::default();
    let mut herald = simple(&worker).limits(Limits { max_jobs: 4, max_queue: 10, ..Limits::default() });
    for n in 0..3 {
        herald = herald.router(Router::new(&format!("x{n}"), "exe_done", "yes").task("k", "work"));
    }
    let running = started(herald).await;
    activate(running.handle(), json!({})).await;
    // 3^64 jobs were asked for. Within a bounded time there are bounded many, and it still answers.
    tokio::time::timeout(Duration::from_secs(60), running.handle().idle()).await.ok();
    assert_eq!(running.handle().cancel("no such job", "x", None).await, Ok(false));
    running.stop(Duration::ZERO).await;
}

#[tokio::test(start_paused = true)]
async fn exe_done_tells_of_the_end_with_secrets_hidden() {
    for (told, success, status, error, result) in [
        (json!({}), true, "succeeded", Value::Null, json!({"done": true})),
        (json!({"fail": "no hunter22"}), false, "failed", json!("\"no ***\""), json!({"exit_code": 3})),
        (json!({"panic": 1}), false, "failed", json!("the executor panicked"), json!({})),
    ] {
        let worker = Worker::default();
        let last = Worker::default();
        let mut mask = Mask::new();
        mask.add("hunter22");
        let herald = Herald::new()
            .trigger("t", crate::triggers::Quiet)
            .selector("yes", Yes)
            .executor("work", worker.clone())
            .executor("last", last.clone())
            .mask(mask)
            .selector("first", crate::doubles::Holds)
            .router(Router::new("r", "t", "yes").task("k", "work").job_param(json!({"password": "hunter22"})))
            .router(
                Router::new("done", "exe_done", "first")
                    .task("k", "last")
                    .select_param(json!({"router": "r"})),
            );
        let running = started(herald).await;
        let event = activate(running.handle(), told.clone()).await;
        running.handle().idle().await;
        assert_eq!(
            worker.seen.lock().unwrap()[0]["job_param"]["password"],
            "hunter22",
            "its own task sees it"
        );
        let seen = last.seen.lock().unwrap();
        assert_eq!(seen.len(), 1, "{told}");
        let tells = &seen[0]["trigger_param"];
        assert_eq!(tells["success"], success, "{told}");
        assert_eq!(tells["status"], status, "{told}");
        assert_eq!((&tells["attempts"], &tells["by"]), (&json!(1), &Value::Null), "{told}");
        let times = ["queued_at", "started_at", "ended_at"].map(|key| tells[key].as_str().unwrap());
        assert!(times.is_sorted() && times.iter().all(|time| time.ends_with('Z')), "{times:?}");
        assert_eq!(tells["error"], error, "{told}");
        assert_eq!(tells["result"], result, "{told}");
        assert_eq!(tells["job_param"]["password"], "***");
        assert_eq!(tells["trigger_id"], event);
        assert_eq!(tells["id"], tells["job_id"]);
        assert_eq!(tells["attempt"], 1);
        assert_eq!(seen[0]["chain_depth"], 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_chain_inherits_who_caused_it() {
    let worker = Worker::default();
    let limits = Limits { max_chain_depth: 2, ..Limits::default() };
    let herald =
        simple(&worker).router(Router::new("again", "exe_done", "yes").task("k", "work")).limits(limits);
    let running = started(herald).await;
    let by = Some(Arc::new(Actor { user: Some("ann".into()), ..Actor::via("cli".into()) }));
    let event = NewEvent { by, ..NewEvent::new("t".into(), params(json!({}))) };
    running.handle().accept_event(event).await.unwrap();
    running.handle().idle().await;
    let seen = worker.seen.lock().unwrap();
    let by = json!({"user": "ann", "via": "cli", "address": null, "reason": null});
    assert_eq!(seen[1]["trigger_param"]["by"], by);
    assert_eq!(seen[2]["trigger_param"]["by"], by, "two jobs later");
}

#[tokio::test(start_paused = true)]
async fn slow_and_broken_selectors_hold_up_only_their_own_jobs() {
    let worker = Worker::default();
    let mut herald = simple(&worker);
    for odd in ["panic", "error", "never", "5000"] {
        herald = herald
            .selector(odd, Odd(odd))
            .router(Router::new(&format!("odd-{odd}"), "t", odd).task("k", "work"));
    }
    let running = started(herald).await;
    let begun = tokio::time::Instant::now();
    activate(running.handle(), json!({})).await;
    while worker.diary.count("end r/k") == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert!(begun.elapsed() < Duration::from_secs(1));
    running.handle().idle().await;
    assert!(begun.elapsed() < Duration::from_secs(61), "the one that never answers is a no in the end");
    assert_eq!(worker.diary.count("end odd-5000/k"), 1);
    assert_eq!(worker.seen.lock().unwrap().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_event_costs_the_same_with_many_routers() {
    let worker = Worker::default();
    let mut herald = simple(&worker).trigger("other", crate::triggers::Quiet);
    for n in 0..5000 {
        herald = herald.router(Router::new(&format!("o{n}"), "other", "yes").task("k", "work"));
    }
    let running = started(herald).await;
    activate(running.handle(), json!({})).await;
    running.handle().idle().await;
    assert_eq!(worker.seen.lock().unwrap().len(), 1);
}
