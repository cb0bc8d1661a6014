//! An application, out of its options.

use std::path::PathBuf;
use std::time::Duration;

use herald_base::unit;
use herald_config::component_error::ComponentError;
use herald_config::problem::Path;
use herald_config::spec::{Description, Options};
use herald_deploy::{DeployMode, OriginAuth, SourceKind};
use herald_remote::{Nodes, RunnerAddress};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::freeze::FreezeWindow;
use super::nodes::{self, NamedNode};
use super::options;

/// An application. Holds secrets.
#[derive(Debug, Clone)]
pub struct AppSettings {
    /// Its name.
    pub name: String,
    /// Git or Subversion.
    pub kind: SourceKind,
    /// The URL of the repository.
    pub repo: String,
    /// What is deployed where nobody says it.
    pub revision: String,
    /// As whom the repository is asked.
    pub auth: OriginAuth,
    /// The certificate of the authority of its server.
    pub ca_file: Option<PathBuf>,
    /// How the tree is changed.
    pub mode: DeployMode,
    /// The nodes, in the order in which they switch.
    pub nodes: Vec<AppNode>,
    /// In which order they switch.
    pub strategy: AppStrategy,
    /// What happens when a node fails.
    pub on_failure: OnFailure,
    /// When nothing is deployed.
    pub freeze: Vec<FreezeWindow>,
    /// How long each step may take on a node.
    pub timeout: Duration,
    /// How often each node is asked what is live.
    pub drift_interval: Duration,
    /// What the nodes get of it, without what differs from node to node.
    common: Map<String, Value>,
}

/// An application on one node.
#[derive(Debug, Clone)]
pub struct AppNode {
    /// The node's name.
    pub name: String,
    /// Where its runner is.
    pub address: RunnerAddress,
    /// Where the application is on it.
    pub path: PathBuf,
    hooks: Map<String, Value>,
}

impl AppNode {
    /// Whether it has the hook `once`.
    #[must_use]
    pub fn has_once(&self) -> bool {
        self.hooks.contains_key("once")
    }
}

/// In which order nodes switch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppStrategy {
    /// How many nodes switch before the others do.
    pub canary: usize,
    /// How many nodes switch at once.
    pub max_parallel: usize,
    /// How long to wait between them.
    pub pause: Duration,
    /// What happens with nodes that are offline.
    pub offline: OfflineNode,
}

/// What happens with a node that is offline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OfflineNode {
    /// The deployment fails before anything is changed.
    Fail,
    /// It goes on without the node.
    Skip,
    /// It waits for the node.
    Wait,
    /// The node gets the revision when it is back.
    CatchUp,
}

/// What happens when a node fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnFailure {
    /// All nodes go back.
    Rollback,
    /// Those that switched stay; no further one switches.
    Stop,
    /// The others go on.
    Continue,
}

/// The options that nodes get as they are.
const COMMON: [&str; 7] = ["shared", "keep", "local_changes", "tls", "externals", "submodules", "reserve"];

impl AppSettings {
    /// Of options that were checked against [`super::description`].
    ///
    /// # Errors
    /// What is wrong beyond that.
    pub fn read(name: &str, options: &Options, all: &Nodes) -> Result<Self, ComponentError> {
        let given = |name: &str| options.0.get(name).filter(|value| !value.is_null());
        let text = |name: &str| given(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let time = |name: &str| {
            let time = given(name).map(unit::duration).transpose();
            time.map(Option::unwrap_or_default).map_err(|error| ComponentError::of_option(name, error))
        };
        let repo = text("repo");
        let kind = kind(&repo, given("type").and_then(Value::as_str))?;
        let mode: DeployMode = word("mode", given("mode"))?;
        if mode == DeployMode::InPlace && given("shared").is_some() {
            return Err(ComponentError::of_option("shared", "has no use with mode: in_place"));
        }
        if kind == SourceKind::Git && given("externals").is_some_and(|externals| externals == "ignore") {
            return Err(ComponentError::of_option("externals", "is for Subversion"));
        }
        if kind == SourceKind::Svn && given("submodules") == Some(&Value::Bool(true)) {
            return Err(ComponentError::of_option("submodules", "is for Git"));
        }
        let freeze = given("freeze").and_then(Value::as_array).into_iter().flatten().map(FreezeWindow::read);
        let freeze =
            freeze.collect::<Result<_, _>>().map_err(|error| ComponentError::of_option("freeze", error))?;
        let mut settings = Self {
            name: name.to_owned(),
            kind,
            repo,
            revision: text("revision"),
            auth: auth(given("auth")),
            ca_file: given("tls").and_then(|tls| tls.get("ca")).and_then(Value::as_str).map(PathBuf::from),
            mode,
            nodes: Vec::new(),
            strategy: strategy(given("strategy"))?,
            on_failure: word("on_failure", given("on_failure"))?,
            freeze,
            timeout: time("timeout")?,
            drift_interval: time("drift_interval")?,
            common: common(options)?,
        };
        settings.nodes = app_nodes(options, all)?;
        if settings.strategy.canary > settings.nodes.len() {
            let what = format!(
                "canary: {} is more than the {} nodes",
                settings.strategy.canary,
                settings.nodes.len()
            );
            return Err(ComponentError::of_option("strategy", what));
        }
        Ok(settings)
    }

    /// `git` or `svn`.
    #[must_use]
    pub fn kind_name(&self) -> &'static str {
        match self.kind {
            SourceKind::Git => "git",
            SourceKind::Svn => "svn",
        }
    }

