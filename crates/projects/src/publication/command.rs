//! The commands of a policy.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use herald_core::executor::{Ending, Execution};
use herald_exec::environment::{self, FindProgramError};
use herald_exec::program::{Exit, Finished, Program, Restrictions};
use herald_publish::CommandReport;
use tokio::time::Instant;

use crate::options::CommandForm;

/// How much of each output is kept in a report.
const OUTPUT: usize = 64 << 10;
/// Between TERM and KILL.
const GRACE: Duration = Duration::from_secs(2);
/// In the place of `{{ stage }}` while templates are filled in, and while a command is split: no command has it.
pub(crate) const STAGE_MARK: &str = "\u{1}";

/// What the commands of a publication have in common.
pub(crate) struct CommandRunner<'a> {
    pub(crate) form: CommandForm,
    pub(crate) timeout: Duration,
    pub(crate) execution: &'a Execution,
    /// Environment variables.
    pub(crate) variables: Vec<(&'static str, String)>,
}

impl CommandRunner<'_> {
    /// Runs one; an empty one succeeds. `stage` is the folder that a check sees.
    pub(crate) async fn run(&self, command: &str, stage: Option<&Path>) -> CommandReport {
        if command.trim().is_empty() {
            return CommandReport::none();
        }
        let program = match self.program(command, stage) {
            Ok(program) => program,
            Err(error) => return CommandReport { msg: error.to_string(), ..CommandReport::default() },
        };
        match program.run_with_output(&self.execution.stop, self.execution.output.as_ref()).await {
            Ok(finished) => self.report(&finished),
            Err(error) => CommandReport { msg: error.to_string(), ..CommandReport::default() },
        }
    }

    fn program(&self, command: &str, stage: Option<&Path>) -> Result<Program, FindProgramError> {
        let mut env = environment::clean();
        env.extend(self.variables.iter().map(|(name, value)| ((*name).into(), value.into())));
        if let Some(stage) = stage {
            env.push(("HERALD_STAGE".into(), stage.into()));
        }
        let stage = stage.map(|stage| stage.display().to_string()).unwrap_or_default();
        let marked = with_stage(command, STAGE_MARK);
        let (name, args): (String, Vec<OsString>) = match self.form {
            CommandForm::Shell => {
                ("/bin/sh".to_owned(), vec!["-c".into(), marked.replace(STAGE_MARK, &stage).into()])
            }
            CommandForm::Words => {
                let mut words = marked.split_whitespace().map(|word| word.replace(STAGE_MARK, &stage));
                (words.next().unwrap_or_default(), words.map(OsString::from).collect())
            }
        };
        let dir = PathBuf::from("/");
        let path = environment::find(name.as_ref(), &env, &dir)?;
        Ok(Program {
            path,
            args,
            env,
            dir,
            deadline: Some(Instant::now() + self.timeout),
            kill_grace: GRACE,
            output_limit: OUTPUT,
            owner: None,
            restrictions: Restrictions::default(),
        })
    }

    fn report(&self, finished: &Finished) -> CommandReport {
        let text = |text: String| self.execution.mask.text(&text);
        let success = finished.ending == Ending::Exited(0);
        let msg = match (finished.ending, finished.exit) {
            _ if success => String::new(),
            (Ending::TimedOut, _) => {
                format!("signal: killed (timed out after {})", herald_core::unit::text(self.timeout))
            }
            (Ending::Cancelled, _) => "cancelled".to_owned(),
            (_, Exit::Code(code)) => format!("exit status {code}"),
            (_, Exit::Signal(signal)) => Ending::Signaled(signal).to_string(),
        };
        let err = (!success).then(|| text(finished.stderr.text())).filter(|err| !err.is_empty());
        CommandReport { success, out: text(finished.stdout.text()), err, msg }
    }
}

/// The command with this in the place of `{{ stage }}`, however that is spaced.
pub(crate) fn with_stage(command: &str, stage: &str) -> String {
    let mut filled = String::with_capacity(command.len());
    let mut rest = command;
    while let Some((before, after)) = rest.split_once("{{") {
        filled.push_str(before);
        match after.split_once("}}") {
            Some((name, after)) if name.trim() == "stage" => {
                filled.push_str(stage);
                rest = after;
            }
            _ => {
                filled.push_str("{{");
                rest = after;
            }
        }
    }
    filled.push_str(rest);
    filled
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stage_is_filled_in() {
        for (command, filled) in [
            ("nginx -t -c {{ stage }}/nginx.conf", "nginx -t -c S/nginx.conf"),
            ("a {{stage}} {{  stage  }}", "a S S"),
            ("a {{ other }} {{ stage }}", "a {{ other }} S"),
            ("a {{", "a {{"),
            ("", ""),
        ] {
            assert_eq!(with_stage(command, "S"), filled);
        }
    }
}
