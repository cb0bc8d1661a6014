//! A program that says yes or no.

use std::path::{Path, PathBuf};
use std::time::Duration;

use herald_core::executor::TimeLimit;
use herald_core::selector::{Answer, Question};
use herald_core::spec::{CheckError, Options, home};
use herald_core::trigger::ComponentError;
use herald_core::unit;
use herald_exec::environment::{self, Environment};
use herald_exec::program::{self, PrivateFile, Program};
use herald_exec::{Ending, Stop};
use serde_json::Value;
use tokio::time::Instant;

/// The time between TERM and KILL.
const KILL_GRACE: Duration = Duration::from_secs(1);

/// Whether a variable can have this name.
///
/// # Errors
/// What is wrong with it.
pub fn is_env_name(value: &Value) -> Result<(), CheckError> {
    let name = value.as_str().unwrap_or_default();
    let fine = !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if fine {
        Ok(())
    } else {
        Err(CheckError::new("must be letters, digits and _, without a digit in front"))
    }
}

/// A program that is asked a question.
pub struct AskedProgram {
    program: String,
    trigger_param_env: String,
    select_param_env: String,
    timeout: Duration,
    environment: Environment,
}

impl AskedProgram {
    /// Of checked options.
    ///
    /// # Errors
    /// The option, and what is wrong with it.
    pub fn new(options: &Options) -> Result<Self, ComponentError> {
        let text = |name: &str, default: &str| match options.0.get(name) {
            None | Some(Value::Null) => Ok(default.to_owned()),
            Some(Value::String(text)) => Ok(text.clone()),
            Some(_) => Err(ComponentError::of_option(name, "expected a string")),
        };
        let program =
            home::path(&text("program", "")?).map_err(|why| ComponentError::of_option("program", why))?;
        let program = program.to_string_lossy().into_owned();
        if program.is_empty() || program.contains('\0') {
            return Err(ComponentError::of_option("program", "name the program to ask"));
        }
        if program.contains('/') && !program.starts_with('/') {
            return Err(ComponentError::of_option(
                "program",
                "expected a name to be found in PATH, or an absolute path",
            ));
        }
        let timeout = match options.0.get("timeout") {
            None | Some(Value::Null) => Duration::from_secs(10),
            Some(value) => unit::duration(value).map_err(|why| ComponentError::of_option("timeout", why))?,
        };
        let asked = Self {
            program,
            trigger_param_env: text("trigger_param_env", "HERALD_TRIGGER_PARAM")?,
            select_param_env: text("select_param_env", "HERALD_SELECT_PARAM")?,
            timeout,
            environment: environment::clean(),
        };
        if asked.trigger_param_env == asked.select_param_env {
            return Err(ComponentError::of_option("select_param_env", "is the same as trigger_param_env"));
        }
        Ok(asked)
    }

    fn failed(&self, why: impl std::fmt::Display) -> ComponentError {
        ComponentError::new(format!("external selector `{}`: {why}", self.program))
    }

    /// The program with both parameters, and the files that live as long as it does.
    async fn prepare(&self, question: &Question) -> Result<(Program, Vec<PrivateFile>), ComponentError> {
        let path = environment::find(self.program.as_ref(), &self.environment, Path::new("/"));
        let path = path.map_err(|error| self.failed(error))?;
        let mut env = self.environment.clone();
        let mut files = Vec::new();
        let trigger_param = (&self.trigger_param_env, question.trigger_param.params());
        let select_param = (&self.select_param_env, &question.select_param);
        for (name, params) in [trigger_param, select_param] {
            let json = serde_json::to_string(params.as_ref()).map_err(|error| self.failed(error))?;
            if name.len() + 1 + json.len() < program::LARGEST_VARIABLE {
                env.push((name.into(), json.into()));
                continue;
            }
            let written = tokio::task::spawn_blocking(move || PrivateFile::write(json.as_bytes())).await;
            let file = written.map_err(|error| self.failed(error))?.map_err(|error| self.failed(error))?;
            env.push((format!("{name}_FILE").into(), file.path().into()));
            files.push(file);
        }
        let program = Program {
            path,
            args: Vec::new(),
            env,
            dir: PathBuf::from("/"),
            deadline: Some(Instant::now() + self.timeout),
            kill_grace: KILL_GRACE,
            output_limit: 0,
            owner: None,
            restrictions: program::Restrictions::default(),
        };
        Ok((program, files))
    }

    /// Asks it: exit code 0 is yes, any other is no.
    ///
    /// # Errors
    /// It could not be started, was ended, or took too long.
    pub async fn ask(&self, question: &Question) -> Result<Answer, ComponentError> {
        let (program, _files) = self.prepare(question).await?;
        // Dropping the future ends the program's process group.
        let finished = program.run(&Stop::default()).await.map_err(|error| self.failed(error))?;
        // Not what it printed: that may hold secrets.
        let sentence =
            finished.ending.sentence(Some(TimeLimit { option: "timeout", duration: self.timeout }));
        match finished.ending {
            Ending::Exited(0) => Ok(Answer::yes(sentence)),
            Ending::Exited(_) => Ok(Answer::no(sentence)),
            _ => Err(self.failed(sentence)),
        }
    }
}
