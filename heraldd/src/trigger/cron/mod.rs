//! `cron`: fires by the calendar.

mod doubts;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use herald_base::system::host_name::host_name;
use herald_core::activation::Name;
use herald_core::param::Params;
use herald_core::position::{Cursor, Position};
use herald_core::spec::{CheckError, Description, OptionKind, OptionSpec, TriggerType};
use herald_core::trigger::{Activator, Calendar, ComponentError, Timetable, Trigger};
use herald_core::unit;
use herald_schedule::catch_up::{CatchUp, DueTimes, due};
use herald_schedule::jitter::jitter;
use herald_schedule::local_time;
use herald_schedule::mark::{ClockChange, ScheduleMark};
use herald_schedule::schedule::{DueAtChange, Schedule, time_zone};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::Value;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::jitter_option;

/// The wall clock is looked at this often while waiting: it may be set, and the machine may sleep.
const LOOK_AGAIN: Duration = Duration::from_secs(10);
/// How long ago something may have been due that is caught up with.
const WINDOW: Duration = Duration::from_secs(60 * 60);
/// How long to wait when an event could not be recorded.
const TRY_AGAIN: Duration = Duration::from_secs(10);

/// The component type `cron`.
#[must_use]
pub fn component() -> TriggerType {
    let description = Description::new(
        "cron",
        "Fires by the calendar, as classic cron does. When both day fields are restricted, either may match. When \
         the clocks go forward, a job in the hour that is left out fires once, right after it; when they go back, \
         a job with fixed hours and minutes fires once, one that runs every so often keeps running. What was due \
         while Herald was down, the machine slept or the event could not be taken is caught up with, see `catch_up`. \
         A clock that is set back by up to 3 h fires nothing twice: the trigger waits until the clock has passed the \
         last time that fired. A greater step is a correction of a clock that was wrong: the trigger goes on from now, \
         as it does where the last time that fired is more than one period ahead at the start.",
    )
    .option(
        OptionSpec::new(
            "cron",
            OptionKind::Text,
            "Five fields: minute, hour, day of month, month, day of week (Sunday is 0 or 7), with names (`mon`, \
             `jan`), lists `1,15`, ranges `1-5`, steps `*/10`; or `@hourly`, `@daily`, `@weekly`, `@monthly`, \
             `@yearly`, `@every 1h30m`. `TZ=Europe/Berlin` in front wins over `time_zone`.",
        )
        .required()
        .check(check_line),
    )
    .option(
        OptionSpec::new("with_seconds", OptionKind::Boolean, "The line has a leading field for seconds.")
            .default(false),
    )
    .option(
        OptionSpec::new(
            "time_zone",
            OptionKind::Text,
            "The IANA name of the time zone that the line is read in, such as `Europe/Berlin`. Default: the \
             machine's.",
        )
        .check(check_zone),
    )
    .doubts(doubts::of)
    .gives("cron", "the line, as it was configured")
    .gives("time", "when it fired: RFC 3339, with the offset of the time zone")
    .gives("scheduled_at", "when it was due, in the same form")
    .example(
        "
trigger:
  wednesday_morning:
    type: cron
    cron: '30 6 * * 3'
    time_zone: Europe/Berlin

router:
  uptime_wednesday_morning:
    trigger: wednesday_morning
    selector: all
    task:
      print_param: print
",
    );
    TriggerType::with_context(catching_up(description).option(jitter_option()), |options, context| {
        let given: CronOptions = options.parse()?;
        Ok(Arc::new(CronTrigger::new(given, &context.component())?))
    })
}

fn catching_up(description: Description) -> Description {
    description
    .option(
        OptionSpec::new(
            "catch_up",
            OptionKind::OneOf(&["none", "last", "all"]),
            "What happens to times that passed meanwhile: nothing, the last of them fires, or each of them fires, with \
             its own `scheduled_at`.",
        )
        .default("last"),
    )
    .option(
        OptionSpec::new(
            "catch_up_window",
            OptionKind::Duration,
            "What was due longer ago than this is left out.",
        )
        .default("1h"),
    )
}

/// The number of fields is checked with `with_seconds`, when the trigger is made; here either will do.
fn check_line(line: &Value) -> Result<(), CheckError> {
    let line = line.as_str().unwrap_or_default();
    let plain = Schedule::parse(line, false, &TimeZone::UTC);
    let Err(error) = plain else { return Ok(()) };
    let fields = line.split_whitespace().filter(|field| !field.contains('=')).count();
    let read = if fields == 6 { Schedule::parse(line, true, &TimeZone::UTC).map(drop) } else { Err(error) };
    read.map_err(|error| CheckError::new(error.to_string()))
}

