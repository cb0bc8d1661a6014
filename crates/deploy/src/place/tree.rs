//! Trees of files: their digest, what differs from it, what they share, and their removal.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{File, Metadata, symlink_metadata};
use std::io::{ErrorKind, Read};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use sha2::{Digest, Sha256};

use crate::error::DeployError;

/// The files of a tree: for each path what it is.
pub(crate) type TreeFiles = BTreeMap<String, String>;

/// Runs work on files where it may block.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, DeployError> + Send + 'static,
) -> Result<T, DeployError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => Err(DeployError::io("read", Path::new("the tree"), std::io::Error::other(error))),
    }
}

/// All files and links of a tree, with digests; links are not followed, and what is `left_out` is not looked at.
pub(crate) fn files(root: &Path, left_out: &[String]) -> Result<TreeFiles, DeployError> {
    walk(root, left_out, |entry| describe(entry.path, entry.metadata))
}

/// A file or link of a tree.
pub(crate) struct TreeEntry<'a> {
    /// Below the root.
    pub(crate) name: &'a str,
    pub(crate) path: &'a Path,
    /// Of the link itself, where it is one.
    pub(crate) metadata: &'a Metadata,
}

/// All files and links of a tree, each as it is described.
pub(crate) fn walk(
    root: &Path,
    left_out: &[String],
    mut describe: impl FnMut(&TreeEntry<'_>) -> Result<String, DeployError>,
) -> Result<TreeFiles, DeployError> {
    let mut found = TreeFiles::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        let at = root.join(&folder);
        let failed = |error| DeployError::io("read", &at, error);
        for entry in std::fs::read_dir(&at).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let path = folder.join(entry.file_name());
            if left_out.iter().any(|left| Path::new(left) == path) {
                continue;
            }
            let metadata = entry.metadata().map_err(failed)?;
            if metadata.is_dir() {
                folders.push(path);
            } else {
                let (name, path) = (name(&path), entry.path());
                let what = describe(&TreeEntry { name: &name, path: &path, metadata: &metadata })?;
                found.insert(name, what);
            }
        }
    }
    Ok(found)
}

/// As text; a name that is not UTF-8 gets its bytes as `\xNN`.
fn name(path: &Path) -> String {
    let chunks = path.as_os_str().as_bytes().utf8_chunks();
    chunks.fold(String::new(), |mut text, chunk| {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02x}"));
        }
        text
    })
}

/// What a file or link is: its kind, and its digest or target.
pub(crate) fn describe(path: &Path, metadata: &Metadata) -> Result<String, DeployError> {
    let failed = |error| DeployError::io("read", path, error);
    if metadata.is_symlink() {
        let target = std::fs::read_link(path).map_err(failed)?;
        return Ok(format!("link {}", hex::encode(target.into_os_string().into_vec())));
    }
    if !metadata.is_file() {
        return Ok("special".to_owned());
    }
    let mut file = File::open(path).map_err(failed)?;
    let (mut hash, mut buffer) = (Sha256::new(), vec![0; 64 << 10]);
    loop {
        match file.read(&mut buffer).map_err(failed)? {
            0 => break,
            read => hash.update(buffer.get(..read).unwrap_or_default()),
        }
    }
    let kind = if metadata.mode() & 0o100 != 0 { "program" } else { "file" };
    Ok(format!("{kind} {}", hex::encode(hash.finalize())))
}

/// One digest of all of them.
pub(crate) fn digest(files: &TreeFiles) -> String {
    let mut hash = Sha256::new();
    for (path, what) in files {
        for part in [path, what] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
    }
    hex::encode(hash.finalize())
}

/// The files that are missing or differ. What came besides does not count: applications write caches.
pub(crate) fn differences(expected: &TreeFiles, found: &TreeFiles) -> Vec<String> {
    expected
        .iter()
        .filter(|(path, what)| found.get(*path) != Some(what))
        .map(|(path, _)| path.clone())
        .collect()
}

/// Brings all files of a tree to disk.
pub(crate) fn sync(root: &Path) -> Result<(), DeployError> {
    let opened = File::open(root).map_err(|error| DeployError::io("sync", root, error))?;
    rustix::fs::syncfs(&opened).map_err(|error| DeployError::io("sync", root, error))
}

/// Removes a folder and all that is in it; a missing one is fine.
pub(crate) fn remove(folder: &Path) -> Result<(), DeployError> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(DeployError::io("remove", folder, error)),
        _ => Ok(()),
    }
}

/// The index of git while it writes a tree; it is beside the tree.
pub(crate) fn index_of(tree: &Path) -> PathBuf {
    let mut name = tree.as_os_str().to_owned();
    name.push(".index");
    name.into()
}

