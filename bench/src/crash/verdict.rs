//! Compares Herald's history with what was sent and what ran.

use std::collections::HashMap;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use serde_json::Value;

use super::evidence;
use super::load::has_key;
use super::rig::Rig;
use super::socket::get;

/// Time limit for all jobs to finish.
const LIMIT: Duration = Duration::from_secs(120);
/// Time limit for the last `exe_done` events to create their jobs.
const SETTLED: Duration = Duration::from_secs(10);

/// The result. `lost` and `repeated` must be empty.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// Rounds.
    pub(crate) rounds: u64,
    /// Events that were acknowledged.
    pub(crate) acknowledged: u64,
    /// Jobs that are recorded as lost: that is allowed, and does not count as a loss.
    pub(crate) marked: u64,
    /// What was lost: a sentence for each.
    pub(crate) lost: Vec<String>,
    /// What ran twice without a record: a sentence for each.
    pub(crate) repeated: Vec<String>,
}

/// A job as the history shows it.
pub(super) struct ReportedJob {
    pub(super) id: String,
    pub(super) router: String,
    pub(super) status: String,
}

impl ReportedJob {
    /// Whether it does the work of an event; the others are of `exe_done`.
    pub(super) fn is_work(&self) -> bool {
        self.router.starts_with("work")
    }
}

/// By event.
pub(super) type Jobs = HashMap<String, Vec<ReportedJob>>;

fn page(socket: &Path, query: &str) -> Result<Value> {
    match get(socket, &format!("/v1/jobs?limit=1000{query}"))? {
        (200, page) => Ok(page),
        (status, body) => bail!("{status}: {body}"),
    }
}

