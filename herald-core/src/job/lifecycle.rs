//! The life of a job as a pure function: state and event give state and effects.
//!
//! accepted → queued → running → succeeded | failed | timed_out | cancelled | lost, and from running back to queued
//! where the policy grants another attempt. What is to be recorded is an effect before what is to be done, and the
//! dispatcher does nothing before it is recorded.

use std::time::Duration;

use herald_base::depth::{self, DEEPEST_RESULT, TooDeep};
use serde_json::Value;

use crate::component::executor::{Failure, FailureKind, Outcome};
use crate::job::policy::Policy;
pub use crate::job::status::Status;
use crate::value::param::Params;

/// The end of a job.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// How it ended.
    pub status: Status,
    /// Why it did not succeed: a sentence without secrets.
    pub error: Option<String>,
    /// What it gave.
    pub result: Params,
}

impl Verdict {
    /// An end without a result.
    pub fn without_result(status: Status, error: impl Into<String>) -> Self {
        Self { status, error: Some(error.into()), result: Params::new() }
    }
}

impl From<Outcome> for Verdict {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Ok(result) => Self { status: Status::Succeeded, error: None, result: readable(result) },
            Err(Failure { kind, error, result }) => {
                let status = match kind {
                    FailureKind::Failed => Status::Failed,
                    FailureKind::TimedOut => Status::TimedOut,
                    FailureKind::Cancelled => Status::Cancelled,
                    FailureKind::Lost => Status::Lost,
                };
                Self { status, error: Some(error), result: readable(result) }
            }
        }
    }
}

/// The result, or its text where it is nested so deep that what wraps it could not be read again.
fn readable(mut result: Params) -> Params {
    let depth = depth::of_params(&result);
    if depth <= DEEPEST_RESULT {
        return result;
    }
    let text = serde_json::to_string(&result).unwrap_or_default();
    result.retain(|key, _| matches!(key.as_str(), "exit_code" | "signal"));
    result.insert("output".to_owned(), Value::String(text));
    result.insert("note".to_owned(), Value::String(TooDeep { depth, limit: DEEPEST_RESULT }.note()));
    result
}

/// The state of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// A selector said yes; nothing is recorded yet.
    Made,
    /// It waits: for its turn, for a place in its pool, for its next attempt.
    Queued {
        /// The number of the attempt that comes next, from 1.
        attempt: u32,
    },
    /// It runs; once `stopping`, it was asked to end.
    Running {
        /// From 1.
        attempt: u32,
        /// Whether it was asked to end.
        stopping: bool,
    },
    /// It is over.
    Ended(Status),
}

/// What happens to a job.
#[derive(Debug, Clone, PartialEq)]
pub enum JobEvent {
    /// It is taken in.
    Admit,
    /// It is rejected, for this reason.
    Reject(String),
    /// It cannot be run at all, for this reason: what its templates speak of is not there.
    Break(String),
    /// It is its turn.
    Start,
    /// The executor is through with this attempt.
    Finish {
        /// The attempt that the executor speaks of.
        attempt: u32,
        /// How it went.
        outcome: Outcome,
    },
    /// Somebody wants it to end.
    Cancel(String),
    /// It must end, because it is not this daemon's any more, for this reason: another one runs it now.
    Lose(String),
}

/// What is to be done, in this order. Everything before the first effect that is not a record must be durable
/// before anything else is done.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Record that the job exists and waits.
    RecordQueued,
    /// Record that this attempt starts.
    RecordStarted {
        /// From 1.
        attempt: u32,
    },
    /// Record that this attempt is over and another one follows.
    RecordAttemptEnded {
        /// The attempt that is over.
        attempt: u32,
        /// How it ended.
        verdict: Verdict,
        /// How long the job waits before the next one, without jitter.
        wait: Duration,
    },
    /// Record the end.
    RecordEnded(Verdict),
    /// Let it wait for its turn.
    Enqueue,
    /// Let it wait this long (jitter aside), and then for its turn.
    EnqueueLater(Duration),
    /// Hand it to its executor.
    Execute {
        /// From 1.
        attempt: u32,
    },
    /// Ask the executor to end it.
    AskToStop,
    /// Its place among the running jobs is free again.
    FreeSlot {
        /// Whether its place in its pool stays its own meanwhile.
        keep_place: bool,
    },
    /// Take it out of wherever it waits.
    Dequeue,
    /// Tell of its end: `exe_done`.
    Feed(Verdict),
}

