//! How many jobs of each task failed in a row: beside the history, which forgets.
//!
//! A count is recorded in the batch of the end that changed it, as the position of a source. So it is the same after a
//! crash, and an event `exe_done` carries it: a selector that is asked again about the event gives the same answer.

use crate::event::activation::{Name, TaskMap};
use crate::event::position::{Cursor, Position};
use crate::job::Job;
use crate::job::lifecycle::Status;

/// With what the names of these sources begin. No trigger has such a name.
pub(super) const SOURCES: &str = "\u{1f}failures\u{1f}";
/// Between a router and a task.
const NEXT: char = '\u{1f}';

/// The counts that are not zero, by router and task.
#[derive(Default)]
pub(super) struct FailureCounts(TaskMap<u64>);

/// What the end of a job did to the count of its task.
pub(super) struct CountedEnd {
    /// How many jobs failed in a row before this one.
    pub(super) before: u64,
    /// What is to be recorded, where the count changed.
    pub(super) cursor: Option<Cursor>,
}

impl FailureCounts {
    /// Counts the end of a job. What was cancelled or rejected is neither a failure nor a success.
    pub(super) fn end(&mut self, job: &Job, status: Status) -> CountedEnd {
        let task = (job.router.clone(), job.task.clone());
        let before = self.0.get(&task).copied().unwrap_or_default();
        let after = match status {
            Status::Succeeded => 0,
            Status::Failed | Status::TimedOut | Status::Lost => before.saturating_add(1),
            Status::Cancelled | Status::Rejected => before,
        };
        if after == before {
            return CountedEnd { before, cursor: None };
        }
        let source = Name::from(format!("{SOURCES}{}{NEXT}{}", task.0, task.1));
        match after {
            0 => drop(self.0.remove(&task)),
            _ => drop(self.0.insert(task, after)),
        }
        CountedEnd { before, cursor: Some(Cursor { source, position: Position::of_integer(after) }) }
    }

    /// Goes on with what earlier processes recorded.
    pub(super) fn resume(&mut self, recorded: Vec<Cursor>) {
        let counts = recorded.iter().filter_map(|Cursor { source, position }| {
            let (router, task) = source.strip_prefix(SOURCES)?.split_once(NEXT)?;
            Some(((router.into(), task.into()), position.integer().filter(|count| *count > 0)?))
        });
        self.0.extend(counts);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::component::conformance;

    fn job(router: &str, task: &str) -> Job {
        Job { router: router.into(), task: task.into(), ..conformance::job("j") }
    }

    #[test]
    fn failures_in_a_row_are_counted_and_go_on_after_a_restart() {
        let (mut counts, mut recorded) = (FailureCounts::default(), std::collections::HashMap::new());
        for (router, task, status, before, is_recorded) in [
            ("a", "x", Status::Succeeded, 0, false),
            ("a", "x", Status::Failed, 0, true),
            ("a", "y", Status::Succeeded, 0, false),
            ("b", "x", Status::Lost, 0, true),
            ("a", "x", Status::TimedOut, 1, true),
            ("a", "x", Status::Cancelled, 2, false),
            ("a", "x", Status::Rejected, 2, false),
            ("a", "x", Status::Lost, 2, true),
            ("a", "x", Status::Succeeded, 3, true),
            ("a", "x", Status::Succeeded, 0, false),
            ("a", "x", Status::Failed, 0, true),
        ] {
            let ended = counts.end(&job(router, task), status);
            let what = format!("{router} {task} {status:?}");
            assert_eq!((ended.before, ended.cursor.is_some()), (before, is_recorded), "{what}");
            recorded.extend(ended.cursor.map(|cursor| (cursor.source.clone(), cursor)));
            // As if the process were another one each time.
            counts = FailureCounts::default();
            counts.resume(recorded.values().cloned().collect());
        }
        assert_eq!(counts.0.len(), 2);
    }
}
