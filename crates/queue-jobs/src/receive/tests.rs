use herald_core::status::Status;
use herald_core::watch::Ended;
use herald_queue::EndStatus;
use serde_json::json;

use super::run_end::run_end;

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
