//! Working copies of Git.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use super::git_locks;
use super::git_mirror::{GitMirror, kept};
use super::surface::CopyState;
use crate::command::StepRun;
use crate::error::{DeployError, SourceError};

/// Keeps the deployed commit in the copy.
const DEPLOYED: &str = "refs/herald/deployed";
/// Says that a repair has begun.
const REPAIR: &str = ".git/herald-repair";

pub(super) async fn current(
    git: &GitMirror,
    copy: &Path,
    run: &StepRun<'_>,
) -> Result<CopyState, DeployError> {
    let head = git.run(git.command(copy).args(["rev-parse", "--verify", "--quiet", "HEAD"]), run).await?;
    let revision = head.is_success().then(|| head.text());
    let status =
        git.command(copy).args(["status", "--porcelain=v1", "-z", "--untracked-files=no", "--no-renames"]);
    let modified = git.must(status, run).await?.entries();
    let modified = modified.iter().filter_map(|entry| entry.get(3..)).map(str::to_owned).collect();
    let described = revision.clone().unwrap_or_else(|| "no commit".to_owned());
    Ok(CopyState { revision, described, modified })
}

/// The files that differ between two commits of the mirror; with `filter`, of these kinds of difference alone.
pub(super) async fn changed(
    git: &GitMirror,
    from: &str,
    to: &str,
    filter: Option<&str>,
    run: &StepRun<'_>,
) -> Result<Vec<String>, DeployError> {
    let mut diff = git.here().args(["diff-tree", "-r", "-z", "--no-renames", "--name-only"]);
    diff = diff.args(filter.map(|kinds| format!("--diff-filter={kinds}")));
    Ok(git.must(diff.args([from, to, "--"]), run).await?.entries())
}

/// The commit that the copy is at, which the mirror has afterwards.
async fn head(git: &GitMirror, copy: &Path, run: &StepRun<'_>) -> Result<Option<String>, DeployError> {
    let Some(head) = current(git, copy, run).await?.revision else { return Ok(None) };
    if git.commit(&head, run).await?.is_none() {
        let _lock = git.open(run).await?;
        git.fetch_commit(copy, "HEAD", run).await?;
    }
    Ok(Some(head))
}

pub(super) async fn conflicts(
    git: &GitMirror,
    copy: &Path,
    to: &str,
    run: &StepRun<'_>,
) -> Result<Vec<String>, DeployError> {
    let Some(head) = head(git, copy, run).await? else { return Ok(Vec::new()) };
    let touched: HashSet<String> = changed(git, &head, to, None, run).await?.into_iter().collect();
    let modified = current(git, copy, run).await?.modified;
    let mut found: Vec<String> = modified.iter().filter(|path| touched.contains(*path)).cloned().collect();
    let added = changed(git, &head, to, Some("A"), run).await?;
    let tracked: HashSet<String> = match added.is_empty() {
        true => HashSet::new(),
        false => {
            let list = git.here().args(["ls-tree", "-r", "-z", "--name-only", "--full-tree", &head]);
            git.must(list, run).await?.entries().into_iter().collect()
        }
    };
    found.extend(added.into_iter().filter(|path| is_in_the_way(copy, path, &tracked)));
    found.sort();
    found.dedup();
    Ok(found)
}

/// Whether something that git does not know is where a file is to be added, or where one of its folders is.
fn is_in_the_way(copy: &Path, added: &str, tracked: &HashSet<String>) -> bool {
    let mut at = PathBuf::new();
    let parts: Vec<_> = Path::new(added).components().collect();
    for (number, part) in parts.iter().enumerate() {
        at.push(part);
        let Ok(found) = std::fs::symlink_metadata(copy.join(&at)) else { return false };
        let is_last = number + 1 == parts.len();
        let is_tracked = tracked.contains(&*at.to_string_lossy());
        if is_last && found.is_dir() {
            // A folder whose files are all removed by the update makes room.
            let below = format!("{added}/");
            return !tracked.iter().any(|path| path.starts_with(&below));
        }
        if (is_last || !found.is_dir()) && !is_tracked {
            return true;
        }
    }
    false
}

/// Brings the commit from the mirror into the copy.
async fn bring(git: &GitMirror, copy: &Path, to: &str, run: &StepRun<'_>) -> Result<(), DeployError> {
    let fetch = git.command(copy).args(["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--"]);
    let fetch = fetch.arg(&git.folder).arg(format!("+{}:{DEPLOYED}", kept(to)));
    git.must(fetch, run).await.map(drop)
}

async fn submodules(git: &GitMirror, copy: &Path, run: &StepRun<'_>) -> Result<(), DeployError> {
    if git.origin.submodules {
        let update =
            git.command(copy).args(["submodule", "update", "--quiet", "--init", "--recursive", "--force"]);
        git.ask(update, run).await?;
    }
    Ok(())
}

pub(super) async fn checkout(
    git: &GitMirror,
    copy: &Path,
    to: &str,
    run: &StepRun<'_>,
) -> Result<(), DeployError> {
    git.must(git.command(copy).args(["init", "--quiet"]), run).await?;
    git.must(git.command(copy).args(["config", "remote.origin.url"]).arg(&git.origin.url), run).await?;
    let refs =
        git.command(copy).args(["config", "remote.origin.fetch", "+refs/heads/*:refs/remotes/origin/*"]);
    git.must(refs, run).await?;
    bring(git, copy, to, run).await?;
    git.must(git.command(copy).args(["reset", "--quiet", "--hard", to]), run).await?;
    submodules(git, copy, run).await
}

