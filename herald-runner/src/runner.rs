//! Start order and drain of the runner, on one page.

use std::fs::File;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use anyhow::Context as _;
use herald_base::clock::{Clock as _, SystemClock};
use herald_base::service_manager::ServiceManager;
use herald_exec::{ExecEngine, ExecSettings, ownership};
use herald_log::{LogOutput, ProgramLog};
use herald_net::listen::{Listener, bind_tcp, bind_unix};
use herald_net::repeated_log::RepeatedLog;
use herald_net::serve::{ServeOptions, ServerStop, serve as serve_http};
use herald_net::tls::ServerTls;
use herald_wire::runner_id::RecipientRule;
use herald_wire::secret::Secrets;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinHandle;

use crate::config::{self, RunnerConfig};
use crate::job::jobs::{Jobs, OutputLimits};
use crate::pull::PullFromQueue;
use crate::request::handle::{Service, SharedService};
use crate::request::identity;
use crate::request::nonce::Nonces;
use crate::request::room::room;
use crate::signs_of_life::SignsOfLife;
use crate::work_folder::WorkFolder;

/// How many connections may be open that have not shown that they know the secret. Those that have are bounded by the
/// jobs that they wait for.
const UNAUTHENTICATED_LIMIT: usize = 512;
/// How long a client may read nothing of an answer.
const WRITE_TIMEOUT: Duration = Duration::from_secs(60);
/// How much is read and written at once, and of a head at most: jobs and result files are larger than other requests.
const BUFFER: usize = 400 << 10;
/// How long a connection may be idle between requests: longer than daemons keep one, so that they close it.
const KEPT_IDLE: Duration = Duration::from_secs(30);
/// How long the last answers may take once all jobs have ended.
const LAST_ANSWERS: Duration = Duration::from_secs(10);

/// Runs until a signal.
///
/// # Errors
/// When it cannot start.
pub fn run(file: &Path, config: RunnerConfig) -> anyhow::Result<()> {
    let log = ProgramLog::start(&config.log, false)?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start threads")?;
    ownership::start();
    let has_log_file = matches!(config.log.output, LogOutput::File(_));
    let result = runtime.block_on(serve(file, config, &log));
    ownership::leave();
    // On standard error it is printed by the program.
    if let Err(error) = result.as_ref()
        && has_log_file
    {
        log.report(&format_args!("{error:#}"), true);
    }
    // What still hangs on a blocking thread must not keep the process.
    runtime.shutdown_timeout(Duration::from_secs(1));
    result
}

async fn serve(file: &Path, config: RunnerConfig, log: &ProgramLog) -> anyhow::Result<()> {
    let mut signals = RunnerSignals::new().context("cannot listen to signals")?;
    config.warnings.iter().for_each(|warning| log.report(warning, false));
    tokio::spawn(ownership::reap());
    let folder = WorkFolder::claim(&config.work_dir)?;
    ownership::end_leftovers(&folder.path);
    let running = Runner::start_in(folder, &config).await?;
    let manager = ServiceManager::from_environment();
    manager.ready();
    signals.until_stop(&manager, || reload(file, &config, &running.service, log)).await;
    manager.stopping();
    running.stop(config.shutdown_grace, &mut signals).await?;
    tracing::info!("stopped");
    Ok(())
}

/// Requests to kill all jobs of a runner that is stopping.
pub trait ForceStop {
    /// Resolves at the next request.
    fn requested(&mut self) -> impl Future<Output = ()> + Send;
}

/// A runner at work, in a program of its own or within another one.
pub struct Runner {
    service: SharedService,
    jobs: Jobs,
    engine: ExecEngine,
    pull: Option<PullFromQueue>,
    stop: ServerStop,
    serving: JoinHandle<()>,
    _lock: File,
}

impl Runner {
    /// Takes hold of the work folder and the listeners, and takes jobs from then on.
    ///
    /// # Errors
    /// When something cannot be had.
    pub async fn start(config: &RunnerConfig) -> anyhow::Result<Self> {
        Self::start_in(WorkFolder::claim(&config.work_dir)?, config).await
    }

