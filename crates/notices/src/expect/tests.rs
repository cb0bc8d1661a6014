use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use herald_core::activation::{EventSink, NewEvent};
use herald_core::clock::TestClock;
use herald_core::position::Position;
use herald_core::problem::Path;
use herald_core::spec::Description;
use serde_json::json;
use tokio::sync::watch;

use super::*;

/// Keeps events and positions over several runs, and shows arrivals.
struct Kept {
    came: watch::Sender<Option<Timestamp>>,
    events: Mutex<Vec<String>>,
    positions: Mutex<HashMap<Name, Position>>,
    refusals: Mutex<Vec<Refused>>,
    records: AtomicU64,
}

#[async_trait]
impl EventSink for Kept {
    async fn accept(&self, _: Name, _: Params) -> Result<Name, Refused> {
        Err(Refused::Stopping)
    }

    async fn ready(&self, _: &str) {
        sleep(Duration::from_secs(1)).await;
    }

    async fn accept_event(&self, event: NewEvent) -> Result<Name, Refused> {
        if let Some(refused) = self.refusals.lock().unwrap().pop() {
            return Err(refused);
        }
        let params = event.trigger_param.params();
        let text = |key: &str| params[key].as_str().unwrap().to_owned();
        let shown =
            format!("{} {} {} {}", &text("time")[11..19], text("state"), text("name"), text("silent_for"));
        self.events.lock().unwrap().push(shown);
        self.reach(event.cursor.unwrap()).await;
        Ok("e".into())
    }

    async fn reached(&self, source: &str) -> Option<Position> {
        self.positions.lock().unwrap().get(source).cloned()
    }

    async fn reach(&self, cursor: Cursor) {
        self.records.fetch_add(1, Ordering::Relaxed);
        let mut positions = self.positions.lock().unwrap();
        let before = positions.insert(cursor.source, cursor.position.clone());
        assert!(before.is_none_or(|before| before < cursor.position));
    }

    fn arrivals(&self, awaited: &Awaited) -> Option<LastArrival> {
        assert_eq!(*awaited, Awaited::Router("nightly".into()));
        Some(self.came.subscribe())
    }
}

/// A trigger, and a clock by which minutes pass.
struct Scene {
    kept: Arc<Kept>,
    clock: TestClock,
    expected: Arc<ExpectedArrivals>,
}

fn expected(options: &Value) -> Result<ExpectedArrivals, String> {
    let specs = ExpectedArrivals::options().into_iter();
    let description = specs.fold(Description::new("expect", ""), Description::option);
    let (options, problems) = description.check(options.as_object().unwrap(), &Path::top());
    if let Some(problem) = problems.first() {
        return Err(problem.to_string());
    }
    let context = Context::default();
    context.begin_component("own");
    ExpectedArrivals::new(&options, &context).map_err(|error| error.to_string())
}

impl Scene {
    fn new(within: &str) -> Self {
        let kept = Kept {
            came: watch::Sender::new(None),
            events: Mutex::default(),
            positions: Mutex::default(),
            refusals: Mutex::default(),
            records: AtomicU64::default(),
        };
        Self {
            kept: Arc::new(kept),
            clock: TestClock::at("2026-01-01T00:00:00Z".parse().unwrap()),
            expected: Arc::new(expected(&json!({"router": "nightly", "within": within})).unwrap()),
        }
    }

    /// Runs for so many minutes; at some of them a job ends. With `crash`, nothing is recorded at the end.
    async fn run(&self, minutes: u64, ends: &[u64], crash: bool) {
        let activator = Activator::new("late".into(), self.kept.clone(), Arc::new(self.clock));
        let (stop, expected) = (CancellationToken::new(), self.expected.clone());
        let running = tokio::spawn({
            let stop = stop.clone();
            async move { expected.run(&activator, &stop).await }
        });
        for minute in 0..minutes {
            sleep(Duration::from_secs(30)).await;
            if ends.contains(&minute) {
                use herald_core::clock::Clock as _;
                self.kept.came.send_replace(Some(self.clock.now()));
            }
            sleep(Duration::from_secs(30)).await;
        }
        if crash {
            running.abort();
            let _ = running.await;
        } else {
            stop.cancel();
            running.await.unwrap();
        }
    }

    /// Refuses so many events from now on.
    fn refuse(&self, count: usize) {
        *self.kept.refusals.lock().unwrap() = (0..count).map(|_| Refused::Busy).collect();
    }

    fn events(&self) -> Vec<String> {
        std::mem::take(&mut *self.kept.events.lock().unwrap())
    }
}

#[tokio::test(start_paused = true)]
async fn it_fires_once_when_nothing_came_and_once_when_it_came() {
    let scene = Scene::new("10m");
    scene.run(9, &[], false).await;
    assert_eq!(scene.events(), [""; 0]);
    let scene = Scene::new("10m");
    scene.run(60, &[5, 12, 40, 41, 49], false).await;
    // From 5:30 and 12:30 on it waited for 10 minutes each.
    assert_eq!(
        scene.events(),
        ["00:22:30 silent nightly 10m", "00:40:30 back nightly 28m", "00:59:30 silent nightly 10m"]
    );
}

