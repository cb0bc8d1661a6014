//! From the `router` and `preset` sections to a workflow.

use serde_json::{Map, Value};

use super::cycle;
use super::internal_events::InternalEvents;
use super::model::{KnownComponents, Workflow};
use super::read::{ReadRouters, WorkflowReader};
use herald_base::side_by_side::side_by_side;
use herald_config::problem::{PathStep, Problem, Severity};

/// From so many routers on, two threads read half of them each.
const MANY: usize = 1000;

/// Reads the `router` and `preset` sections (JSON null: absent). The workflow holds what could be read; use it
/// only when no problem is an error. Paths begin with `router` or `preset`.
pub fn read(router: &Value, preset: &Value, known: &KnownComponents<'_>) -> (Workflow, Vec<Problem>) {
    let internal_events = InternalEvents::of(router, known);
    let reader = || WorkflowReader::new(known, &internal_events, router.as_object().map_or(0, Map::len));
    let mut first = reader();
    first.read_presets(preset);
    first.check_presets();
    let ReadRouters { routes, mut problems } = match router {
        Value::Object(routers) if routers.len() < MANY => first.routers(routers.iter()),
        Value::Object(routers) => {
            let (half, presets) = (routers.len() / 2, first.known_presets());
            let others = || reader().with_presets(&presets).routers(routers.iter().skip(half));
            let (mut all, rest) =
                side_by_side("herald-routers", || first.routers(routers.iter().take(half)), others);
            all.routes.extend(rest.routes);
            // What is wrong with a preset is said once, however many routers name it.
            let is_known = |problem: &Problem| is_of_preset(problem) && all.problems.contains(problem);
            let more: Vec<Problem> = rest.problems.into_iter().filter(|problem| !is_known(problem)).collect();
            all.problems.extend(more);
            all
        }
        other => first.no_routers(other),
    };
    if problems.iter().all(|problem| problem.severity == Severity::Warning) {
        problems.extend(cycle::warnings(&routes, known));
    }
    (Workflow::new(routes), problems)
}

fn is_of_preset(problem: &Problem) -> bool {
    matches!(problem.path.first(), Some(PathStep::Key(section)) if section == "preset")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn known() -> KnownComponents<'static> {
        KnownComponents {
            triggers: [("t".to_owned(), None)].into(),
            selectors: [("s".to_owned(), None)].into(),
            executors: [("e".to_owned(), None)].into(),
            secrets: None,
        }
    }

    /// Of many routers two threads read half each: routes and problems come in the order of the file all the same.
    #[test]
    fn many_routers_read_like_few() {
        let preset = json!({"p": {"from": "preset"}});
        let of = |count: usize, wrong: &[usize]| {
            let one = |n: usize| {
                let trigger = if wrong.contains(&n) { "nope" } else { "t" };
                let router = json!({"trigger": trigger, "selector": "s", "task": {"a": "e", "b": "e"},
                    "job_param": {"preset": "p", "n": n}});
                (format!("r{n}"), router)
            };
            let routers: Map<String, Value> = (0..count).map(one).collect();
            read(&Value::Object(routers), &preset, &known())
        };
        for (count, wrong) in
            [(3, vec![]), (2_001, vec![]), (2_001, vec![0, 999, 1000, 2000]), (2_000, vec![1500])]
        {
            let (workflow, problems) = of(count, &wrong);
            let found: Vec<String> = problems.iter().map(|problem| problem.path.to_string()).collect();
            let expected: Vec<String> = wrong.iter().map(|n| format!("router.r{n}.trigger")).collect();
            assert_eq!(found, expected);
            let routes = workflow.routes("t");
            let names: Vec<String> =
                routes.iter().map(|route| format!("{}/{}", route.router, route.task)).collect();
            let right = (0..count).filter(|n| !wrong.contains(n));
            let expected: Vec<String> = right.flat_map(|n| [format!("r{n}/a"), format!("r{n}/b")]).collect();
            assert_eq!(names, expected);
            let last = routes.last().unwrap().job_param.get();
            assert_eq!((&last["from"], last.contains_key("preset")), (&json!("preset"), false));
        }
    }

    #[test]
    fn what_is_wrong_with_a_preset_is_said_once() {
        let one = json!({"trigger": "t", "selector": "s", "task": {"a": "e"}, "job_param": {"preset": "p"}});
        for count in [2, 2_000] {
            let routers: Map<String, Value> = (0..count).map(|n| (format!("r{n}"), one.clone())).collect();
            let preset = json!({"p": {"x": "{{ nope }}", "select_param": {}}});
            let (_, problems) = read(&Value::Object(routers), &preset, &known());
            let found: Vec<String> = problems.iter().map(|problem| problem.path.to_string()).collect();
            assert_eq!(found, ["preset.p.x", "preset.p.select_param"], "{count}: {problems:?}");
        }
    }
}
