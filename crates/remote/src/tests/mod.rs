//! Against runners of the tests' own.

mod fake;
mod kept;
mod output;
mod recipient;
mod rollout;
mod runner;
mod silence;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use herald_base::output::NoOutput;
use herald_base::stop::Stop;
use herald_wire::job::JobKey;
use serde_json::Map;

use crate::{Protocol, RemoteSettings, RunnerAddress, RunnerJob};

fn settings(data_dir: &Path) -> RemoteSettings {
    RemoteSettings {
        data_dir: data_dir.to_owned(),
        timeout: Duration::from_secs(24 * 3600),
        protocol: Protocol::V2,
        connect_timeout: Duration::from_secs(10),
        rejoin: Duration::from_secs(15),
        silence: Duration::from_secs(40),
        max_files_size: None,
    }
}

fn address(url: &str) -> RunnerAddress {
    RunnerAddress { url: url.parse().unwrap(), secrets: fake::secrets(), tls: None }
}

fn job(id: &str, stop: Stop) -> RunnerJob {
    let key = JobKey { job_id: id.to_owned(), attempt: 3 };
    RunnerJob { key, params: Map::new(), stop, output: Arc::new(NoOutput) }
}
