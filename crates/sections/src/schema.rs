//! The JSON Schema of the whole file, for editors.

use herald_core::registry::Registry;
use herald_core::spec::Description;
use herald_core::workflow::policy;
use serde_json::{Map, Value, json};

use crate::section::{Section, Shape};

/// The JSON Schema (draft 2020-12) of a configuration that has these sections and may use these types.
#[must_use]
pub fn schema(sections: &[&Section], registry: &Registry) -> Value {
    let mut properties = Map::new();
    for section in sections {
        let schema = match section.shape {
            Shape::Options(describe) => section_schema(&describe()),
            Shape::Named(describe) => json!({
                "description": format!("{}.", section.holds),
                "type": ["object", "null"],
                "additionalProperties": section_schema(&describe()),
            }),
            Shape::Top(describe) => {
                properties
                    .extend(describe().options.iter().map(|option| (option.name.clone(), option.schema())));
                continue;
            }
            Shape::Other(schema) => schema(registry),
        };
        properties.insert(section.name.to_owned(), schema);
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

fn policy_schema() -> Value {
    let mut schema = section_schema(&policy::description());
    for inner in [policy::retry_description(), policy::concurrency_description()] {
        let long = section_schema(&inner);
        // A number is the short form.
        schema["properties"][&inner.type_name] = json!({"anyOf": [{"type": "integer", "minimum": 1}, long]});
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
