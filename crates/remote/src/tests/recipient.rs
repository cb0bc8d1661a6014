//! Requests name the runner that they are for, whichever it is and however old.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use herald_base::stop::Stop;
use herald_wire::answer::Signer;
use herald_wire::runner_id::{RecipientRule, RunnerId};
use serde_json::json;

use super::fake::{Got, fake_without_id, raw, secrets, short};
use super::{address, job, settings};
use crate::{NodeProbe, RunnerClient, RunnerFailureKind, RunnerOutcome};

fn runner_id(text: &str) -> RunnerId {
    RunnerId::try_from(text.to_owned()).unwrap()
}

/// A runner that speaks a version, and may become another one.
#[derive(Clone)]
struct Versions(Arc<Mutex<Option<RecipientRule>>>);

impl Versions {
    fn new(id: Option<&str>, allow_unbound: bool) -> Self {
        let this = Self(Arc::default());
        this.becomes(id, allow_unbound);
        this
    }

    /// Without an id it speaks version 2.0.
    fn becomes(&self, id: Option<&str>, allow_unbound: bool) {
        *self.0.lock().unwrap() = id.map(|id| RecipientRule { id: runner_id(id), allow_unbound });
    }

    fn answer(&self, got: &Got) -> Vec<u8> {
        let heartbeat = got.path.ends_with("/heartbeat");
        let (verified, status) =
            (got.verified(), json!({"state": "ready", "version": "1", "running": 0, "time_ms": 0}));
        let Some(rule) = self.0.lock().unwrap().clone() else {
            let body = if heartbeat { status } else { json!({"exit_code": 0, "to": verified.to}) };
            return short(&got.signer(), 200, &body.to_string(), None);
        };
        let signer = Signer::new(&secrets(), &verified).of_runner(&rule.id);
        let is_question = heartbeat && verified.to.is_none();
        if let Err(error) = rule.check(verified.to.as_deref())
            && !is_question
        {
            return short(&signer, 401, &error.to_string(), None);
        }
        let mut status = status;
        status["id"] = json!(rule.id);
        let body = if heartbeat { status } else { json!({"exit_code": 0, "to": verified.to}) };
        short(&signer, 200, &body.to_string(), None)
    }
}

async fn run(client: &RunnerClient) -> RunnerOutcome {
    client.run(job("job1", Stop::new())).await
}

fn to(outcome: &RunnerOutcome) -> Option<&str> {
    outcome.as_ref().unwrap()["to"].as_str()
}

#[tokio::test]
async fn a_request_is_bound_to_the_runner_as_far_as_that_can_be() {
    let data = tempfile::tempdir().unwrap();
    let versions = Versions::new(None, false);
    let (there, seen) = (versions.clone(), Arc::<Mutex<Vec<String>>>::default());
    let paths = seen.clone();
    let port = fake_without_id(move |got| {
        paths.lock().unwrap().push(got.path.clone());
        there.answer(&got)
    })
    .await;
    let client =
        RunnerClient::new(Arc::new(settings(data.path())), address(&format!("http://127.0.0.1:{port}/path")));
    let asked = |what: &str, expected: &[&str]| {
        assert_eq!(std::mem::take(&mut *seen.lock().unwrap()), expected, "{what}");
    };
    assert_eq!(to(&run(&client).await), None, "a runner of version 2.0");
    asked("the first time", &["/path/heartbeat", "/path"]);
    run(&client).await.unwrap();
    asked("then it is known", &["/path"]);

    // The runner is updated while the daemon runs: what it refuses is signed again.
    versions.becomes(Some("runner-a"), false);
    assert_eq!(to(&run(&client).await), Some("runner-a"));
    asked("updated", &["/path", "/path"]);
    assert_eq!(to(&run(&client).await), Some("runner-a"));
    asked("known", &["/path"]);
    // Another one gets the address.
    versions.becomes(Some("runner-b"), false);
    assert_eq!(to(&run(&client).await), Some("runner-b"));
    // And the way back, also to a version that verifies what it does not know.
    versions.becomes(None, false);
    assert_eq!(to(&run(&client).await), Some("runner-b"));
    versions.becomes(Some("runner-c"), true);
    assert_eq!(to(&run(&client).await), Some("runner-c"));
    let probe = NodeProbe::new(address(&format!("http://127.0.0.1:{port}/path")));
    for id in ["runner-c", "runner-d"] {
        versions.becomes(Some(id), false);
        let heartbeat = probe.status(|| 0).await.unwrap().heartbeat.unwrap();
        assert_eq!(heartbeat.id, Some(runner_id(id)));
    }
}

