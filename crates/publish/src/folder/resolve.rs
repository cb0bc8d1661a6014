//! Where `deployPath` and `backupDir` lead: without links, and within the roots.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use herald_base::os_error;
use rustix::fs::{Mode, mkdirat};
use rustix::io::Errno;

use super::BaseFolder;
use crate::error::PublishError;

/// The mode of folders that are made, before the process's umask.
const FOLDER_MODE: u32 = 0o755;

/// A folder that was named by a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ResolvedFolder {
    /// As it was given, without surplus slashes.
    pub(crate) given: PathBuf,
    /// Without links.
    pub(crate) path: PathBuf,
    /// What is to be made, the outermost first.
    pub(crate) missing: Vec<PathBuf>,
    /// Whether what was given is a link itself.
    pub(crate) is_link: bool,
}

/// Resolves what was given for this option; it must be within one of the roots.
pub(crate) fn resolve(
    option: &'static str,
    given: &str,
    roots: &[PathBuf],
) -> Result<ResolvedFolder, PublishError> {
    let wrong = |why: &dyn std::fmt::Display| PublishError::Folder {
        option,
        path: given.to_owned(),
        why: why.to_string(),
    };
    let given_path = normalized(given).map_err(|why| wrong(&why))?;
    let is_link = given_path.symlink_metadata().is_ok_and(|found| found.file_type().is_symlink());
    let (path, missing) = canonical(&given_path).map_err(|why| wrong(&why))?;
    let real = |root: &PathBuf| root.canonicalize().unwrap_or_else(|_| root.clone());
    if !roots.iter().any(|root| path.starts_with(real(root))) {
        let listed: Vec<String> = roots.iter().map(|root| root.display().to_string()).collect();
        let real =
            if path == given_path { String::new() } else { format!(", since it is {}", path.display()) };
        return Err(wrong(&format!("is not within roots ({}){real}", listed.join(", "))));
    }
    if path.to_str().is_none() {
        return Err(wrong(&"leads to a path that is not valid UTF-8"));
    }
    Ok(ResolvedFolder { given: given_path, path, missing, is_link })
}

/// Why a folder cannot be used, as the end of a sentence that begins with it.
#[derive(Debug, thiserror::Error)]
enum FolderProblem {
    #[error("contains a control character")]
    Control,
    #[error("must be an absolute path")]
    Relative,
    #[error("must not contain `.` or `..`")]
    Dots,
    #[error("cannot be used: {0:?} is not a folder")]
    NotAFolder(PathBuf),
    #[error("cannot be used: {0:?} is a link to nothing")]
    DanglingLink(PathBuf),
    #[error("cannot be used: {}", os_error::plain(&.0.to_string()))]
    Io(std::io::Error),
}

fn normalized(given: &str) -> Result<PathBuf, FolderProblem> {
    if given.chars().any(char::is_control) {
        return Err(FolderProblem::Control);
    }
    let Some(rest) = given.strip_prefix('/') else {
        return Err(FolderProblem::Relative);
    };
    let parts: Vec<&str> = rest.split('/').filter(|part| !part.is_empty()).collect();
    if parts.iter().any(|part| matches!(*part, "." | "..")) {
        return Err(FolderProblem::Dots);
    }
    Ok(Path::new("/").join(parts.join("/")))
}

/// The path without links, and which of its last parts are missing.
fn canonical(given: &Path) -> Result<(PathBuf, Vec<PathBuf>), FolderProblem> {
    let mut there = given;
    loop {
        match there.canonicalize() {
            Ok(real) => {
                if !real.is_dir() {
                    return Err(FolderProblem::NotAFolder(real));
                }
                let rest = given.strip_prefix(there).unwrap_or(Path::new(""));
                let mut path = real;
                let mut missing = Vec::new();
                for part in rest.components() {
                    path.push(part);
                    missing.push(path.clone());
                }
                return Ok((path, missing));
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                if there.symlink_metadata().is_ok() {
                    return Err(FolderProblem::DanglingLink(there.to_owned()));
                }
                there = there.parent().ok_or(FolderProblem::Io(error))?;
            }
            Err(error) => return Err(FolderProblem::Io(error)),
        }
    }
}

impl ResolvedFolder {
    /// Opens it; none where it is missing.
    pub(crate) fn open(&self) -> Result<Option<BaseFolder>, PublishError> {
        BaseFolder::open(&self.path)
    }

    /// Opens it, and makes what is missing.
    pub(crate) fn make(&self) -> Result<BaseFolder, PublishError> {
        for folder in &self.missing {
            let (Some(above), Some(name)) = (folder.parent(), folder.file_name()) else { continue };
            let cannot = |error: Errno| PublishError::io("cannot make", folder, error);
            let above = BaseFolder::open(above)?.ok_or_else(|| cannot(Errno::NOENT))?;
            match mkdirat(above.fd(), name, Mode::from_raw_mode(FOLDER_MODE)) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(error) => return Err(cannot(error)),
            }
        }
        self.open()?.ok_or_else(|| PublishError::io("cannot open", &self.path, Errno::NOENT))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn folders_stay_within_the_roots() {
        let top = tempfile::tempdir().unwrap();
        let top = top.path().canonicalize().unwrap();
        std::fs::create_dir_all(top.join("in/real")).unwrap();
        std::fs::create_dir(top.join("out")).unwrap();
        std::fs::write(top.join("in/file"), "x").unwrap();
        symlink(top.join("in/real"), top.join("in/link")).unwrap();
        symlink(top.join("out"), top.join("in/escape")).unwrap();
        symlink("/nowhere/at/all", top.join("in/dangling")).unwrap();
        let at = |rest: &str| format!("{}{rest}", top.display());
        for (given, path, missing) in [
            (at("/in/real"), Some("in/real"), 0),
            (at("//in//real/"), Some("in/real"), 0),
            (at("/in/new/deep"), Some("in/new/deep"), 2),
            (at("/in/link"), Some("in/real"), 0),
            (at("/in/link/new"), Some("in/real/new"), 1),
            (at("/in/escape"), None, 0),
            (at("/in/escape/x"), None, 0),
            (at("/in/dangling"), None, 0),
            (at("/in/dangling/x"), None, 0),
            (at("/in/file"), None, 0),
            (at("/in/file/x"), None, 0),
            (at("/in/../out"), None, 0),
            (at("/in/./real"), None, 0),
            (at("/inside"), None, 0),
            (at("/out"), None, 0),
            ("relative".to_owned(), None, 0),
            (String::new(), None, 0),
            (at("/in/a\nb"), None, 0),
        ] {
            let found = resolve("deployPath", &given, &[top.join("in")]);
            let found = found.map(|found| (found.path, found.missing.len())).map_err(drop);
            assert_eq!(found, path.map(|path| (top.join(path), missing)).ok_or(()), "{given}");
        }
        let made = resolve("deployPath", &at("/in/n/e/w"), std::slice::from_ref(&top)).unwrap();
        assert_eq!(made.make().unwrap().path(), top.join("in/n/e/w"));
    }
}
