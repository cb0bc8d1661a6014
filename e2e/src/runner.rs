//! A running herald-runner.

use std::net::SocketAddr;
use std::ops::Deref;

use serde_json::Value;

use crate::daemon::{DONE, Daemon};
use crate::place::Place;
use crate::program::Program;

/// The secret that most tests share.
pub const SECRET: &str = "a-secret-that-is-long-enough";

/// A running herald-runner; its `work_dir` is `@DIR@/runner`.
pub struct Runner {
    program: Program,
    address: SocketAddr,
}

impl Deref for Runner {
    type Target = Program;

    fn deref(&self) -> &Program {
        &self.program
    }
}

impl Runner {
    /// Starts one with [`SECRET`] on a free port; `more` are further lines of configuration.
    #[must_use]
    pub fn start(place: &Place, more: &str) -> Self {
        Self::with(place, &format!("secret: {SECRET}\n{more}"))
    }

    /// Starts one on a free port; `more` holds its secret.
    #[must_use]
    pub fn with(place: &Place, more: &str) -> Self {
        Self::configured(place, &format!("port: 0\nwork_dir: '@DIR@/runner'\n{more}\n"))
    }

    /// Starts one with exactly this configuration.
    #[must_use]
    pub fn configured(place: &Place, config: &str) -> Self {
        Self::of(place.start("herald-runner", config))
    }

    /// One that was started in some other way.
    #[must_use]
    pub fn of(program: Program) -> Self {
        let marker = "listening on ";
        let address = program.wait_pick(marker, |line| crate::daemon::after(line, marker)?.parse().ok());
        Self { program, address }
    }

    /// Its address.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// A daemon whose trigger `manual` runs one job with these parameters at `host`; `more` are further options of the
/// executor, `data_dir` is `@DIR@/data`.
#[must_use]
pub fn remote_daemon(place: &Place, host: SocketAddr, more: &str, job_param: &Value) -> Daemon {
    Daemon::start(place, &remote_config(host, more, job_param))
}

/// The configuration of [`remote_daemon`]; the secret is [`SECRET`] unless `more` has one.
#[must_use]
pub fn remote_config(host: SocketAddr, more: &str, job_param: &Value) -> String {
    let secret = if more.contains("secret:") { String::new() } else { format!("    secret: {SECRET}\n") };
    format!(
        "
trigger:
  manual: {{type: http, port: 0, max_body: 33554432}}
executor:
  remote_command:
    type: http_remote
    host: http://{host}/
    data_dir: '@DIR@/data'
{secret}    {}
router:
  run: {{trigger: manual, selector: all, task: {{job: remote_command}}, job_param: {job_param}}}
{DONE}",
        more.replace('\n', "\n    ")
    )
}
