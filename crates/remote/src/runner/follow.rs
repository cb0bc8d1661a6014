//! Follows the output of a job on its runner.

use std::sync::Arc;
use std::time::Duration;

use herald_base::output::{Output, Stream};
use herald_wire::log::{LogAnswer, LogRequest, OutputSummary};
use tokio::time::Instant;

use super::connection::RunnerConnection;
use super::fault::Fault;
use super::request::RunnerRequest;

/// How long a job runs before its output is requested: most end sooner, and need one request instead of two.
const FIRST_REQUEST: Duration = Duration::from_millis(40);
/// Between two requests, while there is output: short enough to follow it live, and no flood of requests.
const PAUSE: Duration = Duration::from_millis(50);
/// How long the runner may wait for output before it answers, at most.
const WAIT: Duration = Duration::from_secs(10);
/// After an error.
const RETRY_PAUSE: Duration = Duration::from_millis(500);
/// How long the rest may take to arrive once the job has ended.
const REST_TIMEOUT: Duration = Duration::from_secs(2);
/// Where the runner has dropped output.
const MISSING: &[u8] = b"\n[herald-runner: output is missing here; its log_limit says how much it keeps]\n";

/// Copies the output of one job from its runner.
pub(super) struct OutputFollower<'a> {
    connection: &'a RunnerConnection,
    request: &'a RunnerRequest,
    output: &'a Arc<dyn Output>,
    /// How long the runner may wait for output before it answers.
    wait: Duration,
    from: u64,
    /// An earlier process took output of this attempt, which now comes again from its start.
    restart: bool,
    /// Everything has come, or nothing will.
    complete: bool,
}

impl<'a> OutputFollower<'a> {
    pub(super) fn new(
        connection: &'a RunnerConnection,
        request: &'a RunnerRequest,
        output: &'a Arc<dyn Output>,
        wait: Duration,
    ) -> Self {
        let (wait, restart) = (wait.min(WAIT), request.resumed);
        Self { connection, request, output, wait, from: 0, restart, complete: false }
    }

    /// Follows until the job has ended, or the runner has no output of it.
    pub(super) async fn follow(&mut self) {
        tokio::time::sleep(FIRST_REQUEST).await;
        while !self.complete {
            let began = Instant::now();
            match self.request_output(self.wait).await {
                Ok(()) => tokio::time::sleep_until(began + PAUSE).await,
                Err(_) => tokio::time::sleep(RETRY_PAUSE).await,
            }
        }
    }

    /// Takes what the answer to the job says of its output. Where that is not all that is missing, [`Self::rest`]
    /// requests it.
    pub(super) async fn take_summary(&mut self, summary: OutputSummary) {
        let OutputSummary { length, pieces } = summary;
        let has_all_read = length == self.from;
        if has_all_read || (self.from == 0 && !pieces.is_empty()) {
            let pieces = if has_all_read { Vec::new() } else { pieces };
            let answer = LogAnswer { pieces, next: length, end: true, truncated: false };
            if let Err(fault) = self.take(answer).await {
                tracing::debug!(job_id = %self.request.key.job_id, %fault, "cannot read the output in an answer");
            }
        }
    }

    /// Takes what is left once the job has ended.
    pub(super) async fn rest(&mut self) {
        let rest = async {
            while !self.complete {
                if let Err(fault) = self.request_output(Duration::ZERO).await {
                    return Some(fault.to_string());
                }
            }
            None
        };
        let missing = tokio::time::timeout(REST_TIMEOUT, rest).await;
        if let Some(why) = missing.unwrap_or_else(|_| Some("no answer in time".to_owned())) {
            let (job_id, runner) = (&self.request.key.job_id, &self.connection.shown);
            tracing::debug!(%job_id, %runner, why, "cannot read the last output of a job");
        }
    }

    async fn request_output(&mut self, wait: Duration) -> Result<(), Fault> {
        let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        let request = LogRequest { key: self.request.key.clone(), from: self.from, wait_ms };
        let answer = self.connection.log(&request).await?;
        let (from, end) = (self.from, answer.end);
        self.take(answer).await?;
        // No progress although the runner should not have waited: nothing more will come.
        self.complete = end || (wait.is_zero() && self.from == from);
        Ok(())
    }

    async fn take(&mut self, answer: LogAnswer) -> Result<(), Fault> {
        let invalid = || Fault::Invalid("the output is not valid Base64".to_owned());
        let decoded = answer.pieces.iter().map(|piece| Some((piece.stream, piece.bytes()?)));
        let decoded: Vec<_> = decoded.collect::<Option<_>>().ok_or_else(invalid)?;
        if std::mem::take(&mut self.restart) {
            self.output.restart().await;
        }
        for (stream, bytes) in decoded {
            self.output.write(stream, &bytes).await;
        }
        if answer.truncated {
            self.output.write(Stream::Stderr, MISSING).await;
        }
        self.from = answer.next.max(self.from);
        self.complete = answer.end;
        Ok(())
    }
}
