//! The last jobs of a router.

/// The last jobs of a router that have ended, with how long they took.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RouterRuns {
    /// The jobs, oldest first.
    pub runs: Vec<RouterRun>,
    /// Half of them took less, in seconds.
    pub median_seconds: Option<f64>,
    /// 95 % of them took less, in seconds.
    pub p95_seconds: Option<f64>,
}

/// A job that has ended.
#[derive(Debug, Clone, PartialEq)]
pub struct RouterRun {
    /// How it ended.
    pub status: String,
    /// How long its last attempt took, in seconds; none where it did not start.
    pub seconds: Option<f64>,
}
