//! The program `git`, and a bare mirror of one repository: the cache that fetches only what is new.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use sha2::{Digest, Sha256};

use super::{git_locks, ssh_command};
use crate::command::{CommandEnd, CommandStarter, StepRun, ToolCommand};
use crate::error::{DeployError, SourceError};
use crate::place::lock::KernelLock;
use crate::place::tree;
use crate::target::{DeployOrigin, OriginAuth};

/// Keeps a commit from being removed after its branch was.
const KEPT_REFS: &str = "refs/herald/keep/";

/// Runs `git` for one repository.
pub(super) struct GitMirror {
    starter: CommandStarter,
    pub(super) origin: DeployOrigin,
    /// The bare repository.
    pub(super) folder: PathBuf,
}

impl GitMirror {
    pub(super) fn new(starter: CommandStarter, origin: DeployOrigin, caches: &Path) -> Self {
        let folder = caches.join("git").join(cache_name(&origin.url));
        Self { starter, origin, folder }
    }

    /// `git` in this folder, which no hook and no question on a terminal holds up.
    pub(super) fn command(&self, dir: &Path) -> ToolCommand<'static> {
        let mut command = ToolCommand::new("git", dir);
        for option in [
            "safe.directory=*",
            "core.hooksPath=/dev/null",
            "core.quotePath=false",
            "core.fsmonitor=false",
            "gc.autoDetach=false",
            "advice.detachedHead=false",
            "protocol.ext.allow=never",
        ] {
            command = command.arg("-c").arg(option);
        }
        if self.is_local() {
            command = command.arg("-c").arg("protocol.file.allow=always");
        }
        command
            .env("LC_ALL", "C.UTF-8")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_OPTIONAL_LOCKS", "0")
            .env("GIT_CONFIG_COUNT", "0")
    }

    /// Whether the repository is a folder of this machine.
    pub(super) fn is_local(&self) -> bool {
        self.origin.url.starts_with(['/', '.']) || self.origin.url.starts_with("file:")
    }

    /// As [`Self::command`], in the mirror.
    pub(super) fn here(&self) -> ToolCommand<'static> {
        self.command(&self.folder)
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
        run: &StepRun<'_>,
    ) -> Result<CommandEnd, DeployError> {
        let name = name_of(&command);
        let end = self.run(command, run).await?;
        if end.is_success() {
            return Ok(end);
        }
        Err(explain(&self.origin.url, &name, &end.stderr).into())
    }

    /// With what the server is asked: `-c credential.helper=…` or the key of ssh. The file of the password is private
    /// and goes when the guard does.
    fn with_credentials(
        &self,
        mut command: ToolCommand<'static>,
    ) -> Result<(ToolCommand<'static>, Option<Guard>), DeployError> {
        if let (Some(file), Some(server)) = (&self.origin.ca_file, web_server(&self.origin.url)) {
            let authority = format!("http.{server}.sslCAInfo={}", file.display());
            command.args.splice(0..0, ["-c".into(), authority.into()]);
        }
        match &self.origin.auth {
            OriginAuth::Anonymous | OriginAuth::Machine => Ok((command, None)),
            OriginAuth::Password { username, password } => {
                static NUMBER: AtomicU64 = AtomicU64::new(0);
                let number = NUMBER.fetch_add(1, Ordering::Relaxed);
                let file = self.folder.with_extension(format!("auth-{}-{number}", std::process::id()));
                let line = format!("username={username}\npassword={password}\n");
                let guard = Guard::write(file, &line)
                    .map_err(|(path, error)| DeployError::io("write", &path, error))?;
                // The helper only prints the file; its path is made of hexadecimal digits below `work_dir`.
                let helper = format!("!f() {{ test \"$1\" = get && cat '{}'; }}; f", quoted(&guard.0));
                let mut args: Vec<std::ffi::OsString> = ["-c", "credential.helper="].map(Into::into).into();
                // Submodules inherit it, and a server can redirect: no other server gets the password.
                if let Some(server) = web_server(&self.origin.url) {
                    args.push("-c".into());
                    args.push(format!("credential.{server}.helper={helper}").into());
                }
                args.append(&mut command.args);
                command.args = args;
                Ok((command, Some(guard)))
            }
            OriginAuth::SshKey { key_file, known_hosts } => {
                let ssh = ssh_command::for_git(key_file, known_hosts.as_deref());
                Ok((command.env("GIT_SSH_COMMAND", ssh), None))
            }
        }
    }

    /// Runs a command that asks the server.
    pub(super) async fn ask(
        &self,
        command: ToolCommand<'static>,
        run: &StepRun<'_>,
    ) -> Result<CommandEnd, DeployError> {
        let (command, _guard) = self.with_credentials(command)?;
        self.must(command, run).await
    }

    /// Makes the mirror where it is missing, and waits for others that use it. What killed programs left in it goes.
    pub(super) async fn open(&self, run: &StepRun<'_>) -> Result<KernelLock, DeployError> {
        let above = self.folder.parent().unwrap_or(&self.folder).to_owned();
        std::fs::create_dir_all(&above).map_err(|error| DeployError::io("create", &above, error))?;
        let file = self.folder.with_extension("lock");
        let lock = KernelLock::wait(&file, &file, run).await?;
        if self.folder.join("HEAD").exists() {
            git_locks::remove(&self.folder, &self.folder).await?;
            return Ok(lock);
        }
        // Beside it first: a mirror is whole, or not there.
        let fresh = self.folder.with_extension("new");
        for folder in [&fresh, &self.folder] {
            tree::remove(folder)?;
        }
        let init = self.command(&above).args(["init", "--quiet", "--bare"]).arg(&fresh);
        self.must(init, run).await?;
        let url = self.command(&fresh).args(["config", "remote.origin.url"]).arg(&self.origin.url);
        self.must(url, run).await?;
        std::fs::rename(&fresh, &self.folder)
            .map_err(|error| DeployError::io("rename", &self.folder, error))?;
        Ok(lock)
    }

    /// The commit of this name, where the mirror has it.
    pub(super) async fn commit(&self, name: &str, run: &StepRun<'_>) -> Result<Option<String>, DeployError> {
        if !self.folder.join("HEAD").exists() {
            return Ok(None);
        }
        let parse = self.here().args(["rev-parse", "--verify", "--quiet", "--end-of-options"]);
        let end = self.run(parse.arg(format!("{name}^{{commit}}")), run).await?;
        Ok(end.is_success().then(|| end.text()))
    }

    /// Fetches all branches and tags, and HEAD when it is asked for.
    pub(super) async fn fetch_all(&self, head: bool, run: &StepRun<'_>) -> Result<(), DeployError> {
        let fetch =
            self.here().args(["fetch", "--quiet", "--prune", "--no-tags", "--no-write-fetch-head", "--"]);
        let mut fetch =
            fetch.arg(&self.origin.url).args(["+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"]);
        if head {
            fetch = fetch.arg("+HEAD:refs/herald/head");
        }
        self.ask(fetch, run).await.map(drop)
    }

    /// Fetches one commit, which may be on no branch any more.
    pub(super) async fn fetch_commit(
        &self,
        from: &Path,
        name: &str,
        run: &StepRun<'_>,
    ) -> Result<(), DeployError> {
        let fetch = self.here().args(["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--"]);
        self.ask(fetch.arg(from).arg(name), run).await.map(drop)
    }

    /// Keeps a commit, also when its branch is gone on the server.
    pub(super) async fn keep(&self, commit: &str, run: &StepRun<'_>) -> Result<(), DeployError> {
        let keep = self.here().args(["update-ref", &kept(commit), commit]);
        self.must(keep, run).await.map(drop)
    }
}

