//! One runner: sends it a job, follows and joins it, and gives it up.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use herald_core::executor::{Execution, Failure, FailureKind, Outcome, Output, Stop, Stream, outcome_of};
use herald_core::param::Params;
use herald_core::unit;
use herald_wire::ending::EndingName;
use herald_wire::job::JobKey;
use serde_json::Value;
use tokio::sync::OnceCell;
use tokio::time::Instant;

use super::answer::{self, Expected, Fault, Ran};
use super::call::Caller;
use super::follow::Follower;
use super::landing;
use super::options::{Common, Runner};
use super::retry::Retry;

/// How long the runner may take to end a job that was given up, and to tell how it ended.
const LAST_WORDS: Duration = Duration::from_secs(20);
/// The same when the daemon itself is to end at once.
const LAST_WORDS_FORCED: Duration = Duration::from_secs(2);

/// How long one that was reached may take to answer before it counts as there.
const ANSWER: Duration = Duration::from_secs(5);

/// How long a runner is looked for after the daemon itself was down, at least.
const RESUME: Duration = Duration::from_secs(60);

/// One job on its way to the runner.
struct Errand {
    key: JobKey,
    body: String,
    /// What the job itself says of how long it may take.
    timeout: Option<Duration>,
    /// What the runner said when it last was busy.
    busy: Mutex<Option<String>>,
    /// An earlier process of the daemon sent it: it is joined, never started.
    resumed: bool,
    /// The node that it is for, where it is one of several.
    node: Option<String>,
    /// Nobody was there to take it.
    unreached: AtomicBool,
}

impl Errand {
    /// Keeps what a busy runner said, and tells it once.
    fn wait(&self, at: &str, why: String) {
        let before = self.busy.lock().unwrap_or_else(PoisonError::into_inner).replace(why.clone());
        if before.is_none() {
            tracing::info!(job_id = %self.key.job_id, runner = %at, why, "the runner is busy; the job waits for it");
        }
    }

    /// For an error: in parentheses what the runner said, if it was busy.
    fn waited(&self, at: &str) -> String {
        let busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        busy.as_ref().map(|why| format!(" (the runner {at} said that it is busy: {why})")).unwrap_or_default()
    }
}

pub(super) struct Remote {
    settings: Arc<Common>,
    runner: Runner,
    /// Made for the first job, so that checking a configuration touches nothing.
    caller: OnceCell<Caller>,
}

impl Remote {
    pub(super) fn new(settings: Arc<Common>, runner: Runner) -> Self {
        Self { settings, runner, caller: OnceCell::new() }
    }

    async fn caller(&self) -> Result<&Caller, String> {
        let make = || async {
            landing::sweep(data_dir(&self.settings)).await;
            Caller::new(self.runner.clone(), self.settings.connect_timeout).await
        };
        self.caller.get_or_try_init(make).await
    }

    /// One exchange, to the end of the answer.
    async fn exchange(&self, caller: &Caller, body: &str, join: bool) -> Result<Ran, Fault> {
        herald_core::failpoint!("remote-before-request");
        let answered =
            if self.settings.signed { caller.job_v2(body, join).await? } else { caller.job_v1(body).await? };
        herald_core::failpoint!("remote-after-answer");
        let expected = Expected {
            signed: answered.tie.as_ref().map(|tie| (tie, caller.secrets())),
            data_dir: data_dir(&self.settings),
            max_files_size: self.settings.max_files_size,
        };
        answer::read(answered.response, expected).await
    }

