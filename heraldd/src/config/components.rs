//! The `trigger`, `selector` and `executor` sections, and the types that routers name without configuring them.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use herald_config::secret::{LazyPath, SecretResolver};
use herald_core::activation::{APP, APP_STATE, DEPLOYED, EXE_DONE, INTERNAL, NODE_STATE};
use herald_core::context::{Context, Taken};
use herald_core::param::Params;
use herald_core::problem::{Path, Problem, kind_of, near_miss};
use herald_core::registry::ComponentTypes;
use herald_core::spec::{ComponentType, Description, Options};
use serde_json::{Map, Value, json};

use herald_sections::{References, Section, Shape};

pub(super) const TRIGGER: Section = Section {
    name: "trigger",
    holds: "what makes things happen: `NAME: {type: TYPE, OPTION: VALUE, …}`",
    references: References::Some(resolve),
    shape: Shape::Other(|registry| schema("What makes things happen.", &registry.triggers)),
};

pub(super) const SELECTOR: Section = Section {
    name: "selector",
    holds: "which events are worth a job, in the same form",
    references: References::Some(resolve),
    shape: Shape::Other(|registry| schema("Which events are worth a job.", &registry.selectors)),
};

pub(super) const EXECUTOR: Section = Section {
    name: "executor",
    holds: "what runs the jobs, in the same form",
    references: References::Some(resolve),
    shape: Shape::Other(|registry| schema("What runs the jobs.", &registry.executors)),
};

/// Resolves the references in the options of components.
fn resolve(resolver: &mut SecretResolver<'_>, components: &mut Value, at: &LazyPath<'_>) {
    for (name, options) in components.as_object_mut().into_iter().flatten() {
        let at = at.key(name);
        let type_name = options.get("type").cloned();
        if let Some(type_name) = &type_name {
            resolver.refuse(type_name, &at.key("type"));
        }
        resolver.resolve(options, &at);
        // A type named like a secret is none.
        if let Some(type_name) = type_name {
            options["type"] = type_name;
        }
    }
}

/// One component: its name in routers, its type, its options with the defaults filled in.
#[derive(Debug, Clone, PartialEq)]
pub struct ConfiguredComponent {
    /// Its name.
    pub name: String,
    /// Its type.
    pub type_name: String,
    /// Its options, secrets included.
    pub options: Options,
    /// What it took from its context.
    pub taken: Taken,
}

/// A map from names to components: by `type`, or by the name where that is a type.
fn schema<C: ?Sized>(doc: &str, types: &ComponentTypes<C>) -> Value {
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

/// Constructed components by name.
pub type Instances<C> = BTreeMap<String, Arc<C>>;

/// Where in the routers a name is used first.
pub(super) type Uses<'a> = BTreeMap<&'a str, Path>;

/// The components of one kind as far as they are right.
pub(super) struct ComponentSection<'r, C: ?Sized> {
    pub(super) components: Vec<ConfiguredComponent>,
    /// Those components, constructed.
    pub(super) instances: Instances<C>,
    /// Every name that a router may use.
    pub(super) names: BTreeMap<String, Option<&'r Description>>,
    pub(super) problems: Vec<Problem>,
}

/// Reads one section. `kind` is `trigger`, `selector` or `executor`; with `misses_types` a plugin could not be loaded,
/// and types that are not known may be its own.
pub(super) fn read<'r, C: ?Sized>(
    kind: &'static str,
    section: &Value,
    types: &'r ComponentTypes<C>,
    uses: &Uses<'_>,
    secrets: &mut SecretResolver<'_>,
    context: &Context,
    misses_types: bool,
) -> ComponentSection<'r, C> {
    let out = ComponentSection {
        components: Vec::new(),
        instances: BTreeMap::new(),
        names: BTreeMap::new(),
        problems: Vec::new(),
    };
    let mut reader = ComponentReader { kind, types, context, misses_types, out };
    let at = Path::top().key(kind);
    match section {
        Value::Null => {}
        Value::Object(map) => map.iter().for_each(|(name, body)| reader.component(name, body, &at, secrets)),
        other => {
            let message = format!("expected a map of {kind}s by name, found {}", kind_of(other));
            reader.out.problems.push(Problem::error(at, message));
        }
    }
    reader.bare_types(uses);
    reader.out
}

/// When Herald activates an internal trigger.
fn when_activated(name: &str) -> &'static str {
    match name {
        EXE_DONE => "a job ends",
        NODE_STATE => "a node comes or goes",
        APP => "an application is deployed",
        APP_STATE => "what is live on a node changes",
        DEPLOYED => "a deployment ends",
        _ => "messages of a queue are lost",
    }
}

struct ComponentReader<'r, 's, C: ?Sized> {
    kind: &'static str,
    types: &'r ComponentTypes<C>,
    /// What components may take besides their options.
    context: &'s Context,
    /// Whether a plugin could not be loaded: types that are not known may be its own.
    misses_types: bool,
    out: ComponentSection<'r, C>,
}

