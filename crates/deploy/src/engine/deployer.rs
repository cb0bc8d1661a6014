//! One application on this machine, and what its steps have in common.

use std::path::{Path, PathBuf};
use std::time::Duration;

use herald_exec::program::{Owner, Restrictions};
use serde::{Deserialize, Serialize};

use crate::command::{CommandStarter, StepRun};
use crate::error::DeployError;
use crate::hook::{HookVariables, run_hook};
use crate::place::layout::DeployLayout;
use crate::place::lock::KernelLock;
use crate::place::record::{DeployPhase, DeployRecord, StepRecord};
use crate::source::{Commit, GitRepository, LogRange, Source, SvnRepository};
use crate::target::HookName;
use crate::target::{DeployMode, DeployTarget, SourceKind};

/// The longest id of a deployment, in bytes.
const LONGEST_ID: usize = 80;
/// How many digits of a revision the name of a tree has.
const SHORT: usize = 12;

/// How deployments work on this machine.
#[derive(Clone)]
pub struct DeployerSettings {
    /// Holds the caches of repositories, in `deploy`.
    pub work_dir: PathBuf,
    /// Ends the programs of a deployment, should this process be killed: see [`herald_exec::ExecEngine::owner`].
    pub owner: Option<Owner>,
    /// The time between TERM and KILL.
    pub kill_grace: Duration,
    /// Whose processes hooks and commands of health checks are, and what they may use. `git` and `svn` are those of the
    /// user of this process.
    pub restrictions: Restrictions,
}

impl DeployerSettings {
    /// For work that no job does: nobody owns its programs, and nothing restricts them.
    #[must_use]
    pub fn new(work_dir: PathBuf, kill_grace: Duration) -> Self {
        Self { work_dir, owner: None, kill_grace, restrictions: Restrictions::default() }
    }
}

/// What a deployment does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeployAction {
    /// To a newer revision, as a rule.
    #[default]
    Deploy,
    /// To a revision that was good.
    Rollback,
    /// Back to what was live before, because it failed.
    // Nobody asks for it: the step `revert` of a deployment does it.
    #[serde(skip)]
    Revert,
}

impl DeployAction {
    /// The value of `HERALD_ACTION`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deploy => "deploy",
            Self::Rollback => "rollback",
            Self::Revert => "revert",
        }
    }
}

/// A deployment of this machine.
#[derive(Debug, Clone)]
pub struct DeployRequest {
    /// Its id, the same in all steps: letters, digits, `.`, `_`, `-`.
    pub id: String,
    /// What it does; a revert is a step of it, and no action of its own.
    pub action: DeployAction,
    /// What is deployed: an exact revision, see [`Deployer::resolve`].
    pub revision: String,
    /// Who: `HERALD_BY`.
    pub by: String,
}

/// One application on this machine.
pub struct Deployer {
    pub(super) target: DeployTarget,
    pub(super) layout: DeployLayout,
    pub(super) starter: CommandStarter,
    pub(super) source: Box<dyn Source>,
}

/// What a step holds while it works on the path.
pub(super) struct OpenPath {
    _lock: KernelLock,
    _gate: KernelLock,
    _looks: KernelLock,
}

impl Deployer {
    /// Nothing is touched yet.
    ///
    /// # Errors
    /// When the target cannot be used.
    pub fn new(target: DeployTarget, settings: DeployerSettings) -> Result<Self, DeployError> {
        target.check()?;
        let DeployerSettings { work_dir, owner, kill_grace, restrictions } = settings;
        let starter = CommandStarter { kill_grace, owner, restrictions };
        let caches = std::path::absolute(work_dir.join("deploy"));
        let caches = caches.map_err(|error| DeployError::io("use", &work_dir, error))?;
        let origin = target.origin.clone();
        let source: Box<dyn Source> = match origin.kind {
            SourceKind::Git => Box::new(GitRepository::new(starter.clone(), origin, &caches)),
            SourceKind::Svn => Box::new(SvnRepository::new(starter.clone(), origin, &caches)),
        };
        Ok(Self { layout: DeployLayout::new(&target), target, starter, source })
    }

    /// The exact revision that `HEAD`, a branch, a tag, a SHA or a number is now. It is asked once, and every machine
    /// gets the answer.
    ///
    /// # Errors
    /// When there is none, or the repository cannot be asked.
    pub async fn resolve(&self, revision: &str, run: &StepRun<'_>) -> Result<String, DeployError> {
        self.source.resolve(revision, run).await
    }

    /// Commits of the repository, the newest first.
    ///
    /// # Errors
    /// When the repository cannot be asked.
    pub async fn log(&self, range: &LogRange, run: &StepRun<'_>) -> Result<Vec<Commit>, DeployError> {
        self.source.log(range, run).await
    }

