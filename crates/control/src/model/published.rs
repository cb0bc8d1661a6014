//! Projects that are published from etcd.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A project that is published from etcd.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = PublishedProject)]
pub struct PublishedResource {
    /// Its name.
    pub project: String,
    /// The host in its keys.
    pub host: String,
    /// The prefix of its keys.
    pub prefix: String,
    /// `in_sync`, `pending`, `publishing`, `failed`, `held` or `drifted`.
    pub state: String,
    /// The revision of etcd that was published last.
    pub revision: i64,
    /// How many files it has.
    pub files: u64,
    /// Why it is not in sync.
    pub error: Option<String>,
    /// When it was published last (RFC 3339).
    pub published_at: Option<String>,
}

/// All projects.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct PublishedList {
    /// The projects, by prefix, host and name.
    pub items: Vec<PublishedResource>,
}

/// How a project differs from what a publication would write.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct PublishedDiff {
    /// The project.
    pub project: String,
    /// Whether nothing would change.
    pub equal: bool,
    /// The files that would change.
    pub files: Vec<PublishedFileDiff>,
    /// Why the project keeps its files all the same, and what ends that; null where it does not.
    pub held: Option<String>,
}

/// A file that would change.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct PublishedFileDiff {
    /// Its name below `deployPath`.
    pub file: String,
    /// `set` or `delete`.
    pub action: String,
    /// As `diff -u` shows it; secrets read `***`.
    pub diff: String,
}
