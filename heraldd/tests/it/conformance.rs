//! The components of the daemon that need nothing around them pass the suite that every component passes.

use std::time::Duration;

use herald_core::conformance::{check_executor, check_selector, check_trigger};
use herald_core::spec::{ExecutorType, Options, SelectorType, TriggerType};
use heraldd::{executor, selector, trigger};
use serde_json::{Value, json};

fn options(given: Value) -> Options {
    Options(given.as_object().unwrap().clone())
}

async fn trigger_conforms(component: TriggerType, given: Value) {
    let name = component.description.type_name.clone();
    let made = (component.factory)(&options(given)).unwrap();
    check_trigger(made, Duration::from_millis(1500)).await.unwrap_or_else(|wrong| panic!("{name}: {wrong}"));
}

async fn selector_conforms(component: SelectorType) {
    let name = component.description.type_name.clone();
    let made = (component.factory)(&Options::default()).unwrap();
    check_selector(made).await.unwrap_or_else(|wrong| panic!("{name}: {wrong}"));
}

async fn executor_conforms(component: ExecutorType) {
    let name = component.description.type_name.clone();
    let made = (component.factory)(&Options::default()).unwrap();
    check_executor(made, None).await.unwrap_or_else(|wrong| panic!("{name}: {wrong}"));
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
async fn http() {
    let folder = tempfile::tempdir().unwrap();
    let given = json!({"port": 0, "unix_socket": folder.path().join("herald.sock")});
    trigger_conforms(trigger::http::component(), given).await;
}

#[tokio::test]
async fn selectors() {
    selector_conforms(selector::all::component()).await;
    selector_conforms(selector::match_map::component()).await;
    selector_conforms(selector::except_map::component()).await;
    selector_conforms(selector::skip::component()).await;
}

#[tokio::test]
async fn executors() {
    executor_conforms(executor::none::component()).await;
    executor_conforms(executor::print::component()).await;
}
