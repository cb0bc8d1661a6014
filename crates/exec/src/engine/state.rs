//! What the clones of an engine share.

use std::fs::{DirBuilder, Permissions};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::settings::ExecSettings;
use crate::git::Git;
use crate::outcome::ExecError;
use crate::process::environment::{self, Environment};
use crate::scratch::{Scratch, ScratchUser, safe_folder};

pub(super) struct EngineState {
    pub(super) settings: ExecSettings,
    /// The current directory that jobs share.
    pub(super) run_dir: PathBuf,
    pub(super) environment: Environment,
    pub(super) git: Git,
    scratch: OnceCell<Arc<Scratch>>,
    pub(super) background: TaskTracker,
    /// Cancelled when background jobs are to end.
    pub(super) closing: CancellationToken,
}

impl EngineState {
    pub(super) fn new(settings: ExecSettings) -> Self {
        // Programs get absolute paths only, whatever the current directory is later.
        let work_dir = std::path::absolute(&settings.work_dir).unwrap_or_else(|_| settings.work_dir.clone());
        Self {
            run_dir: work_dir.join("run"),
            environment: environment::of(settings.restrictions.user.as_deref()),
            git: Git::new(work_dir.join("gitrepo"), settings.git_timeout, settings.git_limits),
            scratch: OnceCell::new(),
            background: TaskTracker::new(),
            closing: CancellationToken::new(),
            settings: ExecSettings { work_dir, ..settings },
        }
    }

    pub(super) async fn scratch(&self) -> Result<&Arc<Scratch>, ExecError> {
        self.scratch
            .get_or_try_init(|| async {
                let (work_dir, run_dir) = (self.settings.work_dir.clone(), self.run_dir.clone());
                let user = self.scratch_user();
                let made = tokio::task::spawn_blocking(move || make_folders(&work_dir, &run_dir, user)).await;
                made.map_err(|error| self.unusable(&error))?.map_err(|error| self.unusable(&error))
            })
            .await
    }

    fn scratch_user(&self) -> Option<ScratchUser> {
        let account = &self.settings.restrictions.user.as_ref()?.account;
        Some(ScratchUser { uid: account.uid, gid: account.gid })
    }

    /// Makes the folder again that jobs share, where somebody removed it.
    pub(super) fn ensure_run_dir(&self) -> std::io::Result<()> {
        if self.run_dir.is_dir() {
            return Ok(());
        }
        make_run_dir(&self.run_dir, self.scratch_user())
    }

    pub(super) fn unusable(&self, error: &dyn std::fmt::Display) -> ExecError {
        let work_dir = self.settings.work_dir.display();
        ExecError::WorkDir(format!("work_dir {work_dir} cannot be used: {error}"))
    }
}

fn make_folders(work_dir: &Path, run_dir: &Path, user: Option<ScratchUser>) -> std::io::Result<Arc<Scratch>> {
    DirBuilder::new().recursive(true).mode(0o755).create(work_dir)?;
    safe_folder::check(work_dir)?;
    make_run_dir(run_dir, user)?;
    let mirrors = work_dir.join("gitrepo");
    DirBuilder::new().recursive(true).mode(0o700).create(&mirrors)?;
    safe_folder::check_own(&mirrors)?;
    Scratch::open(work_dir, user).map(Arc::new)
}

fn make_run_dir(run_dir: &Path, user: Option<ScratchUser>) -> std::io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o755).create(run_dir)?;
    let Some(user) = user else { return Ok(()) };
    // A umask may have kept others out; who may list the folder is left as it is.
    if let Some(work_dir) = run_dir.parent() {
        let mode = std::fs::metadata(work_dir)?.permissions().mode();
        std::fs::set_permissions(work_dir, Permissions::from_mode(mode | 0o011))?;
    }
    // One that belongs to the user of another executor stays that user's.
    if std::fs::metadata(run_dir)?.uid() == rustix::process::geteuid().as_raw() {
        user.own(run_dir)?;
    }
    Ok(())
}
