//! What Herald knows of an application: what is live, holds, bad revisions, and the deployments of the past.

mod app_book;
mod keeper;
mod record;
mod target;

pub use app_book::{AppBook, BadRevision, Hold, KnownAppNode};
pub use keeper::{BookError, BookKeeper};
pub(crate) use keeper::{read_json, write_then};
pub use record::{
    DeploymentRecord, DeploymentStatus, DeploymentWay, NodeDeployment, NodeOutcome, RecordedCommit, StepTimes,
};