/// The ref that keeps a commit.
pub(super) fn kept(commit: &str) -> String {
    format!("{KEPT_REFS}{commit}")
}

/// The folder of the cache of a URL.
pub(super) fn cache_name(url: &str) -> String {
    hex::encode(Sha256::digest(url.as_bytes())).chars().take(32).collect()
}

/// `https://HOST[:PORT]` of a URL that a password is for; `None` where there is none.
fn web_server(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let scheme = scheme.to_ascii_lowercase();
    let server = rest.split(['/', '?', '#', '\\']).next()?;
    let host = server.rsplit_once('@').map_or(server, |(_, host)| host);
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '[' | ']');
    let valid = matches!(&*scheme, "http" | "https") && !host.is_empty() && host.chars().all(plain);
    valid.then(|| format!("{scheme}://{host}"))
}

/// For a shell, between `'`.
fn quoted(path: &Path) -> String {
    path.display().to_string().replace('\'', r"'\''")
}

/// A private file that is removed with it.
struct Guard(PathBuf);

impl Guard {
    fn write(path: PathBuf, text: &str) -> Result<Self, (PathBuf, std::io::Error)> {
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        match options.open(&path).and_then(|mut file| file.write_all(text.as_bytes())) {
            Ok(()) => Ok(Self(path)),
            Err(error) => Err((path, error)),
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// `git fetch`: the first word that is not an option.
fn name_of(command: &ToolCommand<'_>) -> String {
    let mut words = command.args.iter().filter_map(|arg| arg.to_str());
    loop {
        match words.next() {
            Some("-c") => drop(words.next()),
            Some(word) if !word.starts_with('-') => return format!("git {word}"),
            Some(_) => {}
            None => return "git".to_owned(),
        }
    }
}

/// What the words of `git` mean.
pub(super) fn explain(url: &str, command: &str, words: &str) -> SourceError {
    if let Some(error) = SourceError::of_ssh(url, words) {
        return error;
    }
    let has = |parts: &[&str]| parts.iter().any(|part| words.contains(part));
    let lines: Vec<&str> = words.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let marked = |line: &&&str| line.starts_with("fatal:") || line.starts_with("error:");
    let detail =
        lines.iter().find(marked).or(lines.last()).copied().unwrap_or("without a message").to_owned();
    let url = url.to_owned();
    if has(&["Authentication failed", "could not read Username", "could not read Password"]) {
        return SourceError::Credentials { url, detail };
    }
    if has(&["SSL certificate", "certificate verif"]) {
        return SourceError::Certificate { url, detail };
    }
    let absent =
        ["Could not resolve host", "Connection refused", "unable to access", "Could not read from remote"];
    if has(&absent) || has(&["does not appear to be a git repository", "unable to connect", "does not exist"])
    {
        return SourceError::Unreachable { url, detail };
    }
    SourceError::Failed { command: command.to_owned(), detail }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use herald_base::stop::Stop;
    use herald_exec::NoOutput;
    use tokio::time::Instant;

    use super::*;
    use crate::target::SourceKind;

    #[tokio::test]
    async fn a_password_comes_from_a_private_file_that_goes() {
        let folder = tempfile::tempdir().unwrap();
        let mut origin = DeployOrigin::new(SourceKind::Git, "https://git.example.com/shop.git");
        let (username, password) = ("ann".to_owned(), "it's \"odd\" $HOME %".to_owned());
        origin.auth = OriginAuth::Password { username, password: password.clone() };
        let starter = CommandStarter::new(Duration::from_secs(1));
        let mirror = GitMirror::new(starter, origin, &folder.path().join("with ' quote"));
        let (stop, deadline) = (Stop::new(), Instant::now() + Duration::from_secs(30));
        let run = StepRun { stop: &stop, output: &NoOutput, deadline };
        let _lock = mirror.open(&run).await.unwrap();
        let mut fill = mirror.here().args(["credential", "fill"]);
        fill.input = Some("protocol=https\nhost=git.example.com\n\n".to_owned());
        assert!(
            mirror
                .with_credentials(fill)
                .unwrap()
                .0
                .args
                .iter()
                .all(|arg| !arg.display().to_string().contains("odd"))
        );
        let mut fill = mirror.here().args(["credential", "fill"]);
        fill.input = Some("protocol=https\nhost=git.example.com\n\n".to_owned());
        let filled = mirror.ask(fill, &run).await.unwrap().text();
        assert!(filled.contains(&format!("username=ann\npassword={password}")), "{filled}");
        let left = std::fs::read_dir(mirror.folder.parent().unwrap()).unwrap().flatten();
        assert!(left.into_iter().all(|file| !file.file_name().display().to_string().contains("auth-")));
    }

    /// Asks what a submodule at another server would get, with the options that it inherits.
    #[tokio::test]
    async fn a_password_is_for_the_server_of_the_repository_alone() {
        for (url, asked, expected) in [
            ("https://git.example.com/shop.git", "protocol=https\nhost=git.example.com", true),
            ("https://git.example.com/shop.git", "protocol=https\nhost=evil.example.org", false),
            ("https://git.example.com/shop.git", "protocol=https\nhost=git.example.com:8443", false),
            ("https://git.example.com/shop.git", "protocol=http\nhost=git.example.com", false),
            ("https://ann@git.example.com:8443/shop.git", "protocol=https\nhost=git.example.com:8443", true),
            ("https://git.example.com@evil.example.org/x", "protocol=https\nhost=git.example.com", false),
            ("ssh://git.example.com/shop.git", "protocol=https\nhost=git.example.com", false),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let mut origin = DeployOrigin::new(SourceKind::Git, url);
            let (username, password) = ("ann".to_owned(), "s3cret".to_owned());
            origin.auth = OriginAuth::Password { username, password };
            let mirror = GitMirror::new(CommandStarter::new(Duration::from_secs(1)), origin, folder.path());
            let (stop, deadline) = (Stop::new(), Instant::now() + Duration::from_secs(30));
            let run = StepRun { stop: &stop, output: &NoOutput, deadline };
            let _lock = mirror.open(&run).await.unwrap();
            let alias = "alias.inherited=!git credential fill";
            let mut fill = mirror.here().args(["-c", alias, "-c", "core.askPass=", "inherited"]);
            fill.input = Some(format!("{asked}\n\n"));
            let filled = mirror.ask(fill, &run).await.map(|end| end.text()).unwrap_or_default();
            assert_eq!(filled.contains("password=s3cret"), expected, "{url} {asked}: {filled}");
        }
    }

    #[tokio::test]
    async fn a_program_that_is_killed_has_not_answered() {
        let folder = tempfile::tempdir().unwrap();
        let origin = DeployOrigin::new(SourceKind::Git, "https://git.example.com/shop.git");
        let mirror = GitMirror::new(CommandStarter::new(Duration::from_secs(1)), origin, folder.path());
        let (stop, deadline) = (Stop::new(), Instant::now() + Duration::from_secs(30));
        let run = StepRun { stop: &stop, output: &NoOutput, deadline };
        let git = mirror.command(folder.path()).args(["-c", "alias.end=!kill -9 $PPID", "end"]);
        let error = mirror.run(git, &run).await.err().unwrap().to_string();
        assert_eq!(error, "`git end` failed: killed by signal 9 (SIGKILL)");
    }

    #[test]
    fn words_become_sentences() {
        for (words, expected) in [
            (
                "fatal: Authentication failed for 'u'\n",
                "u refused the credentials; check user name, password or key: ",
            ),
            (
                "ssh: Could not resolve hostname x\nfatal: Could not read from remote repository.\n",
                "u cannot be reached: ",
            ),
            (
                "fatal: unable to access 'u': SSL certificate problem: x\n",
                "the certificate of u is not trusted",
            ),
            ("error: something\n", "`git fetch` failed: error: something"),
        ] {
            let sentence = explain("u", "git fetch", words).to_string();
            assert!(sentence.starts_with(expected), "{sentence}");
        }
    }
}
