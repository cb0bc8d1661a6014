//! The program `git`, for files that are too large to be held in memory: it reads and writes them piece by piece.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::Instant;

use crate::process::environment::{self, FindProgramError};
use crate::process::program::{Program, Restrictions};

/// Files of at least so many bytes are not held in memory.
pub(super) const STREAMED: usize = 32 << 20;
/// What is kept of its messages, in bytes.
const MESSAGES: usize = 4 << 10;

/// `git --git-dir=MIRROR` with these arguments. The machine's and the user's configuration count as little as for
/// libgit2: the one of this file does instead.
///
/// # Errors
/// It is not installed.
pub(super) fn of(
    mirror: &Path,
    configuration: &Path,
    arguments: impl IntoIterator<Item = OsString>,
    deadline: Instant,
) -> Result<Program, FindProgramError> {
    let mut env = environment::clean();
    env.push(("GIT_CONFIG_NOSYSTEM".into(), "1".into()));
    env.push(("GIT_CONFIG_GLOBAL".into(), configuration.into()));
    // What a repository lacks it must not fetch from elsewhere, with programs that its configuration names.
    env.push(("GIT_NO_LAZY_FETCH".into(), "1".into()));
    env.push(("GIT_ALLOW_PROTOCOL".into(), "file".into()));
    let path = environment::find("git".as_ref(), &env, Path::new("/"))?;
    let mut git_dir = OsString::from("--git-dir=");
    git_dir.push(mirror);
    let threshold = format!("core.bigFileThreshold={STREAMED}");
    let always = [git_dir, "-c".into(), threshold.into()];
    Ok(Program {
        path,
        args: always.into_iter().chain(arguments).collect(),
        env,
        dir: PathBuf::from("/"),
        deadline: Some(deadline),
        kill_grace: Duration::from_millis(100),
        output_limit: MESSAGES,
        owner: None,
        restrictions: Restrictions::default(),
    })
}
