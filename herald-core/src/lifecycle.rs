//! The life of a job as a pure function: state and event give state and effects.
//!
//! accepted → queued → running → succeeded | failed | timed_out | cancelled | lost. What is to be recorded comes
//! out as an effect before what is to be done, and the dispatcher does nothing before the record stands.

use crate::executor::{Failure, FailureKind, Outcome};
use crate::param::Params;

/// How a job ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It did what it should.
    Succeeded,
    /// It ran and failed, or could not be run.
    Failed,
    /// It took longer than it may.
    TimedOut,
    /// It was stopped on demand.
    Cancelled,
    /// Nobody knows how it ended.
    Lost,
    /// It was refused before it ran: its chain is too deep, say.
    Rejected,
}

impl Status {
    /// The word for it in the API, logs and documents.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::TimedOut => "timed_out",
            Self::Cancelled => "cancelled",
            Self::Lost => "lost",
            Self::Rejected => "rejected",
        }
    }
}

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
            Ok(result) => Self { status: Status::Succeeded, error: None, result },
            Err(Failure { kind, error, result }) => {
                let status = match kind {
                    FailureKind::Failed => Status::Failed,
                    FailureKind::TimedOut => Status::TimedOut,
                    FailureKind::Cancelled => Status::Cancelled,
                    FailureKind::Lost => Status::Lost,
                };
                Self { status, error: Some(error), result }
            }
        }
    }
}

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// A selector said yes; nothing is recorded yet.
    Made,
    /// It waits for its turn.
    Queued,
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
pub enum Event {
    /// It is taken in.
    Admit,
    /// It is turned away before it was taken in, for this reason.
    Reject(String),
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
    /// Record the end.
    RecordEnded(Verdict),
    /// Put it at the end of the queue.
    Enqueue,
    /// Hand it to its executor.
    Execute {
        /// From 1.
        attempt: u32,
    },
    /// Ask the executor to end it.
    AskToStop,
    /// Its place among the running jobs is free again.
    FreeSlot,
    /// Take it out of the queue.
    Dequeue,
    /// Tell of its end: `exe_done`.
    Feed(Verdict),
}

/// One step. An event that does not fit the state (a late answer of an attempt that was given up, a second
/// cancel) changes nothing and has no effect.
#[must_use]
pub fn step(state: State, event: Event) -> (State, Vec<Effect>) {
    match (state, event) {
        (State::Made, Event::Admit) => (State::Queued, vec![Effect::RecordQueued, Effect::Enqueue]),
        (State::Made, Event::Reject(why)) => {
            // No `exe_done`: a chain that is refused because it is too long must not go on by being refused.
            let verdict = Verdict::without_result(Status::Rejected, why);
            (State::Ended(Status::Rejected), vec![Effect::RecordEnded(verdict)])
        }
        (State::Queued, Event::Start) => {
            let attempt = 1;
            let effects = vec![Effect::RecordStarted { attempt }, Effect::Execute { attempt }];
            (State::Running { attempt, stopping: false }, effects)
        }
        (State::Queued, Event::Cancel(why)) => {
            let verdict = Verdict::without_result(Status::Cancelled, why);
            let effects = vec![Effect::RecordEnded(verdict.clone()), Effect::Dequeue, Effect::Feed(verdict)];
            (State::Ended(Status::Cancelled), effects)
        }
        (State::Running { attempt, stopping: false }, Event::Cancel(_)) => {
            (State::Running { attempt, stopping: true }, vec![Effect::AskToStop])
        }
        (State::Running { attempt, .. }, Event::Finish { attempt: finished, outcome })
            if attempt == finished =>
        {
            let verdict = Verdict::from(outcome);
            let status = verdict.status;
            let effects = vec![Effect::RecordEnded(verdict.clone()), Effect::FreeSlot, Effect::Feed(verdict)];
            (State::Ended(status), effects)
        }
        (state, _) => (state, Vec::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_event() -> impl Strategy<Value = Event> {
        prop_oneof![
            Just(Event::Admit),
            Just(Event::Reject("no".into())),
            Just(Event::Start),
            (0u32..3).prop_map(|attempt| Event::Finish { attempt, outcome: Ok(Params::new()) }),
            (0u32..3).prop_map(|attempt| Event::Finish { attempt, outcome: Err(Failure::new("x")) }),
            Just(Event::Cancel("stop".into())),
        ]
    }

    proptest! {
        /// Whatever comes in whatever order: records come before acts, a job is executed at most once, ends at
        /// most once, is fed at most once and only after its end was recorded, and frees only a slot it held.
        #[test]
        fn any_sequence_keeps_the_promises(events in proptest::collection::vec(any_event(), 0..12)) {
            let mut state = State::Made;
            let mut all = Vec::new();
            for event in events {
                let (next, effects) = step(state, event);
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
            let ended = count(|effect| matches!(effect, Effect::RecordEnded(_)));
            let executed = count(|effect| matches!(effect, Effect::Execute { .. }));
            let fed = count(|effect| matches!(effect, Effect::Feed(_)));
            prop_assert!(ended <= 1 && executed <= 1 && fed <= ended);
            prop_assert_eq!(ended == 1, matches!(state, State::Ended(_)));
            prop_assert!(count(|effect| matches!(effect, Effect::FreeSlot)) <= executed);
            prop_assert!(count(|effect| matches!(effect, Effect::AskToStop)) <= executed);
        }
    }

    fn is_record(effect: &Effect) -> bool {
        matches!(effect, Effect::RecordQueued | Effect::RecordStarted { .. } | Effect::RecordEnded(_))
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
            let (state, _) = step(running, Event::Finish { attempt: 1, outcome });
            let State::Ended(ended) = state else { panic!("{state:?}") };
            assert_eq!(ended.as_str(), status);
        }
    }

    #[test]
    fn a_late_answer_of_another_attempt_changes_nothing() {
        let running = State::Running { attempt: 2, stopping: true };
        let late = Event::Finish { attempt: 1, outcome: Ok(Params::new()) };
        assert_eq!(step(running, late), (running, Vec::new()));
    }
}
