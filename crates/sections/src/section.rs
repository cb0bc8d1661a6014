//! What a section of the configuration is: its name, what it holds, where it may refer to secrets, and how it is read.
//!
//! From a list of [`Section`]s follow the names that the file may have, where references to secrets are resolved, the
//! reference page and the JSON Schema.

use herald_config::include::Folders;
use herald_config::secret::{LazyPath, SecretResolver};
use herald_core::param::Params;
use herald_core::problem::{Path, Problem, kind_of};
use herald_core::registry::Registry;
use herald_core::spec::{Description, Options};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// The most options that are listed where a map was expected.
const FEW: usize = 6;

/// A section, as the table knows it.
pub struct Section {
    /// Its key at the top of the file; empty for settings that stand at the top themselves.
    pub name: &'static str,
    /// What it holds, for the reference page.
    pub holds: &'static str,
    /// Where references to secrets may stand in it.
    pub references: References,
    /// What it looks like.
    pub shape: Shape,
}

/// Where references to secrets may stand in a section.
pub enum References {
    /// Nowhere: they are refused.
    Nowhere,
    /// In every value.
    Everywhere,
    /// Where this resolves them.
    Some(fn(&mut SecretResolver<'_>, &mut Value, &LazyPath<'_>)),
}

/// What a section looks like.
pub enum Shape {
    /// A map of options.
    Options(fn() -> Description),
    /// Maps of options, by name.
    Named(fn() -> Description),
    /// No map: settings at the top of the file.
    Top(fn() -> Description),
    /// Something else, with this schema.
    Other(fn(&Registry) -> Value),
}

/// What is said of a section that is a map of options by name.
pub struct NamedOptions {
    /// Its key at the top of the file.
    pub section: &'static str,
    /// What it has by name, such as `queues`.
    pub things: &'static str,
    /// The options that each needs, such as `url and sign`.
    pub needs: &'static str,
    /// One of them as it is written, such as `{url: …}`.
    pub example: &'static str,
}

/// There are problems with a section; they are in [`SectionReader::problems`].
#[derive(Debug, Clone, Copy)]
pub struct Invalid;

/// The sections while they are read, in the order of the table.
pub struct SectionReader<'a, 'r> {
    /// The top of the file, references resolved.
    pub top: &'a Map<String, Value>,
    /// What knows which values came from references.
    pub resolver: &'a mut SecretResolver<'r>,
    /// The folders at which relative paths begin.
    pub folders: &'a Folders,
    /// Which node of the fleet reads it.
    pub id: Option<&'a str>,
    /// The entry of that node, once `node` was read.
    pub own_node: Option<Params>,
    /// What is wrong so far.
    pub problems: Vec<Problem>,
}

