//! The state of one application.

use std::collections::{BTreeMap, VecDeque};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::record::{DeploymentRecord, DeploymentStatus};

/// How many deployments are kept.
const MOST_DEPLOYMENTS: usize = 200;
/// How many of those that were good on all nodes stay, whatever comes after them: a rollback goes to one of them.
const KEPT_GOOD: usize = 20;
/// How many bad revisions are kept.
const MOST_BAD: usize = 200;

/// What is known of an application.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct AppBook {
    /// The form of it; another one is refused.
    pub(crate) version: u32,
    /// The revision that is to be live on all nodes.
    pub revision: Option<String>,
    /// Since when.
    pub since: Option<Timestamp>,
    /// What is known of each node.
    pub nodes: BTreeMap<String, KnownAppNode>,
    /// Nothing is deployed while it lasts.
    pub hold: Option<Hold>,
    /// Revisions that were rolled back, the oldest first.
    pub bad: VecDeque<BadRevision>,
    /// The deployments of the past, the oldest first.
    pub deployments: VecDeque<DeploymentRecord>,
    /// Ids of deployments for which `deployed` was not fired yet.
    pub unannounced: VecDeque<String>,
}

/// What is known of an application on a node.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownAppNode {
    /// The revision that the last deployment left there.
    pub revision: Option<String>,
    /// What it is to get when it is back.
    pub catch_up: Option<String>,
    /// Why its tree cannot be trusted.
    pub broken: Option<String>,
    /// A deployment of which it is not known how it ended there.
    pub unfinished: Option<String>,
}

/// Nothing is deployed while it lasts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// Why.
    pub reason: String,
    /// Who: a user, or `herald`.
    pub by: String,
    /// Since when.
    pub since: Timestamp,
    /// Until when; for ever without it.
    pub until: Option<Timestamp>,
}

/// A revision that was rolled back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BadRevision {
    /// The revision.
    pub revision: String,
    /// Who rolled it back.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

impl AppBook {
    /// The hold of now.
    #[must_use]
    pub fn hold(&self, now: Timestamp) -> Option<&Hold> {
        self.hold.as_ref().filter(|hold| hold.until.is_none_or(|until| now < until))
    }

    /// Whether this revision was rolled back.
    #[must_use]
    pub fn is_bad(&self, revision: &str) -> bool {
        self.bad.iter().any(|bad| bad.revision == revision)
    }

    /// What is known of a node.
    #[must_use]
    pub fn node(&self, name: &str) -> KnownAppNode {
        self.nodes.get(name).cloned().unwrap_or_default()
    }

    pub(crate) fn mark_bad(&mut self, revision: &str, by: &str, at: Timestamp) {
        self.bad.retain(|bad| bad.revision != revision);
        self.bad.push_back(BadRevision { revision: revision.to_owned(), by: by.to_owned(), at });
        while self.bad.len() > MOST_BAD {
            self.bad.pop_front();
        }
    }

    /// Records a deployment; the oldest ones go.
    pub(crate) fn record(&mut self, record: DeploymentRecord) {
        self.deployments.retain(|other| other.id != record.id);
        self.unannounced.retain(|id| *id != record.id);
        self.unannounced.push_back(record.id.clone());
        self.deployments.push_back(record);
        while self.deployments.len() > MOST_DEPLOYMENTS {
            self.drop_oldest();
        }
        let deployments = &self.deployments;
        self.unannounced.retain(|id| deployments.iter().any(|record| record.id == *id));
    }

    /// Forgets the oldest deployment that a rollback does not need: however many are held or fail, the last good ones
    /// stay.
    fn drop_oldest(&mut self) {
        let is_good =
            |record: &DeploymentRecord| record.status == DeploymentStatus::Succeeded && record.whole;
        let good = self.deployments.iter().filter(|record| is_good(record)).count();
        let mut spare = good.saturating_sub(KEPT_GOOD);
        let is_spare = |record: &DeploymentRecord| {
            let is_old = !is_good(record) || spare > 0;
            spare = spare.saturating_sub(usize::from(is_good(record)));
            is_old
        };
        let oldest = self.deployments.iter().position(is_spare).unwrap_or(0);
        self.deployments.remove(oldest);
    }

    /// The deployment of this id.
    #[must_use]
    pub fn deployment(&self, id: &str) -> Option<&DeploymentRecord> {
        self.deployments.iter().rev().find(|record| record.id == id)
    }
}
