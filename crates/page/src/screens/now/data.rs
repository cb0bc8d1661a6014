//! What `/` shows.

use herald_control::model::{
    AppResource, DaemonInfo, Health, JobSummary, NodeResource, PublishedResource, QueueResource,
    TriggerResource,
};

use crate::elements::PartUnavailable;

/// What the screen shows.
pub struct NowData {
    /// The daemon.
    pub info: DaemonInfo,
    /// Whether events are accepted, or why not.
    pub health: Result<Health, PartUnavailable>,
    /// Jobs that run, newest first.
    pub running: Vec<JobSummary>,
    /// Jobs of the last 24 hours, newest first.
    pub recent: Vec<JobSummary>,
    /// The last jobs of routers that have failed ones before those.
    pub out_of_sight: Vec<JobSummary>,
    /// Whether there are more of them than these.
    pub has_more: bool,
    /// The nodes.
    pub nodes: Vec<NodeResource>,
    /// The triggers.
    pub triggers: Vec<TriggerResource>,
    /// The applications.
    pub apps: Vec<AppResource>,
    /// The queues; without topics where one does not answer in time.
    pub queues: Vec<QueueResource>,
    /// The projects that are published from etcd; none where they cannot be read.
    pub published: Vec<PublishedResource>,
}
