//! What the daemon sends for a step: `deploy` in the parameters of a job. Keys that are not known are left to newer
//! versions.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::engine::DeployAction;
use crate::target::{DeployHealth, DeployHook, DeployMode, Externals, HealthTest, LocalChanges, SourceKind};

/// How long a health check tries, where it does not say.
const WITHIN_MS: u64 = 30_000;
/// How many good trees are kept, where the application does not say.
const KEEP: usize = 5;
/// How many bytes stay free, where the application does not say.
const RESERVE: u64 = 16 << 20;
/// Parts of parameters whose values are secrets, or may be.
const SECRET: [&str; 2] = ["auth", "env"];

/// One step of a deployment on one machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeployStep {
    /// Which one.
    pub step: StepName,
    /// The id of the deployment, the same in all its steps.
    pub id: String,
    /// What the deployment does.
    #[serde(default)]
    pub action: DeployAction,
    /// The exact revision; `status` needs none.
    #[serde(default)]
    pub revision: String,
    /// Who: `HERALD_BY`.
    #[serde(default)]
    pub by: String,
    /// The application on this machine.
    pub app: AppParams,
}

/// Which step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepName {
    /// What a deployment would do.
    Plan,
    /// The new tree is written.
    Prepare,
    /// The hook `once`.
    Once,
    /// The new tree becomes live, and is checked.
    Switch,
    /// It was good.
    Finish,
    /// The old tree is put back.
    Revert,
    /// What is live.
    Status,
}

impl StepName {
    /// As it is written in parameters.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Plan => "plan",
            Self::Prepare => "prepare",
            Self::Once => "once",
            Self::Switch => "switch",
            Self::Finish => "finish",
            Self::Revert => "revert",
            Self::Status => "status",
        }
    }
}

impl fmt::Display for StepName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An application on one machine; see [`crate::DeployTarget`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppParams {
    /// Its name.
    pub name: String,
    /// The name of the machine.
    pub node: String,
    /// Where it is; absolute.
    pub path: PathBuf,
    /// How its tree is changed.
    pub mode: DeployMode,
    /// Git or Subversion.
    #[serde(rename = "type")]
    pub kind: SourceKind,
    /// The URL of its repository, without a password.
    pub repo: String,
    /// As whom the repository is asked.
    #[serde(default)]
    pub auth: Option<AuthParams>,
    /// How its server proves who it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<OriginTlsParams>,
    /// What all trees share.
    #[serde(default)]
    pub shared: Vec<String>,
    /// How many good trees are kept.
    #[serde(default = "default_keep")]
    pub keep: usize,
    /// What is done about files that were changed on the machine.
    #[serde(default)]
    pub local_changes: LocalChanges,
    /// What a failing external does.
    #[serde(default)]
    pub externals: Externals,
    /// Whether submodules are checked out.
    #[serde(default)]
    pub submodules: bool,
    /// How many bytes stay free.
    #[serde(default = "default_reserve")]
    pub reserve: u64,
    /// Its commands.
    #[serde(default)]
    pub hooks: HooksParams,
    /// How it is known that it works.
    #[serde(default)]
    pub health: Option<HealthParams>,
}

fn default_keep() -> usize {
    KEEP
}

fn default_reserve() -> u64 {
    RESERVE
}

fn default_within() -> u64 {
    WITHIN_MS
}

/// As whom a repository is asked: see [`crate::OriginAuth`].
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum AuthParams {
    /// `machine`.
    Machine(MachineAuth),
    /// With a password.
    Password {
        /// The user.
        username: String,
        /// The password.
        password: String,
    },
    /// With a key.
    SshKey {
        /// The file of the private key, on the machine.
        ssh_key_file: PathBuf,
        /// The file of the hosts that are known, on the machine.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        known_hosts_file: Option<PathBuf>,
    },
}

/// How the server of a repository proves who it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OriginTlsParams {
    /// The certificate of its authority, on the machine.
    pub ca: PathBuf,
}

/// The word `machine`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum MachineAuth {
    /// What the user of the runner has stored.
    #[serde(rename = "machine")]
    Machine,
}

/// Without the password.
impl fmt::Debug for AuthParams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Machine(_) => "Machine",
            Self::Password { .. } => "Password",
            Self::SshKey { .. } => "SshKey",
        })
    }
}

/// The commands of an application.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HooksParams {
    /// Before anything is fetched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<HookParams>,
    /// In the new tree.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub build: Option<HookParams>,
    /// On one machine, before the switch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub once: Option<HookParams>,
    /// After the switch, and after a revert.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<HookParams>,
}

/// One command.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HookParams {
    /// The program.
    pub cmd: String,
    /// Its arguments.
    #[serde(default)]
    pub arg: Vec<String>,
    /// Its environment variables.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// How long it may take, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
}

/// Without the values of its variables, which may be secrets.
impl fmt::Debug for HookParams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&hook(self), f)
    }
}

/// How it is known that an application works: one of `url` and `cmd`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthParams {
    /// What is asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The status code of the answer; any from 200 to 299 where it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The program that is run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cmd: Option<String>,
    /// Its arguments.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub arg: Vec<String>,
    /// Its environment variables.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// How long it is tried, in milliseconds.
    #[serde(default = "default_within")]
    pub within_ms: u64,
}

/// Without the values of its variables, and without a password in the URL.
impl fmt::Debug for HealthParams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&health(self), f)
    }
}

/// What is wrong with the parameters of a step, and where: `deploy/app/mode: unknown variant …`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{at}: {message}")]
pub struct StepProblem {
    /// The key, with those that it is in.
    pub at: String,
    /// What is wrong, as a sentence without a full stop and without a secret.
    pub message: String,
}

impl DeployStep {
    /// Reads the value of the parameter `deploy`.
    ///
    /// # Errors
    /// [`StepProblem`] names the key.
    pub fn read(value: &Value) -> Result<Self, StepProblem> {
        serde_path_to_error::deserialize(value).map_err(|error| {
            let path: Vec<String> = error.path().iter().map(ToString::to_string).collect();
            let is_secret = path.iter().any(|part| SECRET.contains(&part.as_str()));
            let at = ["deploy".to_owned()].into_iter().chain(path).collect::<Vec<_>>().join("/");
            let message = match is_secret {
                true => "cannot be understood: it has the wrong form".to_owned(),
                false => error.into_inner().to_string(),
            };
            StepProblem { at, message }
        })
    }
}

pub(super) fn hook(params: &HookParams) -> DeployHook {
    let HookParams { cmd, arg, env, timeout_ms } = params.clone();
    let timeout = timeout_ms.map(Duration::from_millis);
    DeployHook { cmd, arg, env: env.into_iter().collect(), timeout }
}

pub(super) fn health(params: &HealthParams) -> DeployHealth {
    let HealthParams { url, status, cmd, arg, env, within_ms } = params.clone();
    let test = match url {
        Some(url) => HealthTest::Url { url, status },
        None => HealthTest::Command(DeployHook {
            cmd: cmd.unwrap_or_default(),
            arg,
            env: env.into_iter().collect(),
            timeout: None,
        }),
    };
    DeployHealth { test, within: Duration::from_millis(within_ms) }
}
