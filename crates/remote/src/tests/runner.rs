//! One runner of the tests' own. What a real runner does is tested end to end.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use herald_base::ending::Ending;
use herald_base::stop::Stop;
use herald_wire::answer::Signer;
use herald_wire::multipart;
use herald_wire::secret::Secrets;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::fake::{
    File, Got, SECRET, about_itself, fake, fake_without_id, raw, secrets, short, with_files, without_output,
};
use super::{address, job, settings};
use crate::{NodeProbe, Protocol, RemoteSettings, RunnerClient, RunnerFailureKind, RunnerOutcome};

fn runner(port: u16, data_dir: &Path, change: impl FnOnce(&mut RemoteSettings)) -> RunnerClient {
    let mut settings = settings(data_dir);
    change(&mut settings);
    RunnerClient::new(Arc::new(settings), address(&format!("http://127.0.0.1:{port}/path")))
}

async fn run(
    answer: impl Fn(Got) -> Vec<u8> + Send + Sync + 'static,
    data: &Path,
    change: impl FnOnce(&mut RemoteSettings),
) -> RunnerOutcome {
    let port = fake(answer).await;
    runner(port, data, change).run(job("job1", Stop::new())).await
}

fn kind_and_error(outcome: RunnerOutcome) -> (RunnerFailureKind, String) {
    let failure = outcome.unwrap_err();
    (failure.kind, failure.error)
}

fn files_below(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            found.extend(files_below(&entry.path()));
        } else {
            found.push(entry.path().to_str().unwrap().to_owned());
        }
    }
    found
}

#[tokio::test]
async fn endings_become_outcomes() {
    let data = tempfile::tempdir().unwrap();
    let fine = json!({"exit_code": 0, "a": 1});
    for (status, body, ending, expected) in [
        (200, json!({"exit_code": 0, "a": 1, "file": {"x": "/there"}}), Some(Ending::Exited(0)), Ok(fine)),
        (200, json!({}), Some(Ending::Background), Ok(json!({}))),
        (
            200,
            json!({"exit_code": 3}),
            Some(Ending::Exited(3)),
            Err((RunnerFailureKind::Failed, "exit code 3")),
        ),
        (
            200,
            json!({"signal": 9}),
            Some(Ending::Signaled(9)),
            Err((RunnerFailureKind::Failed, "killed by signal 9 (SIGKILL)")),
        ),
        (200, json!({"signal": 15}), Some(Ending::TimedOut), Err((RunnerFailureKind::TimedOut, "timed out"))),
        (
            200,
            json!({"signal": 15}),
            Some(Ending::Cancelled),
            Err((RunnerFailureKind::Cancelled, "cancelled")),
        ),
        (
            500,
            json!("no such program"),
            None,
            Err((
                RunnerFailureKind::Failed,
                "accepted the job, but did not complete it: \"no such program\"",
            )),
        ),
        (400, json!("no id"), None, Err((RunnerFailureKind::Failed, "rejected the job: \"no id\""))),
        (500, json!("late"), Some(Ending::TimedOut), Err((RunnerFailureKind::TimedOut, "late"))),
        (404, json!("who?"), None, Err((RunnerFailureKind::Lost, "does not know the job"))),
    ] {
        let text = body.to_string();
        let answer = move |got: Got| short(&got.signer(), status, &text, ending);
        let outcome = run(answer, data.path(), |_| {}).await;
        match expected {
            Ok(result) => assert_eq!(Value::Object(outcome.unwrap()), result),
            Err((kind, says)) => {
                let failure = outcome.unwrap_err();
                assert_eq!(failure.kind, kind, "{}", failure.error);
                assert!(failure.error.contains(says), "{}", failure.error);
                if status == 200 {
                    assert_eq!(Value::Object(failure.result), body);
                }
            }
        }
    }
}

