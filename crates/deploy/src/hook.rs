//! Runs hooks, with their environment.

use std::path::Path;

use herald_exec::Ending;
use tokio::time::Instant;

use crate::command::{CommandStarter, StepRun, ToolCommand};
use crate::error::DeployError;
use crate::target::{DeployHook, HookName};

/// The variables of a hook: `HERALD_APP` and the others.
pub(crate) struct HookVariables(pub(crate) Vec<(&'static str, String)>);

/// Runs a hook. Its exit code counts; what it prints on standard error does not.
pub(crate) async fn run_hook(
    starter: &CommandStarter,
    name: HookName,
    hook: &DeployHook,
    variables: &HookVariables,
    dir: &Path,
    run: &StepRun<'_>,
) -> Result<(), DeployError> {
    let mut command = ToolCommand::new(&hook.cmd, dir).args(&hook.arg).shown();
    command.env = hook.env.iter().map(|(name, value)| (name.into(), value.into())).collect();
    for (name, value) in &variables.0 {
        command = command.env(name, value);
    }
    let own = hook.timeout.map(|timeout| Instant::now() + timeout);
    let deadline = own.map_or(run.deadline, |own| own.min(run.deadline));
    let failed = |how: String| DeployError::Hook { name, how };
    match starter.run(command, &StepRun { deadline, ..*run }).await {
        Ok(end) if end.is_success() => Ok(()),
        Ok(end) => Err(failed(match end.ending {
            Ending::Exited(code) => format!("failed with exit code {code}"),
            other => other.to_string(),
        })),
        Err(DeployError::TimedOut(_)) => Err(failed("timed out; terminated".to_owned())),
        Err(DeployError::Missing(error)) => Err(failed(format!("cannot be started: {error}"))),
        Err(DeployError::Start(error)) => Err(failed(format!("cannot be started: {error}"))),
        Err(other) => Err(other),
    }
}
