//! What a job of `publish` gives.

use herald_core::executor::{Failure, FailureKind, Outcome};
use herald_core::param::Params;
use herald_etcd::ProjectKeys;
use herald_publish::{CallbackReport, CommandReport, PlannedChange, PublishError, action};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What is known of a publication while it runs.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct PublicationResult {
    pub(crate) revision: i64,
    pub(crate) publication: String,
    /// Where the URL for reports is.
    pub(crate) callback: Value,
    pub(crate) changes: Vec<PlannedChange>,
    pub(crate) foreign: Vec<String>,
    pub(crate) check: CommandReport,
    pub(crate) before: CommandReport,
    pub(crate) after: CommandReport,
}

/// How many changes of the publication that ended last are kept.
const CHANGES_KEPT: usize = 100;

/// Why a publication did not succeed.
#[derive(Debug, Clone)]
pub(crate) struct StepFailure {
    /// `failed`, `rolled_back`, `held`.
    pub(crate) state: &'static str,
    pub(crate) error: String,
    /// Whether it may pass by itself.
    pub(crate) passes: bool,
    pub(crate) kind: FailureKind,
    /// Whether it is reported; once is enough.
    pub(crate) is_reported: bool,
    /// Whether what was asked for is wrong: the project is as it was.
    pub(crate) is_of_request: bool,
}

impl StepFailure {
    pub(crate) fn new(error: impl std::fmt::Display) -> Self {
        Self {
            state: "failed",
            error: error.to_string(),
            passes: false,
            kind: FailureKind::Failed,
            is_reported: true,
            is_of_request: false,
        }
    }

    /// Of a step on disk.
    pub(crate) fn of(error: PublishError) -> Self {
        Self { passes: error.passes_by_itself(), ..Self::new(error) }
    }

    pub(crate) fn cancelled() -> Self {
        Self { kind: FailureKind::Cancelled, passes: true, ..Self::new("cancelled; nothing was changed") }
    }
}

/// How a publication ended well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PublicationEnd {
    pub(crate) state: &'static str,
    pub(crate) is_reported: bool,
}

impl PublicationResult {
    /// As the ledger keeps it until the next publication. A report of very many files names none of them then. A place
    /// in etcd is kept; a URL of YAML, which may hold a secret, is not.
    pub(crate) fn kept(&self) -> Self {
        let changes = if self.changes.len() > CHANGES_KEPT { Vec::new() } else { self.changes.clone() };
        let callback = Some(&self.callback).filter(|place| place.is_object()).cloned().unwrap_or_default();
        Self { changes, callback, ..self.clone() }
    }

    /// The outcome of the job.
    pub(crate) fn outcome(&self, keys: &ProjectKeys, ended: Result<PublicationEnd, StepFailure>) -> Outcome {
        let (state, error, is_reported) = match &ended {
            Ok(end) => (end.state, None, end.is_reported),
            Err(failure) => (failure.state, Some(failure.error.as_str()), failure.is_reported),
        };
        let result = self.result(keys, state, error, is_reported);
        match ended {
            Ok(_) => Ok(result),
            Err(StepFailure { kind, error, .. }) => Err(Failure { kind, error, result }),
        }
    }

    fn result(&self, keys: &ProjectKeys, state: &str, error: Option<&str>, is_reported: bool) -> Params {
        let report = CallbackReport {
            error,
            before: &self.before,
            after: &self.after,
            project: &keys.project,
            host: &keys.layout.host,
            revision: self.revision,
            publication: &self.publication,
            state,
            changes: &self.changes,
        };
        let callback = match &self.callback {
            Value::Null => "".into(),
            _ if !is_reported => "".into(),
            place => place.clone(),
        };
        let file = |change: &PlannedChange| {
            json!({
                "file": change.name,
                "key": change.key,
                "action": action(change.kind),
                "md5": change.md5,
                "sha256": change.sha256,
                "size": change.size,
            })
        };
        let fields = [
            ("project", keys.project.clone().into()),
            ("host", keys.layout.host.clone().into()),
            ("revision", self.revision.into()),
            ("state", state.into()),
            ("callback", callback),
            ("report", report.value()),
            ("files", self.changes.iter().map(file).collect()),
            ("foreign", self.foreign.clone().into()),
            ("before", self.before.value()),
            ("check", self.check.value()),
            ("after", self.after.value()),
        ];
        fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}
