//! Triggers and their owner.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use herald_core::activation::{EventSink, Name, Refused};
use herald_core::clock::SystemClock;
use herald_core::herald::{Herald, StartError};
use herald_core::param::Params;
use herald_core::supervisor::{ReloadedTrigger, Supervisor, TriggerChange};
use herald_core::trigger::{Activator, ComponentError, Predecessors, Succession, Timetable, Trigger};
use herald_core::workflow::Router;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::doubles::{Diary, Worker, Yes, params};

/// Never activates by itself.
pub struct Quiet;

#[async_trait]
impl Trigger for Quiet {
    async fn run(&self, _: Activator, stop: CancellationToken) -> Result<(), ComponentError> {
        stop.cancelled().await;
        Ok(())
    }
}

/// Fails to prepare, or fails (panics) at its first run and activates at the second.
struct Shaky {
    prepares: bool,
    panics: bool,
    runs: Arc<AtomicU32>,
}

#[async_trait]
impl Trigger for Shaky {
    async fn prepare(&self) -> Result<(), ComponentError> {
        if self.prepares { Ok(()) } else { Err(ComponentError::new("the port is taken")) }
    }

    async fn run(&self, activator: Activator, stop: CancellationToken) -> Result<(), ComponentError> {
        if self.runs.fetch_add(1, Ordering::SeqCst) == 0 {
            assert!(!self.panics, "as asked");
            return Err(ComponentError::new("as asked"));
        }
        activator.activate_when_ready(params(json!({}))).await.unwrap();
        stop.cancelled().await;
        Ok(())
    }
}

fn herald(worker: &Worker, shaky: Shaky) -> Herald {
    Herald::new()
        .trigger("t", shaky)
        .selector("yes", Yes)
        .executor("work", worker.clone())
        .router(Router::new("r", "t", "yes").task("k", "work"))
}

