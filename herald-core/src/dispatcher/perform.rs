//! Runs one attempt of a job on its executor, and makes sure that it ends once it is asked to.

use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use futures_util::{FutureExt, poll};
use tokio::sync::mpsc;

use super::event::Event;
use super::fill::LaterAttempt;
use crate::component::executor::{
    Ending, Execution, Executor, Failure, FailureKind, Outcome, Stop, TimeLimit,
};
use crate::event::activation::Name;

/// How long an executor may take to end cleanly before it is asked to end at once.
const LONGEST_END: Duration = Duration::from_secs(60);
/// How long it may take to end at once before it is left alone.
const LONGEST_FORCED_END: Duration = Duration::from_secs(10);

/// One attempt at work.
pub(super) type Attempt = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// Lets an executor that is [instant](Executor::is_instant) do its work. `Err`: it is not through, as it should be; the
/// rest is still to be done.
pub(super) async fn at_once(executor: Arc<dyn Executor>, execution: Execution) -> Result<Outcome, Attempt> {
    let mut work: Attempt = Box::pin(async move { executor.execute(execution).await });
    let step = AssertUnwindSafe(async { poll!(&mut work) });
    match step.catch_unwind().await {
        Ok(Poll::Ready(outcome)) => Ok(outcome),
        Ok(Poll::Pending) => Err(work),
        Err(_) => Ok(panicked()),
    }
}

/// Sees the rest of an attempt through that was begun already.
pub(super) fn go_on(work: Attempt, stop: Stop, timeout: Option<Duration>) -> Attempt {
    Box::pin(async move { in_time(work, &stop, timeout).await })
}

/// What the attempt is begun with.
pub(super) struct Start {
    pub(super) executor: Arc<dyn Executor>,
    pub(super) execution: Execution,
    /// How long it may take.
    pub(super) timeout: Option<Duration>,
    /// Whether an earlier process started it.
    pub(super) resumed: bool,
    /// Of another attempt than the first.
    pub(super) later: Option<LaterAttempt>,
}

/// Begins the attempt. Whatever the executor does, it ends once it is asked to.
pub(super) fn begin(start: Start) -> Attempt {
    Box::pin(run(start))
}

/// Sees the attempt through and reports its end to the loop: exactly one report.
pub(super) async fn report(attempt: Attempt, job_id: Name, number: u32, events: mpsc::Sender<Event>) {
    let outcome = attempt.await;
    // Nobody listens any more only once the dispatcher is gone, and then nobody waits for the job either.
    let _ = events.send(Event::Finished { job_id, attempt: number, outcome }).await;
}

async fn run(start: Start) -> Outcome {
    let Start { executor, mut execution, timeout, resumed, later } = start;
    if let Some(later) = later {
        execution.job = later.fill(execution.job).await;
    }
    let (stop, output) = (execution.stop.clone(), execution.output.clone());
    let work =
        async { if resumed { executor.recover(execution).await } else { executor.execute(execution).await } };
    let outcome = in_time(work, &stop, timeout).await;
    output.close().await;
    outcome
}

async fn in_time(work: impl Future<Output = Outcome>, stop: &Stop, timeout: Option<Duration>) -> Outcome {
    let mut work = pin!(to_its_end(work, stop));
    let Some(timeout) = timeout else { return work.await };
    tokio::select! {
        biased;
        outcome = &mut work => outcome,
        () = tokio::time::sleep(timeout) => {
            stop.asked.cancel();
            timed_out(work.await, timeout)
        }
    }
}

fn panicked() -> Outcome {
    Err(Failure::new("the executor panicked"))
}

/// Of an attempt that was asked to end because its time was over.
fn timed_out(outcome: Outcome, timeout: Duration) -> Outcome {
    outcome.map_err(|failure| Failure {
        kind: FailureKind::TimedOut,
        error: Ending::TimedOut.sentence(Some(TimeLimit { option: "policy.timeout", duration: timeout })),
        result: failure.result,
    })
}

async fn to_its_end(work: impl Future<Output = Outcome>, stop: &Stop) -> Outcome {
    let work = AssertUnwindSafe(work).catch_unwind();
    let overdue = async {
        stop.asked.cancelled().await;
        let _ = tokio::time::timeout(LONGEST_END, stop.forced.cancelled()).await;
        stop.forced.cancel();
        tokio::time::sleep(LONGEST_FORCED_END).await;
    };
    tokio::select! {
        biased;
        done = work => done.unwrap_or_else(|_| panicked()),
        () = overdue => Err(Failure {
            kind: FailureKind::Cancelled,
            ..Failure::new("the executor did not end the job in time and was left alone")
        }),
    }
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use tokio::time::Instant;

    use super::*;
    use crate::component::conformance::job;
    use crate::component::executor::NoOutput;
    use crate::job::Job;
    use crate::value::param::Params;

    /// Says that it is done at once, which is true where it has no time to wait for.
    struct SaidToBeInstant(Option<Duration>);

    #[async_trait]
    impl Executor for SaidToBeInstant {
        async fn execute(&self, execution: Execution) -> Outcome {
            assert_ne!(&*execution.job.task, "panics");
            if let Some(wait) = self.0 {
                tokio::time::sleep(wait).await;
            }
            Ok(Params::new())
        }
    }

    async fn begun(task: &str, wait: Option<u64>) -> Result<Outcome, Attempt> {
        let job = Job { task: task.into(), ..job("j") };
        let (stop, output) = (Stop::new(), Arc::new(NoOutput));
        let execution = Execution { job: Arc::new(job), mask: Arc::default(), stop, output, earlier: None };
        at_once(Arc::new(SaidToBeInstant(wait.map(Duration::from_secs))), execution).await
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_not_done_at_once_ends_all_the_same() {
        assert!(matches!(begun("k", None).await, Ok(Ok(_))));
        let panicked = begun("panics", None).await.ok().unwrap().unwrap_err();
        assert_eq!(panicked.error, "the executor panicked");

        let stopped = Stop::new();
        stopped.asked.cancel();
        for (wait, stop, seconds, succeeds) in
            [(20, Stop::new(), 20, true), (20, stopped.clone(), 20, true), (500, stopped, 70, false)]
        {
            let rest = begun("k", Some(wait)).await.err().unwrap();
            let began = Instant::now();
            assert_eq!(go_on(rest, stop, None).await.is_ok(), succeeds, "{wait}");
            assert_eq!(began.elapsed().as_secs(), seconds, "{wait}");
        }
    }
}
