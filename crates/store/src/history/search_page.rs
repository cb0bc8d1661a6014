//! Pages of jobs in which something is found: each job is looked at, and a page ends after so many.

use std::time::{Duration, Instant};

use super::job_search::JobSearch;
use super::query::JobQuery;
use super::view::{JobPage, JobView};

/// The most jobs that are looked at for one page, and how many are read at once.
const LOOKED_AT: usize = 2000;
const AT_ONCE: usize = 200;
/// How long a page may take at most: other questions wait for it, and jobs can be large.
const TIME: Duration = Duration::from_millis(100);

/// A page of those that are found. Where many are looked at and few are found, it is shorter than it may be, and the
/// next page goes on behind the last one that was looked at.
pub(super) fn search<E>(
    query: &JobQuery,
    mut page: impl FnMut(&JobQuery) -> Result<JobPage, E>,
    mut job: impl FnMut(&str) -> Result<Option<JobView>, E>,
) -> Result<JobPage, E> {
    let mut plain = JobQuery { search: JobSearch::default(), limit: AT_ONCE, ..query.clone() };
    let (began, mut found, mut looked_at) = (Instant::now(), Vec::new(), 0);
    loop {
        let JobPage { jobs, next_cursor } = page(&plain)?;
        let (count, mut seen) = (jobs.len(), 0);
        for summary in jobs {
            seen += 1;
            let id = summary.id.clone();
            if job(&id)?.is_some_and(|job| query.search.finds(&job)) {
                found.push(summary);
            }
            if found.len() >= query.limit.max(1) || began.elapsed() >= TIME {
                let is_last = seen == count && next_cursor.is_none();
                return Ok(JobPage { jobs: found, next_cursor: (!is_last).then_some(id) });
            }
        }
        looked_at += count.max(AT_ONCE);
        if next_cursor.is_none() || looked_at >= LOOKED_AT {
            return Ok(JobPage { jobs: found, next_cursor });
        }
        plain.cursor = next_cursor.map(|id| id.to_string());
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::convert::Infallible;

    use jiff::Timestamp;

    use super::*;
    use crate::history::job_state::JobState;
    use crate::history::view::JobSummaryView;

    fn summary_of(id: &str) -> JobSummaryView {
        let (name, at) = (|| "x".into(), Timestamp::UNIX_EPOCH);
        JobSummaryView {
            id: id.into(),
            event_id: name(),
            router: name(),
            task: name(),
            trigger: name(),
            executor: name(),
            chain_depth: 0,
            queued_at: at,
            first_started_at: None,
            state: JobState::queued(1),
        }
    }

    #[test]
    fn a_page_ends_after_so_many_jobs() {
        let pages = Cell::new(0);
        let page = |query: &JobQuery| -> Result<JobPage, Infallible> {
            assert!(query.search.is_empty());
            pages.set(pages.get() + 1);
            Ok(JobPage { jobs: Vec::new(), next_cursor: Some(format!("{}", pages.get()).as_str().into()) })
        };
        let search_of = JobSearch { by: Some("nobody".to_owned()), ..JobSearch::default() };
        let query = JobQuery { limit: 10, search: search_of, ..JobQuery::default() };
        // Pages without a job, as where all of them are damaged, end it as well.
        let found = search(&query, page, |_| Ok(None)).unwrap();
        assert_eq!((found.jobs.len(), found.next_cursor.as_deref()), (0, Some("10")));
        assert_eq!(pages.get() * AT_ONCE, LOOKED_AT);
        // Or once it has taken so long, behind the last one that was looked at.
        let ids = ["3", "2", "1"];
        let page = |_: &JobQuery| -> Result<JobPage, Infallible> {
            Ok(JobPage { jobs: ids.map(summary_of).into(), next_cursor: None })
        };
        let slow = |_: &str| {
            std::thread::sleep(TIME * 3 / 5);
            Ok(None)
        };
        let found = search(&query, page, slow).unwrap();
        assert_eq!((found.jobs.len(), found.next_cursor.as_deref()), (0, Some("2")));
    }
}
