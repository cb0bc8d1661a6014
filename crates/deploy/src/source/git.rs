//! Git, by the program `git`: a mirror for each URL, trees written out of it, and working copies updated from it.

use std::path::Path;

use async_trait::async_trait;

use super::git_copy;
use super::git_mirror::GitMirror;
use super::surface::{Commit, CopyState, LogRange, Source};
use crate::command::{CommandStarter, StepRun};
use crate::error::{DeployError, SourceError};
use crate::place::tree;
use crate::target::DeployOrigin;

/// How many hexadecimal digits a commit has: SHA-1 and SHA-256.
const DIGITS: [usize; 2] = [40, 64];
/// The longest name of a revision, in bytes.
const LONGEST: usize = 250;

/// A Git repository.
pub struct GitRepository(GitMirror);

impl GitRepository {
    pub(crate) fn new(starter: CommandStarter, origin: DeployOrigin, caches: &Path) -> Self {
        Self(GitMirror::new(starter, origin, caches))
    }

    fn missing(&self, revision: &str) -> DeployError {
        SourceError::no_revision(revision, &self.0.origin.url).into()
    }

    async fn names(&self, from: &str, to: &str, run: &StepRun<'_>) -> Result<Vec<String>, DeployError> {
        git_copy::changed(&self.0, from, to, None, run).await
    }
}