impl<'a> SectionReader<'a, '_> {
    /// The value of this key; null is nothing.
    pub fn given(&self, name: &str) -> Option<&'a Value> {
        self.top.get(name).filter(|value| !value.is_null())
    }

    /// The section that this describes, checked, with the defaults filled in.
    ///
    /// # Errors
    /// When something is wrong with it.
    pub fn section(&mut self, description: &Description) -> Result<Options, Invalid> {
        let at = Path::top().key(&description.type_name);
        let given = match self.given(&description.type_name) {
            None => Map::new(),
            Some(Value::Object(map)) => map.clone(),
            Some(other) => {
                let problem = not_a_map(description, other, at);
                return Err(self.wrong(problem));
            }
        };
        self.options(description, &given, &at)
    }

    /// Options that stand at this place, checked, with the defaults filled in.
    ///
    /// # Errors
    /// When something is wrong with one.
    pub fn options(
        &mut self,
        description: &Description,
        given: &Params,
        at: &Path,
    ) -> Result<Options, Invalid> {
        let given = self.resolver.typed(description, given, at);
        self.check(description, &given, at)
    }

    /// As [`Self::options`], of options that do not all stand in the file.
    ///
    /// # Errors
    /// When something is wrong with one.
    pub fn check(
        &mut self,
        description: &Description,
        given: &Params,
        at: &Path,
    ) -> Result<Options, Invalid> {
        let (options, problems) = description.check_map(given, at);
        let good = problems.is_empty();
        self.problems.extend(problems);
        if !good {
            return Err(Invalid);
        }
        self.problems.extend(description.remarks(&options, at));
        Ok(options)
    }

    /// Options as a struct of the section's own.
    ///
    /// # Errors
    /// When they do not fit the struct.
    pub fn parse<T: DeserializeOwned>(&mut self, options: &Options, at: &Path) -> Result<T, Invalid> {
        options.parse().map_err(|error| self.wrong(error.problem(&options.0, at)))
    }

    /// A section that is a map of options by name: `one` reads the options of each, whose place it gets.
    ///
    /// # Errors
    /// When something is wrong with it, or with one of them.
    pub fn named<T>(
        &mut self,
        named: &NamedOptions,
        mut one: impl FnMut(&mut Self, &str, &Params, &Path) -> Result<T, Invalid>,
    ) -> Result<Vec<T>, Invalid> {
        let NamedOptions { section, things, needs, example } = named;
        let at = Path::top().key(section);
        let given = match self.given(section) {
            None => return Ok(Vec::new()),
            Some(Value::Object(given)) => given,
            Some(other) => {
                let message = format!("expected a map of {things} by name, found {}", kind_of(other));
                let help = format!("write  {section}: {{NAME: {example}}}");
                return Err(self.wrong(Problem::error(at, message).help(help)));
            }
        };
        let mut all = Vec::new();
        for (name, options) in given {
            let at = at.key(name);
            all.push(match options {
                Value::Object(options) => one(self, name, options, &at),
                other => {
                    let message = format!("expected a map with {needs}, found {}", kind_of(other));
                    let help = format!("write  NAME: {example}");
                    Err(self.wrong(Problem::error(at, message).help(help)))
                }
            });
        }
        all.into_iter().collect()
    }

    /// Notes what is wrong.
    pub fn wrong(&mut self, problem: Problem) -> Invalid {
        self.problems.push(problem);
        Invalid
    }
}

fn not_a_map(description: &Description, found: &Value, at: Path) -> Problem {
    let known: Vec<&str> = description.options.iter().map(|option| &*option.name).collect();
    let message = match known.split_last() {
        Some((last, first)) if !first.is_empty() && known.len() <= FEW => {
            format!("expected a map with {} and {last}", first.join(", "))
        }
        _ => format!("expected a map, found {}", kind_of(found)),
    };
    let problem = Problem::error(at, message);
    match description.example.as_str() {
        "" => problem,
        example => problem.help(format!("write  {example}")),
    }
}

/// Every key that the top of the file may have.
#[must_use]
pub fn names(sections: &[&Section]) -> Vec<String> {
    let names = sections.iter().map(|section| match section.shape {
        Shape::Top(describe) => describe().options.into_iter().map(|option| option.name).collect(),
        _ => vec![section.name.to_owned()],
    });
    names.flatten().collect()
}

/// The sections whose entries have names that people choose, and what one is called. Routers, nodes and applications
/// are checked where they are read.
const NAMED: [(&str, &str); 7] = [
    ("trigger", "a trigger"),
    ("selector", "a selector"),
    ("executor", "an executor"),
    ("preset", "a preset"),
    ("etcd", "an etcd"),
    ("queue", "a queue"),
    ("board", "a board"),
];

/// Names that hold nothing: nobody could ask for what they name.
pub fn empty_names(top: &Map<String, Value>) -> impl Iterator<Item = Problem> {
    let empty =
        NAMED.iter().filter(|(section, _)| top.get(*section).is_some_and(|named| named.get("").is_some()));
    empty.map(|(section, what)| {
        let at = Path::top().key(section).key("");
        Problem::error(at, format!("the name of {what} must not be empty")).at_key()
    })
}

/// Resolves references where they are allowed, and refuses them elsewhere.
pub fn resolve(sections: &[&Section], resolver: &mut SecretResolver<'_>, top: &mut Map<String, Value>) {
    for (name, value) in top.iter_mut() {
        let at = LazyPath::section(name);
        let section = sections.iter().find(|section| section.name == name);
        match section.map_or(&References::Nowhere, |section| &section.references) {
            References::Nowhere => resolver.refuse(value, &at),
            References::Everywhere => resolver.resolve(value, &at),
            References::Some(resolve) => resolve(resolver, value, &at),
        }
    }
}
