//! What is deployed, from where, and how: one application on this machine.

use std::fmt;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// One application on this machine.
#[derive(Debug, Clone)]
pub struct DeployTarget {
    /// The name of the application: `HERALD_APP`.
    pub app: String,
    /// The name of this machine: `HERALD_NODE`.
    pub node: String,
    /// Absolute: the tree itself (`in_place`, `exchange`), or the folder of `releases` and `current` (`releases`).
    pub path: PathBuf,
    /// How the tree is changed.
    pub mode: DeployMode,
    /// Where it comes from.
    pub origin: DeployOrigin,
    /// Files and folders (with a `/` at the end) that all trees share; relative. Not with `in_place`.
    pub shared: Vec<String>,
    /// How many good trees are kept, with the live one.
    pub keep: usize,
    /// Commands around the change.
    pub hooks: DeployHooks,
    /// What is done about files that were changed on this machine; `in_place` only.
    pub local_changes: LocalChanges,
    /// How many bytes must stay free beyond what is written and a tenth of it.
    pub reserve: u64,
}

impl DeployTarget {
    /// Whether a deployment can be made of it.
    ///
    /// # Errors
    /// The first [`TargetProblem`].
    pub fn check(&self) -> Result<(), TargetProblem> {
        let wrong = |option: &'static str, message: &str| Err(TargetProblem::new(option, message));
        let plain =
            self.path.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
        if !self.path.is_absolute() || !plain || self.path.file_name().is_none() {
            return wrong("path", "expected an absolute path without `..`");
        }
        if self.path.iter().any(|name| name == ".git" || name == ".svn") {
            return wrong("path", "names the administration of a working copy");
        }
        if self.keep == 0 {
            return wrong("keep", "at least 1 tree must be kept");
        }
        if self.mode == DeployMode::InPlace && !self.shared.is_empty() {
            return wrong("shared", "has no use with mode: in_place");
        }
        if let Some(entry) = self.shared.iter().find(|entry| !is_inside(entry)) {
            let message = format!("`{entry}` is not a relative path inside the tree");
            return Err(TargetProblem { option: "shared", message });
        }
        self.origin.check()
    }
}

/// Whether a path can be in `shared`: it is relative, stays in its folder, and names no administration of a working
/// copy.
#[must_use]
pub fn is_inside(entry: &str) -> bool {
    let mut parts = Path::new(entry).components().peekable();
    parts.peek().is_some()
        && !entry.contains('\0')
        && parts.all(|part| matches!(part, Component::Normal(name) if name != ".git" && name != ".svn"))
}

/// What is wrong with a target.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{option}`: {message}")]
pub struct TargetProblem {
    /// The option of the application.
    pub option: &'static str,
    /// What is wrong, as a sentence without a full stop.
    pub message: String,
}

impl TargetProblem {
    fn new(option: &'static str, message: &str) -> Self {
        Self { option, message: message.to_owned() }
    }
}

/// How the tree is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeployMode {
    /// A working copy is updated where it is.
    InPlace,
    /// `PATH/releases/ID-REVISION`, and the link `PATH/current`.
    Releases,
    /// The new tree is built beside PATH; then both change places in one system call.
    Exchange,
}

/// What is done about files that were changed on this machine.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LocalChanges {
    /// The plan fails.
    #[default]
    Refuse,
    /// They stay; the plan fails where the update changes the same files.
    Keep,
    /// They are saved as a patch in `PATH.herald/patches`, then reverted.
    Discard,
}

/// What a failing external of Subversion does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Externals {
    /// The deployment fails.
    #[default]
    Fail,
    /// Externals are not fetched.
    Ignore,
}

/// Git or Subversion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SourceKind {
    /// By the program `git`.
    Git,
    /// By the programs `svn` and `svnversion`.
    Svn,
}

/// A repository.
#[derive(Debug, Clone)]
pub struct DeployOrigin {
    /// Which programs speak to it.
    pub kind: SourceKind,
    /// Its URL; of Subversion with the path inside the repository. Without a password.
    pub url: String,
    /// As whom.
    pub auth: OriginAuth,
    /// The certificate of the authority of its server, in PEM. Without it those of the system count.
    pub ca_file: Option<PathBuf>,
    /// What a failing external does (Subversion).
    pub externals: Externals,
    /// Whether submodules are checked out (Git).
    pub submodules: bool,
}

impl DeployOrigin {
    /// A repository without credentials, externals that must work, and no submodules.
    #[must_use]
    pub fn new(kind: SourceKind, url: impl Into<String>) -> Self {
        let (auth, externals) = (OriginAuth::Anonymous, Externals::Fail);
        Self { kind, url: url.into(), auth, ca_file: None, externals, submodules: false }
    }