impl<'r, C: ?Sized> ComponentReader<'r, '_, C> {
    fn component(&mut self, name: &str, body: &Value, section: &Path, secrets: &mut SecretResolver<'_>) {
        let at = section.key(name);
        // Whatever is wrong with it, routers that name it are not wrong for that.
        self.out.names.insert(name.to_owned(), None);
        let nothing = Params::new();
        let given = match body {
            Value::Null => &nothing,
            Value::Object(given) => given,
            other => {
                let message = format!(
                    "expected the options of {} \"{name}\" as a map, found {}",
                    self.kind,
                    kind_of(other)
                );
                return self
                    .out
                    .problems
                    .push(Problem::error(at, message).help("write  NAME: {type: TYPE, OPTION: VALUE}"));
            }
        };
        if self.is_reserved(name) {
            let when = when_activated(name);
            let message = format!("\"{name}\" is reserved: Herald itself activates it when {when}");
            return self.out.problems.push(Problem::error(at, message).at_key().help("choose another name"));
        }
        let Some((component_type, type_name)) = self.type_of(name, given, &at) else { return };
        self.out.names.insert(name.to_owned(), Some(&component_type.description));
        let given = secrets.typed(&component_type.description, given, &at);
        let (options, problems) = component_type.description.check(&given, &at);
        self.made(component_type, name, type_name, options, problems, &at);
    }

    fn is_reserved(&self, name: &str) -> bool {
        self.kind == "trigger" && INTERNAL.contains(&name)
    }

    fn type_of(&mut self, name: &str, given: &Params, at: &Path) -> Option<(&'r ComponentType<C>, String)> {
        let (type_name, problem) = match given.get("type") {
            Some(Value::String(type_name)) => {
                let message = if self.is_reserved(type_name) {
                    format!("the type \"{type_name}\" is internal and cannot be configured")
                } else {
                    format!("unknown {} type \"{type_name}\"", self.kind)
                };
                (type_name.as_str(), Problem::error(at.key("type"), message))
            }
            Some(other) => {
                let message = format!("expected the name of a type, found {}", kind_of(other));
                self.out.problems.push(Problem::error(at.key("type"), message));
                return None;
            }
            None => {
                let message =
                    format!("{} \"{name}\" has no type, and \"{name}\" is not the name of one", self.kind);
                if self.types.get(name).is_none()
                    && let Some(key) = given.keys().find(|key| near_miss(key, ["type"]).is_some())
                {
                    let problem = Problem::error(at.key(key), format!("unknown option `{key}`")).at_key();
                    self.out.problems.push(problem.help("did you mean `type`?"));
                    return None;
                }
                (name, Problem::error(at.clone(), message).at_key())
            }
        };
        if let Some(component_type) = self.types.get(type_name).filter(|_| !self.is_reserved(type_name)) {
            return Some((component_type, type_name.to_owned()));
        }
        let help = match near_miss(type_name, self.types.names()) {
            Some(meant) => format!("did you mean \"{meant}\"?"),
            None if self.misses_types && !self.is_reserved(type_name) => return None,
            None => format!("expected one of: {}", self.types.names().collect::<Vec<_>>().join(", ")),
        };
        self.out.problems.push(problem.help(help));
        None
    }

    /// Constructs the component, since only its type knows what else may be wrong. This is the only time in a load.
    fn made(
        &mut self,
        component_type: &ComponentType<C>,
        name: &str,
        type_name: String,
        options: Options,
        problems: Vec<Problem>,
        at: &Path,
    ) {
        if !problems.is_empty() {
            return self.out.problems.extend(problems);
        }
        self.context.begin_component(name);
        let made = catch_unwind(AssertUnwindSafe(|| (component_type.factory)(&options, self.context)));
        let taken = self.context.taken();
        match made {
            Ok(Ok(instance)) => {
                self.out.instances.insert(name.to_owned(), instance);
                self.out.problems.extend(component_type.description.remarks(&options, at));
                self.out.components.push(ConfiguredComponent {
                    name: name.to_owned(),
                    type_name,
                    options,
                    taken,
                });
            }
            Ok(Err(error)) => self.out.problems.push(error.problem(&options.0, at)),
            Err(_) => {
                let message = format!("the type \"{type_name}\" panicked over these options");
                self.out.problems.push(Problem::error(at.clone(), message).at_key());
            }
        }
    }

    /// ComponentTypes stand for themselves with default options; those that routers use are made.
    fn bare_types(&mut self, uses: &Uses<'_>) {
        if self.misses_types {
            let known = || self.types.names().chain(self.out.names.keys().map(String::as_str));
            let missing = uses.keys().filter(|name| near_miss(name, known()).is_none());
            let missing: Vec<String> = missing.map(|name| (*name).to_owned()).collect();
            self.out.names.extend(missing.into_iter().map(|name| (name, None)));
        }
        for description in self.types.descriptions() {
            let name = &description.type_name;
            if self.out.names.contains_key(name) || self.is_reserved(name) {
                continue;
            }
            self.out.names.insert(name.clone(), Some(description));
            if let (Some(at), Some(component_type)) = (uses.get(name.as_str()), self.types.get(name)) {
                let (options, problems) = description.check(&Params::new(), &Path::top());
                let help = format!("configure it under `{}`", self.kind);
                let problems = problems.into_iter().map(|problem| {
                    let message = format!("{}, so it cannot be used by its type alone", problem.message);
                    Problem::error(at.clone(), message).help(help.clone())
                });
                self.made(component_type, name, name.clone(), options, problems.collect(), at);
            }
        }
    }
}