fn check_zone(name: &Value) -> Result<(), CheckError> {
    let zone = time_zone(name.as_str().unwrap_or_default());
    zone.map(drop).map_err(|error| CheckError::new(error.to_string()))
}

#[derive(Deserialize)]
struct CronOptions {
    cron: String,
    #[serde(default)]
    with_seconds: bool,
    time_zone: Option<String>,
    #[serde(default)]
    catch_up: CatchUp,
    #[serde(default, deserialize_with = "unit::de_optional_duration")]
    catch_up_window: Option<Duration>,
    #[serde(default, deserialize_with = "unit::de_optional_duration")]
    jitter: Option<Duration>,
}

struct CronTrigger {
    line: String,
    schedule: Schedule,
    catch_up: CatchUp,
    window: SignedDuration,
    /// What distinguishes this calendar from a changed one, after the trigger's name.
    calendar: String,
    /// Up to when it was followed; none before it runs.
    followed: Mutex<Option<ScheduleMark>>,
}

/// How far a running trigger has come.
struct FollowedSchedule<'a> {
    trigger: &'a CronTrigger,
    activator: &'a Activator,
    source: Name,
    mark: ScheduleMark,
    /// When the wall clock was read last.
    read: Instant,
}

impl CronTrigger {
    fn new(given: CronOptions, name: &str) -> Result<Self, ComponentError> {
        let zone = match &given.time_zone {
            Some(name) => time_zone(name).map_err(ComponentError::new)?,
            None => TimeZone::system(),
        };
        let schedule = Schedule::parse(&given.cron, given.with_seconds, &zone)
            .map_err(|what| ComponentError::of_option("cron", what))?;
        let delay = jitter(&host_name(), name, given.jitter.unwrap_or_default());
        let schedule = schedule.delayed_by(SignedDuration::try_from(delay).unwrap_or_default());
        let window = given.catch_up_window.unwrap_or(WINDOW);
        let calendar =
            format!("{}\0{}\0{}", given.cron, given.with_seconds, given.time_zone.unwrap_or_default());
        let window = SignedDuration::try_from(window).unwrap_or(SignedDuration::MAX);
        Ok(Self {
            line: given.cron,
            schedule,
            catch_up: given.catch_up,
            window,
            calendar,
            followed: Mutex::default(),
        })
    }

    fn params(&self, now: Timestamp, due: Timestamp) -> Params {
        let zone = self.schedule.zone();
        [
            ("cron", self.line.clone()),
            ("time", local_time::seconds(now, zone)),
            ("scheduled_at", local_time::seconds(self.by_the_line(due), zone)),
        ]
        .into_iter()
        .map(|(key, value)| (key.to_owned(), Value::from(value)))
        .collect()
    }

    /// When something would be due without jitter.
    fn by_the_line(&self, due: Timestamp) -> Timestamp {
        due.checked_sub(self.delay()).unwrap_or(due)
    }

    /// Fires one time after the other.
    async fn fire(&self, activator: &Activator) {
        let mut followed = FollowedSchedule::start(self, activator).await;
        while let Some(now) = followed.wait().await {
            let last = followed.mark.at();
            let DueTimes { times, left_out } = due(&self.schedule, self.catch_up, self.window, last, now);
            if left_out {
                tracing::warn!(
                    trigger = activator.trigger(),
                    "something that was due is left out: it is older than catch_up_window, or too much"
                );
            }
            let (reached, all) = self.fire_all(activator, &followed.source, times, last).await;
            followed.mark.advance(reached);
            if !all {
                tokio::time::sleep(TRY_AGAIN).await;
                continue;
            }
            followed.mark.advance(reached.max(self.schedule.last_between(last, now).unwrap_or(reached)));
            if left_out {
                followed.record().await;
            }
        }
        // Past the end of the calendar.
        std::future::pending().await
    }

    /// Fires for each of these times. Returns the last one that was taken, and whether that is all of them.
    async fn fire_all(
        &self,
        activator: &Activator,
        source: &Name,
        times: Vec<Timestamp>,
        last: Timestamp,
    ) -> (Timestamp, bool) {
        let mut reached = last;
        for due in times {
            let params = self.params(activator.clock().now(), due);
            let taken = activator.activate_at(params, cursor(source, due), Some(due)).await;
            if let Err(refused) = taken {
                tracing::warn!(trigger = activator.trigger(), "could not fire: {refused}");
                return (reached, false);
            }
            reached = due;
        }
        (reached, true)
    }
}

