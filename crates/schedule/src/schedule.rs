//! When a cron line is due: pure functions of an instant, without a clock.
//!
//! Croner finds the next *local* time that a line names. What a local time means as an instant (none, one or two)
//! is decided here, because Vixie cron's rules for a change of the clocks differ from croner's: see
//! `docs/decisions/0002-cron.md`.

use std::time::Duration;

use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use herald_base::near_miss::near_miss;
use herald_base::unit;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, Timestamp};

pub use crate::cron_error::CronError;
use crate::fields::Fields;

mod clock_change;
mod count;

pub use clock_change::DueAtChange;
use count::LocalTimes;

/// A cron line that was read and found to be due some time.
#[derive(Debug, Clone)]
pub struct Schedule {
    zone: TimeZone,
    kind: ScheduleKind,
    /// By how much every time of the calendar is later.
    delay: SignedDuration,
}

#[derive(Debug, Clone)]
enum ScheduleKind {
    Every(SignedDuration),
    Calendar(Box<CronCalendar>),
}

#[derive(Debug, Clone)]
struct CronCalendar {
    cron: Cron,
    /// What the line names.
    times: LocalTimes,
}

impl Schedule {
    /// Reads a line: fields, `@daily` and the like, or `@every 1h`; in front of it `TZ=` or `CRON_TZ=` with the
    /// name of a time zone, which then wins over `zone`.
    ///
    /// # Errors
    /// One sentence that says what is wrong; also when the line is never due, as on 30 February.
    pub fn parse(line: &str, with_seconds: bool, zone: &TimeZone) -> Result<Self, CronError> {
        let mut line = line.trim();
        let mut zone = zone.clone();
        if let Some(rest) = line.strip_prefix("CRON_TZ=").or_else(|| line.strip_prefix("TZ=")) {
            let (name, rest) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
            zone = time_zone(name)?;
            line = rest.trim();
        }
        if line.is_empty() {
            return Err(CronError::new("there is no cron line"));
        }
        let kind = match line.strip_prefix('@') {
            Some(_) => nickname(line)?,
            None => ScheduleKind::Calendar(Box::new(CronCalendar::new(&Fields::read(line, with_seconds)?)?)),
        };
        Ok(Self { zone, kind, delay: SignedDuration::ZERO })
    }

    /// The same, and everything that is due by the calendar is due this much later. `@every` counts from the start of
    /// its trigger, and stays as it is.
    #[must_use]
    pub fn delayed_by(self, delay: SignedDuration) -> Self {
        Self { delay, ..self }
    }

    /// By how much everything is later.
    #[must_use]
    pub fn delay(&self) -> SignedDuration {
        self.delay
    }

    /// The time zone that the line is read in.
    #[must_use]
    pub fn zone(&self) -> &TimeZone {
        &self.zone
    }

    /// For `@every`: how long from one to the next.
    #[must_use]
    pub fn period(&self) -> Option<SignedDuration> {
        match &self.kind {
            ScheduleKind::Every(period) => Some(*period),
            ScheduleKind::Calendar(_) => None,
        }
    }

    /// The first instant after this one at which the line is due, on a whole second. `None`: not before the end
    /// of the calendar.
    #[must_use]
    pub fn next_after(&self, after: Timestamp) -> Option<Timestamp> {
        match &self.kind {
            ScheduleKind::Every(period) => whole_second(after).checked_add(*period).ok(),
            ScheduleKind::Calendar(calendar) => {
                let after = after.checked_sub(self.delay).ok()?;
                calendar.next_after(&self.zone, after)?.checked_add(self.delay).ok()
            }
        }
    }

    /// The next `count` instants after this one, ascending.
    #[must_use]
    pub fn next_n(&self, after: Timestamp, count: usize) -> Vec<Timestamp> {
        std::iter::successors(self.next_after(after), |at| self.next_after(*at)).take(count).collect()
    }