    /// Until there is a result or no hope: comes back to a runner that is busy, and joins a job again whose
    /// connection broke.
    async fn run(&self, caller: &Caller, errand: &Errand) -> Result<Ran, Failure> {
        let at = &caller.shown;
        let lost = |why: String| Failure { kind: FailureKind::Lost, ..Failure::new(why) };
        let window = self.settings.rejoin;
        let mut retry = if errand.resumed { Retry::joining(window.max(RESUME)) } else { Retry::new(window) };
        loop {
            let began = Instant::now();
            let fault = match self.exchange(caller, &errand.body, retry.join).await {
                Ok(ran) => return Ok(ran),
                Err(fault) => fault,
            };
            match fault {
                Fault::Busy(pause, why) => {
                    errand.wait(at, why);
                    tokio::time::sleep(pause).await;
                }
                Fault::Unreachable(_) | Fault::Barred(_) if !retry.join => {
                    errand.unreached.store(matches!(fault, Fault::Unreachable(_)), Ordering::Relaxed);
                    return Err(Failure::new(format!("the runner {at} cannot be reached: {}", fault.why())));
                }
                Fault::Unreachable(_) | Fault::Barred(_) | Fault::Broken(_) | Fault::Cut(_)
                    if self.settings.signed =>
                {
                    let cut = matches!(fault, Fault::Cut(_));
                    let why = fault.why();
                    if !retry.again(began.elapsed(), cut).await {
                        let why = format!(
                            "the connection to the runner {at} broke and the job could not be joined again: {why}"
                        );
                        return Err(lost(why));
                    }
                    tracing::debug!(runner = %at, why, "the connection broke; joining the job again");
                }
                Fault::Unreachable(why) | Fault::Barred(why) | Fault::Broken(why) | Fault::Cut(why) => {
                    return Err(Failure::new(format!("the connection to the runner {at} broke: {why}")));
                }
                Fault::Unknown => {
                    // The request of the process before may still be on its way: the runner is to refuse it then.
                    if errand.resumed
                        && let Err(why) = caller.cancel(&errand.key).await
                    {
                        tracing::warn!(job_id = %errand.key.job_id, runner = %at, why, "a lost job could not be cancelled");
                    }
                    return Err(lost(format!(
                        "the runner {at} does not know the job: it was probably restarted, or never got it"
                    )));
                }
                Fault::Refused(why, ending) => {
                    let kind = ending.map_or(FailureKind::Failed, kind);
                    return Err(Failure {
                        kind,
                        ..Failure::new(format!("the runner {at} refused the job: {why}"))
                    });
                }
                Fault::Wrong(why) => {
                    return Err(Failure::new(format!("the answer of the runner {at} was refused: {why}")));
                }
            }
        }
    }

    /// The job, and what it writes while it runs.
    async fn followed(&self, caller: &Caller, errand: &Errand, output: &Arc<dyn Output>) -> Outcome {
        if !self.settings.signed {
            // Version 1 tells no more than the result.
            let outcome = self.whole(caller, errand).await;
            write_result(&outcome, output).await;
            return outcome;
        }
        let mut follower = Follower::new(caller, &errand.key, output, errand.resumed);
        let outcome = {
            let (whole, follow) = (self.whole(caller, errand), follower.follow());
            tokio::pin!(whole, follow);
            tokio::select! {
                outcome = &mut whole => outcome,
                () = follow => whole.await,
            }
        };
        // A job that never ran wrote nothing.
        if !matches!(&outcome, Err(failure) if failure.result.is_empty()) {
            follower.rest().await;
        }
        outcome
    }

    async fn whole(&self, caller: &Caller, errand: &Errand) -> Outcome {
        let mut ran = self.run(caller, errand).await?;
        herald_core::failpoint!("remote-after-result");
        if let Some(landing) = ran.landing.take() {
            match landing.commit(&errand.key.job_id, errand.node.as_deref()).await {
                Ok(paths) => drop(ran.result.insert("file".to_owned(), Value::Object(paths))),
                Err(error) => return Err(Failure { result: ran.result, ..Failure::new(error) }),
            }
        }
        outcome_of(EndingName::with_result(ran.ending, &ran.result), errand.timeout, ran.result)
    }

    /// Ends a job that is given up: by a signed cancel in version 2, by closing the connection in version 1.
    async fn give_up(
        &self,
        caller: &Caller,
        (errand, stop): (&Errand, &Stop),
        working: impl Future<Output = Outcome>,
        kind: FailureKind,
    ) -> Outcome {
        let waited = errand.waited(&caller.shown);
        let error = match kind {
            FailureKind::TimedOut => {
                format!(
                    "it took longer than {} s{waited} and was stopped",
                    self.settings.timeout.as_secs_f32()
                )
            }
            _ => format!("it was cancelled{waited}"),
        };
        if !self.settings.signed {
            return Err(Failure { kind, ..Failure::new(error) });
        }
        let both =
            async { tokio::join!(caller.cancel(&errand.key), tokio::time::timeout(LAST_WORDS, working)) };
        let forced = async {
            stop.forced.cancelled().await;
            tokio::time::sleep(LAST_WORDS_FORCED).await;
        };
        let ended = tokio::select! {
            ended = both => ended,
            () = forced => return Err(Failure { kind, ..Failure::new(error) }),
        };
        match ended {
            // It came to its end just then.
            (_, Ok(Ok(result))) => Ok(result),
            (_, Ok(Err(failure))) => Err(Failure { kind, error, result: failure.result }),
            (Ok(()), Err(_)) => Err(Failure { kind, ..Failure::new(error) }),
            (Err(why), Err(_)) => {
                let error = format!("{error}, but the runner {} could not be told: {why}", caller.shown);
                Err(Failure { kind, ..Failure::new(error) })
            }
        }
    }
}

