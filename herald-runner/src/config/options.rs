//! The options of a runner: described once, for the file of herald-runner and for the section `runner` of heraldd.

use std::path::PathBuf;
use std::time::Duration;

use herald_config::component_error::ComponentError;
use herald_config::listener::{self, ListenerOptions};
use herald_config::log::{self, LogFormat, LogLevel};
use herald_config::spec::{CheckError, Description, OptionKind, OptionSpec, Options, PathUse};
use herald_config::tls::TlsListenerOptions;
use herald_config::unit;
use herald_exec::{GitLimits, LARGEST_OUTPUT};
use herald_log::{LogOutput, LogSettings};
use herald_wire::runner_id::UNBOUND_VERSION;
use herald_wire::secret::Secrets;
use serde::Deserialize;
use serde_json::Value;

use super::job::{JobOptions, job_options};
use super::model::{Listen, REQUEST_TIMEOUT, RunnerConfig};
use super::{queue, tls};

/// The port of a runner, unless another one is given.
pub const PORT: u16 = 8124;
/// The longest request, and the most of a job's log.
const LARGEST: u64 = 1 << 30;

const EXAMPLE: &str = "
host: 0.0.0.0
port: 8124
tls:
  cert: /etc/herald-runner/runner.crt
  key: /etc/herald-runner/runner.key
secret: ${file:/etc/herald-runner/secret}
work_dir: /var/lib/herald-runner/work
";

/// The file of herald-runner.
#[must_use]
pub fn description() -> Description {
    of_file(secret().required())
}

/// The same where it takes jobs from a queue: without a port it needs no secret.
#[must_use]
pub(super) fn with_queue() -> Description {
    of_file(secret())
}

fn of_file(secret: OptionSpec) -> Description {
    let new = OptionSpec::new;
    let log = [
        log::level_option("log_level"),
        new(
            "log_output",
            OptionKind::FilePath,
            "A file to append to, opened again at SIGHUP. Left out, the log goes to standard error.",
        )
        .used_as(PathUse::File),
        log::format_option("log_format"),
    ];
    let work_dir = new(
        "work_dir",
        OptionKind::FilePath,
        "Where jobs run. Default: `$STATE_DIRECTORY/work`, else `/var/lib/herald-runner/work` for root, else \
         `$XDG_STATE_HOME/herald-runner/work` (`~/.local/state`).",
    )
    .used_as(PathUse::OwnFolder);
    let doc = "Executes signed jobs on this server for a heraldd elsewhere.";
    let description = Description::new("herald-runner", doc).doubts(tls::doubts).example(EXAMPLE);
    log.into_iter().chain(options(secret, work_dir)).fold(description, Description::option)
}

/// The section `runner` of heraldd, without what the daemon says for all of it: how the log is written. The secret may
/// be missing there, since it can be that of the own node.
#[must_use]
pub fn section(doc: &str, work_dir: &str) -> Description {
    let work_dir = OptionSpec::new("work_dir", OptionKind::FilePath, "Where jobs run.")
        .default(work_dir)
        .used_as(PathUse::OwnFolder);
    let description = Description::new("runner", doc).doubts(tls::doubts);
    options(secret(), work_dir).fold(description, Description::option)
}

fn secret() -> OptionSpec {
    OptionSpec::new(
        "secret",
        OptionKind::Secrets,
        "The secret of those who send jobs, at least 16 bytes; of a list all are accepted, and the first one signs.",
    )
    .check(check_secret)
}

