//! What nobody waits for is written together with what somebody waits for.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use herald_core::activation::{EventSink, Name, NewEvent};
use herald_core::executor::{Execution, Executor, Outcome};
use herald_core::herald::Herald;
use herald_core::journal::{Journal, JournalError, Record, Records};
use herald_core::param::Params;
use herald_core::plan::Limits;
use herald_core::watch::Watch;
use herald_core::workflow::Router;
use serde_json::json;

use crate::doubles::{Worker, Yes, activate, params};
use crate::ending::until;
use crate::triggers::Quiet;

/// Outlives the process, and remembers what was written together.
#[derive(Clone, Default)]
struct Writes {
    together: Arc<Mutex<Vec<String>>>,
    newest_job: Arc<Mutex<Option<Name>>>,
}

#[async_trait]
impl Journal for Writes {
    async fn append(&self, records: &Records) -> Result<(), JournalError> {
        let names = records.iter().map(|record| match record {
            Record::Accepted { activation, .. } => &activation.trigger,
            Record::Routed { .. } => "routed",
            Record::Queued { .. } => "queued",
            Record::Started { .. } => "started",
            Record::Ended { .. } => "ended",
            Record::AttemptEnded { .. } | Record::Reached(_) => "other",
        });
        let names: Vec<&str> = names.collect();
        self.together.lock().unwrap().push(names.join(" "));
        for record in records.iter() {
            if let Record::Queued { job, .. } = record {
                *self.newest_job.lock().unwrap() = Some(job.id.clone());
            }
        }
        Ok(())
    }

    fn is_durable(&self) -> bool {
        true
    }
}

/// Is over at once.
struct Instantly;

#[async_trait]
impl Executor for Instantly {
    async fn execute(&self, _: Execution) -> Outcome {
        Ok(Params::new())
    }

    fn is_instant(&self) -> bool {
        true
    }
}

#[tokio::test(start_paused = true)]
async fn records_that_nobody_waits_for_wait_for_company() {
    let begun = "queued routed started";
    let over = "queued routed started ended";
    for (executor, is_read, expected) in [
        // Nothing waits for the end of a job that is over at once.
        ("instantly", false, vec!["t".to_owned(), format!("{over} t"), over.to_owned()]),
        // A job that takes its time starts only after its record.
        (
            "work",
            false,
            vec![
                "t".to_owned(),
                begun.to_owned(),
                "ended t".to_owned(),
                begun.to_owned(),
                "ended".to_owned(),
            ],
        ),
        // A router waits for the end.
        (
            "instantly",
            true,
            vec![
                "t".to_owned(),
                format!("{over} exe_done"),
                "routed t".to_owned(),
                format!("{over} exe_done"),
                "routed".to_owned(),
            ],
        ),
    ] {
        let writes = Writes::default();
        let mut herald = Herald::new()
            .trigger("t", Quiet)
            .selector("yes", Yes)
            .selector("no", crate::doubles::Holds)
            .executor("work", Worker::default())
            .executor("instantly", Instantly)
            .router(Router::new("r", "t", "yes").task("k", executor))
            .journal(Arc::new(writes.clone()));
        if is_read {
            let reads = Router::new("reads", "exe_done", "no").select_param(json!({"never": 1}));
            herald = herald.router(reads.task("k", "instantly"));
        }
        let running = herald.start().await.unwrap();
        let handle = running.handle();
        activate(handle, json!({})).await;
        // All that can be done without time is done: the second one comes within the time for company.
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        activate(handle, json!({})).await;
        handle.idle().await;
        assert_eq!(*writes.together.lock().unwrap(), expected, "{executor} {is_read}");
        running.stop(Duration::ZERO).await;
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_waits_longer_for_company_than_it_may() {
    let writes = Writes::default();
    let herald = Herald::new().trigger("t", Quiet).selector("yes", Yes).executor("instantly", Instantly);
    let herald = herald.router(Router::new("r", "t", "yes").task("k", "instantly"));
    let running = herald.journal(Arc::new(writes.clone())).start().await.unwrap();
    activate(running.handle(), json!({})).await;
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(writes.together.lock().unwrap().len(), 1);
    tokio::time::sleep(Duration::from_millis(3)).await;
    assert_eq!(writes.together.lock().unwrap().len(), 2);
    running.stop(Duration::ZERO).await;
}

#[tokio::test(start_paused = true)]
async fn what_was_said_to_be_cancelled_or_taken_back_is_recorded() {
    let (writes, worker) = (Writes::default(), Worker::default());
    let herald = Herald::new().trigger("t", Quiet).selector("yes", Yes).executor("work", worker.clone());
    let herald = herald.router(Router::new("r", "t", "yes").task("k", "work"));
    let limits = Limits { max_jobs: 1, ..Limits::default() };
    let running = herald.limits(limits).journal(Arc::new(writes.clone())).start().await.unwrap();
    let handle = running.handle();
    let ends = || {
        let written = writes.together.lock().unwrap().join(" ");
        written.split(' ').filter(|name| *name == "ended").count()
    };
    let first = activate(handle, json!({"sleep": 60_000})).await;
    until(&worker, "start r/k", 1).await;
    for (n, is_cancelled) in [true, false].into_iter().enumerate() {
        let watch = Watch::new();
        let event = NewEvent { watch: Some(watch.clone()), ..NewEvent::new("t".into(), params(json!({}))) };
        let event_id = handle.accept_event(event).await.unwrap();
        watch.matched().await;
        // Its record waits for company.
        tokio::time::sleep(Duration::from_millis(5)).await;
        let job_id = writes.newest_job.lock().unwrap().clone().unwrap();
        if is_cancelled {
            assert_eq!(handle.cancel(&job_id, "enough", None).await, Ok(true));
        } else {
            assert!(handle.withdraw(event_id, "given back".to_owned()).await);
        }
        assert_eq!(ends(), n + 1, "a crash now starts nothing");
    }
    assert!(!handle.withdraw(first.into(), "given back".to_owned()).await, "it runs");
    running.stop(Duration::ZERO).await;
}

/// A disk that hangs from the third write on.
#[derive(Default)]
struct Hanging(std::sync::atomic::AtomicU32);

#[async_trait]
impl Journal for Hanging {
    async fn append(&self, _: &Records) -> Result<(), JournalError> {
        if self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst) > 1 {
            std::future::pending::<()>().await;
        }
        Ok(())
    }

    fn is_durable(&self) -> bool {
        true
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_a_disk_that_hangs() {
    let herald = Herald::new().trigger("t", Quiet).selector("yes", Yes).executor("work", Worker::default());
    let herald = herald.router(Router::new("r", "t", "yes").task("k", "work"));
    let running = herald.journal(Arc::new(Hanging::default())).start().await.unwrap();
    let handle = running.handle();
    activate(handle, json!({})).await;
    // More than may be on their way: the loop takes no events any more.
    for _ in 0..2000 {
        let event = NewEvent::new("t".into(), params(json!({})));
        let _ = tokio::time::timeout(Duration::from_millis(1), handle.accept_event(event)).await;
    }
    let began = tokio::time::Instant::now();
    assert_eq!(handle.waits_for(vec!["j".into()]).await, Vec::new());
    assert_eq!(began.elapsed().as_secs(), 1);
    assert!(handle.cancel("j", "enough", None).await.is_err());
    assert_eq!(began.elapsed().as_secs(), 11);
}
