//! Deployments to three nodes, while the daemon, runners, and their `git` and `svn` are killed at random moments.
//! Afterwards every node is wholly one revision, which is the recorded one, and nothing has to be done by hand.

mod fault;
mod judge;
mod origin;
mod processes;
mod scene;

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fs;
use std::process::Output;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::Signal;
use serde_json::Value;

use super::random::Random;
use super::rig;
use super::verdict::Verdict;
use crate::place::Place;
use fault::{DeployFailpoints, DeployFault, index};
use judge::Deployed;
use scene::{APPS, DeployScene, DeployedApp, NODES};

/// Time limit for the record of a deployment.
const RECORDED: Duration = Duration::from_secs(150);
/// Time limit for all nodes to be as recorded, once they are asked.
const SETTLED: Duration = Duration::from_secs(45);
/// Time limit for processes to end that work in the folder.
const ENDED: Duration = Duration::from_secs(15);
/// Time limit for the daemon to accept a deployment.
const ACCEPTED: Duration = Duration::from_secs(60);

/// Why this kind cannot run here.
pub(super) fn not_here() -> Option<String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_there = |name: &str| std::env::split_paths(&path).any(|folder| folder.join(name).exists());
    let needed = ["git", "svn", "svnadmin", "svnserve", "svnversion"];
    let missing = needed.into_iter().find(|name| !is_there(name))?;
    Some(format!("{missing} is not installed"))
}

/// All rounds.
struct DeployRounds<'a> {
    scene: DeployScene,
    random: &'a mut Random,
    failpoints: DeployFailpoints,
    /// How long a deployment takes when nobody is killed.
    usual: BTreeMap<&'static str, Duration>,
    /// The number of the revision that is live.
    live: BTreeMap<&'static str, usize>,
    verdict: Verdict,
    /// How often each end followed each fault.
    ends: BTreeMap<String, u64>,
}

/// Runs the rounds. Each prints what it did, what every process was doing then, and how the deployment ended.
pub(super) fn deploy(place: &Place, rounds: u64, random: &mut Random, names: &[String]) -> Result<Verdict> {
    let of = |prefix: &str| {
        // A release build has none.
        let names = names.iter().filter(|name| cfg!(debug_assertions) && name.starts_with(prefix));
        names.cloned().collect::<Vec<_>>()
    };
    let failpoints = DeployFailpoints { daemon: of("apps-"), runner: of("deploy-") };
    let (usual, live, ends) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    let scene = DeployScene::start(place)?;
    let verdict = Verdict { rounds, ..Verdict::default() };
    let mut all = DeployRounds { scene, random, failpoints, usual, live, verdict, ends };
    for round in 1..=rounds {
        if let Err(error) = all.round(round, rounds) {
            let lines: Vec<String> = all
                .scene
                .runners
                .iter()
                .chain([&all.scene.daemon])
                .map(scene::DeployProcess::last_lines)
                .collect();
            return Err(error.context(lines.join("\n")));
        }
    }
    for app in APPS.into_iter().filter(|app| all.usual.contains_key(app.name)).collect::<Vec<_>>() {
        all.calm(app, "the end")?;
    }
    all.announced()?;
    for (what, count) in &all.ends {
        eprintln!("deploy: {count:>4} {what}");
    }
    for process in all.scene.runners.iter_mut().chain([&mut all.scene.daemon]) {
        if let Some(program) = process.running.take() {
            rig::end(program, Signal::TERM)?;
        }
    }
    Ok(all.verdict)
}

