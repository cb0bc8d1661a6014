//! Routers from code and from YAML; presets and their priorities; what is wrong with them.

use herald_core::herald::{Herald, StartError};
use herald_core::workflow::{KnownComponents, Router, read};
use serde_json::{Value, json};

use crate::doubles::{Worker, Yes};
use crate::triggers::Quiet;

fn known() -> KnownComponents<'static> {
    KnownComponents {
        triggers: [("t".to_owned(), None)].into(),
        selectors: [("yes".to_owned(), None), ("match_map".to_owned(), None)].into(),
        executors: [("work".to_owned(), None), ("print".to_owned(), None)].into(),
        secrets: None,
    }
}

#[test]
fn presets_have_their_priority() {
    let preset = json!({"p": {"a": "p", "b": "p", "c": "p", "d": "p", "e": "p", "f": "p"},
                        "q": {"b": "q", "c": "q", "d": "q", "e": "q", "f": "q", "g": "q"}});
    // Task inline, task preset[0], task preset[1], router inline, router preset[0], router preset[1].
    let all = json!({"t1": {"a": 1}, "t2": {"a": 2, "b": 2}, "r1": {"a": 3, "b": 3, "c": 3, "d": 3, "e": 3},
                     "r2": {"a": 4, "b": 4, "c": 4, "d": 4, "e": 4, "f": 4}});
    for (task, router, presets, merged) in [
        (json!("p"), json!(null), &preset, json!({"a":"p","b":"p","c":"p","d":"p","e":"p","f":"p"})),
        (
            json!(["q", "p"]),
            json!(null),
            &preset,
            json!({"a":"p","b":"q","c":"q","d":"q","e":"q","f":"q","g":"q"}),
        ),
        (
            json!({"a": 0, "preset": "q"}),
            json!({"a": 9, "z": 9}),
            &preset,
            json!({"a":0,"b":"q","c":"q","d":"q","e":"q","f":"q","g":"q","z":9}),
        ),
        (
            json!({"z": 0, "preset": ["t1", "t2"]}),
            json!({"c": 5, "preset": ["r1", "r2"]}),
            &all,
            json!({"z":0,"a":1,"b":2,"c":5,"d":3,"e":3,"f":4}),
        ),
    ] {
        let section = json!({"r": {"trigger": "t", "selector": "yes", "job_param": router,
            "task": {"k": {"executor": "work", "job_param": task, "select_param": task}}}});
        let (workflow, problems) = read(&section, presets, &known());
        assert!(problems.is_empty(), "{problems:?}");
        let route = &workflow.routes("t")[0];
        assert_eq!(Value::Object(route.job_param.as_ref().clone()), merged);
    }
}

#[test]
fn problems_come_all_at_once_and_say_where() {
    let preset = json!({"nightly": {"a": 1}, "bad": 3});
    let router = json!({
        "a": {"trigger": "tt", "selector": "yes", "task": {"k": "work"}},
        "b": {"triger": "t", "selector": "yess", "task": {"k": "wrk", "l": {"executor": "print", "extra": 1}}},
        "c": {"trigger": "t", "selector": "yes", "task": {"k": "work"}, "job_param": "nightli"},
        "d": {"trigger": "t", "selector": "yes", "job_param": 5},
        "e": {"trigger": ["t"], "selector": "yes", "task": ["work"]},
        "f": 7,
    });
    let (_, problems) = read(&router, &preset, &known());
    let mut shown: Vec<String> = problems.iter().map(ToString::to_string).collect();
    shown.sort();
    assert_eq!(
        shown,
        [
            "preset.bad: expected a map of parameters, found a number",
            "router.a.trigger: unknown trigger \"tt\" (did you mean \"t\"?)",
            "router.b.selector: unknown selector \"yess\" (did you mean \"yes\"?)",
            "router.b.task.k: unknown executor \"wrk\" (did you mean \"work\"?)",
            "router.b.task.l.extra: unknown key `extra` (expected one of: executor, select_param, job_param, policy)",
            "router.b.triger: unknown key `triger` (did you mean `trigger`?)",
            "router.b: `trigger` is missing",
            "router.c.job_param: unknown preset \"nightli\" (did you mean \"nightly\"?)",
            "router.d.job_param: expected a map of parameters, or the name of a preset or a list of them, found a number",
            "router.d: router \"d\" has no task (add  task: {NAME: EXECUTOR})",
            "router.e.task: expected a map from task names to executors, found a list",
            "router.e.trigger: expected the name of a trigger, found a list",
            "router.f: expected a map with trigger, selector and task, found a number",
        ]
    );
}

#[test]
fn routes_are_found_by_trigger() {
    let mut routers = serde_json::Map::new();
    for n in 0..1000 {
        let trigger = if n % 100 == 0 { "t" } else { "exe_done" };
        routers
            .insert(format!("r{n}"), json!({"trigger": trigger, "selector": "yes", "task": {"k": "work"}}));
    }
    let (workflow, _) = read(&Value::Object(routers), &json!(null), &known());
    assert_eq!(workflow.routes("t").len(), 10);
    assert_eq!(workflow.routes("nobody").len(), 0);
    assert_eq!(workflow.all().count(), 1000);
}

#[tokio::test]
async fn routers_come_from_yaml_as_well() {
    let herald =
        || Herald::new().trigger("t", Quiet).selector("yes", Yes).executor("work", Worker::default());
    let yaml = "router:\n  r:\n    trigger: t\n    selector: yes\n    task:\n      k: work\n";
    let running = herald().yaml(yaml).start().await.unwrap();
    running.stop(std::time::Duration::ZERO).await;

    let twice = herald().yaml(yaml).router(Router::new("r", "t", "yes").task("k", "work"));
    let Err(StartError::Invalid(problems)) = twice.start().await else { panic!() };
    assert_eq!(problems, ["router \"r\" was added twice"]);

    let Err(error) = herald().yaml("router:\n  r: {trigger: [}\n").start().await else { panic!() };
    assert!(error.to_string().contains("routers:2:"), "{error}");
}
