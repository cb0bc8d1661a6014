//! What is there, and what a deployment would do. Nothing is changed but caches.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use herald_exec::environment;
use serde::{Deserialize, Serialize};

use super::deployer::Deployer;
use crate::command::StepRun;
use crate::error::DeployError;
use crate::place::record::{DeployPhase, DeployRecord, KeptTree};
use crate::place::tree::{TreeFiles, blocking};
use crate::place::{seen, swap, tree};
use crate::source::CopyState;
use crate::target::{DeployMode, LocalChanges};

/// What a deployment would do on this machine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DeployPlan {
    /// The revision that is live; `None` where there is none, or several.
    pub current: Option<String>,
    /// The same in words.
    pub described: String,
    /// What is deployed.
    pub revision: String,
    /// Whether it is live already, without changes of this machine.
    pub is_live: bool,
    /// Whether its tree is still on this machine, so that the server is not needed.
    pub is_kept: bool,
    /// Files that were changed on this machine.
    pub local_changes: Vec<String>,
    /// Files of this machine that the update would run into.
    pub conflicts: Vec<String>,
    /// Bytes that must be free.
    pub needed: u64,
    /// Bytes that are.
    pub free: u64,
    /// Programs that must be installed.
    pub missing: Vec<String>,
    /// Why it cannot be done, as sentences; empty where it can.
    pub refusals: Vec<String>,
}

/// What is live on this machine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AppStatus {
    /// Its revision; `None` where there is none, or several.
    pub revision: Option<String>,
    /// The same in words, such as `5:6M`.
    pub described: String,
    /// Files that were changed on this machine.
    pub modified: Vec<String>,
    /// How far an unfinished deployment is.
    pub phase: Option<DeployPhase>,
    /// Whether `once` has updated the working copy and run, and the step `switch` was not begun (`in_place`).
    pub is_updated: bool,
    /// Its id.
    pub deployment: Option<String>,
    /// The trees on this machine, the oldest first.
    pub trees: Vec<KeptTree>,
    /// Whether a step works on the path: then the tree was not looked at, and the revision is the recorded one.
    pub is_busy: bool,
    /// Whether what a killed process left was repaired before.
    pub is_repaired: bool,
}

/// A plan, with its refusals as errors.
pub(super) struct Look {
    pub(super) plan: DeployPlan,
    pub(super) obstacles: Vec<DeployError>,
    /// The tree that is used again.
    pub(super) kept: Option<KeptTree>,
}

impl Deployer {
    /// What a deployment of this exact revision would do. Only caches are changed. Call [`Deployer::recover`] first.
    ///
    /// # Errors
    /// When it cannot be found out: a step works on the path, the repository cannot be asked, or the record cannot be
    /// read. What speaks against the deployment is not an error: see [`DeployPlan::refusals`].
    pub async fn plan(&self, revision: &str, run: &StepRun<'_>) -> Result<DeployPlan, DeployError> {
        // A step waits for looks, so none waits for a server that does not answer.
        let written = self.fetch_before(revision, run).await?;
        let _look = self.begin_look()?;
        let record = DeployRecord::read(&self.layout.record())?;
        let look = self.look(&record, revision, written, run).await?;
        let refusals = look.obstacles.iter().map(ToString::to_string).collect();
        Ok(DeployPlan { refusals, ..look.plan })
    }

    /// Fetches the revision, where its tree is not there yet, and says how many bytes it has. Nothing is locked
    /// meanwhile.
    async fn fetch_before(&self, revision: &str, run: &StepRun<'_>) -> Result<Option<u64>, DeployError> {
        if !self.missing().is_empty() {
            return Ok(None);
        }
        let look = self.begin_look()?;
        let record = DeployRecord::read(&self.layout.record())?;
        if self.kept(&record, revision).await?.is_some() {
            return Ok(None);
        }
        let from = match self.target.mode {
            DeployMode::InPlace => self.state(&record, run).await?.revision,
            DeployMode::Releases | DeployMode::Exchange => None,
        };
        drop(look);
        self.fetch(from.as_deref(), revision, run).await.map(Some)
    }

    /// Fetches the revision; returns the bytes that are written, where the copy is at `from`.
    async fn fetch(&self, from: Option<&str>, revision: &str, run: &StepRun<'_>) -> Result<u64, DeployError> {
        self.source.fetch(revision, run).await?;
        self.source.size(from, revision, run).await.or_else(|error| match (from, error) {
            // The copy is at a commit that the repository does not have.
            (Some(_), DeployError::Origin(_)) => Ok(0),
            (_, error) => Err(error),
        })
    }

    /// The programs that are not installed.
    fn missing(&self) -> Vec<(&'static str, DeployError)> {
        let (env, root) = (environment::clean(), Path::new("/"));
        let tried = self.source.programs().iter();
        let tried = tried.map(|name| (*name, environment::find(name.as_ref(), &env, root)));
        tried.filter_map(|(name, found)| Some((name, found.err()?.into()))).collect()
    }

