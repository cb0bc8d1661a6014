//! Compares the histories of the origin and the workers with what was sent and what ran.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use anyhow::{Context, Result};

use super::super::load::has_key;
use super::super::socket;
use super::super::verdict::{self, ReportedJob, Verdict, settled};
use super::evidence::{self, QueueRun};
use super::scene::{AGAIN, Scene};

/// Time limit for one more job to end: on a busy machine many can be open.
const LIMIT: Duration = Duration::from_secs(300);

/// Lets everything run out without faults, and checks the result.
pub(super) fn reach(scene: &mut Scene, rounds: u64) -> Result<Verdict> {
    scene.stop_posting();
    let mut ended = true;
    for node in std::iter::once(&scene.origin).chain(&scene.workers) {
        ended &= node.all_ended(LIMIT).with_context(|| node.last_lines())?;
    }
    let origin = settled(&scene.origin.socket())?;
    let mut of_workers = HashMap::new();
    for worker in &scene.workers {
        of_workers
            .extend(verdict::jobs(&worker.socket())?.into_values().flatten().map(|job| (job.id, job.status)));
    }
    let mut verdict = Verdict { rounds, acknowledged: scene.sent.count(), ..Verdict::default() };
    if !ended {
        verdict.lost.push(format!("some jobs are not finished, and for {LIMIT:?} none ended"));
    }
    verdict.events(&scene.sent.acknowledged(), &origin);
    verdict.news(&origin);
    let reported: Vec<&ReportedJob> = origin.values().flatten().filter(|job| job.is_work()).collect();
    verdict.marked = reported.iter().filter(|job| job.status != "succeeded").count() as u64;
    let was_put_again = |message: &str| {
        let job = socket::get(&scene.origin.socket(), &format!("/v1/jobs/{message}"));
        let nodes = job.map(|(_, job)| job["result"]["node"].clone()).unwrap_or_default();
        nodes.as_object().is_some_and(|nodes| nodes.values().any(|node| node["put_again"] == true))
    };
    runs(&mut verdict, &evidence::runs(&scene.evidence)?, &reported, &of_workers, was_put_again);
    Ok(verdict)
}

/// What the histories say.
struct Histories<'a> {
    /// The jobs at the origin, by id: that of their messages.
    origin: HashMap<&'a str, &'a ReportedJob>,
    /// The status of each job of a worker, by id.
    workers: &'a HashMap<String, String>,
    /// The numbers of the events whose jobs ran, with the messages.
    messages: HashMap<u64, HashSet<&'a str>>,
}

/// Everything that ran is known, nothing ran more often than is visible, and what succeeded did run.
fn runs(
    verdict: &mut Verdict,
    runs: &[QueueRun],
    reported: &[&ReportedJob],
    workers: &HashMap<String, String>,
    was_put_again: impl Fn(&str) -> bool,
) {
    let (mut starts, mut by_message) = (HashSet::new(), HashMap::<&str, Vec<&QueueRun>>::new());
    let origin = reported.iter().map(|job| (job.id.as_str(), *job)).collect();
    let mut histories = Histories { origin, workers, messages: HashMap::new() };
    for run in runs {
        if !starts.insert((&run.job, run.attempt)) {
            let QueueRun { n, job, attempt, .. } = run;
            verdict.repeated.push(format!("job {job} of event {n}, attempt {attempt}, was started again"));
        }
        histories.messages.entry(run.n).or_default().insert(&run.message);
        by_message.entry(&run.message).or_default().push(run);
    }
    for (message, runs) in &by_message {
        for what in histories.repeats(verdict, message, runs) {
            if was_put_again(message) || runs.iter().any(|run| run.put_again) {
                // Redis forgot who had it, and the history of the origin or of the worker says that it may have run.
                eprintln!("queue: {what}; this is marked: it was put again");
                verdict.marked += 1;
            } else {
                verdict.repeated.push(format!("{what}, without a mark"));
            }
        }
    }
    histories.messages(verdict);
    histories.successes(verdict, &by_message);
}