    /// `in_place`, `releases` or `exchange`.
    #[must_use]
    pub fn mode_name(&self) -> &'static str {
        match self.mode {
            DeployMode::InPlace => "in_place",
            DeployMode::Releases => "releases",
            DeployMode::Exchange => "exchange",
        }
    }

    /// The node of this name.
    #[must_use]
    pub fn node(&self, name: &str) -> Option<&AppNode> {
        self.nodes.iter().find(|node| node.name == name)
    }

    /// What a node gets of the application: `deploy.app`.
    #[must_use]
    pub fn for_node(&self, node: &AppNode) -> Value {
        let mut app = self.common.clone();
        app.insert("name".to_owned(), self.name.clone().into());
        app.insert("node".to_owned(), node.name.clone().into());
        app.insert("path".to_owned(), node.path.display().to_string().into());
        app.insert("hooks".to_owned(), node.hooks.clone().into());
        Value::Object(app)
    }
}

/// One of a few words.
fn word<T: for<'de> Deserialize<'de>>(option: &str, given: Option<&Value>) -> Result<T, ComponentError> {
    T::deserialize(given.unwrap_or(&Value::Null)).map_err(|error| ComponentError::of_option(option, error))
}

/// Git or Subversion: by the type, else by the URL.
fn kind(repo: &str, given: Option<&str>) -> Result<SourceKind, ComponentError> {
    let is_svn = repo.starts_with("svn://") || repo.starts_with("svn+ssh://");
    match given {
        Some("svn") => Ok(SourceKind::Svn),
        Some(_) if is_svn => {
            Err(ComponentError::of_option("type", "the URL is one of Subversion; write  type: svn"))
        }
        Some(_) => Ok(SourceKind::Git),
        None if is_svn => Ok(SourceKind::Svn),
        None if ["git://", "ssh://", "git+ssh://"].iter().any(|scheme| repo.starts_with(scheme)) => {
            Ok(SourceKind::Git)
        }
        None if repo.ends_with(".git") || (repo.contains('@') && !repo.contains("://")) => {
            Ok(SourceKind::Git)
        }
        None => Err(ComponentError::new("the option `type` is missing: the URL may be one of git or of svn")),
    }
}

fn auth(given: Option<&Value>) -> OriginAuth {
    let Some(given) = given else { return OriginAuth::Anonymous };
    if given.is_string() {
        return OriginAuth::Machine;
    }
    let text = |name: &str| given.get(name).and_then(Value::as_str).map(str::to_owned);
    match text("ssh_key_file") {
        Some(key) => {
            OriginAuth::SshKey { key_file: key.into(), known_hosts: text("known_hosts_file").map(Into::into) }
        }
        None => OriginAuth::Password {
            username: text("username").unwrap_or_default(),
            password: text("password").unwrap_or_default(),
        },
    }
}

fn strategy(given: Option<&Value>) -> Result<AppStrategy, ComponentError> {
    let given = |name: &str| given.and_then(|given| given.get(name)).filter(|value| !value.is_null());
    let count =
        |name: &str| given(name).and_then(Value::as_u64).and_then(|count| usize::try_from(count).ok());
    let wrong = |error| ComponentError::of_option("strategy", error);
    Ok(AppStrategy {
        canary: count("canary").unwrap_or(0),
        max_parallel: count("max_parallel").unwrap_or(1),
        pause: given("pause").map(unit::duration).transpose().map_err(wrong)?.unwrap_or_default(),
        offline: given("offline").map_or(Ok(OfflineNode::Fail), |offline| word("strategy", Some(offline)))?,
    })
}

