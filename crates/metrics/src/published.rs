//! How published projects are, for Prometheus.

use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use herald_projects::ProjectState;

/// How many projects are in each state.
#[derive(Default)]
pub struct PublishedMetrics {
    in_sync: Gauge,
    failed: Gauge,
    held: Gauge,
    drifted: Gauge,
}

impl PublishedMetrics {
    pub(crate) fn register(&self, registry: &mut Registry) {
        let what = "Published projects whose files are as etcd has them";
        registry.register("published_in_sync", what, self.in_sync.clone());
        let what = "Published projects whose last publication failed";
        registry.register("published_failed", what, self.failed.clone());
        let what =
            "Published projects that keep their files, since etcd was wiped or restored, or by a rollback";
        registry.register("published_held", what, self.held.clone());
        let what = "Published projects with files that were changed on this machine";
        registry.register("published_drifted", what, self.drifted.clone());
    }

    /// Shows how they are now.
    pub fn show(&self, states: &[ProjectState]) {
        let count = |wanted: ProjectState| {
            let found = states.iter().filter(|state| **state == wanted).count();
            i64::try_from(found).unwrap_or(i64::MAX)
        };
        self.in_sync.set(count(ProjectState::InSync));
        self.failed.set(count(ProjectState::Failed));
        self.held.set(count(ProjectState::Held));
        self.drifted.set(count(ProjectState::Drifted));
    }
}
