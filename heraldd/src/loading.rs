//! Reads a configuration with all that it needs (plugins, types, components), as far as nothing is started.

use std::collections::BTreeMap;
use std::path::Path;

use herald_config::listener_override::ListenerOverride;
use herald_core::activation::Name;
use herald_core::registry::Registry;
use herald_core::spec::Proof;
use herald_core::yaml::Problems;
use herald_log::ProgramLog;
use herald_plugin_host::LoadedPlugin;

use crate::assembly::Assembly;
use crate::components;
use crate::config::{self, ConfigSource, ConfiguredComponent, DaemonConfig, ReadError};

/// A configuration that was read and checked, with what it needs.
pub struct Loaded {
    /// The configuration.
    pub config: DaemonConfig,
    /// The types that it could use.
    pub registry: Registry,
    /// Its components.
    pub assembly: Assembly,
}

/// Why a configuration cannot be used. The text is for people.
#[derive(Debug, thiserror::Error)]
pub enum ConfigLoadError {
    /// What has no place in the text: there is no such file, say.
    #[error("{0}")]
    Whole(String),
    /// Problems at their places.
    #[error("{0}")]
    Places(Problems),
}

impl From<ReadError> for ConfigLoadError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Yaml(problems) => Self::Places(problems),
            other => Self::Whole(other.to_string()),
        }
    }
}

/// The types that a configuration may use.
pub struct AvailableTypes {
    /// Those of its plugins, and the built-in ones.
    pub registry: Registry,
    /// Plugins that could not be loaded: their place in [`config::plugins`], and why.
    pub not_loaded: Vec<(usize, String)>,
}

/// Loads the plugins of a configuration. Blocks.
#[must_use]
pub fn types(source: &ConfigSource) -> AvailableTypes {
    let mut plugins: Vec<LoadedPlugin> = Vec::new();
    let mut not_loaded = Vec::new();
    for (place, path) in config::plugins(source).iter().enumerate() {
        match herald_plugin_host::load(std::slice::from_ref(path)) {
            Ok(loaded) => plugins.extend(loaded),
            Err(errors) => not_loaded.extend(errors.0.into_iter().map(|error| (place, error.to_string()))),
        }
    }
    AvailableTypes { registry: components::registry(&plugins), not_loaded }
}

/// What the types of the selectors say beforehand of their answers.
fn proofs(config: &DaemonConfig, registry: &Registry) -> BTreeMap<Name, Proof> {
    let proof = |selector: &ConfiguredComponent| {
        let proof = registry.selectors.get(&selector.type_name)?.description.proof?;
        Some((Name::from(&*selector.name), proof))
    };
    config.selectors.iter().filter_map(proof).collect()
}

/// Reads and checks a configuration; `id` is which node of the fleet this is. Components that are the same as in
/// `before` are kept. Blocks.
///
/// # Errors
/// Every problem that was found.
pub fn load(path: &Path, id: Option<&str>, before: Option<&Assembly>) -> Result<Loaded, ConfigLoadError> {
    load_at(path, id, before.and_then(|before| before.http_host.clone()), before)
}

/// The same, with `http` triggers that listen there instead of where the configuration says.
///
/// # Errors
/// As [`load`].
pub fn load_at(
    path: &Path,
    id: Option<&str>,
    http_host: Option<ListenerOverride>,
    before: Option<&Assembly>,
) -> Result<Loaded, ConfigLoadError> {
    let mut source = config::read(path)?;
    source.http_host.clone_from(&http_host);
    source.id = id.map(str::to_owned);
    source.etcd = before.map(|before| before.etcd.clone()).unwrap_or_default();
    source.queues = before.map(|before| before.queues.clone()).unwrap_or_default();
    source.apps = before.map(|before| before.memories.clone()).unwrap_or_default();
    source.drained = before.map(|before| before.drained.clone()).unwrap_or_default();
    let drained = source.drained.clone();
    let AvailableTypes { registry, not_loaded } = types(&source);
    let config =
        config::check_with_plugins(source, &registry, &not_loaded).map_err(ConfigLoadError::Places)?;
    let mut assembly = Assembly::build(&config, before);
    assembly.drained = drained;
    assembly.http_host = http_host;
    assembly.proofs = proofs(&config, &registry);
    Ok(Loaded { config, registry, assembly })
}

/// Logs what starts, and what is doubtful about its configuration.
pub fn log_startup(path: &Path, config: &DaemonConfig, log: &ProgramLog) {
    tracing::info!(version = env!("CARGO_PKG_VERSION"), config = %path.display(), "heraldd starts");
    config.warnings.iter().for_each(|warning| log.report(warning, false));
}
