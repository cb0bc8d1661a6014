//! Working copies of Git.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use super::git_locks;
use super::git_mirror::{GitMirror, kept};
use super::surface::CopyState;
use crate::command::{StepRun, ToolCommand};
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
    if !git.origin.submodules {
        return Ok(());
    }
    let update = ["submodule", "update", "--quiet", "--init", "--force"];
    let mut own = without_folders(git.command(copy));
    if git.is_local() && are_beside(git, copy, run).await? {
        // What `init` noted of an older commit was not looked at.
        git.must(git.command(copy).args(["submodule", "sync", "--quiet"]), run).await?;
        own = git.command(copy);
    }
    git.ask(own.args(update), run).await?;
    git.ask(without_folders(git.command(copy)).args(update).arg("--recursive"), run).await.map(drop)
}

/// Git that fetches from no folder of this machine: a commit could name one that only Herald can read.
fn without_folders(command: ToolCommand<'static>) -> ToolCommand<'static> {
    command.arg("-c").arg("protocol.file.allow=never")
}

/// Whether each submodule is at another server, or beside the repository: `../NAME`.
async fn are_beside(git: &GitMirror, copy: &Path, run: &StepRun<'_>) -> Result<bool, DeployError> {
    let list = git.command(copy).args(["config", "-z", "--blob", "HEAD:.gitmodules"]);
    let end = git.run(list.args(["--get-regexp", r"^submodule\..*\.url$"]), run).await?;
    let is_allowed = |url: &str| match url.strip_prefix("../") {
        Some(name) => !name.split('/').any(|part| part == ".."),
        None => ["https://", "http://", "ssh://", "git://"].iter().any(|scheme| url.starts_with(scheme)),
    };
    let urls = end.entries();
    let mut urls = urls.iter().map(|entry| entry.split_once('\n').map_or("", |(_, url)| url));
    Ok(end.is_success() && urls.all(is_allowed))
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
    // Git writes through no link; one that is among the folders of a path is not the path that it added.
    for path in added.iter().filter(|path| has_real_folders(copy, path)) {
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

/// Whether the folders of a path are none but folders of the copy.
fn has_real_folders(copy: &Path, path: &str) -> bool {
    let above = Path::new(path).ancestors().skip(1);
    let mut above = above.filter(|folder| !folder.as_os_str().is_empty());
    above.all(|folder| std::fs::symlink_metadata(copy.join(folder)).is_ok_and(|found| found.is_dir()))
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use herald_base::stop::Stop;
    use herald_exec::NoOutput;
    use tokio::time::Instant;

    use super::*;
    use crate::command::CommandStarter;
    use crate::target::{DeployOrigin, SourceKind};

    fn git(dir: &Path, args: &[&str]) -> String {
        let mut git = std::process::Command::new("git");
        git.args(["-c", "user.name=a", "-c", "user.email=a@example.com"]).args(args).current_dir(dir);
        let output = git.output().unwrap();
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    #[tokio::test]
    async fn a_repair_follows_no_link() {
        let folder = tempfile::tempdir().unwrap();
        let (outside, origin) = (folder.path().join("outside"), folder.path().join("origin"));
        std::fs::create_dir_all(outside.join("deep")).unwrap();
        std::fs::create_dir_all(&origin).unwrap();
        std::fs::write(outside.join("victim"), "mine").unwrap();
        std::fs::write(outside.join("deep/victim"), "mine").unwrap();
        git(&origin, &["init", "-q", "-b", "main"]);
        std::os::unix::fs::symlink(&outside, origin.join("a")).unwrap();
        git(&origin, &["add", "-A"]);
        git(&origin, &["commit", "-q", "-m", "a link"]);
        let from = git(&origin, &["rev-parse", "HEAD"]);
        std::fs::remove_file(origin.join("a")).unwrap();
        std::fs::create_dir_all(origin.join("a/deep")).unwrap();
        std::fs::write(origin.join("a/victim"), "theirs").unwrap();
        std::fs::write(origin.join("a/deep/victim"), "theirs").unwrap();
        git(&origin, &["add", "-A"]);
        git(&origin, &["commit", "-q", "-m", "files in its place"]);
        let to = git(&origin, &["rev-parse", "HEAD"]);

        let url = origin.display().to_string();
        let caches = folder.path().join("caches");
        let starter = CommandStarter::new(Duration::from_secs(1));
        let mirror = GitMirror::new(starter, DeployOrigin::new(SourceKind::Git, url), &caches);
        let (stop, deadline) = (Stop::new(), Instant::now() + Duration::from_secs(30));
        let run = StepRun { stop: &stop, output: &NoOutput, deadline };
        let lock = mirror.open(&run).await.unwrap();
        mirror.fetch_all(false, &run).await.unwrap();
        mirror.keep(&from, &run).await.unwrap();
        drop(lock);
        let copy = folder.path().join("copy");
        std::fs::create_dir(&copy).unwrap();
        checkout(&mirror, &copy, &from, &run).await.unwrap();
        std::fs::write(copy.join(REPAIR), "").unwrap();
        repair(&mirror, &copy, &from, &to, &run).await.unwrap();
        for victim in ["victim", "deep/victim"] {
            assert_eq!(std::fs::read_to_string(outside.join(victim)).unwrap(), "mine");
        }
        assert_eq!(std::fs::read_link(copy.join("a")).unwrap(), outside);
    }
}