/// A proxy that spreads requests over two runners: every second one is for the other.
#[tokio::test]
async fn what_nobody_accepts_is_not_repeated_for_ever() {
    let data = tempfile::tempdir().unwrap();
    let both = [Versions::new(Some("runner-a"), false), Versions::new(Some("runner-b"), false)];
    let count = Mutex::new(0);
    let port = fake_without_id(move |got| {
        let mut count = count.lock().unwrap();
        *count += 1;
        both[*count % 2].answer(&got)
    })
    .await;
    let client =
        RunnerClient::new(Arc::new(settings(data.path())), address(&format!("http://127.0.0.1:{port}/path")));
    let failure = run(&client).await.unwrap_err();
    assert_eq!(failure.kind, RunnerFailureKind::Failed);
    assert!(failure.error.contains("is signed for another runner"), "{}", failure.error);
}

/// The clock of the daemon is a little behind a runner that lost its nonces.
#[tokio::test]
async fn what_is_too_early_for_a_runner_is_signed_again() {
    let data = tempfile::tempdir().unwrap();
    let nonces = Arc::<Mutex<Vec<String>>>::default();
    let used = nonces.clone();
    let port = super::fake::fake(move |got| {
        let mut used = used.lock().unwrap();
        used.push(got.verified().nonce);
        let signer = got.signer().of_runner(&super::fake::id());
        match used.len() {
            1 => short(&signer, 401, "older than the nonces", None),
            _ => short(&signer, 200, "{\"exit_code\":0}", None),
        }
    })
    .await;
    let client =
        RunnerClient::new(Arc::new(settings(data.path())), address(&format!("http://127.0.0.1:{port}/path")));
    run(&client).await.unwrap();
    let nonces = nonces.lock().unwrap();
    assert!(nonces.len() == 2 && nonces[0] != nonces[1], "{nonces:?}");
}

/// Only a signed answer says which runner it is, and only to the request that it was made for.
#[tokio::test]
async fn a_forged_or_captured_id_is_not_believed() {
    type Lie = fn(&Got, &Mutex<Option<Vec<u8>>>) -> Vec<u8>;
    let says = r#"{"state":"ready","version":"1","running":0,"time_ms":0,"id":"runner-x"}"#;
    assert!(says.contains("runner-x"));
    let cases: [(&str, Lie); 4] = [
        ("unsigned", |_, _| {
            let says = br#"{"state":"ready","version":"1","running":0,"time_ms":0,"id":"runner-x"}"#;
            raw(200, &[("Content-Type", "application/json")], says)
        }),
        ("unsigned rejection", |_, _| raw(401, &[], b"signed for runner-x")),
        ("captured", |got, captured| {
            let answer = Versions::new(Some("runner-x"), false).answer(got);
            captured.lock().unwrap().get_or_insert(answer).clone()
        }),
        ("altered", |got, _| {
            let answer = Versions::new(Some("runner-a"), false).answer(got);
            String::from_utf8(answer).unwrap().replace("runner-a", "runner-x").into_bytes()
        }),
    ];
    for (what, lie) in cases {
        let data = tempfile::tempdir().unwrap();
        let (captured, jobs) = (Mutex::new(None), Arc::new(Mutex::new(0)));
        let ran = jobs.clone();
        let port = fake_without_id(move |got| {
            if got.path.ends_with("/heartbeat") {
                return lie(&got, &captured);
            }
            *ran.lock().unwrap() += 1;
            Versions::new(None, false).answer(&got)
        })
        .await;
        let url = format!("http://127.0.0.1:{port}/path");
        let mut settings = settings(data.path());
        settings.rejoin = Duration::from_millis(500);
        if what == "captured" {
            // Somebody else's answer comes first.
            NodeProbe::new(address(&url)).status(|| 0).await.unwrap();
        }
        let client = RunnerClient::new(Arc::new(settings), address(&url));
        let failure = run(&client).await.unwrap_err();
        assert_eq!(failure.kind, RunnerFailureKind::Failed, "{what}: {}", failure.error);
        assert_eq!(*jobs.lock().unwrap(), 0, "{what}: the job was sent");
    }
}
