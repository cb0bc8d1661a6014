//! How the last jobs of each router ended: found out a few routers at a time, and kept for a while.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use herald_control::model::{RouterRun, RouterRuns};
use herald_store::history::{History, HistoryError, JobSample, SampleQuery, SampledBy};
use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use crate::stats::at_percent;

/// The jobs of a router that are shown, and how many are looked at: some of the newest may not have ended.
const RUNS: usize = 50;
const LOOKED_AT: usize = 80;
/// How long what was found counts.
const KEEP: Duration = Duration::from_secs(30);
/// How long one call looks; routers that are left are for the next one.
const LONGEST: Duration = Duration::from_millis(8);
/// The most routers that are remembered.
const MOST: usize = 2000;

/// The last jobs of routers, as they were at most 30 s ago.
#[derive(Default)]
pub struct KnownRuns {
    kept: Mutex<BTreeMap<String, KeptRuns>>,
}

struct KeptRuns {
    at: Instant,
    runs: RouterRuns,
}

/// What was found.
#[derive(Debug, Default, PartialEq)]
pub struct FoundRuns {
    /// By router.
    pub routers: BTreeMap<String, RouterRuns>,
    /// Whether routers are missing, or older than they should be: another call finds more.
    pub is_partial: bool,
}

impl KnownRuns {
    /// The last jobs of these routers. What it costs is bounded, however many there are and however long the history
    /// is.
    ///
    /// # Errors
    /// When the history cannot be read.
    pub async fn of(
        &self,
        history: &dyn History,
        routers: impl Iterator<Item = &str>,
        now: Timestamp,
    ) -> Result<FoundRuns, HistoryError> {
        self.until(history, routers, now, Instant::now() + LONGEST).await
    }

    async fn until(
        &self,
        history: &dyn History,
        routers: impl Iterator<Item = &str>,
        now: Timestamp,
        deadline: Instant,
    ) -> Result<FoundRuns, HistoryError> {
        let mut found = FoundRuns::default();
        for router in routers {
            let known = self.known(router);
            let is_old = known.as_ref().is_none_or(|(age, _)| *age >= KEEP);
            let runs = match known {
                known if is_old && Instant::now() >= deadline => {
                    found.is_partial = true;
                    known.map(|(_, runs)| runs)
                }
                Some((_, runs)) if !is_old => Some(runs),
                _ => Some(self.look(history, router, now).await?),
            };
            found.routers.extend(runs.map(|runs| (router.to_owned(), runs)));
        }
        Ok(found)
    }

    fn known(&self, router: &str) -> Option<(Duration, RouterRuns)> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.get(router).map(|kept| (kept.at.elapsed(), kept.runs.clone()))
    }

    async fn look(
        &self,
        history: &dyn History,
        router: &str,
        now: Timestamp,
    ) -> Result<RouterRuns, HistoryError> {
        let query = SampleQuery {
            since: Timestamp::UNIX_EPOCH,
            until: now,
            router: Some(router.to_owned()),
            by: SampledBy::default(),
            before: None,
            limit: LOOKED_AT,
        };
        let runs = runs_of(history.job_samples(query).await?.samples);
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= MOST {
            kept.retain(|_, one| one.at.elapsed() < KEEP);
        }
        if kept.len() < MOST {
            kept.insert(router.to_owned(), KeptRuns { at: Instant::now(), runs: runs.clone() });
        }
        Ok(runs)
    }
}

/// Of these jobs, newest first, those that have ended.
fn runs_of(samples: Vec<JobSample>) -> RouterRuns {
    let has_ended = |sample: &JobSample| !matches!(&*sample.status, "queued" | "running");
    let ended: Vec<JobSample> = samples.into_iter().filter(has_ended).take(RUNS).collect();
    let mut took: Vec<SignedDuration> = ended.iter().filter_map(|sample| sample.took).collect();
    took.sort_unstable();
    let run = |sample: &JobSample| RouterRun {
        status: sample.status.to_string(),
        seconds: sample.took.map(|took| took.as_secs_f64()),
    };
    RouterRuns {
        runs: ended.iter().rev().map(run).collect(),
        median_seconds: at_percent(&took, 50),
        p95_seconds: at_percent(&took, 95),
    }
}

#[cfg(test)]
mod tests {
    use herald_store::history::MemoryHistory;

    use super::*;

    fn sample(status: &str, seconds: Option<i64>) -> JobSample {
        JobSample {
            name: "r".into(),
            status: status.into(),
            queued_at: Timestamp::UNIX_EPOCH,
            took: seconds.map(SignedDuration::from_secs),
        }
    }

    #[test]
    fn the_last_that_have_ended_count_oldest_first() {
        let newest_first = [("queued", None), ("running", None), ("failed", Some(9)), ("rejected", None)];
        let mut samples: Vec<JobSample> =
            newest_first.iter().map(|(status, took)| sample(status, *took)).collect();
        samples.extend((0..60).map(|seconds| sample("succeeded", Some(seconds))));
        let found = runs_of(samples);
        let ends: Vec<&str> = found.runs.iter().map(|run| &*run.status).collect();
        assert_eq!((ends.len(), ends[47], ends[48], ends[49]), (50, "succeeded", "rejected", "failed"));
        assert_eq!((found.runs[0].seconds, found.runs[48].seconds), (Some(47.0), None));
        // Of 0 to 47, and 9.
        assert_eq!((found.median_seconds, found.p95_seconds), (Some(23.0), Some(45.0)));
        assert_eq!(runs_of(vec![sample("running", None)]), RouterRuns::default());
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_found_counts_for_a_while_and_one_call_looks_for_a_short_time() {
        let (known, history, now) = (KnownRuns::default(), MemoryHistory::default(), Timestamp::UNIX_EPOCH);
        let runs = runs_of(vec![sample("succeeded", Some(1))]);
        let kept = KeptRuns { at: Instant::now(), runs: runs.clone() };
        known.kept.lock().unwrap().insert("a".to_owned(), kept);
        let ask = async || known.of(&history, ["a", "b"].into_iter(), now).await.unwrap();
        let expected = |of_a: &RouterRuns, of_b: Option<RouterRuns>| {
            let of_b = of_b.map(|runs| ("b".to_owned(), runs));
            FoundRuns {
                is_partial: of_b.is_none(),
                routers: [("a".to_owned(), of_a.clone())].into_iter().chain(of_b).collect(),
            }
        };
        let empty = RouterRuns::default();
        assert_eq!(ask().await, expected(&runs, Some(empty.clone())));
        tokio::time::advance(KEEP - Duration::from_secs(1)).await;
        assert_eq!(ask().await, expected(&runs, Some(empty.clone())), "not old yet");
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(ask().await, expected(&empty, Some(empty.clone())), "looked for again");
        // What is left when the time is over is shown as it was, or not at all.
        tokio::time::advance(KEEP).await;
        known.kept.lock().unwrap().remove("b");
        let found = known.until(&history, ["a", "b"].into_iter(), now, Instant::now()).await.unwrap();
        assert_eq!(found, expected(&empty, None));
    }
}
