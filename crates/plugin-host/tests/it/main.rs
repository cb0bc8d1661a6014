//! The plugin boundary: what is refused, plugins in C, plugins in Rust.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod in_c;
mod in_rust;
mod refusal;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use herald_core::activation::Name;
use herald_core::context::Context;
use herald_core::executor::{Execution, Executor, NoOutput, Output, Stop, Stream};
use herald_core::job::Job;
use herald_core::param::Params;
use herald_core::secret::Mask;
use herald_core::selector::{Answer, Question, Selector};
use herald_core::spec::{ComponentType, Options};
use herald_core::trigger::ComponentError;
use herald_plugin_host::{CallTimeouts, LoadedPlugin, load_with};
use serde_json::Value;

/// Short, for what is late here is late for ever.
const TIMEOUTS: CallTimeouts = CallTimeouts {
    setup: Duration::from_millis(1500),
    answer: Duration::from_millis(1500),
    thread: Duration::from_millis(1500),
    end: Duration::from_millis(500),
};

/// The plugin in C, built with these definitions.
fn in_c(folder: &Path, definitions: &[&str]) -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    let library = folder.join(format!("lab{}.so", definitions.concat().replace(['-', '='], "_")));
    let output = Command::new("cc")
        .args(["-std=gnu11", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-pthread", "-o"])
        .arg(&library)
        .arg("-I")
        .arg(manifest.join("../../herald-core/include"))
        .args(definitions)
        .arg(manifest.join("tests/plugins/lab.c"))
        .output()
        .unwrap_or_else(|error| panic!("a C compiler, cc, is needed for this test: {error}"));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    library
}

fn load(path: &Path) -> LoadedPlugin {
    let mut loaded = load_with(&[path.to_owned()], TIMEOUTS).unwrap_or_else(|errors| panic!("{errors}"));
    loaded.pop().unwrap()
}

fn why_not(path: &Path) -> String {
    load_with(&[path.to_owned()], TIMEOUTS).err().unwrap().to_string()
}

fn params(value: &Value) -> Params {
    value.as_object().unwrap().clone()
}

fn made<C: ?Sized>(component: &ComponentType<C>, options: &Value) -> Result<Arc<C>, ComponentError> {
    (component.factory)(&Options(params(options)), &Context::default())
}

fn question(task: &str, select_param: &Value) -> Question {
    Question {
        event_id: Name::from("e"),
        trigger: Name::from("t"),
        router: Name::from("r"),
        task: Name::from(task),
        trigger_param: Arc::default(),
        select_param: Arc::new(params(select_param)),
    }
}

async fn ask(selector: &Arc<dyn Selector>, mode: &str) -> Result<Answer, ComponentError> {
    selector.select(&question("task", &serde_json::json!({ "mode": mode }))).await
}

fn execution(job_param: &Value, mask: Mask) -> Execution {
    let name = |name: &str| Name::from(name);
    let job = Job {
        id: name("j"),
        trigger_id: name("e"),
        router: name("r"),
        trigger: name("t"),
        selector: name("s"),
        task: name("k"),
        executor: name("x"),
        trigger_param: Arc::default(),
        select_param: Arc::default(),
        job_param: Arc::new(params(job_param)),
        chain_depth: 3,
        attempt: 2,
        by: None,
        rerun: false,
    };
    Execution {
        job: Arc::new(job),
        mask: Arc::new(mask),
        stop: Stop::new(),
        output: Arc::new(NoOutput),
        earlier: None,
    }
}

/// Keeps the output of a job.
#[derive(Default)]
struct KeptOutput(Mutex<Vec<(&'static str, String)>>);

#[async_trait]
impl Output for KeptOutput {
    async fn write(&self, stream: Stream, bytes: &[u8]) {
        // Slower than the plugin.
        tokio::time::sleep(Duration::from_millis(1)).await;
        self.0.lock().unwrap().push((stream.as_str(), String::from_utf8(bytes.to_vec()).unwrap()));
    }

    async fn restart(&self) {
        self.0.lock().unwrap().push(("from the start", String::new()));
    }
}

/// A job whose output is kept.
fn with_output(mode: &str) -> (Execution, Arc<KeptOutput>) {
    let output = Arc::new(KeptOutput::default());
    let execution = execution(&serde_json::json!({ "mode": mode }), Mask::new());
    (Execution { output: output.clone(), ..execution }, output)
}

async fn run(executor: &Arc<dyn Executor>, mode: &str) -> herald_core::executor::Outcome {
    executor.execute(execution(&serde_json::json!({ "mode": mode }), Mask::new())).await
}