    /// In a work folder that it has already.
    async fn start_in(folder: WorkFolder, config: &RunnerConfig) -> anyhow::Result<Self> {
        let WorkFolder { path: work_dir, lock, was_used } = folder;
        // Where the file was checked, the cgroups were not known yet.
        ownership::require(&config.job.limits).context("limits")?;
        let engine = ExecEngine::new(settings(config, &work_dir));
        engine.open().await.with_context(|| format!("cannot use the work folder {}", work_dir.display()))?;
        let nonces = Nonces::open(&work_dir, SystemClock.unix_seconds(), was_used)
            .with_context(|| format!("cannot use {}", work_dir.join("nonces").display()))?;
        let id = identity::of_work_dir(&work_dir)
            .with_context(|| format!("cannot use the runner's id in {}", work_dir.display()))?;
        nonces.wait_for_floor(SystemClock.unix_millis()).await;
        let listeners = open(&config.listen).await?;
        let log = OutputLimits { folder: work_dir.clone(), bytes: config.log_limit };
        let jobs = Jobs::new(engine.clone(), config.max_jobs, config.keep_results, log);
        let service = Arc::new(Service {
            secrets: RwLock::new(config.secrets.clone()),
            jobs: jobs.clone(),
            nonces,
            recipient: RecipientRule { id: id.clone(), allow_unbound: config.allow_unbound },
            allow_v1: config.allow_v1,
            request_timeout: config.request_timeout,
            max_body: config.max_body,
            room: room(config.max_body),
            rejections: RepeatedLog::new(),
        });
        let pull = match &config.queue {
            Some(queue) => Some(PullFromQueue::start(queue, &id, jobs.clone()).await?),
            None => None,
        };
        let stop = ServerStop::default();
        let at: Vec<String> =
            listeners.iter().map(|at| format!("{}{}", at.address(), at.tls_suffix())).collect();
        let options = serve_options(config.request_timeout);
        let serving = tokio::spawn(serve_http(listeners, options, service.clone(), stop.clone()));
        tracing::info!(
            version = env!("CARGO_PKG_VERSION"), id = %id, work_dir = %work_dir.display(), allow_v1 = config.allow_v1,
            "herald-runner {}", if at.is_empty() { "listens nowhere".to_owned() } else { format!("listening on {}", at.join(", ")) }
        );
        if config.allow_unbound {
            tracing::warn!(
                "version 2.0 is allowed: a request that was captured on its way to another runner with the same secret \
                 runs here, too; remove `allow` once all daemons are updated"
            );
        }
        Ok(Self { service, jobs, engine, pull, stop, serving, _lock: lock })
    }

    /// Accepts these secrets from now on, and no others.
    pub fn take_secrets(&self, secrets: Secrets) {
        *self.service.secrets.write().unwrap_or_else(PoisonError::into_inner) = secrets;
    }

    /// Takes no more jobs; those that run get `grace`, then TERM and after that KILL.
    ///
    /// # Errors
    /// When the task that serves connections failed.
    pub async fn stop(self, grace: Duration, force_stop: &mut impl ForceStop) -> anyhow::Result<()> {
        let Self { jobs, engine, pull, stop, serving, .. } = self;
        tracing::info!(running = jobs.running(), "the runner is stopping");
        stop.accepting.cancel();
        if let Some(pull) = &pull {
            pull.stop_receiving();
        }
        drain(&jobs, force_stop, grace).await;
        if let Some(pull) = pull {
            pull.finish().await;
        }
        stop.connections.cancel();
        serving.await.context("the task that serves connections failed")?;
        engine.close().await;
        Ok(())
    }
}

impl ForceStop for RunnerSignals {
    async fn requested(&mut self) {
        Self::stop(self).await;
    }
}