/// Whether this is the whole SHA of a commit.
fn is_exact(revision: &str) -> bool {
    DIGITS.contains(&revision.len()) && revision.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Whether git cannot take this name for an option or for an expression.
fn is_name(revision: &str) -> bool {
    let odd = |c: char| c.is_control() || c.is_whitespace() || "~^:?*[\\;'\"`$|&<>(){}".contains(c);
    !(revision.is_empty()
        || revision.len() > LONGEST
        || revision.starts_with(['-', '/'])
        || revision.contains("..")
        || revision.contains("@{")
        || revision.contains(odd))
}

#[async_trait]
impl Source for GitRepository {
    fn programs(&self) -> &'static [&'static str] {
        &["git"]
    }

    async fn resolve(&self, revision: &str, run: &StepRun<'_>) -> Result<String, DeployError> {
        if !is_name(revision) {
            return Err(self.missing(revision));
        }
        let _lock = self.0.open(run).await?;
        if is_exact(revision)
            && let Some(commit) = self.0.commit(revision, run).await?
        {
            return Ok(commit);
        }
        self.0.fetch_all(revision == "HEAD", run).await?;
        let names = match revision {
            "HEAD" => vec!["refs/herald/head".to_owned()],
            name => vec![format!("refs/heads/{name}"), format!("refs/tags/{name}"), name.to_owned()],
        };
        for name in names {
            // `HEAD` of the mirror, and our own refs, are nothing that a user names.
            let commit = self.0.commit(&name, run).await?;
            if let Some(commit) = commit {
                self.0.keep(&commit, run).await?;
                return Ok(commit);
            }
        }
        Err(self.missing(revision))
    }

    async fn fetch(&self, revision: &str, run: &StepRun<'_>) -> Result<(), DeployError> {
        if !is_exact(revision) {
            return Err(self.missing(revision));
        }
        let _lock = self.0.open(run).await?;
        if self.0.commit(revision, run).await?.is_none() {
            self.0.fetch_all(false, run).await?;
        }
        if self.0.commit(revision, run).await?.is_none() {
            let fetched = self.0.fetch_commit(self.0.origin.url.as_ref(), revision, run).await;
            match fetched {
                Err(DeployError::Origin(_)) => return Err(self.missing(revision)),
                other => other?,
            }
        }
        self.0.keep(revision, run).await
    }

    async fn log(&self, range: &LogRange, run: &StepRun<'_>) -> Result<Vec<Commit>, DeployError> {
        if self.0.commit(&range.upto, run).await?.is_none() {
            self.fetch(&range.upto, run).await?;
        }
        let mut log = self.0.here().args(["log", "-z", "--no-color", "--no-show-signature"]);
        log =
            log.arg("--format=%H%n%an%n%aI%n%B").arg(format!("--max-count={}", range.limit)).arg(&range.upto);
        if let Some(after) = &range.after
            && self.0.commit(after, run).await?.is_some()
        {
            log = log.arg(format!("^{after}"));
        }
        let end = self.0.must(log.arg("--"), run).await?;
        Ok(end.entries().iter().filter_map(|entry| commit(entry)).collect())
    }

    async fn is_ancestor(&self, older: &str, newer: &str, run: &StepRun<'_>) -> Result<bool, DeployError> {
        if self.0.commit(newer, run).await?.is_none() && self.fetch(newer, run).await.is_err() {
            return Ok(false);
        }
        // What `newer` descends from came with it.
        if self.0.commit(older, run).await?.is_none() {
            return Ok(false);
        }
        let asked = self.0.here().args(["merge-base", "--is-ancestor", older, newer]);
        Ok(self.0.run(asked, run).await?.is_success())
    }

    async fn size(&self, from: Option<&str>, to: &str, run: &StepRun<'_>) -> Result<u64, DeployError> {
        let list = self.0.here().args(["ls-tree", "-r", "-l", "-z", "--full-tree", to]);
        let files = self.0.must(list, run).await?.entries();
        let sizes = files.iter().filter_map(|line| {
            let (head, path) = line.split_once('\t')?;
            Some((path, head.split_whitespace().next_back()?.parse::<u64>().ok()?))
        });
        let Some(from) = from else { return Ok(sizes.map(|(_, size)| size).sum()) };
        let changed: std::collections::HashSet<String> =
            self.names(from, to, run).await?.into_iter().collect();
        let written: u64 = sizes.filter(|(path, _)| changed.contains(*path)).map(|(_, size)| size).sum();
        // The copy gets the commits between as well. Git before 2.31 does not say how large they are.
        let usage = ["rev-list", "--objects", "--disk-usage", &format!("{from}..{to}"), "--"];
        let usage = self.0.run(self.0.here().args(usage), run).await?;
        let history = usage.stdout.text().trim().parse::<u64>().ok().filter(|_| usage.is_success());
        Ok(written.saturating_add(history.unwrap_or_default()))
    }

    async fn export(&self, revision: &str, into: &Path, run: &StepRun<'_>) -> Result<(), DeployError> {
        if self.0.origin.submodules {
            git_copy::checkout(&self.0, into, revision, run).await?;
            return tree::remove_named(into, ".git").await;
        }
        let index = tree::index_of(into);
        let prepare = |args: &[&str]| {
            let mut work_tree = std::ffi::OsString::from("--work-tree=");
            work_tree.push(into);
            let mut git_dir = std::ffi::OsString::from("--git-dir=");
            git_dir.push(&self.0.folder);
            let command = self.0.command(into).arg(git_dir).arg(work_tree).args(args);
            command.env("GIT_INDEX_FILE", &index)
        };
        let read = self.0.must(prepare(&["read-tree", revision]), run).await;
        let written = match read {
            Ok(_) => self.0.must(prepare(&["checkout-index", "--all", "--force", "--quiet"]), run).await,
            Err(error) => Err(error),
        };
        written?;
        tree::remove_index(into)
    }

    fn is_copy(&self, copy: &Path) -> bool {
        copy.join(".git").exists()
    }

    async fn current(&self, copy: &Path, run: &StepRun<'_>) -> Result<CopyState, DeployError> {
        git_copy::current(&self.0, copy, run).await
    }

    async fn conflicts(&self, copy: &Path, to: &str, run: &StepRun<'_>) -> Result<Vec<String>, DeployError> {
        git_copy::conflicts(&self.0, copy, to, run).await
    }

    async fn checkout(&self, copy: &Path, to: &str, run: &StepRun<'_>) -> Result<(), DeployError> {
        git_copy::checkout(&self.0, copy, to, run).await
    }

    async fn update(&self, copy: &Path, to: &str, run: &StepRun<'_>) -> Result<(), DeployError> {
        git_copy::update(&self.0, copy, to, run).await
    }

    async fn discard(&self, copy: &Path, patch: &Path, run: &StepRun<'_>) -> Result<(), DeployError> {
        git_copy::discard(&self.0, copy, patch, run).await
    }

    async fn repair(&self, copy: &Path, from: &str, to: &str, run: &StepRun<'_>) -> Result<(), DeployError> {
        git_copy::repair(&self.0, copy, from, to, run).await
    }

    async fn unlock(&self, copy: &Path, _: &StepRun<'_>) -> Result<(), DeployError> {
        git_copy::unlock(copy).await
    }
}

