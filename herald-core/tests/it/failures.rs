//! How many jobs failed in a row, as `exe_done` says it; and who waits for what comes.

use std::sync::Arc;
use std::sync::Mutex;

use async_trait::async_trait;
use herald_core::activation::EventSink;
use herald_core::arrivals::Awaited;
use herald_core::dispatcher::Handle;
use herald_core::herald::Herald;
use herald_core::journal::{Journal, JournalError, Record, Records};
use herald_core::position::Cursor;
use herald_core::workflow::Router;
use serde_json::json;

use crate::doubles::{Worker, Yes, activate};

/// Keeps positions, for several processes one after the other.
#[derive(Clone, Default)]
struct Positions(Arc<Mutex<Vec<Cursor>>>);

#[async_trait]
impl Journal for Positions {
    async fn append(&self, records: &Records) -> Result<(), JournalError> {
        let mut kept = self.0.lock().unwrap();
        for record in records.iter() {
            if let Record::Reached(cursor) = record {
                kept.retain(|old| old.source != cursor.source);
                kept.push(cursor.clone());
            }
        }
        Ok(())
    }

    async fn reached_below(&self, beginning: &str) -> Result<Vec<Cursor>, JournalError> {
        let kept = self.0.lock().unwrap().clone();
        Ok(kept.into_iter().filter(|cursor| cursor.source.starts_with(beginning)).collect())
    }
}

#[tokio::test(start_paused = true)]
async fn exe_done_says_how_many_jobs_failed_before_also_after_a_restart() {
    let (journal, mut said) = (Positions::default(), Vec::new());
    for fails in [vec![false, true, true], vec![true, false], vec![], vec![false, true]] {
        let done = Worker::default();
        let herald = Herald::new()
            .trigger("t", crate::triggers::Quiet)
            .selector("yes", Yes)
            .executor("work", Worker::default())
            .executor("done", done.clone())
            .router(Router::new("r", "t", "yes").task("k", "work"))
            .router(Router::new("d", "exe_done", "yes").task("k", "done"))
            .journal(Arc::new(journal.clone()));
        let limits = herald_core::plan::Limits { max_chain_depth: 1, ..Default::default() };
        let running = herald.limits(limits).start().await.unwrap();
        for fail in fails {
            activate(running.handle(), if fail { json!({"fail": "no"}) } else { json!({}) }).await;
            running.handle().idle().await;
        }
        let seen = done.seen.lock().unwrap();
        let of_task = seen.iter().map(|params| &params["trigger_param"]).filter(|of| of["router"] == "r");
        said.extend(of_task.map(|of| (of["success"] == true, of["failures_before"].as_u64().unwrap())));
    }
    let expected = [(true, 0), (false, 0), (false, 1), (false, 2), (true, 3), (true, 0), (false, 0)];
    assert_eq!(said, expected);
}

#[tokio::test(start_paused = true)]
async fn who_waits_sees_events_and_ends() {
    let worker = Worker::default();
    let herald = Herald::new()
        .trigger("t", crate::triggers::Quiet)
        .selector("yes", Yes)
        .executor("work", worker)
        .router(Router::new("r", "t", "yes").task("k", "work"));
    let running = herald.start().await.unwrap();
    let handle = running.handle();
    let mut waiting =
        [Awaited::Trigger("t".into()), Awaited::Router("r".into()), Awaited::Router("t".into())]
            .map(|awaited| handle.arrivals(&awaited).unwrap());
    let mut came =
        || waiting.each_mut().map(|one| one.has_changed().unwrap() && one.borrow_and_update().is_some());
    assert_eq!(came(), [false; 3]);
    activate(handle, json!({"sleep": 1000})).await;
    tokio::task::yield_now().await;
    assert_eq!(came(), [true, false, false]);
    handle.idle().await;
    assert_eq!(came(), [false, true, false]);
}

#[tokio::test(start_paused = true)]
async fn what_came_while_nobody_waited_is_known_also_to_the_next_process() {
    let journal = Positions::default();
    let start = async |journal: &Positions| {
        let herald = Herald::new()
            .trigger("t", crate::triggers::Quiet)
            .selector("yes", Yes)
            .executor("work", Worker::default())
            .router(Router::new("r", "t", "yes").task("k", "work"))
            .journal(Arc::new(journal.clone()));
        herald.start().await.unwrap()
    };
    let router = Awaited::Router("r".into());
    let last = |handle: &Handle| *handle.arrivals(&router).unwrap().borrow();
    // The job ends in the grace, when the triggers have stopped.
    let running = start(&journal).await;
    assert_eq!(last(running.handle()), None);
    activate(running.handle(), json!({"sleep": 1000})).await;
    running.stop(std::time::Duration::from_secs(60)).await;
    let running = start(&journal).await;
    running.handle().idle().await;
    let first = last(running.handle()).unwrap();
    // As a job that was recovered, it ends before anybody waits.
    running.stop(std::time::Duration::ZERO).await;
    tokio::time::sleep(std::time::Duration::from_secs(5)).await;
    let running = start(&journal).await;
    activate(running.handle(), json!({})).await;
    running.handle().idle().await;
    assert!(last(running.handle()).unwrap() > first);
}

/// Records after a second.
struct SlowPositions(Positions);

#[async_trait]
impl Journal for SlowPositions {
    async fn append(&self, records: &Records) -> Result<(), JournalError> {
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        self.0.append(records).await
    }
}

#[tokio::test(start_paused = true)]
async fn a_position_can_be_waited_for_until_it_is_recorded() {
    let positions = Positions::default();
    let herald = Herald::new()
        .trigger("t", crate::triggers::Quiet)
        .selector("yes", Yes)
        .executor("work", Worker::default())
        .router(Router::new("r", "t", "yes").task("k", "work"))
        .journal(Arc::new(SlowPositions(positions.clone())));
    let running = herald.start().await.unwrap();
    let cursor = |source: &str| Cursor {
        source: source.into(),
        position: herald_core::position::Position::from_bytes(vec![1]),
    };
    running.handle().reach(cursor("later")).await;
    assert!(positions.0.lock().unwrap().is_empty());
    running.handle().reach_recorded(cursor("now")).await;
    let recorded: Vec<_> =
        positions.0.lock().unwrap().iter().map(|cursor| cursor.source.to_string()).collect();
    assert!(recorded.contains(&"now".to_owned()), "{recorded:?}");
    running.stop(std::time::Duration::from_secs(1)).await;
}