    fn check(&self) -> Result<(), TargetProblem> {
        let url = &self.url;
        let odd = url.is_empty() || url.starts_with('-') || url.chars().any(char::is_control);
        if odd || url.contains("::") {
            return Err(TargetProblem::new("repo", "is not a valid URL of a repository"));
        }
        if self.ca_file.as_ref().is_some_and(|file| !file.is_absolute()) {
            return Err(TargetProblem::new("tls", "`ca` must be an absolute path"));
        }
        if let OriginAuth::Password { username, password } = &self.auth
            && (username.contains(['\n', '\r', '\0']) || password.contains(['\n', '\r', '\0']))
        {
            return Err(TargetProblem::new("auth", "user name and password must be one line each"));
        }
        Ok(())
    }
}

/// As whom a repository is asked.
#[derive(Clone)]
pub enum OriginAuth {
    /// As nobody.
    Anonymous,
    /// With what the user of this process has stored: `~/.subversion`, credential helpers, ssh keys.
    Machine,
    /// With a password.
    Password {
        /// The user.
        username: String,
        /// The password; never in arguments, environments, messages or logs.
        password: String,
    },
    /// With a key, over ssh.
    SshKey {
        /// The file of the private key, without a passphrase.
        key_file: PathBuf,
        /// The file of the hosts that are known; without it that of the user.
        known_hosts: Option<PathBuf>,
    },
}

impl fmt::Debug for OriginAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Anonymous => "Anonymous",
            Self::Machine => "Machine",
            Self::Password { .. } => "Password",
            Self::SshKey { .. } => "SshKey",
        })
    }
}

/// The commands of an application.
#[derive(Debug, Clone, Default)]
pub struct DeployHooks {
    /// Before anything is fetched; in the live tree, or the folder above where there is none yet.
    pub before: Option<DeployHook>,
    /// In the new tree: before the switch, and with `in_place` after the update.
    pub build: Option<DeployHook>,
    /// On one machine, between prepare and switch; in the new tree, and with `in_place` after the update and `build`.
    pub once: Option<DeployHook>,
    /// After the switch; in the live tree. Also after a revert, with `HERALD_ACTION=revert`.
    pub after: Option<DeployHook>,
}

impl DeployHooks {
    pub(crate) fn of(&self, name: HookName) -> Option<&DeployHook> {
        match name {
            HookName::Before => self.before.as_ref(),
            HookName::Build => self.build.as_ref(),
            HookName::Once => self.once.as_ref(),
            HookName::After => self.after.as_ref(),
        }
    }
}

/// One command.
#[derive(Clone, Default)]
pub struct DeployHook {
    /// The program: a name in PATH, or a path, relative to the tree.
    pub cmd: String,
    /// Its arguments.
    pub arg: Vec<String>,
    /// Environment variables.
    pub env: Vec<(String, String)>,
    /// How long it may take, within the time of its step.
    pub timeout: Option<Duration>,
}

/// Without the values of its variables, which may be secrets.
impl fmt::Debug for DeployHook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let env: Vec<&str> = self.env.iter().map(|(name, _)| name.as_str()).collect();
        let Self { cmd, arg, timeout, .. } = self;
        f.debug_struct("DeployHook")
            .field("cmd", cmd)
            .field("arg", arg)
            .field("env", &env)
            .field("timeout", timeout)
            .finish()
    }
}

/// How it is known that an application works.
#[derive(Debug, Clone)]
pub struct DeployHealth {
    /// What is tried once a second.
    pub test: HealthTest,
    /// Until when, from the beginning of the check.
    pub within: Duration,
}

/// What is tried.
#[derive(Clone)]
pub enum HealthTest {
    /// A URL answers.
    Url {
        /// `http://…` or `https://…`.
        url: String,
        /// With this status code, or any from 200 to 299.
        status: Option<u16>,
    },
    /// A command, in the live tree, ends with exit code 0.
    Command(DeployHook),
}

impl HealthTest {
    /// For messages: without user, password and query, which may be secret.
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::Command(hook) => format!("`{}`", hook.cmd),
            Self::Url { url, .. } => {
                let url = url.split(['?', '#']).next().unwrap_or_default();
                let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
                let (host, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
                let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
                format!("{scheme}://{host}{path}")
            }
        }
    }
}

impl fmt::Debug for HealthTest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown())
    }
}

/// Which hook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HookName {
    /// `before`.
    Before,
    /// `build`.
    Build,
    /// `once`.
    Once,
    /// `after`.
    After,
}

impl fmt::Display for HookName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Before => "before",
            Self::Build => "build",
            Self::Once => "once",
            Self::After => "after",
        })
    }
}
