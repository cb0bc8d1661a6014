//! How a process ended, as an answer says it.
//!
//! The manifest names the way; the exit code or the signal is in the result, next to what the job gave. Version 1 has
//! the result alone.

use herald_base::ending::Ending;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// An [`Ending`] without its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndingName {
    /// By itself; the result holds `exit_code`.
    Exited,
    /// By a signal; the result holds `signal`.
    Signaled,
    /// It took longer than its `timeout`.
    TimedOut,
    /// It was stopped on demand.
    Cancelled,
    /// It runs on in the background.
    Background,
}

impl From<Ending> for EndingName {
    fn from(ending: Ending) -> Self {
        match ending {
            Ending::Exited(_) => Self::Exited,
            Ending::Signaled(_) => Self::Signaled,
            Ending::TimedOut => Self::TimedOut,
            Ending::Cancelled => Self::Cancelled,
            Ending::Background => Self::Background,
        }
    }
}

impl EndingName {
    /// The whole ending, with the number of this result. Where the name is missing, as in version 1, or the number does
    /// not fit it, the result alone counts: `signal`, then `exit_code`; without either it is an exit with 0.
    #[must_use]
    pub fn with_result(name: Option<Self>, result: &Map<String, Value>) -> Ending {
        match name {
            Some(Self::TimedOut) => Ending::TimedOut,
            Some(Self::Cancelled) => Ending::Cancelled,
            Some(Self::Background) => Ending::Background,
            Some(Self::Exited | Self::Signaled) | None => match number(result, "signal") {
                Some(signal) => Ending::Signaled(signal),
                None => Ending::Exited(number(result, "exit_code").unwrap_or(0)),
            },
        }
    }
}

/// A number that is not a valid exit code or signal counts as -1: a failure.
fn number(result: &Map<String, Value>, key: &str) -> Option<i32> {
    let number = result.get(key)?.as_number()?;
    Some(number.as_i64().and_then(|number| i32::try_from(number).ok()).unwrap_or(-1))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_are_stable() {
        for (ending, name) in [
            (Ending::Exited(3), "exited"),
            (Ending::Signaled(9), "signaled"),
            (Ending::TimedOut, "timed_out"),
            (Ending::Cancelled, "cancelled"),
            (Ending::Background, "background"),
        ] {
            assert_eq!(serde_json::to_value(EndingName::from(ending)).unwrap(), name);
            assert_eq!(serde_json::from_value::<EndingName>(json!(name)).unwrap(), ending.into());
            let number = ending.exit_code().map(|code| json!({ "exit_code": code }));
            let number = number.or(ending.signal().map(|signal| json!({ "signal": signal })));
            let result = number.unwrap_or(json!({ "signal": 15 }));
            assert_eq!(EndingName::with_result(Some(ending.into()), result.as_object().unwrap()), ending);
        }
    }

    #[test]
    fn a_result_alone() {
        for (result, ending) in [
            (json!({}), Ending::Exited(0)),
            (json!({"exit_code": 0}), Ending::Exited(0)),
            (json!({"exit_code": -1}), Ending::Exited(-1)),
            (json!({"exit_code": 3, "signal": "none"}), Ending::Exited(3)),
            (json!({"exit_code": "3"}), Ending::Exited(0)),
            (json!({"exit_code": 1e99}), Ending::Exited(-1)),
            (json!({"exit_code": 0.5}), Ending::Exited(-1)),
            (json!({"exit_code": 0, "signal": 9}), Ending::Signaled(9)),
        ] {
            assert_eq!(EndingName::with_result(None, result.as_object().unwrap()), ending, "{result}");
        }
    }
}
