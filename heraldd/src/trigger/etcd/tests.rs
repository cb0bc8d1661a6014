use herald_core::context::Context;
use herald_core::problem::Path;
use herald_core::spec::Options;
use serde_json::json;

use super::*;

fn made(given: &Value) -> Result<Arc<dyn Trigger>, String> {
    let mut context = Context::default();
    let settings = herald_etcd::EtcdSettings {
        name: "main".to_owned(),
        endpoints: vec!["http://127.0.0.1:1".parse().unwrap()],
        timeout: Duration::from_secs(1),
        credentials: None,
        tls: None,
    };
    context.share(EtcdConnections::default().updated(&[settings]));
    let component = component();
    let (options, problems) = component.description.check(given.as_object().unwrap(), &Path::top());
    match problems.first() {
        Some(problem) => Err(problem.message.clone()),
        None => (component.factory)(&Options(options.0), &context).map_err(|error| error.to_string()),
    }
}

#[test]
fn options_are_checked() {
    for (given, says) in [
        (json!({"etcd": "main", "prefix": "/w/"}), ""),
        (json!({"etcd": "main", "prefix": "/w", "layout": "projects", "host": "a", "at_start": "force"}), ""),
        (json!({"etcd": "mian", "prefix": "/w/"}), "did you mean \"main\"?"),
        (json!({"etcd": "main"}), "prefix"),
        (json!({"etcd": "main", "prefix": "/w", "layout": "tree"}), "tree"),
        (json!({"etcd": "main", "prefix": "/w", "resync": "100ms"}), "at least 1s"),
    ] {
        let said = made(&given).err().unwrap_or_default();
        assert!(said.contains(says) && said.is_empty() == says.is_empty(), "{given}: {said}");
    }
}

#[tokio::test]
async fn it_ends_when_it_is_stopped_though_etcd_is_away() {
    for layout in ["keys", "projects"] {
        let trigger = made(&json!({"etcd": "main", "prefix": "/w", "layout": layout})).unwrap();
        herald_core::conformance::check_trigger(trigger, Duration::from_millis(300)).await.unwrap();
    }
}
