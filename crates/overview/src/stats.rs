//! How many jobs there were, how they ended and how long they took: by time, and by router, task, trigger or node.

use std::collections::{BTreeMap, HashMap, HashSet};

use herald_control::model::{StatsResource, StatsRow};
use herald_core::activation::Name;
use herald_core::unit;
use herald_store::history::{History, HistoryError, JobSample, SampleQuery, SampledBy};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};

/// The shortest bucket, and the most buckets.
const SHORTEST: SignedDuration = SignedDuration::from_mins(1);
const MOST_BUCKETS: i64 = 1000;
/// How many buckets there are unless asked otherwise, and how long they are.
const BUCKETS: i64 = 24;
const BUCKET: SignedDuration = SignedDuration::from_hours(1);
/// Jobs that one question looks at, so that others come in between, and how many questions there are. The nodes of a
/// job are in its result, which may be large.
const LOOK: usize = 10_000;
const LOOK_AT_RESULTS: usize = 500;
const QUESTIONS: usize = 10;
/// The most rows.
const MOST_ROWS: usize = 5000;
/// The most names, unless asked otherwise, and at most.
const NAMES: usize = 50;
const MOST_NAMES: usize = 500;

/// What jobs may be counted by, for the document.
#[must_use]
pub fn by_schema() -> Schema {
    let text = ObjectBuilder::new().schema_type(Type::String);
    Schema::Object(text.enum_values(Some(["router", "task", "trigger", "node"])).build())
}

/// Which jobs are counted, and how.
#[derive(Debug, Clone)]
pub struct StatsRange {
    since: Timestamp,
    until: Timestamp,
    bucket: SignedDuration,
    by: SampledBy,
    router: Option<String>,
    names: usize,
}

/// What is wrong with a question.
#[derive(Debug, thiserror::Error)]
pub enum StatsQueryError {
    /// The bucket.
    #[error("bucket: expected a duration of 1m or more, such as 1h or 1d")]
    Bucket,
    /// The range.
    #[error("until: expected a later time than since")]
    Range,
    /// Too many buckets.
    #[error(
        "bucket: there would be more than {MOST_BUCKETS} buckets; ask for longer ones, or for a shorter range"
    )]
    TooMany,
    /// The names.
    #[error("limit: expected a number from 1 to {MOST_NAMES}")]
    Limit,
}

impl StatsRange {
    /// Of what somebody asked for.
    ///
    /// # Errors
    /// [`StatsQueryError`]: what is asked means nothing, or too much.
    pub fn new(
        since: Option<Timestamp>,
        until: Option<Timestamp>,
        bucket: Option<&str>,
        by: SampledBy,
        now: Timestamp,
    ) -> Result<Self, StatsQueryError> {
        let bucket = match bucket {
            None => BUCKET,
            Some(text) => unit::duration(&Value::from(text))
                .ok()
                .and_then(|bucket| SignedDuration::try_from(bucket).ok())
                .filter(|bucket| *bucket >= SHORTEST && bucket.subsec_nanos() == 0)
                .ok_or(StatsQueryError::Bucket)?,
        };
        let until = until.unwrap_or(now);
        let seconds = bucket.as_secs();
        let ago = seconds.saturating_mul(BUCKETS - 1);
        let since =
            since.unwrap_or_else(|| until.saturating_sub(SignedDuration::from_secs(ago)).unwrap_or(until));
        if since >= until {
            return Err(StatsQueryError::Range);
        }
        if until.as_second().saturating_sub(since.as_second()) / seconds > MOST_BUCKETS {
            return Err(StatsQueryError::TooMany);
        }
        let since = begin(since, bucket);
        Ok(Self { since, until, bucket, by, router: None, names: NAMES })
    }

    /// Only of this router, and of so many names.
    ///
    /// # Errors
    /// [`StatsQueryError::Limit`].
    pub fn limited(self, router: Option<String>, names: Option<usize>) -> Result<Self, StatsQueryError> {
        let names = names.unwrap_or(NAMES);
        if !(1..=MOST_NAMES).contains(&names) {
            return Err(StatsQueryError::Limit);
        }
        Ok(Self { router, names, ..self })
    }
}

/// Where the bucket of this time begins.
fn begin(at: Timestamp, bucket: SignedDuration) -> Timestamp {
    let second = at.as_second();
    Timestamp::from_second(second - second.rem_euclid(bucket.as_secs().max(1))).unwrap_or(at)
}

