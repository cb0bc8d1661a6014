//! The life of the daemon on one page: read, check, start, wait for signals, drain.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use herald_access::Authenticator;
use herald_base::service_manager::ServiceManager;
use herald_config::listener_override::ListenerOverride;
use herald_core::clock::{Clock, SystemClock};
use herald_core::dispatcher::{Dispatcher, Handle, Setup};
use herald_core::plan::{Limits, Plan};
use herald_core::supervisor::{PreparedChange, Supervisor};
use herald_exec::ownership;
use herald_log::ProgramLog;
use herald_queue_jobs::QueueMonitor;
use herald_runner::signs_of_life::SignsOfLife;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::api::{Api, ReloadError, ReloadRequest, View};
use crate::app::AppMonitor;
use crate::assembly::Assembly;
use crate::config::{DaemonConfig, FleetSettings};
use crate::fleet::{Heartbeats, OwnRunner};
use crate::loading::{self, Loaded};
use crate::page::serving::Serving;
use crate::page::state::PageState;
use crate::start_error::Error;
use crate::state::DaemonState;
use crate::state::folder::StateFolder;
use herald_control::model::{FailedReload, Reloaded};
use herald_projects::EtcdMonitor;
use herald_remote::NodeRegistry;
use herald_store::store::{StateLock, lock};

/// How long the workers of queues may take to report the last ends.
const LAST_REPORTS: Duration = Duration::from_secs(5);

/// Runs until a signal ends it.
///
/// # Errors
/// [`Error`]: nothing was started, or everything was ended again.
pub fn run(path: &Path, id: Option<&str>, host: Option<ListenerOverride>) -> Result<(), Error> {
    herald_net::tls::install_provider();
    // Before the configuration is read: limits of jobs depend on it.
    ownership::start();
    let outcome = load_and_run(path, id, host);
    ownership::leave();
    outcome
}

fn load_and_run(path: &Path, id: Option<&str>, host: Option<ListenerOverride>) -> Result<(), Error> {
    let loaded = loading::load_at(path, id, host, None)?;
    let settings = &loaded.config.settings.daemon;
    if let Some(why) = settings.left_behind.clone() {
        return Err(Error::Start(why));
    }
    // Before the log is opened, which is perhaps that of a daemon that runs.
    let lock = settings.state_dir.as_deref().map(lock).transpose()?;
    let log = ProgramLog::start(&loaded.config.settings.log, true);
    let log = log.map_err(|error| Error::Start(error.to_string()))?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::Start(format!("the runtime could not be made: {error}")))?;
    let outcome = runtime.block_on(Daemon::start_and_serve(path, loaded, lock, log));
    // A thread that a plugin or a file system holds up is not waited for.
    runtime.shutdown_timeout(Duration::from_secs(1));
    outcome
}

struct Daemon {
    path: PathBuf,
    /// Which node of the fleet this is.
    id: Option<String>,
    dispatcher: Dispatcher,
    triggers: Supervisor,
    assembly: Assembly,
    grace: Duration,
    log: ProgramLog,
    serving: Serving,
    nodes: Arc<NodeRegistry>,
    heartbeats: Heartbeats,
    etcd: EtcdMonitor,
    queues: QueueMonitor,
    apps: AppMonitor,
    runner: Option<OwnRunner>,
    /// Wishes to reload that come through the API, one at a time.
    reloads: mpsc::Receiver<ReloadRequest>,
    /// Dropped last: it is open until everything has ended.
    state: DaemonState,
}

impl Daemon {
    async fn start_and_serve(
        path: &Path,
        loaded: Loaded,
        lock: Option<StateLock>,
        log: ProgramLog,
    ) -> Result<(), Error> {
        let Loaded { config, assembly, registry } = loaded;
        // What the types say of themselves is not needed any more, for as long as the daemon runs.
        drop(registry);
        let grace = config.settings.shutdown_grace();
        let signals = DaemonSignals::new().map_err(|error| Error::Start(format!("signals: {error}")))?;
        loading::log_startup(path, &config, &log);
        config.settings.daemon.state_dir.as_deref().into_iter().for_each(ownership::end_leftovers);
        tokio::spawn(ownership::reap());
        let clock = Arc::new(SystemClock);
        let state = DaemonState::open(&config.settings, lock, &assembly.drained, clock.clone()).await?;
        let plan = Arc::new(assembly.plan(config.workflow, config.mask));
        state.metrics.configured(plan.clone());
        let fleet = config.settings.fleet();
        // Before the dispatcher: jobs that waited may be for this very node.
        let runner = OwnRunner::start_if(fleet.runner.as_ref()).await;
        let runner = runner.map_err(|error| Error::Start(format!("{error:#}")))?;
        let dispatcher = dispatcher(&state, &plan, config.settings.limits()).await?;
        let (wishes, reloads) = mpsc::channel(1);
        let view = View::new(&assembly, plan);
        let nodes = Arc::<NodeRegistry>::default();
        let api = api(path, fleet.id.clone(), &state, &nodes, &dispatcher, view, wishes);
        api.authenticator.exchange(config.settings.callers());
        let serving = Serving::start(state.folder(), &config.settings, api).await?;
        assembly.note_projects().await;
        herald_queue_jobs::begin(&assembly.queues, state.folder()).await?;
        let accept = Arc::new(dispatcher.handle().clone());
        let triggers = start_triggers(&assembly, accept.clone(), clock.clone()).await?;
        let heartbeats = Heartbeats::start(&fleet, &nodes, accept, clock);
        serving.api.close_for(None);
        tracing::info!("heraldd is ready");
        let manager = ServiceManager::from_environment();
        manager.ready();
        herald_exec::return_unused_memory().await;
        let daemon = Self {
            path: path.to_owned(),
            id: fleet.id,
            apps: assembly.watch_apps(&nodes, dispatcher.handle(), &state.metrics),
            dispatcher,
            triggers,
            etcd: EtcdMonitor::start(&assembly.etcd),
            queues: QueueMonitor::start(&assembly.queues),
            assembly,
            grace,
            log,
            serving,
            nodes,
            heartbeats,
            runner,
            reloads,
            state,
        };
        daemon.until_stopped(signals, &manager).await;
        Ok(())
    }