impl Histories<'_> {
    /// Runs of this message that are no different from each other and not marked as lost: a sentence for each.
    fn repeats(&self, verdict: &mut Verdict, message: &str, runs: &[&QueueRun]) -> Vec<String> {
        // Where lost messages are requeued, a further run has a further number of deliveries, as the end of the message
        // shows it. All others run once.
        let is_requeued = self.origin.get(message).is_some_and(|job| job.router == AGAIN);
        let mut unmarked = HashMap::<u64, HashSet<&str>>::new();
        for run in runs {
            match self.workers.get(&run.job).map(String::as_str) {
                None => {
                    verdict.lost.push(format!("job {} of event {} ran, but is in no history", run.job, run.n))
                }
                Some("lost") => {}
                Some(_) => {
                    let number = if is_requeued { run.deliveries } else { 1 };
                    unmarked.entry(number).or_default().insert(&run.job);
                }
            }
        }
        let n = runs.first().map_or(0, |run| run.n);
        let repeated = unmarked.values().filter(|jobs| jobs.len() > 1);
        repeated.map(|jobs| format!("event {n} ({message}) ran {} times, as {jobs:?}", jobs.len())).collect()
    }

    /// Each message is a job of the origin, and an event with a key is one message.
    fn messages(&self, verdict: &mut Verdict) {
        for (n, messages) in &self.messages {
            for message in messages.iter().filter(|message| !self.origin.contains_key(*message)) {
                verdict.lost.push(format!("message {message} ran, but is not in the history of the origin"));
            }
            if messages.len() > 1 && has_key(*n) {
                verdict.repeated.push(format!("event {n} has a key and ran as {messages:?}"));
            }
        }
    }

    /// What succeeded at the origin did succeed at a worker.
    fn successes(&self, verdict: &mut Verdict, by_message: &HashMap<&str, Vec<&QueueRun>>) {
        for (job, _) in self.origin.iter().filter(|(_, job)| job.status == "succeeded") {
            let succeeded = |run: &&QueueRun| self.workers.get(&run.job).is_some_and(|it| it == "succeeded");
            if !by_message.get(job).is_some_and(|runs| runs.iter().any(succeeded)) {
                verdict
                    .lost
                    .push(format!("job {job} is recorded as succeeded, but it succeeded at no worker"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_found() {
        let start = |job: &str, message: &str, deliveries| {
            let (job, message) = (job.to_owned(), message.to_owned());
            QueueRun { n: 1, job, attempt: 1, message, deliveries, put_again: false }
        };
        let run = |job: &str, message: &str| start(job, message, 1);
        let again = |job: &str, message: &str| start(job, message, 2);
        let (good, lost) = ("succeeded", "lost");
        let both = vec![("a", good), ("b", good)];
        for (what, router, ran, expected) in [
            ("requeued", AGAIN, vec![run("a", "m"), again("b", "m")], (0, 0)),
            ("requeued, and twice", AGAIN, vec![again("a", "m"), again("b", "m")], (0, 1)),
            ("never to be requeued", "work", vec![run("a", "m"), again("b", "m")], (0, 1)),
        ] {
            assert_eq!(wrong(router, &ran, good, &both), expected, "{what}");
        }
        for (what, ran, origin, workers, expected) in [
            ("all is well", vec![run("a", "m")], good, vec![("a", good)], (0, 0)),
            (
                "lost and run again",
                vec![run("a", "m"), run("b", "m")],
                good,
                vec![("a", lost), ("b", good)],
                (0, 0),
            ),
            ("unmarked", vec![run("a", "m"), run("b", "m")], good, vec![("a", good), ("b", good)], (0, 1)),
            ("started twice", vec![run("a", "m"), run("a", "m")], good, vec![("a", good)], (0, 1)),
            ("never ran", vec![], good, vec![], (1, 0)),
            ("marked", vec![], lost, vec![], (0, 0)),
            ("in no history", vec![run("a", "m")], lost, vec![], (1, 0)),
            (
                "two messages",
                vec![run("a", "m"), run("b", "x")],
                good,
                vec![("a", good), ("b", good)],
                (1, 1),
            ),
        ] {
            assert_eq!(wrong("work", &ran, origin, &workers), expected, "{what}");
        }
    }

    /// How much is lost and repeated: what ran, the status of message `m` of this router at the origin, and those of
    /// jobs at workers.
    fn wrong(router: &str, ran: &[QueueRun], origin: &str, workers: &[(&str, &str)]) -> (usize, usize) {
        let reported =
            ReportedJob { id: "m".to_owned(), router: router.to_owned(), status: origin.to_owned() };
        let workers = workers.iter().map(|(job, status)| ((*job).to_owned(), (*status).to_owned())).collect();
        let mut verdict = Verdict::default();
        runs(&mut verdict, ran, &[&reported], &workers, |message| message == "again");
        (verdict.lost.len(), verdict.repeated.len())
    }
}