/// How an attempt went.
pub(super) struct Attempted {
    pub(super) outcome: Outcome,
    /// Nobody was there to take it: nothing ran.
    pub(super) unreached: bool,
}

impl Remote {
    /// The URL of the runner.
    pub(super) fn url(&self) -> &reqwest::Url {
        &self.runner.url
    }

    /// Whether somebody is there, whom a job can be sent to. Starts nothing.
    pub(super) async fn is_there(&self) -> bool {
        // What is wrong here is for the attempt to tell.
        let Ok(caller) = self.caller().await else { return true };
        let asked = tokio::time::timeout(self.settings.connect_timeout + ANSWER, caller.heartbeat()).await;
        !matches!(asked, Ok(Err(Fault::Unreachable(_))))
    }

    /// One attempt at a job. `resumed`: an earlier process sent it. `node`: which of several nodes this is.
    pub(super) async fn attempt(
        &self,
        execution: &Execution,
        resumed: bool,
        node: Option<&str>,
    ) -> Attempted {
        if resumed && !self.settings.signed {
            let why = "Herald ended while the job was running; with wire: 1 it cannot be joined again";
            let outcome = Err(Failure { kind: FailureKind::Lost, ..Failure::new(why) });
            return Attempted { outcome, unreached: false };
        }
        let caller = match self.caller().await {
            Ok(caller) => caller,
            Err(why) => return Attempted { outcome: Err(Failure::new(why)), unreached: false },
        };
        let mut params = execution.params();
        if let Some(node) = node {
            params.insert("node".to_owned(), Value::from(node));
        }
        let key = JobKey { job_id: execution.job.id.to_string(), attempt: execution.job.attempt };
        let errand = Errand {
            key,
            timeout: execution.job.job_param.get("timeout").and_then(|given| unit::duration(given).ok()),
            body: Value::Object(params).to_string(),
            busy: Mutex::default(),
            resumed,
            node: node.map(str::to_owned),
            unreached: AtomicBool::new(false),
        };
        let outcome = self.see_through(caller, &errand, execution).await;
        Attempted { outcome, unreached: errand.unreached.load(Ordering::Relaxed) }
    }

    async fn see_through(&self, caller: &Caller, errand: &Errand, execution: &Execution) -> Outcome {
        let working = self.followed(caller, errand, &execution.output);
        tokio::pin!(working);
        let kind = tokio::select! {
            outcome = &mut working => return outcome,
            () = execution.stop.asked.cancelled() => FailureKind::Cancelled,
            () = execution.stop.forced.cancelled() => FailureKind::Cancelled,
            () = tokio::time::sleep(self.settings.timeout) => FailureKind::TimedOut,
        };
        self.give_up(caller, (errand, &execution.stop), working, kind).await
    }
}

fn data_dir(settings: &Common) -> &Path {
    &settings.data_dir
}

/// What the result says of the output.
async fn write_result(outcome: &Outcome, output: &Arc<dyn Output>) {
    let result = match outcome {
        Ok(result) => result,
        Err(failure) => &failure.result,
    };
    for (key, stream) in [("output", Stream::Stdout), ("stderr", Stream::Stderr)] {
        if let Some(text) = result.get(key).and_then(Value::as_str).filter(|text| !text.is_empty()) {
            output.write(stream, text.as_bytes()).await;
        }
    }
}

/// Of a job that has no result.
fn kind(name: EndingName) -> FailureKind {
    EndingName::with_result(Some(name), &Params::new()).into()
}