/// One step, by this policy. An event that does not fit the state (a late answer of an attempt that was given up, a
/// second cancel) changes nothing and has no effect.
#[must_use]
pub fn step(state: State, event: JobEvent, policy: &Policy) -> (State, Vec<Effect>) {
    match (state, event) {
        (State::Made, JobEvent::Admit) => {
            (State::Queued { attempt: 1 }, vec![Effect::RecordQueued, Effect::Enqueue])
        }
        // No `exe_done`: a chain that is refused because it is too long must not go on by being refused.
        (State::Made, JobEvent::Reject(why)) => {
            let verdict = Verdict::without_result(Status::Rejected, why);
            (State::Ended(Status::Rejected), vec![Effect::RecordEnded(verdict)])
        }
        (State::Made, JobEvent::Break(why)) => {
            let verdict = Verdict::without_result(Status::Failed, why);
            let effects =
                vec![Effect::RecordQueued, Effect::RecordEnded(verdict.clone()), Effect::Feed(verdict)];
            (State::Ended(Status::Failed), effects)
        }
        (State::Made, JobEvent::Lose(why)) => {
            let verdict = Verdict::without_result(Status::Lost, why);
            let effects =
                vec![Effect::RecordQueued, Effect::RecordEnded(verdict.clone()), Effect::Feed(verdict)];
            (State::Ended(Status::Lost), effects)
        }
        (State::Queued { .. }, JobEvent::Reject(why)) => {
            let verdict = Verdict::without_result(Status::Rejected, why);
            (State::Ended(Status::Rejected), vec![Effect::RecordEnded(verdict), Effect::Dequeue])
        }
        (State::Queued { attempt }, JobEvent::Start) => {
            let effects = vec![Effect::RecordStarted { attempt }, Effect::Execute { attempt }];
            (State::Running { attempt, stopping: false }, effects)
        }
        (State::Queued { .. }, JobEvent::Cancel(why)) => {
            let verdict = Verdict::without_result(Status::Cancelled, why);
            let effects = vec![Effect::RecordEnded(verdict.clone()), Effect::Dequeue, Effect::Feed(verdict)];
            (State::Ended(Status::Cancelled), effects)
        }
        (State::Queued { .. }, JobEvent::Lose(why)) => {
            let verdict = Verdict::without_result(Status::Lost, why);
            let effects = vec![Effect::RecordEnded(verdict.clone()), Effect::Dequeue, Effect::Feed(verdict)];
            (State::Ended(Status::Lost), effects)
        }
        (State::Running { attempt, stopping: false }, JobEvent::Cancel(_) | JobEvent::Lose(_)) => {
            (State::Running { attempt, stopping: true }, vec![Effect::AskToStop])
        }
        (State::Running { attempt, stopping }, JobEvent::Finish { attempt: finished, outcome })
            if attempt == finished =>
        {
            finish(attempt, stopping, Verdict::from(outcome), policy)
        }
        (state, _) => (state, Vec::new()),
    }
}

