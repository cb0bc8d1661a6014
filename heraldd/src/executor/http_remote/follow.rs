//! Follows the output of a job on its runner.

use std::sync::Arc;
use std::time::Duration;

use herald_core::executor::{Output, Stream};
use herald_wire::job::JobKey;
use herald_wire::log::LogRequest;
use tokio::time::Instant;

use super::answer::Fault;
use super::call::Caller;

/// How long a job runs before its output is asked for: most are over sooner, and need one question in place of two.
const FIRST_LOOK: Duration = Duration::from_millis(40);
/// Between two questions, while there is output: soon enough to follow it live, and no flood of requests.
const PAUSE: Duration = Duration::from_millis(50);
/// How long the runner may wait for output before it answers.
const WAIT: Duration = Duration::from_secs(10);
/// After an error.
const AGAIN: Duration = Duration::from_millis(500);
/// How long the rest may take to arrive once the job has ended.
const LAST: Duration = Duration::from_secs(2);
/// Where the runner keeps no more.
const MISSING: &[u8] = b"\n[herald-runner: output is missing here; its log_limit says how much it keeps]\n";

/// The output of one job, from its runner to whoever keeps it.
pub(super) struct Follower<'a> {
    caller: &'a Caller,
    key: &'a JobKey,
    output: &'a Arc<dyn Output>,
    from: u64,
    /// Output of this attempt was taken before the daemon was restarted, and is to come again from its start.
    begin_anew: bool,
    /// The rest has come, or nothing will.
    over: bool,
}

impl<'a> Follower<'a> {
    pub(super) fn new(
        caller: &'a Caller,
        key: &'a JobKey,
        output: &'a Arc<dyn Output>,
        resumed: bool,
    ) -> Self {
        Self { caller, key, output, from: 0, begin_anew: resumed, over: false }
    }

    /// Follows until the job has ended, or the runner knows of no output.
    pub(super) async fn follow(&mut self) {
        tokio::time::sleep(FIRST_LOOK).await;
        while !self.over {
            let began = Instant::now();
            match self.ask(WAIT).await {
                Ok(()) => tokio::time::sleep_until(began + PAUSE).await,
                Err(_) => tokio::time::sleep(AGAIN).await,
            }
        }
    }

    /// Takes what is left once the job has ended.
    pub(super) async fn rest(&mut self) {
        let rest = async {
            while !self.over {
                if let Err(fault) = self.ask(Duration::ZERO).await {
                    return Some(fault.why().to_owned());
                }
            }
            None
        };
        let missing = tokio::time::timeout(LAST, rest).await;
        if let Some(why) = missing.unwrap_or_else(|_| Some("it did not answer in time".to_owned())) {
            tracing::debug!(job_id = %self.key.job_id, runner = %self.caller.shown, why, "the last output of a job was not had");
        }
    }

    async fn ask(&mut self, wait: Duration) -> Result<(), Fault> {
        let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        let request = LogRequest { key: self.key.clone(), from: self.from, wait_ms };
        let answer = self.caller.log(&request).await?;
        if std::mem::take(&mut self.begin_anew) {
            self.output.begin_anew().await;
        }
        for piece in &answer.pieces {
            let bytes = piece.bytes();
            let bytes = bytes.ok_or_else(|| Fault::Wrong("the output is no Base64".to_owned()))?;
            self.output.write(piece.stream, &bytes).await;
        }
        if answer.truncated {
            self.output.write(Stream::Stderr, MISSING).await;
        }
        let progress = answer.next > self.from;
        self.from = answer.next.max(self.from);
        // An answer that leads nowhere although it should not have waited: nothing more will come.
        self.over = answer.end || (wait.is_zero() && !progress);
        Ok(())
    }
}
