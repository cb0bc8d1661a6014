//! Projects in etcd: the connections that components share, how each project is, which changes are events, and how a
//! project is published to the disk of this machine.
//!
//! [`Publisher`] does the work of the executor `publish`: reads a project from etcd, runs its commands, and lets
//! `herald-publish` exchange the files. It speaks of jobs and outcomes, but is not a component itself.

mod changes;
mod connections;
mod monitor;
mod options;
mod project;
mod publication;
mod publisher;
mod report_url;
mod secret_reader;
mod shown;
mod standings;

pub use changes::{AtStart, EtcdOptions, KeysFollower, KeysLayout, ProjectsFollower};
pub use connections::{EtcdConnection, EtcdConnections, etcd_option};
pub use herald_publish::PublishError;
pub use monitor::EtcdMonitor;
pub use options::{params, specs};
pub use publisher::Publisher;
pub use secret_reader::EtcdTextReader;
pub use shown::{FileDifference, PreviewError, PublicationPreview, PublishedProject};
pub use standings::{ProjectStanding, ProjectStandings, ProjectState};
