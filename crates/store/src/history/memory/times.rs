//! When the jobs in memory ran.

use std::time::Duration;

use jiff::Timestamp;

use super::{Inside, KeptJob};
use crate::history::job_samples::{JobSamples, SampleQuery, SampledBy, SampledJob};
use crate::history::job_times::{JobTime, JobTimes, JobTimesQuery, SCHEDULED_AT, median_of};

impl Inside {
    fn newest_first(&self) -> impl Iterator<Item = &KeptJob> {
        self.jobs.values().rev()
    }

    pub(super) fn job_times(&self, query: &JobTimesQuery) -> JobTimes {
        let wanted = self.newest_first().filter(|kept| (query.since..query.until).contains(&kept.queued_at));
        let times = wanted
            .take(query.limit.saturating_add(1))
            .map(|kept| kept.times(self.due_of(kept, query)))
            .collect();
        JobTimes::of(times, query.limit)
    }

    /// When the trigger of the job was due, where that is asked for.
    fn due_of(&self, kept: &KeptJob, query: &JobTimesQuery) -> Option<Timestamp> {
        let event = self.events.get(&kept.job.trigger_id).filter(|_| !kept.job.rerun)?;
        let param = event.activation.by.is_none().then_some(&event.activation.trigger_param)?;
        query.due_of(&kept.job.trigger, param.get(SCHEDULED_AT))
    }

    /// All of them: there are few.
    pub(super) fn job_samples(&self, query: &SampleQuery) -> JobSamples {
        let is_wanted = |kept: &&KeptJob| {
            (query.since..query.until).contains(&kept.queued_at)
                && query.router.as_ref().is_none_or(|router| *router == *kept.job.router)
                && query.before.as_ref().is_none_or(|before| kept.job.id < *before)
        };
        let mut found = JobSamples::default();
        for kept in self.newest_first().filter(is_wanted) {
            let job = &kept.job;
            let name = match query.by {
                SampledBy::Router | SampledBy::Node => &job.router,
                SampledBy::Task => &job.task,
                SampledBy::Trigger => &job.trigger,
            };
            let sampled = SampledJob {
                name: name.clone(),
                status: kept.state.status,
                queued_at: kept.queued_at,
                started_at: kept.state.started_at,
                ended_at: kept.state.ended_at,
                result: kept.result.as_ref(),
            };
            sampled.samples(query.by, &mut found.samples);
        }
        found
    }

    pub(super) fn usual_length(&self, router: &str) -> Option<Duration> {
        let own = self.newest_first().filter(|kept| *kept.job.router == *router).map(|kept| &kept.state);
        median_of(own)
    }
}

impl KeptJob {
    fn times(&self, due_at: Option<Timestamp>) -> JobTime {
        JobTime {
            id: self.job.id.clone(),
            router: self.job.router.clone(),
            status: self.state.status,
            queued_at: self.queued_at,
            started_at: self.state.started_at,
            ended_at: self.state.ended_at,
            due_at,
        }
    }
}