    async fn until_stopped(mut self, mut signals: DaemonSignals, manager: &ServiceManager) {
        self.state.look_for_damage();
        let mut signs = SignsOfLife::of(manager);
        loop {
            let reply = tokio::select! {
                _ = signals.terminate.recv() => break,
                _ = signals.interrupt.recv() => break,
                _ = signals.hang_up.recv() => None,
                _ = signals.user1.recv() => None,
                Some(reply) = self.reloads.recv() => Some(reply),
                () = signs.give() => continue,
            };
            manager.reloading();
            let reloaded = signs.during(self.reload()).await;
            manager.ready();
            if let Some(reply) = reply {
                // Who asked may be gone.
                let _ = reply.send(reloaded);
            }
            herald_exec::return_unused_memory().await;
        }
        manager.stopping();
        self.stop(signals).await;
    }

    /// Applies a changed configuration, and says what to know of it. On errors the running configuration is kept.
    async fn reload(&mut self) -> Result<Reloaded, ReloadError> {
        let reloaded = self.apply_config().await;
        self.state.metrics.reloaded(reloaded.is_ok());
        let failed = reloaded
            .as_ref()
            .err()
            .map(|error| FailedReload::new(SystemClock.now().to_string(), error.to_string(), error.found()));
        *self.serving.api.failed_reload.write().unwrap_or_else(PoisonError::into_inner) = failed;
        self.serving.api.changes.announce(SystemClock.now());
        match &reloaded {
            Ok(reloaded) => {
                tracing::info!("configuration reloaded");
                if !reloaded.restart_required.is_empty() {
                    tracing::warn!("restart required: {}", reloaded.restart_required.join(", "));
                }
            }
            Err(error) => self.log.report(error, true),
        }
        reloaded
    }

    async fn apply_config(&mut self) -> Result<Reloaded, ReloadError> {
        let (path, id, before) = (self.path.clone(), self.id.clone(), self.assembly.clone());
        let load = move || loading::load(&path, id.as_deref(), Some(&before));
        let loaded = tokio::task::spawn_blocking(load).await;
        let loaded = loaded.map_err(|error| ReloadError::Load(error.to_string()))?;
        let Loaded { config, assembly, .. } = loaded.map_err(ReloadError::Configuration)?;
        // Everything that can fail comes first, and beside what runs: only then the one takes the place of the other.
        let api = self.serving.prepare(&config.settings).await;
        let api = api.map_err(|error| ReloadError::Listen(error.to_string()))?;
        let triggers = self.triggers.prepare_change(self.assembly.trigger_change(&assembly)).await;
        let triggers = triggers.map_err(|(name, error)| ReloadError::Trigger {
            name: name.to_string(),
            error: error.to_string(),
        })?;
        let warnings = config.warnings.iter().map(ToString::to_string).collect();
        let restart_required = self.apply(config, assembly, triggers).await;
        self.serving.exchange(api).await;
        Ok(Reloaded { warnings, restart_required })
    }

    /// Gives the settings whose change needs a restart.
    async fn apply(
        &mut self,
        config: DaemonConfig,
        assembly: Assembly,
        triggers: PreparedChange,
    ) -> Vec<String> {
        config.warnings.iter().for_each(|warning| self.log.report(warning, false));
        let mut restart_required: Vec<&str> = self.state.reload(&config.settings).into_iter().collect();
        self.log.reopen();
        restart_required.extend(self.log.reload(&config.settings.log));
        self.grace = config.settings.shutdown_grace();
        let limits = config.settings.limits();
        let plan: Arc<Plan> = Arc::new(assembly.plan(config.workflow, config.mask));
        self.state.metrics.configured(plan.clone());
        self.serving.api.authenticator.exchange(config.settings.callers());
        self.serving.api.show(View::new(&assembly, plan.clone()));
        self.dispatcher.handle().replace(plan, limits).await;
        if !self.etcd.watches(&assembly.etcd) {
            self.etcd = EtcdMonitor::start(&assembly.etcd);
        }
        if !self.queues.watches(&assembly.queues) {
            self.queues = QueueMonitor::start(&assembly.queues);
        }
        self.apps = assembly.watch_apps(&self.nodes, self.dispatcher.handle(), &self.state.metrics);
        self.triggers.exchange(triggers).await;
        self.assembly.retire_into(assembly);
        let fleet = config.settings.fleet();
        restart_required.extend(self.apply_fleet(fleet).await);
        restart_required.into_iter().map(str::to_owned).collect()
    }

