//! What selectors look at in the events of `exe_done` and `node_state`: whether such events have it, and whether there
//! are routers, tasks and components of the names with which it is compared.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use serde_json::Value;

use super::model::KnownComponents;
use crate::component::spec::{Description, LookedAt};
use crate::event::activation::{EXE_DONE, INTERNAL, NODE_STATE};
use crate::event::exe_done::descriptions;
use crate::value::param::Params;
use herald_config::problem::{Path, Problem, near_miss};

/// The ends of a job that fire `exe_done`.
const ENDS: [&str; 5] = ["succeeded", "failed", "timed_out", "cancelled", "lost"];

/// The names of things, by what they are.
type KnownNames<'a> = BTreeMap<&'static str, BTreeSet<&'a str>>;

/// What such events hold in this configuration.
pub(super) struct InternalEvents<'a> {
    /// The section, as it is written.
    routers: &'a Value,
    known: &'a KnownComponents<'a>,
    /// The keys of each.
    keys: BTreeMap<&'static str, Vec<String>>,
    /// Of `exe_done`: the values that a key can have. Most configurations never ask.
    names: OnceLock<KnownNames<'a>>,
}

impl<'a> InternalEvents<'a> {
    /// `routers`: the section, as it is written.
    pub(super) fn of(routers: &'a Value, known: &'a KnownComponents<'_>) -> Self {
        let described = descriptions();
        let keys = |name: &'static str| {
            let of_it = described.iter().find(|it| it.type_name == name).into_iter().flat_map(|it| &it.gives);
            let keys = of_it.flat_map(|(names, _)| names.split(", ")).map(str::to_owned);
            (name, keys.collect())
        };
        let keys = [keys(EXE_DONE), keys(NODE_STATE)].into();
        Self { routers, known, keys, names: OnceLock::new() }
    }

    fn names(&self) -> &KnownNames<'a> {
        self.names.get_or_init(|| {
            let all = || self.routers.as_object().into_iter().flatten();
            let tasks = all()
                .filter_map(|(_, router)| router.get("task")?.as_object())
                .flat_map(|tasks| tasks.keys());
            fn of<'k>(known: &'k BTreeMap<String, Option<&Description>>) -> impl Iterator<Item = &'k str> {
                known.keys().map(String::as_str)
            }
            let names = [
                ("router", all().map(|(name, _)| name.as_str()).collect()),
                ("task", tasks.map(String::as_str).collect()),
                ("trigger", of(&self.known.triggers).chain(INTERNAL).collect()),
                ("selector", of(&self.known.selectors).collect()),
                ("executor", of(&self.known.executors).collect()),
                ("status", ENDS.into_iter().collect()),
            ];
            names.into()
        })
    }

    /// A warning for each key that no event of this trigger has, and for each name that nothing has.
    pub(super) fn doubts(
        &self,
        trigger: &str,
        selector: Option<&Description>,
        params: &Params,
    ) -> Vec<Problem> {
        let Some((trigger, keys)) = self.keys.get_key_value(trigger) else { return Vec::new() };
        let looked_at = selector.and_then(|it| it.looks).map(|looks| looks(params)).unwrap_or_default();
        let doubt = |at: &LookedAt| {
            let first = at.path.first()?;
            if keys.contains(first) {
                return Some(if *trigger == EXE_DONE { self.unknown_names(at) } else { Vec::new() });
            }
            Some(vec![unknown_key(trigger, first, keys, at.param)])
        };
        looked_at.iter().filter_map(doubt).flatten().collect()
    }

    fn unknown_names(&self, at: &LookedAt) -> Vec<Problem> {
        let [key] = at.path.as_slice() else { return Vec::new() };
        let Some((kind, names)) = self.names().get_key_value(key.as_str()) else { return Vec::new() };
        let unknown = at.compared.iter().filter(|(_, name)| !names.contains(name.as_str()));
        let doubt = |(param, name): &(&'static str, String)| {
            let problem = Problem::warning(Path::top().key(param), format!("there is no {kind} \"{name}\""));
            let problem = problem.within(name.as_str());
            match near_miss(name, names.iter().copied()) {
                Some(meant) => problem.help(format!("did you mean \"{meant}\"?")),
                None if *kind == "status" => problem.help(format!("expected one of: {}", ENDS.join(", "))),
                None => problem,
            }
        };
        unknown.map(doubt).collect()
    }
}

fn unknown_key(trigger: &str, key: &str, keys: &[String], param: &'static str) -> Problem {
    let what = format!("an event of `{trigger}` has no `{key}`");
    let known = || keys.iter().map(String::as_str);
    let with_dots = key.split_once('.').filter(|(first, _)| known().any(|known| known == *first));
    let help = match (with_dots, near_miss(key, known())) {
        (Some(_), _) => format!("write  {}", key.replace('.', "/")),
        (None, Some(meant)) => format!("did you mean `{meant}`?"),
        (None, None) => format!("it has: {}", keys.join(", ")),
    };
    Problem::warning(Path::top().key(param), what).within(key).help(help)
}
