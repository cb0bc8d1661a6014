//! Descriptions of component types as JSON: validation, schema and reference treat the types of plugins like all
//! others.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::message::{ComponentKind, Of};
use crate::component::spec::{Description, OptionCheck, OptionKind, OptionSpec};

/// Why the description of a component type makes no sense.
#[derive(Debug, thiserror::Error)]
pub enum DescriptionError {
    /// The type has no name.
    #[error("a type without a name")]
    NoName,
    /// The name cannot be written in YAML without tricks.
    #[error("type {0:?} has a name with white space or control characters")]
    Name(String),
    /// Two options, or two parameters, have one name.
    #[error("type \"{type_name}\" has the {list} \"{name}\" twice")]
    Twice {
        /// The type.
        type_name: String,
        /// Which list.
        list: &'static str,
        /// The name.
        name: String,
    },
    /// An option has the name that every component uses for its type.
    #[error("type \"{0}\" has an option \"type\", which is reserved")]
    Reserved(String),
}

/// What a plugin is, and the types that it gives.
#[derive(Serialize, Deserialize)]
pub struct Manifest {
    /// The plugin's name.
    pub name: String,
    /// The plugin's own version.
    #[serde(default)]
    pub version: String,
    /// The types of triggers.
    #[serde(default)]
    pub triggers: Vec<TypeMessage>,
    /// The types of selectors.
    #[serde(default)]
    pub selectors: Vec<TypeMessage>,
    /// The types of executors.
    #[serde(default)]
    pub executors: Vec<TypeMessage>,
}

impl Manifest {
    /// The type names that come more than once within one kind.
    #[must_use]
    pub fn doubles(&self) -> Vec<(ComponentKind, String)> {
        let kinds = [
            (ComponentKind::Trigger, &self.triggers),
            (ComponentKind::Selector, &self.selectors),
            (ComponentKind::Executor, &self.executors),
        ];
        let mut doubles = Vec::new();
        for (kind, types) in kinds {
            let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
            types.iter().for_each(|t| *counts.entry(&t.type_name).or_default() += 1);
            doubles
                .extend(counts.iter().filter(|(_, n)| **n > 1).map(|(name, _)| (kind, (*name).to_owned())));
        }
        doubles
    }
}

/// A component type, as JSON.
#[derive(Serialize, Deserialize)]
pub struct TypeMessage {
    /// The `type` in YAML.
    #[serde(rename = "type")]
    pub type_name: String,
    doc: String,
    #[serde(default)]
    options: Vec<OptionMessage>,
    #[serde(default)]
    params: Vec<OptionMessage>,
    #[serde(default)]
    refuse_near_misses: bool,
    #[serde(default)]
    gives: Vec<Gives>,
    #[serde(default)]
    example: String,
}

#[derive(Serialize, Deserialize)]
struct Gives {
    name: String,
    what: String,
}

#[derive(Serialize, Deserialize)]
struct OptionMessage {
    name: String,
    kind: KindMessage,
    #[serde(default)]
    required: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    default: Option<Value>,
    doc: String,
    #[serde(default)]
    check: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    missing_means: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    is_code: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum KindMessage {
    Any,
    Text,
    Secret,
    Secrets,
    Boolean,
    Integer { min: i64, max: i64 },
    Duration,
    Size,
    FilePath,
    Url,
    Texts,
    OneOf(Vec<String>),
    Map,
}

impl TypeMessage {
    /// What a description says. A selector's proof does not cross.
    #[must_use]
    pub fn of(description: &Description) -> Self {
        let gives = |(name, what): &(String, String)| Gives { name: name.clone(), what: what.clone() };
        Self {
            type_name: description.type_name.clone(),
            doc: description.doc.clone(),
            options: description.options.iter().map(OptionMessage::of).collect(),
            params: description.params.iter().map(OptionMessage::of).collect(),
            refuse_near_misses: description.refuse_near_misses,
            gives: description.gives.iter().map(gives).collect(),
            example: description.example.clone(),
        }
    }

    /// The description. `check` makes the check of an option that asks for one. Texts of [`OptionKind::OneOf`] are
    /// kept for the life of the process, as the plugin is.
    ///
    /// # Errors
    /// When the description makes no sense.
    pub fn description(
        self,
        check: &dyn Fn(Of, &str) -> OptionCheck,
    ) -> Result<Description, DescriptionError> {
        if self.type_name.is_empty() {
            return Err(DescriptionError::NoName);
        }
        if self.type_name.contains(|c: char| c.is_control() || c.is_whitespace()) {
            return Err(DescriptionError::Name(self.type_name));
        }
        for (options, list) in [(&self.options, "option"), (&self.params, "parameter")] {
            let mut names = BTreeSet::new();
            if let Some(twice) = options.iter().find(|option| !names.insert(&option.name)) {
                let (type_name, name) = (self.type_name.clone(), twice.name.clone());
                return Err(DescriptionError::Twice { type_name, list, name });
            }
        }
        if self.options.iter().any(|option| option.name == "type") {
            return Err(DescriptionError::Reserved(self.type_name));
        }
        let specs = |list: Vec<OptionMessage>, of: Of| -> Vec<OptionSpec> {
            list.into_iter().map(|option| option.spec(&|name| check(of, name))).collect()
        };
        let mut description = Description::new(&self.type_name, &self.doc);
        description.options = specs(self.options, Of::Options);
        description.params = specs(self.params, Of::Params);
        description.refuse_near_misses = self.refuse_near_misses;
        description.gives = self.gives.into_iter().map(|gives| (gives.name, gives.what)).collect();
        description.example = self.example;
        Ok(description)
    }
}

impl OptionMessage {
    fn of(spec: &OptionSpec) -> Self {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        let kind = match &spec.kind {
            OptionKind::Any => KindMessage::Any,
            OptionKind::Text => KindMessage::Text,
            OptionKind::Secret => KindMessage::Secret,
            OptionKind::Secrets => KindMessage::Secrets,
            OptionKind::Boolean => KindMessage::Boolean,
            OptionKind::Integer { min, max } => KindMessage::Integer { min: *min, max: *max },
            OptionKind::Duration => KindMessage::Duration,
            OptionKind::Size => KindMessage::Size,
            OptionKind::FilePath => KindMessage::FilePath,
            OptionKind::Url => KindMessage::Url,
            OptionKind::Texts => KindMessage::Texts,
            OptionKind::OneOf(allowed) => KindMessage::OneOf(owned(allowed)),
            OptionKind::Map | OptionKind::Fields(_) | OptionKind::NamedFields(_) => KindMessage::Map,
        };
        Self {
            name: spec.name.clone(),
            kind,
            required: spec.required,
            default: spec.default.clone(),
            doc: spec.doc.clone(),
            check: spec.check.is_some(),
            missing_means: spec.missing_means.clone(),
            is_code: spec.is_code,
        }
    }

