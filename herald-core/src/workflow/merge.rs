//! Makes one set of parameters from those of several levels.

use std::collections::{HashMap, HashSet};
use std::ptr;
use std::sync::Arc;

use herald_config::problem::{Path, Problem};

use super::route_params::RouteParams;
use crate::component::spec::Description;
use crate::event::activation::{EXE_DONE, Name};
use crate::template::Template;
use crate::value::param::Params;

/// The key of a level that names its presets; it is not a parameter.
const PRESET: &str = "preset";
/// From so many routers on, most of them wait for an event for a long time.
const MANY: usize = 1000;

/// One source of parameters: a level's own, or a preset.
pub(super) struct Layer<'a> {
    pub(super) params: &'a Params,
    /// Where they are written.
    pub(super) at: Path,
    pub(super) is_preset: bool,
}

/// What the layers of a task give together.
pub(super) struct Merged<'a> {
    pub(super) params: Arc<Params>,
    /// As routes hold them.
    pub(super) held: RouteParams,
    pub(super) template: Option<Arc<Template>>,
    /// What is wrong with the templates.
    pub(super) found: Vec<Problem>,
    /// With which descriptions, and for events of which triggers, nothing was found to be wrong.
    right_for: Vec<(Option<&'a Description>, Option<Name>)>,
}

/// The results so far: tasks with the same sources share one, so that the routers which name a preset hold it once
/// (twice where two threads read them), and the tasks of a router its parameters.
#[derive(Default)]
pub(super) struct MergedParams<'a> {
    /// Whether what one router alone has is packed.
    packs: bool,
    /// Made of presets only.
    of_presets: HashMap<Sources, Merged<'a>>,
    /// What the router has that is being read.
    of_router: HashMap<Sources, Merged<'a>>,
}

/// Whether they are a job's, and where each layer is in memory.
type Sources = (bool, Vec<*const Params>);

impl<'a> MergedParams<'a> {
    /// For a configuration with so many routers.
    pub(super) fn new(routers: usize) -> Self {
        Self { packs: routers >= MANY, ..Self::default() }
    }

    /// Another router begins.
    pub(super) fn begin_router(&mut self) {
        self.of_router.clear();
    }

    /// What these layers give, key by key, the first one wins; compiled where they were not met before. `trigger`:
    /// they are those of a selector, for its events; otherwise those of a job.
    pub(super) fn of(
        &mut self,
        layers: [&[Layer<'a>]; 2],
        trigger: Option<&Name>,
        compile: impl FnOnce(&Params) -> (Option<Template>, Vec<Problem>),
    ) -> &mut Merged<'a> {
        let all = || layers.into_iter().flatten();
        let sources = (trigger.is_none(), all().map(|layer| ptr::from_ref(layer.params)).collect());
        let of_presets = all().all(|layer| layer.is_preset);
        // Which router's jobs end next is not known, so that its selectors are asked about all of them.
        let packs = self.packs && !of_presets && trigger.is_none_or(|trigger| &**trigger != EXE_DONE);
        let known = if of_presets { &mut self.of_presets } else { &mut self.of_router };
        known.entry(sources).or_insert_with(|| {
            let params = merge(layers);
            let (template, found) = compile(&params);
            let (params, template) = (Arc::new(params), template.map(Arc::new));
            let held = if packs { RouteParams::packed(&params) } else { params.clone().into() };
            Merged { params, held, template, found, right_for: Vec::new() }
        })
    }
}

impl<'a> Merged<'a> {
    /// Whether they were checked like this before, and nothing was wrong.
    pub(super) fn is_right_for(&self, description: Option<&Description>, trigger: Option<&Name>) -> bool {
        self.right_for.iter().any(|(before, of)| {
            before.map(ptr::from_ref) == description.map(ptr::from_ref) && of.as_ref() == trigger
        })
    }

    /// They were checked like this, and nothing is wrong.
    pub(super) fn set_right_for(&mut self, description: Option<&'a Description>, trigger: Option<&Name>) {
        self.right_for.push((description, trigger.cloned()));
    }
}

/// The layer that a key comes from.
pub(super) fn origin<'l, 'a>(layers: [&'l [Layer<'a>]; 2], key: &str) -> Option<&'l Layer<'a>> {
    layers.into_iter().flatten().find(|layer| key != PRESET && layer.params.contains_key(key))
}

fn merge(layers: [&[Layer<'_>]; 2]) -> Params {
    let mut known: HashSet<&str> = HashSet::new();
    let all = layers.into_iter().flatten().flat_map(|layer| layer.params);
    let first: Vec<_> = all.filter(|(key, _)| *key != PRESET && known.insert(key)).collect();
    // As many as there are: maps that grow have room for more, and these stay for as long as the configuration.
    let mut merged = Params::with_capacity(first.len());
    merged.extend(first.into_iter().map(|(key, value)| (key.clone(), value.clone())));
    merged
}
