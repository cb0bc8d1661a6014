//! When jobs ran: of many jobs a little each, for a calendar; and how long those of a router usually take.

use std::collections::BTreeMap;
use std::time::Duration;

use herald_core::activation::Name;
use herald_core::status::Status;
use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, Row, params};
use serde_json::Value;

use super::column::{name, object};
use super::job_state::{JobState, JobStatus};
use crate::journal::entry::{millis, time};

/// The newest jobs of a router that are looked at for how long they take, and the most of them that count.
const LOOKED_AT: usize = 50;
const COUNTED: usize = 20;
/// An id is made when its job is queued, and has the time of that: the two differ where the clock was set in between.
/// It is small, because whole rows are read for it; a job whose id is further off is not found.
pub(super) const CLOCK_SLACK: SignedDuration = SignedDuration::from_mins(10);
/// Jobs outside the range that one question looks at beside those that are asked for: others wait meanwhile.
const LOOK: usize = 2000;
/// Under which name a trigger with a calendar gives when it was due.
pub(super) const SCHEDULED_AT: &str = "scheduled_at";

/// Jobs of which range of time.
#[derive(Debug, Clone)]
pub struct JobTimesQuery {
    /// Only those created at this time or later.
    pub since: Timestamp,
    /// Only those created before this time.
    pub until: Timestamp,
    /// The triggers with a calendar, and how much later than by it they are due: of their jobs it is asked
    /// when that was.
    pub calendars: BTreeMap<Name, SignedDuration>,
    /// How many at most; the newest are given.
    pub limit: usize,
}

/// When a job ran.
#[derive(Debug, Clone, PartialEq)]
pub struct JobTime {
    /// The job's id.
    pub id: Name,
    /// Router name.
    pub router: Name,
    /// How far it is, or how it ended.
    pub status: JobStatus,
    /// When it was created.
    pub queued_at: Timestamp,
    /// When its latest attempt started.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// When its trigger was due, where that has a calendar and nobody caused the job by hand.
    pub due_at: Option<Timestamp>,
}

/// When jobs ran.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct JobTimes {
    /// The newest first.
    pub jobs: Vec<JobTime>,
    /// Whether there are older ones in the range, or may be: not all ids were looked at.
    pub has_more: bool,
}

impl JobTimes {
    /// Of one more than asked for, where there are more.
    pub(super) fn of(mut jobs: Vec<JobTime>, limit: usize) -> Self {
        let has_more = jobs.len() > limit;
        jobs.truncate(limit);
        Self { jobs, has_more }
    }
}

impl JobTimesQuery {
    /// When an event of this trigger was due, by its parameters.
    pub(super) fn due_of(&self, trigger: &str, scheduled_at: Option<&Value>) -> Option<Timestamp> {
        let scheduled_at: Timestamp = scheduled_at?.as_str()?.parse().ok()?;
        scheduled_at.checked_add(*self.calendars.get(trigger)?).ok()
    }
}

/// Out of the file, by the primary key: ids ascend with time.
pub(super) fn job_times(connection: &Connection, query: &JobTimesQuery) -> rusqlite::Result<JobTimes> {
    let calendars: Vec<&str> = query.calendars.keys().map(|name| &**name).collect();
    let mut statement = connection.prepare_cached(
        "SELECT id, router, status, queued_at, started_at, ended_at,
                CASE WHEN queued_at >= ?3 AND queued_at < ?4 AND trigger_name IN (SELECT value FROM json_each(?5))
                          AND actor IS NULL
                     THEN (SELECT param FROM events WHERE events.id = jobs.event_id AND events.actor IS NULL) END,
                trigger_name
         FROM jobs WHERE id >= ?1 AND id < ?2 ORDER BY id DESC",
    )?;
    let mut rows = statement.query(params![
        least_id(query.since),
        first_id(query.until.checked_add(CLOCK_SLACK).unwrap_or(query.until)),
        millis(query.since),
        millis(query.until),
        Value::from(calendars).to_string(),
    ])?;
    let (wanted, mut jobs, mut outside) = (millis(query.since)..millis(query.until), Vec::new(), 0);
    // A limit of the question itself would bound only what is in the range.
    while let Some(row) = rows.next()? {
        let is_wanted = wanted.contains(&row.get(3)?);
        let (seen, most) = if is_wanted { (jobs.len(), query.limit) } else { (outside, LOOK) };
        if seen >= most {
            return Ok(JobTimes { jobs, has_more: true });
        }
        if is_wanted {
            jobs.push(job_time(row, query)?);
        } else {
            outside += 1;
        }
    }
    Ok(JobTimes { jobs, has_more: false })
}

