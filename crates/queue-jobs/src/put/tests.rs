use herald_core::secret::Mask;
use herald_queue::{EndStatus, MessageEnd};
use serde_json::{Value, json};

use super::result::outcome;

fn end(node: &str, status: EndStatus, detail: Value) -> MessageEnd {
    MessageEnd {
        id: "1".to_owned(),
        topic: "t".to_owned(),
        node: node.to_owned(),
        status,
        detail,
        sealed: false,
        deliveries: 1,
        attempt: 1,
        ended: 0,
    }
}

#[test]
fn a_job_ends_as_the_jobs_of_the_workers_did() {
    let good = || end("web1", EndStatus::Succeeded, json!({"matched": 1, "result": {"exit_code": 0}}));
    let bad = || end("web2", EndStatus::Failed, json!({"error": "exit code 3: disk full"}));
    let both = ["web1".to_owned(), "web2".to_owned()];
    for (ends, nodes, says) in [
        (vec![good()], &both[..0], "ok"),
        (vec![bad()], &both[..0], "Failed web2: exit code 3: disk full"),
        (vec![good(), bad()], &both[..], "Failed 1 of 2 nodes: web2: exit code 3: disk full"),
        (vec![good(), bad()], &both[..1], "ok"),
        (
            vec![end("w", EndStatus::Succeeded, json!({"matched": 0}))],
            &both[..0],
            "Failed w: no router of the worker",
        ),
        (vec![end("w", EndStatus::Lost, Value::Null)], &both[..0], "Lost w: the worker died"),
        (vec![end("w", EndStatus::TimedOut, Value::Null)], &both[..0], "TimedOut w: timed out"),
        (
            vec![end("w", EndStatus::Dead, json!({"error": "too old"}))],
            &both[..0],
            "Failed w: dead letter: too old",
        ),
        (vec![end("w", EndStatus::Accepted, Value::Null)], &both[..0], "ok"),
    ] {
        let outcome = outcome(&ends, nodes, &Mask::new());
        let result = outcome.as_ref().unwrap_or_else(|failure| &failure.result);
        assert!(result["node"].as_object().is_some_and(|node| !node.is_empty()));
        let said = outcome.map_or_else(|f| format!("{:?} {}", f.kind, f.error), |_| "ok".to_owned());
        assert!(said.starts_with(says), "{said}");
    }
    let result = outcome(&[good()], &[], &Mask::new()).unwrap();
    assert_eq!(result["node"]["web1"]["exit_code"], 0);
    assert_eq!(result["node"]["web1"]["status"], "succeeded");
}
