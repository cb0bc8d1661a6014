//! A runner that keeps its connections, and closes them when a job is sent.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use herald_base::ending::Ending;
use herald_base::stop::Stop;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;

use super::fake::{Got, about_itself, raw, short, without_output};
use super::{address, job, settings};
use crate::{Protocol, RunnerClient, RunnerFailureKind, RunnerOutcome};

/// What a runner does with a request for a job.
#[derive(Debug, Clone, Copy)]
enum Does {
    /// It answers.
    Answer,
    /// It closes the connection.
    Close,
    /// It has seen the nonce before.
    Deny,
    /// It does not know the job.
    NotKnow,
}

#[derive(Default)]
struct Runner {
    connections: AtomicUsize,
    /// Of each request for a job: whether it only joins, and its nonce.
    jobs: Mutex<Vec<(bool, String)>>,
}

impl Runner {
    /// Does this with one request for a job after the other, and answers those that come after them.
    async fn start(self: &Arc<Self>, does: Vec<Does>, keeps: bool) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let runner = self.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                runner.connections.fetch_add(1, Ordering::Relaxed);
                let (runner, does) = (runner.clone(), does.clone());
                tokio::spawn(async move {
                    while let Some(got) = Got::read(&mut stream).await {
                        let Some(answer) = runner.answer(&got, &does) else { return };
                        let text = String::from_utf8(answer).unwrap();
                        let text = if keeps { text.replace("Connection: close\r\n", "") } else { text };
                        stream.write_all(text.as_bytes()).await.unwrap();
                    }
                });
            }
        });
        port
    }

    fn answer(&self, got: &Got, does: &[Does]) -> Option<Vec<u8>> {
        if let Some(answer) = about_itself(got).or_else(|| without_output(got)) {
            return Some(answer);
        }
        let verified = got.verified();
        let mut jobs = self.jobs.lock().unwrap();
        jobs.push((verified.join, verified.nonce));
        match does.get(jobs.len() - 1).unwrap_or(&Does::Answer) {
            Does::Answer => Some(short(&got.signer(), 200, "{\"exit_code\":0}", Some(Ending::Exited(0)))),
            Does::Close => None,
            Does::Deny => Some(raw(401, &[], b"replayed request")),
            Does::NotKnow => Some(short(&got.signer(), 404, "unknown job", None)),
        }
    }

    fn joins(&self) -> Vec<bool> {
        self.jobs.lock().unwrap().iter().map(|(join, _)| *join).collect()
    }
}

async fn run(port: u16, protocol: Protocol, count: usize) -> RunnerOutcome {
    let data = tempfile::tempdir().unwrap();
    let settings = crate::RemoteSettings { protocol, ..settings(data.path()) };
    let client = RunnerClient::new(Arc::new(settings), address(&format!("http://127.0.0.1:{port}/path")));
    for _ in 1..count {
        client.run(job("job0", Stop::new())).await?;
    }
    client.run(job("job1", Stop::new())).await
}

#[tokio::test]
async fn one_connection_carries_all_requests_where_the_runner_keeps_it() {
    for (keeps, connections) in [(true, 1), (false, 7)] {
        let runner = Arc::new(Runner::default());
        let port = runner.start(Vec::new(), keeps).await;
        run(port, Protocol::V2, 3).await.unwrap();
        // Which runner it is, three jobs, and the output of each.
        assert_eq!(runner.connections.load(Ordering::Relaxed), connections, "{keeps}");
    }
}

/// What was sent into a connection that was being closed is sent once more as it is: no runner takes it twice. Where it
/// was taken, or broke once more, the job is joined and never started.
#[tokio::test]
async fn a_request_into_a_kept_connection_that_breaks_is_sent_again_with_its_nonce() {
    use Does::{Answer, Close, Deny, NotKnow};
    let lost = Some(RunnerFailureKind::Lost);
    for (what, keeps, does, joins, again, failure) in [
        ("it was not received", true, vec![Close, Answer], vec![false, false], true, None),
        ("it was received", true, vec![Close, Deny, Answer], vec![false, false, true], true, None),
        ("it broke twice", true, vec![Close, Close, Answer], vec![false, false, true], true, None),
        ("it was lost", true, vec![Close, Deny, NotKnow], vec![false, false, true], true, lost),
        ("no connection was kept", false, vec![Close, Answer], vec![false, true], false, None),
    ] {
        let runner = Arc::new(Runner::default());
        let port = runner.start(does, keeps).await;
        let outcome = run(port, Protocol::V2, 1).await;
        assert_eq!(outcome.err().map(|failure| failure.kind), failure, "{what}");
        assert_eq!(runner.joins(), joins, "{what}");
        let jobs = runner.jobs.lock().unwrap();
        assert_eq!(jobs[0].1 == jobs[1].1, again, "{what}: the same nonce");
    }
}
