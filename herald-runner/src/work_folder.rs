//! The work folder: no other user can change what is in it, and one runner at a time uses it.

use std::fs::{DirBuilder, File, Permissions, TryLockError};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use herald_base::private_file::{ForeignAccess, open_private};

use crate::request::identity;

/// The file that is locked.
const LOCK: &str = "runner.lock";
/// Jobs of another user have to reach their files below it.
const MODE: u32 = 0o755;

/// The work folder, for this process alone: two runners would not know each other's nonces.
#[derive(Debug)]
pub(crate) struct WorkFolder {
    pub(crate) path: PathBuf,
    pub(crate) lock: File,
    /// Whether a runner had it before.
    pub(crate) was_used: bool,
}

impl WorkFolder {
    /// Makes it, and takes it.
    pub(crate) fn claim(work_dir: &Path) -> anyhow::Result<Self> {
        let about = || format!("cannot use the work folder {}", work_dir.display());
        DirBuilder::new().recursive(true).mode(MODE).create(work_dir).with_context(about)?;
        // A link as well: its owner decides where it leads.
        refuse_foreign(work_dir).with_context(about)?;
        let path = work_dir.canonicalize().with_context(about)?;
        refuse_foreign(&path).with_context(about)?;
        let place = path.join(LOCK);
        let was_used = place.try_exists().with_context(about)? || identity::is_in(&path);
        let lock = open_lock(&place).with_context(|| format!("cannot use {}", place.display()))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path, lock, was_used }),
            Err(TryLockError::WouldBlock) => {
                bail!("another herald-runner uses the work folder {}", path.display())
            }
            Err(TryLockError::Error(error)) => Err(error).with_context(about),
        }
    }
}

fn refuse_foreign(folder: &Path) -> anyhow::Result<()> {
    if let Some(access) = ForeignAccess::of(&std::fs::symlink_metadata(folder)?) {
        let command = access.correction(folder);
        bail!("it {access}, who could change what jobs run there; correct it: {command}");
    }
    Ok(())
}

/// Anyone who can read a file can lock it; earlier versions left it to the umask who can.
fn open_lock(path: &Path) -> std::io::Result<File> {
    let file = open_private(path)?;
    if file.metadata()?.permissions().mode() & 0o077 != 0 {
        file.set_permissions(Permissions::from_mode(0o600))?;
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt, chown, lchown, symlink};

    use super::*;

    fn set_mode(path: &Path, mode: u32) {
        std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    fn mode(path: &Path) -> u32 {
        std::fs::symlink_metadata(path).unwrap().mode() & 0o7777
    }

    fn refused(folder: &Path) -> String {
        format!("{:#}", WorkFolder::claim(folder).unwrap_err())
    }

    #[test]
    fn the_lock_is_private_and_taken_once() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("deep/work");
        let held = WorkFolder::claim(&folder).unwrap();
        assert!(!held.was_used);
        let lock = folder.join(LOCK);
        assert_eq!((mode(&lock), mode(&folder) & 0o022), (0o600, 0));
        assert!(refused(&folder).contains("another herald-runner uses the work folder"));
        drop(held);
        // As earlier versions made it.
        set_mode(&lock, 0o644);
        assert!(WorkFolder::claim(&folder).unwrap().was_used);
        assert_eq!(mode(&lock), 0o600);
    }

    #[test]
    fn a_link_in_place_of_the_lock_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let target = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(target.path(), "precious").unwrap();
        symlink(target.path(), folder.path().join(LOCK)).unwrap();
        let why = refused(folder.path());
        assert!(why.contains("runner.lock") && why.contains("symbolic link"), "{why}");
        assert_eq!(std::fs::read_to_string(target.path()).unwrap(), "precious");
    }

    #[test]
    fn a_folder_that_others_can_change_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        for open_mode in [0o777, 0o1777, 0o775] {
            set_mode(folder.path(), open_mode);
            let why = refused(folder.path());
            let command = format!("chmod go-w {}", folder.path().display());
            assert!(why.contains("can be written by other users") && why.ends_with(&command), "{why}");
        }
        set_mode(folder.path(), 0o755);
        if !rustix::process::geteuid().is_root() {
            eprintln!("skipped: only root can give a folder to another user");
            return;
        }
        chown(folder.path(), Some(1234), None).unwrap();
        let why = refused(folder.path());
        assert!(why.contains("belongs to another user (uid 1234)") && why.contains("chown 0 "), "{why}");
        chown(folder.path(), Some(0), None).unwrap();
        let place = tempfile::tempdir().unwrap();
        let link = place.path().join("link");
        symlink(folder.path(), &link).unwrap();
        drop(WorkFolder::claim(&link).unwrap());
        lchown(&link, Some(1234), None).unwrap();
        assert!(refused(&link).contains("belongs to another user"), "{}", refused(&link));
    }
}
