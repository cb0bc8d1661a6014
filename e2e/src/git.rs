//! A Git repository for a test.

use std::path::PathBuf;
use std::process::Command;

use crate::place::Place;
use crate::program::tool;

/// A repository with a work tree, at `@DIR@/<name>`.
pub struct Repository {
    path: PathBuf,
}

impl Repository {
    /// A new one, on branch `main`, without commits.
    #[must_use]
    pub fn new(place: &Place, name: &str) -> Self {
        let repository = Self { path: place.path(name) };
        std::fs::create_dir_all(&repository.path).unwrap();
        repository.git(&["init", "-q", "-b", "main"]);
        repository
    }

    /// Its address.
    #[must_use]
    pub fn url(&self) -> String {
        format!("file://{}", self.path.display())
    }

    /// Runs git in it.
    pub fn git(&self, args: &[&str]) -> String {
        let mut git = Command::new("git");
        git.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", &self.path);
        git.args(["-c", "user.name=Test", "-c", "user.email=test@example.com", "-c", "commit.gpgsign=false"]);
        tool(git.current_dir(&self.path).args(args))
    }

    /// Commits a shell script `run/job.sh` with this body and returns the commit's id.
    pub fn commit(&self, body: &str) -> String {
        self.commit_as("run/job.sh", body)
    }

    /// Commits a shell script and returns the commit's id.
    pub fn commit_as(&self, name: &str, body: &str) -> String {
        use std::os::unix::fs::PermissionsExt;
        let path = self.path.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "--allow-empty", "-m", "a commit"]);
        self.git(&["rev-parse", "HEAD"])
    }
}
