//! MiniJinja as templates use it: what is not defined is an error, nothing is escaped, and nothing takes long.

use std::sync::{Arc, LazyLock};

use minijinja::{Environment, Error, ErrorKind, Output, UndefinedBehavior, Value as Made};
use serde_json::Value;

use super::convert::{self, Lazy};
use super::{filter, heartbeat};
use crate::value::param::Params;
use heartbeat::PublishedSource;

/// Steps that rendering one text may take; a text of a few lines takes a few hundred. Whatever is created counts as
/// well, beforehand: a few dozen bytes are a step, so that this bounds the memory, too. There is enough for
/// [`LONGEST`].
const FUEL: u64 = 500_000;
/// Where expressions live that stand alone.
pub(super) static ALONE: LazyLock<Environment<'static>> = LazyLock::new(environment);
/// Takes everything for defined, to find names of filters and functions that nobody knows.
pub(super) static LENIENT: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = environment();
    environment.set_undefined_behavior(UndefinedBehavior::Chainable);
    environment
});

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    environment.set_formatter(|out, _, value| write_json(out, value));
    environment.set_fuel(Some(FUEL));
    // Errors then name the part of the text that they are about.
    environment.set_debug(true);
    filter::add_to(&mut environment);
    // Where the scope has none of its own.
    let heartbeat = || convert::to_made(&Value::Object(heartbeat::heartbeat(None)));
    environment.add_function(heartbeat::HEARTBEAT, heartbeat);
    environment
}

/// Within a text, values that are not strings look as they do in JSON, from which they come: MiniJinja writes them as
/// Python does.
fn write_json(out: &mut Output<'_>, value: &Made) -> Result<(), Error> {
    let written = match value.as_str() {
        Some(text) => out.write_str(text),
        None if value.is_undefined() => Ok(()),
        None => {
            let json = convert::to_json(value)
                .map_err(|why| Error::new(ErrorKind::BadSerialization, format!("the value {why}")))?;
            write!(out, "{json}")
        }
    };
    written.map_err(Error::from)
}

/// The variables of templates.
#[derive(Clone)]
pub struct Scope(pub(super) Made);

impl Scope {
    /// These names, each with a text or a number, and these with parameters.
    #[must_use]
    pub fn new(plain: &[(&'static str, Value)], params: &[(&'static str, &Arc<Params>)]) -> Self {
        let plain = plain.iter().map(|(name, value)| (*name, convert::to_made(value)));
        let params = params.iter().map(|(name, params)| (*name, Made::from_object(Lazy(Arc::clone(params)))));
        Self(Made::from_pairs(plain.chain(params)))
    }

    /// The same variables, and `heartbeat()` with these counts.
    #[must_use]
    pub fn with_published(self, source: Option<&Arc<dyn PublishedSource>>) -> Self {
        let Some(source) = source else { return self };
        let function = [(heartbeat::HEARTBEAT, heartbeat::function(source))];
        Self(minijinja::context! { ..Made::from_pairs(function), ..self.0 })
    }
}

/// Whether it is one of MiniJinja's own names.
pub(super) fn is_global(name: &str) -> bool {
    ALONE.globals().any(|(global, _)| global == name)
}
