//! `heraldd next`: the next runs of triggers, from the configuration; of intervals, from the running daemon.

use std::path::Path;
use std::sync::Arc;

use clap::Args;
use herald_base::near_miss::expected;
use herald_control::client::DaemonSocket;
use herald_control::command_output::CommandOutput;
use herald_control::model::TriggerResource;
use herald_core::activation::Name;
use herald_core::clock::Clock;
use herald_core::trigger::Trigger;
use herald_overview::calendar::NextRuns;
use http::Method;

use super::config_file::ConfigFile;
use crate::loading;

/// Print when triggers fire next
///
/// Calendar times come first, in order, each with the offset of its trigger's time zone. The time of a trigger with an
/// interval counts from a start of the daemon (`@every`: from its first), so it is shown while the daemon of this
/// configuration runs; without one, only the interval is.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  heraldd next /etc/heraldd/config.yml -n 5")]
pub(super) struct NextArguments {
    #[command(flatten)]
    file: ConfigFile,
    /// Maximum number of calendar times
    #[arg(short = 'n', long, value_name = "COUNT", default_value_t = 10,
          value_parser = clap::value_parser!(u32).range(1..=100_000))]
    count: u32,
    /// Only this trigger
    #[arg(long, value_name = "NAME")]
    trigger: Option<String>,
    /// Print one JSON object: times in `due`, intervals in `every`
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &NextArguments, clock: &dyn Clock) -> CommandOutput {
    let path = match arguments.file.path() {
        Ok(path) => path,
        Err(none) => return CommandOutput::refused(&none),
    };
    let loaded = match loading::load(&path, arguments.file.id(), None) {
        Ok(loaded) => loaded,
        Err(wrong) => return CommandOutput::refused(&wrong),
    };
    let mut triggers = loaded.assembly.triggers();
    if let Some(wanted) = &arguments.trigger {
        if !triggers.iter().any(|(name, _)| **name == **wanted) {
            return CommandOutput::unknown(&no_such_trigger(wanted, &triggers));
        }
        triggers.retain(|(name, _)| **name == **wanted);
    }
    let count = usize::try_from(arguments.count).unwrap_or(usize::MAX);
    let runs = NextRuns::of(&triggers, clock.now(), count, &running(&path));
    if arguments.json {
        return CommandOutput::good(runs.json().to_string());
    }
    if runs.is_empty() {
        let remarks =
            "nothing is due at a known time: these triggers fire when something comes, or does not come"
                .to_owned();
        return CommandOutput { remarks, ..CommandOutput::good("") };
    }
    CommandOutput::good(runs.table())
}

fn no_such_trigger(wanted: &str, triggers: &[(Name, Arc<dyn Trigger>)]) -> String {
    let help = expected(wanted, triggers.iter().map(|(name, _)| &**name));
    format!("heraldd: there is no trigger \"{wanted}\"; {help}")
}

