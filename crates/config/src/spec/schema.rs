//! JSON Schema (draft 2020-12) of options, for editors.

use serde_json::{Map, Value, json};

use super::{Description, OptionKind, OptionSpec};

impl Description {
    /// The schema of a component of this type: an object with `type` and the options.
    #[must_use]
    pub fn schema(&self) -> Value {
        let mut properties = Map::new();
        properties.insert("type".to_owned(), json!({"const": self.type_name}));
        for option in &self.options {
            properties.insert(option.name.clone(), option.schema());
        }
        let required: Vec<&str> =
            self.options.iter().filter(|option| option.required).map(|option| option.name.as_str()).collect();
        let mut schema = json!({
            "description": self.doc,
            "type": if required.is_empty() { json!(["object", "null"]) } else { json!("object") },
            "properties": properties,
            "additionalProperties": false,
        });
        if !required.is_empty() {
            schema["required"] = json!(required);
        }
        schema
    }
}

impl OptionSpec {
    /// The schema of this option's value.
    #[must_use]
    pub fn schema(&self) -> Value {
        let mut schema = self.kind.schema();
        if let Value::Object(map) = &mut schema {
            map.insert("description".to_owned(), Value::from(self.doc.as_str()));
            if let Some(default) = &self.default {
                map.insert("default".to_owned(), default.clone());
            }
        }
        schema
    }
}

impl OptionKind {
    fn schema(&self) -> Value {
        match self {
            Self::Any => json!({}),
            Self::Text => json!({"type": "string"}),
            Self::Secret | Self::FilePath => json!({"type": "string", "minLength": 1}),
            Self::Secrets => json!({"anyOf": [
                {"type": "string", "minLength": 1},
                {"type": "array", "items": {"type": "string", "minLength": 1}, "minItems": 1},
            ]}),
            Self::Boolean => or_reference(json!({"type": "boolean"})),
            Self::Integer { min, max } => {
                let mut schema = json!({"type": "integer"});
                if *min != i64::MIN {
                    schema["minimum"] = json!(min);
                }
                if *max != i64::MAX {
                    schema["maximum"] = json!(max);
                }
                or_reference(schema)
            }
            Self::Duration => json!({"type": ["number", "string"], "exclusiveMinimum": 0}),
            Self::Size => json!({"type": ["integer", "string"], "minimum": 0}),
            Self::Url => or_reference(json!({"type": "string", "pattern": "^[hH][tT][tT][pP][sS]?://[^/]"})),
            Self::Texts => json!({"anyOf": [
                {"type": "string"},
                {"type": "array", "items": {"type": "string"}},
            ]}),
            Self::OneOf(allowed) => or_reference(json!({"enum": allowed})),
            Self::Map => json!({"type": "object"}),
            Self::Fields(options) => fields(options),
            Self::NamedFields(options) => json!({"type": "object", "additionalProperties": fields(options)}),
        }
    }
}

fn fields(options: &[OptionSpec]) -> Value {
    let properties: Map<String, Value> =
        options.iter().map(|option| (option.name.clone(), option.schema())).collect();
    let required: Vec<&str> =
        options.iter().filter(|option| option.required).map(|option| option.name.as_str()).collect();
    json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
}

/// A value of any kind may come from the environment or a file.
fn or_reference(schema: Value) -> Value {
    json!({"anyOf": [schema, {"type": "string", "pattern": "^\\$\\{(env|file):.+\\}$"}]})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_schema() {
        let new = OptionSpec::new;
        let description = Description::new("tick", "Ticks.")
            .option(new("interval", OptionKind::Duration, "How often.").required())
            .option(new("count", OptionKind::Integer { min: 1, max: i64::MAX }, "How many.").default(3))
            .option(new("format", OptionKind::OneOf(&["a", "b"]), "How."));
        let reference = json!({"type": "string", "pattern": "^\\$\\{(env|file):.+\\}$"});
        assert_eq!(
            description.schema(),
            json!({
                "description": "Ticks.",
                "type": "object",
                "properties": {
                    "type": {"const": "tick"},
                    "interval": {
                        "type": ["number", "string"], "exclusiveMinimum": 0, "description": "How often.",
                    },
                    "count": {
                        "anyOf": [{"type": "integer", "minimum": 1}, reference],
                        "description": "How many.", "default": 3,
                    },
                    "format": {"anyOf": [{"enum": ["a", "b"]}, reference], "description": "How."},
                },
                "required": ["interval"],
                "additionalProperties": false,
            })
        );
        assert_eq!(Description::new("all", "All.").schema()["type"], json!(["object", "null"]));
    }

    #[test]
    fn fields_are_properties() {
        let depth =
            || OptionSpec::new("depth", OptionKind::Integer { min: 1, max: 9 }, "How deep.").default(3);
        let fields =
            vec![OptionSpec::new("cert", OptionKind::FilePath, "A certificate.").required(), depth()];
        assert_eq!(
            OptionSpec::new("tls", OptionKind::Fields(fields), "Files.").schema(),
            json!({
                "type": "object",
                "properties": {
                    "cert": {"type": "string", "minLength": 1, "description": "A certificate."},
                    "depth": depth().schema(),
                },
                "required": ["cert"],
                "additionalProperties": false,
                "description": "Files.",
            })
        );
    }
}
