//! What speaks against a deployment before any node is asked.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::book::{AppBook, DeploymentWay};
use crate::deployment::request::DeploymentRequest;
use crate::settings::AppSettings;

/// Why a deployment is not begun.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeploymentRefusal {
    /// A person, or Herald, holds the application.
    #[error("{app} is held by {by}{until}: {reason}; `heraldd unhold {app}` ends it")]
    Held {
        /// The application.
        app: String,
        /// Who.
        by: String,
        /// `` or ` until TIME`.
        until: String,
        /// Why.
        reason: String,
    },
    /// It is in a freeze.
    #[error(
        "{app} is frozen from {window}; a rollback is allowed, and an administrator may --override with a --reason"
    )]
    Frozen {
        /// The application.
        app: String,
        /// The window.
        window: String,
    },
    /// The revision was rolled back, or is older than one that was.
    #[error(
        "{} is not deployed: {by} rolled {} back at {}; deploy a newer revision, or this one by hand",
        short(revision),
        short(bad),
        for_people(*at)
    )]
    Bad {
        /// What was to be deployed.
        revision: String,
        /// What was rolled back.
        bad: String,
        /// Who did that.
        by: String,
        /// When.
        at: Timestamp,
    },
    /// It cannot be found out whether the revision is older than one that was rolled back.
    #[error(
        "{} is not deployed: the repository does not say whether it is older than a revision that was rolled back; \
         try again, or deploy it by hand",
        short(revision)
    )]
    Unclear {
        /// What was to be deployed.
        revision: String,
    },
    /// Another revision is live than was expected.
    #[error("{live} is live, not {expected}")]
    NotLive {
        /// What was expected.
        expected: String,
        /// What is live.
        live: String,
    },
    /// There is nothing to go back to.
    #[error(
        "{app} has no other deployment that was good on all its nodes and is not marked bad; name a revision"
    )]
    NoTarget {
        /// The application.
        app: String,
    },
    /// A node that is not one of the application.
    #[error("{app} is not on the node \"{node}\"; it is on {known}")]
    UnknownNode {
        /// The application.
        app: String,
        /// The node.
        node: String,
        /// The nodes that it is on.
        known: String,
    },
    /// Another deployment is under way.
    #[error("another deployment of {app} is under way: {id}")]
    Busy {
        /// The application.
        app: String,
        /// The id of the other one.
        id: String,
    },
}

impl DeploymentRefusal {
    /// Whether it is recorded as `held`.
    #[must_use]
    pub fn is_held(&self) -> bool {
        matches!(self, Self::Held { .. } | Self::Frozen { .. } | Self::Bad { .. } | Self::Unclear { .. })
    }
}

/// A time in the zone of this machine, with its offset, as the command line shows it.
fn for_people(at: Timestamp) -> String {
    at.to_zoned(TimeZone::system()).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
}

/// A revision as people write it.
fn short(revision: &str) -> &str {
    revision.get(..12).unwrap_or(revision)
}

/// The first thing that speaks against a deployment.
pub(crate) fn check(
    app: &AppSettings,
    book: &AppBook,
    request: &DeploymentRequest,
    now: Timestamp,
) -> Result<(), DeploymentRefusal> {
    let name = || app.name.clone();
    for node in request.nodes.iter().flatten() {
        if app.node(node).is_none() {
            let known: Vec<&str> = app.nodes.iter().map(|node| &*node.name).collect();
            return Err(DeploymentRefusal::UnknownNode {
                app: name(),
                node: node.clone(),
                known: known.join(", "),
            });
        }
    }
    if let Some(hold) = book.hold(now).filter(|_| !request.overrides) {
        let until = hold.until.map(|until| format!(" until {}", for_people(until))).unwrap_or_default();
        let (by, reason) = (hold.by.clone(), hold.reason.clone());
        return Err(DeploymentRefusal::Held { app: name(), by, until, reason });
    }
    // A node that gets what is live on the others gets nothing new.
    let is_recorded = request.revision.is_some() && request.revision == book.revision;
    let passes = request.overrides || is_recorded || request.action == DeploymentWay::Rollback;
    if let Some(window) = app.freeze.iter().find(|window| window.holds(now)).filter(|_| !passes) {
        return Err(DeploymentRefusal::Frozen { app: name(), window: window.described.clone() });
    }
    if let Some(expected) = &request.if_live {
        let live = book.revision.clone().unwrap_or_else(|| "nothing".to_owned());
        // A short SHA is enough.
        if !(live == *expected || (expected.len() >= 7 && live.starts_with(expected.as_str()))) {
            return Err(DeploymentRefusal::NotLive { expected: expected.clone(), live });
        }
    }
    Ok(())
}
