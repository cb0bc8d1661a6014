//! How jobs ended and how long they ran, of many jobs a little each: for statistics.

use herald_core::activation::Name;
use herald_core::param::Params;
use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, Row, params};
use serde::Deserialize;
use serde_json::Value;

use super::column::{name, object};
use super::job_state::JobStatus;
use super::job_times::{CLOCK_SLACK, first_id};
use crate::journal::entry::{millis, time};

/// By what jobs are counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SampledBy {
    /// Their router.
    #[default]
    Router,
    /// Their task.
    Task,
    /// The trigger of their event.
    Trigger,
    /// The nodes that they ran on, by their result.
    Node,
}

impl SampledBy {
    /// As people write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Router => "router",
            Self::Task => "task",
            Self::Trigger => "trigger",
            Self::Node => "node",
        }
    }
}

/// Which jobs, newest first.
#[derive(Debug, Clone)]
pub struct SampleQuery {
    /// Only those created at this time or later.
    pub since: Timestamp,
    /// Only those created before this time.
    pub until: Timestamp,
    /// Only of this router.
    pub router: Option<String>,
    /// By what they are counted.
    pub by: SampledBy,
    /// Only those with a smaller id: where the question before ended.
    pub before: Option<Name>,
    /// How many are looked at.
    pub limit: usize,
}

/// How a job ended, or how it ended on one node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobSample {
    /// The router, task, trigger or node.
    pub name: Name,
    /// How far it is, or how it ended, as a word.
    pub status: Name,
    /// When the job was created.
    pub queued_at: Timestamp,
    /// How long its last attempt took, where it has ended.
    pub took: Option<SignedDuration>,
}

/// Samples of as many jobs as one question looks at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JobSamples {
    /// The newest first.
    pub samples: Vec<JobSample>,
    /// The last job that was looked at, where there may be more.
    pub next: Option<Name>,
}

/// A job, as far as samples need it.
pub(super) struct SampledJob<'a> {
    pub(super) name: Name,
    pub(super) status: JobStatus,
    pub(super) queued_at: Timestamp,
    pub(super) started_at: Option<Timestamp>,
    pub(super) ended_at: Option<Timestamp>,
    pub(super) result: Option<&'a Params>,
}

impl SampledJob<'_> {
    /// One sample, or one for each node.
    pub(super) fn samples(self, by: SampledBy, samples: &mut Vec<JobSample>) {
        let took = self.ended_at.zip(self.started_at).map(|(end, start)| end.duration_since(start));
        let queued_at = self.queued_at;
        if by != SampledBy::Node {
            let status = self.status.as_str().into();
            samples.push(JobSample { name: self.name, status, queued_at, took });
            return;
        }
        let nodes = self.result.and_then(|result| result.get("node")).and_then(Value::as_object);
        for (node, entry) in nodes.into_iter().flatten() {
            if let Some(status) = entry.get("status").and_then(Value::as_str) {
                samples.push(JobSample {
                    name: node.as_str().into(),
                    status: status.into(),
                    queued_at,
                    took,
                });
            }
        }
    }
}

/// Out of the file, by the primary key or by the index of routers: ids ascend with time.
pub(super) fn job_samples(connection: &Connection, query: &SampleQuery) -> rusqlite::Result<JobSamples> {
    let name = match query.by {
        SampledBy::Router => "router",
        SampledBy::Task => "task",
        SampledBy::Trigger => "trigger_name",
        SampledBy::Node => "''",
    };
    let result = if query.by == SampledBy::Node { "result" } else { "NULL" };
    let from = match query.router {
        Some(_) => "jobs INDEXED BY jobs_by_router WHERE router = ?3 AND",
        None => "jobs WHERE ?3 IS NULL AND",
    };
    let mut statement = connection.prepare_cached(&format!(
        "SELECT id, {name}, status, queued_at, started_at, ended_at, {result} FROM {from} id >= ?1 AND id < ?2
         ORDER BY id DESC LIMIT ?4"
    ))?;
    let slack = CLOCK_SLACK;
    let end = first_id(query.until.checked_add(slack).unwrap_or(query.until));
    let end = query.before.as_deref().map_or(end.clone(), |before| end.min(before.to_owned()));
    let begin = first_id(query.since.checked_sub(slack).unwrap_or(query.since));
    let limit = i64::try_from(query.limit).unwrap_or(i64::MAX);
    let mut rows = statement.query(params![begin, end, query.router, limit])?;
    let (wanted, mut found) = (millis(query.since)..millis(query.until), JobSamples::default());
    let (mut looked_at, mut last) = (0, None);
    while let Some(row) = rows.next()? {
        looked_at += 1;
        if looked_at == query.limit {
            last = Some(self::name(row, 0)?);
        }
        if wanted.contains(&row.get(3)?) {
            sample(row, query.by, &mut found.samples)?;
        }
    }
    found.next = last;
    Ok(found)
}