#[tokio::test(start_paused = true)]
async fn what_it_counted_goes_on_after_a_restart_and_rests_while_nothing_runs() {
    for crash in [false, true] {
        let scene = Scene::new("10m");
        scene.run(4, &[1], crash).await;
        // Three days without Herald.
        sleep(Duration::from_secs(3 * 86_400)).await;
        scene.run(7, &[], crash).await;
        assert_eq!(scene.events(), [""; 0], "crash: {crash}");
        scene.run(2, &[], crash).await;
        let [event] = <[_; 1]>::try_from(scene.events()).unwrap();
        assert!(event.contains(" silent nightly 3d"), "{event}");
        // It is silent, and said so: over restarts as well.
        scene.run(30, &[], crash).await;
        assert_eq!(scene.events(), [""; 0], "crash: {crash}");
        scene.run(5, &[2], crash).await;
        let [event] = <[_; 1]>::try_from(scene.events()).unwrap();
        assert!(event.contains(" back nightly 3d"), "{event}");
    }
}

#[tokio::test(start_paused = true)]
async fn many_restarts_do_not_hide_a_silence_and_a_crash_makes_none() {
    let scene = Scene::new("10m");
    for _ in 0..11 {
        scene.run(1, &[], false).await;
    }
    assert_eq!(scene.events().len(), 1);
    let scene = Scene::new("10m");
    // It came just before the crash.
    scene.run(9, &[8], true).await;
    scene.run(8, &[], true).await;
    assert_eq!(scene.events(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_recorded_is_tried_again() {
    let scene = Scene::new("10m");
    let refusals = vec![Refused::Busy, Refused::Unrecorded("disk full".to_owned()), Refused::Busy];
    *scene.kept.refusals.lock().unwrap() = refusals;
    scene.run(11, &[], false).await;
    assert_eq!(scene.events(), ["00:10:00 silent nightly 10m"]);
}

#[tokio::test(start_paused = true)]
async fn what_a_stop_interrupts_is_made_up_for() {
    for crash in [false, true] {
        let scene = Scene::new("10m");
        scene.refuse(1000);
        scene.run(11, &[], crash).await;
        assert_eq!(scene.events(), [""; 0]);
        scene.refuse(0);
        scene.run(2, &[], crash).await;
        let [event] = <[_; 1]>::try_from(scene.events()).unwrap();
        assert!(event.contains(" silent nightly 1"), "{event}");
        scene.run(20, &[], crash).await;
        assert_eq!(scene.events(), [""; 0]);
    }
}

#[tokio::test(start_paused = true)]
async fn what_came_while_nobody_waited_counts() {
    let came = |scene: &Scene| {
        use herald_core::clock::Clock as _;
        scene.kept.came.send_replace(Some(scene.clock.now()));
    };
    // A job ends in the grace, after the triggers.
    let scene = Scene::new("10m");
    scene.run(9, &[], false).await;
    came(&scene);
    sleep(Duration::from_secs(3600)).await;
    scene.run(9, &[], false).await;
    assert_eq!(scene.events(), [""; 0]);
    scene.run(2, &[], false).await;
    let [event] = <[_; 1]>::try_from(scene.events()).unwrap();
    assert!(event.contains(" silent nightly 1h10m"), "{event}");
    came(&scene);
    scene.run(1, &[], false).await;
    let [event] = <[_; 1]>::try_from(scene.events()).unwrap();
    assert!(event.contains(" back nightly 1h11m"), "{event}");
    // The same once more is not news.
    scene.run(1, &[], false).await;
    assert_eq!(scene.events(), [""; 0]);
    // A stop interrupts it when it is back.
    scene.run(10, &[], false).await;
    assert_eq!(scene.events().len(), 1);
    scene.refuse(1000);
    scene.run(2, &[0], false).await;
    scene.refuse(0);
    scene.run(1, &[], false).await;
    let [event] = <[_; 1]>::try_from(scene.events()).unwrap();
    assert!(event.contains(" back nightly "), "{event}");
}

#[tokio::test(start_paused = true)]
async fn what_comes_often_is_recorded_now_and_then() {
    let scene = Scene::new("60m");
    scene.run(1, &[], false).await;
    // It comes each minute, and so before a step of the count.
    let minutes: Vec<u64> = (0..90).collect();
    scene.run(90, &minutes, true).await;
    let records = scene.kept.records.load(Ordering::Relaxed);
    assert!((80..=92).contains(&records), "{records}");
    scene.kept.came.send_replace(None);
    scene.run(62, &[], true).await;
    assert_eq!(scene.events(), ["02:31:00 silent nightly 1h30s"]);
}

#[test]
fn what_is_wrong_with_options_is_found_at_once() {
    for (options, says) in [
        (json!({"router": "a", "within": "25h"}), ""),
        (json!({"trigger": "a", "within": 90}), ""),
        (json!({"router": "a"}), ": the option `within` of `expect` is missing"),
        (json!({"within": "1h"}), "it waits for nothing; give `router` or `trigger`"),
        (json!({"router": "a", "trigger": "b", "within": "1h"}), "trigger: is given as well as `router`"),
        (json!({"trigger": "own", "within": "1h"}), "trigger: it waits for itself"),
        (json!({"router": "a", "within": "100ms"}), "within: `within`: the shortest time is 1 s"),
    ] {
        let said = expected(&options).err().unwrap_or_default();
        assert!(said.starts_with(says) && said.is_empty() == says.is_empty(), "{options}: {said}");
    }
}