/// What all nodes get.
fn common(options: &Options) -> Result<Map<String, Value>, ComponentError> {
    let given = |name: &str| options.0.get(name).filter(|value| !value.is_null());
    let mut common = Map::new();
    for name in ["repo", "mode"].into_iter().chain(COMMON) {
        if let Some(value) = given(name) {
            common.insert(name.to_owned(), value.clone());
        }
    }
    if let Some(Value::String(one)) = given("shared") {
        common.insert("shared".to_owned(), json!([one]));
    }
    let reserve = given("reserve").map(unit::size).transpose();
    let reserve = reserve.map_err(|error| ComponentError::of_option("reserve", error))?;
    common.insert("reserve".to_owned(), reserve.into());
    common.insert("auth".to_owned(), given("auth").cloned().unwrap_or_default());
    let repo = given("repo").and_then(Value::as_str).unwrap_or_default();
    let kind = kind(repo, given("type").and_then(Value::as_str))?;
    common.insert("type".to_owned(), if kind == SourceKind::Git { "git" } else { "svn" }.into());
    let health = match given("health") {
        Some(Value::Object(health)) => timed(command(health), "within", "health")?.into(),
        _ => Value::Null,
    };
    common.insert("health".to_owned(), health);
    Ok(common)
}

/// The nodes, with their paths and hooks.
fn app_nodes(options: &Options, all: &Nodes) -> Result<Vec<AppNode>, ComponentError> {
    let given = |name: &str| options.0.get(name).filter(|value| !value.is_null());
    let empty = Map::new();
    let path = given("path").and_then(Value::as_str);
    let common = given("hooks").and_then(Value::as_object).unwrap_or(&empty);
    let described = options::description();
    let node = |NamedNode { node, path: own_path, hooks: own_hooks }: NamedNode<'_>| {
        let name = &node.name;
        let path = own_path.or(path).ok_or_else(|| {
            ComponentError::new(format!(
                "the option `path` is missing, and the node {name} has none of its own"
            ))
        })?;
        let mut hooks = common.clone();
        if let Some(own) = own_hooks {
            check_hooks(name, own, &described)?;
            hooks.extend(own.iter().map(|(key, hook)| (key.clone(), hook.clone())));
        }
        let hooks = hooks.into_iter().filter_map(|(key, hook)| match hook {
            Value::Object(hook) => {
                Some(timed(command(&hook), "timeout", "hooks").map(|hook| (key, hook.into())))
            }
            _ => None,
        });
        let hooks = hooks.collect::<Result<_, _>>()?;
        Ok(AppNode { name: name.clone(), address: node.runner.clone(), path: path.into(), hooks })
    };
    nodes::named(given("nodes"), given("tags"), all)?.into_iter().map(node).collect()
}

/// A node's hooks are as those of the application.
fn check_hooks(node: &str, hooks: &Map<String, Value>, app: &Description) -> Result<(), ComponentError> {
    let mut of_hooks = Description::new("hooks", "");
    of_hooks.options = app.options.iter().filter(|option| option.name == "hooks").cloned().collect();
    let alone = Map::from_iter([("hooks".to_owned(), Value::Object(hooks.clone()))]);
    let (_, problems) = of_hooks.check_map(&alone, &Path::top());
    match problems.first() {
        None => Ok(()),
        Some(problem) => {
            Err(ComponentError::of_option("nodes", format!("{node}: hooks: {}", problem.message)))
        }
    }
}

/// A command whose arguments are a list.
fn command(hook: &Map<String, Value>) -> Map<String, Value> {
    let mut hook: Map<String, Value> = hook
        .iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    if let Some(one @ Value::String(_)) = hook.get("arg").cloned() {
        hook.insert("arg".to_owned(), json!([one]));
    }
    hook
}

/// The same with the time under this key in milliseconds.
fn timed(mut map: Map<String, Value>, key: &str, option: &str) -> Result<Map<String, Value>, ComponentError> {
    if let Some(time) = map.remove(key) {
        let time = unit::duration(&time).map_err(|error| ComponentError::of_option(option, error))?;
        let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        map.insert(format!("{key}_ms"), millis.into());
    }
    Ok(map)
}

#[cfg(test)]
mod tests {
    use super::*;
    use herald_remote::ConfiguredNode;
    use herald_wire::secret::Secrets;

    fn nodes() -> Nodes {
        let node = |name: &str, tags: &[&str]| ConfiguredNode {
            name: name.to_owned(),
            runner: RunnerAddress {
                url: format!("http://{name}:8124/").parse().unwrap(),
                secrets: Secrets::new(["0123456789abcdef"]).unwrap(),
                tls: None,
            },
            tags: tags.iter().map(|&tag| tag.to_owned()).collect(),
        };
        Nodes(vec![node("web1", &["web"]), node("web2", &["web"]), node("db1", &[])])
    }

