//! The options of `http_remote`.

use std::path::PathBuf;
use std::time::Duration;

use herald_core::spec::{OptionKind, OptionSpec, Options};
use herald_core::trigger::ComponentError;
use herald_core::unit;
use herald_wire::secret::Secrets;
use reqwest::Url;
use serde_json::Value;

use crate::tls::{self, TlsClient};

/// A whole configuration.
pub(super) const EXAMPLE: &str = "
trigger:
  manual:
    type: http

executor:
  remote_command:
    type: http_remote
    host: https://herald-runner.example.com/
    secret: the_secret_must_be_exactly_the_same_as_herald_exe_server
    data_dir: /var/lib/heraldd/data

router:
  backup:
    trigger: manual
    selector: all
    task:
      run_backup: remote_command
    job_param:
      repo: https://github.com/heraldgo/demo-script.git
      cmd: run/backup.sh
";

/// All options, in the order in which they are documented.
pub(super) fn specs() -> Vec<OptionSpec> {
    let mut wire = OptionSpec::new(
        "wire",
        OptionKind::Integer { min: 1, max: 2 },
        "The version of the wire: 2 signs requests and answers; 1 speaks to the runner of the Go original.",
    );
    wire.default = Some(Value::from(2));
    vec![
        OptionSpec::new("host", OptionKind::Url, "The runner's URL; its path is kept, redirects are not followed.")
            .required(),
        tls::client_option(),
        OptionSpec::new(
            "secret",
            OptionKind::Secrets,
            "The runner's secret, at least 16 bytes. Of a list all are accepted in answers, and the first one signs.",
        )
        .required()
        .check(check_secret),
        OptionSpec::new(
            "data_dir",
            OptionKind::FilePath,
            "Result files land here as `<job_id>/<name>/<filename>`. Default: `$STATE_DIRECTORY/data`, else \
             `/var/lib/heraldd/data` for root, else `$XDG_STATE_HOME/heraldd/data` (`~/.local/state`).",
        ),
        OptionSpec::new(
            "timeout",
            OptionKind::Duration,
            "For the whole job, its files included; after it the runner is told to stop the job. A `timeout` in \
             `job_param` counts on the runner.",
        )
        .default("24h"),
        wire,
        OptionSpec::new("connect_timeout", OptionKind::Duration, "For making a connection.").default("10s"),
        OptionSpec::new(
            "rejoin",
            OptionKind::Duration,
            "How long a broken connection to a running job is tried to be made again before the job counts as lost \
             (version 2).",
        )
        .default("15s"),
        OptionSpec::new(
            "max_files_size",
            OptionKind::Size,
            "The most bytes that the files of one job may have together; without it the disk is the bound.",
        ),
    ]
}

/// Whether it can be the secret of a runner, or a list of such.
///
/// # Errors
/// What is wrong with it.
pub fn check_secret(value: &Value) -> Result<(), String> {
    secrets(Some(value)).map(drop)
}

fn secrets(value: Option<&Value>) -> Result<Secrets, String> {
    let texts: Vec<&str> = match value {
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).collect(),
        Some(Value::String(text)) => vec![text],
        _ => Vec::new(),
    };
    Secrets::new(texts).map_err(|error| error.to_string())
}

/// The options, read.
pub(super) struct Settings {
    pub(super) url: Url,
    pub(super) secrets: Secrets,
    pub(super) data_dir: PathBuf,
    pub(super) timeout: Duration,
    /// Version 2.
    pub(super) signed: bool,
    pub(super) connect_timeout: Duration,
    pub(super) rejoin: Duration,
    pub(super) max_files_size: Option<u64>,
    pub(super) tls: Option<TlsClient>,
}

impl Settings {
    /// Reads them.
    pub(super) fn of(options: &Options) -> Result<Self, ComponentError> {
        let given = |name: &str| options.0.get(name).filter(|value| !value.is_null());
        let bad = |name: &'static str| move |why: String| ComponentError(format!("{name}: {why}"));
        let text = |name: &str| given(name).and_then(Value::as_str);
        let time = |name: &'static str, default: u64| match given(name) {
            Some(value) => unit::duration(value).map_err(bad(name)),
            None => Ok(Duration::from_secs(default)),
        };
        let url =
            Url::parse(text("host").unwrap_or_default()).map_err(|error| bad("host")(error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            return Err(ComponentError("host: expected an http:// or https:// URL".to_owned()));
        }
        let tls = given("tls").map(TlsClient::read).transpose().map_err(bad("tls"))?;
        if tls.is_some() && url.scheme() == "http" {
            return Err(ComponentError(
                "host: it begins with http://, so `tls` counts for nothing; write https://".to_owned(),
            ));
        }
        let data_dir = match text("data_dir") {
            Some(path) => PathBuf::from(path),
            None => default_data_dir()?,
        };
        Ok(Self {
            url,
            secrets: secrets(given("secret")).map_err(bad("secret"))?,
            data_dir: std::path::absolute(&data_dir).map_err(|error| bad("data_dir")(error.to_string()))?,
            timeout: time("timeout", 24 * 3600)?,
            signed: given("wire").and_then(Value::as_u64) != Some(1),
            connect_timeout: time("connect_timeout", 10)?,
            rejoin: time("rejoin", 15)?,
            max_files_size: given("max_files_size")
                .map(unit::size)
                .transpose()
                .map_err(bad("max_files_size"))?,
            tls,
        })
    }
}

fn default_data_dir() -> Result<PathBuf, ComponentError> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    if let Some(state) = set("STATE_DIRECTORY").and_then(|list| std::env::split_paths(&list).next()) {
        return Ok(state.join("data"));
    }
    if rustix::process::geteuid().is_root() {
        return Ok(PathBuf::from("/var/lib/heraldd/data"));
    }
    let state = set("XDG_STATE_HOME")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
        .or_else(|| std::env::home_dir().map(|home| home.join(".local/state")));
    state.map(|state| state.join("heraldd/data")).ok_or_else(|| {
        ComponentError(
            "data_dir: there is neither $STATE_DIRECTORY nor a home directory; name a folder".to_owned(),
        )
    })
}
