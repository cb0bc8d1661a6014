//! The logs of all jobs.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use herald_core::clock::{Clock, SystemClock};
use herald_core::executor::{NoOutput, Output, Outputs, Stream};
use herald_core::job::Job;
use herald_core::secret::Mask;
use herald_core::secret_stream::SecretSearch;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::job_log::address::{Address, JobId};
use crate::job_log::budget::LogBudget;
use crate::job_log::keeper::Keeper;
use crate::job_log::lines::{LineQuery, LineReader, LineSearch, LogLines};
use crate::job_log::live::LiveLogs;
use crate::job_log::memory::MemoryLogs;
use crate::job_log::place::LogPlace;
use crate::job_log::read::{Chunk, LogError, read_chunk};
use crate::job_log::sink::{LogSink, SinkContext};

/// The most bytes that all logs in memory take.
const MEMORY: usize = 16 << 20;
/// How many threads may wait for the disk to write.
const WRITERS: usize = 16;

/// Keeps what jobs write, and gives it to who asks. Clones share everything.
#[derive(Clone)]
pub struct JobLogs {
    place: LogPlace,
    limit: Arc<AtomicU64>,
    live: LiveLogs,
    budget: Arc<LogBudget>,
    shared: Arc<SinkContext>,
    secrets: SearchCache,
}

/// The mask that was used last, and the search made from it: most jobs of a configuration share one mask.
type SearchCache = Arc<Mutex<Option<(Arc<Mask>, Arc<SecretSearch>)>>>;

impl JobLogs {
    /// Logs in this folder (made when the first job writes), with at most `limit` bytes of output each. Without a
    /// folder the latest are kept in memory, 16 MiB in total.
    #[must_use]
    pub fn new(folder: Option<PathBuf>, limit: u64) -> Self {
        Self::with_clock(folder, limit, Arc::new(SystemClock))
    }

    /// As [`JobLogs::new`], with the time of this clock.
    #[must_use]
    pub fn with_clock(folder: Option<PathBuf>, limit: u64, clock: Arc<dyn Clock>) -> Self {
        let place = folder
            .map_or_else(|| LogPlace::Memory(MemoryLogs::new(MEMORY)), |path| LogPlace::Folder(path.into()));
        let shared = Arc::new(SinkContext { clock, writers: Arc::new(Semaphore::new(WRITERS)) });
        let (limit, live) = (Arc::new(AtomicU64::new(limit)), LiveLogs::default());
        let budget = Arc::new(LogBudget::new(live.clone()));
        Self { place, limit, live, budget, shared, secrets: Arc::default() }
    }

    /// A part of an attempt's log, at most 256 KiB of it, of one stream or of both. `from` is 0 or the `next` of a
    /// part before. `None` when there is no log and none is open.
    ///
    /// # Errors
    /// [`LogError`] when there is a log that cannot be read.
    pub async fn read(
        &self,
        job_id: &str,
        attempt: u32,
        from: u64,
        stream: Option<Stream>,
    ) -> Result<Option<Chunk>, LogError> {
        let Some(address) = Address::of(job_id, attempt) else { return Ok(None) };
        // Asked before reading: what is written until it closes is read then.
        let is_live = self.live.watch(address).is_some();
        self.on_disk(move |place| read_chunk(place, address, from, stream, is_live)).await?
    }

    /// As [`JobLogs::read`], once there is something to tell: output, that some is missing, or the end. `None` when
    /// there is no log and none is open, and when `stop` asks.
    ///
    /// # Errors
    /// [`LogError`] when there is a log that cannot be read.
    pub async fn next(
        &self,
        job_id: &str,
        attempt: u32,
        mut from: u64,
        stream: Option<Stream>,
        stop: &CancellationToken,
    ) -> Result<Option<Chunk>, LogError> {
        let Some(address) = Address::of(job_id, attempt) else { return Ok(None) };
        loop {
            // Before reading, so that what is written meanwhile wakes.
            let news = self.live.watch(address);
            let Some(read) = stop.run_until_cancelled(self.read(job_id, attempt, from, stream)).await else {
                return Ok(None);
            };
            let Some(chunk) = read? else { return Ok(None) };
            if chunk.end || chunk.truncated || !chunk.entries.is_empty() {
                return Ok(Some(chunk));
            }
            if chunk.next > from {
                from = chunk.next;
                continue;
            }
            // Closed meanwhile: the next look finds the end.
            let Some(mut news) = news else { continue };
            if stop.run_until_cancelled(news.changed()).await.is_none() {
                return Ok(None);
            }
        }
    }

    /// Lines of an attempt's log. `None` when there is no log and none is open.
    ///
    /// # Errors
    /// [`LogError`] when there is a log that cannot be read.
    pub async fn lines(
        &self,
        job_id: &str,
        attempt: u32,
        query: LineQuery,
    ) -> Result<Option<LogLines>, LogError> {
        self.by_lines(job_id, attempt, query.stream, move |reader| reader.lines(query)).await
    }

    /// The lines of an attempt's log that hold a text. `None` when there is no log and none is open.
    ///
    /// # Errors
    /// [`LogError`] when there is a log that cannot be read.
    pub async fn search(
        &self,
        job_id: &str,
        attempt: u32,
        search: LineSearch,
    ) -> Result<Option<LogLines>, LogError> {
        self.by_lines(job_id, attempt, search.stream, move |reader| reader.search(&search)).await
    }