/// Whatever is not signed as it must be fails the job; a redirect is not followed.
#[tokio::test]
async fn answers_that_cannot_be_trusted_fail_the_job() {
    type Lie = fn(Got) -> Vec<u8>;
    let cases: [(&str, &str, Lie); 9] = [
        ("unsigned", "not signed", |_| {
            raw(200, &[("Content-Type", "application/json")], b"{\"exit_code\":0}")
        }),
        ("altered", "does not match its signed manifest", |got| {
            let answer = short(&got.signer(), 200, "{\"exit_code\":0}", None);
            String::from_utf8(answer).unwrap().replace("\"exit_code\":0}", "\"exit_code\":1}").into_bytes()
        }),
        ("altered status", "signature mismatch", |got| {
            let answer = short(&got.signer(), 500, "{\"exit_code\":0}", None);
            String::from_utf8(answer).unwrap().replacen("500", "200", 1).into_bytes()
        }),
        ("to another request", "signature mismatch", |got| {
            let mut verified = got.verified();
            verified.tie.signature = "herald=:AAAA:".to_owned();
            short(&Signer::new(&secrets(), &verified), 200, "{\"exit_code\":0}", None)
        }),
        ("with another secret", "signature mismatch", |got| {
            let unknown = Secrets::new(["some other secret, long enough"]).unwrap();
            short(&Signer::new(&unknown, &got.verified()), 200, "{\"exit_code\":0}", None)
        }),
        (
            "a redirect",
            "/path is not a herald-runner: it answered 307 Temporary Redirect; check host, port and path",
            |_| raw(307, &[("Location", "http://127.0.0.1:1/")], b""),
        ),
        (
            "a web page",
            "/path is not a herald-runner: it answered 200 OK (text/html); check host, port and path",
            |_| raw(200, &[("Content-Type", "text/html")], b"hello"),
        ),
        ("no object", "not a JSON object", |got| short(&got.signer(), 200, "[]", None)),
        ("refused", "reason 4711", |_| raw(401, &[], b"reason 4711")),
    ];
    for (what, says, lie) in cases {
        let data = tempfile::tempdir().unwrap();
        let (kind, error) = kind_and_error(run(lie, data.path(), |_| {}).await);
        assert_eq!(kind, RunnerFailureKind::Failed, "{what}: {error}");
        assert!(error.contains(says), "{what}: {error}");
        assert!(!error.contains(SECRET), "{error}");
    }
}

#[tokio::test]
async fn files_land_when_all_is_right_and_only_then() {
    let (a, b): (File<'_>, File<'_>) = (("a", "a.dat", b"one"), ("b", "ü \"b\".dat", b""));
    let altered: File<'_> = ("a", "a.dat", b"onE");
    let renamed: File<'_> = ("a", "other.dat", b"one");
    let outside: File<'_> = ("a", "../../a.dat", b"one");
    let both = [a, b];
    for (what, sent, named, after, says) in [
        ("all right", &both[..], &both[..], &[][..], None),
        ("missing", &both[..1], &both, &[], Some("missing")),
        ("surplus", &both, &both[..1], &[], Some("not in the signed manifest")),
        ("altered", &[altered, b], &both, &[], Some("does not match")),
        ("renamed", &[renamed, b], &both, &[], Some("does not match")),
        ("twice", &[a, a], &both[..1], &[], Some("twice")),
        ("outside", &[outside], &[outside], &[], Some("cannot be used")),
        ("after the manifest", &both[..1], &both[..1], &both[1..], Some("goes on after its manifest")),
    ] {
        let data = tempfile::tempdir().unwrap();
        let owned = |files: &[File<'static>]| files.to_vec();
        let (sent, named, after) = (owned(sent), owned(named), owned(after));
        let answer = move |got: Got| with_files(&got.signer(), &sent, &named, &after);
        let outcome = run(answer, data.path(), |_| {}).await;
        match says {
            None => {
                let result = outcome.unwrap();
                let path = data.path().join("job1/b/ü \"b\".dat");
                assert_eq!(result["file"]["b"], path.to_str().unwrap());
                assert_eq!(std::fs::read(data.path().join("job1/a/a.dat")).unwrap(), b"one");
                assert_eq!(files_below(data.path()).len(), 2);
            }
            Some(says) => {
                let (kind, error) = kind_and_error(outcome);
                assert!(kind == RunnerFailureKind::Failed && error.contains(says), "{what}: {error}");
                assert!(!data.path().join("job1").exists(), "{what}");
            }
        }
    }
}

#[tokio::test]
async fn a_bound_on_files_holds() {
    let data = tempfile::tempdir().unwrap();
    let file: File<'_> = ("a", "a.dat", b"12345");
    for (bound, fits) in [(5, true), (4, false)] {
        let answer = move |got: Got| with_files(&got.signer(), &[file], &[file], &[]);
        let outcome = run(answer, data.path(), |settings| settings.max_files_size = Some(bound)).await;
        assert_eq!(outcome.is_ok(), fits, "{outcome:?}");
    }
}

/// A body that ends too soon, at any byte, leaves nothing and fails the job: as a broken one when the connection
/// says so, as a wrong one when the sender pretends that it is whole.
#[tokio::test]
async fn truncated_answers_leave_nothing() {
    let file: File<'_> = ("a", "a.dat", b"some content of a file");
    for honest in [true, false] {
        for keep in [0.1, 0.5, 0.7, 0.9, 0.99] {
            let data = tempfile::tempdir().unwrap();
            let answer = move |got: Got| {
                let whole = with_files(&got.signer(), &[file], &[file], &[]);
                let head = whole.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    clippy::cast_precision_loss,
                    reason = "a share"
                )]
                let length = ((whole.len() - head) as f64 * keep) as usize;
                if honest {
                    return raw(
                        200,
                        &[("Content-Type", &multipart::content_type("b"))],
                        &whole[head..head + length],
                    );
                }
                whole[..head + length].to_vec()
            };
            let (kind, error) = kind_and_error(
                run(answer, data.path(), |settings| settings.rejoin = Duration::from_millis(500)).await,
            );
            let expected = if honest { RunnerFailureKind::Failed } else { RunnerFailureKind::Lost };
            assert_eq!(kind, expected, "{keep}: {error}");
            assert!(!data.path().join("job1").exists(), "{keep}");
        }
    }
}

