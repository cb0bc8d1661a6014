//! A plugin in Rust, written with the macro.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use herald_core::activation::{EventSink, Key, Name, NewEvent, Refused};
use herald_core::clock::SystemClock;
use herald_core::conformance::{check_executor, check_selector, check_trigger};
use herald_core::executor::FailureKind;
use herald_core::param::Params;
use herald_core::position::{Cursor, Position};
use herald_core::problem::Path;
use herald_core::secret::Mask;
use herald_core::trigger::Activator;
use herald_plugin_host::LoadedPlugin;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::{ask, execution, load, made, question, run, with_output};

/// Built by `cargo test` as an example of this crate.
fn lab() -> LoadedPlugin {
    let test = std::env::current_exe().unwrap();
    let path: PathBuf = test.parent().unwrap().parent().unwrap().join("examples/liblab.so");
    assert!(
        path.exists(),
        "{} is missing: run the tests without --test, or `cargo build --examples`",
        path.display()
    );
    load(&path)
}

#[tokio::test]
async fn a_panic_fails_its_call_only() {
    let plugin = lab();
    let panicked = "the plugin panicked";
    let selector = made(&plugin.selectors[0], &json!({})).unwrap();
    for mode in ["panic", "panic later", "panic"] {
        let error = ask(&selector, mode).await.unwrap_err();
        assert!(error.message.contains(panicked), "{mode}: {error}");
    }
    assert!(ask(&selector, "").await.unwrap().yes);
    let executor = made(&plugin.executors[0], &json!({})).unwrap();
    assert!(run(&executor, "panic").await.unwrap_err().error.contains(panicked));
    assert!(run(&executor, "").await.is_ok());
    let Err(error) = made(&plugin.executors[0], &json!({"fails": false})) else { panic!("it was made") };
    assert!(error.message.contains(panicked), "{error}");
    let Err(error) = made(&plugin.executors[0], &json!({"fails": true})) else { panic!("it was made") };
    assert_eq!(error.message, "cannot be made");
    let trigger = made(&plugin.triggers[0], &json!({"panics": true})).unwrap();
    let error = check_trigger(trigger, Duration::from_secs(5)).await.unwrap_err();
    assert!(error.to_string().contains(panicked), "{error}");
}

#[test]
fn its_checks_count() {
    let description = &lab().executors[0].description;
    for (even, said) in
        [(2, None), (3, Some("3 is odd")), (13, Some("the plugin panicked")), (100, Some("99"))]
    {
        let (_, problems) = description.check(json!({ "even": even }).as_object().unwrap(), &Path::top());
        assert_eq!(problems.len(), usize::from(said.is_some()), "{even}: {problems:?}");
        if let Some(said) = said {
            assert!(problems[0].to_string().contains(said), "{}", problems[0]);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn components_keep_the_contract() {
    let plugin = lab();
    let trigger = made(&plugin.triggers[0], &json!({"panics": false})).unwrap();
    check_trigger(trigger, Duration::from_millis(200)).await.unwrap();
    check_selector(made(&plugin.selectors[0], &json!({})).unwrap()).await.unwrap();
    let long = json!({"mode": "stop"}).as_object().cloned();
    check_executor(made(&plugin.executors[0], &json!({})).unwrap(), long).await.unwrap();
}

#[tokio::test]
async fn both_stages_of_a_stop_arrive() {
    let executor = made(&lab().executors[0], &json!({})).unwrap();
    let execution = execution(&json!({"mode": "stubborn"}), Mask::new());
    let stop = execution.stop.clone();
    let job = tokio::spawn(async move { executor.execute(execution).await });
    tokio::time::sleep(Duration::from_millis(300)).await;
    stop.asked.cancel();
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!job.is_finished());
    stop.forced.cancel();
    let failure = tokio::time::timeout(Duration::from_secs(10), job).await.unwrap().unwrap().unwrap_err();
    assert_eq!((failure.kind, failure.error.as_str()), (FailureKind::Cancelled, "forced"));
}

#[tokio::test]
async fn output_arrives_while_a_job_runs() {
    let executor = made(&lab().executors[0], &json!({})).unwrap();
    let (execution, output) = with_output("output");
    executor.execute(execution).await.unwrap();
    let kept = output.0.lock().unwrap();
    let of = |stream: &str| -> String {
        kept.iter().filter(|(at, _)| *at == stream).map(|(_, text)| &**text).collect()
    };
    assert_eq!(of("stdout"), "line 0\nline 1\nline 2\n");
    assert_eq!(of("stderr"), "x".repeat(200_000));
}

#[tokio::test]
async fn jobs_of_an_earlier_process() {
    let plugin = lab();
    let executor = made(&plugin.executors[0], &json!({})).unwrap();
    let (execution, output) = with_output("");
    let failure = executor.recover(execution).await.unwrap_err();
    assert_eq!((failure.kind, failure.error.as_str()), (FailureKind::TimedOut, "it took too long"));
    assert_eq!(output.0.lock().unwrap()[1], ("stdout", "again\n".to_owned()));
    let failure = executor.recover(with_output("panic").0).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Lost);
    assert!(failure.error.contains("panicked"), "{}", failure.error);
    let plain = made(&plugin.executors[1], &json!({})).unwrap();
    let failure = plain.recover(with_output("").0).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Lost, "the default");
}

/// Keeps the keys and positions of events.
#[derive(Default)]
struct Recorder(Mutex<Vec<NewEvent>>, Mutex<Option<Cursor>>);

#[async_trait]
impl EventSink for Recorder {
    async fn accept(&self, _: Name, _: Params) -> Result<Name, Refused> {
        Err(Refused::Stopping)
    }

    async fn ready(&self, _: &str) {}