fn sample(row: &Row<'_>, by: SampledBy, samples: &mut Vec<JobSample>) -> rusqlite::Result<()> {
    let result = object(row, 6)?;
    let job = SampledJob {
        name: name(row, 1)?,
        status: row.get(2)?,
        queued_at: time(row.get(3)?),
        started_at: row.get::<_, Option<i64>>(4)?.map(time),
        ended_at: row.get::<_, Option<i64>>(5)?.map(time),
        result: Some(&result),
    };
    job.samples(by, samples);
    Ok(())
}

#[cfg(test)]
mod tests {
    use herald_core::journal::Journal;
    use serde_json::json;

    use super::*;
    use crate::history::{History, MemoryHistory};
    use crate::store::tests::{accepted, append, at, ended, id, open_for_ever, plan, queued, started};

    #[tokio::test]
    async fn both_histories_give_the_same_samples() {
        let folder = tempfile::tempdir().unwrap();
        let plan = plan("s3cret-s3cret");
        let (store, memory) = (open_for_ever(folder.path()), MemoryHistory::default());
        let records = vec![
            accepted(&plan, 1, json!({})),
            queued(&plan, 1, 10),
            started(&plan, 1, 10, 1),
            ended(&plan, 1, 10),
            accepted(&plan, 2, json!({})),
            queued(&plan, 2, 20),
        ];
        append(&store, &records).await.unwrap();
        memory.append(&records.into()).await.unwrap();
        let all = SampleQuery {
            since: "2020-01-01T00:00:00Z".parse().unwrap(),
            until: at(5),
            router: None,
            by: SampledBy::Router,
            before: None,
            limit: 10,
        };
        for (query, expected) in [
            (all.clone(), vec!["r queued None", "r succeeded Some(1)"]),
            (
                SampleQuery { router: Some("r".to_owned()), before: Some(id(20)), ..all.clone() },
                vec!["r succeeded Some(1)"],
            ),
            (SampleQuery { router: Some("x".to_owned()), ..all.clone() }, vec![]),
            (SampleQuery { until: at(1), ..all.clone() }, vec![]),
            (SampleQuery { since: at(2), ..all.clone() }, vec![]),
            (
                SampleQuery { by: SampledBy::Trigger, before: Some(id(20)), ..all.clone() },
                vec!["t succeeded Some(1)"],
            ),
            (
                SampleQuery { by: SampledBy::Task, before: Some(id(20)), ..all.clone() },
                vec!["k succeeded Some(1)"],
            ),
            (SampleQuery { by: SampledBy::Node, ..all.clone() }, vec![]),
        ] {
            let on_disk = store.job_samples(query.clone()).await.unwrap();
            assert_eq!(on_disk, memory.job_samples(query.clone()).await.unwrap(), "{query:?}");
            let shown = |sample: &JobSample| {
                format!("{} {} {:?}", sample.name, sample.status, sample.took.map(|took| took.as_secs()))
            };
            assert_eq!(on_disk.samples.iter().map(shown).collect::<Vec<_>>(), expected, "{query:?}");
        }
        let first = store.job_samples(SampleQuery { limit: 1, ..all.clone() }).await.unwrap();
        assert_eq!((first.samples.len(), first.next), (1, Some(id(20))));
    }

    #[test]
    fn a_job_on_nodes_is_a_sample_for_each() {
        let result =
            json!({"node": {"web1": {"status": "succeeded"}, "web2": {"status": "failed"}, "odd": 1}});
        let at = |second| Timestamp::from_second(second).unwrap();
        let job = SampledJob {
            name: "".into(),
            status: JobStatus::Queued,
            queued_at: at(1),
            started_at: Some(at(2)),
            ended_at: Some(at(5)),
            result: result.as_object(),
        };
        let mut samples = Vec::new();
        job.samples(SampledBy::Node, &mut samples);
        let shown: Vec<String> = samples.iter().map(|one| format!("{} {}", one.name, one.status)).collect();
        assert_eq!(shown, ["web1 succeeded", "web2 failed"]);
        assert_eq!(samples[0].took, Some(SignedDuration::from_secs(3)));
    }
}
