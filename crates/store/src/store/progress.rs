//! How far the log has come, and how far behind the history is.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::history::trim::{Keep, Trimmed};

/// So long the log has to be quiet before the history takes in what it got: it is not to compete with new events.
const QUIET: Duration = Duration::from_millis(20);
/// From so many bytes on it does not wait for quiet.
const FAR: u64 = 64 << 20;
/// From so many bytes on every batch waits a little, so that the history can come near.
const TOO_FAR: u64 = 128 << 20;
/// How long such a batch waits.
const BRAKE: Duration = Duration::from_millis(5);
/// With so many bytes nothing more is taken.
const MOST: u64 = 512 << 20;

/// ProgressInner by who writes the log, who follows it, and who asks.
#[derive(Clone)]
pub(crate) struct Progress(Arc<ProgressInner>);

struct ProgressInner {
    state: Mutex<ProgressState>,
    changed: Condvar,
    taken_in: watch::Sender<u64>,
}

struct ProgressState {
    /// The number of the next batch of the log.
    written: u64,
    last_written: Instant,
    bytes_behind: u64,
    /// Somebody waits until the batches before this number are taken in.
    wanted: u64,
    /// Why nothing can be taken in at the moment.
    trouble: Option<String>,
    keep: Keep,
    trimmed: Option<Trimmed>,
    /// Jobs that went while nobody received them.
    unreported: Vec<(String, u32)>,
    wants_spare: bool,
    closing: bool,
}

/// The history is too far behind the journal, and why.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct TooFarBehind(pub(crate) String);

/// What the history is to do next.
pub(crate) enum Turn {
    /// Take in what the log holds before this number.
    TakeIn(u64),
    /// Make a file ready for the log.
    Prepare,
    /// Nothing for now: look after the past.
    Rest,
    /// The end: take in what is left before this number.
    AttemptEnd(u64),
}

impl Progress {
    /// All that was written before `next` is taken in.
    pub(crate) fn new(next: u64, keep: Keep) -> Self {
        let state = ProgressState {
            written: next,
            last_written: Instant::now(),
            bytes_behind: 0,
            wanted: 0,
            trouble: None,
            keep,
            trimmed: None,
            unreported: Vec::new(),
            wants_spare: false,
            closing: false,
        };
        let (taken_in, _) = watch::channel(next);
        Self(Arc::new(ProgressInner { state: Mutex::new(state), changed: Condvar::new(), taken_in }))
    }

    fn state(&self) -> MutexGuard<'_, ProgressState> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut ProgressState)) {
        change(&mut self.state());
        self.0.changed.notify_all();
    }

    /// Before a batch is written: holds it up while the history is too far behind. Call it where blocking is fine.
    ///
    /// # Errors
    /// When it is so far behind that nothing more may be written.
    pub(crate) fn make_way(&self) -> Result<(), TooFarBehind> {
        let (behind, trouble) = {
            let state = self.state();
            (state.bytes_behind, state.trouble.clone())
        };
        if behind > TOO_FAR {
            self.0.changed.notify_all();
            std::thread::sleep(BRAKE);
        }
        if behind < MOST {
            return Ok(());
        }
        let why = trouble.unwrap_or_else(|| "it is too slow".to_owned());
        Err(TooFarBehind(format!("the history is {} MiB behind the journal: {why}", behind >> 20)))
    }

    /// Batches were written, up to this number.
    pub(crate) fn wrote(&self, next: u64, bytes: u64) {
        let mut state = self.state();
        let was_level = state.bytes_behind == 0;
        state.written = next;
        state.last_written = Instant::now();
        state.bytes_behind += bytes;
        drop(state);
        // Who follows sleeps until the log is quiet, and looks at the time then.
        if was_level {
            self.0.changed.notify_all();
        }
    }

    /// The log has taken the file that was ready.
    pub(crate) fn wants_spare(&self) {
        self.change(|state| state.wants_spare = true);
    }

    /// Batches were taken in, up to this number.
    pub(crate) fn took_in(&self, next: u64, bytes: u64) {
        self.change(|state| {
            state.bytes_behind = state.bytes_behind.saturating_sub(bytes);
            state.trouble = None;
        });
        self.0.taken_in.send_replace(next);
    }

    /// Nothing can be taken in.
    pub(crate) fn in_trouble(&self, why: String) {
        self.change(|state| state.trouble = Some(why));
    }

    /// Waits until all that was written by now is taken in.
    ///
    /// # Errors
    /// When that takes longer than `patience`.
    pub(crate) async fn caught_up(&self, patience: Duration) -> Result<(), TooFarBehind> {
        let wanted = self.state().written;
        let mut taken_in = self.0.taken_in.subscribe();
        if *taken_in.borrow_and_update() >= wanted {
            return Ok(());
        }
        self.change(|state| state.wanted = state.wanted.max(wanted));
        let caught_up = tokio::time::timeout(patience, taken_in.wait_for(|next| *next >= wanted)).await;
        match caught_up {
            Ok(Ok(_)) => Ok(()),
            _ => Err(TooFarBehind(self.state().trouble.clone().unwrap_or_else(|| {
                "so much was recorded just now that the history is still behind; ask again in a moment"
                    .to_owned()
            }))),
        }
    }

    /// Waits for something to do, `rest` at most; `next` is the number of the batch to be taken in next.
    pub(crate) fn turn(&self, next: u64, rest: Duration) -> Turn {
        let mut state = self.state();
        let until = Instant::now() + rest;
        loop {
            let now = Instant::now();
            if state.closing {
                return Turn::AttemptEnd(state.written);
            }
            if std::mem::take(&mut state.wants_spare) {
                return Turn::Prepare;
            }
            let quiet_at = state.last_written + QUIET;
            let behind = state.written > next;
            if behind && (state.wanted > next || state.bytes_behind > FAR || now >= quiet_at) {
                return Turn::TakeIn(state.written);
            }
            if now >= until && !behind {
                return Turn::Rest;
            }
            let wake_at = if behind { quiet_at } else { until };
            let wait = wake_at.saturating_duration_since(now);
            state = match self.0.changed.wait_timeout(state, wait) {
                Ok((state, _)) => state,
                Err(poisoned) => poisoned.into_inner().0,
            };
        }
    }

    /// Keeps another share of the past from now on.
    pub(crate) fn set_keep(&self, keep: Keep) {
        self.change(|state| state.keep = keep);
    }

    /// How much of the past is kept.
    pub(crate) fn keep(&self) -> Keep {
        self.state().keep
    }

    /// Sets the receiver of jobs that are no longer kept.
    pub(crate) fn set_trimmed(&self, trimmed: Trimmed) {
        let unreported = {
            let mut state = self.state();
            state.trimmed = Some(trimmed.clone());
            std::mem::take(&mut state.unreported)
        };
        if !unreported.is_empty() {
            trimmed(&unreported);
        }
    }

    /// These jobs are no longer kept.
    pub(crate) fn report_trimmed(&self, jobs: Vec<(String, u32)>) {
        if jobs.is_empty() {
            return;
        }
        let trimmed = {
            let mut state = self.state();
            match state.trimmed.clone() {
                Some(trimmed) => trimmed,
                None => return state.unreported.extend(jobs),
            }
        };
        trimmed(&jobs);
    }

    /// Whether nothing more is written.
    pub(crate) fn is_closing(&self) -> bool {
        self.state().closing
    }

    /// Nothing more is written.
    pub(crate) fn close(&self) {
        self.change(|state| state.closing = true);
    }
}
