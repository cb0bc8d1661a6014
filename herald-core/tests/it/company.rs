//! What nobody waits for is written together with what somebody waits for.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use herald_core::executor::{Execution, Executor, Outcome};
use herald_core::herald::Herald;
use herald_core::journal::{Journal, JournalError, Record, Records};
use herald_core::param::Params;
use herald_core::workflow::Router;
use serde_json::json;

use crate::doubles::{Worker, Yes, activate};
use crate::triggers::Quiet;

/// Outlives the process, and remembers what was written together.
#[derive(Clone, Default)]
struct Writes(Arc<Mutex<Vec<String>>>);

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
        self.0.lock().unwrap().push(names.join(" "));
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
        assert_eq!(*writes.0.lock().unwrap(), expected, "{executor} {is_read}");
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
    assert_eq!(writes.0.lock().unwrap().len(), 1);
    tokio::time::sleep(Duration::from_millis(3)).await;
    assert_eq!(writes.0.lock().unwrap().len(), 2);
    running.stop(Duration::ZERO).await;
}
