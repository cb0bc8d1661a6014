//! `local`: runs the job's program on this machine.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use herald_core::executor::{Execution, Executor, Failure, FailureKind, Outcome, outcome_of};
use herald_core::param::Params;
use herald_core::spec::{Description, ExecutorType, OptionKind, OptionSpec, Options, PathUse};
use herald_core::trigger::ComponentError;
use herald_core::unit::{self, UnitError};
use herald_exec::{ExecEngine, ExecSettings, GitLimits, LARGEST_OUTPUT};
use herald_local_jobs::{job_params, refusal, together};
use herald_runner::config::{JobOptions, job_options};
use serde_json::Value;

use crate::state::folder::StateFolder;
use herald_control::places::state_dir;

const EXAMPLE: &str = "
trigger:
  manual:
    type: http

executor:
  local_command:
    type: local
    work_dir: /var/lib/heraldd/work

router:
  backup:
    trigger: manual
    selector: all
    task:
      run_backup: local_command
    job_param:
      repo: https://github.com/heraldgo/demo-script.git
      cmd: run/backup.sh
      arg: [--full]
      timeout: 10m
";

/// The component type `local`.
#[must_use]
pub fn component() -> ExecutorType {
    let description = Description::new(
        "local",
        "Runs a program on this machine, from PATH, from a file or from a Git repository. A JSON object on its standard \
         output is the result, with `exit_code` added; anything else is its `output`. **A program that gives a result \
         writes one JSON object to standard output and nothing else; everything else goes to standard error.** Otherwise \
         the result has a `note` that says so, and files that the object names are not kept. A program of a repository \
         starts in the folder `run` as well, not in its checkout. A script gets its parameters as \
         JSON in `HERALD_EXECUTE_PARAM`, and in the file that `HERALD_EXECUTE_PARAM_FILE` names.",
    )
    .option(OptionSpec::new(
        "work_dir",
        OptionKind::FilePath,
        "Holds `run`, the current directory of all jobs, and `gitrepo`, the mirrors of Git repositories. Default: \
         `work` in the state_dir; with `state_dir: none` in the one that would be the default.",
    ).used_as(PathUse::Folder))
    .option(
        OptionSpec::new(
            "output_limit",
            OptionKind::Size,
            "How much of standard output and of standard error is kept of each job; what is cut is marked \
             `truncated: true`. At most 64 MiB.",
        )
        .default("1MiB")
        .within_sizes(0, LARGEST_OUTPUT),
    )
    .option(
        OptionSpec::new(
            "kill_grace",
            OptionKind::Duration,
            "The time between TERM and KILL when a job is ended.",
        )
        .default("5s"),
    )
    .option(
        OptionSpec::new("git_timeout", OptionKind::Duration, "How long getting a Git repository may take.")
            .default("10m"),
    )
    .option(
        OptionSpec::new("git_max_size", OptionKind::Size, GitLimits::SIZE_DOC)
            .default("2GiB")
            .within_sizes(1, u64::MAX),
    )
    .option(
        OptionSpec::new(
            "git_max_files",
            OptionKind::Integer { min: 1, max: GitLimits::MOST_FILES },
            GitLimits::FILES_DOC,
        )
        .default(1_000_000),
    )
    .example(EXAMPLE);
    let description = job_options().into_iter().fold(description, Description::option);
    let description = job_params().into_iter().fold(description, Description::param).params_check(together);
    ExecutorType::with_context(description, |options, context| {
        let state = context.get::<StateFolder>();
        let settings = settings(options, state.as_ref().map(|folder| folder.0.as_path()))?;
        Ok(Arc::new(Local { engine: ExecEngine::new(settings) }))
    })
}

fn settings(options: &Options, state: Option<&Path>) -> Result<ExecSettings, ComponentError> {
    let given = |name: &str| options.0.get(name).filter(|value| !value.is_null());
    let bad = |name: &'static str| move |why: UnitError| ComponentError::of_option(name, why);
    let work_dir = match given("work_dir") {
        Some(Value::String(path)) => PathBuf::from(path),
        Some(_) => return Err(ComponentError::of_option("work_dir", "expected a path")),
        None => default_work_dir(state)?,
    };
    let mut settings = ExecSettings::new(work_dir);
    let job = JobOptions::of(options)?;
    (settings.run_dir, settings.restrictions) = (job.run_dir, job.restrictions());
    if let Some(size) = given("output_limit") {
        settings.output_limit = unit::size(size).map_err(bad("output_limit"))?;
    }
    if let Some(time) = given("kill_grace") {
        settings.kill_grace = unit::duration(time).map_err(bad("kill_grace"))?;
    }
    if let Some(time) = given("git_timeout") {
        settings.git_timeout = unit::duration(time).map_err(bad("git_timeout"))?;
    }
    if let Some(size) = given("git_max_size") {
        settings.git_limits.size = unit::size(size).map_err(bad("git_max_size"))?;
    }
    if let Some(files) = given("git_max_files").and_then(Value::as_u64) {
        settings.git_limits.files = files;
    }
    Ok(settings)
}

/// In the `state_dir`, so that no two daemons share it; where the state is in memory, where it would be by default.
fn default_work_dir(state: Option<&Path>) -> Result<PathBuf, ComponentError> {
    state.map(Path::to_owned).or_else(state_dir::default).map(|state| state.join("work")).ok_or_else(|| {
        ComponentError::of_option(
            "work_dir",
            "there is neither $STATE_DIRECTORY nor a home directory; name a folder",
        )
    })
}

struct Local {
    engine: ExecEngine,
}

#[async_trait]
impl Executor for Local {
    fn refusal(&self, job_param: &Params) -> Option<String> {
        refusal(job_param)
    }

