//! Working copies of Subversion. Conflicts and skipped files exit with 0, so `status` and `svnversion` decide.

use std::path::{Path, PathBuf};

use super::busy;
use super::surface::CopyState;
use super::svn_client::SvnClient;
use super::svn_externals::{self, ScopedConfig};
use super::svn_xml::{self, StatusLine};
use crate::command::{StepRun, ToolCommand};
use crate::error::{DeployError, SourceError};
use crate::place::record::write_synced;

async fn status(svn: &SvnClient, copy: &Path, run: &StepRun<'_>) -> Result<Vec<StatusLine>, DeployError> {
    let status = svn.command(copy, "status").args(["-q", "--xml", "--ignore-externals"]);
    let end = svn.must(status, "", run).await?;
    Ok(svn_xml::status(&end.stdout.text())?)
}

pub(super) async fn current(
    svn: &SvnClient,
    copy: &Path,
    run: &StepRun<'_>,
) -> Result<CopyState, DeployError> {
    let version = ToolCommand::new("svnversion", copy).arg("-n").env("LC_ALL", "C.UTF-8");
    let described = svn.must(version, "", run).await?.text();
    let info = svn.must(svn.command(copy, "info").args(["--xml", "."]), "", run).await?;
    let info = svn_xml::info(&info.stdout.text())?;
    let lines = status(svn, copy, run).await?;
    let modified: Vec<String> =
        lines.iter().filter(|line| line.is_modified()).map(|line| line.path.clone()).collect();
    // `5:6` is a mixture; `6M` is one revision with changes of this machine.
    let is_one = !described.contains(':') && described.starts_with(|c: char| c.is_ascii_digit());
    let is_switched = lines.iter().any(|line| line.is_switched);
    let is_ours = info.url == svn.origin.url;
    let revision = (is_one && !is_switched).then_some(info.changed);
    let described = if is_ours { described } else { format!("{described} of {}", info.url) };
    Ok(CopyState { revision: revision.filter(|_| is_ours), described, modified })
}

pub(super) async fn conflicts(
    svn: &SvnClient,
    copy: &Path,
    to: &str,
    run: &StepRun<'_>,
) -> Result<Vec<String>, DeployError> {
    if is_locked(svn, copy, run).await? {
        unlock(svn, copy, run).await?;
    }
    let info = svn.must(svn.command(copy, "info").args(["--xml", "."]), "", run).await?;
    if svn_xml::info(&info.stdout.text())?.url != svn.origin.url {
        // Another URL: what the switch will do to a changed file is not known before.
        return Ok(current(svn, copy, run).await?.modified);
    }
    let externals = svn_externals::defined(svn, copy, run).await?;
    let scope = match externals.is_empty() {
        true => None,
        false => Some(ScopedConfig::learn(svn, copy, &externals, run).await?),
    };
    let ask = match &scope {
        Some(scope) => scope.command(svn, copy, "status"),
        None => svn.asking(copy, "status")?.args(svn.asked_externals()),
    };
    let ask = ask.args(["-u", "--xml", "--no-ignore", "-r", to]);
    let end = svn.must(ask, to, run).await?;
    let lines = svn_xml::status(&end.stdout.text())?;
    Ok(lines.into_iter().filter(StatusLine::is_in_the_way).map(|line| line.path).collect())
}

/// Changes the copy to a revision of the URL. Nothing is merged: the caller has looked for conflicts.
pub(super) async fn switch(
    svn: &SvnClient,
    copy: &Path,
    to: &str,
    run: &StepRun<'_>,
) -> Result<(), DeployError> {
    let before = svn_externals::defined(svn, copy, run).await?;
    let to_revision = |switch: ToolCommand<'static>| switch_to(switch, svn, to);
    let switch = svn.asking(copy, "switch")?.args(svn.asked_externals());
    svn.must(to_revision(switch).shown(), to, run).await?;
    svn_externals::fetch(svn, copy, &before, to_revision, run).await
}

