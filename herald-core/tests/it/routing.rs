//! Routers from code and from YAML; presets and their priorities; what is wrong with them.

use std::sync::Arc;

use async_trait::async_trait;
use herald_core::activation::{Activation, Name, NameMap};
use herald_core::clock::SystemClock;
use herald_core::dispatcher::{Dispatcher, Setup, explain};
use herald_core::herald::{Herald, StartError};
use herald_core::journal::{Decision, MemoryJournal, Record, SelectorResult};
use herald_core::param::{Params, lookup, same};
use herald_core::plan::{Limits, Plan};
use herald_core::selector::{Answer, Question, RequiredValue, Selector};
use herald_core::trigger::ComponentError;
use herald_core::trigger_param::TriggerParam;
use herald_core::workflow::{KnownComponents, Route, RouteParams, Router, Workflow, read};
use serde_json::{Value, json};

use crate::doubles::{Holds, Odd, Worker, Yes, activate, params};
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
        assert_eq!(Value::Object(route.job_param.get().as_ref().clone()), merged);
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
        "": {"trigger": "t", "selector": "yes", "task": {"k": {"executor": "work", "param": {}}}},
    });
    let (_, problems) = read(&router, &preset, &known());
    let mut shown: Vec<String> = problems.iter().map(ToString::to_string).collect();
    shown.sort();
    assert_eq!(
        shown,
        [
            "preset.bad: expected a map of parameters, found a number",
            "router..task.k.param: unknown key `param` (did you mean `select_param` or `job_param`?)",
            "router.: the name of a router must not be empty",
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

/// Matches when `at` has the value `value`.
struct Wants;

#[async_trait]
impl Selector for Wants {
    fn requires(&self, select_param: &Params) -> Option<RequiredValue> {
        let path = select_param.get("at")?.as_str()?.to_owned();
        Some(RequiredValue { path, value: select_param.get("value")?.clone() })
    }

    async fn select(&self, _: &Question) -> Result<Answer, ComponentError> {
        unreachable!("nobody asks");
    }
}

#[test]
fn an_event_finds_all_routes_that_it_can_match_and_no_others_that_can_be_looked_up() {
    finds_all_routes(3);
}

#[test]
fn so_it_does_where_parameters_are_packed() {
    let workflow = finds_all_routes(30);
    let packed = |params: &RouteParams| format!("{params:?}").contains("Packed");
    for route in workflow.routes("t") {
        assert!(packed(&route.job_param));
        assert_eq!(
            packed(&route.select_param),
            &*route.router != "filled" && &*route.router != "any" && is_scalar(route)
        );
        assert_eq!(route.job_param.get()["name"], *route.router);
    }
}

/// Whether the value that its selector requires can be looked up.
fn is_scalar(route: &Route) -> bool {
    route.select_param.get().get("value").is_some_and(|value| !value.is_array() && !value.is_object())
}

fn finds_all_routes(copies: usize) -> Workflow {
    let values =
        json!([null, true, false, 5, 5.5, "5", "", "true", "null", [5], {"a": 5}, -0.0, 1e300, "main"]);
    let values = values.as_array().unwrap();
    let mut routers = serde_json::Map::new();
    for n in 0..copies {
        for (v, value) in values.iter().enumerate() {
            for path in ["a", "b/c", "l/1"] {
                let select = json!({"at": path, "value": value});
                let name = format!("{n} {v} {path}");
                let router = json!({"trigger": "t", "selector": "wants", "task": {"k": "work"}, "select_param": select,
                    "job_param": {"name": name}});
                routers.insert(name, router);
            }
        }
    }
    let of_any =
        json!({"trigger": "t", "selector": "yes", "task": {"k": "work"}, "job_param": {"name": "any"}});
    routers.insert("any".to_owned(), of_any);
    let template = json!({"at": "a", "value": "{{ trigger_param.x }}"});
    let filled_in = json!({"trigger": "t", "selector": "wants", "task": {"k": "work"}, "select_param": template,
            "job_param": {"name": "filled"}});
    routers.insert("filled".to_owned(), filled_in);
    let known = KnownComponents {
        selectors: [("wants".to_owned(), None), ("yes".to_owned(), None)].into(),
        ..known()
    };
    let (mut workflow, problems) = read(&Value::Object(routers), &json!(null), &known);
    assert!(problems.is_empty(), "{problems:?}");
    let all = workflow.candidates("t", &TriggerParam::default());
    assert_eq!(all.len(), workflow.routes("t").len(), "without an index all are asked");
    drop(all);
    let selectors: NameMap<Arc<dyn Selector>> =
        [(Name::from("wants"), Arc::new(Wants) as Arc<dyn Selector>), ("yes".into(), Arc::new(Yes))]
            .into_iter()
            .collect();
    workflow.index(&selectors);

    let events = values.iter().map(|value| json!({"a": value, "b": {"c": value}, "l": [0, value]}));
    let more =
        [json!({}), json!({"a": 5.0}), json!({"a": 50e-1, "b": 5}), json!({"a": 0}), json!({"l": ["main"]})];
    for event in events.chain(more) {
        let event = event.as_object().unwrap();
        let may_match = |select: &Params| {
            let Some(value) = select.get("value").filter(|value| !value.is_array() && !value.is_object())
            else {
                return true;
            };
            lookup(event, select["at"].as_str().unwrap()).is_some_and(|found| same(found, value))
        };
        let expected = workflow
            .routes("t")
            .iter()
            .filter(|route| &*route.router == "filled" || may_match(&route.select_param.get()));
        let expected: Vec<&str> = expected.map(|route| &*route.router).collect();
        let found = workflow.candidates("t", &event.clone().into());
        let found: Vec<&str> = found.iter().map(|route| &*route.router).collect();
        assert_eq!(found, expected, "{event:?}");
        assert!(expected.len() < workflow.routes("t").len());
    }
    workflow
}

/// As [`Holds`], and asked again without harm.
struct Again(Holds);

#[async_trait]
impl Selector for Again {
    fn can_be_asked_again(&self, _: &Params) -> bool {
        true
    }

    async fn select(&self, question: &Question) -> Result<Answer, ComponentError> {
        let Answer { yes, .. } = self.0.select(question).await?;
        Ok(Answer { yes, why: format!("it {}", if yes { "holds" } else { "does not hold" }).into() })
    }
}

/// Four routers of which each answer is recorded, and many whose no is not.
fn plan_of_many() -> Arc<Plan> {
    let mut routers = serde_json::Map::new();
    let mut add = |name: String, selector: &str, select: Value| {
        let router =
            json!({"trigger": "t", "selector": selector, "task": {"k": "work"}, "select_param": select});
        routers.insert(name, router);
    };
    add("yes".to_owned(), "again", json!({"n": 1}));
    add("once".to_owned(), "once", json!({"n": 2}));
    add("filled".to_owned(), "again", json!({"n": "{{ trigger_param.n + 1 }}"}));
    add("error".to_owned(), "odd", json!({}));
    for n in 0..1002 {
        add(format!("no{n}"), "again", json!({"n": 2, "x": n}));
    }
    let known = KnownComponents {
        selectors: ["again", "once", "odd"].map(|name| (name.to_owned(), None)).into(),
        ..known()
    };
    let (workflow, problems) = read(&Value::Object(routers), &json!(null), &known);
    assert!(problems.is_empty(), "{problems:?}");
    Arc::new(Plan {
        workflow,
        selectors: [
            ("again".into(), Arc::new(Again(Holds)) as Arc<dyn Selector>),
            ("once".into(), Arc::new(Holds) as _),
            ("odd".into(), Arc::new(Odd("error")) as _),
        ]
        .into_iter()
        .collect(),
        executors: [("work".into(), Arc::new(Worker::default()) as _)].into_iter().collect(),
        ..Plan::default()
    })
}

/// What is recorded of an event.
async fn recorded_of(plan: &Arc<Plan>, event: Value) -> (Arc<Activation>, Vec<Decision>) {
    let journal = Arc::new(MemoryJournal::keeping(100));
    let setup = Setup {
        plan: plan.clone(),
        ..Setup::new(Plan::default(), Limits::default(), journal.clone(), Arc::new(SystemClock))
    };
    let dispatcher = Dispatcher::start(setup);
    activate(dispatcher.handle(), event).await;
    dispatcher.handle().idle().await;
    dispatcher.stop(std::time::Duration::ZERO, std::future::pending()).await;
    let (mut accepted, mut routed) = (None, None);
    for record in journal.records() {
        match record {
            Record::Accepted { activation, .. } => accepted = Some(Arc::new(activation)),
            Record::Routed { decisions, .. } => routed = Some(decisions),
            _ => {}
        }
    }
    (accepted.unwrap(), routed.unwrap())
}

#[tokio::test(start_paused = true)]
async fn a_no_that_can_be_asked_for_again_is_not_recorded_and_explained_all_the_same() {
    let plan = plan_of_many();
    let (activation, recorded) = recorded_of(&plan, json!({"n": 1})).await;
    let names: Vec<&str> = recorded.iter().map(|decision| &*decision.router).collect();
    assert_eq!(names, ["yes", "once", "filled", "error"], "what cannot be asked for again is recorded");

    let gone = Decision { router: "gone".into(), ..recorded[0].clone() };
    let recorded: Vec<Decision> = recorded.into_iter().chain([gone]).collect();
    let all = explain(&plan, &activation, recorded.clone(), None).await;
    assert_eq!((all.decisions.len(), all.left_out), (4 + 1000 + 1, 2));
    assert!(all.decisions.iter().take(4).all(|one| !one.asked_again));
    assert_eq!(&*all.decisions.last().unwrap().decision.router, "gone");
    for (router, why, asked_again) in [
        ("yes", Some("it holds"), false),
        ("once", Some(""), false),
        ("no1001", Some("it does not hold"), true),
        ("gone", Some("it holds"), false),
        ("nobody", None, false),
    ] {
        let of_one = explain(&plan, &activation, recorded.clone(), Some(router)).await;
        let found = of_one.decisions.first().map(|one| (&*one.decision.why, one.asked_again));
        assert_eq!(found, why.map(|why| (why, asked_again)), "{router}");
        assert!(of_one.decisions.len() < 2 && of_one.left_out == 0, "{router}");
    }
    // With another configuration it would match: what was no stays no.
    let trigger_param = Arc::new(params(json!({"n": 2, "x": 7})).into());
    let other = Arc::new(Activation { trigger_param, ..(*activation).clone() });
    let then = explain(&plan, &other, Vec::new(), Some("no7")).await;
    let Decision { said, why, .. } = &then.decisions[0].decision;
    let expected = "it did not match; with the configuration of now it would: it holds";
    assert_eq!((*said, &**why), (SelectorResult::NoMatch, expected));
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