    /// What is live, and which of its files were changed on this machine. Asks no server.
    ///
    /// # Errors
    /// When the tree or the record cannot be read.
    pub async fn status(&self, run: &StepRun<'_>) -> Result<AppStatus, DeployError> {
        let record = DeployRecord::read(&self.layout.record())?;
        let state = self.state(&record, run).await?;
        Ok(AppStatus {
            revision: state.revision,
            described: state.described,
            modified: state.modified,
            phase: record.step.as_ref().map(|step| step.phase),
            is_updated: record.step.as_ref().is_some_and(|step| step.is_updated),
            deployment: record.step.map(|step| step.id),
            trees: record.trees,
            is_busy: false,
            is_repaired: false,
        })
    }

    /// As [`Deployer::status`], after [`Deployer::recover`] where that has something to do. While a step works on the
    /// path nothing is looked at but the record.
    ///
    /// # Errors
    /// When the tree cannot be repaired, or the tree or the record cannot be read.
    pub async fn recovered_status(&self, run: &StepRun<'_>) -> Result<AppStatus, DeployError> {
        match self.repair_and_look(run).await {
            Err(DeployError::Locked { .. }) => self.recorded_status(),
            other => other,
        }
    }

    async fn repair_and_look(&self, run: &StepRun<'_>) -> Result<AppStatus, DeployError> {
        let look = self.begin_look()?;
        let step = DeployRecord::read(&self.layout.record())?.step;
        if !step.is_some_and(|step| step.phase.is_interrupted()) {
            return self.status(run).await;
        }
        drop(look);
        let is_repaired = self.recover(run).await?.is_repaired;
        let _look = self.begin_look()?;
        Ok(AppStatus { is_repaired, ..self.status(run).await? })
    }

    fn recorded_status(&self) -> Result<AppStatus, DeployError> {
        let record = DeployRecord::read(&self.layout.record())?;
        Ok(AppStatus {
            described: record.revision.clone().unwrap_or_else(|| "nothing".to_owned()),
            revision: record.revision,
            phase: record.step.as_ref().map(|step| step.phase),
            is_updated: record.step.as_ref().is_some_and(|step| step.is_updated),
            deployment: record.step.map(|step| step.id),
            trees: record.trees,
            is_busy: true,
            ..AppStatus::default()
        })
    }

    /// What is live.
    pub(super) async fn state(
        &self,
        record: &DeployRecord,
        run: &StepRun<'_>,
    ) -> Result<CopyState, DeployError> {
        let path = &self.target.path;
        let nothing = || CopyState { described: "nothing".to_owned(), ..CopyState::default() };
        match self.target.mode {
            DeployMode::InPlace if self.source.is_copy(path) => return self.source.current(path, run).await,
            DeployMode::InPlace => return Ok(nothing()),
            DeployMode::Releases | DeployMode::Exchange => {}
        }
        let Some(live) = self.live_tree(record)? else {
            if self.target.mode == DeployMode::Exchange && self.source.is_copy(path) {
                return self.source.current(path, run).await;
            }
            return Ok(match swap::inode(&self.layout.served())? {
                Some(_) => {
                    CopyState { described: "not deployed by Herald".to_owned(), ..CopyState::default() }
                }
                None => nothing(),
            });
        };
        let modified = self.modified(&live.name, &self.layout.served()).await?;
        let described = live.revision.clone();
        let revision = (!live.revision.is_empty()).then(|| live.revision.clone());
        Ok(CopyState { revision, described, modified })
    }

