//! Runs a job on one runner: sends it, follows and joins it, and cancels it.

use std::sync::Arc;
use std::time::Duration;

use herald_base::failpoint;
use herald_base::output::Output;
use herald_base::stop::Stop;
use herald_base::unit;
use herald_net::client::ConnectError;
use serde_json::Value;
use tokio::sync::OnceCell;
use tokio::time::Instant;

use super::answer;
use super::connection::{PendingAnswer, RunnerConnection};
use super::fault::Fault;
use super::follow::OutputFollower;
use super::job_answer::{Expected, JobAnswer};
use super::outcome_of::{Completed, failure_of, outcome_of, write_result};
use super::request::RunnerRequest;
use super::retry::RejoinTimer;
use super::silence::SilenceWatch;
use super::staging;
use crate::job::RunnerJob;
use crate::outcome::{RunnerFailure, RunnerFailureKind, RunnerOutcome};
use crate::settings::{RemoteSettings, RunnerAddress};

/// How long the runner may take to end a job that is cancelled, and to say how it ended.
const CANCEL_TIMEOUT: Duration = Duration::from_secs(20);
/// The same when the daemon itself is to end at once; and how long a runner is tried to be reached when the daemon
/// stops.
const FORCED_CANCEL_TIMEOUT: Duration = Duration::from_secs(2);

/// How long a runner that accepted a connection may take to answer before it counts as offline.
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);

/// The shortest time for reconnecting to a runner after a restart of the daemon itself.
const RESUME: Duration = Duration::from_secs(60);

/// The client of one runner. Connects for the first job, so that creating it has no effect.
pub struct RunnerClient {
    settings: Arc<RemoteSettings>,
    address: RunnerAddress,
    connection: OnceCell<RunnerConnection>,
}

impl RunnerClient {
    /// The client of the runner at this address.
    #[must_use]
    pub fn new(settings: Arc<RemoteSettings>, address: RunnerAddress) -> Self {
        Self { settings, address, connection: OnceCell::new() }
    }

    /// Runs the job to its end.
    ///
    /// # Errors
    /// [`RunnerFailure`]
    pub async fn run(&self, job: RunnerJob) -> RunnerOutcome {
        self.attempt(job, false).await
    }

    /// Joins a job that an earlier process sent, and never starts it. In version 1 it cannot be joined.
    ///
    /// # Errors
    /// [`RunnerFailure`]
    pub async fn recover(&self, job: RunnerJob) -> RunnerOutcome {
        self.attempt(job, true).await
    }

    async fn attempt(&self, job: RunnerJob, resumed: bool) -> RunnerOutcome {
        let RunnerJob { key, params, stop, output } = job;
        let request = RunnerRequest::new(key, Value::Object(params).to_string(), resumed);
        let ended = self.run_to_completion(&request, &stop, &output).await;
        ended.map_err(|failure| RunnerFailure { is_unreachable: request.is_unreachable(), ..failure })
    }

    async fn connection(&self) -> Result<&RunnerConnection, ConnectError> {
        let create = || async {
            staging::sweep(&self.settings.data_dir).await;
            let RemoteSettings { protocol, connect_timeout, .. } = *self.settings;
            RunnerConnection::new(self.address.clone(), protocol, connect_timeout).await
        };
        self.connection.get_or_try_init(create).await
    }

    /// One exchange, to the end of the answer.
    async fn exchange(
        &self,
        connection: &RunnerConnection,
        request: &RunnerRequest,
        join: bool,
    ) -> Result<JobAnswer, Fault> {
        let body = &request.body;
        if self.settings.is_signed() {
            // The job is not on its way before it is known whose it is.
            connection.recipient().await?;
        }
        request.set_sent(true);
        failpoint!("remote-before-request");
        let answered = if self.settings.is_signed() {
            connection.job_v2(body, join).await?
        } else {
            connection.job_v1(body).await?
        };
        failpoint!("remote-after-answer");
        let PendingAnswer { response, tie } = answered;
        let expected = Expected {
            signed: connection.signed_with(tie.as_ref()),
            data_dir: &self.settings.data_dir,
            max_files_size: self.settings.max_files_size,
        };
        answer::read(response, expected).await
    }