fn job_time(row: &Row<'_>, query: &JobTimesQuery) -> rusqlite::Result<JobTime> {
    Ok(JobTime {
        id: name(row, 0)?,
        router: name(row, 1)?,
        status: row.get(2)?,
        queued_at: time(row.get(3)?),
        started_at: row.get::<_, Option<i64>>(4)?.map(time),
        ended_at: row.get::<_, Option<i64>>(5)?.map(time),
        due_at: query.due_of(row.get_ref(7)?.as_str()?, object(row, 6)?.get(SCHEDULED_AT)),
    })
}

/// The beginning of the ids of this time.
pub(super) fn first_id(at: Timestamp) -> String {
    let millis = at.as_millisecond().max(0);
    format!("{:08x}-{:04x}", millis >> 16, millis & 0xffff)
}

/// The least id of what came at this time or later, as far as the clock was not set forward meanwhile: below it nothing
/// has to be read.
pub(super) fn least_id(since: Timestamp) -> String {
    first_id(since.checked_sub(CLOCK_SLACK).unwrap_or(since))
}

/// How long the jobs of a router usually take, out of the file.
pub(super) fn usual_length(connection: &Connection, router: &str) -> rusqlite::Result<Option<Duration>> {
    let mut statement = connection.prepare_cached(
        "SELECT status, attempt, started_at, ended_at, retry_at, NULL FROM jobs WHERE router = ?1 ORDER BY id DESC LIMIT ?2",
    )?;
    let rows = statement.query_map(params![router, LOOKED_AT as i64], |row| JobState::read(row, 0))?;
    Ok(median_of(rows.collect::<Result<Vec<_>, _>>()?.iter()))
}

/// The median of the newest of these jobs of one router, which come newest first.
pub(super) fn median_of<'a>(newest_first: impl Iterator<Item = &'a JobState>) -> Option<Duration> {
    median(newest_first.take(LOOKED_AT).filter_map(successful_length).collect())
}

/// How long a job ran, where it succeeded.
fn successful_length(job: &JobState) -> Option<Duration> {
    let took = job.ended_at?.duration_since(job.started_at?);
    Duration::try_from(took).ok().filter(|_| job.status == JobStatus::Ended(Status::Succeeded))
}

