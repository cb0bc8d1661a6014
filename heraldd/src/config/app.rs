//! The section `app`: each application is an executor `app:NAME`, and has a router of the same name.

use std::path::{Path as FilePath, PathBuf};
use std::sync::{Arc, LazyLock};

use herald_apps::{App, AppMemories, AppSettings};
use herald_core::activation::APP;
use herald_core::context::Context;
use herald_core::executor::Executor;
use herald_core::param::Params;
use herald_core::problem::{Path, Problem};
use herald_core::spec::{Description, Options};
use herald_remote::{DrainedNodes, Nodes};
use serde_json::{Map, Value, json};

use super::components::{ComponentSection, ConfiguredComponent};
use crate::app::AppExecutor;
use crate::state::folder::StateFolder;
use herald_sections::{Invalid, NamedOptions, References, Section, SectionReader, Shape};

pub(super) const SECTION: Section = Section {
    name: "app",
    holds: "applications that are deployed from Git or Subversion to nodes: `NAME: {repo: URL, path: PATH, nodes: [NAME, …], …}`",
    references: References::Everywhere,
    shape: Shape::Named(herald_apps::description),
};

/// The beginning of the names of executors and routers.
const PREFIX: &str = "app:";
/// The longest name of an application, in bytes.
const LONGEST_NAME: usize = 64;

/// What a job of `app:NAME` takes.
static JOB: LazyLock<Description> = LazyLock::new(|| {
    let description = Description::new("app", "Deploys an application.");
    herald_apps::params().into_iter().fold(description, Description::param)
});

/// An application whose options are right, each for itself.
#[derive(Debug, Clone, PartialEq)]
pub struct ConfiguredApp {
    /// Its name.
    pub name: String,
    /// Its options, secrets included.
    pub options: Options,
}

/// What is said of the section.
const NAMED: NamedOptions = NamedOptions {
    section: "app",
    things: "applications",
    needs: "repo, path and nodes",
    example: "{repo: URL, path: /srv/www/shop, nodes: [web1]}",
};

pub(super) fn read(reading: &mut SectionReader<'_, '_>) -> Result<Vec<ConfiguredApp>, Invalid> {
    // What is wrong with one is reported; the others are checked all the same, with nodes and paths.
    let all = reading.named(&NAMED, |reading, name, body, at| Ok(one(reading, name, body, at).ok()))?;
    Ok(all.into_iter().flatten().collect())
}

fn one(
    reading: &mut SectionReader<'_, '_>,
    name: &str,
    body: &Params,
    at: &Path,
) -> Result<ConfiguredApp, Invalid> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    if name.is_empty()
        || name.len() > LONGEST_NAME
        || !name.bytes().all(allowed)
        || name.starts_with(['.', '-'])
    {
        let message = "the name of an application has letters, digits, `.`, `_` and `-`, at most 64 of them";
        return Err(reading.wrong(Problem::error(at.clone(), message).at_key()));
    }
    let options = reading.options(&herald_apps::description(), body, at)?;
    Ok(ConfiguredApp { name: name.to_owned(), options })
}

/// What is known of applications, kept in this folder; what `before` has stays.
pub(super) fn memories(before: &AppMemories, folder: Option<&PathBuf>) -> AppMemories {
    let folder = folder.map(PathBuf::as_path);
    if before.are_in(folder) { before.clone() } else { AppMemories::new(folder.map(FilePath::to_owned)) }
}

/// The executors of applications that were not read, since something else is wrong: routers may name them.
pub(super) fn as_written(top: &Map<String, Value>, executors: &mut ComponentSection<'_, dyn Executor>) {
    let apps = top.get("app").and_then(Value::as_object);
    for name in apps.into_iter().flat_map(Map::keys) {
        executors.names.entry(format!("{PREFIX}{name}")).or_insert(None);
    }
}

/// Adds the executors of all applications.
pub(super) fn executors(
    apps: &[ConfiguredApp],
    executors: &mut ComponentSection<'_, dyn Executor>,
    context: &Context,
    problems: &mut Vec<Problem>,
) {
    let at = Path::top().key("app");
    let mut known: Vec<AppSettings> = Vec::new();
    for app in apps {
        let name = format!("{PREFIX}{}", app.name);
        if executors.names.contains_key(&name) {
            let message = format!("\"{name}\" is the executor of the application {}", app.name);
            problems.push(Problem::error(Path::top().key("executor").key(&name), message).at_key());
            continue;
        }
        executors.names.insert(name.clone(), Some(&JOB));
        context.begin_component(&name);
        let nodes = context.get::<Nodes>().unwrap_or_default();
        let settings = AppSettings::read(&app.name, &app.options, &nodes);
        let made = settings.and_then(|settings| {
            let folder: Option<PathBuf> = context.get::<StateFolder>().map(|folder| folder.0.clone());
            let memories = context.get::<AppMemories>().unwrap_or_default();
            let folder = folder.unwrap_or_else(StateFolder::of_process);
            let drained = context.get::<DrainedNodes>().map(|drained| (*drained).clone()).unwrap_or_default();
            Ok((settings.clone(), App::new(settings, &memories, &folder, drained)?))
        });
        let taken = context.taken();
        match made {
            Ok((settings, made)) => {
                problems.extend(known.iter().find_map(|other| overlap(other, &settings)).map(
                    |(node, what)| Problem::error(at.key(&app.name), format!("on {node}, {what}")).at_key(),
                ));
                known.push(settings);
                executors.instances.insert(name.clone(), Arc::new(AppExecutor::new(made)));
                let (type_name, options) = ("app".to_owned(), app.options.clone());
                executors.components.push(ConfiguredComponent { name, type_name, options, taken });
            }
            Err(error) => problems.push(error.problem(&app.options.0, &at.key(&app.name))),
        }
    }
}

/// Where one application would be in the folder of another: the node, and a sentence.
fn overlap(one: &AppSettings, other: &AppSettings) -> Option<(String, String)> {
    one.nodes.iter().find_map(|node| {
        let same = other.nodes.iter().find(|other| other.address.url == node.address.url)?;
        let is_inside = folders(&node.path).iter().any(|mine| {
            folders(&same.path).iter().any(|theirs| mine.starts_with(theirs) || theirs.starts_with(mine))
        });
        let what = || {
            let (path, of_other) = (same.path.display(), node.path.display());
            format!("{path} and {of_other} of {} are the same folder, or one is in the other", one.name)
        };
        is_inside.then(|| (node.name.clone(), what()))
    })
}

/// What an application has on a node: its folder, and the one beside it with what Herald records.
fn folders(path: &FilePath) -> [PathBuf; 2] {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".herald");
    [path.to_owned(), path.with_file_name(name)]
}

/// The section `router`, with one for each application.
pub(super) fn routers(apps: &[ConfiguredApp], written: Option<Value>, problems: &mut Vec<Problem>) -> Value {
    let mut routers = match written {
        None | Some(Value::Null) => Params::new(),
        Some(Value::Object(routers)) => routers,
        // It is reported where routers are read.
        Some(other) => return other,
    };
    for app in apps {
        let name = format!("{PREFIX}{}", app.name);
        let own = json!({
            "trigger": APP,
            "selector": "match_map",
            "task": {&app.name: &name},
            "select_param": {"match_key": "app", "match_value": app.name},
        });
        if routers.insert(name.clone(), own).is_some() {
            let message = format!("\"{name}\" is the router of the application {}", app.name);
            problems.push(Problem::error(Path::top().key("router").key(&name), message).at_key());
        }
    }
    Value::Object(routers)
}
