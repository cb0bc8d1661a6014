//! Whether a folder can be worked in: nobody but this user and root can put something else in its place. What lies in
//! it is trusted, and removed, with the rights of this process.

use std::io::{Error, Result};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

/// The mode bit of folders in which everybody can remove only what is one's own, such as `/tmp`.
const STICKY: u32 = 0o1000;
const WRITABLE_BY_OTHERS: u32 = 0o002;

/// Checks a folder and those above it.
///
/// # Errors
/// The one that others could exchange or write, and what to do.
pub(crate) fn check(folder: &Path) -> Result<()> {
    let folder = folder.canonicalize()?;
    for (n, part) in folder.ancestors().enumerate() {
        let meta = std::fs::symlink_metadata(part)?;
        let mode = meta.permissions().mode();
        check_owner(part, meta.uid())?;
        // Only of those above: in a sticky folder others cannot exchange this one, but add to it.
        let sticky = n > 0 && mode & STICKY != 0;
        if mode & WRITABLE_BY_OTHERS != 0 && !sticky {
            let shown = part.display();
            return Err(Error::other(format!("others can write the folder {shown}: chmod o-w {shown}")));
        }
    }
    Ok(())
}

/// Checks a folder of one's own in a folder that was checked.
///
/// # Errors
/// When it is something else, or another user's.
pub(crate) fn check_own(folder: &Path) -> Result<()> {
    let meta = std::fs::symlink_metadata(folder)?;
    if !meta.is_dir() {
        return Err(Error::other(format!("{} is not a folder; remove it", folder.display())));
    }
    check_owner(folder, meta.uid())
}

fn check_owner(folder: &Path, uid: u32) -> Result<()> {
    let own = rustix::process::geteuid().as_raw();
    if uid == own || uid == 0 {
        return Ok(());
    }
    let shown = folder.display();
    Err(Error::other(format!(
        "the folder {shown} belongs to another user (uid {uid}), who could have this process write and remove files \
         elsewhere: use another work_dir, or chown {own} {shown}"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_of_others_are_refused() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("above/work");
        std::fs::create_dir_all(&folder).unwrap();
        check(&folder).unwrap();
        let set =
            |path: &Path, mode| std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
        for (mode, above, good) in [
            (0o755, 0o755, true),
            (0o775, 0o775, true),
            (0o757, 0o755, false),
            (0o1777, 0o755, false),
            (0o755, 0o757, false),
            (0o755, 0o1777, true),
        ] {
            set(&folder, mode);
            set(folder.parent().unwrap(), above);
            assert_eq!(check(&folder).is_ok(), good, "{mode:o} {above:o}");
        }
        set(&folder, 0o755);
        if rustix::process::geteuid().is_root() {
            std::os::unix::fs::chown(folder.parent().unwrap(), Some(65_534), None).unwrap();
            let error = check(&folder).unwrap_err().to_string();
            assert!(error.contains("above belongs to another user (uid 65534)"), "{error}");
        }
        let link = place.path().join("link");
        std::os::unix::fs::symlink(&folder, &link).unwrap();
        assert!(check_own(&link).unwrap_err().to_string().contains("is not a folder"));
        check_own(&folder).unwrap();
    }
}
