//! `tick`: fires every so often.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use herald_base::system::host_name::host_name;
use herald_core::activation::Refused;
use herald_core::param::Params;
use herald_core::spec::{CheckError, Description, OptionKind, OptionSpec, TriggerType};
use herald_core::trigger::{Activator, ComponentError, Timetable, Trigger};
use herald_core::unit;
use herald_schedule::jitter::jitter;
use herald_schedule::local_time;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Deserialize;
use serde_json::Value;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::jitter_option;

/// Timers do not count finer.
const SHORTEST: Duration = Duration::from_millis(1);

/// The component type `tick`.
#[must_use]
pub fn component() -> TriggerType {
    let description = Description::new(
        "tick",
        "Fires every so often, the first time one interval after the start. Ticks that pass while Herald cannot \
         take the event are left out, not made up for.",
    )
    .option(
        OptionSpec::new(
            "interval",
            OptionKind::Duration,
            "How long from one tick to the next: seconds as a number, or a duration such as `1m30s`; at least a \
             millisecond.",
        )
        .default(1)
        .check(check_interval),
    )
    .gives("counter", "how many times it fired since the start, from 1")
    .gives("time", "when it fired: RFC 3339, to the millisecond, with the offset of the machine's time zone")
    .example(
        "
trigger:
  every2s:
    type: tick
    interval: 2

router:
  print_param_every2s:
    trigger: every2s
    selector: all
    task:
      print_param: print
",
    );
    TriggerType::with_context(description.option(jitter_option()), |options, context| {
        let TickOptions { interval, jitter: longest } = options.parse()?;
        let delay = jitter(&host_name(), &context.component(), longest.unwrap_or_default());
        Ok(Arc::new(TickTrigger {
            interval: interval.max(SHORTEST),
            delay,
            zone: TimeZone::system(),
            due: Mutex::default(),
        }))
    })
}

fn check_interval(interval: &Value) -> Result<(), CheckError> {
    if unit::duration(interval)? < SHORTEST {
        Err("the shortest interval is a millisecond".to_owned().into())
    } else {
        Ok(())
    }
}

#[derive(Deserialize)]
struct TickOptions {
    #[serde(default = "one_second", deserialize_with = "unit::de_duration")]
    interval: Duration,
    #[serde(default, deserialize_with = "unit::de_optional_duration")]
    jitter: Option<Duration>,
}

fn one_second() -> Duration {
    Duration::from_secs(1)
}

struct TickTrigger {
    interval: Duration,
    /// Before the first interval begins.
    delay: Duration,
    zone: TimeZone,
    /// When it fires next; none before it runs.
    due: Mutex<Option<Instant>>,
}

impl TickTrigger {
    async fn fire(&self, activator: &Activator) {
        let mut due = Instant::now() + self.delay + self.interval;
        let mut counter: u64 = 1;
        loop {
            *self.due.lock().unwrap_or_else(PoisonError::into_inner) = Some(due);
            sleep_until(due).await;
            let mut params = Params::new();
            params.insert("counter".to_owned(), Value::from(counter));
            params.insert(
                "time".to_owned(),
                Value::from(local_time::millis(activator.clock().now(), &self.zone)),
            );
            match activator.activate_when_ready(params).await {
                Ok(_) => counter += 1,
                // Herald stops, and this trigger with it.
                Err(Refused::Stopping) => {
                    tracing::debug!(trigger = activator.trigger(), "could not fire: stopping")
                }
                Err(refused) => tracing::warn!(trigger = activator.trigger(), "could not fire: {refused}"),
            }
            due += self.interval * (1 + missed(due.elapsed(), self.interval));
        }
    }
}

/// How many whole intervals fit into a delay.
fn missed(delay: Duration, interval: Duration) -> u32 {
    u32::try_from(delay.as_nanos() / interval.as_nanos()).unwrap_or(u32::MAX - 1)
}

#[async_trait]
impl Trigger for TickTrigger {
    async fn run(&self, activator: Activator, stop: CancellationToken) -> Result<(), ComponentError> {
        tokio::select! {
            () = stop.cancelled() => Ok(()),
            () = self.fire(&activator) => Ok(()),
        }
    }