    /// How often the line is due at `from` or later, and before `until`. Takes about a microsecond for each day between
    /// them. `@every` counts from the start of its trigger, which a line does not know: 0.
    #[must_use]
    pub fn count_between(&self, from: Timestamp, until: Timestamp) -> u64 {
        let ScheduleKind::Calendar(calendar) = &self.kind else { return 0 };
        match (from.checked_sub(self.delay), until.checked_sub(self.delay)) {
            (Ok(from), Ok(until)) => calendar.times.count_between(&self.zone, from, until),
            _ => 0,
        }
    }

    /// Whether a change of the clocks concerns this time, which is due.
    #[must_use]
    pub fn at_clock_change(&self, due: Timestamp) -> Option<DueAtChange> {
        let ScheduleKind::Calendar(calendar) = &self.kind else { return None };
        calendar.times.at_clock_change(&self.zone, due.checked_sub(self.delay).ok()?)
    }

    /// The last instant in (`after`, `until`] at which the line is due.
    #[must_use]
    pub fn last_between(&self, after: Timestamp, until: Timestamp) -> Option<Timestamp> {
        let first = self.next_after(after).filter(|first| *first <= until)?;
        if let ScheduleKind::Every(period) = &self.kind {
            let times = until.duration_since(first).as_secs() / period.as_secs();
            return first.checked_add(SignedDuration::from_secs(times * period.as_secs())).ok();
        }
        // Looks back twice as far each time, so that a line that was due a million times is not walked through.
        let mut back = SignedDuration::from_secs(1);
        let mut last = loop {
            let from = until.checked_sub(back).ok().filter(|from| *from > first);
            match from.map_or(Some(first), |from| self.next_after(from)) {
                Some(at) if at <= until => break at,
                _ => back = back.saturating_mul(2),
            }
        };
        while let Some(next) = self.next_after(last).filter(|next| *next <= until) {
            last = next;
        }
        Some(last)
    }
}

/// The time zone of this IANA name.
///
/// # Errors
/// When there is none; the message has the nearest name.
pub fn time_zone(name: &str) -> Result<TimeZone, CronError> {
    TimeZone::get(name).map_err(|_| {
        CronError::new({
            let known: Vec<String> = jiff::tz::db().available().map(|zone| zone.to_string()).collect();
            match near_miss(name, known.iter().map(String::as_str)) {
                Some(near) => format!("there is no time zone `{name}`; did you mean `{near}`?"),
                None if known.is_empty() => {
                    format!(
                        "there is no time zone `{name}`: this machine has no time zone data (package tzdata)"
                    )
                }
                None => {
                    format!("there is no time zone `{name}`; give a name such as `Europe/Berlin` or `UTC`")
                }
            }
        })
    })
}

