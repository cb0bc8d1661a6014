use std::sync::Mutex;

use super::*;
use herald_core::activation::{EventSink, Name, Refused};
use herald_core::clock::{Clock, TestClock};
use herald_core::context::Context;
use herald_core::position::{Cursor, Position};
use herald_core::spec::Options;
use serde_json::json;

/// Takes activations: (`cron`, `time`, `scheduled_at`). Does first what `then` says, one entry an activation.
#[derive(Default)]
struct Taken {
    params: Mutex<Vec<Params>>,
    then: Mutex<Vec<Then>>,
    /// Up to when an earlier process followed the calendar.
    reached: Mutex<Option<Timestamp>>,
}

enum Then {
    TakeLong(Duration),
    Refuse,
}

#[async_trait]
impl EventSink for Taken {
    async fn accept(&self, _: Name, params: Params) -> Result<Name, Refused> {
        let then = self.then.lock().unwrap().pop();
        match then {
            Some(Then::TakeLong(time)) => tokio::time::sleep(time).await,
            Some(Then::Refuse) => return Err(Refused::Unrecorded("disk full".to_owned())),
            None => {}
        }
        self.params.lock().unwrap().push(params);
        Ok("e".into())
    }

    async fn ready(&self, _: &str) {}

    async fn reached(&self, _: &str) -> Option<Position> {
        self.reached.lock().unwrap().map(Position::of_time)
    }

    async fn reach(&self, cursor: Cursor) {
        *self.reached.lock().unwrap() = cursor.position.time();
    }
}

/// A clock that can be set.
struct SetClock {
    clock: TestClock,
    moved: Mutex<SignedDuration>,
}

impl Clock for SetClock {
    fn now(&self) -> Timestamp {
        self.clock.now() + *self.moved.lock().unwrap()
    }
}

struct Running {
    cron: Arc<dyn Trigger>,
    taken: Arc<Taken>,
    clock: Arc<SetClock>,
    stop: CancellationToken,
    run: tokio::task::JoinHandle<Result<(), ComponentError>>,
}

fn options(value: Value) -> Options {
    Options(value.as_object().unwrap().clone())
}

fn start(given: Value, now: &str, taken: Taken) -> Running {
    let cron = (component().factory)(&options(given), &Context::default()).unwrap();
    let taken = Arc::new(taken);
    let clock = TestClock::at(now.parse().unwrap());
    let clock = Arc::new(SetClock { clock, moved: Mutex::new(SignedDuration::ZERO) });
    let activator = Activator::new("t".into(), taken.clone(), clock.clone());
    let stop = CancellationToken::new();
    let run = tokio::spawn({
        let (stop, cron) = (stop.clone(), cron.clone());
        async move { cron.run(activator, stop).await }
    });
    Running { cron, taken, clock, stop, run }
}

impl Running {
    async fn wait(&self, minutes: u64) {
        tokio::time::sleep(Duration::from_secs(minutes * 60)).await;
    }

    async fn set(&self, by: SignedDuration) {
        // Let the trigger see the time as it is first.
        tokio::task::yield_now().await;
        *self.clock.moved.lock().unwrap() += by;
    }

    async fn end(self) -> Vec<(String, String)> {
        self.stop.cancel();
        self.run.await.unwrap().unwrap();
        let taken = self.taken.params.lock().unwrap();
        let text = |params: &Params, key: &str| params[key].as_str().unwrap().to_owned();
        taken.iter().map(|params| (text(params, "time"), text(params, "scheduled_at"))).collect()
    }
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(time, due)| ((*time).to_owned(), (*due).to_owned())).collect()
}

#[tokio::test(start_paused = true)]
async fn fires_when_due_and_tells_when() {
    let given = json!({"cron": "30 2 * * *", "time_zone": "Europe/Berlin"});
    let running = start(given, "2026-03-28T00:00:00Z", Taken::default());
    running.wait(3 * 24 * 60).await;
    assert_eq!(running.taken.params.lock().unwrap()[0]["cron"], "30 2 * * *");
    assert_eq!(
        running.end().await,
        pairs(&[
            ("2026-03-28T02:30:00+01:00", "2026-03-28T02:30:00+01:00"),
            ("2026-03-29T03:00:00+02:00", "2026-03-29T03:00:00+02:00"),
            ("2026-03-30T02:30:00+02:00", "2026-03-30T02:30:00+02:00"),
        ])
    );
}

#[tokio::test(start_paused = true)]
async fn what_passed_while_busy_fires_once() {
    let taken =
        Taken { then: Mutex::new(vec![Then::TakeLong(Duration::from_secs(330))]), ..Taken::default() };
    let given = json!({"cron": "* * * * *", "time_zone": "UTC"});
    let running = start(given, "2026-01-01T00:00:30Z", taken);
    running.wait(7).await;
    assert_eq!(
        running.end().await,
        pairs(&[
            ("2026-01-01T00:01:00+00:00", "2026-01-01T00:01:00+00:00"),
            ("2026-01-01T00:06:30+00:00", "2026-01-01T00:06:00+00:00"),
            ("2026-01-01T00:07:00+00:00", "2026-01-01T00:07:00+00:00"),
        ])
    );
}

