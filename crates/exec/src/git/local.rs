//! Repositories of this machine. libgit2 packs what it fetches from them within this process, and holds each file whole
//! meanwhile; the program `git` does it piece by piece. It refuses a repository of another user, whose configuration
//! could name programs; libgit2, which starts none, fetches that.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::Path;

use herald_base::stop::Stop;
use tokio::time::Instant;

use super::git_program::{self, STREAMED};
use crate::process::environment::FindProgramError;
use crate::process::program::ProgramError;

/// How many references one call fetches: its arguments have a limit.
const REFERENCES: usize = 200;
/// Beside the mirror's own configuration, which libgit2 reads.
const CONFIGURATION: &str = "git-program.config";

/// Why `git` did not fetch.
#[derive(Debug, thiserror::Error)]
pub(super) enum LocalFetchError {
    #[error("the program `git` is missing: {0}")]
    Missing(#[from] FindProgramError),
    #[error("{0}")]
    Start(#[from] ProgramError),
    #[error("{0}")]
    Io(#[from] std::io::Error),
    #[error("{0}")]
    Said(String),
}

/// Fetches these references, each into the name under which the mirror keeps it. Dropping the future ends it.
pub(super) async fn fetch(
    mirror: &Path,
    repository: &Path,
    references: &[(String, String)],
    deadline: Instant,
) -> Result<(), LocalFetchError> {
    if references.is_empty() {
        return Ok(());
    }
    let configuration = mirror.join(CONFIGURATION);
    tokio::fs::write(&configuration, settings()).await?;
    for some in references.chunks(REFERENCES) {
        let plain =
            ["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules", "--"];
        let mut arguments: Vec<OsString> = plain.map(OsString::from).to_vec();
        arguments.push(repository.into());
        arguments.extend(some.iter().map(|(name, kept)| OsString::from(format!("+{name}:{kept}"))));
        let program = git_program::of(mirror, &configuration, arguments, deadline)?;
        let finished = program.run(&Stop::new()).await?;
        if !finished.ending.is_success() {
            let said = String::from_utf8_lossy(&finished.stderr.bytes).trim().to_owned();
            return Err(LocalFetchError::Said(said));
        }
    }
    Ok(())
}

/// For the program that sends as well, which begins without the environment of the one that asks.
fn settings() -> String {
    let mut text = String::new();
    for (section, key, value) in [
        ("core", "bigFileThreshold", STREAMED.to_string()),
        // Packs, which are written piece by piece, never single objects.
        ("fetch", "unpackLimit", "1".to_owned()),
        ("gc", "auto", "0".to_owned()),
        ("maintenance", "auto", "false".to_owned()),
        ("pack", "windowMemory", STREAMED.to_string()),
        ("pack", "threads", "1".to_owned()),
    ] {
        let _ = writeln!(text, "[{section}]\n\t{key} = {value}");
    }
    text
}
