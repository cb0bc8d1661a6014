//! The options, and which nodes a job is for. What runs there is tested in `herald-remote`, and end to end.

use herald_core::context::Context;
use herald_core::param::Params;
use herald_core::spec::Options;
use herald_core::trigger_param::TriggerParam;
use serde_json::{Value, json};

use super::*;

const SECRET: &str = "the_secret_should_be_strong_enough";

#[test]
fn options_are_checked() {
    let good = json!({"host": "https://h/p", "secret": SECRET, "data_dir": "/d"});
    for (key, value, fine) in [
        ("host", json!("http://h:1/p"), true),
        ("host", json!("http://h:1/p?q"), false),
        ("host", json!("ftp://h"), false),
        ("host", json!("h"), false),
        ("secret", json!([SECRET, "another secret, long enough"]), true),
        ("secret", json!([SECRET, "short"]), false),
        ("secret", json!(""), false),
        ("secret", json!([]), false),
        ("timeout", json!("1h"), true),
        ("timeout", json!("soon"), false),
        ("silence", json!("40s"), true),
        ("silence", json!("999ms"), false),
        ("silence", json!("never"), false),
        ("max_files_size", json!("1GiB"), true),
        ("max_files_size", json!("huge"), false),
    ] {
        let mut options = good.clone();
        options[key] = value.clone();
        let Value::Object(options) = options else { unreachable!() };
        let made = (component().factory)(&Options(options), &Context::default());
        assert_eq!(made.is_ok(), fine, "{key}: {value}: {:?}", made.err().map(|error| error.to_string()));
    }
}

/// A request that a peer forwarded is run only here, and so is what follows on its jobs.
#[test]
fn what_is_for_this_node_alone_stays_here_in_a_chain_too() {
    let request = |query: Value| json!({"_request": {"query": query}});
    let follows =
        |trigger: &str, params: Value| json!({"trigger": trigger, "trigger_param": params, "success": true});
    let here = request(json!({"node": "1"}));
    let nested = follows("exe_done", follows("web", here.clone()));
    for (trigger, params, only_here) in [
        ("web", here.clone(), true),
        ("web", request(json!({"node": ""})), false),
        ("web", request(json!({})), false),
        ("exe_done", follows("web", here.clone()), true),
        ("exe_done", nested.clone(), true),
        ("exe_done", follows("exe_done", nested), true),
        ("exe_done", follows("web", request(json!({}))), false),
        ("exe_done", follows("cron", json!({})), false),
        ("exe_done", json!({}), false),
        // A sender may write whatever he likes.
        ("web", follows("web", here.clone()), false),
        ("exe_done", follows("web", follows("web", here)), false),
    ] {
        let empty = Arc::new(Params::new());
        let job = Job {
            id: "job1".into(),
            trigger_id: "e".into(),
            router: "r".into(),
            trigger: trigger.into(),
            selector: "all".into(),
            task: "k".into(),
            executor: "x".into(),
            trigger_param: Arc::new(TriggerParam::from_json(&params.to_string(), Params::new()).unwrap()),
            select_param: empty.clone(),
            job_param: empty,
            chain_depth: 0,
            attempt: 3,
            by: None,
            rerun: false,
        };
        assert_eq!(is_only_here(&job), only_here, "{trigger} {params}");
    }
}