    /// The answer to the job, as long as the runner gives signed answers at all. A job on a runner that went silent is
    /// joined once more, and then lost.
    async fn exchange_unless_silent(
        &self,
        connection: &RunnerConnection,
        request: &RunnerRequest,
    ) -> Result<JobAnswer, RunnerFailure> {
        let window = self.settings.rejoin;
        let mut retry =
            if request.resumed { RejoinTimer::joining(window.max(RESUME)) } else { RejoinTimer::new(window) };
        if !self.settings.is_signed() {
            return self.exchange_until_final(connection, request, &mut retry).await;
        }
        let silence = unit::text(self.settings.silence);
        let (at, job_id) = (&connection.shown, &request.key.job_id);
        let watch = SilenceWatch::new(connection, self.settings.silence);
        let mut is_silent = false;
        loop {
            let hears = async {
                if is_silent {
                    return watch.ends_soon().await;
                }
                watch.silent().await;
                false
            };
            let is_heard = tokio::select! {
                answer = self.exchange_until_final(connection, request, &mut retry) => return answer,
                is_heard = hears => is_heard,
            };
            if !request.is_sent() {
                request.set_unreachable(true);
                return Err(RunnerFailure::failed(format!(
                    "the runner {at} cannot be reached: no answer for {silence}"
                )));
            }
            if is_silent && !is_heard {
                let what = "it may still run the job";
                return Err(RunnerFailure::lost(format!(
                    "no answer from the runner {at} for {silence}; {what}"
                )));
            }
            if !is_silent {
                tracing::warn!(job_id, runner = %at, "no answer from the runner for {silence}; joining the job again");
            }
            // What was sent during the silence may be lost: where it ends, the job is joined once more.
            (is_silent, retry.join) = (!is_heard, true);
        }
    }

    /// Repeats the request until there is a result or a final failure: waits for a runner that is busy, and joins a job
    /// again whose connection broke.
    async fn exchange_until_final(
        &self,
        connection: &RunnerConnection,
        request: &RunnerRequest,
        retry: &mut RejoinTimer,
    ) -> Result<JobAnswer, RunnerFailure> {
        let at = &connection.shown;
        loop {
            let began = Instant::now();
            let fault = match self.exchange(connection, request, retry.join).await {
                Ok(answer) => return Ok(answer),
                Err(fault) => fault,
            };
            match fault {
                Fault::Busy { retry_after, why } => {
                    request.set_sent(retry.join);
                    request.set_busy(at, why);
                    tokio::time::sleep(retry_after).await;
                }
                Fault::Unreachable(_) | Fault::Untrusted(_) if !retry.join => {
                    request.set_unreachable(matches!(fault, Fault::Unreachable(_)));
                    let why = format!("the runner {at} cannot be reached: {fault}");
                    return Err(RunnerFailure::failed(why));
                }
                Fault::Unreachable(_) | Fault::Untrusted(_) | Fault::Broken(_) | Fault::Truncated(_)
                    if self.settings.is_signed() =>
                {
                    let truncated = matches!(fault, Fault::Truncated(_));
                    // Once it was sent, the job must not be started a second time.
                    retry.join |= request.is_sent();
                    if !retry.again(began.elapsed(), truncated).await {
                        return Err(cannot_rejoin(at, &fault, request));
                    }
                    tracing::debug!(runner = %at, %fault, join = retry.join, "the connection broke; trying again");
                }
                Fault::Unknown => return Err(self.unknown(connection, request).await),
                final_fault => return Err(failure_of(at, &final_fault)),
            }
        }
    }

    /// The runner does not know a job that was sent to it.
    async fn unknown(&self, connection: &RunnerConnection, request: &RunnerRequest) -> RunnerFailure {
        let at = &connection.shown;
        // The request of the earlier process may still be on its way: the runner is to reject it then.
        let mut is_unknown = false;
        if request.resumed {
            match connection.cancel(&request.key, std::future::pending()).await {
                Ok(_) => is_unknown = true,
                Err(fault) => {
                    tracing::warn!(job_id = %request.key.job_id, runner = %at, %fault, "cannot cancel a lost job");
                }
            }
        }
        let error = "it was probably restarted, or never received the job";
        let lost = RunnerFailure::lost(format!("the runner {at} does not know the job: {error}"));
        RunnerFailure { is_unknown, ..lost }
    }

    /// The job, and what it writes while it runs.
    async fn follow(
        &self,
        connection: &RunnerConnection,
        request: &RunnerRequest,
        output: &Arc<dyn Output>,
    ) -> RunnerOutcome {
        if !self.settings.is_signed() {
            // Version 1 has the result only.
            let Completed { outcome, .. } = self.complete(connection, request).await;
            write_result(&outcome, output).await;
            return outcome;
        }
        let wait = SilenceWatch::part(self.settings.silence);
        let mut follower = OutputFollower::new(connection, request, output, wait);
        let Completed { outcome, output } = {
            let (complete, follow) = (self.complete(connection, request), follower.follow());
            tokio::pin!(complete, follow);
            tokio::select! {
                completed = &mut complete => completed,
                () = follow => complete.await,
            }
        };
        // A job that never ran wrote nothing.
        if !matches!(&outcome, Err(failure) if failure.result.is_empty()) {
            if let Some(summary) = output {
                follower.take_summary(summary).await;
            }
            follower.rest().await;
        }
        outcome
    }

    /// The job, with its files in place.
    async fn complete(&self, connection: &RunnerConnection, request: &RunnerRequest) -> Completed {
        match self.exchange_unless_silent(connection, request).await {
            Ok(mut answer) => {
                let output = answer.output.take();
                Completed { outcome: self.placed(answer, request).await, output }
            }
            Err(failure) => Completed { outcome: Err(failure), output: None },
        }
    }