    /// Gives `runner` where its change needs a restart.
    async fn apply_fleet(&mut self, fleet: FleetSettings) -> Option<&'static str> {
        let is_applied = match (&mut self.runner, &fleet.runner) {
            (Some(runner), settings) => runner.reload(settings.as_ref()),
            (None, settings) => settings.is_none(),
        };
        if !self.heartbeats.go_by(&fleet) {
            let accept = Arc::new(self.dispatcher.handle().clone());
            let fresh = Heartbeats::start(&fleet, &self.nodes, accept, Arc::new(SystemClock));
            std::mem::replace(&mut self.heartbeats, fresh).stop().await;
        }
        (!is_applied).then_some("runner")
    }

    async fn stop(mut self, mut signals: DaemonSignals) {
        self.serving.api.close_for(Some("Herald is stopping"));
        // A request that waits for a reload is answered at once: there is none.
        self.reloads.close();
        while self.reloads.try_recv().is_ok() {}
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
            self.heartbeats.stop().await;
            self.dispatcher.stop(self.grace, forced.cancelled()).await;
            self.assembly.queues.workers.close(LAST_REPORTS).await;
            // Jobs of our own may have run on it; now those of others get their grace.
            if let Some(runner) = self.runner {
                runner.stop(forced.clone()).await;
            }
        };
        tokio::select! {
            () = ending => {}
            () = second_signal => {}
        }
        self.serving.stop().await;
        self.assembly.close().await;
        // Nothing uses it any more. A task that fails has no other effect.
        let _ = tokio::task::spawn_blocking(StateFolder::forget).await;
        self.state.close().await;
        tracing::info!("stopped");
    }
}

/// A dispatcher that goes on with what the journal has.
async fn dispatcher(state: &DaemonState, plan: &Arc<Plan>, limits: Limits) -> Result<Dispatcher, Error> {
    let clock = Arc::new(SystemClock);
    Ok(Dispatcher::start(Setup {
        recovered: state.recover().await?,
        paused: state.pauses.routers(clock.now()),
        outputs: Arc::new(state.logs.clone()),
        ..Setup::new(plan.clone(), limits, state.journal(), clock)
    }))
}

/// Prepares all triggers, and lets them run.
async fn start_triggers(
    assembly: &Assembly,
    accept: Arc<Handle>,
    clock: Arc<dyn Clock>,
) -> Result<Supervisor, Error> {
    let mut triggers = Supervisor::new(accept, clock);
    let prepared = Supervisor::prepare(assembly.triggers()).await;
    let prepared = prepared.map_err(|(name, error)| Error::Start(format!("trigger \"{name}\": {error}")))?;
    triggers.run(prepared).await;
    Ok(triggers)
}

/// What the control API speaks of.
fn api(
    path: &Path,
    node: Option<String>,
    state: &DaemonState,
    nodes: &Arc<NodeRegistry>,
    dispatcher: &Dispatcher,
    view: View,
    reload: mpsc::Sender<ReloadRequest>,
) -> Arc<Api> {
    Arc::new(Api {
        history: state.history(),
        logs: state.logs.clone(),
        audit: state.audit(),
        pauses: state.pauses.clone(),
        drains: state.drains.clone(),
        idempotency: Arc::new(state.idempotency()),
        acts: TaskTracker::new(),
        authenticator: Authenticator::default(),
        damage: state.damage(),
        page: PageState::new(state.sessions(), state.folder(), path, node),
        nodes: nodes.clone(),
        handle: dispatcher.handle().clone(),
        metrics: state.metrics.clone(),
        changes: state.changes.clone(),
        failed_reload: RwLock::default(),
        reload,
        config: std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).display().to_string(),
        state_dir: state.folder().map(Path::to_owned),
        started_at: SystemClock.now(),
        closing: CancellationToken::new(),
        closed: RwLock::new(Some("Herald is starting: its triggers are not up yet")),
        view: RwLock::new(Arc::new(view)),
        clock: Arc::new(SystemClock),
    })
}

/// The signals that the daemon answers.
struct DaemonSignals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
    /// Other programs reload at this one, and scripts written for them send it.
    user1: Signal,
}

impl DaemonSignals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
            user1: signal(SignalKind::user_defined1())?,
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