/// Waits until no job is queued or running. Returns whether that happened in time.
fn all_ended(socket: &Path) -> Result<bool> {
    let began = Instant::now();
    loop {
        let mut open = 0;
        for status in ["queued", "running"] {
            open += page(socket, &format!("&status={status}"))?["items"].as_array().map_or(0, Vec::len);
        }
        if open == 0 {
            return Ok(true);
        }
        if began.elapsed() > LIMIT {
            return Ok(false);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// All jobs, by event.
pub(super) fn jobs(socket: &Path) -> Result<Jobs> {
    let mut found = Jobs::new();
    let mut cursor = String::new();
    loop {
        let page = page(socket, &cursor)?;
        for job in page["items"].as_array().into_iter().flatten() {
            let text = |key: &str| job[key].as_str().unwrap_or_default().to_owned();
            let reported = ReportedJob { id: text("id"), router: text("router"), status: text("status") };
            found.entry(text("event_id")).or_default().push(reported);
        }
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return Ok(found),
        }
    }
}

/// All jobs, once the last `exe_done` events have created their jobs: between the end of a job and the job of its
/// `exe_done` there is a moment in which no job is queued or running.
pub(super) fn settled(socket: &Path) -> Result<Jobs> {
    let began = Instant::now();
    loop {
        let jobs = jobs(socket)?;
        if done(&jobs) >= work(&jobs) || began.elapsed() > SETTLED {
            return Ok(jobs);
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn work(jobs: &Jobs) -> usize {
    jobs.values().flatten().filter(|job| job.is_work()).count()
}

fn done(jobs: &Jobs) -> usize {
    jobs.values().flatten().filter(|job| job.router == "done").count()
}

/// Lets a last daemon finish all jobs, and checks the result.
pub(crate) fn reach(rig: &Rig, rounds: u64) -> Result<Verdict> {
    let daemon = rig.start()?;
    let socket = rig.socket();
    let ended = all_ended(&socket)?;
    let jobs = settled(&socket)?;
    super::rig::end(daemon, rustix::process::Signal::TERM)?;
    let mut verdict = Verdict { rounds, acknowledged: rig.sent.count(), ..Verdict::default() };
    if !ended {
        verdict.lost.push(format!("some jobs were not finished after {LIMIT:?}"));
    }
    verdict.events(&rig.sent.acknowledged(), &jobs);
    verdict.starts(&evidence::starts(&rig.evidence())?, &jobs);
    verdict.news(&jobs);
    Ok(verdict)
}

impl Verdict {
    /// Both together.
    pub(crate) fn and(mut self, other: Self) -> Self {
        self.rounds += other.rounds;
        self.acknowledged += other.acknowledged;
        self.marked += other.marked;
        self.lost.extend(other.lost);
        self.repeated.extend(other.repeated);
        self
    }

    /// Every acknowledged event has one job, and that job is finished.
    pub(super) fn events(&mut self, acknowledged: &HashMap<u64, String>, jobs: &Jobs) {
        for (n, event) in acknowledged {
            let none = Vec::new();
            let reported: Vec<&ReportedJob> =
                jobs.get(event).unwrap_or(&none).iter().filter(|job| job.is_work()).collect();
            match reported.as_slice() {
                [] => self.lost.push(format!("event {n} ({event}) has no job")),
                [job] if job.status == "rejected" => {
                    self.lost.push(format!("the job of event {n} was rejected"));
                }
                [_] => {}
                more => self.repeated.push(format!("event {n} ({event}) has {} jobs", more.len())),
            }
        }
    }

    /// No attempt was started twice, no event with a key ran as two jobs, nothing ran that the history does not know,
    /// and every job that succeeded did run.
    fn starts(&mut self, starts: &HashMap<(u64, String, u32), usize>, jobs: &Jobs) {
        let status: HashMap<&str, &str> =
            jobs.values().flatten().map(|job| (job.id.as_str(), job.status.as_str())).collect();
        let mut ran: HashMap<&str, u64> = HashMap::new();
        let mut job_of: HashMap<u64, &str> = HashMap::new();
        for ((n, id, attempt), times) in starts {
            if *times > 1 {
                self.repeated.push(format!("job {id}, attempt {attempt}, was started {times} times"));
            }
            if !status.contains_key(id.as_str()) {
                self.lost.push(format!("job {id} of event {n} ran, but is not in the history"));
            }
            let first = *job_of.entry(*n).or_insert(id);
            if has_key(*n) && first != id {
                self.repeated.push(format!("event {n} has a key and ran as {first} and as {id}"));
            }
            *ran.entry(id).or_default() += 1;
        }
        for job in jobs.values().flatten().filter(|job| job.is_work()) {
            if job.status == "succeeded" && !ran.contains_key(job.id.as_str()) {
                self.lost.push(format!("job {} is recorded as succeeded, but never ran", job.id));
            }
            self.marked += u64::from(job.status == "lost");
        }
    }

    /// `exe_done` fired once for every finished job.
    pub(super) fn news(&mut self, jobs: &Jobs) {
        let (ended, reported) = (work(jobs), done(jobs));
        if reported < ended {
            self.lost.push(format!("{ended} jobs finished, and exe_done reported {reported}"));
        }
        if reported > ended {
            self.repeated.push(format!("{ended} jobs finished, and exe_done reported {reported}"));
        }
    }

    /// Fails when anything was lost or repeated; the error names the first of each.
    pub(crate) fn check(&self) -> Result<()> {
        ensure!(
            self.lost.is_empty() && self.repeated.is_empty(),
            "{} lost, {} repeated unmarked:\n  {}",
            self.lost.len(),
            self.repeated.len(),
            self.lost.iter().chain(&self.repeated).take(10).cloned().collect::<Vec<_>>().join("\n  ")
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The problems of: acknowledged (number, event); jobs (event, id, router, status); starts (number, id, attempt,
    /// times).
    fn wrong(
        acknowledged: &[(u64, &str)],
        jobs: &[(&str, &str, &str, &str)],
        starts: &[(u64, &str, u32, usize)],
    ) -> (usize, usize, u64) {
        let mut reported = Jobs::new();
        for (event, id, router, status) in jobs {
            let (id, router, status) = ((*id).to_owned(), (*router).to_owned(), (*status).to_owned());
            reported.entry((*event).to_owned()).or_default().push(ReportedJob { id, router, status });
        }
        let acknowledged = acknowledged.iter().map(|(n, event)| (*n, (*event).to_owned())).collect();
        let starts = starts.iter().map(|(n, id, attempt, times)| ((*n, (*id).to_owned(), *attempt), *times));
        let mut verdict = Verdict::default();
        verdict.events(&acknowledged, &reported);
        verdict.starts(&starts.collect(), &reported);
        verdict.news(&reported);
        assert_eq!(verdict.check().is_ok(), verdict.lost.is_empty() && verdict.repeated.is_empty());
        (verdict.lost.len(), verdict.repeated.len(), verdict.marked)
    }

    #[test]
    fn what_is_wrong_is_found() {
        let done = ("x", "d", "done", "succeeded");
        for (what, acknowledged, jobs, starts, expected) in [
            (
                "all is well",
                vec![(0, "e")],
                vec![("e", "j", "work", "succeeded"), done],
                vec![(0, "j", 1, 1)],
                (0, 0, 0),
            ),
            (
                "a marked loss is none",
                vec![(0, "e")],
                vec![("e", "j", "work", "lost"), done],
                vec![],
                (0, 0, 1),
            ),
            ("no job", vec![(0, "e")], vec![], vec![], (1, 0, 0)),
            (
                "two jobs",
                vec![(0, "e")],
                vec![("e", "j", "work", "lost"), ("e", "k", "work", "lost"), done, done],
                vec![],
                (0, 1, 2),
            ),
            (
                "a start twice",
                vec![(0, "e")],
                vec![("e", "j", "work", "failed"), done],
                vec![(0, "j", 1, 2)],
                (0, 1, 0),
            ),
            (
                "two attempts are no repeat",
                vec![(0, "e")],
                vec![("e", "j", "work", "failed"), done],
                vec![(0, "j", 1, 1), (0, "j", 2, 1)],
                (0, 0, 0),
            ),
            ("ran unknown", vec![], vec![], vec![(0, "j", 1, 1)], (1, 0, 0)),
            (
                "said to have succeeded",
                vec![(0, "e")],
                vec![("e", "j", "work", "succeeded"), done],
                vec![],
                (1, 0, 0),
            ),
            (
                "a key twice",
                vec![],
                vec![("e", "j", "work", "failed"), ("f", "k", "work", "failed"), done, done],
                vec![(1, "j", 1, 1), (1, "k", 1, 1)],
                (0, 1, 0),
            ),
            ("no news", vec![(0, "e")], vec![("e", "j", "work", "lost")], vec![], (1, 0, 1)),
            ("news twice", vec![(0, "e")], vec![("e", "j", "work", "lost"), done, done], vec![], (0, 1, 1)),
        ] {
            assert_eq!(wrong(&acknowledged, &jobs, &starts), expected, "{what}");
        }
    }
}