impl DeployRounds<'_> {
    /// Before the first round of an application, two deployments without faults; the second shows how long one takes.
    fn warm_up(&mut self, app: DeployedApp) -> Result<()> {
        if self.usual.contains_key(app.name) {
            return Ok(());
        }
        self.calm(app, "the first")?;
        let usual = self.calm(app, "the second")?;
        eprintln!("deploy: {} takes {:.1} s", app.name, usual.as_secs_f32());
        self.usual.insert(app.name, usual);
        Ok(())
    }

    /// A deployment that nobody disturbs, and that therefore must succeed.
    /// Returns how long it took.
    fn calm(&mut self, app: DeployedApp, reason: &str) -> Result<Duration> {
        let target = self.target(app);
        let deployed = Deployed { app, failing: None, spares_nodes: true };
        let began = Instant::now();
        let record = self.carried_out(&deployed, target, reason, None)?;
        let took = began.elapsed();
        self.looked_at(&deployed, reason, &record)?;
        Ok(took)
    }

    /// A revision that is not live.
    fn target(&mut self, app: DeployedApp) -> usize {
        let live = self.live.get(app.name).copied().unwrap_or(0);
        let target = 1 + index(self.random, origin::REVISIONS);
        if target == live { 1 + target % origin::REVISIONS } else { target }
    }

    fn round(&mut self, round: u64, rounds: u64) -> Result<()> {
        let app = APPS[index(self.random, APPS.len())];
        self.warm_up(app)?;
        let (target, live) = (self.target(app), self.live.get(app.name).copied().unwrap_or(0));
        let failing = (self.random.below(3) == 0).then(|| NODES[index(self.random, NODES.len())]);
        let first = DeployFault::pick(self.random, &self.failpoints);
        let second = (self.random.below(3) == 0).then(|| DeployFault::pick_second(self.random));
        let spares_nodes = first.spares_nodes() && second.as_ref().is_none_or(DeployFault::spares_nodes);
        let name = app.name;
        let fails = failing.map(|node| format!(", after fails on {node}")).unwrap_or_default();
        eprintln!("deploy {round}/{rounds}: {name} {live} -> {target}{fails}");
        let deployed = Deployed { app, failing, spares_nodes };
        let faults = (&first, second.as_ref());
        let began = Instant::now();
        let reason = format!("round {round}");
        let record = self.carried_out(&deployed, target, &reason, Some(faults))?;
        let status = record["status"].as_str().unwrap_or_default().to_owned();
        eprintln!("  {status} in {:.1} s", began.elapsed().as_secs_f32());
        *self.ends.entry(format!("{}: {status}", first.name())).or_default() += 1;
        if self.random.below(4) > 0 {
            return self.looked_at(&deployed, &reason, &record);
        }
        // Nobody looks: the next deployment alone puts everything right.
        fs::write(self.scene.folder.join("hooks"), "")?;
        self.live.insert(app.name, if status == "succeeded" { target } else { live });
        self.end_hold(&deployed, &self.scene.seen(app)?)?;
        self.calm(app, &format!("{reason}, straight on")).map(drop)
    }

    /// Deploys, with faults meanwhile; returns the record.
    fn carried_out(
        &mut self,
        deployed: &Deployed,
        target: usize,
        reason: &str,
        faults: Option<(&DeployFault, Option<&DeployFault>)>,
    ) -> Result<Value> {
        let app = deployed.app;
        fs::write(self.scene.folder.join("fail"), deployed.failing.unwrap_or_default())?;
        if let Some((first, _)) = faults {
            first.prepare(&mut self.scene)?;
        }
        let title = (self.random.below(2) == 0).then_some(reason);
        let revision = self.scene.origins.revision(target, app.is_git, title)?;
        let asked = self.ask(app, &revision, reason);
        if let Some((first, second)) = faults {
            self.disturb(app, reason, first, 1000)?;
            if let Some(second) = second {
                // What is left of it is shorter.
                self.disturb(app, reason, second, 500)?;
            }
        }
        self.accepted(app, &revision, reason, asked)?;
        self.verdict.acknowledged += 1;
        self.recorded(app, reason)
    }

    /// Looks at what came of it.
    fn looked_at(&mut self, deployed: &Deployed, reason: &str, record: &Value) -> Result<()> {
        let app = deployed.app;
        let view = self.settled(app)?;
        let findings = deployed.judge(&self.scene, record, &view)?;
        self.verdict.marked += u64::from(!findings.marked.is_empty());
        let at = |what: &String| format!("{reason}, {}: {what}", app.name);
        for what in findings.wrong.iter().chain(&findings.repeated) {
            eprintln!("  WRONG: {what}\n  record: {record}\n  view: {view}");
        }
        self.verdict.lost.extend(findings.wrong.iter().map(at));
        self.verdict.repeated.extend(findings.repeated.iter().map(at));
        self.alone()?;
        self.end_hold(deployed, &view)?;
        let number = self.scene.origins.number(view["revision"].as_str().unwrap_or_default());
        self.live.insert(app.name, number.unwrap_or(0));
        Ok(())
    }

    /// Herald holds an application where a node could not be reverted.
    fn end_hold(&self, deployed: &Deployed, view: &Value) -> Result<()> {
        if view["hold"].is_null() {
            return Ok(());
        }
        ensure!(!deployed.spares_nodes, "the application is held: {}", view["hold"]);
        eprintln!("  held: {}", view["hold"]["reason"]);
        let output = self.scene.command(&["unhold", deployed.app.name]).output()?;
        ensure!(output.status.success(), "unhold: {}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    }

    /// Somebody is killed within so many thousandths of the usual time, and started again after a while.
    fn disturb(&mut self, app: DeployedApp, reason: &str, fault: &DeployFault, within: u64) -> Result<()> {
        let usual = self.usual.get(app.name).copied().unwrap_or_default();
        let moment = usual.mul_f64(0.001 * f64::from(u32::try_from(self.random.below(within))?));
        let is_over =
            |scene: &DeployScene| scene.records(app, reason).is_ok_and(|records| !records.is_empty());
        fault.wait(&mut self.scene, moment, &is_over)?;
        let before = self.scene.activity(app);
        let what = fault.begin(&mut self.scene, self.random)?;
        eprintln!("  {fault}{what}; before: {before}");
        if !matches!(fault, DeployFault::Nothing | DeployFault::Tool(_)) {
            std::thread::sleep(self.random.millis(0, 1500));
        }
        fault.end(&mut self.scene)?;
        if self.random.below(3) == 0 {
            // Somebody looks at once, perhaps before the deployment goes on.
            drop(self.scene.refreshed(app));
        }
        Ok(())
    }

    /// Asks for the deployment, by the command line, while others go on.
    fn ask(&self, app: DeployedApp, revision: &str, reason: &str) -> JoinHandle<std::io::Result<Output>> {
        let mut command =
            self.scene.command(&["deploy", app.name, revision, "--reason", reason, "--key", reason]);
        std::thread::spawn(move || command.output())
    }

    /// Asks again where nobody knows whether it was accepted: the same key is the same deployment.
    fn accepted(
        &self,
        app: DeployedApp,
        revision: &str,
        reason: &str,
        mut asked: JoinHandle<std::io::Result<Output>>,
    ) -> Result<()> {
        let began = Instant::now();
        loop {
            let Ok(output) = asked.join() else { bail!("the thread of the command panicked") };
            let output = output?;
            if output.status.success() || !self.scene.records(app, reason)?.is_empty() {
                return Ok(());
            }
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            ensure!(began.elapsed() < ACCEPTED, "the deployment is not accepted: {said}");
            std::thread::sleep(Duration::from_millis(100));
            asked = self.ask(app, revision, reason);
        }
    }

    /// The record of the deployment, once it has ended.
    fn recorded(&self, app: DeployedApp, reason: &str) -> Result<Value> {
        let began = Instant::now();
        loop {
            let mut records = self.scene.records(app, reason)?;
            ensure!(records.len() < 2, "it was deployed {} times: {records:?}", records.len());
            if let Some(record) = records.pop() {
                return Ok(record);
            }
            ensure!(began.elapsed() < RECORDED, "it is not recorded: {}", self.scene.activity(app));
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The application, once all of its nodes were asked what is live, and are as recorded.
    fn settled(&self, app: DeployedApp) -> Result<Value> {
        let began = Instant::now();
        loop {
            let view = self.scene.refreshed(app)?;
            let nodes = view["nodes"].as_object().context("an application has nodes")?;
            let is_known = |node: &Value| node["state"] == "in_sync" || node["state"] == "broken";
            if view["running"].is_null() && nodes.values().all(is_known) || began.elapsed() > SETTLED {
                return Ok(view);
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// `deployed` was fired once for each deployment.
    fn announced(&mut self) -> Result<()> {
        let (began, expected) = (Instant::now(), self.verdict.acknowledged);
        let mut announced = self.scene.announced()?;
        while announced < expected && began.elapsed() < SETTLED {
            std::thread::sleep(Duration::from_millis(100));
            announced = self.scene.announced()?;
        }
        let what = format!("`deployed` was fired {announced} times for {expected} deployments");
        match announced.cmp(&expected) {
            Ordering::Less => self.verdict.lost.push(what),
            Ordering::Greater => self.verdict.repeated.push(what),
            Ordering::Equal => {}
        }
        Ok(())
    }

    /// Waits until nothing works in the folder but the daemon and the runners.
    fn alone(&mut self) -> Result<()> {
        let began = Instant::now();
        loop {
            let others = processes::works_in(&self.scene.folder, &self.scene.own_ids());
            if others.is_empty() {
                return Ok(());
            }
            if began.elapsed() > ENDED {
                let what = format!("these processes are left: {others:?}");
                eprintln!("  WRONG: {what}");
                self.verdict.lost.push(what);
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
