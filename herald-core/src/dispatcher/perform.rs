//! Runs one attempt of a job on its executor, and makes sure that it ends once it is asked to.

use std::panic::AssertUnwindSafe;
use std::pin::Pin;
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

/// One attempt at work.
pub(super) type Attempt = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// Begins the attempt. Whatever the executor does, it ends once it is asked to.
pub(super) fn begin(executor: Arc<dyn Executor>, execution: Execution) -> Attempt {
    Box::pin(run(executor, execution))
}

/// Sees the attempt through and reports its end to the loop: exactly one report.
pub(super) async fn report(attempt: Attempt, job_id: Name, number: u32, events: mpsc::Sender<Event>) {
    let outcome = attempt.await;
    // Nobody listens any more only once the dispatcher is gone, and then nobody waits for the job either.
    let _ = events.send(Event::Finished { job_id, attempt: number, outcome }).await;
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
