//! Loads plugins: shared libraries with the C table of `herald_core::plugin`.
//!
//! A plugin that misbehaves harms only itself: it is called on threads of its own that it may block, with deadlines;
//! what it answers is checked; a panic in it fails the call. It is trusted like the daemon's own code all the same: it
//! runs in the same process.

#![expect(unsafe_code, reason = "the plugin boundary is a table of C functions")]

mod calls;
mod component;
mod elf;
mod host;
mod library;
mod remote;
mod thread_pool;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use herald_base::os_error;
use herald_core::activation::INTERNAL;
use herald_core::executor::Executor;
use herald_core::plugin::description::{DescriptionError, Manifest, TypeMessage};
use herald_core::plugin::message::{self, ComponentKind};
use herald_core::selector::Selector;
use herald_core::spec::{ComponentType, ExecutorType, SelectorType, TriggerType};
use herald_core::trigger::{ComponentError, Trigger};

use component::{PluginExecutor, PluginSelector, PluginTrigger};
use library::{FileId, LibraryError};
use remote::{Instance, Remote};

pub use remote::CallTimeouts;

/// A plugin and the types that it gives, to be registered before the built-in ones.
#[derive(Clone)]
pub struct LoadedPlugin {
    /// What it calls itself.
    pub name: String,
    /// Its own version; may be empty.
    pub version: String,
    /// The file.
    pub path: PathBuf,
    /// Its types of triggers.
    pub triggers: Vec<TriggerType>,
    /// Its types of selectors.
    pub selectors: Vec<SelectorType>,
    /// Its types of executors.
    pub executors: Vec<ExecutorType>,
}

/// Why a plugin was not loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginError {
    /// Its file, as it was written.
    pub path: PathBuf,
    /// Why, as a sentence that goes on from the path.
    pub why: String,
}

impl std::fmt::Display for PluginError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "plugin {} {}", self.path.display(), self.why)
    }
}

/// Every plugin that was not loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginErrors(pub Vec<PluginError>);