fn switch_to(switch: ToolCommand<'static>, svn: &SvnClient, to: &str) -> ToolCommand<'static> {
    let switch = switch.args(["--ignore-ancestry", "--accept", "postpone", "-r", to]);
    switch.arg("--").arg(svn.at(to)).arg(".")
}

pub(super) async fn checkout(
    svn: &SvnClient,
    copy: &Path,
    to: &str,
    run: &StepRun<'_>,
) -> Result<(), DeployError> {
    let checkout = svn.asking(copy, "checkout")?.args(["--quiet", "-r", to]).args(svn.asked_externals());
    svn.must(checkout.arg("--").arg(svn.at(to)).arg("."), to, run).await?;
    svn_externals::fetch(svn, copy, &[], |switch| switch_to(switch, svn, to), run).await
}

pub(super) async fn update(
    svn: &SvnClient,
    copy: &Path,
    to: &str,
    run: &StepRun<'_>,
) -> Result<(), DeployError> {
    let found = conflicts(svn, copy, to, run).await?;
    if !found.is_empty() {
        return Err(DeployError::Conflicts(found));
    }
    let from = current(svn, copy, run).await?;
    switch(svn, copy, to, run).await?;
    let lines = status(svn, copy, run).await?;
    let conflicted: Vec<&StatusLine> = lines.iter().filter(|line| line.is_in_the_way()).collect();
    if conflicted.is_empty() {
        return Ok(());
    }
    // Somebody changed a file within the moment between the look and the update.
    let names = conflicted.iter().map(|line| line.path.clone()).collect();
    back_out(svn, copy, &conflicted, from.revision.as_deref(), run).await?;
    Err(DeployError::Conflicts(names))
}

/// Reverts an update that ran into conflicts: what the user wrote is put back.
async fn back_out(
    svn: &SvnClient,
    copy: &Path,
    conflicted: &[&StatusLine],
    from: Option<&str>,
    run: &StepRun<'_>,
) -> Result<(), DeployError> {
    let mut saved: Vec<(PathBuf, Vec<u8>)> = Vec::new();
    for line in conflicted {
        let file = copy.join(&line.path);
        let mine = copy.join(format!("{}.mine", line.path));
        let text = std::fs::read(&mine).or_else(|_| std::fs::read(&file));
        saved.extend(text.ok().map(|text| (file, text)));
    }
    for line in conflicted {
        let revert = svn.command(copy, "revert").arg("--quiet").arg("--").arg(format!("{}@", line.path));
        svn.must(revert, "", run).await?;
    }
    if let Some(from) = from {
        switch(svn, copy, from, run).await?;
    }
    for (file, text) in saved {
        std::fs::write(&file, text).map_err(|error| DeployError::io("write", &file, error))?;
    }
    Ok(())
}

pub(super) async fn discard(
    svn: &SvnClient,
    copy: &Path,
    patch: &Path,
    run: &StepRun<'_>,
) -> Result<(), DeployError> {
    let diff = svn.must(svn.command(copy, "diff").arg("--internal-diff"), "", run).await?;
    if diff.stdout.truncated {
        let detail = "the changes of this machine are larger than 64 MiB".to_owned();
        return Err(SourceError::Output { command: "svn diff".to_owned(), detail }.into());
    }
    write_synced(patch, &diff.stdout.bytes)?;
    svn.must(svn.command(copy, "revert").args(["--quiet", "-R", "."]), "", run).await.map(drop)
}

/// Ends what a dead `svn` left: its locks, and the work that it had queued. A living one is never disturbed.
pub(super) async fn unlock(svn: &SvnClient, copy: &Path, run: &StepRun<'_>) -> Result<(), DeployError> {
    let admin = copy.join(".svn");
    if !admin.is_dir() {
        return Ok(());
    }
    busy::refuse_living(&admin, copy).await?;
    svn.must(svn.command(copy, "cleanup"), "", run).await.map(drop)
}

/// Whether an `svn` works on the copy, or was killed while it did.
async fn is_locked(svn: &SvnClient, copy: &Path, run: &StepRun<'_>) -> Result<bool, DeployError> {
    let status = svn.command(copy, "status").args(["--xml", "--ignore-externals"]);
    let end = svn.run(status, run).await?;
    Ok(!end.is_success() || end.stdout.text().contains("wc-locked=\"true\""))
}

/// Brings the cache copy to a revision; one that is damaged is made again.
pub(super) async fn bring_cache(
    svn: &SvnClient,
    revision: &str,
    run: &StepRun<'_>,
) -> Result<(), DeployError> {
    // The copy alone does not say whether its externals were fetched.
    let (marker, complete) = (svn.cache.with_extension("complete"), svn.complete_at(revision));
    let was_complete = std::fs::read_to_string(&marker).is_ok_and(|found| found == complete);
    if was_complete && is_cached(svn, revision, run).await? {
        return Ok(());
    }
    let _ = std::fs::remove_file(&marker);
    change_cache(svn, revision, run).await?;
    write_synced(&marker, complete.as_bytes())
}

async fn is_cached(svn: &SvnClient, revision: &str, run: &StepRun<'_>) -> Result<bool, DeployError> {
    if !svn.cache.join(".svn").is_dir() {
        return Ok(false);
    }
    unlock_cache(svn, run).await?;
    let state = current(svn, &svn.cache, run).await;
    Ok(state.is_ok_and(|state| state.revision.as_deref() == Some(revision) && state.modified.is_empty()))
}

async fn change_cache(svn: &SvnClient, revision: &str, run: &StepRun<'_>) -> Result<(), DeployError> {
    let cache = &svn.cache;
    if cache.join(".svn").is_dir() {
        unlock_cache(svn, run).await?;
        let state = current(svn, cache, run).await;
        let is_clean = matches!(&state, Ok(state) if state.modified.is_empty());
        match switch(svn, cache, revision, &StepRun { output: &herald_exec::NoOutput, ..*run }).await {
            Ok(()) if is_clean => return Ok(()),
            Ok(()) => {}
            // What the server says about the URL does not come from the cache.
            Err(DeployError::Origin(SourceError::Failed { .. })) => {}
            Err(other) => return Err(other),
        }
        tracing::warn!(url = svn.origin.url, "a cache copy is damaged; checking it out again");
        std::fs::remove_dir_all(cache).map_err(|error| DeployError::io("remove", cache, error))?;
    }
    std::fs::create_dir_all(cache).map_err(|error| DeployError::io("create", cache, error))?;
    checkout(svn, cache, revision, run).await
}

async fn unlock_cache(svn: &SvnClient, run: &StepRun<'_>) -> Result<(), DeployError> {
    match unlock(svn, &svn.cache, run).await {
        Err(DeployError::Origin(_)) => Ok(()),
        other => other,
    }
}