    fn timetable(&self) -> Option<Timetable<'_>> {
        Some(Timetable::Every(self.interval))
    }

    fn next_of_interval(&self, now: Timestamp) -> Option<Timestamp> {
        let due = (*self.due.lock().unwrap_or_else(PoisonError::into_inner))?;
        now.checked_add(due.saturating_duration_since(Instant::now())).ok()
    }
}

#[cfg(test)]
mod tests {
    use herald_core::context::Context;
    use std::sync::Mutex;

    use super::*;
    use herald_core::activation::{EventSink, Name};
    use herald_core::clock::TestClock;
    use herald_core::spec::Options;
    use serde_json::json;

    /// Takes activations; each takes as long as configured.
    #[derive(Default)]
    struct AcceptedTicks {
        params: Mutex<Vec<Params>>,
        busy_for: Mutex<Vec<Duration>>,
    }

    #[async_trait]
    impl EventSink for AcceptedTicks {
        async fn accept(&self, _: Name, params: Params) -> Result<Name, Refused> {
            let busy = self.busy_for.lock().unwrap().pop();
            if let Some(busy) = busy {
                tokio::time::sleep(busy).await;
            }
            self.params.lock().unwrap().push(params);
            Ok("e".into())
        }

        async fn ready(&self, _: &str) {}
    }

    /// What is taken within `lasting` of a trigger with this interval.
    async fn fired(interval: Value, lasting: Duration, taken: AcceptedTicks) -> Vec<(u64, Timestamp)> {
        let given = interval.clone();
        let options = Options([("interval".to_owned(), interval)].into_iter().collect());
        let tick = (component().factory)(&options, &Context::default()).unwrap();
        let tick_again = tick.clone();
        assert_eq!(tick.next_of_interval(Timestamp::UNIX_EPOCH), None);
        let taken = Arc::new(taken);
        let clock = TestClock::at("2026-01-01T00:00:00Z".parse().unwrap());
        let activator = Activator::new("t".into(), taken.clone(), Arc::new(clock));
        let stop = CancellationToken::new();
        let run = tokio::spawn({
            let stop = stop.clone();
            async move { tick.run(activator, stop).await }
        });
        tokio::time::sleep(lasting).await;
        let now: Timestamp = "2026-01-02T00:00:00Z".parse().unwrap();
        let next = tick_again.next_of_interval(now).unwrap();
        let interval = unit::duration(&given).unwrap();
        assert!(next >= now && next <= now + interval, "{next}");
        stop.cancel();
        run.await.unwrap().unwrap();
        let taken = taken.params.lock().unwrap();
        taken
            .iter()
            .map(|params| {
                (params["counter"].as_u64().unwrap(), params["time"].as_str().unwrap().parse().unwrap())
            })
            .collect()
    }

    fn at(expected: &[(u64, &str)]) -> Vec<(u64, Timestamp)> {
        expected.iter().map(|(n, time)| (*n, format!("2026-01-01T{time}Z").parse().unwrap())).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn fires_once_an_interval_and_counts() {
        let fired = fired(json!("1m30s"), Duration::from_secs(300), AcceptedTicks::default()).await;
        assert_eq!(fired, at(&[(1, "00:01:30"), (2, "00:03:00"), (3, "00:04:30")]));
    }

    #[tokio::test(start_paused = true)]
    async fn missed_ticks_are_left_out_and_the_beat_is_kept() {
        let taken =
            AcceptedTicks { busy_for: Mutex::new(vec![Duration::from_secs(5)]), ..AcceptedTicks::default() };
        let fired = fired(json!(2), Duration::from_secs(13), taken).await;
        assert_eq!(fired, at(&[(1, "00:00:02"), (2, "00:00:08"), (3, "00:00:10"), (4, "00:00:12")]));
    }

    #[tokio::test(start_paused = true)]
    async fn fractions_do_not_drift() {
        let fired = fired(json!(0.25), Duration::from_millis(10_100), AcceptedTicks::default()).await;
        assert_eq!(fired.len(), 40);
        assert_eq!(fired.last(), at(&[(40, "00:00:10")]).first());
    }

    #[test]
    fn intervals_are_checked() {
        for (interval, fine) in [
            (json!(1), true),
            (json!("2h"), true),
            (json!(0.001), true),
            (json!(0.000_1), false),
            (json!("x"), false),
        ] {
            assert_eq!(check_interval(&interval).is_ok(), fine, "{interval}");
        }
    }
}
