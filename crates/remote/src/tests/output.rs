//! The output of a job that its runner sends along with the answer, and that of one that does not.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use herald_base::ending::Ending;
use herald_base::output::{Output, Stream};
use herald_base::stop::Stop;
use herald_wire::answer::Signer;
use herald_wire::log::{LogAnswer, OutputPiece, OutputSummary};
use herald_wire::manifest::AnswerManifest;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;

use super::fake::{Got, about_itself, raw, short};
use super::{address, job, settings};
use crate::{RunnerClient, RunnerJob};

/// What a daemon shows of a job.
#[derive(Default)]
struct Shown(Mutex<String>);

#[async_trait]
impl Output for Shown {
    async fn write(&self, _: Stream, bytes: &[u8]) {
        self.0.lock().unwrap().push_str(std::str::from_utf8(bytes).unwrap());
    }

    async fn restart(&self) {
        self.0.lock().unwrap().push_str("restart ");
    }
}

fn answered(signer: &Signer, output: Option<OutputSummary>) -> Vec<u8> {
    let body = b"{\"exit_code\":0}";
    let manifest = AnswerManifest { output, ..AnswerManifest::of_body(body, Some(Ending::Exited(0))) };
    let text = signer.manifest_text(manifest);
    let signed = signer.sign(200, &text, 0).unwrap();
    let headers = [
        ("Content-Type", "application/json"),
        ("Herald-Manifest", &text),
        ("Signature-Input", &signed.input),
        ("Signature", &signed.signature),
    ];
    raw(200, &headers, body)
}

fn pieces(text: &str) -> Vec<OutputPiece> {
    vec![OutputPiece::new(Stream::Stdout, text.as_bytes())]
}

/// A runner whose jobs say this of their output when they end, and the rest on demand.
async fn runner(output: Option<OutputSummary>, asked: Arc<AtomicUsize>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let Some(got) = Got::read(&mut stream).await else { continue };
            let answer = match about_itself(&got) {
                Some(answer) => answer,
                None if got.path.ends_with("/log") => {
                    asked.fetch_add(1, Ordering::Relaxed);
                    let all =
                        LogAnswer { pieces: pieces("on demand"), next: 14, end: true, truncated: false };
                    short(&got.signer(), 200, &serde_json::to_string(&all).unwrap(), None)
                }
                None => answered(&got.signer(), output.clone()),
            };
            stream.write_all(&answer).await.unwrap();
        }
    });
    port
}

#[tokio::test]
async fn output_that_comes_along_is_not_requested() {
    let whole = Some(OutputSummary::new(14, pieces("along")));
    let spoilt = serde_json::from_str(r#"{"length":9,"pieces":[{"stream":"stdout","data":"?"}]}"#).unwrap();
    let cases = [
        ("nothing was written", Some(OutputSummary::default()), false, "", 0),
        ("short", whole.clone(), false, "along", 0),
        ("long", Some(OutputSummary::new(14, Vec::new())), false, "on demand", 1),
        ("an older runner", None, false, "on demand", 1),
        ("not Base64", Some(spoilt), false, "on demand", 1),
        // An earlier process had shown some of it.
        ("short, joined again", whole, true, "restart along", 0),
        ("nothing, joined again", Some(OutputSummary::default()), true, "restart ", 0),
    ];
    for (what, output, resumed, shown, requests) in cases {
        let (data, asked) = (tempfile::tempdir().unwrap(), Arc::new(AtomicUsize::new(0)));
        let port = runner(output, asked.clone()).await;
        let to = address(&format!("http://127.0.0.1:{port}/path"));
        let client = RunnerClient::new(Arc::new(settings(data.path())), to);
        let seen = Arc::new(Shown::default());
        let job = RunnerJob { output: seen.clone(), ..job("job1", Stop::new()) };
        let outcome = if resumed { client.recover(job).await } else { client.run(job).await };
        outcome.unwrap();
        assert_eq!(*seen.0.lock().unwrap(), shown, "{what}");
        assert_eq!(asked.load(Ordering::Relaxed), requests, "{what}");
    }
}
