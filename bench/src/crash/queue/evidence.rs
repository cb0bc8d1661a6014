//! The job of a worker: it notes that it runs, and takes a while.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;

/// Every so many events take longer than the lease of their worker.
const LONG: u64 = 16;

/// One start of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct QueueRun {
    /// The number of the event.
    pub(super) n: u64,
    /// The worker's job, and its attempt there.
    pub(super) job: String,
    pub(super) attempt: u32,
    /// The message: the job at the origin.
    pub(super) message: String,
    /// How often the queue had it started, this one included.
    pub(super) deliveries: u64,
    /// Whether the parameters of the job say that its message may have run.
    pub(super) put_again: bool,
}

/// Runs as the job (the workers under test start this program as their job).
pub(crate) fn be_the_job(evidence: &Path) -> Result<()> {
    let params = std::env::var("HERALD_EXECUTE_PARAM").context("this is not a job of Herald")?;
    let params: Value = serde_json::from_str(&params)?;
    let (given, text) = (&params["trigger_param"], |value: &Value| value.as_str().unwrap_or("-").to_owned());
    let n = given["n"].as_u64().context("an event without its number")?;
    let (job, message) = (text(&params["job_id"]), text(&given["_queue"]["id"]));
    let queue = &given["_queue"];
    let (deliveries, put_again) = (&queue["deliveries"], queue["put_again"] == true);
    let line = format!("{n} {job} {} {message} {deliveries} {put_again}\n", params["attempt"]);
    // One write: lines of several jobs never mix.
    OpenOptions::new().append(true).create(true).open(evidence)?.write_all(line.as_bytes())?;
    std::thread::sleep(takes(n));
    Ok(())
}

fn takes(n: u64) -> Duration {
    if n.is_multiple_of(LONG) { Duration::from_secs(3) } else { Duration::from_millis(n * 37 % 200) }
}

/// All starts, in their order.
pub(super) fn runs(evidence: &Path) -> Result<Vec<QueueRun>> {
    let text = match fs::read_to_string(evidence) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        text => text?,
    };
    text.lines().map(|line| run(line).with_context(|| format!("not a start: {line}"))).collect()
}

fn run(line: &str) -> Option<QueueRun> {
    let words: Vec<&str> = line.split(' ').collect();
    let [n, job, attempt, message, deliveries, put_again] = words.as_slice() else { return None };
    Some(QueueRun {
        n: n.parse().ok()?,
        job: (*job).to_owned(),
        attempt: attempt.parse().ok()?,
        message: (*message).to_owned(),
        deliveries: deliveries.parse().ok()?,
        put_again: put_again.parse().ok()?,
    })
}