fn options(secret: OptionSpec, work_dir: OptionSpec) -> impl Iterator<Item = OptionSpec> {
    let new = OptionSpec::new;
    let duration = |name, default: &str, doc| new(name, OptionKind::Duration, doc).default(default);
    let size = |name, default: &str, most: u64, doc: &str| {
        let doc = format!("{doc} At most {} MiB.", most >> 20);
        new(name, OptionKind::Size, &doc).default(default).within_sizes(1, most)
    };
    let rest = [
        secret,
        work_dir,
        new("allow_v1", OptionKind::Boolean, "Whether the Go original may send jobs.").default(false),
        new(
            "allow",
            OptionKind::Texts,
            "Older versions of the protocol that are accepted too. `2.0` is that of daemons whose requests do not name \
             the runner that they are for: with it, a request that was captured on its way to another runner with the \
             same secret runs here as well. It is for the time of an update.",
        )
        .check(check_allow),
        size("max_body", "32MiB", LARGEST, "The longest request that is accepted."),
        new("max_jobs", OptionKind::Integer { min: 1, max: 100_000 }, "How many jobs run at once.")
            .default(64),
        size("output_limit", "1MiB", LARGEST_OUTPUT, "How much is kept of each output stream of a job."),
        size(
            "log_limit",
            "16MiB",
            LARGEST,
            "How much of a job's output a daemon can read while the job runs.",
        ),
        duration("kill_grace", "5s", "The time between TERM and KILL when a job is ended."),
        duration("git_timeout", "10m", "How long getting a Git repository may take."),
        new("git_max_size", OptionKind::Size, GitLimits::SIZE_DOC).default("2GiB").within_sizes(1, u64::MAX),
        new(
            "git_max_files",
            OptionKind::Integer { min: 1, max: GitLimits::MOST_FILES },
            GitLimits::FILES_DOC,
        )
        .default(1_000_000),
        duration("keep_results", "1h", "How long a result can be asked for again."),
        duration("shutdown_grace", "30s", "How long running jobs may go on at the end."),
        duration("request_timeout", "25s", "How long a whole request may take to arrive; at most 25 s.")
            .check(check_request_timeout),
    ];
    listener::options(PORT, true)
        .into_iter()
        .chain([tls::option()])
        .chain(rest)
        .chain([queue::option()])
        .chain(job_options())
}

/// Whether it can be the secret of a runner, or a list of such.
///
/// # Errors
/// What is wrong with it.
pub fn check_secret(value: &Value) -> Result<(), CheckError> {
    secrets(Some(value)).map(drop)
}

fn secrets(value: Option<&Value>) -> Result<Secrets, CheckError> {
    let texts: Vec<&str> = match value {
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).collect(),
        Some(Value::String(text)) => vec![text],
        _ => Vec::new(),
    };
    Secrets::new(texts).map_err(|error| CheckError::plain(error.to_string()))
}

/// The secrets. A runner that does not listen needs none: it gets one that nobody knows.
fn own_secrets(given: Option<&Value>, listens: bool) -> Result<Secrets, ComponentError> {
    match given {
        None if listens => Err(ComponentError::new("the option `secret` of `herald-runner` is missing")),
        None => {
            let mut bytes = [0; 32];
            getrandom::fill(&mut bytes).map_err(|error| ComponentError::of_option("secret", error))?;
            Secrets::new([hex::encode(bytes).as_str()])
                .map_err(|error| ComponentError::of_option("secret", error))
        }
        given => secrets(given).map_err(|error| ComponentError::of_option("secret", error)),
    }
}

/// The versions of the option `allow`, which may be one or a list.
fn allowed(value: Option<&Value>) -> impl Iterator<Item = &Value> {
    let list = match value {
        Some(Value::Array(list)) => list.as_slice(),
        Some(Value::Null) | None => &[],
        Some(one) => std::slice::from_ref(one),
    };
    list.iter()
}

fn check_allow(value: &Value) -> Result<(), CheckError> {
    match allowed(Some(value)).find(|version| version.as_str() != Some(UNBOUND_VERSION)) {
        None => Ok(()),
        Some(other) => Err(CheckError::new(format!(
            "expected {UNBOUND_VERSION}, found {other}; for version 1 see allow_v1"
        ))),
    }
}

fn check_request_timeout(value: &Value) -> Result<(), CheckError> {
    match unit::duration(value) {
        Ok(limit) if limit > REQUEST_TIMEOUT => {
            Err(CheckError::new(format!("it must be at most {} s", REQUEST_TIMEOUT.as_secs())))
        }
        _ => Ok(()),
    }
}

