//! One message at a worker, from its delivery to the report of its end.

use std::time::Duration;

use tokio::time::Instant;

use super::held::HeldMessage;
use super::runner::{NotBegun, RunId, RunReport};
use super::settings::Acknowledge;
use super::worker_state::WorkerState;
use crate::error::QueueError;
use crate::hold_answer::HoldAnswer;
use crate::message::{DeadReason, EndStatus, NewEnd};
use crate::queue::Delivery;

/// How long to wait before a statement is made again that the queue did not answer.
const AGAIN: Duration = Duration::from_millis(500);
/// How long a statement is made again by a worker that is stopping, or to a queue whose errors no time mends. After it
/// the lease ends, and others learn from that.
const LONGEST_ANSWER: Duration = Duration::from_secs(60 * 60);
/// How often an end is reported again to a queue that has forgotten the message.
const FORGOTTEN: u32 = 10;

/// Runs it, and reports its end.
pub(super) async fn run(shared: &WorkerState, delivery: &Delivery, held: &HeldMessage) {
    let Some(run) = begin(shared, delivery, held).await else { return };
    shared.held.started(held);
    if shared.settings.ack == Acknowledge::Accepted {
        let detail = serde_json::Value::Null;
        let end = NewEnd { status: EndStatus::Accepted, detail, seal: false };
        shared.runner.leave(&run).await;
        return said(shared, delivery, held, &Statement::Done(end)).await;
    }
    let ended = shared.runner.ended(&run);
    tokio::pin!(ended);
    let end = tokio::select! {
        end = &mut ended => end,
        owner = held.lost() => return lose(shared, delivery, &run, owner).await,
        () = shared.stopping.cancelled() => {
            let why = "given back to the queue: this worker is stopping".to_owned();
            if shared.runner.withdraw(&run, why).await {
                return said(shared, delivery, held, &Statement::Requeue(Duration::ZERO)).await;
            }
            tokio::select! {
                end = ended => end,
                owner = held.lost() => return lose(shared, delivery, &run, owner).await,
            }
        }
    };
    report(shared, delivery, held, end).await;
}

/// The recorded run; none where the message is not ours to run.
async fn begin(shared: &WorkerState, delivery: &Delivery, held: &HeldMessage) -> Option<RunId> {
    let known = shared.runner.known(delivery).await;
    let lost = match (&known, &delivery.started_by) {
        // An earlier process of this node runs it, or has ended it.
        (Some(_), Some(_)) => return known,
        (None, Some(by)) => Some(format!("worker {} started it and did not report its end", by.node)),
        (_, None) => {
            if shared.stopping.is_cancelled() {
                said(shared, delivery, held, &Statement::Release).await;
                return None;
            }
            if !is_recorded_as_started(shared, delivery, held).await {
                return None;
            }
            None
        }
    };
    if known.is_some() {
        return known;
    }
    let begun = tokio::select! {
        begun = shared.runner.begin(delivery, lost.as_deref()) => begun,
        owner = held.lost() => {
            // It may have been recorded just now.
            if let Some(run) = shared.runner.known(delivery).await {
                lose(shared, delivery, &run, owner).await;
            }
            return None;
        }
    };
    match begun {
        Ok(run) => Some(run),
        Err(NotBegun::Stopping) => {
            said(shared, delivery, held, &Statement::Requeue(Duration::ZERO)).await;
            None
        }
        Err(NotBegun::Unusable(why)) => {
            bury(shared, delivery, held, DeadReason::Other(why)).await;
            None
        }
    }
}

/// Records the start. False: the message is not ours, or this worker is stopping.
async fn is_recorded_as_started(shared: &WorkerState, delivery: &Delivery, held: &HeldMessage) -> bool {
    let answer = tokio::select! {
        answer = answer(shared, delivery, held, &Statement::Start) => answer,
        () = shared.stopping.cancelled() => {
            // It may be recorded, and nothing ran: the next attempt is another one.
            said(shared, delivery, held, &Statement::Requeue(Duration::ZERO)).await;
            return false;
        }
    };
    matches!(answer, Some(HoldAnswer::Done))
}

async fn lose(shared: &WorkerState, delivery: &Delivery, run: &RunId, owner: Option<String>) {
    let message = &delivery.message;
    let why = match owner {
        Some(owner) => format!("the lease of the message ended, and worker {owner} has it now"),
        None => "the lease of the message ended before its job".to_owned(),
    };
    tracing::warn!(queue = shared.queue, topic = message.topic, id = message.id, "{why}: its job is ended");
    shared.runner.lose(run, why).await;
}

