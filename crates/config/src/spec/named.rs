//! Whether what options and parameters name is there, in the same configuration.

use std::collections::BTreeSet;

use herald_base::name_pattern::{is_pattern, matches};
use herald_base::near_miss::near_miss;
use herald_base::template_mark::holds_template;
use serde_json::Value;

use super::named_part::{NamedPart, NamedParts};
use super::{Description, OptionSpec};
use crate::Params;
use crate::problem::{Path, Problem};

impl Description {
    /// What is wrong with the names among these options, which were checked otherwise.
    #[must_use]
    pub fn check_option_names(&self, given: &Params, at: &Path, parts: &NamedParts<'_>) -> Vec<Problem> {
        names_of(&self.options, given, at, parts)
    }

    /// Whether a parameter names something, so that [`Self::check_param_names`] may find something.
    #[must_use]
    pub fn has_param_names(&self) -> bool {
        self.params.iter().any(|spec| spec.names.is_some())
    }

    /// The same for parameters.
    #[must_use]
    pub fn check_param_names(&self, given: &Params, at: &Path, parts: &NamedParts<'_>) -> Vec<Problem> {
        names_of(&self.params, given, at, parts)
    }
}

fn names_of(specs: &[OptionSpec], given: &Params, at: &Path, parts: &NamedParts<'_>) -> Vec<Problem> {
    let nothing = BTreeSet::new();
    let mut problems = Vec::new();
    for (part, option) in specs.iter().filter_map(|spec| Some((spec.names?, spec.name.as_str()))) {
        let (at, known) = (at.key(option), parts.0.get(part.section).unwrap_or(&nothing));
        match given.get(option) {
            Some(Value::String(name)) => problems.extend(problem(part, known, name, at)),
            Some(Value::Array(list)) => {
                let names = list.iter().enumerate().filter_map(|(n, name)| Some((n, name.as_str()?)));
                problems.extend(names.filter_map(|(n, name)| problem(part, known, name, at.index(n))));
            }
            _ => {}
        }
    }
    problems
}

fn problem(part: NamedPart, known: &BTreeSet<&str>, name: &str, at: Path) -> Option<Problem> {
    let what = part.section;
    if known.contains(name) || holds_template(&Value::from(name)) {
        return None;
    }
    if part.takes_patterns && is_pattern(name) {
        let is_there = known.iter().any(|one| matches(name, one));
        return (!is_there)
            .then(|| Problem::warning(at, format!("no {what} has a name that matches \"{name}\"")));
    }
    let problem = Problem::error(at, format!("unknown {what} \"{name}\""));
    Some(match near_miss(name, known.iter().copied()) {
        Some(meant) => problem.help(format!("did you mean \"{meant}\"?")),
        None => problem.help(format!("expected the name of a {what} of this configuration")),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::spec::OptionKind;

    #[test]
    fn names_are_there_or_a_near_miss_is_shown() {
        let description = Description::new("t", "")
            .option(OptionSpec::new("routers", OptionKind::Texts, "").naming_patterns("router"))
            .option(OptionSpec::new("trigger", OptionKind::Text, "").naming("trigger"))
            .option(OptionSpec::new("other", OptionKind::Text, ""));
        let mut parts = NamedParts::default();
        parts.0.insert("router", ["nightly", "deploy"].into_iter().collect());
        parts.0.insert("trigger", ["hook"].into_iter().collect());
        for (given, says) in [
            (json!({"routers": "nightly", "trigger": "hook", "other": "x"}), &[][..]),
            (json!({"routers": ["nightly", "dep*", "{{ trigger_param.x }}"], "trigger": null}), &[]),
            (
                json!({"routers": "nightyl"}),
                &["p.routers: unknown router \"nightyl\" (did you mean \"nightly\"?)"],
            ),
            (
                json!({"routers": ["x*", "hook"], "trigger": "nightly"}),
                &[
                    "p.routers[0]: no router has a name that matches \"x*\"",
                    "p.routers[1]: unknown router \"hook\" (expected the name of a router of this configuration)",
                    "p.trigger: unknown trigger \"nightly\" (expected the name of a trigger of this configuration)",
                ],
            ),
        ] {
            let found =
                description.check_option_names(given.as_object().unwrap(), &Path::top().key("p"), &parts);
            let found: Vec<String> = found.iter().map(ToString::to_string).collect();
            assert_eq!(found, says, "{given}");
        }
    }
}
