//! Runs one attempt of a job on its executor, and makes sure that it ends once it is asked to.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::mpsc;

use super::event::Event;
use crate::activation::Name;
use crate::executor::{Execution, Executor, Failure, FailureKind, Outcome};

/// How long an executor may take to end in good order before it is told to end at once.
const LONGEST_END: Duration = Duration::from_secs(60);
/// How long it may take to end at once before it is left alone.
const LONGEST_FORCED_END: Duration = Duration::from_secs(10);

/// Runs the attempt and reports its end to the loop. Whatever the executor does, there is exactly one report.
pub(super) async fn perform(executor: Arc<dyn Executor>, execution: Execution, events: mpsc::Sender<Event>) {
    let job_id: Name = execution.job.id.clone();
    let attempt = execution.job.attempt;
    let outcome = run(executor, execution).await;
    // Nobody listens any more only once the dispatcher is gone, and then nobody waits for the job either.
    let _ = events.send(Event::Finished { job_id, attempt, outcome }).await;
}

async fn run(executor: Arc<dyn Executor>, execution: Execution) -> Outcome {
    let stop = execution.stop.clone();
    let work = AssertUnwindSafe(executor.execute(execution)).catch_unwind();
    let overdue = async {
        stop.asked.cancelled().await;
        let _ = tokio::time::timeout(LONGEST_END, stop.forced.cancelled()).await;
        stop.forced.cancel();
        tokio::time::sleep(LONGEST_FORCED_END).await;
    };
    tokio::select! {
        biased;
        done = work => done.unwrap_or_else(|_| Err(Failure::new("the executor panicked"))),
        () = overdue => Err(Failure {
            kind: FailureKind::Cancelled,
            ..Failure::new("the executor did not end the job in time and was left alone")
        }),
    }
}