    fn read(changes: &Value) -> Result<AppSettings, String> {
        let mut given = json!({"repo": "https://git.example.com/shop.git", "path": "/srv/shop", "nodes": ["web1", "web2"]});
        for (key, value) in changes.as_object().unwrap() {
            given[key] = value.clone();
        }
        let given: &Map<String, Value> = given.as_object().unwrap();
        let given: Map<String, Value> = given
            .iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        let (options, problems) = options::description().check_map(&given, &Path::top());
        if let Some(problem) = problems.first() {
            return Err(problem.message.clone());
        }
        AppSettings::read("shop", &options, &nodes()).map_err(|error| error.to_string())
    }

    #[test]
    fn defaults() {
        let app = read(&json!({})).unwrap();
        assert_eq!(
            (app.kind, app.mode, app.on_failure),
            (SourceKind::Git, DeployMode::Exchange, OnFailure::Rollback)
        );
        assert_eq!(
            (app.revision.as_str(), app.timeout, app.drift_interval.as_secs()),
            ("HEAD", Duration::from_secs(900), 300)
        );
        assert_eq!(
            app.strategy,
            AppStrategy { canary: 0, max_parallel: 1, pause: Duration::ZERO, offline: OfflineNode::Fail }
        );
        let expected = json!({"repo": "https://git.example.com/shop.git", "mode": "exchange", "keep": 5,
            "local_changes": "refuse", "externals": "fail", "submodules": false, "reserve": 16 << 20, "auth": null, "type": "git",
            "health": null, "name": "shop", "node": "web1", "path": "/srv/shop", "hooks": {}});
        assert_eq!(app.for_node(&app.nodes[0]), expected);
    }

    #[test]
    fn nodes_have_paths_and_hooks_of_their_own() {
        let app = read(&json!({
            "hooks": {"before": {"cmd": "check"}, "after": {"cmd": "reload", "arg": "all", "timeout": "5s"}},
            "nodes": ["web2", {"web1": {"path": "/data/shop", "hooks": {"after": {"cmd": "own"}}}}],
        }))
        .unwrap();
        let hooks: Vec<Value> = app.nodes.iter().map(|node| app.for_node(node)["hooks"].clone()).collect();
        assert_eq!(app.nodes[1].path, PathBuf::from("/data/shop"));
        assert_eq!(
            hooks[0],
            json!({"before": {"cmd": "check"}, "after": {"cmd": "reload", "arg": ["all"], "timeout_ms": 5000}})
        );
        assert_eq!(hooks[1], json!({"before": {"cmd": "check"}, "after": {"cmd": "own"}}));
        let tagged = read(&json!({"nodes": null, "tags": "web"})).unwrap();
        assert_eq!(tagged.nodes.iter().map(|node| &*node.name).collect::<Vec<_>>(), ["web1", "web2"]);
        let health = read(&json!({"health": {"url": "http://127.0.0.1/up"}})).unwrap();
        assert_eq!(
            health.for_node(&health.nodes[0])["health"],
            json!({"url": "http://127.0.0.1/up", "within_ms": 30000})
        );
    }

    #[test]
    fn what_is_wrong() {
        for (changes, what) in [
            (json!({"nodes": ["web3"]}), "did you mean \"web"),
            (json!({"nodes": ["web1", "web1"]}), "named twice"),
            (json!({"nodes": []}), "names no node"),
            (json!({"nodes": null}), "`nodes` or `tags` is missing"),
            (json!({"tags": "web"}), "not both"),
            (json!({"nodes": null, "tags": "mail"}), "no node bears the tag"),
            (json!({"nodes": {"web1": {"port": 3}}}), "unknown key `port`"),
            (json!({"nodes": {"web1": {"path": "srv"}}}), "absolute path"),
            (json!({"nodes": {"web1": {"hooks": {"befor": {"cmd": "x"}}}}}), "befor"),
            (json!({"path": null}), "the node web1 has none of its own"),
            (json!({"repo": "https://example.com/shop"}), "`type` is missing"),
            (json!({"repo": "svn://example.com/shop", "type": "git"}), "type: svn"),
            (json!({"mode": "in_place", "shared": ["x"]}), "no use with mode: in_place"),
            (json!({"submodules": true, "type": "svn"}), "is for Git"),
            (json!({"strategy": {"canary": 3}}), "more than the 2 nodes"),
        ] {
            let error = read(&changes).unwrap_err();
            assert!(error.contains(what), "{changes}: {error}");
        }
    }
}
