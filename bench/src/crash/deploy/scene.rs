//! A daemon, three runners, and six applications: each mode with Git and with Subversion.

use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;
use serde_json::Value;

use super::super::{rig, socket, verdict};
use super::origin::{Origins, PASSWORD, USER};
use super::processes;
use crate::place::{Place, free_port};
use crate::program::Program;

/// The names of the nodes.
pub(super) const NODES: [&str; 3] = ["n1", "n2", "n3"];
/// How many trees a node keeps.
pub(super) const KEEP: usize = 3;
/// The router whose jobs say that deployments have ended.
pub(super) const ANNOUNCED: &str = "announced";
/// Time limit for a program to be ready.
const READY: Duration = Duration::from_secs(60);
const SECRET: &str = "for-the-length-of-a-crash-test";

/// Hooks note that they run, and take a while. `after` fails on the node that the file `fail` names, but not when it
/// is about the revision before.
const HOOK: &str = "\
echo \"$HERALD_APP $1 $HERALD_ACTION $HERALD_REVISION $HERALD_NODE\" >>'@DIR@/hooks'
sleep 0.0$(( $$ % 10 ))
[ \"$1\" != after ] || [ \"$HERALD_ACTION\" = revert ] || [ \"$(cat '@DIR@/fail')\" != \"$HERALD_NODE\" ]
";

/// How an application is deployed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TreeMode {
    InPlace,
    Releases,
    Exchange,
}

/// One of the applications.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct DeployedApp {
    pub(super) name: &'static str,
    pub(super) is_git: bool,
    pub(super) mode: TreeMode,
    /// Its strategy.
    strategy: &'static str,
}

/// All of them.
pub(super) const APPS: [DeployedApp; 6] = [
    app("git-in-place", true, TreeMode::InPlace, "max_parallel: 1"),
    app("git-releases", true, TreeMode::Releases, "canary: 1, max_parallel: 2"),
    app("git-exchange", true, TreeMode::Exchange, "max_parallel: 3"),
    app("svn-in-place", false, TreeMode::InPlace, "canary: 1, max_parallel: 2"),
    app("svn-releases", false, TreeMode::Releases, "max_parallel: 3"),
    app("svn-exchange", false, TreeMode::Exchange, "max_parallel: 1"),
];

const fn app(name: &'static str, is_git: bool, mode: TreeMode, strategy: &'static str) -> DeployedApp {
    DeployedApp { name, is_git, mode, strategy }
}

impl DeployedApp {
    /// The name of its mode.
    fn mode_name(self) -> &'static str {
        match self.mode {
            TreeMode::InPlace => "in_place",
            TreeMode::Releases => "releases",
            TreeMode::Exchange => "exchange",
        }
    }
}

/// A program that is started and ended repeatedly.
pub(super) struct DeployProcess {
    name: &'static str,
    program: PathBuf,
    config: PathBuf,
    /// Where a daemon answers, or a runner.
    answers: Answers,
    pub(super) running: Option<Program>,
}

enum Answers {
    Socket(PathBuf),
    Port(SocketAddr),
}

/// All of them. Ended when dropped.
pub(super) struct DeployScene {
    pub(super) daemon: DeployProcess,
    pub(super) runners: Vec<DeployProcess>,
    pub(super) origins: Origins,
    pub(super) folder: PathBuf,
    heraldd: PathBuf,
}

