//! Writes the files of a commit into an empty folder, once they were counted.
//!
//! By hand instead of through libgit2: exactly the bytes of the commit (no filter, no attribute, no line-ending
//! conversion applies), and nothing is ever written through a symbolic link, since every folder and file is newly made
//! here and must not have existed before.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use git2::{ErrorClass, ErrorCode, ObjectType, Odb, Oid, Repository};

use super::cancel::CancelFlag;
use super::large_blob::{LARGEST_IN_MEMORY, LargeBlob};
use crate::engine::settings::GitLimits;

/// The mode bits of a file that is run.
const EXECUTABLE: i32 = 0o100;
/// What a tree says of a symbolic link.
const LINK: i32 = 0o120_000;
/// The longest target of a link that Linux knows, in bytes.
const LONGEST_TARGET: usize = 4095;

/// Why a commit could not be written out.
#[derive(Debug)]
pub(crate) enum CheckoutError {
    /// The mirror cannot be read: damaged.
    Mirror(git2::Error),
    /// The repository holds what must not be written.
    Hostile(String),
    /// The disk.
    Disk(PathBuf, std::io::Error),
    /// More than the limits allow.
    TooMuch(String),
    /// Somebody asked to stop.
    Cancelled,
}

impl From<git2::Error> for CheckoutError {
    fn from(error: git2::Error) -> Self {
        Self::Mirror(error)
    }
}

/// Counts the files of `commit`, without reading or writing any.
fn count(
    repo: &Repository,
    commit: Oid,
    limits: GitLimits,
    cancel: &CancelFlag,
) -> Result<(), CheckoutError> {
    let odb = repo.odb()?;
    let (mut size, mut files) = (0_u64, 0_u64);
    let mut open = vec![repo.find_commit(commit)?.tree_id()];
    while let Some(tree) = open.pop() {
        for entry in &repo.find_tree(tree)? {
            if cancel.is_set() {
                return Err(CheckoutError::Cancelled);
            }
            files += 1;
            match entry.kind() {
                Some(ObjectType::Tree) => open.push(entry.id()),
                Some(ObjectType::Blob) => size = size.saturating_add(size_of(&odb, entry.id())? as u64),
                _ => {}
            }
            if files > limits.files {
                let most = limits.files;
                return Err(CheckoutError::TooMuch(format!(
                    "the commit has more than {most} files and folders, which is the limit `git_max_files`"
                )));
            }
            if size > limits.size {
                let most = limits.size;
                return Err(CheckoutError::TooMuch(format!(
                    "the files of the commit have more than {most} bytes together, which is the limit `git_max_size`"
                )));
            }
        }
    }
    Ok(())
}

fn size_of(odb: &Odb<'_>, id: Oid) -> Result<usize, git2::Error> {
    odb.read_header(id).map(|(size, _)| size)
}

/// Writes all files of `commit` into the empty folder `into`, save the large ones, which are returned. Submodules stay
/// empty folders.
pub(crate) fn write(
    repo: &Repository,
    commit: Oid,
    into: &Path,
    limits: GitLimits,
    cancel: &CancelFlag,
) -> Result<Vec<LargeBlob>, CheckoutError> {
    count(repo, commit, limits, cancel)?;
    let odb = repo.odb()?;
    let mut large = Vec::new();
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
                Some(ObjectType::Blob) => {
                    let size = size_of(&odb, entry.id())?;
                    if entry.filemode() & 0o170_000 == LINK && size > LONGEST_TARGET {
                        let link = path.strip_prefix(into).unwrap_or(&path).display();
                        return Err(CheckoutError::Hostile(format!(
                            "the target of the link {link} is too long"
                        )));
                    }
                    if size <= LARGEST_IN_MEMORY {
                        write_blob(repo, entry.id(), entry.filemode(), &path, into)?;
                    } else {
                        let file = create(&path, entry.filemode());
                        let file = file.map_err(|error| disk(&path, into, error))?;
                        large.push(LargeBlob { id: entry.id(), size, path, file });
                    }
                }
                // A submodule is another repository, which nobody asked for.
                Some(ObjectType::Commit) => {
                    std::fs::create_dir(&path).map_err(|error| disk(&path, into, error))?;
                }
                _ => return Err(CheckoutError::Hostile(format!("{} is of an unknown kind", path.display()))),
            }
        }
    }
    Ok(large)
}

fn write_blob(repo: &Repository, id: Oid, mode: i32, path: &Path, root: &Path) -> Result<(), CheckoutError> {
    let blob = repo.find_blob(id)?;
    let written = if mode & 0o170_000 == LINK {
        std::os::unix::fs::symlink(std::ffi::OsStr::from_bytes(blob.content()), path)
    } else {
        create(path, mode).and_then(|mut file| file.write_all(blob.content()))
    };
    written.map_err(|error| disk(path, root, error))
}

fn create(path: &Path, mode: i32) -> std::io::Result<File> {
    let mode = if mode & EXECUTABLE == 0 { 0o644 } else { 0o755 };
    OpenOptions::new().write(true).create_new(true).mode(mode).open(path)
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
