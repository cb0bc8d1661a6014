//! `mail`: sends a mail through an SMTP server.

use std::sync::Arc;

use async_trait::async_trait;
use herald_core::executor::{DefaultPlaces, Execution, Executor, Outcome};
use herald_core::spec::{Description, ExecutorType};
use herald_notices::JobMailer;
use herald_remote_jobs::default_data_dir;

/// How many mails are sent at once: servers allow few connections.
pub const MAX_JOBS: usize = 4;

/// A whole configuration.
const EXAMPLE: &str = "
trigger:
  nightly: {type: cron, cron: '0 3 * * *'}

executor:
  mail:
    server: mail.example.com
    username: herald
    password: ${file:/etc/heraldd/mail-password}
    from: Herald <herald@example.com>

router:
  backup:
    trigger: nightly
    selector: all
    task: {backup: local}
    job_param: {cmd: /usr/local/bin/backup}

  report:
    trigger: exe_done
    selector: match_map
    select_param: {match_key: router, match_value: backup}
    task: {report: mail}
    job_param:
      to: ops@example.com
      subject: 'backup: {{ trigger_param.status }}'
    policy:
      retry: {max: 5, on: [failed, timed_out]}
";

/// The component type `mail`.
#[must_use]
pub fn component() -> ExecutorType {
    let description = Description::new(
        "mail",
        "Sends a mail through an SMTP server. The result has `message_id`, `answer` (of the server) and `recipients`. An \
         error says whether another attempt can help (4xx) or not (5xx). A mail may arrive more than once: where the \
         connection breaks at the very end, nobody knows whether it was sent; every attempt has the same `Message-ID`.",
    )
    .example(EXAMPLE)
    .doubts(JobMailer::doubts);
    let description = JobMailer::options().into_iter().fold(description, Description::option);
    let description = JobMailer::params().into_iter().fold(description, Description::param);
    ExecutorType::new(description, |options| {
        Ok(Arc::new(MailExecutor(JobMailer::new(options, default_data_dir())?)))
    })
}

/// Sends a mail for each job.
struct MailExecutor(JobMailer);

#[async_trait]
impl Executor for MailExecutor {
    fn default_places(&self) -> DefaultPlaces {
        DefaultPlaces::Elsewhere(MAX_JOBS)
    }

    /// Nobody can know whether a mail was sent whose confirmation is missing, so that `recover` is the usual one.
    async fn execute(&self, execution: Execution) -> Outcome {
        self.0.run(&execution).await
    }
}
