//! The program `svn`: the only place that builds its arguments.

use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use super::git_mirror::cache_name;
use super::ssh_command;
use crate::command::{CommandEnd, CommandStarter, StepRun, ToolCommand};
use crate::error::{DeployError, SourceError};
use crate::place::lock::KernelLock;
use crate::target::{DeployOrigin, Externals, OriginAuth};

/// Runs `svn` for one URL.
pub(super) struct SvnClient {
    starter: CommandStarter,
    pub(super) origin: DeployOrigin,
    /// A working copy from which trees are exported, so that only changes come over the network.
    pub(super) cache: PathBuf,
    /// The configuration of `svn`: ours, so that nothing of the user's interferes and nothing is stored.
    pub(super) config: PathBuf,
}

impl SvnClient {
    pub(super) fn new(starter: CommandStarter, mut origin: DeployOrigin, caches: &Path) -> Self {
        origin.url = canonical(&origin.url);
        let cache = caches.join("svn").join(cache_name(&origin.url));
        Self { starter, origin, cache, config: caches.join("svn-config") }
    }

    /// The URL as it was at a revision; an `@` in it means nothing else.
    pub(super) fn at(&self, revision: &str) -> String {
        format!("{}@{revision}", self.origin.url)
    }

    /// `svn COMMAND` in this folder, asking nobody on a terminal.
    pub(super) fn command(&self, dir: &Path, command: &str) -> ToolCommand<'static> {
        let svn = ToolCommand::new("svn", dir).arg(command).arg("--non-interactive");
        // Under another character set, names that are not ASCII end an update in the middle.
        svn.env("LC_ALL", "C.UTF-8").env("LANG", "C.UTF-8")
    }

    /// As [`Self::command`], for a command that asks the server.
    pub(super) fn asking(&self, dir: &Path, command: &str) -> Result<ToolCommand<'static>, DeployError> {
        let mut svn = self.command(dir, command);
        if let Some(file) = &self.origin.ca_file {
            let authorities = format!("servers:global:ssl-authority-files={}", file.display());
            svn = svn.arg("--config-option").arg(authorities);
        }
        if matches!(self.origin.auth, OriginAuth::Machine) {
            return Ok(svn);
        }
        let config = &self.config;
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(config);
        made.map_err(|error| DeployError::io("create", config, error))?;
        svn = svn.arg("--no-auth-cache").arg("--config-dir").arg(config);
        match &self.origin.auth {
            OriginAuth::Password { username, password } => {
                svn = svn.arg("--username").arg(username).arg("--password-from-stdin");
                svn.input = Some(format!("{password}\n"));
            }
            OriginAuth::SshKey { key_file, known_hosts } => {
                let ssh = ssh_command::for_svn(key_file, known_hosts.as_deref());
                svn = svn.env("SVN_SSH", ssh);
            }
            OriginAuth::Anonymous | OriginAuth::Machine => {}
        }
        Ok(svn)
    }

    /// Whether the servers of externals must not get the password of the repository.
    pub(super) fn has_scoped_externals(&self) -> bool {
        let has_password = matches!(self.origin.auth, OriginAuth::Password { .. });
        has_password && self.origin.externals == Externals::Fail
    }

    /// The option that leaves externals out, where they are to be.
    pub(super) fn externals(&self) -> Option<&'static str> {
        (self.origin.externals == Externals::Ignore).then_some("--ignore-externals")
    }

    /// The same, for a command of [`Self::asking`]: a password is for the server of the repository alone.
    pub(super) fn asked_externals(&self) -> Option<&'static str> {
        self.has_scoped_externals().then_some("--ignore-externals").or(self.externals())
    }

    /// Runs it to its end. One that was killed has said nothing, also where it is asked a question.
    pub(super) async fn run(
        &self,
        command: ToolCommand<'_>,
        run: &StepRun<'_>,
    ) -> Result<CommandEnd, DeployError> {
        let name = name_of(&command);
        self.starter.run(command, run).await?.by_itself(name)
    }

    /// Runs it; where it fails, its words become an error.
    pub(super) async fn must(
        &self,
        command: ToolCommand<'_>,
        revision: &str,
        run: &StepRun<'_>,
    ) -> Result<CommandEnd, DeployError> {
        let name = name_of(&command);
        let end = self.run(command, run).await?;
        if end.is_success() {
            return Ok(end);
        }
        Err(explain(&self.origin.url, revision, &name, &end.stderr).into())
    }

    /// What is written down when the cache has a revision, with its externals or without.
    pub(super) fn complete_at(&self, revision: &str) -> String {
        format!("{revision} {}", self.externals().unwrap_or("with externals"))
    }

    /// Waits for others that use the cache.
    pub(super) async fn lock_cache(&self, run: &StepRun<'_>) -> Result<KernelLock, DeployError> {
        let above = self.cache.parent().unwrap_or(&self.cache);
        std::fs::create_dir_all(above).map_err(|error| DeployError::io("create", above, error))?;
        KernelLock::wait(&self.cache.with_extension("lock"), &self.cache.with_extension("lock"), run).await
    }
}