    fn spec(self, check: &dyn Fn(&str) -> OptionCheck) -> OptionSpec {
        let kind = match self.kind {
            KindMessage::Any => OptionKind::Any,
            KindMessage::Text => OptionKind::Text,
            KindMessage::Secret => OptionKind::Secret,
            KindMessage::Secrets => OptionKind::Secrets,
            KindMessage::Boolean => OptionKind::Boolean,
            KindMessage::Integer { min, max } => OptionKind::Integer { min, max },
            KindMessage::Duration => OptionKind::Duration,
            KindMessage::Size => OptionKind::Size,
            KindMessage::FilePath => OptionKind::FilePath,
            KindMessage::Url => OptionKind::Url,
            KindMessage::Texts => OptionKind::Texts,
            KindMessage::OneOf(allowed) => OptionKind::OneOf(leaked(allowed)),
            KindMessage::Map => OptionKind::Map,
        };
        let check = self.check.then(|| check(&self.name));
        OptionSpec {
            name: self.name,
            kind,
            required: self.required,
            takes: None,
            default: self.default,
            doc: self.doc,
            check,
            machine_check: None,
            missing_means: self.missing_means,
            is_code: self.is_code,
            names: None,
        }
    }
}

/// A plugin is described once and never unloaded, so its texts may stay as well.
fn leaked(texts: Vec<String>) -> &'static [&'static str] {
    let texts: Vec<&'static str> = texts.into_iter().map(|text| &*Box::leak(text.into_boxed_str())).collect();
    Box::leak(texts.into_boxed_slice())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::sync::Arc;

    fn every_kind() -> Vec<(OptionKind, Value)> {
        vec![
            (OptionKind::Any, json!("any")),
            (OptionKind::Text, json!("text")),
            (OptionKind::Secret, json!("secret")),
            (OptionKind::Secrets, json!("secrets")),
            (OptionKind::Boolean, json!("boolean")),
            (OptionKind::Integer { min: -1, max: 9 }, json!({"integer": {"min": -1, "max": 9}})),
            (OptionKind::Duration, json!("duration")),
            (OptionKind::Size, json!("size")),
            (OptionKind::FilePath, json!("file_path")),
            (OptionKind::Url, json!("url")),
            (OptionKind::Texts, json!("texts")),
            (OptionKind::OneOf(&["a", "b"]), json!({"one_of": ["a", "b"]})),
            (OptionKind::Map, json!("map")),
        ]
    }

    #[test]
    fn descriptions_cross_whole() {
        let mut before = Description::new("thing", "Does.").gives("counter", "a number").example("a: b");
        for (n, (kind, _)) in every_kind().into_iter().enumerate() {
            before = before.option(OptionSpec::new(&format!("o{n}"), kind, "Doc.").default(n));
        }
        before = before
            .param(OptionSpec::new("p", OptionKind::Text, "Doc.").required().check(|_| Ok::<(), String>(())));
        let crossed = serde_json::to_value(TypeMessage::of(&before.refuse_near_misses())).unwrap();
        for (n, (_, kind)) in every_kind().into_iter().enumerate() {
            assert_eq!(crossed["options"][n]["kind"], kind);
        }
        let message: TypeMessage = serde_json::from_value(crossed.clone()).unwrap();
        let never = |of: Of, name: &str| -> OptionCheck {
            let said = format!("{of:?} {name}");
            Arc::new(move |_| Err(said.clone().into()))
        };
        let after = message.description(&never).unwrap();
        assert_eq!(serde_json::to_value(TypeMessage::of(&after)).unwrap(), crossed);
        let check = after.params[0].check.as_ref().unwrap();
        assert_eq!(check(&json!(1)), Err("Params p".to_owned().into()));
    }

    #[test]
    fn descriptions_without_sense_are_refused() {
        let option = json!({"name": "a", "kind": "text", "doc": ""});
        let kind = json!({"name": "type", "kind": "text", "doc": ""});
        for (message, said) in [
            (json!({"type": "", "doc": ""}), "without a name"),
            (json!({"type": "a\u{0}b", "doc": ""}), "white space or control"),
            (json!({"type": "t", "doc": "", "options": [option, option]}), "option \"a\" twice"),
            (json!({"type": "t", "doc": "", "params": [option, option]}), "parameter \"a\" twice"),
            (json!({"type": "t", "doc": "", "options": [kind]}), "which is reserved"),
        ] {
            let message: TypeMessage = serde_json::from_value(message).unwrap();
            let error = message.description(&|_, _| Arc::new(|_| Ok(()))).err().unwrap().to_string();
            assert!(error.contains(said), "{error}");
        }
    }
}