impl DeployScene {
    pub(super) fn start(place: &Place) -> Result<Self> {
        let folder = place.path("deploy");
        fs::create_dir_all(&folder)?;
        let origins = Origins::make(&folder)?;
        let dir = folder.display().to_string();
        fs::write(folder.join("hook.sh"), HOOK.replace("@DIR@", &dir))?;
        fs::write(folder.join("fail"), "")?;
        let mut runners = Vec::new();
        let mut nodes = String::new();
        for name in NODES {
            fs::create_dir_all(folder.join(name))?;
            let address = free_port()?;
            let config = folder.join(format!("{name}.yml"));
            let text = format!(
                "log_level: warn\nport: {}\nsecret: {SECRET}\nwork_dir: '{dir}/work-{name}'\n",
                address.port()
            );
            fs::write(&config, text)?;
            writeln!(nodes, "  {name}: {{host: 'http://{address}/', secret: {SECRET}}}")?;
            let (program, answers) = (place.program("herald-runner"), Answers::Port(address));
            runners.push(DeployProcess { name, program, config, answers, running: None });
        }
        let config = folder.join("heraldd.yml");
        fs::write(&config, config_of(&dir, &nodes, &origins)?)?;
        let (heraldd, answers) =
            (place.program("heraldd"), Answers::Socket(folder.join("state/heraldd.sock")));
        let daemon =
            DeployProcess { name: "heraldd", program: heraldd.clone(), config, answers, running: None };
        let mut scene = Self { daemon, runners, origins, folder, heraldd };
        for process in scene.runners.iter_mut().chain([&mut scene.daemon]) {
            process.start(None)?;
        }
        Ok(scene)
    }

    /// The arguments of a command, to be run by anyone.
    pub(super) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.heraldd);
        command.args(arguments).arg("--socket").arg(self.folder.join("state/heraldd.sock"));
        command
    }

    /// The application after all nodes were asked: `heraldd app NAME --refresh`.
    pub(super) fn refreshed(&self, app: DeployedApp) -> Result<Value> {
        let output = self.command(&["app", app.name, "--refresh", "--json"]).output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "heraldd app {}: {}", app.name, said.trim());
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    /// The application as it was seen last.
    pub(super) fn seen(&self, app: DeployedApp) -> Result<Value> {
        let (status, view) =
            socket::get(&self.folder.join("state/heraldd.sock"), &format!("/v1/apps/{}", app.name))?;
        ensure!(status == 200, "{status}: {view}");
        Ok(view)
    }

    /// The records of deployments with this reason.
    pub(super) fn records(&self, app: DeployedApp, reason: &str) -> Result<Vec<Value>> {
        let path = format!("/v1/apps/{}/deployments?limit=20", app.name);
        let (status, page) = socket::get(&self.folder.join("state/heraldd.sock"), &path)?;
        ensure!(status == 200, "{status}: {page}");
        let items = page["items"].as_array().context("a page has items")?;
        Ok(items.iter().filter(|record| record["reason"] == reason).cloned().collect())
    }

    /// How often `deployed` was fired.
    pub(super) fn announced(&self) -> Result<u64> {
        let jobs = verdict::jobs(&self.folder.join("state/heraldd.sock"))?;
        Ok(jobs.values().flatten().filter(|job| job.router == ANNOUNCED).count() as u64)
    }

    /// The programs that are meant to run.
    pub(super) fn own_ids(&self) -> Vec<i32> {
        let all = self.runners.iter().chain([&self.daemon]);
        all.filter_map(|process| Some(process.running.as_ref()?.id())).collect()
    }

    /// Where the application is on a node.
    pub(super) fn path(&self, node: &str, app: DeployedApp) -> PathBuf {
        self.folder.join(node).join(app.name)
    }

    /// What every process does, in words.
    pub(super) fn activity(&self, app: DeployedApp) -> String {
        let file = self.folder.join("state/apps").join(app.name).join("running.json");
        let progress: Value = read_json(&file).unwrap_or_default();
        let mut all = vec![match &progress {
            Value::Null => "no deployment runs".to_owned(),
            progress => stage(progress),
        }];
        for (runner, node) in self.runners.iter().zip(NODES) {
            let side = self.folder.join(node).join(format!("{}.herald", app.name));
            let record = read_json(&side.join("record.json")).unwrap_or_default();
            let phase = record["step"]["phase"].as_str().unwrap_or("at rest");
            let of_node = progress["nodes"].as_array().into_iter().flatten().find(|it| it["name"] == node);
            let sent = of_node
                .and_then(|it| it["sent"].as_str())
                .map_or(String::new(), |sent| format!(", sent {sent}"));
            let stage = of_node.and_then(|it| it["stage"].as_str()).unwrap_or("-");
            let below =
                runner.running.as_ref().map(|program| processes::below(program.id())).unwrap_or_default();
            let runs: Vec<String> = below.iter().take(2).map(processes::SeenProcess::short).collect();
            let runs = if runs.is_empty() { String::new() } else { format!(", runs {}", runs.join(" and ")) };
            all.push(format!("{node} {phase} ({stage}{sent}{runs})"));
        }
        all.join("; ")
    }
}