    /// Whether one exact revision is another, or one that the other descends from.
    ///
    /// # Errors
    /// When the repository cannot be asked.
    pub async fn is_ancestor(
        &self,
        older: &str,
        newer: &str,
        run: &StepRun<'_>,
    ) -> Result<bool, DeployError> {
        self.source.is_ancestor(older, newer, run).await
    }

    /// Whether the tree of this deployment is live, or may be.
    pub(crate) fn is_switched_by(&self, id: &str) -> bool {
        use DeployPhase::{Reverting, Switched, Switching};
        let Ok(record) = DeployRecord::read(&self.layout.record()) else { return true };
        let step = record.step.filter(|step| step.id == id);
        step.is_some_and(|step| matches!(step.phase, Switching | Switched | Reverting))
    }

    /// Whether there is something live.
    pub(crate) fn is_served(&self) -> bool {
        self.layout.served().exists()
    }

    /// Takes the lock of the path, waits for those that only look at it, and reads the record.
    pub(super) async fn open(&self, run: &StepRun<'_>) -> Result<(OpenPath, DeployRecord), DeployError> {
        self.layout.make()?;
        let (file, above, path) = (self.layout.lock(), self.layout.locks_above(), &self.target.path);
        let lock = KernelLock::take_inside(&file, &above, path)?;
        let gate = KernelLock::wait(&self.layout.gate(), path, run).await?;
        let looks = KernelLock::wait(&self.layout.looks(), path, run).await?;
        Ok((OpenPath { _lock: lock, _gate: gate, _looks: looks }, DeployRecord::read(&self.layout.record())?))
    }

    /// Keeps steps waiting while the tree is looked at; `None` where nothing was deployed yet.
    pub(super) fn begin_look(&self) -> Result<Option<KernelLock>, DeployError> {
        if !self.layout.side.is_dir() {
            return Ok(None);
        }
        let path = &self.target.path;
        // Held for a moment: a step that waits for looks lets no new ones begin.
        let _gate = KernelLock::share(&self.layout.gate(), path)?;
        KernelLock::share(&self.layout.looks(), path).map(Some)
    }

    pub(super) fn write(&self, record: &mut DeployRecord) -> Result<(), DeployError> {
        record.write(&self.layout.record())
    }

    /// Runs a hook, where the application has it.
    pub(super) async fn hook(
        &self,
        name: HookName,
        step: &StepRecord,
        action: &str,
        dir: &Path,
        run: &StepRun<'_>,
    ) -> Result<(), DeployError> {
        let Some(hook) = self.target.hooks.of(name) else { return Ok(()) };
        run_hook(&self.starter, name, hook, &self.variables(step, action), dir, run).await
    }

    /// What hooks find in their environment.
    pub(super) fn variables(&self, step: &StepRecord, action: &str) -> HookVariables {
        let next = match &step.to_tree {
            Some(tree) if self.target.mode != DeployMode::InPlace => self.layout.tree(tree),
            _ => self.layout.served(),
        };
        let (revision, previous) = match action {
            "revert" => (step.from.clone().unwrap_or_default(), step.to.clone()),
            _ => (step.to.clone(), step.from.clone().unwrap_or_default()),
        };
        HookVariables(vec![
            ("HERALD_APP", self.target.app.clone()),
            ("HERALD_ACTION", action.to_owned()),
            ("HERALD_REVISION", revision),
            ("HERALD_PREVIOUS", previous),
            ("HERALD_PATH", self.layout.served().display().to_string()),
            ("HERALD_NEXT", next.display().to_string()),
            ("HERALD_NODE", self.target.node.clone()),
            ("HERALD_BY", step.by.clone()),
        ])
    }
}

impl DeployRequest {
    pub(super) fn check(&self) -> Result<(), DeployError> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        let valid = (1..=LONGEST_ID).contains(&self.id.len()) && self.id.bytes().all(allowed);
        if !valid || self.id.starts_with(['.', '-']) {
            let how = "its id is not made of letters, digits, `.`, `_` and `-`".to_owned();
            return Err(DeployError::OutOfOrder { id: self.id.clone(), how });
        }
        if self.revision.is_empty() || !self.revision.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            let how = format!("`{}` is not an exact revision", self.revision);
            return Err(DeployError::OutOfOrder { id: self.id.clone(), how });
        }
        Ok(())
    }

    /// The name of its tree: one that no other tree has.
    pub(super) fn tree_name(&self, record: &DeployRecord) -> String {
        let short: String = self.revision.chars().take(SHORT).collect();
        let name = format!("{}-{short}", self.id);
        let free = (2..).map(|number| format!("{name}-{number}"));
        let mut names = [name.clone()].into_iter().chain(free);
        names.find(|name| record.tree(name).is_none()).unwrap_or(name)
    }
}