    async fn execute(&self, execution: Execution) -> Outcome {
        herald_core::failpoint!("local-before-run");
        let (params, output) = (execution.params(), execution.output.as_ref());
        let ran = self.engine.run_with_output(&params, &execution.stop, output).await;
        herald_core::failpoint!("local-after-run");
        match ran {
            Ok(report) => {
                let line = report.error_line;
                outcome_of(report.ending, report.timeout, report.result)
                    .map_err(|failure| failure.ending_with(line.as_deref(), &execution.mask))
            }
            Err(error) => {
                let kind = error.ending().map_or(FailureKind::Failed, FailureKind::from);
                Err(Failure { kind, error: error.to_string(), result: error.into_result() })
            }
        }
    }

    /// What an earlier process left running is ended first, so that no attempt runs beside it.
    async fn recover(&self, _: Execution) -> Outcome {
        herald_core::failpoint!("local-before-recover");
        let lost = match self.engine.open().await {
            Ok(()) => {
                "heraldd stopped while the job was running; its remaining processes were killed".to_owned()
            }
            Err(error) => format!("heraldd stopped while the job was running; {error}"),
        };
        herald_core::failpoint!("local-after-recover");
        Err(Failure { kind: FailureKind::Lost, ..Failure::new(lost) })
    }

    /// Ends what jobs left in the background.
    async fn close(&self) {
        self.engine.close().await;
    }
}

#[cfg(test)]
mod tests {
    use herald_core::context::Context;
    use herald_core::secret::Mask;

    use super::*;
    use herald_core::job::Job;
    use herald_core::param::Params;
    use serde_json::json;

    fn object(value: &Value) -> Params {
        value.as_object().cloned().unwrap_or_default()
    }

    fn execution(job_param: &Value) -> Execution {
        let empty = Arc::new(Params::new());
        let job = Job {
            id: "j1".into(),
            trigger_id: "e1".into(),
            router: "r".into(),
            trigger: "t".into(),
            selector: "all".into(),
            task: "k".into(),
            executor: "local".into(),
            trigger_param: Arc::default(),
            select_param: empty,
            job_param: Arc::new(object(job_param)),
            chain_depth: 0,
            attempt: 1,
            by: None,
            rerun: false,
        };
        Execution {
            job: Arc::new(job),
            mask: Arc::new(Mask::new()),
            stop: herald_core::executor::Stop::new(),
            output: Arc::new(herald_core::executor::NoOutput),
            earlier: None,
        }
    }

    fn local(work_dir: &std::path::Path) -> Arc<dyn Executor> {
        let options = Options(object(&json!({"work_dir": work_dir, "kill_grace": "200ms"})));
        (component().factory)(&options, &Context::default()).unwrap()
    }

    #[tokio::test]
    async fn outcomes() {
        let dir = tempfile::tempdir().unwrap();
        let local = local(dir.path());
        let sh = |script: &str| json!({"cmd": "sh", "arg": ["-c", script]});
        for (job_param, expected) in [
            (sh("echo hi"), Ok(json!({"output": "hi\n", "exit_code": 0}))),
            (sh("echo '{\"a\":1}'"), Ok(json!({"a": 1, "exit_code": 0}))),
            (
                sh("echo '{\"a\":1}'; exit 3"),
                Err((FailureKind::Failed, "exit code 3", json!({"a": 1, "exit_code": 3}))),
            ),
            (
                sh("echo one >&2; echo ' disk full ' >&2; exit 4"),
                Err((
                    FailureKind::Failed,
                    "exit code 4: disk full",
                    json!({"output": "", "exit_code": 4, "stderr": "one\n disk full \n"}),
                )),
            ),
            (
                sh("kill -9 $$"),
                Err((
                    FailureKind::Failed,
                    "killed by signal 9 (SIGKILL)",
                    json!({"output": "", "signal": 9}),
                )),
            ),
            (
                json!({"cmd": "sleep", "arg": 60, "timeout": "50ms"}),
                Err((
                    FailureKind::TimedOut,
                    "timed out after 50ms (job_param.timeout); terminated",
                    json!({"output": "", "signal": 15}),
                )),
            ),
            (
                json!({"arg": []}),
                Err((FailureKind::Failed, "cmd: is missing: it names the program to run", json!({}))),
            ),
        ] {
            let outcome = local.execute(execution(&job_param)).await;
            let outcome = outcome.map(Value::Object).map_err(|f| (f.kind, f.error, Value::Object(f.result)));
            assert_eq!(outcome, expected.map_err(|(kind, text, result)| (kind, text.to_owned(), result)));
        }
    }

    #[tokio::test]
    async fn cancelled() {
        let dir = tempfile::tempdir().unwrap();
        let execution = execution(&json!({"cmd": "sleep", "arg": 60}));
        execution.stop.asked.cancel();
        let failure = local(dir.path()).execute(execution).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Cancelled);
    }

    #[test]
    fn options_and_params_are_described() {
        let description = component().description;
        assert!(description.params.iter().any(|param| param.name == "cmd" && param.required));
        assert_eq!(description.params.len(), herald_exec::PARAMS.len());
        for bad in [
            json!({"kill_grace": "soon"}),
            json!({"work_dir": 5}),
            json!({"output_limit": -1}),
            json!({"run_dir": "own"}),
        ] {
            assert!(settings(&Options(object(&bad)), None).is_err(), "{bad}");
        }
        let settings =
            settings(&Options(object(&json!({"work_dir": "/w", "output_limit": "2MiB"}))), None).unwrap();
        assert_eq!((settings.work_dir, settings.output_limit), (PathBuf::from("/w"), 2 << 20));
    }
}
