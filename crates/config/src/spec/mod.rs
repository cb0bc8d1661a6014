//! What a component type is: its name, its options with their kinds, defaults and docs, an example, and how one
//! is made. The reference page and the JSON Schema are generated from these.

mod check;
mod check_error;
mod fields;
pub mod home;
mod looked_at;
pub mod markdown;
mod named;
mod named_part;
mod path_use;
pub mod plain;
mod schema;
mod size;
mod url;
mod value_error;

use std::sync::Arc;

pub use check_error::CheckError;
pub use looked_at::{LookedAt, Looks, one_key};
pub use named_part::{NamedPart, NamedParts};
pub use path_use::PathUse;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::Params;
use crate::component_error::ComponentError;
use crate::problem::{Path, Problem};

/// What values an option takes.
#[derive(Clone)]
pub enum OptionKind {
    /// Any JSON value.
    Any,
    /// A text.
    Text,
    /// A text that is secret: never shown; empty is an error.
    Secret,
    /// One secret or a list of them: all are accepted, the first signs.
    Secrets,
    /// True or false.
    Boolean,
    /// A whole number within bounds, both included.
    Integer {
        /// Smallest.
        min: i64,
        /// Largest.
        max: i64,
    },
    /// Seconds as a number, or a duration such as `1m30s`; must be more than zero.
    Duration,
    /// Bytes as a number, or a size such as `16MiB`.
    Size,
    /// A path of the file system.
    FilePath,
    /// An `http://` or `https://` URL.
    Url,
    /// One string or a list of strings.
    Texts,
    /// One of these texts.
    OneOf(&'static [&'static str]),
    /// A map from names to anything.
    Map,
    /// A map of options of its own.
    Fields(Vec<OptionSpec>),
    /// Several of these, by name.
    NamedFields(Vec<OptionSpec>),
}

/// A further check of one option's value, after its kind. `Arc`, since plugins check theirs with a closure.
pub type OptionCheck = Arc<dyn Fn(&Value) -> Result<(), CheckError> + Send + Sync>;

/// What makes an option's value useless on this machine; paths begin at the option. It looks, and changes
/// nothing.
pub type MachineCheck = Arc<dyn Fn(&Value) -> Vec<Problem> + Send + Sync>;

/// One option of a component type.
#[derive(Clone)]
pub struct OptionSpec {
    /// The key in YAML.
    pub name: String,
    /// What values it takes.
    pub kind: OptionKind,
    /// Whether it must be given.
    pub required: bool,
    /// Of [`OptionKind::Any`]: the values that its check accepts, for the reference: `duration or 0`.
    pub takes: Option<&'static str>,
    /// What it is when not given.
    pub default: Option<Value>,
    /// What it does, units included: one or two sentences.
    pub doc: String,
    /// A further check.
    pub check: Option<OptionCheck>,
    /// What only the machine can tell that the configuration is for.
    pub machine_check: Option<MachineCheck>,
    /// For a parameter that may be missing but hardly ever should: what then happens, as the end of a sentence.
    pub missing_means: Option<String>,
    /// Of a parameter: it is a program, which no event may write. It cannot be a template.
    pub is_code: bool,
    /// What of the same configuration its value names.
    pub names: Option<NamedPart>,
}

impl OptionSpec {
    /// An option that may be left out.
    pub fn new(name: &str, kind: OptionKind, doc: &str) -> Self {
        Self {
            name: name.to_owned(),
            kind,
            required: false,
            takes: None,
            default: None,
            doc: doc.to_owned(),
            check: None,
            machine_check: None,
            missing_means: None,
            is_code: false,
            names: None,
        }
    }

    /// It must be given.
    #[must_use]
    pub fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// Of [`OptionKind::Any`]: the values that its check accepts, in the words of the reference: `duration or 0`.
    #[must_use]
    pub fn takes(mut self, values: &'static str) -> Self {
        self.takes = Some(values);
        self
    }

    /// What it is when not given.
    #[must_use]
    pub fn default(mut self, value: impl Into<Value>) -> Self {
        self.default = Some(value.into());
        self
    }

    /// It may be missing, but hardly ever should: what then happens, as the end of a sentence for a warning.
    #[must_use]
    pub fn missing_means(mut self, means: &str) -> Self {
        self.missing_means = Some(means.to_owned());
        self
    }

    /// It is a program, which no event may write.
    #[must_use]
    pub fn code(mut self) -> Self {
        self.is_code = true;
        self
    }

    /// Its value names something in this section of the same configuration, which must be there.
    #[must_use]
    pub fn naming(mut self, section: &'static str) -> Self {
        self.names = Some(NamedPart { section, takes_patterns: false });
        self
    }

    /// The same, or it is a pattern of such names.
    #[must_use]
    pub fn naming_patterns(mut self, section: &'static str) -> Self {
        self.names = Some(NamedPart { section, takes_patterns: true });
        self
    }

    /// Of [`OptionKind::Size`]: within these bounds, both included, in bytes.
    #[must_use]
    pub fn within_sizes(self, least: u64, most: u64) -> Self {
        self.check(move |size| size::size_within(size, least, most))
    }

    /// A further check of the value, after its kind was found right. Of [`OptionKind::Fields`] an error that
    /// names one of them is shown there.
    #[must_use]
    pub fn check<E: Into<CheckError>>(
        mut self,
        check: impl Fn(&Value) -> Result<(), E> + Send + Sync + 'static,
    ) -> Self {
        self.check = Some(Arc::new(move |value| check(value).map_err(Into::into)));
        self
    }

    /// Looks at this machine, of a value that is right.
    #[must_use]
    pub fn machine_check(mut self, check: impl Fn(&Value) -> Vec<Problem> + Send + Sync + 'static) -> Self {
        self.machine_check = Some(Arc::new(check));
        self
    }

