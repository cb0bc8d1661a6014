//! What a component of a plugin must do is what every component must do.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use herald_core::activation::Name;
use herald_core::conformance::{check_executor, check_selector, check_trigger};
use herald_core::context::Context;
use herald_core::executor::{Execution, FailureKind, NoOutput, Output, Stop, Stream};
use herald_core::herald::Herald;
use herald_core::job::Job;
use herald_core::param::Params;
use herald_core::problem::Path;
use herald_core::secret::Mask;
use herald_core::selector::Question;
use herald_core::spec::{ComponentType, Options};
use serde_json::{Value, json};

fn params(value: Value) -> Params {
    value.as_object().unwrap().clone()
}

/// As the daemon makes it: options checked and filled in.
fn made<C: ?Sized>(component: &ComponentType<C>, options: Value) -> Arc<C> {
    let (options, problems) = component.description.check(&params(options), &Path::top());
    assert!(problems.is_empty(), "{problems:?}");
    let Ok(made) = (component.factory)(&options, &Context::default()) else { panic!("it cannot be made") };
    made
}

#[tokio::test]
async fn components_keep_the_contract() {
    let settle = Duration::from_millis(300);
    for options in [json!({}), json!({"interval": "50ms"})] {
        check_trigger(made(&hello::trigger(), options), settle).await.unwrap();
    }
    check_selector(made(&hello::selector(), json!({}))).await.unwrap();
    check_executor(made(&hello::executor(), json!({})), Some(params(json!({"delay": 60})))).await.unwrap();
}

fn question(trigger_param: Value, select_param: Value) -> Question {
    let name = |name: &str| Name::from(name);
    Question {
        event_id: name("e"),
        trigger: name("t"),
        router: name("r"),
        task: name("k"),
        trigger_param: Arc::new(params(trigger_param).into()),
        select_param: Arc::new(params(select_param)),
    }
}

#[tokio::test]
async fn the_selector_tells_names_apart() {
    let selector = made(&hello::selector(), json!({}));
    for (event, wanted, yes) in [
        (json!({"name": "moon"}), json!({}), true),
        (json!({"name": "moon"}), json!({"name": "moon"}), true),
        (json!({"name": "moon"}), json!({"name": "sun"}), false),
        (json!({"counter": 1}), json!({}), false),
    ] {
        let answer = selector.select(&question(event.clone(), wanted.clone())).await.unwrap();
        assert_eq!(answer.yes, yes, "{event} {wanted}");
    }
}

fn execution(trigger_param: Value, job_param: Value) -> Execution {
    let name = |name: &str| Name::from(name);
    let job = Job {
        id: name("j"),
        trigger_id: name("e"),
        router: name("r"),
        trigger: name("t"),
        selector: name("s"),
        task: name("k"),
        executor: name("x"),
        trigger_param: Arc::new(params(trigger_param).into()),
        select_param: Arc::default(),
        job_param: Arc::new(params(job_param)),
        chain_depth: 0,
        attempt: 1,
        by: None,
        rerun: false,
    };
    Execution {
        job: Arc::new(job),
        mask: Arc::new(Mask::new()),
        stop: Stop::new(),
        output: Arc::new(NoOutput),
        earlier: None,
    }
}

/// Keeps the output of a job.
#[derive(Default)]
struct KeptOutput(Mutex<Vec<u8>>);

#[async_trait::async_trait]
impl Output for KeptOutput {
    async fn write(&self, _: Stream, bytes: &[u8]) {
        self.0.lock().unwrap().extend_from_slice(bytes);
    }
}

#[tokio::test(start_paused = true)]
async fn the_executor_replies_or_is_stopped() {
    let executor = made(&hello::executor(), json!({"reply": "fine"}));
    let greeting = json!({"greeting": "hello, moon"});
    let kept = Arc::new(KeptOutput::default());
    let waits = Execution { output: kept.clone(), ..execution(greeting.clone(), json!({"delay": "2h"})) };
    let result = executor.execute(waits).await.unwrap();
    assert_eq!(Value::Object(result), json!({"reply": "hello, moon: fine"}));
    assert_eq!(*kept.0.lock().unwrap(), b"received \"hello, moon\", answering in 2h\n");

    let failure = executor.recover(execution(greeting.clone(), json!({}))).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Lost);

    let stopped = execution(greeting.clone(), json!({"delay": "2h"}));
    stopped.stop.asked.cancel();
    assert_eq!(executor.execute(stopped).await.unwrap_err().kind, FailureKind::Cancelled);

    let failure = executor.execute(execution(greeting, json!({"delay": "soon"}))).await.unwrap_err();
    assert!(failure.error.contains("`delay`"), "{}", failure.error);
}

#[test]
fn examples_name_real_options_and_options_are_documented() {
    let check = |description: &herald_core::spec::Description| {
        assert!(description.example.contains("type: hello") || description.example.contains("hello:"));
        assert!(description.options.iter().chain(&description.params).all(|option| !option.doc.is_empty()));
    };
    check(&hello::trigger().description);
    check(&hello::selector().description);
    check(&hello::executor().description);
    assert!(
        (hello::trigger().factory)(&Options::default(), &Context::default()).is_err(),
        "options without defaults filled in"
    );
}

/// Linked in and registered in code, without any loader.
#[tokio::test]
async fn a_plugin_is_an_ordinary_crate_too() {
    struct Tell(tokio::sync::mpsc::UnboundedSender<Value>, Arc<dyn herald_core::executor::Executor>);

    #[async_trait::async_trait]
    impl herald_core::executor::Executor for Tell {
        async fn execute(&self, execution: Execution) -> herald_core::executor::Outcome {
            let outcome = self.1.execute(execution).await;
            let _ = self.0.send(outcome.clone().map_or(Value::Null, Value::Object));
            outcome
        }
    }

    struct Any<C: ?Sized>(Arc<C>);

    #[async_trait::async_trait]
    impl herald_core::trigger::Trigger for Any<dyn herald_core::trigger::Trigger> {
        async fn run(
            &self,
            activator: herald_core::trigger::Activator,
            stop: tokio_util::sync::CancellationToken,
        ) -> Result<(), herald_core::trigger::ComponentError> {
            self.0.run(activator, stop).await
        }
    }

    #[async_trait::async_trait]
    impl herald_core::selector::Selector for Any<dyn herald_core::selector::Selector> {
        async fn select(
            &self,
            question: &Question,
        ) -> Result<herald_core::selector::Answer, herald_core::trigger::ComponentError> {
            self.0.select(question).await
        }
    }

    let (sender, mut told) = tokio::sync::mpsc::unbounded_channel();
    let running = Herald::new()
        .trigger("hello", Any(made(&hello::trigger(), json!({"name": "moon"}))))
        .selector("hello", Any(made(&hello::selector(), json!({}))))
        .executor("hello", Tell(sender, made(&hello::executor(), json!({}))))
        .yaml("router: {greet: {trigger: hello, selector: hello, task: {t: hello}}}")
        .start()
        .await
        .unwrap();
    let result = tokio::time::timeout(Duration::from_secs(20), told.recv()).await.unwrap().unwrap();
    assert_eq!(result, json!({"reply": "hello, moon: and hello to you"}));
    running.stop(Duration::from_secs(5)).await;
}