/// The jobs of one name in one bucket.
#[derive(Default)]
struct StatsCell {
    outcomes: BTreeMap<String, u64>,
    took: Vec<SignedDuration>,
}

/// Counts the jobs of a range: as many as are looked at.
///
/// # Errors
/// When the history cannot be read.
pub async fn gather(history: &dyn History, range: StatsRange) -> Result<StatsResource, HistoryError> {
    let mut query = SampleQuery {
        since: range.since,
        until: range.until,
        router: range.router.clone(),
        by: range.by,
        before: None,
        limit: if range.by == SampledBy::Node { LOOK_AT_RESULTS } else { LOOK },
    };
    let mut cells: HashMap<Name, BTreeMap<Timestamp, StatsCell>> = HashMap::new();
    let mut oldest = range.until;
    for _ in 0..QUESTIONS {
        let found = history.job_samples(query.clone()).await?;
        oldest = found.samples.iter().map(|sample| sample.queued_at).fold(oldest, Timestamp::min);
        for sample in found.samples {
            add(&mut cells, sample, range.bucket);
        }
        query.before = found.next;
        if query.before.is_none() {
            break;
        }
    }
    let complete_since = query.before.map(|_| oldest.to_string());
    Ok(shown(&range, cells, complete_since))
}

fn add(cells: &mut HashMap<Name, BTreeMap<Timestamp, StatsCell>>, sample: JobSample, bucket: SignedDuration) {
    let at = begin(sample.queued_at, bucket);
    let cell = cells.entry(sample.name).or_default().entry(at).or_default();
    *cell.outcomes.entry(sample.status.to_string()).or_default() += 1;
    cell.took.extend(sample.took);
}

fn shown(
    range: &StatsRange,
    cells: HashMap<Name, BTreeMap<Timestamp, StatsCell>>,
    complete_since: Option<String>,
) -> StatsResource {
    let count = |buckets: &BTreeMap<Timestamp, StatsCell>| -> u64 {
        buckets.values().flat_map(|cell| cell.outcomes.values()).sum()
    };
    let mut names: Vec<(u64, usize, &Name)> =
        cells.iter().map(|(name, buckets)| (count(buckets), buckets.len(), name)).collect();
    names.sort_by(|one, other| other.0.cmp(&one.0).then_with(|| one.2.cmp(other.2)));
    let mut rows = 0;
    let mut has_room = |(_, buckets, _): &&(u64, usize, &Name)| {
        rows += buckets;
        rows <= MOST_ROWS
    };
    let kept: HashSet<Name> =
        names.iter().take(range.names).take_while(|name| has_room(name)).map(|name| name.2.clone()).collect();
    let left_out = (names.len() - kept.len()) as u64;
    let of_name = |(name, buckets): (Name, BTreeMap<Timestamp, StatsCell>)| {
        buckets.into_iter().map(move |(at, cell)| (at, name.clone(), cell))
    };
    let mut cells: Vec<(Timestamp, Name, StatsCell)> =
        cells.into_iter().filter(|(name, _)| kept.contains(name)).flat_map(of_name).collect();
    cells.sort_by(|one, other| one.0.cmp(&other.0).then_with(|| one.1.cmp(&other.1)));
    StatsResource {
        since: range.since.to_string(),
        until: range.until.to_string(),
        bucket_seconds: range.bucket.unsigned_abs().as_secs(),
        by: range.by.as_str().to_owned(),
        complete_since,
        left_out,
        rows: cells.into_iter().map(|(at, name, cell)| row(at, &name, cell)).collect(),
    }
}

/// What so many percent of these took less than, in seconds; the shortest is the first.
pub(crate) fn at_percent(took: &[SignedDuration], percent: usize) -> Option<f64> {
    let last = took.len().checked_sub(1)?;
    took.get((took.len() * percent / 100).min(last)).map(SignedDuration::as_secs_f64)
}

fn row(at: Timestamp, name: &Name, mut cell: StatsCell) -> StatsRow {
    cell.took.sort_unstable();
    let failed = ["failed", "timed_out", "lost"];
    let at_percent = |percent: usize| at_percent(&cell.took, percent);
    StatsRow {
        at: at.to_string(),
        name: name.to_string(),
        jobs: cell.outcomes.values().sum(),
        failed: failed.iter().filter_map(|status| cell.outcomes.get(*status)).sum(),
        median_seconds: at_percent(50),
        p95_seconds: at_percent(95),
        longest_seconds: at_percent(100),
        outcomes: cell.outcomes,
    }
}

#[cfg(test)]
mod tests;
