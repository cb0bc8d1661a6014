//! `external`: asks a program.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use herald_core::executor::TimeLimit;
use herald_core::selector::{Answer, Question, Selector};
use herald_core::spec::{CheckError, Description, OptionKind, OptionSpec, Options, SelectorType};
use herald_core::trigger::ComponentError;
use herald_core::unit;
use herald_exec::environment::{self, Environment};
use herald_exec::program::{self, PrivateFile, Program};
use herald_exec::{Ending, Stop};
use serde_json::Value;
use tokio::time::Instant;

/// How many programs of one selector run at once; further questions wait for their turn.
const AT_ONCE: usize = 16;
/// The time between TERM and KILL.
const KILL_GRACE: Duration = Duration::from_secs(1);

const EXAMPLE: &str = "
trigger:
  manual:
    type: http

selector:
  is_workday:
    type: external
    program: /usr/local/bin/is-workday
    timeout: 5s

router:
  report_on_workdays:
    trigger: manual
    selector: is_workday
    task:
      print_param: print
    select_param:
      country: de
";

/// The component type `external`.
#[must_use]
pub fn component() -> SelectorType {
    let description = Description::new(
        "external",
        "Asks a program: exit code 0 is yes, any other is no. A program that cannot be started, is ended by a signal, \
         or takes too long is an error, which counts as no and is logged. At most 16 run at once; further events wait, in \
         turns by router, and `timeout` begins when the program is started. Its environment is clean, its output is not \
         looked at. A variable whose JSON is too large for the kernel (128 KiB) is left out, and one with `_FILE` after \
         its name names a file with the JSON instead.",
    )
    .option(
        OptionSpec::new(
            "program",
            OptionKind::Text,
            "The program: a name to be found in PATH, or an absolute path. It gets no arguments.",
        )
        .required(),
    )
    .option(
        OptionSpec::new(
            "trigger_param_env",
            OptionKind::Text,
            "The variable that holds the trigger's parameters as JSON.",
        )
        .default("HERALD_TRIGGER_PARAM")
        .check(is_env_name),
    )
    .option(
        OptionSpec::new("select_param_env", OptionKind::Text, "The variable that holds `select_param` as JSON.")
            .default("HERALD_SELECT_PARAM")
            .check(is_env_name),
    )
    .option(
        OptionSpec::new("timeout", OptionKind::Duration, "How long the program may take; then it is ended.")
            .default("10s"),
    )
    .example(EXAMPLE);
    SelectorType::new(description, |options| Ok(Arc::new(External::new(options)?)))
}