#[tokio::test]
async fn a_broken_connection_joins_the_job_and_never_starts_it_again() {
    let data = tempfile::tempdir().unwrap();
    let count = Arc::new(AtomicUsize::new(0));
    let joins = Arc::new(Mutex::new(Vec::new()));
    let (counted, joined) = (count.clone(), joins.clone());
    let answer = move |got: Got| {
        let verified = got.verified();
        joined.lock().unwrap().push((verified.join, verified.nonce.clone()));
        match counted.fetch_add(1, Ordering::Relaxed) {
            0 => Vec::new(),
            1 => raw(504, &[], b"<html>Gateway Timeout"),
            _ => short(&got.signer(), 200, "{\"exit_code\":0}", Some(Ending::Exited(0))),
        }
    };
    run(answer, data.path(), |_| {}).await.unwrap();
    let joins = joins.lock().unwrap();
    assert_eq!(joins.iter().map(|(join, _)| *join).collect::<Vec<_>>(), [false, true, true]);
    assert_ne!(joins[1].1, joins[2].1, "each with its own nonce");
}

#[tokio::test]
async fn a_busy_runner_is_asked_again() {
    let data = tempfile::tempdir().unwrap();
    let count = AtomicUsize::new(0);
    let answer = move |got: Got| {
        assert!(!got.verified().join);
        match count.fetch_add(1, Ordering::Relaxed) {
            0 => short(&got.signer(), 503, "busy", None),
            _ => short(&got.signer(), 200, "{\"exit_code\":0}", None),
        }
    };
    run(answer, data.path(), |_| {}).await.unwrap();
}

