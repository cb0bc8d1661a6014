//! Sends the mail of a job.

mod default_text;
mod options;

use std::path::PathBuf;

use herald_base::system::host_name::host_name;
use herald_core::clock::{Clock as _, SystemClock};
use herald_core::executor::{Ending, Execution, Failure, FailureKind, Outcome};
use herald_core::param::Params;
use herald_core::problem::{Path, Problem, Severity};
use herald_core::spec::{Description, OptionSpec, Options};
use herald_core::trigger::ComponentError;
use herald_mail::{AttachmentFolders, Letter, MailError, MailErrorKind, MailServer, send};
use serde_json::Value;

/// Sends a mail for each job.
pub struct JobMailer {
    server: MailServer,
    from: String,
    folders: AttachmentFolders,
    /// Checks the parameters of a job whose templates are filled in.
    checks: Description,
}

impl JobMailer {
    /// The options of the executor.
    #[must_use]
    pub fn options() -> Vec<OptionSpec> {
        options::options()
    }

    /// The parameters of a job.
    #[must_use]
    pub fn params() -> Vec<OptionSpec> {
        options::params()
    }

    /// What deserves a warning about these options.
    #[must_use]
    pub fn doubts(options: &Options) -> Vec<Problem> {
        options::doubts(options)
    }

    /// By checked options. `result_files`: where result files are stored unless an executor says otherwise.
    ///
    /// # Errors
    /// What does not go together.
    pub fn new(options: &Options, result_files: Option<PathBuf>) -> Result<Self, ComponentError> {
        let server = options::server(options, host_name())?;
        let checks = options::params().into_iter().fold(Description::new("mail", ""), Description::param);
        Ok(Self {
            server,
            from: options::from(options),
            folders: options::folders(options, result_files),
            checks,
        })
    }

    /// Sends the mail of this job.
    ///
    /// # Errors
    /// Why it was not sent, and what to do.
    pub async fn run(&self, execution: &Execution) -> Outcome {
        tokio::select! {
            biased;
            outcome = self.send(execution) => outcome,
            () = execution.stop.asked() => {
                Err(Failure { kind: FailureKind::Cancelled, ..Failure::new(Ending::Cancelled) })
            }
        }
    }

    async fn send(&self, execution: &Execution) -> Outcome {
        // A template may say that there is none.
        let is_given = |(_, value): &(&String, &Value)| !value.is_null();
        let given = execution.job.job_param.iter().filter(is_given);
        let params: Params = given.map(|(name, value)| (name.clone(), value.clone())).collect();
        let problems = self.checks.check_params(&params, &Path::top());
        if let Some(problem) = problems.iter().find(|problem| problem.severity == Severity::Error) {
            return Err(Failure::new(problem));
        }
        let letter = self.letter(execution, &params).await.map_err(failure)?;
        let sent = send(&self.server, letter).await.map_err(failure)?;
        let result = [
            ("message_id", Value::from(sent.message_id)),
            ("answer", Value::from(sent.answer)),
            ("recipients", Value::from(sent.recipients)),
        ];
        Ok(result.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
    }

    async fn letter(&self, execution: &Execution, params: &Params) -> Result<Letter, MailError> {
        let own_name = self.server.own_name.clone();
        let text = |name: &str, default: fn(&Execution, &str) -> String| match params.get(name) {
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
            None => default(execution, &own_name),
        };
        let paths = options::attached(params.get("attach").unwrap_or(&Value::Null));
        let folders = self.folders.clone();
        let read = tokio::task::spawn_blocking(move || folders.read(&paths)).await;
        let attachments = read.map_err(|error| MailError {
            kind: MailErrorKind::Invalid,
            message: format!("attach: {error}"),
        })??;
        Ok(Letter {
            from: self.from.clone(),
            to: options::addresses(params.get("to")),
            cc: options::addresses(params.get("cc")),
            subject: text("subject", default_text::subject),
            body: text("body", default_text::body),
            attachments,
            id: execution.job.id.to_string(),
            own_name: own_name.clone(),
            date: SystemClock.now().into(),
        })
    }
}

fn failure(error: MailError) -> Failure {
    let kind = match error.kind {
        MailErrorKind::TimedOut => FailureKind::TimedOut,
        _ => FailureKind::Failed,
    };
    Failure { kind, ..Failure::new(error) }
}

#[cfg(test)]
mod tests;
