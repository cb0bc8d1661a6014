//! How the projects of an etcd are: what a trigger that announces their changes must know of the executor that
//! publishes them.
//!
//! The executor notes every project of its ledger when it starts, so that a project whose keys are gone is announced,
//! too, and then every change of a state. The trigger announces a project again as long as its last publication failed
//! for a reason that passes by itself.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use herald_etcd::ProjectKeys;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

/// The state of a project.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProjectState {
    /// What etcd has is on disk.
    InSync,
    /// A publication is to come.
    #[default]
    Pending,
    /// A publication is running.
    Publishing,
    /// The last publication failed.
    Failed,
    /// etcd was wiped or restored: an operator decides.
    Held,
    /// Files were changed by somebody else.
    Drifted,
}

impl ProjectState {
    /// As reports say it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InSync => "in_sync",
            Self::Pending => "pending",
            Self::Publishing => "publishing",
            Self::Failed => "failed",
            Self::Held => "held",
            Self::Drifted => "drifted",
        }
    }
}

/// How a project is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectStanding {
    /// Its state.
    pub state: ProjectState,
    /// The revision that was read last; 0 before.
    pub revision: i64,
    /// Why it failed or is held.
    pub error: Option<String>,
    /// Of a failure: it passes by itself (no room, etcd away), so the project is to be announced again.
    pub passes: bool,
    /// Whether it was published since the daemon started.
    pub published: bool,
}

impl ProjectStanding {
    /// Nothing has happened yet.
    #[must_use]
    pub fn pending() -> Self {
        Self { state: ProjectState::Pending, revision: 0, error: None, passes: false, published: false }
    }
}

/// The projects of one etcd.
#[derive(Default)]
pub struct ProjectStandings {
    projects: Mutex<BTreeMap<ProjectKeys, ProjectStanding>>,
    /// Counts what was noted.
    noted: watch::Sender<u64>,
    /// Counts how often everything was compared with etcd.
    compared: watch::Sender<u64>,
}

impl ProjectStandings {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<ProjectKeys, ProjectStanding>> {
        self.projects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes how a project is. That it was published since the start is never forgotten.
    pub fn note(&self, project: &ProjectKeys, standing: ProjectStanding) {
        let mut projects = self.lock();
        let published = standing.published || projects.get(project).is_some_and(|before| before.published);
        projects.insert(project.clone(), ProjectStanding { published, ..standing });
        drop(projects);
        self.noted.send_modify(|noted| *noted += 1);
    }

    /// How a project is. `None`: no executor publishes it.
    #[must_use]
    pub fn of(&self, project: &ProjectKeys) -> Option<ProjectStanding> {
        self.lock().get(project).cloned()
    }

    /// All projects.
    #[must_use]
    pub fn all(&self) -> Vec<(ProjectKeys, ProjectStanding)> {
        self.lock().iter().map(|(project, standing)| (project.clone(), standing.clone())).collect()
    }

    /// Everything was compared with etcd: the executor compares it with the disk now.
    pub fn compare_disk(&self) {
        self.compared.send_modify(|compared| *compared += 1);
    }

    /// Shows when everything is to be compared with the disk.
    #[must_use]
    pub fn watch_compared(&self) -> watch::Receiver<u64> {
        self.compared.subscribe()
    }

    /// Shows when something is noted from now on.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.noted.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use herald_etcd::ProjectLayout;

    use super::*;

    #[test]
    fn what_was_published_once_stays_so() {
        let standings = ProjectStandings::default();
        let watch = standings.watch();
        let project = ProjectLayout::new("/w", "h").project("a.com");
        assert_eq!(standings.of(&project), None);
        standings.note(&project, ProjectStanding { published: true, ..ProjectStanding::pending() });
        standings
            .note(&project, ProjectStanding { state: ProjectState::Failed, ..ProjectStanding::pending() });
        let standing = standings.of(&project).unwrap();
        assert!(standing.published && standing.state == ProjectState::Failed);
        assert!(watch.has_changed().unwrap());
        assert_eq!(standings.all().len(), 1);
    }
}