pub(super) async fn update(
    git: &GitMirror,
    copy: &Path,
    to: &str,
    run: &StepRun<'_>,
) -> Result<(), DeployError> {
    unlock(copy).await?;
    bring(git, copy, to, run).await?;
    // Files that were only touched, or copied with the folder, are no changes; it fails where some are.
    git.run(git.command(copy).args(["update-index", "-q", "--refresh"]), run).await?;
    // It stops, before it writes anything, at files that were changed on this machine and by the update.
    let reset = git.command(copy).args(["reset", "--quiet", "--keep", to]);
    let end = git.run(reset, run).await?;
    if !end.is_success() {
        let found = conflicts(git, copy, to, run).await?;
        if !found.is_empty() {
            return Err(DeployError::Conflicts(found));
        }
        let detail = end.stderr.trim().lines().next().unwrap_or("without a message").to_owned();
        return Err(SourceError::Failed { command: "git reset --keep".to_owned(), detail }.into());
    }
    submodules(git, copy, run).await
}

pub(super) async fn discard(
    git: &GitMirror,
    copy: &Path,
    patch: &Path,
    run: &StepRun<'_>,
) -> Result<(), DeployError> {
    let diff = git.command(copy).args(["diff", "--binary", "--no-color", "--no-ext-diff", "HEAD"]);
    let diff = git.must(diff, run).await?;
    if diff.stdout.truncated {
        let detail = "the changes of this machine are larger than 64 MiB".to_owned();
        return Err(SourceError::Output { command: "git diff".to_owned(), detail }.into());
    }
    crate::place::record::write_synced(patch, &diff.stdout.bytes)?;
    git.must(git.command(copy).args(["reset", "--quiet", "--hard", "HEAD"]), run).await.map(drop)
}

/// A killed `git reset` leaves `index.lock`, and some files of the new commit under the old HEAD; one of them may be
/// cut. Files that differ between the two commits had no changes of this machine before, so they are written again; no
/// other file is touched.
pub(super) async fn repair(
    git: &GitMirror,
    copy: &Path,
    from: &str,
    to: &str,
    run: &StepRun<'_>,
) -> Result<(), DeployError> {
    // Written before the locks go, so that a repair that is killed is repeated, too.
    let begun = copy.join(REPAIR);
    if !git_locks::found(&admin(copy)).is_empty() {
        crate::place::record::write_synced(&begun, b"")?;
    }
    unlock(copy).await?;
    if !begun.exists() && is_untouched(git, copy, from, run).await? {
        return submodules(git, copy, run).await;
    }
    let touched = changed(git, from, to, None, run).await?;
    let added: HashSet<String> = changed(git, from, to, Some("A"), run).await?.into_iter().collect();
    let there = git.command(copy).args(["ls-files", "-z"]);
    let indexed: HashSet<String> = git.must(there, run).await?.entries().into_iter().collect();
    for path in &added {
        match std::fs::remove_file(copy.join(path)) {
            Err(error) if !matches!(error.raw_os_error(), Some(2 | 20 | 21)) => {
                return Err(DeployError::io("remove", &copy.join(path), error));
            }
            _ => remove_empty_parents(copy, path),
        }
    }
    let restored = touched.iter().filter(|path| !added.contains(*path) || indexed.contains(*path));
    let list = restored.fold(String::new(), |list, path| list + path + "\0");
    if !list.is_empty() {
        let file = copy.join(".git/herald-paths");
        crate::place::record::write_synced(&file, list.as_bytes())?;
        let restore =
            git.command(copy).args(["restore", "--quiet", "--staged", "--worktree", "--source", from]);
        let restore = restore.arg("--pathspec-file-nul").arg("--pathspec-from-file=.git/herald-paths");
        let restored = git.must(restore.env("GIT_LITERAL_PATHSPECS", "1"), run).await;
        let _ = std::fs::remove_file(&file);
        restored?;
    }
    git.must(git.command(copy).args(["update-ref", "HEAD", from]), run).await?;
    git.run(git.command(copy).args(["update-index", "-q", "--refresh"]), run).await?;
    submodules(git, copy, run).await?;
    let _ = std::fs::remove_file(&begun);
    Ok(())
}

fn remove_empty_parents(copy: &Path, path: &str) {
    let mut parent = Path::new(path).parent();
    while let Some(folder) = parent.filter(|folder| !folder.as_os_str().is_empty()) {
        if std::fs::remove_dir(copy.join(folder)).is_err() {
            return;
        }
        parent = folder.parent();
    }
}

/// Whether `git reset` had not begun: without its lock, it has not where HEAD and the index are the old ones. What was
/// changed on this machine since is not touched then.
async fn is_untouched(
    git: &GitMirror,
    copy: &Path,
    from: &str,
    run: &StepRun<'_>,
) -> Result<bool, DeployError> {
    let head = git.run(git.command(copy).args(["rev-parse", "--verify", "--quiet", "HEAD"]), run).await?;
    if head.text() != from {
        return Ok(false);
    }
    let index = git.command(copy).args(["diff-index", "--cached", "--quiet", from, "--"]);
    Ok(git.run(index, run).await?.is_success())
}

/// Removes the lock files that dead processes left in a working copy.
pub(super) async fn unlock(copy: &Path) -> Result<(), DeployError> {
    git_locks::remove(&admin(copy), copy).await
}

fn admin(copy: &Path) -> PathBuf {
    copy.join(".git")
}
