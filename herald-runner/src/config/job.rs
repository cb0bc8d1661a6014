//! The options of how jobs run here: the same for the runner and for the executor `local` of heraldd.

use std::sync::Arc;

use herald_config::component_error::ComponentError;
use herald_config::problem::{Path, Problem};
use herald_config::spec::{CheckError, OptionKind, OptionSpec, Options};
use herald_config::unit;
use herald_exec::program::Restrictions;
use herald_exec::{JobLimits, JobUser, LimitError, RunDir};
use serde_json::Value;

/// Less memory than this is not enough to start most programs.
const LEAST_MEMORY: u64 = 1 << 20;

/// How jobs run.
#[derive(Debug, Clone, PartialEq)]
pub struct JobOptions {
    /// `run_dir`: which current directory jobs have.
    pub run_dir: RunDir,
    /// `user`: whose jobs they are.
    pub user: Option<Arc<JobUser>>,
    /// `limits`: what each of them may use.
    pub limits: JobLimits,
}

/// `run_dir`, `user` and `limits`.
#[must_use]
pub fn job_options() -> [OptionSpec; 3] {
    let new = OptionSpec::new;
    let limits = vec![
        new(
            "memory",
            OptionKind::Size,
            "Memory of all processes of a job together; the kernel ends a job that needs more. Without the cgroup \
             controller `memory` the address space of each process is limited instead.",
        )
        .within_sizes(LEAST_MEMORY, u64::MAX >> 1),
        new("pids", OptionKind::Integer { min: 1, max: 4 << 20 }, "Processes and threads of a job at once."),
        new("cpu", OptionKind::Any, "Processors that a job may use: `0.5` is half of one, `2` are two.")
            .takes("number")
            .check(check_cpu),
        new(
            "open_files",
            OptionKind::Integer { min: 8, max: 1 << 30 },
            "Files and connections that each process of a job may have open.",
        ),
    ];
    [
        new("run_dir", OptionKind::OneOf(&RunDir::NAMES), RunDir::DOC).default("shared"),
        new(
            "user",
            OptionKind::Text,
            "The user that jobs run as, with its groups, HOME, USER, LOGNAME and SHELL. Only root can do this. The \
             user must be able to enter the folders above `work_dir`; result files must belong to it.",
        ),
        new(
            "limits",
            OptionKind::Fields(limits),
            "What each job may use. `memory`, `pids` and `cpu` need cgroup v2 with these controllers delegated to \
             Herald (`Delegate=yes` under systemd); where `pids` or `cpu` cannot be limited, the start is refused.",
        )
        .machine_check(unavailable_limits),
    ]
}

fn check_cpu(value: &Value) -> Result<(), CheckError> {
    match value.as_f64() {
        Some(cpu) if (0.01..=4096.0).contains(&cpu) => Ok(()),
        _ => Err(CheckError::new("expected a number from 0.01 to 4096")),
    }
}

impl JobOptions {
    /// Of options that were checked against [`job_options`].
    ///
    /// # Errors
    /// When the user is not there, or jobs cannot run as this user or within these limits.
    pub fn of(options: &Options) -> Result<Self, ComponentError> {
        let text = |name: &str| options.0.get(name).and_then(Value::as_str);
        let run_dir = match options.0.get("run_dir").filter(|value| !value.is_null()) {
            None => RunDir::Shared,
            Some(value) => value
                .as_str()
                .and_then(RunDir::named)
                .ok_or_else(|| ComponentError::of_option("run_dir", "expected shared or job"))?,
        };
        let user = text("user").map(JobUser::named).transpose();
        let user = user.map_err(|error| ComponentError::of_option("user", error))?;
        let limits = limits(options.0.get("limits"))?;
        herald_exec::ownership::require(&limits)
            .map_err(|error| ComponentError::of_option("limits", error))?;
        Ok(Self { run_dir, user: user.map(Arc::new), limits })
    }

    /// Whose jobs they are, and what each of them may use.
    #[must_use]
    pub fn restrictions(&self) -> Restrictions {
        Restrictions { user: self.user.clone(), limits: self.limits }
    }
}

/// What jobs would not have on this machine. A warning: a service may have what a shell has not.
fn unavailable_limits(given: &Value) -> Vec<Problem> {
    // What is wrong with them is reported by then.
    let Ok(limits) = limits(Some(given)) else { return Vec::new() };
    let found = herald_exec::ownership::unavailable(&limits).into_iter().map(|error| {
        let help = match &error {
            LimitError::OpenFiles(_) => {
                "write a lower `open_files`, or let Herald have more: LimitNOFILE= in its unit"
            }
            _ => {
                "a unit has what is delegated to it, not to this shell; to ask there, write  systemd-run --pipe -p \
                 Delegate=yes COMMAND"
            }
        };
        Problem::probe_warning(Path::top(), format!("as Herald would start from here: {error}")).help(help)
    });
    found.collect()
}

fn limits(given: Option<&Value>) -> Result<JobLimits, ComponentError> {
    let Some(Value::Object(given)) = given else { return Ok(JobLimits::default()) };
    let number = |name: &str| given.get(name).and_then(Value::as_u64);
    let memory = given.get("memory").filter(|value| !value.is_null()).map(unit::size).transpose();
    Ok(JobLimits {
        memory: memory.map_err(|error| ComponentError::of_option("limits", error))?,
        pids: number("pids"),
        cpu: given.get("cpu").and_then(Value::as_f64),
        open_files: number("open_files"),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(value: &Value) -> Result<JobOptions, String> {
        let options = Options(value.as_object().cloned().unwrap_or_default());
        JobOptions::of(&options).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_given_and_what_is_not() {
        let none = JobOptions { run_dir: RunDir::Shared, user: None, limits: JobLimits::default() };
        assert_eq!(of(&json!({})), Ok(none.clone()));
        let given =
            json!({"run_dir": "job", "limits": {"memory": "64MiB", "pids": 9, "cpu": 1.5, "open_files": 64}});
        let limits =
            JobLimits { memory: Some(64 << 20), pids: Some(9), cpu: Some(1.5), open_files: Some(64) };
        assert_eq!(of(&given), Ok(JobOptions { run_dir: RunDir::Job, limits, ..none }));
        let unknown = of(&json!({"user": "no-such-user"})).unwrap_err();
        assert!(unknown.contains("there is no user `no-such-user` on this machine"), "{unknown}");
        for (cpu, fine) in
            [(json!(1), true), (json!(0.5), true), (json!(0), false), (json!("1"), false), (json!(-1), false)]
        {
            assert_eq!(check_cpu(&cpu).is_ok(), fine, "{cpu}");
        }
    }
}