impl<'a> FollowedSchedule<'a> {
    /// From where an earlier process stopped, or from now on.
    async fn start(trigger: &'a CronTrigger, activator: &'a Activator) -> Self {
        let source: Name = format!("{}\0{}", activator.trigger(), trigger.calendar).into();
        let reached = activator.reached(&source).await.and_then(|position| position.time());
        let (now, read) = (activator.clock().now(), Instant::now());
        let (mark, change) = match reached {
            Some(reached) => ScheduleMark::resume(&trigger.schedule, reached, now),
            // `@every` counts from here.
            None => (ScheduleMark::begin_with_delay(&trigger.schedule, now), None),
        };
        let mut followed = Self { trigger, activator, source, mark, read };
        if trigger.catch_up == CatchUp::None
            && let Some(passed) = trigger.schedule.last_between(mark.at(), now)
        {
            followed.mark.advance(passed);
        }
        match change {
            Some(change) => followed.clock_changed(change).await,
            None if reached.is_none() => followed.record().await,
            None => {}
        }
        followed
    }

    /// Waits until something is due. Returns the time it is then. `None`: never.
    async fn wait(&mut self) -> Option<Timestamp> {
        loop {
            let now = self.activator.clock().now();
            let elapsed = std::mem::replace(&mut self.read, Instant::now());
            let elapsed = self.read.duration_since(elapsed).try_into().unwrap_or(SignedDuration::MAX);
            if let Some(change) = self.mark.read(&self.trigger.schedule, now, elapsed) {
                self.clock_changed(change).await;
            }
            *self.trigger.followed.lock().unwrap_or_else(PoisonError::into_inner) = Some(self.mark);
            let left = self.trigger.schedule.next_after(self.mark.at())?.duration_since(now);
            if left <= SignedDuration::ZERO {
                return Some(now);
            }
            // One more, since timers count whole milliseconds and the clock counts finer.
            let left = left.unsigned_abs().saturating_add(Duration::from_millis(1));
            tokio::time::sleep(left.min(LOOK_AGAIN)).await;
        }
    }

    async fn clock_changed(&self, change: ClockChange) {
        let (trigger, zone) = (self.activator.trigger(), self.trigger.schedule.zone());
        match change {
            ClockChange::WaitedFor { until } => {
                let until = local_time::seconds(until, zone);
                tracing::warn!(
                    trigger,
                    "the clock was set back; nothing fires twice, so this trigger waits until the clock has passed {until}"
                );
            }
            ClockChange::NotBelieved { ahead } => {
                let ahead = SignedDuration::from_secs(ahead.as_secs());
                tracing::warn!(
                    trigger,
                    "the last time that fired is {ahead:#} ahead of the clock, so the clock was wrong then; this trigger \
                     goes on from now"
                );
                self.record().await;
            }
        }
    }

    /// Records how far it was followed.
    async fn record(&self) {
        self.activator.reach(cursor(&self.source, self.mark.at())).await;
    }
}

/// The position of a due time.
fn cursor(source: &Name, at: Timestamp) -> Cursor {
    Cursor { source: source.clone(), position: Position::of_time(at) }
}

#[async_trait]
impl Trigger for CronTrigger {
    async fn run(&self, activator: Activator, stop: CancellationToken) -> Result<(), ComponentError> {
        tokio::select! {
            () = stop.cancelled() => Ok(()),
            () = self.fire(&activator) => Ok(()),
        }
    }

    fn timetable(&self) -> Option<Timetable<'_>> {
        Some(match self.schedule.period() {
            Some(period) => Timetable::Every(period.unsigned_abs()),
            None => Timetable::Calendar(self),
        })
    }

    fn next_of_interval(&self, _: Timestamp) -> Option<Timestamp> {
        self.schedule.period()?;
        self.schedule.next_after(self.followed_until()?)
    }
}

impl Calendar for CronTrigger {
    fn line(&self) -> &str {
        &self.line
    }

    fn zone(&self) -> &TimeZone {
        self.schedule.zone()
    }

    fn next_after(&self, after: Timestamp) -> Option<Timestamp> {
        self.schedule.next_after(after)
    }

    fn count_between(&self, from: Timestamp, until: Timestamp) -> u64 {
        self.schedule.count_between(from, until)
    }

    fn remark(&self, due: Timestamp) -> Option<String> {
        self.schedule.at_clock_change(due).map(DueAtChange::sentence)
    }

    fn delay(&self) -> SignedDuration {
        if self.schedule.period().is_some() { SignedDuration::ZERO } else { self.schedule.delay() }
    }

    fn followed_until(&self) -> Option<Timestamp> {
        self.followed.lock().unwrap_or_else(PoisonError::into_inner).map(|mark| mark.at())
    }
}

#[cfg(test)]
mod tests;
