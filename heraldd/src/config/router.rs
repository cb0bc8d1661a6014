//! The sections `preset` and `router`: where they may refer to secrets, and which components the routers use.

use herald_config::secret::{LazyPath, SecretResolver};
use herald_core::problem::{Path, Problem};
use serde_json::{Map, Value, json};

use super::components::Uses;
use herald_sections::{References, Section, Shape};

pub(super) const PRESET: Section = Section {
    name: "preset",
    holds: "parameters by name: `NAME: {KEY: VALUE, …}`",
    references: References::Some(resolve_presets),
    shape: Shape::Other(|_| {
        json!({
            "description": "Parameters by name, for `select_param` and `job_param` to refer to.",
            "type": ["object", "null"],
            "additionalProperties": {"type": "object"},
        })
    }),
};

pub(super) const ROUTER: Section = Section {
    name: "router",
    holds: "which trigger's events, through which selector, become which tasks",
    references: References::Some(resolve_routers),
    shape: Shape::Other(|_| {
        json!({
            "description": "Which trigger's events, through which selector, become which tasks.",
            "type": ["object", "null"],
            "additionalProperties": {"$ref": "#/$defs/router"},
        })
    }),
};

fn resolve_presets(resolver: &mut SecretResolver<'_>, presets: &mut Value, at: &LazyPath<'_>) {
    for (name, preset) in presets.as_object_mut().into_iter().flatten() {
        resolver.resolve(preset, &at.key(name));
    }
}

fn resolve_routers(resolver: &mut SecretResolver<'_>, routers: &mut Value, at: &LazyPath<'_>) {
    for (name, router) in routers.as_object_mut().into_iter().flatten() {
        resolve_router(resolver, router, &at.key(name));
    }
}

fn resolve_router(resolver: &mut SecretResolver<'_>, router: &mut Value, at: &LazyPath<'_>) {
    for (key, value) in router.as_object_mut().into_iter().flatten() {
        let at = at.key(key);
        match key.as_str() {
            "select_param" | "job_param" => resolver.resolve(value, &at),
            "task" => {
                for (task, body) in value.as_object_mut().into_iter().flatten() {
                    resolve_task(resolver, body, &at.key(task));
                }
            }
            _ => resolver.refuse(value, &at),
        }
    }
}

fn resolve_task(resolver: &mut SecretResolver<'_>, body: &mut Value, at: &LazyPath<'_>) {
    let Value::Object(map) = body else { return resolver.refuse(body, at) };
    for (key, value) in map {
        match key.as_str() {
            "select_param" | "job_param" => resolver.resolve(value, &at.key(key)),
            _ => resolver.refuse(value, &at.key(key)),
        }
    }
}

/// The warning that nothing will ever run.
pub(super) fn missing(top: &Map<String, Value>, router: &Value) -> Option<Problem> {
    // An application has a router of its own, also where something in the file is wrong.
    let has_apps = top.get("app").and_then(Value::as_object).is_some_and(|apps| !apps.is_empty());
    let is_empty = router.is_null() || router.as_object().is_some_and(Map::is_empty);
    (!has_apps && is_empty).then(|| {
        Problem::warning(Path::top(), "there is no router, so nothing will ever run")
            .help("add one under `router`")
    })
}

/// Where the routers use each trigger, selector and executor first.
pub(super) fn uses(router: &Value) -> [Uses<'_>; 3] {
    let [mut triggers, mut selectors, mut executors] = [Uses::new(), Uses::new(), Uses::new()];
    let top = Path::top().key("router");
    for (name, body) in router.as_object().into_iter().flatten() {
        if let Some(used) = body.get("trigger").and_then(Value::as_str) {
            triggers.entry(used).or_insert_with(|| top.key(name).key("trigger"));
        }
        if let Some(used) = body.get("selector").and_then(Value::as_str) {
            selectors.entry(used).or_insert_with(|| top.key(name).key("selector"));
        }
        for (task, body) in body.get("task").and_then(Value::as_object).into_iter().flatten() {
            let at = || top.key(name).key("task").key(task);
            if let Some(used) = body.as_str() {
                executors.entry(used).or_insert_with(at);
            } else if let Some(used) = body.get("executor").and_then(Value::as_str) {
                executors.entry(used).or_insert_with(|| at().key("executor"));
            }
        }
    }
    [triggers, selectors, executors]
}
