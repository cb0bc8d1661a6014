//! Triggers and their owner.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use herald_core::herald::{Herald, StartError};
use herald_core::trigger::{Activator, ComponentError, Trigger};
use herald_core::workflow::Router;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::doubles::{Worker, Yes, params};

/// Never activates by itself.
pub struct Quiet;

#[async_trait]
impl Trigger for Quiet {
    async fn run(&self, _: Activator, stop: CancellationToken) -> Result<(), ComponentError> {
        stop.cancelled().await;
        Ok(())
    }
}

/// Fails to prepare, or fails (panics) at its first run and activates at the second.
struct Shaky {
    prepares: bool,
    panics: bool,
    runs: Arc<AtomicU32>,
}

#[async_trait]
impl Trigger for Shaky {
    async fn prepare(&self) -> Result<(), ComponentError> {
        if self.prepares { Ok(()) } else { Err(ComponentError::new("the port is taken")) }
    }

    async fn run(&self, activator: Activator, stop: CancellationToken) -> Result<(), ComponentError> {
        if self.runs.fetch_add(1, Ordering::SeqCst) == 0 {
            assert!(!self.panics, "as told");
            return Err(ComponentError::new("as told"));
        }
        activator.activate_when_ready(params(json!({}))).await.unwrap();
        stop.cancelled().await;
        Ok(())
    }
}

fn herald(worker: &Worker, shaky: Shaky) -> Herald {
    Herald::new()
        .trigger("t", shaky)
        .selector("yes", Yes)
        .executor("work", worker.clone())
        .router(Router::new("r", "t", "yes").task("k", "work"))
}

#[tokio::test(start_paused = true)]
async fn a_trigger_that_fails_is_run_again() {
    for panics in [false, true] {
        let worker = Worker::default();
        let runs = Arc::new(AtomicU32::new(0));
        let running =
            herald(&worker, Shaky { prepares: true, panics, runs: runs.clone() }).start().await.unwrap();
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert_eq!(runs.load(Ordering::SeqCst), 2);
        assert_eq!(worker.diary.count("end r/k"), 1);
        running.stop(Duration::from_secs(1)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_trigger_that_cannot_be_prepared_stops_the_start() {
    let shaky = Shaky { prepares: false, panics: false, runs: Arc::default() };
    let error = herald(&Worker::default(), shaky).start().await.err().unwrap();
    assert!(matches!(error, StartError::Trigger { .. }));
    assert_eq!(error.to_string(), "trigger \"t\": the port is taken");
}