    /// Its value is a path that is used like this.
    #[must_use]
    pub fn used_as(self, path_use: PathUse) -> Self {
        self.check(move |path| path_use.check(path)).machine_check(move |path| path_use.machine_check(path))
    }
}

/// The options given to a component, checked and with defaults filled in.
#[derive(Clone, Default, PartialEq)]
pub struct Options(pub Params);

impl Options {
    /// As a struct of the component's own. Durations and sizes stay as written: see [`herald_base::unit`].
    ///
    /// # Errors
    /// When a value does not fit; the message names the option, not its value.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, ComponentError> {
        serde_json::from_value(Value::Object(self.0.clone())).map_err(ComponentError::new)
    }
}

impl std::fmt::Debug for Options {
    /// Keys only: values may be secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// What a selector is sure to say when only some of the `trigger_param` is known: (known part, `select_param`).
/// A key that is missing at the top of the known part may still come; `None` is "cannot tell". Validation finds
/// chains that feed themselves with it.
pub type Proof = fn(&Params, &Params) -> Option<bool>;

/// What is not wrong with a component's options, and deserves a warning. Paths begin at the component.
pub type Doubts = fn(&Options) -> Vec<Problem>;

/// What is wrong with parameters together, each of which is right by itself. Paths begin at the parameters.
pub type ParamsCheck = fn(&Params) -> Vec<Problem>;

/// The part of a component type that people read.
#[derive(Clone)]
pub struct Description {
    /// The `type` in YAML.
    pub type_name: String,
    /// What it does, in one or two sentences.
    pub doc: String,
    /// Its options, in the order in which they are documented.
    pub options: Vec<OptionSpec>,
    /// For selectors: what it reads from `select_param`; for executors: from `job_param`. Same shape as options.
    pub params: Vec<OptionSpec>,
    /// Whether a parameter that nearly bears the name of one of `params` is an error rather than a warning: a misspelt
    /// `match_value` must not silently select more than was meant. Further parameters are allowed all the same; scripts
    /// see them.
    pub refuse_near_misses: bool,
    /// What is wrong with several of `params` together, see [`ParamsCheck`].
    pub params_check: Option<ParamsCheck>,
    /// For selectors: what it can prove of its answer, see [`Proof`].
    pub proof: Option<Proof>,
    /// For selectors: what they look at in an event, see [`Looks`].
    pub looks: Option<Looks>,
    /// What deserves a warning, see [`Doubts`].
    pub doubts: Option<Doubts>,
    /// For triggers: what the `trigger_param` holds, as (name, what).
    pub gives: Vec<(String, String)>,
    /// A YAML snippet that shows it at work: a whole configuration that validates.
    pub example: String,
}

impl Description {
    /// Without options.
    #[must_use]
    pub fn new(type_name: &str, doc: &str) -> Self {
        Self {
            type_name: type_name.to_owned(),
            doc: doc.to_owned(),
            options: Vec::new(),
            params: Vec::new(),
            refuse_near_misses: false,
            params_check: None,
            proof: None,
            looks: None,
            doubts: None,
            gives: Vec::new(),
            example: String::new(),
        }
    }

    /// Adds an option.
    #[must_use]
    pub fn option(mut self, option: OptionSpec) -> Self {
        self.options.push(option);
        self
    }

    /// Adds a parameter that is read from `select_param` or `job_param`.
    #[must_use]
    pub fn param(mut self, param: OptionSpec) -> Self {
        self.params.push(param);
        self
    }

    /// A misspelt parameter is an error, not only a warning.
    #[must_use]
    pub fn refuse_near_misses(mut self) -> Self {
        self.refuse_near_misses = true;
        self
    }

    /// Says what is wrong with parameters together.
    #[must_use]
    pub fn params_check(mut self, check: ParamsCheck) -> Self {
        self.params_check = Some(check);
        self
    }

    /// Says what a selector can prove of its answer.
    #[must_use]
    pub fn proof(mut self, proof: Proof) -> Self {
        self.proof = Some(proof);
        self
    }

    /// Says what a selector looks at in an event.
    #[must_use]
    pub fn looks(mut self, looks: Looks) -> Self {
        self.looks = Some(looks);
        self
    }

    /// Says what deserves a warning, of options in which nothing is wrong.
    #[must_use]
    pub fn doubts(mut self, doubts: Doubts) -> Self {
        self.doubts = Some(doubts);
        self
    }

    /// Says what the `trigger_param` holds.
    #[must_use]
    pub fn gives(mut self, name: &str, what: &str) -> Self {
        self.gives.push((name.to_owned(), what.to_owned()));
        self
    }

    /// What deserves to be said of options in which nothing is wrong, and what makes them useless on this machine.
    #[must_use]
    pub fn remarks(&self, options: &Options, at: &Path) -> Vec<Problem> {
        let doubts = self.doubts.map(|doubts| doubts(options)).unwrap_or_default();
        let checked = self.options.iter().filter_map(|spec| {
            let value = options.0.get(&spec.name).filter(|value| !value.is_null())?;
            let found = spec.machine_check.as_ref()?(value);
            let own = Path::top().key(&spec.name);
            Some(found.into_iter().map(move |problem| Problem { path: own.join(&problem.path), ..problem }))
        });
        let found = doubts.into_iter().chain(checked.flatten());
        found.map(|problem| Problem { path: at.join(&problem.path), ..problem }).collect()
    }

    /// Sets the example.
    #[must_use]
    pub fn example(mut self, yaml: &str) -> Self {
        yaml.clone_into(&mut self.example);
        self
    }
}
