//! What is made of files, made again when they change.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::tls::files::{Stamp, stamps};
use crate::tls::pem::TlsError;

/// How often files are looked at, at most.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

type Make<C> = dyn Fn() -> Result<C, TlsError> + Send + Sync;

/// Something made of files.
pub(crate) struct Watched<C> {
    files: Vec<PathBuf>,
    make: Box<Make<C>>,
    state: Mutex<WatchedFiles<C>>,
}

struct WatchedFiles<C> {
    made: Arc<C>,
    /// What it was made of.
    of: Vec<Option<Stamp>>,
    looked: Instant,
    /// Files that were found broken, and whether that was logged. Of a pair one file is always written before the
    /// other, so only files that stay as they are are logged.
    broken: Option<(Vec<Option<Stamp>>, bool)>,
}

impl<C: Send + Sync + 'static> Watched<C> {
    /// Makes it for the first time. Blocks.
    ///
    /// # Errors
    /// When it cannot be made.
    pub(crate) fn new(
        files: Vec<PathBuf>,
        make: impl Fn() -> Result<C, TlsError> + Send + Sync + 'static,
    ) -> Result<Arc<Self>, TlsError> {
        let of = stamps(&files);
        let made = Arc::new(make()?);
        let state = WatchedFiles { made, of, looked: Instant::now(), broken: None };
        Ok(Arc::new(Self { files, make: Box::new(make), state: Mutex::new(state) }))
    }

    fn state(&self) -> MutexGuard<'_, WatchedFiles<C>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the files give now; what they gave before, as long as they are broken.
    pub(crate) async fn current(self: &Arc<Self>) -> Arc<C> {
        {
            let mut state = self.state();
            if state.looked.elapsed() < LOOK_AGAIN {
                return state.made.clone();
            }
            // A caller that comes while this one looks gets what was there before.
            state.looked = Instant::now();
        }
        let this = self.clone();
        // A file system that hangs must hold up nobody else. The task ends early only with the runtime itself.
        let _ = tokio::task::spawn_blocking(move || this.look()).await;
        self.state().made.clone()
    }

    /// Blocks.
    fn look(&self) {
        let found = stamps(&self.files);
        {
            let state = self.state();
            let known_broken = state.broken.as_ref().is_some_and(|(of, logged)| *logged && *of == found);
            if state.of == found || known_broken {
                return;
            }
        }
        let made = (self.make)();
        // Written meanwhile: what was read may be half of each. The next look sees to it.
        if stamps(&self.files) != found {
            return;
        }
        let files =
            || self.files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join(", ");
        let mut state = self.state();
        match made {
            Ok(made) => {
                tracing::info!("TLS: changed files loaded: {}", files());
                state.made = Arc::new(made);
                state.of = found;
                state.broken = None;
            }
            Err(error) => {
                let settled = state.broken.as_ref().is_some_and(|(of, _)| *of == found);
                if settled {
                    tracing::error!("TLS: changed files are not valid, keeping the previous ones: {error}");
                }
                state.broken = Some((found, settled));
            }
        }
    }
}
