//! THE table of component types that the daemon knows.

use herald_core::registry::Registry;
use herald_plugin_host::LoadedPlugin;

use crate::executor::{MAX_JOBS_ELSEWHERE, with_max_jobs};
use crate::{executor, selector, trigger};

/// All types: those of plugins first, so that they are asked before the built-in ones.
#[must_use]
pub fn registry(plugins: &[LoadedPlugin]) -> Registry {
    let mut registry = Registry::default();
    for plugin in plugins {
        registry.triggers.extend(plugin.triggers.iter().cloned());
        registry.selectors.extend(plugin.selectors.iter().cloned());
        let executors = plugin.executors.iter().cloned();
        registry.executors.extend(executors.map(|component| with_max_jobs(component, None)));
    }
    #[cfg(feature = "hello")]
    {
        registry.triggers.add(hello::trigger());
        registry.selectors.add(hello::selector());
        registry.executors.add(with_max_jobs(hello::executor(), None));
    }
    #[cfg(feature = "gogs-hook")]
    {
        registry.triggers.add(gogs_hook::trigger());
        registry.selectors.add(gogs_hook::selector());
    }
    let triggers = [
        trigger::cron::component(),
        trigger::etcd::component(),
        trigger::expect::component(),
        trigger::http::component(),
        trigger::queue::component(),
        trigger::tick::component(),
    ];
    let selectors = [
        selector::all::component(),
        selector::changed::component(),
        selector::except_map::component(),
        selector::expr::component(),
        selector::external::component(),
        selector::match_map::component(),
        selector::skip::component(),
    ];
    let executors = [
        with_max_jobs(executor::http_remote::component(), Some(MAX_JOBS_ELSEWHERE)),
        with_max_jobs(executor::http_request::component(), Some(MAX_JOBS_ELSEWHERE)),
        with_max_jobs(executor::local::component(), None),
        with_max_jobs(executor::mail::component(), Some(executor::mail::MAX_JOBS)),
        executor::none::component(),
        executor::print::component(),
        with_max_jobs(executor::publish::component(), None),
        with_max_jobs(executor::queue::component(), Some(executor::queue::MAX_JOBS)),
    ];
    registry.triggers.extend(triggers);
    registry.selectors.extend(selectors);
    registry.executors.extend(executors);
    registry
}
