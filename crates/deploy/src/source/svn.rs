//! Subversion, by the programs `svn` and `svnversion`: a cache copy for each URL, trees exported from it, and working
//! copies.

use std::path::Path;

use async_trait::async_trait;

use super::surface::{Commit, CopyState, LogRange, Source};
use super::svn_client::SvnClient;
use super::{svn_copy, svn_xml};
use crate::command::{CommandStarter, StepRun};
use crate::error::{DeployError, SourceError};
use crate::target::DeployOrigin;

/// A path of a Subversion repository.
pub struct SvnRepository(SvnClient);

impl SvnRepository {
    pub(crate) fn new(starter: CommandStarter, origin: DeployOrigin, caches: &Path) -> Self {
        Self(SvnClient::new(starter, origin, caches))
    }
}

/// A revision as `svn` takes it: `HEAD`, or a number that may have an `r`.
fn number(revision: &str) -> Option<&str> {
    if revision == "HEAD" {
        return Some(revision);
    }
    let digits = revision.strip_prefix('r').unwrap_or(revision);
    let valid = (1..=10).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    valid.then_some(digits)
}

#[async_trait]
impl Source for SvnRepository {
    fn programs(&self) -> &'static [&'static str] {
        &["svn", "svnversion"]
    }

    /// The revision in which the path was last changed: what its log shows, and the same on every machine.
    async fn resolve(&self, revision: &str, run: &StepRun<'_>) -> Result<String, DeployError> {
        let missing = || SourceError::no_revision(revision, &self.0.origin.url);
        let number = number(revision).ok_or_else(missing)?;
        let info = self.0.asking(Path::new("/"), "info")?.arg("--xml").arg("--").arg(self.0.at(number));
        let info = self.0.must(info, number, run).await?;
        Ok(svn_xml::info(&info.stdout.text())?.changed)
    }

    async fn fetch(&self, revision: &str, run: &StepRun<'_>) -> Result<(), DeployError> {
        let _lock = self.0.lock_cache(run).await?;
        svn_copy::bring_cache(&self.0, revision, run).await
    }

    async fn log(&self, range: &LogRange, run: &StepRun<'_>) -> Result<Vec<Commit>, DeployError> {
        let svn =
            self.0.asking(Path::new("/"), "log")?.args(["--xml", "--limit"]).arg(range.limit.to_string());
        let after = range.after.as_deref().and_then(number).filter(|after| *after != "HEAD");
        let after: u64 = after.and_then(|after| after.parse().ok()).unwrap_or(0);
        // With its ends exchanged, a range would be shown from the other side.
        if range.upto.parse::<u64>().is_ok_and(|upto| upto <= after) {
            return Ok(Vec::new());
        }
        let svn = svn.arg("-r").arg(format!("{}:{}", range.upto, after.saturating_add(1)));
        let end = self.0.must(svn.arg("--").arg(self.0.at(&range.upto)), &range.upto, run).await?;
        Ok(svn_xml::log(&end.stdout.text())?)
    }

    /// The revisions of a path follow one another.
    async fn is_ancestor(&self, older: &str, newer: &str, _: &StepRun<'_>) -> Result<bool, DeployError> {
        let number = |revision: &str| revision.parse::<u64>().ok();
        Ok(matches!((number(older), number(newer)), (Some(older), Some(newer)) if older <= newer))
    }

    async fn size(&self, from: Option<&str>, to: &str, run: &StepRun<'_>) -> Result<u64, DeployError> {
        // Subversion counts no changes cheaply; with no change there is nothing to write.
        if from == Some(to) {
            return Ok(0);
        }
        let list =
            self.0.asking(Path::new("/"), "list")?.args(["--xml", "-R", "-r", to, "--"]).arg(self.0.at(to));
        let end = self.0.must(list, to, run).await?;
        Ok(svn_xml::sizes(&end.stdout.text())?.iter().map(|(_, size)| size).sum())
    }

    async fn export(&self, revision: &str, into: &Path, run: &StepRun<'_>) -> Result<(), DeployError> {
        let _lock = self.0.lock_cache(run).await?;
        svn_copy::bring_cache(&self.0, revision, run).await?;
        let export =
            self.0.command(&self.0.cache, "export").args(["--quiet", "--force"]).args(self.0.externals());
        // The folder is there already; an `@` in its name means nothing.
        let mut target = into.as_os_str().to_owned();
        target.push("@");
        self.0.must(export.arg("--").arg(".").arg(target), revision, run).await.map(drop)
    }

    fn is_copy(&self, copy: &Path) -> bool {
        copy.join(".svn").is_dir()
    }

    async fn current(&self, copy: &Path, run: &StepRun<'_>) -> Result<CopyState, DeployError> {
        svn_copy::current(&self.0, copy, run).await
    }

    async fn conflicts(&self, copy: &Path, to: &str, run: &StepRun<'_>) -> Result<Vec<String>, DeployError> {
        svn_copy::conflicts(&self.0, copy, to, run).await
    }

    async fn checkout(&self, copy: &Path, to: &str, run: &StepRun<'_>) -> Result<(), DeployError> {
        svn_copy::checkout(&self.0, copy, to, run).await
    }

    async fn update(&self, copy: &Path, to: &str, run: &StepRun<'_>) -> Result<(), DeployError> {
        svn_copy::update(&self.0, copy, to, run).await
    }

    async fn discard(&self, copy: &Path, patch: &Path, run: &StepRun<'_>) -> Result<(), DeployError> {
        svn_copy::discard(&self.0, copy, patch, run).await
    }

    async fn repair(&self, copy: &Path, from: &str, _: &str, run: &StepRun<'_>) -> Result<(), DeployError> {
        svn_copy::unlock(&self.0, copy, run).await?;
        svn_copy::switch(&self.0, copy, from, run).await
    }

    async fn unlock(&self, copy: &Path, run: &StepRun<'_>) -> Result<(), DeployError> {
        svn_copy::unlock(&self.0, copy, run).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn revisions() {
        for (given, taken) in [
            ("HEAD", Some("HEAD")),
            ("r12", Some("12")),
            ("12", Some("12")),
            ("", None),
            ("-r1;id", None),
            ("--config-dir=/x", None),
            ("{2026-01-01}", None),
            ("12345678901", None),
        ] {
            assert_eq!(number(given), taken, "{given}");
        }
    }
}
