//! A folder for a test, with the files that it needs.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::program::{Ended, Program, built, clean, run_to_end};

/// A folder for a test. In every text that is written to it, `@DIR@` is replaced by its path.
pub struct Place {
    dir: TempDir,
}

impl Default for Place {
    fn default() -> Self {
        Self::new()
    }
}

impl Place {
    /// A new, empty one.
    #[must_use]
    pub fn new() -> Self {
        Self { dir: tempfile::Builder::new().prefix("herald-e2e-").tempdir().unwrap() }
    }

    /// A new one in memory, where the system has a folder for that: for tests that write so much, and wait for the
    /// disk so often, that this is what takes their time.
    #[must_use]
    pub fn in_memory() -> Self {
        let made = tempfile::Builder::new().prefix("herald-e2e-").tempdir_in("/dev/shm");
        made.map_or_else(|_| Self::new(), |dir| Self { dir })
    }

    /// A path in it.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The same as text.
    #[must_use]
    pub fn text_path(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    /// Writes a file and returns its path.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, self.fill(text)).unwrap();
        path
    }

    /// A text with `@DIR@` replaced.
    #[must_use]
    pub fn fill(&self, text: &str) -> String {
        text.replace("@DIR@", self.dir.path().to_str().unwrap())
    }

    /// The contents of a file, once it exists and is not empty.
    pub fn wait_file(&self, name: &str) -> String {
        crate::wait::until(name, || self.read(name).filter(|text| !text.is_empty()))
    }

    /// The contents of a file, if it exists.
    #[must_use]
    pub fn read(&self, name: &str) -> Option<String> {
        std::fs::read_to_string(self.path(name)).ok()
    }

    /// The number of lines of a file; 0 if it does not exist.
    #[must_use]
    pub fn count(&self, name: &str) -> usize {
        self.read(name).map_or(0, |text| text.lines().count())
    }

    /// Writes a shell script and returns its path. Another process writes it: a program that is still open for
    /// writing in a process that is being forked cannot be run (ETXTBSY).
    pub fn script(&self, name: &str, body: &str) -> String {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        write_elsewhere(&path, &self.fill(&format!("#!/bin/sh\n{body}\n")));
        path.to_str().unwrap().to_owned()
    }

    /// Writes `config.yml`, readable by its owner only.
    pub fn config(&self, text: &str) -> PathBuf {
        self.config_as("config.yml", text)
    }

    /// Writes a configuration under a name of its own, readable by its owner only.
    pub fn config_as(&self, name: &str, text: &str) -> PathBuf {
        let path = self.write(name, text);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        path
    }

    /// A program with this configuration, not started yet.
    #[must_use]
    pub fn command(&self, program: &str, config: &Path) -> Command {
        let mut command = self.bare(program);
        command.arg("-config").arg(config);
        command
    }

    /// A program without arguments, not started yet.
    #[must_use]
    pub fn bare(&self, program: &str) -> Command {
        let mut command = Command::new(built(program));
        clean(&mut command, self.dir.path());
        command.current_dir(self.dir.path());
        command
    }

    /// Runs a program with a configuration that prevents its start.
    #[must_use]
    pub fn refused(&self, program: &str, config: &str) -> Ended {
        let config = self.config(config);
        run_to_end(&mut self.command(program, &config))
    }

    /// Checks a configuration as `heraldd check` does.
    #[must_use]
    pub fn check(&self, config: &str) -> Ended {
        let config = self.config(config);
        run_to_end(self.bare("heraldd").arg("check").arg(config))
    }

    /// Runs a program with these arguments, in which `@DIR@` is replaced as well.
    #[must_use]
    pub fn run(&self, program: &str, arguments: &[&str]) -> Ended {
        run_to_end(self.bare(program).args(arguments.iter().map(|argument| self.fill(argument))))
    }

    /// Starts a program with this configuration.
    #[must_use]
    pub fn start(&self, program: &str, config: &str) -> Program {
        let config = self.config_as(&format!("{program}.yml"), config);
        Program::start(&mut self.command(program, &config))
    }
}

#[expect(clippy::disallowed_methods, reason = "a tool of the test's own")]
fn write_elsewhere(path: &Path, text: &str) {
    let mut install = Command::new("install");
    let mut child =
        install.args(["-m", "755", "/dev/stdin"]).arg(path).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
}