/// Reports the end: the message is over, or another attempt follows.
async fn report(shared: &WorkerState, delivery: &Delivery, held: &HeldMessage, end: RunReport) {
    let RunReport { mut status, error, detail } = end;
    if status == EndStatus::Cancelled && shared.stopping.is_cancelled() {
        // Nobody cancelled it: the worker was stopped while it ran.
        status = EndStatus::Lost;
    }
    let policy = &shared.settings.requeue;
    let requeues = delivery.attempt.saturating_sub(delivery.message.attempt);
    if policy.on.contains(&status) {
        if requeues < policy.max {
            let delay = policy.delay_after(requeues);
            return said(shared, delivery, held, &Statement::Requeue(delay)).await;
        }
        if policy.max > 0 {
            let last = error.unwrap_or_else(|| status.as_str().to_owned());
            return bury(shared, delivery, held, DeadReason::Requeues { requeues, last }).await;
        }
    }
    let mut end = NewEnd { status, detail, seal: delivery.message.sealed };
    if delivery.message.put_again
        && let Some(detail) = end.detail.as_object_mut()
    {
        detail.insert("put_again".to_owned(), true.into());
    }
    said(shared, delivery, held, &Statement::Done(end)).await;
}

/// Makes it a dead letter, and lets the runner know.
async fn bury(shared: &WorkerState, delivery: &Delivery, held: &HeldMessage, reason: DeadReason) {
    let statement = Statement::Dead(reason.clone());
    if matches!(answer(shared, delivery, held, &statement).await, Some(HoldAnswer::Done)) {
        shared.runner.dead(&delivery.token.topic, &delivery.token.id, &reason).await;
    }
}

/// What a worker says about a message that it has.
enum Statement {
    Start,
    Done(NewEnd),
    Requeue(Duration),
    Release,
    Dead(DeadReason),
}

async fn said(shared: &WorkerState, delivery: &Delivery, held: &HeldMessage, statement: &Statement) {
    let message = &delivery.message;
    match answer(shared, delivery, held, statement).await {
        Some(HoldAnswer::Done) => {}
        Some(HoldAnswer::Lost { owner }) => {
            let owner = owner.as_deref().unwrap_or("another worker");
            tracing::warn!(
                queue = shared.queue,
                topic = message.topic,
                id = message.id,
                "the lease of the message ended, and {owner} has it: what {} reported was rejected",
                shared.node
            );
        }
        Some(HoldAnswer::Gone) => tracing::warn!(
            queue = shared.queue,
            topic = message.topic,
            id = message.id,
            "the queue does not know the message any more: it was emptied"
        ),
        None => {}
    }
}

/// Says it until there is an answer, or another worker has the message. None: it is refused for good, or was said for
/// too long; that is logged.
async fn answer(
    shared: &WorkerState,
    delivery: &Delivery,
    held: &HeldMessage,
    statement: &Statement,
) -> Option<HoldAnswer> {
    let (mut forgotten, began) = (0, Instant::now());
    loop {
        match say(shared, delivery, statement).await {
            // A renewal makes the message known again.
            Ok(HoldAnswer::Gone) if forgotten < FORGOTTEN && !matches!(statement, Statement::Start) => {
                forgotten += 1;
                let _ = shared.consumer.renew(std::slice::from_ref(&delivery.token)).await;
                if forgotten > 1 {
                    tokio::time::sleep(AGAIN).await;
                }
                continue;
            }
            Ok(answer) => return Some(answer),
            Err(QueueError::Invalid { problem, .. }) => {
                tracing::error!(queue = shared.queue, id = delivery.message.id, "{problem}");
                return None;
            }
            Err(error) => {
                let may_end = shared.stopping.is_cancelled() || !error.is_temporary();
                if may_end && began.elapsed() >= LONGEST_ANSWER {
                    tracing::error!(
                        id = delivery.message.id,
                        "{error}; the message is given up, others learn that when its lease ends"
                    );
                    return None;
                }
                tracing::debug!("{error}");
            }
        }
        tokio::select! {
            () = tokio::time::sleep(AGAIN) => {}
            owner = held.lost() => {
                // What it is about may have been recorded before, without an answer.
                let last = say(shared, delivery, statement).await;
                return Some(last.unwrap_or(HoldAnswer::Lost { owner }));
            }
        }
    }
}

async fn say(
    shared: &WorkerState,
    delivery: &Delivery,
    statement: &Statement,
) -> Result<HoldAnswer, QueueError> {
    let (consumer, token) = (&shared.consumer, &delivery.token);
    match statement {
        Statement::Start => consumer.start(token).await,
        Statement::Done(end) => consumer.done(token, end).await,
        Statement::Requeue(delay) => consumer.requeue(token, *delay).await,
        Statement::Dead(reason) => consumer.dead(token, reason).await,
        Statement::Release => {
            let answers = consumer.release(std::slice::from_ref(token)).await?;
            Ok(answers.into_iter().next().unwrap_or(HoldAnswer::Gone))
        }
    }
}
