//! Runs `git`, `svn` and hooks, with their output, their time and what stops them.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use herald_base::stop::Stop;
use herald_exec::environment;
use herald_exec::program::{Owner, Program, Restrictions};
use herald_exec::{Captured, Ending, NoOutput, Output};
use tokio::time::Instant;

use crate::error::{DeployError, SourceError};

/// How much of each output stream of `git` and `svn` is kept: lists of files are read from it.
const KEPT: usize = 64 << 20;
/// How much of a hook, whose output is only shown.
const KEPT_OF_HOOK: usize = 64 << 10;

/// What the commands of one step have in common.
#[derive(Clone, Copy)]
pub struct StepRun<'a> {
    /// Ends the step early.
    pub stop: &'a Stop,
    /// Takes what hooks and updates print.
    pub output: &'a dyn Output,
    /// When the step must have ended.
    pub deadline: Instant,
}

/// How commands are started on this machine.
#[derive(Clone)]
pub(crate) struct CommandStarter {
    pub(crate) kill_grace: Duration,
    pub(crate) owner: Option<Owner>,
    /// For the commands of the application.
    pub(crate) restrictions: Restrictions,
}

/// One command.
pub(crate) struct ToolCommand<'a> {
    pub(crate) program: &'a str,
    pub(crate) args: Vec<OsString>,
    pub(crate) env: Vec<(OsString, OsString)>,
    pub(crate) dir: PathBuf,
    /// What it reads from its standard input.
    pub(crate) input: Option<String>,
    /// Whether its output is for people; else it is only read.
    pub(crate) shown: bool,
    /// Whether it is a command of the application, and no tool: the `user` and the `limits` of jobs are for it.
    pub(crate) is_hook: bool,
}

impl<'a> ToolCommand<'a> {
    pub(crate) fn new(program: &'a str, dir: &Path) -> Self {
        let (args, env) = (Vec::new(), Vec::new());
        Self { program, args, env, dir: dir.to_owned(), input: None, shown: false, is_hook: false }
    }

    #[must_use]
    pub(crate) fn arg(mut self, arg: impl Into<OsString>) -> Self {
        self.args.push(arg.into());
        self
    }

    #[must_use]
    pub(crate) fn args<T: Into<OsString>>(mut self, args: impl IntoIterator<Item = T>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    #[must_use]
    pub(crate) fn env(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    #[must_use]
    pub(crate) fn hook(mut self) -> Self {
        (self.shown, self.is_hook) = (true, true);
        self
    }

    #[must_use]
    pub(crate) fn shown(mut self) -> Self {
        self.shown = true;
        self
    }
}

/// How a command ended by itself.
pub(crate) struct CommandEnd {
    pub(crate) ending: Ending,
    pub(crate) stdout: Captured,
    pub(crate) stderr: String,
}

impl CommandEnd {
    /// The same, unless it was killed.
    pub(crate) fn by_itself(self, command: String) -> Result<Self, DeployError> {
        match self.ending {
            Ending::Exited(_) => Ok(self),
            killed => Err(SourceError::Failed { command, detail: killed.to_string() }.into()),
        }
    }

    pub(crate) fn is_success(&self) -> bool {
        self.ending == Ending::Exited(0)
    }

    pub(crate) fn text(&self) -> String {
        self.stdout.text().trim_end().to_owned()
    }

    /// The entries of a list that is separated by NUL.
    pub(crate) fn entries(&self) -> Vec<String> {
        let parts = self.stdout.bytes.split(|byte| *byte == 0).filter(|part| !part.is_empty());
        parts.map(|part| String::from_utf8_lossy(part).into_owned()).collect()
    }
}

impl CommandStarter {
    #[cfg(test)]
    pub(crate) fn new(kill_grace: Duration) -> Self {
        Self { kill_grace, owner: None, restrictions: Restrictions::default() }
    }

    /// Runs it to its end.
    ///
    /// # Errors
    /// When it is missing or cannot be started, was stopped, or did not end in time; not when it failed.
    pub(crate) async fn run(
        &self,
        command: ToolCommand<'_>,
        run: &StepRun<'_>,
    ) -> Result<CommandEnd, DeployError> {
        let ToolCommand { program: name, args, env: own, dir, input, shown, is_hook } = command;
        let restrictions = if is_hook { self.restrictions.clone() } else { Restrictions::default() };
        let mut env = environment::of(restrictions.user.as_deref());
        env.extend(own);
        let path = environment::find(name.as_ref(), &env, &dir)?;
        let program = Program {
            path,
            args,
            env,
            dir,
            deadline: Some(run.deadline),
            kill_grace: self.kill_grace,
            output_limit: if is_hook { KEPT_OF_HOOK } else { KEPT },
            owner: self.owner.clone(),
            restrictions,
        };
        let output = if shown { run.output } else { &NoOutput };
        let finished = match &input {
            Some(input) => program.run_with_input(input.as_bytes(), run.stop, output).await?,
            None => program.run_with_output(run.stop, output).await?,
        };
        match finished.ending {
            Ending::TimedOut => Err(DeployError::TimedOut(name.to_owned())),
            Ending::Cancelled => Err(DeployError::Cancelled(name.to_owned())),
            ending => Ok(CommandEnd { ending, stderr: finished.stderr.text(), stdout: finished.stdout }),
        }
    }
}
