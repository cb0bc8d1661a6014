//! How a node is: asked by a signed request, told by a signed answer.

use std::time::Duration;

use herald_wire::heartbeat::Heartbeat;
use serde_json::Value;
use tokio::sync::OnceCell;

use super::answer::Fault;
use super::call::Caller;
use super::options::Runner;

/// How long one question may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Asks one node.
pub struct Pulse {
    runner: Runner,
    caller: OnceCell<Caller>,
}

/// What a node says of itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Beat {
    /// What it says; `None` when its runner knows no such question.
    pub told: Option<Heartbeat>,
    /// By how much its clock is ahead of ours, in milliseconds.
    pub clock_difference_ms: Option<i64>,
}

impl Pulse {
    /// Of the node with these options, checked already.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn new(node: &Value) -> Result<Self, String> {
        let runner = Runner::of_node(node).map_err(|error| error.0)?;
        Ok(Self { runner, caller: OnceCell::new() })
    }

    /// The URL of its runner.
    #[must_use]
    pub fn url(&self) -> &str {
        self.runner.url.as_str()
    }

    /// Asks how it is. `now_ms`: the time, in milliseconds since 1970.
    ///
    /// # Errors
    /// Why it could not be had: nobody is there, or it is not the runner that it should be.
    pub async fn ask(&self, now_ms: impl Fn() -> i64) -> Result<Beat, String> {
        let asked = async {
            let runner = self.runner.clone();
            let caller = self.caller.get_or_try_init(|| Caller::new(runner, PATIENCE)).await?;
            let before = now_ms();
            let answer = caller.heartbeat().await;
            let after = now_ms();
            match answer {
                Ok(told) => {
                    // The node looked at its clock somewhere between the question and the answer.
                    let ours = before + (after - before) / 2;
                    Ok(Beat {
                        clock_difference_ms: Some(told.time_ms.saturating_sub(ours)),
                        told: Some(told),
                    })
                }
                // It is there, and it has our secret; only the question is new to it.
                Err(Fault::Unknown | Fault::Refused(..)) => {
                    Ok(Beat { told: None, clock_difference_ms: None })
                }
                Err(fault) => Err(fault.why().to_owned()),
            }
        };
        let late = || Err(format!("it did not answer within {} s", PATIENCE.as_secs()));
        tokio::time::timeout(PATIENCE, asked).await.unwrap_or_else(|_| late())
    }
}