    /// The tree that is live by what is on disk.
    pub(super) fn live_tree<'a>(
        &self,
        record: &'a DeployRecord,
    ) -> Result<Option<&'a KeptTree>, DeployError> {
        match self.target.mode {
            DeployMode::InPlace => Ok(None),
            DeployMode::Releases => {
                Ok(swap::linked(&self.layout.served()).and_then(|name| record.tree(&name)))
            }
            DeployMode::Exchange => {
                let inode = swap::inode(&self.target.path)?;
                Ok(record.trees.iter().find(|tree| Some(tree.inode) == inode))
            }
        }
    }

    /// The files of a tree that are not what they were when it was ready.
    pub(super) async fn modified(&self, tree: &str, at: &Path) -> Result<Vec<String>, DeployError> {
        let (manifest, seen, at) = (self.layout.manifest(tree), self.layout.seen(tree), at.to_owned());
        let shared = self.shared_names();
        blocking(move || {
            let Ok(text) = std::fs::read(&manifest) else { return Ok(Vec::new()) };
            let expected: TreeFiles = serde_json::from_slice(&text)
                .map_err(|error| DeployError::Record { path: manifest, how: error.to_string() })?;
            // A link is followed to the tree that it names.
            let root = std::fs::canonicalize(&at).map_err(|error| DeployError::io("read", &at, error))?;
            Ok(tree::differences(&expected, &seen::files(&seen, &root, &shared)?))
        })
        .await
    }

    pub(super) fn shared_names(&self) -> Vec<String> {
        self.target.shared.iter().map(|entry| tree::shared_name(entry).to_owned()).collect()
    }

    /// The tree of a revision that is still there as it was, and not live.
    async fn kept(&self, record: &DeployRecord, revision: &str) -> Result<Option<KeptTree>, DeployError> {
        let live = self.live_tree(record)?.map(|tree| tree.name.clone());
        for kept in record.trees.iter().rev() {
            let usable = kept.is_good && kept.revision == revision && Some(&kept.name) != live.as_ref();
            let at = self.layout.tree(&kept.name);
            if usable && self.layout.manifest(&kept.name).exists() && swap::inode(&at)? == Some(kept.inode) {
                let modified = self.modified(&kept.name, &at).await?;
                if modified.is_empty() {
                    return Ok(Some(kept.clone()));
                }
            }
        }
        Ok(None)
    }

    /// What a deployment would do; with `written`, the revision was fetched, and that many bytes are written.
    pub(super) async fn look(
        &self,
        record: &DeployRecord,
        revision: &str,
        written: Option<u64>,
        run: &StepRun<'_>,
    ) -> Result<Look, DeployError> {
        let path = &self.target.path;
        let mut plan = DeployPlan { revision: revision.to_owned(), ..DeployPlan::default() };
        let mut obstacles = Vec::new();
        for (program, error) in self.missing() {
            plan.missing.push(program.to_owned());
            obstacles.push(error);
        }
        if !obstacles.is_empty() {
            return Ok(Look { plan, obstacles, kept: None });
        }
        let state = self.state(record, run).await?;
        let kept = self.kept(record, revision).await?;
        plan.is_kept = kept.is_some();
        let is_in_place = self.target.mode == DeployMode::InPlace;
        if kept.is_none() {
            let from = state.revision.as_deref().filter(|_| is_in_place);
            let written = match written {
                Some(written) => written,
                None => self.fetch(from, revision, run).await?,
            };
            // A new copy has all files once more, in its administration.
            let is_twice = is_in_place && !self.source.is_copy(path);
            let written = if is_twice { written.saturating_mul(2) } else { written };
            plan.needed = written.saturating_add(written / 10).saturating_add(self.target.reserve);
        }
        plan.free = tree::free_room(path)?;
        if plan.needed > plan.free {
            let (path, needed, free) = (path.clone(), plan.needed, plan.free);
            obstacles.push(DeployError::NoRoom { path, needed, free });
        }
        if is_in_place && self.source.is_copy(path) {
            plan.conflicts = self.source.conflicts(path, revision, run).await?;
        }
        obstacles.extend(self.occupied()?);
        obstacles.extend(self.changes(&state, &plan.conflicts));
        plan.is_live = state.revision.as_deref() == Some(revision) && state.modified.is_empty();
        (plan.current, plan.described, plan.local_changes) =
            (state.revision, state.described, state.modified);
        Ok(Look { plan, obstacles, kept })
    }

    /// What is at the path and cannot be there.
    fn occupied(&self) -> Result<Option<DeployError>, DeployError> {
        let path = &self.target.path;
        let refuse = |path: &Path, why: &str| Some(DeployError::io("use", path, std::io::Error::other(why)));
        let Ok(found) = std::fs::symlink_metadata(path) else { return Ok(None) };
        Ok(match self.target.mode {
            DeployMode::Exchange if found.is_symlink() => {
                refuse(path, "it is a symbolic link; name the folder that it points to")
            }
            DeployMode::Exchange if is_mounted(path, &found) => refuse(
                path,
                "another file system is mounted there, so it cannot be exchanged; use mode: releases",
            ),
            _ if !path.is_dir() => refuse(path, "it is not a folder; move it away"),
            DeployMode::InPlace if !self.source.is_copy(path) && !is_empty(path) => {
                refuse(path, "it is not a working copy; move it away, or use mode: exchange")
            }
            DeployMode::Releases => {
                let link = self.layout.served();
                let taken = std::fs::symlink_metadata(&link).is_ok_and(|found| !found.is_symlink());
                if taken { refuse(&link, "it is not a symbolic link; move it away") } else { None }
            }
            DeployMode::InPlace | DeployMode::Exchange => None,
        })
    }

    /// Changes of this machine that speak against an update.
    fn changes(&self, state: &CopyState, conflicts: &[String]) -> Option<DeployError> {
        if self.target.mode != DeployMode::InPlace {
            return None;
        }
        // What is not under version control is nowhere saved by a patch.
        let unsaved = || conflicts.iter().filter(|path| !state.modified.contains(path)).cloned().collect();
        let (changed, conflicts) = match self.target.local_changes {
            LocalChanges::Refuse => (state.modified.clone(), conflicts.to_vec()),
            LocalChanges::Keep => (Vec::new(), conflicts.to_vec()),
            LocalChanges::Discard => (Vec::new(), unsaved()),
        };
        if !changed.is_empty() {
            return Some(DeployError::LocalChanges(changed));
        }
        (!conflicts.is_empty()).then_some(DeployError::Conflicts(conflicts))
    }
}

fn is_mounted(path: &Path, found: &std::fs::Metadata) -> bool {
    let above = path.parent().and_then(|above| above.metadata().ok());
    above.is_some_and(|above| above.dev() != found.dev())
}

fn is_empty(folder: &Path) -> bool {
    std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_none())
}
