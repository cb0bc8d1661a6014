//! Checks options that have options of their own.

use std::borrow::Cow;

use serde_json::Value;

use super::{Description, OptionKind, OptionSpec, Options};
use crate::Params;
use crate::problem::{Path, Problem, kind_of};

/// The value with the defaults of its own options filled in, where it has any.
pub(super) fn fields<'v>(
    spec: &OptionSpec,
    value: &'v Value,
    at: &dyn Fn() -> Path,
) -> Result<Cow<'v, Value>, Vec<Problem>> {
    let (OptionKind::Fields(options) | OptionKind::NamedFields(options), Value::Object(given)) =
        (&spec.kind, value)
    else {
        return Ok(Cow::Borrowed(value));
    };
    let at = &at();
    let description = Description { options: options.clone(), ..Description::new(&spec.name, "") };
    let (checked, problems) = match spec.kind {
        OptionKind::NamedFields(_) => named(&description, given, at),
        _ => description.check_map(given, at),
    };
    if problems.is_empty() { Ok(Cow::Owned(Value::Object(checked.0))) } else { Err(problems) }
}

/// Maps of options by name, each checked.
fn named(description: &Description, given: &Params, at: &Path) -> (Options, Vec<Problem>) {
    let (mut all, mut problems) = (Params::new(), Vec::new());
    for (name, one) in given {
        let at = at.key(name);
        let Value::Object(one) = one else {
            let message = format!("expected a map of options, found {}", kind_of(one));
            problems.push(Problem::error(at, message));
            continue;
        };
        let (options, found) = description.check_map(one, &at);
        all.insert(name.clone(), Value::Object(options.0));
        problems.extend(found);
    }
    (Options(all), problems)
}
