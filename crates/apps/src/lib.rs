//! Deployments of applications to the nodes of a fleet.
//!
//! An [`App`] is an application of the section `app`. A deployment resolves the revision once, asks every node for a
//! plan, lets every node prepare the new tree, and only then lets them switch, by the strategy; when a node fails,
//! those that switched go back. What each node does is in `herald-deploy`; here is in which order, what is recorded,
//! and what happens when the daemon is killed: a deployment that was under way is on disk before anything is sent, so
//! that the next process goes on with it.
//!
//! [`AppBook`] is what is known of an application: what is live, holds, bad revisions, the deployments of the past.

mod app;
mod book;
mod clipped;
mod deployment;
mod node;
mod settings;
mod source;

pub use app::{
    App, AppError, AppMemories, AppNodeView, AppStateChange, AppView, CommitPage, CommitQuery, CommitView,
    NodeState,
};
pub use book::{
    AppBook, BadRevision, BookError, DeploymentRecord, DeploymentStatus, DeploymentWay, Hold, KnownAppNode,
    NodeDeployment, NodeOutcome, RecordedCommit,
};
pub use deployment::{AppPlan, DeploymentRefusal, DeploymentRequest, NodePlan, RequestError, params};
pub use node::{NodeStepFailure, NodeStepOutcome, NodeSteps, RunnerSteps, StepCall, StepName};
pub use settings::{
    AppNode, AppSettings, AppStrategy, FreezeError, FreezeWindow, OfflineNode, OnFailure, description,
};
pub use source::{AppSource, RepositorySource};
