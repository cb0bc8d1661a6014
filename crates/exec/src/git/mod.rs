//! Git: from an address and a name to a folder that holds exactly that commit.
//!
//! One bare mirror for each address lives under `<work_dir>/gitrepo`; a job gets the plain files of its commit, without
//! a repository around them, so nothing that it does there can reach the mirror or another job.

mod cancel;
mod checkout;
pub(crate) mod command;
mod credential;
mod git_program;
mod known_hosts;
mod large_blob;
mod local;
mod mirror;
mod mirror_error;
mod plan;
mod source;
pub(crate) mod url;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, Once, PoisonError, Weak};
use std::time::Duration;

use git2::Oid;
use herald_base::stop::Stop;
use herald_base::{os_error, unit};
use tokio::sync::{OwnedMutexGuard, Semaphore, oneshot};
use tokio::time::{Instant, sleep_until, timeout};

use self::cancel::CancelFlag;
use self::checkout::{CheckoutError, is_damage};
use self::credential::CallbackError;
pub(crate) use self::credential::Credentials;
use self::large_blob::{LargeBlob, LargeBlobError};
use self::mirror::{FetchLock, Mirror};
use self::mirror_error::MirrorError;
pub(crate) use self::source::{GitSource, Revision, is_commit};
use crate::engine::settings::GitLimits;
use crate::outcome::ExecError;

/// How many Git threads there may be at once.
const THREADS: usize = 32;
/// How many of them may hang in the network for one repository, long after their jobs gave up.
const HUNG: usize = 4;
/// How long a server may take to accept a connection, and how long it may be silent then. Servers that prepare much
/// send a sign of life every 5 s.
const CONNECT: Duration = Duration::from_secs(30);
const SILENCE: Duration = Duration::from_secs(60);
/// How long to wait for a thread that was asked to stop.
const CANCEL_GRACE: Duration = Duration::from_secs(2);

/// Cancels when dropped: the result of the thread is no longer needed.
struct CancelGuard(CancelFlag);

impl Drop for CancelGuard {
    fn drop(&mut self) {
        self.0.set();
    }
}

/// Releases a lock when dropped, even while the thread that took it hangs.
struct LockGuard(FetchLock);

impl Drop for LockGuard {
    fn drop(&mut self) {
        self.0.release();
    }
}

/// What is known of one repository in this process.
#[derive(Default)]
struct RepoState {
    /// Held while fetching, so that waiting for another job's fetch costs no thread.
    fetching: Arc<tokio::sync::Mutex<()>>,
    /// Threads that are connected.
    connected: Arc<()>,
}

/// All mirrors of one working directory.
pub(crate) struct Git {
    root: PathBuf,
    timeout: Duration,
    limits: GitLimits,
    threads: Arc<Semaphore>,
    shared: Mutex<HashMap<PathBuf, Weak<RepoState>>>,
}

impl Git {
    pub(crate) fn new(root: PathBuf, timeout: Duration, limits: GitLimits) -> Self {
        Self { root, timeout, limits, threads: Arc::new(Semaphore::new(THREADS)), shared: Mutex::default() }
    }

    /// Puts the files of the commit into the empty folder `into`, and returns the commit's name.
    pub(crate) async fn checkout(
        &self,
        source: &GitSource,
        into: &Path,
        deadline: Option<Instant>,
        stop: &Stop,
    ) -> Result<String, ExecError> {
        let own = Instant::now() + self.timeout;
        let limit = deadline.map_or(own, |deadline| deadline.min(own));
        let cancel = CancelFlag::default();
        let guard = CancelGuard(cancel.clone());
        let mut work = Box::pin(self.work(Arc::new(source.clone()), into, limit, &cancel));
        let why = tokio::select! {
            done = &mut work => return done.map(|id| id.to_string()),
            () = stop.asked() => ExecError::Cancelled("while getting the Git repository"),
            () = sleep_until(limit) => ExecError::TimedOut("while getting the Git repository"),
        };
        drop(guard);
        // It ends at once unless the network hangs; then it is left behind, and may do no harm.
        let _ = timeout(CANCEL_GRACE, work).await;
        Err(why)
    }

