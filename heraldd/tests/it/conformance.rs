//! Every component of the daemon passes the suite that every component passes.

use std::time::Duration;

use herald_core::conformance::{check_executor, check_selector, check_trigger};
use herald_core::context::Context;
use herald_core::problem::Path;
use herald_core::spec::{ExecutorType, Options, SelectorType, TriggerType};
use heraldd::{executor, selector, trigger};
use serde_json::{Value, json};

fn options(given: Value) -> Options {
    Options(given.as_object().unwrap().clone())
}

async fn trigger_conforms(component: TriggerType, given: Value) {
    let name = component.description.type_name.clone();
    let made = (component.factory)(&options(given), &Context::default()).unwrap();
    check_trigger(made, Duration::from_millis(1500)).await.unwrap_or_else(|wrong| panic!("{name}: {wrong}"));
}

async fn selector_conforms(component: SelectorType, given: Value) {
    let name = component.description.type_name.clone();
    let made = (component.factory)(&options(given), &Context::default()).unwrap();
    check_selector(made).await.unwrap_or_else(|wrong| panic!("{name}: {wrong}"));
}

async fn executor_conforms(component: ExecutorType, given: Value, long: Option<Value>) {
    let name = component.description.type_name.clone();
    let made = (component.factory)(
        &component.description.check(&options(given).0, &Path::top()).0,
        &Context::default(),
    )
    .unwrap();
    check_executor(made, long.map(|long| options(long).0))
        .await
        .unwrap_or_else(|wrong| panic!("{name}: {wrong}"));
}

#[tokio::test]
async fn tick() {
    trigger_conforms(trigger::tick::component(), json!({"interval": 0.05})).await;
}

#[tokio::test]
async fn cron() {
    let given = json!({"cron": "* * * * * *", "with_seconds": true, "time_zone": "UTC"});
    trigger_conforms(trigger::cron::component(), given).await;
}

#[tokio::test]
async fn expect() {
    trigger_conforms(trigger::expect::component(), json!({"router": "r", "within": 1})).await;
}

#[tokio::test]
async fn http() {
    let folder = tempfile::tempdir().unwrap();
    let given = json!({"port": 0, "unix_socket": folder.path().join("herald.sock")});
    trigger_conforms(trigger::http::component(), given).await;
}

#[tokio::test]
async fn selectors() {
    selector_conforms(selector::all::component(), json!({})).await;
    selector_conforms(selector::match_map::component(), json!({})).await;
    selector_conforms(selector::except_map::component(), json!({})).await;
    selector_conforms(selector::skip::component(), json!({})).await;
    selector_conforms(selector::changed::component(), json!({"routers": "*"})).await;
}

#[tokio::test]
async fn executors() {
    executor_conforms(executor::none::component(), json!({}), None).await;
    executor_conforms(executor::print::component(), json!({}), None).await;
}

#[tokio::test]
async fn external() {
    let component = selector::external::component();
    let given = component.description.check(&options(json!({"program": "/bin/true"})).0, &Path::top()).0;
    selector_conforms(component, Value::Object(given.0)).await;
}

#[tokio::test]
async fn local() {
    let folder = tempfile::tempdir().unwrap();
    let given = json!({"work_dir": folder.path()});
    executor_conforms(executor::local::component(), given, Some(json!({"cmd": "sleep", "arg": "600"}))).await;
}

/// Against a runner that takes connections and never answers.
#[tokio::test]
async fn http_remote() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let given = json!({
        "host": format!("http://{}/", silent.local_addr().unwrap()),
        "secret": "the_secret_should_be_strong_enough",
        "data_dir": folder.path(),
        "timeout": 2,
    });
    executor_conforms(executor::http_remote::component(), given, Some(json!({"cmd": "sleep"}))).await;
}

/// Against a mail server that takes connections and never greets.
#[tokio::test]
async fn mail() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let given = json!({"server": "127.0.0.1", "port": port, "from": "herald@example.com", "timeout": 2});
    executor_conforms(executor::mail::component(), given, Some(json!({"to": "ops@example.com"}))).await;
}