    async fn by_lines(
        &self,
        job_id: &str,
        attempt: u32,
        stream: Option<Stream>,
        read: impl FnOnce(&LineReader<'_>) -> Result<LogLines, LogError> + Send + 'static,
    ) -> Result<Option<LogLines>, LogError> {
        let Some(address) = Address::of(job_id, attempt) else { return Ok(None) };
        let is_live = self.live.watch(address).is_some();
        self.on_disk(move |place| match LineReader::open(place, address, stream, is_live)? {
            Some(reader) => read(&reader).map(Some),
            // The first output may be on its way.
            None => Ok(is_live.then(LogLines::default)),
        })
        .await?
    }

    /// The attempts of a job that have a log, in order. Reads the folder of the job's day.
    ///
    /// # Errors
    /// [`LogError`] when the folder cannot be read.
    pub async fn attempts(&self, job_id: &str) -> Result<Vec<u32>, LogError> {
        let Some(job) = JobId::of(job_id) else { return Ok(Vec::new()) };
        Ok(self.on_disk(move |place| place.attempts(job)).await??)
    }

    /// Removes the logs of these jobs (the id of each, and how many attempts it had), and the folders of days that are
    /// empty then. Anything that is not the id of a job is skipped. Blocks on the disk.
    ///
    /// # Errors
    /// [`LogError`] when a file cannot be removed; some may be removed then.
    pub fn remove(&self, jobs: &[(String, u32)]) -> Result<(), LogError> {
        let attempts = |(id, attempts): &(String, u32)| {
            let addresses = (1..=*attempts).filter_map(|attempt| Address::of(id, attempt));
            addresses.collect::<Vec<_>>()
        };
        let addresses: BTreeSet<Address> = jobs.iter().flat_map(attempts).collect();
        Ok(self.place.remove(&addresses, |freed| self.budget.removed(freed))?)
    }

    /// All logs together take at most so many bytes: the oldest logs of ended jobs are removed first. `None`: 10 GiB
    /// or a tenth of the file system, whichever is less. Logs in memory have a bound of their own.
    pub fn set_total_limit(&self, limit: Option<u64>) {
        self.budget.set_most(limit);
    }

    /// Asks this whether the job of an id has not ended yet; the logs of such jobs stay.
    pub fn keep_logs_of(&self, is_open: Arc<dyn Fn(&str) -> bool + Send + Sync>) {
        self.budget.set_is_open(is_open);
    }

    /// Counts the logs that are there, and removes what is too much. For the start of the daemon.
    ///
    /// # Errors
    /// [`LogError`] when a folder cannot be read.
    pub async fn count(&self) -> Result<(), LogError> {
        let budget = self.budget.clone();
        let counted = self.on_disk(move |place| match place {
            LogPlace::Folder(folder) => budget.count(folder),
            LogPlace::Memory(_) => Ok(()),
        });
        Ok(counted.await??)
    }

    /// Keeps at most so many bytes of output of attempts that begin from now on.
    pub fn set_limit(&self, limit: u64) {
        self.limit.store(limit, Ordering::Relaxed);
    }

    /// Removes the folders of days that are empty; gives how many. For the start of the daemon.
    ///
    /// # Errors
    /// [`LogError`] when a folder cannot be read or removed.
    pub async fn sweep(&self) -> Result<usize, LogError> {
        Ok(self.on_disk(LogPlace::sweep).await??)
    }

    /// Does what waits for the disk on a thread that may wait.
    async fn on_disk<T: Send + 'static>(
        &self,
        work: impl FnOnce(&LogPlace) -> T + Send + 'static,
    ) -> Result<T, LogError> {
        let place = self.place.clone();
        let done = tokio::task::spawn_blocking(move || work(&place)).await;
        done.map_err(|why| LogError::Unreadable(std::io::Error::other(why)))
    }

    /// The search for the secrets of a mask, made once as long as the mask stays the same.
    fn secret_search(cache: &SearchCache, mask: &Arc<Mask>) -> Arc<SecretSearch> {
        let mut cached = cache.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((last, search)) = &*cached
            && Arc::ptr_eq(last, mask)
        {
            return search.clone();
        }
        let search = Arc::new(SecretSearch::new(mask));
        *cached = Some((mask.clone(), search.clone()));
        search
    }
}

impl Outputs for JobLogs {
    /// One sink at a time for an attempt. Nothing is made on disk before the first byte.
    fn open(&self, job: &Arc<Job>, mask: &Arc<Mask>) -> Arc<dyn Output> {
        // Only ids that were not made by Herald have no place.
        let Some(address) = Address::of(&job.id, job.attempt) else { return Arc::new(NoOutput) };
        let keeper = {
            let limit = self.limit.load(Ordering::Relaxed);
            Keeper::new(self.place.clone(), self.budget.clone(), address, limit)
        };
        let (cache, mask) = (self.secrets.clone(), mask.clone());
        let secrets = Box::new(move || Self::secret_search(&cache, &mask));
        Arc::new(LogSink::new(self.shared.clone(), keeper, self.live.enter(address), secrets))
    }
}

impl std::fmt::Debug for JobLogs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("JobLogs").field("limit", &self.limit).finish_non_exhaustive()
    }
}
