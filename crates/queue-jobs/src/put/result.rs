//! The outcome of a job whose message was run elsewhere.

use herald_core::executor::{Failure, FailureKind, Outcome};
use herald_core::param::Params;
use herald_core::secret::Mask;
use herald_queue::{EndStatus, MessageEnd};
use serde_json::{Map, Value};

/// The job ends as the jobs of the workers did; what each gave is at `node/NAME`.
pub(super) fn outcome(ends: &[MessageEnd], nodes: &[String], mask: &Mask) -> Outcome {
    let wanted: Vec<&MessageEnd> =
        ends.iter().filter(|end| nodes.is_empty() || nodes.contains(&end.node)).collect();
    let by_node: Map<String, Value> =
        wanted.iter().map(|end| (end.node.clone(), Value::Object(node_result(end)))).collect();
    let result: Params = [("node".to_owned(), Value::Object(by_node))].into_iter().collect();
    let failed: Vec<(&MessageEnd, FailureKind, String)> =
        wanted.iter().filter_map(|end| problem(end).map(|(kind, why)| (*end, kind, why))).collect();
    match failed.as_slice() {
        [] => Ok(result),
        [(end, kind, why)] if wanted.len() == 1 => {
            Err(Failure { kind: *kind, error: mask.text(&format!("{}: {why}", end.node)), result })
        }
        failed => {
            let reasons: Vec<String> =
                failed.iter().map(|(end, _, why)| format!("{}: {why}", end.node)).collect();
            let error = format!("{} of {} nodes: {}", failed.len(), wanted.len(), reasons.join("; "));
            let same = failed.iter().all(|(_, kind, _)| *kind == failed[0].1);
            let kind = if same { failed[0].1 } else { FailureKind::Failed };
            Err(Failure { kind, error: mask.text(&error), result })
        }
    }
}

/// What one node gave: the result of its job, with `status` and `error`; `jobs` where there were several.
fn node_result(end: &MessageEnd) -> Params {
    let detail = |name: &str| end.detail.get(name).filter(|value| !value.is_null()).cloned();
    let mut result = match detail("result") {
        Some(Value::Object(result)) => result,
        _ => Map::new(),
    };
    for name in ["error", "matched", "jobs", "truncated", "put_again"] {
        if let Some(value) = detail(name) {
            result.insert(name.to_owned(), value);
        }
    }
    result.insert("status".to_owned(), end.status.as_str().into());
    result.insert("attempt".to_owned(), end.attempt.into());
    result.insert("deliveries".to_owned(), end.deliveries.into());
    result
}

fn problem(end: &MessageEnd) -> Option<(FailureKind, String)> {
    let error = end.detail.get("error").and_then(Value::as_str).map(str::to_owned);
    let or = |default: &str| error.clone().unwrap_or_else(|| default.to_owned());
    Some(match end.status {
        EndStatus::Accepted => return None,
        EndStatus::Succeeded if end.detail.get("matched").and_then(Value::as_u64) == Some(0) => {
            (FailureKind::Failed, "no router of the worker matched the message".to_owned())
        }
        EndStatus::Succeeded => return None,
        EndStatus::Failed => (FailureKind::Failed, or("failed")),
        EndStatus::TimedOut => (FailureKind::TimedOut, or("timed out")),
        EndStatus::Cancelled => (FailureKind::Cancelled, or("cancelled")),
        EndStatus::Lost => (FailureKind::Lost, or("the worker died or lost its lease")),
        EndStatus::Dead => (FailureKind::Failed, format!("dead letter: {}", or("for an unknown reason"))),
    })
}