/// Removes the index that a killed git left, and its lock.
pub(crate) fn remove_index(tree: &Path) -> Result<(), DeployError> {
    let index = index_of(tree);
    let mut lock = index.clone().into_os_string();
    lock.push(".lock");
    for file in [index, lock.into()] {
        match std::fs::remove_file(&file) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(DeployError::io("remove", &file, error));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Removes files and folders of this name at every depth.
pub(crate) async fn remove_named(root: &Path, name: &'static str) -> Result<(), DeployError> {
    let root = root.to_owned();
    blocking(move || {
        let mut folders = vec![root];
        while let Some(folder) = folders.pop() {
            let failed = |error| DeployError::io("read", &folder, error);
            for entry in std::fs::read_dir(&folder).map_err(failed)? {
                let entry = entry.map_err(failed)?;
                let is_folder = entry.file_type().map_err(failed)?.is_dir();
                let path = entry.path();
                match (entry.file_name() == OsStr::new(name), is_folder) {
                    (true, true) => remove(&path)?,
                    (true, false) => {
                        std::fs::remove_file(&path)
                            .map_err(|error| DeployError::io("remove", &path, error))?;
                    }
                    (false, true) => folders.push(path),
                    (false, false) => {}
                }
            }
        }
        Ok(())
    })
    .await
}

/// What a shared entry is called, without the `/` of a folder.
pub(crate) fn shared_name(entry: &str) -> &str {
    entry.trim_end_matches('/')
}

/// Links the shared files and folders into a new tree. What nothing has yet comes from the tree, or is made empty;
/// `live_has` says that the live tree has it as its own, which [`adopt_shared`] then moves.
pub(crate) fn link_shared(
    tree: &Path,
    shared: &Path,
    entries: &[String],
    live: Option<&Path>,
) -> Result<(), DeployError> {
    for entry in entries {
        let name = shared_name(entry);
        let (inside, common) = (tree.join(name), shared.join(name));
        make_parents(tree, name)?;
        make_parents(shared, name)?;
        let live_has = live.is_some_and(|live| is_own(&live.join(name)));
        let own = symlink_metadata(&inside).ok();
        if !is_own(&common) && !live_has {
            // A link that waited there for `adopt_shared` when a process was killed.
            let _ = std::fs::remove_file(&common);
            let made = match &own {
                Some(_) => std::fs::rename(&inside, &common),
                None if entry.ends_with('/') => std::fs::create_dir(&common),
                None => File::create_new(&common).map(drop),
            };
            made.map_err(|error| DeployError::io("create", &common, error))?;
        } else if own.as_ref().is_some_and(Metadata::is_dir) {
            remove(&inside)?;
        } else if own.is_some() {
            std::fs::remove_file(&inside).map_err(|error| DeployError::io("remove", &inside, error))?;
        }
        symlink(&common, &inside).map_err(|error| DeployError::io("create", &inside, error))?;
    }
    Ok(())
}

/// Moves what the live tree has as its own to where all trees share it: a link that waits there and the file or folder
/// change places in one system call, so that it is never missing.
pub(crate) fn adopt_shared(live: &Path, shared: &Path, entries: &[String]) -> Result<(), DeployError> {
    for entry in entries {
        let name = shared_name(entry);
        let (inside, common) = (live.join(name), shared.join(name));
        if !is_own(&inside) || is_own(&common) {
            continue;
        }
        if symlink_metadata(&common).is_err() {
            symlink(&common, &common).map_err(|error| DeployError::io("create", &common, error))?;
        }
        let moved = renameat_with(CWD, &common, CWD, &inside, RenameFlags::EXCHANGE);
        moved.map_err(|error| DeployError::io("share", &inside, error))?;
    }
    Ok(())
}

/// Whether there is a file or folder, and no link.
fn is_own(path: &Path) -> bool {
    symlink_metadata(path).is_ok_and(|found| !found.is_symlink())
}

/// Makes the folders above an entry. A link among them, which a repository may have, would lead out of the tree.
fn make_parents(root: &Path, name: &str) -> Result<(), DeployError> {
    std::fs::create_dir_all(root).map_err(|error| DeployError::io("create", root, error))?;
    let mut at = root.to_owned();
    for part in Path::new(name).parent().into_iter().flat_map(Path::components) {
        at.push(part);
        match symlink_metadata(&at) {
            Ok(found) if found.is_dir() => {}
            Ok(_) => {
                let error = std::io::Error::other("it is not a folder, so nothing below it can be shared");
                return Err(DeployError::io("use", &at, error));
            }
            Err(_) => std::fs::create_dir(&at).map_err(|error| DeployError::io("create", &at, error))?,
        }
    }
    Ok(())
}

/// Bytes that a user of this process can still write.
pub(crate) fn free_room(path: &Path) -> Result<u64, DeployError> {
    let mut at = path;
    while symlink_metadata(at).is_err() {
        at = at.parent().unwrap_or(Path::new("/"));
    }
    let found = rustix::fs::statvfs(at).map_err(|error| DeployError::io("read", at, error))?;
    Ok(found.f_bavail.saturating_mul(found.f_frsize))
}