    async fn work(
        &self,
        source: Arc<GitSource>,
        into: &Path,
        limit: Instant,
        cancel: &CancelFlag,
    ) -> Result<Oid, ExecError> {
        let url = &source.url;
        if url.is_missing() {
            return Err(ExecError::Git(format!("Git repository {}: the folder does not exist", url.shown())));
        }
        let (of, root) = (source.clone(), self.root.clone());
        let mirror = self.on_thread(move || {
            // A daemon that never reads a repository does not load what is needed for it.
            end_silent_connections();
            Mirror::of(&of, &root)
        });
        let mirror = mirror.await.map_err(|failed| failed.explain(&source))?;
        let mut attempt = 0;
        loop {
            attempt += 1;
            let call = FetchCall { source: &source, mirror: &mirror, cancel, fresh: attempt > 1, limit };
            match self.attempt(call, into).await {
                Err(Failed::Damaged(error)) if attempt == 1 => {
                    tracing::warn!(path = %mirror.path().display(), %error, "mirror corrupt; re-cloning");
                    empty(into)
                        .map_err(|error| ExecError::WorkDir(format!("{}: {error}", into.display())))?;
                }
                Err(failed) => return Err(failed.explain(&source)),
                Ok(Checkout { id, large }) => {
                    let written = large_blob::write(large, mirror.path(), into, limit).await;
                    let failed = |error: LargeBlobError| Failed::Reason(error.to_string()).explain(&source);
                    return written.map(|()| id).map_err(failed);
                }
            }
        }
    }

    async fn attempt(&self, call: FetchCall<'_>, into: &Path) -> Result<Checkout, Failed> {
        let FetchCall { source, mirror, cancel, fresh, .. } = call;
        let local = match &source.revision {
            Revision::Commit(_) if !fresh => {
                let (mirror, source) = (mirror.clone(), source.clone());
                // A damaged mirror is found again, and dealt with, under the lock.
                self.on_thread(move || mirror.local(&source.revision).ok().flatten()).await?
            }
            _ => None,
        };
        let id = match local {
            Some(id) => id,
            None => self.fetch(call).await?,
        };
        let (mirror, into, cancel, limits) = (mirror.clone(), into.to_owned(), cancel.clone(), self.limits);
        let written = self.on_thread(move || checkout::write(&mirror.open()?, id, &into, limits, &cancel));
        Ok(Checkout { id, large: written.await?? })
    }

    async fn fetch(&self, call: FetchCall<'_>) -> Result<Oid, Failed> {
        let FetchCall { source, mirror, cancel, .. } = call;
        let shared = self.shared(mirror.path());
        let alone: OwnedMutexGuard<()> = shared.fetching.clone().lock_owned().await;
        if Arc::strong_count(&shared.connected) > HUNG {
            return Err(Failed::Reason(format!(
                "{HUNG} earlier connections to the server still hang; they are given up once it was silent for {}",
                unit::text(SILENCE)
            )));
        }
        let lock = LockGuard(FetchLock::default());
        let was_local = self.fetch_local(call, &shared, &lock.0).await?;
        let fresh = call.fresh && !was_local;
        let callback_error = CallbackError::default();
        let (mirror, asked, reported, cancel) =
            (mirror.clone(), source.clone(), callback_error.clone(), cancel.clone());
        // The thread keeps `shared` alive, and counts as connected until it ends.
        let (locked, counted, kept) = (lock.0.clone(), shared.connected.clone(), shared.clone());
        let fetched = self
            .on_thread(move || {
                let fetched = mirror.fetch(&asked, &locked, &cancel, &reported, fresh);
                drop((counted, kept));
                fetched
            })
            .await?;
        drop((lock, alone));
        fetched.map_err(|error| match (callback_error.take(), error) {
            (_, MirrorError::Cancelled) => Failed::Cancelled,
            (Some(text), _) | (None, MirrorError::Reason(text)) => Failed::Reason(text),
            (None, MirrorError::Git(error)) if is_damage(&error) => Failed::Damaged(error),
            (None, MirrorError::Git(error) | MirrorError::Remote(error)) => Failed::Git(error),
        })
    }