#[tokio::test(start_paused = true)]
async fn what_could_not_be_recorded_is_tried_again() {
    let taken = Taken { then: Mutex::new(vec![Then::Refuse, Then::Refuse]), ..Taken::default() };
    let given = json!({"cron": "0 * * * *", "time_zone": "UTC"});
    let running = start(given, "2026-01-01T00:30:00Z", taken);
    running.wait(40).await;
    let fired = running.end().await;
    assert_eq!(fired, pairs(&[("2026-01-01T01:00:20+00:00", "2026-01-01T01:00:00+00:00")]));
}

#[tokio::test(start_paused = true)]
async fn a_clock_set_back_fires_nothing_twice() {
    let given = json!({"cron": "*/10 * * * *", "time_zone": "UTC"});
    let running = start(given, "2026-01-01T00:55:00Z", Taken::default());
    running.wait(6).await;
    running.set(SignedDuration::from_mins(-30)).await;
    running.wait(45).await;
    assert_eq!(
        running.end().await,
        pairs(&[
            ("2026-01-01T01:00:00+00:00", "2026-01-01T01:00:00+00:00"),
            ("2026-01-01T01:10:00+00:00", "2026-01-01T01:10:00+00:00"),
        ])
    );
}

/// What fires within a few minutes when the clock is set back, or was ahead before the start.
#[tokio::test(start_paused = true)]
async fn a_clock_that_was_ahead_is_waited_for_or_not_believed() {
    // The line, what it reached before the start, how far the clock is set back after 10.5 minutes; what fires in all
    // 21 minutes; where it waits for the clock.
    type Case<'a> = (&'a str, Option<&'a str>, i64, &'a [&'a str], bool);
    let cases: [Case<'_>; 7] = [
        ("*/5 * * * *", None, 0, &["12:05", "12:10", "12:15", "12:20"], false),
        ("*/5 * * * *", None, 60, &["12:05", "12:10"], true),
        ("*/5 * * * *", None, 180, &["12:05", "12:10"], true),
        ("*/5 * * * *", None, 240, &["12:05", "12:10", "08:15", "08:20"], false),
        ("*/5 * * * *", Some("2027-11-20T12:00:00Z"), 0, &["12:05", "12:10", "12:15", "12:20"], false),
        ("*/5 * * * *", Some("2026-11-20T12:05:00Z"), 0, &["12:10", "12:15", "12:20"], false),
        ("0 3 * * *", Some("2027-11-20T03:00:00Z"), 24 * 60, &[], false),
    ];
    for (line, reached, back, fired, waits) in cases {
        let given = json!({"cron": line, "time_zone": "UTC"});
        let reached = reached.map(|time| time.parse().unwrap());
        let taken = Taken { reached: Mutex::new(reached), ..Taken::default() };
        let running = start(given, "2026-11-20T12:00:01Z", taken);
        tokio::time::sleep(Duration::from_secs(630)).await;
        running.set(SignedDuration::from_mins(-back)).await;
        tokio::time::sleep(Duration::from_secs(630)).await;
        let now = running.clock.now();
        let calendar = running.cron.timetable();
        let Some(Timetable::Calendar(calendar)) = calendar else { panic!("it has a calendar") };
        assert_eq!(calendar.waits_for_clock(now), waits, "{line} {reached:?} {back}");
        let recorded = running.taken.reached.lock().unwrap().unwrap();
        assert!(waits || recorded <= now, "{line} {reached:?} {back}: {recorded}");
        let next = calendar.next_after(calendar.followed_until().unwrap()).unwrap();
        assert_eq!(next > recorded && !waits, next > now && !waits, "{line} {reached:?} {back}: {next}");
        let found: Vec<_> = running.end().await.into_iter().map(|(_, due)| due[11..16].to_owned()).collect();
        assert_eq!(found, fired, "{line} {reached:?} {back}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_interval_goes_on_when_the_clock_is_set_back() {
    let given = json!({"cron": "@every 10m", "time_zone": "UTC"});
    let running = start(given, "2026-01-01T12:00:00Z", Taken::default());
    running.wait(15).await;
    running.set(SignedDuration::from_hours(-5)).await;
    running.wait(24).await;
    let fired: Vec<_> = running.end().await.into_iter().map(|(_, due)| due[11..16].to_owned()).collect();
    // Every ten minutes, whatever the clock shows.
    assert_eq!(fired, ["12:10", "07:20", "07:30"]);
}

#[tokio::test(start_paused = true)]
async fn a_clock_set_forward_fires_the_last_of_what_it_passed() {
    let given = json!({"cron": "*/10 * * * *", "time_zone": "UTC"});
    let running = start(given, "2026-01-01T00:05:00Z", Taken::default());
    running.wait(1).await;
    running.set(SignedDuration::from_mins(36)).await;
    running.wait(1).await;
    let fired = running.end().await;
    assert_eq!(fired.len(), 1, "{fired:?}");
    assert_eq!(fired[0].1, "2026-01-01T00:40:00+00:00");
}

#[tokio::test(start_paused = true)]
async fn what_is_long_past_does_not_fire() {
    let given = json!({"cron": "0 3 * * *", "time_zone": "UTC"});
    let running = start(given, "2026-01-01T00:05:00Z", Taken::default());
    running.wait(1).await;
    running.set(SignedDuration::from_hours(6)).await;
    running.wait(24 * 60).await;
    let fired = running.end().await;
    assert_eq!(fired, pairs(&[("2026-01-02T03:00:00+00:00", "2026-01-02T03:00:00+00:00")]));
}

#[test]
fn options_are_checked() {
    for (given, fine) in [
        (json!({"cron": "* * * * *"}), true),
        (json!({"cron": "* * * * * *", "with_seconds": true}), true),
        (json!({"cron": "* * * * * *"}), false),
        (json!({"cron": "* * * * *", "with_seconds": true}), false),
        (json!({"cron": "@daily", "with_seconds": true}), true),
        (json!({"cron": "0 0 30 2 *"}), false),
        (json!({"cron": "* * * * *", "time_zone": "Mars/Olympus"}), false),
        (json!({"cron": "* * * * *", "time_zone": "America/New_York"}), true),
    ] {
        assert_eq!(
            (component().factory)(&options(given.clone()), &Context::default()).is_ok(),
            fine,
            "{given}"
        );
    }
    for (line, fine) in [
        (json!("* * * * *"), true),
        (json!("* * * * * *"), true),
        (json!("TZ=UTC 0 * * * * *"), true),
        (json!("* * * *"), false),
        (json!("61 * * * * *"), false),
        (json!("61 * * * *"), false),
    ] {
        assert_eq!(check_line(&line).is_ok(), fine, "{line}");
    }
    assert!(check_zone(&json!("Europe/Berlin")).is_ok());
    assert!(check_zone(&json!("Berlin")).is_err());
}

#[tokio::test(start_paused = true)]
async fn what_was_due_while_herald_was_down_is_caught_up_with() {
    // How, the window, up to when the calendar was followed; what fires at 12:00:30.
    for (catch_up, window, reached, due) in [
        ("last", "1h", Some("11:30:00"), vec!["12:00"]),
        ("none", "1h", Some("11:30:00"), vec![]),
        ("last", "1h", Some("12:00:00"), vec![]),
        ("all", "1h", Some("11:30:00"), vec!["11:40", "11:50", "12:00"]),
        ("all", "15m", Some("09:00:00"), vec!["11:50", "12:00"]),
        ("all", "1h", None, vec![]),
        ("last", "1h", None, vec![]),
        // The clock was set back since.
        ("all", "1h", Some("12:55:00"), vec![]),
    ] {
        let given = json!({
            "cron": "*/10 * * * *", "time_zone": "UTC", "catch_up": catch_up, "catch_up_window": window,
        });
        let reached = reached.map(|time| format!("2026-11-20T{time}Z").parse().unwrap());
        let taken = Taken { reached: Mutex::new(reached), ..Taken::default() };
        let running = start(given, "2026-11-20T12:00:30Z", taken);
        running.wait(1).await;
        let marked = running.taken.reached.lock().unwrap().is_some();
        let fired: Vec<_> = running.end().await.into_iter().map(|(_, due)| due[11..16].to_owned()).collect();
        assert_eq!(fired, due, "{catch_up} {window} {reached:?}");
        assert!(marked, "from now on the calendar is followed");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_not_caught_up_with_is_left_out() {
    for (catch_up, window, now, fired) in [
        ("none", "1h", "12:05:00", 0),
        ("last", "1h", "12:05:00", 1),
        ("last", "2m", "12:05:00", 0),
        ("all", "2m", "12:05:00", 0),
    ] {
        let given = json!({
            "cron": "0 * * * *", "time_zone": "UTC", "catch_up": catch_up, "catch_up_window": window,
        });
        let reached = "2026-11-20T11:30:00Z".parse().unwrap();
        let taken = Taken { reached: Mutex::new(Some(reached)), ..Taken::default() };
        let running = start(given, &format!("2026-11-20T{now}Z"), taken);
        running.wait(1).await;
        assert_eq!(running.end().await.len(), fired, "{catch_up} {window} {now}");
    }
}
