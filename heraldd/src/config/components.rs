//! The `trigger`, `selector` and `executor` sections, and the types that routers name without configuring them.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use herald_core::activation::{EXE_DONE, INTERNAL};
use herald_core::param::Params;
use herald_core::problem::{Path, Problem, kind_of, near_miss};
use herald_core::registry::Types;
use herald_core::spec::{ComponentType, Description, OptionKind, Options};
use serde_json::Value;

use super::secret::Secrets;

/// One component: its name in routers, its type, its options with the defaults filled in.
#[derive(Debug, Clone, PartialEq)]
pub struct Component {
    /// Its name.
    pub name: String,
    /// Its type.
    pub type_name: String,
    /// Its options, secrets included.
    pub options: Options,
}

/// Constructed components by name.
pub type Instances<C> = BTreeMap<String, Arc<C>>;

/// Where in the routers a name is used first.
pub(super) type Uses<'a> = BTreeMap<&'a str, Path>;

/// The components of one kind as far as they are right.
pub(super) struct Section<'r, C: ?Sized> {
    pub(super) components: Vec<Component>,
    /// Those components, constructed.
    pub(super) instances: Instances<C>,
    /// Every name that a router may use.
    pub(super) names: BTreeMap<String, Option<&'r Description>>,
    pub(super) problems: Vec<Problem>,
    /// Options that their type declares secret, whatever their name.
    pub(super) secret: Vec<Path>,
}

/// Reads one section. `kind` is `trigger`, `selector` or `executor`.
pub(super) fn read<'r, C: ?Sized>(
    kind: &'static str,
    section: &Value,
    types: &'r Types<C>,
    uses: &Uses<'_>,
    (secrets, shared): (&mut Secrets<'_>, &Params),
) -> Section<'r, C> {
    let out = Section {
        components: Vec::new(),
        instances: BTreeMap::new(),
        names: BTreeMap::new(),
        problems: Vec::new(),
        secret: Vec::new(),
    };
    let mut reader = Reader { kind, types, shared, out };
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

struct Reader<'r, 's, C: ?Sized> {
    kind: &'static str,
    types: &'r Types<C>,
    /// Sections that components may read.
    shared: &'s Params,
    out: Section<'r, C>,
}

impl<'r, C: ?Sized> Reader<'r, '_, C> {
    fn component(&mut self, name: &str, body: &Value, section: &Path, secrets: &mut Secrets<'_>) {
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
            let when = if name == EXE_DONE { "a job ends" } else { "a node comes or goes" };
            let message = format!("\"{name}\" is reserved: Herald itself activates it when {when}");
            return self.out.problems.push(Problem::error(at, message).at_key().help("choose another name"));
        }
        let Some((component_type, type_name)) = self.type_of(name, given, &at) else { return };
        self.out.names.insert(name.to_owned(), Some(&component_type.description));
        let given = from_references(&component_type.description, given, &at, secrets);
        self.note_secrets(&component_type.description, &given, &at, secrets);
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
                (name, Problem::error(at.clone(), message).at_key())
            }
        };
        if let Some(component_type) = self.types.get(type_name).filter(|_| !self.is_reserved(type_name)) {
            return Some((component_type, type_name.to_owned()));
        }
        let help = match near_miss(type_name, self.types.names()) {
            Some(meant) => format!("did you mean \"{meant}\"?"),
            None => format!("known types are: {}", self.types.names().collect::<Vec<_>>().join(", ")),
        };
        self.out.problems.push(problem.help(help));
        None
    }

    /// What the type declares secret is secret under any name.
    fn note_secrets(
        &mut self,
        description: &Description,
        given: &Params,
        at: &Path,
        secrets: &mut Secrets<'_>,
    ) {
        let kinds = |kind: &OptionKind| matches!(kind, OptionKind::Secret | OptionKind::Secrets);
        for option in description.options.iter().filter(|option| kinds(&option.kind)) {
            let at = at.key(&option.name);
            match given.get(&option.name) {
                Some(Value::String(secret)) if !secret.is_empty() => secrets.literal(secret, &at),
                Some(Value::Array(list)) => {
                    for (n, secret) in list.iter().enumerate() {
                        if let Some(secret) = secret.as_str().filter(|secret| !secret.is_empty()) {
                            secrets.literal(secret, &at.index(n));
                        }
                    }
                }
                _ => {}
            }
            self.out.secret.push(at);
        }
    }

    /// Constructs the component, since only its type knows what else may be wrong. This is the only time in a load.
    fn made(
        &mut self,
        component_type: &ComponentType<C>,
        name: &str,
        type_name: String,
        mut options: Options,
        problems: Vec<Problem>,
        at: &Path,
    ) {
        for name in &component_type.description.sections {
            if let Some(section) = self.shared.get(*name) {
                options.0.insert((*name).to_owned(), section.clone());
            }
        }
        if !problems.is_empty() {
            return self.out.problems.extend(problems);
        }
        match catch_unwind(AssertUnwindSafe(|| (component_type.factory)(&options))) {
            Ok(Ok(instance)) => {
                self.out.instances.insert(name.to_owned(), instance);
                let doubts = component_type.description.doubts.map(|doubts| doubts(&options));
                let doubts = doubts.unwrap_or_default().into_iter();
                self.out.problems.extend(doubts.map(|doubt| Problem { path: at.join(&doubt.path), ..doubt }));
                self.out.components.push(Component { name: name.to_owned(), type_name, options });
            }
            Ok(Err(error)) => self.out.problems.push(made_wrong(&error.to_string(), &options, at)),
            Err(_) => {
                let message = format!("the type \"{type_name}\" panicked over these options");
                self.out.problems.push(Problem::error(at.clone(), message).at_key());
            }
        }
    }

    /// Types stand for themselves with default options; those that routers use are made.
    fn bare_types(&mut self, uses: &Uses<'_>) {
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

/// The environment and files hold text only: where a number or a switch is wanted, what a reference gave is read as one.
fn from_references(description: &Description, given: &Params, at: &Path, secrets: &Secrets<'_>) -> Params {
    let mut given = given.clone();
    for option in &description.options {
        let Some(Value::String(text)) = given.get(&option.name) else { continue };
        if !secrets.is_resolved(&at.key(&option.name)) {
            continue;
        }
        let value = match option.kind {
            OptionKind::Integer { .. } => text.trim().parse::<i64>().ok().map(Value::from),
            OptionKind::Boolean => text.trim().parse::<bool>().ok().map(Value::from),
            _ => None,
        };
        if let Some(value) = value {
            given.insert(option.name.clone(), value);
        }
    }
    given
}

/// A problem that the type itself found while it was made. Where its sentence begins with an option's name and a
/// colon, it stands at that option.
fn made_wrong(error: &str, options: &Options, at: &Path) -> Problem {
    match error.split_once(": ") {
        Some((option, why)) if options.0.contains_key(option) => {
            Problem::error(at.key(option), format!("`{option}`: {why}"))
        }
        _ => Problem::error(at.clone(), error).at_key(),
    }
}
