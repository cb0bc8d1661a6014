//! A runner that hangs: its kernel accepts connections, and nothing answers.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use herald_base::stop::Stop;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;
use tokio::time::Instant;

use super::fake::{Got, about_itself, short};
use super::{address, job, settings};
use crate::{RunnerClient, RunnerFailureKind, RunnerOutcome};

const SILENCE: Duration = Duration::from_millis(1500);
/// How long the job runs of a runner that does not hang.
const JOB: Duration = Duration::from_millis(3200);

/// What a runner does, and what was asked of it.
#[derive(Default)]
struct Hanging {
    hangs: AtomicBool,
    jobs: AtomicUsize,
    joins: AtomicUsize,
    heartbeats: AtomicUsize,
    /// When the job came.
    began: OnceLock<Instant>,
}

impl Hanging {
    /// Hangs some time after the job came.
    async fn hang_after(&self, pause: Duration) {
        while self.jobs.load(Ordering::Relaxed) == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        tokio::time::sleep(pause).await;
        self.hangs.store(true, Ordering::Relaxed);
    }
}

/// A runner whose jobs write nothing and take [`JOB`], and that can hang.
async fn runner(state: Arc<Hanging>, knows_log: bool) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let state = state.clone();
            tokio::spawn(async move {
                let got = Got::read(&mut stream).await.unwrap();
                if state.hangs.load(Ordering::Relaxed) {
                    return std::future::pending().await;
                }
                if let Some(answer) = about_itself(&got) {
                    state.heartbeats.fetch_add(1, Ordering::Relaxed);
                    return drop(stream.write_all(&answer).await);
                }
                if got.path.ends_with("/log") {
                    if !knows_log {
                        return std::future::pending().await;
                    }
                    tokio::time::sleep(Duration::from_millis(300)).await;
                    let log = r#"{"pieces":[],"next":0,"end":false,"truncated":false}"#;
                    return drop(stream.write_all(&short(&got.signer(), 200, log, None)).await);
                }
                let counter = if got.verified().join { &state.joins } else { &state.jobs };
                counter.fetch_add(1, Ordering::Relaxed);
                let began = *state.began.get_or_init(Instant::now);
                tokio::time::sleep_until(began + JOB).await;
                if state.hangs.load(Ordering::Relaxed) {
                    return std::future::pending().await;
                }
                let _ = stream.write_all(&short(&got.signer(), 200, "{\"exit_code\":0}", None)).await;
            });
        }
    });
    port
}

async fn run(port: u16, silence: Duration) -> (RunnerOutcome, Duration) {
    let data = tempfile::tempdir().unwrap();
    let mut settings = settings(data.path());
    settings.silence = silence;
    let client = RunnerClient::new(Arc::new(settings), address(&format!("http://127.0.0.1:{port}/path")));
    let begun = Instant::now();
    let outcome = client.run(job("job1", Stop::new())).await;
    (outcome, begun.elapsed())
}

/// It is asked where nothing else shows that it is there, and a job without any output goes on.
#[tokio::test]
async fn a_quiet_job_is_not_silence() {
    for knows_log in [true, false] {
        let state = Arc::<Hanging>::default();
        let port = runner(state.clone(), knows_log).await;
        let (outcome, took) = run(port, SILENCE).await;
        outcome.unwrap();
        assert!(took > 2 * SILENCE, "{took:?}");
        let asked = state.heartbeats.load(Ordering::Relaxed);
        let (jobs, joins) = (state.jobs.load(Ordering::Relaxed), state.joins.load(Ordering::Relaxed));
        assert_eq!((jobs, joins, asked > 1), (1, 0, !knows_log), "{asked} requests, {knows_log}");
    }
}

#[tokio::test]
async fn a_job_on_a_runner_that_hangs_is_looked_for_once_more_and_then_lost() {
    let state = Arc::<Hanging>::default();
    let port = runner(state.clone(), true).await;
    let hangs = state.clone();
    tokio::spawn(async move {
        hangs.hang_after(Duration::from_millis(600)).await;
    });
    let (outcome, took) = run(port, SILENCE).await;
    let failure = outcome.unwrap_err();
    assert_eq!(failure.kind, RunnerFailureKind::Lost, "{}", failure.error);
    let expected = format!(
        "no answer from the runner http://127.0.0.1:{port}/path for 1s500ms; it may still run the job"
    );
    assert_eq!(failure.error, expected);
    let bounds = (SILENCE + SILENCE / 3)..(SILENCE * 3 / 2 + Duration::from_secs(3));
    assert!(bounds.contains(&took), "{took:?}");
    assert_eq!(state.jobs.load(Ordering::Relaxed), 1, "it was started once");
}

/// It comes back before the last look for it ends: the job is joined, not lost and not started again.
#[tokio::test]
async fn a_runner_that_wakes_up_in_time_gives_the_result() {
    let state = Arc::<Hanging>::default();
    let port = runner(state.clone(), true).await;
    let hangs = state.clone();
    tokio::spawn(async move {
        hangs.hang_after(Duration::from_millis(300)).await;
        // The log was read once more before, so that its silence begins a little later.
        tokio::time::sleep(SILENCE + SILENCE / 6).await;
        hangs.hangs.store(false, Ordering::Relaxed);
    });
    let (outcome, _) = run(port, SILENCE).await;
    outcome.unwrap();
    assert_eq!(state.jobs.load(Ordering::Relaxed), 1, "it was started once");
}

/// Nothing was sent: it is not lost, and another attempt cannot run it twice.
#[tokio::test]
async fn a_runner_that_hangs_from_the_start_gets_no_job() {
    let state = Arc::<Hanging>::default();
    state.hangs.store(true, Ordering::Relaxed);
    let port = runner(state.clone(), true).await;
    let (outcome, took) = run(port, SILENCE).await;
    let failure = outcome.unwrap_err();
    assert_eq!(failure.kind, RunnerFailureKind::Failed, "{}", failure.error);
    assert!(failure.error.ends_with("cannot be reached: no answer for 1s500ms"), "{}", failure.error);
    assert!(took < SILENCE + Duration::from_secs(3), "{took:?}");
    assert_eq!(state.jobs.load(Ordering::Relaxed), 0);
}
