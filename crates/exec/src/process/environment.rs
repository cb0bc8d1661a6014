//! The environment that programs start with, and how programs are found in it.

use std::ffi::{OsStr, OsString};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// What a program may see of the environment of Herald itself: never its secrets.
const PASSED: [&str; 7] = ["PATH", "HOME", "LANG", "TZ", "USER", "SHELL", "TMPDIR"];
/// Where programs are when nobody says so.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Why a program was not found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FindProgramError {
    /// The only file of that name is not executable.
    #[error("{} is not executable (chmod +x)", .0.display())]
    NotExecutable(PathBuf),
    /// No folder of PATH has it.
    #[error("program `{}` was not found in PATH ({})", name.display(), path.display())]
    NotFound {
        /// The program.
        name: OsString,
        /// The value of PATH.
        path: OsString,
    },
}

/// Environment variables: names and values.
pub type Environment = Vec<(OsString, OsString)>;

/// The clean environment: PATH, HOME, LANG, TZ, USER, SHELL and TMPDIR as Herald itself was given them, and nothing
/// else. PATH is always there.
#[must_use]
pub fn clean() -> Environment {
    let mut environment: Environment = PASSED
        .into_iter()
        .filter_map(|name| std::env::var_os(name).map(|value| (OsString::from(name), value)))
        .collect();
    if !environment.iter().any(|(name, value)| name == "PATH" && !value.is_empty()) {
        environment.retain(|(name, _)| name != "PATH");
        environment.push(("PATH".into(), DEFAULT_PATH.into()));
    }
    environment
}

/// Finds a program: a bare name through the last `PATH` in `environment`, anything with a slash as a path, relative
/// to `dir`.
///
/// # Errors
/// [`FindProgramError`] says where it was looked for.
pub fn find(name: &OsStr, environment: &Environment, dir: &Path) -> Result<PathBuf, FindProgramError> {
    let as_path = Path::new(name);
    if as_path.components().count() != 1 || name.as_encoded_bytes().contains(&b'/') {
        return Ok(dir.join(as_path));
    }
    let path = environment.iter().rev().find(|(name, _)| name == "PATH").map(|(_, value)| value.as_os_str());
    let path = path.unwrap_or(OsStr::new(DEFAULT_PATH));
    let mut refused = None;
    for folder in std::env::split_paths(path).filter(|folder| folder.is_absolute()) {
        let candidate = folder.join(name);
        match std::fs::metadata(&candidate) {
            Ok(found) if found.is_file() && found.permissions().mode() & 0o111 != 0 => return Ok(candidate),
            Ok(found) if found.is_file() => refused = Some(candidate),
            _ => {}
        }
    }
    Err(match refused {
        Some(file) => FindProgramError::NotExecutable(file),
        None => FindProgramError::NotFound { name: name.to_owned(), path: path.to_owned() },
    })
}
