//! What a job needs before it can start: its folder, its program, its parameter file, its environment.

use std::path::PathBuf;
use std::sync::Arc;

use herald_base::stop::Stop;
use serde_json::{Map, Value};
use tokio::time::Instant;

use super::settings::RunDir;
use super::state::EngineState;
use crate::git::GitSource;
use crate::git::command::inside;
use crate::outcome::ExecError;
use crate::param::redact;
use crate::param::{DEFAULT_NAME, EnvFile, JobParam, NODE_NAME};
use crate::process::environment::{self, Environment};
use crate::process::program::{LARGEST_VARIABLE, Owner, Program};
use crate::scratch::{Folder, SMALL_FILE, Scratch, TempFile};

/// A job that is ready to start, and what must live as long as it runs.
pub(super) struct Ready {
    pub(super) program: Program,
    pub(super) param_file: Option<TempFile>,
    /// Those of `env_file`.
    pub(super) env_files: Vec<TempFile>,
    /// Its checkout, and its current directory where it has one of its own.
    pub(super) folders: Vec<Folder>,
}

impl EngineState {
    pub(super) async fn prepare(
        &self,
        job: &JobParam,
        params: &Map<String, Value>,
        deadline: Option<Instant>,
        stop: &Stop,
    ) -> Result<Ready, ExecError> {
        let scratch = self.scratch().await?;
        let mut env = self.environment.clone();
        env.extend(job.env.iter().cloned());
        let (dir, own_dir) = self.current_dir(scratch)?;
        let mut folders = Vec::from_iter(own_dir);
        let path = match &job.source {
            Some(source) => {
                let (path, folder) = self.check_out(scratch, source, &job.cmd, deadline, stop).await?;
                folders.push(folder);
                path
            }
            None => environment::find(job.cmd.as_ref(), &env, &dir)
                .map_err(|error| ExecError::Start(error.to_string()))?,
        };
        let env_files = self.lay_out(scratch, &job.env_files, &mut env).await?;
        let param_file = Some(self.hand_over(scratch, job.name.as_deref(), params, &mut env).await?);
        let output_limit = job.output_limit.unwrap_or(self.settings.output_limit);
        let program = Program {
            path,
            args: job.args.clone(),
            env,
            dir,
            deadline,
            kill_grace: self.settings.kill_grace,
            output_limit: usize::try_from(output_limit).unwrap_or(usize::MAX),
            owner: Some(Owner(scratch.clone())),
            restrictions: self.settings.restrictions.clone(),
        };
        Ok(Ready { program, param_file, env_files, folders })
    }

    /// The current directory of the next job. The shared one is made again where somebody removed it.
    fn current_dir(&self, scratch: &Arc<Scratch>) -> Result<(PathBuf, Option<Folder>), ExecError> {
        match self.settings.run_dir {
            RunDir::Shared => {
                self.ensure_run_dir().map_err(|error| self.unusable(&error))?;
                Ok((self.run_dir.clone(), None))
            }
            RunDir::Job => {
                let folder = scratch.folder().map_err(|error| self.unusable(&error))?;
                folder.give_away().map_err(|error| self.unusable(&error))?;
                Ok((folder.path().to_owned(), Some(folder)))
            }
        }
    }

    async fn check_out(
        &self,
        scratch: &Arc<Scratch>,
        source: &GitSource,
        cmd: &str,
        deadline: Option<Instant>,
        stop: &Stop,
    ) -> Result<(PathBuf, Folder), ExecError> {
        let folder = scratch.folder().map_err(|error| self.unusable(&error))?;
        let commit = match self.git.checkout(source, folder.path(), deadline, stop).await {
            Ok(commit) => commit,
            Err(error) => {
                folder.remove().await;
                return Err(error);
            }
        };
        match inside(folder.path(), cmd) {
            Ok(path) => {
                // Only where another user is to work in it.
                let folder = match self.settings.restrictions.user {
                    None => folder,
                    Some(_) => given_away(folder).await.map_err(|error| self.unusable(&error))?,
                };
                Ok((path, folder))
            }
            Err(why) => {
                folder.remove().await;
                let repo = source.url.shown();
                Err(ExecError::Start(format!("`{cmd}` in Git repository {repo} at commit {commit} {why}")))
            }
        }
    }

    /// Writes the files of `env_file` and names them in the environment.
    async fn lay_out(
        &self,
        scratch: &Arc<Scratch>,
        files: &[EnvFile],
        env: &mut Environment,
    ) -> Result<Vec<TempFile>, ExecError> {
        let mut written = Vec::with_capacity(files.len());
        for EnvFile { name, content } in files {
            let file = write(scratch, content.clone()).await.map_err(|error| self.unusable(&error))?;
            env.retain(|(key, _)| key != name.as_str());
            env.push((name.into(), file.path().into()));
            written.push(file);
        }
        Ok(written)
    }

    /// Writes the parameter file and names it, and the JSON itself where it fits, in the environment.
    async fn hand_over(
        &self,
        scratch: &Arc<Scratch>,
        variable: Option<&str>,
        params: &Map<String, Value>,
        env: &mut Environment,
    ) -> Result<TempFile, ExecError> {
        let json = redact::json(params).map_err(|error| ExecError::Start(format!("parameters: {error}")))?;
        let fits = |name: &&str| name.len() + 1 + json.len() < LARGEST_VARIABLE;
        let text = variable.filter(fits).map(|name| (name, String::from_utf8_lossy(&json).into_owned()));
        let file = write(scratch, json).await.map_err(|error| self.unusable(&error))?;
        for name in variable.into_iter().chain([DEFAULT_NAME]) {
            env.retain(|(key, _)| key != name);
            env.push((file_variable(name).into(), file.path().into()));
        }
        if let Some((name, text)) = text {
            env.push((name.into(), text.into()));
        }
        let is_set = env.iter().any(|(key, _)| key == NODE_NAME);
        if let Some(node) = params.get("node").and_then(Value::as_str).filter(|_| !is_set) {
            env.push((NODE_NAME.into(), node.into()));
        }
        Ok(file)
    }
}

async fn given_away(folder: Folder) -> std::io::Result<Folder> {
    let given = tokio::task::spawn_blocking(move || folder.give_away().map(|()| folder)).await;
    given.unwrap_or_else(|error| Err(std::io::Error::other(error)))
}

/// A file that only this user can read.
async fn write(scratch: &Arc<Scratch>, content: Vec<u8>) -> std::io::Result<TempFile> {
    // Handing a small one to another thread would cost more than writing it.
    if content.len() <= SMALL_FILE {
        return scratch.file(&content);
    }
    let scratch = scratch.clone();
    let written = tokio::task::spawn_blocking(move || scratch.file(&content)).await;
    written.unwrap_or_else(|error| Err(std::io::Error::other(error)))
}

fn file_variable(name: &str) -> String {
    format!("{name}_FILE")
}
