//! An etcd with projects, and a heraldd that publishes them.

use e2e::daemon::Daemon;
use e2e::etcd::{EtcdChange, EtcdServer};
use e2e::place::Place;
use e2e::program::Ended;
use e2e::wait::until;
use serde_json::Value;

const CONFIG: &str = "
state_dir: '@DIR@/state'
etcd:
  main: {endpoints: ['URL'], timeout: 2s}
trigger:
  projects: {type: etcd, etcd: main, prefix: /watcher, layout: projects, host: web01, resync: 2s}
executor:
  files: {type: publish, etcd: main, policy_from: etcd, command_timeout: 5s, backup: {on: [delete]}}
router:
  publish:
    trigger: projects
    selector: all
    task: {publish: files}
    policy: {concurrency: {limit: 1, key: trigger_param/project, on_full: replace}}
  done:
    trigger: exe_done
    selector: expr
    select_param: {expr: \"trigger_param.router == 'publish'\"}
    task: {show: print}
";

/// The configuration for an etcd with these endpoints: the text between two quotes of a list.
pub(super) fn config(urls: &str) -> String {
    CONFIG.replace("URL", urls)
}

/// One etcd, and the folder of a heraldd.
pub(super) struct Site {
    pub(super) server: EtcdServer,
    pub(super) place: Place,
    config: String,
}

impl Site {
    pub(super) fn new() -> Self {
        Self::with("", "")
    }

    /// With further options of the trigger and of the executor.
    pub(super) fn with(trigger: &str, executor: &str) -> Self {
        let config = CONFIG
            .replace("resync: 2s}", &format!("resync: 2s{trigger}}}"))
            .replace("command_timeout: 5s,", &format!("command_timeout: 5s{executor},"));
        Self { server: EtcdServer::start(), place: Place::new(), config }
    }

    /// The configuration.
    pub(super) fn config(&self) -> String {
        self.config.replace("URL", &self.server.url())
    }

    pub(super) fn start(&self) -> Daemon {
        super::start(&self.place, &self.config())
    }

    pub(super) fn key(name: &str) -> String {
        format!("/watcher/web01/{name}")
    }

    pub(super) fn put(&self, name: &str, value: &str) {
        self.server.put_bytes(&Self::key(name), value.as_bytes());
    }

    pub(super) fn delete(&self, name: &str) {
        self.server.change_all(&[EtcdChange { key: Self::key(name), value: None }]);
    }

    pub(super) fn policy(&self, project: &str, more: &str) {
        self.put(&format!("{project}/config"), &self.policy_text(project, more));
    }

    /// A policy: the folder has the name of the project.
    pub(super) fn policy_text(&self, project: &str, more: &str) -> String {
        let place = &self.place;
        let (site, backup) = (place.text_path(project), place.text_path(&format!("backup-{project}")));
        format!("{{\"deployPath\": \"{site}\", \"backupDir\": \"{backup}\"{more}}}")
    }

    pub(super) fn wait(&self, file: &str, content: Option<&str>) {
        until(file, || (self.place.read(file).as_deref() == content).then_some(()));
    }

    pub(super) fn heraldd(&self, arguments: &[&str]) -> Ended {
        let socket = self.place.text_path("state/heraldd.sock");
        let arguments: Vec<&str> = arguments.iter().copied().chain(["--socket", &socket]).collect();
        self.place.run("heraldd", &arguments)
    }

    pub(super) fn state(&self, project: &str) -> String {
        let shown = self.heraldd(&["published", project, "--json"]).text();
        let list: Value = shown.lines().find_map(|line| serde_json::from_str(line).ok()).unwrap_or_default();
        list["items"][0]["state"].as_str().unwrap_or_default().to_owned()
    }
}

/// The result of the last publication for which this holds.
pub(super) fn result(daemon: &Daemon, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let job = daemon.wait_print(what, |job| wanted(&job["trigger_param"]["result"]));
    job["trigger_param"]["result"].clone()
}