fn is_env_name(value: &Value) -> Result<(), CheckError> {
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

struct External {
    program: String,
    trigger_param_env: String,
    select_param_env: String,
    timeout: Duration,
    environment: Environment,
}

impl External {
    fn new(options: &Options) -> Result<Self, ComponentError> {
        let text = |name: &str, default: &str| match options.0.get(name) {
            None | Some(Value::Null) => Ok(default.to_owned()),
            Some(Value::String(text)) => Ok(text.clone()),
            Some(_) => Err(ComponentError::of_option(name, "expected a string")),
        };
        let program = text("program", "")?;
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
        let external = Self {
            program,
            trigger_param_env: text("trigger_param_env", "HERALD_TRIGGER_PARAM")?,
            select_param_env: text("select_param_env", "HERALD_SELECT_PARAM")?,
            timeout,
            environment: environment::clean(),
        };
        if external.trigger_param_env == external.select_param_env {
            return Err(ComponentError::of_option("select_param_env", "is the same as trigger_param_env"));
        }
        Ok(external)
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
}

#[async_trait]
impl Selector for External {
    fn at_once(&self) -> Option<usize> {
        Some(AT_ONCE)
    }

    async fn select(&self, question: &Question) -> Result<Answer, ComponentError> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use herald_core::context::Context;
    use herald_core::param::Params;
    use serde_json::json;
    use std::os::unix::fs::PermissionsExt;

    fn question(trigger_param: &Value) -> Question {
        Question {
            event_id: "e".into(),
            trigger: "t".into(),
            router: "r".into(),
            task: "k".into(),
            trigger_param: Arc::new(trigger_param.as_object().cloned().unwrap_or_default().into()),
            select_param: Arc::new(Params::from_iter([("country".to_owned(), json!("de"))])),
        }
    }

    fn selector(dir: &Path, script: &str, more: &Value) -> Arc<dyn Selector> {
        let program = dir.join("ask");
        std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        let mut options = more.as_object().cloned().unwrap_or_default();
        options.insert("program".to_owned(), json!(program));
        (component().factory)(&Options(options), &Context::default()).unwrap()
    }

    #[tokio::test]
    async fn answers() {
        let dir = tempfile::tempdir().unwrap();
        for (script, more, expected) in [
            ("exit 0", json!({}), Ok(true)),
            ("exit 3", json!({}), Ok(false)),
            ("kill -9 $$", json!({}), Err("killed by signal 9")),
            ("sleep 60", json!({"timeout": "100ms"}), Err("timed out after 100ms")),
            ("[ \"$HERALD_TRIGGER_PARAM\" = '{\"a\":1}' ]", json!({}), Ok(true)),
            ("[ \"$HERALD_SELECT_PARAM\" = '{\"country\":\"de\"}' ]", json!({}), Ok(true)),
            (
                "[ \"$T$S\" = '{\"a\":1}{\"country\":\"de\"}' ]",
                json!({"trigger_param_env": "T", "select_param_env": "S"}),
                Ok(true),
            ),
            ("[ -z \"$CARGO_MANIFEST_DIR\" ]", json!({}), Ok(true)),
        ] {
            let selector = selector(dir.path(), script, &more);
            let answer = selector.select(&question(&json!({"a": 1}))).await;
            match (answer, expected) {
                (Ok(answer), Ok(yes)) => assert_eq!(answer.yes, yes, "{script}: {}", answer.why),
                (Err(error), Err(text)) => assert!(error.message.contains(text), "{script}: {error}"),
                (answer, expected) => panic!("{script}: {answer:?} instead of {expected:?}"),
            }
        }
    }

    #[tokio::test]
    async fn large_parameters_come_as_a_file() {
        let dir = tempfile::tempdir().unwrap();
        let script =
            "[ -z \"$HERALD_TRIGGER_PARAM\" ] && [ $(wc -c < \"$HERALD_TRIGGER_PARAM_FILE\") = 200008 ]";
        let selector = selector(dir.path(), script, &json!({}));
        let answer = selector.select(&question(&json!({"a": "x".repeat(200_000)}))).await.unwrap();
        assert!(answer.yes);
    }

    #[tokio::test]
    async fn dropping_the_question_ends_the_program() {
        let dir = tempfile::tempdir().unwrap();
        let pid_file = dir.path().join("pid");
        let selector = selector(
            dir.path(),
            &format!("echo $$ > {0}.new; mv {0}.new {0}; sleep 60", pid_file.display()),
            &json!({}),
        );
        let question = question(&json!({}));
        let mut asked = Box::pin(selector.select(&question));
        let pid = loop {
            tokio::select! {
                answer = &mut asked => panic!("{answer:?}"),
                () = tokio::time::sleep(Duration::from_millis(10)) => {}
            }
            if let Ok(pid) = std::fs::read_to_string(&pid_file) {
                break pid.trim().to_owned();
            }
        };
        drop(asked);
        let gone = async {
            while Path::new(&format!("/proc/{pid}")).exists() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), gone).await.unwrap();
    }

    #[test]
    fn bad_options_are_refused() {
        for bad in [
            json!({}),
            json!({"program": ""}),
            json!({"program": "a/b"}),
            json!({"program": "x", "timeout": "soon"}),
            json!({"program": "x", "trigger_param_env": "A", "select_param_env": "A"}),
        ] {
            assert!(External::new(&Options(bad.as_object().cloned().unwrap_or_default())).is_err(), "{bad}");
        }
    }
}