#[derive(Deserialize)]
struct RunnerOptions {
    log_level: Option<String>,
    log_output: Option<PathBuf>,
    log_format: Option<LogFormat>,
    work_dir: Option<PathBuf>,
    allow_v1: bool,
    #[serde(deserialize_with = "unit::de_size")]
    max_body: u64,
    max_jobs: usize,
    #[serde(deserialize_with = "unit::de_size")]
    output_limit: u64,
    #[serde(deserialize_with = "unit::de_size")]
    log_limit: u64,
    #[serde(deserialize_with = "unit::de_duration")]
    kill_grace: Duration,
    #[serde(deserialize_with = "unit::de_duration")]
    git_timeout: Duration,
    #[serde(deserialize_with = "unit::de_size")]
    git_max_size: u64,
    git_max_files: u64,
    #[serde(deserialize_with = "unit::de_duration")]
    keep_results: Duration,
    #[serde(deserialize_with = "unit::de_duration")]
    shutdown_grace: Duration,
    #[serde(deserialize_with = "unit::de_duration")]
    request_timeout: Duration,
}

impl RunnerConfig {
    /// Of options that were checked against [`description`] or [`section`].
    ///
    /// # Errors
    /// When the secret is missing, or nobody can say where jobs run.
    pub fn of(options: &Options) -> Result<Self, ComponentError> {
        let given: RunnerOptions = options.parse()?;
        let level = given.log_level.as_deref().and_then(LogLevel::named);
        let listener = ListenerOptions::of(options, PORT);
        let given_option = |name: &str| options.0.get(name).filter(|value| !value.is_null());
        let queue = queue::of(given_option("queue"))?;
        // With a queue, only what is asked for is listened on.
        let listens = queue.is_none()
            || ["host", "port", "unix_socket"].into_iter().any(|name| given_option(name).is_some());
        let work_dir = given.work_dir.or_else(default_work_dir);
        Ok(Self {
            log: LogSettings {
                level: level.unwrap_or(LogLevel::Info),
                output: given.log_output.map_or(LogOutput::Stderr, LogOutput::File),
                format: given.log_format.unwrap_or(LogFormat::Text),
            },
            listen: Listen {
                tcp: (listener.has_port && listens).then_some((listener.host, listener.port)),
                tls: TlsListenerOptions::of(options).as_ref().map(tls::files),
                unix_socket: listener.unix_socket,
                unix_socket_mode: listener.unix_socket_mode,
            },
            secrets: own_secrets(given_option("secret"), listens)?,
            queue,
            work_dir: work_dir.ok_or_else(|| {
                let what = "give one: neither a home folder nor a state folder is known";
                ComponentError::of_option("work_dir", what)
            })?,
            job: JobOptions::of(options)?,
            allow_v1: given.allow_v1,
            allow_unbound: allowed(options.0.get("allow")).next().is_some(),
            max_body: usize::try_from(given.max_body).unwrap_or(usize::MAX),
            max_jobs: given.max_jobs,
            output_limit: given.output_limit,
            log_limit: given.log_limit,
            kill_grace: given.kill_grace,
            git_timeout: given.git_timeout,
            git_limits: GitLimits { size: given.git_max_size, files: given.git_max_files },
            keep_results: given.keep_results,
            shutdown_grace: given.shutdown_grace,
            request_timeout: given.request_timeout,
            warnings: Vec::new(),
            probed: Vec::new(),
        })
    }
}

/// Where systemd says, else where root keeps state, else where users do.
fn default_work_dir() -> Option<PathBuf> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    if let Some(state) = std::env::var_os("STATE_DIRECTORY") {
        let state = state.to_string_lossy().split(':').next().unwrap_or_default().to_owned();
        return Some(PathBuf::from(state).join("work"));
    }
    if rustix::process::geteuid().is_root() {
        return Some(PathBuf::from("/var/lib/herald-runner/work"));
    }
    let state =
        absolute("XDG_STATE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".local/state")))?;
    Some(state.join("herald-runner/work"))
}
