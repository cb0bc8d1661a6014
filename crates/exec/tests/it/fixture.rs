//! What the tests share: an engine in a folder of its own, and Git repositories.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use herald_exec::{ExecEngine, ExecError, ExecSettings, Report, Stop};
use serde_json::{Map, Value, json};
use tempfile::TempDir;

/// An engine and its working directory.
pub(crate) struct Bench {
    pub(crate) dir: TempDir,
    pub(crate) engine: ExecEngine,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(crate) fn with(change: impl FnOnce(&mut ExecSettings)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut settings = ExecSettings::new(dir.path());
        settings.kill_grace = Duration::from_millis(300);
        settings.git_timeout = Duration::from_secs(60);
        change(&mut settings);
        Self { dir, engine: ExecEngine::new(settings) }
    }

    pub(crate) async fn run(&self, job_param: Value) -> Result<Report, ExecError> {
        self.run_with(job_param, &Stop::default()).await
    }

    pub(crate) async fn run_with(&self, job_param: Value, stop: &Stop) -> Result<Report, ExecError> {
        self.engine.run(&params(job_param), stop).await
    }

    /// Runs a job that must succeed, and gives its result.
    pub(crate) async fn result(&self, job_param: Value) -> Value {
        Value::Object(self.run(job_param).await.unwrap().result)
    }

    /// Runs a job that cannot be run, and gives the sentence.
    pub(crate) async fn error(&self, job_param: Value) -> String {
        self.run(job_param).await.unwrap_err().to_string()
    }

    pub(crate) fn run_dir(&self) -> PathBuf {
        self.dir.path().join("run")
    }

    /// What is left under `tmp` besides locks and empty owner folders.
    pub(crate) fn leftovers(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        for owner in list(&self.dir.path().join("tmp")) {
            found.extend(list(&owner).into_iter().filter(|path| !path.ends_with("lock")));
        }
        found
    }

    pub(crate) fn mirrors(&self) -> Vec<PathBuf> {
        list(&self.dir.path().join("gitrepo")).into_iter().filter(|path| path.is_dir()).collect()
    }
}

/// What is in a folder; nothing when it is none.
pub(crate) fn list(folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> =
        std::fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path()).collect();
    found.sort();
    found
}

/// Execution parameters with this `job_param`.
pub(crate) fn params(job_param: Value) -> Map<String, Value> {
    json!({
        "id": "j1", "job_id": "j1", "trigger_id": "e1", "router": "r", "trigger": "t", "selector": "all",
        "task": "k", "executor": "local", "trigger_param": {"n": 9_007_199_254_740_993_u64}, "select_param": {},
        "job_param": job_param, "chain_depth": 0, "attempt": 1,
    })
    .as_object()
    .cloned()
    .unwrap()
}

/// A job that runs a shell script.
pub(crate) fn sh(script: impl AsRef<str>) -> Value {
    json!({"cmd": "sh", "arg": ["-c", script.as_ref()]})
}

/// One map over the other.
pub(crate) fn merged(mut base: Value, more: Value) -> Value {
    let more = more.as_object().cloned().unwrap();
    base.as_object_mut().unwrap().extend(more);
    base
}

/// Waits until something holds.
pub(crate) async fn eventually(what: &str, holds: impl Fn() -> bool) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(tokio::time::Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Whether a process runs (a zombie does not).
pub(crate) fn lives(pid: &str) -> bool {
    std::fs::read_to_string(format!("/proc/{}/stat", pid.trim()))
        .is_ok_and(|stat| !stat[stat.rfind(')').unwrap()..].starts_with(") Z"))
}

/// A Git repository with a working tree.
pub(crate) struct Repo {
    pub(crate) dir: TempDir,
}

impl Repo {
    pub(crate) fn new() -> Self {
        let repo = Self { dir: tempfile::tempdir().unwrap() };
        repo.git(&["init", "-q", "-b", "main"]);
        repo
    }

    /// One with a commit whose `run.sh` prints this.
    pub(crate) fn printing(text: &str) -> Self {
        let repo = Self::new();
        repo.commit(text);
        repo
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn url(&self) -> String {
        self.dir.path().display().to_string()
    }

    pub(crate) fn git(&self, args: &[&str]) -> String {
        git(self.dir.path(), args, None)
    }

    /// Commits a `run.sh` that prints this, and gives the commit.
    pub(crate) fn commit(&self, text: &str) -> String {
        self.script("run.sh", &format!("#!/bin/sh\necho {text}\n"));
        self.commit_all()
    }

    pub(crate) fn script(&self, name: &str, text: &str) {
        use std::os::unix::fs::PermissionsExt;
        let path = self.dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    pub(crate) fn commit_all(&self) -> String {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "--allow-empty", "-m", "x"]);
        self.head()
    }

    pub(crate) fn head(&self) -> String {
        self.git(&["rev-parse", "HEAD"]).trim().to_owned()
    }

    /// Writes an object as it is, however wrong, and gives its name.
    pub(crate) fn object(&self, kind: &str, content: &[u8]) -> String {
        let args = ["hash-object", "-t", kind, "-w", "--stdin", "--literally"];
        git(self.dir.path(), &args, Some(content)).trim().to_owned()
    }

    /// A tree object with exactly these entries: mode, name, object.
    pub(crate) fn tree(&self, entries: &[(&str, &str, &str)]) -> String {
        let mut content = Vec::new();
        for (mode, name, object) in entries {
            content.extend_from_slice(format!("{mode} {name}\0").as_bytes());
            let bytes = object.as_bytes().chunks(2);
            content
                .extend(bytes.map(|hex| u8::from_str_radix(std::str::from_utf8(hex).unwrap(), 16).unwrap()));
        }
        self.object("tree", &content)
    }

    /// Makes `branch` point to a commit of this tree.
    pub(crate) fn branch(&self, branch: &str, tree: &str) {
        let commit = self.git(&["commit-tree", tree, "-m", "x"]);
        self.git(&["update-ref", &format!("refs/heads/{branch}"), commit.trim()]);
    }
}

fn git(dir: &Path, args: &[&str], input: Option<&[u8]>) -> String {
    use std::io::Write;
    let mut child = Command::new("git")
        .args(args)
        .current_dir(dir)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .envs(["AUTHOR", "COMMITTER"].iter().flat_map(|who| {
            [(format!("GIT_{who}_NAME"), "t"), (format!("GIT_{who}_EMAIL"), "t@example.com")]
        }))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.unwrap_or_default()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