#[tokio::test(start_paused = true)]
async fn a_trigger_that_fails_is_run_again() {
    for panics in [false, true] {
        let worker = Worker::default();
        let runs = Arc::new(AtomicU32::new(0));
        let running =
            herald(&worker, Shaky { prepares: true, panics, runs: runs.clone() }).start().await.unwrap();
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert_eq!(runs.load(Ordering::SeqCst), 2);
        assert_eq!(worker.diary.count("end r/k"), 1);
        running.stop(Duration::from_secs(1)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_trigger_that_cannot_be_prepared_stops_the_start() {
    let shaky = Shaky { prepares: false, panics: false, runs: Arc::default() };
    let error = herald(&Worker::default(), shaky).start().await.err().unwrap();
    assert!(matches!(error, StartError::Trigger { .. }));
    assert_eq!(error.to_string(), "trigger \"t\": the port is taken");
}

/// Notes what happens to it.
#[derive(Clone)]
struct Noted {
    name: &'static str,
    succession: Succession,
    prepares: bool,
    diary: Diary,
}

#[async_trait]
impl Trigger for Noted {
    async fn prepare(&self) -> Result<(), ComponentError> {
        self.diary.note(format!("prepare {}", self.name));
        if self.prepares { Ok(()) } else { Err(ComponentError::new("the port is taken")) }
    }

    fn succeed(&self, before: &Predecessors) -> Succession {
        if before.all().next().is_none() && self.succession == Succession::AfterAll {
            return Succession::Beside;
        }
        self.succession
    }

    fn timetable(&self) -> Option<Timetable<'_>> {
        self.name.starts_with("clock").then_some(Timetable::Every(Duration::from_secs(1)))
    }

    async fn run(&self, _: Activator, stop: CancellationToken) -> Result<(), ComponentError> {
        self.diary.note(format!("run {}", self.name));
        stop.cancelled().await;
        self.diary.note(format!("end {}", self.name));
        Ok(())
    }
}

/// Accepts nothing, since nothing comes.
struct Nobody;

#[async_trait]
impl EventSink for Nobody {
    async fn accept(&self, _: Name, _: Params) -> Result<Name, Refused> {
        Err(Refused::Stopping)
    }

    async fn ready(&self, _: &str) {}
}

/// What a reload does, and what runs after it. The trigger "port" begins as it should; "clock" cannot run beside
/// another one.
async fn reload(port: Succession, port_type: &str, prepares: bool, clock_prepares: bool) -> Vec<String> {
    let diary = Diary::default();
    let noted = |name, succession, prepares| {
        Arc::new(Noted { name, succession, prepares, diary: diary.clone() }) as Arc<dyn Trigger>
    };
    let of = |name: &str, type_name: &str, trigger: Arc<dyn Trigger>| ReloadedTrigger {
        name: name.into(),
        type_name: type_name.to_owned(),
        trigger,
    };
    let gone = vec![
        of("port", "http", noted("port1", Succession::Beside, true)),
        of("clock", "cron", noted("clock1", Succession::AfterEnd, true)),
    ];
    let new = vec![
        of("port", port_type, noted("port2", port, prepares)),
        of("clock", "cron", noted("clock2", Succession::AfterEnd, clock_prepares)),
    ];
    let mut supervisor = Supervisor::new(Arc::new(Nobody), Arc::new(SystemClock));
    let all = gone.iter().map(|one| (one.name.clone(), one.trigger.clone())).collect::<Vec<_>>();
    supervisor.run(Supervisor::prepare(all).await.ok().unwrap()).await;
    tokio::task::yield_now().await;
    let before = diary.lines().len();
    match supervisor.prepare_change(TriggerChange { gone, new }).await {
        Ok(change) => supervisor.exchange(change).await,
        Err((name, error)) => diary.note(format!("{name}: {error}")),
    }
    tokio::task::yield_now().await;
    diary.lines().split_off(before)
}

#[tokio::test(start_paused = true)]
async fn a_reload_exchanges_triggers_and_one_that_fails_leaves_them() {
    use Succession::{AfterAll, AfterEnd, Beside};
    for (port, port_type, prepares, clock_prepares, expected) in [
        (
            Beside,
            "http",
            true,
            true,
            "prepare port2, end clock1, prepare clock2, run port2, run clock2, end port1",
        ),
        (
            AfterAll,
            "http",
            true,
            true,
            "end port1, end clock1, prepare port2, prepare clock2, run port2, run clock2",
        ),
        // Nothing was changed yet.
        (Beside, "http", false, true, "prepare port2, port: the port is taken"),
        // The one before may have had the port.
        (
            Beside,
            "hook",
            false,
            true,
            "prepare port2, end port1, end clock1, prepare port2, prepare port1, run port1, prepare clock1, \
             run clock1, port: the port is taken",
        ),
        (
            AfterEnd,
            "hook",
            true,
            false,
            "end clock1, prepare port2, prepare clock2, prepare clock1, run clock1, clock: the port is taken",
        ),
    ] {
        let happened = reload(port, port_type, prepares, clock_prepares).await;
        let sorted = |mut lines: Vec<String>| {
            lines.sort();
            lines
        };
        let expected: Vec<String> = expected.split(", ").map(str::to_owned).collect();
        assert_eq!(sorted(happened.clone()), sorted(expected.clone()), "{port:?} {port_type}: {happened:?}");
        let place = |line: &str| happened.iter().position(|other| other == line);
        if prepares && clock_prepares {
            let in_between = place("run port2") < place("end port1");
            assert_eq!(in_between, port == Beside, "{happened:?}");
            assert!(place("end clock1") < place("prepare clock2"), "{happened:?}");
        }
    }
}

/// Begins after a while, or never.
struct SlowBeginning {
    begins_after: Duration,
    diary: Diary,
}

#[async_trait]
impl Trigger for SlowBeginning {
    async fn begin(&self, activator: &Activator) {
        tokio::time::sleep(self.begins_after).await;
        self.diary.note(format!("begin {}", activator.trigger()));
    }

    async fn run(&self, activator: Activator, stop: CancellationToken) -> Result<(), ComponentError> {
        self.diary.note(format!("run {}", activator.trigger()));
        stop.cancelled().await;
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn where_triggers_begin_is_recorded_before_they_count_as_running() {
    let diary = Diary::default();
    let slow = |seconds| SlowBeginning { begins_after: Duration::from_secs(seconds), diary: diary.clone() };
    let triggers = [("one", slow(1)), ("two", slow(2)), ("never", slow(3600))];
    let triggers = triggers.map(|(name, trigger)| (name.into(), Arc::new(trigger) as Arc<dyn Trigger>));
    let mut supervisor = Supervisor::new(Arc::new(Nobody), Arc::new(SystemClock));
    let began = tokio::time::Instant::now();
    supervisor.run(Supervisor::prepare(triggers).await.ok().unwrap()).await;
    assert_eq!(began.elapsed().as_secs(), 5, "all at once, and the last one is not waited for any longer");
    assert_eq!(diary.lines(), ["begin one", "run one", "begin two", "run two", "run never"]);
}
