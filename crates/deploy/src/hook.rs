//! Runs hooks and the commands of health checks, with their environment.

use std::path::Path;

use herald_exec::Ending;
use tokio::time::Instant;

use crate::command::{CommandStarter, StepRun, ToolCommand};
use crate::error::DeployError;
use crate::target::{DeployHook, HookName};

/// The variables of a hook: `HERALD_APP` and the others.
pub(crate) struct HookVariables(pub(crate) Vec<(&'static str, String)>);

/// How a command of the application ended.
pub(crate) enum HookEnd {
    Succeeded,
    Failed(String),
    TimedOut,
}

/// Runs a hook. Its exit code counts; what it prints on standard error does not.
pub(crate) async fn run_hook(
    starter: &CommandStarter,
    name: HookName,
    hook: &DeployHook,
    variables: &HookVariables,
    dir: &Path,
    run: &StepRun<'_>,
) -> Result<(), DeployError> {
    let failed = |how: String, is_timeout| Err(DeployError::Hook { name, how, is_timeout });
    match run_command(starter, hook, variables, dir, run).await? {
        HookEnd::Succeeded => Ok(()),
        HookEnd::Failed(how) => failed(how, false),
        HookEnd::TimedOut => failed("timed out; terminated".to_owned(), true),
    }
}

/// The same for any command of the application.
///
/// # Errors
/// When it was cancelled.
pub(crate) async fn run_command(
    starter: &CommandStarter,
    hook: &DeployHook,
    variables: &HookVariables,
    dir: &Path,
    run: &StepRun<'_>,
) -> Result<HookEnd, DeployError> {
    let mut command = ToolCommand::new(&hook.cmd, dir).args(&hook.arg).hook();
    command.env = hook.env.iter().map(|(name, value)| (name.into(), value.into())).collect();
    for (name, value) in &variables.0 {
        command = command.env(name, value);
    }
    let own = hook.timeout.map(|timeout| Instant::now() + timeout);
    let deadline = own.map_or(run.deadline, |own| own.min(run.deadline));
    match starter.run(command, &StepRun { deadline, ..*run }).await {
        Ok(end) if end.is_success() => Ok(HookEnd::Succeeded),
        Ok(end) => Ok(HookEnd::Failed(match end.ending {
            Ending::Exited(code) => format!("failed with exit code {code}"),
            other => other.to_string(),
        })),
        Err(DeployError::TimedOut(_)) => Ok(HookEnd::TimedOut),
        Err(DeployError::Missing(error)) => Ok(HookEnd::Failed(format!("cannot be started: {error}"))),
        Err(DeployError::Start(error)) => Ok(HookEnd::Failed(format!("cannot be started: {error}"))),
        Err(other) => Err(other),
    }
}
