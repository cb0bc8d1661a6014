//! What became of a job on one node of several, and of the whole.

use herald_core::executor::{Failure, FailureKind, Outcome};
use herald_core::param::Params;
use serde_json::Value;

/// What became of the job on one node.
pub(super) struct Child {
    pub(super) node: String,
    status: &'static str,
    error: Option<String>,
    result: Params,
}

impl Child {
    pub(super) fn of(node: &str, outcome: Outcome) -> Self {
        let node = node.to_owned();
        match outcome {
            Ok(result) => Self { node, status: "succeeded", error: None, result },
            Err(failure) => {
                let status = match failure.kind {
                    FailureKind::Failed => "failed",
                    FailureKind::TimedOut => "timed_out",
                    FailureKind::Cancelled => "cancelled",
                    FailureKind::Lost => "lost",
                };
                Self { node, status, error: Some(failure.error), result: failure.result }
            }
        }
    }

    pub(super) fn skipped(node: &str, outcome: Outcome) -> Self {
        Self { status: "skipped", ..Self::of(node, outcome) }
    }

    pub(super) fn not_run(node: &str, why: &str) -> Self {
        Self { node: node.to_owned(), status: "not_run", error: Some(why.to_owned()), result: Params::new() }
    }

    pub(super) fn succeeded(&self) -> bool {
        self.status == "succeeded"
    }

    /// Whether the job did not succeed there, though it was to.
    pub(super) fn failed(&self) -> bool {
        !matches!(self.status, "succeeded" | "skipped")
    }

    /// Its result, with how it ended.
    fn entry(self) -> (String, Value) {
        let mut entry = self.result;
        entry.insert("status".to_owned(), Value::from(self.status));
        if let Some(error) = self.error {
            entry.insert("error".to_owned(), Value::from(error));
        }
        (self.node, Value::Object(entry))
    }
}

/// The job succeeds when all its children did.
pub(super) fn summary(children: Vec<Child>) -> Outcome {
    let failed: Vec<&Child> = children.iter().filter(|child| child.failed()).collect();
    let all_skipped = !children.is_empty() && children.iter().all(|child| child.status == "skipped");
    let of = |status: &str| failed.iter().any(|child| child.status == status);
    let kind = match () {
        () if of("failed") => FailureKind::Failed,
        () if of("timed_out") => FailureKind::TimedOut,
        () if of("cancelled") => FailureKind::Cancelled,
        () if of("lost") => FailureKind::Lost,
        () => FailureKind::Failed,
    };
    let error = if all_skipped {
        Some("no node could be reached".to_owned())
    } else if failed.is_empty() {
        None
    } else {
        let why =
            |child: &&Child| format!("{} ({})", child.node, child.error.as_deref().unwrap_or(child.status));
        let told: Vec<String> = failed.iter().map(why).collect();
        Some(format!(
            "it did not succeed on {} of {} nodes: {}",
            failed.len(),
            children.len(),
            told.join("; ")
        ))
    };
    let nodes: Params = children.into_iter().map(Child::entry).collect();
    let result: Params = [("node".to_owned(), Value::Object(nodes))].into_iter().collect();
    match error {
        None => Ok(result),
        Some(error) => Err(Failure { kind, error, result }),
    }
}