/// An attempt is over: the job is tried again where its policy says so, and nobody wanted it to end.
fn finish(attempt: u32, stopping: bool, verdict: Verdict, policy: &Policy) -> (State, Vec<Effect>) {
    let again = policy
        .retry
        .as_ref()
        .filter(|retry| !stopping && attempt <= retry.max && retry.on.contains(&verdict.status));
    if let Some(retry) = again {
        let wait = retry.wait(attempt);
        let effects = vec![
            Effect::RecordAttemptEnded { attempt, verdict, wait },
            Effect::FreeSlot { keep_place: policy.is_ordered() },
            Effect::EnqueueLater(wait),
        ];
        return (State::Queued { attempt: attempt.saturating_add(1) }, effects);
    }
    let status = verdict.status;
    let effects = vec![
        Effect::RecordEnded(verdict.clone()),
        Effect::FreeSlot { keep_place: false },
        Effect::Feed(verdict),
    ];
    (State::Ended(status), effects)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::policy::{Concurrency, OnFull, Retry};
    use proptest::prelude::*;

    #[test]
    fn a_result_that_is_too_deep_is_a_text() {
        let nested = |levels: usize| {
            let deep = (2..levels).fold(serde_json::json!([]), |inner, _| serde_json::json!([inner]));
            Params::from_iter([("exit_code".to_owned(), Value::from(0)), ("a".to_owned(), deep)])
        };
        assert_eq!(Verdict::from(Ok(nested(DEEPEST_RESULT))).result, nested(DEEPEST_RESULT));
        let result = Verdict::from(Ok(nested(DEEPEST_RESULT + 1))).result;
        assert_eq!(result["exit_code"], 0);
        assert!(result["output"].as_str().unwrap().contains(":[[["));
        assert_eq!(
            result["note"],
            "the output is JSON nested 109 levels deep; the limit is 108, so that it is not the result"
        );
    }

    fn any_outcome() -> impl Strategy<Value = Outcome> {
        prop_oneof![
            Just(Ok(Params::new())),
            Just(Err(Failure::new("x"))),
            Just(Err(Failure { kind: FailureKind::TimedOut, ..Failure::new("x") })),
            Just(Err(Failure { kind: FailureKind::Cancelled, ..Failure::new("x") })),
            Just(Err(Failure { kind: FailureKind::Lost, ..Failure::new("x") })),
        ]
    }

    fn any_event() -> impl Strategy<Value = JobEvent> {
        let finish = |(attempt, outcome)| JobEvent::Finish { attempt, outcome };
        prop_oneof![
            1 => Just(JobEvent::Admit),
            1 => Just(JobEvent::Reject("no".into())),
            1 => Just(JobEvent::Break("no".into())),
            2 => Just(JobEvent::Start),
            3 => (1u32..4, any_outcome()).prop_map(finish),
            1 => Just(JobEvent::Cancel("stop".into())),
            1 => Just(JobEvent::Lose("another one has it".into())),
        ]
    }

    fn any_retry() -> impl Strategy<Value = Option<Retry>> {
        let on = proptest::sample::subsequence(vec![Status::Failed, Status::TimedOut, Status::Lost], 0..=3);
        proptest::option::of((1u32..3, on).prop_map(|(max, on)| Retry {
            max,
            delay: Duration::from_secs(1),
            backoff: 2.0,
            max_delay: Duration::from_secs(3),
            on,
        }))
    }

    proptest! {
        /// Whatever comes in whatever order: records come before acts; an attempt is executed once, each after the
        /// end of the one before, and as often as the policy allows; a job ends at most once, is fed at most once
        /// and only after its end was recorded, and frees only slots that it held.
        #[test]
        fn any_sequence_keeps_the_promises(
            events in proptest::collection::vec(any_event(), 0..24),
            retry in any_retry(),
            ordered in any::<bool>(),
        ) {
            let policy = policy(retry.clone(), ordered);
            let mut state = State::Made;
            let mut all = Vec::new();
            for event in events {
                let (next, effects) = step(state, event, &policy);
                let first_act = effects.iter().position(|effect| !is_record(effect)).unwrap_or(effects.len());
                prop_assert!(effects[first_act..].iter().all(|effect| !is_record(effect)));
                if matches!(state, State::Ended(_)) {
                    prop_assert_eq!(next, state);
                    prop_assert!(effects.is_empty());
                }
                state = next;
                all.extend(effects);
            }
            let count = |wanted: fn(&Effect) -> bool| all.iter().filter(|effect| wanted(effect)).count();
            let attempts: Vec<u32> = all.iter().filter_map(|effect| match effect {
                Effect::Execute { attempt } => Some(*attempt),
                _ => None,
            }).collect();
            prop_assert!(attempts.iter().copied().eq(1..=u32::try_from(attempts.len()).unwrap()));
            let most = 1 + retry.as_ref().map_or(0, |retry| retry.max);
            prop_assert!(attempts.len() <= usize::try_from(most).unwrap());
            let ended = count(|effect| matches!(effect, Effect::RecordEnded(_)));
            let again = count(|effect| matches!(effect, Effect::RecordAttemptEnded { .. }));
            let fed = count(|effect| matches!(effect, Effect::Feed(_)));
            prop_assert!(ended <= 1 && fed <= ended);
            prop_assert_eq!(ended == 1, matches!(state, State::Ended(_)));
            prop_assert_eq!(again, count(|effect| matches!(effect, Effect::EnqueueLater(_))));
            let freed = count(|effect| matches!(effect, Effect::FreeSlot { .. }));
            // A place is kept exactly while the job waits for another attempt of an ordered pool.
            let kept = count(|effect| matches!(effect, Effect::FreeSlot { keep_place: true }));
            prop_assert_eq!(kept, if ordered { again } else { 0 });
            prop_assert_eq!(freed + usize::from(matches!(state, State::Running { .. })), attempts.len());
            prop_assert!(count(|effect| matches!(effect, Effect::AskToStop)) <= attempts.len());
        }
    }

    fn policy(retry: Option<Retry>, ordered: bool) -> Policy {
        let concurrency = Concurrency { limit: 1, key: None, on_full: OnFull::Queue, ordered };
        Policy { retry, concurrency: Some(concurrency), ..Policy::default() }
    }

    fn is_record(effect: &Effect) -> bool {
        matches!(
            effect,
            Effect::RecordQueued
                | Effect::RecordStarted { .. }
                | Effect::RecordAttemptEnded { .. }
                | Effect::RecordEnded(_)
        )
    }

    #[test]
    fn every_end_has_its_status() {
        for (kind, status) in [
            (FailureKind::Failed, "failed"),
            (FailureKind::TimedOut, "timed_out"),
            (FailureKind::Cancelled, "cancelled"),
            (FailureKind::Lost, "lost"),
        ] {
            let running = State::Running { attempt: 1, stopping: false };
            let outcome = Err(Failure { kind, ..Failure::new("why") });
            let (state, _) = step(running, JobEvent::Finish { attempt: 1, outcome }, &Policy::default());
            let State::Ended(ended) = state else { panic!("{state:?}") };
            assert_eq!(ended.as_str(), status);
        }
    }

    #[test]
    fn a_late_answer_of_another_attempt_changes_nothing() {
        let running = State::Running { attempt: 2, stopping: true };
        let late = JobEvent::Finish { attempt: 1, outcome: Ok(Params::new()) };
        assert_eq!(step(running, late, &Policy::default()), (running, Vec::new()));
    }

    #[test]
    fn only_the_ends_that_the_policy_names_earn_another_attempt() {
        let retry = Retry {
            max: 2,
            delay: Duration::from_secs(1),
            backoff: 2.0,
            max_delay: Duration::from_secs(10),
            on: vec![Status::Lost],
        };
        for (kind, attempt, stopping, expected) in [
            (FailureKind::Lost, 1, false, Some(Duration::from_secs(1))),
            (FailureKind::Lost, 2, false, Some(Duration::from_secs(2))),
            (FailureKind::Lost, 3, false, None),
            (FailureKind::Lost, 1, true, None),
            (FailureKind::Failed, 1, false, None),
        ] {
            let outcome = Err(Failure { kind, ..Failure::new("why") });
            let state = State::Running { attempt, stopping };
            let (next, effects) =
                step(state, JobEvent::Finish { attempt, outcome }, &policy(Some(retry.clone()), false));
            let wait = effects.iter().find_map(|effect| match effect {
                Effect::EnqueueLater(wait) => Some(*wait),
                _ => None,
            });
            assert_eq!(wait, expected, "{kind:?} {attempt} {stopping}");
            assert_eq!(wait.is_some(), next == State::Queued { attempt: attempt + 1 });
        }
    }
}