/// All that is logged on this thread at info and above.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A job that waits until its time is over: one line in the log, and an error that says what it waited for.
#[tokio::test]
async fn waiting_for_a_busy_runner_is_logged_once_and_part_of_the_error() {
    let log = Log::default();
    let sink = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::INFO)
        .with_ansi(false)
        .with_writer(move || sink.clone())
        .finish();
    let _logging = tracing::subscriber::set_default(subscriber);
    let data = tempfile::tempdir().unwrap();
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = asked.clone();
    let answer = move |got: Got| {
        if got.path.ends_with("/cancel") {
            return short(&got.signer(), 200, "{\"state\":\"unknown\"}", None);
        }
        // What it answers after the cancel is not of interest here.
        if counted.fetch_add(1, Ordering::Relaxed) == 2 {
            return short(&got.signer(), 500, "cancelled", Some(Ending::Cancelled));
        }
        let text = "the nonce could not be written: No space left on device\n";
        let answer = String::from_utf8(short(&got.signer(), 503, text, None)).unwrap();
        answer.replacen("\r\n", "\r\nRetry-After: 1\r\n", 1).into_bytes()
    };
    let (kind, error) = kind_and_error(
        run(answer, data.path(), |settings| settings.timeout = Duration::from_millis(1500)).await,
    );
    assert_eq!(kind, RunnerFailureKind::TimedOut, "{error}");
    assert_eq!(asked.load(Ordering::Relaxed), 3);
    for says in [
        "timed out after 1s500ms (the executor's `timeout`)",
        "busy: the nonce could not be written: No space",
        "http://127.0.0.1:",
    ] {
        assert!(error.contains(says), "{error}");
    }
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let lines: Vec<_> = log.lines().filter(|line| line.contains("busy")).collect();
    assert_eq!(lines.len(), 1, "{log}");
    for says in ["INFO", "job1", "http://127.0.0.1:", "No space left on device"] {
        assert!(lines[0].contains(says), "{log}");
    }
}

#[tokio::test]
async fn a_runner_that_is_offline_is_named_with_its_address() {
    let data = tempfile::tempdir().unwrap();
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = gone.local_addr().unwrap().port();
    drop(gone);
    let runner = runner(port, data.path(), |_| {});
    let (kind, error) = kind_and_error(runner.run(job("j", Stop::new())).await);
    assert_eq!(kind, RunnerFailureKind::Failed);
    let expected = format!("the runner http://127.0.0.1:{port}/path cannot be reached: connection refused");
    assert_eq!(error, expected);
}

/// Serves the job until its cancel comes, then answers that it was cancelled.
async fn cancellable(seen: Arc<Mutex<Vec<String>>>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let stopped = tokio_util::sync::CancellationToken::new();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let (seen, stopped) = (seen.clone(), stopped.clone());
            tokio::spawn(async move {
                let got = Got::read(&mut stream).await.unwrap();
                if let Some(answer) = without_output(&got).or_else(|| about_itself(&got)) {
                    return drop(stream.write_all(&answer).await);
                }
                let signer = got.signer();
                seen.lock().unwrap().push(format!("{} {}", got.path, String::from_utf8_lossy(&got.body)));
                let answer = if got.path.ends_with("/cancel") {
                    stopped.cancel();
                    short(&signer, 200, "{\"state\":\"stopping\"}", None)
                } else {
                    stopped.cancelled().await;
                    short(&signer, 200, "{\"signal\":15}", Some(Ending::Cancelled))
                };
                let _ = stream.write_all(&answer).await;
            });
        }
    });
    port
}

#[tokio::test]
async fn a_timeout_or_cancel_sends_a_signed_cancel_and_waits_for_the_result() {
    for (timeout, expected) in [
        (Duration::from_millis(300), RunnerFailureKind::TimedOut),
        (Duration::from_secs(3600), RunnerFailureKind::Cancelled),
    ] {
        let data = tempfile::tempdir().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let port = cancellable(seen.clone()).await;
        let runner = runner(port, data.path(), |settings| settings.timeout = timeout);
        let stop = Stop::new();
        let asked = stop.asked.clone();
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(600)).await;
            asked.cancel();
        });
        let failure = runner.run(job("job1", stop)).await.unwrap_err();
        assert_eq!(failure.kind, expected, "{}", failure.error);
        assert_eq!(Value::Object(failure.result), json!({"signal": 15}));
        let seen = seen.lock().unwrap();
        assert_eq!(seen[1], r#"/path/cancel {"job_id":"job1","attempt":3}"#);
    }
}

/// A runner that takes a job, and is gone from then on.
async fn vanishing() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let got = Got::read(&mut stream).await.unwrap();
            match about_itself(&got) {
                Some(answer) => stream.write_all(&answer).await.unwrap(),
                None => break,
            }
        }
    });
    port
}