fn read_json(path: &Path) -> Option<Value> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

/// How far a deployment is.
fn stage(progress: &Value) -> String {
    let what = if progress["gave_up"].is_object() {
        "gives up"
    } else if progress["planned"] != true {
        "plans"
    } else if progress["switches"].as_array().is_some_and(|switches| !switches.is_empty()) {
        "switches"
    } else if progress["once"] == "not_run" {
        "prepares"
    } else {
        "runs once"
    };
    format!("the deployment {what}")
}

fn config_of(dir: &str, nodes: &str, origins: &Origins) -> Result<String> {
    let mut text = format!(
        "log: {{level: info}}\nstate_dir: '{dir}/state'\nshutdown_grace: 10s\nhistory: {{max_jobs: 1000000}}\n\
         router: {{{ANNOUNCED}: {{trigger: deployed, selector: all, task: {{t: none}}}}}}\nnode:\n{nodes}app:\n"
    );
    let hooks = ["before", "build", "once", "after"]
        .map(|name| format!("{name}: {{cmd: sh, arg: ['{dir}/hook.sh', {name}]}}"))
        .join(", ");
    for app in APPS {
        let repo = if app.is_git {
            format!("repo: '{}', type: git, revision: main", origins.git)
        } else {
            format!("repo: '{}', auth: {{username: {USER}, password: '{PASSWORD}'}}", origins.svn)
        };
        let paths = NODES.map(|node| format!("{node}: {{path: '{dir}/{node}/{}'}}", app.name)).join(", ");
        let (name, mode, strategy) = (app.name, app.mode_name(), app.strategy);
        writeln!(text, "  {name}: {{{repo}, mode: {mode}, nodes: {{{paths}}},")?;
        writeln!(
            text,
            "    keep: {KEEP}, timeout: 60s, reserve: 0, strategy: {{{strategy}}}, hooks: {{{hooks}}}}}"
        )?;
    }
    Ok(text)
}

impl DeployProcess {
    /// Starts it and waits until it answers, unless it ends at this failpoint.
    pub(super) fn start(&mut self, failpoint: Option<&str>) -> Result<()> {
        let began = Instant::now();
        loop {
            let mut command = Command::new(&self.program);
            command.arg("-config").arg(&self.config);
            if let Some(failpoint) = failpoint {
                command.env("HERALD_FAILPOINT", failpoint);
            }
            let mut program = Program::start(&mut command, "no line")?;
            let ready = match &self.answers {
                Answers::Socket(path) => socket::wait_until_it_answers(&mut program, path),
                Answers::Port(address) => program.wait_for_port_within(*address, READY),
            };
            let has_ended = program.has_ended()?;
            if failpoint.is_some() && has_ended || ready.is_ok() && !has_ended {
                self.running = Some(program);
                return Ok(());
            }
            // While it was away, somebody else's connection may have got its port for a while.
            let lines = program.last_lines();
            ensure!(has_ended && began.elapsed() < READY, "{} is not ready: {ready:?}\n{lines}", self.name);
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    pub(super) fn kill(&mut self) -> Result<()> {
        if let Some(program) = self.running.take() {
            rig::end(program, Signal::KILL)?;
        }
        Ok(())
    }

    /// Whether it ended by itself.
    pub(super) fn has_ended(&mut self) -> Result<bool> {
        self.running.as_mut().map_or(Ok(true), Program::has_ended)
    }

    /// Its last lines, under its name.
    pub(super) fn last_lines(&self) -> String {
        let lines = self.running.as_ref().map(Program::last_lines).unwrap_or_default();
        format!("{}:\n{lines}", self.name)
    }
}
