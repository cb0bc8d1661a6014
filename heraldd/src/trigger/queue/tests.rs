use std::time::Duration;

use herald_core::context::Context;
use herald_core::problem::Path;
use herald_core::spec::Options;
use herald_core::status::Status;
use herald_core::watch::Ended;
use herald_queue::{Durability, EndStatus, QueueSettings};
use serde_json::{Value, json};

use super::run_end::run_end;
use super::*;
use crate::queue::{QueueConnections, QueueNode};

fn made(given: &Value) -> Result<Arc<dyn Trigger>, String> {
    let mut context = Context::default();
    let settings = QueueSettings {
        name: "main".to_owned(),
        url: "redis://127.0.0.1:1".to_owned(),
        username: None,
        password: None,
        sign: vec!["0123456789abcdef".to_owned()],
        durable: Durability::Write,
        tls: None,
    };
    let node = QueueNode("web1".to_owned());
    context.share(QueueConnections::default().updated(&[settings], node).unwrap());
    let component = component();
    let (options, problems) = component.description.check(given.as_object().unwrap(), &Path::top());
    match problems.first() {
        Some(problem) => Err(problem.message.clone()),
        None => (component.factory)(&Options(options.0), &context).map_err(|error| error.to_string()),
    }
}

#[test]
fn options_are_checked() {
    let with = |more: Value| {
        let mut given = json!({"queue": "main", "topic": "deploy"});
        given.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        given
    };
    for (given, says) in [
        (with(json!({})), ""),
        (with(json!({"topic": ["urgent", "deploy"], "mode": "every", "retain": "1d", "process": 4})), ""),
        (with(json!({"requeue": {"on": ["failed", "lost"], "max": 3, "delay": "10s", "backoff": 1.5}})), ""),
        (with(json!({"requeue": {"on": "cancelled"}})), "`cancelled` is not one of them"),
        (with(json!({"requeue": {"on": "lost", "backoff": 0.5}})), "at least 1"),
        (with(json!({"topic": ["a", "a"]})), "\"a\" is there twice"),
        (with(json!({"topic": []})), "at least one topic"),
        (with(json!({"lease": "1s"})), "at least 2s"),
        (with(json!({"queue": "mian"})), "did you mean \"main\"?"),
        (json!({"queue": "main"}), "topic"),
    ] {
        let said = made(&given).err().unwrap_or_default();
        assert!(said.contains(says) && said.is_empty() == says.is_empty(), "{given}: {said}");
    }
}

#[tokio::test]
async fn it_ends_when_it_is_stopped_though_the_queue_is_away() {
    for wire in ["stream", "list"] {
        let trigger = made(&json!({"queue": "main", "topic": "t", "wire": wire})).unwrap();
        herald_core::conformance::check_trigger(trigger, Duration::from_millis(300)).await.unwrap();
    }
}

#[test]
fn a_message_ends_as_its_jobs_did() {
    let job = |task: &str, status: Status, error: Option<&str>| Ended {
        job_id: "j".into(),
        router: "r".into(),
        task: task.into(),
        status,
        error: error.map(str::to_owned),
        result: json!({"exit_code": 3}).as_object().unwrap().clone(),
    };
    let good = || job("a", Status::Succeeded, None);
    for (ended, status, error) in [
        (vec![], EndStatus::Succeeded, None),
        (vec![good()], EndStatus::Succeeded, None),
        (
            vec![good(), job("b", Status::Failed, Some("exit code 3"))],
            EndStatus::Failed,
            Some("r/b: exit code 3"),
        ),
        (vec![job("b", Status::TimedOut, Some("timed out"))], EndStatus::TimedOut, Some("timed out")),
        (vec![job("b", Status::Rejected, Some("full"))], EndStatus::Failed, Some("full")),
        (vec![job("b", Status::Lost, None)], EndStatus::Lost, Some("r/b: lost")),
    ] {
        let end = run_end(&ended);
        assert_eq!((end.status, end.error.as_deref()), (status, error));
        assert_eq!(end.detail["matched"], ended.len());
    }
    let large =
        Ended { result: json!({"output": "x".repeat(70_000)}).as_object().unwrap().clone(), ..good() };
    let end = run_end(&[large]);
    assert_eq!((end.detail.get("result"), &end.detail["truncated"]), (None, &json!(true)));
}