const NICKNAMES: [(&str, &str); 7] = [
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
    ("@monthly", "0 0 1 * *"),
    ("@weekly", "0 0 * * 0"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@hourly", "0 * * * *"),
];

fn nickname(line: &str) -> Result<ScheduleKind, CronError> {
    let (name, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let name = name.to_ascii_lowercase();
    let rest = rest.trim();
    if name == "@every" {
        return every(rest).map(ScheduleKind::Every);
    }
    if let Some((_, fields)) = NICKNAMES.iter().find(|(known, _)| *known == name) {
        if !rest.is_empty() {
            return Err(CronError::new(format!("nothing may follow `{name}`")));
        }
        return CronCalendar::new(&Fields::read(fields, false)?)
            .map(|calendar| ScheduleKind::Calendar(Box::new(calendar)));
    }
    if name == "@reboot" {
        let what = "`@reboot` names no time; let the system start such a job, with a systemd unit say";
        return Err(CronError::new(what));
    }
    let known = NICKNAMES.iter().map(|(known, _)| *known).chain(["@every"]);
    Err(CronError::new(match near_miss(&name, known) {
        Some(near) => format!("`{name}` is not known; did you mean `{near}`?"),
        None => {
            format!("`{name}` is not known; there are @yearly, @monthly, @weekly, @daily, @hourly and @every")
        }
    }))
}

fn every(text: &str) -> Result<SignedDuration, CronError> {
    if text.is_empty() {
        return Err(CronError::new("`@every` needs a duration, as in `@every 1h30m`"));
    }
    let period = unit::duration(&text.into())
        .map_err(|error| CronError::new(error.to_string()).within(&format!("`@every {text}`")))?;
    if period < Duration::from_secs(1) || period.subsec_nanos() != 0 {
        return Err(CronError::new(format!(
            "`@every {text}`: the duration must be whole seconds, at least one"
        )));
    }
    SignedDuration::try_from(period)
        .map_err(|_| CronError::new(format!("`@every {text}`: the duration is too long")))
}

fn whole_second(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_nanosecond().div_euclid(1_000_000_000).try_into().unwrap_or(i64::MIN))
        .unwrap_or(at)
}

impl CronCalendar {
    fn new(fields: &Fields) -> Result<Self, CronError> {
        const ALL_HOURS: u64 = (1 << 24) - 1;
        if !fields.has_a_day() {
            return Err(CronError::new("this is never due: no month that it names has such a day"));
        }
        let parser = CronParser::builder()
            .seconds(Seconds::Required)
            .year(Year::Disallowed)
            .dom_and_dow(fields.both_days())
            .build();
        let cron = parser.parse(&fields.line()).map_err(|error| CronError::new(error.to_string()))?;
        Ok(Self {
            cron,
            times: LocalTimes {
                values: fields.values(),
                fixed_time: !fields.minute.star && !fields.hour.star,
                every_hour: fields.hour.values == ALL_HOURS,
            },
        })
    }

    fn next_after(&self, zone: &TimeZone, after: Timestamp) -> Option<Timestamp> {
        let local = zone.to_datetime(after);
        let ahead = self.walk(zone, local.with().subsec_nanosecond(0).build().ok()?, after);
        match self.second_pass(zone, local, after) {
            Some(again) => Some(ahead.map_or(again, |ahead| ahead.min(again))),
            None => ahead,
        }
    }

    /// Walks through local times until one is an instant after this.
    fn walk(&self, zone: &TimeZone, from: DateTime, after: Timestamp) -> Option<Timestamp> {
        let mut at = from;
        loop {
            at = self.cron.find_next_occurrence(&at, false).ok()?;
            if let Some(instant) =
                self.instants(zone, at).into_iter().flatten().find(|instant| *instant > after)
            {
                return Some(instant);
            }
        }
    }

    /// What a local time that the line names means, ascending.
    fn instants(&self, zone: &TimeZone, local: DateTime) -> [Option<Timestamp>; 2] {
        match zone.to_ambiguous_timestamp(local).offset() {
            AmbiguousOffset::Unambiguous { offset } => [offset.to_timestamp(local).ok(), None],
            AmbiguousOffset::Fold { before, .. } if self.times.fixed_time => {
                [before.to_timestamp(local).ok(), None]
            }
            AmbiguousOffset::Fold { before, after } => {
                [before.to_timestamp(local).ok(), after.to_timestamp(local).ok()]
            }
            AmbiguousOffset::Gap { .. } if self.times.every_hour => [None, None],
            AmbiguousOffset::Gap { after, .. } => {
                // Read with the later offset, a local time in the gap lies shortly before the change.
                let before_the_change = after.to_timestamp(local).ok();
                [
                    before_the_change
                        .and_then(|at| zone.following(at).next())
                        .map(|change| change.timestamp()),
                    None,
                ]
            }
        }
    }

    /// At an overlap, seen from its first pass: what comes in its second. The walk through local times cannot
    /// see it, since it would have to step back.
    fn second_pass(&self, zone: &TimeZone, local: DateTime, at: Timestamp) -> Option<Timestamp> {
        if self.times.fixed_time {
            return None;
        }
        let AmbiguousOffset::Fold { before, after } = zone.to_ambiguous_timestamp(local).offset() else {
            return None;
        };
        if zone.to_offset(at) != before {
            return None;
        }
        let change = zone.following(at).next()?.timestamp();
        let again = self.cron.find_next_occurrence(&after.to_datetime(change), true).ok()?;
        (again < before.to_datetime(change)).then(|| after.to_timestamp(again).ok()).flatten()
    }
}

#[cfg(test)]
mod tests;
