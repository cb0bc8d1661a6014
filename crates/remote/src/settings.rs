//! Where a runner is, and what holds for all jobs that are sent to it.

use std::path::PathBuf;
use std::time::Duration;

use herald_net::tls::ClientFiles;
use herald_wire::secret::Secrets;
use reqwest::Url;

/// A runner, and the secrets shared with it.
#[derive(Debug, Clone, PartialEq)]
pub struct RunnerAddress {
    /// An `http://` or `https://` URL; its path is kept.
    pub url: Url,
    /// The first one signs requests; answers may be signed with any.
    pub secrets: Secrets,
    /// The certificates to trust and to present, if not those of the machine.
    pub tls: Option<ClientFiles>,
}

/// The version of the protocol between heraldd and herald-runner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// That of the Go original: nothing but the job and its result.
    V1,
    /// Signed answers; jobs can be joined, followed and cancelled.
    V2,
}

/// What holds for all jobs.
#[derive(Debug, Clone)]
pub struct RemoteSettings {
    /// Where result files are stored, and what is not finished yet.
    pub data_dir: PathBuf,
    /// For a whole job, its files included.
    pub timeout: Duration,
    /// The version that the runner is addressed in.
    pub protocol: Protocol,
    /// For establishing a connection.
    pub connect_timeout: Duration,
    /// How long reconnecting to a running job is tried before the job is lost.
    pub rejoin: Duration,
    /// How long no signed answer may come from the runner of a job before it is looked for once more, and then the job
    /// is lost.
    pub silence: Duration,
    /// The maximum size of all files of one job together, in bytes.
    pub max_files_size: Option<u64>,
}

impl RemoteSettings {
    pub(crate) fn is_signed(&self) -> bool {
        self.protocol == Protocol::V2
    }
}
