//! What became of a job on one node of several, and of the whole.

use herald_core::executor::{Failure, FailureKind, Outcome};
use herald_core::param::Params;
use herald_core::secret::Mask;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// How it ended on one node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Status {
    Succeeded,
    Failed,
    TimedOut,
    Cancelled,
    Lost,
    Skipped,
    NotRun,
}

/// What became of the job on one node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Child {
    pub(super) node: String,
    status: Status,
    error: Option<String>,
    result: Params,
}

impl Child {
    pub(super) fn of(node: &str, outcome: Outcome) -> Self {
        let node = node.to_owned();
        match outcome {
            Ok(result) => Self { node, status: Status::Succeeded, error: None, result },
            Err(failure) => {
                let status = match failure.kind {
                    FailureKind::Failed => Status::Failed,
                    FailureKind::TimedOut => Status::TimedOut,
                    FailureKind::Cancelled => Status::Cancelled,
                    FailureKind::Lost => Status::Lost,
                };
                Self { node, status, error: Some(failure.error), result: failure.result }
            }
        }
    }

    pub(super) fn skipped(node: &str, outcome: Outcome) -> Self {
        Self { status: Status::Skipped, ..Self::of(node, outcome) }
    }

    pub(super) fn not_run(node: &str, why: &str) -> Self {
        let (node, error) = (node.to_owned(), Some(why.to_owned()));
        Self { node, status: Status::NotRun, error, result: Params::new() }
    }

    pub(super) fn succeeded(&self) -> bool {
        self.status == Status::Succeeded
    }

    /// Whether the job did not succeed there, though it was to.
    pub(super) fn failed(&self) -> bool {
        !matches!(self.status, Status::Succeeded | Status::Skipped)
    }

    /// Whether nobody knows what became of it there.
    pub(super) fn is_lost(&self) -> bool {
        self.status == Status::Lost
    }

    /// Whether it ran there to its end.
    pub(super) fn ran(&self) -> bool {
        matches!(self.status, Status::Succeeded | Status::Failed | Status::TimedOut)
    }

    /// The same as others see it.
    pub(super) fn masked(&self, mask: &Mask) -> Self {
        let error = self.error.as_ref().map(|error| mask.text(error));
        Self { error, result: mask.params(&self.result), ..self.clone() }
    }

    /// Its result, with how it ended.
    fn entry(self) -> (String, Value) {
        let mut entry = self.result;
        entry.insert("status".to_owned(), json!(self.status));
        if let Some(error) = self.error {
            entry.insert("error".to_owned(), Value::from(error));
        }
        (self.node, Value::Object(entry))
    }
}

/// The job succeeds when all its children did.
pub(super) fn summary(children: Vec<Child>) -> Outcome {
    let failed: Vec<&Child> = children.iter().filter(|child| child.failed()).collect();
    let all_skipped = !children.is_empty() && children.iter().all(|child| child.status == Status::Skipped);
    let of = |status: Status| failed.iter().any(|child| child.status == status);
    let kind = match () {
        () if of(Status::Failed) => FailureKind::Failed,
        () if of(Status::TimedOut) => FailureKind::TimedOut,
        () if of(Status::Cancelled) => FailureKind::Cancelled,
        () if of(Status::Lost) => FailureKind::Lost,
        () => FailureKind::Failed,
    };
    let error = if all_skipped {
        Some("no node could be reached".to_owned())
    } else if failed.is_empty() {
        None
    } else {
        let why = |child: &&Child| format!("{} ({})", child.node, child.error.as_deref().unwrap_or_default());
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
