//! A plugin in C: what it does well works, and what it does badly harms only the call.

use std::mem::{offset_of, size_of};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use herald_core::activation::{EventSink, Key, Name, NewEvent, Refused};
use herald_core::clock::SystemClock;
use herald_core::conformance::{check_executor, check_selector, check_trigger};
use herald_core::executor::FailureKind;
use herald_core::param::Params;
use herald_core::plugin::abi::{ABI, HostTable, PluginTable};
use herald_core::position::{Cursor, Position};
use herald_core::problem::Path;
use herald_core::secret::Mask;
use herald_core::trigger::Activator;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::{ask, execution, in_c, load, made, run, with_output};

#[tokio::test]
async fn the_header_and_the_code_agree() {
    let folder = tempfile::tempdir().unwrap();
    let executor = made(&load(&in_c(folder.path(), &[])).executors[0], &json!({})).unwrap();
    let seen = Value::Object(run(&executor, "layout").await.unwrap());
    let (plugin, host) = (size_of::<PluginTable>(), size_of::<HostTable>());
    assert_eq!(
        seen["plugin"],
        json!([
            plugin,
            offset_of!(PluginTable, abi),
            offset_of!(PluginTable, size),
            offset_of!(PluginTable, call),
            offset_of!(PluginTable, signal)
        ])
    );
    assert_eq!(
        seen["host"],
        json!([
            host,
            offset_of!(HostTable, abi),
            offset_of!(HostTable, size),
            offset_of!(HostTable, answer),
            offset_of!(HostTable, stop_state),
            offset_of!(HostTable, activate),
            offset_of!(HostTable, room),
            offset_of!(HostTable, log_level),
            offset_of!(HostTable, log),
            offset_of!(HostTable, reached),
            offset_of!(HostTable, reach),
            offset_of!(HostTable, output)
        ])
    );
    assert_eq!(seen["given"], json!([ABI, host]));
}