/// The listeners of the configuration.
async fn open(listen: &config::Listen) -> anyhow::Result<Vec<Listener>> {
    let mut listeners = Vec::new();
    if let Some((host, port)) = &listen.tcp {
        let tls = match listen.tls.clone() {
            Some(files) => Some(tokio::task::spawn_blocking(move || ServerTls::load(files)).await??),
            None => None,
        };
        listeners.push(bind_tcp(host, *port).await?.with_tls(tls));
    }
    if let Some(path) = &listen.unix_socket {
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder)
                .with_context(|| format!("cannot create the folder {}", folder.display()))?;
        }
        listeners.push(Listener::Unix(bind_unix(path, listen.unix_socket_mode).await?));
    }
    Ok(listeners)
}

fn serve_options(request_timeout: Duration) -> ServeOptions {
    let defaults = ServeOptions::default();
    ServeOptions {
        connections: UNAUTHENTICATED_LIMIT,
        first_line: defaults.first_line.min(request_timeout),
        head: defaults.head.min(request_timeout),
        idle: request_timeout.max(KEPT_IDLE),
        head_bytes: BUFFER,
        write: WRITE_TIMEOUT,
        drain: LAST_ANSWERS,
        // As the Go program writes them.
        title_case_headers: true,
        ..defaults
    }
}

fn settings(config: &RunnerConfig, work_dir: &Path) -> ExecSettings {
    let mut settings = ExecSettings::new(work_dir);
    settings.output_limit = config.output_limit;
    settings.kill_grace = config.kill_grace;
    settings.git_timeout = config.git_timeout;
    settings.git_limits = config.git_limits;
    settings.run_dir = config.job.run_dir;
    settings.restrictions = config.job.restrictions();
    settings
}

/// Running jobs get `grace`, then TERM and after that KILL; a second signal ends them at once.
async fn drain(jobs: &Jobs, force_stop: &mut impl ForceStop, grace: Duration) {
    let ended = jobs.drain();
    tokio::pin!(ended);
    tokio::select! {
        () = &mut ended => return,
        () = tokio::time::sleep(grace) => {
            tracing::warn!(running = jobs.running(), "jobs still running after shutdown_grace; terminating them");
            jobs.stop_all(false);
        }
        () = force_stop.requested() => {
            tracing::warn!(running = jobs.running(), "second signal; killing jobs");
            jobs.stop_all(true);
        }
    }
    loop {
        tokio::select! {
            () = &mut ended => return,
            () = force_stop.requested() => jobs.stop_all(true),
        }
    }
}

/// SIGHUP: new secrets are valid from now on, and the log is reopened. All other options need a restart.
fn reload(file: &Path, running: &RunnerConfig, service: &SharedService, log: &ProgramLog) {
    log.reopen();
    match config::load(file) {
        Ok(fresh) => {
            fresh.warnings.iter().for_each(|warning| log.report(warning, false));
            *service.secrets.write().unwrap_or_else(PoisonError::into_inner) = fresh.secrets.clone();
            tracing::info!("configuration reloaded: secrets updated");
            if !fresh.same_but_secrets(running) {
                tracing::warn!("configuration changed: options other than the secrets need a restart");
            }
        }
        Err(report) => {
            log.report(
                &format_args!("cannot reload the configuration; keeping the running one\n{report}"),
                true,
            );
        }
    }
}

struct RunnerSignals {
    term: Signal,
    int: Signal,
    hup: Signal,
    user1: Signal,
}

impl RunnerSignals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            term: signal(SignalKind::terminate())?,
            int: signal(SignalKind::interrupt())?,
            hup: signal(SignalKind::hangup())?,
            user1: signal(SignalKind::user_defined1())?,
        })
    }

    async fn stop(&mut self) {
        tokio::select! {
            _ = self.term.recv() => {}
            _ = self.int.recv() => {}
        }
    }

    async fn until_stop(&mut self, manager: &ServiceManager, reload: impl Fn()) {
        let mut signs = SignsOfLife::of(manager);
        loop {
            tokio::select! {
                _ = self.term.recv() => return,
                _ = self.int.recv() => return,
                _ = self.hup.recv() => {}
                // Other programs reload at this one, and scripts written for them send it.
                _ = self.user1.recv() => {}
                () = signs.give() => continue,
            }
            manager.reloading();
            reload();
            manager.ready();
        }
    }
}
