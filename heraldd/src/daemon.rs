//! The life of the daemon on one page: read, check, start, wait for signals, drain.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use herald_core::clock::{Clock, SystemClock};
use herald_core::dispatcher::{Dispatcher, Setup};
use herald_core::supervisor::Supervisor;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::api::{Api, Serving};
use crate::assembly::Assembly;
use crate::config::Config;
use crate::executor::http_remote;
use crate::journal::{OpenError, Store};
use crate::loading::{self, Loaded};
use crate::log::Log;
use crate::state::State;

/// Why the daemon did not run, or stopped.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration is not right. The text is for people, each problem with its place.
    #[error("{0}")]
    Configuration(String),
    /// Something that it needs could not be had: a port, a file.
    #[error("heraldd: {0}")]
    Start(String),
}

impl From<OpenError> for Error {
    fn from(error: OpenError) -> Self {
        Self::Start(error.to_string())
    }
}

impl From<loading::Wrong> for Error {
    fn from(wrong: loading::Wrong) -> Self {
        Self::Configuration(wrong.to_string())
    }
}

/// Runs until a signal ends it.
///
/// # Errors
/// [`Error`]: nothing was started, or everything was ended again.
pub fn run(path: &Path) -> Result<(), Error> {
    http_remote::install_crypto_provider();
    let loaded = loading::load(path, None)?;
    let log = Log::start(&loaded.config.settings.log).map_err(|error| Error::Start(error.to_string()))?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::Start(format!("the runtime could not be made: {error}")))?;
    let outcome = runtime.block_on(Daemon::start_and_serve(path, loaded, log));
    // A thread that a plugin or a file system holds up is not waited for.
    runtime.shutdown_timeout(Duration::from_secs(1));
    outcome
}

struct Daemon {
    path: PathBuf,
    dispatcher: Dispatcher,
    triggers: Supervisor,
    assembly: Assembly,
    grace: Duration,
    log: Log,
    api: Option<Serving>,
    /// Dropped last: it is open until everything has ended.
    state: State,
}

impl Daemon {
    async fn start_and_serve(path: &Path, loaded: Loaded, log: Log) -> Result<(), Error> {
        let Loaded { config, assembly, registry } = loaded;
        // What the types say of themselves is not needed any more, for as long as the daemon runs.
        drop(registry);
        let grace = config.settings.shutdown_grace;
        let mut signals = Signals::new().map_err(|error| Error::Start(format!("signals: {error}")))?;
        say_hello(path, &config);
        let clock = Arc::new(SystemClock);
        let limits = config.settings.limits();
        let state = State::open(&config.settings, clock.clone()).await?;
        let plan = assembly.plan(config.workflow, config.mask);
        let (plan, recovered) = state.recover(plan).await?;
        let setup = Setup { recovered, ..Setup::new(plan, limits, state.journal(), clock.clone()) };
        let dispatcher = Dispatcher::start(setup);
        let api = match state.store() {
            Some(store) => Some(serve_api(path, store, &dispatcher, clock.clone(), &assembly).await?),
            None => None,
        };
        let mut triggers = Supervisor::new(Arc::new(dispatcher.handle().clone()), clock);
        let prepared = Supervisor::prepare(assembly.triggers()).await;
        let prepared =
            prepared.map_err(|(name, error)| Error::Start(format!("trigger \"{name}\": {error}")))?;
        triggers.run(prepared);
        tracing::info!("heraldd is ready");
        let mut daemon =
            Self { path: path.to_owned(), dispatcher, triggers, assembly, grace, log, api, state };
        loop {
            tokio::select! {
                _ = signals.terminate.recv() => break,
                _ = signals.interrupt.recv() => break,
                _ = signals.hang_up.recv() => daemon.reload().await,
            }
        }
        daemon.stop(signals).await;
        Ok(())
    }

    /// Takes up a changed configuration. Whatever is wrong with it, what runs stays as it is.
    async fn reload(&mut self) {
        let (path, before) = (self.path.clone(), self.assembly.clone());
        let loaded = tokio::task::spawn_blocking(move || loading::load(&path, Some(&before))).await;
        let Loaded { config, assembly, .. } = match loaded {
            Ok(Ok(loaded)) => loaded,
            Ok(Err(error)) => return tracing::error!("the configuration stays as it was:\n{error}"),
            Err(error) => return tracing::error!("the configuration stays as it was: {error}"),
        };
        self.triggers.stop(self.assembly.triggers_gone(&assembly)).await;
        match Supervisor::prepare(assembly.triggers_new(&self.assembly)).await {
            Ok(prepared) => {
                config.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
                self.log.reload(&config.settings.log);
                self.grace = config.settings.shutdown_grace;
                self.state.reload(&config.settings);
                if let Some(serving) = &self.api {
                    let names = assembly.triggers().into_iter().map(|(name, _)| name).collect();
                    *serving.api.triggers.write().unwrap_or_else(PoisonError::into_inner) = names;
                }
                let limits = config.settings.limits();
                self.dispatcher.handle().replace(assembly.plan(config.workflow, config.mask), limits).await;
                self.triggers.run(prepared);
                self.assembly.retire_into(assembly);
                tracing::info!("the configuration was read again");
            }
            Err((name, error)) => {
                tracing::error!("the configuration stays as it was: trigger \"{name}\": {error}");
                match Supervisor::prepare(self.assembly.triggers_new(&assembly)).await {
                    Ok(prepared) => self.triggers.run(prepared),
                    Err((name, error)) => {
                        tracing::error!("trigger \"{name}\" could not be taken up again: {error}")
                    }
                }
            }
        }
    }

    async fn stop(mut self, mut signals: Signals) {
        tracing::info!(grace = ?self.grace, "stopping: running jobs may finish; a second signal ends them at once");
        let forced = CancellationToken::new();
        let second_signal = async {
            signals.end().await;
            tracing::warn!("second signal: running jobs are ended");
            forced.cancel();
            std::future::pending::<()>().await;
        };
        let ending = async {
            // A trigger waits a while for its clients; a second signal does not.
            let _ = forced.run_until_cancelled(self.triggers.stop_all()).await;
            self.dispatcher.stop(self.grace, forced.cancelled()).await;
        };
        tokio::select! {
            () = ending => {}
            () = second_signal => {}
        }
        if let Some(serving) = self.api {
            serving.stop().await;
        }
        self.assembly.close().await;
        self.state.close().await;
        tracing::info!("stopped");
    }
}

async fn serve_api(
    path: &Path,
    store: Arc<Store>,
    dispatcher: &Dispatcher,
    clock: Arc<dyn Clock>,
    assembly: &Assembly,
) -> Result<Serving, Error> {
    let folder = store.folder().to_owned();
    let api = Api {
        handle: dispatcher.handle().clone(),
        triggers: RwLock::new(assembly.triggers().into_iter().map(|(name, _)| name).collect()),
        config: path.display().to_string(),
        state_dir: folder.display().to_string(),
        started_at: clock.now(),
        history: store,
        clock,
    };
    Serving::start(&folder, api).await.map_err(|error| Error::Start(format!("the control socket: {error}")))
}

fn say_hello(path: &Path, config: &Config) {
    tracing::info!(version = env!("CARGO_PKG_VERSION"), config = %path.display(), "heraldd starts");
    config.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
}

/// The signals that the daemon answers.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    /// Resolves at SIGTERM or SIGINT.
    async fn end(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
