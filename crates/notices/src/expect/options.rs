//! The options of the trigger `expect`.

use std::time::Duration;

use herald_base::unit;
use herald_core::arrivals::Awaited;
use herald_core::spec::{CheckError, OptionKind, OptionSpec, Options};
use herald_core::trigger::ComponentError;
use serde_json::Value;

/// The shortest time that can be allowed.
const SHORTEST: Duration = Duration::from_secs(1);

pub(super) fn options() -> Vec<OptionSpec> {
    let new = OptionSpec::new;
    vec![
        new(
            "router",
            OptionKind::Text,
            "A router whose jobs should end: each end counts, whatever its status (`changed` reports failures), unless the job \
             was rejected.",
        )
        .naming("router"),
        new("trigger", OptionKind::Text, "In place of `router`: a trigger whose events should come.")
            .naming("trigger"),
        new(
            "within",
            OptionKind::Duration,
            "How long nothing may come: at least 1 s, and a little more than the time between two runs. Time in which Herald \
             does not run is not counted.",
        )
        .required()
        .check(|within| {
            let is_short = unit::duration(within).is_ok_and(|within| within < SHORTEST);
            if is_short { Err(CheckError::new("the shortest time is 1 s")) } else { Ok(()) }
        }),
    ]
}

/// What is awaited, and how long at most.
pub(super) struct ExpectOptions {
    pub(super) awaited: Awaited,
    pub(super) within: Duration,
}

/// Reads checked options of the trigger of this name.
pub(super) fn read(options: &Options, own: &str) -> Result<ExpectOptions, ComponentError> {
    let text = |name: &str| options.0.get(name).and_then(Value::as_str);
    let awaited = match (text("router"), text("trigger")) {
        (Some(router), None) => Awaited::Router(router.into()),
        (None, Some(trigger)) if trigger == own => {
            return Err(ComponentError::of_option("trigger", "it waits for itself; name another trigger"));
        }
        (None, Some(trigger)) => Awaited::Trigger(trigger.into()),
        (Some(_), Some(_)) => {
            let what = "is given as well as `router`, and it waits for one of them; make two triggers";
            return Err(ComponentError::of_option("trigger", what));
        }
        (None, None) => return Err(ComponentError::new("it waits for nothing; give `router` or `trigger`")),
    };
    let within = options.0.get("within").map_or(Ok(SHORTEST), unit::duration);
    let within = within.map_err(|why| ComponentError::of_option("within", why))?;
    Ok(ExpectOptions { awaited, within: within.max(SHORTEST) })
}