/// The triggers of the daemon that runs with this configuration; none without one.
fn running(config: &Path) -> Vec<TriggerResource> {
    let said = DaemonSocket::of_config(config).ask(Method::GET, "/v1/triggers", None);
    said.ok().and_then(|said| serde_json::from_value(said).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    use herald_core::context::Context;
    use herald_core::spec::Options;

    fn triggers(of: &[(&str, Value)]) -> Vec<(Name, Arc<dyn Trigger>)> {
        let registry = crate::components::registry(&[]);
        let made = of.iter().map(|(name, options)| {
            let mut options = options.as_object().unwrap().clone();
            let type_name = options.remove("type").unwrap();
            let component_type = registry.triggers.get(type_name.as_str().unwrap()).unwrap();
            (Name::from(*name), (component_type.factory)(&Options(options), &Context::default()).unwrap())
        });
        made.collect()
    }

    fn cron(line: &str, zone: &str) -> Value {
        json!({"type": "cron", "cron": line, "time_zone": zone})
    }

    #[test]
    fn times_are_merged_in_order_over_changes_of_the_clocks() {
        // Name, line, zone; from when; what comes.
        type Case<'a> = (&'a [(&'a str, &'a str, &'a str)], &'a str, &'a [&'a str]);
        let cases: [Case<'_>; 5] = [
            (&[], "2026-11-20T12:00:00Z", &[]),
            (
                &[("a", "0 * * * *", "UTC"), ("b", "30 12 * * *", "UTC"), ("c", "0 13 * * *", "UTC")],
                "2026-11-20T12:00:00Z",
                &[
                    "2026-11-20T12:30:00+00:00 b",
                    "2026-11-20T13:00:00+00:00 a",
                    "2026-11-20T13:00:00+00:00 c",
                    "2026-11-20T14:00:00+00:00 a",
                ],
            ),
            // Forward: 02:30 is left out, and the job comes right after the change.
            (
                &[("berlin", "30 2 * * *", "Europe/Berlin"), ("utc", "30 2 * * *", "UTC")],
                "2027-03-27T03:00:00Z",
                &[
                    "2027-03-28T03:00:00+02:00 berlin",
                    "2027-03-28T02:30:00+00:00 utc",
                    "2027-03-29T02:30:00+02:00 berlin",
                    "2027-03-29T02:30:00+00:00 utc",
                ],
            ),
            // Back: 02:30 comes twice, a job with a fixed time once.
            (
                &[("berlin", "30 2 * * *", "Europe/Berlin")],
                "2026-10-24T22:00:00Z",
                &[
                    "2026-10-25T02:30:00+02:00 berlin",
                    "2026-10-26T02:30:00+01:00 berlin",
                    "2026-10-27T02:30:00+01:00 berlin",
                    "2026-10-28T02:30:00+01:00 berlin",
                ],
            ),
            (
                &[("often", "*/30 * * * *", "Europe/Berlin")],
                "2026-10-25T00:00:00Z",
                &[
                    "2026-10-25T02:30:00+02:00 often",
                    "2026-10-25T02:00:00+01:00 often",
                    "2026-10-25T02:30:00+01:00 often",
                    "2026-10-25T03:00:00+01:00 often",
                ],
            ),
        ];
        for (given, now, expected) in cases {
            let given: Vec<_> = given.iter().map(|(name, line, zone)| (*name, cron(line, zone))).collect();
            let triggers = triggers(&given);
            let runs = NextRuns::of(&triggers, now.parse().unwrap(), 4, &[]);
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            let shown = |due: &Value| format!("{} {}", text(&due["time"]), text(&due["trigger"]));
            let due: Vec<_> = runs.json()["due"].as_array().unwrap().iter().map(shown).collect();
            assert_eq!(due, expected, "{given:?}");
        }
    }

    #[test]
    fn what_the_daemon_knows_counts() {
        let triggers = triggers(&[("hourly", cron("0 * * * *", "UTC")), ("often", cron("@every 7m", "UTC"))]);
        let running = |hourly_waits: bool| -> Vec<TriggerResource> {
            serde_json::from_value(json!([
                {"name": "hourly", "type": "cron", "next": ["2026-11-20T15:00:00+00:00"], "every_seconds": null,
                 "waits_for_clock": hourly_waits},
                {"name": "often", "type": "cron", "next": ["2026-11-20T12:03:00+00:00"], "every_seconds": 420.0},
            ]))
            .unwrap()
        };
        for (hourly_waits, times) in [(false, ["13:00:00", "14:00:00"]), (true, ["15:00:00", "16:00:00"])] {
            let now = "2026-11-20T12:00:00Z".parse().unwrap();
            let runs = NextRuns::of(&triggers, now, 2, &running(hourly_waits)).json();
            let due = times.map(|time| format!("2026-11-20T{time}+00:00"));
            let shown: Vec<_> =
                runs["due"].as_array().unwrap().iter().map(|due| due["time"].clone()).collect();
            assert_eq!(shown, due, "{hourly_waits}");
            let next: jiff::Timestamp = runs["every"][0]["next"].as_str().unwrap().parse().unwrap();
            assert_eq!(next.to_string(), "2026-11-20T12:03:00Z");
        }
    }

    #[test]
    fn a_table_of_calendars_and_intervals() {
        let triggers = triggers(&[
            ("asked", json!({"type": "http"})),
            ("every_hour", cron("@every 1h", "UTC")),
            ("every2s", json!({"type": "tick", "interval": 2})),
            ("wednesday", cron("30 6 * * 3", "Europe/Berlin")),
        ]);
        let runs = NextRuns::of(&triggers, "2026-11-20T12:00:00Z".parse().unwrap(), 1, &[]);
        let expected = "\
TIME                       IN                  TRIGGER     SCHEDULE
2026-11-25T06:30:00+01:00  in 4 days 17 hours  wednesday   30 6 * * 3
-                          every 1h            every_hour  from the start of heraldd; @every: from its first start
-                          every 2s            every2s     from the start of heraldd; @every: from its first start
";
        assert_eq!(runs.table(), expected);
        let every = json!([
            {"trigger": "every_hour", "every_seconds": 3600.0},
            {"trigger": "every2s", "every_seconds": 2.0},
        ]);
        let due = json!([{
            "time": "2026-11-25T06:30:00+01:00", "in_seconds": 408_600, "trigger": "wednesday", "cron": "30 6 * * 3",
        }]);
        assert_eq!(runs.json(), json!({"due": due, "every": every}));
    }
}
