//! Jobs of one router that ran near each other, as one entry with their number.

use std::collections::{BTreeMap, HashMap};

use herald_core::activation::Name;
use jiff::{SignedDuration, Timestamp};

use super::job_times::{JobTime, JobTimes};

/// A job that is created this long after it was due, jitter included, was caught up with.
const ON_TIME: SignedDuration = SignedDuration::from_mins(1);

/// Jobs of one router.
#[derive(Debug, Clone, PartialEq)]
pub struct JobRuns {
    /// The last of them.
    pub last: JobTime,
    /// When the first was created.
    pub first: Timestamp,
    /// How many there are of each status.
    pub outcomes: BTreeMap<&'static str, u64>,
}

impl JobRuns {
    fn new(job: JobTime) -> Self {
        Self { first: job.queued_at, outcomes: [(job.status.as_str(), 1)].into(), last: job }
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.outcomes.values().sum()
    }

    /// When the last of them was due, where it was caught up with.
    #[must_use]
    pub fn caught_up(&self) -> Option<Timestamp> {
        self.last.due_at.filter(|due| self.last.queued_at.duration_since(*due) > ON_TIME)
    }
}

impl JobTimes {
    /// Jobs of one router in the same bucket as one entry, oldest first; `bucket` gives the place of the bucket of a
    /// time, and `None` leaves a job by itself.
    #[must_use]
    pub fn grouped(self, bucket: impl Fn(Timestamp) -> Option<usize>) -> Vec<JobRuns> {
        let mut groups: Vec<JobRuns> = Vec::new();
        let mut places: HashMap<(Name, usize), usize> = HashMap::new();
        // Newest first, so the first of a group is its last.
        for job in self.jobs {
            let Some(place) = bucket(job.queued_at) else {
                groups.push(JobRuns::new(job));
                continue;
            };
            let group = *places.entry((job.router.clone(), place)).or_insert(groups.len());
            match groups.get_mut(group) {
                Some(found) => {
                    found.first = job.queued_at.min(found.first);
                    *found.outcomes.entry(job.status.as_str()).or_default() += 1;
                }
                None => groups.push(JobRuns::new(job)),
            }
        }
        groups.sort_by(|one, other| {
            one.first.cmp(&other.first).then_with(|| one.last.router.cmp(&other.last.router))
        });
        groups
    }
}

#[cfg(test)]
mod tests {
    use herald_core::status::Status;

    use super::*;
    use crate::history::JobStatus;

    fn job(router: &str, second: i64, status: Status, late: Option<i64>) -> JobTime {
        let at = |second| Timestamp::from_second(second).unwrap();
        JobTime {
            id: format!("{router}-{second}").into(),
            router: router.into(),
            status: JobStatus::Ended(status),
            queued_at: at(second),
            started_at: Some(at(second)),
            ended_at: Some(at(second + 1)),
            due_at: late.map(|late| at(second - late)),
        }
    }

    #[test]
    fn jobs_of_a_router_in_a_bucket_are_one_entry() {
        let times = JobTimes {
            jobs: vec![
                job("b", 3700, Status::Failed, Some(100)),
                job("a", 3650, Status::Succeeded, Some(60)),
                job("b", 3600, Status::Succeeded, None),
                job("b", 10, Status::Succeeded, None),
            ],
            has_more: false,
        };
        let hour = |at: Timestamp| usize::try_from(at.as_second() / 3600).ok();
        let shown = |runs: &JobRuns| {
            format!(
                "{} {} ×{} {:?} {}",
                runs.first.as_second(),
                runs.last.id,
                runs.count(),
                runs.outcomes,
                runs.caught_up().is_some()
            )
        };
        let grouped: Vec<_> = times.clone().grouped(hour).iter().map(shown).collect();
        assert_eq!(
            grouped,
            [
                "10 b-10 ×1 {\"succeeded\": 1} false",
                "3600 b-3700 ×2 {\"failed\": 1, \"succeeded\": 1} true",
                "3650 a-3650 ×1 {\"succeeded\": 1} false",
            ]
        );
        let alone = times.grouped(|_| None);
        assert_eq!(
            alone.iter().map(|runs| runs.first.as_second()).collect::<Vec<_>>(),
            [10, 3600, 3650, 3700]
        );
    }
}
