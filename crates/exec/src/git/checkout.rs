//! Writes the files of a commit into an empty folder.
//!
//! By hand instead of through libgit2: exactly the bytes of the commit (no filter, no attribute, no line-ending
//! conversion applies), and nothing is ever written through a symbolic link, since every folder and file is newly made
//! here and must not have existed before.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use git2::{ErrorClass, ErrorCode, ObjectType, Oid, Repository};

use super::cancel::CancelFlag;

/// The mode bits of a file that is run.
const EXECUTABLE: i32 = 0o100;
/// What a tree says of a symbolic link.
const LINK: i32 = 0o120_000;

/// Why a commit could not be written out.
#[derive(Debug)]
pub(crate) enum CheckoutError {
    /// The mirror cannot be read: damaged.
    Mirror(git2::Error),
    /// The repository holds what must not be written.
    Hostile(String),
    /// The disk.
    Disk(PathBuf, std::io::Error),
    /// Somebody asked to stop.
    Cancelled,
}

impl From<git2::Error> for CheckoutError {
    fn from(error: git2::Error) -> Self {
        Self::Mirror(error)
    }
}

/// Writes all files of `commit` into the empty folder `into`. Submodules stay empty folders.
pub(crate) fn write(
    repo: &Repository,
    commit: Oid,
    into: &Path,
    cancel: &CancelFlag,
) -> Result<(), CheckoutError> {
    let mut open = vec![(repo.find_commit(commit)?.tree_id(), into.to_owned())];
    while let Some((tree, folder)) = open.pop() {
        for entry in &repo.find_tree(tree)? {
            if cancel.is_set() {
                return Err(CheckoutError::Cancelled);
            }
            let path = folder.join(safe_name(entry.name_bytes(), &folder, into)?);
            match entry.kind() {
                Some(ObjectType::Tree) => {
                    std::fs::create_dir(&path).map_err(|error| disk(&path, into, error))?;
                    open.push((entry.id(), path));
                }
                Some(ObjectType::Blob) => write_blob(repo, entry.id(), entry.filemode(), &path, into)?,
                // A submodule is another repository, which nobody asked for.
                Some(ObjectType::Commit) => {
                    std::fs::create_dir(&path).map_err(|error| disk(&path, into, error))?;
                }
                _ => return Err(CheckoutError::Hostile(format!("{} is of an unknown kind", path.display()))),
            }
        }
    }
    Ok(())
}

fn write_blob(repo: &Repository, id: Oid, mode: i32, path: &Path, root: &Path) -> Result<(), CheckoutError> {
    let blob = repo.find_blob(id)?;
    let written = if mode & 0o170_000 == LINK {
        std::os::unix::fs::symlink(std::ffi::OsStr::from_bytes(blob.content()), path)
    } else {
        let mode = if mode & EXECUTABLE == 0 { 0o644 } else { 0o755 };
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(path)
            .and_then(|mut file| file.write_all(blob.content()))
    };
    written.map_err(|error| disk(path, root, error))
}

fn disk(path: &Path, root: &Path, error: std::io::Error) -> CheckoutError {
    let inside = path.strip_prefix(root).unwrap_or(path);
    if error.kind() == std::io::ErrorKind::AlreadyExists {
        return CheckoutError::Hostile(format!("it holds {} twice", inside.display()));
    }
    CheckoutError::Disk(inside.to_owned(), error)
}

/// A name that means one entry of one folder. `.git` is refused in any spelling: git programs that a script runs there
/// would take it for a repository with hooks.
fn safe_name<'a>(name: &'a [u8], folder: &Path, root: &Path) -> Result<&'a std::ffi::OsStr, CheckoutError> {
    let bad = name.is_empty()
        || name == b"."
        || name == b".."
        || name.contains(&b'/')
        || name.contains(&0)
        || name.eq_ignore_ascii_case(b".git");
    if bad {
        let inside = folder.strip_prefix(root).unwrap_or(folder).join(String::from_utf8_lossy(name).as_ref());
        return Err(CheckoutError::Hostile(format!(
            "it holds the forbidden name {:?}",
            inside.display().to_string()
        )));
    }
    Ok(std::ffi::OsStr::from_bytes(name))
}

/// Whether the mirror itself is to blame, so that a new one may help.
pub(crate) fn is_damage(error: &git2::Error) -> bool {
    error.code() != ErrorCode::Ambiguous
        && matches!(
            error.class(),
            ErrorClass::Odb
                | ErrorClass::Zlib
                | ErrorClass::Object
                | ErrorClass::Tree
                | ErrorClass::Reference
                | ErrorClass::Repository
                | ErrorClass::Indexer
                | ErrorClass::Config
        )
}