/// The lines of one commit, as `log` asks for them.
fn commit(entry: &str) -> Option<Commit> {
    let mut lines = entry.splitn(4, '\n');
    let (revision, author, time) = (lines.next()?, lines.next()?, lines.next()?);
    Some(Commit::new(revision, author, time, lines.next().unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use herald_base::stop::Stop;
    use herald_exec::NoOutput;
    use tokio::time::Instant;

    use super::*;
    use crate::target::SourceKind;

    #[test]
    fn names_that_git_could_take_for_something_else() {
        for (name, allowed) in [
            ("main", true),
            ("feature/a-b_c.1", true),
            ("größe", true),
            ("HEAD", true),
            ("", false),
            ("--config-dir=/x", false),
            ("-r1;id", false),
            ("a b", false),
            ("a..b", false),
            ("HEAD~1", false),
            ("main@{1}", false),
            (":/x", false),
        ] {
            assert_eq!(is_name(name), allowed, "{name}");
        }
    }

    /// The server is silent, so each question to it is late.
    #[tokio::test]
    async fn a_commit_that_the_mirror_lacks_is_no_ancestor() {
        let folder = tempfile::tempdir().unwrap();
        let origin = folder.path().join("origin");
        let git = |args: &[&str]| {
            let mut git = std::process::Command::new("git");
            git.args(["-c", "user.name=a", "-c", "user.email=a@example.com", "-C"]).arg(&origin).args(args);
            let output = git.output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            String::from_utf8_lossy(&output.stdout).trim().to_owned()
        };
        std::fs::create_dir(&origin).unwrap();
        git(&["init", "-q", "-b", "main"]);
        let [older, newer] = ["1", "2"].map(|message| {
            git(&["commit", "-q", "--allow-empty", "-m", message]);
            git(&["rev-parse", "HEAD"])
        });
        let starter = CommandStarter::new(Duration::from_secs(1));
        let url = origin.display().to_string();
        let mut source = GitRepository::new(starter, DeployOrigin::new(SourceKind::Git, url), folder.path());
        let (stop, deadline) = (Stop::new(), Instant::now() + Duration::from_secs(20));
        let run = StepRun { stop: &stop, output: &NoOutput, deadline };
        source.fetch(&newer, &run).await.unwrap();
        let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        source.0.origin.url = format!("git://127.0.0.1:{}/x", silent.local_addr().unwrap().port());
        assert!(source.is_ancestor(&older, &newer, &run).await.unwrap());
        let begun = Instant::now();
        assert!(!source.is_ancestor(&"1".repeat(40), &newer, &run).await.unwrap());
        assert!(begun.elapsed() < Duration::from_secs(10));
    }

    #[test]
    fn messages_have_lines() {
        let read = commit("abc\nA. Ü^\n2026-01-01T00:00:00+01:00\nfirst ^ \"\n\nbody\n").unwrap();
        assert_eq!((read.author.as_str(), read.subject()), ("A. Ü^", "first ^ \""));
        assert_eq!(read.message, "first ^ \"\n\nbody");
    }
}
