//! THE table of component types that the daemon knows.

use herald_core::registry::Registry;

use crate::plugin::LoadedPlugin;
use crate::{executor, selector, trigger};

/// All types: those of plugins first, so that they are asked before the built-in ones.
#[must_use]
pub fn registry(plugins: &[LoadedPlugin]) -> Registry {
    let mut registry = Registry::default();
    for plugin in plugins {
        plugin.triggers.iter().for_each(|component| drop(registry.triggers.add(component.clone())));
        plugin.selectors.iter().for_each(|component| drop(registry.selectors.add(component.clone())));
        plugin.executors.iter().for_each(|component| drop(registry.executors.add(component.clone())));
    }
    let triggers = [trigger::cron::component(), trigger::http::component(), trigger::tick::component()];
    let selectors = [
        selector::all::component(),
        selector::except_map::component(),
        selector::external::component(),
        selector::match_map::component(),
        selector::skip::component(),
    ];
    let executors = [
        executor::http_remote::component(),
        executor::local::component(),
        executor::none::component(),
        executor::print::component(),
    ];
    triggers.into_iter().for_each(|component| drop(registry.triggers.add(component)));
    selectors.into_iter().for_each(|component| drop(registry.selectors.add(component)));
    executors.into_iter().for_each(|component| drop(registry.executors.add(component)));
    registry
}
