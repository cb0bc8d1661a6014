//! The status of a runner.
//!
//! A signed POST of `{}` to `<path>/heartbeat`; the signed answer holds the status of the runner and its id. The
//! request has the header `Herald-Join: only`, so that a runner that does not know it starts nothing. It is the only
//! one that does not have to name its runner: it is how a daemon finds the id out.

use serde::{Deserialize, Serialize};

use crate::signing::runner_id::RunnerId;

/// What is appended to the path of a runner to request its status.
pub const HEARTBEAT: &str = "/heartbeat";
/// The longest answer, in bytes.
pub const MAX_HEARTBEAT: usize = 16 * 1024;

/// What a runner is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunnerState {
    /// It takes jobs.
    Ready,
    /// It takes no more jobs, and ends once those that run have.
    Stopping,
}

/// What a runner says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heartbeat {
    /// Whether it takes jobs.
    pub state: RunnerState,
    /// Its version.
    pub version: String,
    /// How many jobs run there.
    pub running: usize,
    /// Its clock: milliseconds since 1970.
    pub time_ms: i64,
    /// Its id; runners of version 2.0 have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<RunnerId>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_it_stands_on_the_wire() {
        let beat = Heartbeat {
            state: RunnerState::Ready,
            version: "0.1.0".to_owned(),
            running: 2,
            time_ms: 1_700_000_000_123,
            id: None,
        };
        let text = r#"{"state":"ready","version":"0.1.0","running":2,"time_ms":1700000000123}"#;
        assert_eq!(serde_json::to_string(&beat).unwrap(), text);
        assert_eq!(serde_json::from_str::<Heartbeat>(text).unwrap(), beat);
        // A later version may say more.
        let more = text.replace('}', r#","load":0.5}"#);
        assert_eq!(serde_json::from_str::<Heartbeat>(&more).unwrap(), beat);
        let named = text.replace('}', r#","id":"5f0c1a9e3b7d4826"}"#);
        let id = RunnerId::try_from("5f0c1a9e3b7d4826".to_owned()).unwrap();
        let with_id = Heartbeat { id: Some(id), ..beat };
        assert_eq!(serde_json::to_string(&with_id).unwrap(), named);
        assert_eq!(serde_json::from_str::<Heartbeat>(&named).unwrap(), with_id);
    }
}