fn median(mut newest_first: Vec<Duration>) -> Option<Duration> {
    newest_first.truncate(COUNTED);
    newest_first.sort_unstable();
    newest_first.get(newest_first.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use herald_core::activation::Activation;
    use herald_core::actor::Actor;
    use herald_core::job::Job;
    use herald_core::journal::{Journal, Record};
    use serde_json::json;

    use super::*;
    use crate::history::{History, MemoryHistory};
    use crate::store::tests::{accepted, append, at, ended, id, open_for_ever, plan, queued, started};

    #[tokio::test]
    async fn both_histories_give_the_same_times() {
        let folder = tempfile::tempdir().unwrap();
        let plan = plan("s3cret-s3cret");
        let (store, memory) = (open_for_ever(folder.path()), MemoryHistory::default());
        let records = vec![
            accepted(&plan, 1, json!({"scheduled_at": "2027-01-15T09:00:00+01:00"})),
            queued(&plan, 1, 10),
            started(&plan, 1, 10, 1),
            ended(&plan, 1, 10),
            accepted(&plan, 2, json!({"scheduled_at": 5})),
            queued(&plan, 2, 20),
        ];
        append(&store, &records).await.unwrap();
        memory.append(&records.into()).await.unwrap();
        let all = JobTimesQuery {
            since: "2020-01-01T00:00:00Z".parse().unwrap(),
            until: at(5),
            calendars: [(Name::from("t"), SignedDuration::ZERO)].into(),
            limit: 10,
        };
        for (query, expected, has_more) in [
            (all.clone(), vec![20, 10], false),
            (JobTimesQuery { limit: 1, ..all.clone() }, vec![20], true),
            (JobTimesQuery { until: at(1), ..all.clone() }, vec![], false),
            (JobTimesQuery { since: at(2), ..all.clone() }, vec![], false),
            (
                JobTimesQuery { since: Timestamp::MIN, until: Timestamp::MAX, ..all.clone() },
                vec![20, 10],
                false,
            ),
        ] {
            let on_disk = store.job_times(query.clone()).await.unwrap();
            assert_eq!(on_disk, memory.job_times(query.clone()).await.unwrap(), "{query:?}");
            let found: Vec<Name> = on_disk.jobs.iter().map(|job| job.id.clone()).collect();
            assert_eq!(found, expected.into_iter().map(id).collect::<Vec<_>>(), "{query:?}");
            assert_eq!(on_disk.has_more, has_more, "{query:?}");
        }
        let jobs = store.job_times(all.clone()).await.unwrap().jobs;
        assert_eq!(jobs[1].due_at, Some("2027-01-15T08:00:00Z".parse().unwrap()));
        assert_eq!((jobs[0].due_at, jobs[1].ended_at), (None, Some(at(3))));
        let of_others = JobTimesQuery { calendars: BTreeMap::new(), ..all };
        assert!(store.job_times(of_others).await.unwrap().jobs.iter().all(|job| job.due_at.is_none()));
        for (router, usual) in [("r", Some(Duration::from_secs(1))), ("x", None)] {
            let routers = vec![Name::from(router)];
            let found = store.usual_lengths(routers.clone()).await.unwrap();
            assert_eq!(found, [usual]);
            assert_eq!(memory.usual_lengths(routers).await.unwrap(), [usual]);
        }
    }

    #[tokio::test]
    async fn what_was_due_is_said_with_the_delay_and_not_of_what_was_done_by_hand() {
        let folder = tempfile::tempdir().unwrap();
        let plan = plan("s3cret-s3cret");
        let (store, memory) = (open_for_ever(folder.path()), MemoryHistory::default());
        let by = || Some(Arc::new(Actor::via("cli".into())));
        let due = || json!({"scheduled_at": "2027-01-15T08:00:00Z"});
        let replayed = match accepted(&plan, 2, due()) {
            Record::Accepted { activation, mask, key, cursor, due, at } => {
                let activation = Activation { by: by(), ..activation };
                Record::Accepted { activation, mask, key, cursor, due, at }
            }
            other => other,
        };
        let rerun = match queued(&plan, 1, 11) {
            Record::Queued { job, mask, at } => {
                let job = Arc::new(Job { by: by(), rerun: true, ..Job::clone(&job) });
                Record::Queued { job, mask, at }
            }
            other => other,
        };
        let records =
            vec![accepted(&plan, 1, due()), queued(&plan, 1, 10), rerun, replayed, queued(&plan, 2, 20)];
        append(&store, &records).await.unwrap();
        memory.append(&records.into()).await.unwrap();
        let query = JobTimesQuery {
            since: Timestamp::MIN,
            until: Timestamp::MAX,
            calendars: [(Name::from("t"), SignedDuration::from_secs(90))].into(),
            limit: 10,
        };
        let found = store.job_times(query.clone()).await.unwrap();
        assert_eq!(found, memory.job_times(query).await.unwrap());
        let due: Vec<_> = found.jobs.iter().map(|job| job.due_at.map(|at| at.to_string())).collect();
        assert_eq!(due, [None, None, Some("2027-01-15T08:01:30Z".to_owned())]);
    }

    #[tokio::test]
    async fn jobs_outside_the_range_are_looked_at_up_to_a_bound() {
        let folder = tempfile::tempdir().unwrap();
        let plan = plan("s3cret-s3cret");
        let store = open_for_ever(folder.path());
        append(&store, &[accepted(&plan, 1, json!({}))]).await.unwrap();
        // They were queued a second after the time of their ids.
        let of_ids = Timestamp::from_millisecond(0x01a3_185c_5000).unwrap();
        let last = LOOK as u64 + 2;
        for (new, has_more) in [(2..last, false), (last..last + 1, true)] {
            let records: Vec<_> = new.clone().map(|n| queued(&plan, 1, n)).collect();
            append(&store, &records).await.unwrap();
            let query = |minutes| JobTimesQuery {
                since: of_ids - SignedDuration::from_hours(1),
                until: of_ids - SignedDuration::from_mins(minutes),
                calendars: BTreeMap::new(),
                limit: 5,
            };
            let found = store.job_times(query(1)).await.unwrap();
            assert_eq!(found, JobTimes { jobs: Vec::new(), has_more }, "{new:?}");
            // Those of a later time are not looked at.
            assert_eq!(store.job_times(query(15)).await.unwrap(), JobTimes::default());
        }
    }

    #[test]
    fn the_median_of_the_newest_that_succeeded() {
        for (seconds, expected) in [
            (vec![], None),
            (vec![3], Some(3)),
            (vec![9, 1, 5], Some(5)),
            ((0..40).rev().collect(), Some(30)),
        ] {
            let lengths = seconds.into_iter().map(Duration::from_secs).collect();
            assert_eq!(median(lengths), expected.map(Duration::from_secs));
        }
        let job = |status, from, to| JobState {
            status: JobStatus::Ended(status),
            started_at: Some(at(from)),
            ended_at: Some(at(to)),
            ..JobState::queued(1)
        };
        let jobs = [job(Status::Failed, 0, 3), job(Status::Succeeded, 0, 7), job(Status::Succeeded, 7, 0)];
        assert_eq!(median_of(jobs.iter()), Some(Duration::from_secs(7)));
    }
}