    /// Has the program `git` fetch from a repository of this machine. Whether it did: what is missing afterwards, and
    /// what went wrong, is found by the fetch that follows.
    async fn fetch_local(
        &self,
        call: FetchCall<'_>,
        shared: &Arc<RepoState>,
        lock: &FetchLock,
    ) -> Result<bool, Failed> {
        let FetchCall { source, mirror, cancel, fresh, limit } = call;
        let Some(folder) = source.url.folder() else { return Ok(false) };
        let (asked, path) = (source.clone(), mirror.path().to_owned());
        let (mirror, lock, cancel) = (mirror.clone(), lock.clone(), cancel.clone());
        // As for the fetch: a disk that hangs holds up a bounded number of threads.
        let (counted, kept) = (shared.connected.clone(), shared.clone());
        let missing = self.on_thread(move || {
            let missing = mirror.missing(&asked, &lock, &cancel, fresh);
            drop((counted, kept));
            missing
        });
        let missing = missing.await?;
        let Ok(missing) = missing else { return Ok(false) };
        if let Err(error) = local::fetch(&path, folder, &missing, limit).await {
            tracing::debug!(repository = source.url.shown(), %error, "`git fetch` failed; libgit2 tries it");
        }
        Ok(true)
    }

    fn shared(&self, path: &Path) -> Arc<RepoState> {
        let mut all = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(shared) = all.get(path).and_then(Weak::upgrade) {
            return shared;
        }
        all.retain(|_, shared| shared.strong_count() > 0);
        let shared = Arc::new(RepoState::default());
        all.insert(path.to_owned(), Arc::downgrade(&shared));
        shared
    }

    /// Runs blocking work on a thread of its own: one that hangs must not keep the runtime from shutting down.
    async fn on_thread<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Failed> {
        let ended = || Failed::Reason("a Git thread ended unexpectedly".to_owned());
        let permit = self.threads.clone().acquire_owned().await.map_err(|_| ended())?;
        let (done, result) = oneshot::channel();
        std::thread::Builder::new()
            .name("herald-git".to_owned())
            .spawn(move || {
                // Nobody may be waiting any more.
                let _ = done.send(work());
                drop(permit);
            })
            .map_err(|error| Failed::Reason(format!("cannot start a thread: {error}")))?;
        result.await.map_err(|_| ended())
    }
}

/// What of a repository is fetched, and until when.
#[derive(Clone, Copy)]
struct FetchCall<'a> {
    source: &'a Arc<GitSource>,
    mirror: &'a Mirror,
    cancel: &'a CancelFlag,
    /// The mirror is deleted first.
    fresh: bool,
    limit: Instant,
}

/// Files of a commit in their folder, and what is still to be written there.
struct Checkout {
    id: Oid,
    large: Vec<LargeBlob>,
}

/// Why one attempt failed.
enum Failed {
    Git(git2::Error),
    Damaged(git2::Error),
    Reason(String),
    Cancelled,
}

impl Failed {
    fn explain(self, source: &GitSource) -> ExecError {
        let text = match self {
            Self::Git(error) | Self::Damaged(error) => error.message().to_owned(),
            Self::Reason(text) => text,
            Self::Cancelled => return ExecError::Cancelled("while getting the Git repository"),
        };
        let text =
            os_error::plain(&source.credentials.mask(text.trim_end_matches(['.', ';', ' ']), &source.url));
        ExecError::Git(format!("Git repository {}: {text}", source.url.shown()))
    }
}

impl From<CheckoutError> for Failed {
    fn from(error: CheckoutError) -> Self {
        match error {
            CheckoutError::Mirror(error) if is_damage(&error) => Self::Damaged(error),
            CheckoutError::Mirror(error) => Self::Git(error),
            CheckoutError::Hostile(text) | CheckoutError::TooMuch(text) => Self::Reason(text),
            CheckoutError::Disk(path, error) => {
                Self::Reason(format!("{} cannot be written: {error}", path.display()))
            }
            CheckoutError::Cancelled => Self::Cancelled,
        }
    }
}

/// Ends connections of Git whose server is silent for too long, so that a server that hangs holds no thread for ever.
/// Every use of the library begins with this: the first time it reads the certificates of the system.
fn end_silent_connections() {
    static SET: Once = Once::new();
    let limit = |time: Duration| i32::try_from(time.as_millis()).unwrap_or(i32::MAX);
    SET.call_once(|| herald_spawn::limit_git_silence(limit(CONNECT), limit(SILENCE)));
}

fn empty(folder: &Path) -> std::io::Result<()> {
    crate::scratch::remove_tree(folder)?;
    std::fs::create_dir(folder)
}