#[tokio::test]
async fn its_types_are_like_all_others() {
    let folder = tempfile::tempdir().unwrap();
    let plugin = load(&in_c(folder.path(), &[]));
    assert_eq!((plugin.name.as_str(), plugin.version.as_str()), ("lab", "1.2"));
    let description = &plugin.executors[0].description;
    for (options, problems) in [
        (json!({}), 0),
        (json!({"format": "b", "even": 2}), 0),
        (json!({"format": "c"}), 1),
        (json!({"even": 3}), 1),
        (json!({"even": 99, "formal": "a"}), 2),
    ] {
        let (given, found) = description.check(options.as_object().unwrap(), &Path::top());
        assert_eq!(found.len(), problems, "{options}: {found:?}");
        if problems == 0 {
            assert_eq!(given.0["format"], *options.get("format").unwrap_or(&json!("a")));
        }
    }
    let (_, found) = description.check(json!({"even": 3}).as_object().unwrap(), &Path::top());
    assert!(found[0].message.contains("3 is odd"), "{found:?}");
    assert_eq!(plugin.triggers[0].description.type_name, "lab");
    assert_eq!(plugin.selectors[0].description.type_name, "lab");
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_of_every_sort() {
    let folder = tempfile::tempdir().unwrap();
    let selector = made(&load(&in_c(folder.path(), &[])).selectors[0], &json!({})).unwrap();
    for (mode, why) in [("yes", ""), ("later", "later"), ("twice", "first"), ("stranger", "mine")] {
        let answer = ask(&selector, mode).await.unwrap();
        assert_eq!((answer.yes, &*answer.why), (true, why), "{mode}");
    }
    let who = "the selector of type \"lab\" of plugin \"lab\"";
    for (mode, said) in [
        ("error", "not today".to_owned()),
        ("bad", format!("{who} answered with no JSON: EOF")),
        ("bytes", format!("{who} answered with no JSON")),
        ("null", format!("{who} answered with no JSON: EOF")),
        ("shape", format!("{who} answered with JSON of another shape: invalid type")),
        ("status", "plugin \"lab\" answered with status 7".to_owned()),
        ("long", "the answer of plugin \"lab\" is too long".to_owned()),
        ("silent", format!("{who} did not answer within 1.5 s")),
        ("block", format!("{who} did not answer within 1.5 s")),
    ] {
        let error = ask(&selector, mode).await.unwrap_err();
        assert!(error.message.starts_with(&said), "{mode}: {error}");
    }
    assert!(ask(&selector, "yes").await.unwrap().yes);
}

/// The selector's threads all block. The daemon's one thread does not, nor do other components of the plugin, and who
/// asks learns why there is no answer.
#[tokio::test]
async fn a_plugin_that_blocks_blocks_itself() {
    let folder = tempfile::tempdir().unwrap();
    let plugin = load(&in_c(folder.path(), &[]));
    let blocked = made(&plugin.selectors[0], &json!({})).unwrap();
    let other = made(&plugin.selectors[0], &json!({})).unwrap();
    let asking: Vec<_> = (0..8)
        .map(|_| {
            let blocked = blocked.clone();
            tokio::spawn(async move { ask(&blocked, "block").await.unwrap_err() })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(200)).await;
    let begun = Instant::now();
    assert!(ask(&other, "yes").await.unwrap().yes);
    assert!(begun.elapsed() < Duration::from_secs(1));
    let error = ask(&blocked, "yes").await.unwrap_err();
    assert_eq!(
        error.message,
        "waited 1.5 s for a thread of plugin \"lab\", whose 8 threads are held by calls that do not return"
    );
    for asking in asking {
        assert!(asking.await.unwrap().message.contains("did not answer"));
    }
}

#[tokio::test]
async fn jobs() {
    let folder = tempfile::tempdir().unwrap();
    let executor = made(&load(&in_c(folder.path(), &[])).executors[0], &json!({})).unwrap();
    let result = Value::Object(run(&executor, "fine").await.unwrap());
    assert_eq!(result.to_string(), r#"{"from":"C","n":18446744073709551617}"#);
    let failure = run(&executor, "list").await.unwrap_err();
    assert!(failure.error.contains("of another shape"), "{}", failure.error);

    // Many at once that block their threads, and all are asked to stop.
    let running: Vec<_> = (0..20)
        .map(|_| {
            let (executor, execution) = (executor.clone(), execution(&json!({"mode": "stop"}), Mask::new()));
            let stop = execution.stop.clone();
            (stop, tokio::spawn(async move { executor.execute(execution).await }))
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(100)).await;
    for (stop, job) in running {
        assert!(!job.is_finished());
        stop.asked.cancel();
        let failure = tokio::time::timeout(Duration::from_secs(10), job).await.unwrap().unwrap().unwrap_err();
        assert_eq!((failure.kind, failure.error.as_str()), (FailureKind::Cancelled, "stopped"));
        assert_eq!(failure.result["half"], 1);
    }
    executor.close().await;
}

#[tokio::test]
async fn a_job_that_does_not_end_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let executor = made(&load(&in_c(folder.path(), &[])).executors[0], &json!({})).unwrap();
    let execution = execution(&json!({"mode": "block"}), Mask::new());
    let stop = execution.stop.clone();
    let running = executor.clone();
    let job = tokio::spawn(async move { running.execute(execution).await });
    tokio::time::sleep(Duration::from_millis(200)).await;
    stop.asked.cancel();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(!job.is_finished(), "it was only asked");
    stop.forced.cancel();
    let failure = tokio::time::timeout(Duration::from_secs(5), job).await.unwrap().unwrap().unwrap_err();
    assert_eq!(failure.kind, FailureKind::Cancelled);
    assert!(failure.error.contains("plugin \"lab\" did not end the job"), "{}", failure.error);
    assert!(run(&executor, "fine").await.is_ok());
}

#[tokio::test]
async fn a_job_writes_output_until_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let executor = made(&load(&in_c(folder.path(), &[])).executors[0], &json!({})).unwrap();
    let (execution, output) = with_output("output");
    let result = executor.execute(execution).await.unwrap();
    // Written, written, written (nothing), and two that are not valid.
    assert_eq!(result["statuses"], json!([0, 0, 0, 4, 4]));
    let lines = |stream: &str| -> Vec<String> {
        let kept = output.0.lock().unwrap();
        kept.iter().filter(|(at, text)| *at == stream && !text.is_empty()).map(|(_, t)| t.clone()).collect()
    };
    assert_eq!(
        (lines("stdout"), lines("stderr")),
        (vec!["one\n".into(), "three\n".into()], vec!["two\n".into()])
    );

    let late = run(&executor, "after its end").await.unwrap();
    assert_eq!(late["statuses"], json!([6, 6]), "HERALD_ENDED");
    assert_eq!(lines("stdout").len(), 2);
}

#[tokio::test]
async fn output_that_comes_too_fast_waits() {
    let folder = tempfile::tempdir().unwrap();
    let executor = made(&load(&in_c(folder.path(), &[])).executors[0], &json!({})).unwrap();
    let (execution, output) = with_output("flood");
    assert_eq!(executor.execute(execution).await.unwrap()["was_busy"], true);
    let kept = output.0.lock().unwrap();
    let expected: Vec<String> = (0..100).map(|n| format!("{n}\n")).collect();
    assert_eq!(kept.iter().map(|(_, text)| text.clone()).collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn jobs_of_an_earlier_process() {
    let folder = tempfile::tempdir().unwrap();
    let executor = made(&load(&in_c(folder.path(), &[])).executors[0], &json!({})).unwrap();
    let (execution, output) = with_output("joined");
    assert_eq!(executor.recover(execution).await.unwrap()["joined"], true);
    let kept = output.0.lock().unwrap().clone();
    assert_eq!(kept, [("from the start", String::new()), ("stdout", "from the start\n".to_owned())]);
    for (mode, kind, error) in
        [("failed", FailureKind::Failed, "exit code 3"), ("?", FailureKind::Lost, "nothing is known of it")]
    {
        let failure = executor.recover(with_output(mode).0).await.unwrap_err();
        assert_eq!((failure.kind, failure.error.as_str()), (kind, error));
    }
}

/// Refuses every second time, and remembers.
#[derive(Default)]
struct Gate {
    tries: Mutex<usize>,
    taken: Mutex<Vec<Value>>,
    keys: Mutex<Vec<Key>>,
    cursors: Mutex<Vec<Cursor>>,
}

#[async_trait]
impl EventSink for Gate {
    async fn accept(&self, _: Name, params: Params) -> Result<Name, Refused> {
        tokio::time::sleep(Duration::from_millis(1)).await;
        let mut tries = self.tries.lock().unwrap();
        *tries += 1;
        let mut taken = self.taken.lock().unwrap();
        if params.contains_key("last") && *tries % 2 == 1 {
            return Err(Refused::Busy);
        }
        taken.push(Value::Object(params));
        Ok(Name::from("event"))
    }

    async fn ready(&self, _: &str) {}

    async fn accept_event(&self, event: NewEvent) -> Result<Name, Refused> {
        assert_eq!(&*event.trigger, "t");
        self.keys.lock().unwrap().extend(event.key);
        self.cursors.lock().unwrap().extend(event.cursor);
        self.accept(event.trigger, event.trigger_param.into_params()).await
    }

    async fn reached(&self, source: &str) -> Option<Position> {
        let cursors = self.cursors.lock().unwrap();
        cursors.iter().rfind(|cursor| &*cursor.source == source).map(|cursor| cursor.position.clone())
    }

    async fn reach(&self, cursor: Cursor) {
        self.cursors.lock().unwrap().push(cursor);
    }
}

impl Gate {
    fn numbers(&self, name: &str) -> Vec<u64> {
        self.taken.lock().unwrap().iter().filter_map(|params| params[name].as_u64()).collect()
    }
}

#[tokio::test]
async fn a_trigger_that_fires_faster_than_it_may() {
    let folder = tempfile::tempdir().unwrap();
    let trigger = made(&load(&in_c(folder.path(), &[])).triggers[0], &json!({})).unwrap();
    let gate = Arc::new(Gate::default());
    // The second time, it goes on where it was.
    for run in 1..=2_u64 {
        trigger.prepare().await.unwrap();
        let stop = CancellationToken::new();
        let activator = Activator::new("t".into(), gate.clone(), Arc::new(SystemClock));
        let (ending, running) = (stop.clone(), trigger.clone());
        let task = tokio::spawn(async move { running.run(activator, ending).await });
        let full = async {
            while gate.numbers("n").len() < 200 * usize::try_from(run).unwrap()
                || gate.taken.lock().unwrap().iter().filter(|p| p["last"] == true).count()
                    < usize::try_from(run).unwrap()
            {
                assert!(!task.is_finished(), "{:?}", gate.taken.lock().unwrap());
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), full).await.unwrap();
        stop.cancel();
        tokio::time::timeout(Duration::from_secs(10), task).await.unwrap().unwrap().unwrap();
        let numbers: std::collections::BTreeSet<u64> = gate.numbers("n").into_iter().collect();
        assert_eq!(numbers.len(), 200);
        assert_eq!(gate.numbers("counter"), (1..=run).collect::<Vec<_>>());
    }
    let minute = Duration::from_secs(60);
    let key = |name: &str| Key { name: name.into(), window: minute };
    assert_eq!(*gate.keys.lock().unwrap(), [key("t:counter-1"), key("t:counter-2")]);
    let cursor = |at: u8| Cursor { source: "lab counter".into(), position: Position::from_bytes([at]) };
    assert_eq!(*gate.cursors.lock().unwrap(), [cursor(0), cursor(1), cursor(2)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn components_keep_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    let plugin = load(&in_c(folder.path(), &[]));
    let trigger = made(&plugin.triggers[0], &json!({})).unwrap();
    check_trigger(trigger, Duration::from_millis(500)).await.unwrap();
    check_selector(made(&plugin.selectors[0], &json!({})).unwrap()).await.unwrap();
    let long = json!({"mode": "stop"}).as_object().cloned();
    check_executor(made(&plugin.executors[0], &json!({})).unwrap(), long).await.unwrap();
}
