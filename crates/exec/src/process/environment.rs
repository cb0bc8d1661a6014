//! The environment that programs start with, and how programs are found in it.

use std::ffi::{OsStr, OsString};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::account::{Account, JobUser};

/// What a program may see of the environment of Herald itself: never its secrets.
pub(super) const PASSED: [&str; 7] = ["PATH", "HOME", "LANG", "TZ", "USER", "SHELL", "TMPDIR"];
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
/// else. PATH is always there, and so is HOME where the user has an entry in `/etc/passwd`: init scripts and containers
/// often start programs without it.
#[must_use]
pub fn clean() -> Environment {
    let user = rustix::process::geteuid().as_raw();
    let given = PASSED.into_iter().filter_map(|name| Some((name.into(), std::env::var_os(name)?)));
    complete(given.collect(), || Some(Account::of_uid(user)?.home))
}

/// The clean environment of the jobs of this user: HOME, USER, LOGNAME and SHELL are the user's.
#[must_use]
pub fn of(user: Option<&JobUser>) -> Environment {
    let mut environment = clean();
    for (name, value) in user.into_iter().flat_map(JobUser::variables) {
        environment.retain(|(there, _)| there != name);
        environment.push((name.into(), value));
    }
    environment
}

fn complete(mut environment: Environment, home: impl FnOnce() -> Option<PathBuf>) -> Environment {
    if !environment.iter().any(|(name, value)| name == "PATH" && !value.is_empty()) {
        environment.retain(|(name, _)| name != "PATH");
        environment.push(("PATH".into(), DEFAULT_PATH.into()));
    }
    if !environment.iter().any(|(name, value)| name == "HOME" && !value.is_empty())
        && let Some(home) = home().filter(|home| home.is_absolute())
    {
        environment.retain(|(name, _)| name != "HOME");
        environment.push(("HOME".into(), home.into()));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_and_home_are_always_there() {
        let pairs = |list: &[(&str, &str)]| -> Environment {
            list.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
        };
        for (given, home, expected) in [
            (pairs(&[]), Some("/home/ann"), pairs(&[("PATH", DEFAULT_PATH), ("HOME", "/home/ann")])),
            (
                pairs(&[("PATH", ""), ("HOME", "")]),
                Some("/root"),
                pairs(&[("PATH", DEFAULT_PATH), ("HOME", "/root")]),
            ),
            (
                pairs(&[("PATH", "/bin"), ("HOME", "/h")]),
                Some("/root"),
                pairs(&[("PATH", "/bin"), ("HOME", "/h")]),
            ),
            (pairs(&[("PATH", "/bin")]), None, pairs(&[("PATH", "/bin")])),
            (pairs(&[("PATH", "/bin")]), Some("nowhere"), pairs(&[("PATH", "/bin")])),
        ] {
            assert_eq!(complete(given.clone(), || home.map(PathBuf::from)), expected, "{given:?}");
        }
    }
}