    /// What an answer means, once its files are in place.
    async fn placed(&self, mut answer: JobAnswer, request: &RunnerRequest) -> RunnerOutcome {
        failpoint!("remote-after-result");
        if let Some(staging) = answer.staging.take() {
            match staging.commit(&request.key.job_id, request.node.as_deref()).await {
                Ok(paths) => drop(answer.result.insert("file".to_owned(), Value::Object(paths))),
                Err(error) => {
                    return Err(RunnerFailure { result: answer.result, ..RunnerFailure::failed(error) });
                }
            }
        }
        outcome_of(answer)
    }

    /// Ends a job: by a signed cancel in version 2, by closing the connection in version 1.
    async fn cancel(
        &self,
        connection: &RunnerConnection,
        ended: EndedEarly<'_>,
        working: impl Future<Output = RunnerOutcome>,
    ) -> RunnerOutcome {
        let EndedEarly { request, stop, kind } = ended;
        let busy = request.busy_note(&connection.shown);
        let error = match kind {
            RunnerFailureKind::TimedOut => {
                format!(
                    "timed out after {} (the executor's `timeout`); stopped{busy}",
                    unit::text(self.settings.timeout)
                )
            }
            _ => format!("cancelled{busy}"),
        };
        if !self.settings.is_signed() {
            return Err(RunnerFailure::new(kind, error));
        }
        let notified = connection.cancel(&request.key, async {
            stop.shutdown.cancelled().await;
            tokio::time::sleep(FORCED_CANCEL_TIMEOUT).await;
        });
        let working = tokio::time::timeout(CANCEL_TIMEOUT, working);
        let both = async {
            tokio::pin!(notified, working);
            tokio::select! {
                ended = &mut working => (notified.await, ended.ok()),
                answered = &mut notified => match answered {
                    Err(fault) if stop.shutdown.is_cancelled() => (Err(fault), None),
                    answered => (answered, working.await.ok()),
                },
            }
        };
        let forced = async {
            stop.forced.cancelled().await;
            tokio::time::sleep(FORCED_CANCEL_TIMEOUT).await;
        };
        let ended = tokio::select! {
            ended = both => ended,
            () = forced => return Err(RunnerFailure::new(kind, error)),
        };
        match ended {
            // It ended by itself just then.
            (_, Some(Ok(result))) => Ok(result),
            (_, Some(Err(failure))) => {
                Err(RunnerFailure { result: failure.result, ..RunnerFailure::new(kind, error) })
            }
            (Ok(()), None) => Err(RunnerFailure::new(kind, error)),
            (Err(fault), None) => {
                let error =
                    format!("{error}, but the runner {} could not be notified: {fault}", connection.shown);
                Err(RunnerFailure::new(kind, error))
            }
        }
    }

    /// The URL of the runner.
    pub(crate) fn url(&self) -> &reqwest::Url {
        &self.address.url
    }

    /// Whether the runner answers, so that a job can be sent to it. Starts nothing.
    pub async fn is_reachable(&self) -> bool {
        // An error on this side is for the attempt to report.
        let Ok(connection) = self.connection().await else { return true };
        let timeout = self.settings.connect_timeout + PROBE_TIMEOUT;
        let answer = tokio::time::timeout(timeout, connection.heartbeat()).await;
        !matches!(answer, Err(_) | Ok(Err(Fault::Unreachable(_))))
    }

    /// One attempt at a job, to its end or until it is cancelled.
    pub(crate) async fn run_to_completion(
        &self,
        request: &RunnerRequest,
        stop: &Stop,
        output: &Arc<dyn Output>,
    ) -> RunnerOutcome {
        if request.resumed && !self.settings.is_signed() {
            let why = "heraldd stopped while the job was running; with wire: 1 it cannot be joined again";
            return Err(RunnerFailure::lost(why));
        }
        let connection = self.connection().await.map_err(RunnerFailure::failed)?;
        let working = self.follow(connection, request, output);
        tokio::pin!(working);
        let kind = tokio::select! {
            outcome = &mut working => return outcome,
            () = stop.asked() => RunnerFailureKind::Cancelled,
            () = tokio::time::sleep(self.settings.timeout) => RunnerFailureKind::TimedOut,
        };
        self.cancel(connection, EndedEarly { request, stop, kind }, working).await
    }
}

/// The connection broke, and could not be made again in time.
fn cannot_rejoin(at: &str, fault: &Fault, request: &RunnerRequest) -> RunnerFailure {
    if request.is_sent() {
        RunnerFailure::lost(format!("lost the connection to the runner {at}; cannot rejoin the job: {fault}"))
    } else {
        RunnerFailure::failed(format!("the runner {at} cannot be reached: {fault}"))
    }
}

/// A request that is cancelled.
struct EndedEarly<'a> {
    request: &'a RunnerRequest,
    stop: &'a Stop,
    /// Why it is.
    kind: RunnerFailureKind,
}
