//! How a process ended.

use std::fmt;
use std::time::Duration;

use crate::unit;

/// How the main process of a job ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// By itself, with this exit code.
    Exited(i32),
    /// By this signal, which Herald did not send.
    Signaled(i32),
    /// Ended by Herald after its `timeout`.
    TimedOut,
    /// Ended by Herald on demand.
    Cancelled,
    /// It runs on in the background.
    Background,
}

impl Ending {
    /// Whether it did what it was asked to do.
    #[must_use]
    pub fn is_success(self) -> bool {
        matches!(self, Self::Exited(0) | Self::Background)
    }

    /// The exit code, where it ended by itself.
    #[must_use]
    pub fn exit_code(self) -> Option<i32> {
        match self {
            Self::Exited(code) => Some(code),
            _ => None,
        }
    }

    /// The signal, where one that Herald did not send ended it.
    #[must_use]
    pub fn signal(self) -> Option<i32> {
        match self {
            Self::Signaled(signal) => Some(signal),
            _ => None,
        }
    }

    /// The same for people, with the limit that was over where that is known:
    /// `timed out after 1s (policy.timeout); terminated`.
    #[must_use]
    pub fn sentence(self, limit: Option<TimeLimit>) -> String {
        match (self, limit) {
            (Self::TimedOut, Some(TimeLimit { option, duration })) => {
                format!("timed out after {} ({option}); terminated", unit::text(duration))
            }
            _ => self.to_string(),
        }
    }
}

/// How long something may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeLimit {
    /// The option that says so, such as `policy.timeout`.
    pub option: &'static str,
    /// How long.
    pub duration: Duration,
}

impl TimeLimit {
    /// The job's own `timeout`.
    #[must_use]
    pub fn of_job(duration: Duration) -> Self {
        Self { option: "job_param.timeout", duration }
    }
}

/// The names of signals that have the same number on every Unix.
const SIGNALS: [(i32, &str); 14] = [
    (1, "SIGHUP"),
    (2, "SIGINT"),
    (3, "SIGQUIT"),
    (4, "SIGILL"),
    (5, "SIGTRAP"),
    (6, "SIGABRT"),
    (8, "SIGFPE"),
    (9, "SIGKILL"),
    (11, "SIGSEGV"),
    (13, "SIGPIPE"),
    (14, "SIGALRM"),
    (15, "SIGTERM"),
    (24, "SIGXCPU"),
    (25, "SIGXFSZ"),
];

/// For people: `exit code 3`.
impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited(code) => write!(f, "exit code {code}"),
            Self::Signaled(signal) => match SIGNALS.iter().find(|(number, _)| number == signal) {
                Some((_, name)) => write!(f, "killed by signal {signal} ({name})"),
                None => write!(f, "killed by signal {signal}"),
            },
            Self::TimedOut => f.write_str("timed out; terminated"),
            Self::Cancelled => f.write_str("cancelled"),
            Self::Background => f.write_str("running in the background"),
        }
    }
}

/// The longest line that an error ends with, in characters.
const MAX_LINE: usize = 200;

/// An error that ends with the last line that the job wrote to its standard error: `exit code 3: disk full`. A line of
/// more than 200 characters is cut; hide secrets before.
#[must_use]
pub fn with_last_line(error: &str, line: &str) -> String {
    let line = line.trim();
    if line.is_empty() {
        return error.to_owned();
    }
    match line.char_indices().nth(MAX_LINE) {
        Some((end, _)) => format!("{error}: {}…", &line[..end]),
        None => format!("{error}: {line}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences() {
        let second = Some(TimeLimit::of_job(Duration::from_secs(1)));
        for (ending, timeout, sentence, success) in [
            (Ending::Exited(0), second, "exit code 0", true),
            (Ending::Exited(3), None, "exit code 3", false),
            (Ending::Signaled(9), second, "killed by signal 9 (SIGKILL)", false),
            (Ending::Signaled(42), second, "killed by signal 42", false),
            (Ending::TimedOut, second, "timed out after 1s (job_param.timeout); terminated", false),
            (Ending::TimedOut, None, "timed out; terminated", false),
            (Ending::Cancelled, second, "cancelled", false),
            (Ending::Background, None, "running in the background", true),
        ] {
            assert_eq!((ending.sentence(timeout).as_str(), ending.is_success()), (sentence, success));
        }
    }

    #[test]
    fn code_and_signal() {
        let both = |ending: Ending| (ending.exit_code(), ending.signal());
        assert_eq!(both(Ending::Exited(3)), (Some(3), None));
        assert_eq!(both(Ending::Signaled(9)), (None, Some(9)));
        assert_eq!(both(Ending::TimedOut), (None, None));
    }
}
