//! How a job goes to several nodes: the option `strategy`.

use herald_core::spec::{OptionKind, OptionSpec};
use serde::Deserialize;
use serde_json::Value;

/// What becomes of a node that is not there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Offline {
    /// The job fails there.
    #[default]
    Fail,
    /// The job does without it.
    Skip,
    /// The job waits for it, within its timeout.
    Wait,
}

/// How a job goes to several nodes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct Strategy {
    /// On how many nodes it runs at once; on all when it is none.
    pub(super) max_parallel: Option<usize>,
    /// On how many nodes it must succeed before the others get it.
    pub(super) canary: usize,
    /// Whether no further node gets it once it has failed on one.
    pub(super) stop_on_failure: bool,
    pub(super) offline: Offline,
}

impl Strategy {
    /// Reads the option, whose parts are checked already.
    pub(super) fn of(given: &Value) -> Result<Self, String> {
        serde_json::from_value(given.clone()).map_err(|error| error.to_string())
    }
}

/// What the option may hold.
pub(super) fn spec() -> OptionSpec {
    let new = OptionSpec::new;
    let count = |min| OptionKind::Integer { min, max: 100_000 };
    let fields = vec![
        new("max_parallel", count(1), "On how many nodes a job runs at once. Default: on all."),
        new("canary", count(0), "On how many nodes it must succeed before the others get it.").default(0),
        new("stop_on_failure", OptionKind::Boolean, "Whether no further node gets it once it has failed on one.").default(false),
        new(
            "offline",
            OptionKind::OneOf(&["fail", "skip", "wait"]),
            "A node where nobody is there: the job fails there, does without it, or waits for it within its `timeout`. On one that \
             is not trusted, or does not trust us, it always fails.",
        )
        .default("fail"),
    ];
    new("strategy", OptionKind::Fields(fields), "How a job goes to several nodes.")
}