/// `svn update`, `svnversion`.
fn name_of(command: &ToolCommand<'_>) -> String {
    let word = command.args.first().filter(|word| !word.as_encoded_bytes().starts_with(b"-"));
    word.map_or_else(|| command.program.to_owned(), |word| format!("{} {}", command.program, word.display()))
}

/// What the words of `svn` mean: there are several lines with a code each, and the exit code is always 1.
pub(super) fn explain(url: &str, revision: &str, command: &str, words: &str) -> SourceError {
    if let Some(error) = SourceError::of_ssh(url, words) {
        return error;
    }
    let has = |codes: &[&str]| codes.iter().any(|code| words.contains(code));
    let messages: Vec<&str> = words.lines().filter_map(|line| line.trim().strip_prefix("svn: ")).collect();
    let last = messages.iter().rfind(|line| line.starts_with('E')).or(messages.last());
    let detail = last.map_or("without a message", |line| line.trim()).to_owned();
    let url = url.to_owned();
    if has(&["E230001", "certificate"]) {
        return SourceError::Certificate { url, detail };
    }
    if has(&["E170001", "E215004"]) {
        return SourceError::Credentials { url, detail };
    }
    if has(&["E160006"]) {
        return SourceError::no_revision(revision, &url);
    }
    if has(&["E160013", "E160005", "W160013", "E200009"]) {
        return SourceError::NoPath { url, revision: revision.to_owned() };
    }
    if has(&["E205011", "W205011"]) {
        return SourceError::External { url, detail };
    }
    if has(&["E170013", "E000111", "E670002", "E210002", "E210005", "E180001", "E731001"]) {
        return SourceError::Unreachable { url, detail };
    }
    SourceError::Failed { command: command.to_owned(), detail }
}

/// As svn writes it: without empty names in the path.
fn canonical(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.trim_end_matches('/').to_owned() };
    let lead = if rest.starts_with('/') { "/" } else { "" };
    let names: Vec<&str> = rest.split('/').filter(|name| !name.is_empty()).collect();
    format!("{scheme}://{lead}{}", names.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_written_as_svn_writes_them() {
        for (url, expected) in [
            ("svn://h/r/trunk/", "svn://h/r/trunk"),
            ("svn+ssh://u@h//srv///r//trunk", "svn+ssh://u@h/srv/r/trunk"),
            ("file:///srv/r//trunk", "file:///srv/r/trunk"),
            ("https://h:1/a@2x", "https://h:1/a@2x"),
        ] {
            assert_eq!(canonical(url), expected);
        }
    }

    #[test]
    fn codes_become_sentences() {
        for (words, expected) in [
            (
                "svn: E170013: Unable to connect to a repository at URL 'u'\nsvn: E170001: Password incorrect\n",
                "u refused the credentials; check user name, password or key: E170001: Password incorrect",
            ),
            (
                "svn: E170013: Unable\nsvn: E000111: Can't connect to host '127.0.0.1': Connection refused\n",
                "u cannot be reached: E000111: Can't connect to host '127.0.0.1': Connection refused",
            ),
            (
                "Host key verification failed.\nsvn: E170013: Unable\nsvn: E210002: closed unexpectedly\n",
                "the host key of u is not known, or not the one that is known; see its known_hosts_file: Host key \
                 verification failed.",
            ),
            (
                "git@h: Permission denied (publickey).\nsvn: E170013: Unable\nsvn: E210002: closed\n",
                "u refused the credentials; check user name, password or key: git@h: Permission denied (publickey).",
            ),
            ("svn: E160006: No such revision 99\n", "revision `99` does not exist in u"),
            ("svn: E160013: path not found\n", "u does not exist at revision 99"),
            ("svn: E200030: disk\n", "`svn up` failed: E200030: disk"),
            ("", "`svn up` failed: without a message"),
        ] {
            assert_eq!(explain("u", "99", "svn up", words).to_string(), expected);
        }
    }
}