#[tokio::test]
async fn at_a_shutdown_a_runner_that_cannot_be_reached_is_not_waited_for() {
    let data = tempfile::tempdir().unwrap();
    let runner = runner(vanishing().await, data.path(), |_| {});
    let stop = Stop::new();
    let ends = stop.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(300)).await;
        ends.shutdown.cancel();
        ends.asked.cancel();
    });
    let begun = std::time::Instant::now();
    let (kind, error) = kind_and_error(runner.run(job("job1", stop)).await);
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert_eq!(kind, RunnerFailureKind::Cancelled);
    assert!(error.ends_with("could not be notified: connection refused"), "{error}");
}

#[tokio::test]
async fn in_version_1_a_timeout_closes_the_connection() {
    let data = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let peer = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let got = Got::read(&mut stream).await.unwrap();
        let signature = got.headers["x-herald-signature"].as_bytes().to_vec();
        assert!(herald_wire::v1::verify(&secrets(), &signature, &got.body));
        assert!(!got.headers.contains_key("signature"));
        stream.read(&mut [0; 1]).await.unwrap()
    });
    let client = runner(port, data.path(), |settings| {
        (settings.protocol, settings.timeout) = (Protocol::V1, Duration::from_millis(300));
    });
    let (kind, _) = kind_and_error(client.run(job("j", Stop::new())).await);
    assert_eq!(kind, RunnerFailureKind::TimedOut);
    assert_eq!(peer.await.unwrap(), 0, "the connection was closed");
}

/// A URL with TLS needs the provider and the machine's root certificates; a panic would be found here.
#[tokio::test]
async fn https_without_a_certificate_that_is_known_is_an_error() {
    let data = tempfile::tempdir().unwrap();
    let port = fake(|_| Vec::new()).await;
    let settings = RemoteSettings { connect_timeout: Duration::from_millis(300), ..settings(data.path()) };
    let runner = RunnerClient::new(Arc::new(settings), address(&format!("https://127.0.0.1:{port}/")));
    let (kind, error) = kind_and_error(runner.run(job("j", Stop::new())).await);
    assert_eq!(kind, RunnerFailureKind::Failed, "{error}");
    assert!(error.contains("cannot be reached"), "{error}");
}

/// A clock may say anything.
#[tokio::test]
async fn a_node_with_an_odd_clock_is_online() {
    for (time_ms, difference) in
        [(1_000_250_i64, 250), (0, -1_000_000), (i64::MIN, i64::MIN), (i64::MAX, i64::MAX - 1_000_000)]
    {
        let says = json!({"state": "ready", "version": "1", "running": 0, "time_ms": time_ms}).to_string();
        let port = fake_without_id(move |got| short(&got.signer(), 200, &says, None)).await;
        let probe = NodeProbe::new(address(&format!("http://127.0.0.1:{port}/path")));
        let status = probe.status(|| 1_000_000).await.unwrap();
        assert_eq!(status.clock_difference_ms, Some(difference), "{time_ms}");
        assert_eq!(status.heartbeat.unwrap().time_ms, time_ms);
    }
}

/// What is wrong is seen in the list of nodes, and not only once a job fails.
#[tokio::test]
async fn a_node_that_refuses_us_is_shown_with_its_reason() {
    type Answer = fn(Got) -> Vec<u8>;
    let cases: [(Answer, &str); 6] = [
        (
            |_| raw(401, &[], b"signed 400 s ago; are both clocks right?\n"),
            "rejected with 401 Unauthorized: signed 400 s ago; are both clocks right?",
        ),
        (|_| raw(502, &[], b"<html>\nBad Gateway"), "a proxy answered 502 Bad Gateway: <html> Bad Gateway"),
        (
            |_| raw(404, &[], b"<html> Not Found"),
            "not a herald-runner: it answered 404 Not Found: <html> Not Found; check host, port and path",
        ),
        (
            |_| raw(200, &[], b"{}"),
            "it is not signed: 200 OK: {}; check that a herald-runner listens there (the original one needs `wire: 1`)",
        ),
        (|got| short(&got.signer(), 503, "too many requests", None), "too many requests"),
        (|_| Vec::new(), "connection closed before message completed"),
    ];
    for (answer, expected) in cases {
        let port = fake_without_id(answer).await;
        let probe = NodeProbe::new(address(&format!("http://127.0.0.1:{port}/path")));
        let error = probe.status(|| 0).await.unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
}
