//! The JSON Schema of the whole file, for editors.

use herald_core::registry::{Registry, Types};
use herald_core::spec::Description;
use herald_core::workflow::policy;
use serde_json::{Map, Value, json};

use super::{fleet, sections, settings};

/// The JSON Schema (draft 2020-12) of a configuration that may use these types.
#[must_use]
pub fn schema(registry: &Registry) -> Value {
    let mut properties = Map::new();
    properties.insert("log".to_owned(), section_schema(&sections::log_description()));
    properties.insert("history".to_owned(), section_schema(&sections::history_description()));
    properties.insert("api".to_owned(), section_schema(&sections::api_description()));
    properties.insert("runner".to_owned(), section_schema(&fleet::runner_description()));
    properties.insert(
        "node".to_owned(),
        json!({
            "description": "The servers of the fleet, by name.",
            "type": ["object", "null"],
            "additionalProperties": section_schema(&fleet::node_description()),
        }),
    );
    properties.insert(
        "plugin".to_owned(),
        json!({
            "description": "Shared libraries that add types; relative paths begin at the folder of this file.",
            "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}, {"type": "null"}],
        }),
    );
    properties.insert("trigger".to_owned(), components("What makes things happen.", &registry.triggers));
    properties
        .insert("selector".to_owned(), components("Which events are worth a job.", &registry.selectors));
    properties.insert("executor".to_owned(), components("What runs the jobs.", &registry.executors));
    properties.insert(
        "preset".to_owned(),
        json!({
            "description": "Parameters by name, for `select_param` and `job_param` to refer to.",
            "type": ["object", "null"],
            "additionalProperties": {"type": "object"},
        }),
    );
    properties.insert(
        "router".to_owned(),
        json!({
            "description": "Which trigger's events, through which selector, become which tasks.",
            "type": ["object", "null"],
            "additionalProperties": {"$ref": "#/$defs/router"},
        }),
    );
    for option in settings::description().options {
        properties.insert(option.name.clone(), option.schema());
    }
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "The configuration of heraldd",
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
        "$defs": definitions(registry),
    })
}

/// A section with options of its own and no `type`.
fn section_schema(description: &Description) -> Value {
    let mut schema = description.schema();
    if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        properties.shift_remove("type");
    }
    schema
}

/// A map from names to components: by `type`, or by the name where that is a type.
fn components<C: ?Sized>(doc: &str, types: &Types<C>) -> Value {
    let names: Vec<&str> = types.names().collect();
    let by_type: Vec<Value> = types
        .descriptions()
        .map(|description| {
            json!({
                "if": {"properties": {"type": {"const": description.type_name}}, "required": ["type"]},
                "then": description.schema(),
            })
        })
        .collect();
    let by_name: Map<String, Value> = types
        .descriptions()
        .map(|description| {
            let typed = json!({"type": "object", "required": ["type"]});
            let schema = json!({"if": typed, "then": {"allOf": by_type}, "else": description.schema()});
            (description.type_name.clone(), schema)
        })
        .collect();
    json!({
        "description": doc,
        "type": ["object", "null"],
        "properties": by_name,
        "additionalProperties": {
            "type": "object",
            "properties": {"type": {"enum": names}},
            "required": ["type"],
            "allOf": by_type,
        },
    })
}

fn policy_schema() -> Value {
    let mut schema = section_schema(&policy::description());
    for inner in [policy::retry_description(), policy::concurrency_description()] {
        schema["properties"][&inner.type_name] = section_schema(&inner);
    }
    schema
}

fn definitions(registry: &Registry) -> Value {
    json!({
        "names": {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]},
        "select_param": params(registry.selectors.descriptions()),
        "job_param": params(registry.executors.descriptions()),
        "policy": policy_schema(),
        "router": {
            "type": "object",
            "properties": {
                "trigger": {"type": "string", "description": "A trigger's name or type, or `exe_done`."},
                "selector": {"type": "string", "description": "A selector's name or type."},
                "task": {
                    "description": "Tasks by name: the name or type of an executor, or a map.",
                    "type": "object",
                    "minProperties": 1,
                    "additionalProperties": {"anyOf": [{"type": "string"}, {"$ref": "#/$defs/task"}]},
                },
                "select_param": {"$ref": "#/$defs/select_param"},
                "job_param": {"$ref": "#/$defs/job_param"},
                "policy": {"$ref": "#/$defs/policy"},
            },
            "required": ["trigger", "selector", "task"],
            "additionalProperties": false,
        },
        "task": {
            "type": "object",
            "properties": {
                "executor": {"type": "string", "description": "An executor's name or type."},
                "select_param": {"$ref": "#/$defs/select_param"},
                "job_param": {"$ref": "#/$defs/job_param"},
                "policy": {"$ref": "#/$defs/policy"},
            },
            "required": ["executor"],
            "additionalProperties": false,
        },
    })
}

/// Parameters: the keys that some type reads, and any others. Which type gets them is not known here, so a key's
/// value is only checked when all types that read it agree.
fn params<'a>(descriptions: impl Iterator<Item = &'a Description>) -> Value {
    let mut properties = Map::new();
    properties.insert("preset".to_owned(), json!({"$ref": "#/$defs/names"}));
    for param in descriptions.flat_map(|description| &description.params) {
        let schema = param.schema();
        let known = properties.entry(param.name.clone()).or_insert_with(|| schema.clone());
        if *known != schema {
            *known = json!({"description": param.doc});
        }
    }
    json!({"anyOf": [
        {"$ref": "#/$defs/names"},
        {"type": "object", "properties": properties},
        {"type": "null"},
    ]})
}
