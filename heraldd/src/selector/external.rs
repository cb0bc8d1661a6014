//! `external`: asks a program.

use std::sync::Arc;

use async_trait::async_trait;
use herald_core::selector::{Answer, Question, Selector};
use herald_core::spec::{Description, OptionKind, OptionSpec, SelectorType};
use herald_core::trigger::ComponentError;
use herald_local_jobs::{AskedProgram, is_env_name};

/// How many programs of one selector run at once; further questions wait for their turn.
const AT_ONCE: usize = 16;

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
            "The program: a name to be found in PATH, or an absolute path (`~/` is the home folder). It gets no arguments.",
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
    SelectorType::new(description, |options| Ok(Arc::new(External(AskedProgram::new(options)?))))
}

/// Asks a program.
struct External(AskedProgram);

#[async_trait]
impl Selector for External {
    fn at_once(&self) -> Option<usize> {
        Some(AT_ONCE)
    }

    async fn select(&self, question: &Question) -> Result<Answer, ComponentError> {
        self.0.ask(question).await
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use super::*;
    use herald_core::context::Context;
    use herald_core::param::Params;
    use herald_core::spec::Options;
    use serde_json::{Value, json};
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
            assert!(
                AskedProgram::new(&Options(bad.as_object().cloned().unwrap_or_default())).is_err(),
                "{bad}"
            );
        }
    }
}
