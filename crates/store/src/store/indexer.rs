//! The thread that takes the log into the history, and keeps the history within its bounds.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use herald_core::clock::Clock;
use rusqlite::Connection;

use super::progress::{Progress, Turn};
use super::unindexed::Unindexed;
use crate::damage::Damage;
use crate::history::trim::{self, TrimStep};
use crate::history::{index, schema};
use crate::journal::log::{Follower, SEGMENT, Segments};
use crate::journal::segment::SegmentError;
use crate::journal::{disk_space, entry};
use crate::lock::OpenError;

/// Bytes of the log that one transaction takes in, about: some ten thousand records.
const STEP: usize = 2 << 20;
/// How long it waits for something to take in before it looks after the past.
const IDLE: Duration = Duration::from_millis(500);
/// Steps in a row after which it looks after the past all the same.
const BUSY_STEPS: u32 = 16;
/// KeyFilter that are read at a time.
const NAMES: usize = 1000;
/// Not sooner again.
const LEARN_AGAIN: Duration = Duration::from_secs(60);
/// After an error.
const AGAIN: Duration = Duration::from_millis(500);
/// How long the rest may take at the end; what is left then is taken in at the next start.
const LAST: Duration = Duration::from_secs(10);

/// Why the journal cannot be taken into the history.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IndexError {
    /// The journal cannot be read.
    #[error(transparent)]
    Journal(#[from] SegmentError),
    /// A batch has another format.
    #[error("a batch is not valid: {0}")]
    RecordBatch(#[from] postcard::Error),
    /// A batch is missing.
    #[error("batch {0} of the journal is missing")]
    Missing(u64),
    /// The history cannot be read or written.
    #[error(transparent)]
    History(#[from] rusqlite::Error),
    /// The daemon stops.
    #[error("the daemon stops")]
    Closing,
}

/// What it works with.
pub(crate) struct Indexer {
    /// The file of the history.
    pub(crate) path: PathBuf,
    /// The folder of the log.
    pub(crate) folder: PathBuf,
    /// None after an error: what the connection believes of the file may be wrong then, so it is reopened.
    pub(crate) connection: Option<Connection>,
    pub(crate) follower: Follower,
    pub(crate) segments: Segments,
    pub(crate) progress: Progress,
    pub(crate) unindexed: Arc<Unindexed>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) damage: Damage,
    /// Not before this it learns which keys are in the history.
    pub(crate) learn_at: Instant,
}

/// Where the history is when all that an earlier process left in the log is taken in.
pub(crate) struct CaughtUp {
    /// The number of the next batch.
    pub(crate) next: u64,
    /// Jobs that are not kept, with the number of attempts of each.
    pub(crate) unkept: Vec<(String, u32)>,
}

/// Takes in all that an earlier process left in the log.
pub(crate) fn catch_up(
    connection: &mut Connection,
    segments: &Segments,
    state_dir: &Path,
) -> Result<CaughtUp, OpenError> {
    let failed = |error: IndexError| {
        let way_out = match &error {
            IndexError::History(error) => OpenError::way_out(error),
            _ => "",
        };
        OpenError(format!("the journal in {} cannot be read: {error}{way_out}", state_dir.display()))
    };
    let next = index::position(connection).map_err(|error| failed(error.into()))?;
    let mut follower = Follower::new(segments.clone(), next);
    let began = Instant::now();
    let (mut bytes, mut unkept) = (0, Vec::new());
    loop {
        let batches = read(&mut follower, u64::MAX).map_err(failed)?;
        if batches.is_empty() {
            break;
        }
        bytes += size(&batches);
        unkept.extend(apply(connection, &batches, follower.next).map_err(failed)?);
    }
    if bytes > 0 {
        tracing::info!(
            batches = follower.next - next,
            bytes,
            seconds = began.elapsed().as_secs_f32(),
            "took the end of the journal into the history"
        );
    }
    herald_core::failpoint!("history-after-catch-up");
    segments.remove(follower.next, true);
    Ok(CaughtUp { next: follower.next, unkept })
}

/// The batches of one step, before this number.
fn read(follower: &mut Follower, before: u64) -> Result<Vec<Vec<u8>>, IndexError> {
    let (mut batches, mut bytes) = (Vec::new(), 0);
    while bytes < STEP && follower.next < before {
        let Some(batch) = follower.next()? else { break };
        bytes += batch.len();
        batches.push(batch);
    }
    Ok(batches)
}

fn size(batches: &[Vec<u8>]) -> u64 {
    batches.iter().map(|batch| batch.len() as u64).sum()
}

/// Gives the jobs that are not kept, with the number of attempts of each.
fn apply(
    connection: &mut Connection,
    batches: &[Vec<u8>],
    next: u64,
) -> Result<Vec<(String, u32)>, IndexError> {
    let mut entries = Vec::new();
    for batch in batches {
        entry::decode(batch, &mut entries)?;
    }
    Ok(index::take_in(connection, entries, next)?)
}

impl Indexer {
    /// Runs until [`Progress::close`], and takes in what is left.
    pub(crate) fn run(mut self) {
        let mut steps = 0;
        self.learn_keys();
        // What grows old while nothing is written is looked after at the start and with the next batches.
        let (mut more, mut changed) = (true, true);
        loop {
            let rest = if more { Duration::from_millis(1) } else { IDLE };
            match self.progress.turn(self.follower.next, rest) {
                Turn::TakeIn(before) => {
                    if !self.step(before) {
                        std::thread::sleep(AGAIN);
                    }
                    (changed, steps) = (true, steps + 1);
                    if steps < BUSY_STEPS {
                        continue;
                    }
                }
                Turn::Prepare => {
                    if let Err(error) = disk_space::prepare(&self.folder, SEGMENT) {
                        tracing::debug!("no file was made ready for the journal: {error}");
                    }
                    continue;
                }
                Turn::Rest => {}
                Turn::AttemptEnd(before) => return self.end(before),
            }
            steps = 0;
            self.learn_keys();
            more = (changed || more) && self.trim();
            changed = false;
        }
    }

    /// Takes in some. Returns whether that went well.
    fn step(&mut self, before: u64) -> bool {
        let from = self.follower.next;
        match self.try_step(before) {
            Ok(bytes) => {
                self.unindexed.took_in(self.follower.next);
                self.progress.took_in(self.follower.next, bytes);
                self.segments.remove(self.follower.next, false);
                true
            }
            Err(error) => {
                tracing::error!("the history cannot be written; the journal goes on without it: {error}");
                self.follower = Follower::new(self.segments.clone(), from);
                if let IndexError::History(error) = &error {
                    self.damage.is_behind(error, "the history");
                }
                self.progress.in_trouble(error.to_string());
                false
            }
        }
    }

    fn try_step(&mut self, before: u64) -> Result<u64, IndexError> {
        let batches = read(&mut self.follower, before)?;
        if batches.is_empty() {
            return Err(IndexError::Missing(self.follower.next));
        }
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => schema::connect(&self.path, true)?,
        };
        let unkept = apply(&mut connection, &batches, self.follower.next)?;
        self.connection = Some(connection);
        self.progress.report_trimmed(unkept);
        Ok(size(&batches))
    }

    fn end(&mut self, before: u64) {
        let began = Instant::now();
        while self.follower.next < before && began.elapsed() < LAST {
            if !self.step(before) {
                return;
            }
        }
        if self.follower.next == before {
            self.segments.remove(before, true);
        }
        disk_space::give_back(&self.folder);
    }

    /// Learns which keys are in the history, so that it need not be asked for others.
    fn learn_keys(&mut self) {
        let now = Instant::now();
        let wants = || self.unindexed.wants_to_learn();
        let Some(connection) = self.connection.as_ref().filter(|_| now >= self.learn_at && wants()) else {
            return;
        };
        if let Err(error) = self.try_to_learn(connection) {
            tracing::debug!("the keys of the history could not be read: {error}");
        }
        self.learn_at = now + LEARN_AGAIN;
    }

    fn try_to_learn(&self, connection: &Connection) -> Result<(), IndexError> {
        let there: i64 = connection.query_row("SELECT count(*) FROM keys", [], |row| row.get(0))?;
        let mut names = connection.prepare("SELECT name FROM keys")?;
        let mut names = names.query_map([], |row| row.get(0))?;
        self.unindexed.learn(usize::try_from(there).unwrap_or(usize::MAX), || {
            if self.progress.is_closing() {
                return Err(IndexError::Closing);
            }
            Ok(names.by_ref().take(NAMES).collect::<rusqlite::Result<_>>()?)
        })
    }

    /// Trims a little of the history. Returns whether there is more to do.
    fn trim(&mut self) -> bool {
        let Some(connection) = &mut self.connection else { return false };
        match trim::some(connection, self.progress.keep(), self.clock.now()) {
            Ok(TrimStep { more, jobs }) => {
                self.progress.report_trimmed(jobs);
                more
            }
            Err(error) => {
                self.damage.is_behind(&error, "the history");
                tracing::warn!("the history could not be trimmed: {error}");
                false
            }
        }
    }
}
