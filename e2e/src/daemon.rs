//! A running heraldd: its listeners, and what `print` writes to the log.

use std::net::SocketAddr;
use std::ops::Deref;
use std::process::Command;

use serde_json::{Value, json};

use crate::http::{Response, post_json};
use crate::place::Place;
use crate::program::Program;

/// The head of most configurations: an `http` trigger on a free port, and a `local` executor.
pub const HEAD: &str = "
trigger:
  manual: {type: http, port: 0, max_body: 33554432}
executor:
  local_command: {type: local, work_dir: '@DIR@/work'}
";

/// A router, for the section `router:`, that prints the outcome of every other job.
pub const DONE: &str = "
  done:
    trigger: exe_done
    selector: except_map
    task: {done: print}
    select_param: {except_key: router, except_value: done}
";

/// A running daemon.
pub struct Daemon {
    program: Program,
}

impl Deref for Daemon {
    type Target = Program;

    fn deref(&self) -> &Program {
        &self.program
    }
}

impl Daemon {
    /// Starts one with this configuration.
    #[must_use]
    pub fn start(place: &Place, config: &str) -> Self {
        Self { program: place.start("heraldd", config) }
    }

    /// Starts one as this command.
    #[must_use]
    pub fn run(command: &mut Command) -> Self {
        Self { program: Program::start(command) }
    }

    /// One that was started in some other way.
    #[must_use]
    pub fn of(program: Program) -> Self {
        Self { program }
    }

    /// One whose trigger `manual` runs one job of `local` with these parameters; every finished job is printed.
    #[must_use]
    pub fn for_job(place: &Place, job_param: &Value) -> Self {
        Self::start(place, &job_config("local_command", job_param))
    }

    /// The address of an `http` trigger.
    pub fn address(&self, trigger: &str) -> SocketAddr {
        let marker = format!("http trigger {trigger} listening on ");
        self.wait_pick(&marker, |line| after(line, &marker)?.parse().ok())
    }

    /// Whether the configuration was rejected (with exit code 2), where the contract allows that or a failed job.
    #[must_use]
    pub fn wait_end_if_refused(&self) -> bool {
        let ready = || self.said("http trigger manual listening on ");
        crate::wait::until("the start or a refusal", || (ready() || self.ended().is_some()).then_some(()));
        let refused = self.ended().is_some();
        if refused {
            assert_eq!(self.wait_end(), Some(2), "{}", self.log());
        }
        refused
    }

    /// Posts to the trigger `manual`.
    #[must_use]
    pub fn try_post(&self, body: &Value) -> Response {
        post_json(self.address("manual"), body.to_string().as_bytes())
    }

    /// Posts to the trigger `manual`, which accepts it, and returns the event's id.
    pub fn post(&self, body: &Value) -> String {
        let response = self.try_post(body);
        assert_eq!(response.status, 200, "{response:?}\n{}", self.log());
        response.json()["event_id"].as_str().expect("an event_id").to_owned()
    }

    /// The first thing printed for which `wanted` holds.
    pub fn wait_print(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        self.wait_pick(what, |line| object_in(line).filter(&wanted))
    }

    /// Everything printed so far.
    #[must_use]
    pub fn printed(&self) -> Vec<Value> {
        self.lines()
            .iter()
            .filter_map(|line| object_in(line))
            .filter(|value| value["job_id"].is_string())
            .collect()
    }

    /// The outcome of the job of router `run` for this event: the parameters of its `exe_done`.
    pub fn done(&self, event: &str) -> Value {
        let ended = self.wait_print(&format!("exe_done of {event}"), |value| {
            value["trigger"] == "exe_done" && value["trigger_param"]["trigger_id"] == *event
        });
        ended["trigger_param"].clone()
    }

    /// Posts and waits for the job's end.
    pub fn post_and_wait(&self, body: &Value) -> Value {
        let event = self.post(body);
        self.done(&event)
    }
}

/// [`HEAD`], and a router `run` that runs one job on this executor.
#[must_use]
pub fn job_config(executor: &str, job_param: &Value) -> String {
    format!(
        "{HEAD}
router:
  run: {{trigger: manual, selector: all, task: {{job: {executor}}}, job_param: {job_param}}}
{DONE}"
    )
}

/// Runs one job with these parameters on a daemon of its own and returns the parameters of its `exe_done`.
#[must_use]
pub fn run_job(place: &Place, job_param: &Value) -> Value {
    Daemon::for_job(place, job_param).post_and_wait(&json!({}))
}

/// The word after `marker`.
pub(crate) fn after<'a>(line: &'a str, marker: &str) -> Option<&'a str> {
    line.split_once(marker)?.1.split(|c: char| c.is_whitespace() || c == '"' || c == ',').next()
}

/// The first JSON object with something in it.
fn object_in(line: &str) -> Option<Value> {
    line.match_indices('{').find_map(|(at, _)| {
        let value: Value = serde_json::Deserializer::from_str(&line[at..]).into_iter().next()?.ok()?;
        value.as_object().is_some_and(|map| !map.is_empty()).then_some(value)
    })
}
