//! Whether a living process works on a working copy.

use std::path::Path;

use crate::error::DeployError;

/// Fails when a process has files of this administration folder open.
pub(super) async fn refuse_living(admin: &Path, copy: &Path) -> Result<(), DeployError> {
    let folder = admin.to_owned();
    let found = tokio::task::spawn_blocking(move || user_of(&folder)).await.ok().flatten();
    match found {
        Some((pid, program)) => Err(DeployError::InUse { path: copy.to_owned(), program, pid }),
        None => Ok(()),
    }
}

/// The first process other than this one that has a file below this folder open. Those of other users are seen by root
/// alone.
fn user_of(folder: &Path) -> Option<(u32, String)> {
    let folder = folder.canonicalize().ok()?;
    let own = std::process::id();
    for entry in std::fs::read_dir("/proc").ok()?.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        let Ok(files) = std::fs::read_dir(entry.path().join("fd")) else { continue };
        let mut opened = files.flatten().filter_map(|file| std::fs::read_link(file.path()).ok());
        if pid != own && opened.any(|file| file.starts_with(&folder)) {
            let name = std::fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
            return Some((pid, name.trim().to_owned()));
        }
    }
    None
}