    async fn accept_event(&self, event: NewEvent) -> Result<Name, Refused> {
        if let Some(cursor) = &event.cursor {
            self.reach(cursor.clone()).await;
        }
        self.0.lock().unwrap().push(event);
        Ok("e".into())
    }

    async fn reached(&self, source: &str) -> Option<Position> {
        assert_eq!(source, "t numbers");
        self.1.lock().unwrap().as_ref().map(|cursor| cursor.position.clone())
    }

    async fn reach(&self, cursor: Cursor) {
        *self.1.lock().unwrap() = Some(cursor);
    }
}

#[tokio::test]
async fn keys_and_positions_cross() {
    let trigger = made(&lab().triggers[0], &json!({"panics": false})).unwrap();
    let recorder = Arc::new(Recorder::default());
    let source = "t numbers".into();
    *recorder.1.lock().unwrap() = Some(Cursor { source, position: Position::of_integer(41) });
    let stop = CancellationToken::new();
    let activator = Activator::new("t".into(), recorder.clone(), Arc::new(SystemClock));
    let ending = stop.clone();
    let task = tokio::spawn(async move { trigger.run(activator, ending).await });
    let two = async {
        while recorder.0.lock().unwrap().len() < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), two).await.unwrap();
    stop.cancel();
    tokio::time::timeout(Duration::from_secs(10), task).await.unwrap().unwrap().unwrap();
    let events = recorder.0.lock().unwrap();
    assert_eq!(events[0].cursor.as_ref().unwrap().position, Position::of_integer(42));
    assert_eq!((&events[0].key, &events[1].cursor), (&None, &None));
    assert_eq!(events[1].key, Some(Key { name: "t:42".into(), window: Duration::from_secs(9) }));
    assert_eq!(events[1].trigger_param.get("n"), Some(&json!(42)));
}

#[tokio::test]
async fn calls_that_are_given_up_end() {
    let selector = made(&lab().selectors[0], &json!({})).unwrap();
    let before: u64 = ask(&selector, "dropped").await.unwrap().why.parse().unwrap();
    // The first is given up by us, the second for taking too long.
    let _ = tokio::time::timeout(Duration::from_millis(100), ask(&selector, "never")).await.unwrap_err();
    let error = ask(&selector, "never").await.unwrap_err();
    assert!(error.message.contains("did not answer within 1.5 s"), "{error}");
    let both = async {
        while ask(&selector, "dropped").await.unwrap().why.parse::<u64>().unwrap() < before + 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), both).await.unwrap();
}

#[tokio::test]
async fn a_blocked_future_is_given_up() {
    let selector = made(&lab().selectors[0], &json!({})).unwrap();
    let error = ask(&selector, "block").await.unwrap_err();
    assert!(error.message.contains("did not answer within 1.5 s"), "{error}");
    assert!(ask(&selector, "").await.unwrap().yes);
}

#[tokio::test]
async fn a_job_crosses_whole_and_knows_its_own_secrets_only() {
    let executor = made(&lab().executors[0], &json!({})).unwrap();
    let mut mask = Mask::new();
    mask.add("hunter22");
    mask.add("secret of another task");
    let execution = execution(&json!({"say": "it is hunter22", "n": 1e300, "password": "x"}), mask.clone());
    let (plain, masked) = (execution.params(), execution.masked_params());
    assert!(
        !String::from_utf8(herald_core::plugin::message::execution_json(&execution.job, &mask))
            .unwrap()
            .contains("another task")
    );
    let result = executor.execute(execution).await.unwrap();
    assert_eq!(result["plain"], Value::Object(plain));
    assert_eq!(result["masked"], Value::Object(masked));
}

/// Where the log of this process goes.
fn log() -> Arc<Mutex<Vec<u8>>> {
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    static LOG: OnceLock<Arc<Mutex<Vec<u8>>>> = OnceLock::new();
    LOG.get_or_init(|| {
        let log: Arc<Mutex<Vec<u8>>> = Arc::default();
        let kept = log.clone();
        let subscriber = tracing_subscriber::fmt().with_writer(move || Sink(kept.clone())).finish();
        let _ = tracing::subscriber::set_global_default(subscriber);
        log
    })
    .clone()
}

#[tokio::test]
async fn what_it_logs_is_logged() {
    let log = log();
    let executor = made(&lab().executors[0], &json!({})).unwrap();
    assert!(run(&executor, "log").await.is_ok());
    let said = String::from_utf8(log.lock().unwrap().clone()).unwrap();
    let line = said.lines().find(|line| line.contains("said in a plugin")).unwrap();
    assert!(
        line.contains("WARN") && line.contains("plugin \"rust lab\"") && line.contains("number=5"),
        "{line}"
    );
}

/// A well-behaved call costs little; the bound is far above what it takes, for slow machines.
#[tokio::test]
async fn a_call_is_cheap() {
    let selector = made(&lab().selectors[0], &json!({})).unwrap();
    ask(&selector, "").await.unwrap();
    let question = question("k", &json!({}));
    let begun = Instant::now();
    for _ in 0..1000 {
        selector.select(&question).await.unwrap();
    }
    let each = begun.elapsed() / 1000;
    eprintln!("one call after the other: {each:?} each");
    assert!(each < Duration::from_millis(2), "{each:?}");
    let begun = Instant::now();
    for _ in 0..20 {
        let calls = (0..50).map(|_| selector.select(&question));
        futures_util::future::join_all(calls).await.into_iter().for_each(|answer| drop(answer.unwrap()));
    }
    let each = begun.elapsed() / 1000;
    eprintln!("fifty at once: {each:?} each");
    assert!(each < Duration::from_millis(2), "{each:?}");
}
