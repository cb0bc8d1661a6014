//! Waits until jobs have finished; shows progress on a terminal.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use herald_base::clock::Clock;
use http::Method;

use super::listing::{self, IdLength};
use crate::client::{DaemonSocket, NOT_FOUND, step};
use crate::command_output::{CommandOutput, FAILED, STOPPED};
use crate::model;

/// How often the daemon is asked.
const EVERY: Duration = Duration::from_millis(150);
/// With `keep: failed` that is a success; with `keep: none` only `exe_done` knows.
const NOT_KEPT: &str = "ended, and not kept in the history (policy.keep)";
const TURN: [char; 10] = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];

/// How finished jobs are shown.
#[derive(Debug, Clone, Copy)]
pub struct JobTable {
    /// As JSON, not as a table.
    pub json: bool,
    pub ids: IdLength,
}

/// Waits until every selector has answered about the event and every job that came of it has ended.
pub fn for_event(daemon: &DaemonSocket, event_id: &str, shown: JobTable, clock: &dyn Clock) -> CommandOutput {
    let path = format!("/v1/events/{}", step(event_id));
    let mut spinner = Spinner::new();
    loop {
        let said = match daemon.ask(Method::GET, &path, None) {
            Ok(said) => said,
            // It was accepted just now.
            Err(answer) if answer.code == NOT_FOUND => {
                return CommandOutput { remarks: NOT_KEPT.to_owned(), ..CommandOutput::good(String::new()) };
            }
            Err(answer) => return answer,
        };
        let event = match serde_json::from_value::<model::EventResource>(said) {
            Ok(event) => event,
            Err(error) => return CommandOutput::unexpected(&error),
        };
        if event.routed_at.is_some() {
            drop(spinner);
            let made = event.decisions.into_iter().filter_map(|decision| decision.job_id).collect();
            return for_jobs(daemon, made, shown, clock);
        }
        spinner.turn("evaluating selectors");
    }
}

/// Waits until these jobs have ended. It went well when all of them have succeeded.
pub fn for_jobs(
    daemon: &DaemonSocket,
    ids: Vec<String>,
    shown: JobTable,
    clock: &dyn Clock,
) -> CommandOutput {
    let mut spinner = Spinner::new();
    let (mut ended, mut unkept) = (Vec::new(), "");
    for (number, id) in ids.iter().enumerate() {
        loop {
            let said = match daemon.ask(Method::GET, &format!("/v1/jobs/{}", step(id)), None) {
                Ok(said) => said,
                Err(answer) if answer.code == NOT_FOUND => {
                    unkept = NOT_KEPT;
                    break;
                }
                Err(answer) => return answer,
            };
            let job = match serde_json::from_value::<model::JobResource>(said) {
                Ok(job) => job.summary,
                Err(error) => return CommandOutput::unexpected(&error),
            };
            if job.ended_at.is_some() {
                ended.push(job);
                break;
            }
            spinner.turn(&format!("job {} of {}: {} {}", number + 1, ids.len(), job.task, job.status));
        }
    }
    drop(spinner);
    let good = ended.iter().all(|job| job.status == "succeeded");
    let out = if shown.json {
        // Texts and numbers: never fails.
        serde_json::to_string(&ended).unwrap_or_default()
    } else {
        listing::rows(&ended, shown.ids, clock.now())
    };
    let remarks =
        if ids.is_empty() { "no router matched; nothing ran".to_owned() } else { unkept.to_owned() };
    CommandOutput { remarks, code: if good { STOPPED } else { FAILED }, ..CommandOutput::good(out) }
}

/// Shows on a terminal that something goes on.
struct Spinner {
    shown: bool,
    turns: usize,
}

impl Spinner {
    fn new() -> Self {
        Self { shown: std::io::stderr().is_terminal(), turns: 0 }
    }

    /// Waits a little.
    fn turn(&mut self, what: &str) {
        if self.shown {
            let sign = TURN.get(self.turns % TURN.len()).unwrap_or(&' ');
            // A terminal that is gone needs no sign.
            let _ = write!(std::io::stderr(), "\r\u{1b}[K{sign} {what}");
        }
        self.turns += 1;
        std::thread::sleep(EVERY);
    }
}

impl Drop for Spinner {
    fn drop(&mut self) {
        if self.shown && self.turns > 0 {
            let _ = write!(std::io::stderr(), "\r\u{1b}[K");
        }
    }
}