impl std::fmt::Display for PluginErrors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (n, error) in self.0.iter().enumerate() {
            let end = if n == 0 { "" } else { "\n" };
            write!(f, "{end}{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for PluginErrors {}

/// Loads these plugins, in this order. One that was loaded before is not loaded again. Blocks: not for asynchronous
/// threads.
///
/// # Errors
/// All that is wrong, of every plugin.
pub fn load(paths: &[PathBuf]) -> Result<Vec<LoadedPlugin>, PluginErrors> {
    load_with(paths, CallTimeouts::default())
}

/// Like [`load`], with other time limits.
///
/// # Errors
/// As [`load`].
pub fn load_with(paths: &[PathBuf], timeouts: CallTimeouts) -> Result<Vec<LoadedPlugin>, PluginErrors> {
    let (mut plugins, mut errors) = (Vec::<LoadedPlugin>::new(), Vec::new());
    for path in paths {
        match load_one(path, timeouts) {
            Ok(plugin) if plugins.iter().any(|other| other.path == plugin.path) => {
                errors.push(PluginError { path: path.clone(), why: "is listed twice".to_owned() });
            }
            Ok(plugin) => plugins.push(plugin),
            Err(error) => {
                errors.push(PluginError { path: path.clone(), why: os_error::plain(&error.to_string()) })
            }
        }
    }
    if errors.is_empty() { Ok(plugins) } else { Err(PluginErrors(errors)) }
}

/// What this process has loaded. Nothing is ever unloaded.
static LOADED: Mutex<Vec<(FileId, LoadedPlugin)>> = Mutex::new(Vec::new());

/// Why a plugin cannot be used. Each is a sentence to be put behind the path.
#[derive(Debug, thiserror::Error)]
enum UnusablePlugin {
    #[error(transparent)]
    Library(#[from] LibraryError),
    #[error("did not describe itself: {0}")]
    NotDescribed(ComponentError),
    #[error("describes itself with {0}")]
    Unreadable(ComponentError),
    #[error("has no name")]
    NoName,
    #[error("has the {kind} type \"{name}\" twice")]
    TypeTwice { kind: ComponentKind, name: String },
    #[error("has the trigger type \"{0}\", which is reserved")]
    Reserved(String),
    #[error("describes itself incorrectly: {0}")]
    Description(#[from] DescriptionError),
}

fn load_one(written: &Path, timeouts: CallTimeouts) -> Result<LoadedPlugin, UnusablePlugin> {
    let path = written.canonicalize().map_err(LibraryError::Unreadable)?;
    let id = library::inspect(&path)?;
    // Held all the time: two loads at once take turns, and load nothing twice.
    let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((known, plugin)) = loaded.iter().find(|(_, plugin)| plugin.path == path) {
        if *known != id {
            tracing::warn!(
                "plugin {} was replaced; the new one is used once heraldd is started again",
                written.display()
            );
        }
        return Ok(plugin.clone());
    }
    let table = library::open(&path)?;
    let stem = path.file_stem().map_or_else(|| "?".into(), |stem| stem.to_string_lossy().into_owned());
    let nameless = Remote::new(&stem, table, timeouts);
    let described = nameless.describe().map_err(UnusablePlugin::NotDescribed)?;
    let manifest: Manifest = message::read(&described).map_err(UnusablePlugin::Unreadable)?;
    check(&manifest)?;
    let remote = Arc::new(Remote::new(&manifest.name, table, timeouts));
    let plugin = assemble(manifest, &path, &remote)?;
    tracing::debug!("plugin \"{}\" {} was loaded from {}", plugin.name, plugin.version, path.display());
    loaded.push((id, plugin.clone()));
    Ok(plugin)
}

fn check(manifest: &Manifest) -> Result<(), UnusablePlugin> {
    if manifest.name.is_empty() || manifest.name.contains(char::is_control) {
        return Err(UnusablePlugin::NoName);
    }
    if let Some((kind, name)) = manifest.doubles().into_iter().next() {
        return Err(UnusablePlugin::TypeTwice { kind, name });
    }
    if let Some(t) = manifest.triggers.iter().find(|t| INTERNAL.contains(&t.type_name.as_str())) {
        return Err(UnusablePlugin::Reserved(t.type_name.clone()));
    }
    Ok(())
}

fn assemble(manifest: Manifest, path: &Path, remote: &Arc<Remote>) -> Result<LoadedPlugin, DescriptionError> {
    let Manifest { name, version, triggers, selectors, executors } = manifest;
    Ok(LoadedPlugin {
        name,
        version,
        path: path.to_owned(),
        triggers: types(triggers, remote, ComponentKind::Trigger, |instance| {
            Arc::new(PluginTrigger(instance)) as Arc<dyn Trigger>
        })?,
        selectors: types(selectors, remote, ComponentKind::Selector, |instance| {
            Arc::new(PluginSelector(instance)) as Arc<dyn Selector>
        })?,
        executors: types(executors, remote, ComponentKind::Executor, |instance| {
            Arc::new(PluginExecutor(instance)) as Arc<dyn Executor>
        })?,
    })
}

/// The types of one kind. Their descriptions are checked by the daemon like those of built-in ones; factories and
/// checks ask the plugin.
fn types<C: ?Sized + 'static>(
    messages: Vec<TypeMessage>,
    remote: &Arc<Remote>,
    kind: ComponentKind,
    wrap: fn(Arc<Instance>) -> Arc<C>,
) -> Result<Vec<ComponentType<C>>, DescriptionError> {
    let component = |message: TypeMessage| {
        let type_name = message.type_name.clone();
        let description = message.description(&|of, option| remote.check(kind, &type_name, of, option))?;
        let remote = remote.clone();
        Ok(ComponentType::new(description, move |options| -> Result<Arc<C>, ComponentError> {
            Instance::create(&remote, kind, &type_name, &options.0).map(|instance| wrap(Arc::new(instance)))
        }))
    };
    messages.into_iter().map(component).collect()
}
